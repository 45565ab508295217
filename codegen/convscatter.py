"""Image gradients of convolutions without padding whose results are much smaller than their images: sums scattered.

The gradient of an image is itself a convolution, but with all the padding that is not there: of a result of 8 x 8 and
filters of 5 x 5, more than half of its products are with zeros. Here each row of a filter is multiplied with the whole
result, in registers, summed over all filters, and what its elements make of a row of the result is moved to its place
and added to a row of the image. For small results, which fill a few vectors.
"""

from __future__ import annotations

from typing import Any

from arignote.codegen.convspec import ConvKernel, Sizes, powers, threads_for
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import Buffer, add, floordiv, floormod, i64, mul
from arignote.codegen.microkernels import ITEM, Vectors, lanes_of, load_vector, splat, store_vector
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx

LEAST_GAIN = 1.5  # images that are so many times larger than results


class ConvScatter(ConvKernel):
    """A function of (gradient of the result, filters, gradient of the image, packed filters, batch)."""

    def __init__(self, sizes: Sizes, target: Target) -> None:
        self.s, self.e = sizes, Emitter()
        self.item = ITEM[sizes.dtype]
        self.lanes = target.lanes(self.item)
        self.n = tirx.Var("n", "int64")
        self.pointers = {v: pointer_var(v, sizes.dtype) for v in ("y", "w", "x", "p")}
        self.y, self.w, self.x, self.p = (Buffer(v + "_b", sizes.dtype, i64(1)) for v in self.pointers)
        self.plane, self.image = sizes.out[0] * sizes.out[1], sizes.image[0] * sizes.image[1]
        self.vectors = self.plane // self.lanes
        work = 2.0 * sizes.k * sizes.c * sizes.groups * self.plane * sizes.window[0] * sizes.window[1] * (sizes.n or 8)
        self.threads = threads_for(work, target)

    @staticmethod
    def applies(s: Sizes, target: Target) -> bool:
        """Whether results fill vectors, rows of images fit into one, and sums for a row of a filter into registers."""
        lanes, registers = target.lanes(ITEM[s.dtype]), 32 if target.vector_bytes >= 64 else 16
        if len(s.window) != 2 or set(s.strides) != {1}:
            return False
        rows = zip(s.image, s.out, s.window, s.dilation, s.low, strict=True)
        if any(low or size != o + (r - 1) * d for size, o, r, d, low in rows):
            return False
        plane, image = s.out[0] * s.out[1], s.image[0] * s.image[1]
        fits = plane % lanes == 0 and s.image[1] <= lanes and (s.window[1] + 1) * (plane // lanes) < registers
        return fits and image >= LEAST_GAIN * plane

    def function(self) -> Any:
        e, s = self.e, self.s
        self.pack_filters()
        height, width = s.window

        def task(t: Any) -> None:
            g = e.bind(floormod(t, i64(s.groups)), "g")
            source = e.bind(mul(t, i64(s.k * self.plane)), "source")
            target = e.bind(mul(t, i64(s.c * self.image)), "target")
            place = tirx.address_of(tirx.BufferLoad(self.x.var, [target]))
            nbytes = i64(s.c * self.image * self.item)
            e.add(tirx.Evaluate(tirx.call_extern("handle", "memset", place, tirx.const(0, "int32"), nbytes)))

            def row(q: Any) -> None:  # of the filters of a channel
                c, h = e.bind(floordiv(q, i64(height)), "c"), e.bind(floormod(q, i64(height)), "h")
                filters = add(mul(g, i64(s.c * height)), q)
                to = add(target, add(mul(c, i64(self.image)), mul(h, i64(s.dilation[0] * s.image[1]))))
                self.row(e.bind(mul(filters, i64(s.k * width)), "filters"), source, e.bind(to, "to"))

            e.loop(i64(s.c * height), row)

        e.tasks(self.n * i64(s.groups) if s.groups > 1 else self.n, self.threads, task)
        buffers = dict(zip(self.pointers.values(), (self.y, self.w, self.x, self.p), strict=True))
        return private_function([*self.pointers.values(), self.n], buffers, e.stmts)

    def pack_filters(self) -> None:
        """The filters by group, channel and row of the filter: for each filter its elements of that row."""
        e, s = self.e, self.s
        height, width = s.window

        def element(g: Any, c: Any, k: Any) -> None:
            w = e.bind(mul(add(mul(add(mul(g, i64(s.k)), k), i64(s.c)), c), i64(height * width)), "w")
            first = mul(add(mul(g, i64(s.c)), c), i64(height))
            for i in range(height):
                for j in range(width):
                    to = add(mul(add(mul(add(first, i64(i)), i64(s.k)), k), i64(width)), i64(j))
                    e.add(self.p.store(to, self.w.load(add(w, i64(s.filter_index((0, i, j)))))))

        e.loop(
            i64(s.groups),
            lambda g: e.loop(i64(s.c), lambda c: e.loop(i64(s.k), lambda k: element(g, c, k))),
        )

    def row(self, filters: Any, source: Any, target: Any) -> None:
        """What one row of the filters of a channel adds to the image, from row `target` on."""
        e, s, lanes, width = self.e, self.s, self.lanes, self.s.window[1]
        accs = [[Vectors(e, s.dtype, 1, lanes) for _ in range(self.vectors)] for _ in range(width)]
        for sums in accs:
            for acc in sums:
                acc.store(acc.zero)

        def step(k: Any) -> None:
            at = add(source, mul(k, i64(self.plane)))
            ys = [e.bind(load_vector(self.y, add(at, i64(v * lanes)), lanes), "y") for v in range(self.vectors)]
            for j, sums in enumerate(accs):
                x = e.bind(self.p.load(add(filters, add(mul(k, i64(width)), i64(j)))), "x")
                for acc, y in zip(sums, ys, strict=True):
                    acc.store(acc.load() + splat(x, lanes) * y)

        e.loop(i64(s.k), step)
        for i in range(s.out[0]):
            total: Any = None
            for j, sums in enumerate(accs):
                x = self.moved(sums, i, j * s.dilation[1])
                total = x if total is None else e.bind(total + x, "x")
            done = 0
            for w in powers(s.image[1]):
                place = add(target, i64(i * s.image[1] + done))
                value = total if w == lanes else lanes_of(total, done, w)
                e.add(store_vector(self.x, place, w, load_vector(self.x, place, w) + value))
                done += w

    def moved(self, sums: list[Vectors], i: int, by: int) -> Any:
        """Row `i` of the result that vectors of pixels hold, `by` lanes to the right, with zeros around it."""
        lanes, cols = self.lanes, self.s.out[1]
        places = range(i * cols, (i + 1) * cols)
        first, last = places[0] // lanes, places[-1] // lanes
        outside = lanes  # a lane of the second vector, of zeros
        if first == last:
            row, start = sums[first].load(), places[0] % lanes
        else:
            at = [p - first * lanes for p in places]
            row, start = self.shuffled(sums[first].load(), sums[last].load(), at + [0] * (lanes - cols)), 0
        spread = [start + j - by if by <= j < by + cols else outside for j in range(lanes)]
        return self.shuffled(row, sums[first].zero, spread)

    def shuffled(self, a: Any, b: Any, places: list[int]) -> Any:
        """Lanes of two vectors, those of `b` numbered behind those of `a`."""
        return self.e.bind(tirx.Shuffle([a, b], [tirx.const(i, "int32") for i in places]), "x")
