"""Reductions. `axes` ascend and are dropped from the shape; over no axes they are the identity."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import Reducer, defop
from arignote.ir.ops.rules import (
    Array,
    Grads,
    Samples,
    check_axes,
    check_kind,
    made_by,
)
from arignote.ir.types import DTYPES, TensorType, is_differentiable, is_float, prod_dims

Axes = tuple[int, ...]


def reduced(kind: str, result: str | None = None, empty: bool = True) -> Callable[..., TensorType]:
    """infer of a reduction: (C1) ascending axes, (C2) a kind of dtype, (C3) what has no neutral
    element (`empty=False`) does not reduce an axis known to be empty."""

    def infer(x: TensorType, *, axes: Axes) -> TensorType:
        check_axes(x, axes)
        if kind == "bool":
            require(x.dtype == "bool", f"takes bools, got {x} (C2)")
        else:
            check_kind(kind, x)
        count = prod_dims(x.shape[a] for a in axes)
        require(empty or count != 0, f"nothing to choose from: {x} over axes {axes} (C3)")
        kept = (d for a, d in enumerate(x.shape) if a not in axes)
        return x.with_shape(kept).with_dtype(result or x.dtype)

    return infer


def expand(b: Builder, v: Value, x: Value, axes: Axes) -> Value:
    """`v`, reduced from `x` over `axes`, with those axes put back as dimensions 1."""
    if not axes:
        return v
    shape = tuple(1 if a in axes else d for a, d in enumerate(x.shape))
    return b.reshape(v, shape=shape)


def accumulated(fn: Callable[..., Any]) -> Callable[..., Array]:
    """eval of sum and prod: floats accumulate in f64, complex numbers in c128, and are rounded once; integers wrap."""

    def evaluate(x: Array, *, axes: Axes) -> Array:
        wide = {"f": np.dtype(np.float64), "c": np.dtype(np.complex128)}.get(x.dtype.kind, x.dtype)
        with np.errstate(all="ignore"):
            return np.asarray(fn(x, axis=axes, dtype=wide)).astype(x.dtype)

    return evaluate


def chosen(fn: Callable[..., Any]) -> Callable[..., Array]:
    """eval by a NumPy reduction that keeps the dtype."""

    def evaluate(x: Array, *, axes: Axes) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(fn(x, axis=axes))

    return evaluate


def every_tie(b: Builder, ct: Value, out: Value, x: Value, *, axes: Axes) -> Grads:
    """vjp of max and min: every element that equals the result gets the cotangent, as in Theano."""
    if not is_float(x.dtype):
        return (None,)
    hit = b.eq(x, expand(b, out, x, axes))
    return (b.select(hit, expand(b, ct, x, axes), b.like(0, ct)),)


def fewer() -> Callable[[Builder, Op], Value | None]:
    """fold: over no axes the operand, over axes of size 1 a reshape, over a reduction both."""

    def fold(b: Builder, op: Op) -> Value | None:
        (x,) = op.operands
        axes: Axes = op.attrs["axes"]
        if not axes:
            return x
        if prod_dims(x.shape[a] for a in axes) == 1:
            return b.reshape(x, shape=op.result.shape)
        made = made_by(x, op.name)
        if made is None:
            return None
        first: Axes = made.attrs["axes"]
        (y,) = made.operands
        kept = [a for a in range(y.ndim) if a not in first]
        return b.emit(op.name, y, axes=tuple(sorted({*first, *(kept[a] for a in axes)})))[0]

    return fold


def lowest(dtype: str, largest: bool = False) -> Any:
    """The number that max (or min, with `largest`) starts from."""
    if is_float(dtype):
        return math.inf if largest else -math.inf
    info = np.iinfo(DTYPES[dtype])
    return int(info.max if largest else info.min)


def axes_samples(x: Array, *more: tuple[Array, Axes]) -> Samples:
    """Every set of axes of `x`, and further pairs."""
    sets = [tuple(a for a in range(x.ndim) if bits >> a & 1) for bits in range(2**x.ndim)]
    return [((x,), {"axes": axes}) for axes in sets] + [((y,), {"axes": a}) for y, a in more]


def float_samples() -> Samples:
    """Samples of reductions with a neutral element."""
    r = np.random.default_rng(0)
    return axes_samples(
        r.uniform(0.4, 2, size=(2, 3, 2)) * r.choice([-1.0, 1.0], size=(2, 3, 2)),
        (np.asarray(1.5), ()),
        (np.zeros((0, 3)), (0,)),
        (np.zeros((0, 3)), (1,)),
        (np.zeros((0,)), (0,)),
        (np.array([[2.0, 0.0, 3.0], [0.0, 4.0, 0.0]]), (1,)),
    )


def choice_samples() -> Samples:
    """Samples of reductions without a neutral element."""
    r = np.random.default_rng(0)
    return axes_samples(
        r.normal(size=(2, 3, 2)),
        (np.asarray(1.5), ()),
        (np.zeros((0, 3)), (1,)),
        (-np.arange(5.0), (0,)),
    )


def bool_samples() -> Samples:
    """Samples of all and any."""
    r = np.random.default_rng(0)
    return axes_samples(
        r.integers(0, 2, size=(2, 3, 2)) > 0,
        (np.asarray(True), ()),
        (np.zeros((0, 2), dtype=bool), (0,)),
        (np.zeros((2, 0), dtype=bool), (0,)),
    )


@defop
class sum:
    """sum(x: T[...]) {axes} -> T[...]: the sum; T is a number dtype and stays (integers wrap)."""

    traits = ("reduction",)
    infer = reduced("field")
    eval = accumulated(np.sum)
    fold = fewer()
    samples = float_samples

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axes: Axes) -> Grads:
        if not is_differentiable(x.dtype):
            return (None,)
        return (b.broadcast(expand(b, ct, x, axes), shape=x.shape),)

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return Reducer(k.const(0, dtype), lambda acc, x: acc + x)


@defop
class prod:
    """prod(x: T[...]) {axes} -> T[...]: the product; T is a number dtype and stays (integers wrap).

    Each gradient is the product of the others, found without dividing by zeros: by the number of
    zeros among the others it is the product of the rest, 0 (written as the other zero times the
    rest, so that second derivatives are right too), or 0."""

    traits = ("reduction",)
    infer = reduced("field")
    eval = accumulated(np.prod)
    fold = fewer()
    samples = float_samples

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axes: Axes) -> Grads:
        if not is_differentiable(x.dtype):
            return (None,)
        zero, one = b.like(0, x), b.like(1, x)

        def total(op: str, v: Value) -> Value:
            return expand(b, b.emit(op, v, axes=axes)[0], x, axes)

        is_zero = b.eq(x, zero)
        rest = b.select(is_zero, one, x)
        zeros = b.select(is_zero, x, zero)
        count = b.cast(is_zero, dtype="i64")
        others = b.sub(total("sum", count), count)
        factor = b.select(
            b.eq(others, b.like(0, others)),
            one,
            b.select(b.eq(others, b.like(1, others)), b.sub(total("sum", zeros), zeros), zero),
        )
        grad = b.mul(b.div(total("prod", rest), rest), factor)
        return (b.mul(expand(b, ct, x, axes), grad),)

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return Reducer(k.const(1, dtype), lambda acc, x: acc * x)


@defop
class max:
    """max(x: T[...]) {axes} -> T[...]: the largest; NaN if any is. T is an integer or float dtype.
    (C3) not over an empty axis."""

    traits = ("reduction",)
    infer = reduced("number", empty=False)
    eval = chosen(np.max)
    vjp = every_tie
    fold = fewer()
    samples = choice_samples

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return Reducer(k.const(lowest(dtype), dtype), k.max)


@defop
class min:
    """min(x: T[...]) {axes} -> T[...]: the smallest; NaN if any is. T is an integer or float dtype.
    (C3) not over an empty axis."""

    traits = ("reduction",)
    infer = reduced("number", empty=False)
    eval = chosen(np.min)
    vjp = every_tie
    fold = fewer()
    samples = choice_samples

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return Reducer(k.const(lowest(dtype, largest=True), dtype), k.min)


def _position(fn: Callable[..., Any]) -> Callable[..., Array]:
    """eval of argmax and argmin: the reduced axes are moved last and flattened, in C order."""

    def evaluate(x: Array, *, axes: Axes) -> Array:
        kept = [a for a in range(x.ndim) if a not in axes]
        rows = x.transpose(*kept, *axes)
        count = math.prod(x.shape[a] for a in axes)
        rows = rows.reshape(*(x.shape[a] for a in kept), count)
        return np.asarray(fn(rows, axis=-1), dtype=np.int64)

    return evaluate


def _choice(k: Any, dtype: str, init: Any, no_better: Callable[[Any, Any], Any]) -> Reducer:
    """Of (value, index) pairs the one of the better value, NaN best of all; the lower index at a tie."""

    # No comparison is negated: the opposite of `a <= b`, which is true for NaN, would become `a > b`, which is not.
    never, always = k.const(False, "bool"), k.const(True, "bool")

    def number(v: Any) -> Any:
        return v <= k.const(float("inf"), dtype)

    def combine(acc: Any, new: Any) -> Any:
        (v, i), (w, j) = acc, new
        lower = j < i
        if_nan = k.select(number(v), always, k.select(k.isnan(w), lower, never)) if is_float(dtype) else always
        take = k.select(no_better(w, v), k.select(no_better(v, w), lower, never), if_nan)
        return k.select(take, w, v), k.select(take, j, i)

    def follow(acc: Any, new: Any) -> Any:
        (v, i), (w, j) = acc, new
        kept = no_better(w, v)
        if not is_float(dtype):
            return k.select(kept, v, w), k.select(kept, i, j)
        return tuple(k.select(kept, a, k.select(number(v), b, a)) for a, b in ((v, w), (i, j)))

    return Reducer((k.const(init, dtype), k.const(0, "i64")), combine, indexed=True, follow=follow)


@defop
class argmax:
    """argmax(x: T[...]) {axes} -> i64[...]: the position of the largest in the reduced axes,
    flattened in C order; the first at ties, the first NaN if there is one.
    (C3) not over an empty axis."""

    traits = ("reduction",)
    infer = reduced("number", "i64", empty=False)
    eval = _position(np.argmax)
    vjp = None
    samples = choice_samples

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return _choice(k, dtype, lowest(dtype), lambda new, old: new <= old)


@defop
class argmin:
    """argmin(x: T[...]) {axes} -> i64[...]: the position of the smallest, as `argmax`.
    (C3) not over an empty axis."""

    traits = ("reduction",)
    infer = reduced("number", "i64", empty=False)
    eval = _position(np.argmin)
    vjp = None
    samples = choice_samples

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return _choice(k, dtype, lowest(dtype, largest=True), lambda new, old: new >= old)


@defop
class all:
    """all(x: bool[...]) {axes} -> bool[...]: whether all are true."""

    traits = ("reduction",)
    infer = reduced("bool")
    eval = chosen(np.all)
    vjp = None
    fold = fewer()
    samples = bool_samples

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return Reducer(k.const(True, "bool"), k.logical_and)


@defop
class any:
    """any(x: bool[...]) {axes} -> bool[...]: whether any is true."""

    traits = ("reduction",)
    infer = reduced("bool")
    eval = chosen(np.any)
    vjp = None
    fold = fewer()
    samples = bool_samples

    @staticmethod
    def lower(k: Any, dtype: str, *, axes: Axes) -> Reducer:
        return Reducer(k.const(False, "bool"), k.logical_or)
