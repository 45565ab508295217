"""Sorting on every path: insertion, networks of both widths, radix; rows and columns, equal elements, NaN and zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arignote.codegen.target import Target
from arignote.ir.core import Value
from arignote.ir.types import DTYPES, Dim, TensorType
from tests.codegen.harness import Array, Compiled, function

N, M, K = (Dim.symbol(s) for s in "nmk")
#: Around the lengths at which the ways change, and the squares of vectors.
LENGTHS = (1, 2, 32, 33, 63, 64, 65, 100, 255, 256, 257, 511, 700, 1025, 4096, 4097, 8192, 8193, 20000)


def target(vector_bytes: int) -> Target:
    return Target("cpu", 2, vector_bytes)


def rows(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    """Numbers with many equal ones; of floats NaN of both signs, infinities and zeros of both signs."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if dtype[0] != "f":
        info = np.iinfo(DTYPES[dtype])
        some = rng.integers(info.min, info.max, shape, DTYPES[dtype], endpoint=True)
        return np.where(rng.random(shape) < 0.5, some, some % 7).astype(DTYPES[dtype])
    some = rng.normal(size=shape) * np.where(rng.random(shape) < 0.5, 1, 1e-3)
    some = np.where(rng.random(shape) < 0.3, np.round(some), some)
    for value in (np.nan, -np.nan, np.inf, -np.inf, -0.0):
        some = np.where(rng.random(shape) < 0.02, value, some)
    return some.astype(DTYPES[dtype])


def compiled(dtype: str, dims: tuple[Any, ...], vector_bytes: int) -> Compiled:
    def build(b: Any, xs: list[Value]) -> list[Value]:
        return [b.sort(xs[0], axis=1), b.argsort(xs[0], axis=1)]

    return Compiled(function(build, TensorType(dtype, dims)), target(vector_bytes))


def check(f: Compiled, x: Array) -> None:
    (ordered, positions), _ = f(x)
    np.testing.assert_array_equal(ordered, np.sort(x, 1), err_msg=f"{x.shape} {x.dtype}")
    np.testing.assert_array_equal(positions, np.argsort(x, 1, kind="stable"), err_msg=f"{x.shape} {x.dtype}")


@pytest.mark.parametrize("vector_bytes", [32, 64])
@pytest.mark.parametrize("dtype", ["f32", "f64", "i32", "u64", "f16", "u8", "bool"])
def test_rows_and_columns_of_any_length(dtype: str, vector_bytes: int) -> None:
    f = compiled(dtype, (N, M, K), vector_bytes)
    for n in LENGTHS:
        if n < 8000 or dtype in ("f32", "f64"):
            check(f, rows((2, n, 1), dtype, n))
    for shape in ((2, 300, 3), (1, 90, 70), (0, 40, 1), (2, 0, 3)):
        check(f, rows(shape, dtype, 0))


@pytest.mark.parametrize("n", [48, 1000])
def test_known_lengths(n: int) -> None:
    check(compiled("f32", (5, n, 1), 64), rows((5, n, 1), "f32", 0))


def test_zeros_and_ones() -> None:
    """A network that sorts all rows of zeros and ones sorts all rows: random ones of many lengths, sorted ones too."""
    f = compiled("i32", (N, M, 1), 64)
    rng = np.random.default_rng(0)
    for n in (33, 64, 256, 270, 512, 800, 1300):
        x = (rng.random((300, n, 1)) < rng.random((300, 1, 1))).astype(np.int32)
        x[:n] = np.tril(np.ones((n, n), np.int32))[: x.shape[0], :, None]
        check(f, x)
