"""The pipelines, readable top to bottom. Whoever compiles appends placement, fusion and memory
planning."""

from __future__ import annotations

from collections.abc import Callable

from arignote.ir.types import DimLike
from arignote.passes.accumulate import Accumulate
from arignote.passes.algebra import Algebra
from arignote.passes.base import Pipeline
from arignote.passes.bypass import Bypass
from arignote.passes.canonicalize import Canonicalize
from arignote.passes.cse import Cse
from arignote.passes.dce import Dce
from arignote.passes.decompose import Decompose
from arignote.passes.fold import Fold
from arignote.passes.gemm import Gemm
from arignote.passes.guard import Guard
from arignote.passes.parts import Parts
from arignote.passes.scan_hoist import ScanHoist
from arignote.passes.scan_merge import ScanMerge
from arignote.passes.scan_prune import ScanPrune
from arignote.passes.scan_unroll import ScanUnroll
from arignote.passes.sink import Sink
from arignote.passes.specialize import Specialize
from arignote.passes.split import Split
from arignote.passes.stabilize import Stabilize

#: Make the graph small: each simplification may open the way for another.
SIMPLIFY = Pipeline(
    [
        Bypass(),
        Specialize(),  # sizes that scalars give, as far as they are known
        Canonicalize(),
        Fold(),
        Stabilize(),  # before algebra, which would rewrite what it looks for
        Algebra(),
        Cse(),
        Dce(),
    ],
    rounds=3,
)

#: Make loops small: what is the same in every step, or can be done for all steps at once, leaves them.
LOOPS = Pipeline(
    [
        ScanMerge(),
        ScanPrune(),
        Cse(),
        ScanHoist(),
        ScanPrune(),
        ScanUnroll(),
        SIMPLIFY,
    ],
    rounds=2,
)

#: Choose the forms that kernels and libraries take.
LOWER = Pipeline(
    [
        Parts(),
        Decompose(),
        Accumulate(),
        Gemm(),
        Pipeline([Canonicalize(), Fold(), Algebra(), Cse(), Dce()], rounds=2),
        Split(),  # last, as canonical sums are over all axes at once
    ]
)

#: Everything: for functions that run often.
OPTIMIZE = Pipeline([SIMPLIFY, LOOPS, Sink(), ScanPrune(), LOWER])

#: Little: for functions that run once. Stable, and in the forms that the code generator takes.
FAST_COMPILE = Pipeline([Bypass(), Stabilize(), Cse(), Dce(), Sink(), Decompose(), Gemm()])

#: Nothing but what the code generator cannot do without.
NONE = Pipeline([Sink(), Decompose()])

PIPELINES: dict[str, Pipeline] = {"optimize": OPTIMIZE, "fast_compile": FAST_COMPILE, "none": NONE}


def selected(pipeline: Pipeline, keep: Callable[[str], bool]) -> Pipeline:
    """`pipeline` with the passes whose names `keep` accepts; the same object if it accepts all."""
    if all(keep(p.name) for p in pipeline):
        return pipeline
    parts = [selected(p, keep) if isinstance(p, Pipeline) else p for p in pipeline.passes]
    return Pipeline([p for p in parts if isinstance(p, Pipeline) or keep(p.name)], pipeline.rounds)


def specialized(pipeline: Pipeline, dims: dict[str, DimLike]) -> Pipeline:
    """`pipeline` for the given sizes of dimensions; what they leave open is compared at the call."""
    return Pipeline([Specialize(tuple(sorted(dims.items()))), Guard(), pipeline])
