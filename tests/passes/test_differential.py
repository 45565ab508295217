"""Random programs compute the same after every pass, and passes have fixed points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from arignote.ir.builder import Builder
from arignote.ir.core import Func, toposort
from arignote.ir.interp import run
from arignote.ir.types import DimLike, dim_symbols
from arignote.passes import FAST_COMPILE, NONE, OPTIMIZE, Pipeline, derive, specialized
from arignote.passes.algebra import Algebra
from arignote.passes.base import Pass
from arignote.passes.canonicalize import Canonicalize
from arignote.passes.check import NumericCheck
from arignote.passes.cse import Cse
from arignote.passes.dce import Dce
from arignote.passes.decompose import Decompose
from arignote.passes.fold import Fold
from arignote.passes.fuse import Fuse
from arignote.passes.gemm import Gemm
from arignote.passes.recompute import Recompute
from arignote.passes.specialize import Specialize
from arignote.passes.split import Split
from arignote.passes.stabilize import Stabilize
from tests.ir.strategies import programs, stateful_programs

Array = np.ndarray[Any, Any]
SETTINGS = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
#: In which 'exact' passes leave every number as it is, NaN included.
EXACT: list[Pass] = [Cse(), Dce(), Fold(), Specialize()]
PASSES: list[Pass] = [*EXACT, Canonicalize(), Algebra(), Stabilize(), Gemm(), Decompose(), Split()]


def sizes(func: Func, arrays: list[Array]) -> dict[str, DimLike]:
    """The sizes of the dimension symbols: one parameter's shape lists them all."""
    symbols = dim_symbols(d for v in func.params for d in v.shape)
    found: dict[str, DimLike] = {}
    for v, x in zip(func.params, arrays, strict=True):
        for d, size in zip(v.shape, x.shape, strict=True):
            if str(d) in symbols:
                found[str(d)] = size
    return found


@pytest.mark.parametrize("p", PASSES, ids=[p.name for p in PASSES])
@SETTINGS
@given(case=programs(max_ops=10, tame=True))
def test_each_pass(p: Pass, case: tuple[Func, list[Array]]) -> None:
    func, arrays = case
    out = Pipeline([p]).run(func, verify_each=True, check_each=NumericCheck(arrays))
    if p in EXACT or isinstance(p, (Canonicalize, Gemm, Decompose, Split)):
        assert p.run(out) is out, "a second run changes nothing"


@pytest.mark.parametrize("p", EXACT, ids=[p.name for p in EXACT])
@SETTINGS
@given(case=programs(max_ops=10))
def test_exact_passes(p: Pass, case: tuple[Func, list[Array]]) -> None:
    func, arrays = case
    exact = NumericCheck(arrays, scale=1e-2, allow_finite=False)
    Pipeline([p]).run(func, verify_each=True, check_each=exact)


@SETTINGS
@given(case=programs(max_ops=14, tame=True))
def test_pipelines(case: tuple[Func, list[Array]]) -> None:
    func, arrays = case
    check = NumericCheck(arrays)
    for pipeline in (OPTIMIZE, FAST_COMPILE, NONE):
        pipeline.run(func, verify_each=True, check_each=check)


@SETTINGS
@given(case=programs(max_ops=20, tame=True), size=st.integers(1, 8))
def test_kernels(case: tuple[Func, list[Array]], size: int) -> None:
    """Small kernels read much of each other, which `recompute` lets them compute again."""
    func, arrays = case
    lowered = specialized(OPTIMIZE, sizes(func, arrays)).run(func)
    Pipeline([Fuse(size), Recompute()]).run(lowered, verify_each=True, check_each=NumericCheck(arrays))


@SETTINGS
@given(case=programs(max_ops=14, tame=True))
def test_specialised(case: tuple[Func, list[Array]]) -> None:
    func, arrays = case
    specialised = specialized(OPTIMIZE, sizes(func, arrays))
    out = specialised.run(func, verify_each=True, check_each=NumericCheck(arrays))
    assert all(v.type.static for v in out.params)


@SETTINGS
@given(case=stateful_programs(max_ops=10, tame=True))
def test_states(case: tuple[Func, list[Array], dict[str, Array]]) -> None:
    func, arrays, states = case
    OPTIMIZE.run(func, verify_each=True, check_each=NumericCheck(arrays, states))


def _smooth(func: Func) -> bool:
    """Whether finite differences are trusted: no ties of maxima, no rounding to f32."""
    kinked = {"maximum", "minimum", "max", "min", "abs"}
    return not any(
        op.name in kinked or any(r.dtype == "f32" for r in op.results) for op in func.ops
    )


@SETTINGS
@given(case=programs(max_ops=10, dtypes=("f64",), tame=True))
def test_gradients(case: tuple[Func, list[Array]]) -> None:
    """The derivative of a random program along a random direction, before and after `OPTIMIZE`."""
    func, arrays = case
    floats = [r for r in func.results if r.dtype == "f64"]
    assume(floats and _smooth(func))
    b = Builder()
    cost = b.const(0.0, "f64")
    for r in floats:
        cost = b.add(cost, b.sum(b.sin(r), axes=tuple(range(r.ndim))))
    gradients = derive(cost, func.params, disconnected="ignore")
    found = [(i, g) for i, g in enumerate(gradients) if g is not None]
    assume(found)

    listed = set(func.ops)
    ops = func.ops + [op for op in toposort([cost, *(g for _, g in found)]) if op not in listed]
    whole = replace(func, ops=ops, results=[cost, *(g for _, g in found)])
    OPTIMIZE.run(whole, verify_each=True, check_each=NumericCheck(arrays))

    rng = np.random.default_rng(0)
    directions = [rng.normal(size=x.shape) for x in arrays]
    results, _ = run(whole, arrays)
    slope = sum(
        float((g * directions[i]).sum()) for (i, _), g in zip(found, results[1:], strict=True)
    )
    ends = [
        float(run(whole, [x + t * d for x, d in zip(arrays, directions, strict=True)])[0][0])
        for t in (1e-6, -1e-6)
    ]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / 2e-6, rtol=1e-4, atol=1e-4)
