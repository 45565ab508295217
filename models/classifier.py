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
from arignote.models.data import Dataset, Pair
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

    - `train(i)`: one update on training minibatch `i`; the mean negative log-likelihood before it;
    - `valid(i)`, `test(i)`: loss and error (a fraction) on a minibatch of those parts;
    - `n_batches`: minibatches of each part; examples that do not fill one stay unused.
    """

    def __init__(self, classifier: Classifier, data: Dataset, batch: int, rate: float) -> None:
        self.classifier = classifier
        self.batch, self.rate = batch, rate
        self._parts: dict[str, Pair] = {
            "train": data.train, "valid": data.valid, "test": data.test
        }  # fmt: skip
        self.n_batches = {name: len(part.x) // batch for name, part in self._parts.items()}

    @cached_property
    def train(self) -> Any:
        """The training step, with its updates."""
        x, y = self._inputs()
        cost = _cost(self.classifier.network.probabilities(x), y)
        parameters = list(self.classifier.network.parameters.values())
        rate = np.dtype(self.classifier.dtype).type(self.rate)
        updates = [
            (p, p - rate * gradient)
            for p, gradient in zip(parameters, T.grad(cost, parameters), strict=True)
        ]
        return self._function("train", x, y, cost, updates=updates)

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
            train=lambda minibatch: float(self.train(minibatch)),
            validate=lambda: self._mean(self.valid, self.n_batches["valid"]),
            test=lambda: self._mean(self.test, self.n_batches["test"]),
            snapshot=self.classifier.snapshot,
            restore=self.classifier.restore,
        )

    def functions(self) -> dict[str, Any]:
        """All functions by name, compiled."""
        return {
            "train": self.train,
            "valid": self.valid,
            "test": self.test,
            "predict": self.classifier.predict,
        }

    def _inputs(self) -> tuple[Any, Any]:
        return T.matrix("x", dtype=self.classifier.dtype), T.vector("y", dtype="int32")

    def _evaluation(self, part: str) -> Any:
        x, y = self._inputs()
        p = self.classifier.network.probabilities(x)
        wrong = T.cast(T.neq(T.argmax(p, axis=1), y), self.classifier.dtype)
        return self._function(part, x, y, [_cost(p, y), T.mean(wrong)])

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
        }

    @staticmethod
    def _mean(function: Any, n: int) -> tuple[float, float]:
        """Mean (loss, error) over minibatches, summed in double precision."""
        values = [[float(value) for value in function(i)] for i in range(n)]
        loss, error = np.mean(values, axis=0)
        return float(loss), float(error)


def _cost(p: Any, y: Any) -> Any:
    """Mean negative log-likelihood of labels `y` under probabilities `p`."""
    return -T.mean(T.log(p)[T.arange(y.shape[0]), y])


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
    return Trainer(classifier, data, model.batch_for(data), model.rate)
