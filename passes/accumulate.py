"""Gradients of gathers, added where they belong: an embedding's update touches only the rows that were looked up.

The gradient of `W[i]` is a tensor of zeros into which rows are added. Adding is linear, so factors and sums move
inside, and the zeros are gone: `W - r * scatter(0, v, i)` becomes `scatter(W, v * -r, i)`, which memory planning then
does in place. Where the gradient itself is needed, such as for its norm, it stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.core import Func, Op, Value
from arignote.ir.types import is_float
from arignote.passes.base import Pass
from arignote.passes.rewrite import Rewriter, Table, rewrite

ACCUMULATE = Table()


def _added(b: Rewriter, value: Value) -> Op | None:
    """The scatter that made `value` by adding, if nothing else needs it, and what it adds is not the larger part."""
    op = b.match(value, "scatter")
    if op is None or op.attrs["mode"] != "add" or not is_float(value.dtype) or not b.single_use(value):
        return None
    have, new = value.type.size, op.operands[1].type.size
    return None if isinstance(have, int) and isinstance(new, int) and new > have else op


def _again(b: Rewriter, op: Op, base: Value, rows: Value) -> Value:
    """The scatter `op` of other rows into another tensor."""
    return b.scatter(base, rows, *op.operands[2:], **op.attrs)


def _both(b: Rewriter, op: Op, name: str, *more: Value) -> Value:
    """A linear function of a scatter: of the tensor, unless that is zero, and of what is added to it."""
    base, rows = op.operands[:2]
    if not b.is_uniform(base, 0):
        base = b.emit(name, base, *more)[0]
    return _again(b, op, base, b.emit(name, rows, *more)[0])


@ACCUMULATE("mul", "div")
def factor(b: Rewriter, op: Op) -> Value | None:
    """scatter(x, v) * s -> scatter(x * s, v * s), for scalars s; likewise /."""
    x, s = op.operands
    if op.name == "mul" and x.ndim == 0:
        x, s = s, x
    found = _added(b, x)
    if found is None or s.ndim or x.type != op.result.type:
        return None
    return _both(b, found, op.name, s)


@ACCUMULATE("neg")
def negation(b: Rewriter, op: Op) -> Value | None:
    """-scatter(x, v) -> scatter(-x, -v)."""
    found = _added(b, op.operands[0])
    return None if found is None else _both(b, found, "neg")


@ACCUMULATE("add", "sub")
def summand(b: Rewriter, op: Op) -> Value | None:
    """y + scatter(x, v) -> scatter(y + x, v), y - scatter(x, v) -> scatter(y - x, -v), scatter(x, v) - y ->
    scatter(x - y, v)."""
    for i, value in enumerate(op.operands):
        y = op.operands[1 - i]
        found = _added(b, value)
        if found is None or y is value or not y.type == value.type == op.result.type:
            continue
        x, rows = found.operands[:2]
        zero = b.is_uniform(x, 0)
        if op.name == "add":
            return _again(b, found, y if zero else b.add(y, x), rows)
        if i == 1:
            return _again(b, found, y if zero else b.sub(y, x), b.neg(rows))
        return _again(b, found, b.neg(y) if zero else b.sub(x, y), rows)
    return None


@dataclass(frozen=True)
class Accumulate(Pass):
    """Move factors and sums into scatters that add, so that no tensor of zeros is made for the gradient of a gather."""

    name: ClassVar[str] = "accumulate"

    def run(self, func: Func) -> Func:
        return rewrite(func, ACCUMULATE, self.name)
