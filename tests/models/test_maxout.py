"""The maxout network against NumPy: probabilities, gradients, training."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.models.book.maxout import Maxout
from arignote.models.classifier import make_trainer
from arignote.models.data import Dataset, Pair

N_IN, N_CLASSES, BATCH, MODEL = 6, 4, 5, Maxout(batch=5, hidden=3, pieces=3, rate=0.05)
TOLERANCE = {"float64": 1e-8, "float32": 1e-4}
Arrays = dict[str, np.ndarray]


def data() -> Dataset:
    r = np.random.default_rng(1)

    def part() -> Pair:
        return Pair(r.normal(size=(20, N_IN)).astype(np.float32), r.integers(0, N_CLASSES, 20).astype(np.int32))

    return Dataset("small", part(), part(), part(), N_CLASSES, (2, 3), "random numbers")


def reference(p: Arrays, x: np.ndarray, y: np.ndarray) -> tuple[float, Arrays]:
    """The loss and its gradients, unit by unit."""
    z = x @ p["W0"] + p["b0"]
    units = [z[:, 3 * u : 3 * u + 3] for u in range(3)]  # the pieces of a unit are neighbours
    h = np.stack([u.max(axis=1) for u in units], axis=1)
    s = np.exp(h @ p["W1"] + p["b1"])
    d = s / s.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    loss = -np.log(d[rows, y]).mean()
    d[rows, y] -= 1
    d /= len(y)
    back, dz = d @ p["W1"].T, np.zeros_like(z)
    for u, pieces in enumerate(units):
        dz[rows, 3 * u + pieces.argmax(axis=1)] = back[:, u]
    return float(loss), {"W0": x.T @ dz, "b0": dz.sum(axis=0), "W1": h.T @ d, "b1": d.sum(axis=0)}


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_training_is_gradient_descent_on_the_largest_pieces(dtype: str) -> None:
    problem = data()
    trainer = make_trainer(MODEL, problem, seed=3, dtype=dtype)
    r = np.random.default_rng(2)
    own = {k: r.normal(size=v.shape).astype(dtype) for k, v in trainer.classifier.snapshot().items()}
    trainer.classifier.restore(own)
    for step in range(20):
        i = step % 4
        x, y = problem.train.x[BATCH * i :][:BATCH].astype(dtype), problem.train.y[BATCH * i :][:BATCH]
        loss, gradients = reference(own, x, y)
        np.testing.assert_allclose(trainer.train(i), loss, rtol=TOLERANCE[dtype])
        own = {k: v - np.asarray(MODEL.rate, dtype) * gradients[k] for k, v in own.items()}
    for name, array in trainer.classifier.snapshot().items():
        np.testing.assert_allclose(array, own[name], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] / 10)


def test_it_begins_with_equal_probabilities() -> None:
    trainer = make_trainer(MODEL, data(), seed=3)
    assert {k: v.shape for k, v in trainer.classifier.snapshot().items()} == {
        "W0": (6, 9), "b0": (9,), "W1": (3, 4), "b1": (4,),
    }  # fmt: skip
    np.testing.assert_allclose(trainer.classifier.classify(data().test.x)[1], 0.25, rtol=1e-6)
