"""The book's first two models in plain NumPy: an implementation independent of Arignote.

Softmax regression is the multi-layer perceptron without hidden layers. Used by tests as reference
and by benchmarks as a peer. Formulas: "Deep Learning with Theano" (C. Bourez, 2017), chapter 2.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]


class Perceptron:
    """Layers of tanh units and a softmax, trained by plain gradient descent.

    `sizes` are the widths from input to output: (784, 10) is softmax regression, (784, 500, 10)
    the perceptron. Hidden weights are Glorot uniform, the last layer and all biases zero.
    """

    def __init__(
        self, sizes: Sequence[int], *, dtype: DTypeLike = np.float32, seed: int = 0
    ) -> None:
        random = np.random.RandomState(seed)
        self.weights: list[Array] = []
        self.biases: list[Array] = []
        for layer, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
            high = np.sqrt(6 / (n_in + n_out)) if layer < len(sizes) - 2 else 0.0
            self.weights.append(random.uniform(-high, high, (n_in, n_out)).astype(dtype))
            self.biases.append(np.zeros(n_out, dtype))

    def parameters(self) -> dict[str, Array]:
        """The parameters themselves (not copies): W0, b0, W1, ..."""
        layers = enumerate(zip(self.weights, self.biases, strict=True))
        return {
            f"{name}{i}": array
            for i, pair in layers
            for name, array in zip("Wb", pair, strict=True)
        }

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Overwrite the parameters in place."""
        for name, array in self.parameters().items():
            array[...] = arrays[name]

    def log_probabilities(self, x: Array) -> Array:
        """log p(class | row), [n, classes]."""
        return self._forward(x)[1]

    def loss(self, x: Array, y: Array) -> float:
        """Mean negative log-likelihood of the labels."""
        return float(-self.log_probabilities(x)[np.arange(len(y)), y].mean())

    def error(self, x: Array, y: Array) -> float:
        """Share of rows whose most probable class is not the label."""
        return float((self.log_probabilities(x).argmax(axis=1) != y).mean())

    def gradients(self, x: Array, y: Array) -> tuple[float, dict[str, Array]]:
        """The loss, and its derivatives by parameter."""
        inputs, log_p = self._forward(x)
        rows = np.arange(len(y))
        delta = np.exp(log_p)
        delta[rows, y] -= 1
        delta /= len(y)
        gradients: dict[str, Array] = {}
        for layer in reversed(range(len(self.weights))):
            gradients[f"W{layer}"] = inputs[layer].T @ delta
            gradients[f"b{layer}"] = delta.sum(axis=0)
            if layer:
                delta = (delta @ self.weights[layer].T) * (1 - inputs[layer] ** 2)
        return float(-log_p[rows, y].mean()), gradients

    def train_step(self, x: Array, y: Array, learning_rate: float) -> float:
        """One update; returns the loss before it."""
        loss, gradients = self.gradients(x, y)
        for name, array in self.parameters().items():
            array -= array.dtype.type(learning_rate) * gradients[name]
        return loss

    def _forward(self, x: Array) -> tuple[list[Array], Array]:
        """The input of each layer, and the log-probabilities."""
        inputs = [x]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            inputs.append(np.tanh(inputs[-1] @ weight + bias))
        scores = inputs[-1] @ self.weights[-1] + self.biases[-1]
        scores -= scores.max(axis=1, keepdims=True)
        return inputs, scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
