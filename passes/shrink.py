"""Smaller programs made of larger ones, for delta reduction: parts cut out, bypassed, unwrapped, resized."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from arignote.ir.builder import make_op
from arignote.ir.core import Func, Op, Region, Value, every_op, toposort
from arignote.ir.diag import IRError
from arignote.ir.types import TensorType


def on(op: Op, operands: Sequence[Value], known: dict[Value, Value]) -> Op:
    """`op` on other operands of the same types; `known` receives its results."""
    names = [r.name for r in op.results]
    new = Op(op.name, operands, op.attrs, [r.type for r in op.results], op.regions, op.loc, names)
    known.update(zip(op.results, new.results, strict=True))
    return new


def sliced(func: Func, op: Op) -> Func:
    """What one op needs, as a function that returns its results: no updates, and no effects."""
    states = [replace(s, update=None) for s in func.states]
    needed = set(toposort(op.results))
    return replace(func, ops=[o for o in func.ops if o in needed], results=list(op.results), states=states)


def values(func: Func) -> Iterator[Value]:
    yield from func.inputs()
    for op in every_op(func.ops):
        yield from op.results


def replaced(func: Func, mapping: Mapping[Value, Value]) -> Func:
    """The function with values taken from elsewhere."""
    known = dict(mapping)
    ops = []
    for op in func.ops:
        operands = [known.get(v, v) for v in op.operands]
        if operands == list(op.operands):
            ops.append(op)
            continue
        ops.append(on(op, operands, known))
    return func.with_ops(ops, known)


def cut(func: Func, chunk: Sequence[Op]) -> Func:
    """The function with parameters in the place of what some ops compute."""
    gone = set(chunk)
    needed = {v for op in func.ops if op not in gone for v in op.operands} | set(func.roots())
    values = [v for op in chunk for v in op.results if v in needed]
    taken = {p.name for p in func.params}
    params = {}
    for v in values:
        name, i = v.name or "cut", 0
        while name in taken:
            name, i = f"{v.name or 'cut'}.{i}", i + 1
        taken.add(name)
        params[v] = Value(v.type, name)
    rest = replaced(replace(func, ops=[op for op in func.ops if op not in gone]), params)
    return replace(rest, params=[*func.params, *params.values()])


def shorter(func: Func, op: Op) -> Iterator[dict[Value, Value]]:
    """What may stand for the results of an op: operands of the same type."""
    for v in dict.fromkeys(op.operands):
        if len(op.results) == 1 and v.type == op.result.type:
            yield {op.result: v}
    if len(op.results) == 1 and op.name != "const":
        for p in func.inputs():
            if p.type == op.result.type and p not in op.operands:
                yield {op.result: p}
                break


def inlined(func: Func, kernel: Op) -> Func:
    """A kernel's ops in its place."""
    region = kernel.regions[0]
    known: dict[Value, Value] = dict(zip(region.params, kernel.operands, strict=True))
    ops: list[Op] = []
    for op in func.ops:
        if op is not kernel:
            ops.append(op)
            continue
        for inner in region.ops:
            ops.append(on(inner, [known.get(v, v) for v in inner.operands], known))
    outer = {r: known.get(y, y) for r, y in zip(kernel.results, region.yields, strict=True)}
    attrs = {k: a for k, a in func.attrs.items() if k != "stage"}
    return replaced(replace(func, ops=ops, attrs=attrs), outer)


def inner_candidates(func: Func, holder: Op, number: int, op: Op) -> Iterator[Func | None]:
    region = holder.regions[number]
    known = [*region.params, *(v for o in region.ops[: region.ops.index(op)] for v in o.results)]
    for i, r in enumerate(op.results):
        options = [v for v in (*op.operands, *known) if v.type == r.type]
        for v in list(dict.fromkeys(options))[:3]:
            if len(op.results) == 1 or i == 0:
                yield _with_region(func, holder, number, _region_replaced(region, op, {r: v}))
    if not any(v in o.operands for o in region.ops for v in op.results) and not set(op.results) & set(region.yields):
        smaller = Region(region.params, [o for o in region.ops if o is not op], region.yields)
        yield _with_region(func, holder, number, smaller)


def _region_replaced(region: Region, op: Op, mapping: dict[Value, Value]) -> Region:
    known = dict(mapping)
    ops: list[Op] = []
    for o in region.ops:
        if o is op and len(op.results) == 1:
            continue
        ops.append(on(o, [known.get(v, v) for v in o.operands], known))
    return Region(region.params, ops, [known.get(v, v) for v in region.yields])


def _with_region(func: Func, holder: Op, number: int, region: Region) -> Func | None:
    """The function with another region in `holder`, wherever that is."""

    def rebuilt(ops: Sequence[Op], known: dict[Value, Value]) -> list[Op]:
        out = []
        for op in ops:
            regions = list(op.regions)
            if op is holder:
                regions[number] = region
            else:
                regions = [_rebuilt_region(r) for r in regions]
            operands = [known.get(v, v) for v in op.operands]
            if operands == list(op.operands) and regions == list(op.regions):
                out.append(op)
                continue
            new = make_op(op.name, operands, op.attrs, regions, op.loc, [r.name for r in op.results])
            known.update(zip(op.results, new.results, strict=True))
            out.append(new)
        return out

    def _rebuilt_region(r: Region) -> Region:
        known: dict[Value, Value] = {}
        ops = rebuilt(r.ops, known)
        return r if ops == r.ops else Region(r.params, ops, [known.get(v, v) for v in r.yields])

    known: dict[Value, Value] = {}
    try:
        return func.with_ops(rebuilt(func.ops, known), known)
    except IRError:
        return None


def resized(func: Func, size: int, small: int) -> Func | None:
    """The function with another size wherever `size` is a dimension; constants are cut down."""
    known: dict[Value, Value] = {}

    def type_of(t: TensorType) -> TensorType:
        return t.with_shape(small if isinstance(d, int) and d == size else d for d in t.shape)

    def attr(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(attr(x) for x in value)
        if isinstance(value, np.ndarray):
            return _cut_array(value, size, small)
        return small if type(value) is int and value == size else value

    def copied(v: Value) -> Value:
        known[v] = Value(type_of(v.type), v.name)
        return known[v]

    def ops_of(ops: Sequence[Op]) -> list[Op]:
        out = []
        for op in ops:
            regions = []
            for r in op.regions:
                params, inner = [copied(p) for p in r.params], ops_of(r.ops)
                regions.append(Region(params, inner, [known[y] for y in r.yields]))
            attrs = {k: attr(a) for k, a in op.attrs.items()}
            names = [r.name for r in op.results]
            new = make_op(op.name, [known[v] for v in op.operands], attrs, regions, op.loc, names)
            known.update(zip(op.results, new.results, strict=True))
            out.append(new)
        return out

    try:
        params = [copied(p) for p in func.params]
        states = [replace(s, value=copied(s.value)) for s in func.states]
        ops = ops_of(func.ops)
    except (IRError, ValueError, IndexError):
        return None
    states = [replace(s, update=None if s.update is None else known[s.update]) for s in states]
    return replace(func, params=params, states=states, ops=ops, results=[known[r] for r in func.results])


def _cut_array(array: np.ndarray[Any, Any], size: int, small: int) -> np.ndarray[Any, Any]:
    where = tuple(slice(0, small) if n == size else slice(None) for n in array.shape)
    out = np.ascontiguousarray(array[where]).reshape([small if n == size else n for n in array.shape])
    out.flags.writeable = False
    return out
