"""Printing out of the way of everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.core import Func, Op, Region, Value, every_op
from arignote.passes.base import Pass, with_operands


@dataclass(frozen=True)
class Bypass(Pass):
    """Let what uses a printed value read the value itself, so that printing keeps nothing from being simplified.

    The prints stay where they are, with results that nothing uses: in the function and in its loops and branches.
    """

    name: ClassVar[str] = "bypass"

    def run(self, func: Func) -> Func:
        if not any(op.name == "print" for op in every_op(func.ops)):
            return func
        mapping: dict[Value, Value] = {}
        ops = _bypassed(func.ops, mapping)
        if ops == func.ops and not any(v in mapping for v in func.roots()):
            return func
        return func.with_ops(ops, mapping)


def _bypassed(ops: Sequence[Op], mapping: dict[Value, Value]) -> list[Op]:
    out = []
    for op in ops:
        operands = tuple(mapping.get(v, v) for v in op.operands)
        new = with_operands(op, operands, tuple(map(_region, op.regions)))
        out.append(new)
        mapping.update((v, w) for v, w in zip(op.results, new.results, strict=True) if v is not w)
        if op.name == "print":
            mapping[op.result] = operands[0]
    return out


def _region(region: Region) -> Region:
    mapping: dict[Value, Value] = {}
    ops = _bypassed(region.ops, mapping)
    yields = [mapping.get(v, v) for v in region.yields]
    return region if ops == region.ops and yields == region.yields else Region(region.params, ops, yields)
