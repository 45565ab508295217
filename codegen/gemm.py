"""Matrix products as generated code, for sizes that are known when compiling.

OpenBLAS chooses its kernels by processor names and environment variables, and packs thin products as it does large ones.
Two micro-kernels, whose accumulators LLVM keeps in registers, serve every shape:

* `tile`: R rows x V vectors of C. Each step of k broadcasts R elements of A onto V vectors of B. Panels of B are packed
  to a block that stays in the first-level cache where enough rows use them. `swap` computes C transposed, so that the
  vectors run along the long side of a thin C = A^T.B.
* `dot`: both operands lie along k, as in A.B^T, or a thin B is packed to lie so: R x S sums of products, one per lane,
  added up at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tvm import tirx

from arignote.codegen.emit import (
    ZERO, Buffer, Emitter, Pointer, add, i64, is_const, mul, pointer_var, private_function, scalar_var,
)  # fmt: skip
from arignote.codegen.target import Target
from arignote.ir.types import DTYPES

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

ITEM = {"f32": 4, "f64": 8}
PANEL_BYTES = 48 * 1024  # a packed panel of B: on the stack, about a first-level cache
BLOCK_BYTES = 512 * 1024  # what `dot` reads again for every few rows: half a second-level cache
PARALLEL_FLOPS = 1_500_000.0  # below this a product takes less time than the second thread's start
DOT_ROWS = 64  # more rows than this repay the transposition of B


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


def choose(p: Product, target: Target) -> str:
    """The kernel for a product: `dot`, `swap`, `tile`, or `blas` where none applies.

    By the static sizes alone, with L lanes in a vector:
    * `dot` where both operands lie along k and B would be transposed for few rows (A.B^T with m <= 64, matrix times
      vector), and for thin A.B, whose n would fill less than 3/4 of a vector; k must be long enough for the final sums.
    * `swap` for thin A^T.B: n <= L < m.
    * `tile` for all others, `blas` for what is empty or not f32 or f64.
    """
    if target.kind != "cpu" or p.dtype not in ITEM or 0 in (p.m, p.n, p.k):
        return "blas"
    lanes = target.lanes(ITEM[p.dtype])
    if not p.ta and p.k >= 4 * lanes:
        if p.n == 1 or (p.tb and p.m <= DOT_ROWS) or (not p.tb and p.n <= 3 * lanes // 4 and p.m > 3):
            return "dot"
    if p.ta and not p.tb and p.n <= lanes < p.m:
        return "swap"
    return "tile"


def emit_product(
    host: HostEmitter, p: Product, kind: str, a: Pointer, b: Pointer, c: Pointer, alpha: Any
) -> None:
    """Call the kernel of a product; equal products share one."""
    key = f"gemm {kind} {p}"
    if key not in host.known:
        kernel = _Dot(p, host.target) if kind == "dot" else _Tile(p, host.target, swap=kind == "swap")
        host.known[key] = (host.define(f"gemm{len(host.functions)}_{kind}", kernel.function()), None)
    host.invoke(host.known[key][0], [a.address(), b.address(), c.address(), alpha])


def _load(b: Buffer, at: Any, width: int, stride: int = 1) -> Any:
    return b.load(at) if width == 1 else tirx.BufferLoad(b.var, [tirx.Ramp(at, i64(stride), width)])


def _store(b: Buffer, at: Any, width: int, x: Any, stride: int = 1) -> Any:
    return b.store(at, x) if width == 1 else tirx.BufferStore(b.var, x, [tirx.Ramp(at, i64(stride), width)])


def _splat(x: Any, lanes: int) -> Any:
    return x if lanes == 1 else tirx.Broadcast(x, lanes)


def _lanes_of(x: Any, start: int, width: int) -> Any:
    return tirx.Shuffle([x], [tirx.const(i, "int32") for i in range(start, start + width)])


def _up(a: int, b: int) -> int:
    return -(-a // b)


class _Vectors:
    """Scratch memory of whole vectors: TVM 0.27 takes accesses to scratch of scalars apart, lane by lane."""

    def __init__(self, e: Emitter, dtype: str, count: int, lanes: int) -> None:
        e.names += 1
        self.e, self.dtype, self.size = e, dtype, count * lanes
        element = DTYPES[dtype] + (f"x{lanes}" if lanes > 1 else "")
        self.zero = _splat(tirx.const(0.0, DTYPES[dtype]), lanes)
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


class _Kernel:
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

    def body(self) -> None:
        raise NotImplementedError

    def accumulator(self, lanes: int) -> _Vectors:
        acc = _Vectors(self.e, self.p.dtype, 1, lanes)
        acc.store(acc.zero)
        return acc

    def finish(self, x: Any, width: int, at: Any, stride: int, first: bool) -> None:
        """C = alpha * x + beta * C for the first block of k, C += alpha * x for the others."""
        x = x * _splat(self.alpha, width)
        beta = self.p.beta if first else 1.0
        if beta != 0:  # else C may hold anything, NaN too
            old = _load(self.c, at, width, stride)
            x = x + (old if beta == 1 else old * _splat(tirx.const(beta, DTYPES[self.p.dtype]), width))
        self.e.add(_store(self.c, at, width, x, stride))

    def blocks(self, k: int, size: int, body: Callable[[Any, Any], None]) -> None:
        """`body(start, size)` for blocks of k of about equal size."""
        size = _up(k, _up(k, size))
        if size == k:
            body(ZERO, i64(k))
            return

        def block(q: Any) -> None:
            start = self.e.bind(q * i64(size), "k0")
            left = i64(k) - start
            body(start, self.e.bind(tirx.Select(tirx.LT(left, i64(size)), left, i64(size)), "kc"))

        self.e.loop(i64(_up(k, size)), block)

    def by_block(self, start: Any, body: Callable[[bool], None]) -> None:
        """`body(first)`, by whether the block of k that starts at `start` is the first."""
        if is_const(start, 0) or self.p.beta == 1:
            body(True)
        else:
            self.e.when(tirx.EQ(start, ZERO), lambda: body(True), lambda: body(False))


class _Tile(_Kernel):
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
        self.height = _even_height(self.rows, most)
        self.width = self.vectors * self.lanes
        self.pack = not self.right_by_k or self.rows > 2 * self.height

    def _vectors(self) -> int:
        """Vectors of a tile: two where there are rows enough, and few lanes left over."""
        total = _up(self.cols, self.lanes)
        if self.rows <= 3:
            return min(total, 8 if self.rows == 1 else 4, self.registers // 4)
        if total <= 2 or self.registers < 32:
            return min(total, 2)
        return min((2, 3, 4), key=lambda v: (_up(total, v) * v, v))

    def body(self) -> None:
        e, size = self.e, self.p.k
        if self.pack:
            size = max(PANEL_BYTES // (self.width * self.item), 1)
        whole, rest = divmod(self.cols, self.width)
        panels, tiles = whole + bool(rest), self.rows // self.height
        state: list[_Vectors] = []

        def prologue() -> None:
            if self.pack:
                depth = _up(self.p.k, _up(self.p.k, size))
                state[:] = [_Vectors(e, self.p.dtype, depth * self.vectors, self.lanes)]

        def panel(q: Any, low: Any, high: Any, last: Any) -> None:
            def run(width: int) -> None:
                self.blocks(self.p.k, size, lambda k0, kc: self.block(q, width, k0, kc, state, (low, high, last)))

            if not rest or not whole:
                run(rest or self.width)
            else:
                e.when(tirx.LT(q, i64(whole)), lambda: run(self.width), lambda: run(rest))

        if panels >= self.threads or tiles < 2 * self.threads:
            e.tasks(i64(panels), self.threads, lambda q: panel(q, ZERO, i64(tiles), True), prologue)
            return

        def part(t: Any) -> None:
            low, high = (e.bind(floor_part(t + i64(d), tiles, self.threads), "part") for d in (0, 1))
            prologue()
            e.loop(i64(panels), lambda q: panel(q, low, high, tirx.EQ(t, i64(self.threads - 1))))

        e.loop(i64(self.threads), part, tirx.ForKind.PARALLEL)

    def block(
        self, q: Any, width: int, k0: Any, kc: Any, state: list[_Vectors], span: tuple[Any, Any, Any]
    ) -> None:
        """Panel `q`, of `width` columns, over a block of k, for the row tiles of `span`."""
        e, lanes = self.e, self.lanes
        first = mul(q, i64(self.width))
        if self.pack:
            self.pack_panel(state[0], first, width, k0, kc)

        def vector(kk: Any, u: int, w: int) -> Any:
            if self.pack:
                return state[0].load(add(mul(kk, i64(self.vectors)), i64(u)))
            return _load(self.right, add(mul(add(k0, kk), i64(self.cols)), add(first, i64(u * lanes))), w)

        def tile(row: Any, height: int) -> None:
            widths = [min(lanes, width - u) for u in range(0, width, lanes)]
            held = [lanes if self.pack else w for w in widths]
            accs = [[self.accumulator(w) for w in held] for _ in range(height)]

            def step(kk: Any) -> None:
                ys = [e.bind(vector(kk, u, w), "y") for u, w in enumerate(held)]
                for r, line in enumerate(accs):
                    x = e.bind(self.left.load(self.left_at(add(row, i64(r)), add(k0, kk))), "x")
                    for acc, y, w in zip(line, ys, held, strict=True):
                        acc.store(acc.load() + _splat(x, w) * y)

            e.loop(kc, step)

            def write(begin: bool) -> None:
                for r, line in enumerate(accs):
                    for u, (acc, w) in enumerate(zip(line, widths, strict=True)):
                        x = acc.load() if w == held[u] else _lanes_of(acc.load(), 0, w)
                        i, j = add(row, i64(r)), add(first, i64(u * lanes))
                        at = add(mul(j, i64(self.p.n)), i) if self.swap else add(mul(i, i64(self.p.n)), j)
                        self.finish(x, w, at, self.p.n if self.swap else 1, begin)

            self.by_block(k0, write)

        low, high, last = span
        size = high if is_const(low, 0) else high - low
        e.loop(size, lambda t: tile(mul(t, i64(self.height)), self.height), start=low)
        rest = self.rows % self.height
        if rest:
            remainder = lambda: tile(i64(self.rows - rest), rest)  # noqa: E731
            remainder() if last is True else e.when(last, remainder)

    def left_at(self, row: Any, k: Any) -> Any:
        if self.left_by_k:
            return add(mul(k, i64(self.rows)), row)
        return add(mul(row, i64(self.p.k)), k)

    def pack_panel(self, panel: _Vectors, first: Any, width: int, k0: Any, kc: Any) -> None:
        """Copy a block of k of one panel: the vectors of a step side by side, missing lanes 0."""
        e, lanes = self.e, self.lanes
        elements = panel.scalars()
        used = _up(width, lanes)

        def row(kk: Any) -> None:
            at = add(mul(add(k0, kk), i64(self.cols)), first)
            for u in range(used):
                w = min(lanes, width - u * lanes)
                slot = add(mul(kk, i64(self.vectors)), i64(u))
                if w < lanes:
                    panel.store(panel.zero, slot)
                if self.right_by_k:
                    x = _load(self.right, add(at, i64(u * lanes)), w)
                    if w == lanes:
                        panel.store(x, slot)
                    else:
                        e.add(_store(elements, mul(slot, i64(lanes)), w, x))

        def element(j: Any, kk: Any) -> None:
            x = self.right.load(add(mul(add(first, j), i64(self.p.k)), add(k0, kk)))
            e.add(elements.store(add(mul(kk, i64(self.width)), j), x))

        if self.right_by_k or width % lanes:
            e.loop(kc, row)
        if not self.right_by_k:
            e.loop(i64(width), lambda j: e.loop(kc, lambda kk: element(j, kk)))


def floor_part(t: Any, count: int, parts: int) -> Any:
    """Where part `t` of `count` things begins."""
    return tirx.truncdiv(t * i64(count), i64(parts))


def _even_height(rows: int, most: int) -> int:
    """Rows of a tile: as many as registers allow, fewer where that cuts the rows more evenly."""
    if rows <= most:
        return rows

    def cost(h: int) -> float:
        rest = rows % h
        return (rows // h) * (h + 0.5) + (max(rest, 4) + 0.5 if rest else 0.0)

    return min(range(most, most // 2, -1), key=cost)


class _Dot(_Kernel):
    """Sums of products along k."""

    def body(self) -> None:
        p, e, lanes = self.p, self.e, self.lanes
        most = self.registers - 6  # accumulators; the others hold operands
        width = min(p.n, most // 2 if p.n > 8 and p.m >= 2 and not p.tb else most // 4 + 1)
        height = _even_height(p.m, max(most // width, 1))
        direct = p.tb or p.n == 1
        depth = max((BLOCK_BYTES if direct else PANEL_BYTES) // (p.n * self.item) // lanes, 4) * lanes
        depth = min(_up(_up(p.k, _up(p.k, depth)), lanes) * lanes, _up(p.k, lanes) * lanes)
        if direct:
            self.blocks_of(depth, lambda k0, kc: self.block(k0, kc, height, width, None, 0))
            return
        packed = _Vectors(e, p.dtype, p.n * depth // lanes, lanes)
        elements = packed.scalars()

        def block(k0: Any, kc: int) -> None:
            def line(kk: Any) -> None:
                for j in range(p.n):
                    x = self.b.load(add(mul(add(k0, kk), i64(p.n)), i64(j)))
                    e.add(elements.store(add(kk, i64(j * depth)), x))

            e.loop(i64(kc), line)
            self.block(k0, kc, height, width, packed, depth)

        self.blocks_of(depth, block)

    def blocks_of(self, depth: int, body: Callable[[Any, int], None]) -> None:
        """Blocks of k of `depth`; the last is shorter and its size is known too."""
        whole, rest = divmod(self.p.k, depth)
        self.e.loop(i64(whole), lambda q: body(mul(q, i64(depth)), depth))
        if rest:
            body(i64(whole * depth), rest)

    def block(self, k0: Any, kc: int, height: int, width: int, packed: _Vectors | None, depth: int) -> None:
        p, e = self.p, self.e
        elements = packed.scalars() if packed is not None else None

        def right(j: Any, kk: Any, w: int) -> Any:
            if packed is None or elements is None:
                return _load(self.b, add(mul(j, i64(p.k)), add(k0, kk)), w)
            if w == self.lanes:
                at = add(mul(j, i64(depth // w)), kk if is_const(kk, 0) else tirx.truncdiv(kk, i64(w)))
                return packed.load(at)
            return _load(elements, add(mul(j, i64(depth)), kk), w)

        def line(i: Any, h: int) -> None:
            e.loop(i64(p.n // width), lambda t: self.tile(i, h, mul(t, i64(width)), width, k0, kc, right))
            if p.n % width:
                self.tile(i, h, i64(p.n - p.n % width), p.n % width, k0, kc, right)

        tiles, columns = p.m // height, p.n // width
        if tiles >= self.threads or columns < self.threads:
            e.tasks(i64(tiles), self.threads, lambda t: line(mul(t, i64(height)), height))
            if p.m % height:
                line(i64(p.m - p.m % height), p.m % height)
            return

        def column(j: Any, w: int) -> None:
            e.loop(i64(tiles), lambda t: self.tile(mul(t, i64(height)), height, j, w, k0, kc, right))
            if p.m % height:
                self.tile(i64(p.m - p.m % height), p.m % height, j, w, k0, kc, right)

        e.tasks(i64(columns), self.threads, lambda t: column(mul(t, i64(width)), width))
        if p.n % width:
            column(i64(p.n - p.n % width), p.n % width)

    def tile(
        self, i: Any, height: int, j: Any, width: int, k0: Any, kc: int, right: Callable[[Any, Any, int], Any]
    ) -> None:
        """height x width sums, each over the lanes of a vector; what is left of k joins as the lanes are added up."""
        p, e, lanes = self.p, self.e, self.lanes
        sums = {(r, s): self.accumulator(lanes) for r in range(height) for s in range(width)}

        def step(kk: Any, w: int) -> None:
            xs = [_load(self.a, add(mul(add(i, i64(r)), i64(p.k)), add(k0, kk)), w) for r in range(height)]
            xs = [e.bind(x, "x") for x in xs]
            for s in range(width):
                y = e.bind(right(add(j, i64(s)), kk, w), "y")
                for r in range(height):
                    sums[r, s].store(sums[r, s].load() + xs[r] * y)

        e.loop(i64(kc // lanes), lambda q: step(mul(q, i64(lanes)), lanes))
        done = kc - kc % lanes
        half = lanes // 2
        while half:
            for at, acc in sums.items():
                whole = e.bind(acc.load(), "s")
                sums[at] = _Vectors(e, p.dtype, 1, half)
                sums[at].store(_lanes_of(whole, 0, half) + _lanes_of(whole, half, half))
            if (kc - done) & half:
                step(i64(done), half)
                done += half
            half //= 2

        def write(begin: bool) -> None:
            for (r, s), acc in sums.items():
                self.finish(acc.load(), 1, add(mul(add(i, i64(r)), i64(p.n)), add(j, i64(s))), 1, begin)

        self.by_block(k0, write)
