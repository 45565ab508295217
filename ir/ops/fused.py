"""The op of the fusion pass: one kernel made of many ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.types import TensorType, is_differentiable


@defop
class fused:
    """fused(*xs) {axes, kind} {region} -> ...: the ops of the region, run as one kernel.

    The region's parameters are the operands, what it yields are the results. `kind` is `map` (every value has the
    shape of the kernel), `rows` (reductions over `axes`, which include the last one; values per row in between) or
    `cols` (reductions over `axes` that leave the last one). Made after gradients are derived.
    """

    traits = ("region", "kernel", "library")
    vjp = None
    lower = "fused"

    @staticmethod
    def infer(*xs: TensorType, regions: tuple[Any, ...], kind: str, axes: tuple[int, ...]) -> tuple[TensorType, ...]:
        require(len(regions) == 1, f"takes one region, got {len(regions)}")  # (C1)
        require(kind in ("map", "rows", "cols"), f"kind {kind!r} is not map, rows or cols")  # (C2)
        require((kind == "map") == (not axes), f"kind {kind} with axes {axes}")  # (C3)
        params = tuple(p.type for p in regions[0].params)
        require(  # (C4)
            params == xs,
            f"region takes ({', '.join(map(str, params))}), operands are ({', '.join(map(str, xs))})",
        )
        return tuple(v.type for v in regions[0].yields)

    @staticmethod
    def eval(*xs: np.ndarray, regions: tuple[Any, ...], run_region: Any, kind: str, axes: tuple[int, ...]) -> Any:
        return tuple(run_region(regions[0], xs))

    @staticmethod
    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return []  # made of other ops only, whose samples cover it


@defop
class copy:
    """copy(x: T[...]) -> T[...]: the same value in memory of its own."""

    traits = ("elementwise",)

    @staticmethod
    def infer(x: TensorType) -> TensorType:
        return x

    @staticmethod
    def eval(x: np.ndarray) -> np.ndarray:
        return x.copy()

    @staticmethod
    def vjp(b: Any, ct: Any, out: Any, x: Any) -> tuple[Any, ...]:
        return (ct if is_differentiable(x.dtype) else None,)

    @staticmethod
    def lower(k: Any, x: Any) -> Any:
        return x

    @staticmethod
    def flops(x: TensorType) -> int:
        return 0

    @staticmethod
    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return [((np.arange(6.0).reshape(2, 3),), {}), ((np.array(1.5),), {}), ((np.zeros((0, 2)),), {})]
