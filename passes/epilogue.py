"""Convolutions and the elementwise kernels behind them as one: bias, normalisation and activation.

The kernel of a convolution computes what becomes of its results before it stores them, so that these never travel to
memory and back. A `fused` op of kind `conv` begins with the convolution; the other ops are those of the `map` that was
the only one to read it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value, uses
from arignote.ir.cost import LIGHT
from arignote.ir.opdef import has_trait
from arignote.ir.ops.conv import takes_epilogue
from arignote.passes.base import Pass

#: What takes so little code that each place where results are stored may have its own.
CHEAP = LIGHT | {"const", "broadcast"}


@dataclass(frozen=True)
class Epilogue(Pass):
    """Join convolutions with the elementwise kernels that alone read their results."""

    name: ClassVar[str] = "epilogue"
    max: int = 16  # ops behind a convolution

    def run(self, func: Func) -> Func:
        mapping: dict[Value, Value] = {}
        ops = self._block(func.ops, func.roots(), mapping)
        return func if ops is None else func.with_ops(ops, mapping)

    def _block(self, ops: Sequence[Op], kept: Collection[Value], mapping: dict[Value, Value]) -> list[Op] | None:
        """The ops of a function or region, of which those in `kept` leave it; None where nothing changes."""
        users, kept = uses(ops), set(kept)
        joined: dict[Op, Op] = {}
        for op in ops:
            for v in op.operands if self._is_epilogue(op) else ():
                alone = v not in kept and users[v] == [op] and _fits(op, v)
                if alone and v.owner is not None and takes_epilogue(v.owner):
                    joined[op] = v.owner
        around = [op for op in ops if op.regions and not has_trait(op.name, "kernel")]
        inner = {op: [self._region(r) for r in op.regions] for op in around}
        if not joined and all(r is None for regions in inner.values() for r in regions):
            return None
        out: list[Op] = []
        builder = Builder(out)
        skipped = set(joined.values())
        for op in ops:
            if op in skipped:
                continue
            operands = [mapping.get(v, v) for v in op.operands]
            regions, attrs = [*op.regions], op.attrs
            if op in joined:
                operands, regions = _joined(joined[op], op, mapping)
                attrs = {**attrs, "kind": "conv"}
            elif op in inner:
                regions = [new or old for new, old in zip(inner[op], regions, strict=True)]
            results = builder.emit(
                op.name, *operands, regions=regions, loc=op.loc, names=[r.name for r in op.results], **attrs
            )
            mapping.update(zip(op.results, results, strict=True))
        return out

    def _region(self, region: Region) -> Region | None:
        mapping: dict[Value, Value] = {}
        ops = self._block(region.ops, region.yields, mapping)
        return None if ops is None else Region(region.params, ops, [mapping.get(v, v) for v in region.yields])

    def _is_epilogue(self, op: Op) -> bool:
        """Whether `op` is a kernel of few cheap ops."""
        if op.name != "fused" or op.attrs["kind"] != "map" or len(op.regions[0].ops) > self.max:
            return False
        return all(inner.name in CHEAP for inner in op.regions[0].ops)


def _fits(op: Op, v: Value) -> bool:
    """Whether a kernel makes one array like `v` of it, and of numbers for all or for each channel. Kernels that read or
    write other arrays of this size are left alone: in the order in which a convolution is computed that takes 0.96 to
    1.2 of the time of a kernel of its own."""
    numbers = ((1, *v.shape[1:2], *(1 for _ in v.shape[2:])), (1,) * v.ndim, ())
    alike = [r.type for r in op.results] == [v.type]
    return alike and all(x is v or x.shape in numbers for x in op.operands)


def _joined(conv: Op, kernel: Op, mapping: dict[Value, Value]) -> tuple[list[Value], list[Region]]:
    """Operands and region of the kernel that computes both."""
    old = kernel.regions[0]
    inputs: list[Value] = []
    params: list[Value] = []
    local: dict[Value, Value] = {}
    body: list[Op] = []
    builder = Builder(body)

    def read(v: Value, name: str | None) -> Value:
        if v not in inputs:
            inputs.append(v)
            params.append(Value(v.type, name))
        return params[inputs.index(v)]

    operands = [read(v, v.name) for v in conv.operands]
    (made,) = builder.emit(conv.name, *operands, loc=conv.loc, names=[conv.result.name], **conv.attrs)
    for v, p in zip(kernel.operands, old.params, strict=True):
        local[p] = made if v is conv.result else read(v, p.name)
    for op in old.ops:
        results = builder.emit(
            op.name, *(local[v] for v in op.operands), loc=op.loc, names=[r.name for r in op.results], **op.attrs
        )
        local.update(zip(op.results, results, strict=True))
    region = Region(params, body, [local[v] for v in old.yields])
    return [mapping.get(v, v) for v in inputs], [region]
