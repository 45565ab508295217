"""Emission of loop nests as tirx statements: the small layer between the schedules and TVM.

Kernels are private functions on raw pointers: flat buffers, explicit indices, explicit vector and parallel loops. No
TVM schedule and no script is parsed, so a kernel costs about ten milliseconds, nearly all of it LLVM's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from arignote.codegen.exprs import (
    ZERO,
    Buffer,
    add,
    alloc,
    as_stmt,
    floordiv,
    i64,
    is_const,
    is_load,
    mul,
    storage_dtype,
)
from arignote.codegen.lanes import Lane, marks, rarely
from arignote.codegen.mathcore import Expr, emitting
from arignote.codegen.toolchain import tirx, tvm_ir
from arignote.ir.types import DTYPES


@dataclass(frozen=True)
class Pointer:
    """Where a value lies: a flat buffer and the element it starts at."""

    buffer: Buffer
    offset: Any
    place: str  # values of one place are one memory

    def address(self) -> Any:
        """The pointer to pass to a kernel."""
        if is_const(self.offset, 0):
            return self.buffer.var.data
        return tirx.address_of(tirx.BufferLoad(self.buffer.var, [self.offset]))


def pointer_var(name: str, dtype: str) -> Any:
    """A parameter that points to memory of an IR dtype."""
    return tirx.Var(name, tvm_ir.PointerType(tvm_ir.PrimType(storage_dtype(dtype))))


def scalar_var(name: str, dtype: str) -> Any:
    """A scalar variable of an IR dtype."""
    return tirx.Var(name, DTYPES[dtype])


class Emitter:
    """Collects statements; loops and branches open nested lists."""

    scratch = ""  # the storage scope of scratch memory: the stack; registers (`local`) on CUDA

    def __init__(self) -> None:
        self.stmts: list[Any] = []
        self.names = 0
        self.lane: Lane | None = None  # the vector loop that statements are emitted in

    def add(self, stmt: Any) -> None:
        """Append a statement."""
        self.stmts.append(stmt)

    def lowered(self, build: Callable[[], Any]) -> Any:
        """What `build` returns, with the temporaries of the functions it calls emitted before."""
        with emitting(self):
            return build()

    def named(self, value: Any) -> Any:
        """A temporary of a function, of which others may be made."""
        return self.bind(value, chained=True)

    def bind(self, value: Any, name: str = "t", chained: bool = False) -> Any:
        """Name an expression, so that it is computed once; `chained` where an integer is made of many others.

        TVM 0.27's analyzer substitutes pure bound values into their uses again, so a chain of n of them would cost
        2**n. A value other than an index therefore goes through a cell of scratch memory, one per lane of the vector
        loop around it, whose load the analyzer leaves alone and which LLVM keeps in a register. What is the same in
        all lanes is computed before that loop.
        """
        if isinstance(value, (tirx.Var, tirx.IntImm, tirx.FloatImm)):
            return value
        if self.lane is not None:
            return self._bind_in_lane(self.lane, value, name)
        self.names += 1
        dtype = str(value.ty)
        if (dtype in ("int64", "bool") and not chained) or (dtype.startswith("float") and is_load(value)):
            return self._named(value, name, dtype)
        cell = tirx.decl_buffer((i64(1),), "int8" if dtype == "bool" else dtype, name=f"{name}{self.names}",
                                scope=self.scratch)  # fmt: skip
        self.add(alloc(cell))
        load = self._through(cell, ZERO, value, dtype)
        return load if dtype == "bool" else self._named(load, name, dtype)

    def _named(self, value: Any, name: str, dtype: str) -> Any:
        var = tirx.Var(f"{name}{self.names}", dtype)
        self.add(tirx.Bind(var, value))
        return var

    def _through(self, cell: Any, at: Any, value: Any, dtype: str) -> Any:
        """The value, stored and loaded again."""
        if dtype != "bool":
            self.add(tirx.BufferStore(cell, value, [at]))
            return tirx.BufferLoad(cell, [at])
        self.add(tirx.BufferStore(cell, tirx.Select(value, tirx.const(1, "int8"), tirx.const(0, "int8")), [at]))
        return tirx.NE(tirx.BufferLoad(cell, [at]), tirx.const(0, "int8"))

    def _bind_in_lane(self, lane: Lane, value: Any, name: str) -> Any:
        if lane.is_cell(value):
            return value
        if self.stmts is lane.body and not lane.differs(value):
            self.lane, self.stmts = None, lane.before
            try:
                return self.bind(value, name, chained=True)
            finally:
                self.lane, self.stmts = lane, lane.body
        dtype = str(value.ty)
        cell = lane.cell(self, "int8" if dtype == "bool" else dtype, name)
        return self._through(cell, lane.var, value, dtype)

    @property
    def plain_c(self) -> bool:
        """Whether the code goes to a C compiler, which has no LLVM intrinsics."""
        return self.scratch == "local"

    def patch(self, far: Expr, fast: Expr, slow: Callable[..., Expr], xs: Sequence[Expr]) -> Any:
        """`fast`, replaced by `slow(*xs)` where `far`.

        In a vector loop, where any lane is far, a scalar loop over the lanes follows, which calls `slow` where it must.
        """
        if self.lane is None:
            return self.bind(tirx.if_then_else(far, slow(*xs), fast))
        return rarely(self, self.lane, marks(far, 1, 0, fast), fast, slow, xs, tirx.ForKind.SERIAL)

    def branch(self, near: Expr, fast: Expr, general: Callable[..., Expr], xs: Sequence[Expr]) -> Any:
        """`fast`, replaced by `general(*xs)` where not `near`; in a vector loop, computed where any lane is not."""
        flag = marks(near, 0, 1, fast)
        if self.lane is not None:
            return rarely(self, self.lane, flag, fast, general, xs, tirx.ForKind.VECTORIZED)
        cell = self.local("cell", "f32" if str(fast.ty) == "float32" else "f64", 1)
        self.add(cell.store(ZERO, fast))
        far = tirx.NE(self.bind(flag, "far", chained=True), tirx.const(0, str(flag.ty)))
        self.when(far, lambda: self.add(cell.store(ZERO, general(*xs))))
        return self.bind(cell.load(ZERO))

    def repeated(
        self, state: Sequence[Expr], going: Callable[..., Expr], step: Callable[..., Sequence[Expr]]
    ) -> list[Expr]:
        """The state after `state = step(*state)` as long as `going(*state)`. Not in a vector loop."""
        cells = self._cells(state)
        (on,) = self._cells([tirx.const(0, "int8")])

        def test() -> None:
            flag = tirx.Select(going(*self._values(cells)), tirx.const(1, "int8"), tirx.const(0, "int8"))
            self.add(tirx.BufferStore(on, flag, [ZERO]))

        def body() -> None:
            self._assign(cells, step(*self._values(cells)))
            test()

        self._assign(cells, state)
        test()
        self.repeat(tirx.NE(tirx.BufferLoad(on, [ZERO]), tirx.const(0, "int8")), body)
        return self._values(cells)

    def branched(
        self, condition: Expr, then: Callable[[], list[Expr]], otherwise: Callable[[], list[Expr]]
    ) -> list[Expr]:
        """The values of one of the two, by a jump. Not in a vector loop."""
        with self.nested() as first:
            values = [self.bind(x) for x in then()]
        cells = self._cells(values)
        with self.nested() as assigned:
            self._assign(cells, values)
        with self.nested() as second:
            self._assign(cells, otherwise())
        self.add(tirx.IfThenElse(condition, as_stmt([*first, *assigned]), as_stmt(second)))
        return self._values(cells)

    def _cells(self, values: Sequence[Expr]) -> list[Any]:
        """Memory for one scalar each."""
        assert self.lane is None, "a jump in a vector loop"
        cells = []
        for x in values:
            self.names += 1
            cells.append(tirx.decl_buffer((i64(1),), str(x.ty), name=f"s{self.names}", scope=self.scratch))
            self.add(alloc(cells[-1]))
        return cells

    def _assign(self, cells: Sequence[Any], values: Sequence[Expr]) -> None:
        """Store all at once: a value may be made of what another replaces."""
        for cell, x in zip(cells, [self.bind(x) for x in values], strict=True):
            self.add(tirx.BufferStore(cell, x, [ZERO]))

    def _values(self, cells: Sequence[Any]) -> list[Any]:
        return [self.bind(tirx.BufferLoad(c, [ZERO])) for c in cells]

    @contextmanager
    def nested(self) -> Iterator[list[Any]]:
        """Statements emitted inside go to the list that is yielded."""
        outer, self.stmts = self.stmts, []
        try:
            yield self.stmts
        finally:
            self.stmts = outer

    def loop(
        self, extent: Any, body: Callable[[Any], None], kind: Any = tirx.ForKind.SERIAL, start: Any = ZERO
    ) -> None:
        """`for i in range(start, start + extent): body(i)`; nothing where the extent is 0, no loop where it is 1."""
        if is_const(extent, 0):
            return
        if is_const(extent, 1) and kind != tirx.ForKind.PARALLEL:
            body(start)
            return
        self.names += 1
        var = tirx.Var(f"i{self.names}", "int64")
        with self.nested() as stmts:
            if kind == tirx.ForKind.VECTORIZED:
                self.lane = Lane(var, int(extent.value), [], stmts, set())
            body(var)
        if kind == tirx.ForKind.VECTORIZED:
            assert self.lane is not None
            lane, self.lane = self.lane, None
            self.stmts += [*lane.before, *([lane.loop()] if lane.body else [])]
        elif stmts:
            self.add(tirx.For(var, start, extent, kind, as_stmt(stmts)))

    def local(self, name: str, dtype: str, size: int) -> Buffer:
        """Scratch memory of a kernel: `size` elements on the stack."""
        self.names += 1
        buffer = Buffer(f"{name}{self.names}", dtype, i64(size), self.scratch)
        self.add(alloc(buffer.var))
        return buffer

    def when(self, condition: Any, body: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        """`if condition: body() else: otherwise()`."""
        with self.nested() as stmts:
            body()
        other = None
        if otherwise is not None:
            with self.nested() as else_stmts:
                otherwise()
            other = as_stmt(else_stmts)
        self.add(tirx.IfThenElse(condition, as_stmt(stmts), other))

    def repeat(self, condition: Any, body: Callable[[], None]) -> None:
        """`while condition: body()`."""
        with self.nested() as stmts:
            body()
        self.add(tirx.While(condition, as_stmt(stmts)))

    def vectors(
        self, n: Any, lanes: int, body: Callable[[Any, Any, int], None], unroll: int = 1, overlap: bool = False
    ) -> None:
        """Cover 0..n-1 by vectors: `body(j, slot, width)` emits for elements j (a vector loop runs outside it).

        `slot` is the position in accumulators of `unroll * lanes` elements. A remainder that is known is one narrower
        vector, one that is not is a scalar loop; with `overlap`, elements may be done twice, and it is a vector that
        ends where the run does, if it is that long.
        """
        def one(base: Any, offset: int, width: int) -> None:
            if width == 1:
                body(base, i64(offset), 1)
                return
            self.loop(
                i64(width), lambda v: body(add(base, v), add(i64(offset), v), width), tirx.ForKind.VECTORIZED
            )

        if lanes == 1:
            self.loop(n, lambda j: body(j, ZERO, 1))
            return
        wide = lanes * unroll
        if not is_const(n):
            whole = floordiv(n, i64(wide))

            def blocks(i: Any) -> None:
                for u in range(unroll):
                    one(add(i * i64(wide), i64(u * lanes)), u * lanes, lanes)

            self.loop(whole, blocks)
            rest = self.bind(whole * i64(wide), "rest")

            def scalars() -> None:
                self.loop(n - rest, lambda j: body(add(rest, j), ZERO, 1))

            if not overlap:
                scalars()
                return
            last = self.bind(n - i64(lanes), "last")
            self.when(tirx.LT(last, ZERO), scalars, lambda: self.when(tirx.LT(rest, n), lambda: one(last, 0, lanes)))
            return
        size = int(n.value)
        whole = size // wide

        def block(i: Any) -> None:
            for u in range(unroll):
                one(add(mul(i, i64(wide)), i64(u * lanes)), u * lanes, lanes)

        self.loop(i64(whole), block)
        done = whole * wide
        while size - done >= lanes:
            one(i64(done), 0, lanes)
            done += lanes
        if size > done:
            one(i64(done), 0, size - done)

    def tasks(
        self, extent: Any, threads: int, body: Callable[[Any], None], prologue: Callable[[], None] | None = None
    ) -> None:
        """`body(i)` for i in 0..extent-1, in `threads` contiguous parts that run at the same time, each begun by
        `prologue`."""
        if threads <= 1 or is_const(extent, 1):
            if prologue is not None:
                prologue()
            self.loop(extent, body)
            return
        count = i64(threads)

        def part(t: Any) -> None:
            if prologue is not None:
                prologue()
            low = self.bind(floordiv(t * extent, count), "low")
            high = self.bind(floordiv((t + i64(1)) * extent, count), "high")
            self.loop(high - low, body, start=low)

        self.loop(count, part, tirx.ForKind.PARALLEL)


def private_function(params: Sequence[Any], buffers: Mapping[Any, Any], body: Sequence[Any]) -> Any:
    """A private PrimFunc: `buffers` maps a pointer parameter to the Buffer declared on it.

    Each memory is passed through one pointer only, so the pointers are declared free of aliases.
    """
    decls = [tirx.DeclBuffer(b.var, data=p) for p, b in buffers.items()]
    # Returns a code, as TVM's parallel loops return one where a part fails.
    done = tirx.Return(tirx.const(0, "int32"))
    func = tirx.PrimFunc(list(params), as_stmt([*decls, *body, done]), tvm_ir.PrimType("int32"))
    return func.with_attrs({"tirx.noalias": True})
