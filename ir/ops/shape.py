"""Ops that move elements without computing: reshape, transpose, concatenate, shift, roll."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import (
    Array,
    Grads,
    Samples,
    bind,
    check_axis,
    check_bound,
    check_same_dtype,
    literal,
    made_by,
    same_shape,
    unbind,
)
from arignote.ir.types import (
    DimLike,
    TensorType,
    better_dim,
    is_differentiable,
    is_float,
    is_integer,
    same_dim,
)

Shape = tuple[DimLike, ...]
Positions = tuple[int, ...]


def linear(k: Any, idx: Any, shape: Any) -> Any:
    """The position in C order of the element at `idx` (Horner's scheme)."""
    total: Any = None
    for i, size in zip(idx, shape, strict=True):
        total = i if total is None else total * size + i
    return k.const(0, "i64") if total is None else total


def unravel(k: Any, position: Any, shape: Any) -> list[Any]:
    """The index of the element at `position` in C order; axes of size 1 are not computed."""
    idx: list[Any] = []
    axes = [s for s in shape if literal(s) != 1]
    for size in reversed(shape):
        if literal(size) == 1:
            idx.append(0)
            continue
        axes.pop()
        idx.append(k.mod(position, size) if axes else position)
        position = k.floordiv(position, size) if axes else position
    return idx[::-1]


@defop
class reshape:
    """reshape(x: T[...], *dims: i64[]) {shape, bound=()} -> T[shape]: the elements in C order.
    (C1) as many elements. (C2) one operand per bound dimension."""

    traits = ("index",)

    @staticmethod
    def infer(x: TensorType, *dims: TensorType, shape: Shape, bound: Positions = ()) -> TensorType:
        out = x.with_shape(shape)
        sizes = [d for d in shape if isinstance(d, int)]
        known = math.prod(sizes)
        fits = same_dim(x.size, out.size)
        if fits and isinstance(x.size, int) and len(sizes) < len(shape):
            fits = x.size % known == 0 if known else x.size == 0
        require(fits, f"the number of elements differs: {x} to {out} (C1)")
        check_bound(dims, len(bound), "dimensions (C2)")
        return out

    @staticmethod
    def eval(x: Array, *dims: Array, shape: Shape, bound: Positions = ()) -> Array:
        sizes = bind(shape, bound, dims)
        if math.prod(sizes) != x.size:
            raise ValueError(f"cannot reshape {x.shape} to {tuple(sizes)}")
        return x.reshape(sizes).copy()

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *dims: Value, **attrs: Any) -> Grads:
        grad = b.reshape(ct, shape=x.shape) if is_differentiable(x.dtype) else None
        return (grad, *(None for _ in dims))

    @staticmethod
    def lower(k: Any, idx: Any, x: Any, *dims: Any, shape: Shape, bound: Positions = ()) -> Any:
        kept = [(i, d) for i, d in zip(idx, shape, strict=True) if literal(d) != 1]
        before = [literal(d) for d in x.shape if literal(d) != 1]
        if None not in before and before == [literal(d) for _, d in kept]:
            left = iter([i for i, _ in kept])  # only dimensions 1 come and go
            return x(*[0 if literal(d) == 1 else next(left) for d in x.shape])
        position = linear(k, [i for i, _ in kept], [d for _, d in kept])
        return x(*unravel(k, position, x.shape))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        simpler = unbind(b, op, 1)
        if simpler is not None:
            return simpler
        x = op.operands[0]
        if len(op.operands) > 1:
            return None
        if x.type == op.result.type:
            return x
        made = made_by(x, "reshape")
        if made and len(made.operands) == 1:
            return b.reshape(made.operands[0], shape=op.attrs["shape"])
        filled = made_by(x, "broadcast")
        if filled and len(filled.operands) == 1 and filled.operands[0].ndim == 0:
            return b.broadcast(filled.operands[0], shape=op.attrs["shape"])
        return None

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x = r.normal(size=(2, 6))
        return [
            ((x,), {"shape": (3, 4)}),
            ((x,), {"shape": (12,)}),
            ((x,), {"shape": (2, 1, 6, 1)}),
            ((x, np.asarray(3)), {"shape": (3, 4), "bound": (0,)}),
            ((r.normal(size=(1, 1)),), {"shape": ()}),
            ((np.asarray(2.5),), {"shape": (1, 1)}),
            ((np.zeros((0, 3)),), {"shape": (3, 0)}),
        ]


