"""Graphs for tests, and their evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Func, State, Value, toposort
from arignote.ir.interp import evaluate
from arignote.ir.types import DimLike, TensorType

Array = np.ndarray[Any, Any]


def var(name: str, dtype: str, *shape: DimLike) -> Value:
    """An input."""
    return Value(TensorType(dtype, shape), name)


def func_of(
    params: Sequence[Value], results: Sequence[Value], states: Sequence[State] = ()
) -> Func:
    """A function of a floating graph."""
    func = Func("f", list(params), list(states), [], list(results))
    func.ops = toposort(func.roots())
    return func


def mean(b: Builder, x: Value) -> Value:
    """The mean of a vector."""
    return b.div(b.sum(x, axes=(0,)), b.cast(b.dim(x, axis=0), dtype=x.dtype))


def negative_log_likelihood(b: Builder, p: Value, y: Value) -> Value:
    """-mean(log(p)[arange(n), y]), as people write it."""
    rows = b.iota(shape=(p.shape[0],), axis=0, dtype="i64")
    return b.neg(mean(b, b.gather(b.log(p), rows, y)))


def numeric_gradient(cost: Value, wrt: Value, env: dict[Value, Array], step: float = 1e-6) -> Array:
    """Central differences in float64."""
    x = env[wrt]
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[i] += sign * step
            ends.append(float(evaluate([cost], {**env, wrt: moved})[0]))
        out[i] = (ends[0] - ends[1]) / (2 * step)
    return out
