"""Gradients against differences: `verify_grad`, and what tests of Theano's programs import besides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction
from arignote.frontends.tensor.compiling import function
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.gradient import grad
from arignote.frontends.tensor.graph import ir_dtype
from arignote.frontends.tensor.sharedvar import shared
from arignote.frontends.tensor.tensortype import TensorType
from arignote.ir.types import is_float

__all__ = ["GradientMismatch", "assert_allclose", "fetch_seed", "numeric_grad", "seed_rng", "verify_grad"]

Array = np.ndarray[Any, Any]

#: dtype -> (step of the differences, tolerance), for gradients of size 1
_STEP = {"float16": 1e-1, "bfloat16": 2e-1, "float32": 3e-3, "float64": 1e-6}
_TOLERANCE = {"float16": 5e-2, "bfloat16": 2e-1, "float32": 1e-2, "float64": 1e-4}


class GradientMismatch(Exception):
    """A gradient that differs from differences of the function."""

    def __init__(self, arg: int, at: tuple[int, ...], derived: float, numeric: float, tolerance: str) -> None:
        super().__init__(
            f"the gradient of argument {arg} at {at} is {derived}, but differences of the function give {numeric}; "
            f"{tolerance}"
        )
        self.arg, self.at, self.derived, self.numeric = arg, at, derived, numeric


class numeric_grad:
    """The gradient of a function of arrays, by central differences: `numeric_grad(f, pt).gf`.

    Args:
        f: returns a number.
        pt: an array of floats, or a list of them: the arguments.
        eps: the step, by default one that suits the dtype.
        out_type: the dtype of what `f` returns, where it is coarser than `pt`.

    Attributes:
        gf: the gradient, an array or a list as `pt` was.
    """

    def __init__(self, f: Callable[..., Any], pt: Any, eps: float | None = None, out_type: Any = None) -> None:
        several = isinstance(pt, (list, tuple))
        arrays = [np.array(p) for p in (pt if several else [pt])]
        kinds = [a.dtype.name for a in arrays] + ([] if out_type is None else [np.dtype(out_type).name])
        if eps is None:
            eps = max(_STEP.get(k, _STEP["float64"]) for k in kinds)
        gradients = []
        for i, x in enumerate(arrays):
            g = np.zeros(x.shape, x.dtype)
            for at in np.ndindex(x.shape):
                values = []
                for step in (eps, -eps):
                    moved = x.copy()
                    moved[at] += step
                    values.append((float(np.asarray(f(*arrays[:i], moved, *arrays[i + 1 :]))), float(moved[at])))
                (high, up), (low, down) = values
                g[at] = (high - low) / (up - down)
            gradients.append(g)
        self.gf: Any = gradients if several else gradients[0]


def verify_grad(
    fun: Callable[..., Any],
    pt: Sequence[Any],
    n_tests: int = 2,
    rng: Any = None,
    eps: float | None = None,
    out_type: Any = None,
    abs_tol: float | None = None,
    rel_tol: float | None = None,
    mode: Any = None,
    cast_to_output_type: bool = False,
    no_debug_ref: bool = True,
) -> None:
    """Compare the gradients of a function of variables with central differences of it, along random projections.

    Args:
        fun: takes a variable for each of `pt`, and returns one.
        pt: arrays of floats.
        n_tests: how many projections of the result to a scalar.
        rng: a `numpy.random.RandomState` or generator; by default one with a fixed seed.
        eps: the step of the differences.
        out_type: the dtype of the result, where it is not the widest of `pt`.
        abs_tol, rel_tol: an element may differ by one or the other; by the dtypes unless given.
        mode: of the compiled functions.
        cast_to_output_type: cast `pt` to `out_type` first.
        no_debug_ref: ignored.

    Raises:
        GradientMismatch: an element of a gradient differs by more.
        TypeError: `pt` is no list of float arrays, or `fun` does not return one variable of floats.
    """
    if not isinstance(pt, (list, tuple)):
        raise TypeError("verify_grad takes a list of arrays")
    arrays = [np.array(p) for p in pt]
    for i, a in enumerate(arrays):
        if not is_float(ir_dtype(a.dtype)):
            raise TypeError(f"verify_grad takes arrays of floats, but number {i} is {a.dtype}")
    if cast_to_output_type and out_type is not None:
        arrays = [a.astype(out_type) for a in arrays]
    xs = [TensorType(a.dtype, [n == 1 for n in a.shape])(f"input {i}") for i, a in enumerate(arrays)]
    result = fun(*xs)
    if isinstance(result, (list, tuple)):
        raise TypeError("verify_grad takes a function that returns one variable")
    out = as_tensor_variable(result)
    if not is_float(out.value_.dtype):
        raise TypeError(f"verify_grad takes a function that returns floats, not {out.type}")
    dtypes = [a.dtype.name for a in arrays] + [out.dtype if out_type is None else np.dtype(out_type).name]
    tolerance = max(_TOLERANCE[d] for d in dtypes)
    most = [tolerance if t is None else t for t in (abs_tol, rel_tol)]
    value = function(xs, out, mode=mode, on_unused_input="ignore")(*arrays)
    weights = shared(np.zeros(value.shape, out.dtype), "projection", broadcastable=[n == 1 for n in value.shape])
    cost = reduction.sum(ew.mul(weights, out))
    run = function(xs, cost, mode=mode, on_unused_input="ignore")
    slope = function(xs, grad(cost, xs, disconnected_inputs="ignore"), mode=mode, on_unused_input="ignore")
    draw = np.random.default_rng(0) if rng is None else rng
    for _ in range(n_tests):
        weights.set_value(np.asarray(draw.uniform(size=value.shape) + 0.5, out.dtype))
        numeric = numeric_grad(run, arrays, eps, max(dtypes, key=_STEP.__getitem__)).gf
        for number, (have, want) in enumerate(zip(slope(*arrays), numeric, strict=True)):
            _compare(number, np.asarray(have), want, *most)


def _compare(number: int, have: Array, want: Array, abs_tol: float, rel_tol: float) -> None:
    """Compare element by element; what is worst is reported."""
    with np.errstate(all="ignore"):
        difference = np.abs(have.astype(np.float64) - want)
        relative = difference / np.maximum(np.abs(have) + np.abs(want), 1e-300)
        excess = np.minimum(difference / abs_tol, relative / rel_tol)
    excess = np.where(np.isnan(excess), np.inf, excess)
    if excess.size and excess.max() > 1:
        at = tuple(int(i) for i in np.unravel_index(int(excess.argmax()), excess.shape))
        limits = f"the tolerances are {abs_tol} absolute and {rel_tol} relative"
        raise GradientMismatch(number, at, float(have[at]), float(want[at]), limits)


verify_grad.E_grad = GradientMismatch  # type: ignore[attr-defined]  # as old tests catch it


# ---------------------------------------------------------------- theano.tests.unittest_tools
def fetch_seed(pseed: int | None = None) -> int:
    """A seed for tests: `pseed`, or a fixed number."""
    return 666 if pseed is None else int(pseed)


def seed_rng(pseed: int | None = None) -> int:
    """Seed NumPy's global generator with `fetch_seed`, and return the seed."""
    seed = fetch_seed(pseed)
    np.random.seed(seed)
    return seed


def assert_allclose(expected: Any, value: Any, rtol: float | None = None, atol: float | None = None) -> None:
    """Raise AssertionError unless two arrays are close: to 1e-5 for float32, 1e-8 for float64, unless told."""
    both = [np.asarray(expected), np.asarray(value)]
    single = any(a.dtype in (np.float32, np.float16) for a in both)
    close = 1e-5 if single else 1e-8
    np.testing.assert_allclose(
        both[1], both[0], rtol=close if rtol is None else rtol, atol=close if atol is None else atol
    )
