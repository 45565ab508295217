"""Convolutions as products of matrices, one image after the other: for sizes that are not known when compiling.

What the windows of an image hold are the columns of a matrix ("im2col"), whose products with the filters, or with the
gradient, are the results; the gradient of the image adds up columns ("col2im"). See K. Chellapilla, S. Puri and P.
Simard, *High performance convolutional neural networks for document processing* (2006).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from arignote.codegen.emit import Emitter, Pointer, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, add, i64, linear_index
from arignote.codegen.scalar import K
from arignote.codegen.target import Target
from arignote.codegen.toolchain import tirx, tvm_ir
from arignote.ir.core import Op
from arignote.ir.types import DimLike

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

Product = Callable[..., None]


def moving(op: Op, back: bool) -> Any:
    """A private function of (image, columns, channels, flip, strides, dilation, low, sizes of image, filter and
    result): writes the columns of an image, or adds them to it (`back`)."""
    e, dtype, space = Emitter(), op.result.dtype, len(op.attrs["strides"])
    image, columns = pointer_var("image", dtype), pointer_var("columns", dtype)
    x, col = Buffer("image_b", dtype, i64(1)), Buffer("columns_b", dtype, i64(1))
    channels, flip = tirx.Var("channels", "int64"), tirx.Var("flip", "int64")
    names = ("stride", "dilation", "low", "s", "r", "o")
    strides, dilation, low, s, r, o = ([tirx.Var(f"{n}{a}", "int64") for a in range(space)] for n in names)

    def element(c: Any, tap: list[Any], out: list[Any]) -> None:
        row = [tirx.Select(tirx.NE(flip, ZERO), n - i64(1) - t, t) for n, t in zip(r, tap, strict=True)]
        at = linear_index([c, *row, *out], [channels, *r, *o])
        rows = zip(out, strides, tap, dilation, low, strict=True)
        places = [e.bind(i * by + t * d - pad, "p") for i, by, t, d, pad in rows]
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
    params = [image, columns, channels, flip, *strides, *dilation, *low, *s, *r, *o]
    return private_function(params, {image: x, columns: col}, e.stmts)


class _Images(Emitter):
    """A private function of (x, w, y, columns, images, groups, channels and filters of a group, flip, strides,
    dilation, low, sizes of image, filter and result): the products of all images. All sizes are arguments, so that
    equal ops of different sizes share it."""

    def __init__(self, op: Op, target: Target, moved: Any, product: Product) -> None:
        super().__init__()
        self.target = target
        space, dtype = len(op.attrs["strides"]), op.result.dtype
        pointers = {name: pointer_var(name, dtype) for name in ("x", "w", "y", "columns")}
        x, w, y, columns = (Pointer(Buffer(f"{n}_b", dtype, i64(1)), ZERO, n) for n in pointers)
        n, groups, c, k, flip = (tirx.Var(v, "int64") for v in ("n", "groups", "c", "k", "flip"))
        geometry = [tirx.Var(f"g{i}", "int64") for i in range(6 * space)]
        s, r, o = (self.bind(product_of(geometry[i * space : (i + 1) * space]), "size") for i in (3, 4, 5))
        rows = self.bind(c * r, "rows")

        def move(at: Any) -> None:
            args = [shifted(x, at * c * s).address(), columns.address(), c, flip, *geometry]
            self.add(tirx.Evaluate(tvm_ir.Call(moved, args, ret_ty=tvm_ir.PrimType("int32"))))

        def group(i: Any, g: Any) -> None:
            at = self.bind(i * groups + g, "at")
            filters, result = shifted(w, g * k * rows), shifted(y, at * k * o)
            if op.name == "conv":
                move(at)
                product(self, (filters, columns, result), (k, o, rows), False, False, 0.0)
            elif op.name == "conv_data":
                product(self, (filters, result, columns), (rows, o, k), True, False, 0.0)
                move(at)
            else:
                move(at)
                product(self, (result, columns, filters), (k, rows, o), False, True, 1.0)

        if op.name != "conv":
            target_, size = (x, n * groups * c * s) if op.name == "conv_data" else (w, groups * k * rows)
            nbytes = size * i64(op.result.type.itemsize)
            zero = tirx.const(0, "int32")
            self.add(tirx.Evaluate(tirx.call_extern("handle", "memset", target_.address(), zero, nbytes)))
        self.loop(n, lambda i: self.loop(groups, lambda g: group(i, g)))
        params = [*pointers.values(), n, groups, c, k, flip, *geometry]
        buffers = {p: q.buffer for p, q in zip(pointers.values(), (x, w, y, columns), strict=True)}
        self.func = private_function(params, buffers, self.stmts)


def product_of(factors: Sequence[Any]) -> Any:
    """The product of variables."""
    out = factors[0]
    for f in factors[1:]:
        out = out * f
    return out


def shifted(p: Pointer, offset: Any) -> Pointer:
    """The place `offset` elements behind `p`."""
    return Pointer(p.buffer, add(p.offset, offset), p.place)


def convolve_by_columns(host: HostEmitter, op: Op, product: Product) -> None:
    """`conv`, `conv_data` and `conv_weight`; `product` emits a product of matrices of run-time sizes."""
    a, b, out = op.operands[0], op.operands[1], op.result
    x, w, y = {"conv": (a, b, out), "conv_data": (out, b, a), "conv_weight": (a, out, b)}[op.name]
    space = len(op.attrs["strides"])
    back = op.name == "conv_data"
    key = f"columns {back} {out.dtype} {space}"
    if key not in host.known:
        host.known[key] = (host.define(f"columns{len(host.functions)}", moving(op, back)), None)
    moved = host.known[key][0]
    key = f"{op.name} {out.dtype} {space}"
    if key not in host.known:
        func = _Images(op, host.target, moved, product).func
        host.known[key] = (host.define(f"{op.name}{len(host.functions)}", func), None)
    groups = op.attrs.get("groups", 1)
    filters = host.dim(w.shape[0])
    filters = filters if groups == 1 else tirx.truncdiv(filters, i64(groups))
    (columns,) = host.workspace(op)
    pointers = [*(host.pointer(v).address() for v in (x, w, y)), columns.address()]
    numbers: list[DimLike] = [v for name in ("strides", "dilation", "low") for v in op.attrs[name]]
    sizes = map(host.dim, (*numbers, *x.shape[2:], *w.shape[2:], *y.shape[2:]))
    flip = i64(int(op.attrs.get("flip", False)))
    first = [host.dim(x.shape[0]), i64(groups), host.dim(w.shape[1]), filters, flip]
    host.invoke(host.known[key][0], [*pointers, *first, *sizes])
