"""Copying recorded ops into a function or into the body of a loop.

Types are inferred anew and symbols named afresh. Dimensions that no input determines (`T.arange(k)`, `x[:k]`) are
bound where they are used: each op that needs one takes it as a scalar operand, and a body gets it as a parameter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arignote.frontends.tensor.graph import Axis, Symbol
from arignote.frontends.tensor.shapes import as_dim
from arignote.ir.bound import BOUND, bound_positions
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Region, Value
from arignote.ir.loops import is_scalar_code, param_types
from arignote.ir.symbols import attr_dims, subs_attr
from arignote.ir.types import Dim, DimLike


class Block:
    """A list of ops in the making: of a function, or, within `parent`, of a region."""

    def __init__(self, names: Iterator[str], parent: Block | None = None) -> None:
        self.names = names
        self.parent = parent
        self.ops: list[Op] = []
        self.b = Builder(self.ops)
        self.values: dict[Value, Value] = {}
        self.env: dict[str, DimLike] = {} if parent is None else dict(parent.env)
        self.scalars: dict[str, Value] = {}  # symbols that inputs do not determine
        self.extra: dict[Value, Value] = {}  # what a region needs besides its operands -> parameter

    # ------------------------------------------------------------ symbols
    def resolve(self, symbol: Symbol) -> None:
        """Give a recorded symbol its dimension; what it stands for has been copied."""
        if symbol in self.env:
            return
        source = self.values[source_of(symbol)]
        if isinstance(symbol.origin, Axis):
            self.env[symbol] = source.shape[symbol.origin.axis]
            return
        dim = as_dim(source)
        if dim is None:
            dim = self._new_symbol(source)
        self.env[symbol] = dim

    def _new_symbol(self, scalar: Value) -> Dim:
        dim = Dim.symbol(next(self.names))
        self.scalars[str(dim)] = scalar
        return dim

    def _is_computed(self, dim: Dim) -> bool:
        """Whether a part of `dim` is a size that no input determines."""
        block: Block | None = self
        while block is not None:
            if dim.symbols() & block.scalars.keys():
                return True
            block = block.parent
        return False

    def symbol(self, symbol: str) -> Value:
        """The i64 value of a symbol, here."""
        if symbol in self.scalars:
            return self.scalars[symbol]
        assert self.parent is not None, f"symbol {symbol} has no source"
        return self.outside(self.parent.symbol(symbol))

    def outside(self, value: Value) -> Value:
        """The parameter for a value of the block around."""
        if value not in self.extra:
            self.extra[value] = Value(value.type, value.name)
        return self.extra[value]

    # ------------------------------------------------------------ ops
    def op(self, op: Op) -> tuple[Value, ...]:
        """Copy an op whose operands and symbols have been copied."""
        operands = [self.values[v] for v in op.operands]
        if op.name == "with_gradient":  # all gradients are derived by now
            return tuple(operands[: len(op.results)])
        attrs: dict[str, Any] = {k: subs_attr(a, self.env) for k, a in op.attrs.items()}
        self.b.loc = op.loc
        regions: list[Region] = []
        if op.regions:
            count = len(bound_positions(op))
            tensors = operands[: len(operands) - count]
            regions, extra = self._regions(op, tensors)
            operands = [*tensors, *extra, *operands[len(tensors) :]]
        if op.name in BOUND:
            operands = self._bind(op, operands, attrs)
        names = [r.name for r in op.results]
        return self.b.emit(op.name, *operands, regions=regions, loc=op.loc, names=names, **attrs)

    def _regions(self, op: Op, operands: list[Value]) -> tuple[list[Region], list[Value]]:
        """The regions on operands of other types, and what they need besides these."""
        if is_scalar_code(op):
            return list(op.regions), []
        types = param_types(op.name, [v.type for v in operands], op.attrs)
        blocks = []
        for region in op.regions:
            block = Block(self.names, self)
            params = [Value(t, p.name) for t, p in zip(types, region.params, strict=True)]
            block.values.update(zip(region.params, params, strict=True))
            for inner in region.ops:
                for symbol in op_symbols(inner):
                    block.resolve(symbol)
                block.values.update(zip(inner.results, block.op(inner), strict=True))
            blocks.append((block, params, [block.values[v] for v in region.yields]))
        extra = list(dict.fromkeys(v for block, _, _ in blocks for v in block.extra))
        return [
            Region([*params, *map(block.outside, extra)], block.ops, yields) for block, params, yields in blocks
        ], extra

    def _bind(self, op: Op, operands: list[Value], attrs: dict[str, Any]) -> list[Value]:
        """The operands, with scalars for just those dimensions that inputs do not determine."""
        places = bound_positions(op)
        count = len(operands) - len(places)
        given = {
            (attr, position): scalar
            for (attr, _, position, _), scalar in zip(places, operands[count:], strict=True)
        }
        if op.name == "update_slice":  # sizes are those of what is written
            attrs["size"] = operands[1].shape
        scalars: list[Value] = []
        for attr, listing in BOUND[op.name]:
            if op.name == "update_slice" and attr == "size":
                continue
            items = list(attrs[attr])
            bound = []
            for position, dim in enumerate(items):
                scalar = given.get((attr, position)) if attr == "start" else None
                if scalar is None and isinstance(dim, Dim) and self._is_computed(dim):
                    scalar = self.b.size(dim, self.symbol)
                    if dim.symbols() != {str(dim)}:  # what is bound is a plain symbol
                        items[position] = self._new_symbol(scalar)
                    if attr == "start":
                        items[position] = 0
                if scalar is not None:
                    bound.append(position)
                    scalars.append(scalar)
            attrs[attr] = tuple(items)
            attrs.pop(listing, None)
            if bound:
                attrs[listing] = tuple(bound)
        return [*operands[:count], *scalars]


def op_symbols(op: Op) -> list[Symbol]:
    """The recorded symbols in the attributes of an op and of the ops in its regions, but for those that stand for
    values in there."""
    found = {s for a in op.attrs.values() for d in attr_dims(a) for s in d.symbols()}
    for region in op.regions:
        own = {*region.params, *(v for inner in region.ops for v in inner.results)}
        found.update(s for inner in region.ops for s in op_symbols(inner) if s.origin not in own)
    return sorted(s for s in found if isinstance(s, Symbol))


def source_of(symbol: Symbol) -> Value:
    """The value that a recorded symbol depends on."""
    origin = symbol.origin
    return origin if isinstance(origin, Value) else origin.value
