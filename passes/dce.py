"""Dead code elimination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.bound import symbols_of
from arignote.ir.core import Func, Op
from arignote.ir.opdef import has_trait, is_ordered
from arignote.ir.types import dim_symbols
from arignote.passes.base import Pass


def live_ops(func: Func) -> list[Op]:
    """The ops that results and updates need, and those that check something, in order.

    Needing a dimension counts: an op that mentions a symbol that no input has keeps the op that
    binds it.
    """
    known = set(dim_symbols(d for v in func.inputs() for d in v.shape))
    binders: dict[str, Op] = {}
    for op in func.ops:
        for symbol in dim_symbols(d for v in op.results for d in v.shape):
            if symbol not in known:
                binders.setdefault(symbol, op)
    live: set[Op] = set()
    stack = [op for op in func.ops if has_trait(op.name, "effect") or is_ordered(op)]
    stack += [v.owner for v in func.roots() if v.owner is not None]
    while stack:
        op = stack.pop()
        if op in live:
            continue
        live.add(op)
        stack += [v.owner for v in op.operands if v.owner is not None]
        if binders:
            stack += [binders[s] for s in symbols_of(op) if s in binders]
    return [op for op in func.ops if op in live]


def prune(func: Func) -> Func:
    """`func` without the ops that nothing needs; the same object if there are none."""
    ops = live_ops(func)
    return func if len(ops) == len(func.ops) else func.with_ops(ops, {})


@dataclass(frozen=True)
class Dce(Pass):
    """Remove ops whose results nothing uses."""

    name: ClassVar[str] = "dce"

    def run(self, func: Func) -> Func:
        return prune(func)
