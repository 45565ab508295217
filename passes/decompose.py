"""Decomposition: composite ops into the elementwise ops and reductions that the fuser makes one
kernel of."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from arignote.ir.core import Func, Op, Value
from arignote.passes.base import Pass
from arignote.passes.factors import FACTORS
from arignote.passes.rewrite import Rewriter, Table, merge_rules, rewrite

DECOMPOSE = Table()


def kept(x: Value, axes: tuple[int, ...]) -> tuple[object, ...]:
    """The shape of `x` reduced over `axes` with these kept as 1."""
    return tuple(1 if a in axes else d for a, d in enumerate(x.shape))


def is_empty(x: Value, axes: tuple[int, ...]) -> bool:
    """Whether there is nothing along `axes`, and so no maximum."""
    return any(isinstance(d := x.shape[a], int) and d == 0 for a in axes)


def shifted(b: Rewriter, x: Value, axes: tuple[int, ...]) -> Value:
    """x - max(x): exponentials of it do not overflow."""
    return b.sub(x, b.reshape(b.max(x, axes=axes), shape=kept(x, axes)))


@DECOMPOSE("softmax")
def softmax(b: Rewriter, op: Op) -> Value | None:
    """softmax(x) -> e / sum(e), e = exp(x - max(x))."""
    x, axes = op.operands[0], (op.attrs["axis"],)
    if x.dtype == "bf16":  # as a whole in f32, rounded once: see `represent`
        return None
    if is_empty(x, axes):
        return b.full(0, x.type)
    e = b.exp(shifted(b, x, axes))
    return b.div(e, b.reshape(b.sum(e, axes=axes), shape=kept(x, axes)))


@DECOMPOSE("log_softmax")
def log_softmax(b: Rewriter, op: Op) -> Value | None:
    """log_softmax(x) -> z - log(sum(exp(z))), z = x - max(x)."""
    x, axes = op.operands[0], (op.attrs["axis"],)
    if x.dtype == "bf16":  # as a whole in f32, rounded once: see `represent`
        return None
    if is_empty(x, axes):
        return b.full(0, x.type)
    z = shifted(b, x, axes)
    total = b.log(b.sum(b.exp(z), axes=axes))
    return b.sub(z, b.reshape(total, shape=kept(x, axes)))


@DECOMPOSE("logsumexp")
def logsumexp(b: Rewriter, op: Op) -> Value | None:
    """logsumexp(x) -> m + log(sum(exp(x - m))), m = max(x); m = 0 where max(x) is infinite."""
    x, axes = op.operands[0], op.attrs["axes"]
    if x.dtype == "bf16":
        return None
    if is_empty(x, axes):
        return b.full(-math.inf, op.result.type)
    top = b.max(x, axes=axes)
    m = b.select(b.isinf(top), b.like(0, top), top)
    e = b.exp(b.sub(x, b.reshape(m, shape=kept(x, axes))))
    return b.add(m, b.log(b.sum(e, axes=axes)))


@DECOMPOSE("conv", "conv_data", "conv_weight")
def half_convolution(b: Rewriter, op: Op) -> Value | None:
    """Convolutions of f16 accumulate in f32."""
    x, y, *scalars = op.operands
    if x.dtype != "f16":
        return None
    wide = b.emit(op.name, b.cast(x, dtype="f32"), b.cast(y, dtype="f32"), *scalars, **op.attrs)[0]
    return b.cast(wide, dtype="f16")


@dataclass(frozen=True)
class Decompose(Pass):
    """Write softmax, log_softmax and logsumexp out as max, sub, exp, sum, div and log, solutions
    and determinants by factorisations, and convolutions of f16 in f32; a function at an earlier stage is `optimised`
    from then on."""

    name: ClassVar[str] = "decompose"

    def run(self, func: Func) -> Func:
        out = rewrite(func, merge_rules(DECOMPOSE, FACTORS), self.name)
        if func.attrs.get("stage") in ("recorded", "grad"):
            out = replace(out, attrs={**out.attrs, "stage": "optimised"})
        return out
