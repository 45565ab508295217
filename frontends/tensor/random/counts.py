"""Draws of counts: binomial, Poisson, geometric. Nothing flows back through them: the results are steps of the
parameters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.graph import const, wrap
from arignote.frontends.tensor.random.draw import Draw, Words, cast, double
from arignote.frontends.tensor.random.params import (
    check,
    draw_sizes,
    fitted,
    integer_dtype,
    integers,
    known,
    not_negative,
    probability,
)

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

    Drawn = tuple[TensorVariable, TensorVariable]

#: Means below this are inverted by search, others drawn by rejection.
SEARCHED = 10.0
#: Steps of a search: far beyond any quantile of a mean of `SEARCHED`.
STEPS = 256
#: A search ends where a probability is less than this: what is left is beyond the uniform number's last bit.
NOTHING = 2.0**-64


def binomial(
    random_state: TensorVariable, size: Any = None, n: Any = 1, p: Any = 0.5, ndim: Any = None, dtype: Any = "int64",
    prob: Any = None,
) -> Drawn:  # fmt: skip
    """How many of `n` trials succeed, each with probability `p` (`prob` is an old name for it).

    One trial is one comparison of a random word with p * 2**32: what masks for dropout are made of.
    """
    name = integer_dtype("binomial", dtype)
    chance = probability("p", p if prob is None else prob)
    trials = not_negative("n", integers("n", n))
    draw = Draw(random_state, draw_sizes(size, ndim, trials, chance))
    chance, trials = fitted(chance, draw.sizes), fitted(trials, draw.sizes)
    one = known(trials)
    if one is not None and np.all(one == 1):
        return draw.advanced(), cast(_success(draw, chance), name)
    count = _binomial(draw, cast(trials, "f64"), cast(chance, "f64"))
    return draw.advanced(), cast(cast(count, "i64"), name)


def _success(draw: Draw, p: TensorVariable) -> TensorVariable:
    """Whether a trial succeeds, to 32 bits of its probability."""
    limit = ew.floor(cast(p, "f64") * double(2.0**32) + double(0.5))
    last = double(2.0**32 - 1)
    word = draw.word()
    below = ew.lt(word, cast(ew.minimum(ew.maximum(limit, double(0)), last), "u32"))
    values = known(p)
    if values is not None and np.all(values < 1 - 2.0**-32):
        return below
    return ew.or_(below, limit > last)


def _binomial(draw: Draw, n: TensorVariable, p: TensorVariable) -> TensorVariable:
    """By its mean below `SEARCHED` by search, above by rejection; of the rarer of success and failure."""
    flip = p > double(0.5)
    rare = ew.switch(flip, double(1) - p, p)
    mean = n * rare
    values = known(n), known(p)
    means = None if values[0] is None or values[1] is None else values[0] * np.minimum(values[1], 1 - values[1])
    out = None
    if means is None or np.any(means < SEARCHED):
        # What is too large for it comes out of the other one.
        out = _binomial_by_search(draw, n, ew.minimum(rare, double(SEARCHED) / ew.maximum(n, double(1))))
    if means is None or np.any(means >= SEARCHED):
        many = ew.maximum(n, double(2 * SEARCHED))
        large = _binomial_by_rejection(draw, many, ew.maximum(rare, double(SEARCHED) / many))
        out = large if out is None else ew.switch(mean < double(SEARCHED), out, large)
    assert out is not None
    return ew.switch(flip, n - out, out)


def _binomial_by_search(draw: Draw, n: TensorVariable, p: TensorVariable) -> TensorVariable:
    """The inverse of the distribution function, by adding up probabilities: each is the one before times
    (n + 1 - k) / k * p / q."""
    odds = p / (double(1) - p)
    top = (n + double(1)) * odds

    def step(step: Any, position: Any, k: Any, u: Any, chance: Any, top: Any, odds: Any, n: Any) -> Any:
        found = ew.or_(u < chance, chance < double(NOTHING))
        following = k + double(1)
        return (
            found,
            ew.switch(found, ew.minimum(k, n), following),
            u - chance,
            chance * (top / following - odds),
        )

    first = ew.exp(n * ew.log1p(-p))
    return draw.iterate(step, [double(0), draw.unit("f64"), first], [top, odds, n], STEPS)


def poisson(
    random_state: TensorVariable, size: Any = None, lam: Any = 1.0, ndim: Any = None, dtype: Any = "int64"
) -> Drawn:
    """How many events happen where `lam` are expected."""
    name = integer_dtype("poisson", dtype)
    draw = Draw(random_state, draw_sizes(size, ndim, lam))
    mean = cast(fitted(not_negative("lam", lam), draw.sizes), "f64")
    values = known(lam)
    out = None
    if values is None or np.any(values < SEARCHED):
        out = _poisson_by_search(draw, ew.minimum(mean, double(SEARCHED)))
    if values is None or np.any(values >= SEARCHED):
        large = _poisson_by_rejection(draw, ew.maximum(mean, double(SEARCHED)))
        out = large if out is None else ew.switch(mean < double(SEARCHED), out, large)
    assert out is not None
    return draw.advanced(), cast(cast(out, "i64"), name)


def _poisson_by_search(draw: Draw, mean: TensorVariable) -> TensorVariable:
    """The inverse of the distribution function, by adding up probabilities."""

    def step(step: Any, position: Any, k: Any, u: Any, chance: Any, mean: Any) -> Any:
        # Before the mean probabilities are above exp(-SEARCHED); behind, this one has left everything.
        found = ew.or_(u < chance, chance < double(NOTHING))
        following = k + double(1)
        return found, ew.switch(found, k, following), u - chance, chance * mean / following

    return draw.iterate(step, [double(0), draw.unit("f64"), ew.exp(-mean)], [mean], STEPS)


# ---------------------------------------------------------------- transformed rejection
def _log_poisson(k: TensorVariable, mean: TensorVariable) -> TensorVariable:
    """log(mean**k exp(-mean) / k!), accurate for large k and mean, where its terms nearly cancel.

    k! is k! (k+1) ... (k+8) by Stirling's series, which is exact to 1e-12 there, over these factors.
    """
    z = k + double(9)
    factors = double(1)
    for i in range(1, 9):
        factors = factors * ((k + double(i)) / z)
    r = double(1) / z
    r2 = r * r
    series = r * (double(1 / 12) - r2 * (double(1 / 360) - r2 * (double(1 / 1260) - r2 * double(1 / 1680))))
    exponent = k * ew.log1p((mean - z) / z) + (z - mean) - double(0.5 * math.log(2 * math.pi)) - series
    return exponent + ew.log(factors / ew.sqrt(z))


def _poisson_by_rejection(draw: Draw, mean: TensorVariable) -> TensorVariable:
    """For means of 10 and more. W. Hörmann, "The transformed rejection method for generating Poisson random
    variables", 1993 (PTRS): acceptance is above 0.7."""
    b = ew.sqrt(mean) * double(2.53) + double(0.931)
    a = b * double(0.02483) - double(0.059)
    scale = double(1.1328) / (b - double(3.4)) + double(1.1239)
    sure = double(0.9277) - double(3.6224) / (b - double(2))

    def attempt(words: Words, mean: Any, a: Any, b: Any, scale: Any, sure: Any) -> tuple[Any, Any]:
        k, v, us = _transformed(words, a, b, mean + double(0.43))
        quick = ew.and_(us >= double(0.07), v <= sure)
        at = ew.maximum(k, double(0))
        exact = ew.log(v * scale / (a / (us * us) + b)) <= _log_poisson(at, mean)
        return _decided(k, v, us, quick, exact), at

    return draw.accepted(attempt, [mean, a, b, scale, sure], ew.floor(mean))


