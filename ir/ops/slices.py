"""Slices: reading and writing regular parts of a tensor.

The dimensions of a slice are `start` and `size` (either may be symbolic) and `step`, per axis:
element i of the result is x[start + i * step]. Axes in `bound_start` take their start from a
scalar operand i64[] instead, axes in `bound_size` bind the symbol of their size to one.
"""

from __future__ import annotations

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
    check_bound,
    check_mode,
    literal,
    made_by,
    same_shape,
)
from arignote.ir.types import DimLike, TensorType, is_differentiable

Shape = tuple[DimLike, ...]
Positions = tuple[int, ...]
slice_ = slice  # the builtin: `slice` below is the op


def check_slice(x: TensorType, start: Shape, size: Shape, step: Positions, known: bool) -> None:
    """(C1): one start, size and non-zero step per axis. (C2): what is known lies within x."""
    per_axis = len(start) == len(size) == len(step) == x.ndim and 0 not in step
    require(per_axis, f"start {start}, size {size}, step {step} do not fit {x} (C1)")
    for axis, (have, first, count, by) in enumerate(zip(x.shape, start, size, step, strict=True)):
        if not (isinstance(have, int) and isinstance(first, int) and isinstance(count, int)):
            continue
        last = first + (count - 1) * by
        good = count == 0 or (count > 0 and 0 <= first < have and 0 <= last < have)
        require(
            good or not known,
            f"axis {axis} of {x}: {count} elements from {first} by {by} are out of range (C2)",
        )


def places(x: Array, start: list[int], size: list[int], step: Positions) -> tuple[slice_, ...]:
    """NumPy slices of `x`; IndexError where they leave it."""
    out = []
    for axis, (first, count, by) in enumerate(zip(start, size, step, strict=True)):
        last = first + (count - 1) * by
        for i in (first, last) if count else ():
            if not 0 <= i < x.shape[axis]:
                raise IndexError(
                    f"index {i} is out of bounds for axis {axis} with size {x.shape[axis]}"
                )
        end = last + (1 if by > 0 else -1)
        out.append(slice_(first, end if end >= 0 else None, by) if count else slice_(0, 0))
    return tuple(out)


def starts(start: Shape, bound: Positions, values: tuple[Array, ...]) -> list[int]:
    """The starts as numbers."""
    out: list[Any] = list(start)
    for axis, value in zip(bound, values, strict=True):
        out[axis] = int(value)
    return out


def placed(idx: Any, start: Shape, step: Positions, bound: Positions, scalars: tuple[Any, ...]) -> list[Any]:
    """For code: how far each index is behind the start of a slice in the direction of its step, and its size."""
    first: list[Any] = list(start)
    for axis, read in zip(bound, scalars, strict=True):
        first[axis] = read()
    return [(i - f if by > 0 else f - i, by if by > 0 else -by) for i, f, by in zip(idx, first, step, strict=True)]


def within(k: Any, away: Any, width: int, size: Any) -> Any:
    """For code: whether an index that is `away` from a start is one of `size`, every `width`th."""
    by = k.const(width, "i64")
    here = k.logical_and(away >= 0, (away if width == 1 else k.floordiv(away, by)) < size)
    return here if width == 1 else k.logical_and(here, k.eq(k.mod(away, by), k.const(0, "i64")))


def is_whole(op: Op, x: Value) -> bool:
    """Whether a slice with constant places takes all of `x` as it lies."""
    attrs = op.attrs
    return (
        not attrs.get("bound_start")
        and not attrs.get("bound_size")
        and all(s == 0 for s in attrs["start"])
        and all(s == 1 for s in attrs["step"])
        and attrs["size"] == x.shape
    )


