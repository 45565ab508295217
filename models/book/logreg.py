"""Softmax regression, the book's first model (chapter 2)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote.models.model import Model, Network


@dataclass(frozen=True)
class LogReg(Model):
    """Softmax regression: 784-10, zero initial weights"""

    name: ClassVar[str] = "logreg"
    chapter: ClassVar[int] = 2
    quality: ClassVar[str] = "MNIST: validation error 8.16 %, loss 0.28835 at epoch 24"

    rate: float = 0.13

    def network(self, n_in: int, n_classes: int, seed: int, dtype: str) -> Network:
        """p = softmax(x W + b). Nothing is random: the problem is convex."""
        W = ar.shared(np.zeros((n_in, n_classes), dtype), name="W0")
        b = ar.shared(np.zeros(n_classes, dtype), name="b0")
        return Network(
            parameters={"W0": W, "b0": b},
            probabilities=lambda x: T.nnet.softmax(T.dot(x, W) + b),
        )
