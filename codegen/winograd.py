"""Convolutions with filters of 3 x 3 elements and their image gradients by Winograd's F(m x m, 3 x 3).

A tile of m x m results is a product, channel by channel, of a transformed tile of the source, (m + 2) x (m + 2), with
the transformed filter; for each of the (m + 2)**2 places, sums over the channels of many tiles are a product of
matrices. Inside, channels are neighbours: images are transposed in registers on the way in and out, a block of tiles at
a time, and all transformations are sums of whole vectors. `winomath` has the mathematics. With m = 4 there are 4 times
fewer multiplications, and rounding errors are about three times those of direct summation.
"""

from __future__ import annotations

from typing import Any

from arignote.codegen.convresult import Results
from arignote.codegen.convspec import ConvKernel, Sizes, minimum, threads_for
from arignote.codegen.emit import pointer_var
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import ITEM, Vectors, ceil_div, load_vector, splat, store_vector, transposed
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.codegen.winomath import matrices, transformed
from arignote.codegen.winotiles import M, Tiles, both

VALUES_BYTES = 160 * 1024  # of the transformed tiles of a block: they stay in the second-level cache


class Winograd(ConvKernel):
    """A function of (source, filters, what `results` takes, transformed filters, batch): `conv`, or `conv_data` if
    `back`."""

    def __init__(self, sizes: Sizes, target: Target, back: bool, results: Results) -> None:
        self.s, self.back, self.e, self.results = sizes, back, results.e, results
        self.lanes = target.lanes(ITEM[sizes.dtype])
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, sizes.dtype) for v in ("x", "w", "p")}
        self.x, self.w, self.p = (Buffer(v + "_b", sizes.dtype, i64(1)) for v in self.pointers)
        (self.rows, self.cols), (self.out_rows, self.out_cols) = (sizes.image, sizes.out)
        self.channels, self.filters = sizes.c, sizes.k
        self.top, self.left = sizes.low
        if back:
            self.channels, self.filters = sizes.k, sizes.c
            self.rows, self.cols, self.out_rows, self.out_cols = self.out_rows, self.out_cols, self.rows, self.cols
            self.top, self.left = 2 - self.top, 2 - self.left
        self.a, self.g, self.b = matrices(M, 3)
        self.size = M + 2
        work = 18.0 * sizes.k * sizes.c * sizes.out[0] * sizes.out[1] * (sizes.n or 8)
        self.threads = threads_for(work, target)
        self.block_sizes()

    def block_sizes(self) -> None:
        """Tiles of a block (of some images, or some rows of tiles of one), and the tile of registers."""
        lanes = self.lanes
        self.depth = ceil_div(self.channels, lanes)  # vectors of channels
        total = ceil_div(self.filters, lanes)
        self.vectors = min(range(1, min(total, 4) + 1), key=lambda v: (ceil_div(total, v) * v, abs(v - 2)))
        self.groups = ceil_div(total, self.vectors)
        high, self.wide = ceil_div(self.out_rows, M), ceil_div(self.out_cols, M)
        per = self.size**2 * self.depth * lanes * ITEM[self.s.dtype]
        most = max(VALUES_BYTES // per, 1)
        self.high = high
        if self.cols >= lanes:
            self.high = ceil_div(high, ceil_div(high, max(most // self.wide, 1)))
        self.bands = ceil_div(high, self.high)
        plane = self.high * self.wide
        widest = (self.registers - 2 - self.vectors) // self.vectors
        self.images = 1 if self.bands > 1 else min(max(most // plane, 1), self.s.n or 8)
        if self.images > 1 and self.s.n:
            parts = ceil_div(ceil_div(self.s.n, self.images), self.threads) * self.threads
            self.images = ceil_div(self.s.n, parts)
        self.tiles = self.images * plane
        self.source = Tiles(
            self.e, self.x, self.channels, (self.rows, self.cols), (self.top, self.left),
            (self.images, self.high, self.wide), self.b, lanes,
        )  # fmt: skip
        self.width = ceil_div(self.tiles, ceil_div(self.tiles, widest))
        self.product_step = (self.tiles * self.vectors) | 1  # as in `Tiles`
        self.filter_step = (self.channels * self.vectors + 1) * lanes  # likewise: all places are written in turn

    def function(self) -> Any:
        e, s = self.e, self.s
        self.filters_ready()

        def prologue() -> None:
            self.source.allocate()
            pixels = M * self.high * self.out_cols + self.size
            counts = (self.size**2 * self.product_step, pixels * self.vectors, M * self.size)
            self.products, self.result, self.cells = (Vectors(e, s.dtype, n, self.lanes) for n in counts)

        def task(t: Any) -> None:
            band = e.bind(floormod(t, i64(self.bands)), "band")
            n = e.bind(mul(floordiv(t, i64(self.bands)), i64(self.images)), "n")
            count = i64(1) if self.images == 1 else e.bind(minimum(i64(self.images), self.n - n), "count")
            first = e.bind(mul(band, i64(self.high * M)), "first")  # row of the result
            e.loop(count, lambda b: self.source.enter(add(n, b), b, first, ZERO, i64(self.depth)))
            rows = e.bind(minimum(i64(self.high * M), i64(self.out_rows) - first), "rows")

            def group(q: Any) -> None:
                self.multiply(q)
                e.loop(count, lambda b: self.leave(add(n, b), b, first, rows, q))

            e.loop(i64(self.groups), group)

        blocks = floordiv(self.n + i64(self.images - 1), i64(self.images)) if self.images > 1 else self.n
        alone = s.n is not None and ceil_div(s.n, self.images) * self.bands == 1
        threads = 1 if alone else self.threads  # a second one would find no block
        e.tasks(blocks * i64(self.bands) if self.bands > 1 else blocks, threads, task, prologue)
        buffers = dict(zip(self.pointers.values(), (self.x, self.w, self.p), strict=True))
        return self.results.function(buffers, self.n)

    # -- filters ----------------------------------------------------------------------------------------------------

    def filters_ready(self) -> None:
        """Transform all filters: for each group, each place, each channel its vectors of filters."""
        e, s, lanes = self.e, self.s, self.lanes

        def vector(q: Any, v: Any, c: Any, count: int, cells: Vectors, taps: Vectors) -> None:
            first = add(mul(q, i64(self.vectors * lanes)), mul(v, i64(lanes)))
            self.gather(first, c, count, taps)
            for j in range(3):
                column = [e.bind(taps.load(i64(i * 3 + j)), "x") for i in range(3)]
                for i, x in enumerate(transformed(e, self.g, column, lanes)):
                    cells.store(x, i64(i * 3 + j))
            for i in range(self.size):
                row = [e.bind(cells.load(i64(i * 3 + j)), "x") for j in range(3)]
                for j, x in enumerate(transformed(e, self.g, row, lanes)):
                    place = add(mul(q, i64(self.size**2)), i64(i * self.size + j))
                    at = add(mul(place, i64(self.filter_step)), mul(c, i64(self.vectors * lanes)))
                    e.add(store_vector(self.p, add(at, mul(v, i64(lanes))), lanes, x))

        def group(q: Any, filters: int) -> None:
            def channel(c: Any) -> None:
                cells, taps = (Vectors(e, s.dtype, n, lanes) for n in (self.size * 3, 9))
                whole, rest = divmod(filters, lanes)
                e.loop(i64(whole), lambda v: vector(q, v, c, lanes, cells, taps))
                if whole < self.vectors:  # vectors that are not full, or not there
                    for t in range(9):
                        taps.store(taps.zero, i64(t))
                    if rest:
                        vector(q, i64(whole), c, rest, cells, taps)
                    empty = whole + bool(rest)
                    for t in range(9 if empty < self.vectors else 0):
                        taps.store(taps.zero, i64(t))
                    for v in range(empty, self.vectors):
                        vector(q, i64(v), c, 0, cells, taps)

            e.loop(i64(self.channels), channel)

        step = self.vectors * lanes
        whole, rest = divmod(self.filters, step)
        e.tasks(i64(whole), self.threads if whole >= self.threads else 1, lambda q: group(q, step))
        if rest:
            group(i64(whole), rest)

    def gather(self, first: Any, c: Any, count: int, taps: Vectors) -> None:
        """The elements of `count` filters from `first` on for channel `c`, as vectors of filters: whole vectors are
        read from where each filter begins, and turned. The last filter ends where memory does."""
        e, s, lanes = self.e, self.s, self.lanes
        elements, order = taps.scalars(), {}
        for t in range(9):
            i, j = divmod(t, 3)
            order[s.filter_index((0, 2 - i, 2 - j) if self.back else (0, i, j))] = t

        def start(r: Any) -> Any:
            m = add(first, r)
            k, ch = (c, m) if self.back else (m, c)
            return mul(add(mul(k, i64(s.c)), ch), i64(9))

        def one(r: Any, low: int) -> None:
            at = e.bind(start(r), "start")
            for n in range(low, 9):
                e.add(elements.store(add(r, i64(order[n] * lanes)), self.w.load(add(at, i64(n)))))

        def turned() -> None:
            rows = [load_vector(self.w, start(i64(r)), lanes) for r in range(lanes)]
            columns = transposed(e, [e.bind(x, "x") for x in rows])
            for n, x in enumerate(columns[:9]):
                taps.store(x, i64(order[n]))

        def by_element(low: int = 0) -> None:
            e.loop(i64(count), lambda r: one(r, low))

        if count < lanes:
            by_element()
        elif lanes < 9:
            turned()
            by_element(lanes)
        else:
            end = start(i64(lanes - 1)) + i64(lanes)
            e.when(tirx.LE(end, i64(9 * s.k * s.c)), turned, by_element)

    # -- a block ----------------------------------------------------------------------------------------------------

    def multiply(self, q: Any) -> None:
        """The sums over channels, for each place and tile, of group `q` of filters."""
        e, lanes = self.e, self.lanes
        elements = self.source.values.scalars()
        step = self.vectors * lanes

        def place(f: Any) -> None:
            filters = mul(add(mul(q, i64(self.size**2)), f), i64(self.filter_step))
            filters = e.bind(filters, "filters")
            values = e.bind(mul(f, i64(self.source.step * lanes)), "values")
            products = e.bind(mul(f, i64(self.product_step)), "products")

            def some(t: Any, width: int) -> None:
                accs = [[Vectors(e, self.s.dtype, 1, lanes) for _ in range(self.vectors)] for _ in range(width)]
                for line in accs:
                    for acc in line:
                        acc.store(acc.zero)
                start = e.bind(add(values, mul(t, i64(self.depth * lanes))), "start")

                def channel(c: Any) -> None:
                    at = add(filters, mul(c, i64(step)))
                    ys = [e.bind(load_vector(self.p, add(at, i64(v * lanes)), lanes), "y") for v in range(self.vectors)]
                    for r, line in enumerate(accs):
                        x = e.bind(elements.load(add(add(start, c), i64(r * self.depth * lanes))), "x")
                        for acc, y in zip(line, ys, strict=True):
                            acc.store(acc.load() + splat(x, lanes) * y)

                e.loop(i64(self.channels), channel)
                for r, line in enumerate(accs):
                    for v, acc in enumerate(line):
                        at = add(products, mul(add(t, i64(r)), i64(self.vectors)))
                        self.products.store(acc.load(), add(at, i64(v)))

            whole, rest = divmod(self.tiles, self.width)
            e.loop(i64(whole), lambda t: some(mul(t, i64(self.width)), self.width))
            if rest:
                some(i64(whole * self.width), rest)

        e.loop(i64(self.size**2), place)

    def leave(self, n: Any, b: Any, first: Any, rows: Any, q: Any) -> None:
        """The results of group `q` of filters, transformed back, to image `n` of the result."""
        e, lanes = self.e, self.lanes
        plane = self.out_rows * self.out_cols

        def tile(i: Any, j: Any, v: Any) -> None:
            number = add(mul(add(mul(b, i64(self.high)), i), i64(self.wide)), j)
            start = e.bind(add(mul(number, i64(self.vectors)), v), "start")
            to = e.bind(mul(add(mul(i, i64(self.out_cols)), j), i64(M * self.vectors)), "to")

            def load(i: int, j: int) -> Any:
                return self.products.load(add(start, i64((i * self.size + j) * self.product_step)))

            for i_, row in enumerate(both(e, self.a, self.cells, load, lanes)):
                for j_, x in enumerate(row):
                    self.result.store(x, add(add(to, v), i64((i_ * self.out_cols + j_) * self.vectors)))

        # Columns of a tile beyond the last are the first of the next row, which are written after them.
        def line(i: Any) -> None:
            last = i64(self.wide - 1)
            e.loop(
                i64(self.wide), lambda j: e.loop(i64(self.vectors), lambda v: tile(i, e.bind(last - j, "j"), v))
            )

        e.loop(i64(self.high), line)
        pixels = e.bind(mul(rows, i64(self.out_cols)), "pixels")

        def vector(v: Any, filters: int) -> None:
            k = e.bind(add(mul(q, i64(self.vectors * lanes)), mul(v, i64(lanes))), "k")
            y = mul(add(mul(n, i64(self.filters)), k), i64(plane))
            y = e.bind(add(y, mul(first, i64(self.out_cols))), "y")

            def load(p: Any) -> Any:
                return self.result.load(add(mul(p, i64(self.vectors)), v))

            self.results.store_turned(y, plane, k, filters, pixels, load, lanes)

        step = self.vectors * lanes
        whole, rest = divmod(self.filters, step)

        def some(filters: int) -> None:
            e.loop(i64(filters // lanes), lambda v: vector(v, lanes))
            if filters % lanes:
                vector(i64(filters // lanes), filters % lanes)

        if not rest or not whole:
            some(rest or step)
        else:
            e.when(tirx.LT(q, i64(whole)), lambda: some(step), lambda: some(rest))
