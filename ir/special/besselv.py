"""Bessel functions of real order: J, I and K.

J: its power series for small arguments, up to 2 where the order is negative; else a pair of orders mu and mu + 1,
0 <= mu < 1, by Miller's algorithm with Neumann's sum (DLMF 10.23.15) up to 25 and Hankel's expansion (DLMF 10.17)
beyond, from which the recurrence leads to other orders, upwards where that is stable, else downwards from an order
whose value does not matter.

I: its power series; Hankel's expansion for large arguments (DLMF 10.40); Debye's for large orders (DLMF 10.41).

K: N. Temme, *On the numerical evaluation of the modified Bessel function of the third kind*, Journal of Computational
Physics 19 (1975), up to 2, Steed's continued fraction of the same paper beyond, upward recurrence; both expansions.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from arignote.ir.special.bessel_tables import RECIPROCAL_GAMMA
from arignote.ir.special.gamma import BERNOULLI, gamma, sin_pi
from arignote.ir.special.number import Number, both, branch, poly, repeat, where

INF, NAN, PI = math.inf, math.nan, math.pi
EPS = 2.0**-53
DEBYE = 30.0  # orders from here on: Debye's expansion
HANKEL = 25.0  # arguments from here on, unless the order is large: Hankel's expansion
MAX_ORDER = 1e5  # of J where the recurrence is needed: it takes as many steps


def _hankel_sums(v: Number, x: Number, sign: float) -> tuple[Number, Number]:
    """The sums of the even and of the odd terms a[k](v) / x**k; those of the next pair have the other sign if `sign`
    is -1."""
    m, one = v * v * 4.0, x * 0.0 + 1.0

    def going(k: Number, t: Number, p: Number, q: Number, s: Number) -> Any:
        return both(k, k < 60.0, t.call("abs") > EPS / 8)

    def step(k: Number, t: Number, p: Number, q: Number, s: Number) -> list[Number]:
        odd = t * (m - (k * 2.0 - 1.0) * (k * 2.0 - 1.0)) / (k * x * 8.0)
        even = odd * (m - (k * 2.0 + 1.0) * (k * 2.0 + 1.0)) / ((k + 1.0) * x * 8.0)
        return [k + 2.0, even, p + s * sign * even, q + s * odd, s * sign]

    _, _, p, q, _ = repeat([one, one, one, one * 0.0, one], going, step)
    return p, q


def _far_j(v: Number, x: Number) -> Number:
    """J by Hankel's expansion."""
    p, q = _hankel_sums(v, x, -1.0)
    turn = v * 0.5 + 0.25
    c, s = sin_pi(0.5 - turn), sin_pi(turn)
    cos, sin = x.call("cos"), x.call("sin")
    return (p * (cos * c + sin * s) - q * (sin * c - cos * s)) * (2.0 / (PI * x)).call("sqrt")


def _power(v: Number, x: Number) -> Number:
    """(x / 2)**v / gamma(v + 1)."""
    high = v > 100.0
    w = where(high, v, 100.0)
    z = 1.0 / w
    tail = z * 0.0
    for i in reversed(range(len(BERNOULLI))):
        tail = tail * (z * z) + BERNOULLI[i] / ((2 * i + 2) * (2 * i + 1))
    large = (w * ((x * 0.5 * z).call("log") + 1.0) - (w * (2 * PI)).call("log") * 0.5 - tail * z).call("exp")
    u = where(high, 1.0, v)
    return where(high, large, (x * 0.5).call("pow", u) / gamma(u + 1.0))


def _series(v: Number, x: Number, sign: float) -> Number:
    """J (`sign` -1) or I (1) by the power series; the terms of a negative order may grow until they pass it."""
    z, one = x * x * (0.25 * sign), x * 0.0 + 1.0
    _, _, total = repeat(
        [one, one, one],
        lambda k, c, s: where(k + v < 1.0, 1.0, where(k > 2000.0, 0.0, c.call("abs") / s.call("abs"))) > EPS / 4,
        lambda k, c, s: [k + 1.0, d := c * z / (k * (v + k)), s + d],
    )
    return _power(v, x) * total


