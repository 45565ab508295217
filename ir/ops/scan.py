"""Loops: a region that runs once for each element of its sequences.

    %last, %all = scan(%xs, %h0, %w) {carry=1, seqs=1, steps=[t]} : f32[b,128], f32[t,b,128] {
      (%x: f32[b,64], %h: f32[b,128], %w.in: f32[192,128]):
      ...
      yield(%h.next, %h.next)
    }

`arignote.ir.loops` takes the op apart, `arignote.ir.loopgrad` derives its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.ir.core import Region, Value
from arignote.ir.diag import require
from arignote.ir.loopgrad import Backward
from arignote.ir.loops import Loop, element_type, stack_type
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, check_bound, same_shape
from arignote.ir.types import DimLike, TensorType, same_dim


def _same_type(a: TensorType, b: TensorType) -> bool:
    return a.dtype == b.dtype and same_shape(a.shape, b.shape)


@defop
class scan:
    """scan(*xs: T[t, ...], *inits, *invariants, n: i64[]?) {steps, seqs, carry, reverse=false, index=false,
    until=false, truncate=0, checkpoint=false, bound=()} {region} -> (carried values after the loop, stacked outputs,
    number of steps run if `until`).

    The region takes the position i64[] (if `index`), an element of each of the `seqs` sequences, the `carry` carried
    values and the invariants. It yields the next carried values, then the outputs of the step, which are stacked at
    the position of the element, then, if `until`, whether to stop after this step (bool[]); rows of steps that were
    not run are 0. `reverse` begins at the last element. `truncate` > 0 limits gradients to so many steps from the end,
    `checkpoint` makes them compute again what they need of a step.

    (C1) parameters and results of the region by the counts. (C2) sequences have `steps` elements. (C3) parameters
    have the types of the operands. (C4) carried values keep their types. (C5) the last result is bool[] if `until`.
    (C6) one operand if the number of steps is bound.
    """

    traits = ("region", "library")
    lower = "scan"

    @staticmethod
    def infer(
        *operands: TensorType,
        regions: tuple[Region, ...],
        steps: tuple[DimLike, ...],
        seqs: int,
        carry: int,
        reverse: bool = False,
        index: bool = False,
        until: bool = False,
        truncate: int = 0,
        checkpoint: bool = False,
        bound: tuple[int, ...] = (),
    ) -> tuple[TensorType, ...]:
        require(len(regions) == 1, f"takes one region, got {len(regions)} (C1)")
        require(len(steps) == 1, f"steps holds one number, got {steps} (C1)")
        count = len(bound)
        check_bound(operands[len(operands) - count :], count, "number of steps (C6)")
        outer = operands[: len(operands) - count]
        params = [p.type for p in regions[0].params]
        given = params[index:]
        fits = len(params) >= index and len(given) == len(outer) >= seqs + carry and seqs >= 0 and carry >= 0
        require(fits, f"the region takes {len(params)} values for {len(outer)} operands (C1)")
        if index:
            require(params[0] == TensorType("i64", ()), f"the position is i64[], not {params[0]} (C3)")
        (t,) = steps
        short = isinstance(t, int) and t < 0
        require(not short, f"a sequence is too short for its taps: {t} steps (C2)")
        names = [f" ({p.name})" if p.name else "" for p in regions[0].params[index:]]
        for i, x in enumerate(outer[:seqs]):
            fits = x.ndim > 0 and same_dim(x.shape[0], t)
            require(fits, f"sequence {i}{names[i]} is {x}, but there are {t} steps (C2)")
        wanted = [*(element_type(x) for x in outer[:seqs]), *outer[seqs:]]
        for i, (have, want) in enumerate(zip(given, wanted, strict=True)):
            require(have == want, f"parameter {i + index} is {have}, its operand gives {want} (C3)")
        yields = [v.type for v in regions[0].yields]
        require(len(yields) >= carry + until, f"{len(yields)} results of the region for {carry} carried values (C1)")
        stop = yields.pop() if until else None
        require(stop in (None, TensorType("bool", ())), f"the condition to stop is bool[], not {stop} (C5)")
        for i in range(carry):
            have, want = yields[i], outer[seqs + i]
            require(_same_type(have, want), f"carried value {i}{names[seqs + i]} is {want} and becomes {have} (C4)")
        out = [*outer[seqs : seqs + carry], *(stack_type(y, t) for y in yields[carry:])]
        return (*out, *([TensorType("i64", ())] if until else []))

    @staticmethod
    def eval(
        *operands: Array,
        regions: tuple[Region, ...],
        run_region: Any,
        steps: tuple[int, ...],
        seqs: int,
        carry: int,
        reverse: bool = False,
        index: bool = False,
        until: bool = False,
        bound: tuple[int, ...] = (),
        **attrs: Any,
    ) -> tuple[Array, ...]:
        t = int(operands[-1]) if bound else steps[0]
        outer = operands[: len(operands) - len(bound)]
        xs, state, rest = outer[:seqs], list(outer[seqs : seqs + carry]), outer[seqs + carry :]
        for x in xs:
            if len(x) != t:
                raise ValueError(f"a sequence has {len(x)} elements in a loop of {t} steps")
        types = [v.type for v in regions[0].yields[carry : len(regions[0].yields) - until]]
        stacks: list[Array | None] = [None] * len(types)
        done = 0
        for k in range(t):
            p = t - 1 - k if reverse else k
            position = [np.asarray(p, np.int64)] if index else []
            out = run_region(regions[0], [*position, *(x[p] for x in xs), *state, *rest])
            state = list(out[:carry])
            for i, y in enumerate(out[carry : carry + len(types)]):
                stack = stacks[i]
                if stack is None:
                    stack = stacks[i] = np.zeros((t, *y.shape), y.dtype)
                stack[p] = y
            done += 1
            if until and bool(out[-1]):
                break
        for i, type in enumerate(types):
            if stacks[i] is None:  # no step was run
                stacks[i] = np.zeros((t, *run_region.shape(type)), type.numpy_dtype)
        results = [*(x.copy() for x in state), *(s for s in stacks if s is not None)]
        return (*results, *([np.asarray(done, np.int64)] if until else []))

    @staticmethod
    def vjp(
        b: Any, ct: Any, out: Any, *operands: Value, regions: tuple[Region, ...], wanted: Sequence[int], **attrs: Any
    ) -> Grads:
        several = isinstance(out, tuple)
        cts = list(ct) if several else [ct]
        outs = list(out) if several else [out]
        return Backward(b, Loop.of(operands, regions[0], attrs), outs).gradients(cts, wanted)

    @staticmethod
    def samples() -> Samples:
        return []  # made of other ops only: tests/ir/test_scan.py has loops
