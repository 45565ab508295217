"""Draws have the distributions that they are called by. Everything is seeded: a failure is no accident of the day.

The bounds are those that a right generator breaks once in about a hundred thousand runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.random import MRG_RandomStreams, RandomStreams

SEED = 20240  # printed by every assertion below, through `seeded`
COUNT = 40_000
KOLMOGOROV = 2.4  # of sqrt(n) * the largest distance: 2 exp(-2 x^2) = 2e-5
SIGMAS = 4.5

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Case:
    """A draw and its distribution: a density (up to a factor) on a range, or probabilities of 0, 1, 2, ..."""

    draw: Callable[[RandomStreams], Any]
    density: Callable[[Array], Array] | None = None
    low: float = 0.0
    high: float = 1.0
    chances: Array | None = None


def log_factorial(k: Array) -> Array:
    return np.array([math.lgamma(i + 1) for i in k])


def poisson_chances(lam: float, top: int) -> Array:
    k = np.arange(top)
    return np.asarray(np.exp(k * math.log(lam) - lam - log_factorial(k)))


def binomial_chances(n: int, p: float) -> Array:
    k = np.arange(n + 1)
    ways = math.lgamma(n + 1) - log_factorial(k) - log_factorial(n - k)
    return np.asarray(np.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p)))


def geometric_chances(p: float, top: int) -> Array:
    k = np.arange(top)
    return np.asarray(np.where(k > 0, p * (1 - p) ** (k - 1.0), 0))


N = (COUNT,)
CASES: dict[str, Case] = {
    "uniform": Case(lambda s: s.uniform(N, -2, 3), np.ones_like, -2, 3),
    "uniform32": Case(lambda s: s.uniform(N, dtype="float32"), np.ones_like, 0, 1),
    "normal": Case(lambda s: s.normal(N, 1.5, 2.0), lambda x: np.exp(-(((x - 1.5) / 2) ** 2) / 2), -15, 18),
    "normal32": Case(lambda s: s.normal(N, dtype="float32"), lambda x: np.exp(-(x**2) / 2), -9, 9),
    "truncated": Case(lambda s: s.truncated_normal(N, 1.0, 0.5), lambda x: np.exp(-2 * (x - 1) ** 2), 0, 2),
    "exponential": Case(lambda s: s.exponential(N, 2.0), lambda x: np.exp(-x / 2), 0, 80),
    "laplace": Case(lambda s: s.laplace(N, -1.0, 0.5), lambda x: np.exp(-2 * abs(x + 1)), -21, 19),
    "gamma": Case(lambda s: s.gamma(N, 2.5, 3.0), lambda x: x**1.5 * np.exp(-x / 3), 0, 150),
    "gamma of a small shape": Case(lambda s: s.gamma(N, 0.6) ** 0.6, lambda y: np.exp(-(y ** (1 / 0.6))), 0, 12),
    "beta": Case(lambda s: s.beta(N, 2.0, 3.5), lambda x: x * (1 - x) ** 2.5, 0, 1),
    "beta of small shapes": Case(lambda s: T.arcsin(T.sqrt(s.beta(N, 0.5, 0.5))), np.ones_like, 0, np.pi / 2),
    "binomial by search": Case(lambda s: s.binomial(N, 20, 0.3), chances=binomial_chances(20, 0.3)),
    "binomial of failures": Case(lambda s: s.binomial(N, 9, 0.8), chances=binomial_chances(9, 0.8)),
    "binomial by rejection": Case(lambda s: s.binomial(N, 200, 0.3), chances=binomial_chances(200, 0.3)),
    "binomial, p above a half": Case(lambda s: s.binomial(N, 60, 0.7), chances=binomial_chances(60, 0.7)),
    "bernoulli": Case(lambda s: s.binomial(N, p=0.3), chances=np.array([0.7, 0.3])),
    "poisson by search": Case(lambda s: s.poisson(N, 3.5), chances=poisson_chances(3.5, 40)),
    "poisson by rejection": Case(lambda s: s.poisson(N, 30.0), chances=poisson_chances(30.0, 120)),
    "poisson at the border": Case(lambda s: s.poisson(N, 10.0), chances=poisson_chances(10.0, 60)),
    "geometric": Case(lambda s: s.geometric(N, 0.2), chances=geometric_chances(0.2, 120)),
    "random_integers": Case(lambda s: s.random_integers(N, 0, 6), chances=np.full(7, 1 / 7)),
    "choice": Case(lambda s: s.choice(N, 4, p=[0.1, 0.2, 0.3, 0.4]), chances=np.array([0.1, 0.2, 0.3, 0.4])),
}


@pytest.fixture(scope="module")
def drawn() -> dict[str, Array]:
    streams = RandomStreams(SEED)
    f = ar.function([], [case.draw(streams) for case in CASES.values()], name="draws")
    return dict(zip(CASES, f(), strict=True))


def seeded(text: str) -> str:
    return f"{text} (seed {SEED})"


def distance(x: Array, case: Case) -> float:
    """The largest distance of the distribution functions, times the root of the number of draws."""
    grid = np.linspace(case.low, case.high, 200_001)
    assert case.density is not None
    density = case.density(grid)
    values = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    values /= values[-1]
    want = np.interp(np.sort(x), grid, values)
    steps = np.arange(len(x) + 1) / len(x)
    return float(max((want - steps[:-1]).max(), (steps[1:] - want).max()) * math.sqrt(len(x)))


def chi_square(x: Array, chances: Array) -> float:
    """How many standard deviations chi-square is above what it should be; classes of fewer than 10 are joined."""
    seen = np.bincount(x, minlength=len(chances)).astype(float)
    assert len(seen) == len(chances), "draws outside of the range"
    want = chances * len(x)
    rare = want < 10
    if rare.any():
        seen, want = np.append(seen[~rare], seen[rare].sum()), np.append(want[~rare], want[rare].sum())
    kept = want > 0
    total, freedom = float((((seen - want) ** 2)[kept] / want[kept]).sum()), int(kept.sum()) - 1
    # E. B. Wilson, M. M. Hilferty, "The distribution of chi-square", 1931.
    return float((total / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.density is not None])
def test_kolmogorov_smirnov(drawn: dict[str, Array], name: str) -> None:
    case, x = CASES[name], drawn[name].astype(np.float64)
    assert x.min() >= case.low and x.max() <= case.high
    assert distance(x, case) < KOLMOGOROV, seeded(name)
    wrong = case.low + (x - case.low) * 1.06
    assert distance(wrong, case) > KOLMOGOROV, "the test would not see a scale that is 6 % off"


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.chances is not None])
def test_chi_square(drawn: dict[str, Array], name: str) -> None:
    chances = CASES[name].chances
    assert chances is not None
    assert chi_square(drawn[name], chances / chances.sum()) < SIGMAS, seeded(name)
    if np.ptp(chances) > 1e-9 and len(chances) > 2:
        assert chi_square(drawn[name], np.roll(chances, 1) / chances.sum()) > SIGMAS


def test_moments_of_normal_numbers(drawn: dict[str, Array]) -> None:
    for name, avg, std in (("normal", 1.5, 2.0), ("normal32", 0.0, 1.0)):
        z = (drawn[name].astype(np.float64) - avg) / std
        for power, want, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
            error = abs((z**power).mean() - want) / math.sqrt(variance / COUNT)
            assert error < SIGMAS, seeded(f"moment {power} of {name}")
        assert z.max() > 3.5 and z.min() < -3.5


def correlation(x: Array, y: Array) -> float:
    """In units of its standard deviation, for independent numbers."""
    x, y = (v - v.mean() for v in (x.astype(np.float64), y.astype(np.float64)))
    return float(abs((x * y).mean()) / math.sqrt((x * x).mean() * (y * y).mean()) * math.sqrt(len(x)))


def test_streams_and_successive_draws_are_independent(drawn: dict[str, Array]) -> None:
    floats = [x for x in drawn.values() if x.dtype.kind == "f"]
    for i, x in enumerate(floats):
        for y in floats[:i]:
            assert correlation(x, y) < SIGMAS, seeded("two streams")
        for lag in (1, 2, 16, 64):
            assert correlation(x[lag:], x[:-lag]) < SIGMAS, seeded(f"lag {lag}")
    s = RandomStreams(SEED)
    f = ar.function([], s.uniform((10_000,)))
    calls = [f() for _ in range(4)]
    for i, x in enumerate(calls):
        for y in calls[:i]:
            assert correlation(x, y) < SIGMAS, seeded("two calls")
            assert not np.intersect1d(x, y).size


def test_seeds_that_are_neighbours_are_unrelated() -> None:
    draws = [ar.function([], RandomStreams(seed).uniform((10_000,)))() for seed in (1, 2, 3, 2**63)]
    for i, x in enumerate(draws):
        for y in draws[:i]:
            assert correlation(x, y) < SIGMAS
            assert not np.intersect1d(x, y).size


def test_pairs_of_uniform_numbers_fill_the_square() -> None:
    x = ar.function([], RandomStreams(SEED).uniform((2 * COUNT,)))()
    cells = (x[::2] * 16).astype(int) * 16 + (x[1::2] * 16).astype(int)
    assert chi_square(cells, np.full(256, 1 / 256)) < SIGMAS, seeded("pairs")


def test_multinomial_rows_have_their_own_probabilities() -> None:
    p = np.array([[0.1, 0.2, 0.7], [0.0, 1.0, 0.0], [0.5, 0.25, 0.25]])
    rows = np.repeat(p, 4000, axis=0)
    s = MRG_RandomStreams(SEED)
    once, often, with_, without = ar.function(
        [], [s.multinomial(pvals=rows), s.multinomial(n=7, pvals=rows), s.choice(size=2, p=rows),
             s.multinomial_wo_replacement(n=2, pvals=rows[rows[:, 2] < 1][:4000])],
    )()  # fmt: skip
    assert once.shape == often.shape == rows.shape
    assert (once.sum(axis=1) == 1).all() and (often.sum(axis=1) == 7).all()
    for counts, n in ((once, 1), (often, 7)):
        mean = counts.reshape(3, 4000, 3).mean(axis=1)
        assert (abs(mean - n * p) <= SIGMAS * np.sqrt(n * p * (1 - p) / 4000) + 1e-12).all()
        variance = counts.reshape(3, 4000, 3).var(axis=1)
        np.testing.assert_allclose(variance, n * p * (1 - p), rtol=0.12, atol=1e-12)
    assert chi_square(with_[:4000].reshape(-1), p[0]) < SIGMAS
    assert (with_[4000:8000] == 1).all()
    # Without replacement: the first as with it; the second among those that are left.
    assert (without[:, 0] != without[:, 1]).all()
    pairs = {(a, b): p[0, a] * p[0, b] / (1 - p[0, a]) for a in range(3) for b in range(3) if a != b}
    places = {pair: i for i, pair in enumerate(pairs)}
    seen = np.array([places[a, b] for a, b in without.tolist()])
    assert chi_square(seen, np.array(list(pairs.values()))) < SIGMAS


def test_permutations_are_equally_likely() -> None:
    s = RandomStreams(SEED)
    orders, shuffled, picked = ar.function(
        [], [s.permutation((12_000,), 4), s.shuffle_row_elements(np.tile(np.arange(3.0), (6000, 1))),
             s.choice((2,), 5, replace=False)],
    )()  # fmt: skip
    assert (np.sort(orders, axis=1) == np.arange(4)).all()
    assert chi_square(np.unique(orders @ [64, 16, 4, 1], return_inverse=True)[1], np.full(24, 1 / 24)) < SIGMAS
    assert (np.sort(shuffled, axis=1) == np.arange(3)).all()
    assert chi_square(np.unique(shuffled @ [9, 3, 1], return_inverse=True)[1], np.full(6, 1 / 6)) < SIGMAS
    assert len(set(picked.tolist())) == 2 and set(picked.tolist()) <= set(range(5))
