"""Dead code elimination."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.bound import symbols_of
from arignote.ir.core import Func, Op, Value
from arignote.ir.opdef import has_trait, is_ordered
from arignote.ir.types import dim_symbols
from arignote.passes.base import Pass
from arignote.passes.blocks import map_blocks


def live_ops(ops: Sequence[Op], roots: Iterable[Value], inputs: Iterable[Value]) -> list[Op]:
    """The ops that `roots` need, and those that check something, in order.

    Needing a dimension counts: an op that mentions a symbol that no input has keeps the op that
    binds it.
    """
    known = set(dim_symbols(d for v in inputs for d in v.shape))
    binders: dict[str, Op] = {}
    for op in ops:
        for symbol in dim_symbols(d for v in op.results for d in v.shape):
            if symbol not in known:
                binders.setdefault(symbol, op)
    live: set[Op] = set()
    stack = [op for op in ops if has_trait(op.name, "effect") or is_ordered(op)]
    stack += [v.owner for v in roots if v.owner is not None]
    while stack:
        op = stack.pop()
        if op in live:
            continue
        live.add(op)
        stack += [v.owner for v in op.operands if v.owner is not None]
        if binders:
            stack += [binders[s] for s in symbols_of(op) if s in binders]
    return [op for op in ops if op in live]


def prune(func: Func) -> Func:
    """`func` without the ops that nothing needs, outside of loops and branches; the same object if there are none."""
    ops = live_ops(func.ops, func.roots(), func.inputs())
    return func if len(ops) == len(func.ops) else func.with_ops(ops, {})


def _block(ops: list[Op], roots: Sequence[Value]) -> tuple[list[Op], dict[Value, Value]]:
    made = {r for op in ops for r in op.results}
    return live_ops(ops, roots, (v for op in ops for v in op.operands if v not in made)), {}


@dataclass(frozen=True)
class Dce(Pass):
    """Remove ops whose results nothing uses, in loops and branches too."""

    name: ClassVar[str] = "dce"

    def run(self, func: Func) -> Func:
        return prune(map_blocks(func, _block))
