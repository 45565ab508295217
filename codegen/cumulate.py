"""Running sums and products, and linear recurrences.

Each element waits for the one before it, so that a single chain of additions leaves the processor idle most of the
time. Along an axis other than the last, the elements beside each other are chains of their own, which run in vectors.
Along the last axis several rows run side by side; and one long sum is cut into chunks, whose totals, found by vectors,
tell where each chunk begins, so that the chunks run side by side, on all threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, is_const, mul
from arignote.codegen.scalar import K
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.types import is_float, prod_dims

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

STREAMS = 8  # chains side by side: a floating-point addition takes about four cycles, and two begin in each
COLUMNS = 512  # of one block: its running values stay in the first-level cache
LONG_ROW = 4096  # elements from which a sum is cut into chunks
PARALLEL_SIZE = 65536  # elements below which a second thread costs more than it brings
#: dtype -> the dtype that it accumulates in
WIDE = {"f16": "f32", "f32": "f64"}

Place = Callable[[Any], Any]


class _Chain:
    """The running values of some chains beside each other: cells that steps read and replace."""

    def __init__(self, kernel: _Cumulator, size: int) -> None:
        self.kernel, self.e = kernel, kernel.e
        self.cells = self.e.local("run", kernel.wide, size)

    def begin(self, slot: Any, value: Any) -> None:
        self.e.add(self.cells.store(slot, value))

    def step(self, slot: Any, at: Any, first: bool = False) -> None:
        """Take in the element at `at`, and write what it is."""
        k, e = self.kernel, self.e
        values = [K.cast(b.load(at), k.wide) for b in k.inputs]
        carry = self.cells.load(slot)
        if k.name == "cumsum":
            out = following = e.bind(carry + values[0], "y")
        elif k.name == "cumprod":
            out = following = e.bind(carry * values[0], "y")
        else:
            a, c = values
            out = c if first else c + (carry if k.leaving else a * carry)
            out = e.bind(out, "y")
            following = a * out if k.leaving else out
        e.add(self.cells.store(slot, following))
        e.add(k.out.store(at, K.cast(out, k.dtype)))


class _Cumulator:
    """A private function of (operands, result, outer, n, inner): chains of n elements, `inner` apart."""

    def __init__(self, op: Op, target: Target, columns: int | None) -> None:
        self.e = Emitter()
        self.name, self.dtype = op.name, op.result.dtype
        self.wide = WIDE.get(self.dtype, self.dtype)
        self.reverse, self.leaving = bool(op.attrs.get("reverse")), bool(op.attrs.get("leaving"))
        self.threads = target.threads
        self.columns = columns
        self.lanes = target.lanes(8 if self.wide in ("f64", "i64", "u64") else op.result.type.itemsize)
        names = [f"x{i}" for i in range(len(op.operands))]
        self.pointers = [pointer_var(name, self.dtype) for name in (*names, "o")]
        *self.inputs, self.out = self.buffers = [Buffer(f"{n}_b", self.dtype, i64(1)) for n in (*names, "o")]
        self.outer, self.n, self.inner = (tirx.Var(name, "int64") for name in ("outer", "n", "inner"))
        # A sum begins with the zero that changes no element, not even -0.
        start = 1 if self.name == "cumprod" else -0.0 if self.name == "cumsum" and is_float(self.dtype) else 0
        self.start = K.const(start, self.wide)

    def build(self) -> Any:
        e = self.e
        if self.columns == 1:
            self.rows()
        else:
            self.blocks()
        buffers = dict(zip(self.pointers, self.buffers, strict=True))
        return private_function([*self.pointers, self.outer, self.n, self.inner], buffers, e.stmts)

    def tasks(self, extent: Any, body: Callable[[Any], None]) -> None:
        """`body(i)` for i in 0..extent-1, on all threads where there is enough to do."""
        e = self.e
        if self.threads == 1:
            e.loop(extent, body)
            return
        large = tirx.GT(self.outer * self.n * self.inner, i64(PARALLEL_SIZE))
        e.when(large, lambda: e.tasks(extent, self.threads, body), lambda: e.loop(extent, body))

    def position(self, j: Any) -> Any:
        """Where along the axis the j-th element in the direction lies."""
        return self.n - i64(1) - j if self.reverse else j

    # -- along other axes than the last -------------------------------------------------------------------------------

    def blocks(self) -> None:
        """A block of columns at a time, from the first row to the last."""
        e, known = self.e, self.columns
        inner = self.inner if known is None else i64(known)
        count = i64(1) if known is not None else e.bind(floordiv(inner + i64(COLUMNS - 1), i64(COLUMNS)), "count")

        def block(t: Any) -> None:
            chain = _Chain(self, COLUMNS if known is None else known)
            first = mul(floormod(t, count), i64(COLUMNS))
            base = e.bind(add(mul(mul(floordiv(t, count), self.n), inner), first), "base")
            width = inner
            if known is None:
                left = e.bind(inner - first, "left")
                width = e.bind(tirx.Select(tirx.LT(left, i64(COLUMNS)), left, i64(COLUMNS)), "width")
            e.vectors(width, self.fit(width), lambda j, slot, lanes: chain.begin(j, self.start))

            def row(j: Any, first: bool = False) -> None:
                start = e.bind(add(base, mul(self.position(j), inner)), "row")
                e.vectors(width, self.fit(width), lambda c, slot, lanes: chain.step(c, add(start, c), first))

            if self.name == "recurrence":
                e.when(tirx.GT(self.n, ZERO), lambda: row(ZERO, True))
                e.loop(self.n - i64(1), row, start=i64(1))
            else:
                e.loop(self.n, row)

        self.tasks(mul(self.outer, count), block)

    def fit(self, width: Any) -> int:
        return min(self.lanes, int(width.value)) if is_const(width) else self.lanes

    # -- along the last axis ------------------------------------------------------------------------------------------

    def rows(self) -> None:
        e = self.e

        def beside() -> None:
            groups = e.bind(floordiv(self.outer, i64(STREAMS)), "groups")

            def group(g: Any) -> None:
                first = e.bind(g * i64(STREAMS), "first")
                self.chains([self.row(add(first, i64(s))) for s in range(STREAMS)], self.n)

            self.tasks(groups, group)
            done = e.bind(groups * i64(STREAMS), "done")
            e.loop(self.outer - done, lambda r: self.chains([self.row(add(done, r))], self.n))

        if self.name != "cumsum":
            beside()
            return
        few = tirx.And(tirx.LT(self.outer, i64(STREAMS)), tirx.GE(self.n, i64(LONG_ROW)))
        e.when(few, lambda: e.loop(self.outer, self.long_row), beside)

    def row(self, r: Any) -> Place:
        """Places of the elements of a row."""
        base = self.e.bind(r * self.n, "base")
        return lambda j: add(base, self.position(j))

    def chains(self, places: list[Place], length: Any, starts: list[Any] | None = None) -> None:
        """Chains of equal length beside each other; `starts` are what they begin with."""
        chain = _Chain(self, len(places))
        for s in range(len(places)):
            chain.begin(i64(s), self.start if starts is None else starts[s])

        def element(j: Any, first: bool = False) -> None:
            for s, place in enumerate(places):
                chain.step(i64(s), place(j), first)

        if self.name == "recurrence":
            self.e.when(tirx.GT(length, ZERO), lambda: element(ZERO, True))
            self.e.loop(length - i64(1), element, start=i64(1))
        else:
            self.e.loop(length, element)

    def long_row(self, r: Any) -> None:
        """A sum in chunks: their totals, where each begins, and then the chunks side by side."""
        e, chunks = self.e, STREAMS * self.threads
        place = self.row(r)
        size = e.bind(floordiv(self.n, i64(chunks)), "size")
        totals = e.local("totals", self.wide, chunks)
        (x,) = self.inputs
        lanes = self.lanes

        def total(c: Any) -> None:
            sums = e.local("sums", self.wide, 4 * lanes)
            e.loop(i64(4 * lanes), lambda v: e.add(sums.store(v, K.const(0, self.wide))), tirx.ForKind.VECTORIZED)
            last = e.bind(c * size + size - i64(1), "last")
            low = e.bind(place(last) if self.reverse else place(c * size), "low")

            def take(j: Any, slot: Any, width: int) -> None:
                e.add(sums.store(slot, sums.load(slot) + K.cast(x.load(add(low, j)), self.wide)))

            e.vectors(size, lanes, take, unroll=4)
            whole = e.local("whole", self.wide, 1)
            e.add(whole.store(ZERO, K.const(0, self.wide)))
            e.loop(i64(4 * lanes), lambda v: e.add(whole.store(ZERO, whole.load(ZERO) + sums.load(v))))
            e.add(totals.store(c, whole.load(ZERO)))

        self.tasks(i64(chunks), total)
        reached = e.local("reached", self.wide, 1)
        e.add(reached.store(ZERO, self.start))

        def begin(c: Any) -> None:
            here = e.bind(totals.load(c), "here")
            e.add(totals.store(c, reached.load(ZERO)))
            e.add(reached.store(ZERO, reached.load(ZERO) + here))

        e.loop(i64(chunks), begin)

        def some(t: Any) -> None:
            first = e.bind(t * i64(STREAMS), "first")
            starts = [totals.load(add(first, i64(s))) for s in range(STREAMS)]
            bases = [e.bind(add(first, i64(s)) * size, "chunk") for s in range(STREAMS)]
            self.chains([lambda j, b=b: place(add(b, j)) for b in bases], size, starts)  # type: ignore[misc]

        self.tasks(i64(self.threads), some)
        done = e.bind(size * i64(chunks), "done")
        self.chains([lambda j: place(add(done, j))], self.n - done, [reached.load(ZERO)])


def cumulate(host: HostEmitter, op: Op) -> None:
    """`cumsum`, `cumprod` and `recurrence`."""
    shape, axis = op.result.shape, op.attrs["axis"]
    outer, inner = prod_dims(shape[:axis]), prod_dims(shape[axis + 1 :])
    columns = inner if isinstance(inner, int) and inner <= COLUMNS else None
    flags = [bool(op.attrs.get(name)) for name in ("reverse", "leaving")]
    key = f"{op.name} {op.result.dtype} {flags} {columns}"
    if key not in host.known:
        func = _Cumulator(op, host.target, columns).build()
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}", func), None)
    pointers = [host.pointer(v) for v in (*op.operands, op.result)]
    sizes = [host.dim(d) for d in (outer, shape[axis], inner)]
    host.invoke(host.known[key][0], [*(p.address() for p in pointers), *sizes])