@defop
class transpose:
    """transpose(x: T[...]) {perm} -> T[...]: axis i of the result is axis perm[i] of x.
    (C1) `perm` is a permutation of the axes."""

    traits = ("index",)

    @staticmethod
    def infer(x: TensorType, *, perm: Positions) -> TensorType:
        good = sorted(perm) == list(range(x.ndim))
        require(good, f"{perm} is not a permutation of the axes of {x} (C1)")
        return x.with_shape(x.shape[p] for p in perm)

    @staticmethod
    def eval(x: Array, *, perm: Positions) -> Array:
        return np.ascontiguousarray(x.transpose(perm)).reshape([x.shape[p] for p in perm])

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, perm: Positions) -> Grads:
        if not is_differentiable(x.dtype):
            return (None,)
        return (b.transpose(ct, perm=tuple(perm.index(a) for a in range(x.ndim))),)

    @staticmethod
    def lower(k: Any, idx: Any, x: Any, *, perm: Positions) -> Any:
        return x(*[idx[perm.index(a)] for a in range(len(perm))])

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        (x,) = op.operands
        perm: Positions = op.attrs["perm"]
        if perm == tuple(range(x.ndim)):
            return x
        made = made_by(x, "transpose")
        if made is None:
            return None
        first: Positions = made.attrs["perm"]
        (y,) = made.operands
        both = tuple(first[p] for p in perm)
        return y if both == tuple(range(y.ndim)) else b.transpose(y, perm=both)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x = r.normal(size=(2, 3, 4))
        return [
            ((r.normal(size=(2, 3)),), {"perm": (1, 0)}),
            ((x,), {"perm": (2, 0, 1)}),
            ((x,), {"perm": (0, 2, 1)}),
            ((x,), {"perm": (0, 1, 2)}),
            ((np.asarray(1.5),), {"perm": ()}),
            ((np.zeros((0, 3)),), {"perm": (1, 0)}),
        ]


@defop
class concatenate:
    """concatenate(*xs: T[...]) {axis} -> T[...]: the operands one after the other along `axis`.
    (C1) an axis. (C2) one dtype. (C3) at least one operand; the other dimensions agree."""

    traits = ("index",)

    @staticmethod
    def infer(*xs: TensorType, axis: int) -> TensorType:
        require(len(xs) > 0, "takes at least one operand (C3)")
        check_axis(xs[0], axis)
        check_same_dtype(*xs)
        shape = list(xs[0].shape)
        for x in xs[1:]:
            others = [d for a, d in enumerate(x.shape) if a != axis]
            fits = x.ndim == len(shape) and same_shape(
                tuple(others), tuple(d for a, d in enumerate(shape) if a != axis)
            )
            require(fits, f"dimensions besides axis {axis} differ: {xs[0]} and {x} (C3)")
            shape = [
                d + e if a == axis else better_dim(d, e)
                for a, (d, e) in enumerate(zip(shape, x.shape, strict=True))
            ]
        return xs[0].with_shape(shape)

    @staticmethod
    def eval(*xs: Array, axis: int) -> Array:
        return np.concatenate(xs, axis=axis)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, *xs: Value, axis: int) -> Grads:
        if not is_differentiable(out.dtype):
            return (None,) * len(xs)
        grads = []
        offset: DimLike = 0
        for x in xs:
            start = tuple(offset if a == axis else 0 for a in range(x.ndim))
            grads.append(b.slice(ct, start=start, size=x.shape, step=(1,) * x.ndim))
            offset = offset + x.shape[axis]
        return tuple(grads)

    @staticmethod
    def cuts(k: Any, idx: Any, *xs: Any, axis: int) -> list[Any]:
        ends: list[Any] = []
        for x in xs[:-1]:
            ends.append((ends[-1] if ends else k.const(0, "i64")) + x.shape[axis])
        if axis == len(idx) - 1:
            return ends
        whole, zero = xs[0].shape[-1] + k.const(0, "i64"), k.const(0, "i64")
        return [k.select(idx[axis] < end, whole, zero) for end in ends]

    @staticmethod
    def lower(k: Any, idx: Any, *xs: Any, axis: int, piece: int | None = None) -> Any:
        if piece is not None:
            before = k.const(0, "i64")
            for x in xs[:piece]:
                before = before + x.shape[axis]
            return xs[piece](*idx[:axis], idx[axis] - before, *idx[axis + 1 :])
        # `select` evaluates both sides, so every read is clamped into its operand; what is known
        # to be empty is never read.
        value = None
        offset: Any = 0
        for x in xs:
            size = x.shape[axis]
            if literal(size) == 0:
                continue
            local = k.max(k.min(idx[axis] - offset, size - 1), k.const(0, "i64"))
            read = x(*idx[:axis], local, *idx[axis + 1 :])
            value = read if value is None else k.select(idx[axis] < offset, value, read)
            offset = offset + size
        return value if value is not None else xs[0](*idx)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        axis: int = op.attrs["axis"]
        full = [x for x in op.operands if x.shape[axis] != 0]
        if len(full) == len(op.operands) > 1 or not full:
            return None
        out: Value = full[0] if len(full) == 1 else b.concatenate(*full, axis=axis)
        return out if out.type == op.result.type else None

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        a, c, e = r.normal(size=(2, 3)), r.normal(size=(1, 3)), np.zeros((0, 3))
        return [
            ((a, c), {"axis": 0}),
            ((a, a, r.normal(size=(2, 1))), {"axis": 1}),
            ((a,), {"axis": 0}),
            ((e, a, c), {"axis": 0}),
            ((e, e), {"axis": 1}),
            ((np.arange(3.0), np.zeros(0), np.arange(2.0)), {"axis": 0}),
        ]


