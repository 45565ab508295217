"""Aligned host memory for state and arenas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64
"""Bytes: one cache line and one AVX-512 register."""


def aligned_empty(
    shape: int | Sequence[int], dtype: DTypeLike, alignment: int = ALIGNMENT
) -> NDArray[Any]:
    """An uninitialised C-contiguous array whose data pointer is a multiple of ``alignment``."""
    if alignment <= 0 or alignment & (alignment - 1):
        raise ValueError(f"alignment must be a power of two, got {alignment}")
    dims = (shape,) if isinstance(shape, int) else tuple(shape)
    kind = np.dtype(dtype)
    if kind.hasobject:
        raise TypeError("aligned memory cannot hold Python objects")
    size = math.prod(dims) * kind.itemsize
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    # Not a slice of `raw`: one without elements would begin where `raw` does.
    return np.ndarray(dims, kind, buffer=raw, offset=start)


def aligned_zeros(
    shape: int | Sequence[int], dtype: DTypeLike, alignment: int = ALIGNMENT
) -> NDArray[Any]:
    """``aligned_empty`` filled with zeros."""
    out = aligned_empty(shape, dtype, alignment)
    out.fill(0)
    return out


def is_aligned(array: NDArray[Any], alignment: int = ALIGNMENT) -> bool:
    """Whether the array's data pointer is a multiple of ``alignment``."""
    return bool(array.__array_interface__["data"][0] % alignment == 0)
