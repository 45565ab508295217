"""Dtypes that the code generator does not know, written in those that it knows.

bf16 is stored as its bits in u16, computed in f32 and rounded after every op, as the records evaluate it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from arignote.ir.builder import Builder, make_op
from arignote.ir.core import Func, Op, Region, Value, every_op
from arignote.ir.types import TensorType
from arignote.passes.base import Pass, with_operands

#: Ops that only move elements: they take the bits as they are.
MOVES = frozenset(("reshape", "transpose", "broadcast", "concatenate", "slice", "gather", "roll", "stop_gradient"))


def is_foreign(func: Func) -> bool:
    """Whether a function has values that must be represented by others."""
    ops = every_op(func.ops)
    return any(v.dtype == "bf16" for v in (*func.inputs(), *(r for op in ops for r in op.results)))


@dataclass(frozen=True)
class Represent(Pass):
    """Write bf16 as u16 bits, computed in f32. The types of parameters, states and results change with it.

    Afterwards no value is bf16. Whoever calls the function views arrays of the one dtype as the other.
    """

    name: ClassVar[str] = "represent"

    def run(self, func: Func) -> Func:
        if not is_foreign(func):
            return func
        work = _Bits(Builder([]))
        params = [work.param(v) for v in func.params]
        states = [replace(s, value=work.param(s.value)) for s in func.states]
        ops = work.block(func.ops)
        states = [replace(s, update=None if s.update is None else work.of(s.update)) for s in states]
        return replace(func, params=params, states=states, ops=ops, results=[work.of(r) for r in func.results])


class _Bits:
    """The ops of one block with bf16 as bits."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.mapping: dict[Value, Value] = {}
        self.wide: dict[Value, Value] = {}  # value of bits -> the number in f32

    def param(self, v: Value) -> Value:
        """What stands for a parameter."""
        if v.dtype == "bf16":
            self.mapping[v] = Value(v.type.with_dtype("u16"), v.name)
        return self.of(v)

    def of(self, v: Value) -> Value:
        """What stands for a value."""
        return self.mapping.get(v, v)

    def number(self, v: Value) -> Value:
        """A value for computing: bf16 in f32."""
        if v.dtype != "bf16":
            return self.of(v)
        bits = self.of(v)
        if bits not in self.wide:
            self.wide[bits] = self.b.from_bfloat16(bits)
        return self.wide[bits]

    def block(self, ops: Sequence[Op]) -> list[Op]:
        """The new ops."""
        for op in ops:
            self.b.loc = op.loc
            self._op(op)
        assert self.b.ops is not None
        return self.b.ops

    def _op(self, op: Op) -> None:
        narrow = any(v.dtype == "bf16" for v in (*op.operands, *op.results))
        if op.name == "const" and narrow:
            made = self.b.emit("const", value=op.attrs["value"].view("uint16"), names=[op.result.name])
        elif op.regions or (op.name in MOVES) or not narrow:
            made = self._again(op)
        elif op.name == "cast":
            (x,) = op.operands
            number = self.b.cast(self.number(x), dtype="f32" if op.result.dtype == "bf16" else op.attrs["dtype"])
            made = (self.b.to_bfloat16(number) if op.result.dtype == "bf16" else number,)
        else:
            names = [r.name for r in op.results]
            new = make_op(op.name, [self.number(v) for v in op.operands], op.attrs, (), op.loc, names)
            assert self.b.ops is not None
            self.b.ops.append(new)
            pairs = zip(op.results, new.results, strict=True)
            made = tuple(self.b.to_bfloat16(w) if v.dtype == "bf16" else w for v, w in pairs)
        self.mapping.update(zip(op.results, made, strict=True))

    def _again(self, op: Op) -> tuple[Value, ...]:
        """The op on the bits themselves."""
        regions = tuple(map(_region, op.regions))
        new = with_operands(op, tuple(map(self.of, op.operands)), regions)
        assert self.b.ops is not None
        self.b.ops.append(new)
        return new.results


def _region(region: Region) -> Region:
    ops = every_op(region.ops)
    if all(v.dtype != "bf16" for v in (*region.params, *(r for op in ops for r in op.results))):
        return region
    work = _Bits(Builder([]))
    params = [work.param(v) for v in region.params]
    return Region(params, work.block(region.ops), [work.of(v) for v in region.yields])


def represented(type: TensorType) -> TensorType:
    """The type that stands for `type` in compiled code."""
    return type.with_dtype("u16") if type.dtype == "bf16" else type
