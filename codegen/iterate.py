"""Loops that each element runs on its own (`iterate`): scalar code, one element after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, i64
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Region, Value
from arignote.ir.opdef import OPS, semantic

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

PARALLEL_SIZE = 1024  # elements below which a second thread costs more than it brings


def iterate_elements(host: HostEmitter, op: Op) -> None:
    """The call of a kernel over all elements."""
    e = Emitter()
    values = [*op.operands, *op.results]
    pointers = [pointer_var(f"p{i}", v.dtype) for i, v in enumerate(values)]
    buffers = [Buffer(f"p{i}_b", v.dtype, i64(1)) for i, v in enumerate(values)]
    inputs, outputs = buffers[: len(op.operands)], buffers[len(op.operands) :]
    n = tirx.Var("n", "int64")
    size = op.results[0].type.size
    small = isinstance(size, int) and size < PARALLEL_SIZE
    e.tasks(n, 1 if small else host.target.threads, lambda at: element(e, op, inputs, outputs, at))
    func = private_function([*pointers, n], dict(zip(pointers, buffers, strict=True)), e.stmts)
    gv = host.define(f"iterate{len(host.functions)}", func)
    host.invoke(gv, [*(host.pointer(v).address() for v in values), host.dim(size)])


def element(e: Emitter, op: Op, inputs: Sequence[Buffer], outputs: Sequence[Buffer], at: Any) -> None:
    """The loop of the element `at`."""
    carry = len(outputs)
    given = [e.bind(b.load(at if v.ndim else ZERO), "x") for v, b in zip(op.operands, inputs, strict=True)]
    cells = [e.local("carry", v.dtype, 1) for v in op.results]
    step, left = e.local("step", "i64", 1), e.local("left", "i64", 1)
    for cell, x in zip(cells, given, strict=False):
        e.add(cell.store(ZERO, x))
    e.add(step.store(ZERO, ZERO))
    e.add(left.store(ZERO, i64(op.attrs["limit"])))

    def once() -> None:
        now = e.bind(step.load(ZERO), "s", chained=True)
        carried = [e.bind(cell.load(ZERO), "c", chained=True) for cell in cells]
        done, *new = _scalars(e, op.regions[0], [now, at, *carried, *given[carry:]])
        for cell, x in zip(cells, new, strict=True):
            e.add(cell.store(ZERO, x))
        e.add(step.store(ZERO, now + i64(1)))
        e.add(left.store(ZERO, tirx.Select(done, ZERO, left.load(ZERO) - i64(1))))

    e.repeat(tirx.GT(left.load(ZERO), ZERO), once)
    for cell, out in zip(cells, outputs, strict=True):
        e.add(out.store(at, cell.load(ZERO)))


def _scalars(e: Emitter, region: Region, params: Sequence[Any]) -> list[Any]:
    """What a region of scalar ops yields."""
    known: dict[Value, Any] = dict(zip(region.params, params, strict=True))
    for op in region.ops:
        if op.name == "const":
            known[op.result] = K.const(op.attrs["value"][()], op.result.dtype)
            continue
        rule: Any = OPS[op.name].lower
        lower = partial(rule, K, *(known[v] for v in op.operands), **semantic(op.attrs))
        known[op.result] = e.bind(e.lowered(lower), chained=True)
    return [known[v] for v in region.yields]
