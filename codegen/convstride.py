"""Strided convolutions and their image gradients: at every place, elements of the source times vectors of filters.

Places that are strides apart are no run of neighbours in the image, so that vectors of pixels would first have to be
put together. Here vectors are of filters: a tile is P places x V vectors, each step broadcasts what P places read,
where it lies (or in a copy with its padding), onto V vectors of packed filters. The gradient of the image is a
convolution for each phase of the strides, with vectors of channels; all phases read one copy, and leave their results
where these lie in the image. Results are transposed in registers on the way out.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from arignote.codegen.convpad import Padded
from arignote.codegen.convresult import Results
from arignote.codegen.convspec import Axes, Axis, ConvKernel, Sizes, minimum, threads_for
from arignote.codegen.emit import pointer_var
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import ITEM, Vectors, ceil_div, splat
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.codegen.winotiles import by_rest

BAND_BYTES = 128 * 1024  # of a copied band of an image: in the second-level cache


@dataclass(frozen=True)
class Phase:
    """Some elements of the filters, with what they make of the result: (element, offset in the source) of each tap."""

    axes: Axes
    start: int  # of its packed filters, in vectors

    @property
    def taps(self) -> list[tuple[tuple[int, int], ...]]:
        return list(itertools.product(*(a.taps for a in self.axes)))


@dataclass(frozen=True)
class Group:
    """Some vectors of filters: the first one, their number, and the first of their packed filters."""

    low: Any
    vectors: int
    start: Any


class ConvStride(ConvKernel):
    """A function of (source, filters, what `results` takes, packed filters, batch): `conv` of one group over at most
    two axes, or `conv_data` if `back`, of filters that no phase of the strides passes by."""

    def __init__(self, sizes: Sizes, target: Target, back: bool, results: Results) -> None:
        s, self.back, self.e, self.results = sizes, back, results.e, results
        self.s, self.item = s, ITEM[s.dtype]
        self.lanes = target.lanes(self.item)
        self.registers = 32 if target.vector_bytes >= 64 else 16
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, s.dtype) for v in ("x", "w", "p")}
        self.x, self.w, self.p = (Buffer(v + "_b", s.dtype, i64(1)) for v in self.pointers)
        self.channels, self.filters = (s.k, s.c) if back else (s.c, s.k)
        phases = s.phases() if back else [s.forward()]
        axes = _, self.row, self.col = [joined(each) for each in zip(*phases, strict=True)]
        self.phases: list[Phase] = []
        for each in phases:
            self.phases.append(Phase(each, sum(len(p.taps) for p in self.phases) * self.channels))
        self.plane = self.row.total * self.col.total
        work = 2.0 * s.k * s.c * (s.n or 8)
        for v in (*s.window, *s.out):
            work *= v
        self.threads = threads_for(work, target)
        self.total = ceil_div(self.filters, self.lanes)
        self.vectors = min(range(1, min(self.total, 4) + 1), key=self.cycles)
        self.rows = self.band()
        self.bands = ceil_div(self.row.count, self.rows)
        self.pixels = self.rows * self.row.by * self.col.total  # of the result
        self.source = Padded(self.e, (axes[0], self.row, self.col), self.x, self.rows, self.lanes)

    def cycles(self, vectors: int) -> tuple[float, int]:
        """Of a row with tiles of so many vectors, at two products or loads in each and four until a sum can be added to
        again. Beyond two vectors LLVM keeps some elements of the source on the stack, at 3 to 5 % of the time; what is
        left of all vectors is code of its own."""
        whole, rest = divmod(self.total, vectors)

        def tiles(v: int) -> float:
            places = self.places(self.col.count, v)
            each = max(v * places / 2, (v + places) / 2, 4.0) + 0.5
            return ceil_div(self.col.count, places) * each * (1.05 if v > 2 else 1.0)

        return (whole * tiles(vectors) + (1.03 * tiles(rest) if rest else 0.0), abs(vectors - 2))

    def places(self, count: int, vectors: int) -> int:
        """Of a tile in a row of `count`."""
        most = (self.registers - 1 - vectors) // vectors
        return ceil_div(count, ceil_div(count, most))

    def band(self) -> int:
        """Rows of places of a band: such that its results, where some rows at its end are none, fill a vector."""
        row, col = self.row, self.col
        per = self.channels * row.step * (col.count * col.step + len(col.taps))
        per = (per + row.by * col.total * self.vectors * self.lanes) * self.item
        rows = max(min(BAND_BYTES // per, row.count), 1)
        rows = ceil_div(row.count, ceil_div(row.count, rows))
        least = ceil_div(self.lanes, col.total) + row.count * row.by - row.total
        return max(rows, ceil_div(least, row.by))

    def function(self) -> Any:
        e = self.e
        self.groups(self.pack_filters)

        def prologue() -> None:
            self.source.allocate(self.channels)
            self.result = Vectors(e, self.s.dtype, self.pixels * self.vectors, self.lanes)

        def task(t: Any) -> None:
            n, band = e.bind(floordiv(t, i64(self.bands)), "n"), e.bind(floormod(t, i64(self.bands)), "band")
            # The last band begins where it is a whole one, and computes some rows once more.
            first = minimum(mul(band, i64(self.rows)), i64(self.row.count - self.rows))
            first = e.bind(first, "first")
            base = e.bind(mul(n, i64(self.channels * self.source.volume)), "base")
            if self.source.copied:
                self.source.fill(base, ZERO, i64(self.channels), ZERO, first, i64(self.rows))
                base = ZERO
            start = e.bind(add(base, self.source.start(ZERO, first)), "start")

            def group(g: Group) -> None:
                for phase in self.phases:
                    self.lines(phase, g, start)
                self.leave(n, first, g)

            self.groups(group)

        e.tasks(mul(self.n, i64(self.bands)), self.threads, task, prologue)
        buffers = dict(zip(self.pointers.values(), (self.x, self.w, self.p), strict=True))
        return self.results.function(buffers, self.n)

    def groups(self, body: Callable[[Group], None]) -> None:
        """`body` for all groups of vectors of filters, of which the last one may have fewer."""
        whole, rest = divmod(self.total, self.vectors)
        size = self.channels * sum(len(p.taps) for p in self.phases) * self.lanes

        def group(q: Any) -> None:
            low = self.e.bind(mul(q, i64(self.vectors)), "low")
            body(Group(low, self.vectors, self.e.bind(mul(low, i64(size)), "filters")))

        self.e.loop(i64(whole), group)
        if rest:
            low = self.total - rest
            body(Group(i64(low), rest, i64(low * size)))

    def pack_filters(self, g: Group) -> None:
        """The vectors of filters of a group, for each channel and element of a filter; zeros where filters are none."""
        e, s, width = self.e, self.s, g.vectors * self.lanes
        window = 1
        for v in s.window:
            window *= v

        def element(c: Any, r: Any) -> None:
            k = e.bind(add(mul(g.low, i64(self.lanes)), r), "k")
            line = add(mul(c, i64(s.c)), k) if self.back else add(mul(k, i64(s.c)), c)
            w = e.bind(mul(line, i64(window)), "w")
            zero = tirx.const(0.0, str(self.w.load(ZERO).ty))

            def write(there: bool) -> None:
                for phase in self.phases:
                    to = add(self.filters_at(phase, g, c), r)
                    for t, tap in enumerate(phase.taps):
                        at = s.filter_index((tap[0][0], tap[1][0], tap[2][0]))
                        x = self.w.load(add(w, i64(at))) if there else zero
                        e.add(self.p.store(add(to, i64(t * width)), x))

            e.when(tirx.LT(k, i64(self.filters)), lambda: write(True), lambda: write(False))

        e.loop(i64(self.channels), lambda c: e.loop(i64(width), lambda r: element(c, r)))

    def filters_at(self, phase: Phase, g: Group, c: Any) -> Any:
        """Where the packed filters of a channel begin."""
        width = g.vectors * self.lanes
        return add(add(g.start, i64(phase.start * width)), mul(c, i64(len(phase.taps) * width)))

    def lines(self, phase: Phase, g: Group, start: Any) -> None:
        """The places of a phase, for a group of filters."""
        e, count = self.e, phase.axes[2].count
        places = self.places(count, g.vectors)
        whole, rest = divmod(count, places)

        def line(i: Any) -> None:
            here = e.bind(add(start, mul(i, i64(self.row.step * self.source.pitch))), "here")
            e.loop(i64(whole), lambda q: self.tile(phase, g, (i, mul(q, i64(places)), places), here))
            if rest:
                self.tile(phase, g, (i, i64(whole * places), rest), here)

        e.loop(i64(self.rows), line)

    def tile(self, phase: Phase, g: Group, at: tuple[Any, Any, int], start: Any) -> None:
        """The sums for places `at`: (row, first column, number)."""
        e, lanes = self.e, self.lanes
        i, j, places = at
        _, row, col = phase.axes
        accs = [[Vectors(e, self.s.dtype, 1, lanes) for _ in range(g.vectors)] for _ in range(places)]
        for sums in accs:
            for acc in sums:
                acc.store(acc.zero)
        corner = e.bind(add(start, mul(j, i64(col.step))), "corner")

        def channel(c: Any) -> None:
            here = e.bind(add(corner, mul(c, i64(self.source.stride))), "here")
            p = e.bind(self.filters_at(phase, g, c), "p")
            for t, ((d, _), (_, h), (_, w)) in enumerate(phase.taps):
                ramps = [tirx.Ramp(add(p, i64((t * g.vectors + v) * lanes)), i64(1), lanes) for v in range(g.vectors)]
                ys = [e.bind(tirx.BufferLoad(self.p.var, [ramp]), "y") for ramp in ramps]
                for r, sums in enumerate(accs):
                    offset = self.source.place(d, h, w) + r * col.step
                    x = e.bind(self.source.buffer.load(add(here, i64(offset))), "x")
                    for acc, y in zip(sums, ys, strict=True):
                        acc.store(acc.load() + splat(x, lanes) * y)

        e.loop(i64(self.channels), channel)
        line = mul(add(mul(i, i64(row.by)), i64(row.first)), i64(col.total))
        to = e.bind(add(add(line, i64(col.first)), mul(j, i64(col.by))), "to")
        for r, sums in enumerate(accs):
            for v, acc in enumerate(sums):
                self.result.store(acc.load(), add(mul(add(to, i64(r * col.by)), i64(g.vectors)), i64(v)))

    def leave(self, n: Any, first: Any, g: Group) -> None:
        """The results of a group of filters, filter by filter."""
        e, row, lanes = self.e, self.row, self.lanes
        begin = mul(first, i64(row.by))
        pixels = mul(minimum(i64(self.rows * row.by), add(i64(row.total), mul(begin, i64(-1)))), i64(self.col.total))
        pixels = i64(self.pixels) if row.by == 1 else e.bind(pixels, "pixels")

        def vector(v: Any, filters: int) -> None:
            k = e.bind(mul(v, i64(lanes)), "k")
            y = mul(add(mul(n, i64(self.filters)), k), i64(self.plane))
            y = e.bind(add(y, mul(begin, i64(self.col.total))), "y")
            from_ = e.bind(add(v, mul(g.low, i64(-1))), "from")

            def load(p: Any) -> Any:
                return self.result.load(add(mul(p, i64(g.vectors)), from_))

            self.results.store_turned(y, self.plane, k, filters, pixels, load, lanes)

        by_rest(e, g.low, add(g.low, i64(g.vectors)), self.filters, lanes, vector)


def joined(axes: Iterable[Axis]) -> Axis:
    """An axis that reads all that the phases of one axis do, for each place of the first one."""
    axes = list(axes)
    a, taps = axes[0], sorted({tap for a in axes for tap in a.taps})
    return Axis(a.size, ceil_div(a.total, a.by), a.total, tuple(taps), a.step, 0, a.by)
