"""Common subexpression elimination."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.opdef import is_ordered
from arignote.passes.base import Pass, hand_on_names, rebuild_ops, with_operands
from arignote.passes.blocks import map_blocks


def attr_key(attr: Any) -> Hashable:
    """A key equal for attributes that `attrs_equal` says are equal. NaN has no equal, arrays
    compare by bytes."""
    if isinstance(attr, np.ndarray):
        return ("array", attr.dtype.str, attr.shape, attr.tobytes())
    if isinstance(attr, (list, tuple)):
        return ("tuple", *map(attr_key, attr))
    if isinstance(attr, float) and attr != attr:
        return ("nan", object())
    return (type(attr), attr)


def op_key(op: Op, operands: Sequence[Any]) -> Hashable:
    """A key equal for ops that compute the same, given keys of their operands."""
    attrs = tuple((k, attr_key(op.attrs[k])) for k in sorted(op.attrs))
    types = tuple(r.type for r in op.results)
    return (op.name, tuple(operands), attrs, types, tuple(region_key(r) for r in op.regions))


def region_key(region: Region) -> Hashable:
    """A key equal for regions that are structurally equal, whatever their values are called."""
    numbers: dict[Value, int] = {}
    for v in region.params:
        numbers[v] = len(numbers)
    keys = []
    for op in region.ops:
        keys.append(op_key(op, [numbers[v] for v in op.operands]))
        for v in op.results:
            numbers[v] = len(numbers)
    return (
        tuple(p.type for p in region.params),
        tuple(keys),
        tuple(numbers[v] for v in region.yields),
    )


@dataclass(frozen=True)
class Cse(Pass):
    """Compute equal expressions once."""

    name: ClassVar[str] = "cse"

    def run(self, func: Func) -> Func:
        return map_blocks(func, _block)


def _block(ops: list[Op], roots: Sequence[Value]) -> tuple[list[Op], dict[Value, Value]]:
    seen: dict[Hashable, tuple[Value, ...]] = {}
    originals = set(ops)

    def visit(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...]:
        key: Hashable = op if is_ordered(op) else op_key(op, operands)
        found = seen.get(key)
        if found is None:
            copy = with_operands(op, operands)
            assert b.ops is not None
            b.ops.append(copy)
            found = seen[key] = copy.results
        else:
            hand_on_names(op.results, found, lambda made: made not in originals)
        return found

    mapping: dict[Value, Value] = {}
    return rebuild_ops(ops, mapping, visit), mapping
