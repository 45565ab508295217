"""The builder: emits ops, infers their types, and names and locates what it makes.

A builder with `ops=None` makes floating ops (the DSL, gradients of recorded graphs); with a list it appends to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from arignote.ir.core import Attr, Op, Region, Value
from arignote.ir.diag import Diagnostic, IRError, Loc, TypeInferenceError
from arignote.ir.opdef import opdef, semantic
from arignote.ir.types import DTYPES, Dim, DimLike, TensorType


class Builder:
    """Emits ops. `b.dot(x, w)` is `b.emit("dot", x, w)`; attributes are keyword arguments."""

    def __init__(self, ops: list[Op] | None = None, loc: Loc | None = None, prefix: str = "") -> None:
        self.ops = ops
        self.loc = loc  # given to ops that are emitted without one
        self.prefix = prefix  # put before the names of results, as `d.` for gradients

    def emit(
        self,
        name: str,
        *operands: Value,
        regions: Iterable[Region] = (),
        loc: Loc | None = None,
        names: Sequence[str | None] = (),
        **attrs: Attr,
    ) -> tuple[Value, ...]:
        """Emit an op and return its results.

        Raises:
            TypeInferenceError: the operands' types break a rule of the op.
        """
        op = make_op(name, operands, attrs, regions, loc or self.loc, [self.prefix + n if n else None for n in names])
        if self.ops is not None:
            self.ops.append(op)
        return op.results

    def __getattr__(self, name: str) -> Callable[..., Value]:
        if name.startswith("__"):
            raise AttributeError(name)

        def emit_one(*operands: Value, **attrs: Attr) -> Value:
            (value,) = self.emit(name, *operands, **attrs)
            return value

        return emit_one

    def const(self, value: Any, dtype: str | None = None, name: str | None = None) -> Value:
        """A constant. `dtype` is an IR name; None keeps the array's."""
        array = np.array(value, dtype=None if dtype is None else DTYPES[dtype], order="C")
        array.flags.writeable = False
        return self.emit("const", value=array, names=[name])[0]

    def like(self, value: Any, x: Value) -> Value:
        """A scalar constant of `x`'s dtype."""
        return self.const(value, x.dtype)

    def full(self, value: Any, type: TensorType) -> Value:
        """A tensor of `type` filled with a constant."""
        return self.broadcast(self.const(value, type.dtype), shape=type.shape) if type.shape else self.const(
            value, type.dtype
        )

    def size(self, dim: DimLike, symbol: Callable[[str], Value]) -> Value:
        """The i64[] value of a dimension; `symbol` gives that of a symbol."""
        total: Value | None = None
        for monomial, coefficient in dim.terms if isinstance(dim, Dim) else (((), dim),):
            term = None if coefficient == 1 and monomial else self.const(coefficient, "i64")
            for name, power in monomial:
                for _ in range(power):
                    factor = symbol(name)
                    term = factor if term is None else self.mul(term, factor)
            assert term is not None
            total = term if total is None else self.add(total, term)
        assert total is not None
        return total

    def sum_to(self, ct: Value, shape: tuple[DimLike, ...]) -> Value:
        """Sum `ct` over the axes that broadcasting `shape` to it stretched: the transpose of broadcasting."""
        lead = ct.ndim - len(shape)
        stretched = [
            a for a in range(ct.ndim)
            if a < lead or (isinstance(d := shape[a - lead], int) and d == 1 and ct.shape[a] != 1)
        ]  # fmt: skip
        if stretched:
            ct = self.sum(ct, axes=tuple(stretched))
        return ct if len(ct.shape) == len(shape) else self.reshape(ct, shape=shape)


def infer_types(name: str, operands: Sequence[Value], attrs: dict[str, Attr], regions: Iterable[Region] = ()) -> tuple[
    TensorType, ...
]:
    """Result types of an op by its record; region ops receive their regions as an argument.

    Raises:
        IRError: the op does not take these operands, attributes or regions.
    """
    record = opdef(name)
    regions = tuple(regions)
    if regions and "region" not in record.traits:
        raise IRError("takes no regions")
    extra = {"regions": regions} if "region" in record.traits else {}
    try:
        out = record.infer(*(v.type for v in operands), **semantic(attrs), **extra)
    except IRError:
        raise
    except Exception as e:  # a rule may trip over attributes of the wrong kind in any way
        from arignote.ir.signature import misfit  # which needs the text of attributes

        raise IRError(misfit(record, len(operands), attrs)) from e
    return out if isinstance(out, tuple) else (out,)


def make_op(
    name: str,
    operands: Sequence[Value],
    attrs: dict[str, Attr],
    regions: Iterable[Region] = (),
    loc: Loc | None = None,
    names: Iterable[str | None] = (),
) -> Op:
    """A floating op with inferred result types. Errors name the op, its operands and the user's line."""
    regions = tuple(regions)
    try:
        types = infer_types(name, operands, attrs, regions)
    except IRError as e:
        raise TypeInferenceError(describe(name, operands, e.diagnostic.message, loc)) from None
    return Op(name, operands, attrs, types, regions, loc, names)


def describe(name: str, operands: Iterable[Value], message: str, loc: Loc | None) -> Diagnostic:
    """A diagnostic for an op that cannot be built: rule, operands with types, where each came from."""
    notes = []
    for i, v in enumerate(operands):
        made = f", made by {v.owner.name}" if v.owner is not None else ""
        at = f" at {v.owner.loc}" if v.owner is not None and v.owner.loc is not None else ""
        notes.append(f"operand {i} is {v.name or '<unnamed>'}: {v.type}{made}{at}")
    return Diagnostic(f"{name}: {message}", loc=loc, notes=tuple(notes))
