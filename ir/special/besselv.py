"""Bessel functions of real order: J; `modified` has I and K.

J: its power series for small arguments, up to 2 where the order is negative; else a pair of orders mu and mu + 1,
0 <= mu < 1, by Miller's algorithm with Neumann's sum (DLMF 10.23.15) up to 25 and Hankel's expansion (DLMF 10.17)
beyond, from which the recurrence leads to other orders, upwards where that is stable, else downwards from an order
whose value does not matter.
"""

from __future__ import annotations

import math
from typing import Any

from arignote.ir.special.gamma import BERNOULLI, gamma, sin_pi
from arignote.ir.special.number import Number, both, branch, repeat, where

INF, NAN, PI = math.inf, math.nan, math.pi
EPS = 2.0**-53
HANKEL = 25.0  # arguments from here on, unless the order is large: Hankel's expansion
MAX_ORDER = 1e5  # of J where the recurrence is needed: it takes as many steps


def hankel_sums(v: Number, x: Number, sign: float) -> tuple[Number, Number]:
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
    p, q = hankel_sums(v, x, -1.0)
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


def series_of(v: Number, x: Number, sign: float) -> Number:
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
        x, x <= 2.0, lambda: [series_of(mu, low, -1.0), series_of(mu + 1.0, low, -1.0)],
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
        return [series_of(w, s, -1.0)]

    def hankel() -> list[Number]:
        return [_far_j(where(far, v, 0.0), where(far, x, 30.0))]

    def other() -> list[Number]:
        return list(branch(x, far, hankel, lambda: branch(x, within, recurrence, lambda: [x * NAN])))

    return branch(x, ascending, series, other)[0]


def whole_order(v: Number) -> tuple[Any, Number]:
    """(Whether v is a whole number, -1 where it is odd and 1 where even)."""
    half = v * 0.5
    return v.call("floor").same(v), where(half.call("floor").same(half), v * 0.0 + 1.0, -1.0)


def _gamma_sign(v: Number) -> Number:
    """The sign of gamma(v + 1), v < 0."""
    half = (v + 1.0).call("floor") * 0.5
    return where(v > -1.0, 1.0, where(half.call("floor").same(half), v * 0.0 + 1.0, -1.0))


def at_zero(v: Number, whole: Any) -> Number:
    """J and I at 0."""
    pole = _gamma_sign(v) * INF
    return where(v.same(0.0), 1.0, where(v > 0.0, 0.0, where(whole, 0.0, pole)))


def any_nan(*xs: Number) -> Any:
    """Whether one is NaN."""
    total = xs[0]
    for x in xs[1:]:
        total = total + x
    return total.k.isnan(total.value)


def jv(v: Number, x: Number) -> Number:
    """The Bessel function of the first kind of order v. Within 1e-6 of negative whole orders digits are lost beyond
    x = 2: the recurrence passes the small solution."""
    whole, parity = whole_order(v)
    a = x.call("abs")
    inside = both(v, a > 0.0, a < INF, v.call("abs") < INF)
    b = where(inside, a, 1.0)
    mirrored = both(v, whole, v < 0.0)
    order = where(inside, where(mirrored, -v, v), 1.0)
    value = _positive_j(order, b)
    value = where(mirrored, value * parity, value)
    value = where(x < 0.0, where(whole, value * parity, NAN), value)
    value = where(a.same(INF), 0.0, where(a.same(0.0), at_zero(v, whole), value))
    return where(any_nan(v, x), NAN, where(v.call("abs").same(INF), NAN, value))
