"""Special functions, elementwise on floats. The formulas are in `arignote.ir.special`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, binary, check_kind, partials, quiet, reals, unary
from arignote.ir.ops.transcendental import plus, times
from arignote.ir.special import bessel, errors
from arignote.ir.special import gamma as gammas
from arignote.ir.special.number import evaluated, lowered
from arignote.ir.types import TensorType

HALF_ROOT_PI = math.sqrt(math.pi) / 2


@defop
class gamma:
    """gamma(x: F[...]) -> F[...]: the gamma function; NaN at negative whole numbers. Derivative gamma(x) psi(x)."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = evaluated(gammas.gamma)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.mul(out, b.polygamma(x, n=0))))
    lower = lowered(gammas.gamma)
    samples = reals((0.4, 5))


@defop
class gammaln:
    """gammaln(x: F[...]) -> F[...]: log(|gamma(x)|)."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = evaluated(gammas.gammaln)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.polygamma(x, n=0)))
    lower = lowered(gammas.gammaln)
    samples = reals((0.3, 5))


@defop
class polygamma:
    """polygamma(x: F[...]) {n} -> F[...]: the derivative of order n + 1 of gammaln. (C1) floats. (C2) n >= 0."""

    traits = ("elementwise", "nan")
    eval = evaluated(gammas.polygamma)
    lower = lowered(gammas.polygamma)

    @staticmethod
    def infer(x: TensorType, *, n: int) -> TensorType:
        check_kind("float", x)
        require(n >= 0, f"order {n} is negative (C2)")
        return x

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, n: int) -> Grads:
        return (b.mul(ct, b.polygamma(x, n=n + 1)),)

    @staticmethod
    def samples() -> Samples:
        return [(xs, {"n": n}) for n in (0, 1, 2) for xs, _ in reals((0.4, 5))()]


@defop
class erfinv:
    """erfinv(x: F[...]) -> F[...]: the inverse of erf; infinite at -1 and 1, NaN beyond."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = evaluated(errors.erfinv)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, times(b, b.exp(b.sqr(out)), HALF_ROOT_PI)))
    lower = lowered(errors.erfinv)
    samples = reals((-0.9, 0.9))


@defop
class erfcinv:
    """erfcinv(x: F[...]) -> F[...]: the inverse of erfc; infinite at 0 and 2, NaN beyond."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = evaluated(errors.erfcinv)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, times(b, b.exp(b.sqr(out)), -HALF_ROOT_PI)))
    lower = lowered(errors.erfcinv)
    samples = reals((0.1, 1.9))


@defop
class erfcx:
    """erfcx(x: F[...]) -> F[...]: exp(x**2) erfc(x). Derivative 2 x erfcx(x) - 2 / sqrt(pi)."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = evaluated(errors.erfcx)
    vjp = partials(
        lambda b, ct, out, x: b.mul(ct, plus(b, times(b, b.mul(x, out), 2), -1 / HALF_ROOT_PI))
    )
    lower = lowered(errors.erfcx)
    samples = reals((-1.5, 3))


def _over(b: Builder, out: Value, x: Value) -> tuple[Value, Value]:
    """(where x is 0, out / x elsewhere and 0 there)."""
    at_zero = b.eq(x, b.like(0, x))
    return at_zero, b.div(out, b.select(at_zero, b.like(1, x), x))


def _slope_of_order_1(b: Builder, ct: Value, out: Value, x: Value, of_order_0: Value) -> Value:
    """f0(x) - f1(x) / x, which is 1/2 at 0."""
    at_zero, ratio = _over(b, out, x)
    return b.mul(ct, b.select(at_zero, b.like(0.5, x), b.sub(of_order_0, ratio)))


@defop
class j0:
    """j0(x: F[...]) -> F[...]: the Bessel function of the first kind of order 0. Derivative -j1(x)."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = evaluated(bessel.j0)
    vjp = partials(lambda b, ct, out, x: b.neg(b.mul(ct, b.j1(x))))
    lower = lowered(bessel.j0)
    samples = reals((-12, 12))


@defop
class j1:
    """j1(x: F[...]) -> F[...]: the Bessel function of the first kind of order 1. Derivative j0(x) - j1(x) / x."""

    traits = ("elementwise",)
    infer = unary("float")
    eval = evaluated(bessel.j1)
    vjp = partials(lambda b, ct, out, x: _slope_of_order_1(b, ct, out, x, b.j0(x)))
    lower = lowered(bessel.j1)
    samples = reals((-12, 12))


@defop
class i0:
    """i0(x: F[...]) -> F[...]: the modified Bessel function of the first kind of order 0. Derivative i1(x)."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = evaluated(bessel.i0)
    vjp = partials(lambda b, ct, out, x: b.mul(ct, b.i1(x)))
    lower = lowered(bessel.i0)
    samples = reals((-3, 3))


@defop
class i1:
    """i1(x: F[...]) -> F[...]: the modified Bessel function of the first kind of order 1.
    Derivative i0(x) - i1(x) / x."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = evaluated(bessel.i1)
    vjp = partials(lambda b, ct, out, x: _slope_of_order_1(b, ct, out, x, b.i0(x)))
    lower = lowered(bessel.i1)
    samples = reals((-3, 3))


def _xlogy(x: Array, y: Array) -> Array:
    return np.where(x == 0, np.zeros((), x.dtype), x * np.log(y))


def _lower_xlogy(k: Any, x: Any, y: Any) -> Any:
    zero = k.cast_like(k.const(0, "f32"), x)
    return k.select(k.eq(x, zero), zero, x * k.log(y))


@defop
class xlogx:
    """xlogx(x: F[...]) -> F[...]: x log(x), and 0 at 0. Derivative log(x) + 1."""

    traits = ("elementwise", "nan")
    infer = unary("float")
    eval = quiet(lambda x: _xlogy(x, x))
    vjp = partials(lambda b, ct, out, x: b.mul(ct, plus(b, b.log(x), 1)))
    lower = staticmethod(lambda k, x: _lower_xlogy(k, x, x))
    samples = reals((0.2, 3))


@defop
class xlogy:
    """xlogy(x: F[...], y: F[...]) -> F[...]: x log(y), and 0 where x is 0."""

    traits = ("elementwise", "nan")
    infer = binary("float")
    eval = quiet(_xlogy)
    vjp = partials(
        lambda b, ct, out, x, y: b.mul(ct, b.log(y)),
        lambda b, ct, out, x, y: b.mul(ct, b.div(x, y)),
    )
    lower = staticmethod(_lower_xlogy)
    samples = reals((-2, 2), (0.2, 3))
