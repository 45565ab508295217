"""One loop out of several: a loop and its replay for the gradient, loops over the same sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value, attrs_equal
from arignote.ir.loops import Carry, Loop, copy_ops
from arignote.passes.base import Pass, with_operands
from arignote.passes.blocks import in_order, map_blocks


@dataclass(frozen=True)
class ScanMerge(Pass):
    """Run loops of the same number of steps and direction as one, if they read the same sequence or begin with the
    same values and none depends on the other. What is equal in both bodies is left to `scan_prune` and `cse`.

    Gradients are derived before: how many steps they go through (`truncate`) plays no part.
    """

    name: ClassVar[str] = "scan_merge"

    def run(self, func: Func) -> Func:
        return map_blocks(func, _block)


def _block(ops: list[Op], roots: Sequence[Value]) -> tuple[list[Op], dict[Value, Value]]:
    if sum(op.name == "scan" for op in ops) < 2:
        return ops, {}
    mapping: dict[Value, Value] = {}
    while True:
        pair = _find(ops)
        if pair is None:
            return ops, mapping
        ops, replaced = _merged(ops, *pair)
        mapping = {v: replaced.get(w, w) for v, w in mapping.items()} | replaced


def _find(ops: Sequence[Op]) -> tuple[Op, Op] | None:
    """Two loops that can be one."""
    above = _ancestors(ops)
    scans = [op for op in ops if op.name == "scan"]
    for i, b in enumerate(scans):
        for a in scans[:i]:
            if a not in above[b] and b not in above[a] and _alike(a, b):
                return a, b
    return None


def _ancestors(ops: Sequence[Op]) -> dict[Op, set[Op]]:
    """The loops that each op depends on."""
    above: dict[Op, set[Op]] = {}
    for op in ops:
        own: set[Op] = set()
        for v in op.operands:
            if v.owner is not None and v.owner in above:
                own |= above[v.owner]
                if v.owner.name == "scan":
                    own.add(v.owner)
        above[op] = own
    return above


def _alike(a: Op, b: Op) -> bool:
    for key in ("steps", "reverse", "checkpoint"):
        if not attrs_equal(a.attrs.get(key), b.attrs.get(key)):
            return False
    x, y = Loop.read(a), Loop.read(b)
    if x.count is not y.count or (x.stop is None) != (y.stop is None):
        return False
    if x.stop is not None:  # they stop together only if they are one loop and its replay
        return a.operands == b.operands and len(x.carries) == len(y.carries)
    shared = {v for v, _ in x.seqs} & {v for v, _ in y.seqs}
    return bool(shared) or bool({c.init for c in x.carries} & {c.init for c in y.carries})


def _merged(ops: Sequence[Op], a: Op, b: Op) -> tuple[list[Op], dict[Value, Value]]:
    """`ops` with one loop in the place of `a` and `b`, and what becomes of their results."""
    first, second = Loop.read(a), Loop.read(b)
    loop = Loop(
        first.steps, list(first.ops), list(first.seqs), list(first.carries), list(first.invariants),
        list(first.outs), first.index, first.stop, first.count, first.reverse, first.truncate, first.checkpoint,
    )  # fmt: skip
    inner: dict[Value, Value] = {}
    for x, p in second.seqs:
        inner[p] = loop.seq(x, p.name)
    for x, p in second.invariants:
        inner[p] = loop.invariant(x)
    if second.index is not None:
        inner[second.index] = loop.position()
    carries = [Carry(c.init, Value(c.param.type, c.param.name), c.next) for c in second.carries]
    inner.update((c.param, new.param) for c, new in zip(second.carries, carries, strict=True))
    loop.ops += copy_ops(second.ops, inner)
    for c in carries:
        c.next = inner.get(c.next, c.next)
    loop.carries += carries
    loop.outs += [inner.get(y, y) for y in second.outs]
    made: list[Op] = []
    names = [r.name for r in a.results[: len(first.carries)]] + [r.name for r in b.results[: len(carries)]]
    names += [r.name for r in a.results[len(first.carries) :][: len(first.outs)]]
    names += [r.name for r in b.results[len(carries) :][: len(second.outs)]]
    lasts, stacks = loop.emit(Builder(made, loc=a.loc), names)
    n, m = len(first.carries), len(first.outs)
    stop = [stacks[-1]] if loop.stop is not None else []
    new_a = [*lasts[:n], *stacks[:m], *stop]
    new_b = [*lasts[n:], *stacks[m : m + len(second.outs)], *stop]
    mapping = dict(zip((*a.results, *b.results), (*new_a, *new_b), strict=True))
    out: list[Op] = []
    replaced = dict(mapping)
    for op in ops:
        if op is a:
            out += made
        elif op is not b:
            new = with_operands(op, tuple(replaced.get(v, v) for v in op.operands))
            replaced.update((v, w) for v, w in zip(op.results, new.results, strict=True) if v is not w)
            out.append(new)
    # Neither loop depends on the other, so the operands of both are as they were; some may follow `a`.
    return in_order(out), replaced
