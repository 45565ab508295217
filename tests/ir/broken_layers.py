"""Calls of loops, branches, convolutions and pooling that break one rule each: (op, rule, operands, attributes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Region, Value
from tests.ir.test_infer_errors import types

Broken = tuple[str, str, str, dict[str, Any]]


def region(params: str, yields: str) -> Region:
    """A region of these parameters that yields values of these types."""
    return Region([Value(t, f"p{i}") for i, t in enumerate(types(params))], [], [Value(t, "y") for t in types(yields)])


def reducing() -> Region:
    """The region of `iterate` below with a reduction in it."""
    ops: list[Op] = []
    body = region("i64[] i64[] f32[]", "bool[] f32[]")
    return Region(body.params, ops, [body.yields[0], Builder(ops).sum(body.params[2], axes=())])


def loops() -> Iterator[Broken]:
    """`iterate`, `ifelse` and `scan`."""
    element = {"carry": 1, "limit": 5, "regions": [region("i64[] i64[] f32[]", "bool[] f32[]")]}
    yield "iterate", "C1", "f32[3]", {**element, "regions": []}
    yield "iterate", "C2", "f32[3] f32[2]", {**element, "carry": 2}
    yield "iterate", "C2", "f32[3]", {**element, "carry": 0}
    yield "iterate", "C3", "f32[3] f32[2]", element
    yield "iterate", "C4", "f32[3]", {**element, "limit": 0}
    yield "iterate", "C5", "f32[3]", {**element, "regions": [region("i64[] f32[]", "bool[] f32[]")]}
    yield "iterate", "C5", "f32[3]", {**element, "regions": [region("i64[] i64[] f32[]", "f32[]")]}
    yield "iterate", "C6", "f32[3]", {**element, "regions": [reducing()]}
    same = region("f32[2]", "f32[2]")
    yield "ifelse", "C1", "f32[] f32[2]", {"regions": [same, same]}
    yield "ifelse", "C1", "bool[2] f32[2]", {"regions": [same, same]}
    yield "ifelse", "C1", "bool[] f32[2]", {"regions": [same]}
    yield "ifelse", "C2", "bool[] f32[3]", {"regions": [same, same]}
    yield "ifelse", "C3", "bool[] f32[2]", {"regions": [same, region("f32[2]", "f64[2]")]}
    yield "ifelse", "C3", "bool[] f32[2]", {"regions": [same, region("f32[2]", "f32[2] f32[2]")]}
    step = {"steps": (5,), "seqs": 1, "carry": 1, "regions": [region("f32[2] f32[2]", "f32[2]")]}
    given = "f32[5,2] f32[2]"
    yield "scan", "C1", given, {**step, "regions": []}
    yield "scan", "C1", given, {**step, "carry": 2}
    yield "scan", "C1", given, {**step, "regions": [region("f32[2] f32[2]", "")]}
    yield "scan", "C2", given, {**step, "steps": (4,)}
    yield "scan", "C3", "f32[5,3] f32[2]", step
    yield "scan", "C3", given, {**step, "index": True, "regions": [region("f32[] f32[2] f32[2]", "f32[2]")]}
    yield "scan", "C4", given, {**step, "regions": [region("f32[2] f32[2]", "f32[3]")]}
    yield "scan", "C5", given, {**step, "until": True, "regions": [region("f32[2] f32[2]", "f32[2] i64[]")]}
    yield "scan", "C6", given, {**step, "bound": (0,)}


def convolutions() -> Iterator[Broken]:
    """`conv` and its gradients: of an image f32[1,2,4,4], filters f32[3,2,2,2] and a result f32[1,3,3,3]."""
    shapes = {"conv": ("[1,2,4,4]", "[3,2,2,2]", (3, 3)), "conv_data": ("[1,3,3,3]", "[3,2,2,2]", (4, 4)),
              "conv_weight": ("[1,2,4,4]", "[1,3,3,3]", (2, 2, 2))}  # fmt: skip
    channels = {"conv": "f32[1,4,4,4] f32[3,2,2,2]", "conv_data": "f32[1,4,3,3] f32[3,2,2,2]",
                "conv_weight": "f32[1,3,4,4] f32[1,3,3,3]"}  # fmt: skip
    for name, (a, b, size) in shapes.items():
        attrs: dict[str, Any] = dict(size=size, strides=(1, 1), dilation=(1, 1), low=(0, 0), high=(0, 0))
        good = f"f32{a} f32{b}"
        yield name, "C1", f"i32{a} i32{b}", attrs
        yield name, "C2", f"f32{a} f64{b}", attrs
        yield name, "C3", good, {**attrs, "strides": (1,)}
        yield name, "C3", good, {**attrs, "dilation": (0, 1)}
        yield name, "C3", good, {**attrs, "low": (-1, 0)}
        yield name, "C4", channels[name], attrs
        yield name, "C4", good, {**attrs, "groups": 2}
        yield name, "C5", good, {**attrs, "size": (*size[:-1], 9)}
        yield name, "C6", good, {**attrs, "bound_low": (0,)}


def pools() -> Iterator[Broken]:
    """Pooling of f32[4] by two windows of two."""
    second = {"pool_max": "", "pool_pick": "[4]", "pool_put": "[2]", "pool_sum": "", "pool_spread": ""}
    for name, shape in second.items():
        first, size = ("[2]", (4,)) if name == "pool_spread" else ("[4]", (2,))
        attrs: dict[str, Any] = dict(window=(2,), strides=(2,), low=(0,), size=size)

        def operands(dtype: str, first: str = first, shape: str = shape) -> str:
            return f"{dtype}{first}" + (f" {dtype}{shape}" if shape else "")

        yield name, "C1", operands("bool"), attrs
        yield name, "C2", operands("f32"), {**attrs, "size": (*size, 1)}
        yield name, "C2", operands("f32"), {**attrs, "window": (0,)}
        yield name, "C3", operands("f32"), {**attrs, "low": (2,)}
        yield name, "C4", operands("f32"), {**attrs, "bound_size": (0,)}
        if shape:
            yield name, "C5", f"f32{first} f64{shape}", attrs
            yield name, "C6", f"f32{first} f32[3]", attrs


LAYERS: list[Broken] = [*loops(), *convolutions(), *pools()]
