"""Convolutions with filters of 3 x 3 elements and their image gradients by Winograd's F(m x m, 3 x 3).

A tile of m x m results is a product, channel by channel, of a transformed tile of the source, (m + 2) x (m + 2), with
the transformed filter; for each of the (m + 2)**2 places, sums over the channels of many tiles are a product of
matrices. Inside, channels are neighbours: images are transposed in registers on the way in and out, a block of tiles at
a time, and all transformations are sums of whole vectors. `winomath` has the mathematics. With m = 4 there are 4 times
fewer multiplications, and the rounding error is about ten times that of direct summation: 1e-5 in f32, of the
largest result.
"""

from __future__ import annotations

from typing import Any

from arignote.codegen.convspec import Sizes, minimum
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import ITEM, Vectors, ceil_div, load_vector, splat, store_vector, transposed
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.codegen.winomath import matrices, transformed

VALUES_BYTES = 160 * 1024  # of the transformed tiles of a block: they stay in the second-level cache
PARALLEL_FLOPS = 2_000_000.0
M = 4


class Winograd:
    """A function of (source, filters, result, transformed filters, batch): `conv`, or `conv_data` if `back`."""

    def __init__(self, sizes: Sizes, target: Target, back: bool) -> None:
        self.s, self.back, self.e = sizes, back, Emitter()
        self.lanes = target.lanes(ITEM[sizes.dtype])
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, sizes.dtype) for v in ("x", "w", "y", "p")}
        self.x, self.w, self.y, self.p = (Buffer(v + "_b", sizes.dtype, i64(1)) for v in self.pointers)
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
        self.threads = target.threads if work >= PARALLEL_FLOPS else 1
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
        self.width = ceil_div(self.tiles, ceil_div(self.tiles, widest))
        # Vectors of a place, among the transformed tiles and the products: odd, to lie in different sets of a cache.
        self.value_step = (self.tiles * self.depth) | 1
        self.product_step = (self.tiles * self.vectors) | 1
        self.pitch = M * self.wide + 2
        self.lines = M * self.high + 2

    def function(self) -> Any:
        e, s = self.e, self.s
        self.filters_ready()
        memory: dict[str, Vectors] = {}

        def prologue() -> None:
            counts = {
                "image": self.lines * self.pitch * self.depth,
                "values": self.size**2 * self.value_step,
                "products": self.size**2 * self.product_step,
                "result": (M * self.high * self.out_cols + self.size) * self.vectors,
                "cells": self.size**2,
            }
            for name, count in counts.items():
                memory[name] = Vectors(e, s.dtype, count, self.lanes)
            for name in ("image", "values"):  # the padding; tiles that do not exist
                place = memory[name]
                e.loop(i64(counts[name]), lambda i, place=place: place.store(place.zero, i))  # type: ignore[misc]
            self.image, self.values, self.products, self.result, self.cells = memory.values()

        def task(t: Any) -> None:
            band = e.bind(floormod(t, i64(self.bands)), "band")
            n = e.bind(mul(floordiv(t, i64(self.bands)), i64(self.images)), "n")
            count = i64(1) if self.images == 1 else e.bind(minimum(i64(self.images), self.n - n), "count")
            first = e.bind(mul(band, i64(self.high * M)), "first")  # row of the result
            e.loop(count, lambda b: self.enter(add(n, b), b, first))
            rows = e.bind(minimum(i64(self.high * M), i64(self.out_rows) - first), "rows")

            def group(q: Any) -> None:
                self.multiply(q)
                e.loop(count, lambda b: self.leave(add(n, b), b, first, rows, q))

            e.loop(i64(self.groups), group)

        blocks = floordiv(self.n + i64(self.images - 1), i64(self.images)) if self.images > 1 else self.n
        e.tasks(blocks * i64(self.bands) if self.bands > 1 else blocks, self.threads, task, prologue)
        buffers = dict(zip(self.pointers.values(), (self.x, self.w, self.y, self.p), strict=True))
        return private_function([*self.pointers.values(), self.n], buffers, e.stmts)

    # -- filters ----------------------------------------------------------------------------------------------------

    def filters_ready(self) -> None:
        """Transform all filters: for each group, each place, each channel its vectors of filters."""
        e, s, lanes = self.e, self.s, self.lanes

        def vector(q: Any, v: Any, c: Any, count: int, cells: Vectors, taps: Vectors) -> None:
            first = add(mul(q, i64(self.vectors * lanes)), mul(v, i64(lanes)))
            elements, places = taps.scalars(), []
            for t in range(9):
                i, j = divmod(t, 3)
                at = s.filter_index((0, 2 - i, 2 - j) if self.back else (0, i, j))
                places.append((t * lanes, at))

            def gather(r: Any) -> None:
                m = add(first, r)
                k, ch = (c, m) if self.back else (m, c)
                start = e.bind(mul(add(mul(k, i64(s.c)), ch), i64(9)), "start")
                for to, at in places:
                    e.add(elements.store(add(r, i64(to)), self.w.load(add(start, i64(at)))))

            e.loop(i64(count), gather)
            for j in range(3):
                column = [e.bind(taps.load(i64(i * 3 + j)), "x") for i in range(3)]
                for i, x in enumerate(transformed(e, self.g, column, lanes)):
                    cells.store(x, i64(i * 3 + j))
            for i in range(self.size):
                row = [e.bind(cells.load(i64(i * 3 + j)), "x") for j in range(3)]
                for j, x in enumerate(transformed(e, self.g, row, lanes)):
                    place = add(mul(q, i64(self.size**2)), i64(i * self.size + j))
                    at = mul(add(mul(place, i64(self.channels)), c), i64(self.vectors * lanes))
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

    # -- a block ----------------------------------------------------------------------------------------------------

    def enter(self, n: Any, b: Any, first: Any) -> None:
        """Image `n` as vectors of channels, with its padding, and its tiles transformed."""
        e, lanes = self.e, self.lanes
        plane = self.rows * self.cols

        def square(source: Any, c: Any, channels: int, target: Any) -> None:
            """`target(t)`: the place of pixel t."""
            lines = [load_vector(self.x, add(source, i64(r * plane)), lanes) for r in range(channels)]
            bound = [e.bind(x, "x") for x in lines] + [self.image.zero] * (lanes - channels)
            for t, x in enumerate(transposed(e, bound)):
                self.image.store(x, add(mul(target(t), i64(self.depth)), c))

        def channels(c: Any, count: int) -> None:
            base = mul(add(mul(n, i64(self.channels)), mul(c, i64(lanes))), i64(plane))
            base = e.bind(base, "base")
            if self.cols >= lanes:
                e.loop(i64(self.lines), lambda i: self.line(i, first, lambda h: rows(base, c, count, i, h), c))
                return
            e.loop(i64(ceil_div(plane, lanes)), lambda q: short(base, c, count, q))

        def short(base: Any, c: Any, count: int, q: Any) -> None:
            """Pixels of an image with short rows; the last vector takes in pixels of the one before it."""
            start = e.bind(minimum(mul(q, i64(lanes)), i64(plane - lanes)), "start")
            corner = i64(self.top * self.pitch + self.left)

            def place(t: int) -> Any:
                p = add(start, i64(t))
                return e.bind(floordiv(p, i64(self.cols)) * i64(self.pitch - self.cols) + p + corner, "place")

            square(add(base, start), c, count, place)

        def rows(base: Any, c: Any, count: int, i: Any, h: Any) -> None:
            here = e.bind(add(base, mul(h, i64(self.cols))), "here")
            to = e.bind(add(mul(i, i64(self.pitch)), i64(self.left)), "to")

            def piece(j: Any) -> None:
                square(add(here, j), c, count, lambda t: add(to, add(j, i64(t))))

            e.loop(i64(self.cols // lanes), lambda q: piece(mul(q, i64(lanes))))
            if self.cols % lanes:
                piece(i64(self.cols - lanes))

        whole, rest = divmod(self.channels, lanes)
        e.loop(i64(whole), lambda c: channels(c, lanes))
        if rest:
            channels(i64(whole), rest)

        def tile(i: Any, j: Any, c: Any) -> None:
            start = add(mul(add(mul(i, i64(self.pitch)), j), i64(M * self.depth)), c)
            start = e.bind(start, "start")
            number = add(mul(add(mul(b, i64(self.high)), i), i64(self.wide)), j)
            to = e.bind(add(mul(number, i64(self.depth)), c), "to")

            def load(i: int, j: int) -> Any:
                return self.image.load(add(start, i64((i * self.pitch + j) * self.depth)))

            def store(i: int, j: int, x: Any) -> None:
                self.values.store(x, add(to, i64((i * self.size + j) * self.value_step)))

            self.both(self.b, load, store)

        def line(i: Any) -> None:
            e.loop(i64(self.wide), lambda j: e.loop(i64(self.depth), lambda c: tile(i, j, c)))

        e.loop(i64(self.high), line)

    def line(self, i: Any, first: Any, inside: Any, c: Any) -> None:
        """Row `i` of the padded band: `inside(row of the image)`, or zeros where the image has none."""
        e = self.e
        h = e.bind(add(add(first, i), i64(-self.top)), "h")

        def clear() -> None:
            start = e.bind(add(mul(i, i64(self.pitch * self.depth)), c), "start")
            e.loop(i64(self.pitch), lambda j: self.image.store(self.image.zero, add(start, mul(j, i64(self.depth)))))

        e.when(tirx.And(tirx.GE(h, ZERO), tirx.LT(h, i64(self.rows))), lambda: inside(h), clear)

    def both(self, matrix: Any, load: Any, store: Any) -> None:
        """matrix . tile . matrix^T: down the columns, then along the rows."""
        e, lanes, n = self.e, self.lanes, self.size
        for j in range(n):
            column = [e.bind(load(i, j), "x") for i in range(n)]
            for i, x in enumerate(transformed(e, matrix, column, lanes)):
                self.cells.store(x, i64(i * n + j))
        for i in range(len(matrix)):
            row = [e.bind(self.cells.load(i64(i * n + j)), "x") for j in range(n)]
            for j, x in enumerate(transformed(e, matrix, row, lanes)):
                store(i, j, x)

    def multiply(self, q: Any) -> None:
        """The sums over channels, for each place and tile, of group `q` of filters."""
        e, lanes = self.e, self.lanes
        elements = self.values.scalars()
        step = self.vectors * lanes

        def place(f: Any) -> None:
            filters = mul(add(mul(q, i64(self.size**2)), f), i64(self.channels * step))
            filters = e.bind(filters, "filters")
            values = e.bind(mul(f, i64(self.value_step * lanes)), "values")
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

            def store(i: int, j: int, x: Any) -> None:
                self.result.store(x, add(add(to, v), i64((i * self.out_cols + j) * self.vectors)))

            self.both(self.a, load, store)

        # Columns of a tile beyond the last are the first of the next row, which are written after them.
        def line(i: Any) -> None:
            last = i64(self.wide - 1)
            e.loop(
                i64(self.wide), lambda j: e.loop(i64(self.vectors), lambda v: tile(i, e.bind(last - j, "j"), v))
            )

        e.loop(i64(self.high), line)
        pixels = e.bind(mul(rows, i64(self.out_cols)), "pixels")

        def vector(v: Any, filters: int) -> None:
            k = add(mul(q, i64(self.vectors * lanes)), mul(v, i64(lanes)))
            y = mul(add(mul(n, i64(self.filters)), k), i64(plane))
            y = e.bind(add(y, mul(first, i64(self.out_cols))), "y")

            def square(p: Any) -> None:
                lines = [self.result.load(add(mul(add(p, i64(t)), i64(self.vectors)), v)) for t in range(lanes)]
                for r, x in enumerate(transposed(e, [e.bind(x, "x") for x in lines])[:filters]):
                    e.add(store_vector(self.y, add(add(y, p), i64(r * plane)), lanes, x))

            e.loop(floordiv(pixels, i64(lanes)), lambda p: square(mul(p, i64(lanes))))
            short = tirx.NE(floormod(pixels, i64(lanes)), ZERO)
            e.when(short, lambda: square(e.bind(pixels - i64(lanes), "p")))

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
