"""The graph: values, ops, regions, functions, modules.

Ops are immutable. An op is created once with its operands and knows its results, so a graph can float (as the DSL
records it) or be listed in a function in an order that respects dominance; passes make new functions out of old
ones and share what did not change. Nothing holds back links: `uses` computes them when a pass needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from arignote.ir.diag import Loc
from arignote.ir.types import TensorType

#: What an attribute may hold: JSON-like data, dimensions, dtype names, and NumPy arrays (constants).
Attr = Any


class Value:
    """A typed SSA value: the result of an op, a parameter of a function or region, or a state.

    `name` is the hint for printing (the user's name where there is one); identity is the object.
    """

    __slots__ = ("__weakref__", "index", "name", "owner", "type")

    def __init__(self, type: TensorType, name: str | None = None, owner: Op | None = None, index: int = 0):
        self.type = type
        self.name = name
        self.owner = owner
        self.index = index

    def __repr__(self) -> str:
        return f"%{self.name or '_'}: {self.type}"

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of the type."""
        return self.type.shape

    @property
    def dtype(self) -> str:
        """The dtype (IR name) of the type."""
        return self.type.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.type.shape)


class Op:
    """An operation: name, operands, attributes, regions, results. Immutable by convention.

    Made by `Builder.emit`, which infers the result types; `loc` is the user's line.
    """

    __slots__ = ("__weakref__", "attrs", "loc", "name", "operands", "regions", "results")

    def __init__(
        self,
        name: str,
        operands: Iterable[Value],
        attrs: Mapping[str, Attr],
        types: Iterable[TensorType],
        regions: Iterable[Region] = (),
        loc: Loc | None = None,
        names: Iterable[str | None] = (),
    ) -> None:
        self.name = name
        self.operands = tuple(operands)
        self.attrs = dict(attrs)
        self.regions = tuple(regions)
        self.loc = loc
        hints = list(names)
        self.results = tuple(
            Value(t, hints[i] if i < len(hints) else None, self, i) for i, t in enumerate(types)
        )

    def __repr__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.operands))})"

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value


@dataclass(eq=False)
class Region:
    """A block isolated from above: parameters, ops, and the values it yields."""

    params: list[Value]
    ops: list[Op]
    yields: list[Value]


@dataclass(eq=False)
class State:
    """A shared variable of a function: `@name`, the value at entry, and its new value, if updated."""

    name: str
    value: Value
    update: Value | None = None


@dataclass(eq=False)
class Func:
    """A function: inputs, state updated at its end, a list of ops, results.

    `stage` names what has been done to it: recorded, grad, optimised, fused, planned.
    """

    name: str
    params: list[Value]
    states: list[State]
    ops: list[Op]
    results: list[Value]
    attrs: dict[str, Attr] = field(default_factory=dict)

    def __str__(self) -> str:
        from arignote.ir.text import print_module

        return print_module(self)

    def roots(self) -> list[Value]:
        """What must be computed: results, then updates."""
        return [*self.results, *(s.update for s in self.states if s.update is not None)]

    def inputs(self) -> list[Value]:
        """Parameters and the entry values of the states."""
        return [*self.params, *(s.value for s in self.states)]

    def with_ops(self, ops: list[Op], mapping: Mapping[Value, Value]) -> Func:
        """This function with other ops; results and updates looked up in `mapping`."""
        states = [
            replace(s, update=None if s.update is None else mapping.get(s.update, s.update)) for s in self.states
        ]
        return replace(self, ops=ops, states=states, results=[mapping.get(r, r) for r in self.results])


@dataclass(eq=False)
class Module:
    """Functions by name, in order."""

    funcs: list[Func] = field(default_factory=list)

    def __str__(self) -> str:
        from arignote.ir.text import print_module

        return print_module(self)

    def __getitem__(self, name: str) -> Func:
        for func in self.funcs:
            if func.name == name:
                return func
        raise KeyError(f"no function @{name}; the module has {', '.join('@' + f.name for f in self.funcs)}")

    def __iter__(self) -> Iterator[Func]:
        return iter(self.funcs)


def toposort(roots: Iterable[Value], stop: Iterable[Value] = ()) -> list[Op]:
    """Every op that `roots` need, operands before users, without passing the values in `stop`.

    Iterative, as graphs may be deeper than Python's stack; the order is that of a depth-first walk, hence stable.
    """
    stopped = set(stop)
    done: set[Op] = set()
    order: list[Op] = []
    stack: list[tuple[Op, int]] = []
    for root in roots:
        if root in stopped or root.owner is None or root.owner in done:
            continue
        stack.append((root.owner, 0))
        while stack:
            op, i = stack.pop()
            if op in done:
                continue
            while i < len(op.operands):
                v = op.operands[i]
                i += 1
                if v.owner is not None and v not in stopped and v.owner not in done:
                    stack.append((op, i))
                    stack.append((v.owner, 0))
                    break
            else:
                done.add(op)
                order.append(op)
    return order


def every_op(ops: Iterable[Op]) -> Iterator[Op]:
    """`ops` and those in their regions, outer ones first."""
    for op in ops:
        yield op
        for region in op.regions:
            yield from every_op(region.ops)


def uses(ops: Iterable[Op]) -> dict[Value, list[Op]]:
    """Value -> the ops that take it as an operand, in order, an op once per use."""
    out: dict[Value, list[Op]] = {}
    for op in ops:
        for v in op.operands:
            out.setdefault(v, []).append(op)
    return out


def attrs_equal(a: Attr, b: Attr) -> bool:
    """Equality of attributes; arrays by dtype, shape and bytes, so that NaN equals itself and -0.0 differs from 0.0."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return (
            isinstance(a, np.ndarray)
            and isinstance(b, np.ndarray)
            and a.dtype == b.dtype
            and a.shape == b.shape
            and a.tobytes() == b.tobytes()
        )
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(attrs_equal(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(attrs_equal(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)
