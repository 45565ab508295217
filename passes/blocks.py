"""Passes over blocks: the bodies of loops and branches, the innermost first, and then the function around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.opdef import has_trait
from arignote.passes.base import with_operands

#: Transforms the ops of a block, of which `roots` are needed; returns the new ops, and the values that replace others.
Work = Callable[[list[Op], Sequence[Value]], tuple[list[Op], dict[Value, Value]]]


def map_blocks(func: Func, work: Work) -> Func:
    """`func` with `work` done on each block; the same object if nothing changed. Kernels are no blocks."""
    ops, mapping = _block(func.ops, func.roots(), work)
    if ops == func.ops and not any(v in mapping for v in func.roots()):
        return func
    return func.with_ops(ops, mapping)


def _block(
    ops: Sequence[Op], roots: Sequence[Value], work: Work
) -> tuple[list[Op], dict[Value, Value]]:
    mapping: dict[Value, Value] = {}
    inner: list[Op] = []
    for op in ops:
        regions = op.regions
        if regions and not has_trait(op.name, "kernel"):
            regions = tuple(_region(r, work) for r in regions)
        new = with_operands(op, tuple(mapping.get(v, v) for v in op.operands), regions)
        mapping.update((v, w) for v, w in zip(op.results, new.results, strict=True) if v is not w)
        inner.append(new)
    out, changed = work(inner, [mapping.get(v, v) for v in roots])
    both = {v: changed.get(w, w) for v, w in mapping.items()}
    return out, {**changed, **both}


def _region(region: Region, work: Work) -> Region:
    ops, mapping = _block(region.ops, region.yields, work)
    yields = [mapping.get(v, v) for v in region.yields]
    if ops == region.ops and yields == region.yields:
        return region
    return Region(region.params, ops, yields)


def in_order(ops: Sequence[Op]) -> list[Op]:
    """`ops` with operands before users, as close to the given order as can be."""
    here = set(ops)
    done: set[Op] = set()
    out: list[Op] = []
    for root in ops:
        stack = [root]
        while stack:
            op = stack[-1]
            if op in done:
                stack.pop()
                continue
            needs = [v.owner for v in op.operands if v.owner in here and v.owner not in done]
            if needs:
                stack += [n for n in needs if n is not None]
                continue
            stack.pop()
            done.add(op)
            out.append(op)
    return out
