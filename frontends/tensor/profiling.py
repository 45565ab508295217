"""Profiles of functions: `function(..., profile=True)`, `config.profile`, and what they tell.

    f = ar.function([x], y, profile=True)
    f(data)
    f.profile.summary()                       # the tables of Theano's profiler
    f.profile.save_trace("trace.json")        # for chrome://tracing or Perfetto

The times of ops are measured inside of the compiled function (`codegen/profile.py`). What is profiled is other code
than what is not: functions without a profile pay nothing.
"""

from __future__ import annotations

import atexit
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from arignote.codegen.compile import Compiled
from arignote.codegen.profile import Timer
from arignote.frontends.tensor.machine import limits
from arignote.frontends.tensor.settings import config
from arignote.ir.core import Func, Op
from arignote.ir.cost import op_cost
from arignote.ir.placement import host_scalars
from arignote.passes.base import Pass

#: `time.perf_counter_ns` of this module's import, for "time since the import".
IMPORTED = time.perf_counter_ns()


@dataclass
class PassRun:
    """A pass that ran on the function: begin and end in nanoseconds, and the number of ops before and after."""

    name: str
    begin: int
    end: int
    before: int
    after: int


@dataclass
class Code:
    """Code that was made for the function: when, and whether it was in the cache."""

    func: Func
    timer: Timer
    begin: int
    end: int
    cached: bool


@dataclass
class Share:
    """The time of one op, of all of its kind, or of its class.

    Attributes:
        name: of the op, kind or class.
        kind: `C` for machine code, `Py` where it calls back into Python.
        ns, calls: in all calls of the function.
        nodes: how many ops.
    """

    name: str
    kind: str
    ns: int = 0
    calls: int = 0
    nodes: int = 0
    ops: list[Op] = field(default_factory=list)


class ProfileStats:
    """The profile of a function, or of several that are given it: `function(profile=stats)`.

    Attributes:
        message: which function it is.
        calls: how often it was called; call_ns: the time in `Function.__call__`; run_ns: of it, in compiled code.
        compile_ns: the time in which code was chosen, optimised, generated and loaded; in no other figure.
        passes, codes: what happened then.
    """

    def __init__(self, message: str = "", atexit_print: bool = False, **kwargs: Any) -> None:
        self.message = message
        self.calls = 0
        self.call_ns = 0
        self.run_ns = 0
        self.compile_ns = 0
        self.passes: list[PassRun] = []
        self.codes: list[Code] = []
        self.started: int | None = None
        self.printed = False
        if atexit_print:
            _at_exit.append(self)

    # ------------------------------------------------------------ what is seen
    def saw_pass(self, p: Pass, before: Func, after: Func, seconds: float) -> None:
        """A pass has run: told by the pipeline."""
        end = time.perf_counter_ns()
        self.passes.append(PassRun(p.name, end - int(seconds * 1e9), end, len(before.ops), len(after.ops)))

    def saw_code(self, compiled: Compiled, begin: int) -> None:
        """Code has been made, or loaded: told by the backend."""
        timer = compiled.executable.timer
        assert timer is not None, "the code is compiled for profiling"
        self.codes.append(Code(timer.func, timer, begin, time.perf_counter_ns(), compiled.cached))

    def saw_call(self, begin: int, run: int, end: int, compiling: int) -> None:
        """A call has ended, of which `run` ns were in the executable, and `compiling` spent on compiling there."""
        self.calls += 1
        self.call_ns += end - begin - compiling
        self.run_ns += run - compiling
        self.started = begin if self.started is None else self.started

    # ------------------------------------------------------------ what it tells
    def ops_ns(self) -> int:
        """Nanoseconds in ops, in all calls."""
        return sum(ns for code in self.codes for _, _, ns in code.timer.accounts())

    def applies(self) -> list[Share]:
        """Every op by itself, the slowest first."""
        return _sorted(_apply(op, number, calls, ns) for op, number, calls, ns in self._rows())

    def ops(self) -> list[Share]:
        """By kind of op."""
        return _grouped(self.applies(), _op_name)

    def classes(self) -> list[Share]:
        """By class of op."""
        return _grouped(self.applies(), _class_name)

    def host_ns(self) -> int:
        """Nanoseconds in what precedes the ops: scalars, sizes, guards."""
        return sum(ns for code in self.codes for op, _, ns in code.timer.accounts() if op is None)

    def _rows(self) -> Iterator[tuple[Op, int, int, int]]:
        for code in self.codes:
            for number, (op, calls, ns) in enumerate(code.timer.accounts()):
                if op is not None:
                    yield op, number, calls, ns

    def reset(self) -> None:
        """Forget the calls; what was learnt about compilation stays."""
        self.calls = self.call_ns = self.run_ns = 0
        self.started = None
        for code in self.codes:
            code.timer.reset()

    def summary(
        self,
        file: TextIO | None = None,
        n_ops_to_print: int | None = None,
        n_apply_to_print: int | None = None,
        memory: bool | None = None,
        passes: bool | None = None,
    ) -> None:
        """Write the tables.

        Args:
            file: where to; the standard error, unless `config.profiling.destination` says stdout or names a file.
            n_ops_to_print, n_apply_to_print: rows; `config.profiling.n_ops` and `n_apply` by default.
            memory, passes: whether to write these tables; `config.profile_memory` and `profile_optimizer` by default.
        """
        from arignote.frontends.tensor.profiletext import report

        self.printed = True
        text = report(
            self,
            config.profiling.n_ops if n_ops_to_print is None else n_ops_to_print,
            config.profiling.n_apply if n_apply_to_print is None else n_apply_to_print,
            config.profile_memory if memory is None else memory,
            config.profile_optimizer if passes is None else passes,
        )
        if file is not None:
            file.write(text)
            return
        destination = config.profiling.destination
        if destination in ("stderr", "stdout"):
            getattr(sys, destination).write(text)
        else:
            with Path(destination).open("a", encoding="utf-8") as out:
                out.write(text)

    def trace(self) -> dict[str, Any]:
        """The passes, the code generation and the ops that ran, as the JSON that chrome://tracing and Perfetto read."""
        events: list[dict[str, Any]] = []

        def event(name: str, kind: str, begin: int, end: int, track: int, **more: Any) -> None:
            events.append(
                {"name": name, "cat": kind, "ph": "X", "ts": begin / 1e3, "dur": (end - begin) / 1e3, "pid": 1,
                 "tid": track, "args": more}
            )  # fmt: skip

        for p in self.passes:
            event(p.name, "pass", p.begin, p.end, 1, ops_before=p.before, ops_after=p.after)
        for number, code in enumerate(self.codes):
            event("load" if code.cached else "generate code", "code", code.begin, code.end, 1, code=number)
            host = host_scalars(code.func)
            for e in code.timer.events():
                if e.op is None:
                    event("host scalars", "host", e.begin, e.end, 2)
                    continue
                cost = op_cost(e.op, host)
                event(
                    _op_name(e.op), "op", e.begin, e.end, 2, loc=str(e.op.loc or ""), flops=str(cost.flops),
                    bytes=str(cost.bytes), types=", ".join(str(r.type) for r in e.op.results),
                )  # fmt: skip
        names = {1: "compilation", 2: "calls"}
        events += [
            {"name": "thread_name", "ph": "M", "pid": 1, "tid": track, "args": {"name": name}}
            for track, name in names.items()
        ]
        return {"traceEvents": events, "displayTimeUnit": "ns", "otherData": {"function": self.message}}

    def save_trace(self, path: str | Path) -> None:
        """Write `trace()` into a file."""
        Path(path).write_text(json.dumps(self.trace()) + "\n", encoding="utf-8")


