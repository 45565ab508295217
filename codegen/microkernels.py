"""Register-tiled matrix products, whose accumulators LLVM keeps in registers: what kernels share, and `Tile`.

`Tile` holds R rows x V vectors of C. Each step of k broadcasts R elements of A onto V vectors of B. Panels of B are
packed to a block that stays in the first-level cache where enough rows use them. `swap` computes C transposed, so that
the vectors run along the long side of a thin C = A^T.B.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arignote.codegen.emit import Emitter, pointer_var, private_function, scalar_var
from arignote.codegen.exprs import ZERO, Buffer, add, i64, is_const, mul
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.types import DTYPES

ITEM = {"f32": 4, "f64": 8}
PANEL_BYTES = 48 * 1024  # a packed panel of B: on the stack, about a first-level cache
LEFT_BYTES = 256 * 1024  # a packed block of a left operand that lies by columns: a part of a second-level cache
FAR_BYTES = 6 * 1024 * 1024  # a left operand that is better packed than read for every panel
PARALLEL_FLOPS = 3_000_000.0  # two threads begin to win at half of this, where the other processor is idle


@dataclass(frozen=True)
class Product:
    """C[m,n] = alpha * op(A)[m,k] . op(B)[k,n] + beta * C, as `choose` and the kernels see it."""

    m: int
    n: int
    k: int
    ta: bool
    tb: bool
    dtype: str
    beta: float = 0.0

    @property
    def flops(self) -> float:
        """Operations, to estimate its time."""
        return 2.0 * self.m * self.n * self.k


def load_vector(b: Buffer, at: Any, width: int, stride: int = 1) -> Any:
    return b.load(at) if width == 1 else tirx.BufferLoad(b.var, [tirx.Ramp(at, i64(stride), width)])


def store_vector(b: Buffer, at: Any, width: int, x: Any, stride: int = 1) -> Any:
    return b.store(at, x) if width == 1 else tirx.BufferStore(b.var, x, [tirx.Ramp(at, i64(stride), width)])


def splat(x: Any, lanes: int) -> Any:
    return x if lanes == 1 else tirx.Broadcast(x, lanes)


def lanes_of(x: Any, start: int, width: int) -> Any:
    return tirx.Shuffle([x], [tirx.const(i, "int32") for i in range(start, start + width)])


def transposed(e: Emitter, rows: list[Any]) -> list[Any]:
    """The columns of a square of vectors, whose length is a power of two.

    Interleaving each row of the upper half with its like of the lower half rotates the bits of all places by one;
    after as many rounds as half of the bits, rows have become columns.
    """
    n = len(rows)
    halves = [[j // 2 + start + (n if j % 2 else 0) for j in range(n)] for start in (0, n // 2)]
    masks = [[tirx.const(i, "int32") for i in half] for half in halves]
    for _ in range(n.bit_length() - 1):
        pairs = zip(rows[: n // 2], rows[n // 2 :], strict=True)
        rows = [e.bind(tirx.Shuffle([a, b], mask), "x") for a, b in pairs for mask in masks]
    return rows


def ceil_div(a: int, b: int) -> int:
    return -(-a // b)


class Vectors:
    """Scratch memory of whole vectors: TVM 0.27 takes accesses to scratch of scalars apart, lane by lane."""

    def __init__(self, e: Emitter, dtype: str, count: int, lanes: int) -> None:
        e.names += 1
        self.e, self.dtype, self.size = e, dtype, count * lanes
        element = DTYPES[dtype] + (f"x{lanes}" if lanes > 1 else "")
        self.zero = splat(tirx.const(0.0, DTYPES[dtype]), lanes)
        self.var = tirx.decl_buffer((i64(count),), element, name=f"v{e.names}", data_alignment=64)
        # Without this a buffer of more than a kilobyte becomes a call that only `main` can make.
        e.add(tirx.AllocBuffer(self.var, annotations={"disable_lower_builtin": tirx.const(1, "bool")}))

    def load(self, i: Any = ZERO) -> Any:
        return tirx.BufferLoad(self.var, [i])

    def store(self, x: Any, i: Any = ZERO) -> None:
        self.e.add(tirx.BufferStore(self.var, x, [i]))

    def scalars(self) -> Buffer:
        """The same memory by elements."""
        self.e.names += 1
        out = Buffer(f"s{self.e.names}", self.dtype, i64(self.size))
        self.e.add(tirx.DeclBuffer(out.var, data=self.var.data))
        return out


class ProductKernel(ABC):
    """A function of the pointers a, b, c and the scalar alpha."""

    def __init__(self, p: Product, target: Target) -> None:
        self.p, self.e = p, Emitter()
        self.item = ITEM[p.dtype]
        self.lanes = target.lanes(self.item)
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.threads = target.threads if p.flops >= PARALLEL_FLOPS else 1
        sizes = {"a": p.m * p.k, "b": p.k * p.n, "c": p.m * p.n}
        self.pointers = {x: pointer_var(x, p.dtype) for x in sizes}
        self.a, self.b, self.c = (Buffer(x + "_b", p.dtype, i64(n)) for x, n in sizes.items())
        self.alpha = scalar_var("alpha", p.dtype)

    def function(self) -> Any:
        self.body()
        buffers = dict(zip(self.pointers.values(), (self.a, self.b, self.c), strict=True))
        return private_function([*self.pointers.values(), self.alpha], buffers, self.e.stmts)

    @abstractmethod
    def body(self) -> None:
        """Emit the loops."""

    def accumulator(self, lanes: int) -> Vectors:
        acc = Vectors(self.e, self.p.dtype, 1, lanes)
        acc.store(acc.zero)
        return acc

    def finish(self, x: Any, width: int, at: Any, stride: int, first: bool) -> None:
        """C = alpha * x + beta * C for the first block of k, C += alpha * x for the others."""
        x = x * splat(self.alpha, width)
        beta = self.p.beta if first else 1.0
        if beta != 0:  # else C may hold anything, NaN too
            old = load_vector(self.c, at, width, stride)
            x = x + (old if beta == 1 else old * splat(tirx.const(beta, DTYPES[self.p.dtype]), width))
        self.e.add(store_vector(self.c, at, width, x, stride))

    def blocks(self, k: int, size: int, body: Callable[[Any, Any], None]) -> None:
        """`body(start, size)` for blocks of k of about equal size."""
        size = ceil_div(k, ceil_div(k, size))
        if size == k:
            body(ZERO, i64(k))
            return

        def block(q: Any) -> None:
            start = self.e.bind(q * i64(size), "k0")
            left = i64(k) - start
            body(start, self.e.bind(tirx.Select(tirx.LT(left, i64(size)), left, i64(size)), "kc"))

        self.e.loop(i64(ceil_div(k, size)), block)

    def by_block(self, start: Any, body: Callable[[bool], None]) -> None:
        """`body(first)`, by whether the block of k that starts at `start` is the first."""
        if is_const(start, 0) or self.p.beta == 1:
            body(True)
        else:
            self.e.when(tirx.EQ(start, ZERO), lambda: body(True), lambda: body(False))


class Tile(ProductKernel):
    """Rows of the left operand are broadcast, the right one is read by vectors along the columns."""

    def __init__(self, p: Product, target: Target, swap: bool) -> None:
        super().__init__(p, target)
        self.swap = swap
        self.rows, self.cols = (p.n, p.m) if swap else (p.m, p.n)
        self.left, self.right = (self.b, self.a) if swap else (self.a, self.b)
        self.left_by_k = not p.tb if swap else p.ta  # element (row, k) at k * rows + row
        self.right_by_k = p.ta if swap else not p.tb
        self.vectors = self._vectors()
        most = max((self.registers - 1 - self.vectors) // self.vectors, 1)
        self.height = even_height(self.rows, most)
        self.width = self.vectors * self.lanes
        self.pack = not self.right_by_k or self.rows > 2 * self.height

    def _vectors(self) -> int:
        """Vectors of a tile: two where there are rows enough, and few lanes left over."""
        total = ceil_div(self.cols, self.lanes)
        if self.rows <= 3:
            return min(total, 8 if self.rows == 1 else 4, self.registers // 4)
        if total <= 2 or self.registers < 32:
            return min(total, 2)
        return min((2, 3, 4), key=lambda v: (ceil_div(ceil_div(total, v), self.threads) * self.threads * v, v))

    def body(self) -> None:
        e, size = self.e, self.p.k
        if self.pack:
            size = max(PANEL_BYTES // (self.width * self.item), 1)
        whole, rest = divmod(self.cols, self.width)
        panels, tiles = whole + bool(rest), self.rows // self.height
        state: list[Vectors] = []

        def prologue() -> None:
            if self.pack:
                depth = ceil_div(self.p.k, ceil_div(self.p.k, size))
                state[:] = [Vectors(e, self.p.dtype, depth * self.vectors, self.lanes)]

        def panel(q: Any, low: Any, high: Any, last: Any) -> None:
            def run(width: int) -> None:
                self.blocks(self.p.k, size, lambda k0, kc: self.block(q, width, k0, kc, state, (low, high, last)))

            if not rest or not whole:
                run(rest or self.width)
            else:
                e.when(tirx.LT(q, i64(whole)), lambda: run(self.width), lambda: run(rest))

        if self.packs_left(panels, tiles):
            self.by_rows(size, panels, tiles)
            return
        if panels >= self.threads or tiles < 2 * self.threads:
            e.tasks(i64(panels), self.threads, lambda q: panel(q, ZERO, i64(tiles), None), prologue)
            return

        def part(t: Any) -> None:
            low, high = (e.bind(_part(t + i64(d), tiles, self.threads), "part") for d in (0, 1))
            prologue()
            e.loop(i64(panels), lambda q: panel(q, low, high, tirx.EQ(t, i64(self.threads - 1))))

        e.loop(i64(self.threads), part, tirx.ForKind.PARALLEL)

    def packs_left(self, panels: int, tiles: int) -> bool:
        """Whether rows of a left operand that lies by columns are packed: every step of k reads a few elements of
        another line, for each panel again. Measured: half the time for 10000 rows and k = 700, more for 2000 rows."""
        size = self.rows * self.p.k * self.item
        return self.left_by_k and self.pack and size >= FAR_BYTES and panels >= 4 and tiles >= self.threads

    def by_rows(self, size: int, panels: int, tiles: int) -> None:
        """Blocks of packed rows that meet all panels, one after the other; each thread has its own rows."""
        e, height = self.e, self.height
        whole, rest = divmod(self.cols, self.width)
        depth = ceil_div(self.p.k, ceil_div(self.p.k, size))
        count = max(LEFT_BYTES // (depth * height * self.item), 1)

        def part(t: Any) -> None:
            low, high = (e.bind(_part(t + i64(d), tiles, self.threads), "part") for d in (0, 1))
            right = [Vectors(e, self.p.dtype, depth * self.vectors, self.lanes)]
            left = Vectors(e, self.p.dtype, ceil_div(count * depth * height, self.lanes), self.lanes).scalars()

            def rows(k0: Any, kc: Any, begin: Any) -> None:
                end = e.bind(tirx.Select(tirx.LT(begin + i64(count), high), begin + i64(count), high), "end")

                def line(tile: Any, kk: Any) -> None:
                    x = load_vector(self.left, self.left_at(mul(tile, i64(height)), add(k0, kk)), height)
                    e.add(store_vector(left, ((tile - begin) * i64(depth) + kk) * i64(height), height, x))

                def element(tile: Any, r: int, kk: Any) -> Any:
                    return left.load(((tile - begin) * i64(depth) + kk) * i64(height) + i64(r))

                e.loop(end - begin, lambda tile: e.loop(kc, lambda kk: line(tile, kk)), start=begin)
                last = tirx.And(tirx.EQ(t, i64(self.threads - 1)), tirx.EQ(end, high))

                def panel(q: Any, width: int) -> None:
                    self.block(q, width, k0, kc, right, (begin, end, last), element)

                e.loop(i64(whole), lambda q: panel(q, self.width))
                if rest:
                    panel(i64(whole), rest)

            def block(k0: Any, kc: Any) -> None:
                steps = tirx.truncdiv(high - low + i64(count - 1), i64(count))
                e.loop(steps, lambda b: rows(k0, kc, e.bind(low + b * i64(count), "begin")))

            self.blocks(self.p.k, size, block)

        e.tasks(i64(self.threads), self.threads, part)

    def block(
        self, q: Any, width: int, k0: Any, kc: Any, state: list[Vectors], span: tuple[Any, Any, Any],
        packed: Callable[[Any, int, Any], Any] | None = None,
    ) -> None:  # fmt: skip
        """Panel `q`, of `width` columns, over a block of k.

        `span`: the first and last row tile, and the condition under which the rows left over belong to it, or None.
        `packed(tile, row, step)`: the elements of the left operand, where it is packed.
        """
        e, lanes = self.e, self.lanes
        first = mul(q, i64(self.width))
        if self.pack:
            self.pack_panel(state[0], first, width, k0, kc)

        def vector(kk: Any, u: int, w: int) -> Any:
            if self.pack:
                return state[0].load(add(mul(kk, i64(self.vectors)), i64(u)))
            return load_vector(self.right, add(mul(add(k0, kk), i64(self.cols)), add(first, i64(u * lanes))), w)

        def tile(row: Any, height: int, number: Any = None) -> None:
            widths = [min(lanes, width - u) for u in range(0, width, lanes)]
            held = [lanes if self.pack else w for w in widths]
            accs = [[self.accumulator(w) for w in held] for _ in range(height)]

            def step(kk: Any) -> None:
                ys = [e.bind(vector(kk, u, w), "y") for u, w in enumerate(held)]
                for r, line in enumerate(accs):
                    if packed is not None and number is not None:
                        x = e.bind(packed(number, r, kk), "x")
                    else:
                        x = e.bind(self.left.load(self.left_at(add(row, i64(r)), add(k0, kk))), "x")
                    for acc, y, w in zip(line, ys, held, strict=True):
                        acc.store(acc.load() + splat(x, w) * y)

            e.loop(kc, step)

            def write(begin: bool) -> None:
                for r, line in enumerate(accs):
                    for u, (acc, w) in enumerate(zip(line, widths, strict=True)):
                        x = acc.load() if w == held[u] else lanes_of(acc.load(), 0, w)
                        i, j = add(row, i64(r)), add(first, i64(u * lanes))
                        at = add(mul(j, i64(self.p.n)), i) if self.swap else add(mul(i, i64(self.p.n)), j)
                        self.finish(x, w, at, self.p.n if self.swap else 1, begin)

            self.by_block(k0, write)

        low, high, last = span
        size = high if is_const(low, 0) else high - low
        e.loop(size, lambda t: tile(mul(t, i64(self.height)), self.height, t), start=low)
        rest = self.rows % self.height
        if rest and last is None:
            tile(i64(self.rows - rest), rest)
        elif rest:
            e.when(last, lambda: tile(i64(self.rows - rest), rest))

    def left_at(self, row: Any, k: Any) -> Any:
        if self.left_by_k:
            return add(mul(k, i64(self.rows)), row)
        return add(mul(row, i64(self.p.k)), k)

    def pack_panel(self, panel: Vectors, first: Any, width: int, k0: Any, kc: Any) -> None:
        """Copy a block of k of one panel: the vectors of a step side by side, missing lanes 0."""
        e, lanes = self.e, self.lanes
        elements = panel.scalars()
        used = ceil_div(width, lanes)

        def row(kk: Any) -> None:
            at = add(mul(add(k0, kk), i64(self.cols)), first)
            for u in range(used):
                w = min(lanes, width - u * lanes)
                slot = add(mul(kk, i64(self.vectors)), i64(u))
                if w < lanes:
                    panel.store(panel.zero, slot)
                if self.right_by_k:
                    x = load_vector(self.right, add(at, i64(u * lanes)), w)
                    if w == lanes:
                        panel.store(x, slot)
                    else:
                        e.add(store_vector(elements, mul(slot, i64(lanes)), w, x))

        def element(j: Any, kk: Any) -> None:
            x = self.right.load(add(mul(add(first, j), i64(self.p.k)), add(k0, kk)))
            e.add(elements.store(add(mul(kk, i64(self.width)), j), x))

        if self.right_by_k or width % lanes:
            e.loop(kc, row)
        if self.right_by_k:
            return
        whole = width - width % lanes if lanes > 1 else 0
        turned = mul(self.transpose(panel, first, whole // lanes, k0, kc), i64(lanes)) if whole else ZERO
        e.loop(i64(whole), lambda j: e.loop(kc - turned, lambda kk: element(j, kk), start=turned))
        e.loop(i64(width - whole), lambda j: e.loop(kc, lambda kk: element(add(i64(whole), j), kk)))

    def transpose(self, panel: Vectors, first: Any, vectors: int, k0: Any, kc: Any) -> Any:
        """Copy squares of `lanes` columns by `lanes` steps, transposed in registers; the number of such blocks of
        steps, beyond which fewer are left."""
        e, lanes = self.e, self.lanes
        blocks = e.bind(tirx.truncdiv(kc, i64(lanes)), "squares")

        def square(u: Any, b: Any) -> None:
            column, step = add(first, mul(u, i64(lanes))), mul(b, i64(lanes))
            at = [add(mul(add(column, i64(j)), i64(self.p.k)), add(k0, step)) for j in range(lanes)]
            for t, x in enumerate(transposed(e, [e.bind(load_vector(self.right, i, lanes), "x") for i in at])):
                panel.store(x, add(mul(add(step, i64(t)), i64(self.vectors)), u))

        e.loop(i64(vectors), lambda u: e.loop(blocks, lambda b: square(u, b)))
        return blocks


def _part(t: Any, count: int, parts: int) -> Any:
    """Where part `t` of `count` things begins."""
    return tirx.truncdiv(t * i64(count), i64(parts))


def even_height(rows: int, most: int) -> int:
    """Rows of a tile: as many as registers allow, fewer where that cuts the rows more evenly."""
    if rows <= most:
        return rows

    def cost(h: int) -> float:
        rest = rows % h
        return (rows // h) * (h + 0.5) + (max(rest, 4) + 0.5 if rest else 0.0)

    return min(range(most, most // 2, -1), key=cost)
