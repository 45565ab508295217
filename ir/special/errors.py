"""Inverses of the error functions, and the scaled complement.

The inverses are polynomials in w = -log(1 - x**2) and its root, as in M. Giles, *Approximating the erfinv function*
(2012); the scaled complement is W. J. Cody's form (1969) with one polynomial for all of x >= 0.
"""

from __future__ import annotations

import math

from arignote.ir.special.number import Number, between, poly, where
from arignote.ir.special.tables import ERFCX, INV_HIGH, INV_LOW, INV_MID, INV_TOP

INF, NAN = math.inf, math.nan


def _core(w: Number, to_the_end: bool) -> Number:
    """erfinv(x) / x."""
    s = where(w < 6.25, 2.5, w).call("sqrt")
    high = between(s, 4.0, 9.0, INV_HIGH)
    if to_the_end:
        high = where(s > 9.0, between(s, 9.0, 28.0, INV_TOP), high)
    return where(w < 6.25, between(w, 0.0, 6.25, INV_LOW), where(s < 4.0, between(s, 2.5, 4.0, INV_MID), high))


def erfinv(x: Number) -> Number:
    """The y with erf(y) = x; infinite at -1 and 1, NaN beyond."""
    w = -((1.0 - x) * (1.0 + x)).call("log")
    inside = x * _core(w, to_the_end=False)
    a = x.call("abs")
    return where(a < 1.0, inside, where(a.same(1.0), x * INF, NAN))


def erfcinv(x: Number) -> Number:
    """The y with erfc(y) = x, accurate for small x; infinite at 0 and 2, NaN beyond."""
    w = -(x * (2.0 - x)).call("log")
    inside = (1.0 - x) * _core(w, to_the_end=True)
    above = where(x < 2.0, inside, where(x.same(2.0), -INF, x * NAN))
    return where(x > 0.0, above, where(x.same(0.0), INF, x * NAN))


def _exp_square(x: Number) -> Number:
    """exp(x**2), without the error of the square."""
    inside = where(x < 27.0, x, 27.0)
    head = inside.rounded()
    return (head * head).call("exp") * ((inside - head) * (inside + head)).call("exp")


def erfcx(x: Number) -> Number:
    """exp(x**2) erfc(x)."""
    a = x.call("abs")
    far = where(a > 1e17, 1e17, a)
    value = poly((far - 3.0) / (far + 3.0), ERFCX) / (1.0 + 2.0 * far) * where(a > 1e17, 1e17 / a, 1.0)
    return where(x < 0.0, 2.0 * _exp_square(a) - value, where(x.k.isnan(x.value), x, value))