@defop
class shift:
    """shift(x: T[...]) {axis, by, fill=0.0} -> T[...]: element j along `axis` is x[j - by], or `fill` where x has none.
    T is an integer or float dtype. (C1) an axis. (C2) such a dtype."""

    traits = ("index",)

    @staticmethod
    def infer(x: TensorType, *, axis: int, by: int, fill: float = 0.0) -> TensorType:
        check_axis(x, axis)
        require(is_integer(x.dtype) or is_float(x.dtype), f"takes integers or floats, got {x} (C2)")
        return x

    @staticmethod
    def eval(x: Array, *, axis: int, by: int, fill: float = 0.0) -> Array:
        out = np.full_like(x, fill)
        count = max(x.shape[axis] - abs(by), 0)
        lead = (slice(None),) * axis
        target, source = (np.s_[max(s, 0) : max(s, 0) + count] for s in (by, -by))
        out[(*lead, target)] = x[(*lead, source)]
        return out

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axis: int, by: int, fill: float = 0.0) -> Grads:
        return (b.shift(ct, axis=axis, by=-by) if is_differentiable(x.dtype) else None,)

    @staticmethod
    def lower(k: Any, idx: Any, x: Any, *, axis: int, by: int, fill: float = 0.0) -> Any:
        size = x.shape[axis]
        j = idx[axis] - by
        at = k.max(k.min(j, size - 1), k.const(0, "i64"))  # both sides of a selection are evaluated
        read = x(*idx[:axis], at, *idx[axis + 1 :])
        return k.select(k.logical_and(j >= 0, j < size), read, k.const(fill, x.dtype))

    @staticmethod
    def samples() -> Samples:
        x = np.random.default_rng(0).normal(size=(3, 4))
        return [
            *(((x,), {"axis": a, "by": by}) for a in (0, 1) for by in (1, -1, 2, 0)),
            ((x,), {"axis": 1, "by": 1, "fill": 1.0}),
            ((x,), {"axis": 0, "by": -9, "fill": 2.0}),
            ((np.zeros((0, 3)),), {"axis": 0, "by": 1}),
        ]


@defop
class roll:
    """roll(x: T[...], by: i64[]) {axis} -> T[...]: element j along `axis` is x[j - by], counted around the end.
    (C1) an axis. (C2) a scalar i64[]."""

    traits = ("index",)

    @staticmethod
    def infer(x: TensorType, by: TensorType, *, axis: int) -> TensorType:
        check_axis(x, axis)
        require(by.dtype == "i64" and by.ndim == 0, f"takes a scalar i64[], got {by} (C2)")
        return x

    @staticmethod
    def eval(x: Array, by: Array, *, axis: int) -> Array:
        return np.roll(x, int(by), axis)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, by: Value, *, axis: int) -> Grads:
        return (b.roll(ct, b.neg(by), axis=axis) if is_differentiable(x.dtype) else None, None)

    @staticmethod
    def cuts(k: Any, idx: Any, x: Any, by: Any, *, axis: int) -> list[Any] | None:
        return [k.mod(by(), x.shape[axis] + k.const(0, "i64"))] if axis == len(idx) - 1 else None

    @staticmethod
    def lower(k: Any, idx: Any, x: Any, by: Any, *, axis: int, piece: int | None = None) -> Any:
        size = x.shape[axis] + k.const(0, "i64")
        at = idx[axis] - k.named(k.mod(by(), size))
        around = at + size
        at = k.select(at < 0, around, at) if piece is None else at if piece else around
        return x(*idx[:axis], at, *idx[axis + 1 :])

    @staticmethod
    def samples() -> Samples:
        x = np.random.default_rng(0).normal(size=(3, 4))
        return [
            *(((x, np.asarray(by)), {"axis": a}) for a in (0, 1) for by in (1, -1, 6, 0)),
            ((np.arange(5.0), np.asarray(2)), {"axis": 0}),
            ((np.zeros((0, 3)), np.asarray(1)), {"axis": 0}),
        ]
