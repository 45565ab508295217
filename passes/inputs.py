"""Random inputs on which a function runs, by the types of its inputs and what it does with them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from arignote.ir.bound import bound_dims
from arignote.ir.builder import infer_types
from arignote.ir.core import Func, Op, Value, every_op
from arignote.ir.diag import IRError
from arignote.ir.effects import silent
from arignote.ir.types import Dim, DimLike, dim_symbols, is_float, meetings, subs_dim

Array = np.ndarray[Any, Any]

#: Sizes of dimension symbols, in order of appearance; no two alike, so that mixed-up axes show.
SIZES = (4, 3, 5, 6, 2)
#: What floats may be: around zero, positive (for logarithms and roots), or in [0, 1).
KINDS = ("any", "positive", "unit")


def sizes(func: Func) -> dict[str, int]:
    """A size for each dimension symbol of the inputs; one for those that the function needs to be equal."""
    symbols = dim_symbols(d for v in func.inputs() for d in v.shape)
    groups, fixed = _classes(func)
    roots = list(dict.fromkeys(groups.get(s, s) for s in symbols))
    return {s: fixed.get(r := groups.get(s, s), SIZES[roots.index(r) % len(SIZES)]) for s in symbols}


def equal_sizes(func: Func, known: Mapping[str, int]) -> dict[str, int]:
    """The sizes of the symbols that must equal a number, or one of those that are known."""
    groups, fixed = _classes(func)
    sizes = {groups.get(s, s): n for s, n in known.items()} | fixed
    return {s: sizes[root] for s, root in groups.items() if root in sizes}


def _classes(func: Func) -> tuple[dict[str, str], dict[str, int]]:
    """Symbol -> the one that stands for all that equal it; and the numbers that such a one must be."""
    classes: dict[str, str] = {}

    def find(s: str) -> str:
        while classes.setdefault(s, s) != s:
            s = classes[s]
        return s

    known: dict[str, int] = {}
    for a, b in _equalities(func):
        if _plain(a) and _plain(b):
            classes[find(str(b))] = find(str(a))
        elif _plain(a) or _plain(b):
            symbol, size = (a, b) if _plain(a) else (b, a)
            find(str(symbol))
            if isinstance(size, int):
                known[str(symbol)] = size
    return {s: find(s) for s in list(classes)}, {find(s): n for s, n in known.items()}


def _equalities(func: Func) -> list[tuple[DimLike, DimLike]]:
    """Dimensions that type inference takes for equal."""
    with meetings() as met:
        for op in every_op(func.ops):
            infer_types(op.name, op.operands, op.attrs, op.regions)
    met += [pair for op in every_op(func.ops) if op.name == "reshape" for pair in _cut(op)]
    pairs = [(s.value.shape, s.update.shape) for s in func.states if s.update is not None]
    return met + [pair for old, new in pairs for pair in zip(old, new, strict=True) if pair[0] != pair[1]]


def _cut(op: Op) -> list[tuple[DimLike, DimLike]]:
    """The size of an axis that is cut into axes of known sizes, while the others stay: [n, p] -> [n, 1, 28, 28]."""
    cut, into = list(op.operands[0].shape), list(op.result.shape)
    for d in op.operands[0].shape:
        if d in into:
            cut.remove(d)
            into.remove(d)
    numbers = [d for d in into if isinstance(d, int)]
    return [(cut[0], math.prod(numbers))] if len(cut) == 1 and _plain(cut[0]) and len(numbers) == len(into) else []


def _plain(d: DimLike) -> bool:
    return isinstance(d, Dim) and d == Dim.symbol(next(iter(d.symbols())))


def array_for(
    v: Value, env: Mapping[str, int], rng: np.random.Generator, kind: str, limit: int = 3
) -> Array:
    """A random array for an input. `kind`: one of `KINDS`, or huge; integers lie in 0 .. limit-1."""
    shape = [subs_dim(d, dict(env)) for d in v.shape]
    dims = [d for d in shape if isinstance(d, int)]
    assert len(dims) == len(shape)
    if v.dtype == "bool":
        return np.asarray(rng.integers(0, 2, dims), dtype=bool)
    if not is_float(v.dtype):
        return np.asarray(rng.integers(0, max(limit, 1), dims), dtype=v.type.numpy_dtype)
    if kind in ("positive", "unit"):
        low, high = (0.5, 2) if kind == "positive" else (0, 1)
        return np.asarray(rng.uniform(low, high, dims), dtype=v.type.numpy_dtype)
    scale = 1000 if kind == "huge" else 1
    return np.asarray(rng.normal(size=dims) * scale, dtype=v.type.numpy_dtype)


def inputs_for(func: Func, rng: np.random.Generator, kind: str = "any") -> list[Array]:
    """Random arrays for the parameters of `func`."""
    env = sizes(func)
    limits = limits_of(func, env)
    return [array_for(v, env, rng, kind, limits.get(v, 3)) for v in func.params]


def states_for(func: Func, rng: np.random.Generator, kind: str = "any") -> dict[str, Array]:
    """Random arrays for the states of `func`."""
    env = sizes(func)
    limits = limits_of(func, env)
    return {
        s.name: array_for(s.value, env, rng, kind, limits.get(s.value, 3)) for s in func.states
    }


def working_inputs(func: Func, seed: int = 0, kind: str = "any") -> tuple[list[Array], dict[str, Array]]:
    """Inputs and states on which the interpreter runs `func` without an error; of `kind` if there are such.

    Raises:
        IRError: none were found: the message is that of the last try.
    """
    from arignote.ir.interp import run

    problem: Exception | None = None
    for k in (kind, *(k for k in KINDS if k != kind)):
        for attempt in range(3):
            rng = np.random.default_rng(seed + attempt)
            inputs, states = inputs_for(func, rng, k), states_for(func, rng, k)
            if attempt == 2:  # zeros fit most: they are the first index and the smallest size
                pairs = zip(func.params, inputs, strict=True)
                inputs = [x if is_float(v.dtype) else np.zeros_like(x) for v, x in pairs]
            try:
                with silent():
                    run(func, inputs, states)
            except IRError as e:
                problem = e
                continue
            return inputs, states
    raise IRError(f"@{func.name} was run on random inputs and failed on all of them: {problem}")


def limits_of(func: Func, env: Mapping[str, int]) -> dict[Value, int]:
    """For integer inputs that choose elements of a tensor, how many there are to choose from."""
    out: dict[Value, int] = {}

    def note(value: Value, size: DimLike) -> None:
        number = subs_dim(size, dict(env))
        source = _source(value)
        if isinstance(number, int) and source is not None:
            out[source] = min(out.get(source, number), number)

    for op in every_op(func.ops):
        for value, size in _choices(op):
            note(value, size)
    return out


def _choices(op: Op) -> list[tuple[Value, DimLike]]:
    if op.name in ("gather", "scatter"):
        first = 1 if op.name == "gather" else 2
        return [(v, op.operands[0].shape[axis]) for axis, v in enumerate(op.operands[first:])]
    if op.name == "check_indices":
        return [(op.operands[0], op.attrs["size"])]
    return [(v, 4) for _, v in bound_dims(op)]


def _source(value: Value) -> Value | None:
    """The input that a value is, but for a cast, a check, or another shape."""
    while value.owner is not None:
        if value.owner.name not in ("cast", "reshape", "broadcast", "check_indices", "check_index", "slice"):
            return None
        value = value.owner.operands[0]
    return value
