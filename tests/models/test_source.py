"""Where data is looked for, and the embedded data set."""

import sys
from pathlib import Path

import numpy as np
import pytest

from arignote.models.data import DataError, Pair, find_folder, load_dataset, load_digits, source
from arignote.models.data.digits import enlarge


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data folder by environment, and neither the package nor the cwd in a checkout."""
    monkeypatch.delenv("ARIGNOTE_DATA", raising=False)
    monkeypatch.setattr(source, "__file__", str(tmp_path / "site-packages" / "source.py"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)


def folder_with(path: Path, file: str = "x.txt") -> Path:
    path.mkdir(parents=True)
    (path / file).touch()
    return path


def checkout(path: Path) -> Path:
    folder_with(path, "pyproject.toml")
    folder_with(path / "arignote", "__init__.py")
    return path


def test_explicit_folder_or_parent(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "data" / "set")
    assert find_folder("set", ["x.txt"], tmp_path / "data") == folder
    assert find_folder("set", ["x.txt"], str(folder)) == folder


def test_explicit_beats_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_argument, by_environment = folder_with(tmp_path / "a"), folder_with(tmp_path / "b")
    monkeypatch.setenv("ARIGNOTE_DATA", str(by_environment))
    assert find_folder("set", ["x.txt"]) == by_environment
    assert find_folder("set", ["x.txt"], by_argument) == by_argument


@pytest.mark.parametrize("start", ["cwd", "package"])
def test_beside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    root = checkout(tmp_path / "checkout")
    folder = folder_with(tmp_path / "shared" / "data" / "set")
    if start == "cwd":
        monkeypatch.chdir(root / "arignote")
    else:
        monkeypatch.setattr(source, "__file__", str(root / "models" / "data" / "source.py"))
    assert find_folder("set", ["x.txt"]) == folder


def test_a_wrong_explicit_folder_is_not_replaced_by_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARIGNOTE_DATA", str(folder_with(tmp_path / "good")))
    with pytest.raises(DataError, match=r"missing: expected a folder.*found nothing.*--data"):
        find_folder("set", ["x.txt"], tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"found none in .*empty/set, .*empty\. Name"):
        find_folder("set", ["x.txt"], tmp_path / "empty")


def test_a_wrong_environment_variable_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ARIGNOTE_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"found a file\. .*ARIGNOTE_DATA"):
        find_folder("set", ["x.txt"])


def test_nowhere_to_look() -> None:
    with pytest.raises(DataError, match=r"data set 'mnist'.*ARIGNOTE_DATA.*'digits', 'shapes' and 'scenes' need no"):
        load_dataset("mnist")


def test_unknown_name() -> None:
    with pytest.raises(DataError, match="one of auto, mnist, digits"):
        load_dataset("mnits")


def test_auto_falls_back_to_digits() -> None:
    pytest.importorskip("sklearn")
    assert load_dataset().name == "digits"


def test_digits() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    data = load_digits()
    parts: tuple[Pair, ...] = (data.train, data.valid, data.test)
    assert [p.x.shape for p in parts] == [(1300, 784), (240, 784), (240, 784)]
    for x, y in parts:
        assert (str(x.dtype), str(y.dtype)) == ("float32", "int32")
        assert x.min() >= 0
        assert x.max() < 1
        # Every class is there, about equally often.
        assert np.bincount(y, minlength=10).min() > len(y) / 10 / 2
    # Each image is one of the originals, with its own label, and none is used twice.
    images, labels = datasets.load_digits(return_X_y=True)
    rows = {row.tobytes(): i for i, row in enumerate(enlarge(images.reshape(-1, 8, 8)))}
    used = [rows[row.tobytes()] for x, _ in parts for row in x]
    assert len(set(used)) == len(used) == 1780
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), labels[used])


def test_digits_are_the_same_every_time() -> None:
    pytest.importorskip("sklearn")
    first, second = load_digits(label_dtype=np.int64), load_digits(label_dtype=np.int64)
    assert first.train.y.dtype == np.int64
    np.testing.assert_array_equal(first.test.x, second.test.x)
    # The permutation itself is part of the data set's definition.
    assert first.train.y[:10].tolist() == [8, 1, 3, 8, 5, 8, 1, 4, 9, 7]


def test_enlarging_keeps_constants_and_symmetry() -> None:
    white = enlarge(np.full((1, 8, 8), 16.0))
    np.testing.assert_allclose(white, 255 / 256, rtol=1e-6)
    image = np.random.default_rng(0).integers(0, 17, (1, 8, 8)).astype(np.float64)
    large = enlarge(image).reshape(28, 28)
    np.testing.assert_allclose(enlarge(image[:, ::-1, ::-1]).reshape(28, 28), large[::-1, ::-1])
    np.testing.assert_allclose(enlarge(image.transpose(0, 2, 1)).reshape(28, 28), large.T)
    np.testing.assert_allclose(large[0, 0], image[0, 0, 0] / 16 * 255 / 256, rtol=1e-6)


def test_missing_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(DataError, match=r"scikit-learn.*pip install 'arignote\[models\]'"):
        load_digits()


def test_labels_are_int32_or_int64() -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(TypeError, match="int32 or int64, not float32"):
        load_digits(label_dtype=np.float32)
