"""Numeric checking of passes: the interpreter runs a function before and after each pass and
compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arignote.ir.core import Func, Op, Value, every_op
from arignote.ir.diag import Diagnostic, IRError
from arignote.ir.effects import Printed, redirected, silent
from arignote.ir.interp import Watch, run
from arignote.ir.match import Matching
from arignote.ir.text import Names, op_line, short_array_text
from arignote.ir.types import DTYPES
from arignote.passes.aliasing import is_planned, run_planned
from arignote.passes.base import Pass

Array = np.ndarray[Any, Any]

#: dtype -> relative tolerance of one result, in which rounding may have been reordered; others must
#: be equal.
TOLERANCE = {"f16": 2e-2, "bf16": 5e-2, "f32": 1e-4, "f64": 1e-9, "c64": 1e-4, "c128": 1e-9}


class MiscompileError(IRError):
    """A pass changed what a function computes."""


def difference(a: Array, b: Array, dtype: str, scale: float = 1.0) -> float | None:
    """The largest difference of `a` and `b`, relative to their magnitude; None if within tolerance.

    NaNs and infinities must agree. Integers must be equal. `scale` multiplies the tolerance.
    """
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    if a.size == 0:
        return None
    if dtype not in TOLERANCE:
        return (
            None if np.array_equal(a, b) else float(np.abs(a.astype("f8") - b.astype("f8")).max())
        )
    finite = np.isfinite(a) & np.isfinite(b)
    odd = ~finite
    if not np.array_equal(a[odd], b[odd], equal_nan=True):
        return float("inf")
    if not finite.any():
        return None
    wide = np.complex128 if dtype[0] == "c" else np.float64
    x, y = a[finite].astype(wide), b[finite].astype(wide)
    # Relative to the largest element: small ones are often differences of large ones.
    magnitude = max(float(np.abs(x).max()), float(np.abs(y).max()), 1e-3)
    worst = float(np.abs(x - y).max()) / magnitude
    return worst if worst > TOLERANCE[dtype] * scale else None


@dataclass
class NumericCheck:
    """Compares a function before and after a pass on given inputs; pass it to
    `Pipeline.run(check_each=...)`.

    `inputs` and `states` are arrays in the order of the function's parameters and states. With
    `allow_finite`, values that were NaN or infinite may become finite: stabilisation is meant to do
    that.
    """

    inputs: Sequence[Array]
    states: Mapping[str, Array] | None = None
    scale: float = 1.0
    allow_finite: bool = True

    def __call__(self, p: Pass, before: Func, after: Func) -> None:
        """Raises MiscompileError, naming the pass, the result and the op that differ first."""
        printed: tuple[list[Printed], list[Printed]] = [], []
        with redirected(printed[0].append):
            old = self._run(before)
        with redirected(printed[1].append):
            new = self._run(after)
        # A pass may add results (`grad`), never change or drop those there were.
        labels = [f"result {i}" for i in range(len(before.results))]
        pairs = list(zip(labels, old[0], new[0], strict=False))
        pairs += [(f"state @{name}", value, new[1][name]) for name, value in old[1].items()]
        if len(new[0]) < len(old[0]):
            raise MiscompileError(
                f"pass {p} dropped results of @{before.name}: {len(old[0])} became {len(new[0])}"
            )
        for label, x, y in pairs:
            worst = self.compare(x, y)
            if worst is not None:
                raise MiscompileError(self._explain(p, before, after, label, worst))
        self._check_printed(p, before, *printed)

    def _check_printed(self, p: Pass, func: Func, old: list[Printed], new: list[Printed]) -> None:
        """What is printed must be the same, in the same order."""
        for i in range(max(len(old), len(new))):
            x, y = (seq[i] if i < len(seq) else None for seq in (old, new))
            if x is None or y is None or (x.message, x.show, x.hook) != (y.message, y.show, y.hook):
                problem = f"{_name_of(x)} was printed, now {_name_of(y)} is"
            elif self.compare(x.array, y.array) is not None:
                problem = f"{_name_of(x)} is printed with another value"
            else:
                continue
            messages = [seq.message for seq in (x, y) if seq is not None]
            prints = (o for o in every_op(func.ops) if o.name == "print")
            op = next((o for o in prints if o.attrs.get("message", "") in messages), None)
            notes = (f"it is number {i + 1} of what is printed",)
            line = None if op is None else op_line(op, Names(func), short_array_text)
            loc = None if op is None else op.loc
            excerpt, column = ("", 0) if line is None else (line.text, line.spans["name", 0])
            raise MiscompileError(
                Diagnostic(f"pass {p} changed what @{func.name} prints: {problem}", excerpt, column, loc, notes)
            )

    def compare(self, x: Array, y: Array) -> float | None:
        """As `difference`, for arrays of the interpreter."""
        x, y = np.asarray(x), np.asarray(y)
        name = next((n for n, numpy_name in DTYPES.items() if numpy_name == x.dtype.name), "f64")
        if self.allow_finite and name in TOLERANCE and x.shape == y.shape and x.dtype == y.dtype:
            y = np.where(~np.isfinite(x), x, y)
        return difference(x, y, name, self.scale)

    def _run(self, func: Func, watch: Watch | None = None) -> tuple[list[Array], dict[str, Array]]:
        """Results and states; a planned function runs in the memory of its plan."""
        inputs, states = [np.array(x) for x in self.inputs], self._states(func)
        if is_planned(func):
            return run_planned(func, inputs, states, watch)
        results, after = run(func, inputs, states, watch)
        return list(results), dict(after)

    def _values(self, func: Func) -> dict[Op, tuple[Array, ...]]:
        """What each op makes; of ops that run several times, the first time."""
        found: dict[Op, tuple[Array, ...]] = {}

        def keep(op: Op, results: tuple[Array, ...]) -> None:
            if op not in found:
                found[op] = tuple(np.array(x) for x in results)

        with silent():
            self._run(func, keep)
        return found

    def _states(self, func: Func) -> dict[str, Array]:
        given = self.states or {}
        return {s.name: np.array(given[s.name]) for s in func.states}

    def _explain(self, p: Pass, before: Func, after: Func, label: str, worst: float) -> Diagnostic:
        notes = [f"largest relative difference {worst:.3g}"]
        culprit = self._first_difference(before, after)
        op: Op | None = None
        loc = None
        if culprit is not None:
            op, value, error = culprit
            notes.append(
                f"the first value that differs is %{value.name or '_'}: {value.type}, "
                f"made by {op.name} (largest relative difference {error:.3g})"
            )
        else:
            op = _made(before, label)
            if op is not None:
                notes.append(f"before, it was made by {op.name}: every value that both compute is the same")
        excerpt, column = "", 0
        if op is not None:
            loc = op.loc
            line = op_line(op, Names(after if op in set(after.ops) else before), short_array_text)
            excerpt, column = line.text, line.spans["name", 0]
        return Diagnostic(
            f"pass {p} changed {label} of @{before.name}", excerpt, column, loc, tuple(notes)
        )

    def _first_difference(self, before: Func, after: Func) -> tuple[Op, Value, float] | None:
        """The first op after the pass whose value differs from that of the op it was before.

        Where that op reads what the pass has made anew, the new op is to blame.
        """
        try:
            old, new = self._values(before), self._values(after)
            matching = Matching(before, after)
        except IRError:
            return None
        partners = _with_names(matching)
        for y in matching.b.ops:
            x = partners.get(y)
            if x is None or x not in old or y not in new:
                continue
            for v, a, b in zip(y.results, old[x], new[y], strict=False):
                error = self.compare(a, b) if a.shape == b.shape else None
                if error is not None:
                    blamed = _newest(y, matching, partners)
                    return (y, v, error) if blamed is None else (blamed, blamed.results[0], error)
        return None


def _name_of(printed: Printed | None) -> str:
    return "nothing" if printed is None else f"print {printed.message!r}"


def _with_names(matching: Matching) -> dict[Op, Op]:
    """The pairs, from after to before; and of what has none, those of one name and type."""
    partners = dict(matching.back)
    named = {
        (op.results[0].name, str(op.results[0].type)): op
        for op in matching.a.ops
        if op not in matching.pairs and op.results and op.results[0].name
    }
    for op in matching.b.ops:
        if op not in partners and op.results:
            found = named.get((op.results[0].name or "", str(op.results[0].type)))
            if found is not None:
                partners[op] = found
    return partners


def _newest(op: Op, matching: Matching, partners: Mapping[Op, Op]) -> Op | None:
    """The last op without a partner among those that `op` reads, as far as they have none; constants excepted."""
    stack = [matching.b.source(v).owner for v in op.operands]
    while stack:
        maker = stack.pop()
        if maker is not None and maker not in partners and maker.name not in ("const", "fused"):
            return maker
    return None


def _made(func: Func, label: str) -> Op | None:
    """The op that makes a result, or the new value of a state."""
    kind, _, name = label.partition(" ")
    if kind == "result":
        return func.results[int(name)].owner
    value = next(s.update for s in func.states if f"@{s.name}" == name)
    return None if value is None else value.owner
