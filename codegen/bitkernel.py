"""Products A.B whose A holds only 0 and 1, as samples of binary units do: sums of rows of B instead of products.

The rows of B are taken by fours. The sums of all 16 subsets of four rows are made once and lie in the first-level
cache; then every row of A needs one addition for four steps of k, where a product needs four. (This is the "method of
the four Russians": V. L. Arlazarov, E. A. Dinic, M. A. Kronrod, I. A. Faradzev, On economical construction of the
transitive closure of a directed graph, 1970.)

What A and B hold is known at run time: the kernel looks, and leaves C to another one where A holds anything else, or B
what is not finite, whose product with 0 is NaN.
"""

from __future__ import annotations

from typing import Any

from arignote.codegen.emit import pointer_var
from arignote.codegen.exprs import ZERO, Buffer, add, i64, mul
from arignote.codegen.microkernels import (
    Product,
    ProductKernel,
    Vectors,
    ceil_div,
    even_height,
    lanes_of,
    load_vector,
    splat,
    store_vector,
)
from arignote.codegen.target import Target
from arignote.codegen.tilekernel import fetch
from arignote.codegen.toolchain import tirx
from arignote.ir.types import DTYPES

FOUR, SUMS = 4, 16
WORD = 4  # rows of A whose places share a word of 32 bits
SLOTS, AHEAD = 8, 3  # groups whose sums are held, and how long before they are used they are made
ROWS = range(16, 129)  # of A: with fewer, making the sums costs what they save
PLACES_BYTES = 64 * 1024  # on the stack, for the places of sums


def int32(n: int) -> Any:
    return tirx.const(n, "int32")


