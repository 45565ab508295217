"""A generated grid of index expressions against NumPy: values, gradients and writes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, grad

SHAPE = (3, 4, 5)
X = np.random.default_rng(0).normal(size=SHAPE)
BATCH = 60


def kinds(size: int) -> dict[str, Any]:
    """What may stand for an axis of that size: numbers, slices in both directions, arrays with repetitions, masks."""
    return {
        "int": size - 2, "last": -1, "all": slice(None), "part": slice(1, size), "empty": slice(2, 1),
        "back": slice(None, None, -2), "array": np.array([size - 1, 0, -size]), "one": np.array([1]),
        "table": np.array([[0], [-1]]), "mask": np.arange(size) % (size - 1) == 0,
    }  # fmt: skip


def broadcast(index: tuple[Any, ...]) -> bool:
    """Whether the arrays of an index broadcast, as NumPy demands."""
    try:
        X[index]
    except IndexError:
        return False
    return True


def grid() -> list[tuple[str, tuple[Any, ...]]]:
    """Every combination for up to three axes, and these with a new axis or an ellipsis put in at each place."""
    found: dict[str, tuple[Any, ...]] = {}
    for axes in (1, 2, 3):
        for names in itertools.product(*(kinds(n) for n in SHAPE[:axes])):
            index = tuple(kinds(n)[name] for n, name in zip(SHAPE, names, strict=False))
            if axes < 3 or len(set(names)) == 3 or names[0] == names[2]:
                found[" ".join(names)] = index
    few = ("int", "back", "array", "table", "mask")
    for names in itertools.product(few, few):
        first, last = kinds(SHAPE[0])[names[0]], kinds(SHAPE[2])[names[1]]
        middle = kinds(SHAPE[1])[names[1]]
        found[f"{names[0]} ... {names[1]}"] = (first, ..., last)
        for at in range(3):
            index = (first, middle)
            found[f"{names} None {at}"] = (*index[:at], None, *index[at:])
    return [(name, index) for name, index in found.items() if broadcast(index)]


GRID = grid()
BATCHES = [GRID[i : i + BATCH] for i in range(0, len(GRID), BATCH)]


def test_the_grid_is_large() -> None:
    assert len(GRID) >= 500


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_values_and_gradients(number: int) -> None:
    """As recorded, by the interpreter: for each the value, and the gradient of a weighted sum."""
    x = T.dtensor3("x")
    rng = np.random.default_rng(number)
    graphs, wants = [], []
    for _, index in BATCHES[number]:
        part = X[index]
        weights = rng.normal(size=part.shape)
        slope = np.zeros(SHAPE)
        np.add.at(slope, index, weights)
        graphs += [x[index], grad((x[index] * weights).sum(), x)]
        wants += [part, slope]
    names = [name for name, _ in BATCHES[number] for _ in range(2)]
    for name, got, want in zip(names, function([x], graphs, mode="reference")(X), wants, strict=True):
        assert got.shape == want.shape, name
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("number", range(2))
def test_compiled(number: int) -> None:
    """Some of them as machine code: values, gradients, and writes of both kinds."""
    x = T.dtensor3("x")
    graphs, wants, names = [], [], []
    rng = np.random.default_rng(number)
    for name, index in GRID[number * 16 :: 37]:
        part = X[index]
        weights = rng.normal(size=part.shape)
        slope, was_set, was_added = np.zeros(SHAPE), X.copy(), X.copy()
        np.add.at(slope, index, weights)
        was_set[index] = 2.5
        np.add.at(was_added, index, weights)
        graphs += [x[index], grad((x[index] * weights).sum(), x), T.set_subtensor(x[index], 2.5),
                   T.inc_subtensor(x[index], weights)]  # fmt: skip
        wants += [part, slope, was_set, was_added]
        names += [f"{name}: {what}" for what in ("value", "gradient", "set", "added")]
    for name, got, want in zip(names, function([x], graphs)(X), wants, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-14, atol=1e-15, err_msg=name)