def _apply(op: Op, number: int, calls: int, ns: int) -> Share:
    names = ", ".join(v.name or "·" for v in op.operands)
    return Share(f"{_op_name(op)}({names})", _kind(op), ns, calls, 1, [op])


def _kind(op: Op) -> str:
    return "Py" if op.name == "print" else "C"


def _class_name(op: Op) -> str:
    if op.name == "fused" and op.attrs["kind"] == "conv":
        return _class_name(op.regions[0].ops[0])
    if op.name == "fused":
        return {"map": "Elemwise", "rows": "CAReduce rows", "cols": "CAReduce cols"}[op.attrs["kind"]]
    return op.name[:1].upper() + op.name[1:]


def _op_name(op: Op) -> str:
    """`Elemwise{add,tanh}`: a kernel is called by what is in it."""
    if op.name == "fused":
        inside = [o.name for o in op.regions[0].ops if o.name not in ("const", "reshape", "broadcast", "iota")]
        listed = ",".join(inside[:6]) + (",..." if len(inside) > 6 else "")
        return f"{_class_name(op)}{{{listed}}}"
    if op.name == "gemm":
        letters = "T" * bool(op.attrs.get("ta")) + "N" * (not op.attrs.get("ta"))
        letters += "T" if op.attrs.get("tb") else "N"
        return f"Gemm{{{letters}{',inplace' if op.attrs.get('acc') else ''}}}"
    return _class_name(op)


def _sorted(shares: Iterable[Share]) -> list[Share]:
    return sorted(shares, key=lambda s: -s.ns)


def _grouped(shares: list[Share], name: Callable[[Op], str]) -> list[Share]:
    groups: dict[str, Share] = {}
    for s in shares:
        key = name(s.ops[0])
        group = groups.setdefault(key, Share(key, s.kind))
        group.ns, group.calls, group.nodes = group.ns + s.ns, group.calls + s.calls, group.nodes + 1
        group.ops += s.ops
    return _sorted(groups.values())


# ---------------------------------------------------------------- at the end of the program
_at_exit: list[ProfileStats] = []


@atexit.register
def _print_all() -> None:
    """The profiles that nobody has looked at."""
    for stats in _at_exit:
        if stats.calls and not stats.printed:
            stats.summary()


def find_profile(profile: Any, message: str) -> ProfileStats | None:
    """What `function(profile=...)` means: True, False, None (the configuration), or the stats to add to."""
    if isinstance(profile, ProfileStats):
        return profile
    wanted = config.profile if profile is None else profile
    if not wanted:
        return None
    limits()  # measured now, as at the end of a program no threads can be started
    return ProfileStats(message, atexit_print=True)
