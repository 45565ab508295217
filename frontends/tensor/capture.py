"""The body of a loop or branch, cut out of the recorded graph.

What depends on the parameters of the body is copied into it; what does not stays outside and comes in as a further
parameter, so that nothing is computed again in every step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from arignote.frontends.tensor.blocks import op_symbols, source_of
from arignote.frontends.tensor.graph import Axis, Leaf, Symbol
from arignote.frontends.tensor.shapes import as_dim
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.loops import rebuilt_regions
from arignote.ir.symbols import subs_attr
from arignote.ir.types import Dim, DimLike


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

    def value(self, root: Value) -> Value:
        """The copy of `root`, or the parameter for it."""
        self._walk(root)
        return self._inside(root)

    def _inside(self, value: Value) -> Value:
        if value in self.values:
            return self.values[value]
        if value.owner is not None and value.owner.name == "const":
            (self.values[value],) = self._b.emit("const", value=value.owner.attrs["value"], names=[value.name])
            return self.values[value]
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
            depends = any(self._depends[v] for v in needs)
            if op is None:
                self._depends[value] = False
                continue
            self._depends.update(dict.fromkeys(op.results, depends))
            if depends:
                self._copy(op)

    def _copy(self, op: Op) -> None:
        for symbol in op_symbols(op):
            if symbol not in self._env and self._depends[source_of(symbol)]:
                source = self.values[source_of(symbol)]
                if isinstance(symbol.origin, Axis):
                    self._env[symbol] = source.shape[symbol.origin.axis]
                    continue
                dim = as_dim(source)
                self._env[symbol] = Dim.symbol(Symbol.fresh(source)) if dim is None else dim
        operands = [self._inside(v) for v in op.operands]
        attrs: dict[str, Any] = {k: subs_attr(a, self._env) for k, a in op.attrs.items()}
        names = [r.name for r in op.results]
        regions = rebuilt_regions(op, operands, self._env)
        new = self._b.emit(op.name, *operands, regions=regions, loc=op.loc, names=names, **attrs)
        self.values.update(zip(op.results, new, strict=True))


def leaves_of(roots: Sequence[Value]) -> list[Leaf]:
    """The inputs and shared variables that `roots` are computed from."""
    found: dict[Value, None] = {}
    stack = list(reversed(roots))
    while stack:
        value = stack.pop()
        if value in found:
            continue
        found[value] = None
        if value.owner is not None:
            stack += [*map(source_of, op_symbols(value.owner)), *reversed(value.owner.operands)]
    return [v for v in found if isinstance(v, Leaf)]
