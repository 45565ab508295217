"""Pooling over the last axes: sums and maxima of windows, and the linear maps that their gradients are.

Window o of an axis holds the elements o * strides - low + (0 .. window - 1), as far as there are any; `size` says how
many windows there are. Among equal maxima, and among elements that are no number, the first one in C order counts, so
the gradient of a tie goes to one element. `pool_sum` and `pool_spread` are each other's transpositions, as `pool_pick`
and `pool_put` are in their second operand.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NotRequired, TypedDict, Unpack

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import (
    Array,
    Grads,
    Samples,
    bind,
    check_bound,
    check_kind,
    same_shape,
    widened,
)  # fmt: skip
from arignote.ir.types import DimLike, TensorType, is_float, prod_dims

Shape = tuple[DimLike, ...]
Positions = tuple[int, ...]


class Pooling(TypedDict):
    """The attributes of every op here, besides `size`."""

    window: Positions
    strides: Positions
    low: Positions
    bound_size: NotRequired[Positions]


# ---------------------------------------------------------------- inference
def check_windows(
    x: TensorType, scalars: Sequence[TensorType], size: Shape, window: Positions, strides: Positions, low: Positions,
    bound_size: Positions = (),
) -> None:  # fmt: skip
    """(C1) numbers. (C2) one window, stride, padding and size per pooled axis. (C3) every window holds an element.
    (C4) scalars."""
    check_kind("number", x)
    axes = len(window)
    fits = 1 <= axes <= x.ndim and len(strides) == len(low) == len(size) == axes
    sizes = f"window {window}, strides {strides}, padding {low}, size {size}"
    require(fits and min(*window, *strides) >= 1 and min(low) >= 0, f"{sizes} do not fit {x} (C2)")
    for axis, (s, o, w, by, pad) in enumerate(zip(x.shape[-axes:], size, window, strides, low, strict=True)):
        known = isinstance(s, int) and isinstance(o, int)
        require(
            not known or o > 0,  # type: ignore[operator]
            f"pooled axis {axis} of {x}: no window fits: (size + 2 * padding - window) // stride + 1 = "
            f"({s} + 2 * {pad} - {w}) // {by} + 1 = {o} (C3)",
        )
        good = pad < w and not (known and (o - 1) * by - pad >= s)  # type: ignore[operator]
        require(
            good,
            f"pooled axis {axis} of {x}: the last of {o} windows begins at (size - 1) * stride - padding = "
            f"({o} - 1) * {by} - {pad}, or padding {pad} is no less than the window {w}: it holds no element (C3)",
        )
    check_bound(scalars, len(bound_size), "sizes (C4)")


def pooled(x: TensorType, size: Shape) -> TensorType:
    """The type of one element per window."""
    return x.with_shape((*x.shape[: x.ndim - len(size)], *size))


def infer_pool(x: TensorType, *scalars: TensorType, size: Shape, **attrs: Unpack[Pooling]) -> TensorType:
    """infer(x: T[..., S...], *scalars) -> T[..., size...]."""
    check_windows(x, scalars, size, **attrs)
    return pooled(x, size)


def check_pair(x: TensorType, v: TensorType, shape: Shape) -> None:
    """(C5) one dtype. (C6) the second operand's shape."""
    require(x.dtype == v.dtype, f"dtypes differ: {x}, {v} (C5)")
    require(same_shape(v.shape, shape), f"{v} has not the shape {x.with_shape(shape)} (C6)")


# ---------------------------------------------------------------- evaluation
class Windows:
    """The windows of a call: for every place in a window, which of the windows have it, and the element there."""

    def __init__(
        self, space: Sequence[int], size: Shape, window: Positions, strides: Positions, low: Positions,
        scalars: Sequence[Array] = (), bound_size: Positions = (),
    ) -> None:  # fmt: skip
        self.space, self.window, self.strides, self.low = space, window, strides, low
        self.size = bind(size, bound_size, scalars)

    def each(self) -> Iterator[tuple[tuple[Any, ...], Array]]:
        """(indices of the elements, clipped to the axes, for `x[..., *indices]`; whether they are there)."""
        for place in itertools.product(*map(range, self.window)):
            rows = zip(place, self.size, self.strides, self.low, strict=True)
            at = np.ix_(*(np.arange(o) * by - pad + p for p, o, by, pad in rows))
            inside = np.ones(self.size, bool)
            for i, s in zip(at, self.space, strict=True):
                inside &= (i >= 0) & (i < s)
            clipped = (np.clip(i, 0, max(s - 1, 0)) for i, s in zip(at, self.space, strict=True))
            yield (..., *clipped), inside

    def maxima(self, x: Array) -> tuple[Array, Array]:
        """The maximum of each window, and the number of its place in the window."""
        best = np.zeros((*x.shape[: x.ndim - len(self.size)], *self.size), x.dtype)
        where = np.full(best.shape, -1)
        for n, (at, inside) in enumerate(self.each()):
            y = x[at]
            better = inside & ((where < 0) | (y > best) | ((y != y) & (best == best)))
            best[better], where[better] = y[better], n
        return best, where


