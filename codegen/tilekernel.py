"""Matrix products by register tiles: R rows x V vectors of C.

Each step of k broadcasts R elements of A onto V vectors of B. B is read in one of three ways: panels of it are packed
to a block that stays in the first-level cache, for many rows; read where they lie, for few rows; or streamed, for few
rows and a B that no near cache holds. `swap` computes C transposed, so that the vectors run along the long side of a
thin C = A^T.B.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import ZERO, Buffer, add, i64, is_const, mul
from arignote.codegen.microkernels import (
    ITEM,
    PANEL_BYTES,
    Product,
    ProductKernel,
    Vectors,
    ceil_div,
    even_height,
    lanes_of,
    load_vector,
    splat,
    store_vector,
    transposed,
)
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx

LEFT_BYTES = 256 * 1024  # a packed block of a left operand that lies by columns: a part of a second-level cache
FAR_BYTES = 6 * 1024 * 1024  # a left operand that is better packed than read for every panel
#: B is streamed from this size on, for so many rows: with fewer, panels are wide enough for the processor to see ahead.
STREAMED_BYTES, STREAMED_ROWS = 256 * 1024, range(4, 129)
STREAMED_STEPS, PANELS_AHEAD = 64, 2  # steps of k at a time, and how far ahead memory is asked for
LINE_BYTES = 64


def fetch(e: Emitter, b: Buffer, at: Any, count: int) -> None:
    """Ask for the lines of `count` elements, which are needed soon; there may be no memory at that place."""
    item = ITEM[b.dtype]
    for start in range(0, count, LINE_BYTES // item):
        place = tirx.address_of(tirx.BufferLoad(b.var, [add(at, i64(start))]))
        read, near, data = (tirx.const(x, "int32") for x in (0, 3, 1))
        e.add(tirx.Evaluate(tirx.call_intrin("void", "tirx.prefetch", place, read, near, data)))


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
        large = self.p.k * self.cols * self.item > STREAMED_BYTES and self.cols >= self.threads * self.width
        self.streamed = self.right_by_k and self.rows in STREAMED_ROWS and large
        self.pack = not self.right_by_k or (self.rows > 2 * self.height and not self.streamed)

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
        if self.streamed:
            self.by_steps(panels, tiles)
            return
        if panels >= self.threads or tiles < 2 * self.threads:
            e.tasks(i64(panels), self.threads, lambda q: panel(q, ZERO, i64(tiles), None), prologue)
            return

        def part(t: Any) -> None:
            low, high = (e.bind(_part(t + i64(d), tiles, self.threads), "part") for d in (0, 1))
            prologue()
            e.loop(i64(panels), lambda q: panel(q, low, high, tirx.EQ(t, i64(self.threads - 1))))

        e.loop(i64(self.threads), part, tirx.ForKind.PARALLEL)

    def by_steps(self, panels: int, tiles: int) -> None:
        """A few rows of B at a time, along which all panels are read in turn, each asked for before: B comes as a few
        streams of memory, where a panel of all steps would touch a line or two in each of as many pages."""
        e = self.e
        whole, rest = divmod(self.cols, self.width)

        def part(t: Any) -> None:
            low, high = (e.bind(_part(t + i64(d), panels, self.threads), "part") for d in (0, 1))

            def block(k0: Any, kc: Any) -> None:
                def panel(q: Any, width: int) -> None:
                    self.block(q, width, k0, kc, [], (ZERO, i64(tiles), None))

                if not rest:
                    e.loop(high - low, lambda q: panel(q, self.width), start=low)
                    return
                last = e.bind(tirx.Select(tirx.LT(high, i64(whole)), high, i64(whole)), "last")
                e.loop(last - low, lambda q: panel(q, self.width), start=low)
                e.when(tirx.GT(high, last), lambda: panel(i64(whole), rest))

            self.blocks(self.p.k, STREAMED_STEPS, block)

        e.tasks(i64(self.threads), self.threads, part)

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
                if self.streamed:
                    at = add(mul(add(k0, kk), i64(self.cols)), add(first, i64(PANELS_AHEAD * self.width)))
                    fetch(e, self.right, at, self.width)
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
