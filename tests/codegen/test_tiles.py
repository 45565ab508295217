"""Kernels that read transposed operands, by tiles and at their edges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arignote.codegen.target import Target
from arignote.ir.core import Value
from arignote.ir.types import DTYPES, Dim, TensorType
from tests.codegen.harness import Array, Compiled, function

PERMS: dict[int, list[tuple[int, ...]]] = {
    2: [(1, 0)], 3: [(0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1), (1, 0, 2)], 4: [(0, 3, 1, 2), (3, 0, 2, 1)],
}  # fmt: skip
SIZES: dict[int, list[tuple[int, ...]]] = {
    2: [(40, 37), (3, 100), (1, 64), (64, 1), (0, 5)], 3: [(3, 35, 50), (33, 1, 40)], 4: [(2, 17, 3, 33)],
}  # fmt: skip


def numbers(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    return np.random.default_rng(seed).integers(-50, 50, shape).astype(DTYPES[dtype])


def compiled(dtype: str, dims: tuple[Any, ...], perm: tuple[int, ...], target: Target) -> Compiled:
    """The transposition, and sums of it and: a matrix, a column, another transposition, its own double in place."""
    t = TensorType(dtype, dims)
    out = TensorType(dtype, tuple(dims[a] for a in perm))

    def build(b: Any, xs: list[Value]) -> list[Value]:
        x, y, column = xs
        turned = b.transpose(x, perm=perm)
        back = tuple(perm.index(a) for a in range(len(perm)))
        doubled = b.add(turned, b.add(turned, b.transpose(b.transpose(y, perm=back), perm=perm)))
        return [turned, b.add(turned, y), b.mul(b.add(turned, column), y), doubled]

    return Compiled(function(build, t, out, TensorType(dtype, (*out.shape[:-1], 1))), target)


def check(f: Compiled, dtype: str, shape: tuple[int, ...], perm: tuple[int, ...]) -> None:
    x = numbers(shape, dtype, 0)
    want = x.transpose(perm)
    y, column = numbers(want.shape, dtype, 1), numbers((*want.shape[:-1], 1), dtype, 2)
    with np.errstate(over="ignore"):
        wanted: list[Array] = [want, want + y, (want + column) * y, want + (want + y)]
    results, _ = f(x, y, column)
    for got, expected in zip(results, wanted, strict=True):
        np.testing.assert_array_equal(got, expected, err_msg=f"{shape} {perm} {dtype}")


@pytest.mark.parametrize("vector_bytes", [32, 64])
@pytest.mark.parametrize(("rank", "dtype"), [(2, "f32"), (2, "f64"), (2, "u8"), (3, "i32"), (3, "f64"), (4, "f32")])
def test_symbolic_sizes(rank: int, dtype: str, vector_bytes: int) -> None:
    dims = tuple(Dim.symbol(s) for s in "nmkl"[:rank])
    for perm in PERMS[rank]:
        f = compiled(dtype, dims, perm, Target("cpu", 2, vector_bytes))
        for shape in SIZES[rank]:
            check(f, dtype, shape, perm)


@pytest.mark.parametrize("shape", [(300, 200), (64, 48), (31, 500), (2, 40, 33)])
def test_known_sizes(shape: tuple[int, ...]) -> None:
    for threads in (1, 2):
        perm = PERMS[len(shape)][0]
        check(compiled("f32", shape, perm, Target("cpu", threads, 64)), "f32", shape, perm)
