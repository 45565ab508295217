"""Constant folding."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from arignote.ir.core import Func, Op, Value
from arignote.ir.opdef import OPS, has_trait
from arignote.ir.types import may_be_nan
from arignote.passes.base import Pass
from arignote.passes.canonicalize import CANONICALIZE
from arignote.passes.rewrite import Rewriter, rewrite

#: Ops whose result says more as it is than as an array: the code generator fills and counts in
#: registers. What a program runs in Python is run at each call.
KEPT = ("const", "broadcast", "iota", "fused", "python_run")


def evaluate(op: Op, arrays: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any] | None:
    """The result of `op` on arrays by its record; None if it raises, warns, or makes NaN or
    infinity of numbers."""
    try:
        with np.errstate(all="raise", under="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error")
            out = np.asarray(OPS[op.name].eval(*arrays, **op.attrs))
    except (ArithmeticError, AssertionError, ValueError, TypeError, IndexError, Warning):
        return None
    if may_be_nan(out.dtype) and not np.isfinite(out).all():
        # Records evaluate quietly: a result that is not finite is left to the run, where it can be
        # seen.
        return None
    return out


@dataclass(frozen=True)
class Fold(Pass):
    """Evaluate ops on constants, as long as the result has at most `max` elements; what uses a constant that comes up
    is brought to canonical form."""

    name: ClassVar[str] = "fold"

    max: int = 64

    def run(self, func: Func) -> Func:
        folded: set[Value] = set()

        def fold_constant(b: Rewriter, op: Op) -> Value | None:
            if op.name in KEPT or op.regions or not op.operands or has_trait(op.name, "effect"):
                return None
            if not op.result.type.static:
                return None
            size = op.result.type.size
            if not isinstance(size, int) or size > self.max:
                return None
            arrays = []
            for v in op.operands:
                const = b.match(v, "const")
                if const is None:
                    return None
                arrays.append(const.attrs["value"])
            out = evaluate(op, arrays)
            if (
                out is None
                or out.shape != op.result.shape
                or out.dtype != op.result.type.numpy_dtype
            ):
                return None
            const_value = b.const(out, name=op.result.name)
            folded.add(const_value)
            return const_value

        def fold_filled(b: Rewriter, op: Op) -> Value | None:
            """An elementwise op on operands filled with constants: once on the scalars, then
            filled."""
            if not has_trait(op.name, "elementwise") or op.result.ndim == 0 or not op.operands:
                return None
            scalars = []
            for v in op.operands:
                number = b.uniform(v)
                if number is None or not _fills(b, v):
                    return None
                scalars.append(b.const(number, v.dtype))
            if any(isinstance(d, int) and d == 0 for d in op.result.shape):
                return None
            filler = b.emit(op.name, *scalars, **op.attrs)[0]
            if b.match(filler, "const") is None:
                return None
            filled = b.broadcast(filler, shape=op.result.shape)
            folded.add(filled)
            return filled

        def canonical_again(b: Rewriter, op: Op) -> Value | None:
            """What `canonicalize` would have done, had it known this constant."""
            makers = [v.owner for v in op.operands if v.owner is not None and v not in b.opaque]
            seen = {*op.operands, *(v for maker in makers for v in maker.operands)}  # what rules look at
            if folded.isdisjoint(seen):
                return None
            for rule in (*CANONICALIZE.get(op.name, ()), *CANONICALIZE["*"]):
                new: Value | None = rule(b, op)
                if new is not None:
                    return new
            return None

        return rewrite(func, {"*": [fold_constant, fold_filled, canonical_again]}, self.name)


def _fills(b: Rewriter, value: Value) -> bool:
    """Whether `value` is a scalar constant, or one broadcast to a shape that needs no operand."""
    stretch = b.match(value, "broadcast")
    if stretch is not None:
        return not stretch.attrs.get("bound") and b.match(stretch.operands[0], "const") is not None
    return value.ndim == 0
