"""Optimisers: update rules, clipping of gradients, schedules of learning rates. `import arignote.optim`."""

from arignote.frontends.optim.clipping import clip_by_value, clip_norm
from arignote.frontends.optim.rules import (
    adadelta,
    adagrad,
    adam,
    adamax,
    amsgrad,
    momentum,
    nesterov,
    rmsprop,
    sgd,
)
from arignote.frontends.optim.schedules import (
    Halving,
    counter,
    exponential_decay,
    inverse_time_decay,
    step_decay,
)

__all__ = [
    "Halving",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "amsgrad",
    "clip_by_value",
    "clip_norm",
    "counter",
    "exponential_decay",
    "inverse_time_decay",
    "momentum",
    "nesterov",
    "rmsprop",
    "sgd",
    "step_decay",
]
