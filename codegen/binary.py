"""Which values hold only 0 and 1 as numbers, as far as the program tells: samples of binary units, masks.

A hint for matrix products, which look themselves: a value that a loop carries counts if the loop's steps make it so,
whatever it is at the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable

from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.loops import Loop
from arignote.ir.types import is_float

#: Ops that give the numbers of their first operand at other places.
MOVES = frozenset({"broadcast", "copy", "reshape", "slice", "transpose"})


def zeros_and_ones(func: Func) -> set[Value]:
    """The values of a function, its loops and branches included."""
    known: set[Value] = set()
    _enter(func.ops, known)
    return known


def _enter(ops: Iterable[Op], known: set[Value]) -> None:
    for op in ops:
        if op.name == "scan":
            _loop(op, known)
        elif op.name == "fused":
            _inside(op.regions[0], op.operands, op.results, known)
        elif op.name == "ifelse":
            for region in op.regions:
                _inside(region, op.operands[1:], (), known)
        elif _is_cast(op) or (op.name in MOVES and op.operands[0] in known):
            known.add(op.result)


def _is_cast(op: Op) -> bool:
    return op.name == "cast" and op.operands[0].dtype == "bool" and is_float(op.result.dtype)


def _inside(region: Region, outer: Iterable[Value], results: Iterable[Value], known: set[Value]) -> None:
    known.update(p for v, p in zip(outer, region.params, strict=True) if v in known)
    _enter(region.ops, known)
    known.update(r for r, y in zip(results, region.yields, strict=False) if y in known)


def _loop(op: Op, known: set[Value]) -> None:
    loop = Loop.read(op)
    known.update(p for v, p in [*loop.seqs, *loop.invariants] if v in known)
    _enter(loop.ops, known)
    known.update(c.param for c in loop.carries if c.next in known)
    _enter(loop.ops, known)  # what is made of these
    yields = [*(c.next for c in loop.carries), *loop.outs]
    known.update(r for r, y in zip(op.results, yields, strict=False) if y in known)
