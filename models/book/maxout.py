"""The multi-layer perceptron with maxout units (chapter 2)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote.models.model import Model, Network


@dataclass(frozen=True)
class Maxout(Model):
    """Multi-layer perceptron: 784-500-10, maxout of 2 pieces

    I. Goodfellow, D. Warde-Farley, M. Mirza, A. Courville, Y. Bengio, "Maxout networks", 2013.
    """

    name: ClassVar[str] = "maxout"
    chapter: ClassVar[int] = 2
    quality: ClassVar[str] = "MNIST: validation error below that of mlp at epochs 24 and 60"

    hidden: int = 500
    """Units of the hidden layer."""
    pieces: int = 2
    """Linear pieces of a unit, the largest of which is its output."""
    rate: float = 0.01

    def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
        """p = softmax(max over pieces(x W0 + b0) W1 + b1).

        W0 is uniform after Glorot and Bengio (2010), everything else zero.
        """
        width = self.hidden * self.pieces
        high = np.sqrt(6 / (n_in + width))
        # RandomState and not a Generator: its streams are guaranteed never to change.
        weights = np.random.RandomState(seed).uniform(-high, high, (n_in, width))
        W0 = ar.shared(weights.astype(dtype), name="W0")
        b0 = ar.shared(np.zeros(width, dtype), name="b0")
        W1 = ar.shared(np.zeros((self.hidden, n_classes), dtype), name="W1")
        b1 = ar.shared(np.zeros(n_classes, dtype), name="b1")

        def probabilities(x: Any) -> Any:
            hidden = T.nnet.maxout(T.dot(x, W0) + b0, self.pieces)
            return T.nnet.softmax(T.dot(hidden, W1) + b1)

        return Network({"W0": W0, "b0": b0, "W1": W1, "b1": b1}, probabilities)
