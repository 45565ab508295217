"""Learning rates that change: expressions of a counter of steps, or a variable that reacts to losses.

    step = optim.counter()
    updates = optim.sgd(loss, params, optim.exponential_decay(0.1, step, 0.96, every=1000))

A counter counts the calls of every function that uses it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.optim.rules import double, not_negative, positive
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.sharedvar import SharedVariable


def counter(start: int = 0) -> SharedVariable:
    """An integer that is one more after each call of a function that uses it (by its default update)."""
    count = T.shared(np.int64(start), "step")
    count.default_update = count + 1
    return count


def step_decay(rate: Any, step: Any, every: Any, factor: Any = 0.5) -> Any:
    """rate * factor^floor(step / every)."""
    times = T.floor(double(step) / double(positive("every", every)))
    return _decayed(rate, double(not_negative("factor", factor)) ** times)


def exponential_decay(rate: Any, step: Any, factor: Any, every: Any = 1) -> Any:
    """rate * factor^(step / every)."""
    times = double(step) / double(positive("every", every))
    return _decayed(rate, double(not_negative("factor", factor)) ** times)


def inverse_time_decay(rate: Any, step: Any, decay: Any, every: Any = 1) -> Any:
    """rate / (1 + decay * step / every)."""
    times = double(step) / double(positive("every", every))
    return _decayed(rate, 1 / (1 + double(not_negative("decay", decay)) * times))


def _decayed(rate: Any, by: Any) -> Any:
    return T.cast(double(not_negative("rate", rate)) * by, config.floatX)


class Halving:
    """A learning rate that is halved whenever the loss rises from one report to the next, such as after each epoch.

        halving = optim.Halving(0.1)
        updates = optim.sgd(loss, params, halving.rate)
        ...
        halving.report(epoch_loss)

    Args:
        rate: to begin with.
        factor: what it is multiplied by.
        least: it is not made smaller than this.
    """

    def __init__(self, rate: float, factor: float = 0.5, least: float = 0.0) -> None:
        not_negative("rate", rate)
        if not 0 < factor < 1:
            raise ValueError(f"factor must be above 0 and below 1, not {factor}")
        self.rate = T.shared(np.asarray(rate, config.floatX), "rate")
        self.factor, self.least = factor, least
        self.last = math.inf

    def report(self, loss: float) -> bool:
        """Take note of a loss; returns whether the rate has been lowered. One that is not a number counts as a rise."""
        rises = not loss <= self.last
        if rises:
            value = float(self.rate.get_value())
            self.rate.set_value(np.asarray(max(value * self.factor, self.least), self.rate.dtype))
        self.last = math.inf if math.isnan(loss) else loss
        return rises
