"""Complex numbers and their parts. Compiled code keeps the parts apart (`passes/represent.py`): no record is lowered.

The cotangent of a complex x + iy is dL/dx + i dL/dy for a real L, so that a step against it decreases L.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import (
    UNARY_SHAPES,
    Array,
    Grads,
    Samples,
    broadcast_types,
    check_same_dtype,
    quiet,
    reals,
)
from arignote.ir.types import TensorType, is_complex

PARTS = {"c64": "f32", "c128": "f64"}
WHOLE = {part: whole for whole, part in PARTS.items()}


def _complex_operand(x: TensorType) -> None:
    require(is_complex(x.dtype), f"takes complex numbers, got {x} (C1)")


def part_of(x: TensorType) -> TensorType:
    """infer(x: C[...]) -> F[...]: the dtype of the parts."""
    _complex_operand(x)
    return x.with_dtype(PARTS[x.dtype])


def same(x: TensorType) -> TensorType:
    """infer(x: C[...]) -> C[...]."""
    _complex_operand(x)
    return x


def points() -> Samples:
    """Samples: complex numbers around 0."""
    rng = np.random.default_rng(0)
    return [((np.asarray(rng.normal(size=s) + 1j * rng.normal(size=s)),), {}) for (s,) in UNARY_SHAPES]


def _zero(b: Builder, x: Value) -> Value:
    return b.full(0, x.type)


@defop
class complex:
    """complex(re: F[...], im: F[...]) -> C[...]: re + i im, c64 of f32 and c128 of f64.
    (C1) f32 or f64. (C2) one dtype. (C3) shapes broadcast."""

    traits = ("elementwise",)
    lower = None
    samples = reals((-2, 2), (-2, 2))

    @staticmethod
    def infer(re: TensorType, im: TensorType) -> TensorType:
        for x in (re, im):
            require(x.dtype in WHOLE, f"takes f32 or f64, got {x} (C1)")
        check_same_dtype(re, im)
        return broadcast_types(re, im).with_dtype(WHOLE[re.dtype])

    @staticmethod
    def eval(re: Array, im: Array) -> Array:
        whole = np.complex64 if re.dtype == np.float32 else np.complex128
        out: Array = np.empty(np.broadcast_shapes(re.shape, im.shape), whole)
        out.real, out.imag = re, im
        return out

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, re: Value, im: Value) -> Grads:
        return b.real(ct), b.imag(ct)


@defop
class real:
    """real(x: C[...]) -> F[...]: the real part. (C1) complex."""

    traits = ("elementwise",)
    lower = None
    infer = part_of
    eval = staticmethod(lambda x: np.ascontiguousarray(x.real).reshape(x.shape))
    samples = points

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        return (b.complex(ct, _zero(b, ct)),)


@defop
class imag:
    """imag(x: C[...]) -> F[...]: the imaginary part. (C1) complex."""

    traits = ("elementwise",)
    lower = None
    infer = part_of
    eval = staticmethod(lambda x: np.ascontiguousarray(x.imag).reshape(x.shape))
    samples = points

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        return (b.complex(_zero(b, ct), ct),)


@defop
class component:
    """component(x: T[...,n]) {k} -> T[...]: x[..., k], one of the parts that lie beside each other on the last axis.
    Compiled code reads complex numbers so. (C1) k is an index of the last axis."""

    traits = ("index",)
    vjp = None  # made after gradients

    @staticmethod
    def infer(x: TensorType, *, k: int) -> TensorType:
        inside = x.ndim > 0 and k >= 0 and (not isinstance(x.shape[-1], int) or k < x.shape[-1])
        require(inside, f"{k} is no index of the last axis of {x} (C1)")
        return x.with_shape(x.shape[:-1])

    @staticmethod
    def eval(x: Array, *, k: int) -> Array:
        return np.array(x[..., k])

    @staticmethod
    def lower(namespace: Any, idx: Any, x: Any, *, k: int) -> Any:
        return x(*idx, k)

    @staticmethod
    def samples() -> Samples:
        rng = np.random.default_rng(0)
        shapes = ((3, 2), (2,), (0, 2), (2, 1, 3), (4, 1))
        return [((rng.normal(size=s),), {"k": k}) for s in shapes for k in (0, s[-1] - 1)]


@defop
class conj:
    """conj(x: C[...]) -> C[...]: the complex conjugate. (C1) complex."""

    traits = ("elementwise",)
    lower = None
    infer = same
    eval = quiet(np.conj)
    samples = points

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        return (b.conj(ct),)


@defop
class magnitude:
    """magnitude(x: C[...]) -> F[...]: |x|, without overflow. The gradient at 0 is 0. (C1) complex."""

    traits = ("elementwise",)
    lower = None
    infer = part_of
    eval = quiet(np.abs)
    samples = points

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        at_zero = b.eq(out, b.like(0, out))
        share = b.select(at_zero, b.like(0, ct), b.div(ct, b.select(at_zero, b.like(1, out), out)))
        return (b.complex(b.mul(share, b.real(x)), b.mul(share, b.imag(x))),)


