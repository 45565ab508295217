"""Bessel functions of order 0 and 1, of the first kind and modified.

Polynomials up to 8; beyond it Hankel's form sqrt(2 / (pi x)) (P cos - Q sin), and exp(x) / sqrt(x) times a polynomial
in 1 / x: the division of S. Moshier, *Methods and Programs for Mathematical Functions* (1989).
"""

from __future__ import annotations

import math

from arignote.ir.special import bessel_tables as tables
from arignote.ir.special.number import Number, between, where


def _hankel(a: Number, p: tuple[float, ...], q: tuple[float, ...], order: int) -> Number:
    """J of that order, a >= 8."""
    u = 8.0 / a
    s, c = a.call("sin"), a.call("cos")
    # cos and sin of a - (2 order + 1) pi / 4, times the root of 2
    cosine, sine = (s + c, s - c) if order == 0 else (s - c, -(s + c))
    even, odd = between(u * u, 0.0, 1.0, p), between(u * u, 0.0, 1.0, q) * u
    return (even * cosine - odd * sine) / (a * math.pi).call("sqrt")


def _ends(x: Number, value: Number) -> Number:
    """0 at the infinities."""
    return where(x.call("abs").same(math.inf), 0.0, value)


def j0(x: Number) -> Number:
    """The Bessel function of the first kind of order 0."""
    a = x.call("abs")
    far = _hankel(where(a < 8.0, 8.0, a), tables.P0, tables.Q0, 0)
    return _ends(x, where(a < 8.0, between(a * a, 0.0, 64.0, tables.J0), far))


def j1(x: Number) -> Number:
    """The Bessel function of the first kind of order 1."""
    a = x.call("abs")
    far = _hankel(where(a < 8.0, 8.0, a), tables.P1, tables.Q1, 1)
    return _ends(x, where(a < 8.0, x * between(a * a, 0.0, 64.0, tables.J1), where(x < 0.0, -far, far)))


def _modified(a: Number, low: Number, high: tuple[float, ...]) -> Number:
    """I by its two polynomials; the exponential comes in halves, as it overflows earlier."""
    big = where(a < 8.0, 8.0, a)
    e = (where(a > 720.0, 720.0, a) * 0.5).call("exp")
    far = between(1.0 / big, 0.0, 0.125, high) / big.call("sqrt")
    value = e * where(a < 8.0, low, far) * e
    return where(a > 720.0, math.inf, value)


def i0(x: Number) -> Number:
    """The modified Bessel function of the first kind of order 0."""
    a = x.call("abs")
    value = _modified(a, between(a, 0.0, 8.0, tables.I0_LOW), tables.I0_HIGH)
    return where(x.k.isnan(x.value), x, value)


def i1(x: Number) -> Number:
    """The modified Bessel function of the first kind of order 1."""
    a = x.call("abs")
    value = _modified(a, a * between(a, 0.0, 8.0, tables.I1_LOW), tables.I1_HIGH)
    return where(x.k.isnan(x.value), x, where(x < 0.0, -value, value))