def _miller(mu: Number, x: Number) -> tuple[Number, Number]:
    """J of orders mu and mu + 1, 2 < x <= 25."""
    top, zero = 40.0, x * 0.0  # order mu + 80 is below 1e-30
    inverse = 2.0 / x

    def step(k: Number, f: Number, above: Number, g: Number, s: Number) -> list[Number]:
        odd = (mu + k * 2.0) * inverse * f - above
        even = (mu + k * 2.0 - 1.0) * inverse * odd - f
        total = s + (mu + k * 2.0) * g * f
        return [k - 1.0, even, odd, g * k / (mu + k - 1.0), total]

    state = [zero + top, zero + 1e-100, zero, zero + 1.0, zero]
    # The last step of the factor g would divide by mu: it is taken apart.
    _, f, above, g, s = repeat(state, lambda k, f, above, g, s: k > 1.0, step)
    odd = (mu + 2.0) * inverse * f - above
    even = (mu + 1.0) * inverse * odd - f
    unit = gamma(mu + 1.0)
    total = (s / g + (mu + 2.0) * f + even) * unit
    scale = (x * 0.5).call("pow", mu) / total
    return even * scale, odd * scale


def _pair(mu: Number, x: Number) -> tuple[Number, ...]:
    """J of orders mu and mu + 1, 0 <= mu < 1."""
    low, high = where(x > 2.0, 1.0, x), where(x > HANKEL, x, 30.0)
    middle = where(x > 2.0, where(x > HANKEL, 9.0, x), 9.0)
    return branch(
        x, x <= 2.0, lambda: [_series(mu, low, -1.0), _series(mu + 1.0, low, -1.0)],
        lambda: branch(
            x, x <= HANKEL, lambda: _miller(mu, middle), lambda: [_far_j(mu, high), _far_j(mu + 1.0, high)]
        ),
    )  # fmt: skip


def _upwards(mu: Number, n: Number, x: Number, first: Number, second: Number) -> Number:
    """J of order mu + n <= x from the pair."""
    _, f, g = repeat(
        [x * 0.0 + 1.0, first, second],
        lambda k, f, g: k < n,
        lambda k, f, g: [k + 1.0, g, (mu + k) * 2.0 / x * g - f],
    )
    return where(n < 1.0, f, g)


def _backwards(mu: Number, n: Number, x: Number, first: Number, second: Number) -> Number:
    """J of order mu + n > x: a minimal solution, from an order far above."""
    zero = x * 0.0
    start = (n + 22.0 + (x.call("pow", 1.0 / 3.0) * 13.0)).call("floor")

    def step(k: Number, f: Number, above: Number, wanted: Number) -> list[Number]:
        below = (mu + k) * 2.0 / x * f - above
        return [k - 1.0, below, f, where(k.same(n), f, wanted)]

    _, f, above, wanted = repeat(
        [start, zero + 1e-290, zero, zero],
        lambda k, f, above, wanted: both(k, k > 0.0, f.call("abs") < 1e290),
        step,
    )
    out = wanted * where(f.call("abs") > above.call("abs"), first / f, second / above)
    return where(f.call("abs") < 1e290, out, 0.0)


def _down(mu: Number, n: Number, x: Number, first: Number, second: Number) -> Number:
    """J of order mu - n from the pair, for mu > 0."""
    k, f, _ = repeat(
        [x * 0.0, first, second],
        lambda k, f, g: both(k, k < n, f.call("abs") < 1e300),
        lambda k, f, g: [k + 1.0, (mu - k) * 2.0 / x * f - g, f],
    )
    rest = (n - k) * 0.5
    flips = where(rest.call("floor").same(rest), 1.0, f * 0.0 - 1.0)
    return where(k < n, f * INF * flips, f)  # it grows by itself, with the other sign at every step


