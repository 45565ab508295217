"""Modified Bessel functions of real order: I and K.

I: its power series; Hankel's expansion for large arguments (DLMF 10.40); Debye's for large orders (DLMF 10.41).

K: N. Temme, *On the numerical evaluation of the modified Bessel function of the third kind*, Journal of Computational
Physics 19 (1975), up to 2, Steed's continued fraction of the same paper beyond, upward recurrence; both expansions.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from arignote.ir.special.bessel_tables import RECIPROCAL_GAMMA
from arignote.ir.special.besselv import EPS, HANKEL, INF, NAN, PI, any_nan, at_zero, hankel_sums, series_of, whole_order
from arignote.ir.special.gamma import sin_pi
from arignote.ir.special.number import Number, both, branch, poly, repeat, where

DEBYE = 30.0  # orders from here on: Debye's expansion


def _debye_table(count: int) -> list[tuple[float, ...]]:
    """The polynomials U[k](p) / p**k in p**2 (DLMF 10.41.9), k < `count`."""
    u, out = {0: Fraction(1)}, []
    for k in range(count):
        out.append(tuple(float(u.get(k + 2 * i, Fraction(0))) for i in range(k + 1)))
        new: dict[int, Fraction] = {}
        for power, c in u.items():
            for at, part in (
                (power + 1, c * power / 2 + c / (8 * (power + 1))),
                (power + 3, -c * power / 2 - 5 * c / (8 * (power + 3))),
            ):
                new[at] = new.get(at, Fraction(0)) + part
        u = new
    return out


DEBYE_SUMS = _debye_table(15)


def _debye(v: Number, x: Number, sign: float) -> tuple[Number, Number]:
    """(The exponent of I without x, the sum over sqrt(1 + z**2)), v >= DEBYE; `sign` -1 gives the sum of K."""
    z = x / v
    root = (z * z + 1.0).call("sqrt")
    p = 1.0 / root
    square, step = p * p, p / v * sign
    total = square * 0.0
    for row in reversed(DEBYE_SUMS):
        total = total * step + poly(square, row)
    exponent = v * (1.0 / (root + z) - ((root + 1.0) / z).call("log"))
    return exponent, total / root.call("sqrt")


def _regions(v: Number, x: Number) -> tuple[Any, Any]:
    """(Whether Hankel's expansion holds, whether Debye's does)."""
    return both(v, x > HANKEL, v * v * 0.5 < x), v >= DEBYE


def _scaled_i(v: Number, x: Number, scale: float) -> Number:
    """I exp(-scale x), 0 < x, 0 <= v; scale is 1 or 0."""
    far, high = _regions(v, x)
    rest = x * (1.0 - scale) * 0.5  # half of the exponent: all of it would overflow earlier

    def hankel() -> list[Number]:
        y, w = where(far, x, 30.0), where(far, v, 0.0)
        p, q = hankel_sums(w, y, 1.0)
        e = rest.call("exp")
        return [e * ((p - q) / (y * (2 * PI)).call("sqrt")) * e]

    def debye() -> list[Number]:
        w = where(high, v, DEBYE)
        exponent, total = _debye(w, x, 1.0)
        e = (exponent * 0.5 + rest).call("exp")
        return [e * (total / (w * (2 * PI)).call("sqrt")) * e]

    def series() -> list[Number]:
        y, w = where(far, 1.0, where(high, 1.0, x)), where(high, 1.0, v)
        e = (y * (-0.5 * scale)).call("exp")
        return [e * series_of(w, y, 1.0) * e]

    return branch(x, far, hankel, lambda: branch(x, high, debye, series))[0]


def _scaled_k(v: Number, x: Number, scale: float) -> Number:
    """K exp(scale x), 0 < x, 0 <= v; scale is 1 or 0."""
    far, high = _regions(v, x)
    rest = x * (scale - 1.0)

    def hankel() -> list[Number]:
        y, w = where(far, x, 30.0), where(far, v, 0.0)
        p, q = hankel_sums(w, y, 1.0)
        return [(p + q) * (PI / (y * 2.0)).call("sqrt") * rest.call("exp")]

    def debye() -> list[Number]:
        w = where(high, v, DEBYE)
        exponent, total = _debye(w, x, -1.0)
        e = ((rest - exponent) * 0.5).call("exp")
        return [e * (total * (PI / (w * 2.0)).call("sqrt")) * e]

    def recurrence() -> list[Number]:
        w, y = where(high, 1.0, v), where(far, 3.0, x)
        n = (w + 0.5).call("floor")
        mu = w - n
        small = y <= 2.0
        first, second = branch(
            x, small, lambda: _temme(mu, where(small, y, 1.0), scale),
            lambda: _steed(mu, where(small, 3.0, y), where(small, 0.0, rest)),
        )  # fmt: skip
        _, f, g = repeat(
            [x * 0.0 + 1.0, first, second],
            lambda k, f, g: k < n,
            lambda k, f, g: [k + 1.0, g, (mu + k) * 2.0 / y * g + f],
        )
        return [where(n < 1.0, f, g)]

    return branch(x, far, hankel, lambda: branch(x, high, debye, recurrence))[0]


def _temme(mu: Number, x: Number, scale: float) -> list[Number]:
    """K of orders mu and mu + 1, |mu| <= 1/2, x <= 2."""
    square = mu * mu
    even, odd = poly(square, RECIPROCAL_GAMMA[0::2]), poly(square, RECIPROCAL_GAMMA[1::2])
    log = (2.0 / x).call("log")
    sigma = mu * log
    flat = sigma.call("abs") < 1e-8
    ratio = where(flat, 1.0, sigma.call("sinh") / where(flat, 1.0, sigma))
    turn = mu * PI
    still = turn.call("abs") < 1e-8
    fact = where(still, 1.0, turn / where(still, 1.0, turn.call("sin")))
    f = fact * (even * ratio * log - odd * sigma.call("cosh"))
    e = sigma.call("exp")
    p, q = e * 0.5 / (even + mu * odd), 0.5 / (e * (even - mu * odd))
    z, one = x * x * 0.25, x * 0.0 + 1.0

    def step(k: Number, c: Number, f: Number, p: Number, q: Number, s: Number, t: Number, last: Number) -> list[Number]:
        f = (k * f + p + q) / (k * k - square)
        c = c * z / k
        p, q = p / (k - mu), q / (k + mu)
        change = c * f
        return [k + 1.0, c, f, p, q, s + change, t + c * (p - k * f), change]

    def going(
        k: Number, c: Number, f: Number, p: Number, q: Number, s: Number, t: Number, last: Number
    ) -> Any:
        return both(k, k < 100.0, last.call("abs") > s.call("abs") * (EPS / 4))

    out = repeat([one, one, f, p, q, f, p, one * INF], going, step)
    factor = (x * scale).call("exp")
    return [out[5] * factor, out[6] * (2.0 / x) * factor]


def _steed(mu: Number, x: Number, exponent: Number) -> list[Number]:
    """K of orders mu and mu + 1 times exp(x + exponent), x > 2."""
    one = x * 0.0 + 1.0
    a1 = 0.25 - mu * mu
    b = (x + 1.0) * 2.0
    d = 1.0 / b

    def step(k: Number, *state: Number) -> list[Number]:
        a, b, c, d, h, change, q, q1, q2, s, _ = state
        a = a - (k - 1.0) * 2.0
        c = -(a * c) / k
        new = (q1 - b * q2) / a
        q = q + c * new
        b = b + 2.0
        d = 1.0 / (b + a * d)
        change = (b * d - 1.0) * change
        last = q * change
        return [k + 1.0, a, b, c, d, h + change, change, q, q2, new, s + last, last]

    def going(k: Number, *state: Number) -> Any:
        return both(k, k < 5000.0, state[-1].call("abs") > state[-2].call("abs") * (EPS / 2))

    state = [one * 2.0, -a1, b, a1, d, d, d, a1, one * 0.0, one, a1 * d + 1.0, one]
    out = repeat(state, going, step)
    h, s = out[5] * a1, out[10]
    first = (PI / (x * 2.0)).call("sqrt") * exponent.call("exp") / s
    return [first, first * (mu + x + 0.5 - h) / x]


def _modified(v: Number, x: Number, scale: float) -> Number:
    """I exp(-scale |x|)."""
    whole, parity = whole_order(v)
    a = x.call("abs")
    inside = both(v, a > 0.0, a < INF, v.call("abs") < INF)
    b, order = where(inside, a, 1.0), where(inside, v.call("abs"), 1.0)
    value = _scaled_i(order, b, scale)
    reflected = where(v < 0.0, where(whole, v * 0.0, 1.0), 0.0) > 0.5

    def second() -> list[Number]:
        k = _scaled_k(order, b, 1.0) * (b * (-1.0 - scale)).call("exp")
        return [value + sin_pi(order) * (2 / PI) * k]

    value = branch(x, reflected, second, lambda: [value])[0]
    value = where(x < 0.0, where(whole, value * parity, NAN), value)
    value = where(a.same(0.0), at_zero(v, whole), value)
    if scale:
        value = where(a.same(INF), 0.0, value)
    else:
        value = where(x.same(INF), INF, where(x.same(-INF), where(whole, parity * INF, NAN), value))
    return where(any_nan(v, x), NAN, where(v.call("abs").same(INF), NAN, value))


def iv(v: Number, x: Number) -> Number:
    """The modified Bessel function of the first kind of order v."""
    return _modified(v, x, 0.0)


def ive(v: Number, x: Number) -> Number:
    """iv(v, x) exp(-|x|)."""
    return _modified(v, x, 1.0)


def _second(v: Number, x: Number, scale: float) -> Number:
    inside = both(v, x > 0.0, x < INF, v.call("abs") < INF)
    value = _scaled_k(where(inside, v.call("abs"), 1.0), where(inside, x, 1.0), scale)
    value = where(x.same(0.0), INF, where(x.same(INF), 0.0, value))
    nan = where(any_nan(v, x), NAN, where(v.call("abs").same(INF), NAN, value))
    return where(x < 0.0, NAN, nan)


def kv(v: Number, x: Number) -> Number:
    """The modified Bessel function of the second kind of order v."""
    return _second(v, x, 0.0)


def kve(v: Number, x: Number) -> Number:
    """kv(v, x) exp(x)."""
    return _second(v, x, 1.0)
