"""An image of which single elements are read: where it lies, or a copy with the zeros around it."""

from __future__ import annotations

from typing import Any

from arignote.codegen.convspec import Axes, copy_run
from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import ZERO, Buffer, add, i64, mul
from arignote.codegen.microkernels import Vectors, ceil_div
from arignote.codegen.toolchain import tirx


class Padded:
    """Some rows of some channels of an image with the zeros around them; the image itself where no tap leaves it."""

    def __init__(self, e: Emitter, axes: Axes, image: Buffer, rows: int, lanes: int) -> None:
        self.e, self.image, self.lanes = e, image, lanes
        self.depth, self.row, self.col = axes
        self.plane = self.row.size * self.col.size
        self.volume = self.depth.size * self.plane
        self.copied = not all(a.inside for a in axes)
        self.buffer, self.base = image, ZERO
        self.left, self.shift, self.pitch = 0, 0, self.col.size
        if self.copied:
            offsets = [f for _, f in self.col.taps]
            self.left = min(offsets)
            self.width = (self.col.count - 1) * self.col.step + 1 + max(offsets) - self.left
            # Whole vectors, in which the first column of the image begins one.
            self.shift = self.left % lanes if self.left < 0 else 0
            self.pitch = ceil_div(self.shift + self.width, lanes) * lanes
            heights = [f for _, f in self.row.taps]
            self.top, self.above = min(heights), max(heights) - min(heights) + 1
            self.lines = (rows - 1) * self.row.step + self.above
        self.stride = self.volume  # of a channel
        if self.copied:
            self.stride = len(self.depth.taps) * self.lines * self.pitch

    def allocate(self, channels: int) -> None:
        """Memory for the copy of so many channels, of all images of a block; what is beside the image stays zero."""
        if self.copied:
            size = channels * self.stride // self.lanes
            copy = Vectors(self.e, self.image.dtype, size, self.lanes)
            self.e.loop(i64(size), lambda i: copy.store(copy.zero, i))
            self.buffer = copy.scalars()

    def offset(self, tap: tuple[int, ...]) -> int:
        """Where a tap finds what the first place of a row reads, from the start of its channel on."""
        d, h, w = tap
        return self.place(d, self.row.taps[h][1], self.col.taps[w][1])

    def place(self, depth: int, row: int, col: int) -> int:
        """The same for a number of a tap in depth, and offsets of a row and a column."""
        if not self.copied:
            return self.depth.taps[depth][1] * self.plane + row * self.pitch + col
        return (depth * self.lines + row - self.top) * self.pitch + col - self.left + self.shift

    def start(self, place: Any, first: Any) -> Any:
        """Where the first row of a block begins in a channel."""
        if self.copied:
            return ZERO
        row = mul(first, i64(self.row.step * self.pitch))
        return add(mul(place, i64(self.depth.step * self.plane)), row)

    def fill(self, base: Any, target: Any, channels: Any, place: Any, first: Any, rows: Any) -> None:
        """Copy what `rows` rows from row `first` on read, of the channels from element `base` of the image on, to
        element `target` and on."""
        e, col = self.e, self.col
        begin = min(max(-self.left, 0), self.width)
        end = max(min(col.size - self.left, self.width), begin)

        def line(at: Any, source: Any, inside: Any) -> None:
            def copy() -> None:
                here = add(source, i64(begin + self.left))
                copy_run(e, self.buffer, add(at, i64(self.shift + begin)), self.image, here, end - begin, self.lanes)

            e.when(inside, copy, lambda: copy_run(e, self.buffer, at, None, ZERO, self.pitch, self.lanes))

        def channel(c: Any) -> None:
            for t, (_, f) in enumerate(self.depth.taps):
                d = e.bind(add(mul(place, i64(self.depth.step)), i64(f)), "d")
                there = tirx.And(tirx.GE(d, ZERO), tirx.LT(d, i64(self.depth.size)))
                plane = e.bind(add(base, add(mul(c, i64(self.volume)), mul(d, i64(self.plane)))), "plane")
                to = e.bind(add(target, add(mul(c, i64(self.stride)), i64(t * self.lines * self.pitch))), "to")

                def row(j: Any, there: Any = there, plane: Any = plane, to: Any = to) -> None:
                    h = e.bind(add(mul(first, i64(self.row.step)), add(j, i64(self.top))), "h")
                    inside = tirx.And(there, tirx.And(tirx.GE(h, ZERO), tirx.LT(h, i64(self.row.size))))
                    line(e.bind(add(to, mul(j, i64(self.pitch))), "at"), add(plane, mul(h, i64(col.size))), inside)

                e.loop(add(mul(add(rows, i64(-1)), i64(self.row.step)), i64(self.above)), row)

        e.loop(channels, channel)
