"""Accuracy and special values of the scalar functions, in vector and scalar loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from arignote.codegen.mathlib import ACCURACY
from arignote.codegen.scalar import K
from tests.codegen.harness import Array, Compiled, aligned, batch, elementwise

LONG = np.longdouble
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 1e-45,
           2.2e-308, 1.2e-38, 88.5, 89.5, -87.5, -104.5, 709.5, 710.5, -745.5, -750.0, 3e38, -3e38,
           1e300, 1e22, 131073.0, 2.0**40 + 1, 2.0**41, 1.5707963267948966, 26.7, 10.2, 9.3]  # fmt: skip

Ranges = list[tuple[float, float]]
WIDE: Ranges = [(-1, 1), (-20, 20), (-700, 700)]
CASES: dict[str, tuple[Callable[..., Any], list[Ranges]]] = {
    "exp": (np.exp, [[(-1, 1), (-80, 80)]]),
    "exp2": (np.exp2, [[(-1, 1), (-100, 100)]]),
    "expm1": (np.expm1, [[(-1, 1), (-30, 80)]]),
    "log": (np.log, [[(0, 2), (0, 1e6)]]),
    "log2": (np.log2, [[(0, 2), (0, 1e6)]]),
    "log10": (np.log10, [[(0, 2), (0, 1e6)]]),
    "log1p": (np.log1p, [[(-1, 1), (0, 1e6)]]),
    "sin": (np.sin, [[(-4, 4), (-1e3, 1e3), (-1e5, 1e5), (-1e9, 1e9), (-1e15, 1e15)]]),
    "cos": (np.cos, [[(-4, 4), (-1e3, 1e3), (-1e5, 1e5), (-1e9, 1e9), (-1e15, 1e15)]]),
    "tan": (np.tan, [[(-4, 4), (-1e3, 1e3), (-1e5, 1e5), (-1e9, 1e9), (-1e15, 1e15)]]),
    "arcsin": (np.arcsin, [[(-1, 1), (0.999, 1)]]),
    "arccos": (np.arccos, [[(-1, 1), (0.999, 1), (-1, -0.999)]]),
    "arctan": (np.arctan, [WIDE]),
    "arctan2": (np.arctan2, [WIDE, WIDE]),
    "sinh": (np.sinh, [[(-1, 1), (-80, 80)]]),
    "cosh": (np.cosh, [[(-1, 1), (-80, 80)]]),
    "tanh": (np.tanh, [[(-1, 1), (-20, 20)]]),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), [[(-1, 1), (-80, 30)]]),
    "softplus": (lambda x: np.logaddexp(x, 0), [[(-1, 1), (-80, 30)]]),
    "arcsinh": (np.arcsinh, [WIDE]),
    "arccosh": (np.arccosh, [[(1, 2), (1, 1e6)]]),
    "arctanh": (np.arctanh, [[(-1, 1), (-0.1, 0.1)]]),
    "pow": (np.power, [[(0, 2), (0, 20), (0.99, 1.01)], [(-20, 20), (-9, 9), (-2000, 2000)]]),
}


def compiled(name: str, dtype: str, arity: int, n: int, lanes: int) -> Any:
    """`main(*arrays)` of a loop over n elements."""
    function: Callable[..., Any] = getattr(K, name)
    return elementwise(function, [dtype] * (arity + 1), n, lanes)


def run(name: str, dtype: str, arrays: list[Array], lanes: int) -> Array:
    """The function of the arrays."""
    out = aligned(np.empty_like(arrays[0]))
    compiled(name, dtype, len(arrays), arrays[0].size, lanes)(*map(aligned, arrays), out)
    return out


def ulps(got: Array, want: Array) -> float:
    """The largest error in units of the last place of the result's format."""
    with np.errstate(over="ignore"):
        exact = want.astype(got.dtype)
    unit = np.spacing(np.maximum(np.abs(exact), np.finfo(got.dtype).tiny))
    both = np.isfinite(exact)
    assert np.array_equal(np.isfinite(got), both)
    difference = np.abs(got[both].astype(LONG) - want[both]) / unit[both]
    return float(difference.max())


