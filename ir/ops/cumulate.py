"""Running sums and products along an axis, and the recurrence that their gradients are.

All go from the first element of `axis` to the last, or with `reverse` from the last to the first; "the one before" is
meant in that direction. Floats accumulate in f64 and are rounded once; integers wrap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, check_axis, same_shape
from arignote.ir.types import TensorType, better_dim, is_float


def infer_along(x: TensorType, *, axis: int, reverse: bool = False) -> TensorType:
    """(C1): an axis. (C2): integers or floats."""
    check_axis(x, axis)
    require_numbers(x)
    return x


def require_numbers(*types: TensorType) -> None:
    """(C2): integers or floats."""
    for t in types:
        require(t.dtype != "bool" and not t.dtype.startswith("c"), f"takes integers or floats, got {t} (C2)")


def directed(x: Array, axis: int, reverse: bool) -> Array:
    """`x`, or `x` with `axis` turned around."""
    return np.flip(x, axis) if reverse else x


def accumulated(ufunc: np.ufunc) -> Callable[..., Array]:
    """eval by `ufunc.accumulate`."""

    def evaluate(x: Array, *, axis: int, reverse: bool = False) -> Array:
        wide = np.float64 if x.dtype.kind == "f" else x.dtype
        with np.errstate(all="ignore"):
            out = ufunc.accumulate(directed(x, axis, reverse), axis=axis, dtype=wide).astype(x.dtype)
        return np.ascontiguousarray(directed(out, axis, reverse))

    return evaluate


def along_samples(*more: dict[str, Any]) -> Callable[[], Samples]:
    """Samples for every axis in both directions, with zeros among the elements."""

    def samples() -> Samples:
        r = np.random.default_rng(0)
        x = r.uniform(0.5, 1.5, size=(2, 3, 4)) * r.choice([-1.0, 1.0], size=(2, 3, 4))
        holes = np.array([[2.0, 0.0, 3.0, 0.0, -1.5], [0.0, 4.0, 0.5, -2.0, 1.0]])
        cases: list[tuple[Array, dict[str, Any]]] = [
            *((x, {"axis": a, "reverse": back}) for a in range(3) for back in (False, True)),
            (holes, {"axis": 1}),
            (holes, {"axis": 1, "reverse": True}),
            (np.ones(1), {"axis": 0}),
            (np.zeros((0, 3)), {"axis": 1}),
            (np.zeros((2, 0)), {"axis": 1}),
        ]
        return [((y,), attrs) for y, attrs in cases]

    return samples


@defop
class cumsum:
    """cumsum(x: T[...]) {axis, reverse=false} -> T[...]: the sum of each element and all before it along `axis`. T is
    an integer or float dtype. (C1) an axis. (C2) such a dtype."""

    traits = ("library",)
    infer = infer_along
    eval = accumulated(np.add)
    lower = "cumulate"
    samples = along_samples()

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axis: int, reverse: bool = False) -> Grads:
        return (b.cumsum(ct, axis=axis, reverse=not reverse) if is_float(x.dtype) else None,)


@defop
class cumprod:
    """cumprod(x: T[...]) {axis, reverse=false} -> T[...]: the product of each element and all before it along `axis`.
    T is an integer or float dtype. The gradient divides by nothing, so it holds where elements are 0.
    (C1) an axis. (C2) such a dtype."""

    traits = ("library",)
    infer = infer_along
    eval = accumulated(np.multiply)
    lower = "cumulate"
    samples = along_samples()

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axis: int, reverse: bool = False) -> Grads:
        if not is_float(x.dtype):
            return (None,)
        # out[j] = out[j-1] x[j], so the whole cotangent of out[j] is ct[j] + x[j+1] times that of out[j+1].
        whole = b.recurrence(x, ct, axis=axis, reverse=not reverse, leaving=True)
        return (b.mul(whole, b.shift(out, axis=axis, by=-1 if reverse else 1, fill=1.0)),)


def _recurrence(a: Array, c: Array, *, axis: int, reverse: bool = False, leaving: bool = False) -> Array:
    wide = np.float64 if a.dtype.kind == "f" else a.dtype
    xs, ys = (np.moveaxis(directed(v, axis, reverse), axis, 0).astype(wide) for v in (a, c))
    out = np.empty_like(ys)
    for j in range(len(ys)):
        out[j] = ys[j] + xs[j - 1 if leaving else j] * out[j - 1] if j else ys[j]
    return np.ascontiguousarray(directed(np.moveaxis(out, 0, axis), axis, reverse).astype(a.dtype))


@defop
class recurrence:
    """recurrence(a: T[...], c: T[...]) {axis, reverse=false, leaving=false} -> T[...]: y[j] = c[j] + a[j] y[j-1] along
    `axis`, beginning with y[0] = c[0]; with `leaving` y[j] = c[j] + a[j-1] y[j-1]. T is an integer or float dtype.
    The gradient is the recurrence in the other direction, with the other coefficients.
    (C1) an axis. (C2) such a dtype. (C3) one dtype. (C4) one shape."""

    traits = ("library",)
    eval = staticmethod(_recurrence)
    lower = "cumulate"

    @staticmethod
    def infer(
        a: TensorType, c: TensorType, *, axis: int, reverse: bool = False, leaving: bool = False
    ) -> TensorType:
        infer_along(c, axis=axis)
        require_numbers(a)
        require(a.dtype == c.dtype, f"dtypes differ: {a}, {c} (C3)")
        require(same_shape(a.shape, c.shape), f"shapes differ: {a}, {c} (C4)")
        return c.with_shape(map(better_dim, c.shape, a.shape))

    @staticmethod
    def vjp(
        b: Builder, ct: Value, out: Value, a: Value, c: Value, *, axis: int, reverse: bool = False,
        leaving: bool = False,
    ) -> Grads:  # fmt: skip
        if not is_float(c.dtype):
            return None, None
        dc = b.recurrence(a, ct, axis=axis, reverse=not reverse, leaving=not leaving)
        step = -1 if reverse else 1
        if leaving:
            return b.mul(b.shift(dc, axis=axis, by=-step), out), dc
        return b.mul(dc, b.shift(out, axis=axis, by=step)), dc

    @staticmethod
    def samples() -> Samples:
        out: Samples = []
        for (x,), attrs in along_samples()():
            c = np.asarray(np.random.default_rng(1).normal(size=x.shape))
            out += [((x, c), attrs), ((x, c), {**attrs, "leaving": True})]
        return out