def _positive_j(v: Number, x: Number) -> Number:
    """J of any order that is no negative whole number, 0 < x."""

    def recurrence() -> list[Number]:
        n = v.call("floor")
        mu = v - n
        first, second = _pair(mu, x)
        below, beyond = v < 0.0, v > x

        def back() -> list[Number]:
            return [_backwards(mu, where(beyond, n, 3.0), where(beyond, x, 2.0), first, second)]

        def up() -> list[Number]:
            return [_upwards(mu, where(beyond, 0.0, n), x, first, second)]

        def down() -> list[Number]:
            return [_down(mu, where(below, -n, 0.0), x, first, second)]

        return list(branch(x, below, down, lambda: branch(x, beyond, back, up)))

    ascending = where(v < 0.0, 2.0 - x, v + 1.0 - x * x * 0.25) >= 0.0
    far = both(v, x > HANKEL, v * v * 0.5 < x)
    within = v.call("abs") < MAX_ORDER
    s, w = where(ascending, x, 0.5), where(ascending, v, 1.0)

    def series() -> list[Number]:
        return [_series(w, s, -1.0)]

    def hankel() -> list[Number]:
        return [_far_j(where(far, v, 0.0), where(far, x, 30.0))]

    def other() -> list[Number]:
        return list(branch(x, far, hankel, lambda: branch(x, within, recurrence, lambda: [x * NAN])))

    return branch(x, ascending, series, other)[0]


def _whole(v: Number) -> tuple[Any, Number]:
    """(Whether v is a whole number, -1 where it is odd and 1 where even)."""
    half = v * 0.5
    return v.call("floor").same(v), where(half.call("floor").same(half), v * 0.0 + 1.0, -1.0)


def _gamma_sign(v: Number) -> Number:
    """The sign of gamma(v + 1), v < 0."""
    half = (v + 1.0).call("floor") * 0.5
    return where(v > -1.0, 1.0, where(half.call("floor").same(half), v * 0.0 + 1.0, -1.0))


def _at_zero(v: Number, whole: Any) -> Number:
    """J and I at 0."""
    pole = _gamma_sign(v) * INF
    return where(v.same(0.0), 1.0, where(v > 0.0, 0.0, where(whole, 0.0, pole)))


def _any(*xs: Number) -> Any:
    """Whether one is NaN."""
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    return total.k.isnan(total.value)


def jv(v: Number, x: Number) -> Number:
    """The Bessel function of the first kind of order v. Within 1e-6 of negative whole orders digits are lost beyond
    x = 2: the recurrence passes the small solution."""
    whole, parity = _whole(v)
    a = x.call("abs")
    inside = both(v, a > 0.0, a < INF, v.call("abs") < INF)
    b = where(inside, a, 1.0)
    mirrored = both(v, whole, v < 0.0)
    order = where(inside, where(mirrored, -v, v), 1.0)
    value = _positive_j(order, b)
    value = where(mirrored, value * parity, value)
    value = where(x < 0.0, where(whole, value * parity, NAN), value)
    value = where(a.same(INF), 0.0, where(a.same(0.0), _at_zero(v, whole), value))
    return where(_any(v, x), NAN, where(v.call("abs").same(INF), NAN, value))


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
        p, q = _hankel_sums(w, y, 1.0)
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
        return [e * _series(w, y, 1.0) * e]

    return branch(x, far, hankel, lambda: branch(x, high, debye, series))[0]


def _scaled_k(v: Number, x: Number, scale: float) -> Number:
    """K exp(scale x), 0 < x, 0 <= v; scale is 1 or 0."""
    far, high = _regions(v, x)
    rest = x * (scale - 1.0)

    def hankel() -> list[Number]:
        y, w = where(far, x, 30.0), where(far, v, 0.0)
        p, q = _hankel_sums(w, y, 1.0)
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
    whole, parity = _whole(v)
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
    value = where(a.same(0.0), _at_zero(v, whole), value)
    if scale:
        value = where(a.same(INF), 0.0, value)
    else:
        value = where(x.same(INF), INF, where(x.same(-INF), where(whole, parity * INF, NAN), value))
    return where(_any(v, x), NAN, where(v.call("abs").same(INF), NAN, value))


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
    nan = where(_any(v, x), NAN, where(v.call("abs").same(INF), NAN, value))
    return where(x < 0.0, NAN, nan)


def kv(v: Number, x: Number) -> Number:
    """The modified Bessel function of the second kind of order v."""
    return _second(v, x, 0.0)


def kve(v: Number, x: Number) -> Number:
    """kv(v, x) exp(x)."""
    return _second(v, x, 1.0)
