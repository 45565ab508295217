"""Numeric checking of passes: the interpreter runs a function before and after each pass and
compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arignote.ir.core import Func, Op, Value
from arignote.ir.diag import Diagnostic, IRError
from arignote.ir.interp import run
from arignote.ir.types import DTYPES
from arignote.passes.base import Pass
from arignote.passes.cse import attr_key

Array = np.ndarray[Any, Any]

#: dtype -> relative tolerance of one result, in which rounding may have been reordered; others must
#: be equal.
TOLERANCE = {"f16": 2e-2, "f32": 1e-4, "f64": 1e-9, "c64": 1e-4, "c128": 1e-9}


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


def _instrumented(func: Func) -> tuple[Func, list[Value]]:
    """`func` with every result of its ops added to its results."""
    values = [v for op in func.ops for v in op.results]
    return Func(func.name, func.params, func.states, func.ops, [*func.results, *values]), values


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
        old, new = self._run(before), self._run(after)
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

    def compare(self, x: Array, y: Array) -> float | None:
        """As `difference`, for arrays of the interpreter."""
        x, y = np.asarray(x), np.asarray(y)
        name = next((n for n, numpy_name in DTYPES.items() if numpy_name == x.dtype.name), "f64")
        if self.allow_finite and name in TOLERANCE and x.shape == y.shape and x.dtype == y.dtype:
            y = np.where(~np.isfinite(x), x, y)
        return difference(x, y, name, self.scale)

    def _run(self, func: Func) -> tuple[list[Array], dict[str, Array]]:
        results, states = run(func, [np.array(x) for x in self.inputs], self._states(func))
        return list(results), dict(states)

    def _states(self, func: Func) -> dict[str, Array]:
        given = self.states or {}
        return {s.name: np.array(given[s.name]) for s in func.states}

    def _explain(self, p: Pass, before: Func, after: Func, label: str, worst: float) -> Diagnostic:
        notes = [f"largest relative difference {worst:.3g}"]
        culprit = self._first_difference(before, after)
        loc = None
        if culprit is not None:
            op, value, error = culprit
            notes.append(
                f"the first value that differs is %{value.name or '_'}: {value.type}, "
                f"made by {op.name} (largest relative difference {error:.3g})"
            )
            loc = op.loc
        return Diagnostic(
            f"pass {p} changed {label} of @{before.name}", loc=loc, notes=tuple(notes)
        )

    def _first_difference(self, before: Func, after: Func) -> tuple[Op, Value, float] | None:
        """The first op after the pass whose value differs from the one of the same name, or else of
        the same structure, before it."""
        old, old_values = _instrumented(before)
        new, new_values = _instrumented(after)
        try:
            computed = self._run(old)[0][len(before.results) :]
            recomputed = self._run(new)[0][len(after.results) :]
        except IRError:
            return None
        by_name = {v.name: x for v, x in zip(old_values, computed, strict=True) if v.name}
        by_key = dict(zip(_keys(before), computed, strict=True))
        for v, x, key in zip(new_values, recomputed, _keys(after), strict=True):
            same = by_key.get(key)
            if same is None and v.name is not None:
                same = by_name.get(v.name)
            if same is not None and np.shape(same) == np.shape(x):
                error = self.compare(same, x)
                if error is not None and v.owner is not None:
                    return v.owner, v, error
        return None


def _keys(func: Func) -> list[Any]:
    """For each result of each op, a key of its structure down to the inputs."""
    number: dict[Value, Any] = {v: ("input", i) for i, v in enumerate(func.inputs())}
    interned: dict[Any, int] = {}
    out = []
    for op in func.ops:
        for v in op.results:
            attrs = tuple((k, attr_key(op.attrs[k])) for k in sorted(op.attrs))
            key = (op.name, tuple(number[x] for x in op.operands), attrs, v.index)
            number[v] = interned.setdefault(key, len(interned))
            out.append(key)
    return out
