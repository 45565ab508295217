"""Convolutions of known sizes: which kernel, and its call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arignote.codegen.convouter import ConvOuter
from arignote.codegen.convscatter import ConvScatter
from arignote.codegen.convspec import Sizes
from arignote.codegen.convstride import ConvStride
from arignote.codegen.convtile import ConvTile
from arignote.codegen.convweight import ConvWeight
from arignote.codegen.winograd import Winograd
from arignote.codegen.winoweight import WinogradWeight
from arignote.ir.core import Op
from arignote.ir.ops.conv import is_direct, is_outer, is_strided, is_winograd

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter


def direct_convolution(host: HostEmitter, op: Op) -> bool:
    """Call the kernel of a `conv`, `conv_data` or `conv_weight` that has one; False where it has none."""
    a, b, out = op.operands[0], op.operands[1], op.result
    x, w, y = {"conv": (a, b, out), "conv_data": (out, b, a), "conv_weight": (a, out, b)}[op.name]
    if not is_direct(op.name, x.type, w.type, y.type, op.attrs):
        return False
    sizes = Sizes.of(op)
    key = f"{op.name} {sizes}"
    if key not in host.known:
        kernel: ConvTile | ConvScatter | ConvStride | Winograd | WinogradWeight | ConvWeight | ConvOuter
        if is_winograd(op.name, x.type, w.type, y.type, op.attrs):
            weight = op.name == "conv_weight"
            kernel = (
                WinogradWeight(sizes, host.target) if weight else Winograd(sizes, host.target, op.name == "conv_data")
            )
        elif op.name == "conv_data" and ConvScatter.applies(sizes, host.target):
            kernel = ConvScatter(sizes, host.target)
        elif is_strided(op.name, x.type, w.type, y.type, op.attrs):
            kernel = ConvStride(sizes, host.target)
        elif op.name != "conv_weight":
            kernel = ConvTile(sizes, host.target, op.name == "conv_data")
        else:
            kernel = (ConvOuter if is_outer(w.type, sizes.groups) else ConvWeight)(sizes, host.target)
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}", kernel.function()), None)
    pointers = [host.pointer(v).address() for v in (a, b, out)]
    pointers += [p.address() for p in host.workspace(op)]
    host.invoke(host.known[key][0], [*pointers, host.dim(x.shape[0])])
    return True
