"""The old names of pooling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.signal.pool import Pool, max_pool_2d_same_size, pool_2d

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["DownsampleFactorMax", "max_pool_2d", "max_pool_2d_same_size"]

DownsampleFactorMax = Pool


def max_pool_2d(
    input: Any, ds: Any, ignore_border: bool | None = None, st: Any = None, padding: Any = (0, 0), mode: str = "max"
) -> TensorVariable:
    """`pool_2d` with windows `ds` and strides `st`."""
    return pool_2d(input, ds, ignore_border, st, padding, mode)
