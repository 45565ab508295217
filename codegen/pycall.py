"""Lowering of calls of Python functions: what is handed to `codegen/calling.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.codegen.calling import CALLBACK
from arignote.codegen.emit import Pointer
from arignote.codegen.exprs import ZERO, i64
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Value

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter


def memory_of(host: HostEmitter, v: Value) -> Pointer:
    """Where a value lies; one that the host has is put into a cell."""
    if v not in host.scalars:
        return host.pointer(v)
    cell = host.local("cell", v.dtype, 1)
    host.add(cell.store(ZERO, host.scalars[v]))
    return Pointer(cell, ZERO, "")


def _call(host: HostEmitter, op: Op, *args: Any) -> None:
    number = i64(host.abi.calls.index(op))
    host.add(tirx.Evaluate(tirx.call_packed(CALLBACK, host.status.var.data, number, *args)))


def _tensors(host: HostEmitter, values: tuple[Value, ...]) -> list[Any]:
    """Address and sizes of each."""
    return [a for v in values for a in (memory_of(host, v).address(), *map(host.dim, v.shape))]


def run_python(host: HostEmitter, op: Op) -> None:
    """`python_run`: the record's address, then the operands."""
    _call(host, op, host.pointer(op.result).address(), *_tensors(host, op.operands))


def take_python(host: HostEmitter, op: Op) -> None:
    """`python_take`: the ticket, then the results."""
    record = host.pointer(op.operands[0])
    ticket = host.bind(record.buffer.load(record.offset), "ticket")
    _call(host, op, ticket, *_tensors(host, op.results))
