"""Ops that make tensors: constants, broadcasting, counting; and `dim`, which reads a dimension.

A dimension of a `shape` attribute may be a symbol that the op itself binds: its position is in
`bound`, and its value is a trailing scalar operand i64[], in the order of `bound`.
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
    bind,
    check_axis,
    check_bound,
    check_kind,
    literal,
    made_by,
    unbind,
)
from arignote.ir.types import (
    DTYPES,
    DimLike,
    TensorType,
    is_differentiable,
    same_dim,
    type_of,
)

Shape = tuple[DimLike, ...]
Positions = tuple[int, ...]


@defop
class const:
    """const() {value: array} -> T[...]: a constant; `value` is not written to."""

    traits = ()
    vjp = None
    lower = None

    @staticmethod
    def infer(*, value: Array) -> TensorType:
        return type_of(value)

    @staticmethod
    def eval(*, value: Array) -> Array:
        return value

    @staticmethod
    def samples() -> Samples:
        values: list[Any] = [1.5, True, [[1, 2, 3], [4, 5, 6]], np.zeros((0, 2)), [np.nan, -0.0]]
        return [((), {"value": np.array(v)}) for v in values]


@defop
class broadcast:
    """broadcast(x: T[...], *dims: i64[]) {shape, bound=()} -> T[shape]: x stretched to `shape`,
    aligned right. (C1) only a dimension 1 stretches. (C2) one operand per bound dimension."""

    traits = ("index",)

    @staticmethod
    def infer(x: TensorType, *dims: TensorType, shape: Shape, bound: Positions = ()) -> TensorType:
        out = x.with_shape(shape)
        fits = x.ndim <= len(shape) and all(
            have == 1 or same_dim(have, want)
            for have, want in zip(reversed(x.shape), reversed(shape), strict=False)
        )
        require(fits, f"does not stretch: {x} to {out} (C1)")
        check_bound(dims, len(bound), "dimensions (C2)")
        return out

    @staticmethod
    def eval(x: Array, *dims: Array, shape: Shape, bound: Positions = ()) -> Array:
        return np.broadcast_to(x, bind(shape, bound, dims)).copy()

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *dims: Value, **attrs: Any) -> Grads:
        grad = b.sum_to(ct, x.shape) if is_differentiable(x.dtype) else None
        return (grad, *(None for _ in dims))

    @staticmethod
    def lower(k: Any, idx: Any, x: Any, *dims: Any, shape: Shape, bound: Positions = ()) -> Any:
        lead = len(idx) - len(x.shape)
        return x(*[0 if literal(d) == 1 else i for i, d in zip(idx[lead:], x.shape, strict=True)])

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
        made = made_by(x, "broadcast")
        if made and len(made.operands) == 1:
            return b.broadcast(made.operands[0], shape=op.attrs["shape"])
        return None

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        return [
            ((r.normal(size=(3,)),), {"shape": (2, 3)}),
            ((r.normal(size=(2, 1)),), {"shape": (2, 4)}),
            ((np.asarray(1.5),), {"shape": (2, 2)}),
            ((np.asarray(1.5),), {"shape": ()}),
            ((r.normal(size=(1, 3)),), {"shape": (0, 3)}),
            ((r.normal(size=(1, 3)), np.asarray(4)), {"shape": (4, 3), "bound": (0,)}),
            ((r.normal(size=()), np.asarray(2), np.asarray(3)), {"shape": (2, 3), "bound": (0, 1)}),
        ]


@defop
class iota:
    """iota(*dims: i64[]) {shape, axis, dtype, bound=()} -> dtype[shape]: 0, 1, 2, ... along `axis`.
    (C1) an axis. (C2) integers or floats. (C3) one operand per bound dimension."""

    traits = ("index",)
    vjp = None

    @staticmethod
    def infer(
        *dims: TensorType, shape: Shape, axis: int, dtype: str, bound: Positions = ()
    ) -> TensorType:
        out = TensorType(dtype, shape)
        check_axis(out, axis)
        check_kind("number", out, label="C2")
        check_bound(dims, len(bound), "dimensions (C3)")
        return out

    @staticmethod
    def eval(*dims: Array, shape: Shape, axis: int, dtype: str, bound: Positions = ()) -> Array:
        sizes = bind(shape, bound, dims)
        column = [-1 if a == axis else 1 for a in range(len(sizes))]
        count = np.arange(sizes[axis], dtype=DTYPES[dtype]).reshape(column)
        return np.broadcast_to(count, sizes).copy()

    @staticmethod
    def lower(k: Any, idx: Any, *dims: Any, axis: int, dtype: str, **attrs: Any) -> Any:
        return k.cast(idx[axis], dtype)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        return unbind(b, op, 0)

    @staticmethod
    def samples() -> Samples:
        return [
            ((), {"shape": (4,), "axis": 0, "dtype": "i64"}),
            ((), {"shape": (2, 3), "axis": 1, "dtype": "f32"}),
            ((), {"shape": (3, 2), "axis": 0, "dtype": "f64"}),
            ((), {"shape": (0,), "axis": 0, "dtype": "i32"}),
            ((np.asarray(5),), {"shape": (5,), "axis": 0, "dtype": "i64", "bound": (0,)}),
        ]


@defop
class dim:
    """dim(x: T[...]) {axis} -> i64[]: the size of an axis, known without reading x.
    (C1) an axis."""

    traits = ("host",)
    vjp = None
    lower = "host"

    @staticmethod
    def infer(x: TensorType, *, axis: int) -> TensorType:
        check_axis(x, axis)
        return TensorType("i64", ())

    @staticmethod
    def eval(x: Array, *, axis: int) -> Array:
        return np.asarray(x.shape[axis], dtype=np.int64)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        size = op.operands[0].shape[op.attrs["axis"]]
        return b.const(size, "i64") if isinstance(size, int) else None

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        return [
            ((r.normal(size=(2, 3)),), {"axis": 1}),
            ((r.normal(size=(0,)),), {"axis": 0}),
        ]
