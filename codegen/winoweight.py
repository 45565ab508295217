"""The gradient of filters of 3 x 3 elements by Winograd's F(4 x 4, 3 x 3), derived.

From y = A [(G g) * (B d)] follows dg = G^T [(A^T dy) * (B d)]: for each place of a tile, the sums over all tiles of the
products of channels of the transformed image with filters of the transformed gradient, and at the end one
transformation for each channel and filter. Threads share images, with sums of their own, which are added up at the end;
where sums are large, they share filters or channels instead.
"""

from __future__ import annotations

from typing import Any

from arignote.codegen.convspec import ConvKernel, Sizes, minimum, threads_for
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import ITEM, Vectors, ceil_div, load_vector, splat, store_vector
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.codegen.winomath import matrices
from arignote.codegen.winotiles import M, Tiles, both, by_rest
from arignote.ir.ops.conv import winograd_sums

VALUES_BYTES = 320 * 1024  # of the transformed tiles of a block, image and gradient: in the second-level cache
SUM_BYTES = 160 * 1024  # of all sums, up to which adding up those of several threads takes less time than it saves


class WinogradWeight(ConvKernel):
    """A function of (image, gradient of the result, gradient of the filters, workspace, batch)."""

    def __init__(self, sizes: Sizes, target: Target) -> None:
        self.s, self.e = sizes, Emitter()
        s, lanes = sizes, target.lanes(ITEM[sizes.dtype])
        self.lanes, registers = lanes, 32 if target.vector_bytes >= 64 else 16
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, s.dtype) for v in ("x", "y", "w", "p")}
        self.x, self.y, self.w, self.p = (Buffer(v + "_b", s.dtype, i64(1)) for v in self.pointers)
        work = 18.0 * s.k * s.c * s.out[0] * s.out[1] * (s.n or 8)
        self.threads = threads_for(work, target)
        a, self.g, b = matrices(M, 3)
        self.size = M + 2
        self.channels, total = ceil_div(s.c, lanes), ceil_div(s.k, lanes)  # in vectors
        self.vectors = min(range(1, min(total, 3) + 1), key=lambda v: (ceil_div(total, v) * v, abs(v - 2)))
        self.groups = ceil_div(total, self.vectors)
        self.width = lanes  # channels of a tile of sums
        while self.vectors * (self.width + 1) + 1 > registers:
            self.width //= 2
        high, self.wide = (ceil_div(v, M) for v in s.out)
        most = max(VALUES_BYTES // (self.size**2 * (self.channels + total) * lanes * ITEM[s.dtype]), 1)
        self.high = high
        if min(s.image[1], s.out[1]) >= lanes:
            self.high = ceil_div(high, ceil_div(high, max(most // self.wide, 1)))
        self.bands = ceil_div(high, self.high)
        self.images = 1 if self.bands > 1 else min(max(most // (self.high * self.wide), 1), s.n or 8)
        tiles, space = (self.images, self.high, self.wide), (s.out[0], s.out[1])
        image, low = (s.image[0], s.image[1]), (s.low[0], s.low[1])
        turned = [list(row) for row in zip(*a, strict=True)]
        self.source = Tiles(self.e, self.x, s.c, image, low, tiles, b, lanes)
        self.result = Tiles(self.e, self.y, s.k, space, (0, 0), tiles, turned, lanes)
        size = self.size**2 * self.groups * self.vectors * self.channels * lanes**2
        self.image_parts = 1
        if size * ITEM[s.dtype] <= SUM_BYTES:
            self.image_parts = min(self.threads, winograd_sums(s.k, s.c) // size)
        self.image_step = size  # between the sums of two parts
        want = ceil_div(self.threads, self.image_parts)
        self.filter_parts = min(want, self.groups)
        self.channel_parts = min(ceil_div(want, self.filter_parts), self.channels)

    def function(self) -> Any:
        e = self.e
        count = floordiv(self.n + i64(self.images - 1), i64(self.images)) if self.images > 1 else self.n
        count = e.bind(mul(count, i64(self.bands)), "blocks")
        parts = self.channel_parts * self.filter_parts

        def span(part: Any, parts: int, count: Any) -> tuple[Any, Any]:
            if parts == 1:
                return ZERO, count
            low, high = (floordiv((part + i64(d)) * count, i64(parts)) for d in (0, 1))
            return e.bind(low, "low"), e.bind(high, "high")

        def memory() -> None:
            self.cells = Vectors(e, self.s.dtype, 3 * self.size, self.lanes)
            self.taps = Vectors(e, self.s.dtype, 9, self.lanes)

        def prologue() -> None:
            self.source.allocate()
            self.result.allocate()
            memory()

        def task(t: Any) -> None:
            t, image = e.bind(floormod(t, i64(parts)), "t"), e.bind(floordiv(t, i64(parts)), "image")
            self.part = mul(image, i64(self.image_step)) if self.image_parts > 1 else ZERO
            channels = span(floormod(t, i64(self.channel_parts)), self.channel_parts, i64(self.channels))
            groups = span(floordiv(t, i64(self.channel_parts)), self.filter_parts, i64(self.groups))
            self.each(groups, channels, self.clear)
            self.blocks(groups, channels, span(image, self.image_parts, count))
            if self.image_parts == 1:
                self.each(groups, channels, self.finish)

        e.tasks(i64(parts * self.image_parts), self.threads, task, prologue)
        if self.image_parts > 1:
            self.part = ZERO

            def end(t: Any) -> None:
                q, c = floordiv(t, i64(self.channels)), floormod(t, i64(self.channels))
                self.finish(e.bind(q, "q"), e.bind(c, "c"))

            e.tasks(i64(self.groups * self.channels), self.threads, end, memory)
        buffers = dict(zip(self.pointers.values(), (self.x, self.y, self.w, self.p), strict=True))
        return private_function([*self.pointers.values(), self.n], buffers, e.stmts)

    def each(self, groups: tuple[Any, Any], channels: tuple[Any, Any], body: Any) -> None:
        """`body(group, vector of channels)` for a part."""
        e = self.e
        e.loop(
            groups[1] - groups[0],
            lambda q: e.loop(channels[1] - channels[0], lambda c: body(q, c), start=channels[0]),
            start=groups[0],
        )

    def sums(self, f: Any, q: Any, c: Any) -> Any:
        """Where the sums of place `f`, group `q` of filters and channel `c` lie in the workspace."""
        row = add(mul(f, i64(self.groups)), q)
        return add(self.part, mul(add(mul(row, i64(self.channels * self.lanes)), c), i64(self.vectors * self.lanes)))

    def clear(self, q: Any, c: Any) -> None:
        """Zero the sums of a group of filters for a vector of channels."""
        e = self.e
        nbytes = self.lanes * self.vectors * self.lanes * ITEM[self.s.dtype]

        def place(f: Any) -> None:
            at = tirx.address_of(tirx.BufferLoad(self.p.var, [self.sums(f, q, mul(c, i64(self.lanes)))]))
            e.add(tirx.Evaluate(tirx.call_extern("handle", "memset", at, tirx.const(0, "int32"), i64(nbytes))))

        e.loop(i64(self.size**2), place)

    def blocks(self, groups: tuple[Any, Any], channels: tuple[Any, Any], blocks: tuple[Any, Any]) -> None:
        """The blocks of tiles from the first to before the last."""
        e = self.e
        total = ceil_div(self.s.k, self.lanes)
        filters = (mul(groups[0], i64(self.vectors)), minimum(mul(groups[1], i64(self.vectors)), i64(total)))
        filters = (filters[0] if filters[0] is ZERO else e.bind(filters[0], "low"), e.bind(filters[1], "high"))

        def block(t: Any) -> None:
            band = e.bind(floormod(t, i64(self.bands)), "band")
            n = e.bind(mul(floordiv(t, i64(self.bands)), i64(self.images)), "n")
            count = i64(1) if self.images == 1 else e.bind(minimum(i64(self.images), self.n - n), "count")
            first = e.bind(mul(band, i64(self.high * M)), "first")

            def image(b: Any) -> None:
                self.source.enter(add(n, b), b, first, *channels)
                self.result.enter(add(n, b), b, first, *filters)

            e.loop(count, image)
            tiles = e.bind(mul(count, i64(self.high * self.wide)), "tiles")
            e.loop(i64(self.size**2), lambda f: self.place(f, groups, channels, tiles))

        first, last = blocks
        e.loop(last if first is ZERO else last - first, block, start=first)

    def place(self, f: Any, groups: tuple[Any, Any], channels: tuple[Any, Any], tiles: Any) -> None:
        """Add the products of `tiles` tiles at place `f` to the sums."""
        e, lanes = self.e, self.lanes
        elements = self.source.values.scalars()
        values = e.bind(mul(f, i64(self.source.step * lanes)), "values")
        results = e.bind(mul(f, i64(self.result.step)), "results")
        low, high = (mul(c, i64(lanes // self.width)) for c in channels)

        def some(q: Any, c: Any, vectors: int) -> None:
            channel = e.bind(mul(c, i64(self.width)), "channel")
            at = e.bind(self.sums(f, q, channel), "at")
            places = [
                [add(at, i64((r * self.vectors + v) * lanes)) for v in range(vectors)] for r in range(self.width)
            ]
            accs = [[Vectors(e, self.s.dtype, 1, lanes) for _ in line] for line in places]
            for line in accs:
                for acc in line:
                    acc.store(acc.zero)
            start = e.bind(add(values, channel), "start")
            from_ = e.bind(add(results, mul(q, i64(self.vectors))), "from")

            def tile(t: Any) -> None:
                y = add(from_, mul(t, i64(self.result.depth)))
                ys = [e.bind(self.result.values.load(add(y, i64(v))), "y") for v in range(vectors)]
                here = add(start, mul(t, i64(self.source.depth * lanes)))
                for r, sums in enumerate(accs):
                    x = e.bind(elements.load(add(here, i64(r))), "x")
                    for acc, y in zip(sums, ys, strict=True):
                        acc.store(acc.load() + splat(x, lanes) * y)

            e.loop(tiles, tile)
            for line, sums in zip(places, accs, strict=True):
                for to, acc in zip(line, sums, strict=True):
                    e.add(store_vector(self.p, to, lanes, load_vector(self.p, to, lanes) + acc.load()))

        def group(q: Any, vectors: int) -> None:
            e.loop(high if low is ZERO else high - low, lambda c: some(q, c, vectors), start=low)

        by_rest(e, *groups, ceil_div(self.s.k, lanes), self.vectors, group)

    def finish(self, q: Any, c: Any) -> None:
        """The sums of a group of filters for a vector of channels, transformed, to the result."""
        e, s, lanes = self.e, self.s, self.lanes
        turned = [list(row) for row in zip(*self.g, strict=True)]
        elements = self.taps.scalars()
        first = e.bind(mul(q, i64(self.vectors)), "first")
        last = e.bind(minimum(first + i64(self.vectors), i64(ceil_div(s.k, lanes))), "last")

        def channel(r: Any, v: Any, filters: int) -> None:
            ch = e.bind(add(mul(c, i64(lanes)), r), "ch")
            at = add(self.sums(ZERO, q, ch), mul(add(v, mul(first, i64(-1))), i64(lanes)))
            at = e.bind(at, "at")
            step = self.groups * self.channels * lanes * self.vectors * lanes

            def load(i: int, j: int) -> Any:
                here = add(at, i64((i * self.size + j) * step))
                x = load_vector(self.p, here, lanes)
                for part in range(1, self.image_parts):
                    x = x + load_vector(self.p, add(here, i64(part * self.image_step)), lanes)
                return x

            for i, row in enumerate(both(e, turned, self.cells, load, lanes)):
                for j, x in enumerate(row):
                    self.taps.store(x, i64(i * 3 + j))

            def filter(u: Any) -> None:
                w = add(mul(add(mul(v, i64(lanes)), u), i64(s.c)), ch)
                w = e.bind(mul(w, i64(9)), "w")
                for t in range(9):
                    x = elements.load(add(u, i64(t * lanes)))
                    e.add(self.w.store(add(w, i64(s.filter_index((0, *divmod(t, 3))))), x))

            e.loop(i64(filters), filter)

        count = e.bind(minimum(i64(lanes), i64(s.c) - mul(c, i64(lanes))), "count")
        by_rest(e, first, last, s.k, lanes, lambda v, filters: e.loop(count, lambda r: channel(r, v, filters)))
