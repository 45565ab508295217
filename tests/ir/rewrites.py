"""Changes of a program that leave its structure: another listing, other names."""

from __future__ import annotations

import numpy as np

from arignote.ir.bound import bound_symbols, symbols_of
from arignote.ir.core import Func, Op, Region, State, Value
from arignote.ir.opdef import is_ordered
from arignote.ir.symbols import subs_attr
from arignote.ir.types import Dim, DimLike


def shuffled(func: Func, rng: np.random.Generator) -> Func:
    """The same function with its ops listed in another order that keeps dominance."""
    binder: dict[str, Op] = {}
    waits: dict[Op, set[Op]] = {}
    for op in func.ops:
        waits[op] = {v.owner for v in op.operands if v.owner is not None}
        waits[op] |= {binder[s] for s in symbols_of(op) if s in binder}
        for name, _ in bound_symbols(op):
            binder.setdefault(name, op)
    seen: Op | None = None
    for op in func.ops:  # what the world sees keeps its order
        if is_ordered(op):
            waits[op] |= set() if seen is None else {seen}
            seen = op
    left = list(func.ops)
    ops: list[Op] = []
    done: set[Op] = set()
    while left:
        ready = [op for op in left if waits[op] <= done]
        op = ready[int(rng.integers(len(ready)))]
        left.remove(op)
        ops.append(op)
        done.add(op)
    return func.with_ops(ops, {})


def renamed(func: Func, prefix: str) -> Func:
    """A copy of a function in which every value and symbol has another name."""
    symbols = {s for v in func.inputs() for d in v.shape if isinstance(d, Dim) for s in d.symbols()}
    symbols |= {s for op in func.ops for s in symbols_of(op)}
    env: dict[str, DimLike] = {
        s: Dim.symbol(f"{prefix}{i}") for i, s in enumerate(sorted(symbols, reverse=True))
    }
    return _copy_func(func, env, prefix)


def _copy_func(func: Func, env: dict[str, DimLike], prefix: str) -> Func:
    mapping: dict[Value, Value] = {}

    def value(v: Value) -> Value:
        mapping[v] = Value(v.type.subs(env), f"{prefix}{len(mapping)}")
        return mapping[v]

    def copy_op(op: Op) -> Op:
        regions = [
            Region(
                [value(p) for p in r.params],
                [copy_op(inner) for inner in r.ops],
                [mapping[y] for y in r.yields],
            )
            for r in op.regions
        ]
        attrs = {k: subs_attr(a, env) for k, a in reversed(op.attrs.items())}
        names = [f"{prefix}{len(mapping) + i}" for i in range(len(op.results))]
        types = [r.type.subs(env) for r in op.results]
        new = Op(op.name, [mapping[v] for v in op.operands], attrs, types, regions, None, names)
        mapping.update(zip(op.results, new.results, strict=True))
        return new

    params = [value(p) for p in func.params]
    states = [State(f"{prefix}{i}", value(s.value)) for i, s in enumerate(func.states)]
    ops = [copy_op(op) for op in func.ops]
    for new, old in zip(states, func.states, strict=True):
        new.update = None if old.update is None else mapping[old.update]
    attrs = {k: subs_attr(a, env) for k, a in func.attrs.items()}
    return Func(prefix, params, states, ops, [mapping[r] for r in func.results], attrs)
