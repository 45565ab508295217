"""The gradient of the filters: sums over pixels of the result's gradient times what it has met of the image.

A panel holds, for some channels and all elements of the filter, what a block of pixels has read. A tile is R filters x
S rows of the panel, each a sum in the lanes of one vector over all pixels of the block, added up at its end. Blocks
are of some rows of an image, or of several small images; threads share channels, or filters where there are few
channels.
"""

from __future__ import annotations

import itertools
from typing import Any

from arignote.codegen.convspec import (
    ConvKernel,
    Shape,
    Sizes,
    Source,
    copy_run,
    each_block,
    minimum,
    powers,
    threads_for,
)
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import (
    ITEM,
    Vectors,
    ceil_div,
    lanes_of,
    load_vector,
    store_vector,
)
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx

#: Of a panel: sums long enough to repay adding up lanes, and few enough for panels of 5 x 5 elements to stay in the
#: first-level cache: the gradient of LeNet's first filters takes 0.62 of the time that it takes with twice as many.
BLOCK_PIXELS = 512
PANEL_BYTES = 40 * 1024


class ConvWeight(ConvKernel):
    """A function of (image, gradient of the result, gradient of the filters, batch)."""

    def __init__(self, sizes: Sizes, target: Target) -> None:
        self.s, self.e = sizes, Emitter()
        self.item = ITEM[sizes.dtype]
        self.lanes = target.lanes(self.item)
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.axes = self.depth, self.row, self.col = sizes.forward()
        # In the order of the filter's memory, so that sums for neighbours are neighbours.
        taps = itertools.product(*(range(len(a.taps)) for a in self.axes))
        self.taps = sorted(taps, key=lambda t: sizes.filter_index(self.elements(t)))
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, sizes.dtype) for v in ("x", "y", "w")}
        self.x, self.y, self.w = (Buffer(v + "_b", sizes.dtype, i64(1)) for v in self.pointers)
        self.plane = self.row.count * self.col.count
        self.volume = self.depth.count * self.plane
        self.columns = sizes.c * len(self.taps)
        work = 2.0 * sizes.k * self.columns * sizes.groups * self.volume * (sizes.n or 8)
        self.threads = threads_for(work, target)
        rows = max(min(BLOCK_PIXELS // self.col.count, self.row.count), 1)
        blocks = ceil_div(self.row.count, rows)
        self.rows = ceil_div(self.row.count, blocks)
        self.vectors = ceil_div(self.rows * self.col.count, self.lanes)
        per = len(self.taps) * self.vectors * self.lanes * self.item
        most = min(BLOCK_PIXELS // (self.rows * self.col.count), PANEL_BYTES // per)
        self.images = max(most, 1) if blocks == 1 else 1
        per *= self.images
        self.channels = min(max(PANEL_BYTES // per, 1), self.parts()[1])
        self.height, self.width = self._tile()

    def elements(self, tap: tuple[int, ...]) -> tuple[int, int, int]:
        """The element of the filter that a tap is."""
        d, h, w = tap
        return self.depth.taps[d][0], self.row.taps[h][0], self.col.taps[w][0]

    def parts(self) -> tuple[int, int, int, int]:
        """(parts of the channels, channels of a part, parts of the filters, filters of a part)."""
        s = self.s
        want = ceil_div(self.threads, s.groups)
        channels = ceil_div(s.c, min(want, s.c))
        count = ceil_div(s.c, channels)
        filters = ceil_div(s.k, min(ceil_div(want, count), s.k))
        return count, channels, ceil_div(s.k, filters), filters

    def _tile(self) -> tuple[int, int]:
        """Filters and panel rows of a tile: the sizes that need the fewest steps."""
        rows, cols = self.parts()[3], self.channels * len(self.taps)

        def cost(r: int, c: int) -> float:
            total = 0.0
            for a, na in ((r, rows // r), (rows % r, 1)):
                for b, nb in ((c, cols // c), (cols % c, 1)):
                    total += na * nb * max(a * b / 2, (a + b) / 2, 4.0) if a and b else 0.0
            return total

        room = self.registers - 1
        options = [
            (r, c)
            for r in range(1, min(rows, room // 2) + 1)
            for c in range(1, min(cols, 16) + 1)
            if r * c + min(r, c) + 1 <= room
        ]
        return min(options, key=lambda o: (cost(*o), o[0] + o[1]))

    def function(self) -> Any:
        e, s = self.e, self.s
        count, channels, kparts, filters = self.parts()
        self.source = Source(e, self.axes, self.x, self.lanes, self.rows, self.channels)
        panel: list[Vectors] = []

        def prologue() -> None:
            self.source.allocate()
            size = self.channels * len(self.taps) * self.images * self.vectors
            panel[:] = [Vectors(e, s.dtype, size, self.lanes)]
            e.loop(i64(size), lambda i: panel[0].store(panel[0].zero, i))

        def task(t: Any) -> None:
            kp = e.bind(floormod(t, i64(kparts)), "kp")
            t = e.bind(floordiv(t, i64(kparts)), "t")
            c0 = e.bind(floormod(t, i64(count)) * i64(channels), "c0")
            g = e.bind(floordiv(t, i64(count)), "g")
            k0 = e.bind(kp * i64(filters), "k0")
            c1 = e.bind(minimum(c0 + i64(channels), i64(s.c)), "c1")
            k1 = e.bind(minimum(k0 + i64(filters), i64(s.k)), "k1")
            self.zero(g, k0, k1, c0, c1)
            self.blocks(panel[0], g, (k0, k1), (c0, c1))

        e.tasks(i64(s.groups * count * kparts), self.threads, task, prologue)
        buffers = dict(zip(self.pointers.values(), (self.x, self.y, self.w), strict=True))
        return private_function([*self.pointers.values(), self.n], buffers, e.stmts)

    def filter(self, g: Any, k: Any, c: Any) -> Any:
        """Where channel `c` of a filter begins."""
        row = add(mul(g, i64(self.s.k)), k)
        return add(mul(row, i64(self.columns)), mul(c, i64(len(self.taps))))

    def zero(self, g: Any, k0: Any, k1: Any, c0: Any, c1: Any) -> None:
        """Clear a part of the result."""
        e = self.e
        size = i64(len(self.taps) * self.item)

        def one(k: Any) -> None:
            place = tirx.address_of(tirx.BufferLoad(self.w.var, [self.filter(g, k, c0)]))
            nbytes = (c1 - c0) * size
            e.add(tirx.Evaluate(tirx.call_extern("handle", "memset", place, tirx.const(0, "int32"), nbytes)))

        e.loop(k1 - k0, one, start=k0)

    def blocks(self, panel: Vectors, g: Any, ks: tuple[Any, Any], cs: tuple[Any, Any]) -> None:
        """All blocks of pixels, and for each all channels of the part."""
        e = self.e

        def rows(n: Any, count: Any, place: Any, first: Any, height: int) -> None:
            def channels(q: Any) -> None:
                c = e.bind(add(cs[0], mul(q, i64(self.channels))), "c")
                many = e.bind(minimum(i64(self.channels), cs[1] - c), "many")
                self.pack(panel, g, (n, count), (c, many), place, first, height)
                self.tiles(panel, g, ks, (n, count), (c, many), (place, first), height)

            e.loop(e.bind(floordiv(cs[1] - cs[0] + i64(self.channels - 1), i64(self.channels)), "q"), channels)

        each_block(e, self.n, self.images, self.axes, self.rows, rows)

    # -- packing ----------------------------------------------------------------------------------------------------

    def pack(
        self, panel: Vectors, g: Any, ns: tuple[Any, Any], cs: tuple[Any, Any], place: Any, first: Any, height: int
    ) -> None:
        """What `height` rows of pixels have read of some channels of some images; a last vector that is not full has
        its pixels in its last lanes, and zeros before them."""
        e, s, source = self.e, self.s, self.source
        elements = panel.scalars()
        pixels = height * self.col.count
        part = self.vectors * self.lanes
        rest = pixels % self.lanes

        def image(b: Any) -> None:
            at = add(mul(add(ns[0], b), i64(s.groups)), g)
            base = mul(add(mul(at, i64(s.c)), cs[0]), i64(source.volume))
            source.fill(e.bind(base, "base"), cs[1], place, first, i64(height))

            def channel(c: Any) -> None:
                starts = [
                    e.bind(source.channel(c, d, place, first), "start") for d in range(len(self.depth.taps))
                ]
                for t, (d, h, w) in enumerate(self.taps):
                    step = add(mul(c, i64(len(self.taps))), i64(t))
                    target = e.bind(mul(add(mul(step, i64(self.images)), b), i64(part)), "target")

                    def line(i: Any, d: int = d, h: int = h, w: int = w, target: Any = target) -> None:
                        here = add(mul(i, i64(source.pitch)), add(starts[d], i64(source.offset(h, w))))
                        to = add(target, mul(i, i64(self.col.count)))
                        copy_run(e, elements, to, source.buffer, here, self.col.count, self.lanes)

                    e.loop(i64(height), line)
                    if rest:
                        self.align(panel, elements, add(target, i64(pixels - rest)), rest)

            e.loop(cs[1], channel)

        e.loop(ns[1], image)

    def align(self, panel: Vectors, elements: Buffer, at: Any, rest: int) -> None:
        """Move the pixels of a vector that is not full to its end."""
        values = [self.e.bind(elements.load(add(at, i64(i))), "x") for i in range(rest)]
        zero = tirx.const(0.0, str(values[0].ty))
        for i in range(self.lanes):
            j = i - (self.lanes - rest)
            self.e.add(elements.store(add(at, i64(i)), zero if j < 0 else values[j]))

    # -- sums -------------------------------------------------------------------------------------------------------

    def tiles(
        self, panel: Vectors, g: Any, ks: tuple[Any, Any], ns: tuple[Any, Any], cs: tuple[Any, Any],
        at: tuple[Any, Any], height: int,
    ) -> None:  # fmt: skip
        """All tiles of a panel."""
        e = self.e
        pixels = Shape(height, self.col.count).pixels
        rows, cols = e.bind(ks[1] - ks[0], "rows"), e.bind(cs[1] * i64(len(self.taps)), "cols")

        def line(k: Any, r: int) -> None:
            def tile(j: Any, c: int) -> None:
                self.tile(panel, g, (k, r), (j, c), ns, cs[0], at, pixels)

            whole = e.bind(floordiv(cols, i64(self.width)), "whole")
            e.loop(whole, lambda q: tile(mul(q, i64(self.width)), self.width))
            for rest in self.column_rests():
                left = cols - whole * i64(self.width)
                e.when(tirx.EQ(left, i64(rest)), lambda rest=rest: tile(whole * i64(self.width), rest))  # type: ignore[misc]

        whole = e.bind(floordiv(rows, i64(self.height)), "whole")
        e.loop(whole, lambda q: line(add(ks[0], mul(q, i64(self.height))), self.height))
        for rest in self.row_rests():
            left = rows - whole * i64(self.height)
            k = add(ks[0], whole * i64(self.height))
            e.when(tirx.EQ(left, i64(rest)), lambda k=k, rest=rest: line(k, rest))  # type: ignore[misc]

    def row_rests(self) -> list[int]:
        """How many filters may be left of a part behind its tiles; the last part may be shorter."""
        filters = self.parts()[3]
        return sorted({filters % self.height, (self.s.k % filters) % self.height} - {0})

    def column_rests(self) -> list[int]:
        """How many rows may be left of a panel behind its tiles; the last panel of a part may be smaller."""
        channels, taps = self.parts()[1], len(self.taps)
        sizes = {self.channels, channels % self.channels, (self.s.c % channels) % self.channels}
        return sorted({n * taps % self.width for n in sizes} - {0})

    def tile(
        self, panel: Vectors, g: Any, ks: tuple[Any, int], js: tuple[Any, int], ns: tuple[Any, Any], c0: Any,
        at: tuple[Any, Any], pixels: int,
    ) -> None:  # fmt: skip
        """The sums for `ks` (first, number) filters and `js` (first, number) rows of the panel."""
        e, s, lanes = self.e, self.s, self.lanes
        (k, height), (j, width) = ks, js
        place, first = at
        accs = [[self.accumulator() for _ in range(width)] for _ in range(height)]
        full, rest = divmod(pixels, lanes)

        def image(b: Any) -> None:
            plane = mul(add(mul(add(ns[0], b), i64(s.groups)), g), i64(s.k))
            starts = []
            for r in range(height):
                y = mul(add(add(plane, k), i64(r)), i64(self.volume))
                y = add(add(y, mul(place, i64(self.plane))), mul(first, i64(self.col.count)))
                starts.append(e.bind(y, "y"))
            rows = [mul(add(mul(add(j, i64(c)), i64(self.images)), b), i64(self.vectors)) for c in range(width)]
            slots = [e.bind(row, "slot") for row in rows]

            def step(v: Any, back: int) -> None:
                here = add(mul(v, i64(lanes)), i64(-back))
                ys = [e.bind(load_vector(self.y, add(y, here), lanes), "y") for y in starts]
                for c in range(width):
                    x = e.bind(panel.load(add(slots[c], v)), "x")
                    for r in range(height):
                        accs[r][c].store(accs[r][c].load() + ys[r] * x)

            e.loop(i64(full), lambda v: step(v, 0))
            if rest:
                step(i64(full), lanes - rest)

        e.loop(ns[1], image)
        sums = self.added_up([accs[r][c] for r in range(height) for c in range(width)])
        for r in range(height):
            start = add(self.filter(g, add(k, i64(r)), c0), j)
            done = 0
            for w in self.segments(r * width, width):
                at_ = r * width + done
                value = sums[at_ // lanes]
                value = value if w == lanes else lanes_of(value, at_ % lanes, w)
                target = add(start, i64(done))
                e.add(store_vector(self.w, target, w, load_vector(self.w, target, w) + value))
                done += w

    def segments(self, first: int, count: int) -> list[int]:
        """Widths of vectors for `count` sums from number `first` on, none of which crosses a vector of sums."""
        out: list[int] = []
        while count:
            room = min(count, self.lanes - first % self.lanes)
            out.append(powers(room)[0])
            first += out[-1]
            count -= out[-1]
        return out

    def accumulator(self) -> Vectors:
        acc = Vectors(self.e, self.s.dtype, 1, self.lanes)
        acc.store(acc.zero)
        return acc

    def added_up(self, accs: list[Vectors]) -> list[Any]:
        """The sums over the lanes of each accumulator, in the lanes of vectors: halves of pairs are added, then
        quarters of pairs of these, and so on."""
        lanes = self.lanes
        values = [self.named(a.load()) for a in accs]
        values += [accs[0].zero] * (-len(values) % lanes)
        out = []
        for start in range(0, len(values), lanes):
            level = values[start : start + lanes]
            half = lanes // 2
            while half:
                level = [self.named(self.pair(a, b, half)) for a, b in zip(level[::2], level[1::2], strict=True)]
                half //= 2
            out.append(level[0])
        return out

    def pair(self, a: Any, b: Any, half: int) -> Any:
        """The blocks of 2 * half lanes of `a` and `b`, each half added to the other, side by side."""
        lanes = self.lanes
        firsts = [base + i for base in range(0, lanes, 2 * half) for i in range(half)]
        places = firsts + [lanes + f for f in firsts]
        low = tirx.Shuffle([a, b], [tirx.const(i, "int32") for i in places])
        high = tirx.Shuffle([a, b], [tirx.const(i + half, "int32") for i in places])
        return low + high

    def named(self, x: Any) -> Any:
        """A vector that is used twice, computed once."""
        cell = Vectors(self.e, self.s.dtype, 1, self.lanes)
        cell.store(x)
        return cell.load()
