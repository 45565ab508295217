"""Arithmetic and rounding, elementwise. Operands have one dtype; shapes broadcast as in NumPy."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import (
    Array,
    Grads,
    binary,
    flat,
    inner,
    made_by,
    neutral,
    partials,
    quiet,
    reals,
    same_operands,
    scalar,
    stays,
    unary,
    uniform,
)
from arignote.ir.types import is_differentiable, is_float

ROUNDED = inner("floor", "ceil", "trunc", "round")


@defop
class add:
    """add(x: T[...], y: T[...]) -> T[...]: x + y. T is an integer (wraps) or float dtype."""

    traits = ("elementwise", "commutative", "associative")
    infer = binary("field")
    eval = quiet(np.add)
    vjp = partials(lambda b, ct, out, x, y: ct, lambda b, ct, out, x, y: ct)
    lower = scalar(operator.add)
    fold = neutral(0)
    samples = reals((-2, 2), (-2, 2))


@defop
class sub:
    """sub(x: T[...], y: T[...]) -> T[...]: x - y. T is an integer (wraps) or float dtype."""

    traits = ("elementwise",)
    infer = binary("field")
    eval = quiet(np.subtract)
    vjp = partials(lambda b, ct, out, x, y: ct, lambda b, ct, out, x, y: b.neg(ct))
    lower = scalar(operator.sub)
    samples = reals((-2, 2), (-2, 2))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x, y = op.operands
        if x is y and not is_float(x.dtype):  # inf - inf is NaN
            return b.full(0, op.result.type)
        return x if uniform(y) == 0 and stays(op, x) else None


@defop
class mul:
    """mul(x: T[...], y: T[...]) -> T[...]: x * y. T is an integer (wraps) or float dtype."""

    traits = ("elementwise", "commutative", "associative")
    infer = binary("field")
    eval = quiet(np.multiply)
    vjp = partials(
        lambda b, ct, out, x, y: b.mul(ct, y),
        lambda b, ct, out, x, y: b.mul(ct, x),
    )
    lower = scalar(operator.mul)
    samples = reals((-2, 2), (-2, 2))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x, y = op.operands
        for keep, other in ((x, y), (y, x)):
            known = uniform(other)
            if known == 1 and stays(op, keep):
                return keep
            if known == 0 and not is_float(keep.dtype):  # 0 * NaN is NaN
                return b.full(0, op.result.type)
        return None


@defop
class div:
    """div(x: F[...], y: F[...]) -> F[...]: x / y of floats; integers are cast first."""

    traits = ("elementwise", "nan")
    infer = binary("analytic")
    eval = quiet(np.divide)
    vjp = partials(
        lambda b, ct, out, x, y: b.div(ct, y),
        lambda b, ct, out, x, y: b.neg(b.div(b.mul(ct, out), y)),
    )
    lower = scalar("div")
    fold = neutral(1, right_only=True)
    samples = reals((-2, 2), (0.5, 2))


@defop
class floordiv:
    """floordiv(x: T[...], y: T[...]) -> T[...]: floor(x / y), for floats the floor of the rounded
    quotient, as in Theano. Integers divided by zero give 0, and MIN // -1 wraps."""

    traits = ("elementwise", "nan")
    infer = binary("number")
    eval = quiet(lambda x, y: np.floor(x / y) if x.dtype.kind == "f" else np.floor_divide(x, y))
    vjp = flat
    lower = scalar("floordiv")
    samples = reals((-5, 5), (0.6, 2))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x, y = op.operands
        return x if not is_float(x.dtype) and uniform(y) == 1 and stays(op, x) else None


@defop
class mod:
    """mod(x: T[...], y: T[...]) -> T[...]: the remainder with the sign of y, as Python's `%`.
    Integers modulo zero give 0."""

    traits = ("elementwise", "nan")
    infer = binary("number")
    eval = quiet(np.mod)
    vjp = partials(
        lambda b, ct, out, x, y: ct,
        lambda b, ct, out, x, y: b.neg(b.mul(ct, b.floordiv(x, y))),
    )
    lower = scalar("mod")
    samples = reals((-5, 5), (0.6, 2))


def _pow(x: Array, y: Array) -> Any:
    """Integers to negative powers are truncated (0 unless the base is 1 or -1): no error."""
    if x.dtype.kind != "i":
        return np.power(x, y)
    parity = np.where(y % 2 == 0, x * x, x)
    inverse = np.where(np.abs(x) == 1, parity, 0)
    return np.where(y < 0, inverse, np.power(x, np.maximum(y, 0))).astype(x.dtype)


@defop
class pow:
    """pow(x: T[...], y: T[...]) -> T[...]: x to the power y. Integers to negative powers are
    truncated: 0, or 1 and -1 for these bases. d/dy is 0 where x is 0."""

    traits = ("elementwise", "nan")
    infer = binary("field")
    eval = quiet(_pow)
    lower = scalar("pow")
    samples = reals((0.3, 2), (-2, 3))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, y: Value) -> Grads:
        if not is_differentiable(out.dtype):
            return None, None
        zero, one = b.like(0, x), b.like(1, x)
        if uniform(y) not in (None, 0):
            dx = b.mul(y, b.pow(x, b.sub(y, one)))
        else:  # 0 * x**-1 is NaN at 0
            flat_ = b.eq(y, zero)
            dx = b.mul(y, b.pow(x, b.select(flat_, one, b.sub(y, one))))
        dy = b.mul(out, b.log(b.select(b.eq(x, zero), one, x)))
        return b.mul(ct, dx), b.mul(ct, dy)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x, y = op.operands
        power = uniform(y)
        if power is None or not stays(op, x):
            return None
        if power == 1:
            return x
        if power == 0:
            return b.full(1, op.result.type)
        if power == 2:
            return b.sqr(x)
        if power == 0.5:
            return b.sqrt(x)
        if power == -1 and is_float(x.dtype):
            return b.div(b.like(1, x), x)
        return None


