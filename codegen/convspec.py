"""Convolutions of known sizes: their axes, and a band of an image brought into a form in which all reads are runs.

Every pass over a convolution reads places `o * step + offset` of a source, one offset for each element of the filter.
Where that leaves the source, or is no run of neighbours (`step` > 1), a band of rows is copied first: padded, and with
the columns and rows of each residue modulo `step` side by side, so that all that follows reads runs.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, i64, is_const, mul
from arignote.codegen.microkernels import Vectors, ceil_div, load_vector, splat, store_vector
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.types import DTYPES

PARALLEL_FLOPS = 5_000_000.0  # some 20 microseconds of one thread; of fewer, a second one saves less than it costs


@dataclass(frozen=True)
class Axis:
    """An axis: place `o` of `count` reads the source, of `size` elements, at o * step + offset, for every tap (element
    of the filter, offset), and is element first + o * by of `total` in the result."""

    size: int
    count: int
    total: int
    taps: tuple[tuple[int, int], ...]
    step: int = 1
    first: int = 0
    by: int = 1

    @property
    def plain(self) -> bool:
        """Whether place and element are the same thing."""
        return self.taps == ((0, 0),) and self.step == self.by == 1 and self.size == self.count == self.total

    @property
    def inside(self) -> bool:
        """Whether no tap leaves the source."""
        offsets = [f for _, f in self.taps]
        return min(offsets) >= 0 and (self.count - 1) * self.step + max(offsets) < self.size

    def residues(self) -> dict[int, tuple[int, int]]:
        """residue of offsets modulo `step` -> (least shift, largest shift), in units of `step`."""
        out: dict[int, tuple[int, int]] = {}
        for _, f in self.taps:
            shift, residue = divmod(f, self.step)
            low, high = out.get(residue, (shift, shift))
            out[residue] = min(low, shift), max(high, shift)
        return out


UNIT = Axis(1, 1, 1, ((0, 0),))
Axes = tuple[Axis, Axis, Axis]


@dataclass(frozen=True)
class Sizes:
    """A convolution: batch (None: not known), groups, channels and filters of a group, and its spatial sizes."""

    n: int | None
    groups: int
    c: int
    k: int
    image: tuple[int, ...]
    window: tuple[int, ...]
    out: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[int, ...]
    flip: bool
    dtype: str

    @staticmethod
    def of(op: Op) -> Sizes:
        """The sizes of `conv`, `conv_data` or `conv_weight`."""
        a, b, out = op.operands[0], op.operands[1], op.result
        x, w, y = {"conv": (a, b, out), "conv_data": (out, b, a), "conv_weight": (a, out, b)}[op.name]
        groups, n = op.attrs.get("groups", 1), x.shape[0]
        numbers: Any = (w.shape[1], w.shape[0], x.shape[2:], w.shape[2:], y.shape[2:])
        c, k, image, window, size = numbers
        strides, dilation, low = (op.attrs[name] for name in ("strides", "dilation", "low"))
        return Sizes(
            n if isinstance(n, int) else None, groups, c, k // groups, image, window, size, strides, dilation, low,
            bool(op.attrs.get("flip")), out.dtype,
        )  # fmt: skip

    def filter_index(self, taps: tuple[int, ...]) -> int:
        """Where an element of the filter lies in memory."""
        at = 0
        for t, r in zip(taps, (1,) * (3 - len(self.window)) + self.window, strict=True):
            at = at * r + (r - 1 - t if self.flip else t)
        return at

    def forward(self) -> Axes:
        """The axes of the convolution."""
        axes = []
        for s, r, o, by, d, low in self._rows():
            axes.append(Axis(s, o, o, tuple((t, t * d - low) for t in range(r)), step=by))
        return merged(axes)

    def phases(self) -> list[Axes]:
        """The axes of the gradient of the image: a convolution for each phase of the strides; those without a tap are
        left out."""
        per_axis = []
        for s, r, o, by, d, low in self._rows():
            options = []
            for p in range(min(by, s)):
                taps = tuple((t, (p + low - t * d) // by) for t in range(r) if (p + low - t * d) % by == 0)
                if taps:
                    options.append(Axis(o, ceil_div(s - p, by), s, taps, first=p, by=by))
            per_axis.append(options)
        return [merged(list(axes)) for axes in itertools.product(*per_axis)]

    def is_covered(self) -> bool:
        """Whether every phase has a tap, so that no element of the image's gradient is left out."""
        count = 1
        for s, _, _, by, _, _ in self._rows():
            count *= min(by, s)
        return len(self.phases()) == count

    def _rows(self) -> Any:
        return zip(self.image, self.window, self.out, self.strides, self.dilation, self.low, strict=True)


