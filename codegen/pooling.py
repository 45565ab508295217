"""Pooling: a loop over windows, in which the places of a window are written out.

Places outside of the image are moved to its edge, where they change no maximum, or left out of sums; along the last
axis only the windows at the ends pay for that. Where windows share no element, gradients are stored and not added.
Windows of known sizes that lie within the image go in vectors (`poolrows`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, i64, is_const, linear_index, mul
from arignote.codegen.poolrows import PoolRows, Row
from arignote.codegen.scalar import K
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.types import DimLike, is_float, prod_dims

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

PARALLEL_SIZE = 65536  # elements below which a second thread costs more than it brings
WIDE = {"f16": "f32"}


class _Pool:
    """A private function of (operands, result, planes, sizes of the image, sizes of the result)."""

    def __init__(self, op: Op, target: Target) -> None:
        self.e, self.kind = Emitter(), op.name.removeprefix("pool_")
        self.window, self.strides, self.low = (op.attrs[a] for a in ("window", "strides", "low"))
        self.dtype, self.threads = op.result.dtype, target.threads
        self.wide = WIDE.get(self.dtype, self.dtype)
        self.space, self.size = spaces(op)
        names = [f"x{i}" for i in range(len(op.operands) - len(op.attrs.get("bound_size", ())))]
        self.pointers = [pointer_var(n, self.dtype) for n in (*names, "o")]
        *self.inputs, self.out = self.buffers = [Buffer(f"{n}_b", self.dtype, i64(1)) for n in (*names, "o")]
        self.planes = tirx.Var("planes", "int64")
        self.variables = [tirx.Var(f"n{i}", "int64") for i in range(2 * len(self.space))]
        pairs = zip((*self.space, *self.size), self.variables, strict=True)
        dims = [i64(d) if isinstance(d, int) else v for d, v in pairs]
        self.s, self.o = dims[: len(self.space)], dims[len(self.space) :]
        self.whole = [self.fits(axis) for axis in range(len(self.space))]
        windows = list(zip(self.window, self.strides, strict=True))
        self.apart = all(self.whole) and all(by >= w for w, by in windows)
        self.rows: PoolRows | None = None
        fixed = is_const(self.s[-1]) and is_const(self.o[-1])
        if fixed and PoolRows.applies(self.dtype, windows, target):
            sizes = self.space, self.size, self.whole, self.apart
            self.rows = PoolRows(self.e, self.kind, self.buffers, target, windows, *sizes)

    def fits(self, axis: int) -> bool:
        """Whether all windows are known to lie within the image."""
        s, o = self.space[axis], self.size[axis]
        if not (isinstance(s, int) and isinstance(o, int)):
            return False
        fits: bool = self.low[axis] == 0 and (o - 1) * self.strides[axis] + self.window[axis] <= s
        return fits

    def build(self) -> Any:
        e = self.e
        pixels = math.prod(self.s[1:], start=self.s[0])
        windows = math.prod(self.o[1:], start=self.o[0])

        def plane(i: Any) -> None:
            image, result = e.bind(mul(i, pixels), "image"), e.bind(mul(i, windows), "result")
            if self.kind in ("put", "spread") and not self.covers():
                e.loop(pixels, lambda j: e.add(self.out.store(add(image, j), K.const(0, self.dtype))))
            self.nest([], image, result)

        def planes(threads: int) -> Callable[[], None]:
            return lambda: e.tasks(self.planes, threads, plane)

        if self.threads == 1:
            planes(1)()
        else:
            e.when(tirx.GT(self.planes * pixels, i64(PARALLEL_SIZE)), planes(self.threads), planes(1))
        buffers = dict(zip(self.pointers, self.buffers, strict=True))
        return private_function([*self.pointers, self.planes, *self.variables], buffers, e.stmts)

    def covers(self) -> bool:
        """Whether the windows are a tiling, so that every element is stored."""
        rows = zip(self.space, self.size, self.window, self.strides, strict=True)
        return self.apart and all(by == w and s == o * w for s, o, w, by in rows)

    def nest(self, at: list[Any], image: Any, result: Any) -> None:
        """The windows whose first numbers are `at`."""
        axis = len(at)
        if axis < len(self.space) - 1:
            done = i64(self.blocks(at, image, result) if axis == len(self.space) - 2 else 0)
            self.e.loop(self.o[axis] - done, lambda o: self.nest([*at, o], image, result), start=done)
            return
        rows = [self.places(a, o, self.whole[a]) for a, o in enumerate(at)]

        def windows(first: Any, count: Any, whole: bool) -> None:
            def one(o: Any) -> None:
                self.one([*rows, self.places(axis, o, whole)], image, add(result, linear_index([*at, o], self.o)))

            self.e.loop(count, one, start=first)

        def within(first: int, last: int) -> None:
            begin = add(result, linear_index([*at, ZERO], self.o))
            done = self.in_vectors(rows, first, last, image, begin)
            windows(i64(done), i64(last - done), True)

        if not is_const(self.s[axis]) or not is_const(self.o[axis]):
            windows(ZERO, self.o[axis], self.whole[axis])
            return
        count, by, w, low = int(self.o[axis].value), self.strides[axis], self.window[axis], self.low[axis]
        first = min(-(-low // by), count)
        last = max(min((int(self.s[axis].value) - w + low) // by + 1, count), first)
        windows(ZERO, i64(first), False)
        within(first, last)
        windows(i64(last), i64(count - last), False)

    def blocks(self, at: list[Any], image: Any, result: Any) -> int:
        """Do rows of windows that go together; their number. `at`: the numbers on all axes but the last two."""
        if self.rows is None or self.rows.together == 1:
            return 0
        pooled, together = self.rows, self.rows.together
        row, by, count = len(at), self.strides[len(at)], int(self.o[-1].value)
        blocks = min(int(self.o[row].value), int(self.s[row].value) // by) // together
        rows = [self.places(a, o, self.whole[a]) for a, o in enumerate(at)]

        def block(q: Any) -> None:
            o = self.e.bind(mul(q, i64(together)), "o")
            starts = [
                self.e.bind(add(image, linear_index([*(i for i, _ in r), mul(o, i64(by)), ZERO], self.s)), "start")
                for r in itertools.product(*rows)
            ]
            pooled.block(starts, count, add(result, linear_index([*at, o, ZERO], self.o)))

        self.e.loop(i64(blocks), block)
        done: int = blocks * together
        return done

    def in_vectors(self, rows: Sequence[list[tuple[Any, Any]]], first: int, last: int, image: Any, result: Any) -> int:
        """Do windows of a row from number `first` on, in vectors, `last` at most; the number of the next one."""
        by, size, low = self.strides[-1], int(self.s[-1].value), self.low[-1]
        if self.rows is None:
            return first
        # What vectors read ends with a stride, be it longer than what a window takes of it.
        last = min(last, (size + low) // by - self.rows.reach + 1)
        if last - first < 2:
            return first
        if (last - first) % self.rows.lanes == 1:  # one alone is no vector
            last -= 1
        taps = []
        for row in itertools.product(*rows):
            there = None
            for _, c in row:
                there = c if there is None else there if c is None else tirx.And(there, c)
            at = linear_index([*(i for i, _ in row), i64(-low)], self.s)
            taps.append(Row(self.e.bind(add(image, at), "row"), 0, there if self.kind in ("sum", "spread") else None))
        self.rows.row(taps, first, last - first, result)
        return last

    def places(self, axis: int, o: Any, whole: bool) -> list[tuple[Any, Any]]:
        """(index, whether it is there or None) of the places of window `o` of an axis."""
        start = add(mul(o, i64(self.strides[axis])), i64(-self.low[axis]))
        out: list[tuple[Any, Any]] = []
        for p in range(self.window[axis]):
            i = add(start, i64(p))
            if whole:
                out.append((i, None))
                continue
            i = self.e.bind(i, "i")
            last = self.s[axis] - i64(1)
            there = tirx.And(tirx.GE(i, ZERO), tirx.LE(i, last))
            out.append((self.e.bind(tirx.Max(tirx.Min(i, last), ZERO), "i"), there))
        return out

    def one(self, rows: Sequence[list[tuple[Any, Any]]], image: Any, result: Any) -> None:
        """One window; `result` is its place among all windows."""
        e = self.e
        taps = []
        for row in itertools.product(*rows):
            checks = [there for _, there in row if there is not None]
            there = None
            for c in checks:
                there = c if there is None else tirx.And(there, c)
            taps.append((add(image, linear_index([i for i, _ in row], self.s)), there))
        if self.kind == "sum":
            self.total(taps, result)
        elif self.kind == "spread":
            self.spread(taps, self.inputs[0].load(result))
        elif self.kind == "put" and self.apart:
            number = self.best([at for at, _ in taps], [K.const(n, "i32") for n in range(len(taps))])[1]
            v = e.bind(self.inputs[1].load(result), "v")
            for n, (at, _) in enumerate(taps):
                e.add(self.out.store(at, tirx.Select(tirx.EQ(number, K.const(n, "i32")), v, K.const(0, self.dtype))))
        else:
            places = [at for at, _ in taps]
            best, where = self.best(places, [] if self.kind == "max" else places)
            if self.kind == "max":
                e.add(self.out.store(result, best))
            elif self.kind == "pick":
                e.add(self.out.store(result, self.inputs[1].load(where)))
            else:
                self.accumulate(where, self.inputs[1].load(result))

    def best(self, places: Sequence[Any], labels: Sequence[Any]) -> tuple[Any, Any]:
        """The largest element at `places`, and the label of its place."""
        e, x = self.e, self.inputs[0]
        best = e.bind(x.load(places[0]), "best")
        where = labels[0] if labels else None
        for n, at in enumerate(places[1:], 1):
            y = e.bind(x.load(at), "y")
            better = tirx.GT(y, best)
            if is_float(self.dtype):  # the first one that is no number is larger than numbers
                none = K.isnan(y)
                better = tirx.Or(better, tirx.And(none, tirx.Not(K.isnan(best))) if labels else none)
            if labels:
                where = e.bind(tirx.Select(better, labels[n], where), "w", chained=True)
            best = e.bind(tirx.Select(better, y, best), "best", chained=True)
        return best, where

    def total(self, taps: Sequence[tuple[Any, Any]], result: Any) -> None:
        """The sum of a window."""
        zero = K.const(0, self.wide)
        acc: Any = None
        for at, there in taps:
            y = K.cast(self.inputs[0].load(at), self.wide)
            y = y if there is None else tirx.Select(there, y, zero)
            acc = y if acc is None else self.e.bind(acc + y, "sum", chained=True)
        self.e.add(self.out.store(result, K.cast(acc, self.dtype)))

    def spread(self, taps: Sequence[tuple[Any, Any]], y: Any) -> None:
        """An element added to the places of its window."""
        e = self.e
        y = e.bind(y, "y")
        for at, there in taps:
            if self.apart:
                e.add(self.out.store(at, y))
            elif there is None:
                self.accumulate(at, y)
            else:
                e.when(there, lambda at=at: self.accumulate(at, y))  # type: ignore[misc]

    def accumulate(self, at: Any, y: Any) -> None:
        """Add `y` to the result's element `at`."""
        total = K.cast(self.out.load(at), self.wide) + K.cast(y, self.wide)
        self.e.add(self.out.store(at, K.cast(total, self.dtype)))


def spaces(op: Op) -> tuple[tuple[DimLike, ...], tuple[DimLike, ...]]:
    """The pooled axes of the image and of what has one element per window."""
    count = len(op.attrs["window"])
    image, result = op.operands[0].shape, op.result.shape
    if op.name == "pool_spread":
        image, result = result, image
    elif op.name == "pool_put":
        result = op.operands[1].shape
    return image[len(image) - count :], result[len(result) - count :]


def pool(host: HostEmitter, op: Op) -> None:
    """`pool_max`, `pool_pick`, `pool_put`, `pool_sum` and `pool_spread`."""
    space, size = spaces(op)
    key = f"{op.name} {op.result.dtype} {space} {size} {[op.attrs[a] for a in ('window', 'strides', 'low')]}"
    if key not in host.known:
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}", _Pool(op, host.target).build()), None)
    tensors = op.operands[: len(op.operands) - len(op.attrs.get("bound_size", ()))]
    pointers = [host.pointer(v).address() for v in (*tensors, op.result)]
    planes = prod_dims(op.result.shape[: op.result.ndim - len(space)])
    host.invoke(host.known[key][0], [*pointers, host.dim(planes), *map(host.dim, (*space, *size))])
