"""The convolutional network of the book's chapter 2 in plain NumPy, independent of Arignote."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]


class LeNet:
    """Convolution, pool, convolution, pool, tanh layer, softmax; no biases in convolutions.

    `sizes`: (rows of the square image, filters, filters, window, hidden units, classes).
    """

    def __init__(
        self, sizes: tuple[int, int, int, int, int, int], *, dtype: DTypeLike = np.float32, seed: int = 0
    ) -> None:
        self.side, k0, k1, window, hidden, classes = sizes
        small = ((self.side - window + 1) // 2 - window + 1) // 2
        random = np.random.RandomState(seed)

        def glorot(shape: tuple[int, ...], fan: int) -> Array:
            high = np.sqrt(6 / fan)
            return random.uniform(-high, high, shape).astype(dtype)

        self.p: dict[str, Array] = {
            "W0": glorot((k0, 1, window, window), (k0 + 1) * window**2),
            "W1": glorot((k1, k0, window, window), (k1 + k0) * window**2),
            "W2": glorot((k1 * small**2, hidden), k1 * small**2 + hidden),
            "b2": np.zeros(hidden, dtype),
            "W3": np.zeros((hidden, classes), dtype),
            "b3": np.zeros(classes, dtype),
        }

    def parameters(self) -> dict[str, Array]:
        """The parameters themselves."""
        return self.p

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Overwrite the parameters in place."""
        for name, array in self.p.items():
            array[...] = arrays[name]

    def log_probabilities(self, x: Array) -> Array:
        """log p(class | image), [n, classes]."""
        return self._forward(x)[-1]

    def loss(self, x: Array, y: Array) -> float:
        """Mean negative log-likelihood of the labels."""
        return float(-self.log_probabilities(x)[np.arange(len(y)), y].mean())

    def error(self, x: Array, y: Array) -> float:
        """Share of images whose most probable class is not the label."""
        return float((self.log_probabilities(x).argmax(axis=1) != y).mean())

    def gradients(self, x: Array, y: Array) -> tuple[float, dict[str, Array]]:
        """The loss, and its derivatives by parameter."""
        image, c0, p0, c1, flat, hidden, log_p = self._forward(x)
        rows = np.arange(len(y))
        delta = np.exp(log_p)
        delta[rows, y] -= 1
        delta /= len(y)
        g: dict[str, Array] = {"W3": hidden.T @ delta, "b3": delta.sum(axis=0)}
        delta = (delta @ self.p["W3"].T) * (1 - hidden**2)
        g |= {"W2": flat.T @ delta, "b2": delta.sum(axis=0)}
        delta = (delta @ self.p["W2"].T).reshape(len(x), c1.shape[1], c1.shape[2] // 2, -1)
        delta = _unpool(c1, delta)
        g["W1"] = _weight_gradient(p0, delta)
        delta = _unpool(c0, _image_gradient(delta, self.p["W1"]))
        g["W0"] = _weight_gradient(image, delta)
        return float(-log_p[rows, y].mean()), g

    def train_step(self, x: Array, y: Array, learning_rate: float) -> float:
        """One update; returns the loss before it."""
        loss, gradients = self.gradients(x, y)
        for name, array in self.p.items():
            array -= array.dtype.type(learning_rate) * gradients[name]
        return loss

    def maps(self, x: Array) -> tuple[Array, Array]:
        """What the two convolutions make of images."""
        _, first, _, second, *_ = self._forward(x)
        return first, second

    def _forward(self, x: Array) -> tuple[Array, ...]:
        image = x.reshape(len(x), 1, self.side, self.side)
        c0 = _convolve(image, self.p["W0"])
        p0 = _pool(c0)
        c1 = _convolve(p0, self.p["W1"])
        flat = _pool(c1).reshape(len(x), -1)
        hidden = np.tanh(flat @ self.p["W2"] + self.p["b2"])
        scores = hidden @ self.p["W3"] + self.p["b3"]
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        return image, c0, p0, c1, flat, hidden, log_p


def _convolve(x: Array, w: Array) -> Array:
    windows = sliding_window_view(x, w.shape[2:], axis=(2, 3))
    out: Array = np.einsum("nchwij,kcij->nkhw", windows, w[:, :, ::-1, ::-1], optimize=True)
    return out


def _weight_gradient(x: Array, delta: Array) -> Array:
    windows = sliding_window_view(x, delta.shape[2:], axis=(2, 3))
    out: Array = np.einsum("ncijhw,nkhw->kcij", windows, delta, optimize=True)
    return out[:, :, ::-1, ::-1]


def _image_gradient(delta: Array, w: Array) -> Array:
    pad = w.shape[2] - 1
    wide = np.pad(delta, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(wide, w.shape[2:], axis=(2, 3))
    out: Array = np.einsum("nkhwij,kcij->nchw", windows, w, optimize=True)
    return out


def _blocks(x: Array) -> Array:
    """[n, c, rows / 2, columns / 2, 4]: the elements of each window; odd last rows are dropped."""
    rows, columns = x.shape[2] // 2, x.shape[3] // 2
    cut = x[:, :, : 2 * rows, : 2 * columns].reshape(*x.shape[:2], rows, 2, columns, 2)
    return cut.transpose(0, 1, 2, 4, 3, 5).reshape(*x.shape[:2], rows, columns, 4)


def _pool(x: Array) -> Array:
    out: Array = _blocks(x).max(axis=-1)
    return out


def _unpool(x: Array, delta: Array) -> Array:
    where = _blocks(x).argmax(axis=-1)
    out = np.zeros_like(x)
    for i in range(2):
        for j in range(2):
            part = out[:, :, i : 2 * delta.shape[2] : 2, j : 2 * delta.shape[3] : 2]
            part[...] = np.where(where == 2 * i + j, delta, 0)
    return out
