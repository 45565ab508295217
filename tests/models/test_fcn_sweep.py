"""The classifier as convolutions: equal to the classifier at every window."""

from pathlib import Path

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.models.book.fcn_sweep import FcnSweep, swept
from arignote.models.data import Dataset, Pair
from arignote.models.imagetask import ImageTask

RANDOM = np.random.default_rng(0)


def small_data() -> Dataset:
    def part(n: int) -> Pair:
        x = RANDOM.uniform(0, 1, (n, 400)).astype(np.float32)
        return Pair(x, RANDOM.integers(0, 3, n).astype(np.int32))

    return Dataset("small", part(8), part(4), part(4), 3, (20, 20), "random numbers")


def test_equal_at_every_window_and_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    task = ImageTask(FcnSweep(batch=2, filters=3, hidden=6, size=64), small_data(), seed=0)
    task.trainer.train(0)
    sweep = task.functions()["sweep"]()
    for height, width in ((20, 20), (33, 40)):
        images = RANDOM.uniform(0, 1, (2, 1, height, width)).astype(np.float32)
        maps = sweep(images)
        assert maps.shape == (2, 3, (height - 20) // 4 + 1, (width - 20) // 4 + 1)
        for i, j in np.ndindex(*maps.shape[2:]):
            window = images[:, :, 4 * i : 4 * i + 20, 4 * j : 4 * j + 20].reshape(2, -1)
            _, p = task.trainer.classifier.classify(window)
            np.testing.assert_allclose(maps[:, :, i, j], p, rtol=1e-5)
    task.model.pictures(task.trainer)["sweep.png"](tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_networks_that_cannot_be_swept() -> None:
    x = T.tensor4("x", dtype="float32")
    images = L.Input((None, 1, 8, 8))
    for wrong, message in (
        (L.Conv2D(images, 2, 3, border="half"), "depends on more than a window"),
        (L.GlobalPool(images), "cannot be swept"),
        (L.ElemwiseSum([L.Conv2D(images, 2, 3), L.Conv2D(images, 2, 3)]), "only a chain of layers"),
    ):
        with pytest.raises(ValueError, match=message):
            swept(wrong, x)
    other = L.Dense(L.Flatten(L.Pool2D(L.Conv2D(images, 2, 3, stride=1, nonlinearity="tanh"), 3)), 2, "tanh")
    value = RANDOM.normal(size=(1, 1, 8, 8)).astype(ar.config.floatX)
    y = T.tensor4("y", dtype=ar.config.floatX)
    got, want = ar.function([y], [swept(other, y), L.get_output(other, y)])(value)
    np.testing.assert_allclose(got[:, :, 0, 0], want, rtol=1e-5)
