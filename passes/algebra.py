"""Algebra across ops: fewer and cheaper operations, in exact arithmetic the same."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import ml_dtypes
import numpy as np

from arignote.ir.core import Func, Op, Value
from arignote.ir.types import DTYPES, DimLike, is_complex, is_float, is_integer, prod_dims
from arignote.passes.base import Pass
from arignote.passes.indexing import INDEXING
from arignote.passes.rewrite import Rewriter, Table, merge_rules, rewrite

ALGEBRA = Table()


def _constant(b: Rewriter, v: Value) -> Any | None:
    """The number in a 0-d constant."""
    return b.uniform(v) if v.ndim == 0 else None


def _tiny(dtype: str) -> float:
    """The smallest normal number of a float dtype."""
    return float(ml_dtypes.finfo(DTYPES[dtype]).tiny)  # type: ignore[no-untyped-call]


def _combine(name: str, x: Any, y: Any, v: Value) -> Any | None:
    """x op y as numbers of the dtype of `v`; None if that overflows, or loses all precision."""
    kind = v.type.numpy_dtype.type
    fn = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[name]
    with np.errstate(all="ignore"):
        out = fn(kind(x), kind(y)).item()
    if (
        is_float(v.dtype)
        and (not math.isfinite(out) or abs(out) < _tiny(v.dtype))
        and out != 0
    ):
        return None
    return (
        None
        if out == 0 and is_float(v.dtype) and name in ("mul", "div") and x != 0 and y != 0
        else out
    )


@ALGEBRA("mul")
def square(b: Rewriter, op: Op) -> Value | None:
    """x * x -> sqr(x)."""
    x, y = op.operands
    return b.sqr(x) if x is y else None


@ALGEBRA("add", "mul")
def two_constants(b: Rewriter, op: Op) -> Value | None:
    """(x + c1) + c2 -> x + (c1 + c2), (x * c1) * c2 -> x * (c1 * c2), and mixed with - and /."""
    x, y = op.operands
    c2 = _constant(b, y)
    inner = b.match(x, *(("add", "sub") if op.name == "add" else ("mul", "div")))
    if c2 is None or inner is None:
        return None
    z, last = inner.operands
    c1 = _constant(b, last)
    if c1 is None:
        return None
    if inner.name == op.name:
        c = _combine(op.name, c1, c2, y)
    else:  # z - c1 + c2, z / c1 * c2
        c = _combine("sub" if op.name == "add" else "div", c2, c1, y)
    return None if c is None else b.emit(op.name, z, b.const(c, y.dtype))[0]


@ALGEBRA("sub", "div")
def constant_away(b: Rewriter, op: Op) -> Value | None:
    """(x + c1) - c2 -> x + (c1 - c2), (x * c1) / c2 -> x * (c1 / c2), (x / c1) / c2 -> x / (c1 *
    c2)."""
    x, y = op.operands
    c2 = _constant(b, y)
    plus, minus = ("add", "sub") if op.name == "sub" else ("mul", "div")
    inner = b.match(x, plus, minus)
    if c2 is None or inner is None:
        return None
    z, last = inner.operands
    c1 = _constant(b, last)
    if c1 is None:
        return None
    if inner.name == plus:
        c = _combine(minus, c1, c2, y)
        return None if c is None else b.emit(plus, z, b.const(c, y.dtype))[0]
    c = _combine(plus, c1, c2, y)
    return None if c is None else b.emit(minus, z, b.const(c, y.dtype))[0]


@ALGEBRA("div")
def power_of_two(b: Rewriter, op: Op) -> Value | None:
    """x / c -> x * (1/c) where c is a power of two, so that the reciprocal is exact."""
    x, y = op.operands
    c = _constant(b, y)
    if c is None or not is_float(y.dtype) or not math.isfinite(c) or c == 0:
        return None
    if abs(math.frexp(c)[0]) != 0.5 or not 2.0**-14 <= abs(c) <= 2.0**14:
        return None
    return b.mul(x, b.const(1 / c, y.dtype))


@ALGEBRA("div")
def division_chain(b: Rewriter, op: Op) -> Value | None:
    """(x / y) / z -> x / (y * z), x / (y / z) -> (x * z) / y: one division less."""
    x, y = op.operands
    inner = b.match(y, "div")
    if inner is not None and b.single_use(y):
        p, q = inner.operands
        return b.div(b.mul(x, q), p)
    inner = b.match(x, "div")
    if inner is not None and b.single_use(x):
        p, q = inner.operands
        return b.div(p, b.mul(q, y))
    return None


@ALGEBRA("mul")
def times_reciprocal(b: Rewriter, op: Op) -> Value | None:
    """x * (1 / y) -> x / y, if the reciprocal is used once and is not smaller than the product."""
    for x, y in (op.operands, op.operands[::-1]):
        inner = b.match(y, "div")
        if inner is None or not b.single_use(y) or not b.is_uniform(inner.operands[0], 1):
            continue
        if inner.operands[1].type == op.result.type:
            return b.div(x, inner.operands[1])
    return None


@ALGEBRA("mul", "div")
def product_of_negations(b: Rewriter, op: Op) -> Value | None:
    """(-x) * y -> -(x * y), (-x) * c -> x * -c, (-x) * (-y) -> x * y; likewise /."""
    if is_complex(op.result.dtype) or op.result.dtype[0] == "u":
        return None
    x, y = op.operands
    negations = [b.match(v, "neg") for v in (x, y)]
    if negations == [None, None]:
        return None
    bare = [v if n is None else n.operands[0] for v, n in zip((x, y), negations, strict=True)]
    if None not in negations:
        return b.emit(op.name, *bare)[0]
    c = _constant(b, bare[1])
    if c is not None:
        return b.emit(op.name, bare[0], b.const(-c, bare[1].dtype))[0]
    return b.neg(b.emit(op.name, *bare)[0])


@ALGEBRA("add")
def sum_of_negations(b: Rewriter, op: Op) -> Value | None:
    """x + (-y) -> x - y, also without `canonicalize`."""
    x, y = op.operands
    for keep, other in ((x, y), (y, x)):
        neg = b.match(other, "neg")
        if neg is not None:
            return b.sub(keep, neg.operands[0])
    return None


@ALGEBRA("add", "sub")
def negative_multiple(b: Rewriter, op: Op) -> Value | None:
    """x + y * -c -> x - y * c, x - y * -c -> x + y * c."""
    x, y = op.operands
    for keep, other in ((x, y), (y, x)) if op.name == "add" else ((x, y),):
        inner = b.match(other, "mul")
        c = None if inner is None else _constant(b, inner.operands[1])
        if (
            inner is None
            or c is None
            or c >= 0
            or not b.single_use(other)
            or inner.result.dtype[0] == "u"
        ):
            continue
        product = b.mul(inner.operands[0], b.const(-c, inner.result.dtype))
        return b.sub(keep, product) if op.name == "add" else b.add(keep, product)
    return None


@ALGEBRA("sub")
def difference_of_negation(b: Rewriter, op: Op) -> Value | None:
    """(-x) - y -> -(x + y)."""
    neg = b.match(op.operands[0], "neg")
    if neg is None or is_integer(op.result.dtype):
        return None
    return b.neg(b.add(neg.operands[0], op.operands[1]))


@ALGEBRA("exp")
def exp_of_log(b: Rewriter, op: Op) -> Value | None:
    """exp(log_softmax(x)) -> softmax(x), which shares its exponentials with the loss."""
    inner = b.match(op.operands[0], "log_softmax")
    return None if inner is None else b.softmax(*inner.operands, **inner.attrs)


@ALGEBRA("select")
def select_on_negation(b: Rewriter, op: Op) -> Value | None:
    """select(not c, x, y) -> select(c, y, x)."""
    c, x, y = op.operands
    inner = b.match(c, "invert")
    return None if inner is None else b.select(inner.operands[0], y, x)


# ---------------------------------------------------------------- reductions
@ALGEBRA("sum")
def sum_of_negation(b: Rewriter, op: Op) -> Value | None:
    """sum(-x) -> -sum(x)."""
    neg = b.match(op.operands[0], "neg")
    return None if neg is None else b.neg(b.sum(neg.operands[0], **op.attrs))


@ALGEBRA("sum")
def sum_of_multiple(b: Rewriter, op: Op) -> Value | None:
    """sum(x * s) -> sum(x) * s and sum(x / s) -> sum(x) / s, for scalars s."""
    inner = b.match(op.operands[0], "mul", "div")
    if inner is None or not is_float(op.result.dtype):
        return None
    x, s = inner.operands
    if inner.name == "mul" and s.ndim:
        x, s = s, x
    if s.ndim or x.type != inner.result.type or not x.ndim:
        return None
    return b.emit(inner.name, b.sum(x, **op.attrs), s)[0]


@ALGEBRA("sum")
def sum_of_broadcast(b: Rewriter, op: Op) -> Value | None:
    """The sum of equal elements is a multiple of one."""
    stretch = b.match(op.operands[0], "broadcast")
    if stretch is None or stretch.attrs.get("bound"):
        return None
    x, shape = stretch.operands[0], stretch.result.shape
    lead = len(shape) - x.ndim
    axes = op.attrs["axes"]
    stretched = [
        a for a in axes if a < lead or (_is_one(x.shape[a - lead]) and not _is_one(shape[a]))
    ]
    count = prod_dims(shape[a] for a in stretched)
    if not stretched or not isinstance(count, int):
        return None
    within = tuple(a - lead for a in axes if a >= lead)
    total = b.sum(x, axes=within) if within else x
    left = op.result.shape
    total = b.mul(total, b.const(count, x.dtype))
    return total if total.shape == left else b.broadcast(total, shape=left)


@ALGEBRA("sum", "prod", "max", "min", "all", "any")
def reduction_of_one(b: Rewriter, op: Op) -> Value | None:
    """Reducing axes of size 1 only removes them."""
    x, axes = op.operands[0], op.attrs["axes"]
    ones = [a for a in axes if _is_one(x.shape[a])]
    if axes and (not ones or (op.result.ndim == 0 and len(ones) < len(axes))):
        return None
    left = [a for a in range(x.ndim) if a not in ones]
    y = b.reshape(x, shape=tuple(x.shape[a] for a in left)) if ones else x
    rest = tuple(left.index(a) for a in axes if a not in ones)
    return b.emit(op.name, y, axes=rest)[0] if rest else y


@ALGEBRA("sum", "prod", "max", "min", "all", "any")
def reduction_of_moved(b: Rewriter, op: Op) -> Value | None:
    """Reducing everything does not mind reshapes and transposes; reducing some axes moves with a
    transpose."""
    inner = b.match(op.operands[0], "reshape", "transpose")
    if inner is None:
        return None
    x, axes = inner.operands[0], op.attrs["axes"]
    if op.result.ndim == 0:
        return b.emit(op.name, x, axes=tuple(range(x.ndim)))[0] if x.ndim else None
    if inner.name == "transpose":
        perm = inner.attrs["perm"]
        left = [perm[a] for a in range(x.ndim) if a not in axes]
        if left == sorted(left):
            return b.emit(op.name, x, axes=tuple(sorted(perm[a] for a in axes)))[0]
    return None


def _is_one(d: DimLike) -> bool:
    return isinstance(d, int) and d == 1


@dataclass(frozen=True)
class Algebra(Pass):
    """Simplify across ops: squares, division chains, constants, negations, sums, indexing by
    rows."""

    name: ClassVar[str] = "algebra"

    def run(self, func: Func) -> Func:
        return rewrite(func, merge_rules(ALGEBRA, INDEXING), self.name)
