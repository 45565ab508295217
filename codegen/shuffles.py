"""Vectors in registers whose elements change places, for code that is written in whole vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.codegen.emit import Emitter
from arignote.codegen.exprs import ZERO, i64
from arignote.codegen.toolchain import tirx


class Registers:
    """Emits vectors of `lanes` elements of an IR dtype."""

    def __init__(self, e: Emitter, dtype: str, lanes: int) -> None:
        self.e, self.dtype, self.lanes = e, dtype, lanes

    def at(self, first: Any) -> Any:
        """The index of a vector from element `first` on."""
        return tirx.Ramp(first, i64(1), self.lanes)

    def held(self, value: Any) -> Any:
        """A vector in a register."""
        cell = self.e.local("v", self.dtype, self.lanes)
        self.e.add(tirx.BufferStore(cell.var, value, [self.at(ZERO)]))
        return tirx.BufferLoad(cell.var, [self.at(ZERO)])

    def mixed(self, a: Any, b: Any, places: Sequence[int]) -> Any:
        """Elements of both vectors, those of `b` counted from `lanes` on."""
        vectors = [a] if max(places) < self.lanes else [a, b]
        return self.held(tirx.Shuffle(vectors, [tirx.const(p, "int32") for p in places]))

    def transposed(self, rows: list[Any]) -> list[Any]:
        """As many vectors as each has elements, by columns: halves of the pairs at distance L/2, L/4, ... are
        exchanged."""
        size, step = self.lanes, self.lanes // 2
        while step:
            low = [j if not j & step else size + j - step for j in range(size)]
            high = [j + step if not j & step else size + j for j in range(size)]
            out = list(rows)
            for i in range(size):
                if not i & step:
                    pair = rows[i], rows[i + step]
                    out[i], out[i + step] = self.mixed(*pair, low), self.mixed(*pair, high)
            rows, step = out, step // 2
        return rows
