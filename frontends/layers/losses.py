"""Losses and metrics: from predictions and targets to a value for each example (or step of an example).

A loss or metric of your own is a function of both expressions, which reduces the last axis.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arignote.frontends import tensor as T

Measure = Callable[[Any, Any], Any]


def categorical_crossentropy(p: Any, target: Any) -> Any:
    """-sum(target log p): probabilities and distributions along the last axis."""
    return -T.sum(target * T.log(p), axis=-1)


def sparse_categorical_crossentropy(p: Any, target: Any) -> Any:
    """-log p[target]: probabilities along the last axis, and integer classes."""
    return -_picked(T.log(p), target)


def binary_crossentropy(p: Any, target: Any) -> Any:
    """-(target log p + (1 - target) log(1 - p)), the mean of the last axis."""
    return T.mean(T.nnet.binary_crossentropy(p, target), axis=-1)


def squared_error(y: Any, target: Any) -> Any:
    """(y - target)^2, the mean of the last axis."""
    return T.mean(T.sqr(y - target), axis=-1)


def absolute_error(y: Any, target: Any) -> Any:
    """|y - target|, the mean of the last axis."""
    return T.mean(T.abs_(y - target), axis=-1)


def smooth_l1(y: Any, target: Any) -> Any:
    """d^2 / 2 where d = |y - target| is below 1, d - 1/2 elsewhere; the mean of the last axis."""
    d = T.abs_(y - target)
    return T.mean(T.switch(T.lt(d, 1), T.cast(0.5, d.dtype) * T.sqr(d), d - T.cast(0.5, d.dtype)), axis=-1)


def hinge(y: Any, target: Any) -> Any:
    """max(0, 1 - target y) for targets of -1 and 1, the mean of the last axis."""
    return T.mean(T.maximum(1 - target * y, 0), axis=-1)


def squared_hinge(y: Any, target: Any) -> Any:
    """max(0, 1 - target y)^2 for targets of -1 and 1, the mean of the last axis."""
    return T.mean(T.sqr(T.maximum(1 - target * y, 0)), axis=-1)


def categorical_accuracy(p: Any, target: Any) -> Any:
    """1 where the most probable class is that of the target distribution."""
    return T.cast(T.eq(T.argmax(p, axis=-1), T.argmax(target, axis=-1)), p.dtype)


def sparse_categorical_accuracy(p: Any, target: Any) -> Any:
    """1 where the most probable class is the target."""
    return T.cast(T.eq(T.argmax(p, axis=-1), target), p.dtype)


def binary_accuracy(p: Any, target: Any) -> Any:
    """1 where p is on the target's side of 1/2, the mean of the last axis."""
    return T.mean(T.cast(T.eq(T.gt(p, T.cast(0.5, p.dtype)), T.gt(target, T.cast(0.5, p.dtype))), p.dtype), axis=-1)


def top_5_accuracy(p: Any, target: Any) -> Any:
    """1 where fewer than five classes are more probable than the target, an integer class."""
    own = T.shape_padright(_picked(p, target))
    return T.cast(T.lt(T.sum(T.cast(T.gt(p, own), "int64"), axis=-1), 5), p.dtype)


def _picked(x: Any, classes: Any) -> Any:
    """The element of each last axis that an integer names."""
    rows = T.reshape(x, (-1, x.shape[x.ndim - 1]), ndim=2)
    picked = rows[T.arange(rows.shape[0]), classes.flatten()]
    return T.reshape(picked, [classes.shape[k] for k in range(classes.ndim)], ndim=classes.ndim)


@dataclass(frozen=True)
class Loss:
    """A loss, the metric that "accuracy" means with it, and whether targets are integers with one dimension fewer."""

    measure: Measure
    accuracy: Measure | None = None
    classes: bool = False


LOSSES: Mapping[str, Loss] = {
    "absolute_error": Loss(absolute_error),
    "binary_crossentropy": Loss(binary_crossentropy, binary_accuracy),
    "categorical_crossentropy": Loss(categorical_crossentropy, categorical_accuracy),
    "hinge": Loss(hinge),
    "smooth_l1": Loss(smooth_l1),
    "sparse_categorical_crossentropy": Loss(sparse_categorical_crossentropy, sparse_categorical_accuracy, True),
    "squared_error": Loss(squared_error),
    "squared_hinge": Loss(squared_hinge),
}

METRICS: Mapping[str, Measure] = {
    "absolute_error": absolute_error,
    "binary_accuracy": binary_accuracy,
    "categorical_accuracy": categorical_accuracy,
    "sparse_categorical_accuracy": sparse_categorical_accuracy,
    "squared_error": squared_error,
    "top_5_accuracy": top_5_accuracy,
}


def find_loss(loss: str | Measure) -> Loss:
    """The loss of that name, or of one's own function. Raises ValueError for names there are not."""
    return Loss(loss) if callable(loss) else named(loss, LOSSES, "loss")


def find_metric(metric: str | Measure, loss: Loss) -> tuple[str, Measure]:
    """A metric's name and function. Raises ValueError for names there are not, and "accuracy" of other losses."""
    if callable(metric):
        return getattr(metric, "__name__", "metric"), metric
    if metric == "accuracy":
        if loss.accuracy is None:
            raise ValueError("accuracy is a metric of classes: the loss is none of the cross-entropies")
        return metric, loss.accuracy
    return metric, named(metric, METRICS, "metric")


def named(name: str, known: Mapping[str, Any], what: str) -> Any:
    """What has that name. Raises ValueError with the names there are."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"there is no {what} {name!r}; {hint}")
