"""Pictures: written, of a plausible size, showing the data they were given."""

import sys
from pathlib import Path

import numpy as np
import pytest

from arignote.models.training import Record
from arignote.models.training.curves import confusion_matrix, confusion_picture, learning_curves

image = pytest.importorskip("matplotlib.image")


def records(n: int) -> list[Record]:
    return [
        Record(
            epoch=12 * i,
            minibatch=1,
            iteration=996 * i,
            train_loss=2.0 / (i + 1),
            valid_loss=2.1 / (i + 1),
            valid_error=0.4 / (i + 1),
            test_loss=None,
            test_error=None,
            seconds=float(i),
        )
        for i in range(n)
    ]


def coloured(path: Path, hex_colour: str) -> int:
    """How many pixels have a colour."""
    rgb = np.array([int(hex_colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    pixels = image.imread(path)[..., :3]
    return int((np.abs(pixels - rgb).max(axis=-1) < 0.02).sum())


@pytest.mark.parametrize("n", [1, 7, 100])
def test_learning_curves(tmp_path: Path, n: int) -> None:
    path = learning_curves(records(n), 83, tmp_path / "new" / "curves.png", title="mlp")
    height, width, _ = image.imread(path).shape
    assert width > height > 400
    for colour in ("#7a8794", "#1f6fb4", "#c4472d"):  # training, validation, error
        assert coloured(path, colour) > 20


def test_no_records() -> None:
    with pytest.raises(ValueError, match="no records"):
        learning_curves([], 83, "unused.png", title="mlp")


def test_confusion_matrix_counts() -> None:
    labels = np.array([0, 0, 1, 2, 2, 2], np.int32)
    predictions = np.array([0, 1, 1, 2, 0, 2], np.int64)
    matrix = confusion_matrix(labels, predictions, 4)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "predictions", "message"),
    [
        ([0, 1], [0], "vectors of one length"),
        ([[0]], [[0]], "vectors of one length"),
        ([0, 3], [0, 1], r"labels are integers in 0\.\.2"),
        ([0, 1], [0, -1], "predictions are integers"),
        ([0.0, 1.0], [0, 1], "labels are integers"),
    ],
)
def test_confusion_matrix_of_nonsense(
    labels: list[float], predictions: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        confusion_matrix(labels, predictions, 3)


def test_confusion_picture(tmp_path: Path) -> None:
    matrix = np.diag([9, 8, 7, 0])
    matrix[0, 3] = 20
    path = confusion_picture(matrix, tmp_path / "confusion.png", title="mlp")
    # The largest share of "Blues" fills the two rows that are all right.
    assert coloured(path, "#08306b") > 2000
    small = confusion_picture(np.eye(2, dtype=np.int64), tmp_path / "s.png", title="mlp")
    assert image.imread(small).shape[0] < image.imread(path).shape[0]
    with pytest.raises(ValueError, match="a square matrix with a name per row"):
        confusion_picture(matrix, path, title="mlp", class_names=["a"])
    with pytest.raises(ValueError, match="a square matrix"):
        confusion_picture(matrix[:2], path, title="mlp")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'arignote\[models\]'"):
        learning_curves(records(3), 83, tmp_path / "curves.png", title="mlp")
