"""The incomplete gamma functions, and their derivatives with respect to the order.

P(a, x) and Q(a, x) = 1 - P by four methods, each where it is fast and accurate:

- a > 20 and x near a: Temme's uniform expansion, with the recurrence of A. Gil, J. Segura and N. Temme, *Efficient and
  accurate algorithms for the computation and inversion of the incomplete gamma function ratios*, SIAM Journal on
  Scientific Computing 34 (2012), section 2.4;
- larger x: the continued fraction of Q (DLMF 8.9.2), by Lentz's algorithm;
- small x and a: Q as a series whose first term is exact (DLMF 8.7.3);
- elsewhere: the series of P (DLMF 8.7.1).
"""

from __future__ import annotations

import math
from typing import Any

from arignote.ir.special.gamma import BERNOULLI, lowered_to_2, polygamma
from arignote.ir.special.jet import Jet, choose
from arignote.ir.special.number import Number, between, both, branch, repeat, where
from arignote.ir.special.tables import ETA, LGAMMA, TEMME

INF, NAN = math.inf, math.nan
EPS = 2.0**-53
NEAR = 0.4  # |x / a - 1| of Temme's expansion
STEPS = 5000.0  # of a loop, at most: none takes so many


def _psi(x: Jet, n: int = 0) -> Jet:
    return x.composed(polygamma(x.terms[0], n=n), lambda y: _psi(y, n + 1))


def _gammaln1p(x: Jet) -> Jet:
    """log(gamma(1 + x)), 0 <= x <= 8, accurate near 0."""
    a = x.terms[0]
    small = where(a < 0.5, a, 0.5)
    near = (small + 1.0) * small * between(small + 2.0, 1.5, 2.5, LGAMMA) - small.call("log1p")
    z, factor = lowered_to_2(where(a < 0.5, 2.0, a + 1.0), 7)
    far = (z - 1.0) * (z - 2.0) * between(z, 1.5, 2.5, LGAMMA) + factor.call("log")
    return x.composed(where(a < 0.5, near, far), lambda y: _psi(y + 1.0))


def _stirling(x: Jet) -> Jet:
    """log(gamma(x)) - ((x - 1/2) log(x) - x + log(2 pi) / 2), x >= 8."""
    z = 1.0 / x
    square = z * z
    total = square * 0.0
    for i in reversed(range(len(BERNOULLI))):
        total = total * square + BERNOULLI[i] / ((2 * i + 2) * (2 * i + 1))
    return total * z


def _horner(t: Jet, coefficients: tuple[float, ...]) -> Jet:
    total = t * 0.0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * t + c
    return total


def _eta(mu: Jet) -> Jet:
    """The root of 2 (mu - log(1 + mu)) with the sign of mu; |mu| <= NEAR."""
    return mu * _horner(mu * (1 / NEAR), ETA)


def _ratio(a: Jet, x: Number) -> tuple[Jet, Any]:
    """(x / a - 1, or 0 beyond NEAR; whether it is within)."""
    mu = (-a + x) / a
    near = mu.terms[0].call("abs") < NEAR
    return choose(near, mu, 0.0), near


def _power(a: Jet, x: Number) -> Jet:
    """x**a exp(-x) / gamma(1 + a)."""

    def plain() -> tuple[Number, ...]:
        small = choose(low, a, 1.0)
        return (small * x.call("log") - _gammaln1p(small) - x).exp().terms

    def scaled() -> tuple[Number, ...]:
        large = choose(low, a.lift(8.0), a)
        mu, near = _ratio(large, x)
        eta = _eta(mu)
        ratio = large.lift(x) / large
        away = ratio - 1.0 - choose(ratio.terms[0] > 0.0, ratio, 1.0).log()
        away = choose(ratio.terms[0] > 0.0, away, INF)  # it may underflow
        exponent = choose(near, eta * eta * 0.5, away) * large + _stirling(large)
        return ((-exponent) - (large * (2 * math.pi)).log() * 0.5).exp().terms

    low = a.terms[0] < 8.0
    return Jet(branch(x, low, plain, scaled))


