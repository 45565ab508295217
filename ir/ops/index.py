"""Indexing by arrays: gathers, scatters, and the check of a scalar index."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import IRError, require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, check_mode, literal, made_by, same_shape
from arignote.ir.types import (
    DimLike,
    TensorType,
    broadcast_shapes,
    is_differentiable,
    is_integer,
    prod_dims,
)

Axes = tuple[int, ...]


def index_shape(x: TensorType, indices: tuple[TensorType, ...]) -> tuple[DimLike, ...]:
    """(C1): integers, one to x.ndim of them. (C2): they broadcast; to the shape returned."""
    count = f"takes 1 to {x.ndim} indices of {x}, got {len(indices)} (C1)"
    require(0 < len(indices) <= x.ndim, count)
    for i in indices:
        require(is_integer(i.dtype), f"indices are integers, got {i} (C1)")
    try:
        return broadcast_shapes(i.shape for i in indices)
    except IRError as e:
        raise IRError(f"{e} (C2)") from None


def as_index(indices: tuple[Array, ...]) -> tuple[Array, ...]:
    """Indices for NumPy, which takes no u64."""
    return tuple(i.astype(np.int64) for i in indices)


def named(axes: Axes) -> dict[str, Axes]:
    """The attribute `axes`, where it says anything."""
    return {"axes": axes} if axes else {}


def in_bounds(x: Array, indices: tuple[Array, ...], axes: Axes) -> tuple[Array, ...]:
    """`as_index`; an IndexError, with the first index that is out of bounds."""
    wide = as_index(indices)
    for number, index in enumerate(wide):
        size = x.shape[number]
        bad = (index < -size) | (index >= size)
        if bad.any():
            first = int(index[bad].flat[0])
            axis = axes[number] if axes else number
            raise IndexError(f"index {first} is out of bounds for axis {axis} with size {size}")
    return wide


@defop
class gather:
    """gather(x: T[d0, ..., rest], *indices: I[...]) {axes=()} -> T[index shape, rest]: x at k arrays of
    integers, which broadcast, for its first k axes; negative ones count from the end. `axes` are what errors
    call these axes, 0, 1, ... by default.
    (C1) 1 to x.ndim integer arrays. (C2) they broadcast. Out of range: an IndexError at the call.
    """

    traits = ("index",)

    @staticmethod
    def infer(x: TensorType, *indices: TensorType, axes: Axes = ()) -> TensorType:
        shape = index_shape(x, indices)
        return x.with_shape((*shape, *x.shape[len(indices) :]))

    @staticmethod
    def eval(x: Array, *indices: Array, axes: Axes = ()) -> Array:
        return np.array(x[in_bounds(x, indices, axes)])

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *indices: Value, axes: Axes = ()) -> Grads:
        if not is_differentiable(x.dtype):
            return (None,) * (1 + len(indices))
        grad = b.scatter(b.full(0, x.type), ct, *indices, mode="add", **named(axes))
        return (grad, *(None for _ in indices))

    @staticmethod
    def lower(k: Any, idx: Any, x: Any, *indices: Any, axes: Axes = ()) -> Any:
        rank = len(idx) - (len(x.shape) - len(indices))
        at = []
        for read, size in zip(indices, x.shape, strict=False):
            own = idx[rank - len(read.shape) : rank]
            i = read(*[0 if literal(d) == 1 else j for j, d in zip(own, read.shape, strict=True)])
            i = k.cast(i, "i64")
            i = k.select(i < 0, i + size, i)
            i = k.max(k.min(i, size - 1), k.const(0, "i64"))  # its range is checked beforehand
            at.append(i)
        return x(*at, *idx[rank:])

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x = r.normal(size=(4, 3))
        return [
            ((x, np.array([0, 2, -1, 2])), {}),
            ((x, np.array([[1, 1], [-4, 3]])), {}),
            ((x, np.array([0, 3, 3]), np.array([-1, 2, 2])), {}),
            ((x, np.array([[0], [3]]), np.array([0, -1, 1], dtype=np.int32)), {}),
            ((x, np.array([], dtype=np.int64)), {}),
            ((x, np.asarray(-2)), {}),
            ((x, np.asarray(1), np.asarray(2)), {}),
            ((r.normal(size=(3, 2, 2)), np.array([2, 0], dtype=np.uint8)), {}),
            ((np.zeros((2, 0)), np.array([1, 0, 1])), {}),
        ]


@defop
class scatter:
    """scatter(x: T[d0, ..., rest], v: T[index shape, rest], *indices: I[...]) {mode, axes=()} -> T[...]: x
    with `v` written (`set`: of duplicates the last wins) or added (`add`: all count) at the places
    that `gather` reads. (C1) 1 to x.ndim integer arrays. (C2) they broadcast. (C3) one dtype.
    (C4) v has the shape of the gather. (C5) mode. Out of range: an IndexError at the call."""

    traits = ("library",)
    lower = "scatter"

    @staticmethod
    def infer(x: TensorType, v: TensorType, *indices: TensorType, mode: str, axes: Axes = ()) -> TensorType:
        shape = (*index_shape(x, indices), *x.shape[len(indices) :])
        require(x.dtype == v.dtype, f"dtypes differ: {x}, {v} (C3)")
        require(same_shape(v.shape, shape), f"{v} is written to {x.with_shape(shape)} (C4)")
        check_mode(x, mode, "C5")
        return x

    @staticmethod
    def eval(x: Array, v: Array, *indices: Array, mode: str, axes: Axes = ()) -> Array:
        out, places = np.array(x), in_bounds(x, indices, axes)
        with np.errstate(all="ignore"):
            if mode == "add":
                np.add.at(out, places, v)
            else:
                out[places] = v
        return out

    @staticmethod
    def vjp(
        b: Builder, ct: Value, out: Value, x: Value, v: Value, *indices: Value, mode: str, axes: Axes = ()
    ) -> Grads:
        none = (None,) * len(indices)
        if not is_differentiable(x.dtype):
            return (None, None, *none)
        dv = b.gather(ct, *indices, **named(axes))
        if mode == "add":
            return (ct, dv, *none)
        dx = b.scatter(ct, b.full(0, v.type), *indices, mode="set", **named(axes))
        rank = v.ndim - (x.ndim - len(indices))
        if rank > 0:  # of duplicates only the last was written: find it by writing row numbers
            shape = v.shape[:rank]
            rows = b.iota(shape=(prod_dims(shape),), axis=0, dtype="i64")
            rows = rows if rank == 1 else b.reshape(rows, shape=shape)
            owners = b.full(0, TensorType("i64", x.shape[: len(indices)], x.type.device))
            owners = b.scatter(owners, rows, *indices, mode="set", **named(axes))
            won = b.eq(b.gather(owners, *indices, **named(axes)), rows)
            won = b.reshape(won, shape=(*shape, *(1,) * (v.ndim - rank)))
            dv = b.select(won, dv, b.like(0, dv))
        return (dx, dv, *none)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x = r.normal(size=(4, 3))
        indices: list[tuple[Array, ...]] = [
            (np.array([0, 2, -1, 2]),),
            (np.array([[1, 1], [-4, 3]]),),
            (np.array([0, 3, 3]), np.array([-1, 2, 2])),
            (np.array([[0], [3]]), np.array([0, -1, 1], dtype=np.int32)),
            (np.array([], dtype=np.int64),),
            (np.asarray(-2),),
            (np.asarray(1), np.asarray(2)),
        ]
        return [
            ((x, r.normal(size=x[i].shape), *i), {"mode": mode})
            for mode in ("set", "add")
            for i in indices
        ]


@defop
class check_index:
    """check_index(i: i64[], n: i64[]) {axis=None} -> i64[]: i, or i + n for a negative one; an
    IndexError, which names `axis`, unless -n <= i < n. (C1) scalars i64[]."""

    traits = ("host",)
    vjp = None
    lower = "host"

    @staticmethod
    def infer(i: TensorType, n: TensorType, *, axis: int | None = None) -> TensorType:
        good = i.dtype == n.dtype == "i64" and i.ndim == n.ndim == 0
        require(good, f"takes two scalars i64[], got {i} and {n} (C1)")
        return i

    @staticmethod
    def eval(i: Array, n: Array, *, axis: int | None = None) -> Array:
        index, size = int(i), int(n)
        if not -size <= index < size:
            where = "a dimension of" if axis is None else f"axis {axis} with"
            raise IndexError(f"index {index} is out of bounds for {where} size {size}")
        return np.asarray(index + size if index < 0 else index, dtype=np.int64)

    @staticmethod
    def samples() -> Samples:
        pairs = [(0, 3), (2, 3), (-1, 3), (-3, 3)]
        return [((np.asarray(i), np.asarray(n)), {}) for i, n in pairs]


@defop
class assume:
    """assume(i: i64[]) {value} -> i64[]: i, known to be `value`; an error otherwise. (C1) a scalar i64[].

    Made by specialisation for a size that only the call knows: compiled code checks it before it changes anything,
    and other code is compiled where it does not hold."""

    traits = ("host", "effect")
    vjp = None
    lower = "host"

    @staticmethod
    def infer(i: TensorType, *, value: int) -> TensorType:
        require(i.dtype == "i64" and i.ndim == 0, f"takes a scalar i64[], got {i} (C1)")
        return i

    @staticmethod
    def eval(i: Array, *, value: int) -> Array:
        if int(i) != value:
            raise ValueError(f"a size was assumed to be {value}, but it is {int(i)}")
        return np.asarray(i)

    @staticmethod
    def samples() -> Samples:
        return [((np.asarray(7),), {"value": 7})]


@defop
class check_indices:
    """check_indices(i: I[...]) {size, axis=0} -> i64[...]: i, or i + size for negative ones; an
    IndexError, which names `axis`, unless all are in -size <= i < size. (C1) integers.

    Made by passes that turn indexing into arithmetic. Elementwise, so that it fuses: the code
    generator checks the range beforehand, as for `gather`."""

    traits = ("elementwise",)
    vjp = None

    @staticmethod
    def infer(i: TensorType, *, size: DimLike, axis: int = 0) -> TensorType:
        require(is_integer(i.dtype), f"indices are integers, got {i} (C1)")
        return i.with_dtype("i64")

    @staticmethod
    def eval(i: Array, *, size: int, axis: int = 0) -> Array:
        (index,) = as_index((i,))
        bad = (index < -size) | (index >= size)
        if bad.any():
            first = int(index[bad].flat[0])
            raise IndexError(f"index {first} is out of bounds for axis {axis} with size {size}")
        return np.asarray(np.where(index < 0, index + size, index))

    @staticmethod
    def lower(k: Any, i: Any, *, size: DimLike, axis: int = 0) -> Any:
        i = k.cast(i, "i64")
        return k.select(i < 0, i + size, i)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        """Numbers that count from 0 to less than `size` are in range."""
        (i,), size = op.operands, op.attrs["size"]
        made = made_by(i, "iota")
        if made is None or i.dtype != "i64":
            return None
        count = i.shape[made.attrs["axis"]]
        return i if count == size or (isinstance(count, int) and isinstance(size, int) and count <= size) else None

    @staticmethod
    def samples() -> Samples:
        return [
            ((np.array([0, 2, -1, -3]),), {"size": 3}),
            ((np.array([[1], [-7]], dtype=np.int32),), {"size": 7, "axis": 1}),
            ((np.array([254, 3], dtype=np.uint8),), {"size": 300}),
            ((np.array([], dtype=np.int64),), {"size": 2}),
            ((np.asarray(-1),), {"size": 1}),
        ]
