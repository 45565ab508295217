"""What lives where, as far as the graph itself says: scalars of the host, and views of other values' memory."""

from __future__ import annotations

from arignote.ir.core import Func, Op, Value
from arignote.ir.opdef import OPS, has_trait, semantic
from arignote.ir.types import TensorType, is_float, is_integer


def host_scalars(func: Func) -> set[Value]:
    """0-d values known on the host before any kernel runs.

    These are scalar parameters, integer scalars of the state (counters and indices live on the host, as Theano has
    it), elements of integer arguments (`x.reshape(sizes)`), constants, dimensions, and what elementwise ops make of
    them.
    """
    host = {p for p in func.params if p.ndim == 0}
    host.update(s.value for s in func.states if s.value.ndim == 0 and not is_float(s.value.dtype))
    arguments = {p for p in func.params if p.ndim and is_integer(p.dtype)}
    for op in func.ops:
        if (
            op.name == "dim"
            or (op.name == "const" and op.result.ndim == 0)
            or (op.name == "reshape" and op.result.ndim == 0 and _is_element(op.operands[0], arguments, host))
            or (
                all(r.ndim == 0 for r in op.results)
                and (has_trait(op.name, "elementwise") or has_trait(op.name, "host") or op.name == "assert")
                and all(v in host for v in op.operands)
            )
        ):
            host.update(op.results)
    return host


def _is_element(value: Value, arguments: set[Value], host: set[Value]) -> bool:
    """Whether `value` is a part of an argument at a place that the host knows."""
    while value not in arguments:
        op = value.owner
        if op is None or not is_contiguous_view(op) or not all(v in host for v in op.operands[1:]):
            return False
        value = op.operands[0]
    return True


def is_contiguous_view(op: Op) -> bool:
    """Whether the result is the operand's memory, or a run of it: reshapes, assertions, and slices of step 1 of the
    first axis that is not whole, behind axes of size 1."""
    if op.name in ("reshape", "assert"):
        return True
    if op.name != "slice" or any(s != 1 for s in op.attrs["step"]):
        return False
    x, size = op.operands[0].shape, op.attrs["size"]
    partial = [a for a in range(len(x)) if size[a] != x[a]]
    return not partial or all(isinstance(d, int) and d == 1 for d in size[: partial[-1]])


def storage(value: Value, host: set[Value]) -> Value:
    """The value whose memory `value` is: itself, or what it is a view of."""
    while (op := value.owner) is not None and value not in host and is_contiguous_view(op):
        value = op.operands[0]
    return value


def scratch_types(op: Op) -> tuple[TensorType, ...]:
    """The workspace that the routine of `op` needs while it runs."""
    rule = OPS[op.name].scratch
    return () if rule is None else tuple(rule(*(v.type for v in op.operands), **semantic(op.attrs)))
