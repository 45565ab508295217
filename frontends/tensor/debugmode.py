"""`DebugMode`: machine code that is checked in every call, against the interpreter and against itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from arignote.frontends.tensor.compiler import Backend, Specialising
from arignote.frontends.tensor.modes import DebugMode
from arignote.frontends.tensor.policy import Plan
from arignote.frontends.tensor.sharedvar import Container, aligned_copy
from arignote.frontends.tensor.watching import statistics
from arignote.ir.core import Func, Op
from arignote.ir.diag import Diagnostic, IRError
from arignote.ir.effects import silent
from arignote.ir.interp import run
from arignote.ir.text import Names, op_line, short_array_text
from arignote.ir.types import may_be_nan
from arignote.passes.check import MiscompileError, NumericCheck
from arignote.passes.pipelines import specialized

Array = np.ndarray[Any, Any]


class DebugModeError(IRError):
    """Something that DebugMode found."""


class BadOptimization(DebugModeError):
    """A pass changed what is computed; the message names it, the op and the user's line."""


class BadThunkOutput(DebugModeError):
    """Machine code computed something else than the interpreter."""


class BadDestroyMap(DebugModeError):
    """An argument was changed by a call."""


class BadViewMap(DebugModeError):
    """A result is a part of an argument, of a shared variable, or of another result."""


class InvalidValueError(DebugModeError):
    """A result or an update is not finite."""


