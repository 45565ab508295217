"""Convolutions as products of matrices, one image after the other: for sizes that are not known when compiling.

What the windows of an image hold are the columns of a matrix ("im2col"), whose products with the filters, or with the
gradient, are the results; the gradient of the image adds up columns ("col2im"). See K. Chellapilla, S. Puri and P.
Simard, *High performance convolutional neural networks for document processing* (2006).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import (
    ZERO,
    Buffer,
    Emitter,
    Pointer,
    add,
    i64,
    linear_index,
    mul,
    pointer_var,
    private_function,
)
from arignote.codegen.scalar import K
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op
from arignote.ir.types import DimLike, prod_dims

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

Product = Callable[..., None]


def moving(op: Op, back: bool) -> Any:
    """A private function of (image, columns, channels, low, sizes of image, filter and result): writes the columns of
    an image, or adds them to it (`back`)."""
    e, dtype = Emitter(), op.result.dtype
    strides, dilation = op.attrs["strides"], op.attrs["dilation"]
    space = len(strides)
    image, columns = pointer_var("image", dtype), pointer_var("columns", dtype)
    x, col = Buffer("image_b", dtype, i64(1)), Buffer("columns_b", dtype, i64(1))
    channels = tirx.Var("channels", "int64")
    low, s, r, o = ([tirx.Var(f"{n}{a}", "int64") for a in range(space)] for n in ("low", "s", "r", "o"))

    def element(c: Any, tap: list[Any], out: list[Any]) -> None:
        row = [n - i64(1) - t for n, t in zip(r, tap, strict=True)] if op.attrs.get("flip") else tap
        at = linear_index([c, *row, *out], [channels, *r, *o])
        rows = zip(out, strides, tap, dilation, low, strict=True)
        places = [e.bind(i * i64(by) + t * i64(d) - pad, "p") for i, by, t, d, pad in rows]
        inside: Any = None
        for p, n in zip(places, s, strict=True):
            here = tirx.And(tirx.GE(p, ZERO), tirx.LT(p, n))
            inside = here if inside is None else tirx.And(inside, here)
        source = linear_index([c, *places], [channels, *s])
        if back:
            e.when(inside, lambda: e.add(x.store(source, x.load(source) + col.load(at))))
        else:
            value = tirx.if_then_else(inside, x.load(source), K.const(0, dtype))
            e.add(col.store(at, value))

    def nest(extents: Sequence[Any], at: list[Any]) -> None:
        if not extents:
            element(at[0], at[1 : 1 + space], at[1 + space :])
        else:
            e.loop(extents[0], lambda i: nest(extents[1:], [*at, i]))

    nest([channels, *r, *o], [])
    params = [image, columns, channels, *low, *s, *r, *o]
    return private_function(params, {image: x, columns: col}, e.stmts)


class Columns:
    """A convolution op as calls of `moving` and of products."""

    def __init__(self, host: HostEmitter, op: Op, product: Product) -> None:
        self.host, self.op, self.product = host, op, product
        a, b, out = op.operands[0], op.operands[1], op.result
        x, w, y = {"conv": (a, b, out), "conv_data": (out, b, a), "conv_weight": (a, out, b)}[op.name]
        self.x, self.w, self.y = (host.pointer(v) for v in (x, w, y))
        self.groups = op.attrs.get("groups", 1)
        self.n, self.k = host.dim(x.shape[0]), host.dim(w.shape[0])
        self.c = host.dim(w.shape[1])
        self.shapes = (x.shape[2:], w.shape[2:], y.shape[2:])
        self.pixels = host.dim(prod_dims(self.shapes[2]))
        self.rows = mul(self.c, host.dim(prod_dims(self.shapes[1])))
        (self.columns,) = host.workspace(op)

    def move(self, n: Any, g: int, back: bool = False) -> None:
        """Columns of the channels of a group of an image, or back."""
        host, op = self.host, self.op
        attrs = [op.attrs.get(a) for a in ("strides", "dilation", "flip")]
        key = f"columns {back} {op.result.dtype} {attrs}"
        if key not in host.known:
            func = moving(op, back)
            host.known[key] = (host.define(f"columns{len(host.functions)}", func), None)
        size = mul(self.c, host.dim(prod_dims(self.shapes[0])))
        at = shifted(self.x, mul(add(mul(n, i64(self.groups)), i64(g)), size))
        dims: list[DimLike] = [d for shape in self.shapes for d in shape]
        low = list(map(host.dim, op.attrs["low"]))
        host.invoke(host.known[key][0], [at.address(), self.columns.address(), self.c, *low, *map(host.dim, dims)])

    def emit(self) -> None:
        """All images."""
        host = self.host
        k = self.k if self.groups == 1 else tirx.truncdiv(self.k, i64(self.groups))
        if self.op.name == "conv_data":
            zero_memory(host, self.x, self.op.result.type.size, self.op.result.type.itemsize)
        if self.op.name == "conv_weight":
            zero_memory(host, self.w, self.op.result.type.size, self.op.result.type.itemsize)

        def image(n: Any) -> None:
            for g in range(self.groups):
                filters = shifted(self.w, mul(mul(i64(g), k), self.rows))
                result = shifted(self.y, mul(add(mul(n, self.k), mul(i64(g), k)), self.pixels))
                if self.op.name == "conv":
                    self.move(n, g)
                    self.product((filters, self.columns, result), (k, self.pixels, self.rows), False, False, 0.0)
                elif self.op.name == "conv_data":
                    self.product((filters, result, self.columns), (self.rows, self.pixels, k), True, False, 0.0)
                    self.move(n, g, back=True)
                else:
                    self.move(n, g)
                    self.product((result, self.columns, filters), (k, self.rows, self.pixels), False, True, 1.0)

        host.loop(self.n, image)


def shifted(p: Pointer, offset: Any) -> Pointer:
    """The place `offset` elements behind `p`."""
    return Pointer(p.buffer, add(p.offset, offset), p.place)


def zero_memory(host: HostEmitter, p: Pointer, size: DimLike, itemsize: int) -> None:
    """Fill with zeros."""
    nbytes = mul(host.dim(size), i64(itemsize))
    host.add(tirx.Evaluate(tirx.call_extern("handle", "memset", p.address(), tirx.const(0, "int32"), nbytes)))