def merged(axes: list[Axis]) -> Axes:
    """Three axes; plain ones are one with the axis behind them where that is plain too."""
    axes = [UNIT] * (3 - len(axes)) + axes
    while axes[2].plain and axes[1].plain and axes[1].size > 1:
        size = axes[1].size * axes[2].size
        axes = [UNIT, axes[0], Axis(size, size, size, ((0, 0),))]
    return axes[0], axes[1], axes[2]


def copy_run(
    e: Emitter, target: Buffer, at: Any, source: Buffer | None, start: Any, count: int, lanes: int, stride: int = 1,
    beyond: bool = False,
) -> None:  # fmt: skip
    """Copy `count` elements, `stride` apart in the source; without a source zeros. With `beyond` whole vectors, of
    which the last one may take in more."""
    count = ceil_div(count, lanes) * lanes if beyond else count
    zero = tirx.const(0.0, DTYPES[target.dtype])

    def piece(u: Any, width: int) -> None:
        if source is None:
            value = splat(zero, width)
        else:
            value = load_vector(source, add(start, mul(u, i64(stride))), width, stride)
        e.add(store_vector(target, add(at, u), width, value))

    whole, rest = divmod(count, lanes)
    if whole <= 4:
        for u in range(whole):
            piece(i64(u * lanes), lanes)
    else:
        e.loop(i64(whole), lambda u: piece(mul(u, i64(lanes)), lanes))
    done = whole * lanes
    for width in powers(rest):
        piece(i64(done), width)
        done += width


def powers(count: int) -> list[int]:
    """`count` as a sum of different powers of two, the largest first: widths of vectors that processors have."""
    return [1 << b for b in reversed(range(count.bit_length())) if count >> b & 1]


def each_block(
    e: Emitter, n: Any, images: int, axes: Axes, rows: int, body: Callable[[Any, Any, Any, Any, int], None]
) -> None:
    """`body(first image, images, place in depth, first row, rows)` for all blocks of pixels of the results of `n`
    images: `rows` rows of one image at a place, or all rows of up to `images` images."""
    depth, row, _ = axes
    whole, rest = divmod(row.count, rows)

    def block(q: Any) -> None:
        first = e.bind(mul(q, i64(images)), "n")
        count = i64(1) if images == 1 else e.bind(minimum(i64(images), n - first), "count")

        def place(d: Any) -> None:
            e.loop(i64(whole), lambda b: body(first, count, d, mul(b, i64(rows)), rows))
            if rest:
                body(first, count, d, i64(whole * rows), rest)

        e.loop(i64(depth.count), place)

    e.loop(e.bind(n if images == 1 else floordiv(n + i64(images - 1), i64(images)), "total"), block)


def threads_for(operations: float, target: Target) -> int:
    """Threads that share so many operations."""
    return target.threads if operations >= PARALLEL_FLOPS else 1


class ConvKernel(ABC):
    """A kernel: a function of pointers, of the number of images and of `arguments`, for sizes `s`."""

    s: Sizes

    @property
    def arguments(self) -> list[Any]:
        """What the function takes behind the number of images."""
        return []

    @property
    def key(self) -> str:
        """Equal for what one function computes."""
        return str(self.s)

    @abstractmethod
    def function(self) -> Any:
        """The code."""


@dataclass(frozen=True)
class Shape:
    """A panel: `rows` rows of `cols` pixels of the result."""

    rows: int
    cols: int

    @property
    def pixels(self) -> int:
        return self.rows * self.cols


