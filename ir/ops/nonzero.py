"""Where elements are true: an op whose results have a size that depends on its values."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Samples, bind, check_bound
from arignote.ir.types import DimLike, TensorType


@defop
class nonzero:
    """nonzero(x: bool[...], *count: i64[]) {shape, bound=()} -> i64[shape], one for each axis of x: the places of the
    elements that are true, in C order. (C1) bools with axes. (C2) one size, that many are true. (C3) an operand if the
    size is bound."""

    traits = ("library",)
    vjp = None
    lower = "nonzero"

    @staticmethod
    def infer(
        x: TensorType, *count: TensorType, shape: tuple[DimLike, ...], bound: tuple[int, ...] = ()
    ) -> tuple[TensorType, ...]:
        require(x.dtype == "bool" and x.ndim > 0, f"takes bools with axes, got {x} (C1)")
        require(len(shape) == 1, f"one size, got {shape} (C2)")
        check_bound(count, len(bound), "size (C3)")
        return tuple(TensorType("i64", shape, x.device) for _ in range(x.ndim))

    @staticmethod
    def eval(x: Array, *count: Array, shape: tuple[DimLike, ...], bound: tuple[int, ...] = ()) -> tuple[Array, ...]:
        (size,) = bind(shape, bound, count)
        places = np.nonzero(x)
        if len(places[0]) != size:
            raise ValueError(f"{len(places[0])} elements are true, not {size}")
        return tuple(p.astype(np.int64) for p in places)

    @staticmethod
    def flops(x: TensorType, *count: TensorType, **attrs: Any) -> int:
        return 0

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        out: Samples = []
        for shape in [(7,), (3, 4), (2, 3, 2), (0, 3), (5,)]:
            x = r.random(shape) < (0.5 if len(out) < 4 else 2.0)
            out.append(((x,), {"shape": (int(x.sum()),)}))
        x = r.random((4, 3)) < 0.4
        out.append(((x, np.asarray(x.sum())), {"shape": (int(x.sum()),), "bound": (0,)}))
        out.append(((np.zeros(3, bool), np.asarray(0)), {"shape": (0,), "bound": (0,)}))
        return out
