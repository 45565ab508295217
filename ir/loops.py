"""The op `scan` taken apart into named pieces, changed, and put together again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from arignote.ir.bound import bound_positions
from arignote.ir.builder import Builder
from arignote.ir.core import Op, Region, Value
from arignote.ir.symbols import subs_attr
from arignote.ir.types import DimLike, TensorType

#: Attributes of `scan` that are written only where they differ from these.
DEFAULTS: dict[str, Any] = {"reverse": False, "truncate": 0, "checkpoint": False}


@dataclass(eq=False)
class Carry:
    """A value that one step hands to the next: before the loop, at the beginning and at the end of a step."""

    init: Value
    param: Value
    next: Value


@dataclass
class Loop:
    """A `scan`: `seqs` and `invariants` are pairs of an outer value and the parameter that stands for it (an element
    of it) in the body; `ops`, the `outs` of a step and `stop` are values of the body.

    `steps` is the number of steps, which the scalar `count` gives where no input does. `index`, if there, is the
    parameter that holds the number of the element at hand.
    """

    steps: DimLike
    ops: list[Op] = field(default_factory=list)
    seqs: list[tuple[Value, Value]] = field(default_factory=list)
    carries: list[Carry] = field(default_factory=list)
    invariants: list[tuple[Value, Value]] = field(default_factory=list)
    outs: list[Value] = field(default_factory=list)
    index: Value | None = None
    stop: Value | None = None
    count: Value | None = None
    reverse: bool = False
    truncate: int = 0
    checkpoint: bool = False

    @staticmethod
    def of(operands: Sequence[Value], region: Region, attrs: Mapping[str, Any]) -> Loop:
        """The pieces of a `scan` with these operands and attributes."""
        seqs, carry = attrs["seqs"], attrs["carry"]
        outer = list(operands)
        count = outer.pop() if attrs.get("bound") else None
        params = list(region.params)
        index = params.pop(0) if attrs.get("index") else None
        pairs = list(zip(outer, params, strict=True))
        yields = list(region.yields)
        stop = yields.pop() if attrs.get("until") else None
        carries = [
            Carry(init, param, new)
            for (init, param), new in zip(pairs[seqs : seqs + carry], yields[:carry], strict=True)
        ]
        return Loop(
            attrs["steps"][0], list(region.ops), pairs[:seqs], carries, pairs[seqs + carry :], yields[carry:],
            index, stop, count, **{k: attrs.get(k, d) for k, d in DEFAULTS.items()},
        )  # fmt: skip

    @staticmethod
    def read(op: Op) -> Loop:
        """The pieces of a `scan` op."""
        return Loop.of(op.operands, op.regions[0], op.attrs)

    def params(self) -> list[Value]:
        """The parameters of the body, in order."""
        index = [] if self.index is None else [self.index]
        return [
            *index, *(p for _, p in self.seqs), *(c.param for c in self.carries), *(p for _, p in self.invariants),
        ]  # fmt: skip

    def operands(self) -> list[Value]:
        """The operands, in order."""
        count = [] if self.count is None else [self.count]
        return [*(v for v, _ in self.seqs), *(c.init for c in self.carries), *(v for v, _ in self.invariants), *count]

    def yields(self) -> list[Value]:
        """What the body yields, in order."""
        stop = [] if self.stop is None else [self.stop]
        return [*(c.next for c in self.carries), *self.outs, *stop]

    def region(self) -> Region:
        """The body."""
        return Region(self.params(), self.ops, self.yields())

    def attrs(self) -> dict[str, Any]:
        """The attributes of the op."""
        out: dict[str, Any] = {"steps": (self.steps,), "seqs": len(self.seqs), "carry": len(self.carries)}
        out.update((k, getattr(self, k)) for k, d in DEFAULTS.items() if getattr(self, k) != d)
        if self.index is not None:
            out["index"] = True
        if self.stop is not None:
            out["until"] = True
        if self.count is not None:
            out["bound"] = (0,)
        return out

    def emit(self, b: Builder, names: Sequence[str | None] = ()) -> tuple[list[Value], list[Value]]:
        """Emit the op; returns the carried values after the loop, and the stacked `outs` (with `until` then the
        number of steps that were run)."""
        results = b.emit("scan", *self.operands(), regions=[self.region()], names=names, **self.attrs())
        return list(results[: len(self.carries)]), list(results[len(self.carries) :])

    # -- growing ----------------------------------------------------------------------------------------------------

    def seq(self, outer: Value, name: str | None = None) -> Value:
        """The parameter for the elements of `outer`, entered if need be."""
        for value, param in self.seqs:
            if value is outer:
                return param
        param = Value(element_type(outer.type), name or outer.name)
        self.seqs.append((outer, param))
        return param

    def invariant(self, outer: Value) -> Value:
        """The parameter for `outer`, entered if need be."""
        for value, param in self.invariants:
            if value is outer:
                return param
        param = Value(outer.type, outer.name)
        self.invariants.append((outer, param))
        return param

    def position(self) -> Value:
        """The parameter for the number of the element at hand."""
        if self.index is None:
            self.index = Value(TensorType("i64", ()), "i")
        return self.index

    def carry(self, init: Value, name: str | None = None) -> Carry:
        """A new carried value; its `next` is the parameter itself until it is set."""
        param = Value(init.type, name or init.name)
        out = Carry(init, param, param)
        self.carries.append(out)
        return out


def element_type(type: TensorType) -> TensorType:
    """The type of the elements along the first axis."""
    return type.with_shape(type.shape[1:])


def stack_type(type: TensorType, steps: DimLike) -> TensorType:
    """The type of `steps` values one after the other."""
    return type.with_shape((steps, *type.shape))


def param_types(name: str, operands: Sequence[TensorType], attrs: Mapping[str, Any]) -> list[TensorType]:
    """The types of the parameters of the regions of an op; `operands` without scalars of bound dimensions."""
    if name == "ifelse":
        return list(operands[1:])
    if name == "scan":
        index = [TensorType("i64", ())] if attrs.get("index") else []
        return [*index, *map(element_type, operands[: attrs["seqs"]]), *operands[attrs["seqs"] :]]
    return list(operands)


def is_scalar_code(op: Op) -> bool:
    """Whether the regions of `op` compute scalars: the same for operands of any shape, and without dimensions."""
    return op.name == "iterate"


def copy_ops(ops: Iterable[Op], mapping: dict[Value, Value]) -> list[Op]:
    """Ops once more, on operands looked up in `mapping` (old -> new, of the same types), which grows."""
    out = []
    for op in ops:
        new = Op(
            op.name, [mapping.get(v, v) for v in op.operands], op.attrs, [r.type for r in op.results], op.regions,
            op.loc, [r.name for r in op.results],
        )  # fmt: skip
        mapping.update(zip(op.results, new.results, strict=True))
        out.append(new)
    return out


def rebuilt_region(region: Region, types: Sequence[TensorType], env: Mapping[str, DimLike]) -> Region:
    """`region` on parameters of other types, with symbols replaced in it."""
    params = [Value(t, p.name) for t, p in zip(types, region.params, strict=True)]
    mapping = dict(zip(region.params, params, strict=True))
    ops: list[Op] = []
    b = Builder(ops)
    for op in region.ops:
        operands = [mapping[v] for v in op.operands]
        attrs = {k: subs_attr(a, env) for k, a in op.attrs.items()}
        regions = rebuilt_regions(op, operands, env)
        names = [r.name for r in op.results]
        new = b.emit(op.name, *operands, regions=regions, loc=op.loc, names=names, **attrs)
        mapping.update(zip(op.results, new, strict=True))
    return Region(params, ops, [mapping[v] for v in region.yields])


def rebuilt_regions(op: Op, operands: Sequence[Value], env: Mapping[str, DimLike]) -> list[Region]:
    """The regions of `op` for other operands, with symbols replaced in them."""
    if is_scalar_code(op):
        return list(op.regions)
    if not op.regions:
        return []
    types = [v.type for v in operands[: len(operands) - len(bound_positions(op))]]
    return [rebuilt_region(r, param_types(op.name, types, op.attrs), env) for r in op.regions]


def needed_ops(ops: Sequence[Op], roots: Iterable[Value], keep: Iterable[Op] = ()) -> list[Op]:
    """Those of `ops`, in order, that `roots` need, and those in `keep` with what they need."""
    live = set(keep)
    wanted = {v.owner for v in roots} | {v.owner for op in live for v in op.operands}
    out = []
    for op in reversed(ops):
        if op in wanted or op in live:
            out.append(op)
            wanted |= {v.owner for v in op.operands}
    return out[::-1]
