"""Images as vectors of channels, and their tiles transformed: how data enters a Winograd convolution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.codegen.convspec import minimum
from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, i64, mul
from arignote.codegen.microkernels import Vectors, ceil_div, load_vector, transposed
from arignote.codegen.toolchain import tirx
from arignote.codegen.winomath import Matrix, transformed

M = 4  # rows and columns of a tile of results


def both(e: Emitter, matrix: Matrix, cells: Vectors, load: Callable[[int, int], Any], lanes: int) -> list[list[Any]]:
    """matrix . tile . matrix^T of vectors: down the columns into `cells`, then along the rows."""
    n = len(matrix[0])
    for j in range(n):
        column = [e.bind(load(i, j), "x") for i in range(n)]
        for i, x in enumerate(transformed(e, matrix, column, lanes)):
            cells.store(x, i64(i * n + j))
    out = []
    for i in range(len(matrix)):
        row = [e.bind(cells.load(i64(i * n + j)), "x") for j in range(n)]
        out.append(transformed(e, matrix, row, lanes))
    return out


def by_rest(e: Emitter, low: Any, high: Any, total: int, size: int, body: Callable[[Any, int], None]) -> None:
    """`body(vector, elements of it)` for the vectors from `low` to before `high` of `total` elements."""
    whole, rest = divmod(total, size)
    if not rest:
        e.loop(high if low is ZERO else high - low, lambda v: body(v, size), start=low)
        return
    end = e.bind(minimum(high, i64(whole)), "end")
    e.loop(end if low is ZERO else end - low, lambda v: body(v, size), start=low)
    e.when(tirx.LT(i64(whole), high), lambda: body(i64(whole), rest))


class Tiles:
    """The transformed tiles of a block: `images` images, or `high` rows of tiles of one.

    A tile reads as many rows and columns as `matrix` has columns, M apart; the first one begins `top` above and `left`
    beside the image. Around the image are zeros.
    """

    def __init__(
        self, e: Emitter, source: Buffer, channels: int, space: tuple[int, int], low: tuple[int, int],
        tiles: tuple[int, int, int], matrix: Matrix, lanes: int,
    ) -> None:  # fmt: skip
        self.e, self.source, self.channels, self.lanes, self.matrix = e, source, channels, lanes, matrix
        (self.rows, self.cols), (self.top, self.left) = space, low
        self.images, self.high, self.wide = tiles
        self.size = len(matrix)
        self.depth = ceil_div(channels, lanes)
        beyond = len(matrix[0]) - M
        self.pitch, self.lines = M * self.wide + beyond, M * self.high + beyond
        # Vectors of a place among the tiles: odd, to lie in different sets of a cache.
        self.step = (self.images * self.high * self.wide * self.depth) | 1

    def allocate(self) -> None:
        """Memory of zeros: the padding, and tiles that do not exist."""
        e, dtype = self.e, self.source.dtype
        counts = (self.lines * self.pitch * self.depth, self.size**2 * self.step)
        self.image, self.values = (Vectors(e, dtype, n, self.lanes) for n in counts)
        self.cells = Vectors(e, dtype, self.size * len(self.matrix[0]), self.lanes)
        for memory, n in zip((self.image, self.values), counts, strict=True):
            e.loop(i64(n), lambda i, memory=memory: memory.store(memory.zero, i))  # type: ignore[misc]

    def enter(self, n: Any, b: Any, first: Any, low: Any, high: Any) -> None:
        """Vectors `low` to `high` of the channels of image `n` of the batch, `b` of the block, from row `first` of the
        results on."""
        e, plane = self.e, self.rows * self.cols

        def some(c: Any, count: int) -> None:
            base = mul(add(mul(n, i64(self.channels)), mul(c, i64(self.lanes))), i64(plane))
            base = e.bind(base, "base")
            if self.cols >= self.lanes:
                e.loop(i64(self.lines), lambda i: self.line(base, c, count, i, first))
            else:
                e.loop(i64(ceil_div(plane, self.lanes)), lambda q: self.short(base, c, count, q))
            e.loop(i64(self.high), lambda i: e.loop(i64(self.wide), lambda j: self.tile(b, i, j, c)))

        by_rest(e, low, high, self.channels, self.lanes, some)

    def square(self, source: Any, c: Any, channels: int, target: Callable[[int], Any]) -> None:
        """A vector of pixels of some channels, as vectors of channels; `target(t)`: the place of pixel t."""
        e, plane = self.e, self.rows * self.cols
        rows = [load_vector(self.source, add(source, i64(r * plane)), self.lanes) for r in range(channels)]
        bound = [e.bind(x, "x") for x in rows] + [self.image.zero] * (self.lanes - channels)
        for t, x in enumerate(transposed(e, bound)):
            self.image.store(x, add(mul(target(t), i64(self.depth)), c))

    def short(self, base: Any, c: Any, count: int, q: Any) -> None:
        """Pixels of an image with short rows; the last vector takes in pixels of the one before it."""
        e = self.e
        start = e.bind(minimum(mul(q, i64(self.lanes)), i64(self.rows * self.cols - self.lanes)), "start")
        corner = i64(self.top * self.pitch + self.left)

        def place(t: int) -> Any:
            p = add(start, i64(t))
            return e.bind(floordiv(p, i64(self.cols)) * i64(self.pitch - self.cols) + p + corner, "place")

        self.square(add(base, start), c, count, place)

    def line(self, base: Any, c: Any, count: int, i: Any, first: Any) -> None:
        """Row `i` of the padded band."""
        e = self.e
        h = e.bind(add(add(first, i), i64(-self.top)), "h")

        def copy() -> None:
            here = e.bind(add(base, mul(h, i64(self.cols))), "here")
            to = e.bind(add(mul(i, i64(self.pitch)), i64(self.left)), "to")

            def piece(j: Any) -> None:
                self.square(add(here, j), c, count, lambda t: add(to, add(j, i64(t))))

            e.loop(i64(self.cols // self.lanes), lambda q: piece(mul(q, i64(self.lanes))))
            if self.cols % self.lanes:
                piece(i64(self.cols - self.lanes))

        def clear() -> None:
            start = e.bind(add(mul(i, i64(self.pitch * self.depth)), c), "start")
            e.loop(i64(self.pitch), lambda j: self.image.store(self.image.zero, add(start, mul(j, i64(self.depth)))))

        e.when(tirx.And(tirx.GE(h, ZERO), tirx.LT(h, i64(self.rows))), copy, clear)

    def tile(self, b: Any, i: Any, j: Any, c: Any) -> None:
        """Transform a tile."""
        e = self.e
        start = add(mul(add(mul(i, i64(self.pitch)), j), i64(M * self.depth)), c)
        start = e.bind(start, "start")
        number = add(mul(add(mul(b, i64(self.high)), i), i64(self.wide)), j)
        to = e.bind(add(mul(number, i64(self.depth)), c), "to")

        def load(i: int, j: int) -> Any:
            return self.image.load(add(start, i64((i * self.pitch + j) * self.depth)))

        for i_, row in enumerate(both(e, self.matrix, self.cells, load, self.lanes)):
            for j_, x in enumerate(row):
                self.values.store(x, add(to, i64((i_ * self.size + j_) * self.step)))
