"""Dtypes that the code generator does not know, written in those that it knows.

bf16 is stored as its bits in u16, computed in f32 and rounded after every op, as the records evaluate it. A complex
value is two real ones, its parts; where it comes in or goes out they lie beside each other on a last axis of 2, which
is how NumPy stores it (docs/adr/0009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from arignote.ir.builder import Builder, make_op
from arignote.ir.core import Func, Op, Region, Value, every_op
from arignote.ir.ops.complexes import PARTS
from arignote.ir.types import TensorType, is_complex
from arignote.passes.base import Pass, with_operands
from arignote.passes.parts_of_complex import Pair, lowered

#: Ops that only move elements: they take the bits as they are.
MOVES = frozenset(("reshape", "transpose", "broadcast", "concatenate", "slice", "gather", "roll", "stop_gradient"))


def is_foreign(func: Func) -> bool:
    """Whether a function has values that must be represented by others."""
    ops = every_op(func.ops)
    return any(_foreign(v) for v in (*func.inputs(), *(r for op in ops for r in op.results)))


def _foreign(v: Value) -> bool:
    return v.dtype == "bf16" or is_complex(v.dtype)


@dataclass(frozen=True)
class Represent(Pass):
    """Write bf16 as u16 bits, computed in f32, and complex numbers as their parts.

    The types of parameters, states and results change with it; afterwards no value is bf16 or complex. Whoever
    calls the function views arrays of the one dtype as the other.
    """

    name: ClassVar[str] = "represent"

    def run(self, func: Func) -> Func:
        if not is_foreign(func):
            return func
        work = _Block(Builder([]))
        params = [work.param(v) for v in func.params]
        states = [replace(s, value=work.param(s.value)) for s in func.states]
        ops = work.block(func.ops)
        states = [replace(s, update=None if s.update is None else work.out(s.update)) for s in states]
        return replace(func, params=params, states=states, ops=ops, results=[work.out(r) for r in func.results])


class _Block:
    """The ops of one block with bf16 as bits and complex numbers as parts."""

    def __init__(self, b: Builder) -> None:
        self.b = b
        self.mapping: dict[Value, Value] = {}
        self.wide: dict[Value, Value] = {}  # value of bits -> the number in f32
        self.parts: dict[Value, Pair] = {}

    def param(self, v: Value) -> Value:
        """What stands for a parameter."""
        if v.dtype == "bf16":
            self.mapping[v] = Value(represented(v.type), v.name)
        if is_complex(v.dtype):
            whole = Value(represented(v.type), v.name)
            self.parts[v] = self._part(whole, 0), self._part(whole, 1)
            return whole
        return self.of(v)

    def _part(self, whole: Value, k: int) -> Value:
        return self.b.component(whole, k=k)

    def out(self, v: Value) -> Value:
        """What stands for a value that leaves the function."""
        if v not in self.parts:
            return self.of(v)
        pair = [self.b.reshape(part, shape=(*v.shape, 1)) for part in self.parts[v]]
        whole = self.b.concatenate(*pair, axis=v.ndim)
        whole.name = v.name
        return whole

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
        if op.regions:
            self._with_regions(op)
            return
        if any(is_complex(v.dtype) for v in (*op.operands, *op.results)):
            self._complex(op)
            return
        narrow = any(v.dtype == "bf16" for v in (*op.operands, *op.results))
        if op.name == "const" and narrow:
            made = self.b.emit("const", value=op.attrs["value"].view("uint16"), names=[op.result.name])
        elif op.name in MOVES or not narrow:
            made = self._emit(with_operands(op, tuple(map(self.of, op.operands)))).results
        elif op.name == "cast":
            (x,) = op.operands
            number = self.b.cast(self.number(x), dtype="f32" if op.result.dtype == "bf16" else op.attrs["dtype"])
            made = (self.b.to_bfloat16(number) if op.result.dtype == "bf16" else number,)
        else:
            names = [r.name for r in op.results]
            new = self._emit(make_op(op.name, [self.number(v) for v in op.operands], op.attrs, (), op.loc, names))
            pairs = zip(op.results, new.results, strict=True)
            made = tuple(self.b.to_bfloat16(w) if v.dtype == "bf16" else w for v, w in pairs)
        self.mapping.update(zip(op.results, made, strict=True))

    def _complex(self, op: Op) -> None:
        args = [self.parts[v] if v in self.parts else self.number(v) for v in op.operands]
        made = lowered(self.b, op, args)
        if isinstance(made, tuple):
            self.parts[op.result] = made
        else:
            self.mapping[op.result] = made

    def _with_regions(self, op: Op) -> None:
        """A loop or a branch: complex values pass in and out as at the boundary of a function."""
        new = self._emit(with_operands(op, tuple(map(self.out, op.operands)), tuple(map(_region, op.regions))))
        for v, w in zip(op.results, new.results, strict=True):
            if is_complex(v.dtype):
                self.parts[v] = self._part(w, 0), self._part(w, 1)
            else:
                self.mapping[v] = w

    def _emit(self, op: Op) -> Op:
        assert self.b.ops is not None
        self.b.ops.append(op)
        return op


def _region(region: Region) -> Region:
    values = [*region.params, *(r for op in every_op(region.ops) for r in op.results)]
    if not any(map(_foreign, values)):
        return region
    work = _Block(Builder([]))
    params = [work.param(v) for v in region.params]
    ops = work.block(region.ops)
    return Region(params, ops, [work.out(v) for v in region.yields])


def represented(type: TensorType) -> TensorType:
    """The type that stands for `type` in compiled code."""
    if is_complex(type.dtype):
        return type.with_dtype(PARTS[type.dtype]).with_shape((*type.shape, 2))
    return type.with_dtype("u16") if type.dtype == "bf16" else type
