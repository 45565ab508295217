"""Readings of the clock in a host function that is compiled for profiling (`profile.py` says what becomes of them)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.codegen import table
from arignote.codegen.entry import view
from arignote.codegen.exprs import ZERO, i64
from arignote.codegen.profile import EVENT_WORDS, timed_ops
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

#: The number of the clock that Python's `time.perf_counter_ns` reads.
MONOTONIC = 1


class Clock:
    """Emits the readings."""

    def __init__(self, host: HostEmitter) -> None:
        self.host = host
        self.numbers = {op: k for k, op in enumerate(timed_ops(host.func))}
        call = host.caller
        self.size = host.bind(call.table.load(i64(table.PROFILE_SIZE)), "profile_size", chained=True)
        self.words = view(host, "profile_words", "i64", call.pointer("profile", i64(table.PROFILE)))
        self.spec = host.local("timespec", "i64", 2)
        self.traced = i64(1 + 2 * (len(self.numbers) + 1))

    def _now(self) -> Any:
        clock = tirx.const(MONOTONIC, "int32")
        self.host.add(tirx.Evaluate(tirx.call_extern("int32", "clock_gettime", clock, self.spec.var.data)))
        return self.host.bind(self.spec.load(ZERO) * i64(10**9) + self.spec.load(i64(1)), "now", chained=True)

    def start(self) -> None:
        """At the beginning of a call."""
        self.host.add(self.words.store(ZERO, self._now()))

    def stamp(self, op: Op | None) -> None:
        """Behind an op: what has passed is its own."""
        host, words = self.host, self.words
        k = len(self.numbers) if op is None else self.numbers.get(op)
        if k is None:
            return
        now = self._now()
        last = host.bind(words.load(ZERO), "last", chained=True)
        count, total = i64(1 + 2 * k), i64(2 + 2 * k)
        host.add(words.store(count, words.load(count) + i64(1)))
        host.add(words.store(total, words.load(total) + (now - last)))
        events = host.bind(words.load(self.traced), "events", chained=True)
        place = self.traced + i64(1) + events * i64(EVENT_WORDS)

        def record() -> None:
            for i, word in enumerate((i64(k), last, now)):
                host.add(words.store(place + i64(i), word))
            host.add(words.store(self.traced, events + i64(1)))

        host.when(tirx.LE(place + i64(EVENT_WORDS), self.size), record)
        host.add(words.store(ZERO, now))
