"""Exponentials, logarithms, trigonometry and their kin, elementwise on floats."""

from __future__ import annotations

import math

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, binary, partials, quiet, reals, scalar, unary, widened

LN2 = math.log(2)
LN10 = math.log(10)
TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)


def times(b: Builder, ct: Value, number: float) -> Value:
    """`ct` times a constant."""
    return b.mul(ct, b.like(number, ct))


def plus(b: Builder, x: Value, number: float) -> Value:
    """`x` plus a constant."""
    return b.add(x, b.like(number, x))


def one_minus(b: Builder, x: Value) -> Value:
    """1 - x."""
    return b.sub(b.like(1, x), x)


@defop
class exp:
    """exp(x: F[...]) -> F[...]: e to the power x."""

    traits = ("elementwise", "nan")
    infer = unary("analytic")
    eval = quiet(np.exp)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, out))
    lower = scalar("exp")
    samples = reals((-2, 2))


@defop
class exp2:
    """exp2(x: F[...]) -> F[...]: 2 to the power x."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.exp2)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, times(b, out, LN2)))
    lower = scalar("exp2")
    samples = reals((-2, 2))


@defop
class expm1:
    """expm1(x: F[...]) -> F[...]: exp(x) - 1, accurate near 0."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.expm1)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, plus(b, out, 1)))
    lower = scalar("expm1")
    samples = reals((-2, 2))


@defop
class log:
    """log(x: F[...]) -> F[...]: the natural logarithm; -inf at 0, NaN below."""

    traits = ("elementwise", "nan")
    infer = unary("analytic")
    eval = quiet(np.log)
    vjp = partials(lambda b, ct, out, x: b.div(ct, x))
    lower = scalar("log")
    samples = reals((0.2, 3))


@defop
class log2:
    """log2(x: F[...]) -> F[...]: the logarithm to base 2."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.log2)
    vjp = partials(lambda b, ct, out, x: b.div(ct, times(b, x, LN2)))
    lower = scalar("log2")
    samples = reals((0.2, 3))


@defop
class log10:
    """log10(x: F[...]) -> F[...]: the logarithm to base 10."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.log10)
    vjp = partials(lambda b, ct, out, x: b.div(ct, times(b, x, LN10)))
    lower = scalar("log10")
    samples = reals((0.2, 3))


@defop
class log1p:
    """log1p(x: F[...]) -> F[...]: log(1 + x), accurate near 0."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.log1p)
    vjp = partials(lambda b, ct, out, x: b.div(ct, plus(b, x, 1)))
    lower = scalar("log1p")
    samples = reals((-0.7, 3))


@defop
class sin:
    """sin(x: F[...]) -> F[...]: the sine of radians; NaN at infinities."""

    traits = ("elementwise",)
    infer = unary("analytic")
    eval = quiet(np.sin)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.cos(x)))
    lower = scalar("sin")
    samples = reals((-4, 4))


@defop
class cos:
    """cos(x: F[...]) -> F[...]: the cosine of radians; NaN at infinities."""

    traits = ("elementwise",)
    infer = unary("analytic")
    eval = quiet(np.cos)
    vjp = partials(lambda b, ct, out, x: b.neg(b.mul(ct, b.sin(x))))
    lower = scalar("cos")
    samples = reals((-4, 4))


@defop
class tan:
    """tan(x: F[...]) -> F[...]: the tangent of radians. Derivative 1 + tan(x)**2."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = quiet(np.tan)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, plus(b, b.sqr(out), 1)))
    lower = scalar("tan")
    samples = reals((-1.2, 1.2))


@defop
class arcsin:
    """arcsin(x: F[...]) -> F[...]: the inverse sine; NaN outside [-1, 1]."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.arcsin)
    vjp = partials(lambda b, ct, out, x: b.div(ct, b.sqrt(one_minus(b, b.sqr(x)))))
    lower = scalar("arcsin")
    samples = reals((-0.9, 0.9))


@defop
class arccos:
    """arccos(x: F[...]) -> F[...]: the inverse cosine; NaN outside [-1, 1]."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.arccos)
    vjp = partials(lambda b, ct, out, x: b.neg(b.div(ct, b.sqrt(one_minus(b, b.sqr(x))))))
    lower = scalar("arccos")
    samples = reals((-0.9, 0.9))


