"""How ops are called in print: by Theano's names where there are such."""

from __future__ import annotations

from arignote.ir.core import Op
from arignote.ir.opdef import OPS
from arignote.ir.types import DTYPES

_SCALAR = {
    "div": "true_div", "floordiv": "int_div", "and": "and_", "or": "or_", "abs": "abs_",
    "select": "Switch", "round": "round_half_to_even",
}  # fmt: skip
_PLAIN = {
    "dot": "dot", "batched_dot": "BatchedDot", "reshape": "Reshape", "concatenate": "Join",
    "slice": "Subtensor", "gather": "AdvancedSubtensor", "check_index": "CheckIndex",
    "broadcast": "Alloc", "iota": "ARange", "softmax": "Softmax", "log_softmax": "LogSoftmax",
    "fused": "Fused", "gemm": "Gemm", "dim": "Shape_i",
}  # fmt: skip
_REDUCTIONS = {"sum": "Sum", "prod": "Prod", "argmax": "Argmax", "argmin": "Argmin"}


def scalar_name(op: Op) -> str:
    """An elementwise op's function: `add`."""
    if op.name == "cast":
        return f"Cast{{{DTYPES[op.attrs['dtype']]}}}"
    return _SCALAR.get(op.name, op.name)


def dimshuffle_pattern(op: Op) -> tuple[object, ...] | None:
    """The pattern of a reshape that only inserts or drops dimensions 1; None for others."""
    if op.name == "transpose":
        return tuple(op.attrs["perm"])
    if op.name != "reshape" or len(op.operands) > 1:
        return None
    shape, target = op.operands[0].shape, op.result.shape
    pattern: list[object] = []
    i = 0
    for d in target:
        while i < len(shape) and shape[i] != d and shape[i] == 1:
            i += 1
        if i < len(shape) and shape[i] == d:
            pattern.append(i)
            i += 1
        elif d == 1:
            pattern.append("x")
        else:
            return None
    return tuple(pattern) if all(d == 1 for d in shape[i:]) else None


def op_label(op: Op) -> str:
    """The op as debugprint shows it: `Elemwise{add,no_inplace}`, `InplaceDimShuffle{1,0}`."""
    record = OPS.get(op.name)
    if record is not None and "elementwise" in record.traits:
        return f"Elemwise{{{scalar_name(op)},no_inplace}}"
    pattern = dimshuffle_pattern(op)
    if pattern is not None:
        return f"InplaceDimShuffle{{{','.join(map(str, pattern))}}}"
    if op.name == "reshape":
        return f"Reshape{{{op.result.ndim}}}"
    if record is not None and "reduction" in record.traits:
        axes = op.attrs.get("axes", ())
        every = len(axes) == op.operands[0].ndim
        name = _REDUCTIONS.get(op.name)
        inner = "" if every else f"axis={list(axes)}"
        if name is not None:
            return name + (f"{{{inner}}}" if inner else "")
        return f"CAReduce{{{op.name}}}" + (f"{{{inner}}}" if inner else "")
    if op.name == "slice":
        return f"Subtensor{{{_slices(op)}}}"
    if op.name == "update_slice":
        kind = "IncSubtensor{Inc" if op.attrs["mode"] == "add" else "IncSubtensor{Set"
        return f"{kind};{_slices(op)}}}"
    if op.name == "scatter":
        return "AdvancedIncSubtensor{" + ("inc" if op.attrs["mode"] == "add" else "set") + "}"
    if op.name == "dim":
        return f"Shape_i{{{op.attrs['axis']}}}"
    if op.name == "iota":
        return f"ARange{{dtype='{DTYPES[op.attrs['dtype']]}'}}"
    return _PLAIN.get(op.name, op.name)


def _slices(op: Op) -> str:
    parts = []
    x = op.operands[0]
    for axis, (start, size, step) in enumerate(
        zip(op.attrs["start"], op.attrs["size"], op.attrs["step"], strict=True)
    ):
        first = "int64" if axis in op.attrs.get("bound_start", ()) else str(start)
        if step == 1 and first == "0" and size == x.shape[axis]:
            parts.append("::")
        elif axis in op.attrs.get("bound_size", ()) or first == "int64":
            parts.append(f"{first}:+{size}" + (f":{step}" if step != 1 else ""))
        else:
            stop = start + size * step
            parts.append(f"{first}:{stop}" + (f":{step}" if step != 1 else ":"))
    return ", ".join(parts)
