"""Matrix products as sums along k: both operands lie so, as in A.B^T, or a thin B is packed to lie so.

A tile is R x S sums, each over the lanes of one vector, added up at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.codegen.exprs import add, i64, is_const, mul
from arignote.codegen.microkernels import (
    PANEL_BYTES,
    ProductKernel,
    Vectors,
    ceil_div,
    even_height,
    lanes_of,
    load_vector,
)  # fmt: skip
from arignote.codegen.toolchain import tirx

BLOCK_BYTES = 512 * 1024  # of B, read again for every few rows: half a second-level cache


class Dot(ProductKernel):
    """Sums of products along k."""

    def body(self) -> None:
        p, e, lanes = self.p, self.e, self.lanes
        direct = p.tb or p.n == 1
        many, few = (6, 4) if self.registers == 32 else (3, 3)
        width = min(p.n, (8 if p.m == 1 else many) if direct else p.n)
        height = even_height(p.m, min(max((self.registers - 6) // width, 1), 8 if width == 1 else few))
        depth = max((BLOCK_BYTES if direct else PANEL_BYTES) // (p.n * self.item) // lanes, 4) * lanes
        depth = min(ceil_div(ceil_div(p.k, ceil_div(p.k, depth)), lanes) * lanes, ceil_div(p.k, lanes) * lanes)
        if direct:
            depth = p.k if p.m <= height else depth  # B is read once, and threads start once
            self.blocks_of(depth, lambda k0, kc: self.block(k0, kc, height, width, None, 0))
            return
        packed = Vectors(e, p.dtype, p.n * depth // lanes, lanes)
        elements = packed.scalars()

        def block(k0: Any, kc: int) -> None:
            def line(kk: Any) -> None:
                for j in range(p.n):
                    x = self.b.load(add(mul(add(k0, kk), i64(p.n)), i64(j)))
                    e.add(elements.store(add(kk, i64(j * depth)), x))

            e.loop(i64(kc), line)
            self.block(k0, kc, height, width, packed, depth)

        self.blocks_of(depth, block)

    def blocks_of(self, depth: int, body: Callable[[Any, int], None]) -> None:
        """Blocks of k of `depth`; the last is shorter and its size is known too."""
        whole, rest = divmod(self.p.k, depth)
        self.e.loop(i64(whole), lambda q: body(mul(q, i64(depth)), depth))
        if rest:
            body(i64(whole * depth), rest)

    def block(self, k0: Any, kc: int, height: int, width: int, packed: Vectors | None, depth: int) -> None:
        p, e = self.p, self.e
        elements = packed.scalars() if packed is not None else None

        def right(j: Any, kk: Any, w: int) -> Any:
            if packed is None or elements is None:
                return load_vector(self.b, add(mul(j, i64(p.k)), add(k0, kk)), w)
            if w == self.lanes:
                at = add(mul(j, i64(depth // w)), kk if is_const(kk, 0) else tirx.truncdiv(kk, i64(w)))
                return packed.load(at)
            return load_vector(elements, add(mul(j, i64(depth)), kk), w)

        def line(i: Any, h: int) -> None:
            e.loop(i64(p.n // width), lambda t: self.tile(i, h, mul(t, i64(width)), width, k0, kc, right))
            if p.n % width:
                self.tile(i, h, i64(p.n - p.n % width), p.n % width, k0, kc, right)

        tiles, columns = p.m // height, p.n // width
        if tiles >= self.threads or columns < self.threads:
            e.tasks(i64(tiles), self.threads, lambda t: line(mul(t, i64(height)), height))
            if p.m % height:
                line(i64(p.m - p.m % height), p.m % height)
            return

        def column(j: Any, w: int) -> None:
            e.loop(i64(tiles), lambda t: self.tile(mul(t, i64(height)), height, j, w, k0, kc, right))
            if p.m % height:
                self.tile(i64(p.m - p.m % height), p.m % height, j, w, k0, kc, right)

        e.tasks(i64(columns), self.threads, lambda t: column(mul(t, i64(width)), width))
        if p.n % width:
            column(i64(p.n - p.n % width), p.n % width)

    def tile(
        self, i: Any, height: int, j: Any, width: int, k0: Any, kc: int, right: Callable[[Any, Any, int], Any]
    ) -> None:
        """height x width sums, each over the lanes of a vector; what is left of k joins as the lanes are added up."""
        p, e, lanes = self.p, self.e, self.lanes
        sums = {(r, s): self.accumulator(lanes) for r in range(height) for s in range(width)}

        def step(kk: Any, w: int) -> None:
            xs = [load_vector(self.a, add(mul(add(i, i64(r)), i64(p.k)), add(k0, kk)), w) for r in range(height)]
            xs = [e.bind(x, "x") for x in xs]
            for s in range(width):
                y = e.bind(right(add(j, i64(s)), kk, w), "y")
                for r in range(height):
                    sums[r, s].store(sums[r, s].load() + xs[r] * y)

        e.loop(i64(kc // lanes), lambda q: step(mul(q, i64(lanes)), lanes))
        done = kc - kc % lanes
        half = lanes // 2
        while half:
            for at, acc in sums.items():
                whole = e.bind(acc.load(), "s")
                sums[at] = Vectors(e, p.dtype, 1, half)
                sums[at].store(lanes_of(whole, 0, half) + lanes_of(whole, half, half))
            if (kc - done) & half:
                step(i64(done), half)
                done += half
            half //= 2

        def write(begin: bool) -> None:
            for (r, s), acc in sums.items():
                self.finish(acc.load(), 1, add(mul(add(i, i64(r)), i64(p.n)), add(j, i64(s))), 1, begin)

        self.by_block(k0, write)
