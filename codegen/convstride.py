"""Strided convolutions: at every place, elements of the image times vectors of filters.

Places that are strides apart are no run of neighbours in the image, so that vectors of pixels would first have to be
put together. Here vectors are of filters: a tile is P places x V vectors, each step broadcasts what P places read,
where it lies (or in a copy with its padding), onto V vectors of packed filters. Results are transposed in registers on
the way out.
"""

from __future__ import annotations

import itertools
from typing import Any

from arignote.codegen.convpad import Padded
from arignote.codegen.convresult import Results
from arignote.codegen.convspec import ConvKernel, Sizes, minimum
from arignote.codegen.emit import pointer_var
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import ITEM, Vectors, ceil_div, splat
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.codegen.winotiles import by_rest

BAND_BYTES = 128 * 1024  # of a copied band of an image: in the second-level cache
PARALLEL_FLOPS = 2_000_000.0


class ConvStride(ConvKernel):
    """A function of (image, filters, what `results` takes, packed filters, batch): `conv` of one group over at most two
    axes."""

    def __init__(self, sizes: Sizes, target: Target, results: Results) -> None:
        s, self.e, self.results = sizes, results.e, results
        self.s, self.item = s, ITEM[s.dtype]
        self.lanes = target.lanes(self.item)
        registers = 32 if target.vector_bytes >= 64 else 16
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, s.dtype) for v in ("x", "w", "p")}
        self.x, self.w, self.p = (Buffer(v + "_b", s.dtype, i64(1)) for v in self.pointers)
        self.axes = _, self.row, self.col = s.forward()
        self.taps = list(itertools.product(*(range(len(a.taps)) for a in self.axes)))
        self.plane = self.row.count * self.col.count
        work = 2.0 * s.k * s.c * len(self.taps) * self.plane * (s.n or 8)
        self.threads = target.threads if work >= PARALLEL_FLOPS else 1
        total = ceil_div(s.k, self.lanes)
        self.vectors = min(range(1, min(total, 3) + 1), key=lambda v: (ceil_div(total, v) * v, abs(v - 2)))
        self.groups = ceil_div(total, self.vectors)
        self.steps = s.c * len(self.taps)
        most = (registers - 1 - self.vectors) // self.vectors
        self.places = ceil_div(self.col.count, ceil_div(self.col.count, most))
        per = s.c * self.row.step * (self.col.count * self.col.step + len(self.col.taps)) * self.item
        rows = max(min(BAND_BYTES // per, self.row.count), 1)
        rows = ceil_div(self.row.count, ceil_div(self.row.count, rows))
        self.rows = max(rows, ceil_div(self.lanes, self.col.count))  # pixels of a band fill a vector
        self.bands = ceil_div(self.row.count, self.rows)
        self.source = Padded(self.e, self.axes, self.x, self.rows, self.lanes)

    def function(self) -> Any:
        e, s = self.e, self.s
        e.loop(i64(self.groups), self.pack_filters)

        def prologue() -> None:
            self.source.allocate(s.c)
            self.result = Vectors(e, s.dtype, self.rows * self.col.count * self.vectors, self.lanes)

        def task(t: Any) -> None:
            n, band = e.bind(floordiv(t, i64(self.bands)), "n"), e.bind(floormod(t, i64(self.bands)), "band")
            # The last band begins where it is a whole one, and computes some rows once more.
            first = minimum(mul(band, i64(self.rows)), i64(self.row.count - self.rows))
            first = e.bind(first, "first")
            base = e.bind(mul(n, i64(s.c * self.source.volume)), "base")
            if self.source.copied:
                self.source.fill(base, ZERO, i64(s.c), ZERO, first, i64(self.rows))
                base = ZERO
            start = e.bind(add(base, self.source.start(ZERO, first)), "start")

            def group(q: Any) -> None:
                e.loop(i64(self.rows), lambda i: self.line(q, i, start))
                self.leave(n, first, q)

            e.loop(i64(self.groups), group)

        e.tasks(mul(self.n, i64(self.bands)), self.threads, task, prologue)
        buffers = dict(zip(self.pointers.values(), (self.x, self.w, self.p), strict=True))
        return self.results.function(buffers, self.n)

    def pack_filters(self, q: Any) -> None:
        """The vectors of filters of a group, for each channel and element of a filter; zeros where filters are none."""
        e, s, width = self.e, self.s, self.vectors * self.lanes
        count = len(self.taps)
        at = [s.filter_index(tuple(a.taps[t][0] for a, t in zip(self.axes, tap, strict=True))) for tap in self.taps]

        def element(c: Any, r: Any) -> None:
            k = e.bind(add(mul(q, i64(width)), r), "k")
            w = e.bind(mul(add(mul(k, i64(s.c)), c), i64(count)), "w")
            to = add(mul(add(mul(q, i64(s.c)), c), i64(count * width)), r)
            zero = tirx.const(0.0, str(self.w.load(ZERO).ty))

            def write(there: bool) -> None:
                for t, place in enumerate(at):
                    x = self.w.load(add(w, i64(place))) if there else zero
                    e.add(self.p.store(add(to, i64(t * width)), x))

            e.when(tirx.LT(k, i64(s.k)), lambda: write(True), lambda: write(False))

        e.loop(i64(s.c), lambda c: e.loop(i64(width), lambda r: element(c, r)))

    def line(self, q: Any, i: Any, start: Any) -> None:
        """A row of results of a group of filters, as vectors of filters."""
        e, places = self.e, self.places
        start = e.bind(add(start, mul(i, i64(self.row.step * self.source.pitch))), "start")
        to = mul(i, i64(self.col.count))
        whole, rest = divmod(self.col.count, places)
        e.loop(i64(whole), lambda j: self.tile(q, mul(j, i64(places)), places, start, to))
        if rest:
            self.tile(q, i64(whole * places), rest, start, to)

    def tile(self, q: Any, j: Any, places: int, start: Any, to: Any) -> None:
        """The sums for `places` places from column `j` on."""
        e, lanes, width = self.e, self.lanes, self.vectors * self.lanes
        accs = [[Vectors(e, self.s.dtype, 1, lanes) for _ in range(self.vectors)] for _ in range(places)]
        for sums in accs:
            for acc in sums:
                acc.store(acc.zero)
        corner = e.bind(add(start, mul(j, i64(self.col.step))), "corner")
        filters = e.bind(mul(q, i64(self.steps * width)), "filters")

        def channel(c: Any) -> None:
            here = e.bind(add(corner, mul(c, i64(self.source.stride))), "here")
            p = e.bind(add(filters, mul(c, i64(len(self.taps) * width))), "p")
            for t, tap in enumerate(self.taps):
                at = add(p, i64(t * width))
                ys = [
                    e.bind(tirx.BufferLoad(self.p.var, [tirx.Ramp(add(at, i64(v * lanes)), i64(1), lanes)]), "y")
                    for v in range(self.vectors)
                ]
                for r, sums in enumerate(accs):
                    offset = self.source.offset(tap) + r * self.col.step
                    x = e.bind(self.source.buffer.load(add(here, i64(offset))), "x")
                    for acc, y in zip(sums, ys, strict=True):
                        acc.store(acc.load() + splat(x, lanes) * y)

        e.loop(i64(self.s.c), channel)
        for r, sums in enumerate(accs):
            for v, acc in enumerate(sums):
                place = add(to, add(j, i64(r)))
                self.result.store(acc.load(), add(mul(place, i64(self.vectors)), i64(v)))

    def leave(self, n: Any, first: Any, q: Any) -> None:
        """The results of a group of filters, filter by filter."""
        e, s, lanes = self.e, self.s, self.lanes
        pixels = self.rows * self.col.count
        low = e.bind(mul(q, i64(self.vectors)), "low")
        high = e.bind(minimum(low + i64(self.vectors), i64(ceil_div(s.k, lanes))), "high")

        def vector(v: Any, filters: int) -> None:
            k = e.bind(mul(v, i64(lanes)), "k")
            y = mul(add(mul(n, i64(s.k)), k), i64(self.plane))
            y = e.bind(add(y, mul(first, i64(self.col.count))), "y")
            from_ = e.bind(add(v, mul(low, i64(-1))), "from")

            def load(p: Any) -> Any:
                return self.result.load(add(mul(p, i64(self.vectors)), from_))

            self.results.store_turned(y, self.plane, k, filters, i64(pixels), load, lanes)

        by_rest(e, low, high, s.k, lanes, vector)
