"""Bessel functions of real order, elementwise on floats. The formulas are in `arignote.ir.special`.

None has a gradient with respect to the order: it is no elementary expression of the functions themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Grads, binary, reals
from arignote.ir.special import besselv, modified
from arignote.ir.special.number import evaluated, lowered

TRAITS = ("elementwise", "nan", "iterative")
ORDER = {0: "the order"}


def _slope(name: str, slope: Callable[[Builder, Value, Value, Value, Value], Value]) -> Any:
    """`vjp` of a function whose derivative is `slope` of: the builder, half of the function of order v - 1, half of it
    of order v + 1, x, and the function itself."""

    def vjp(b: Builder, ct: Value, out: Value, v: Value, x: Value) -> Grads:
        one, half = b.like(1, v), b.like(0.5, x)
        below, above = (b.mul(half, b.emit(name, order, x)[0]) for order in (b.sub(v, one), b.add(v, one)))
        return None, b.mul(ct, slope(b, below, above, x, out))

    return staticmethod(vjp)


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
    vjp = _slope("jv", lambda b, below, above, x, out: b.sub(below, above))


@defop
class iv:
    """iv(v: F[...], x: F[...]) -> F[...]: the modified Bessel function of the first kind of order v; NaN for negative
    x and broken v. Derivative (iv(v - 1, x) + iv(v + 1, x)) / 2."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(modified.iv)
    lower = lowered(modified.iv)
    samples = reals((0.2, 6), (0.3, 5))
    fixed = ORDER
    vjp = _slope("iv", lambda b, below, above, x, out: b.add(below, above))


@defop
class ive:
    """ive(v: F[...], x: F[...]) -> F[...]: iv(v, x) exp(-|x|)."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(modified.ive)
    lower = lowered(modified.ive)
    samples = reals((0.2, 6), (0.3, 20))
    fixed = ORDER
    vjp = _slope("ive", lambda b, below, above, x, out: b.sub(b.add(below, above), b.mul(b.sgn(x), out)))


@defop
class kv:
    """kv(v: F[...], x: F[...]) -> F[...]: the modified Bessel function of the second kind of order v; NaN for negative
    x. Derivative -(kv(v - 1, x) + kv(v + 1, x)) / 2."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(modified.kv)
    lower = lowered(modified.kv)
    samples = reals((-3, 4), (0.5, 5))
    fixed = ORDER
    vjp = _slope("kv", lambda b, below, above, x, out: b.neg(b.add(below, above)))


@defop
class kve:
    """kve(v: F[...], x: F[...]) -> F[...]: kv(v, x) exp(x)."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(modified.kve)
    lower = lowered(modified.kve)
    samples = reals((-3, 4), (0.5, 20))
    fixed = ORDER
    vjp = _slope("kve", lambda b, below, above, x, out: b.sub(out, b.add(below, above)))
