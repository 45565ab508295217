"""Softmax and its kin, kept whole so that they are computed stably and recognised by passes."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.reduce import Axes, expand
from arignote.ir.ops.rules import (
    Array,
    Grads,
    Samples,
    check_axes,
    check_axis,
    widened,
)
from arignote.ir.types import DimLike, TensorType, is_float, prod_dims


def infer_axis(x: TensorType, *, axis: int) -> TensorType:
    """(C1): an axis. (C2): floats."""
    check_axis(x, axis)
    require_floats(x)
    return x


def require_floats(x: TensorType) -> None:
    """(C2): floats."""
    require(is_float(x.dtype), f"takes floats, got {x} (C2)")


def _highest(x: Array, axes: Axes) -> Array:
    """The maximum over `axes`, kept; 0 where nothing finite is, so that x - max is no NaN."""
    m = np.max(x, axis=axes, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(m), m, np.zeros((), x.dtype))


def _softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-np.inf))
    return np.asarray(e / np.sum(e, axis=axis, keepdims=True))


def _log_softmax(x: Array, axis: int) -> Array:
    shifted = x - np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)))


def _logsumexp(x: Array, axes: Axes) -> Array:
    m = _highest(x, axes)
    total = np.sum(np.exp(x - m), axis=axes, keepdims=True)
    return np.asarray(np.squeeze(np.log(total) + m, axis=axes))


def per_element(x: TensorType, **attrs: Any) -> DimLike:
    """A comparison, a subtraction, an exponential, an addition, and a division or subtraction for each element."""
    return 5 * x.size


def along_axis() -> Samples:
    """Samples for every axis."""
    r = np.random.default_rng(0)
    x, y = r.normal(size=(2, 3)) * 2, r.normal(size=(2, 2, 3))
    return [
        ((x,), {"axis": 1}),
        ((x,), {"axis": 0}),
        ((y,), {"axis": 1}),
        ((r.normal(size=(1,)),), {"axis": 0}),
        ((np.zeros((0, 3)),), {"axis": 1}),
        ((np.zeros((2, 0)),), {"axis": 1}),
    ]


@defop
class softmax:
    """softmax(x: F[...]) {axis} -> F[...]: exp(x) / sum(exp(x)) along `axis`, shifted by the
    maximum. (C1) an axis. (C2) floats."""

    traits = ("library",)
    infer = infer_axis
    eval = widened(_softmax)
    lower = "decompose"
    samples = along_axis
    flops = per_element

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axis: int) -> Grads:
        weighted = b.mul(ct, out)
        total = expand(b, b.sum(weighted, axes=(axis,)), x, (axis,))
        return (b.sub(weighted, b.mul(out, total)),)


@defop
class log_softmax:
    """log_softmax(x: F[...]) {axis} -> F[...]: log(softmax(x)), without underflow.
    (C1) an axis. (C2) floats."""

    traits = ("library",)
    infer = infer_axis
    eval = widened(_log_softmax)
    lower = "decompose"
    samples = along_axis
    flops = per_element

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axis: int) -> Grads:
        total = expand(b, b.sum(ct, axes=(axis,)), x, (axis,))
        return (b.sub(ct, b.mul(b.exp(out), total)),)


@defop
class logsumexp:
    """logsumexp(x: F[...]) {axes} -> F[...]: log(sum(exp(x))), shifted by the maximum; -inf over
    nothing or over -inf alone. (C1) ascending axes. (C2) floats."""

    traits = ("library",)
    eval = widened(_logsumexp)
    lower = "decompose"
    flops = per_element

    @staticmethod
    def infer(x: TensorType, *, axes: Axes) -> TensorType:
        check_axes(x, axes)
        require_floats(x)
        return x.with_shape(d for a, d in enumerate(x.shape) if a not in axes)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, axes: Axes) -> Grads:
        weights = b.exp(b.sub(x, expand(b, out, x, axes)))
        return (b.mul(expand(b, ct, x, axes), weights),)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        (x,) = op.operands
        axes: Axes = op.attrs["axes"]
        if not axes:
            return x
        if prod_dims(x.shape[a] for a in axes) == 1:
            return b.reshape(x, shape=op.result.shape)
        return None

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x = r.normal(size=(2, 3, 2)) * 2
        cases: list[Any] = [(x, a) for a in ((), (0,), (1,), (2,), (0, 2), (0, 1, 2))]
        cases += [(np.asarray(1.5), ()), (np.zeros((0, 3)), (1,)), (np.zeros((2, 0)), (1,))]
        return [((y,), {"axes": axes}) for y, axes in cases]
