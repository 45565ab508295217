"""Canonical form: one way to write what can be written in several. Pipelines are correct without
it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.core import Func, Op, Value
from arignote.ir.opdef import OPS, has_trait
from arignote.ir.types import DimLike, broadcast_shapes, is_complex
from arignote.passes.base import Pass
from arignote.passes.rewrite import Rewriter, Table, rewrite

CANONICALIZE = Table()


@CANONICALIZE("*")
def fold_record(b: Rewriter, op: Op) -> Value | None:
    """The local algebra of the op's own record."""
    fold = OPS[op.name].fold
    out: Value | None = fold(b, op) if fold is not None else None
    return out


@CANONICALIZE("*")
def constant_to_the_right(b: Rewriter, op: Op) -> Value | None:
    """c + x -> x + c, for every commutative op, so that rules look at one side only."""
    if not has_trait(op.name, "commutative") or len(op.operands) != 2:
        return None
    x, y = op.operands
    if b.uniform(x) is None or b.uniform(y) is not None:
        return None
    return b.emit(op.name, y, x, **op.attrs)[0]


@CANONICALIZE("*")
def broadcasting_twice(b: Rewriter, op: Op) -> Value | None:
    """x + broadcast(y) -> x + y where the op broadcasts by itself: fewer full-size values, and
    scalars visible."""
    if not has_trait(op.name, "elementwise") or len(op.operands) < 2:
        return None
    for i, v in enumerate(op.operands):
        stretch = b.match(v, "broadcast")
        if stretch is None or stretch.attrs.get("bound"):
            continue
        source = stretch.operands[0]
        others = [w.shape for j, w in enumerate(op.operands) if j != i]
        # Every dimension that the broadcast spells out must be there without it.
        if broadcast_shapes([*others, source.shape]) != op.result.shape or not _covered(
            v.shape, [*others, source.shape]
        ):
            continue
        operands = list(op.operands)
        operands[i] = source
        return b.emit(op.name, *operands, **op.attrs)[0]
    return None


def _covered(shape: tuple[DimLike, ...], shapes: list[tuple[DimLike, ...]]) -> bool:
    """Whether each dimension of `shape` occurs at its place in one of `shapes`."""
    return all(
        shape[-axis] == 1 or any(len(s) >= axis and s[-axis] == shape[-axis] for s in shapes)
        for axis in range(1, len(shape) + 1)
    )


@CANONICALIZE("broadcast")
def broadcast_of_reshape(b: Rewriter, op: Op) -> Value | None:
    """broadcast(reshape(x)) -> broadcast(x), where the reshape only puts 1s in front."""
    inner = b.match(op.operands[0], "reshape")
    if inner is None or len(inner.operands) > 1:
        return None
    x = inner.operands[0]
    lead = inner.result.ndim - x.ndim
    if lead <= 0 or inner.result.shape != (*(1,) * lead, *x.shape):
        return None
    return b.broadcast(x, *op.operands[1:], **op.attrs)


@CANONICALIZE("reshape", "transpose", "slice")
def moved_fill(b: Rewriter, op: Op) -> Value | None:
    """Moving elements that are all the same: a broadcast of the scalar to the new shape."""
    fill = b.match(op.operands[0], "broadcast")
    if fill is None or fill.operands[0].ndim or len(op.operands) > 1:
        return None
    return b.broadcast(fill.operands[0], shape=op.result.shape)


@CANONICALIZE("add")
def plus_negation(b: Rewriter, op: Op) -> Value | None:
    """x + (-y) -> x - y."""
    x, y = op.operands
    for keep, other in ((x, y), (y, x)):
        neg = b.match(other, "neg")
        if neg is not None:
            return b.sub(keep, neg.operands[0])
    return None


@CANONICALIZE("sub")
def minus_negation(b: Rewriter, op: Op) -> Value | None:
    """x - (-y) -> x + y; 0 - x -> -x."""
    x, y = op.operands
    neg = b.match(y, "neg")
    if neg is not None:
        return b.add(x, neg.operands[0])
    if b.is_uniform(x, 0) and y.type == op.result.type:
        return b.neg(y)
    return None


@CANONICALIZE("mul")
def times_minus_one(b: Rewriter, op: Op) -> Value | None:
    """x * -1 -> -x."""
    x, y = op.operands
    return b.neg(x) if b.is_uniform(y, -1) and x.type == op.result.type else None


@CANONICALIZE("neg")
def negation_of(b: Rewriter, op: Op) -> Value | None:
    """-(x - y) -> y - x; -(x * c) -> x * -c; -(x / c) -> x / -c, for constants c of real dtypes."""
    inner = b.match(op.operands[0], "sub", "mul", "div")
    if inner is None or is_complex(inner.result.dtype) or inner.result.dtype[0] == "u":
        return None
    x, y = inner.operands
    if inner.name == "sub":
        return b.sub(y, x) if b.single_use(inner.result) else None
    c = b.uniform(y)
    return None if c is None or y.ndim else b.emit(inner.name, x, b.const(-c, y.dtype))[0]


@CANONICALIZE("dim")
def dim_of_param(b: Rewriter, op: Op) -> Value | None:
    """dim(f(x)) -> dim(x), for an input or a parameter x: no tensor is kept for its size."""
    value, axis = op.operands[0], op.attrs["axis"]
    source, at = b.sizes.get(value.shape[axis], (value, axis))
    return None if source is value else b.dim(source, axis=at)


@dataclass(frozen=True)
class Canonicalize(Pass):
    """Bring ops to canonical form: constants to the right, no double negations, merged transposes,
    reshapes, casts."""

    name: ClassVar[str] = "canonicalize"

    def run(self, func: Func) -> Func:
        return rewrite(func, CANONICALIZE, self.name)
