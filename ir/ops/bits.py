"""bf16 as bits: what compiled code computes bfloat16 with (`passes/represent.py`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import UNARY_SHAPES, Array
from arignote.ir.types import BFLOAT16, TensorType


def _from(have: str, made: str) -> Any:
    """`infer`: elements of the dtype `made` from those of `have`."""

    def infer(x: TensorType) -> TensorType:
        require(x.dtype == have, f"takes {have}, got {x} (C1)")
        return x.with_dtype(made)

    return staticmethod(infer)


def _shapes(values: Array) -> Any:
    """`samples`: arrays of all shapes, of these elements."""
    return staticmethod(lambda: [((np.resize(values, shape),), {}) for (shape,) in UNARY_SHAPES])


@defop
class from_bfloat16:
    """from_bfloat16(x: u16[...]) -> f32[...]: the number whose bits as bf16 are x. (C1) u16."""

    traits = ("elementwise",)
    infer = _from("u16", "f32")
    vjp = None
    samples = _shapes(np.array([0x3F80, 0xC049, 0x0001, 0x7F80, 0x8000, 0x4000], np.uint16))

    @staticmethod
    def eval(x: Array) -> Array:
        return np.asarray(x.view(BFLOAT16).astype(np.float32))

    @staticmethod
    def lower(k: Any, x: Any) -> Any:
        return k.bits(k.shift_left(k.cast(x, "u32"), 16), "f32")


@defop
class to_bfloat16:
    """to_bfloat16(x: f32[...]) -> u16[...]: the bits of x as bf16, rounded to nearest, halves to even. (C1) f32."""

    traits = ("elementwise",)
    infer = _from("f32", "u16")
    vjp = None
    samples = _shapes(np.array([1, -3.14159, 1e-40, np.inf, -0.0, 1.00390625, 3.4e38, 2.5], np.float32))

    @staticmethod
    def eval(x: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(x.astype(BFLOAT16).view(np.uint16))

    @staticmethod
    def lower(k: Any, x: Any) -> Any:
        bits = k.named(k.bits(x, "u32"))
        even = k.bitwise_and(k.shift_right(bits, 16), k.const(1, "u32"))
        rounded = k.shift_right(bits + k.const(0x7FFF, "u32") + even, 16)
        nan = k.bitwise_or(k.shift_right(bits, 16), k.const(0x40, "u32"))  # a payload must not become infinity
        return k.cast(k.select(k.isnan(x), nan, rounded), "u16")
