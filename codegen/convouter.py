"""The gradient of the filters as outer products: at every pixel, elements of the image times vectors of filters.

The gradient of the result is brought into an order in which the filters of a pixel are neighbours (transposed in
registers, a block of pixels at a time). A tile of the sums is V vectors of filters x W elements of the filter, all in
registers: each pixel adds the product of V vectors and W elements of the image, which are read where they lie (or in a
copy with its padding), whatever the strides. Nothing is added up over lanes, and nothing of the image is copied more
than once. Sums of a part of the channels and filters lie in the workspace until all pixels have been met.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from arignote.codegen.convpad import Padded
from arignote.codegen.convspec import ConvKernel, Sizes, each_block, minimum, threads_for
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import ITEM, Vectors, ceil_div, load_vector, splat, store_vector, transposed
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.types import DTYPES

BLOCK_BYTES = 24 * 1024  # of the transposed gradient that a tile meets: half a first-level cache
IMAGE_BYTES = 128 * 1024  # of copied channels: in the second-level cache


class ConvOuter(ConvKernel):
    """A function of (image, gradient of the result, gradient of the filters, workspace, batch), and of the number of
    channels where these take several tiles: convolutions that differ in that alone are one function (`key`)."""

    def __init__(self, sizes: Sizes, target: Target) -> None:
        self.s, self.e = sizes, Emitter()
        self.item = ITEM[sizes.dtype]
        self.lanes = target.lanes(self.item)
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.axes = self.depth, self.row, self.col = sizes.forward()
        # In the order of the filter's memory, so that sums of neighbours are neighbours.
        taps = itertools.product(*(range(len(a.taps)) for a in self.axes))
        self.taps = sorted(taps, key=lambda t: sizes.filter_index(self.elements(t)))
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, sizes.dtype) for v in ("x", "y", "w", "p")}
        self.x, self.y, self.w, self.p = (Buffer(v + "_b", sizes.dtype, i64(1)) for v in self.pointers)
        self.plane = self.row.count * self.col.count
        self.volume = self.depth.count * self.plane
        work = 2.0 * sizes.k * sizes.c * len(self.taps) * sizes.groups * self.volume * (sizes.n or 8)
        self.threads = threads_for(work, target)
        self.vectors, self.channels, self.cut = self.tile_sizes()
        self.given = [tirx.Var("c", "int64")] if sizes.c > self.channels else []
        self.c = self.given[0] if self.given else i64(sizes.c)
        self.columns = mul(self.c, i64(len(self.taps)))
        self.block_sizes()

    @property
    def arguments(self) -> list[Any]:
        return [i64(self.s.c)] if self.given else []

    @property
    def key(self) -> str:
        c = self.s.c % self.channels if self.given else self.s.c
        parts = self.vectors, self.channels, self.cut, self.channel_parts, self.filter_parts, self.threads
        return f"outer {replace(self.s, c=c)} {bool(self.given)} {parts}"

    def elements(self, tap: tuple[int, ...]) -> tuple[int, int, int]:
        """The element of the filter that a tap is."""
        d, h, w = tap
        return self.depth.taps[d][0], self.row.taps[h][0], self.col.taps[w][0]

    def tile_sizes(self) -> tuple[int, int, int]:
        """(vectors of filters, channels, parts of the taps of a channel) of a tile: what needs the fewest cycles, at
        two products or loads in each and four until a sum can be added to again."""
        total, taps, room = ceil_div(self.s.k, self.lanes), len(self.taps), self.registers - 2

        def cycles(v: int, w: int) -> float:
            return max(v * w / 2, (v + w) / 2, 4.0) + 0.5 if v and w else 0.0

        def cost(option: tuple[int, int, int]) -> float:
            v, q, cut = option
            whole, rest = divmod(self.s.c, q)
            widths = [(q * ceil_div(taps, cut), whole * cut), (rest * taps, 1)]
            return sum(count * ((total // v) * cycles(v, w) + cycles(total % v, w)) for w, count in widths)

        options = [
            (v, q, cut)
            for v in range(1, min(total, 4) + 1)
            for q in range(1, min(self.s.c, 16) + 1)
            for cut in range(1, (taps if q == 1 else 1) + 1)
            if (q * ceil_div(taps, cut) + 1) * v <= room
        ]
        return min(options, key=lambda o: (cost(o), o))

    def block_sizes(self) -> None:
        """Rows and images of a block of pixels, and channels of it that are copied together."""
        width = self.vectors * self.lanes * self.item
        most = max(BLOCK_BYTES // width, self.lanes)
        rows = max(min(most // self.col.count, self.row.count), 1)
        rows = ceil_div(self.row.count, ceil_div(self.row.count, rows))
        self.rows = rows
        self.images = max(most // self.plane, 1) if rows == self.row.count else 1
        if self.s.n is not None:
            self.images = ceil_div(self.s.n, ceil_div(max(self.s.n, 1), self.images))
        self.source = Padded(self.e, self.axes, self.x, rows, self.lanes)
        self.tiles = ceil_div(self.s.k, self.vectors * self.lanes)
        want = ceil_div(self.threads, self.s.groups)
        self.filter_parts = min(want, self.tiles)
        self.channel_parts = min(ceil_div(want, self.filter_parts), ceil_div(self.s.c, self.channels))
        per = self.images * self.source.stride * self.item if self.source.copied else 1
        q, parts = i64(self.channels), i64(self.channel_parts)
        groups = floordiv(floordiv(self.c + q - i64(1), q) + parts - i64(1), parts)
        self.part = mul(groups, q) if self.channel_parts > 1 else self.c
        self.held = self.channels * max(IMAGE_BYTES // (per * self.channels), 1)
        if not self.given:
            self.held = min(self.held, self.channels * ceil_div(self.s.c, self.channels))

    def function(self) -> Any:
        e, s = self.e, self.s
        memory: list[Vectors] = []
        # A panel for each tile of filters of a part.
        panels = ceil_div(self.tiles, self.filter_parts)
        self.pixels = self.images * self.rows * self.col.count

        def prologue() -> None:
            self.source.allocate(self.images * self.held)
            memory[:] = [Vectors(e, s.dtype, panels * self.pixels * self.vectors, self.lanes)]

        def task(t: Any) -> None:
            kp = e.bind(floormod(t, i64(self.filter_parts)), "kp")
            t = e.bind(floordiv(t, i64(self.filter_parts)), "t")
            c0 = e.bind(mul(floormod(t, i64(self.channel_parts)), self.part), "c0")
            g = e.bind(floordiv(t, i64(self.channel_parts)), "g")
            c1 = e.bind(minimum(add(c0, self.part), self.c), "c1")
            t0, t1 = (
                e.bind(floordiv((kp + i64(d)) * i64(self.tiles), i64(self.filter_parts)), "tile") for d in (0, 1)
            )
            self.clear(g, (t0, t1), (c0, c1))
            self.blocks(memory[0], g, (t0, t1), (c0, c1))
            self.finish(g, (t0, t1), (c0, c1))

        e.tasks(i64(s.groups * self.channel_parts * self.filter_parts), self.threads, task, prologue)
        buffers = dict(zip(self.pointers.values(), (self.x, self.y, self.w, self.p), strict=True))
        return private_function([*self.pointers.values(), self.n, *self.given], buffers, e.stmts)

    def sums(self, g: Any, tile: Any, column: Any) -> Any:
        """Where the sums of a tile of filters for a column (channel and tap) lie in the workspace."""
        row = add(mul(g, i64(self.tiles)), tile)
        return mul(add(mul(row, self.columns), column), i64(self.vectors * self.lanes))

    def clear(self, g: Any, tiles: tuple[Any, Any], cs: tuple[Any, Any]) -> None:
        """Zero the sums of a part."""
        e = self.e
        size = i64(len(self.taps) * self.vectors * self.lanes * self.item)

        def one(tile: Any) -> None:
            place = tirx.address_of(tirx.BufferLoad(self.p.var, [self.sums(g, tile, cs[0] * i64(len(self.taps)))]))
            nbytes = (cs[1] - cs[0]) * size
            e.add(tirx.Evaluate(tirx.call_extern("handle", "memset", place, tirx.const(0, "int32"), nbytes)))

        e.loop(tiles[1] - tiles[0], one, start=tiles[0])

    def blocks(self, panel: Vectors, g: Any, tiles: tuple[Any, Any], cs: tuple[Any, Any]) -> None:
        """All blocks of pixels."""
        e, s = self.e, self.s

        def rows(n: Any, count: Any, place: Any, first: Any, height: int) -> None:
            self.turn(panel, g, tiles, (n, count), (place, first), height)

            def channels(q: Any) -> None:
                c = e.bind(add(cs[0], mul(q, i64(self.held))), "c")
                many = e.bind(minimum(i64(self.held), cs[1] - c), "many")
                if self.source.copied:

                    def image(b: Any) -> None:
                        at = add(mul(add(mul(add(n, b), i64(s.groups)), g), self.c), c)
                        base = e.bind(mul(at, i64(self.source.volume)), "base")
                        target = e.bind(mul(mul(b, i64(self.held)), i64(self.source.stride)), "target")
                        self.source.fill(base, target, many, place, first, i64(height))

                    e.loop(count, image)
                self.products(panel, g, tiles, (n, count), (c, many), (place, first), height)

            e.loop(e.bind(floordiv(cs[1] - cs[0] + i64(self.held - 1), i64(self.held)), "q"), channels)

        each_block(e, self.n, self.images, self.axes, self.rows, rows)

    def turn(
        self, panel: Vectors, g: Any, tiles: tuple[Any, Any], ns: tuple[Any, Any], at: tuple[Any, Any], height: int
    ) -> None:
        """The gradient of a block of pixels, as vectors of filters for each."""
        e, s, lanes = self.e, self.s, self.lanes
        pixels = height * self.col.count
        place, first = at
        step = self.vectors * lanes
        elements, zero = panel.scalars(), tirx.const(0.0, DTYPES[s.dtype])

        def vector(b: Any, tile: Any, v: int, filters: int) -> None:
            k = add(mul(tile, i64(step)), i64(v * lanes))
            y = mul(add(mul(add(mul(add(ns[0], b), i64(s.groups)), g), i64(s.k)), k), i64(self.volume))
            y = e.bind(add(add(y, mul(place, i64(self.plane))), mul(first, i64(self.col.count))), "y")
            slot = add(mul(tile - tiles[0], i64(self.pixels)), mul(b, i64(pixels)))
            slot = e.bind(add(mul(slot, i64(self.vectors)), i64(v)), "slot")

            def square(p: Any) -> None:
                lines = [load_vector(self.y, add(add(y, i64(r * self.volume)), p), lanes) for r in range(filters)]
                lines = [e.bind(x, "x") for x in lines] + [panel.zero] * (lanes - filters)
                for t, x in enumerate(transposed(e, lines)):
                    panel.store(x, add(slot, mul(add(p, i64(t)), i64(self.vectors))))

            def single(p: Any) -> None:
                to = mul(add(slot, mul(p, i64(self.vectors))), i64(lanes))
                for r in range(lanes):
                    x = self.y.load(add(add(y, i64(r * self.volume)), p)) if r < filters else zero
                    e.add(elements.store(add(to, i64(r)), x))

            if pixels < lanes or lanes == 1:
                e.loop(i64(pixels), single)
                return
            e.loop(i64(pixels // lanes), lambda q: square(mul(q, i64(lanes))))
            if pixels % lanes:  # the last vector takes in pixels of the one before it
                square(i64(pixels - lanes))

        def tile(b: Any, tile: Any) -> None:
            def some(filters: int) -> None:
                for v in range(self.vectors):
                    vector(b, tile, v, max(min(filters - v * lanes, lanes), 0))

            self.by_filters(tile, some)

        e.loop(ns[1], lambda b: e.loop(tiles[1] - tiles[0], lambda t: tile(b, t), start=tiles[0]))

    def products(
        self, panel: Vectors, g: Any, tiles: tuple[Any, Any], ns: tuple[Any, Any], cs: tuple[Any, Any],
        at: tuple[Any, Any], height: int,
    ) -> None:  # fmt: skip
        """Add a block of pixels to the sums of some channels."""
        e, taps = self.e, len(self.taps)
        size = ceil_div(taps, self.cut)

        def row(tile: Any) -> None:
            whole = e.bind(floordiv(cs[1], i64(self.channels)), "whole")

            def some(c: Any, channels: int) -> None:
                for start in range(0, taps, size):
                    chosen = list(range(start, min(start + size, taps)))
                    self.tile(panel, g, (tiles[0], tile), ns, (cs[0], c, channels), chosen, at, height)

            e.loop(whole, lambda q: some(mul(q, i64(self.channels)), self.channels))
            rest = self.s.c % self.channels
            if rest:
                done = whole * i64(self.channels)
                e.when(tirx.LT(done, cs[1]), lambda: some(done, rest))

        e.loop(tiles[1] - tiles[0], row, start=tiles[0])

    def tile(
        self, panel: Vectors, g: Any, tiles: tuple[Any, Any], ns: tuple[Any, Any], cs: tuple[Any, Any, int],
        taps: list[int], at: tuple[Any, Any], height: int,
    ) -> None:  # fmt: skip
        """One tile: `cs` are (first channel held, channel behind it, number), `taps` those of each channel."""
        e, s, lanes, source = self.e, self.s, self.lanes, self.source
        c0, c, channels = cs
        pixels = height * self.col.count
        column = e.bind(mul(add(c0, c), i64(len(self.taps))), "column")
        p = e.bind(self.sums(g, tiles[1], column), "p")
        columns = [(q, t) for q in range(channels) for t in taps]
        places = [
            [add(p, i64(((q * len(self.taps) + t) * self.vectors + v) * lanes)) for v in range(self.vectors)]
            for q, t in columns
        ]
        accs = [[Vectors(e, s.dtype, 1, lanes) for _ in line] for line in places]
        for sums in accs:
            for acc in sums:
                acc.store(acc.zero)
        offsets = [q * source.stride + source.offset(self.taps[t]) for q, t in columns]

        def image(b: Any) -> None:
            if source.copied:
                base = mul(add(mul(b, i64(self.held)), c), i64(source.stride))
            else:
                channel = add(mul(add(mul(add(ns[0], b), i64(s.groups)), g), self.c), add(c0, c))
                base = mul(channel, i64(source.volume))
            base = e.bind(add(base, source.start(*at)), "base")
            slot = add(mul(tiles[1] - tiles[0], i64(self.pixels)), mul(b, i64(pixels)))
            slot = e.bind(slot, "slot")

            def line(i: Any) -> None:
                start = e.bind(add(base, mul(i, i64(self.row.step * source.pitch))), "start")
                first = e.bind(mul(add(slot, mul(i, i64(self.col.count))), i64(self.vectors)), "first")

                def pixel(j: Any) -> None:
                    here = add(first, mul(j, i64(self.vectors)))
                    ys = [e.bind(panel.load(add(here, i64(v))), "y") for v in range(self.vectors)]
                    from_ = add(start, mul(j, i64(self.col.step)))
                    for offset, sums in zip(offsets, accs, strict=True):
                        x = e.bind(source.buffer.load(add(from_, i64(offset))), "x")
                        for acc, y in zip(sums, ys, strict=True):
                            acc.store(acc.load() + splat(x, lanes) * y)

                e.loop(i64(self.col.count), pixel)

            e.loop(i64(height), line)

        e.loop(ns[1], image)
        for line, sums in zip(places, accs, strict=True):
            for place, acc in zip(line, sums, strict=True):
                e.add(store_vector(self.p, place, lanes, load_vector(self.p, place, lanes) + acc.load()))

    def finish(self, g: Any, tiles: tuple[Any, Any], cs: tuple[Any, Any]) -> None:
        """The sums of a part, filter by filter, to the result."""
        e, s, lanes, taps = self.e, self.s, self.lanes, len(self.taps)
        step = self.vectors * lanes
        first, last = e.bind(cs[0] * i64(taps), "first"), e.bind(cs[1] * i64(taps), "last")

        def vector(tile: Any, v: int, filters: int) -> None:
            k = add(mul(tile, i64(step)), i64(v * lanes))
            w = e.bind(mul(add(mul(g, i64(s.k)), k), self.columns), "w")

            def square(j: Any) -> None:
                p = e.bind(add(self.sums(g, tile, j), i64(v * lanes)), "p")
                lines = [load_vector(self.p, add(p, i64(t * step)), lanes) for t in range(lanes)]
                for r, x in enumerate(transposed(e, [e.bind(x, "x") for x in lines])[:filters]):
                    e.add(store_vector(self.w, add(w, add(j, mul(i64(r), self.columns))), lanes, x))

            def single(j: Any) -> None:
                p = e.bind(add(self.sums(g, tile, j), i64(v * lanes)), "p")
                for r in range(filters):
                    e.add(self.w.store(add(w, add(j, mul(i64(r), self.columns))), self.p.load(add(p, i64(r)))))

            squares = e.bind(floordiv(last - first, i64(lanes)), "squares") if lanes > 1 else ZERO
            if lanes > 1:
                e.loop(squares, lambda q: square(add(first, mul(q, i64(lanes)))))
            done = e.bind(add(first, mul(squares, i64(lanes))), "done")
            e.loop(last - done, single, start=done)

        def one(tile: Any) -> None:
            def some(filters: int) -> None:
                for v in range(ceil_div(filters, lanes)):
                    vector(tile, v, min(filters - v * lanes, lanes))

            self.by_filters(tile, some)

        e.loop(tiles[1] - tiles[0], one, start=tiles[0])

    def by_filters(self, tile: Any, body: Callable[[int], None]) -> None:
        """`body(filters of the tile)`."""
        step = self.vectors * self.lanes
        whole, rest = divmod(self.s.k, step)
        if not rest or not whole:
            body(rest or step)
        else:
            self.e.when(tirx.LT(tile, i64(whole)), lambda: body(step), lambda: body(rest))
