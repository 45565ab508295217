"""Convolutions and their image gradients as register-tiled products: filters times panels of what they meet.

A panel holds, for some channels and all elements of the filter, the pixels that a few rows of the result read: the
columns of "im2col", made when they are needed and small enough for the first-level cache. A tile of the result is R
filters x V vectors of pixels: each step broadcasts R weights onto V vectors of the panel. Filters are read where they
lie, one after the other. The gradient of the image is the same with the filters transposed, once for each phase of the
strides; these are packed in the order in which tiles read them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from arignote.codegen.convresult import Results
from arignote.codegen.convspec import (
    Axes,
    ConvKernel,
    Shape,
    Sizes,
    Source,
    copy_run,
    minimum,
    powers,
    quotient_up,
    threads_for,
)
from arignote.codegen.emit import pointer_var
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, is_const, mul
from arignote.codegen.microkernels import (
    ITEM,
    PANEL_BYTES,
    Vectors,
    ceil_div,
    even_height,
    lanes_of,
    load_vector,
    splat,
)
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx

BAND_BYTES = 256 * 1024  # of a copied band of an image: on the stack, within the second-level cache
FEW = 16  # channels that a function of their own is made for
ROOM = 64  # channels of the source, of which there may be any number up to a multiple of these


class ConvTile(ConvKernel):
    """A function of (source, filters, what `results` takes, packed filters if `back`, batch), and of the number of
    channels of the image where these are many: `conv`, or `conv_data` if `back`. Convolutions that differ in the number
    of channels alone are one function where their tiles and buffers are the same (`key`)."""

    def __init__(self, sizes: Sizes, target: Target, back: bool, results: Results) -> None:
        self.s, self.back, self.e, self.results = sizes, back, results.e, results
        self.item = ITEM[sizes.dtype]
        self.lanes = target.lanes(self.item)
        self.most = 4 if target.vector_bytes >= 64 else 2
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.given = [tirx.Var("c", "int64")] if sizes.c > FEW else []
        channels = self.given[0] if self.given else i64(sizes.c)
        # Rows of the product, and channels of its source.
        self.m, self.c = (channels, i64(sizes.k)) if back else (i64(sizes.k), channels)
        # The channels of the source that there is room for.
        self.room = sizes.k if back else ceil_div(sizes.c, ROOM) * ROOM if self.given else sizes.c
        self.axes = sizes.phases() if back else [sizes.forward()]
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, sizes.dtype) for v in (("x", "w", "p") if back else ("x", "w"))}
        self.x, self.w, *packed = buffers = [Buffer(v + "_b", sizes.dtype, i64(1)) for v in self.pointers]
        self.p = packed[0] if back else self.w
        self.memory = dict(zip(self.pointers.values(), buffers, strict=True))
        work = 2.0 * sizes.k * sizes.c * sizes.groups * (sizes.n or 8)
        for v in (*sizes.window, *sizes.out):
            work *= v
        self.threads = threads_for(work, target)

    @property
    def arguments(self) -> list[Any]:
        return [i64(self.s.c)] if self.given else []

    @property
    def key(self) -> str:
        if not self.given:
            return f"tile {self.s} {self.threads}"
        tiles = [self.tile_sizes(axes) for axes in self.axes]
        return f"tile {replace(self.s, c=0)} {self.threads} {self.room} {tiles}"

    def tile_sizes(self, axes: Axes) -> tuple[int, int, int]:
        """(vectors, height) of a tile of a phase, and the height of the last one."""
        shape = panel_shape(axes[1].count, axes[2].count, self.lanes, self.most)
        vectors = ceil_div(shape.pixels, self.lanes)
        rows = self.s.c if self.back else self.s.k
        height = even_height(rows, max((self.registers - 1 - vectors) // vectors, 1))
        return vectors, height, rows % height

    def function(self) -> Any:
        s = self.s
        plane = 1
        for v in s.image if self.back else s.out:
            plane *= v
        self.plane = plane
        if self.back and not s.is_covered():
            size = self.n * mul(self.m, i64(s.groups * plane * self.item))
            zero = tirx.const(0, "int32")
            self.e.add(tirx.Evaluate(tirx.call_extern("handle", "memset", self.results.y.var.data, zero, size)))
        self.start: Any = ZERO  # of the filters of a phase among the packed ones
        for axes in self.axes:
            self.phase(axes)
        return self.results.function(self.memory, self.n, *self.given)

    # -- one phase --------------------------------------------------------------------------------------------------

    def phase(self, axes: Axes) -> None:
        e, s = self.e, self.s
        depth, row, col = axes
        self.depth, self.row, self.col = axes
        self.taps = list(itertools.product(*(range(len(a.taps)) for a in axes)))
        self.taps.sort(key=lambda tap: s.filter_index(self.elements(tap)))
        self.k = mul(self.c, i64(len(self.taps)))
        shape = panel_shape(row.count, col.count, self.lanes, self.most)
        self.vectors, self.height, self.rest = self.tile_sizes(axes)
        self.pitch = self.vectors  # of a step in the panel, in vectors
        per = len(self.taps) * self.vectors * self.lanes * self.item
        most = min(max(PANEL_BYTES // per, 1), self.room)  # channels in a panel
        self.one_block = is_const(self.c) and most >= self.room
        self.blocks = e.bind(quotient_up(self.c, i64(most)), "blocks")
        self.block = e.bind(quotient_up(self.c, self.blocks), "block")
        if self.back:
            self.pack_filters()
        groups = ceil_div(row.count, shape.rows)
        row_bytes = self.room * len(depth.taps) * col.count * row.step * col.step * self.item
        band = min(max(BAND_BYTES // max(row_bytes * shape.rows, 1), 1), groups)
        images = (s.n or 1) * s.groups * depth.count
        if images < self.threads:
            band = min(band, ceil_div(groups, self.threads))
        bands = ceil_div(groups, band)
        self.source = Source(e, axes, self.x, self.lanes, band * shape.rows, self.room)
        # Rows whose ends would take several narrow vectors are copied by whole ones; the next row overwrites the rest.
        self.beyond = self.source.copied and len(powers(shape.cols % self.lanes)) > 1
        if self.beyond:
            end = (shape.rows - 1) * shape.cols + ceil_div(shape.cols, self.lanes) * self.lanes
            self.pitch = ceil_div(end, self.lanes)
        panel: list[Vectors] = []

        def prologue() -> None:
            self.source.allocate()
            size = most * len(self.taps) * self.pitch
            panel[:] = [Vectors(e, s.dtype, size, self.lanes)]
            e.loop(i64(size), lambda i: panel[0].store(panel[0].zero, i))

        def task(t: Any) -> None:
            b = e.bind(floormod(t, i64(bands)), "b")
            t = e.bind(floordiv(t, i64(bands)), "t")
            place = e.bind(floormod(t, i64(depth.count)), "place")
            ng = e.bind(floordiv(t, i64(depth.count)), "ng")
            g = e.bind(floormod(ng, i64(s.groups)), "g")
            first = e.bind(mul(b, i64(band * shape.rows)), "first")
            rows = e.bind(minimum(i64(band * shape.rows), i64(row.count) - first), "rows")
            self.source.fill(mul(ng, mul(self.c, i64(self.source.volume))), self.c, place, first, rows)
            whole = e.bind(floordiv(rows, i64(shape.rows)), "whole")
            out = mul(ng, mul(self.m, i64(self.plane)))
            area = row.total * col.total
            out = add(out, mul(add(mul(place, i64(depth.by)), i64(depth.first)), i64(area)))
            out = e.bind(out, "out")

            def group(i: Any, kind: int) -> None:
                at = mul(i, i64(shape.rows))

                def columns(j: Any, cols: int) -> None:
                    self.panel(panel[0], Shape(kind, cols), g, out, (place, first, at, j))

                e.loop(i64(col.count // shape.cols), lambda q: columns(mul(q, i64(shape.cols)), shape.cols))
                if col.count % shape.cols:
                    columns(i64(col.count - col.count % shape.cols), col.count % shape.cols)

            e.loop(whole, lambda i: group(i, shape.rows))
            rest = row.count % shape.rows
            if rest:
                e.when(tirx.LT(whole * i64(shape.rows), rows), lambda: group(whole, rest))

        e.tasks(self.n * i64(s.groups * depth.count * bands), self.threads, task, prologue)
        self.start = add(self.start, mul(i64(s.groups), mul(self.m, self.k)))

    def pack_filters(self) -> None:
        """The filters transposed, in the order in which tiles read them: for every tile of rows, for every step, its
        rows."""
        e, s = self.e, self.s
        size = 1
        for v in s.window:
            size *= v

        def tile(g: Any, row: Any, height: int) -> None:
            base = add(mul(add(mul(g, self.m), row), self.k), self.start)

            def channel(c: Any) -> None:
                for t, tap in enumerate(self.taps):
                    at = s.filter_index(self.elements(tap))
                    for r in range(height):
                        m = add(row, i64(r))
                        index = add(mul(add(mul(add(mul(g, i64(s.k)), c), self.m), m), i64(size)), i64(at))
                        step = add(mul(c, i64(len(self.taps))), i64(t))
                        e.add(self.p.store(add(base, add(mul(step, i64(height)), i64(r))), self.w.load(index)))

            e.loop(self.c, channel)

        def group(g: Any) -> None:
            self.tiles(lambda row, height: tile(g, row, height))

        e.loop(i64(s.groups), group)

    def tiles(self, body: Callable[[Any, int], None]) -> None:
        """`body(first row, height)` for all tiles of the product."""
        height = i64(self.height)
        self.e.loop(floordiv(self.m, height), lambda t: body(mul(t, height), self.height))
        if self.rest:
            body(mul(floordiv(self.m, height), height), self.rest)

    def elements(self, tap: tuple[int, ...]) -> tuple[int, int, int]:
        """The element of the filter that a tap is."""
        d, h, w = tap
        return self.depth.taps[d][0], self.row.taps[h][0], self.col.taps[w][0]

    # -- a panel ----------------------------------------------------------------------------------------------------

    def panel(self, panel: Vectors, shape: Shape, g: Any, out: Any, at: tuple[Any, Any, Any, Any]) -> None:
        """Some pixels of all filters; `at`: place in depth, first row of the band, row in the band, column."""
        e = self.e
        used = ceil_div(shape.pixels, self.lanes)
        elements = panel.scalars()

        def block(q: Any) -> None:
            c0 = e.bind(mul(q, self.block), "c0")
            count = self.c if self.one_block else e.bind(minimum(self.block, self.c - c0), "count")
            self.pack(elements, shape, c0, count, at)
            steps = e.bind(mul(count, i64(len(self.taps))), "steps")
            start = mul(c0, i64(len(self.taps)))
            self.tiles(lambda row, height: self.tile(panel, shape, used, (g, out, at), row, height, (start, steps)))

        e.loop(self.blocks, block)

    def pack(self, elements: Buffer, shape: Shape, c0: Any, count: Any, at: tuple[Any, Any, Any, Any]) -> None:
        """What the pixels of a panel read of `count` channels."""
        e, source = self.e, self.source
        place, first, row, col = at
        width = self.pitch * self.lanes

        def channel(c: Any) -> None:
            starts = {
                d: e.bind(source.channel(add(c0, c), d, place, first), "start") for d in range(len(self.depth.taps))
            }

            def line(i: Any) -> None:
                for t, (d, h, w) in enumerate(self.taps):
                    here = add(mul(add(row, i), i64(source.pitch)), add(col, i64(source.offset(h, w))))
                    step = add(mul(c, i64(len(self.taps))), i64(t))
                    target = add(mul(step, i64(width)), mul(i, i64(shape.cols)))
                    start = add(starts[d], here)
                    copy_run(e, elements, target, source.buffer, start, shape.cols, self.lanes, beyond=self.beyond)

            if shape.rows * len(self.taps) <= 40:
                for i in range(shape.rows):
                    line(i64(i))
            else:
                e.loop(i64(shape.rows), line)

        e.loop(count, channel)

    def tile(
        self, panel: Vectors, shape: Shape, used: int, where: tuple[Any, Any, Any], row: Any, height: int,
        steps: tuple[Any, Any],
    ) -> None:  # fmt: skip
        """height x used accumulators over `steps` (the first of the filter, their number)."""
        e, lanes = self.e, self.lanes
        g, out, at = where
        base = add(mul(add(mul(g, self.m), row), self.k), self.start)
        if self.back:
            base = e.bind(add(base, mul(steps[0], i64(height))), "base")
            starts, pitch = [add(base, i64(r)) for r in range(height)], i64(height)
        else:
            base = e.bind(add(base, steps[0]), "base")
            starts, pitch = [e.bind(add(base, mul(i64(r), self.k)), "row") for r in range(height)], i64(1)
        accs = [[self.accumulator() for _ in range(used)] for _ in range(height)]

        def step(kk: Any) -> None:
            ys = [e.bind(panel.load(add(mul(kk, i64(self.pitch)), i64(u))), "y") for u in range(used)]
            for r, line in enumerate(accs):
                x = e.bind(self.p.load(add(starts[r], mul(kk, pitch))), "x")
                for acc, y in zip(line, ys, strict=True):
                    acc.store(acc.load() + splat(x, lanes) * y)

        e.loop(steps[1], step)

        def write(begin: bool, end: bool) -> None:
            def line(r: Any, sums: list[Any]) -> None:
                m = add(row, r)
                plane, channel = add(out, mul(m, i64(self.plane))), add(mul(g, self.m), m)
                for u, x in enumerate(sums):
                    self.write(x, shape, u, (plane, channel), at, (begin, end))

            self.results.each([[acc.load() for acc in sums] for sums in accs], lanes, line)

        first, last = tirx.EQ(steps[0], ZERO), tirx.EQ(steps[0] + steps[1], self.k)
        if self.one_block:
            write(True, True)
            return

        def earlier() -> None:
            if self.results.kernel is None or is_const(self.c):  # of a known number of blocks there are several
                write(True, self.results.kernel is None)
            else:
                e.when(last, lambda: write(True, True), lambda: write(True, False))

        def later() -> None:
            if self.results.kernel is None:
                write(False, True)
            else:
                e.when(last, lambda: write(False, True), lambda: write(False, False))

        e.when(first, earlier, later)

    def accumulator(self) -> Vectors:
        acc = Vectors(self.e, self.s.dtype, 1, self.lanes)
        acc.store(acc.zero)
        return acc

    def write(
        self, sums: Any, shape: Shape, u: int, to: tuple[Any, Any], at: tuple[Any, Any, Any, Any],
        whole: tuple[bool, bool],
    ) -> None:  # fmt: skip
        """Vector `u` of a panel to the results `to` (where the plane begins, channel); `whole`: whether these sums are
        the first, to which nothing is added, and the last, which are complete."""
        row, col = self.row, self.col
        plane, channel = to
        _, first, i0, j0 = at
        start, end = u * self.lanes, min((u + 1) * self.lanes, shape.pixels)
        together = row.by == col.by == 1 and shape.cols == col.total
        while start < end:
            i, j = divmod(start, shape.cols)
            width = powers(end - start if together else min(end - start, shape.cols - j))[0]
            line = add(mul(add(add(first, i0), i64(i)), i64(row.by)), i64(row.first))
            column = add(mul(add(j0, i64(j)), i64(col.by)), i64(col.first))
            place = add(plane, add(mul(line, i64(col.total)), column))
            x = sums if width == self.lanes else lanes_of(sums, start - u * self.lanes, width)
            if not whole[0]:
                x = x + load_vector(self.results.y, place, width, col.by)
            self.results.store(place, channel, width, x, col.by, whole[1])
            start += width


def panel_shape(rows: int, cols: int, lanes: int, most: int) -> Shape:
    """The panel that wastes least: whole rows while these are short, else a part of one row."""
    if cols > most * lanes:
        parts = ceil_div(cols, most * lanes)
        return Shape(1, ceil_div(ceil_div(cols, parts), lanes) * lanes)

    def cost(count: int) -> float:
        vectors = ceil_div(count * cols, lanes)
        rest = rows % count
        total = (rows // count) * (vectors + 0.5)
        return total + (ceil_div(rest * cols, lanes) + 1.5 if rest else 0.0)

    options = [count for count in range(1, rows + 1) if count * cols <= most * lanes]
    return Shape(min(options, key=cost), cols)