def _windows(x: Array, scalars: Sequence[Array], attrs: dict[str, Any]) -> Windows:
    return Windows(x.shape[x.ndim - len(attrs["window"]) :], scalars=scalars, **attrs)


def _max(x: Array, *scalars: Array, **attrs: Any) -> Array:
    return _windows(x, scalars, attrs).maxima(x)[0]


def _pick(x: Array, v: Array, *scalars: Array, **attrs: Any) -> Array:
    windows = _windows(x, scalars, attrs)
    where = windows.maxima(x)[1]
    out = np.zeros(where.shape, v.dtype)
    for n, (at, _) in enumerate(windows.each()):
        out = np.where(where == n, v[at], out)
    return out


def _put(x: Array, v: Array, *scalars: Array, **attrs: Any) -> Array:
    windows = _windows(x, scalars, attrs)
    where = windows.maxima(x)[1]
    out = np.zeros_like(x)
    for n, (at, _) in enumerate(windows.each()):
        np.add.at(out, at, np.where(where == n, v, 0))
    return out


def _sum(x: Array, *scalars: Array, **attrs: Any) -> Array:
    windows = _windows(x, scalars, attrs)
    out = np.zeros((*x.shape[: x.ndim - len(windows.size)], *windows.size), x.dtype)
    for at, inside in windows.each():
        out += np.where(inside, x[at], x.dtype.type(0))
    return out


def _spread(y: Array, *scalars: Array, size: Shape, bound_size: Positions = (), **attrs: Any) -> Array:
    space = bind(size, bound_size, scalars)
    count = len(space)
    windows = Windows(space, y.shape[y.ndim - count :], **attrs)
    out = np.zeros((*y.shape[: y.ndim - count], *space), y.dtype)
    for at, inside in windows.each():
        np.add.at(out, at, np.where(inside, y, y.dtype.type(0)))
    return out


# ---------------------------------------------------------------- costs and gradients
def flops(x: TensorType, *rest: TensorType, size: Shape, window: Positions, **attrs: Any) -> DimLike:
    """An operation for each element of each window."""
    return prod_dims(window) * pooled(x, size).size


def shared(**attrs: Any) -> dict[str, Any]:
    """The attributes that a gradient has as well."""
    return {k: v for k, v in attrs.items() if k != "bound_size"}


def nothing(scalars: Sequence[Value]) -> Grads:
    """No gradients of sizes."""
    return (None,) * len(scalars)


# ---------------------------------------------------------------- samples
def _cases() -> list[tuple[Array, dict[str, Any]]]:
    r = np.random.default_rng(0)

    def case(shape: tuple[int, ...], **attrs: Any) -> tuple[Array, dict[str, Any]]:
        x = np.asarray(r.permutation(int(np.prod(shape))).reshape(shape) / 4.0 - 3.0)  # no ties
        return x, attrs

    return [
        case((2, 3, 6, 4), size=(3, 2), window=(2, 2), strides=(2, 2), low=(0, 0)),
        case((2, 5, 7), size=(3, 4), window=(2, 2), strides=(2, 2), low=(0, 0)),  # the last windows are cut off
        case((2, 1, 6, 7), size=(4, 4), window=(3, 3), strides=(2, 2), low=(1, 1)),
        case((3, 5, 6), size=(3, 5), window=(3, 2), strides=(1, 1), low=(0, 0)),
        case((2, 7), size=(2,), window=(2,), strides=(4,), low=(0,)),
        case((2, 4, 4, 4), size=(2, 2, 2), window=(2, 2, 2), strides=(2, 2, 2), low=(0, 0, 0)),
        case((0, 4, 4), size=(2, 2), window=(2, 2), strides=(2, 2), low=(0, 0)),
    ]


def _samples(operands: Callable[[Array, Array], tuple[Array, ...]]) -> Callable[[], Samples]:
    """`operands` of x and of an array with an element per window; in the last sample a size is given by a scalar."""

    def samples() -> Samples:
        r = np.random.default_rng(1)
        out: Samples = []
        for x, attrs in _cases():
            y = np.asarray(r.normal(size=(*x.shape[: x.ndim - len(attrs["size"])], *attrs["size"])))
            out.append((operands(x, y), attrs))
        arrays, attrs = out[1]
        return [*out, ((*arrays, np.asarray(attrs["size"][1])), {**attrs, "bound_size": (1,)})]

    return samples


def _spread_samples() -> Samples:
    out: Samples = []
    for (x, y), attrs in _samples(lambda x, y: (x, y))()[:-1]:
        out.append(((y,), {**attrs, "size": x.shape[x.ndim - len(attrs["window"]) :]}))
    (y,), attrs = out[1]
    return [*out, ((y, np.asarray(attrs["size"][0])), {**attrs, "bound_size": (0,)})]


