"""The body of a loop or branch, cut out of the recorded graph.

What depends on the parameters of the body is copied into it; what does not stays outside and comes in as a further
parameter, so that nothing is computed again in every step.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from arignote.frontends.tensor.blocks import op_symbols, source_of
from arignote.frontends.tensor.graph import Axis, Leaf, Symbol
from arignote.frontends.tensor.shapes import as_dim, dim_value
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.loops import rebuilt_regions
from arignote.ir.symbols import subs_attr
from arignote.ir.types import Dim, DimLike, subs_dim


class Capture:
    """Copies values into a body; `values` maps what stands for the parameters while recording to these.

    Attributes:
        ops: the ops of the body.
        outside: values from around the body, and the parameters for them.
    """

    def __init__(self, values: Mapping[Value, Value]) -> None:
        self.values = dict(values)
        self.ops: list[Op] = []
        self.outside: dict[Value, Value] = {}
        self._b = Builder(self.ops)
        self._env: dict[str, DimLike] = {}
        self._depends: dict[Value, bool] = dict.fromkeys(values, True)
        self._moved: dict[Value, Value] = {}  # sizes of values of the body that are known outside

    def value(self, root: Value) -> Value:
        """The copy of `root`, or the parameter for it."""
        self._walk(root)
        return self._inside(root)

    def computes(self, dim: DimLike) -> bool:
        """Whether a size is computed in the body."""
        made = {v for op in self.ops for v in op.results}
        return isinstance(dim, Dim) and any(isinstance(s, Symbol) and s.origin in made for s in dim.symbols())

    def _inside(self, value: Value, user: Op | None = None) -> Value:
        if value in self.values:
            return self.values[value]
        if value.owner is not None and value.owner.name == "const":
            loc = value.owner.loc or (None if user is None else user.loc)  # numbers have the place where they are used
            new = self._b.emit("const", value=value.owner.attrs["value"], names=[value.name], loc=loc)
            (self.values[value],) = new
            return self.values[value]
        value = self._moved.get(value, value)
        if value not in self.outside:
            self.outside[value] = Value(value.type, value.name)
        return self.outside[value]

    def _walk(self, root: Value) -> None:
        """Copy what depends on the parameters; iterative, as graphs may be deep."""
        stack = [root]
        while stack:
            value = stack[-1]
            if value in self._depends:
                stack.pop()
                continue
            op = value.owner
            needs = [] if op is None else [*op.operands, *map(source_of, op_symbols(op))]
            missing = [v for v in needs if v not in self._depends]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            if op is None:
                self._depends[value] = False
                continue
            depends = any(self._depends[v] for v in needs)
            if depends and op.name == "dim" and self._size_outside(op):
                depends = False
            self._depends.update(dict.fromkeys(op.results, depends))
            if depends:
                self._copy(op)
            elif any(v in self._moved for v in needs):
                self._move(op)

    def _size_outside(self, op: Op) -> bool:
        """Whether the size that a `dim` reads off a value of the body is known outside; if so it is read there."""
        size = subs_dim(op.operands[0].shape[op.attrs["axis"]], self._env)
        symbols = size.symbols() if isinstance(size, Dim) else ()
        if not all(isinstance(s, Symbol) for s in symbols):
            return False
        for s in symbols:
            if isinstance(s, Symbol) and not isinstance(s.origin, Axis) and self._depends.get(s.origin, True):
                return False
        self._moved[op.result] = dim_value(size)
        return True

    def _move(self, op: Op) -> None:
        """Record an op again, outside, on what is known there."""
        for symbol in op_symbols(op):
            source = source_of(symbol)
            if symbol not in self._env and source in self._moved:
                self._env[symbol] = self._dim(self._moved[source])
        operands = [self._moved.get(v, v) for v in op.operands]
        attrs: dict[str, Any] = {k: subs_attr(a, self._env) for k, a in op.attrs.items()}
        names = [r.name for r in op.results]
        new = Builder(loc=op.loc).emit(
            op.name, *operands, regions=rebuilt_regions(op, operands, self._env), names=names, **attrs
        )
        self._moved.update(zip(op.results, new, strict=True))

    def _copy(self, op: Op) -> None:
        for symbol in op_symbols(op):
            source = source_of(symbol)
            if symbol in self._env:
                continue
            if source in self._moved:
                self._env[symbol] = self._dim(self._moved[source])
            elif self._depends[source]:
                copy = self.values[source]
                if isinstance(symbol.origin, Axis):
                    self._env[symbol] = copy.shape[symbol.origin.axis]
                else:
                    self._env[symbol] = self._dim(copy)
        operands = [self._inside(v, op) for v in op.operands]
        attrs: dict[str, Any] = {k: subs_attr(a, self._env) for k, a in op.attrs.items()}
        names = [r.name for r in op.results]
        regions = rebuilt_regions(op, operands, self._env)
        new = self._b.emit(op.name, *operands, regions=regions, loc=op.loc, names=names, **attrs)
        self.values.update(zip(op.results, new, strict=True))

    @staticmethod
    def _dim(scalar: Value) -> DimLike:
        dim = as_dim(scalar)
        return Dim.symbol(Symbol.fresh(scalar)) if dim is None else dim


def leaves_of(roots: Sequence[Value], known: Container[Value] = ()) -> list[Leaf]:
    """The inputs and shared variables that `roots` are computed from, beside values that are `known`."""
    found: dict[Value, None] = {}
    stack = list(reversed(roots))
    while stack:
        value = stack.pop()
        if value in found:
            continue
        found[value] = None
        if value.owner is not None and value not in known:
            stack += [*map(source_of, op_symbols(value.owner)), *reversed(value.owner.operands)]
    return [v for v in found if isinstance(v, Leaf)]