class Source:
    """A band of rows of some channels of an image, as it lies or copied."""

    def __init__(self, e: Emitter, axes: Axes, image: Buffer, lanes: int, rows: int, channels: int) -> None:
        self.e, self.image, self.lanes = e, image, lanes
        self.depth, self.row, self.col = axes
        self.rows, self.channels = rows, channels
        self.copied = not (self.col.step == 1 and all(a.inside for a in axes))
        self.plane = self.row.size * self.col.size
        self.volume = self.depth.size * self.plane
        self.columns = self.col.residues()
        self.lines = self.row.residues()
        self.base: Any = ZERO
        if not self.copied:
            self.pitch = self.row.step * self.col.size
            return
        self.starts: dict[int, int] = {}
        at = 0
        for residue, (low, high) in self.columns.items():
            self.starts[residue] = at
            at += self.col.count + high - low
        self.pitch = at
        self.tops: dict[int, int] = {}
        at = 0
        for residue, (low, high) in self.lines.items():
            self.tops[residue] = at
            at += self.rows + high - low
        self.stride = at * self.pitch

    @property
    def size(self) -> int:
        """Elements of the copy."""
        return self.channels * len(self.depth.taps) * self.stride if self.copied else 0

    def allocate(self) -> None:
        """Memory for the copy, where one is made."""
        if self.copied:
            vectors = Vectors(self.e, self.image.dtype, ceil_div(self.size, self.lanes) + 1, self.lanes)
            self.buffer = vectors.scalars()
        else:
            self.buffer = self.image

    def offset(self, row: int, col: int) -> int:
        """Where the tap (number of its row, of its column) finds what place (0, 0) of the band reads of a channel."""
        h, w = self.row.taps[row][1], self.col.taps[col][1]
        if not self.copied:
            return h * self.col.size + w
        (hs, hr), (ws, wr) = divmod(h, self.row.step), divmod(w, self.col.step)
        top = self.tops[hr] + hs - self.lines[hr][0]
        return top * self.pitch + self.starts[wr] + ws - self.columns[wr][0]

    def channel(self, c: Any, tap: int, place: Any, first: Any) -> Any:
        """Where channel `c` lies for a tap of the depth axis at its `place`; the band begins at row `first`."""
        if self.copied:
            return mul(add(mul(c, i64(len(self.depth.taps))), i64(tap)), i64(self.stride))
        d = add(mul(place, i64(self.depth.step)), i64(self.depth.taps[tap][1]))
        at = add(add(self.base, mul(c, i64(self.volume))), mul(d, i64(self.plane)))
        return add(at, mul(first, i64(self.pitch)))

    def fill(self, base: Any, channels: Any, place: Any, first: Any, rows: Any) -> None:
        """Bring `rows` rows from row `first` on, for the channels of the image from element `base` on."""
        self.base = base
        if not self.copied:
            return
        e = self.e

        def channel(c: Any) -> None:
            for tap, (_, f) in enumerate(self.depth.taps):
                d = add(mul(place, i64(self.depth.step)), i64(f))
                source = e.bind(add(add(base, mul(c, i64(self.volume))), mul(d, i64(self.plane))), "source")
                target = e.bind(self.channel(c, tap, place, first), "target")
                there = None if self.depth.inside else tirx.And(tirx.GE(d, ZERO), tirx.LT(d, i64(self.depth.size)))
                for residue, (low, high) in self.lines.items():
                    self._lines(residue, low, high, source, target, there, first, rows)

        e.loop(channels, channel)

    def _lines(
        self, residue: int, low: int, high: int, source: Any, target: Any, there: Any, first: Any, rows: Any
    ) -> None:
        e = self.e

        def line(j: Any) -> None:
            h = e.bind(add(mul(add(add(j, first), i64(low)), i64(self.row.step)), i64(residue)), "h")
            at = e.bind(add(target, mul(add(j, i64(self.tops[residue])), i64(self.pitch))), "at")
            inside = tirx.And(tirx.GE(h, ZERO), tirx.LT(h, i64(self.row.size)))
            inside = inside if there is None else tirx.And(inside, there)
            start = add(source, mul(h, i64(self.col.size)))
            e.when(
                inside,
                lambda: self._columns(at, start),
                lambda: copy_run(e, self.buffer, at, None, ZERO, self.pitch, self.lanes),
            )

        e.loop(add(rows, i64(high - low)), line)

    def _columns(self, at: Any, start: Any) -> None:
        step = self.col.step
        for residue, (low, high) in self.columns.items():
            extent = self.col.count + high - low
            begin = min(max(-low, 0), extent)
            end = max(min(ceil_div(self.col.size - residue, step) - low, extent), begin)
            here = add(at, i64(self.starts[residue]))
            copy_run(self.e, self.buffer, here, None, ZERO, begin, self.lanes)
            place = add(start, i64((begin + low) * step + residue))
            target = add(here, i64(begin))
            copy_run(self.e, self.buffer, target, self.image, place, end - begin, self.lanes, step)
            copy_run(self.e, self.buffer, add(here, i64(end)), None, ZERO, extent - end, self.lanes)


def quotient_up(a: Any, b: Any) -> Any:
    """The quotient of positive sizes, rounded up."""
    if is_const(a) and is_const(b):
        return i64(ceil_div(int(a.value), int(b.value)))
    return floordiv(a + b - i64(1), b)


def minimum(a: Any, b: Any) -> Any:
    """The lesser of two sizes."""
    if is_const(a) and is_const(b):
        return i64(min(int(a.value), int(b.value)))
    return tirx.Select(tirx.LT(a, b), a, b)
