"""What a plan asks of ops: whether a result has memory of its own, and what it may be written over."""

from __future__ import annotations

from arignote.ir.core import Op, Region, Value
from arignote.ir.opdef import has_trait
from arignote.ir.placement import storage
from arignote.ir.types import DimLike, TensorType


def nbytes(type: TensorType) -> DimLike:
    """The size of a value in bytes."""
    return type.size * type.itemsize


def owns_memory(value: Value, host: set[Value]) -> bool:
    """Whether a kernel writes `value` to memory that can be placed freely."""
    return value.owner is not None and value not in host and value.owner.name != "const" and (
        storage(value, host) is value
    )


def writes_elementwise(op: Op, result: Value, operand: Value) -> bool:
    """Whether `op` may write `result` over `operand`: each element is read only for the one that replaces it."""
    if result.type.shape != operand.type.shape or result.type.itemsize != operand.type.itemsize:
        return False
    if op.name == "gemm":
        return bool(op.attrs["acc"]) and operand is op.operands[2] and operand not in op.operands[:2]
    if op.name in ("scatter", "update_slice"):
        return operand is op.operands[0] and operand not in op.operands[1:]
    if op.name != "fused" or op.attrs["kind"] == "conv":  # which computes elements again where its tiles overlap
        return False
    region = op.regions[0]
    out = region.yields[op.results.index(result)]
    params = [p for p, v in zip(region.params, op.operands, strict=True) if v is operand]
    if op.attrs["kind"] == "rows" and not _written_last(region, out):
        return False
    if op.attrs["kind"] == "cols" and any(p.shape != out.shape for p in params):
        return False
    made_of = set(params)  # an index op reads other elements of what is computed from them, too
    for inner in region.ops:
        if not made_of.isdisjoint(inner.operands):
            made_of.update(inner.results)
            if has_trait(inner.name, "index") and inner.name not in ("broadcast", "reshape"):
                return False
        if any(p in inner.operands for p in params):
            if op.attrs["kind"] == "cols" and has_trait(inner.name, "reduction"):
                return False
            shape = inner.operands[0].shape if has_trait(inner.name, "reduction") else inner.results[0].shape
            if shape != operand.shape:
                return False
    return True


def _written_last(region: Region, out: Value) -> bool:
    """Whether a row's `out` is written in the last pass over the row: it depends on as many reductions as any value."""
    level: dict[Value, int] = {p: 0 for p in region.params}
    for op in region.ops:
        depth = max((level[v] for v in op.operands), default=0) + has_trait(op.name, "reduction")
        level.update((r, depth) for r in op.results)
    return level[out] == max(level.values())
