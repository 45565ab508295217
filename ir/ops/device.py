"""Transfers between the memory of the host and of a device."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.types import TensorType, is_differentiable


@defop
class transfer:
    """transfer(x: T[...]) {to} -> T[...]: the same value in the memory of `to`, `cpu` or `cuda`."""

    traits = ("library",)
    lower = "transfer"

    @staticmethod
    def infer(x: TensorType, *, to: str) -> TensorType:
        require(to in ("cpu", "cuda"), f"there is no device {to!r}; transfer goes to cpu or cuda")  # (C1)
        return x

    @staticmethod
    def eval(x: np.ndarray, *, to: str) -> np.ndarray:
        return x.copy()

    @staticmethod
    def vjp(b: Any, ct: Any, out: Any, x: Any, *, to: str) -> tuple[Any, ...]:
        if not is_differentiable(x.dtype):
            return (None,)
        return (b.transfer(ct, to="cpu" if to == "cuda" else "cuda"),)

    @staticmethod
    def fold(b: Any, op: Any) -> Any:
        """There and back again."""
        inner = op.operands[0].owner
        if inner is None or inner.name != "transfer" or op.attrs["to"] != "cpu":
            return None
        return inner.operands[0] if inner.attrs["to"] == "cuda" else None

    @staticmethod
    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        x = np.arange(6.0).reshape(2, 3)
        return [((x,), {"to": "cuda"}), ((x,), {"to": "cpu"}), ((np.array(1.5),), {"to": "cpu"})]