@defop
class slice:
    """slice(x: T[...], *starts_and_sizes: i64[]) {start, size, step, bound_start=(),
    bound_size=()} -> T[size]. (C1) one start, size and non-zero step per axis. (C2) within x:
    at a call an IndexError. (C3) one operand per bound start, then one per bound size."""

    traits = ("index",)

    @staticmethod
    def infer(
        x: TensorType,
        *scalars: TensorType,
        start: Shape,
        size: Shape,
        step: Positions,
        bound_start: Positions = (),
        bound_size: Positions = (),
    ) -> TensorType:
        check_slice(x, start, size, step, known=not bound_start)
        check_bound(scalars, len(bound_start) + len(bound_size), "starts and sizes (C3)")
        return x.with_shape(size)

    @staticmethod
    def eval(
        x: Array,
        *scalars: Array,
        start: Shape,
        size: Shape,
        step: Positions,
        bound_start: Positions = (),
        bound_size: Positions = (),
    ) -> Array:
        count = len(bound_start)
        first = starts(start, bound_start, scalars[:count])
        sizes = starts(size, bound_size, scalars[count:])
        return np.array(x[places(x, first, sizes, step)])

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *scalars: Value, **attrs: Any) -> Grads:
        none = (None,) * len(scalars)
        if not is_differentiable(x.dtype):
            return (None, *none)
        bound = attrs.get("bound_start", ())
        place = {k: attrs[k] for k in ("start", "step")} | {"size": out.shape}
        if bound:
            place["bound_start"] = bound
        operands = (b.full(0, x.type), ct, *scalars[: len(bound)])
        return (b.update_slice(*operands, **place, mode="set"), *none)

    @staticmethod
    def lower(
        k: Any,
        idx: Any,
        x: Any,
        *scalars: Any,
        start: Shape,
        step: Positions,
        bound_start: Positions = (),
        **attrs: Any,
    ) -> Any:
        first: list[Any] = list(start)
        for axis, read in zip(bound_start, scalars, strict=False):
            first[axis] = read()
        return x(*[f + i * by for f, i, by in zip(first, idx, step, strict=True)])

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x = op.operands[0]
        if is_whole(op, x) and x.type == op.result.type:
            return x
        made = made_by(x, "slice")
        if made is None or len(op.operands) > 1 or len(made.operands) > 1:
            return None
        outer, first = op.attrs, made.attrs
        return b.slice(
            made.operands[0],
            start=tuple(
                f + s * by
                for f, s, by in zip(first["start"], outer["start"], first["step"], strict=True)
            ),
            size=outer["size"],
            step=tuple(p * q for p, q in zip(first["step"], outer["step"], strict=True)),
        )

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x, v = r.normal(size=(5, 4)), r.normal(size=(6,))
        two = np.asarray(2)
        whole = {"start": (0, 0), "size": (5, 4), "step": (1, 1)}
        return [
            ((x,), {"start": (1, 0), "size": (3, 4), "step": (1, 1)}),
            ((x,), {"start": (4, 3), "size": (5, 2), "step": (-1, -2)}),
            ((x,), {"start": (0, 1), "size": (3, 2), "step": (2, 2)}),
            ((x,), whole),
            ((x,), {"start": (5, 0), "size": (0, 4), "step": (1, 1)}),
            ((v, two), {"start": (0,), "size": (3,), "step": (1,), "bound_start": (0,)}),
            ((v, two), {"start": (1,), "size": (2,), "step": (1,), "bound_size": (0,)}),
            (
                (x, np.asarray(3), np.asarray(1), two),
                {**whole, "size": (2, 2), "step": (-1, 1), "bound_start": (0, 1)}
                | {"bound_size": (0,)},
            ),
            ((np.asarray(1.5),), {"start": (), "size": (), "step": ()}),
        ]


