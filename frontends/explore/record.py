"""What a page of `arignote explore` tells: the function behind every pass, and what it costs in the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from arignote.codegen.compile import Compiled
from arignote.codegen.listing import Listing, listing
from arignote.codegen.target import make_target
from arignote.frontends.tensor.callable import Function
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.profiling import ProfileStats
from arignote.frontends.tensor.stages import func_at, known_sizes
from arignote.ir.core import Func, Op
from arignote.passes.base import Pass
from arignote.passes.pipelines import specialized
from arignote.passes.place import Place

#: Calls that are measured, and the seconds after which no other begins.
CALLS, SECONDS = 20, 2.0


@dataclass
class Step:
    """A function behind a pass; `quiet` are the names of those that ran before it and changed nothing."""

    title: str
    func: Func
    options: str = ""
    seconds: float = 0.0
    quiet: list[str] = field(default_factory=list)


@dataclass
class Recording:
    """A compilation.

    Attributes:
        name: of the function.
        steps: what was recorded, with the gradients, and behind every pass that changed something.
        rest: the names of passes at the end that changed nothing.
        code: the kernels; None for other devices than the CPU.
        times: op of the last step -> (how often it ran, nanoseconds in all), where the function was run.
        calls: how often it was called; call_ns: nanoseconds in these calls.
    """

    name: str
    steps: list[Step]
    rest: list[str]
    code: Listing | None = None
    times: dict[Op, tuple[int, int]] = field(default_factory=dict)
    calls: int = 0
    call_ns: int = 0


class _Recorder(ProfileStats):
    """Sees the passes of a compilation, and the times of its ops."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.steps = steps
        self.waiting: list[str] = []
        self.done = False

    def saw_pass(self, p: Pass, before: Func, after: Func, seconds: float) -> None:
        """A pass has run."""
        if self.done:
            return  # code for other shapes
        if after is before:
            self.waiting.append(p.name)
            return
        self.steps.append(Step(p.name, after, str(p).removeprefix(p.name), seconds, self.waiting))
        self.waiting = []

    def saw_code(self, compiled: Compiled, begin: int) -> None:
        """All passes have run."""
        super().saw_code(compiled, begin)
        self.done = True


def record(program: Function | Func, arguments: Sequence[Any] | None = None, device: str = "cpu") -> Recording:
    """Compile a function and keep what it is behind every pass.

    Args:
        arguments: those of calls to measure, on the CPU, of a compiled function; None: it does not run. The calls
            update its shared variables.

    Raises:
        IRError: the program breaks a rule, or the code generator cannot lower it.
    """
    func = func_at(program, "grad")
    forward = func_at(program, "recorded")
    steps = [Step("recorded", forward)]
    if len(forward.ops) != len(func.ops) or any(s.update is not None for s in func.states):
        steps.append(Step("grad", func))
    recorder = _Recorder(steps)
    if arguments is not None and isinstance(program, Function) and device == "cpu":
        out = Recording(func.name, steps, recorder.waiting)
        _run(program, arguments, recorder, out)
    else:
        mode = program.mode if isinstance(program, Function) else Mode()
        dims, assumed = known_sizes(program)
        pipeline = specialized(mode.passes(), {**dims, **assumed})
        placed = pipeline.run(func, after=recorder.saw_pass)
        if device != "cpu":
            start = time.perf_counter()
            before, placed = placed, Place(device).run(placed)
            recorder.saw_pass(Place(device), before, placed, time.perf_counter() - start)
        mode.lowering().run(placed, after=recorder.saw_pass)
        out = Recording(func.name, steps, recorder.waiting)
    out.rest = recorder.waiting
    if device == "cpu":
        out.code = listing(steps[-1].func, make_target("cpu"))
    return out


def _run(program: Function, arguments: Sequence[Any], recorder: _Recorder, out: Recording) -> None:
    function = program.again(recorder)
    function(*arguments)
    recorder.reset()
    end = time.perf_counter() + SECONDS
    for _ in range(CALLS):
        function(*arguments)
        if time.perf_counter() > end:
            break
    timer = recorder.codes[0].timer
    out.times = {op: (count, ns) for op, count, ns in timer.accounts() if op is not None}
    out.calls, out.call_ns = recorder.calls, recorder.call_ns
