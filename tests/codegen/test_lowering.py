"""Compiled code against the records' `eval`, for every op of the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arignote.ir.diag import IRError
from arignote.ir.opdef import OPS, OpDef
from arignote.ir.types import is_float, type_of
from tests import opchecks
from tests.codegen.harness import Array, Compiled, batch

DTYPES = ("f64", "f32", "f16", "i64", "i32", "i16", "i8", "u64", "u32", "u16", "u8", "bool")
#: Relative tolerances; absolute ones are the same times the largest magnitude.
TOLERANCE = {np.dtype(np.float64): 2e-14, np.dtype(np.float32): 3e-6, np.dtype(np.float16): 2e-3}
Case = tuple[str, tuple[Array, ...], dict[str, Any]]


def lowered(record: OpDef) -> bool:
    """Whether the code generator has to take the op."""
    placed = ("transfer",)  # not of the processor
    return record.lower is not None and "region" not in record.traits and record.name not in placed


def check(case: Case, results: list[Array]) -> None:
    """Equality with `eval` of the first results, which are taken off the list."""
    name, arrays, attrs = case
    call = opchecks.describe(OPS[name], arrays, attrs)
    for want in opchecks.several(OPS[name].eval(*arrays, **attrs)):
        compare(results.pop(0), np.asarray(want), call)


def compare(got: Array, want: Array, call: str) -> None:
    """Equality: exact for integers and bools, to a tolerance for floats."""
    assert got.dtype == want.dtype and got.shape == want.shape, call
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want, err_msg=call)
        return
    rtol = TOLERANCE[want.dtype]
    finite = np.abs(want[np.isfinite(want)])
    atol = rtol * float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(got, want, rtol=rtol, atol=min(atol, 1.0), err_msg=call)


def cases(dtype: str) -> list[Case]:
    """Every op with its samples in that dtype, all of them in the first three dtypes; samples that
    have no floats once, with f64."""
    count = None if dtype in ("f64", "f32", "i64") else 2
    out: list[Case] = []
    for record in filter(lowered, opchecks.records()):
        for original, attrs in record.samples()[:count]:
            arrays = tuple(np.asarray(x) for x in original)
            if dtype != "f64" and all(x.dtype != np.float64 for x in arrays):
                continue
            inputs = tuple(opchecks.as_dtype(x, dtype) for x in arrays)
            try:
                record.infer(*map(type_of, inputs), **attrs)
            except IRError:
                continue
            out.append((record.name, inputs, attrs))
    return out


def run_batch(batch_cases: list[Case]) -> None:
    """Compile the cases as one function, and check each result."""
    results, _ = Compiled(batch(batch_cases))(*(x for _, xs, _ in batch_cases for x in xs))
    for case in batch_cases:
        check(case, results)
    assert not results


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_op(dtype: str) -> None:
    every = cases(dtype)
    assert every or not is_float(dtype)
    for start in range(0, len(every), 12):
        run_batch(every[start : start + 12])
