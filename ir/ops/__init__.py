"""Every op: importing this package fills the registry. One file per family, one class per op."""

from arignote.ir.ops import (
    creation,
    device,
    elementwise,
    fused,
    index,
    linalg,
    logic,
    nn,
    random,
    reduce,
    rules,
    shape,
    slices,
    transcendental,
)

__all__ = [
    "creation",
    "device",
    "elementwise",
    "fused",
    "index",
    "linalg",
    "logic",
    "nn",
    "random",
    "reduce",
    "rules",
    "shape",
    "slices",
    "transcendental",
]