def _temme(a: Jet, x: Number, upper: bool) -> Jet:
    """P, or Q if `upper`, for a > 20 and x near a."""
    mu, _ = _ratio(a, x)
    eta, inverse = _eta(mu), 1.0 / a
    after, b = a.lift(TEMME[-1]), a.lift(TEMME[-2])
    total = after * eta + b
    for m in reversed(range(2, len(TEMME) - 1)):
        after, b = b, after * inverse * float(m + 1) + TEMME[m]
        total = total * eta + b
    # b and `after` are now the coefficients of order 1 and 2
    star = b * inverse + 1.0
    first = after * inverse * 2.0 + TEMME[1]
    total = total * eta + first
    half = a * (eta * eta) * 0.5
    rest = (-half).exp() * total / star / _root(a * (2 * math.pi))
    z = eta * _root(a * 0.5)
    return z.erfc() * 0.5 + rest if upper else (-z).erfc() * 0.5 - rest


def _root(x: Jet) -> Jet:
    return x.composed(x.terms[0].call("sqrt"), lambda y: 0.5 / _root(y))


def _loop(active: Any, state: list[Jet], going: Any, step: Any) -> list[Jet]:
    """`repeat` of jets where `active`; the count of steps is handed over as a number from 1."""
    order = len(state[0].terms)
    one = state[0].terms[0]

    def jets(xs: tuple[Number, ...]) -> list[Jet]:
        return [Jet(xs[i : i + order]) for i in range(0, len(xs), order)]

    def more(n: Number, on: Number, *xs: Number) -> Any:
        return both(n, on > 0.0, n < STEPS, going(*jets(xs)))

    def next_(n: Number, on: Number, *xs: Number) -> list[Number]:
        return [n + 1.0, on, *(t for jet in step(n, *jets(xs)) for t in jet.terms)]

    flag = where(active, one * 0.0 + 1.0, 0.0)
    _, _, *out = repeat([one * 0.0 + 1.0, flag, *(t for jet in state for t in jet.terms)], more, next_)
    return jets(tuple(out))


def _tail(order: int) -> float:
    """The size of a last term: smaller with derivatives, which converge later."""
    return EPS if order == 1 else EPS * 1e-5


def _series(active: Any, a: Jet, x: Number, power: Jet) -> Jet:
    """P as x**a exp(-x) / gamma(1 + a) times the sum of x**n / ((a + 1) ... (a + n))."""
    one = a.lift(1.0)
    tail = _tail(len(a.terms))
    _, total = _loop(
        active, [one, one],
        lambda c, s: c.terms[0] > s.terms[0] * tail,
        lambda n, c, s: [d := c * x / (a + n), s + d],
    )  # fmt: skip
    return power * total


def _small(active: Any, a: Jet, x: Number) -> Jet:
    """Q for small x and a."""
    tail = _tail(len(a.terms))
    _, total = _loop(
        active, [a.lift(1.0), a.lift(0.0)],
        lambda c, s: c.terms[0].call("abs") > tail,
        lambda n, c, s: [d := c * (-x / n), s + d / (a + n)],
    )  # fmt: skip
    y = a * x.call("log") - _gammaln1p(a)
    return -y.expm1() - y.exp() * a * total


def _fraction(active: Any, a: Jet, x: Number, power: Jet) -> Jet:
    """Q by its continued fraction."""
    b = -a + (x + 1.0)
    d = 1.0 / b
    start = [a.lift(1e300), d, d, a.lift(2.0)]

    def going(c: Jet, d: Jet, h: Jet, change: Jet) -> Any:
        off = (change.terms[0] - 1.0).call("abs")
        for t in change.terms[1:]:
            off = off + t.call("abs")
        return off > 2 * EPS

    def step(n: Number, c: Jet, d: Jet, h: Jet, change: Jet) -> list[Jet]:
        factor = (a - n) * n
        below = b + n * 2.0
        d = 1.0 / (factor * d + below)
        c = below + factor / c
        return [c, d, h * (c * d), c * d]

    _, _, h, _ = _loop(active, start, going, step)
    return power * a * h


