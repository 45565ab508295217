"""`NanGuardMode` and `MonitorMode`: the interpreter on the optimised graph, watched op by op.

The graph is optimised for all sizes and not cut into kernels, so that every value can be seen. In loops, an op is seen
in every iteration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from arignote.frontends.tensor.compiler import Reference, optimise
from arignote.frontends.tensor.modes import Mode, MonitorMode, NanGuardMode
from arignote.frontends.tensor.owner import Apply
from arignote.frontends.tensor.policy import Plan
from arignote.frontends.tensor.sharedvar import Container
from arignote.ir.core import Func, Op, every_op
from arignote.ir.diag import Diagnostic, IRError
from arignote.ir.interp import run
from arignote.ir.text import Names, op_line, short_array_text
from arignote.ir.types import may_be_nan

Array = np.ndarray[Any, Any]

#: Beyond this, numbers are "big".
BIG = 1e10


class NanGuardError(IRError, AssertionError):
    """A value that is NaN, infinite or large; an AssertionError, as in Theano.

    Attributes:
        op: the op that made it; None for an argument or a shared variable.
        array: the value.
    """

    op: Op | None = None
    array: Array | None = None


def watched(func: Func, containers: Sequence[Container], mode: Mode) -> Reference:
    """What runs a function in one of these modes."""
    general = optimise(func, Plan((), (), ()), mode)
    if isinstance(mode, NanGuardMode):
        return Guarded(general, containers, mode)
    assert isinstance(mode, MonitorMode)
    return Monitored(general, containers, mode)


class Guarded(Reference):
    """Checks arguments, states and the results of every op."""

    def __init__(self, func: Func, containers: Sequence[Container], mode: NanGuardMode) -> None:
        super().__init__(func, containers)
        self.mode = mode

    def run(
        self, arrays: Sequence[Array], states: Mapping[str, Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """The results, and the states afterwards.

        Raises:
            NanGuardError: a value is not as it should be; the states are as they were.
        """
        names = Names(self.func)
        given = [*zip(self.func.params, arrays, strict=True), *((s.value, states[s.name]) for s in self.func.states)]
        for value, x in given:
            problem = self.problem(x)
            if problem is not None:
                self.fail(f"{names[value]} holds {problem}", None, x, [f"{names[value]}: {statistics(x)}"])

        def check(op: Op, operands: Sequence[Array], results: tuple[Array, ...]) -> tuple[Array, ...]:
            for x in results:
                problem = self.problem(x)
                if problem is not None:
                    notes = [f"the result is {statistics(x)}"]
                    notes += [f"operand {i} is {statistics(a)}" for i, a in enumerate(operands)]
                    self.fail(f"{op.name} gave {problem}", op, x, notes)
            return results

        return run(self.func, arrays, states, replace=check)

    def problem(self, x: Array) -> str | None:
        """What is wrong with a value."""
        if not may_be_nan(x.dtype) or x.size == 0:
            return None
        with np.errstate(all="ignore"):
            if self.mode.nan_is_error and np.isnan(x).any():
                return "NaN"
            if self.mode.inf_is_error and np.isinf(x).any():
                return "an infinity"
            finite = np.abs(x[np.isfinite(x)])
            if self.mode.big_is_error and finite.size and float(finite.max()) > BIG:
                return f"a number beyond {BIG:.0e}"
        return None

    def fail(self, message: str, op: Op | None, array: Array, notes: Sequence[str]) -> None:
        """Raise the error."""
        excerpt, column = "", 0
        if op is not None:
            line = op_line(op, Names(self.func), short_array_text)
            excerpt, column = line.text, line.spans["name", 0]
        message = f"NanGuardMode: {message}"
        error = NanGuardError(Diagnostic(message, excerpt, column, None if op is None else op.loc, tuple(notes)))
        error.op, error.array = op, array
        raise error


class Thunk:
    """What hooks of `MonitorMode` get as `fn`: the arrays, each in a list of its own, as Theano has it."""

    def __init__(self, inputs: Sequence[Array], outputs: Sequence[Array | None]) -> None:
        self.inputs = [[x] for x in inputs]
        self.outputs = [[x] for x in outputs]


class Monitored(Reference):
    """Calls the functions of a `MonitorMode` around every op but constants."""

    def __init__(self, func: Func, containers: Sequence[Container], mode: MonitorMode) -> None:
        super().__init__(func, containers)
        self.mode = mode
        self.numbers = {op: i for i, op in enumerate(o for o in every_op(func.ops) if o.name != "const")}

    def run(
        self, arrays: Sequence[Array], states: Mapping[str, Array]
    ) -> tuple[list[Array], dict[str, Array]]:
        """The results, and the states afterwards."""

        def before(op: Op, operands: Sequence[Array]) -> None:
            _call(self.mode.pre_func, self.numbers.get(op), op, operands, [None] * len(op.results))

        def after(op: Op, operands: Sequence[Array], results: tuple[Array, ...]) -> tuple[Array, ...]:
            _call(self.mode.post_func, self.numbers.get(op), op, operands, results)
            return results

        return run(self.func, arrays, states, replace=after, before=before)


def _call(
    hook: Callable[..., Any] | None,
    number: int | None,
    op: Op,
    operands: Sequence[Array],
    results: Sequence[Array | None],
) -> None:
    if hook is not None and number is not None:
        hook(number, Apply.of(op), Thunk(operands, results))


def statistics(x: Array) -> str:
    """What an array is like: type, shape, range, mean, how many numbers are none."""
    text = f"{x.dtype}{list(x.shape)}"
    if x.size == 0 or x.dtype.kind not in "fciu":
        return text
    if x.dtype.kind == "f":
        nan, inf = int(np.isnan(x).sum()), int(np.isinf(x).sum())
        finite = x[np.isfinite(x)]
    else:
        nan = inf = 0
        finite = np.abs(x.ravel()) if x.dtype.kind == "c" else x.ravel()
    if finite.size:
        wide = finite.astype(np.float64)
        text += f", {wide.min():.4g} to {wide.max():.4g}, mean {wide.mean():.4g}"
    if nan or inf:
        text += f", {nan} NaN, {inf} infinite"
    return text
