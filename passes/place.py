"""Placement: decide what runs on the device, and bring over what it needs, once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value
from arignote.ir.placement import host_scalars
from arignote.passes.base import Pass, with_operands


@dataclass(frozen=True)
class Place(Pass):
    """Put tensors and kernels on a device: one transfer per tensor argument that kernels read and per result.

    Shared variables live on the device between calls, scalars of the host are passed by value.
    """

    name: ClassVar[str] = "place"
    device: str = "cuda"

    def run(self, func: Func) -> Func:
        if self.device == "cpu" or "device" in func.attrs:
            return func
        host = host_scalars(func)
        ops: list[Op] = []
        builder = Builder(ops)
        here: dict[Value, Value] = {}  # value -> its copy on the device

        def on_device(v: Value) -> Value:
            if v in here:
                return here[v]
            if v not in host and v in func.params:
                (here[v],) = builder.emit("transfer", v, to=self.device, names=[v.name])
                return here[v]
            return v

        mapping: dict[Value, Value] = {}
        for op in func.ops:
            if all(r in host for r in op.results):
                new = with_operands(op, tuple(mapping.get(v, v) for v in op.operands))
            else:
                new = with_operands(op, tuple(on_device(mapping.get(v, v)) for v in op.operands))
            mapping.update(zip(op.results, new.results, strict=True))
            ops.append(new)
        results = []
        for r in func.results:
            v = mapping.get(r, r)
            if r not in host and r not in func.params:
                (v,) = builder.emit("transfer", v, to="cpu", names=[v.name])
            results.append(v)
        placed = replace(func.with_ops(ops, mapping), results=results)
        return replace(placed, attrs={**func.attrs, "device": self.device, "stage": "placed"})
