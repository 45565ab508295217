"""Convolutions of known sizes: which kernel, and its call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arignote.codegen.convouter import ConvOuter
from arignote.codegen.convresult import Results
from arignote.codegen.convscatter import ConvScatter
from arignote.codegen.convspec import ConvKernel, Sizes
from arignote.codegen.convstride import ConvStride
from arignote.codegen.convtile import ConvTile
from arignote.codegen.convweight import ConvWeight
from arignote.codegen.emit import Emitter
from arignote.codegen.kernels import kernel_key
from arignote.codegen.places import UnsupportedError
from arignote.codegen.winograd import Winograd
from arignote.codegen.winoweight import WinogradWeight
from arignote.ir.core import Op
from arignote.ir.diag import Diagnostic
from arignote.ir.ops.conv import is_direct, is_outer, is_strided, is_winograd, takes_epilogue

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter


def direct_convolution(host: HostEmitter, op: Op) -> bool:
    """Call the kernel of a `conv`, `conv_data` or `conv_weight` that has one; False where it has none."""
    a, b, out = op.operands[0], op.operands[1], op.result
    x, w, y = {"conv": (a, b, out), "conv_data": (out, b, a), "conv_weight": (a, out, b)}[op.name]
    if not is_direct(op.name, x.type, w.type, y.type, op.attrs):
        return False
    results = Results(Emitter(), op)
    made = _kernel(host, op, results)
    key = f"{op.name} {made.key}"
    if key not in host.known:
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}", made.function()), None)
    pointers = [host.pointer(v).address() for v in (a, b, out)]
    pointers += [p.address() for p in host.workspace(op)]
    host.invoke(host.known[key][0], [*pointers, host.dim(x.shape[0]), *made.arguments])
    return True


def convolution_with_epilogue(host: HostEmitter, kernel: Op) -> None:
    """Call the kernel of a `fused` op of kind `conv`."""
    op, region = kernel.regions[0].ops[0], kernel.regions[0]
    if not takes_epilogue(op):
        raise UnsupportedError(Diagnostic(f"{op.name} of these sizes has no kernel with elementwise ops", loc=op.loc))
    by_value = frozenset(i for i, v in enumerate(kernel.operands) if v in host.scalars)
    results = Results(Emitter(), op, kernel, by_value)
    key = f"{Sizes.of(op)} {kernel_key(kernel, by_value, {})}"
    made = _kernel(host, op, results)
    if key not in host.known:
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}_fused", made.function()), None)
    outer = dict(zip(region.params, kernel.operands, strict=True))
    args = [host.pointer(outer[v]).address() for v in op.operands]
    args.append(host.pointer(kernel.result).address())
    read = [(i, kernel.operands[i]) for i in results.inputs]
    args += [host.scalars[v] if i in by_value else host.pointer(v).address() for i, v in read]
    args += [p.address() for p in host.workspace(kernel)]
    host.invoke(host.known[key][0], [*args, host.dim(kernel.result.shape[0]), *made.arguments])


def _kernel(host: HostEmitter, op: Op, results: Results) -> ConvKernel:
    """The kernel of a direct convolution; `conv` and `conv_data` hand what they compute to `results`."""
    a, b, out = op.operands[0].type, op.operands[1].type, op.result.type
    x, w, y = {"conv": (a, b, out), "conv_data": (out, b, a), "conv_weight": (a, out, b)}[op.name]
    sizes, target, back = Sizes.of(op), host.target, op.name == "conv_data"
    if op.name == "conv_weight":
        if is_winograd(op.name, x, w, y, op.attrs):
            return WinogradWeight(sizes, target)
        return (ConvOuter if is_outer(w, sizes.groups) else ConvWeight)(sizes, target)
    if is_winograd(op.name, x, w, y, op.attrs):
        return Winograd(sizes, target, back, results)
    if back and results.kernel is None and ConvScatter.applies(sizes, target):
        return ConvScatter(sizes, target)
    if is_strided(op.name, x, w, y, op.attrs):
        return ConvStride(sizes, target, back, results)
    return ConvTile(sizes, target, back, results)