def _binomial_by_rejection(draw: Draw, n: TensorVariable, p: TensorVariable) -> TensorVariable:
    """For p of 1/2 at most and means of 10 and more. W. Hörmann, "The generation of binomial random variates", 1993
    (BTRS): acceptance is above 0.7."""
    q = double(1) - p
    spread = ew.sqrt(n * p * q)
    b = spread * double(2.53) + double(1.15)
    a = b * double(0.0248) + p * double(0.01) - double(0.0873)
    centre = n * p + double(0.5)
    sure = double(0.92) - double(4.2) / b
    scale = (double(5.1) / b + double(2.83)) * spread
    mode = ew.floor((n + double(1)) * p)

    def log_chance(k: Any, n: Any, p: Any) -> Any:  # but for a term that depends on n only
        return _log_poisson(k, n * p) + _log_poisson(n - k, n * (double(1) - p))

    def attempt(
        words: Words, n: Any, p: Any, a: Any, b: Any, centre: Any, scale: Any, sure: Any, best: Any
    ) -> tuple[Any, Any]:
        k, v, us = _transformed(words, a, b, centre)
        at = ew.minimum(ew.maximum(k, double(0)), n)
        quick = ew.and_(us >= double(0.07), v <= sure)
        exact = ew.log(v * scale / (a / (us * us) + b)) <= log_chance(at, n, p) - best
        return ew.and_(_decided(k, v, us, quick, exact), k <= n), at

    given = [n, p, a, b, centre, scale, sure, log_chance(mode, n, p)]
    return draw.accepted(attempt, given, mode)


def _transformed(words: Words, a: Any, b: Any, centre: Any) -> tuple[Any, Any, Any]:
    """(k, v, us): the candidate, the uniform number that decides about it, and how far in the table it is."""
    u, v = words.units()
    u = u - double(0.5)
    us = double(0.5) - ew.abs_(u)
    k = ew.floor((a * double(2) / us + b) * u + centre)
    return k, double(1) - v, us


def _decided(k: Any, v: Any, us: Any, quick: Any, exact: Any) -> TensorVariable:
    """Whether a candidate is accepted: at once where the hat lies well inside, else by the exact comparison."""
    possible = ew.and_(k >= double(0), ew.or_(us >= double(0.013), v <= us))
    return ew.and_(possible, ew.or_(quick, exact))


# ---------------------------------------------------------------- geometric
def geometric(
    random_state: TensorVariable, size: Any = None, p: Any = 0.5, ndim: Any = None, dtype: Any = "int64"
) -> Drawn:
    """The number of trials up to the first success, 1 or more."""
    name = integer_dtype("geometric", dtype)
    chance = check("p", p, "above 0 and at most 1", lambda v: (v > 0) & (v <= 1))
    draw = Draw(random_state, draw_sizes(size, ndim, chance))
    success = cast(fitted(chance, draw.sizes), "f64")
    failures = ew.floor(ew.log(draw.positive("f64")) / ew.log1p(-success))
    return draw.advanced(), cast(cast(failures, "i64") + wrap(const(1, "i64")), name)
