"""Every op: importing this package fills the registry. One file per family, one class per op."""

from arignote.ir.ops import (
    creation,
    elementwise,
    fused,
    logic,
    reduce,
    rules,
    shape,
    transcendental,
)

__all__ = [
    "creation",
    "elementwise",
    "fused",
    "logic",
    "reduce",
    "rules",
    "shape",
    "transcendental",
]