def sample(ranges: list[Ranges], dtype: Any, count: int) -> list[Array]:
    """Random arguments from each of the ranges."""
    rng = np.random.default_rng(0)
    parts = [[rng.uniform(low, high, count) for low, high in one] for one in ranges]
    return [np.concatenate(p).astype(dtype) for p in parts]


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("name", CASES)
def test_accuracy(name: str, dtype: str) -> None:
    function, ranges = CASES[name]
    numpy_dtype = np.float32 if dtype == "f32" else np.float64
    xs = sample(ranges, numpy_dtype, 2000)
    with np.errstate(all="ignore"):
        want = function(*(x.astype(LONG) for x in xs))
    got = run(name, dtype, xs, 64 // xs[0].itemsize)
    bound = ACCURACY["power" if name == "pow" else name][dtype == "f64"]
    assert ulps(got, want) <= bound
    np.testing.assert_allclose(run(name, dtype, xs, 1), got, rtol=float(4 * np.finfo(numpy_dtype).eps))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_error_functions(name: str, dtype: str) -> None:
    numpy_dtype = np.float32 if dtype == "f32" else np.float64
    (x,) = sample([[(-1, 1), (-6, 6), (0, 9), (5, 26)]], numpy_dtype, 2000)
    want = np.array([getattr(math, name)(float(v)) for v in x])
    assert ulps(run(name, dtype, [x], 8), want.astype(LONG)) <= ACCURACY[name][dtype == "f64"] + 1


#: Function, ranges, and the greatest error relative to the larger of 1 and the value: SciPy's own error is included.
SCIPY: dict[str, tuple[Callable[..., Any], Ranges, float]] = {
    "gamma": (special.gamma, [(-9.9, -0.1), (0, 5), (5, 171)], 4e-15),
    "gammaln": (special.gammaln, [(-9.9, -0.1), (0, 5), (5, 1e6)], 4e-15),
    "psi": (special.psi, [(-9.7, -9.3), (0.01, 5), (5, 1e3)], 4e-15),
    "tri_gamma": (lambda x: special.polygamma(1, x), [(0.01, 5), (5, 1e3)], 4e-15),
    "erfinv": (special.erfinv, [(-1, 1), (0.999, 1)], 2e-15),
    "erfcinv": (special.erfcinv, [(0, 2), (0, 1e-9), (1e-30, 1e-29)], 2e-15),
    "erfcx": (special.erfcx, [(-2, 2), (2, 30), (-9, -2)], 2e-14),
    "j0": (special.j0, [(-8, 8), (-100, 100)], 2e-15), "j1": (special.j1, [(-8, 8), (-100, 100)], 2e-15),
    "i0": (special.i0, [(-8, 8), (-700, 700)], 5e-15), "i1": (special.i1, [(-8, 8), (-700, 700)], 5e-15),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_special_functions(dtype: str) -> None:
    """All in one module, in vectors; float32 is that of float64, rounded."""
    numpy_dtype = np.float32 if dtype == "f32" else np.float64
    xs = [sample([ranges], numpy_dtype, 700)[0] for _, ranges, _ in SCIPY.values()]
    names = {"psi": "polygamma", "tri_gamma": "polygamma"}
    orders = {"psi": {"n": 0}, "tri_gamma": {"n": 1}}
    cases = [(names.get(n, n), [x], orders.get(n, {})) for n, x in zip(SCIPY, xs, strict=True)]
    results, _ = Compiled(batch(cases))(*xs)
    for (name, (function, _, bound)), x, got in zip(SCIPY.items(), xs, results, strict=True):
        with np.errstate(all="ignore"):
            want = function(x.astype(np.float64))
            keep = np.abs(want) < np.finfo(numpy_dtype).max
        error = np.abs(got - want)[keep] / np.maximum(np.abs(want[keep]), 1)
        assert error.max() <= (bound if dtype == "f64" else 6.1e-8), name
        if dtype == "f32":
            assert np.isinf(got[~keep]).all(), name


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("name", [*CASES, "erf", "erfc", "mod", "floordiv", "max", "min"])
def test_special_values(name: str, lanes: int, dtype: str) -> None:
    numpy_dtype = np.float32 if dtype == "f32" else np.float64
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL, numpy_dtype)
        binary = {"mod": np.mod, "max": np.maximum, "min": np.minimum,
                  "floordiv": lambda a, b: np.floor(a / b)}  # fmt: skip
        if name in binary or (name in CASES and len(CASES[name][1]) == 2):
            a, b = (g.ravel().copy() for g in np.meshgrid(x, x))
            function: Any = binary[name] if name in binary else CASES[name][0]
            want, got = function(a, b), run(name, dtype, [a, b], lanes)
        else:
            fallback: Any = np.vectorize(getattr(math, name, abs), otypes=[np.float64])
            exact: Any = CASES[name][0] if name in CASES else fallback
            wide = x.astype(LONG) if name in CASES else x.astype(np.float64)
            want, got = exact(wide).astype(numpy_dtype), run(name, dtype, [x], lanes)
    np.testing.assert_allclose(got, want, rtol=1e-5 if dtype == "f32" else 1e-13, atol=1e-43)
    signed = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[signed]), np.signbit(want[signed]))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_powers_in_vectors(dtype: str) -> None:
    """Vectors of which all, some or no elements are ordinary: bases of both signs and zero, odd and even exponents,
    results that overflow, vanish, or are subnormal."""
    numpy_dtype = np.float32 if dtype == "f32" else np.float64
    rng = np.random.default_rng(0)
    base = rng.uniform(0.5, 2, 4096)
    exponent = rng.uniform(-3, 3, 4096)
    base[1024:2048] *= rng.choice([-1, 1, 0, -0.0, 1e-40, 1e30], 1024)
    exponent[1024:1536] = rng.integers(-5, 6, 512)
    exponent[2048:3072:7] = rng.uniform(-2000, 2000, 147)
    base[3072::97], exponent[3072::89] = np.nan, np.inf
    x, y = base.astype(numpy_dtype), exponent.astype(numpy_dtype)
    with np.errstate(all="ignore"):
        want: Array = np.asarray(np.power(x.astype(LONG), y.astype(LONG)), numpy_dtype)
    got = run("pow", dtype, [x, y], 64 // x.itemsize)
    some = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[some]), np.signbit(want[some]))
    info = np.finfo(numpy_dtype)
    np.testing.assert_allclose(got, want, rtol=2.5 * float(info.eps), atol=1e-7 * float(info.tiny))
