"""Loops in parts: gradients keep the carried values between parts, and compute the others again.

After A. Griewank, A. Walther, *Algorithm 799: revolve* (2000), with one level: for T steps in parts of N, T/N + N
values are kept at a time instead of T; N = sqrt(T) makes that least.
"""

from __future__ import annotations

import math
from typing import Any, Literal

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import scalar_int
from arignote.frontends.tensor.graph import wrap
from arignote.frontends.tensor.joining import concatenate
from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.shapes import Sizes, dim_value
from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.loops import Carry, Loop
from arignote.ir.types import DimLike

#: The number of steps of a part, or the root of the number of steps.
Every = int | Literal["sqrt"]


def emit_in_parts(loop: Loop, every: Every, ends: bool) -> tuple[list[Value], list[Value]]:
    """Emit `loop` as a loop over parts of `every` steps and one over the steps that are left.

    Returns the carried values after the loop, and the outputs of all steps, or with `ends` of the last step of
    each part. Rows are in the order of the sequences, as those of `Loop.emit`.
    """
    steps = loop.steps if loop.count is None else loop.count
    size, count, left = _division(steps, every)
    lasts = [c.init for c in loop.carries]
    parts: list[list[Value]] = []
    if count != 0:
        lasts, stacks = _whole_parts(loop, size, count, left, ends)
        parts.append(stacks)
    if left != 0:
        lasts, stacks = _rest(loop, size, count, left, lasts, ends)
        parts.append(stacks)
    if not parts:
        return loop.emit(Builder(loc=user_loc()))
    if len(parts) == 1:
        return lasts, parts[0]
    if loop.reverse:
        parts.reverse()
    return lasts, [concatenate([wrap(v) for v in rows]).value_ for rows in zip(*parts, strict=True)]


def _division(steps: DimLike | Value, every: Every) -> tuple[Any, Any, Any]:
    """The steps of a part, the number of parts, and the steps that are left: numbers, or scalars."""
    if isinstance(steps, int):
        size = max(1, math.isqrt(steps - 1) + 1 if steps else 1) if every == "sqrt" else every
        return size, steps // size, steps % size
    total = wrap(steps if isinstance(steps, Value) else dim_value(steps))
    part: Any = every
    if every == "sqrt":
        part = ew.maximum(ew.cast(ew.ceil(ew.sqrt(total)), "int64"), 1)
    return part, total // part, total % part


def _sized(size: Any) -> tuple[DimLike, Value | None]:
    """A number of steps for `Loop`, and the scalar that gives it if no input does."""
    number = scalar_int(size, "steps")
    if isinstance(number, int):
        return number, None
    sizes = Sizes([number])
    return sizes.shape[0], sizes.operands[0] if sizes.bound else None


def _whole_parts(loop: Loop, size: Any, count: Any, left: Any, ends: bool) -> tuple[list[Value], list[Value]]:
    outer_steps, outer_count = _sized(count)
    steps, inner_count = _sized(size)
    outer = Loop(outer_steps, count=outer_count, reverse=loop.reverse, checkpoint=True)
    inner = Loop(steps, loop.ops, outs=list(loop.outs), reverse=loop.reverse)
    for x, p in loop.seqs:
        rows = wrap(x)[left:] if loop.reverse else wrap(x)[: count * size]
        part = outer.seq(rows.reshape((count, size, *_dims(x, 1)), ndim=x.ndim + 1).value_, x.name)
        inner.seqs.append((part, p))
    inner.carries = [Carry(outer.carry(c.init).param, c.param, c.next) for c in loop.carries]
    inner.invariants = [(outer.invariant(v), p) for v, p in loop.invariants]
    inner.count = None if inner_count is None else outer.invariant(inner_count)
    b = Builder(outer.ops, loc=user_loc())
    lasts, stacks = inner.emit(b)
    for c, last in zip(outer.carries, lasts, strict=True):
        c.next = last
    outer.outs = [_last_row(b, s, loop.reverse) for s in stacks] if ends else stacks
    after, rows_ = outer.emit(Builder(loc=user_loc()), [c.init.name for c in loop.carries])
    if not ends:
        rows_ = [wrap(s).reshape((count * size, *_dims(s, 2)), ndim=s.ndim - 1).value_ for s in rows_]
    return after, rows_


def _rest(
    loop: Loop, size: Any, count: Any, left: Any, start: list[Value], ends: bool
) -> tuple[list[Value], list[Value]]:
    steps, scalar = _sized(left)
    rest = Loop(steps, loop.ops, outs=list(loop.outs), invariants=list(loop.invariants), count=scalar)
    rest.reverse = loop.reverse
    for x, p in loop.seqs:
        rest.seqs.append(((wrap(x)[:left] if loop.reverse else wrap(x)[count * size :]).value_, p))
    rest.carries = [Carry(v, c.param, c.next) for v, c in zip(start, loop.carries, strict=True)]
    b = Builder(loc=user_loc())
    lasts, stacks = rest.emit(b, [c.init.name for c in loop.carries])
    if ends:  # no row if no step is left
        stacks = [(wrap(s)[:1] if loop.reverse else wrap(s)[-1:]).value_ for s in stacks]
    return lasts, stacks


def _dims(x: Value, first: int) -> list[Any]:
    """The sizes of the axes from `first` on, as numbers or scalars."""
    return [s if isinstance(s, int) else wrap(dim_value(s)) for s in x.shape[first:]]


def _last_row(b: Builder, stack: Value, reverse: bool) -> Value:
    """The row of the step that ran last."""
    rest = stack.shape[1:]
    zeros = (0,) * len(rest)
    start = 0 if reverse else stack.shape[0] - 1
    row = b.slice(stack, start=(start, *zeros), size=(1, *rest), step=(1,) * stack.ndim)
    out: Value = b.reshape(row, shape=rest)
    return out
