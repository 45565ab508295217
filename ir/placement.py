"""What lives where, as far as the graph itself says: scalars of the host, and views of other values' memory."""

from __future__ import annotations

from collections.abc import Iterable

from arignote.ir.bound import bound_symbols
from arignote.ir.core import Func, Op, Value
from arignote.ir.loops import Loop
from arignote.ir.opdef import OPS, has_trait, semantic
from arignote.ir.types import TensorType, dim_symbols, is_complex, is_float, is_integer


def host_scalars(func: Func, early: bool = False) -> set[Value]:
    """0-d values that the host function computes itself, in no kernel.

    `early` ones are known before any kernel runs: scalar parameters, integer scalars of the state (counters and indices
    live on the host, as Theano has it), elements of integer arguments (`x.reshape(sizes)`), constants, dimensions, and
    what elementwise ops make of them. The others are integers and truth values computed from scalars in memory, and in
    loops positions, elements of integer vectors and integers carried from step to step.
    """
    host = {p for p in func.params if p.ndim == 0}
    host.update(s.value for s in func.states if s.value.ndim == 0 and not is_float(s.value.dtype))
    known = dim_symbols(d for v in func.inputs() for d in v.shape)
    work = _Host(early or "device" in func.attrs, set(known))
    work.ops(func.ops, host, {p for p in func.params if p.ndim and is_integer(p.dtype)})
    return host


def late_symbols(func: Func) -> set[str]:
    """The dimensions of the function whose sizes are computed by kernels."""
    early = host_scalars(func, early=True)
    return {name for op in func.ops for name, scalar in bound_symbols(op) if scalar not in early}


def late_results(func: Func) -> tuple[int, ...]:
    """The results whose sizes are computed by kernels."""
    late = late_symbols(func)
    return tuple(i for i, r in enumerate(func.results) if late.intersection(dim_symbols(r.shape)))


def _is_discrete(v: Value) -> bool:
    return not v.ndim and not is_float(v.dtype) and not is_complex(v.dtype)


class _Host:
    """Enters values of the host into the set `host`; `symbols` are the dimensions that are known early."""

    def __init__(self, early: bool, symbols: set[str]) -> None:
        self.early, self.symbols = early, symbols

    def ops(self, ops: Iterable[Op], host: set[Value], arguments: set[Value]) -> None:
        """The results of `ops`, and values in their regions; `arguments` are integer tensors in memory."""
        for op in ops:
            self.symbols.update(name for name, scalar in bound_symbols(op) if scalar in host)
            if op.name == "scan" and not self.early:
                self.loop(op, host)
            elif op.name == "ifelse" and not self.early:
                for region in op.regions:
                    pairs = list(zip(region.params, op.operands[1:], strict=True))
                    host.update(p for p, v in pairs if v in host)
                    self.ops(region.ops, host, {p for p, v in pairs if v in arguments})
            elif self.is_host(op, host, arguments):
                host.update(op.results)

    def is_host(self, op: Op, host: set[Value], arguments: set[Value]) -> bool:
        """Whether the host computes `op`."""
        if op.name == "dim":
            return not self.early or self.symbols.issuperset(dim_symbols(op.operands[0].shape))
        if any(r.ndim for r in op.results):
            return False
        if op.name == "const":
            return True
        if op.name == "reshape":
            return _is_element(op.operands[0], arguments, host)
        if not (has_trait(op.name, "elementwise") or has_trait(op.name, "host") or op.name == "assert"):
            return False
        known = all(v in host for v in op.operands)
        late = not self.early and all(map(_is_discrete, op.results)) and not any(v.ndim for v in op.operands)
        return known or late

    def loop(self, op: Op, host: set[Value]) -> None:
        """The body of a loop. Carried integers are among them if all that becomes of them is."""
        loop = Loop.read(op)
        given = {p for v, p in loop.invariants if v in host} | {p for _, p in loop.seqs if _is_discrete(p)}
        given |= set() if loop.index is None else {loop.index}
        arguments = {p for _, p in (*loop.seqs, *loop.invariants) if p.ndim and is_integer(p.dtype)}
        carried = {c.param for c in loop.carries if _is_discrete(c.param) and c.init in host}
        while True:
            trial = host | given | carried
            self.ops(loop.ops, trial, arguments)
            left = {c.param for c in loop.carries if c.param in carried and c.next in trial}
            if left == carried:
                break
            carried = left
        host |= trial
        host.update(last for c, last in zip(loop.carries, op.results, strict=False) if c.param in carried)
        if loop.stop is not None:
            host.add(op.results[-1])


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
    if op.name == "fused" and op.attrs["kind"] == "conv":
        return scratch_types(op.regions[0].ops[0])
    rule = OPS[op.name].scratch
    return () if rule is None else tuple(rule(*(v.type for v in op.operands), **semantic(op.attrs)))
