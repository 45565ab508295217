"""Running sums, products and recurrences on every path: short and long rows, blocks of columns, threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arignote.ir.core import Value
from arignote.ir.opdef import OPS
from arignote.ir.types import DTYPES, Dim, TensorType
from tests.codegen.harness import Array, Compiled, function, with_threads

N, M, K = (Dim.symbol(s) for s in "nmk")
OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    ("cumsum", {}), ("cumsum", {"reverse": True}), ("cumprod", {}), ("cumprod", {"reverse": True}),
    ("recurrence", {}), ("recurrence", {"reverse": True, "leaving": True}),
    ("recurrence", {"leaving": True}), ("recurrence", {"reverse": True}),
]  # fmt: skip
SHAPES = [
    (1, 9000, 1), (3, 4500, 1), (20, 130, 1), (2, 7, 3), (1, 40, 700), (3, 5, 512), (2, 1, 1), (0, 3, 2), (2, 0, 5),
]  # fmt: skip
RTOL = {"f16": 2e-3, "f32": 1e-6, "f64": 1e-12}


def data(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    if dtype[0] == "f":  # products and powers stay within the range of f16
        return np.asarray(rng.uniform(0.9, 1.1, shape) * rng.choice([-1, 1], shape)).astype(DTYPES[dtype])
    return rng.integers(-9, 9, shape).astype(DTYPES[dtype])


def compiled(dtype: str, dims: tuple[Any, ...], threads: int) -> Compiled:
    """Every operation along the middle axis."""
    t = TensorType(dtype, dims)

    def build(b: Any, xs: list[Value]) -> list[Value]:
        return [b.emit(n, *xs[: 2 if n == "recurrence" else 1], axis=1, **a)[0] for n, a in OPERATIONS]

    return Compiled(function(build, t, t), with_threads(threads))


def check(f: Compiled, arrays: list[Array], dtype: str) -> None:
    got, _ = f(*arrays)
    for (name, attrs), out in zip(OPERATIONS, got, strict=True):
        want = OPS[name].eval(*arrays[: 2 if name == "recurrence" else 1], axis=1, **attrs)
        message = f"{name} {attrs} {want.shape} {dtype}"
        assert out.dtype == want.dtype and out.shape == want.shape, message
        if dtype[0] == "f":
            scale = np.maximum(np.abs(want), 1)
            worst = float((np.abs(out.astype("f8") - want) / scale).max()) if want.size else 0.0
            assert worst <= RTOL[dtype] * max(1, want.shape[1] ** 0.5), f"{message}: {worst}"
        else:
            np.testing.assert_array_equal(out, want, err_msg=message)


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16", "i64", "u8"])
def test_symbolic_sizes(dtype: str) -> None:
    f = compiled(dtype, (N, M, K), 2)
    for shape in SHAPES:
        if dtype != "f16" or shape[1] < 1000:
            check(f, [data(shape, dtype, s) for s in (0, 1)], dtype)


@pytest.mark.parametrize("shape", [(1, 70001, 1), (2, 300, 240), (9, 33, 1)])
def test_known_sizes(shape: tuple[int, ...]) -> None:
    for threads in (1, 2):
        check(compiled("f64", shape, threads), [data(shape, "f64", s) for s in (0, 1)], "f64")


def test_special_values() -> None:
    f = Compiled(function(lambda b, xs: [b.cumsum(xs[0], axis=0), b.cumprod(xs[0], axis=0)], TensorType("f32", (N,))))
    for n in (5, 5000):
        x = np.ones(n, np.float32)
        x[0], x[3] = -0.0, np.inf
        (total, product), _ = f(x)
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(total, np.cumsum(x))
            np.testing.assert_array_equal(product, np.cumprod(x))
        assert np.signbit(total[0])
