"""`fit` and `evaluate`: epochs of minibatches, with callbacks between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.layers.callbacks import Callback, Display, History, told
from arignote.frontends.layers.init import Array
from arignote.frontends.layers.steps import Result, Steps, arrays_for, means_of, minibatches

if TYPE_CHECKING:
    from arignote.frontends.layers.model import Model


class DivergedError(ArithmeticError):
    """The loss is no longer finite."""


class Data:
    """Examples as minibatches (inputs, targets, weights): of arrays, or those that an iterable gives.

    Raises ValueError where arrays do not fit.
    """

    def __init__(self, steps: Steps, x: Any, y: Any, weight: Any, batch: int) -> None:
        self.steps, self.batch, self.given = steps, batch, None
        if y is None:
            if isinstance(x, np.ndarray) or not hasattr(x, "__iter__"):
                raise ValueError("targets are missing: give x and y, or an iterable of minibatches (x, y)")
            self.given = x
            return
        self.xs, self.ys = arrays_for(steps.inputs, x), steps.targets_for(y)
        self.weight = None if weight is None else [np.asarray(weight)]

    @staticmethod
    def of(steps: Steps, given: Any, batch: int) -> Data:
        """From (x, y), (x, y, weights) or an iterable of minibatches."""
        if isinstance(given, tuple) and len(given) in (2, 3):
            return Data(steps, given[0], given[1], given[2] if len(given) == 3 else None, batch)
        return Data(steps, given, None, None, batch)

    def count(self) -> int | None:
        """The number of minibatches, where it is known."""
        if self.given is not None:
            return len(self.given) if isinstance(self.given, Sized) else None
        return math.ceil(len(self.xs[0]) / self.batch)

    def batches(self, rng: np.random.RandomState | None = None) -> Iterator[tuple[list[Array], list[Array], Any]]:
        """An epoch of minibatches, in another order if `rng` is given."""
        if self.given is not None:
            for one in self.given:
                weight = one[2] if len(one) == 3 else None
                yield arrays_for(self.steps.inputs, one[0]), self.steps.targets_for(one[1]), weight
            return
        order = None if rng is None else rng.permutation(len(self.xs[0]))
        for xs, ys, weight in minibatches(self.xs, self.ys, self.weight, batch=self.batch, order=order):
            yield xs, ys, None if weight is None else weight[0]

    def split(self, share: float) -> tuple[Data, Data]:
        """All but the last `share` of the examples, and these. Raises ValueError if either would be empty."""
        if self.given is not None:
            raise ValueError("validation_split is for arrays: give validation minibatches instead")
        cut = round(len(self.xs[0]) * (1 - share))
        if not 0 < cut < len(self.xs[0]):
            raise ValueError(f"validation_split={share} of {len(self.xs[0])} examples leaves none on one side")
        first, second = (Data.__new__(Data) for _ in range(2))
        for part, rows in ((first, slice(None, cut)), (second, slice(cut, None))):
            part.steps, part.batch, part.given = self.steps, self.batch, None
            part.xs, part.ys = [a[rows] for a in self.xs], [a[rows] for a in self.ys]
            part.weight = None if self.weight is None else [self.weight[0][rows]]
        return first, second

    def weigh_classes(self, weights: Mapping[int, float]) -> None:
        """Multiply the weights of examples by those of their classes."""
        if self.given is not None or len(self.ys) != 1 or self.ys[0].dtype.kind != "i" or self.ys[0].ndim != 1:
            raise ValueError("class_weight is for arrays of one class for each example")
        by = np.array([weights.get(int(c), 1.0) for c in self.ys[0]])
        self.weight = [by if self.weight is None else by * self.weight[0]]


def fit(
    model: Model, steps: Steps, data: Data, epochs: int, validation: Data | None, rng: np.random.RandomState | None,
    callbacks: Sequence[Callback], first_epoch: int, verbose: bool,
) -> History:  # fmt: skip
    """See `Model.fit`."""
    history = History()
    told_of = [history, *callbacks, *([Display()] if verbose else [])]
    for callback in told_of:
        callback.model = model
    model.stop_training = False
    told(told_of, "on_train_begin", epochs, data.count())
    try:
        for epoch in range(first_epoch, epochs):
            told(told_of, "on_epoch_begin", epoch)
            logs = means_of(_updates(steps, data, rng, told_of, epoch))
            if validation is not None:
                found = means_of(steps.test(*one) for one in validation.batches())
                logs |= {f"valid_{name}": value for name, value in found.items()}
            told(told_of, "on_epoch_end", epoch, logs)
            if model.stop_training:
                break
    finally:
        told(told_of, "on_train_end")
    return history


def _updates(
    steps: Steps, data: Data, rng: np.random.RandomState | None, callbacks: Sequence[Callback], epoch: int
) -> Iterator[Result]:
    for number, one in enumerate(data.batches(rng)):
        logs, weight = steps.train(*one)
        if not math.isfinite(logs["loss"]):
            raise DivergedError(
                f"the loss is {logs['loss']} in minibatch {number} of epoch {epoch}: lower the learning rate, or give "
                "compile clip_norm"
            )
        told(callbacks, "on_batch_end", number, logs)
        yield logs, weight