class Checked:
    """Runs a function and checks everything about it; see `DebugMode`."""

    def __init__(self, func: Func, containers: Sequence[Container], mode: DebugMode, backend: Backend) -> None:
        self.func = func
        self.containers = list(containers)
        self.mode = mode
        self.native = _CheckedPasses(func, containers, mode, backend)

    @property
    def functions(self) -> list[Func]:
        """The optimised functions so far."""
        return self.native.functions

    def __call__(self, *arrays: Array) -> list[Array]:
        given = [np.array(a) for a in arrays]
        before = [np.array(c.array) for c in self.containers]
        with silent():
            wanted = self._reference(given, before)
        results = self.native(*arrays)
        updates = [np.array(c.array) for c in self.containers]
        self._untouched(arrays, given)
        self._apart(arrays, results)
        self._agree("", wanted, results, updates)
        if self.mode.check_isfinite:
            self._finite(given, before, results, updates)
        if self.mode.check_strides:
            for kind, others in _layouts(given):
                with self._from(before), silent():
                    again = self.native(*others)
                    self._agree(f" for arguments {kind}", (results, updates), again, [c.array for c in self.containers])
        return results

    # ------------------------------------------------------------ checks
    def _reference(self, arrays: Sequence[Array], states: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        named = {s.name: x for s, x in zip(self.func.states, states, strict=True)}
        results, after = run(self.func, arrays, named)
        return [np.array(r) for r in results], [np.array(after[s.name]) for s in self.func.states]

    def _untouched(self, arrays: Sequence[Array], given: Sequence[Array]) -> None:
        for param, a, b in zip(self.func.params, arrays, given, strict=True):
            if a.tobytes() != b.tobytes():
                raise BadDestroyMap(f"@{self.func.name} changed its argument {param.name}")

    def _apart(self, arrays: Sequence[Array], results: Sequence[Array]) -> None:
        named = [(f"argument {p.name}", a) for p, a in zip(self.func.params, arrays, strict=True)]
        pairs = zip(self.func.states, self.containers, strict=True)
        named += [(f"shared variable {s.name}", c.array) for s, c in pairs]
        for i, r in enumerate(results):
            for name, x in named:
                if np.may_share_memory(r, x):
                    raise BadViewMap(f"result {i} of @{self.func.name} is a part of {name}")
            named.append((f"result {i}", r))

    def _agree(
        self,
        when: str,
        wanted: tuple[Sequence[Array], Sequence[Array]],
        results: Sequence[Array],
        updates: Sequence[Array],
    ) -> None:
        check = NumericCheck([], scale=self.mode.tolerance)
        for kind, old, new in (("result", wanted[0], results), ("update of", wanted[1], updates)):
            for i, (x, y) in enumerate(zip(old, new, strict=True)):
                worst = check.compare(x, y)
                if worst is None:
                    continue
                value = self.func.results[i] if kind == "result" else self.func.states[i].update
                label = f"{kind} {i if kind == 'result' else self.func.states[i].name}"
                notes = (
                    f"largest relative difference {worst:.3g}",
                    f"wanted {statistics(x)}", f"got {statistics(y)}",
                )  # fmt: skip
                message = f"machine code of @{self.func.name} gives another {label} than it should{when}"
                raise BadThunkOutput(self._about(message, None if value is None else value.owner, notes))

    def _finite(
        self, arrays: Sequence[Array], states: Sequence[Array], results: Sequence[Array], updates: Sequence[Array]
    ) -> None:
        labels = [f"result {i}" for i in range(len(results))]
        labels += [f"update of {s.name}" for s in self.func.states]
        for label, x in zip(labels, [*results, *updates], strict=True):
            if may_be_nan(x.dtype) and not np.isfinite(x).all():
                op, operands = self._first_not_finite(arrays, states)
                notes = [f"it is {statistics(x)}", *(f"operand {i} is {statistics(a)}" for i, a in enumerate(operands))]
                raise InvalidValueError(self._about(f"{label} of @{self.func.name} is not finite", op, notes))

    def _first_not_finite(self, arrays: Sequence[Array], states: Sequence[Array]) -> tuple[Op | None, list[Array]]:
        """The first op of the optimised function whose result is not finite though its operands are."""
        found: list[tuple[Op, list[Array]]] = []

        def look(op: Op, operands: Sequence[Array], made: tuple[Array, ...]) -> tuple[Array, ...]:
            if not found and op.name != "const" and any(not _finite(x) for x in made):
                found.append((op, list(operands)))
            return made

        func = self.native.functions[-1]
        with silent():
            run(func, arrays, {s.name: x for s, x in zip(func.states, states, strict=True)}, replace=look)
        return found[0] if found else (None, [])

    def _about(self, message: str, op: Op | None, notes: Sequence[str]) -> Diagnostic:
        if op is None:
            return Diagnostic(message, notes=tuple(notes))
        line = op_line(op, Names(self.func), short_array_text)
        return Diagnostic(message, line.text, line.spans["name", 0], op.loc, tuple(notes))

    @contextmanager
    def _from(self, states: Sequence[Array]) -> Iterator[None]:
        """Start from these states, and restore those of now afterwards."""
        after = [np.array(c.array) for c in self.containers]
        try:
            _set(self.containers, states)
            yield
        finally:
            _set(self.containers, after)


class _CheckedPasses(Specialising):
    """Runs every pass before and after on the arguments of the call that it compiles for."""

    mode: DebugMode

    def _memory(self) -> None:
        """Nothing: every pass is to run."""

    def optimised(self, plan: Plan, extra: Mapping[str, int], arrays: Sequence[Array]) -> Func:
        """The function under a plan.

        Raises:
            BadOptimization: a pass changes a value.
        """
        states = {s.name: np.array(c.array) for s, c in zip(self.func.states, self.containers, strict=True)}
        check = NumericCheck([np.array(a) for a in arrays], states, scale=self.mode.tolerance)
        pipeline = specialized(self.mode.passes(), dict(plan.dims) | dict(extra))
        try:
            func = pipeline.run(self.func, verify_each=True, check_each=check)
            self.mode.lowering().run(func, verify_each=True, check_each=check)
        except MiscompileError as error:
            found = BadOptimization(error.diagnostic)
            for note in getattr(error, "__notes__", ()):
                found.add_note(note)
            raise found from None
        return func


def _set(containers: Sequence[Container], arrays: Sequence[Array]) -> None:
    for c, x in zip(containers, arrays, strict=True):
        if c.array.shape == x.shape:
            c.array[...] = x
        else:
            c.array = aligned_copy(x)


def _layouts(arrays: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    """The same arguments in memory of another order, with gaps, and at odd addresses."""
    if any(a.ndim > 1 for a in arrays):
        yield "in Fortran's order", [np.asfortranarray(a) if a.ndim > 1 else a for a in arrays]
    if any(a.ndim for a in arrays):
        yield "with gaps between their elements", [_with_gaps(a) if a.ndim else a for a in arrays]
        yield "that are not aligned", [_unaligned(a) if a.ndim else a for a in arrays]


def _with_gaps(a: Array) -> Array:
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1] or 1), a.dtype)
    out = wide[..., : 2 * a.shape[-1] : 2]
    out[...] = a
    return out


def _unaligned(a: Array) -> Array:
    raw = np.zeros(a.nbytes + a.itemsize + 1, np.uint8)
    out = raw[1 : 1 + a.nbytes].view(a.dtype).reshape(a.shape)
    out[...] = a
    return out


def _finite(x: Array) -> bool:
    return not may_be_nan(x.dtype) or bool(np.isfinite(x).all())


