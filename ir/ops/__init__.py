"""Every op: importing this package fills the registry. One file per family, one class per op."""

from arignote.ir.ops import (
    creation,
    elementwise,
    fused,
    logic,
    reduce,
    rules,
)

__all__ = [
    "creation",
    "elementwise",
    "fused",
    "logic",
    "reduce",
    "rules",
]
