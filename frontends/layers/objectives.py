"""Losses and measures element by element, and how they become one number: `aggregate(squared_error(y, t))`.

What `Model.compile` takes by name, with a mean over the last axis, is in `arignote.layers.LOSSES`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.tensor.convert import as_tensor_variable


def binary_crossentropy(predictions: Any, targets: Any) -> Any:
    """-(t log p + (1 - t) log(1 - p)) of each element."""
    return T.nnet.binary_crossentropy(predictions, targets)


def categorical_crossentropy(predictions: Any, targets: Any) -> Any:
    """-sum(t log p) of each row of probabilities (batch, classes); targets are (batch, classes) or integers (batch)."""
    return T.nnet.categorical_crossentropy(predictions, targets)


def squared_error(a: Any, b: Any) -> Any:
    """(a - b)^2 of each element."""
    return T.sqr(as_tensor_variable(a) - b)


def binary_hinge_loss(predictions: Any, targets: Any, delta: float = 1, log_odds: bool = True) -> Any:
    """max(0, delta - s x) of each element, where s is 1 for targets of 1 and -1 for those of 0.

    Args:
        log_odds: whether predictions are x itself; otherwise they are probabilities, of which x is the log odds.
    """
    x = as_tensor_variable(predictions)
    if not log_odds:
        x = T.log(x / (1 - x))
    signs = 2 * T.cast(targets, x.dtype) - 1
    return T.maximum(T.cast(delta, x.dtype) - signs * x, 0)


def multiclass_hinge_loss(predictions: Any, targets: Any, delta: float = 1) -> Any:
    """max(0, delta + the largest other prediction - that of the target) of each row of (batch, classes).

    Args:
        targets: (batch, classes), 1 for the class and 0 elsewhere, or integers (batch).

    Raises:
        TypeError: targets of another rank.
    """
    x, own = as_tensor_variable(predictions), _one_hot(predictions, targets, "multiclass_hinge_loss")
    lowest = np.asarray(-np.inf, x.dtype)
    right = T.max(T.switch(own, x, lowest), axis=1)
    rest = T.max(T.switch(own, lowest, x), axis=1)
    return T.maximum(rest - right + T.cast(delta, x.dtype), 0)


def _one_hot(predictions: Any, targets: Any, name: str) -> Any:
    """Whether each class is the target."""
    x, t = as_tensor_variable(predictions), as_tensor_variable(targets)
    if t.ndim == x.ndim:
        return T.neq(t, 0)
    if t.ndim != x.ndim - 1:
        raise TypeError(f"{name}: targets have {t.ndim} dimensions, and predictions {x.ndim}: {t.type}, {x.type}")
    return T.eq(T.shape_padright(t), T.arange(x.shape[x.ndim - 1]))


def binary_accuracy(predictions: Any, targets: Any, threshold: float = 0.5) -> Any:
    """1 (int8) for each element that is at least `threshold` where the target is 1, and below where it is 0."""
    x = as_tensor_variable(predictions)
    return T.eq(T.ge(x, T.cast(threshold, x.dtype)), T.cast(targets, "bool")).astype("int8")


def categorical_accuracy(predictions: Any, targets: Any, top_k: int = 1) -> Any:
    """1 (int8) for each row whose target is among the `top_k` most probable classes; targets as for
    `multiclass_hinge_loss`."""
    x, t = as_tensor_variable(predictions), as_tensor_variable(targets)
    if t.ndim == x.ndim:
        t = T.argmax(t, axis=-1)
    if top_k == 1:
        return T.eq(T.argmax(x, axis=-1), t).astype("int8")
    best = T.argsort(x, axis=-1)[..., -top_k:]
    return T.any(T.eq(best, T.shape_padright(t)), axis=-1).astype("int8")


def aggregate(loss: Any, weights: Any = None, mode: str = "mean") -> Any:
    """One number of a loss per element: the `mean`, the `sum`, or `normalized_sum`, which is divided by the sum of the
    weights.

    Args:
        weights: factors of the elements, broadcast against `loss`.

    Raises:
        ValueError: another mode, or `normalized_sum` without weights.
    """
    x = as_tensor_variable(loss)
    if mode not in ("mean", "sum", "normalized_sum"):
        raise ValueError(f"aggregate: mode is mean, sum or normalized_sum, not {mode!r}")
    if weights is None and mode == "normalized_sum":
        raise ValueError("aggregate: normalized_sum needs weights")
    if weights is not None:
        x = x * weights
    if mode == "mean":
        return T.mean(x)
    return T.sum(x) if mode == "sum" else T.sum(x) / T.sum(weights)
