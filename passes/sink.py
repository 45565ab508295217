"""Laziness: what only one branch needs is computed in that branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.loops import copy_ops
from arignote.ir.opdef import has_trait
from arignote.passes.base import Pass, with_operands
from arignote.passes.blocks import map_blocks


@dataclass(frozen=True)
class Sink(Pass):
    """Move ops that only one branch of an `ifelse` needs into that branch, so that only what is chosen is computed."""

    name: ClassVar[str] = "sink"

    def run(self, func: Func) -> Func:
        while (new := map_blocks(func, _block)) is not func:
            func = new  # there may be branches in what was moved into one
        return func


def _block(ops: list[Op], roots: Sequence[Value]) -> tuple[list[Op], dict[Value, Value]]:
    mapping: dict[Value, Value] = {}
    for op in [op for op in ops if op.name == "ifelse"][::-1]:
        current = next((o for o in ops if o.name == "ifelse" and o.regions == op.regions), None)
        if current is None:
            continue
        found = _sunk(ops, current, [mapping.get(r, r) for r in roots])
        if found is not None:
            ops, replaced = found
            mapping = {v: replaced.get(w, w) for v, w in mapping.items()} | replaced
    return ops, mapping


def _sunk(
    ops: list[Op], branch: Op, roots: Sequence[Value]
) -> tuple[list[Op], dict[Value, Value]] | None:
    """`ops` with what only one side of `branch` needs moved there; None if there is nothing."""
    read = [_reads(region) for region in branch.regions]
    sides: dict[Value, set[int]] = {}  # operand -> the branches that need it
    for v, a, b in zip(branch.operands[1:], branch.regions[0].params, branch.regions[1].params, strict=True):
        sides.setdefault(v, set()).update(k for k, p in enumerate((a, b)) if p in read[k])
    sides.setdefault(branch.operands[0], set()).update((0, 1))
    kept = set(roots)
    used_by: dict[Value, list[Op]] = {}
    for op in ops:
        if op is not branch:
            for v in op.operands:
                used_by.setdefault(v, []).append(op)
    moved: tuple[list[Op], list[Op]] = ([], [])
    home: dict[Op, int] = {}
    for op in reversed(ops[: ops.index(branch)]):
        if op.name == "const" or not op.results or has_trait(op.name, "effect"):
            continue
        wanted: set[int] = set()
        for r in op.results:
            wanted |= sides.get(r, set())
            wanted |= {home.get(user, 2) for user in used_by.get(r, [])}
            if r in kept:
                wanted.add(2)
        if len(wanted) == 1 and 2 not in wanted:
            (k,) = wanted
            home[op] = k
            moved[k].append(op)
    if not home:
        return None
    return _moved(ops, branch, (moved[0][::-1], moved[1][::-1]))


def _reads(region: Region) -> set[Value]:
    return {v for op in region.ops for v in op.operands} | set(region.yields)


def _moved(
    ops: list[Op], branch: Op, moved: tuple[list[Op], list[Op]]
) -> tuple[list[Op], dict[Value, Value]]:
    gone = {op for side in moved for op in side}
    made = {r for op in gone for r in op.results}
    consts = {v for op in gone for v in op.operands if v.owner is not None and v.owner.name == "const"}
    operands = [v for v in branch.operands[1:] if v not in made]
    operands += [v for op in (*moved[0], *moved[1]) for v in op.operands if v not in made and v not in consts]
    outer = list(dict.fromkeys(operands))
    regions = []
    for region, side in zip(branch.regions, moved, strict=True):
        params = [Value(v.type, v.name) for v in outer]
        inner = dict(zip(outer, params, strict=True))
        own = [v.owner for v in dict.fromkeys(v for op in side for v in op.operands if v in consts)]
        body = copy_ops([op for op in own if op is not None], inner)
        body += copy_ops(side, inner)
        for p, v in zip(region.params, branch.operands[1:], strict=True):
            if v in inner:
                inner[p] = inner[v]
            elif p in _reads(region):
                raise AssertionError(f"{v!r} was moved into the other branch")
        body += copy_ops(region.ops, inner)
        regions.append(Region(params, body, [inner.get(y, y) for y in region.yields]))
    out: list[Op] = []
    mapping: dict[Value, Value] = {}
    for op in ops:
        if op in gone:
            continue
        if op is branch:
            names = [r.name for r in op.results]
            new = Builder(out, loc=op.loc).emit("ifelse", op.operands[0], *outer, regions=regions, names=names)
            mapping.update(zip(op.results, new, strict=True))
            continue
        copy = with_operands(op, tuple(mapping.get(v, v) for v in op.operands))
        mapping.update((v, w) for v, w in zip(op.results, copy.results, strict=True) if v is not w)
        out.append(copy)
    return out, mapping
