"""Random inputs for functions, by the types of their parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.core import Func, Value
from arignote.ir.types import dim_symbols, is_float, subs_dim

Array = np.ndarray[Any, Any]

#: Sizes of dimension symbols, in order of appearance; no two alike, so that mixed-up axes show.
SIZES = (4, 3, 5, 6, 2)


def sizes(func: Func) -> dict[str, int]:
    """A size for each dimension symbol of the inputs."""
    symbols = dim_symbols(d for v in func.inputs() for d in v.shape)
    return {s: SIZES[i % len(SIZES)] for i, s in enumerate(symbols)}


def array_for(v: Value, env: dict[str, int], rng: np.random.Generator, kind: str) -> Array:
    """A random array for an input. `kind`: any, positive, huge (floats); integers are 0, 1 or 2."""
    shape = [subs_dim(d, dict(env)) for d in v.shape]
    dims = [d for d in shape if isinstance(d, int)]
    assert len(dims) == len(shape)
    if v.dtype == "bool":
        return np.asarray(rng.integers(0, 2, dims), dtype=bool)
    if not is_float(v.dtype):
        return np.asarray(rng.integers(0, 3, dims), dtype=v.type.numpy_dtype)
    scale = 1000 if kind == "huge" else 1
    out = rng.uniform(0.5, 2, dims) if kind == "positive" else rng.normal(size=dims) * scale
    return np.asarray(out, dtype=v.type.numpy_dtype)


def inputs_for(func: Func, rng: np.random.Generator, kind: str = "any") -> list[Array]:
    """Random arrays for the parameters of `func`."""
    env = sizes(func)
    return [array_for(v, env, rng, kind) for v in func.params]


def states_for(func: Func, rng: np.random.Generator, kind: str = "any") -> dict[str, Array]:
    """Random arrays for the states of `func`."""
    env = sizes(func)
    return {s.name: array_for(s.value, env, rng, kind) for s in func.states}
