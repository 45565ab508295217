"""Clipping of gradients, and learning rates that change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import optim
from arignote.frontends import tensor as T


def test_gradients_are_clipped_by_their_common_norm() -> None:
    a, b = T.matrix("a", dtype="float64"), T.vector("b", dtype="float32")
    clipped, norm = optim.clip_norm([a, b], 5.0, return_norm=True)
    f = ar.function([a, b], [*clipped, norm])
    r = np.random.default_rng(0)
    for scale in (0.01, 1.0, 100.0):
        x, y = r.normal(size=(3, 4)) * scale, (r.normal(size=5) * scale).astype(np.float32)
        want = np.sqrt((x**2).sum() + (y.astype(np.float64) ** 2).sum())
        got_x, got_y, got = f(x, y)
        factor = min(1, 5 / want)
        np.testing.assert_allclose(got, want, rtol=1e-6)
        np.testing.assert_allclose(got_x, x * factor, rtol=1e-6)
        np.testing.assert_allclose(got_y, y * factor, rtol=1e-6)
        assert got_y.dtype == np.float32
    zero = f(np.zeros((1, 1)), np.zeros(1, np.float32))
    assert not zero[0].any() and zero[2] == 0


def test_the_books_limit_is_the_default() -> None:
    x = T.vector("x")
    (out,) = optim.clip_norm([x])
    assert np.linalg.norm(ar.function([x], out)(np.full(100, 10.0))) == pytest.approx(50)


def test_gradients_are_clipped_by_value() -> None:
    x = T.vector("x", dtype="float32")
    (out,) = optim.clip_by_value([x], -1, 0.5)
    got = ar.function([x], out)(np.array([-3, -0.5, 0.25, 7], np.float32))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, [-1, -0.5, 0.25, 0.5])


def test_schedules() -> None:
    step = T.scalar("step", dtype="int64")
    rates = [
        optim.step_decay(0.8, step, 10, 0.5),
        optim.exponential_decay(0.8, step, 0.9, every=5),
        optim.inverse_time_decay(0.8, step, 0.1, every=2),
    ]
    f = ar.function([step], rates)
    for t in (0, 1, 9, 10, 25):
        want = [0.8 * 0.5 ** (t // 10), 0.8 * 0.9 ** (t / 5), 0.8 / (1 + 0.1 * t / 2)]
        np.testing.assert_allclose(f(t), want, rtol=1e-12)
    with ar.config.change_flags(floatX="float32"):
        assert optim.step_decay(0.8, step, 10).dtype == "float32"


def test_a_counter_counts_the_calls_of_functions_that_use_it() -> None:
    step = optim.counter()
    p = ar.shared(np.zeros(1), "p")
    rate = optim.step_decay(1.0, step, every=2)
    train = ar.function([], rate, updates=optim.sgd(T.sum(p), p, rate))
    assert [float(train()) for _ in range(5)] == [1, 1, 0.5, 0.5, 0.25]
    assert p.get_value() == -3.25 and step.get_value() == 5
    assert float(ar.function([], rate, no_default_updates=True)()) == 0.25
    assert step.get_value() == 5


def test_a_rate_is_halved_when_the_loss_rises() -> None:
    halving = optim.Halving(0.8, least=0.15)
    p = ar.shared(np.zeros(1), "p")
    train = ar.function([], [], updates=optim.sgd(T.sum(p), p, halving.rate))
    losses = [3.0, 2.0, 2.5, 2.4, 2.4, float("nan"), 5.0, 6.0]
    assert [halving.report(x) for x in losses] == [False, False, True, False, False, True, False, True]
    assert halving.rate.get_value() == pytest.approx(0.15)
    train()
    assert p.get_value() == pytest.approx(-0.15)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: optim.step_decay(-1.0, 0, 10), r"rate must be 0 or more, not -1\.0"),
        (lambda: optim.exponential_decay(1.0, 0, 0.9, every=0), r"every must be positive, not 0"),
        (lambda: optim.Halving(1.0, factor=1.0), r"factor must be above 0 and below 1, not 1\.0"),
        (lambda: optim.clip_norm([T.vector()], -1.0), r"max_norm must be positive, not -1\.0"),
        (lambda: optim.clip_norm([]), r"there are no gradients"),
    ],
)
def test_what_makes_no_sense_is_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_the_module_has_a_short_name() -> None:
    import arignote.optim

    assert arignote.optim is optim is ar.optim
