"""Splitting of reductions, so that more of them run in one kernel over rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.core import Func, Op, Value
from arignote.ir.opdef import has_trait
from arignote.passes.base import Pass
from arignote.passes.rewrite import Rewriter, Table, rewrite

SPLIT = Table()

#: How many ops the search for a reduction looks at.
REACH = 32


def row_axes(b: Rewriter, x: Value) -> tuple[int, ...] | None:
    """The axes of a reduction, over the last axis among others, of values of the shape of `x` from
    which elementwise ops compute `x`: those that a kernel over rows of `x` reduces."""
    stack, seen = [x], {x}
    while stack and len(seen) <= REACH:
        op = stack.pop().owner
        if op is None:
            continue
        if has_trait(op.name, "reduction") and op.operands[0].shape == x.shape:
            axes: tuple[int, ...] = op.attrs["axes"]
            if x.ndim - 1 in axes:
                return axes
        elif has_trait(op.name, "elementwise") or op.name in ("reshape", "broadcast"):
            new = [v for v in op.operands if v not in seen]
            stack += new
            seen.update(new)
    return None


@SPLIT("sum", "prod", "max", "min", "all", "any")
def by_rows(b: Rewriter, op: Op) -> Value | None:
    """sum(x) over rows and columns -> sum(sum(x) over columns) over rows, if x is made by rows."""
    x, axes = op.operands[0], op.attrs["axes"]
    if len(axes) < 2:
        return None
    rows = row_axes(b, x)
    if rows is None or not set(rows) < set(axes):
        return None
    left = [a for a in range(x.ndim) if a not in rows]
    rest = tuple(left.index(a) for a in axes if a not in rows)
    return b.emit(op.name, b.emit(op.name, x, axes=rows)[0], axes=rest)[0]


@dataclass(frozen=True)
class Split(Pass):
    """Split the sum of all elements of a matrix that is computed row by row, as a softmax is, into
    sums of rows and their sum."""

    name: ClassVar[str] = "split"

    def run(self, func: Func) -> Func:
        return rewrite(func, SPLIT, self.name)
