"""What tests of expressions share: many cases through one function, and gradients against differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function

Array = np.ndarray[Any, Any]


def variable(array: Array, name: str) -> Any:
    """A variable for an array, of unknown sizes."""
    return T.TensorType(array.dtype, (False,) * array.ndim)(name)


def check(
    cases: Mapping[str, tuple[Any, Any]], given: Mapping[Any, Any], rtol: float = 1e-12, atol: float = 1e-13
) -> None:
    """Each expression of `cases` has the value and dtype beside it, in one function of the variables `given`."""
    f = function(list(given), [e for e, _ in cases.values()], on_unused_input="ignore")
    for (name, (_, want)), got in zip(cases.items(), f(*given.values()), strict=True):
        expected = np.asarray(want)
        assert got.shape == expected.shape, f"{name}: {got.shape}, not {expected.shape}"
        assert got.dtype == expected.dtype, f"{name}: {got.dtype}, not {expected.dtype}"
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol, err_msg=name)


def differences(f: Callable[..., Any], arrays: Sequence[Array], number: int, eps: float = 1e-6) -> Array:
    """The gradient of the scalar `f` with respect to one of its arguments, by central differences."""
    x = arrays[number]
    out = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = eps
        up, down = (f(*[a + s * step if i == number else a for i, a in enumerate(arrays)]) for s in (1, -1))
        out[at] = (up - down) / (2 * eps)
    return out


def check_gradients(
    costs: Mapping[str, Callable[..., Any]], arrays: Sequence[Array], rtol: float = 1e-6, atol: float = 1e-7
) -> None:
    """The gradients of each scalar expression with respect to all floats among its arguments."""
    xs = [variable(a, f"x{i}") for i, a in enumerate(arrays)]
    made = [cost(*xs) for cost in costs.values()]
    wrt = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    every = [g for c in made for g in T.grad(c, [xs[i] for i in wrt], disconnected_inputs="ignore")]
    f = function(xs, made, on_unused_input="ignore")
    found = iter(function(xs, every, on_unused_input="ignore")(*arrays))
    for number, name in enumerate(costs):
        for i in wrt:
            want = differences(lambda *a, n=number: f(*a)[n], arrays, i)
            np.testing.assert_allclose(next(found), want, rtol=rtol, atol=atol, err_msg=f"{name}, argument {i}")
