"""Short loops written out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.bound import bound_symbols
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value, every_op
from arignote.ir.loops import Loop, copy_ops
from arignote.passes.base import Pass, rebuild_ops
from arignote.passes.blocks import map_blocks


@dataclass(frozen=True)
class ScanUnroll(Pass):
    """Write out loops of a known number of steps that have at most `limit` ops in all steps together, and all loops of
    one step or none: their steps fuse, and rows that are known need no memory. Loops whose steps find
    out sizes stay."""

    name: ClassVar[str] = "scan_unroll"

    limit: int = 16

    def run(self, func: Func) -> Func:
        return map_blocks(func, self._block)

    def _block(self, ops: list[Op], roots: Sequence[Value]) -> tuple[list[Op], dict[Value, Value]]:
        mapping: dict[Value, Value] = {}
        return rebuild_ops(ops, mapping, self._visit), mapping

    def _visit(self, b: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if op.name != "scan" or op.attrs.get("until"):
            return None
        steps = op.attrs["steps"][0]
        count = sum(o.name != "const" for o in op.regions[0].ops)
        if not isinstance(steps, int) or (steps > 1 and steps * count > self.limit):
            return None
        if steps > 1 and any(bound_symbols(o) for o in every_op(op.regions[0].ops)):
            return None  # a size that each step has of its own is one name in the body
        return _written_out(b, Loop.of(operands, op.regions[0], op.attrs), steps)


def _written_out(b: Builder, loop: Loop, steps: int) -> list[Value]:
    """The results of a loop of `steps` steps."""
    assert b.ops is not None
    state = [c.init for c in loop.carries]
    rows: list[list[Value]] = [[] for _ in loop.outs]
    for k in range(steps):
        place = steps - 1 - k if loop.reverse else k
        mapping = {p: v for v, p in loop.invariants}
        mapping.update(zip((c.param for c in loop.carries), state, strict=True))
        for x, p in loop.seqs:
            mapping[p] = b.reshape(_row(b, x, place), shape=p.shape)
        if loop.index is not None:
            mapping[loop.index] = b.const(place, "i64")
        b.ops += copy_ops(loop.ops, mapping)
        state = [mapping.get(c.next, c.next) for c in loop.carries]
        for found, y in zip(rows, loop.outs, strict=True):
            v = mapping.get(y, y)
            found.append(b.reshape(v, shape=(1, *v.shape)))
    stacks = [r.type.with_shape((steps, *r.shape)) for r in loop.outs]
    outs = []
    for found, type in zip(rows, stacks, strict=True):
        ordered = found[::-1] if loop.reverse else found
        outs.append(b.full(0, type) if not found else ordered[0] if steps == 1 else b.concatenate(*ordered, axis=0))
    return [*state, *outs]


def _row(b: Builder, x: Value, place: int) -> Value:
    if x.shape[0] == 1:
        return x
    start, step = (place, *(0,) * (x.ndim - 1)), (1,) * x.ndim
    out: Value = b.slice(x, start=start, size=(1, *x.shape[1:]), step=step)
    return out
