"""Sorting along an axis, in ascending order with NaN last, as NumPy has it, and searching in what is sorted."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, check_axis, check_kind, literal
from arignote.ir.types import DimLike, TensorType, is_differentiable, is_float

#: Rows up to this length are sorted by insertion, on the stack.
SHORT_ROW = 32


def infer_sorted(x: TensorType, *, axis: int) -> TensorType:
    """(C1): bools, integers or floats. (C2): an axis."""
    check_kind("real", x)
    check_axis(x, axis, "C2")
    return x


def along(b: Builder, index: Value, axis: int) -> tuple[Value, ...]:
    """One index array per axis, which together read x[..., index[..., j, ...], ...]: `index` for `axis`, the own
    position for the others."""
    out = []
    for a, d in enumerate(index.shape):
        if a == axis:
            out.append(index)
            continue
        own = b.iota(shape=(d,), axis=0, dtype="i64")
        shape = tuple(d if i == a else 1 for i in range(index.ndim))
        out.append(own if index.ndim == 1 else b.reshape(own, shape=shape))
    return tuple(out)


def _is_short(x: TensorType, axis: int) -> bool:
    size = x.shape[axis]
    return isinstance(size, int) and size <= SHORT_ROW


def _words(dtype: str, size: DimLike) -> TensorType:
    """Two arrays of `size` elements, between which the passes of a radix sort go back and forth."""
    return TensorType(dtype, (size * 2,))


def along_samples() -> Samples:
    """Samples for every axis, without ties."""
    r = np.random.default_rng(0)

    def distinct(*shape: int) -> Array:
        return np.asarray(r.permutation(int(np.prod(shape))).reshape(shape) / 4 - 1.5)

    return [
        ((distinct(7),), {"axis": 0}),
        ((distinct(2, 5),), {"axis": 1}),
        ((distinct(3, 2, 2),), {"axis": 1}),
        ((distinct(1),), {"axis": 0}),
        ((np.zeros((0, 3)),), {"axis": 1}),
        ((np.zeros((2, 0)),), {"axis": 1}),
        ((distinct(2, SHORT_ROW + 9),), {"axis": 1}),
        ((distinct(SHORT_ROW + 4, 2),), {"axis": 0}),
    ]


@defop
class argsort:
    """argsort(x: T[...]) {axis} -> i64[...]: the positions along `axis` of its elements in ascending order, NaN last;
    equal ones stay in their order. T is a bool, integer or float dtype. (C1) such a dtype. (C2) an axis."""

    traits = ("library",)
    vjp = None
    lower = "argsort"
    samples = along_samples

    @staticmethod
    def infer(x: TensorType, *, axis: int) -> TensorType:
        return infer_sorted(x, axis=axis).with_dtype("i64")

    @staticmethod
    def eval(x: Array, *, axis: int) -> Array:
        return np.asarray(np.argsort(x, axis=axis, kind="stable"), dtype=np.int64)

    @staticmethod
    def scratch(x: TensorType, *, axis: int) -> tuple[TensorType, ...]:
        if _is_short(x, axis):
            return ()
        keys = _words("u64", x.size)
        return (keys,) if x.itemsize < 8 else (keys, _words("u32", x.size))


@defop
class sort:
    """sort(x: T[...]) {axis} -> T[...]: the elements along `axis` in ascending order, NaN last. T is a bool, integer
    or float dtype. (C1) such a dtype. (C2) an axis."""

    traits = ("library",)
    infer = infer_sorted
    lower = "sort"
    samples = along_samples

    @staticmethod
    def eval(x: Array, *, axis: int) -> Array:
        return np.asarray(np.sort(x, axis=axis, kind="stable"))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axis: int) -> Grads:
        if not is_differentiable(x.dtype):
            return (None,)
        order = b.argsort(x, axis=axis)
        return (b.scatter(b.full(0, x.type), ct, *along(b, order, axis), mode="add"),)

    @staticmethod
    def scratch(x: TensorType, *, axis: int) -> tuple[TensorType, ...]:
        return () if _is_short(x, axis) else (_words(f"u{8 * x.itemsize}", x.size),)


#: Bits of a position in a vector whose length is not known: no memory holds more elements.
POSITION_BITS = 41


@defop
class searchsorted:
    """searchsorted(x: T[n], v: T[...]) {right=false} -> i64[...]: how many elements of the ascending vector `x` are
    below v, or not above v if `right`: where v belongs. NaN is above all numbers. T is a bool, integer or float dtype.
    (C1) such a dtype. (C2) a vector. (C3) one dtype."""

    traits = ("index",)
    vjp = None

    @staticmethod
    def infer(x: TensorType, v: TensorType, *, right: bool = False) -> TensorType:
        check_kind("real", x, v)
        require(x.ndim == 1, f"takes a vector, got {x} (C2)")
        require(x.dtype == v.dtype, f"dtypes differ: {x}, {v} (C3)")
        return v.with_dtype("i64")

    @staticmethod
    def eval(x: Array, v: Array, *, right: bool = False) -> Array:
        return np.asarray(np.searchsorted(x, v, side="right" if right else "left"), dtype=np.int64)

    @staticmethod
    def lower(k: Any, idx: Any, x: Any, v: Any, *, right: bool = False) -> Any:
        size, dtype = x.shape[0], x.dtype
        value = v(*idx)
        if dtype == "bool":
            dtype, value = "i8", k.cast(value, "i8")

        def below(a: Any, c: Any) -> Any:
            less = a < c
            return k.logical_or(less, k.logical_and(k.isnan(c), k.logical_not(k.isnan(a)))) if is_float(dtype) else less

        found = zero = k.const(0, "i64")
        if literal(size) == 0:
            return found
        known = literal(size)
        for bit in reversed(range(POSITION_BITS if known is None else known.bit_length())):
            end = k.named(found + k.const(1 << bit, "i64"))
            last = k.cast(x(k.max(k.min(end, size) - k.const(1, "i64"), zero)), dtype)
            before = k.logical_not(below(value, last)) if right else below(last, value)
            found = k.named(k.select(k.logical_and(end <= size, before), end, found))
        return found

    @staticmethod
    def samples() -> Samples:
        x = np.array([-2.0, -0.5, -0.5, 0.25, 1.75, 3.0])
        v = np.array([[-3.0, -2.0, -0.5], [0.0, 1.75, 9.0]])
        return [
            ((x, v), {}),
            ((x, v), {"right": True}),
            ((x, np.asarray(0.3)), {}),
            ((x[:1], v), {"right": True}),
            ((x[:0], v), {}),
            ((x, np.zeros((0, 2))), {}),
        ]
