"""Guards: sizes that only a call knows, compared before anything else happens.

Inference lets a symbol meet a number or another symbol, as `x[n] + y[m]` is right whenever n = m. Compiled code does
not look at shapes, so without a comparison it would read behind the end of the shorter array.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from arignote.ir.bound import bound_dims
from arignote.ir.builder import Builder, infer_types
from arignote.ir.core import Func, Op, Value
from arignote.ir.placement import host_scalars
from arignote.ir.types import Dim, DimLike, meetings, same_dim
from arignote.passes.base import Pass

#: No memory holds more elements, and what a shape multiplies it with stays within 64 bits.
LARGEST = 2**40


@dataclass(frozen=True)
class Guard(Pass):
    """Compare at the call what must be equal: dimensions that meet, and those that scalars give.

    Each becomes an `assume` before the op that needs it. Sizes that scalars give must lie in 0..2**40 as well.
    Runs once, after `specialize` has written in what is known.
    """

    name: ClassVar[str] = "guard"

    def run(self, func: Func) -> Func:
        if all(v.type.static for v in (*func.inputs(), *(r for op in func.ops for r in op.results))):
            return func
        work = _Guards(func)
        for op in func.ops:
            work.op(op)
        for s in func.states:
            if s.update is not None:
                with meetings() as met:
                    list(map(same_dim, s.update.shape, s.value.shape))
                work.equal(met)
        return func if len(work.ops) == len(func.ops) else replace(func, ops=work.ops)


class _Guards:
    """The ops so far, and the scalars that are the values of symbols."""

    def __init__(self, func: Func) -> None:
        self.ops: list[Op] = []
        self.b = Builder(self.ops)
        self.host = host_scalars(func)
        self.inputs: dict[str, tuple[Value, int]] = {}
        self.scalars: dict[str, Value] = {}
        self.done: set[DimLike] = set()
        for value in func.inputs():
            for axis, dim in enumerate(value.shape):
                if isinstance(dim, Dim) and dim == Dim.symbol(str(dim)):
                    self.inputs.setdefault(str(dim), (value, axis))

    def op(self, op: Op) -> None:
        """An op, behind the guards of what it takes for granted."""
        self.b.loc = op.loc
        for dim, scalar in bound_dims(op):
            if scalar in self.host:
                self._bound(dim, scalar)
        with meetings() as met:
            infer_types(op.name, op.operands, op.attrs, op.regions)
        self.equal(met)
        self.ops.append(op)

    def equal(self, pairs: list[tuple[DimLike, DimLike]]) -> None:
        """Guard pairs of dimensions, each once."""
        for a, b in pairs:
            gap = a - b
            if isinstance(gap, int) or gap in self.done or not self._known(gap):
                continue
            self.done |= {gap, -gap}
            # gap = 0, written as rest = constant.
            constant = -next((c for m, c in gap.terms if not m), 0)
            rest = gap + constant
            if all(c < 0 for m, c in gap.terms if m):
                rest, constant = -rest, -constant
            self.b.assume(self.b.size(rest, self._symbol), value=constant)

    def _known(self, dim: Dim) -> bool:
        return dim.symbols() <= self.inputs.keys() | self.scalars.keys()

    def _symbol(self, symbol: str) -> Value:
        if symbol not in self.scalars:
            value, axis = self.inputs[symbol]
            self.scalars[symbol] = self.b.dim(value, axis=axis)
        return self.scalars[symbol]

    def _bound(self, dim: DimLike, scalar: Value) -> None:
        """A dimension that a scalar gives: a new symbol, or a size that the scalar must equal."""
        symbol = str(dim)
        if isinstance(dim, Dim) and dim == Dim.symbol(symbol) and not self._known(dim):
            self.scalars[symbol] = scalar
            if not is_natural(scalar):
                low, high = self.b.const(0, "i64"), self.b.const(LARGEST, "i64")
                fitting = self.b.minimum(self.b.maximum(scalar, low), high)
                self.b.assume(self.b.sub(scalar, fitting), value=0)
        elif self.scalars.get(symbol) is not scalar and (isinstance(dim, int) or self._known(dim)):
            self.b.assume(self.b.sub(scalar, self.b.size(dim, self._symbol)), value=0)


def is_natural(scalar: Value) -> bool:
    """Whether an integer scalar is known not to be negative, by how it is computed."""
    op = scalar.owner
    if op is None:
        return False
    if op.name == "const":
        return bool(op.attrs["value"] >= 0)
    parts = op.operands[1:] if op.name == "select" else op.operands
    if op.name == "maximum":
        return any(map(is_natural, parts))
    return op.name == "dim" or (
        op.name in ("add", "mul", "minimum", "select", "cast") and all(map(is_natural, parts))
    )