@defop
class update_slice:
    """update_slice(x: T[...], v: T[size], *starts: i64[]) {start, size, step, mode, bound_start=(),
    bound_size=()} -> T[...]: x with `v` written (`set`) or added (`add`) at the places of a slice.
    (C1) one start, size and non-zero step per axis. (C2) within x. (C3) one operand per bound
    start; sizes are v's. (C4) one dtype. (C5) v has the shape `size`. (C6) mode."""

    traits = ("index",)

    @staticmethod
    def infer(
        x: TensorType,
        v: TensorType,
        *scalars: TensorType,
        start: Shape,
        size: Shape,
        step: Positions,
        mode: str,
        bound_start: Positions = (),
        bound_size: Positions = (),
    ) -> TensorType:
        check_slice(x, start, size, step, known=not bound_start)
        check_bound(scalars, len(bound_start), "starts (C3)")
        require(x.dtype == v.dtype, f"dtypes differ: {x}, {v} (C4)")
        require(same_shape(v.shape, size), f"{v} is written to places of shape {size} (C5)")
        check_mode(x, mode, "C6")
        return x

    @staticmethod
    def eval(
        x: Array,
        v: Array,
        *scalars: Array,
        start: Shape,
        step: Positions,
        mode: str,
        bound_start: Positions = (),
        **attrs: Any,
    ) -> Array:
        out = np.array(x)
        where = places(x, starts(start, bound_start, scalars), list(v.shape), step)
        with np.errstate(all="ignore"):
            out[where] = v if mode == "set" else out[where] + v
        return out

    @staticmethod
    def vjp(
        b: Builder, ct: Value, out: Value, x: Value, v: Value, *scalars: Value, **attrs: Any
    ) -> Grads:
        none = (None,) * len(scalars)
        if not is_differentiable(x.dtype):
            return (None, None, *none)
        place = {k: attrs[k] for k in ("start", "step")} | {"size": v.shape}
        if scalars:
            place["bound_start"] = attrs["bound_start"]
        dv = b.slice(ct, *scalars, **place)
        if attrs["mode"] == "add":
            return (ct, dv, *none)
        dx = b.update_slice(ct, b.full(0, v.type), *scalars, **place, mode="set")
        return (dx, dv, *none)

    @staticmethod
    def lower(
        k: Any,
        idx: Any,
        x: Any,
        v: Any,
        *scalars: Any,
        start: Shape,
        step: Positions,
        mode: str,
        bound_start: Positions = (),
        piece: int | None = None,
        **attrs: Any,
    ) -> Any:
        if piece in (0, 2) or any(literal(d) == 0 for d in v.shape):
            return x(*idx)
        zero = k.const(0, "i64")
        inside: Any = None
        source = []
        axes = zip(placed(idx, start, step, bound_start, scalars), v.shape, strict=True)
        for axis, ((away, width), size) in enumerate(axes):
            known = piece is not None and (axis < len(idx) - 1 or width == 1)
            position = away if width == 1 else k.floordiv(away, k.const(width, "i64"))
            if known:
                source.append(position)
                continue
            here = within(k, away, width, size)
            inside = here if inside is None else k.logical_and(inside, here)
            source.append(k.max(k.min(position, size - 1), zero))  # both sides are evaluated
        if inside is None and mode == "set":
            return v(*source)
        old, new = x(*idx), v(*source)
        new = new if mode == "set" else old + new
        return new if inside is None else k.select(inside, new, old)

    @staticmethod
    def cuts(
        k: Any,
        idx: Any,
        x: Any,
        v: Any,
        *scalars: Any,
        start: Shape,
        step: Positions,
        bound_start: Positions = (),
        **attrs: Any,
    ) -> list[Any] | None:
        """The part that is written, if the row has one: from its first element to its last."""
        if any(literal(d) == 0 for d in v.shape):
            return None
        zero, row = k.const(0, "i64"), None
        *outer, (away, width) = placed(idx, start, step, bound_start, scalars)
        for (distance, by), size in zip(outer, v.shape, strict=False):
            here = within(k, distance, by, size)
            row = here if row is None else k.logical_and(row, here)
        n = x.shape[-1] + zero
        low, high = zero, n
        if width == 1:  # counted from the first element, at column 0: upwards to -away, or downwards to away
            low = zero - away if step[-1] > 0 else away - v.shape[-1] + 1
            high = low + v.shape[-1]
        if row is None:
            return [low, high]
        return [k.select(row, low, n), k.select(row, high, n)]

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x, v = op.operands[:2]
        if not is_whole(op, x) or v.type != op.result.type:
            return None
        return v if op.attrs["mode"] == "set" else b.add(x, v)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x, v = r.normal(size=(5, 4)), r.normal(size=(3, 2))
        w, two, zero = r.normal(size=(6,)), np.asarray(2), np.asarray(0.5)
        out: Samples = []
        for mode in ("set", "add"):
            attrs = {"size": (3, 2), "mode": mode}
            out += [
                ((x, v), {"start": (1, 0), "step": (1, 1), **attrs}),
                ((x, v), {"start": (4, 3), "step": (-2, -1), **attrs}),
                ((x, v), {"start": (0, 1), "step": (2, 2), **attrs}),
                ((x, v[:0]), {**attrs, "start": (2, 0), "size": (0, 2), "step": (1, 1)}),
                ((x, x[::-1].copy()), {**attrs, "start": (0, 0), "step": (1, 1), "size": (5, 4)}),
                (
                    (w, w[:3].copy(), two),
                    {**attrs, "start": (0,), "size": (3,), "step": (1,), "bound_start": (0,)},
                ),
                ((zero, zero.copy()), {**attrs, "start": (), "size": (), "step": ()}),
            ]
        return out
