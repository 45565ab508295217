"""Pooling in vectors: windows that are neighbours along the last axis, each in a lane.

Runs of the image are read, as many vectors as windows are strides long. Their elements go to the lanes of their windows
by shuffles, and those of gradients back. Maxima and sums first meet element by element along all other axes. Short rows
of windows that lie one behind the other share a vector.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any

from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import Buffer, add, i64, mul
from arignote.codegen.microkernels import ITEM, ceil_div, load_vector, splat, store_vector
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.types import DTYPES

MOST_PLACES = 36  # of a window whose places are written out for vectors
MOST_STRIDE = 4  # windows further apart would use few elements of the vectors that are read
MOST_VECTORS = 8  # of the image that short rows of windows read together


Tree = tuple[Any, tuple[Any, ...]]  # a vector, and the trees of both halves


@dataclass(frozen=True)
class Row:
    """A row of the image that windows read: where their first one begins, or the block that holds it for several rows
    of windows and its number in a window; whether it is there, or None."""

    at: Any
    number: int = 0
    there: Any = None


class PoolRows:
    """Vectors of windows of `kind` (`max`, `sum`, `pick`, `put` or `spread`). Gradients are stored where windows share
    no element (`apart`), else added to what is there.

    Attributes:
        together: rows of windows in a vector; only where these lie one behind the other, else 1.
    """

    def __init__(
        self, e: Emitter, kind: str, buffers: Sequence[Buffer], target: Target,
        windows: Sequence[tuple[int, int]], space: Sequence[Any], size: Sequence[Any], whole: Sequence[bool],
        apart: bool,
    ) -> None:  # fmt: skip
        self.e, self.kind, self.apart = e, kind, apart
        *self.inputs, self.out = buffers
        self.dtype = self.out.dtype
        self.window, self.stride = windows[-1]
        self.lanes = target.lanes(ITEM[self.dtype])
        self.reach = ceil_div(self.window, self.stride)  # strides that a window takes
        self.together = 1
        if len(windows) == 1 or not (whole[-1] and whole[-2] and isinstance(space[-2], int)):
            return
        self.down, self.step = windows[-2]
        self.pitch, count = space[-1], size[-1]
        most = min(self.lanes // count, size[-2], space[-2] // self.step)
        exact = self.pitch == count * self.stride and (self.down, self.window) == (self.step, self.stride)
        fits = (
            self.pitch >= (count + self.reach - 1) * self.stride
            and most * self.step * self.pitch <= MOST_VECTORS * self.lanes
            and (exact or kind not in ("put", "spread"))
            and self.down <= self.step
        )
        if most > 1 and fits:
            self.together = 1 << (most.bit_length() - 1)

    @staticmethod
    def applies(dtype: str, windows: Sequence[tuple[int, int]], target: Target) -> bool:
        """Whether windows (size, stride of each axis) are worth vectors."""
        fits = prod(w for w, _ in windows) <= MOST_PLACES and windows[-1][1] <= MOST_STRIDE
        return dtype in ITEM and target.lanes(4) > 1 and fits

    def row(self, rows: Sequence[Row], first: int, count: int, result: Any) -> None:
        """`count` windows from number `first` on of one row; `rows` begin at window 0, as `result` does."""
        whole, rest = divmod(count, self.lanes)

        def some(o: Any, width: int) -> None:
            o = add(o, i64(first))
            here = [Row(add(r.at, mul(o, i64(self.stride))), 0, r.there) for r in rows]
            self.vector(here, add(result, o), width, 1)

        self.e.loop(i64(whole), lambda q: some(mul(q, i64(self.lanes)), self.lanes))
        if rest:
            some(i64(whole * self.lanes), rest)

    def block(self, starts: Sequence[Any], count: int, result: Any) -> None:
        """`together` rows of `count` windows each, which read the blocks of the image that begin at `starts`."""
        self.vector([Row(at, p) for at in starts for p in range(self.down)], result, count, self.together)

    # -- one vector -------------------------------------------------------------------------------------------------

    def vector(self, rows: Sequence[Row], result: Any, width: int, together: int) -> None:
        """The windows of `together` rows of `width`, of which `rows` are what they read."""
        self.width, self.count = width, width * together
        self.blocks: dict[tuple[int, Any], Any] = {}
        if self.kind in ("max", "sum"):
            merge = self._larger if self.kind == "max" else self._sum
            runs = [reduce(merge, [self._run(0, r, t) for r in rows]) for t in range(self.reach)]
            places = [self._lane(runs[p // self.stride], p % self.stride) for p in range(self.window)]
            self.e.add(store_vector(self.out, result, self.count, reduce(merge, places)))
        elif self.kind == "spread":
            y = self.e.bind(load_vector(self.inputs[0], result, self.count), "y")
            masks = [None if r.there is None else tirx.Broadcast(r.there, self.count) for r in rows]
            ys = [y if m is None else self.e.bind(tirx.Select(m, y, self._zero(self.count)), "y") for m in masks]
            self._write(rows, [[x] * self.window for x in ys])
        elif self.kind == "pick":
            best = None
            for pair in zip(self._places(0, rows), self._places(1, rows), strict=True):
                best = pair if best is None else self._first(best, pair)
            assert best is not None
            self.e.add(store_vector(self.out, result, self.count, best[1]))
        else:
            v = self.e.bind(load_vector(self.inputs[1], result, self.count), "v")
            kept = self._shares(self._halved(self._places(0, rows)), v)
            self._write(rows, [kept[i : i + self.window] for i in range(0, len(kept), self.window)])

    def _larger(self, a: Any, b: Any) -> Any:
        """The larger elements; no number where either is none."""
        is_number = tirx.LE(b, tirx.const(float("inf"), str(b.ty)))
        return self.e.bind(tirx.Select(is_number, tirx.Select(tirx.GT(b, a), b, a), b), "larger")

    @staticmethod
    def _chosen(a: Any, b: Any, first: Any, second: Any) -> Any:
        """`first`, but `second` where b is larger than a, or no number and a is one."""
        is_number = tirx.LE(a, tirx.const(float("inf"), str(a.ty)))
        return tirx.Select(tirx.LE(b, a), first, tirx.Select(is_number, second, first))

    def _first(self, x: tuple[Any, Any], y: tuple[Any, Any]) -> tuple[Any, Any]:
        """The pair whose first element is larger."""
        best, value = (self.e.bind(self._chosen(x[0], y[0], u, v), "best") for u, v in zip(x, y, strict=True))
        return best, value

    def _halved(self, xs: Sequence[Any]) -> Tree:
        """The largest elements of vectors, those of both halves, and so on."""
        if len(xs) == 1:
            return xs[0], ()
        middle = (len(xs) + 1) // 2
        halves = a, b = self._halved(xs[:middle]), self._halved(xs[middle:])
        return self.e.bind(self._chosen(a[0], b[0], a[0], b[0]), "best"), halves

    def _shares(self, tree: Tree, v: Any) -> list[Any]:
        """For each vector `v` where its element is the first of the largest, else 0."""
        if not tree[1]:
            return [v]
        (a, _), (b, _) = tree[1]
        zero = self._zero(self.count)
        shares = self._chosen(a, b, v, zero), self._chosen(a, b, zero, v)
        parts = [self._shares(half, self.e.bind(x, "share")) for half, x in zip(tree[1], shares, strict=True)]
        return [*parts[0], *parts[1]]

    def _sum(self, a: Any, b: Any) -> Any:
        return self.e.bind(a + b, "sum")

    def _zero(self, count: int) -> Any:
        return splat(tirx.const(0.0, DTYPES[self.dtype]), count)

    # -- runs of the image ------------------------------------------------------------------------------------------

    def _places(self, source: int, rows: Sequence[Row]) -> list[Any]:
        """The elements of all windows for each of their places."""
        out = []
        for row in rows:
            runs = [self._run(source, row, t) for t in range(self.reach)]
            out += [self._lane(runs[p // self.stride], p % self.stride) for p in range(self.window)]
        return out

    def _run(self, source: int, row: Row, t: int) -> Any:
        """What windows read of a row of an operand, moved on by `t` strides: a run for each row of windows."""
        e, length, buffer = self.e, self.width * self.stride, self.inputs[source]
        if self.count == self.width:
            x = e.bind(load_vector(buffer, add(row.at, i64(t * self.stride)), length), "run")
            if row.there is None:
                return x
            return e.bind(tirx.Select(tirx.Broadcast(row.there, length), x, self._zero(length)), "run")
        key, rows = (source, row.at), self.count // self.width
        if key not in self.blocks:
            self.blocks[key] = e.bind(load_vector(buffer, row.at, rows * self.step * self.pitch), "block")
        starts = [r * self.pitch + t * self.stride for r in range(row.number, rows * self.step, self.step)]
        return self._shuffled([self.blocks[key]], [start + j for start in starts for j in range(length)])

    def _lane(self, run: Any, place: int) -> Any:
        """Each window's element of runs."""
        return self._shuffled([run], range(place, self.count * self.stride, self.stride)) if self.stride > 1 else run

    def _write(self, rows: Sequence[Row], vectors: Sequence[Sequence[Any]]) -> None:
        """For each row the vectors of the places of windows, and zeros between windows, to the result."""
        by, length = self.stride, self.width * self.stride
        gaps = [self._zero(self.count)] * (self.reach * by - self.window)
        turns = list(itertools.product(range(self.width), range(by)))
        if self.count == self.width:
            for row, xs in zip(rows, vectors, strict=True):
                for t in range(self.reach):
                    at = add(row.at, i64(t * by))
                    x = self._shuffled([*xs, *gaps][t * by : (t + 1) * by], [r * self.count + o for o, r in turns])
                    x = x if self.apart else x + load_vector(self.out, at, length)
                    self.e.add(store_vector(self.out, at, length, x))
            return
        for first in range(0, len(rows), self.down):
            parts = [x for xs in vectors[first : first + self.down] for x in xs]
            lines = itertools.product(range(self.count // self.width), range(self.down))
            order = [(p * by + r) * self.count + i * self.width + o for i, p in lines for o, r in turns]
            self.e.add(store_vector(self.out, rows[first].at, len(order), self._shuffled(parts, order)))

    def _shuffled(self, vectors: Sequence[Any], order: Sequence[int]) -> Any:
        return self.e.bind(tirx.Shuffle(list(vectors), [tirx.const(i, "int32") for i in order]), "x")
