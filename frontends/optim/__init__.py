"""Optimisers: update rules, clipping of gradients, schedules of learning rates. `import arignote.optim`."""

from arignote.frontends.optim.clipping import clip_by_value, clip_norm, norm_constraint, total_norm_constraint
from arignote.frontends.optim.rules import (
    adadelta,
    adagrad,
    adam,
    adamax,
    amsgrad,
    apply_momentum,
    apply_nesterov_momentum,
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

nesterov_momentum = nesterov

__all__ = [
    "Halving",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "amsgrad",
    "apply_momentum",
    "apply_nesterov_momentum",
    "clip_by_value",
    "clip_norm",
    "counter",
    "exponential_decay",
    "inverse_time_decay",
    "momentum",
    "nesterov",
    "nesterov_momentum",
    "norm_constraint",
    "rmsprop",
    "sgd",
    "step_decay",
    "total_norm_constraint",
]