def _ratio_of_gammas(order: Number, argument: Number, derivative: int, upper: bool) -> Jet:
    """P, or Q if `upper`, with derivatives up to that one as terms; NaN and the ends of the ranges are left to
    others."""
    inside = both(order, order > 0.0, argument > 0.0, argument < INF, order < INF)
    x = where(inside, argument, 1.0)
    a = Jet.variable(where(inside, order, 1.0), derivative)
    v = a.terms[0]

    near = both(v, v > 20.0, ((x - v) / v).call("abs") < NEAR)
    near_ = where(near, v * 0.0 + 1.0, 0.0)
    above = both(v, near_ < 0.5, x > 1.1, x >= v)
    log = where(x < 0.5, x, 0.25).call("log")
    low = where(x <= 0.5, v * log * -2.5, v / x * (1 / 1.1)) <= 1.0  # the latter is a <= 1.1 x
    below = both(v, x <= 1.1, low)

    def wanted(found: Jet, is_upper: bool) -> tuple[Number, ...]:
        return found.terms if is_upper == upper else (-found + 1.0).terms

    def fraction(power: Jet) -> tuple[Number, ...]:
        return wanted(_fraction(above, choose(above, a, 1.0), where(above, x, 2.0), power), True)

    def small() -> tuple[Number, ...]:
        return wanted(_small(below, choose(below, a, 0.5), where(below, x, 0.5)), True)

    def series(power: Jet) -> tuple[Number, ...]:
        rest = where(above, 1.0, where(below, 1.0, near_)) < 0.5
        return wanted(_series(rest, a, x, power), False)

    def away() -> tuple[Number, ...]:
        power = _power(a, x)
        return branch(x, above, lambda: fraction(power), lambda: branch(x, below, small, lambda: series(power)))

    def expansion() -> tuple[Number, ...]:
        return _temme(choose(near, a, 30.0), where(near, x, 30.0), upper).terms

    return Jet(branch(x, near, expansion, away))


def _ends(a: Number, x: Number, value: Number, at_zero: float, at_infinity: float) -> Number:
    """`value` with the limits: x = 0, a = 0 and the infinities, NaN where there is none."""
    flat = 1.0 - at_zero
    value = where(a.same(INF), at_zero, where(a.same(0.0), flat, value))
    value = where(x.same(INF), at_infinity, value)
    value = where(x.same(0.0), at_zero, value)
    nan = a + x  # NaN where one is
    value = where(nan.k.isnan(nan.value), NAN, value)
    value = where(both(a, a.same(0.0), x.same(0.0)), NAN, where(both(a, a.same(INF), x.same(INF)), NAN, value))
    return where(a < 0.0, NAN, where(x < 0.0, NAN, value))


def gammainc(a: Number, x: Number) -> Number:
    """P(a, x), the regularised lower incomplete gamma function."""
    return _ends(a, x, _ratio_of_gammas(a, x, 0, False).terms[0], 0.0, 1.0)


def gammaincc(a: Number, x: Number) -> Number:
    """Q(a, x) = 1 - P(a, x)."""
    return _ends(a, x, _ratio_of_gammas(a, x, 0, True).terms[0], 1.0, 0.0)


def gammainc_order(a: Number, x: Number, *, n: int) -> Number:
    """The derivative of order `n` of P(a, x) with respect to a."""
    value = _ratio_of_gammas(a, x, n, False).terms[n] * float(math.factorial(n))
    outside = where(a > 0.0, where(x < 0.0, NAN, value), NAN)
    flat = where(both(a, a > 0.0, x.same(0.0)), 0.0, where(both(a, a > 0.0, x.same(INF)), 0.0, outside))
    nan = a + x
    return where(nan.k.isnan(nan.value), NAN, flat)


def gamma_density(a: Number, x: Number) -> Number:
    """x**(a - 1) exp(-x) / gamma(a), the slope of P."""
    inside = both(a, a > 0.0, x > 0.0, x < INF)
    safe = where(inside, x, 1.0)
    value = _power(Jet([where(inside, a, 1.0)]), safe).terms[0] * a / safe
    value = where(x.same(INF), 0.0, value)
    edge = where(a < 1.0, a * 0.0 + INF, where(a > 1.0, a * 0.0, 1.0))
    value = where(x.same(0.0), edge, value)
    nan = a + x
    return where(a > 0.0, where(x < 0.0, NAN, where(nan.k.isnan(nan.value), NAN, value)), NAN)
