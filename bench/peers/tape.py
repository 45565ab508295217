"""The ops of `bench/networks.py` in NumPy, with gradients by a tape: the reference for networks of images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from bench.networks import EPSILON
from bench.workloads.spec import Array


class Node:
    """A value, and what its gradient becomes of its operands."""

    def __init__(
        self, value: Array, parents: Sequence[Any] = (), back: Callable[[Array], Sequence[Any]] | None = None
    ) -> None:
        self.value, self.parents, self.back = value, list(parents), back
        self.shape = value.shape
        self.grad: Array | None = None


def gradients(outputs: Sequence[tuple[Node, Array]], wrt: Sequence[Node]) -> list[Array]:
    """From outputs with their gradients."""
    order: list[Node] = []
    seen: set[int] = set()

    def visit(node: Node) -> None:
        if id(node) not in seen:
            seen.add(id(node))
            for parent in node.parents:
                visit(parent)
            order.append(node)

    for node, _ in outputs:
        visit(node)
    for node in order:
        node.grad = None
    for node, grad in outputs:
        node.grad = grad if node.grad is None else node.grad + grad
    for node in reversed(order):
        if node.back is not None and node.grad is not None:
            for parent, grad in zip(node.parents, node.back(node.grad), strict=True):
                parent.grad = grad if parent.grad is None else parent.grad + grad
    return [node.grad if node.grad is not None else np.zeros_like(node.value) for node in wrt]


class NumpyOps:
    """`bench.networks.Ops`."""

    def reshape(self, x: Node, shape: tuple[int, ...]) -> Node:
        return Node(x.value.reshape(shape), [x], lambda g: [g.reshape(x.shape)])

    def dot(self, x: Node, w: Node) -> Node:
        return Node(x.value @ w.value, [x, w], lambda g: [g @ w.value.T, x.value.T @ g])

    def add(self, x: Node, b: Node) -> Node:
        return Node(x.value + b.value, [x, b], lambda g: [g, g.sum(axis=0)])

    def plus(self, x: Node, y: Node) -> Node:
        return Node(x.value + y.value, [x, y], lambda g: [g, g])

    def conv(self, x: Node, w: Node, stride: int = 1, pad: int = 0) -> Node:
        return Node(
            convolved(x.value, w.value, stride, pad), [x, w],
            lambda g: [
                spread(g, w.value, stride, pad, x.shape[2:]), by_filters(x.value, g, stride, pad, w.shape[2:]),
            ],
        )  # fmt: skip

    def up(self, x: Node, w: Node) -> Node:
        size = (2 * x.shape[2], 2 * x.shape[3])
        return Node(
            spread(x.value, w.value, 2, 2, size), [x, w],
            lambda g: [convolved(g, w.value, 2, 2), by_filters(g, x.value, 2, 2, w.shape[2:])],
        )  # fmt: skip

    def maxpool(self, x: Node) -> Node:
        n, c, h, w = x.shape
        apart = x.value.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        blocks = apart.reshape(n, c, h // 2, w // 2, 4)
        at = blocks.argmax(axis=-1)[..., None]

        def back(g: Array) -> list[Array]:
            out = np.zeros_like(blocks)
            np.put_along_axis(out, at, g[..., None], axis=-1)
            return [out.reshape(n, c, h // 2, w // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)]

        return Node(np.take_along_axis(blocks, at, axis=-1)[..., 0], [x], back)

    def meanpool(self, x: Node) -> Node:
        n, c, h, w = x.shape
        value = x.value.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))
        return Node(value, [x], lambda g: [np.repeat(np.repeat(g / np.float32(4), 2, axis=2), 2, axis=3)])

    def norm(self, x: Node, shift: Node, scale: Node, mean: Any = None, variance: Any = None) -> Node:
        axes = tuple(a for a in range(x.value.ndim) if a != 1)
        like = (1, -1) + (1,) * (x.value.ndim - 2)
        if mean is not None:
            factor = scale.value / np.sqrt(variance.value + np.float32(EPSILON))
            value = (x.value - mean.value.reshape(like)) * factor.reshape(like) + shift.value.reshape(like)
            return Node(value, [x, shift, scale], None)
        centred = x.value - x.value.mean(axis=axes, keepdims=True)
        inverse = 1 / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + np.float32(EPSILON))
        normal = centred * inverse

        def back(g: Array) -> list[Array]:
            by_scale, by_shift = (g * normal).sum(axis=axes), g.sum(axis=axes)
            n = np.float32(g.size / g.shape[1])
            inner = g - (by_shift.reshape(like) + normal * by_scale.reshape(like)) / n
            return [inner * inverse * scale.value.reshape(like), by_shift, by_scale]

        value = normal * scale.value.reshape(like) + shift.value.reshape(like)
        return Node(value, [x, shift, scale], back)

    def means(self, x: Node) -> Node:
        n = np.float32(x.shape[2] * x.shape[3])
        return Node(
            x.value.mean(axis=(2, 3)), [x], lambda g: [np.broadcast_to((g / n)[:, :, None, None], x.shape)]
        )  # fmt: skip

    def concat(self, x: Node, hot: Node) -> Node:
        extra = hot.value.reshape(*hot.shape, *(1,) * (x.value.ndim - 2))
        maps = np.broadcast_to(extra, (*hot.shape, *x.shape[2:]))
        return Node(np.concatenate([x.value, maps], axis=1), [x], lambda g: [g[:, : x.shape[1]]])

    def join(self, x: Node, y: Node) -> Node:
        c = x.shape[1]
        return Node(np.concatenate([x.value, y.value], axis=1), [x, y], lambda g: [g[:, :c], g[:, c:]])

    def relu(self, x: Node) -> Node:
        return Node(np.maximum(x.value, 0), [x], lambda g: [g * (x.value > 0)])

    def leaky(self, x: Node) -> Node:
        slope = np.where(x.value > 0, np.float32(1), np.float32(0.2))
        return Node(x.value * slope, [x], lambda g: [g * slope])

    def tanh(self, x: Node) -> Node:
        y = np.tanh(x.value)
        return Node(y, [x], lambda g: [g * (1 - y * y)])

    def sigmoid(self, x: Node) -> Node:
        y = 1 / (1 + np.exp(-x.value))
        return Node(y, [x], lambda g: [g * y * (1 - y)])


def _windows(x: Array, window: Any, stride: int, pad: int) -> Array:
    """(n, c, rows, columns, r, s)."""
    wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    found: Array = sliding_window_view(wide, window, axis=(2, 3))[:, :, ::stride, ::stride]
    return found


def convolved(x: Array, w: Array, stride: int, pad: int) -> Array:
    """The correlation of (n, c, h, w) with (k, c, r, s)."""
    out = np.tensordot(_windows(x, w.shape[2:], stride, pad), w, axes=([1, 4, 5], [1, 2, 3]))
    return np.ascontiguousarray(out.transpose(0, 3, 1, 2))


def by_filters(x: Array, g: Array, stride: int, pad: int, window: tuple[int, ...]) -> Array:
    """Its gradient by the filters, (k, c, r, s)."""
    rows = _windows(x, window, stride, pad)[:, :, : g.shape[2], : g.shape[3]]
    return np.ascontiguousarray(np.tensordot(g, rows, axes=([0, 2, 3], [0, 2, 3])))


def spread(g: Array, w: Array, stride: int, pad: int, size: tuple[int, ...]) -> Array:
    """Its gradient by images of that size."""
    rows, columns = g.shape[2:]
    wide = np.zeros((len(g), w.shape[1], size[0] + 2 * pad + stride, size[1] + 2 * pad + stride), g.dtype)
    for i, j in np.ndindex(*w.shape[2:]):
        part = np.tensordot(g, w[:, :, i, j], axes=([1], [0])).transpose(0, 3, 1, 2)
        wide[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride] += part
    return wide[:, :, pad : pad + size[0], pad : pad + size[1]]
