"""Bessel functions of real order, elementwise on floats. The formulas are in `arignote.ir.special.besselv`.

None has a gradient with respect to the order: it is no elementary expression of the functions themselves.
"""

from __future__ import annotations

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Grads, binary, reals
from arignote.ir.special import besselv
from arignote.ir.special.number import evaluated, lowered

TRAITS = ("elementwise", "nan", "iterative")
ORDER = {0: "the order"}


def _neighbours(b: Builder, name: str, v: Value, x: Value) -> tuple[Value, Value]:
    """Half of the function of orders v - 1 and v + 1."""
    one, half = b.like(1, v), b.like(0.5, x)
    below, above = b.emit(name, b.sub(v, one), x)[0], b.emit(name, b.add(v, one), x)[0]
    return b.mul(half, below), b.mul(half, above)


@defop
class jv:
    """jv(v: F[...], x: F[...]) -> F[...]: the Bessel function of the first kind of order v; NaN for negative x and
    broken v. Derivative (jv(v - 1, x) - jv(v + 1, x)) / 2."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(besselv.jv)
    lower = lowered(besselv.jv)
    samples = reals((0.2, 6), (0.3, 20))
    fixed = ORDER

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, v: Value, x: Value) -> Grads:
        below, above = _neighbours(b, "jv", v, x)
        return None, b.mul(ct, b.sub(below, above))


@defop
class iv:
    """iv(v: F[...], x: F[...]) -> F[...]: the modified Bessel function of the first kind of order v; NaN for negative
    x and broken v. Derivative (iv(v - 1, x) + iv(v + 1, x)) / 2."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(besselv.iv)
    lower = lowered(besselv.iv)
    samples = reals((0.2, 6), (0.3, 5))
    fixed = ORDER

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, v: Value, x: Value) -> Grads:
        below, above = _neighbours(b, "iv", v, x)
        return None, b.mul(ct, b.add(below, above))


@defop
class ive:
    """ive(v: F[...], x: F[...]) -> F[...]: iv(v, x) exp(-|x|)."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(besselv.ive)
    lower = lowered(besselv.ive)
    samples = reals((0.2, 6), (0.3, 20))
    fixed = ORDER

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, v: Value, x: Value) -> Grads:
        below, above = _neighbours(b, "ive", v, x)
        return None, b.mul(ct, b.sub(b.add(below, above), b.mul(b.sgn(x), out)))


@defop
class kv:
    """kv(v: F[...], x: F[...]) -> F[...]: the modified Bessel function of the second kind of order v; NaN for negative
    x. Derivative -(kv(v - 1, x) + kv(v + 1, x)) / 2."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(besselv.kv)
    lower = lowered(besselv.kv)
    samples = reals((-3, 4), (0.5, 5))
    fixed = ORDER

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, v: Value, x: Value) -> Grads:
        below, above = _neighbours(b, "kv", v, x)
        return None, b.neg(b.mul(ct, b.add(below, above)))


@defop
class kve:
    """kve(v: F[...], x: F[...]) -> F[...]: kv(v, x) exp(x)."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(besselv.kve)
    lower = lowered(besselv.kve)
    samples = reals((-3, 4), (0.5, 20))
    fixed = ORDER

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, v: Value, x: Value) -> Grads:
        below, above = _neighbours(b, "kve", v, x)
        return None, b.mul(ct, b.sub(out, b.add(below, above)))
