"""Time that ops take, measured inside the host function.

A function that is compiled for profiling reads the clock once behind each op that runs code (`clock_gettime`, about
25 ns, from the same clock as Python's `time.perf_counter_ns`), and adds what has passed since the last reading to the
op's account. So the accounts add up to the time of the call, loops and their bodies included, and nothing is counted
twice. Other functions have nothing of this in their code.

The accounts are int64 words of an array that travels as the last argument:

    0              the last reading
    1 + 2 k        how often op k has run; 2 + 2 k: its nanoseconds. The last k stands for what precedes the ops
    then           the number of events recorded, and the events: k, begin, end, for as many as there is room
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from arignote.codegen.memory import aligned_zeros
from arignote.ir.core import Func, Op, Value
from arignote.ir.cost import is_free
from arignote.ir.placement import host_scalars

#: Events that a trace holds.
EVENTS = 20_000
#: Words of an event.
EVENT_WORDS = 3


def timed_ops(func: Func) -> list[Op]:
    """The ops with accounts, in order: those that run code, in loops and branches too, but not inside of kernels."""
    return list(_timed(func.ops, host_scalars(func)))


def _timed(ops: Iterable[Op], host: set[Value]) -> Iterator[Op]:
    for op in ops:
        if not is_free(op, host):
            yield op
            if op.name != "fused":
                for region in op.regions:
                    yield from _timed(region.ops, host)


@dataclass(frozen=True)
class Event:
    """An op that ran: nanoseconds of `time.perf_counter_ns`. `op` is None for what precedes the ops."""

    op: Op | None
    begin: int
    end: int


class Timer:
    """The accounts of one executable."""

    def __init__(self, func: Func, events: int = EVENTS) -> None:
        self.func = func
        self.ops: list[Op | None] = [*timed_ops(func), None]
        self._traced = 1 + 2 * len(self.ops)
        self.words: np.ndarray[Any, Any] = aligned_zeros(self._traced + 1 + EVENT_WORDS * events, np.int64)

    def accounts(self) -> list[tuple[Op | None, int, int]]:
        """(op, how often it ran, nanoseconds) of each; the last, without an op, precedes the others in a call."""
        pairs = self.words[1 : self._traced].reshape(-1, 2)
        return [(op, int(count), int(ns)) for op, (count, ns) in zip(self.ops, pairs, strict=True)]

    def events(self) -> list[Event]:
        """What ran, in order, as far as the trace reaches."""
        count = int(self.words[self._traced])
        rows = self.words[self._traced + 1 :][: EVENT_WORDS * count].reshape(-1, EVENT_WORDS)
        return [Event(self.ops[int(k)], int(begin), int(end)) for k, begin, end in rows]

    def reset(self) -> None:
        """Begin anew."""
        self.words[:] = 0