# ---------------------------------------------------------------- the ops
@defop
class pool_max:
    """pool_max(x: T[...,S...], *sizes: i64[]) {size, window, strides, low, bound_size=()} -> T[...,size...]: the
    largest element of each window; NaN where there is one. T is an integer or float dtype.
    (C1) such a dtype. (C2) attributes. (C3) no window is empty. (C4) scalars."""

    traits = ("library",)
    infer = infer_pool
    eval = staticmethod(_max)
    lower = "pool"
    flops = flops
    samples = _samples(lambda x, y: (x,))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *scalars: Value, **attrs: Any) -> Grads:
        if not is_float(x.dtype):
            return (None, *nothing(scalars))
        return (b.pool_put(x, ct, **shared(**attrs) | {"size": out.shape[-len(attrs["size"]) :]}), *nothing(scalars))


@defop
class pool_pick:
    """pool_pick(x: T[...,S...], v: T[...,S...], *sizes: i64[]) {size, window, strides, low, bound_size=()} ->
    T[...,size...]: of each window the element of v where that of x is largest. Of places in v it makes the switches of
    M. Zeiler and R. Fergus, *Visualizing and understanding convolutional networks* (2014).
    (C1) to (C4) as for `pool_max`. (C5) one dtype. (C6) one shape."""

    traits = ("library",)
    eval = staticmethod(_pick)
    lower = "pool"
    flops = flops
    samples = _samples(lambda x, y: (x, np.asarray(np.random.default_rng(2).normal(size=x.shape))))

    @staticmethod
    def infer(x: TensorType, v: TensorType, *scalars: TensorType, size: Shape, **attrs: Unpack[Pooling]) -> TensorType:
        check_windows(x, scalars, size, **attrs)
        check_pair(x, v, x.shape)
        return pooled(x, size)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, v: Value, *scalars: Value, **attrs: Any) -> Grads:
        if not is_float(x.dtype):
            return (None, None, *nothing(scalars))
        return (b.full(0, x.type), b.pool_put(x, ct, **shared(**attrs)), *nothing(scalars))


@defop
class pool_put:
    """pool_put(x: T[...,S...], v: T[...,size...], *sizes: i64[]) {size, window, strides, low, bound_size=()} ->
    T[...,S...]: zeros, and the element of v of each window added where x is largest in it: the gradient of maxima, and
    with `v` of a decoder the unpooling by switches of Zeiler and Fergus (2014).
    (C1) to (C4) as for `pool_max`. (C5) one dtype. (C6) v has an element per window."""

    traits = ("library",)
    eval = widened(_put)
    lower = "pool"
    flops = flops
    samples = _samples(lambda x, y: (x, y))

    @staticmethod
    def infer(x: TensorType, v: TensorType, *scalars: TensorType, size: Shape, **attrs: Unpack[Pooling]) -> TensorType:
        check_windows(x, scalars, size, **attrs)
        check_pair(x, v, pooled(x, size).shape)
        return x

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, v: Value, *scalars: Value, **attrs: Any) -> Grads:
        if not is_float(x.dtype):
            return (None, None, *nothing(scalars))
        return (b.full(0, x.type), b.pool_pick(x, ct, **shared(**attrs)), *nothing(scalars))


@defop
class pool_sum:
    """pool_sum(x: T[...,S...], *sizes: i64[]) {size, window, strides, low, bound_size=()} -> T[...,size...]: the sum of
    each window. T is an integer or float dtype. (C1) to (C4) as for `pool_max`."""

    traits = ("library",)
    infer = infer_pool
    eval = widened(_sum)
    lower = "pool"
    flops = flops
    samples = _samples(lambda x, y: (x,))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *scalars: Value, **attrs: Any) -> Grads:
        if not is_float(x.dtype):
            return (None, *nothing(scalars))
        space = x.shape[x.ndim - len(attrs["window"]) :]
        return (b.pool_spread(ct, **{**shared(**attrs), "size": space}), *nothing(scalars))


@defop
class pool_spread:
    """pool_spread(y: T[...,O...], *sizes: i64[]) {size, window, strides, low, bound_size=()} -> T[...,size...]: zeros,
    and each element of y added to all places of its window: the gradient of sums.
    (C1) to (C4) as for `pool_max`, of the result."""

    traits = ("library",)
    eval = widened(_spread)
    lower = "pool"

    @staticmethod
    def flops(y: TensorType, *rest: TensorType, window: Positions, **attrs: Any) -> DimLike:
        return prod_dims(window) * y.size

    samples = staticmethod(_spread_samples)

    @staticmethod
    def infer(y: TensorType, *scalars: TensorType, size: Shape, **attrs: Unpack[Pooling]) -> TensorType:
        require(len(size) <= y.ndim, f"size {size} does not fit {y} (C2)")
        x = pooled(y, size)
        check_windows(x, scalars, y.shape[y.ndim - len(size) :], **attrs)
        return x

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, y: Value, *scalars: Value, **attrs: Any) -> Grads:
        if not is_float(y.dtype):
            return (None, *nothing(scalars))
        size = y.shape[y.ndim - len(attrs["window"]) :]
        return (b.pool_sum(ct, **{**shared(**attrs), "size": size}), *nothing(scalars))
