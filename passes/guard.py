"""Guards: sizes that only a call knows, compared before anything else happens.

Inference lets a symbol meet a number or another symbol, as `x[n] + y[m]` is right whenever n = m. Compiled code does
not look at shapes, so without a comparison it would read behind the end of the shorter array.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.bound import bound_dims, bound_positions
from arignote.ir.builder import Builder, infer_types
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.opdef import has_trait
from arignote.ir.placement import host_scalars
from arignote.ir.types import Dim, DimLike, meetings, same_dim
from arignote.passes.base import Pass, with_operands

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
        if all(v.type.static for v in (*func.inputs(), *_results(func.ops))):
            return func
        work = _Guards(host_scalars(func))
        for value in func.inputs():
            for axis, dim in enumerate(value.shape):
                if isinstance(dim, Dim) and dim == Dim.symbol(str(dim)):
                    work.inputs.setdefault(str(dim), (value, axis))
        work.block(func.ops)
        for s in func.states:
            if s.update is not None:
                with meetings() as met:
                    list(map(same_dim, s.update.shape, s.value.shape))
                work.equal(met)
        return func.with_ops(work.ops, work.mapping) if work.changed else func


def _results(ops: Iterable[Op]) -> Iterator[Value]:
    for op in ops:
        yield from op.results
        for region in op.regions:
            yield from _results(region.ops)


class _Guards:
    """The ops of a function, or within `parent` of a region, behind the guards of what they take for granted."""

    def __init__(self, host: set[Value], parent: _Guards | None = None) -> None:
        self.host, self.parent = host, parent
        self.ops: list[Op] = []
        self.b = Builder(self.ops)
        self.mapping: dict[Value, Value] = {}
        self.changed = False
        self.inputs: dict[str, tuple[Value, int]] = {}
        self.scalars: dict[str, Value] = {}  # the values of symbols
        self.extra: dict[Value, Value] = {}  # what a region needs besides its operands -> parameter
        self.done: set[DimLike] = set()

    def block(self, ops: Iterable[Op]) -> None:
        """Guard ops one after the other."""
        for op in ops:
            self.b.loc = op.loc
            operands = tuple(self.mapping.get(v, v) for v in op.operands)
            for dim, scalar in bound_dims(op):
                if scalar in self.host:
                    self._bound(dim, self.mapping.get(scalar, scalar))
            with meetings() as met:
                infer_types(op.name, op.operands, op.attrs, op.regions)
            self.equal(met)
            regions, extra = self._regions(op)
            count = len(operands) - len(bound_positions(op))
            new = with_operands(op, (*operands[:count], *extra, *operands[count:]), regions)
            self.mapping.update((v, w) for v, w in zip(op.results, new.results, strict=True) if v is not w)
            self.ops.append(new)

    def _regions(self, op: Op) -> tuple[tuple[Region, ...], list[Value]]:
        """The regions of a loop or branch, guarded, and what they need besides the operands of `op`."""
        if not op.regions or has_trait(op.name, "kernel"):
            return op.regions, []
        inner = [_Guards(self.host, self) for _ in op.regions]
        for work, region in zip(inner, op.regions, strict=True):
            work.block(region.ops)
        if not any(work.changed for work in inner):
            return op.regions, []
        self.changed = True
        extra = list(dict.fromkeys(v for work in inner for v in work.extra))
        return tuple(
            Region(
                [*region.params, *map(work.outside, extra)], work.ops,
                [work.mapping.get(v, v) for v in region.yields],
            )
            for work, region in zip(inner, op.regions, strict=True)
        ), extra  # fmt: skip

    def equal(self, pairs: Iterable[tuple[DimLike, DimLike]]) -> None:
        """Guard pairs of dimensions, each once."""
        for a, b in pairs:
            gap = a - b
            if isinstance(gap, int) or self._is_done(gap) or not self.knows(gap):
                continue
            if self.parent is not None and self.parent.knows(gap):
                self.parent.equal([(a, b)])  # before the loop, not in every step
                continue
            self.done |= {gap, -gap}
            # gap = 0, written as rest = constant.
            constant = -next((c for m, c in gap.terms if not m), 0)
            rest = gap + constant
            if all(c < 0 for m, c in gap.terms if m):
                rest, constant = -rest, -constant
            self.b.assume(self.b.size(rest, self._symbol), value=constant)
            self.changed = True

    def _is_done(self, gap: Dim) -> bool:
        return gap in self.done or (self.parent is not None and self.parent._is_done(gap))

    def knows(self, dim: Dim) -> bool:
        """Whether `dim` has a value here, or outside."""
        return all(self._has(s) for s in dim.symbols())

    def _has(self, symbol: str) -> bool:
        here = symbol in self.inputs or symbol in self.scalars
        return here or (self.parent is not None and self.parent._has(symbol))

    def outside(self, value: Value) -> Value:
        """The parameter for a value from outside of a region."""
        if value not in self.extra:
            self.extra[value] = Value(value.type, value.name)
        return self.extra[value]

    def _symbol(self, symbol: str) -> Value:
        if symbol not in self.scalars:
            if symbol in self.inputs:
                value, axis = self.inputs[symbol]
                self.scalars[symbol] = self.b.dim(value, axis=axis)
            else:
                assert self.parent is not None, f"{symbol} has no value"
                self.scalars[symbol] = self.outside(self.parent._symbol(symbol))
        return self.scalars[symbol]

    def _bound(self, dim: DimLike, scalar: Value) -> None:
        """A dimension that a scalar gives: a new symbol, or a size that the scalar must equal."""
        symbol = str(dim)
        if isinstance(dim, Dim) and dim == Dim.symbol(symbol) and not self.knows(dim):
            self.scalars[symbol] = scalar
            if not is_natural(scalar):
                low, high = self.b.const(0, "i64"), self.b.const(LARGEST, "i64")
                fitting = self.b.minimum(self.b.maximum(scalar, low), high)
                self.b.assume(self.b.sub(scalar, fitting), value=0)
                self.changed = True
        elif self.scalars.get(symbol) is not scalar and (isinstance(dim, int) or self.knows(dim)):
            have = self.b.size(dim, self._symbol)
            if have is not scalar:
                self.b.assume(self.b.sub(scalar, have), value=0)
                self.changed = True


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