@defop
class arctan:
    """arctan(x: F[...]) -> F[...]: the inverse tangent."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = quiet(np.arctan)
    vjp = partials(lambda b, ct, out, x: b.div(ct, plus(b, b.sqr(x), 1)))
    lower = scalar("arctan")
    samples = reals((-3, 3))


@defop
class arctan2:
    """arctan2(y: F[...], x: F[...]) -> F[...]: the angle of the point (x, y)."""

    traits = ("elementwise",)
    infer = binary("float")
    eval = quiet(np.arctan2)
    vjp = partials(
        lambda b, ct, out, y, x: b.mul(ct, b.div(x, b.add(b.sqr(x), b.sqr(y)))),
        lambda b, ct, out, y, x: b.neg(b.mul(ct, b.div(y, b.add(b.sqr(x), b.sqr(y))))),
    )
    lower = scalar("arctan2")
    samples = reals((-2, 2), (-2, 2))


@defop
class sinh:
    """sinh(x: F[...]) -> F[...]: the hyperbolic sine."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.sinh)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.cosh(x)))
    lower = scalar("sinh")
    samples = reals((-2, 2))


@defop
class cosh:
    """cosh(x: F[...]) -> F[...]: the hyperbolic cosine."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.cosh)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.sinh(x)))
    lower = scalar("cosh")
    samples = reals((-2, 2))


@defop
class tanh:
    """tanh(x: F[...]) -> F[...]: the hyperbolic tangent. Derivative 1 - tanh(x)**2."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = quiet(np.tanh)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, one_minus(b, b.sqr(out))))
    lower = scalar("tanh")
    samples = reals((-3, 3))


@defop
class arcsinh:
    """arcsinh(x: F[...]) -> F[...]: the inverse hyperbolic sine."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = quiet(np.arcsinh)
    vjp = partials(lambda b, ct, out, x: b.div(ct, b.sqrt(plus(b, b.sqr(x), 1))))
    lower = scalar("arcsinh")
    samples = reals((-3, 3))


@defop
class arccosh:
    """arccosh(x: F[...]) -> F[...]: the inverse hyperbolic cosine; NaN below 1."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.arccosh)
    vjp = partials(lambda b, ct, out, x: b.div(ct, b.sqrt(plus(b, b.sqr(x), -1))))
    lower = scalar("arccosh")
    samples = reals((1.3, 4))


@defop
class arctanh:
    """arctanh(x: F[...]) -> F[...]: the inverse hyperbolic tangent; NaN outside [-1, 1]."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(np.arctanh)
    vjp = partials(lambda b, ct, out, x: b.div(ct, one_minus(b, b.sqr(x))))
    lower = scalar("arctanh")
    samples = reals((-0.8, 0.8))


def _gauss(b: Builder, x: Value) -> Value:
    """2 / sqrt(pi) * exp(-x**2): the derivative of erf."""
    return times(b, b.exp(b.neg(b.sqr(x))), TWO_OVER_SQRT_PI)


def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf, otypes=[np.float64])(x)).astype(x.dtype)


def _erfc(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erfc, otypes=[np.float64])(x)).astype(x.dtype)


@defop
class erf:
    """erf(x: F[...]) -> F[...]: the error function."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = quiet(_erf)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, _gauss(b, x)))
    lower = scalar("erf")
    samples = reals((-2, 2))


@defop
class erfc:
    """erfc(x: F[...]) -> F[...]: 1 - erf(x), accurate for large x."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = quiet(_erfc)
    vjp = partials(lambda b, ct, out, x: b.neg(b.mul(ct, _gauss(b, x))))
    lower = scalar("erfc")
    samples = reals((-2, 2))


def _sigmoid(x: Array) -> Array:
    e = np.exp(-np.abs(x))  # never overflows
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e))


@defop
class sigmoid:
    """sigmoid(x: F[...]) -> F[...]: 1 / (1 + exp(-x)), without overflow."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = widened(_sigmoid)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.mul(out, one_minus(b, out))))
    lower = scalar("sigmoid")
    samples = reals((-3, 3))


@defop
class softplus:
    """softplus(x: F[...]) -> F[...]: log(1 + exp(x)), without overflow. Derivative sigmoid(x)."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = widened(lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.sigmoid(x)))
    lower = scalar("softplus")
    samples = reals((-3, 3))
