"""The ops of the fusion pass: kernels made of many ops, and what there is only in kernels."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.ir.diag import require
from arignote.ir.opdef import defop, has_trait
from arignote.ir.ops.rules import same_shape
from arignote.ir.types import DimLike, TensorType, better_dim, is_differentiable

Shape = tuple[DimLike, ...]


def row_shapes(space: Shape, axes: Sequence[int]) -> tuple[Shape, Shape]:
    """The shape of a value per row of a kernel: with the reduced axes dropped, and with them kept as 1."""
    return (
        tuple(d for a, d in enumerate(space) if a not in axes),
        tuple(1 if a in axes else d for a, d in enumerate(space)),
    )


def _stores(region: Any, axes: Sequence[int]) -> str | None:
    """What a kernel yields that is neither of its iteration space nor, with `axes`, of values per row; None if nothing
    is. Axes of size 1 do not count."""
    if any(op.name == "join" for op in region.ops):
        return None  # parts lie side by side, which `join` has looked at
    reduced = (op.operands[0].shape for op in region.ops if has_trait(op.name, "reduction"))
    space = next(reduced, region.yields[0].shape) if axes else region.yields[0].shape
    fitting = (space, row_shapes(space, axes)[0]) if axes else (space,)
    for y in region.yields:
        if not any(same_shape(_wide(y.shape), _wide(shape)) for shape in fitting):
            return f"{y.type} in a kernel over [{', '.join(map(str, space))}]"
    return None


def _wide(shape: Shape) -> Shape:
    return tuple(d for d in shape if d != 1)


@defop
class fused:
    """fused(*xs) {axes, kind} {region} -> ...: the ops of the region, run as one kernel.

    The region's parameters are the operands, what it yields are the results. `kind` is `map` (every value has the
    shape of the kernel), `rows` (reductions over `axes`, which include the last one; values per row in between),
    `cols` (reductions over `axes` that leave the last one) or `conv` (a convolution, or the gradient of its image, and
    elementwise ops on its results). Made after gradients are derived.
    """

    traits = ("region", "kernel", "library")
    vjp = None
    lower = "fused"

    @staticmethod
    def infer(*xs: TensorType, regions: tuple[Any, ...], kind: str, axes: tuple[int, ...]) -> tuple[TensorType, ...]:
        require(len(regions) == 1, f"takes one region, got {len(regions)}")  # (C1)
        require(kind in ("map", "rows", "cols", "conv"), f"kind {kind!r} is not map, rows, cols or conv")  # (C2)
        require((kind in ("map", "conv")) == (not axes), f"kind {kind} with axes {axes}")  # (C3)
        params = tuple(p.type for p in regions[0].params)
        require(  # (C4)
            params == xs,
            f"region takes ({', '.join(map(str, params))}), operands are ({', '.join(map(str, xs))})",
        )
        if kind == "conv":
            first, *others = [op.name for op in regions[0].ops] or ["nothing"]
            require(first in ("conv", "conv_data"), f"kind conv begins with {first}, not with a convolution")  # (C5)
            wrong = [n for n in others if not has_trait(n, "elementwise") and n not in ("const", "broadcast")]
            require(not wrong, f"kind conv goes on with elementwise ops, not with {', '.join(wrong)}")  # (C6)
        else:
            wrong_shape = _stores(regions[0], axes) if regions[0].yields else None
            require(wrong_shape is None, f"cannot store {wrong_shape}")  # (C7)
        return tuple(v.type for v in regions[0].yields)

    @staticmethod
    def eval(*xs: np.ndarray, regions: tuple[Any, ...], run_region: Any, kind: str, axes: tuple[int, ...]) -> Any:
        return tuple(run_region(regions[0], xs))

    @staticmethod
    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        return []  # made of other ops only, whose samples cover it


@defop
class join:
    """join(*xs: T[...]) {axis} -> T[...]: operands of one shape one after the other along `axis`. (C1) operands of one
    type. (C2) an axis.

    The last op of a kernel, whose space is that of the operands: an element is stored where its operand begins.
    """

    traits = ("library",)
    vjp = None
    lower = "fused"

    @staticmethod
    def infer(x: TensorType, *xs: TensorType, axis: int) -> TensorType:
        fits = all(y.dtype == x.dtype and same_shape(y.shape, x.shape) for y in xs)
        require(fits, f"operands have one type, not {', '.join(map(str, (x, *xs)))} (C1)")
        require(0 <= axis < x.ndim, f"axis {axis} of {x} (C2)")
        shape = functools.reduce(lambda s, y: tuple(map(better_dim, s, y.shape)), xs, x.shape)
        return x.with_shape(d * (len(xs) + 1) if a == axis else d for a, d in enumerate(shape))

    @staticmethod
    def eval(*xs: np.ndarray, axis: int) -> np.ndarray:
        return np.concatenate(xs, axis=axis)

    @staticmethod
    def flops(*xs: TensorType, axis: int) -> int:
        return 0

    @staticmethod
    def samples() -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        a, b = np.arange(6.0).reshape(2, 3), -np.ones((2, 3))
        return [((a, b), {"axis": 0}), ((a, b, a), {"axis": 1}), ((a,), {"axis": 1}), ((a[:0], a[:0]), {"axis": 1})]


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
