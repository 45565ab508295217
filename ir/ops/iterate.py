"""A loop for each element on its own: what takes an unknown number of steps, such as drawing until one is accepted."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.diag import require
from arignote.ir.opdef import OPS, defop, has_trait, semantic
from arignote.ir.ops.rules import Array, Samples
from arignote.ir.types import TensorType


@defop
class iterate:
    """iterate(*carries: T[shape], *given: U[shape] or U[]) {carry, limit} {region} -> carries: T[shape]. Each element
    runs the region again and again until it says that the element is done, but at most `limit` times.

    The region works on scalars: (step: i64[], position: i64[], carries: T[]..., given: U[]...), the step from 0 and
    the element's place in C order, and yields (done: bool[], carries: T[]...). Elements differ in how many steps they
    take; a tensor is never written but once.
    (C1) one region. (C2) `carry` operands are carried, of one shape. (C3) the others have that shape, or none.
    (C4) limit > 0. (C5) what the region takes and yields fits. (C6) it is made of elementwise ops and constants.
    """

    traits = ("region", "kernel", "library")
    vjp = None
    lower = "iterate"

    @staticmethod
    def infer(*xs: TensorType, regions: tuple[Any, ...], carry: int, limit: int) -> tuple[TensorType, ...]:
        require(len(regions) == 1, f"takes one region, got {len(regions)} (C1)")
        carries, given = xs[:carry], xs[carry:]
        listed = ", ".join(map(str, carries)) or "none"
        same = 0 < carry <= len(xs) and all(t.shape == carries[0].shape for t in carries)
        require(same, f"carries {carry} operands of one shape, got {listed} (C2)")
        for t in given:
            fits = t.shape in ((), carries[0].shape)
            require(fits, f"{t} has neither the shape of the carried {carries[0]} nor none (C3)")
        require(limit > 0, f"runs {limit} times at most (C4)")
        _check_region(regions[0], [t.with_shape(()) for t in xs], carry)
        return carries

    @staticmethod
    def eval(*xs: Array, regions: tuple[Any, ...], run_region: Any, carry: int, limit: int) -> tuple[Array, ...]:
        region, shape = regions[0], xs[0].shape
        values = [np.array(np.broadcast_to(x, shape)).reshape(-1) for x in xs]
        active = np.arange(values[0].size)
        for step in range(limit):
            if not active.size:
                break
            given = [np.asarray(step), active, *(v[active] for v in values)]
            known = dict(zip(region.params, given, strict=True))
            for op in region.ops:
                out = OPS[op.name].eval(*(known[v] for v in op.operands), **semantic(op.attrs))
                known[op.result] = np.asarray(out)
            done, *new = (np.broadcast_to(known[v], active.shape) for v in region.yields)
            for v, x in zip(values, new, strict=False):
                v[active] = x
            active = active[~done]
        return tuple(v.reshape(shape) for v in values[:carry])

    @staticmethod
    def samples() -> Samples:
        return []  # made of other ops only, whose samples cover it


def _check_region(region: Any, operands: list[TensorType], carry: int) -> None:
    count = TensorType("i64", ())
    want = [count, count, *operands]
    have = [p.type for p in region.params]
    require(have == want, f"its region takes ({_listed(have)}), not ({_listed(want)}) (C5)")
    want = [TensorType("bool", ()), *operands[:carry]]
    have = [v.type for v in region.yields]
    require(have == want, f"its region yields ({_listed(have)}), not ({_listed(want)}) (C5)")
    for op in region.ops:
        scalar = all(r.ndim == 0 for r in op.results) and (op.name == "const" or has_trait(op.name, "elementwise"))
        require(scalar, f"{op.name} in its region is no elementwise op on scalars (C6)")


def _listed(types: list[TensorType]) -> str:
    return ", ".join(map(str, types))
