"""Products with sparse matrices in compressed rows.

One function serves all matrices of a dtype and a number of columns. Rows run on several threads where there is enough
to do, except in the transposed product, whose elements meet in the rows of the result. A block of columns of the dense
matrix at a time is summed in registers, so that a row of the result is written once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, i64, is_const, mul
from arignote.codegen.scalar import K
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.types import DimLike

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

UNROLL = 4  # vectors of the dense matrix that are summed side by side
PARALLEL_WORK = 200_000  # multiplications below which a second thread costs more than it brings


class _Kernel:
    """A private function of (pointers, rows and columns of the sparse matrix, columns of the dense ones, elements)."""

    def __init__(self, names: list[str], dtype: str, columns: DimLike, target: Target) -> None:
        self.e = Emitter()
        self.dtype, self.target = dtype, target
        dtypes = ["i32" if name in ("indices", "indptr") else dtype for name in names]
        self.pointers = [pointer_var(name, d) for name, d in zip(names, dtypes, strict=True)]
        self.buffers = {n: Buffer(f"{n}_b", d, i64(1)) for n, d in zip(names, dtypes, strict=True)}
        self.n, self.k = tirx.Var("n", "int64"), tirx.Var("k", "int64")
        self.m_var, self.z = tirx.Var("m", "int64"), tirx.Var("z", "int64")
        self.m = i64(columns) if isinstance(columns, int) else self.m_var
        self.lanes = target.lanes(8 if dtype in ("f64", "i64", "u64") else 4)
        self.zero = K.const(0, dtype)

    def function(self) -> Any:
        """The function with what has been emitted."""
        buffers = dict(zip(self.pointers, self.buffers.values(), strict=True))
        return private_function([*self.pointers, self.n, self.k, self.m_var, self.z], buffers, self.e.stmts)

    def column(self, p: Any) -> Any:
        """The column of element p, counted from the front."""
        j = self.e.bind(K.cast(self.buffers["indices"].load(p), "i64"), "j")
        return self.e.bind(tirx.Select(tirx.LT(j, ZERO), j + self.k, j), "j")

    def limits(self, i: Any) -> tuple[Any, Any]:
        """Where row i begins, and how many elements it has."""
        e, indptr = self.e, self.buffers["indptr"]
        low = e.bind(K.cast(indptr.load(i), "i64"), "low")
        low = e.bind(tirx.Select(tirx.LT(low, ZERO), ZERO, low), "low")
        high = e.bind(K.cast(indptr.load(add(i, i64(1))), "i64"), "high")
        return low, e.bind(tirx.Select(tirx.LT(high, low), ZERO, high - low), "count")

    def elements(self, i: Any, body: Callable[[Any], None]) -> None:
        """`body(p)` for the elements of row i."""
        low, count = self.limits(i)
        self.e.loop(count, body, start=low)

    def rows(self, body: Callable[[Any], None]) -> None:
        """`body(i)` for each row, on all threads where there is enough to do."""
        e = self.e
        if self.target.threads == 1:
            e.loop(self.n, body)
            return
        end = K.cast(self.buffers["indptr"].load(self.n), "i64")
        large = tirx.GT(mul(end, self.m), i64(PARALLEL_WORK))
        e.when(large, lambda: e.tasks(self.n, self.target.threads, body), lambda: e.loop(self.n, body))

    def blocks(self, body: Callable[[Any, list[int]], None], rest: Callable[[Any, Any], None]) -> None:
        """`body(first, widths)` for blocks of columns, each of some vectors side by side; `rest(first, count)` for
        those that are left, where their number is not known."""
        e, wide = self.e, [self.lanes] * UNROLL
        done = self.run(self.m, ZERO, wide, body)
        if is_const(self.m):
            left = int(self.m.value) - int(done.value)
            tail = [self.lanes] * (left // self.lanes) + [left % self.lanes] * (left % self.lanes > 0)
            if tail:
                body(done, tail)
            return
        done = self.run(self.m - done, done, wide[:1], body)
        rest(done, e.bind(self.m - done, "left"))

    def run(self, columns: Any, base: Any, widths: list[int], body: Callable[[Any, list[int]], None]) -> Any:
        """`body` for as many blocks as there are in `columns`, from `base` on; where the next one would begin."""
        width = i64(sum(widths))
        count = floordiv(columns, width)
        count = count if is_const(count) else self.e.bind(count, "count")
        self.e.loop(count, lambda t: body(self.e.bind(add(base, mul(t, width)), "first"), widths))
        end = add(base, mul(count, width))
        return end if is_const(end) else self.e.bind(end, "end")

    def each(self, widths: list[int], body: Callable[[Any], None]) -> None:
        """`body(offset)` for the lanes of each vector."""
        start = 0
        for width in widths:
            self.vector(start, width, body)
            start += width

    def vector(self, start: int, width: int, body: Callable[[Any], None]) -> None:
        """`body(offset)` for the lanes of a vector."""
        if width == 1:
            body(i64(start))
        else:
            self.e.loop(i64(width), lambda v: body(add(i64(start), v)), tirx.ForKind.VECTORIZED)

    # -- products -----------------------------------------------------------------------------------------------------

    def product(self) -> None:
        """out[i] = the sum of data[p] y[indices[p]]."""
        e, b = self.e, self.buffers

        def row(i: Any) -> None:
            if is_const(self.m, 1):
                self.vector_row(i)
                return

            def block(first: Any, widths: list[int]) -> None:
                sums = e.local("sums", self.dtype, sum(widths))
                self.each(widths, lambda v: e.add(sums.store(v, self.zero)))

                def element(p: Any) -> None:
                    at = e.bind(add(mul(self.column(p), self.m), first), "at")
                    d = e.bind(b["data"].load(p), "d")
                    self.each(widths, lambda v: e.add(sums.store(v, sums.load(v) + d * b["y"].load(add(at, v)))))

                self.elements(i, element)
                place = e.bind(add(mul(i, self.m), first), "place")
                self.each(widths, lambda v: e.add(b["out"].store(add(place, v), sums.load(v))))

            def rest(first: Any, count: Any) -> None:
                place = e.bind(add(mul(i, self.m), first), "place")
                e.loop(count, lambda j: e.add(b["out"].store(add(place, j), self.zero)))

                def element(p: Any) -> None:
                    at = e.bind(add(mul(self.column(p), self.m), first), "at")
                    d = e.bind(b["data"].load(p), "d")

                    def column(j: Any) -> None:
                        here = add(place, j)
                        e.add(b["out"].store(here, b["out"].load(here) + d * b["y"].load(add(at, j))))

                    e.loop(count, column)

                e.when(tirx.GT(count, ZERO), lambda: self.elements(i, element))

            self.blocks(block, rest)

        self.rows(row)

    def vector_row(self, i: Any) -> None:
        """A row of the product with a vector: four sums side by side, as each addition waits for the one before."""
        e, b = self.e, self.buffers
        low, count = self.limits(i)
        sums = e.local("sums", self.dtype, 4)
        for s in range(4):
            e.add(sums.store(i64(s), self.zero))

        def take(p: Any, s: int) -> None:
            x = b["data"].load(p) * b["y"].load(self.column(p))
            e.add(sums.store(i64(s), sums.load(i64(s)) + x))

        def four(t: Any) -> None:
            for s in range(4):
                take(add(add(low, t * i64(4)), i64(s)), s)

        whole = e.bind(floordiv(count, i64(4)), "whole")
        e.loop(whole, four)
        e.loop(count - whole * i64(4), lambda p: take(p, 0), start=low + whole * i64(4))
        a, c, d, f = (sums.load(i64(s)) for s in range(4))
        e.add(b["out"].store(i, (a + c) + (d + f)))

    def transposed(self) -> None:
        """out[indices[p]] += data[p] y[i], for zeros at first."""
        e, b = self.e, self.buffers
        e.vectors(mul(self.k, self.m), self.lanes, lambda j, slot, width: e.add(b["out"].store(j, self.zero)))

        def row(i: Any) -> None:
            source = e.bind(mul(i, self.m), "source")

            def element(p: Any) -> None:
                place = e.bind(mul(self.column(p), self.m), "place")
                d = e.bind(b["data"].load(p), "d")

                def column(j: Any, slot: Any, width: int) -> None:
                    at = add(place, j)
                    e.add(b["out"].store(at, b["out"].load(at) + d * b["y"].load(add(source, j))))

                e.vectors(self.m, self.lanes, column)

            self.elements(i, element)

        e.loop(self.n, row)

    def sampled(self) -> None:
        """out[p] = the product of x[i] and y[indices[p]]."""
        e, b = self.e, self.buffers

        def row(i: Any) -> None:
            left = e.bind(mul(i, self.m), "left")

            def element(p: Any) -> None:
                right = e.bind(mul(self.column(p), self.m), "right")
                sums = e.local("sums", self.dtype, self.lanes)
                for s in range(self.lanes):
                    e.add(sums.store(i64(s), self.zero))

                def take(j: Any, slot: Any, width: int) -> None:
                    x = b["x"].load(add(left, j)) * b["y"].load(add(right, j))
                    e.add(sums.store(slot, sums.load(slot) + x))

                e.vectors(self.m, self.lanes, take)
                total = sums.load(ZERO)
                for s in range(1, self.lanes):
                    total = total + sums.load(i64(s))
                e.add(b["out"].store(p, total))

            self.elements(i, element)

        self.fill_gaps()
        self.rows(row)

    def numbers(self) -> None:
        """out[p] = i."""
        self.fill_gaps()
        self.e.loop(self.n, lambda i: self.elements(i, lambda p: self.e.add(self.buffers["out"].store(p, i))))

    def fill_gaps(self) -> None:
        """Zeros, where some elements are in no row: not what memory happens to hold."""
        e, indptr = self.e, self.buffers["indptr"]
        first, last = (K.cast(indptr.load(i), "i64") for i in (ZERO, self.n))
        gaps = tirx.Or(tirx.NE(first, ZERO), tirx.NE(last, self.z))
        zero = K.const(0, self.buffers["out"].dtype)
        e.when(gaps, lambda: e.loop(self.z, lambda p: e.add(self.buffers["out"].store(p, zero))))


#: op -> (the names of its operands and result, what emits the body)
KERNELS: dict[str, tuple[str, Callable[[_Kernel], None]]] = {
    "csr_dot": ("data indices indptr y out", _Kernel.product),
    "csr_dot_t": ("data indices indptr y out", _Kernel.transposed),
    "csr_sampled": ("indices indptr x y out", _Kernel.sampled),
    "csr_rows": ("indptr out", _Kernel.numbers),
}


def sparse_product(host: HostEmitter, op: Op) -> None:
    """A product with a sparse matrix, or the rows of its elements."""
    names, emit = KERNELS[op.name][0].split(), KERNELS[op.name][1]
    values = [*op.operands[: len(names) - 1], op.result]
    found = dict(zip(names, values, strict=True))
    dense = found.get("y")
    columns: DimLike = 1 if dense is None else dense.shape[1]
    elements = found["indices"].shape[0] if "indices" in found else op.result.shape[0]
    rows = found["indptr"].shape[0] - 1
    width: DimLike = 0 if dense is None else op.result.shape[0] if op.name == "csr_dot_t" else dense.shape[0]
    known = columns if isinstance(columns, int) else None
    key = f"{op.name} {op.result.dtype} {known}"
    if key not in host.known:
        kernel = _Kernel(names, op.result.dtype, columns, host.target)
        emit(kernel)
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}", kernel.function()), None)
    pointers = [host.pointer(v).address() for v in values]
    host.invoke(host.known[key][0], [*pointers, *map(host.dim, (rows, width, columns, elements))])
