"""The position of the largest and smallest: ties, NaN and infinities, rows and columns, 32 and 64-bit positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arignote.ir.core import Value
from arignote.ir.types import DTYPES, Dim, TensorType
from tests.codegen.harness import Array, Compiled, function, with_threads

N, M = Dim.symbol("n"), Dim.symbol("m")


def matrices(shape: tuple[int, int], dtype: str) -> list[Array]:
    """Many ties; rows of one value; of floats rows of infinities, and NaNs in some places."""
    rng = np.random.default_rng(0)
    out = [rng.integers(0, 9, shape).astype(DTYPES[dtype]), np.full(shape, 3, DTYPES[dtype])]
    if dtype[0] == "f":
        out += [np.full(shape, v, DTYPES[dtype]) for v in (-np.inf, np.inf, np.nan)]
        some = rng.normal(size=shape).astype(DTYPES[dtype])
        some[rng.random(shape) < 0.02] = np.nan
        some[rng.random(shape) < 0.02] = np.inf
        some[rng.random(shape) < 0.02] = -np.inf
        out.append(some)
    else:
        info = np.iinfo(DTYPES[dtype])
        out += [np.full(shape, v, DTYPES[dtype]) for v in (info.min, info.max)]
    return out


@pytest.mark.parametrize("dtype", ["f32", "f64", "f16", "i8", "u16"])
@pytest.mark.parametrize("dims", [(N, M), (7, 131)])
def test_positions(dims: tuple[Any, Any], dtype: str) -> None:
    kinds = ("argmax", "argmin")

    def build(b: Any, xs: list[Value]) -> list[Value]:
        return [b.emit(name, xs[0], axes=axes)[0] for name in kinds for axes in ((1,), (0,), (0, 1))]

    f = Compiled(function(build, TensorType(dtype, dims)), with_threads(2))
    for shape in [(7, 131), (1, 1), (200, 300), (3, 5)] if dims[0] is N else [dims]:
        for x in matrices(shape, dtype):
            found, _ = f(x)
            wanted = [g(x, axis) for g in (np.argmax, np.argmin) for axis in (1, 0, None)]
            for got, want in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(got, want)
                assert got.dtype == np.int64
