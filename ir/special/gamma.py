"""The gamma function, its logarithm and the derivatives of that.

Digital Library of Mathematical Functions (NIST), chapter 5. Between 1.5 and 2.5 a polynomial, to which recurrence leads
from below and from above; Stirling's series for large arguments; reflection for negative ones.
"""

from __future__ import annotations

import math

from arignote.ir.special.number import Number, between, where
from arignote.ir.special.tables import GAMMA, LGAMMA

INF, NAN, PI = math.inf, math.nan, math.pi
#: B(2), B(4), ...: Bernoulli's numbers.
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)


def _series(z: Number, coefficients: list[float]) -> Number:
    """The sum of c[i] z**(2 i + 1)."""
    square = z * z
    total: Number = square * 0.0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = total * square + c
    return total * z


def _stirling(x: Number) -> Number:
    """log(gamma(x)) - ((x - 1/2) log(x) - x + log(2 pi) / 2), x >= 8."""
    return _series(1.0 / x, [b / ((2 * i + 2) * (2 * i + 1)) for i, b in enumerate(BERNOULLI)])


def sin_pi(x: Number) -> Number:
    """sin(pi x); 0 at whole numbers."""
    turns = (x * 0.5 + 0.5).call("floor") * 2.0
    r = x - turns  # from -1 to 1, exact
    near = where(r > 0.5, 1.0 - r, where(r < -0.5, -1.0 - r, r))
    return (near * PI).call("sin")


def _cot_pi(x: Number) -> Number:
    """cos(pi x) / sin(pi x)."""
    r = x - (x + 0.5).call("floor")
    return (r * PI).call("cos") / (r * PI).call("sin")


def _raised(x: Number) -> tuple[Number, Number]:
    """(y, p) with gamma(x) = gamma(y) / p and 1.5 <= y for 0 <= x."""
    lowest, low = x < 0.5, x < 1.5
    y = where(lowest, x + 2.0, where(low, x + 1.0, x))
    return y, where(lowest, x * (x + 1.0), where(low, x, 1.0))


def lowered_to_2(y: Number, steps: int) -> tuple[Number, Number]:
    """(z, p) with gamma(y) = gamma(z) p and z <= 2.5 for y up to 2.5 + `steps`."""
    p = y * 0.0 + 1.0
    for _ in range(steps):
        above = y > 2.5
        p, y = where(above, p * (y - 1.0), p), where(above, y - 1.0, y)
    return y, p


def gammaln(x: Number) -> Number:
    """log(|gamma(x)|)."""
    a = where(x < 0.0, 1.0 - x, x)
    y, divisor = _raised(a)
    z, factor = lowered_to_2(where(y > 8.0, 8.0, y), 6)
    kernel = (z - 1.0) * (z - 2.0) * between(z, 1.5, 2.5, LGAMMA)
    small = kernel + factor.call("log") - divisor.call("log")
    big = where(a > 8.0, a, 8.0)
    large = (big - 0.5) * (big.call("log") - 1.0) + _stirling(big) + (math.log(2 * PI) / 2 - 0.5)
    value = where(a < 8.0, small, large)
    reflected = (PI / sin_pi(x).call("abs")).call("log") - value
    value = where(x < 0.0, reflected, value)
    return _nan_of(x, where(x.same(-INF), -INF, value))


def _nan_of(x: Number, value: Number) -> Number:
    """`value`; NaN where `x` is."""
    return where(x.k.isnan(x.value), x, value)


def gamma(x: Number) -> Number:
    """Gamma(x); NaN at negative whole numbers, an infinity with the sign of a zero."""
    a = where(x < 0.0, -x, x)
    y, divisor = _raised(a)
    z, factor = lowered_to_2(where(y > 12.5, 12.5, y), 10)
    small = between(z, 1.5, 2.5, GAMMA) * factor / divisor
    big = where(a < 12.0, 12.0, where(a > 180.0, 180.0, a))
    half = big.call("pow", big * 0.5 - 0.25)  # half of the power, which overflows later
    large = half * (-big).call("exp") * (_stirling(big).call("exp") * math.sqrt(2 * PI)) * half
    value = where(a < 12.0, small, large)
    whole = x.call("floor").same(x)
    reflected = where(whole, NAN, -PI / (x * sin_pi(x) * value))
    signed = where(x.same(0.0), 1.0 / x, where(x < 0.0, reflected, value))
    return _nan_of(x, signed)


def _cot_derivative(n: int, x: Number) -> Number:
    """The derivative of order `n` of pi cot(pi x), a polynomial in the cotangent c, as c' = -pi (1 + c**2)."""
    terms = [0.0, 1.0]
    for _ in range(n):
        slopes = [i * t for i, t in enumerate(terms)][1:]
        terms = [-(a + b) for a, b in zip([*slopes, 0.0, 0.0], [0.0, 0.0, *slopes], strict=True)]
    c = _cot_pi(x)
    total = c * 0.0 + terms[-1]
    for t in reversed(terms[:-1]):
        total = total * c + t
    return total * PI ** (n + 1)


def polygamma(x: Number, *, n: int) -> Number:
    """The derivative of order n + 1 of log(gamma(x)): digamma for n = 0, trigamma for n = 1."""
    a = where(x < 0.0, 1.0 - x, x)
    steps, sign = 10 + n, (-1.0) ** (n + 1)
    y, total = a, a * 0.0
    for _ in range(steps):  # upwards to where the series holds
        low, inverse = y < float(steps), 1.0 / y
        power = inverse
        for _ in range(n):
            power = power * inverse
        total, y = total + where(low, power, 0.0), where(low, y + 1.0, y)
    z = 1.0 / y
    square, scale = z * z, math.factorial(n)
    tail = square * 0.0
    for i in reversed(range(len(BERNOULLI))):
        m = 2 * i + 2
        tail = (tail + BERNOULLI[i] * math.factorial(m + n - 1) / math.factorial(m)) * square
    if n == 0:
        value = y.call("log") - z * 0.5 - tail - total
    else:
        power = z
        for _ in range(n - 1):
            power = power * z
        rest = (tail + z * (scale / 2) + float(math.factorial(n - 1))) * power
        value = (total * float(scale) + rest) * sign
        value = where(x.same(INF), 0.0 * sign, value)
    value = where(x.same(INF) if n == 0 else x.same(NAN), INF, value)
    reflected = value * (-1.0) ** n - _cot_derivative(n, x)
    negative = x < 0.0
    whole = x.call("floor").same(x)
    value = where(negative, where(whole, NAN if n % 2 == 0 else INF, reflected), value)
    if n % 2 == 0:  # one-sided poles at the two zeros
        value = where(x.same(0.0), -1.0 / x, value)
    return _nan_of(x, value)
