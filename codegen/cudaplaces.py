"""CUDA kernels of places that the device computes: slices that begin there, indices that are checked, scatters.

Kernels that may find an index out of its axis have `status: i64[2]` as their last parameter: 1 and that index. The host
reads it before it changes a shared variable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arignote.codegen.emit import Emitter, pointer_var, private_function, scalar_var
from arignote.codegen.exprs import ZERO, Buffer, dim_expr, floordiv, floormod, i64, linear_index
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.bound import bound_positions, symbols_of
from arignote.ir.core import Op, Value
from arignote.ir.types import dim_symbols, prod_dims

#: `threads(e, total, body)`: `body(i)` in a thread for each i below `total`.
Threads = Callable[[Emitter, Any, Callable[[Any], None]], None]


class _Kernel:
    """A kernel under construction: its operands are in memory, or scalars of the host that are passed by value."""

    def __init__(self, op: Op, reads: Sequence[Value], host: set[Value], status: bool = False) -> None:
        self.e = Emitter()
        self.e.scratch = "local"
        values = [*reads, *op.results]
        self.symbols = sorted({*symbols_of(op), *dim_symbols(d for v in values for d in v.shape)})
        self.env = {s: tirx.Var(s, "int64") for s in self.symbols}
        self.params: list[Any] = []
        self.buffers: dict[Any, Buffer] = {}
        self.scalars: dict[Value, Any] = {}
        self.memory: dict[Value, Buffer] = {}
        for i, v in enumerate(values):
            if v in self.scalars or v in self.memory:
                continue
            if v in host:
                self.scalars[v] = scalar_var(f"s{i}", v.dtype)
                self.params.append(self.scalars[v])
            else:
                self.memory[v] = self._buffer(f"p{i}", v.dtype, dim_expr(v.type.size, self.env))
        self.status = self._buffer("status", "i64", i64(2)) if status else None

    def _buffer(self, name: str, dtype: str, size: Any) -> Buffer:
        pointer, buffer = pointer_var(name, dtype), Buffer(name + "_b", dtype, size)
        self.params.append(pointer)
        self.buffers[pointer] = buffer
        return buffer

    def load(self, v: Value, at: Any = ZERO) -> Any:
        """An element of an operand."""
        return self.scalars[v] if v in self.scalars else self.memory[v].load(at)

    def shape(self, v: Value) -> list[Any]:
        """The sizes of a value as expressions."""
        return [dim_expr(d, self.env) for d in v.shape]

    def refuse(self, index: Any, size: Any) -> None:
        """Report an index that is not -size .. size-1."""
        e, status = self.e, self.status
        assert status is not None

        def report() -> None:
            e.add(status.store(i64(1), index))
            e.add(status.store(ZERO, i64(1)))

        e.when(tirx.Or(tirx.LT(index, -size), tirx.GE(index, size)), report)

    def function(self) -> Any:
        """The kernel: its parameters are the operands, each once, the results, the status and the dimensions."""
        return private_function([*self.params, *self.env.values()], self.buffers, self.e.stmts)


def starts_of(op: Op) -> dict[int, Value]:
    """The scalars that say where a slice begins, by axis."""
    return {position: scalar for attr, _, position, scalar in bound_positions(op) if attr == "start"}


def slice_kernel(op: Op, host: set[Value], threads: Threads) -> Any:
    """A copy of the elements of a slice that begins at places of the device."""
    x = op.operands[0]
    begins = starts_of(op)
    k = _Kernel(op, [x, *begins.values()], host)
    e = k.e
    shape = k.shape(op.result)

    def element(index: Any) -> None:
        # Loads stand inside: before the threads begin they would be the host's.
        starts = [dim_expr(d, k.env) for d in op.attrs["start"]]
        for axis, scalar in begins.items():
            starts[axis] = e.bind(K.cast(k.load(scalar), "i64"), "start")
        rest, place = index, []
        for a in reversed(range(len(shape))):
            at = e.bind(floormod(rest, shape[a]), "i")
            rest = e.bind(floordiv(rest, shape[a]), "q")
            place.append(starts[a] + at * i64(op.attrs["step"][a]))
        source = linear_index(list(reversed(place)), k.shape(x))
        e.add(k.memory[op.result].store(index, k.load(x, source)))

    threads(e, dim_expr(op.result.type.size, k.env), element)
    return k.function()


def check_kernel(op: Op, host: set[Value], threads: Threads) -> Any:
    """`check_index`: the index, counted from the front, in one thread."""
    k = _Kernel(op, op.operands, host, status=True)
    e = k.e

    def check(_: Any) -> None:
        i, n = (e.bind(k.load(v), "i") for v in op.operands)
        k.refuse(i, n)
        e.add(k.memory[op.result].store(ZERO, tirx.Select(tirx.LT(i, ZERO), i + n, i)))

    threads(e, i64(1), check)
    return k.function()


def scatter_kernel(op: Op, host: set[Value], threads: Threads) -> Any:
    """Writes or adds `v` into a copy of `x`, one thread for each element of a row: it goes through all places in order,
    so that of equal ones the last wins, and sums are always the same."""
    x, v, *indices = op.operands
    k = _Kernel(op, [v, *indices], host, status=True)
    e, out = k.e, k.memory[op.result]
    axes, sizes = k.shape(v), k.shape(x)
    lead = v.ndim - (x.ndim - len(indices))
    width = dim_expr(prod_dims(x.shape[len(indices) :]), k.env)

    def place(at: Sequence[Any], column: Any) -> None:
        rows = []
        for a, w in enumerate(indices):
            skip = lead - w.ndim
            own = [ZERO if d == 1 else at[b + skip] for b, d in enumerate(w.shape)]
            shape = [i64(1) if d == 1 else axes[b + skip] for b, d in enumerate(w.shape)]
            i = e.bind(K.cast(k.load(w, linear_index(own, shape)), "i64"), "i")
            k.refuse(i, sizes[a])
            inside = e.bind(tirx.And(tirx.GE(i, -sizes[a]), tirx.LT(i, sizes[a])), "inside")
            rows.append(tirx.Select(inside, tirx.Select(tirx.LT(i, ZERO), i + sizes[a], i), ZERO))
        target = e.bind(linear_index(rows, sizes[: len(indices)]) * width + column, "t")
        new = k.load(v, linear_index(list(at), axes[:lead]) * width + column)
        if op.attrs["mode"] == "add":
            have = out.load(target)
            new = K.logical_or(have, new) if op.result.dtype == "bool" else have + new
        e.add(out.store(target, new))

    def nest(at: list[Any], column: Any) -> None:
        if len(at) == lead:
            place(at, column)
        else:
            e.loop(axes[len(at)], lambda i: nest([*at, i], column))

    threads(e, width, lambda column: nest([], column))
    return k.function()