def takes(p: Product, target: Target) -> bool:
    """Whether the kernel can do a product, and is faster where A holds only 0 and 1. That is so with 512-bit vectors,
    whose 32 registers hold the results of 24 rows: 20x784 . 784x500 takes 41 µs instead of 61."""
    lanes = target.lanes(8 if p.dtype == "f64" else 4)
    plain = not p.ta and not p.tb and p.beta == 0
    small = p.m * (p.k // FOUR) <= PLACES_BYTES
    return plain and small and target.vector_bytes >= 64 and p.m in ROWS and p.n >= lanes and p.k >= FOUR * lanes


class Bits(ProductKernel):
    """A function of the pointers a, b and c, of alpha, and of the pointer status. It writes C and a status of 0, or
    another status and perhaps something in C: elements of A are neither 0 nor 1, or elements of B are not finite."""

    def __init__(self, p: Product, target: Target) -> None:
        super().__init__(p, target)
        self.groups = p.k // FOUR  # group q has the rows q, q + groups, ...: vectors of A tell about successive groups
        self.height = ceil_div(even_height(p.m, self.registers - 8), WORD) * WORD
        self.status = Buffer("status_b", "i64", i64(1))
        self.extra = {pointer_var("status", "i64"): self.status}

    def body(self) -> None:
        p, e = self.p, self.e
        places = Vectors(e, "i32", ceil_div(ceil_div(p.m, WORD) * self.groups, self.lanes), self.lanes).scalars()
        others = self.look(places)
        e.add(self.status.store(ZERO, others))

        def columns() -> None:
            state: list[Vectors] = []

            def prologue() -> None:
                state[:] = [Vectors(e, p.dtype, SLOTS * SUMS, self.lanes)]
                e.loop(i64(SLOTS), lambda s: state[0].store(state[0].zero, mul(s, i64(SUMS))))

            def column(t: Any) -> None:
                at = mul(t, i64(self.lanes))
                last = i64(p.n - self.lanes)  # of which a part may be done twice
                first = e.bind(tirx.Select(tirx.LT(at, last), at, last), "first")
                self.tiles(first, places, state[0])

            e.tasks(i64(ceil_div(p.n, self.lanes)), self.threads, column, prologue)

        e.when(tirx.EQ(others, ZERO), columns)

    def look(self, places: Buffer) -> Any:
        """Where the sum for each row of A and group of k lies, for four rows in a word; how many elements of A are
        neither 0 nor 1."""
        p, e = self.p, self.e
        wrong: dict[int, Vectors] = {}

        def count(x: Any, w: int) -> None:
            one, none = (splat(tirx.const(n, DTYPES[p.dtype]), w) for n in (1.0, 0.0))
            wrong[w].store(wrong[w].load() + tirx.Select(tirx.EQ(x * x, x), none, one))

        def place(i: Any, q: Any, w: int) -> Any:
            code: Any = splat(tirx.const(0.0, DTYPES[p.dtype]), w)
            for b in range(FOUR):
                x = e.bind(load_vector(self.a, add(mul(i, i64(p.k)), add(i64(b * self.groups), q)), w), "x")
                count(x, w)
                code = code + x * splat(tirx.const(float(self.lanes << b), DTYPES[p.dtype]), w)
            return tirx.Cast(f"int32x{w}" if w > 1 else "int32", code)

        def rows(i: Any, height: int) -> None:
            def some(q: Any, w: int) -> None:
                word = place(mul(i, i64(WORD)), q, w)
                for r in range(1, height):
                    shift = splat(int32(8 * r), w)
                    word = word + tirx.shift_left(place(add(mul(i, i64(WORD)), i64(r)), q, w), shift)
                e.add(store_vector(places, add(mul(i, i64(self.groups)), q), w, word))

            e.loop(i64(self.groups // self.lanes), lambda v: some(mul(v, i64(self.lanes)), self.lanes))
            rest = self.groups % self.lanes
            if rest:
                some(i64(self.groups - rest), rest)
            for k in range(FOUR * self.groups, p.k):
                for r in range(height):
                    count(self.a.load(add(mul(add(mul(i, i64(WORD)), i64(r)), i64(p.k)), i64(k))), 1)

        for w in {self.lanes, self.groups % self.lanes, 1} - {0}:
            wrong[w] = self.accumulator(w)
        e.loop(i64(p.m // WORD), lambda i: rows(i, WORD))
        if p.m % WORD:
            rows(i64(p.m // WORD), p.m % WORD)
        total = e.local("others", p.dtype, 1)
        e.add(total.store(ZERO, tirx.const(0.0, DTYPES[p.dtype])))
        for w, acc in wrong.items():
            elements = acc.scalars()
            e.loop(i64(w), lambda j, b=elements: e.add(total.store(ZERO, total.load(ZERO) + b.load(j))))  # type: ignore[misc]
        return e.bind(tirx.Cast("int64", total.load(ZERO)), "others", chained=True)

    def tiles(self, first: Any, places: Buffer, sums: Vectors) -> None:
        """A vector of columns: as many rows at a time as there are registers."""
        count, rest = divmod(self.p.m, self.height)
        self.e.loop(i64(count), lambda t: self.tile(mul(t, i64(self.height)), self.height, first, places, sums))
        if rest:
            self.tile(i64(self.p.m - rest), rest, first, places, sums)

    def tile(self, row: Any, height: int, first: Any, places: Buffer, sums: Vectors) -> None:
        p, e, lanes = self.p, self.e, self.lanes
        accs = [self.accumulator(lanes) for _ in range(height)]
        nothing = [self.accumulator(lanes) for _ in range(2)]  # sums of 0 * B
        elements = sums.scalars()

        def right(k: Any, which: int = 0) -> Any:
            at = e.bind(add(mul(k, i64(p.n)), first), "at")
            x = e.bind(load_vector(self.b, at, lanes), "y")
            n = nothing[which % 2]
            n.store(n.load() + x * n.zero)
            fetch(e, self.b, add(at, i64(lanes)), lanes)
            return x

        def make(q: Any) -> None:
            """The sums of a group."""
            known: dict[int, Any] = {}
            for b in range(FOUR):
                x = right(add(q, i64(b * self.groups)), b)
                known.update({s | 1 << b: e.bind(known[s] + x, "s") for s in list(known)} | {1 << b: x})
            slot = e.bind(mul(tirx.bitwise_and(q, i64(SLOTS - 1)), i64(SUMS)), "slot")
            for s, x in known.items():
                sums.store(x, add(slot, i64(s)))

        def use(q: Any) -> None:
            slot = e.bind(mul(tirx.bitwise_and(q, i64(SLOTS - 1)), i64(SUMS * lanes)), "slot")
            for r, acc in enumerate(accs):
                if r % WORD == 0:
                    at = add(mul(add(tirx.truncdiv(row, i64(WORD)), i64(r // WORD)), i64(self.groups)), q)
                    word = e.bind(places.load(at), "word", chained=True)
                byte = tirx.bitwise_and(tirx.shift_right(word, int32(8 * (r % WORD))), int32(255))
                acc.store(acc.load() + load_vector(elements, add(slot, tirx.Cast("int64", byte)), lanes))

        def both(q: Any) -> None:
            make(add(q, i64(AHEAD)))
            use(q)

        e.loop(i64(AHEAD), make)
        e.loop(i64(self.groups - AHEAD), both)
        e.loop(i64(AHEAD), use, start=i64(self.groups - AHEAD))
        for k in range(FOUR * self.groups, p.k):
            y = right(i64(k))
            for r, acc in enumerate(accs):
                x = self.a.load(add(mul(add(row, i64(r)), i64(p.k)), i64(k)))
                acc.store(acc.load() + splat(x, lanes) * y)
        for r, acc in enumerate(accs):
            at = add(mul(add(row, i64(r)), i64(p.n)), first)
            self.finish(acc.load(), lanes, at, 1, True)
        none = e.bind(nothing[0].load() + nothing[1].load(), "none")
        width = lanes
        while width > 1:
            width //= 2
            none = e.bind(lanes_of(none, 0, width) + lanes_of(none, width, width), "none")
        finite = tirx.EQ(none, tirx.const(0.0, DTYPES[p.dtype]))
        e.when(tirx.Not(finite), lambda: e.add(self.status.store(ZERO, i64(1))))