@defop
class maximum:
    """maximum(x: T[...], y: T[...]) -> T[...]: the larger; NaN if either is. At a tie both operands
    get the cotangent, as in Theano."""

    traits = ("elementwise", "commutative", "associative", "idempotent")
    infer = binary("number")
    eval = quiet(np.maximum)
    vjp = partials(
        lambda b, ct, out, x, y: b.select(b.eq(x, out), ct, b.like(0, ct)),
        lambda b, ct, out, x, y: b.select(b.eq(y, out), ct, b.like(0, ct)),
    )
    lower = scalar("max")
    fold = same_operands
    samples = reals((-2, 2), (-2, 2))


@defop
class minimum:
    """minimum(x: T[...], y: T[...]) -> T[...]: the smaller; NaN if either is. At a tie both
    operands get the cotangent, as in Theano."""

    traits = ("elementwise", "commutative", "associative", "idempotent")
    infer = binary("number")
    eval = quiet(np.minimum)
    vjp = maximum.vjp
    lower = scalar("min")
    fold = same_operands
    samples = reals((-2, 2), (-2, 2))


@defop
class neg:
    """neg(x: T[...]) -> T[...]: -x; unsigned integers wrap."""

    traits = ("elementwise",)
    infer = unary("field")
    eval = quiet(np.negative)
    vjp = partials(lambda b, ct, out, x: b.neg(ct))
    lower = scalar("neg")
    samples = reals((-2, 2))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        made = made_by(op.operands[0], "neg")
        return made.operands[0] if made else None


@defop
class abs:
    """abs(x: T[...]) -> T[...]: |x|; the smallest integer wraps. The gradient at 0 is 0."""

    traits = ("elementwise",)
    infer = unary("number")
    eval = quiet(np.abs)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.sgn(x)))
    lower = scalar("abs")
    samples = reals((-2, 2))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        (x,) = op.operands
        if made_by(x, "abs") or (made_by(x, "sqr") and is_float(x.dtype)):  # integers may wrap
            return x
        made = made_by(x, "neg")
        return b.abs(made.operands[0]) if made else None


@defop
class sgn:
    """sgn(x: T[...]) -> T[...]: -1, 0 or 1; NaN stays NaN."""

    traits = ("elementwise",)
    infer = unary("number")
    eval = quiet(np.sign)
    vjp = flat
    lower = scalar("sgn")
    fold = inner("sgn")
    samples = reals((-2, 2))


@defop
class sqr:
    """sqr(x: T[...]) -> T[...]: x * x."""

    traits = ("elementwise",)
    infer = unary("field")
    eval = quiet(np.square)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.mul(b.like(2, x), x)))
    lower = scalar(lambda x: x * x)
    samples = reals((-2, 2))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        (x,) = op.operands
        made = made_by(x, "neg") or made_by(x, "abs")
        if made:
            return b.sqr(made.operands[0])
        made = made_by(x, "sqrt")
        if not made:
            return None
        (y,) = made.operands
        return b.select(b.ge(y, b.like(0, y)), y, b.like(np.nan, y))


@defop
class sqrt:
    """sqrt(x: F[...]) -> F[...]: the square root; NaN below 0."""

    traits = ("elementwise", "nan")
    infer = unary("analytic")
    eval = quiet(np.sqrt)
    vjp = partials(lambda b, ct, out, x: b.div(b.mul(ct, b.like(0.5, x)), out))
    lower = scalar("sqrt")
    samples = reals((0.3, 3))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        made = made_by(op.operands[0], "sqr")
        return b.abs(made.operands[0]) if made else None


def _keep_ints(fn: Any) -> Any:
    """Rounding leaves integers alone (np.rint would make them floats)."""
    return quiet(lambda x: fn(x) if x.dtype.kind == "f" else x.copy())


@defop
class floor:
    """floor(x: T[...]) -> T[...]: the largest whole number not above x."""

    traits = ("elementwise",)
    infer = unary("number")
    eval = _keep_ints(np.floor)
    vjp = flat
    lower = scalar("floor")
    fold = ROUNDED
    samples = reals((-3, 3))


@defop
class ceil:
    """ceil(x: T[...]) -> T[...]: the smallest whole number not below x."""

    traits = ("elementwise",)
    infer = unary("number")
    eval = _keep_ints(np.ceil)
    vjp = flat
    lower = scalar("ceil")
    fold = ROUNDED
    samples = reals((-3, 3))


@defop
class trunc:
    """trunc(x: T[...]) -> T[...]: x without its fraction."""

    traits = ("elementwise",)
    infer = unary("number")
    eval = _keep_ints(np.trunc)
    vjp = flat
    lower = scalar("trunc")
    fold = ROUNDED
    samples = reals((-3, 3))


@defop
class round:
    """round(x: T[...]) -> T[...]: the nearest whole number, halves to even."""

    traits = ("elementwise",)
    infer = unary("number")
    eval = _keep_ints(np.rint)
    vjp = flat
    lower = scalar("round")
    fold = ROUNDED
    samples = reals((-3, 3))
