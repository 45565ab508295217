"""Sorting networks in vectors: comparisons at places that do not depend on the data.

A row of words lies in scratch memory as vectors of L. Squares of L vectors are sorted by columns, by a network of L
inputs (odd-even merge), and transposed, which makes runs of L words. Then pairs of runs are merged, in which the second
is compared in reverse and the halves are sorted by halves (bitonic merge): between vectors as long as these are apart,
then within pairs of vectors. All comparisons bring the smaller word to the front, so a row may end anywhere: what would
be behind it is larger than all words and stays there.

After K. E. Batcher, Sorting networks and their applications (1968).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, i64, mul
from arignote.codegen.shuffles import Registers
from arignote.codegen.toolchain import tirx


def odd_even_merge_sort(n: int) -> Iterator[tuple[int, int]]:
    """The comparisons of a network of n inputs, a power of two (Batcher's)."""
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        yield i + j, i + j + k
            k //= 2
        p *= 2


class Network(Registers):
    """Emits the sorting of rows of unsigned words that lie in scratch memory."""

    def __init__(self, e: Emitter, memory: Buffer, lanes: int) -> None:
        super().__init__(e, memory.dtype, lanes)
        self.memory = memory

    def load(self, vector: Any) -> Any:
        """Vector number `vector` of the row."""
        return self.held(tirx.BufferLoad(self.memory.var, [self.at(mul(vector, i64(self.lanes)))]))

    def store(self, vector: Any, value: Any) -> None:
        self.e.add(tirx.BufferStore(self.memory.var, value, [self.at(mul(vector, i64(self.lanes)))]))

    def ordered(self, a: Any, b: Any) -> tuple[Any, Any]:
        """The smaller and the larger words of two vectors."""
        return self.held(tirx.Min(a, b)), self.held(tirx.Max(a, b))

    def sort(self, count: Any) -> None:
        """Sort the row of `count` vectors, a multiple of L."""
        e, size = self.e, self.lanes
        e.loop(floordiv(count, i64(size)), self._square)
        run = e.local("run", "i64", 1)
        e.add(run.store(ZERO, i64(1)))

        def level() -> None:
            self._merge(e.bind(run.load(ZERO), "length"), count)
            e.add(run.store(ZERO, run.load(ZERO) * i64(2)))

        e.repeat(tirx.LT(run.load(ZERO), count), level)

    def _square(self, number: Any) -> None:
        """Runs of one vector out of L vectors."""
        size = self.lanes
        rows = [self.load(add(mul(number, i64(size)), i64(i))) for i in range(size)]
        for i, j in odd_even_merge_sort(size):
            rows[i], rows[j] = self.ordered(rows[i], rows[j])
        for i, row in enumerate(self.transposed(rows)):
            self.store(add(mul(number, i64(size)), i64(i)), row)

    def _merge(self, run: Any, count: Any) -> None:
        """Pairs of runs of `run` vectors to runs of twice as many; the last may be shorter."""
        e, size = self.e, self.lanes
        backwards = list(range(size))[::-1]
        double = e.bind(run * i64(2), "double")

        def reversed_pairs(block: Any) -> None:
            begin = e.bind(block * double, "begin")
            first = e.bind(tirx.Max(ZERO, begin + double - count), "first")

            def pair(i: Any) -> None:
                front, back = begin + i, begin + double - i64(1) - i
                a, b = self.load(front), self.load(back)
                low, high = self.ordered(a, self.mixed(b, b, backwards))
                self.store(front, low)
                self.store(back, self.mixed(high, high, backwards))

            e.loop(run - first, pair, start=first)

        e.loop(floordiv(count + double - i64(1), double), reversed_pairs)
        distance = e.local("distance", "i64", 1)
        e.add(distance.store(ZERO, floordiv(run, i64(2))))

        def halves() -> None:
            apart = e.bind(distance.load(ZERO), "apart")
            twice = e.bind(apart * i64(2), "twice")

            def part(block: Any) -> None:
                begin = e.bind(block * twice, "begin")
                there = e.bind(tirx.Min(apart, count - apart - begin), "there")

                def pair(i: Any) -> None:
                    low, high = self.ordered(self.load(begin + i), self.load(begin + apart + i))
                    self.store(begin + i, low)
                    self.store(begin + apart + i, high)

                e.when(tirx.GT(there, ZERO), lambda: e.loop(there, pair))

            e.loop(floordiv(count + twice - i64(1), twice), part)
            e.add(distance.store(ZERO, floordiv(apart, i64(2))))

        e.repeat(tirx.GT(distance.load(ZERO), ZERO), halves)
        e.loop(floordiv(count, i64(2)), self._within)

    def _within(self, number: Any) -> None:
        """The rest of a merge in two vectors each: words L/2, L/4, ... apart are compared."""
        size = self.lanes
        at = [mul(number, i64(2)), add(mul(number, i64(2)), i64(1))]
        a, b = map(self.load, at)
        place = list(range(2 * size))  # of word p of both vectors
        step = size // 2
        while step:
            front = [p for p in range(2 * size) if not p & step]
            a, b = self.mixed(a, b, [place[p] for p in front]), self.mixed(a, b, [place[p + step] for p in front])
            a, b = self.ordered(a, b)
            for i, p in enumerate(front):
                place[p], place[p + step] = i, size + i
            step //= 2
        for k in range(2):
            self.store(at[k], self.mixed(a, b, place[k * size : (k + 1) * size]))
