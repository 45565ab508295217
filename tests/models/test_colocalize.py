"""Co-localisation: the loss by its definition, crops and their overlap, updates of the localiser alone, pictures."""

from pathlib import Path

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.models.book.colocalize import Colocalize, ColocalizeTask, framed, overlap
from arignote.models.data import Dataset, Pair
from arignote.models.model import SettingError
from arignote.models.training import History, Schedule, train

RANDOM = np.random.default_rng(0)
MODEL = Colocalize(batch=4, images=160, size=40, filters=2, hidden=5, clutter=1)
SIDE = 16


def small_data() -> Dataset:
    def part(n: int) -> Pair:
        x = np.zeros((n, SIDE, SIDE), np.float32)
        x[:, 4:12, 4:12] = RANDOM.uniform(0.2, 1, (n, 8, 8))
        return Pair(x.reshape(n, -1), (np.arange(n) % 2).astype(np.int32))

    return Dataset("small", part(40), part(20), part(20), 2, (SIDE, SIDE), "random squares")


def test_the_loss_and_its_gradient() -> None:
    task = ColocalizeTask(MODEL, small_data(), seed=0, dtype="float64")
    images, crops = T.TensorType("float64", shape=(4, 40, 40))("i"), T.tensor4("c", dtype="float64")
    centres, free = T.matrix("p", dtype="float64"), T.matrix("f", dtype="float64")
    loss = task.loss(images, centres, free)
    f = ar.function([images, centres, free], [task.crops(images, centres), loss, T.grad(loss, centres)])
    embedded = ar.function([crops], task.embedded(crops))
    x = RANDOM.uniform(size=(4, 40, 40))
    # With whole pixels as corners, a crop is a part of the image.
    at = np.array([[3, 7], [0, 0], [24, 24], [10, 20]])
    P = ((at + 7.5) / 39 * 2 - 1)[:, ::-1]
    F = RANDOM.uniform(-1, 1, (4, 2))
    got, value, gradient = f(x, P, F)
    np.testing.assert_allclose(task.corners(P), at, atol=1e-9)
    want = np.stack([image[i : i + 16, j : j + 16] for image, (i, j) in zip(x, at, strict=True)])
    np.testing.assert_allclose(got[:, 0], want, atol=1e-9)
    own = embedded(got)
    np.testing.assert_allclose((own**2).sum(axis=1), 1, rtol=1e-4)
    drawn = embedded(f(x, (1 - task.scale) * F, F)[0])

    def cost(mine: np.ndarray) -> float:
        """With crops that are drawn to where `own` are."""
        apart = ((mine - drawn) ** 2).sum(axis=1)
        terms = [
            max(0.0, ((mine[n] - own[m]) ** 2).sum() - apart[n] + 1.0) for n in range(4) for m in range(4) if n != m
        ]
        return float(np.mean(terms))

    np.testing.assert_allclose(value, cost(own), rtol=1e-6)
    # Half a pixel away, where nothing is bent: bilinear sampling is linear between pixels.
    P = P + 0.4 / 39
    own = embedded(f(x, P, F)[0])
    gradient = f(x, P, F)[2]
    for n, axis in ((0, 0), (3, 1)):
        moved = np.zeros((4, 2))
        moved[n, axis] = 1e-6
        up, down = (cost(embedded(f(x, P + sign * moved, F)[0])) for sign in (1, -1))
        np.testing.assert_allclose(gradient[n, axis], (up - down) / 2e-6, rtol=1e-3, atol=1e-6)


def test_overlap() -> None:
    found = overlap(np.full((3, 2), 12.0), np.array([[12, 12], [12, 20], [30, 12]]), 16)
    np.testing.assert_allclose(found, [1, 1 / 3, 0])
    image = framed(np.zeros((40, 40)), np.array([12, 12]), 16)
    assert image[12, 12:28].all() and image[12:28, 27].all() and not image[13:27, 13:27].any()


def test_only_the_localiser_is_trained_and_runs_go_on(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    data = small_data()
    task = ColocalizeTask(MODEL, data, seed=0)
    assert task.n_batches == 4
    before = task.snapshot()
    losses = [float(task.steps.train(i)) for i in range(3)]
    assert np.isfinite(losses).all()
    after = task.snapshot()
    changed = {name for name, value in after.items() if not np.array_equal(value, before[name])}
    assert {name.partition(".")[0] for name in changed} == {"localiser", "state"}
    again = ColocalizeTask(MODEL, data, seed=0)
    again.restore(before)
    assert [float(again.steps.train(i)) for i in range(3)] == losses
    np.testing.assert_array_equal(again.valid[0].x, task.valid[0].x)
    assert task.measured("valid") == task.measured("valid")
    found = task.found("test")
    assert 0 <= found.missed <= 1 and 0 <= found.overlap <= 1
    history = train(task.steps, Schedule(1, task.n_batches, by_loss=True))
    assert history.best is not None and "digits found" in task.line(history.best) + task.verdict(history.best)
    task.pictures(history)["crops.png"](tmp_path / "crops.png")
    assert (tmp_path / "crops.png").read_bytes().startswith(b"\x89PNG")
    assert "the encoder tells" in task.about() and History().best is None


def test_the_encoder_learns_before() -> None:
    task = ColocalizeTask(MODEL, small_data(), seed=0)
    before = {name: p.get_value() for name, p in task.parameters.items()}
    task.train_encoder()
    changed = {name for name, p in task.parameters.items() if not np.array_equal(p.get_value(), before[name])}
    assert changed == {name for name in before if name.startswith("encoder")}


def test_settings() -> None:
    with pytest.raises(SettingError, match="size=10 is for grey images that are smaller, not for those of 16x16"):
        ColocalizeTask(Colocalize(size=10), small_data(), seed=0)
