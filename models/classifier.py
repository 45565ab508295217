"""From a network to compiled functions: cost, gradients, updates, validation, prediction.

The book's arrangement (chapter 2): the whole data set lies in shared variables, and the functions
take the number of a minibatch, which `givens` turn into a slice of it; so a step copies nothing.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote.models.data import Dataset, Drawing, Feed, Pair, Pipeline
from arignote.models.model import Model, Network
from arignote.models.training import Steps

Array = NDArray[Any]


@dataclass(frozen=True)
class Classifier:
    """A network and what can be done with it. Functions are compiled when they are first used.

    - `dtype`: of parameters and images, `float32` or `float64`;
    - `mode`: how functions are compiled; None is the default.
    """

    network: Network
    dtype: str = "float32"
    mode: Any = None

    @cached_property
    def predict(self) -> Any:
        """Function from images [n, inputs] to class probabilities [n, classes]."""
        x = T.matrix("x", dtype=self.dtype)
        return ar.function([x], self.network.probabilities(x), name="predict", mode=self.mode)

    def classify(self, x: Array, batch: int = 500) -> tuple[NDArray[np.int64], Array]:
        """Labels int64[n] and probabilities [n, classes] of images [n, inputs]."""
        parts = [self.predict(x[i : i + batch].astype(self.dtype)) for i in range(0, len(x), batch)]
        probabilities: Array = np.concatenate(parts)
        return probabilities.argmax(axis=1).astype(np.int64), probabilities

    def snapshot(self) -> dict[str, Array]:
        """Copies of the parameters by name."""
        return {name: p.get_value() for name, p in self.network.parameters.items()}

    def restore(self, arrays: Any) -> None:
        """Set the parameters: the inverse of `snapshot`."""
        for name, parameter in self.network.parameters.items():
            parameter.set_value(np.asarray(arrays[name]))


class Trainer:
    """A classifier with data to train it on.

    - `train`: one update on a training minibatch; the mean negative log-likelihood before it. It takes
      the number of the minibatch or, with `feed`, its images and labels;
    - `valid(i)`, `test(i)`: loss and error (a fraction) on a minibatch of those parts;
    - `n_batches`: minibatches of each part; examples that do not fill one stay unused;
    - `feed`: prepares the training minibatches of an epoch, where images are made anew or the model wants them changed.
    """

    def __init__(self, classifier: Classifier, model: Model, data: Dataset, seed: int) -> None:
        self.classifier, self.model, self.data = classifier, model, data
        self.batch = model.batch_for(data)
        self._parts: dict[str, Pair] = {
            "train": data.train, "valid": data.valid, "test": data.test
        }  # fmt: skip
        self.n_batches = {name: len(part.x) // self.batch for name, part in self._parts.items()}
        self.n_batches["train"] = data.epoch // self.batch
        transform = model.augmentation(data)
        self.feed: Feed | None = None
        if data.stream is not None:
            self.feed = Feed(Drawing(data.stream, self.batch, seed=seed))
        elif transform is not None:
            self.feed = Feed(Pipeline(data.train, data.image_shape, self.batch, transform=transform, seed=seed))
        self._epoch = 0

    @cached_property
    def train(self) -> Any:
        """The training step, with its updates."""
        x, y = self._inputs()
        network = self.classifier.network
        updates: dict[Any, Any] = {}
        p = network.training(x, updates) if network.training else network.probabilities(x)
        cost = _cost(p, y, self.data.void)
        trained = [network.parameters[name] for name in network.trained or network.parameters]
        updates |= self.model.updates(cost, trained, self._rate)
        if self.feed is None:
            return self._function("train", x, y, cost, updates=updates)
        return ar.function([x, y], cost, updates=updates, name="train", mode=self.classifier.mode)

    @cached_property
    def _rate(self) -> Any:
        """The learning rate: a number, or a variable where the model changes it."""
        number = np.dtype(self.classifier.dtype).type(self.model.rate)
        constant = type(self.model).rate_at is Model.rate_at
        return number if constant else ar.shared(np.asarray(number), name="rate")

    @cached_property
    def valid(self) -> Any:
        """Loss and error on the validation set."""
        return self._evaluation("valid")

    @cached_property
    def test(self) -> Any:
        """Loss and error on the test set."""
        return self._evaluation("test")

    @property
    def steps(self) -> Steps:
        """What the training loop needs."""
        return Steps(
            train=self._step,
            validate=lambda: self._mean(self.valid, self.n_batches["valid"]),
            test=lambda: self._mean(self.test, self.n_batches["test"]),
            snapshot=self.snapshot,
            restore=self.restore,
            epoch=self._at_epoch,
        )

    def _step(self, minibatch: int) -> float:
        if self.feed is None:
            return float(self.train(minibatch))
        x, y = self.feed(self._epoch, minibatch)
        return float(self.train(x.astype(self.classifier.dtype, copy=False), y.astype(np.int32, copy=False)))

    def _at_epoch(self, epoch: int, epochs: int) -> None:
        self._epoch = epoch
        if hasattr(self._rate, "set_value"):
            self._rate.set_value(np.asarray(self.model.rate_at(epoch, epochs), self.classifier.dtype))

    def snapshot(self) -> dict[str, Array]:
        """Copies of the parameters by name, and of what else a training step changes: momenta, random states."""
        return self.classifier.snapshot() | {name: v.get_value() for name, v in self._state.items()}

    def restore(self, arrays: Any) -> None:
        """The inverse of `snapshot`; parameters alone can be set too."""
        self.classifier.restore(arrays)
        for name, variable in self._state.items():
            if name in arrays:
                variable.set_value(np.asarray(arrays[name]))

    @cached_property
    def _state(self) -> dict[str, Any]:
        """The variables of the training step that are neither parameters nor data."""
        known = [*self.classifier.network.parameters.values(), self._rate]
        known += [variable for pair in self._resident.values() for variable in pair]
        state = [v for v in self.train.get_shared() if not any(v is k for k in known)]
        return {f"state.{number}.{v.name or 'value'}": v for number, v in enumerate(state)}

    def functions(self) -> dict[str, Any]:
        """All functions by name, compiled."""
        return {
            "train": self.train,
            "valid": self.valid,
            "test": self.test,
            "predict": self.classifier.predict,
        }

    def _inputs(self) -> tuple[Any, Any]:
        y = T.vector("y", dtype="int32") if self.data.train.y.ndim == 1 else T.matrix("y", dtype="int32")
        return T.matrix("x", dtype=self.classifier.dtype), y

    def _evaluation(self, part: str) -> Any:
        x, y = self._inputs()
        p = self.classifier.network.probabilities(x)
        labels, void = y.flatten(), self.data.void
        wrong = T.cast(T.neq(T.argmax(p, axis=1), labels), self.classifier.dtype)
        return self._function(part, x, y, [_cost(p, y, void), _mean_over(wrong, labels, void)])

    def _function(self, part: str, x: Any, y: Any, outputs: Any, **options: Any) -> Any:
        images, labels = self._resident[part]
        index = T.scalar("index", dtype="int64")
        rows = slice(index * self.batch, (index + 1) * self.batch)
        return ar.function(
            [index],
            outputs,
            givens={x: images[rows], y: labels[rows]},
            name=part,
            mode=self.classifier.mode,
            **options,
        )

    @cached_property
    def _resident(self) -> dict[str, tuple[Any, Any]]:
        """The data in shared variables, by part."""
        return {
            name: (
                ar.shared(part.x.astype(self.classifier.dtype, copy=False), name=f"{name}_x"),
                ar.shared(part.y.astype(np.int32, copy=False), name=f"{name}_y"),
            )
            for name, part in self._parts.items()
            if name != "train" or self.feed is None
        }

    @staticmethod
    def _mean(function: Any, n: int) -> tuple[float, float]:
        """Mean (loss, error) over minibatches, summed in double precision."""
        values = [[float(value) for value in function(i)] for i in range(n)]
        loss, error = np.mean(values, axis=0)
        return float(loss), float(error)


def _cost(p: Any, y: Any, void: int | None) -> Any:
    """Mean negative log-likelihood of labels `y` under probabilities `p`, one row for each label."""
    if y.ndim > 1:
        y = y.flatten()
    return -_mean_over(T.log(p)[T.arange(y.shape[0]), y], y, void)


def _mean_over(values: Any, y: Any, void: int | None) -> Any:
    """The mean of what belongs to labels other than `void`; 0 where there are none."""
    if void is None:
        return T.mean(values)
    counted = T.cast(T.neq(y, void), values.dtype)
    return T.sum(values * counted) / T.maximum(T.sum(counted), np.asarray(1, values.dtype))


def make_classifier(
    model: Model, n_in: int, n_classes: int, *, seed: int, dtype: str = "float32", mode: Any = None
) -> Classifier:
    """A new classifier of that model for images of `n_in` pixels."""
    return Classifier(model.network(n_in, n_classes, seed, dtype), dtype, mode)


def make_trainer(
    model: Model, data: Dataset, *, seed: int, dtype: str = "float32", mode: Any = None
) -> Trainer:
    """A new classifier of that model with its data. Raises `SettingError` for batches too large."""
    classifier = make_classifier(
        model, data.train.x.shape[1], data.n_classes, seed=seed, dtype=dtype, mode=mode
    )
    return Trainer(classifier, model, data, seed)
