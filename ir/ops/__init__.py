"""Every op: importing this package fills the registry. One file per family, one class per op."""

from arignote.ir.ops import (
    creation,
    elementwise,
    fused,
    index,
    linalg,
    logic,
    nn,
    reduce,
    rules,
    shape,
    slices,
    transcendental,
)

__all__ = [
    "creation",
    "elementwise",
    "fused",
    "index",
    "linalg",
    "logic",
    "nn",
    "reduce",
    "rules",
    "shape",
    "slices",
    "transcendental",
]
