"""Calls that end with an error: what they say, and that they leave shared variables as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, shared
from arignote.frontends.tensor.graph import emit, wrap

A = np.arange(12.0).reshape(3, 4)


def asserted(x: Any, condition: Any, message: str = "it is not so") -> Any:
    return wrap(emit("assert", x.value_, condition.value_, message=message))


@pytest.mark.parametrize("i", [3, -4])
def test_a_number_among_index_arrays_is_checked(i: int, mode: str) -> None:
    x, k, n = T.matrix("x"), T.lvector("k"), T.lscalar("n")
    f = function([x, n, k], x[n, k])
    np.testing.assert_array_equal(f(A, -1, [0, 2]), A[-1, [0, 2]])
    with pytest.raises(IndexError, match=rf"index {i} is out of bounds for axis 0 with size 3"):
        f(A, i, [0, 2])
    with pytest.raises(IndexError, match=r"index 4 is out of bounds for axis 1 with size 4"):
        f(A, 0, [0, 4])


def test_assert(mode: str) -> None:
    x, w = T.vector("x"), shared(np.ones(3), "w")
    y = asserted(x, T.all(T.gt(x, 0)), "positive, please")
    f = function([x], [y * 2, (w * y).sum()], updates=[(w, w + y)])
    out = f(np.full(3, 2.0))
    np.testing.assert_array_equal(out[0], [4, 4, 4])
    with pytest.raises(AssertionError, match=r"(?s)positive, please.*test_failures\.py:\d+"):
        f(np.array([1.0, -1.0, 1.0]))
    np.testing.assert_array_equal(w.get_value(), [3, 3, 3])


def test_assert_of_a_size(mode: str) -> None:
    x, n = T.vector("x"), T.lscalar("n")
    f = function([x, n], x[: asserted(n, n < 3)])
    assert f(np.ones(5), 2).shape == (2,)
    with pytest.raises(AssertionError, match=r"it is not so"):
        f(np.ones(5), 3)
    assert f(np.ones(5), 2).shape == (2,)


def test_assert_passes_gradients(mode: str) -> None:
    x = T.vector("x")
    cost = (asserted(x, T.gt(x.sum(), 0)) ** 2).sum()
    np.testing.assert_array_equal(function([x], T.grad(cost, x))(np.ones(2)), [2, 2])


def failures() -> dict[str, Any]:
    """Programs (inputs, outputs, updates, bad arguments) whose calls end after some updates could have been made."""
    k, v = T.lvector("k"), T.vector("v")
    a, b, w = (shared(np.ones(n), name) for n, name in ((3, "a"), (2, "b"), (4, "w")))
    m = shared(np.eye(2), "m")
    new = w + 1
    return {
        "index of a later update": ([k], [], [(a, a + 1), (b, b * 2), (w, T.inc_subtensor(w[k], 1))], [[7]]),
        "index into an update": ([k], [new[k]], [(w, new), (a, a * 2)], [[-5]]),
        "assertion on an update": ([v], [asserted(new, T.lt(new[0] + v[0], 0))], [(w, new), (a, a + 1)], [[1.0]]),
        "singular matrix made of an update": (
            [v], [T.nlinalg.matrix_inverse(m - T.diag(v))], [(m, m - T.diag(v)), (a, a + 1)], [[1.0, 1.0]]),
    }  # fmt: skip


@pytest.mark.parametrize("name", failures())
def test_nothing_is_updated_by_a_call_that_fails(name: str, mode: str) -> None:
    inputs, outputs, updates, arguments = failures()[name]
    f = function(inputs, outputs, updates=updates)
    before = [target.get_value() for target, _ in updates]
    with pytest.raises((IndexError, AssertionError, np.linalg.LinAlgError)):
        f(*arguments)
    for (target, _), value in zip(updates, before, strict=True):
        np.testing.assert_array_equal(target.get_value(), value, err_msg=f"{target} changed")
