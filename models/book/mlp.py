"""The multi-layer perceptron, the book's second model (chapter 2)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote.models.model import Model, Network


@dataclass(frozen=True)
class Mlp(Model):
    """Multi-layer perceptron: 784-500-10, tanh"""

    name: ClassVar[str] = "mlp"
    chapter: ClassVar[int] = 2
    quality: ClassVar[str] = "MNIST: validation error 10.2 % at epoch 24, 7.9 % at 108 (±0.4)"

    hidden: int = 500
    """Units of the hidden layer."""
    rate: float = 0.01

    def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
        """p = softmax(tanh(x W0 + b0) W1 + b1).

        W0 is uniform after Glorot and Bengio (2010), everything else zero.
        """
        high = np.sqrt(6 / (n_in + self.hidden))
        # RandomState and not a Generator: its streams are guaranteed never to change.
        weights = np.random.RandomState(seed).uniform(-high, high, (n_in, self.hidden))
        W0 = ar.shared(weights.astype(dtype), name="W0")
        b0 = ar.shared(np.zeros(self.hidden, dtype), name="b0")
        W1 = ar.shared(np.zeros((self.hidden, n_classes), dtype), name="W1")
        b1 = ar.shared(np.zeros(n_classes, dtype), name="b1")

        def probabilities(x: Any) -> Any:
            hidden = T.tanh(T.dot(x, W0) + b0)
            return T.nnet.softmax(T.dot(hidden, W1) + b1)

        return Network({"W0": W0, "b0": b0, "W1": W1, "b1": b1}, probabilities)
