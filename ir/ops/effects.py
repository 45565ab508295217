"""Ops with an effect that the world sees."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.effects import Printed, send
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples
from arignote.ir.types import DimLike, TensorType, is_differentiable


@defop
class print_:
    """print(x: T[...]) {message="", show=["__str__"], hook=0} -> T[...]: x, which is printed whenever the op runs.

    `show` names attributes and methods of the array; `hook` is the number of a function of the program that gets it
    instead (`arignote.ir.effects`). Prints happen in the order of the text. (C1) names of attributes."""

    traits = ("library", "effect", "ordered")
    lower = "print"

    @staticmethod
    def infer(x: TensorType, *, message: str = "", show: tuple[str, ...] = ("__str__",), hook: int = 0) -> TensorType:
        good = all(isinstance(name, str) and hasattr(np.ndarray, name) for name in show)
        require(good, f"show={show!r} names no attributes of arrays (C1)")
        return x

    @staticmethod
    def eval(x: Array, *, message: str = "", show: tuple[str, ...] = ("__str__",), hook: int = 0) -> Array:
        send(Printed(message, tuple(show), hook, x.copy()))
        return x.copy()

    @staticmethod
    def flops(x: TensorType, **attrs: Any) -> DimLike:
        return 0

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, **attrs: Any) -> Grads:
        return (ct if is_differentiable(x.dtype) else None,)

    @staticmethod
    def samples() -> Samples:
        return [((np.arange(3.0),), {"message": "sample", "show": ("shape",)}), ((np.array(1.5),), {"show": ()})]
