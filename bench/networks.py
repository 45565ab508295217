"""The networks of images of the benchmarks, written once: over the ops of a peer, `Ops`, and its parameters in order.

Images are rows of pixels; filters are not turned around.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

EPSILON = 1e-4  # of normalisations
CLASSIFIERS = ("lenet", "resnet", "densenet")  # families of workloads that train on images with labels


class Ops(Protocol):
    """What a peer offers."""

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        """A view in another shape; the first size may be -1."""

    def dot(self, x: Any, w: Any) -> Any:
        """Matrix product."""

    def add(self, x: Any, b: Any) -> Any:
        """A row added to each."""

    def conv(self, x: Any, w: Any, stride: int = 1, pad: int = 0) -> Any:
        """Correlation of (n, c, h, w) with (k, c, r, s)."""

    def up(self, x: Any, w: Any) -> Any:
        """The transposition of a correlation with stride 2 and padding 2, to twice the size; w is (c, k, 5, 5)."""

    def maxpool(self, x: Any) -> Any:
        """Of windows of 2x2."""

    def meanpool(self, x: Any) -> Any:
        """Of windows of 2x2."""

    def norm(self, x: Any, shift: Any, scale: Any, mean: Any = None, variance: Any = None) -> Any:
        """Batch normalisation along axis 1, by the batch's statistics unless others are given."""

    def means(self, x: Any) -> Any:
        """(n, c, h, w) -> (n, c)."""

    def concat(self, x: Any, hot: Any) -> Any:
        """(n, c, ...) and (n, k) -> (n, c + k, ...): maps of ones and zeros."""

    def join(self, x: Any, y: Any) -> Any:
        """(n, c, h, w) and (n, k, h, w) -> (n, c + k, h, w)."""

    def relu(self, x: Any) -> Any:
        """max(x, 0)."""

    def leaky(self, x: Any) -> Any:
        """x, or 0.2 x where it is negative."""

    def tanh(self, x: Any) -> Any:
        """Hyperbolic tangent."""

    def sigmoid(self, x: Any) -> Any:
        """Logistic function."""

    def plus(self, x: Any, y: Any) -> Any:
        """Sum of two of one shape."""


def mlp(f: Ops, x: Any, parameters: Sequence[Any]) -> Any:
    """Scores of 784-500-10."""
    w1, b1, w2, b2 = parameters
    return f.add(f.dot(f.tanh(f.add(f.dot(x, w1), b1)), w2), b2)


def lenet(f: Ops, x: Any, parameters: Sequence[Any]) -> Any:
    """Scores of the book's network of chapter 2."""
    w0, w1, w2, b2, w3, b3 = parameters
    x = f.maxpool(f.conv(f.reshape(x, (-1, 1, 28, 28)), w0))
    x = f.maxpool(f.conv(x, w1))
    flat = f.reshape(x, (-1, w2.shape[0]))
    return f.add(f.dot(f.tanh(f.add(f.dot(flat, w2), b2)), w3), b3)


def resnet(
    f: Ops, x: Any, parameters: Sequence[Any], n: int = 3, size: int = 32, stored: bool = False
) -> Any:
    """Scores of a residual network with pre-activation; `stored`: statistics are parameters."""
    left = iter(parameters)

    def activated(x: Any) -> Any:
        return f.relu(f.norm(x, *(next(left) for _ in range(4 if stored else 2))))

    x = f.conv(f.reshape(x, (-1, 3, size, size)), next(left), 1, 1)
    for stage in range(3):
        for block in range(n):
            first = bool(stage) and not block
            stride = 2 if first else 1
            before = activated(x)
            y = f.conv(before, next(left), stride, 1)
            y = f.conv(activated(y), next(left), 1, 1)
            x = f.plus(y, f.conv(before, next(left), stride) if first else x)
    pooled = f.means(activated(x))
    return f.add(f.dot(pooled, next(left)), next(left))


def densenet(f: Ops, x: Any, parameters: Sequence[Any], layers: int = 12, size: int = 32) -> Any:
    """Scores of three blocks in which each layer reads what all before it made."""
    left = iter(parameters)

    def activated(x: Any) -> Any:
        return f.relu(f.norm(x, next(left), next(left)))

    x = f.conv(f.reshape(x, (-1, 3, size, size)), next(left), 1, 1)
    for block in range(3):
        if block:
            x = f.meanpool(f.conv(activated(x), next(left)))
        for _ in range(layers):
            x = f.join(x, f.conv(activated(x), next(left), 1, 1))
    pooled = f.means(activated(x))
    return f.add(f.dot(pooled, next(left)), next(left))


def generator(f: Ops, z: Any, hot: Any, parameters: Sequence[Any], filters: int) -> Any:
    """Images (n, 1, 28, 28) from noise and classes."""
    left = iter(parameters)

    def norm(x: Any) -> Any:
        return f.relu(f.norm(x, next(left), next(left)))

    x = norm(f.dot(f.concat(z, hot), next(left)))
    x = norm(f.dot(f.concat(x, hot), next(left)))
    x = f.concat(f.reshape(x, (-1, 2 * filters, 7, 7)), hot)
    x = norm(f.up(x, next(left)))
    return f.sigmoid(f.up(f.concat(x, hot), next(left)))


def discriminator(f: Ops, x: Any, hot: Any, parameters: Sequence[Any], filters: int) -> Any:
    """Scores (n, 1): positive for images that are taken for real."""
    left = iter(parameters)

    def norm(x: Any) -> Any:
        return f.leaky(f.norm(x, next(left), next(left)))

    x = f.leaky(f.conv(f.concat(x, hot), next(left), 2, 2))
    x = norm(f.conv(f.concat(x, hot), next(left), 2, 2))
    x = f.reshape(x, (-1, 98 * filters))
    x = norm(f.dot(f.concat(x, hot), next(left)))
    return f.dot(f.concat(x, hot), next(left))


def scores(family: str, sizes: Any) -> Callable[[Ops, Any, Sequence[Any]], Any]:
    """The classifier of a workload's family."""
    if family == "predict":
        family = ("mlp", "lenet", "resnet")[sizes["kind"]]
        if family == "resnet":
            return lambda f, x, p: resnet(f, x, p, sizes["n"], sizes["size"], stored=True)
    if family == "resnet":
        return lambda f, x, p: resnet(f, x, p, sizes["n"], sizes["size"])
    if family == "densenet":
        return lambda f, x, p: densenet(f, x, p, sizes["layers"], sizes["size"])
    return {"mlp": mlp, "lenet": lenet}[family]
