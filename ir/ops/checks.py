"""Conditions that programs state and calls check."""

from __future__ import annotations

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, uniform
from arignote.ir.types import TensorType, is_differentiable


@defop
class assert_:
    """assert(x: T[...], *conditions: bool[]) {message=""} -> T[...]: x, if all conditions hold; an AssertionError with
    the message otherwise, before anything is updated. Not checked where nothing needs the result.
    (C1) at least one condition, each bool[]."""

    traits = ("library", "fallible")
    lower = "assert"

    @staticmethod
    def infer(x: TensorType, *conditions: TensorType, message: str = "") -> TensorType:
        good = conditions and all(c.dtype == "bool" and c.ndim == 0 for c in conditions)
        require(bool(good), f"takes conditions bool[], got {', '.join(map(str, conditions)) or 'none'} (C1)")
        return x

    @staticmethod
    def eval(x: Array, *conditions: Array, message: str = "") -> Array:
        if not all(bool(c) for c in conditions):
            raise AssertionError(message)
        return np.array(x)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *conditions: Value, message: str = "") -> Grads:
        return (ct if is_differentiable(x.dtype) else None, *(None for _ in conditions))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x, *conditions = op.operands
        open_ = [c for c in dict.fromkeys(conditions) if uniform(c) is not True]
        if len(open_) == len(conditions):
            return None
        return b.emit(op.name, x, *open_, **op.attrs)[0] if open_ else x

    @staticmethod
    def samples() -> Samples:
        x, true = np.random.default_rng(0).normal(size=(2, 3)), np.asarray(True)
        return [
            ((x, true), {"message": "x is as it should be"}),
            ((x, true, true), {}),
            ((np.asarray(1.5), true), {"message": ""}),
            ((np.zeros((0, 2)), true), {}),
        ]
