"""Lowerings that are not fused kernels: matrix products (generated, or OpenBLAS), scatter, range checks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.codegen import abi as codes
from arignote.codegen import gemm
from arignote.codegen.columns import convolve_by_columns
from arignote.codegen.convolution import direct_convolution
from arignote.codegen.cumulate import cumulate
from arignote.codegen.emit import Emitter, Pointer, pointer_var, private_function, scalar_var
from arignote.codegen.exprs import ZERO, Buffer, add, floordiv, i64, is_const, linear_index, mul
from arignote.codegen.iterate import iterate_elements
from arignote.codegen.microkernels import Product
from arignote.codegen.nonzero import places_of_true
from arignote.codegen.pooling import pool
from arignote.codegen.printing import CALLBACK
from arignote.codegen.pycall import memory_of, run_python, take_python
from arignote.codegen.scalar import K
from arignote.codegen.sorting import sort_rows
from arignote.codegen.sparse import KERNELS, sparse_product
from arignote.codegen.toolchain import tirx
from arignote.ir.core import Op, Value, every_op
from arignote.ir.types import DTYPES

if TYPE_CHECKING:
    from arignote.codegen.host import HostEmitter

BLAS_PREFIX = {"f32": "scipy_cblas_s", "f64": "scipy_cblas_d"}
ROW_MAJOR, NO_TRANS, TRANS = 101, 111, 112
PARALLEL_WORK = 1_500_000  # multiplications below which a second thread costs more than it brings
Operands = tuple[Pointer, Pointer, Pointer]
Dims = tuple[Any, Any, Any]
Range = tuple[Any, Any]


def _at(p: Pointer, offset: Any) -> Any:
    return tirx.address_of(tirx.BufferLoad(p.buffer.var, [add(p.offset, offset)]))


def int32(x: Any) -> Any:
    """A dimension as BLAS and LAPACK take it."""
    return tirx.const(int(x.value), "int32") if is_const(x) else tirx.Cast("int32", x)


def _extern(host: Emitter, name: str, *args: Any) -> None:
    host.add(tirx.Evaluate(tirx.call_extern("void", name, *args)))


def leading(d: Any) -> Any:
    """A leading dimension, which BLAS wants to be 1 at least."""
    if is_const(d):
        return i64(max(1, int(d.value)))
    return tirx.Select(tirx.GT(d, ZERO), d, i64(1))


def copy_memory(host: HostEmitter, target: Pointer, source: Pointer, v: Value) -> None:
    """Copy a whole tensor."""
    nbytes = mul(host.dim(v.type.size), i64(v.type.itemsize))
    host.add(tirx.Evaluate(tirx.call_extern("handle", "memcpy", target.address(), source.address(), nbytes)))


class _Product:
    """C[m,n] = alpha * op(A)[m,k] . op(B)[k,n] + beta * C as calls of OpenBLAS."""

    def __init__(self, host: HostEmitter, dtype: str, dims: tuple[Any, Any, Any], ta: bool, tb: bool) -> None:
        self.host, self.dtype, self.ta, self.tb = host, dtype, ta, tb
        self.m, self.n, self.k = dims
        self.lda = leading(self.m if ta else self.k)
        self.ldb = leading(self.k if tb else self.n)

    def emit(self, a: Pointer, b: Pointer, c: Pointer, alpha: Any, beta: float) -> None:
        """The calls, cut into rows for each thread where the product turns out large."""
        threads = self.host.target.threads
        everything = (ZERO, self.m), (ZERO, self.n)
        sizes = [int(d.value) for d in (self.m, self.n, self.k) if is_const(d)]
        small = len(sizes) == 3 and (math.prod(sizes) <= PARALLEL_WORK or sizes[0] <= 64 * threads)
        if threads == 1 or small:
            self.part(a, b, c, alpha, beta, *everything)
            return
        step = self.host.bind(floordiv(self.m + i64(threads * 16 - 1), i64(threads * 16)) * i64(16), "step")

        def part(t: Any) -> None:
            low = mul(t, step)
            size = tirx.Select(tirx.LT(low + step, self.m), step, self.m - low)
            self.part(a, b, c, alpha, beta, (low, size), (ZERO, self.n))

        work = self.m * self.n * self.k
        large = tirx.And(tirx.GT(work, i64(PARALLEL_WORK)), tirx.GT(self.m, i64(64 * threads)))
        self.host.when(
            large,
            lambda: self.host.loop(i64(threads), part, tirx.ForKind.PARALLEL),
            lambda: self.part(a, b, c, alpha, beta, *everything),
        )

    def part(
        self, a: Pointer, b: Pointer, c: Pointer, alpha: Any, beta: float, rows: Range, columns: Range
    ) -> None:
        """Some rows and columns of C, each given as the first one and their number."""
        (row, m), (col, n) = rows, columns
        ldc = leading(self.n)
        scalar = DTYPES[self.dtype]
        prefix = BLAS_PREFIX[self.dtype]
        alpha, beta_ = K.cast(alpha, self.dtype), tirx.const(beta, scalar)
        pa = _at(a, mul(row, i64(1) if self.ta else self.lda))
        pb = _at(b, mul(col, self.ldb if self.tb else i64(1)))
        pc = _at(c, add(mul(row, self.n), col))
        if is_const(self.m, 1):
            shape = (n, self.k) if self.tb else (self.k, n)
            trans = NO_TRANS if self.tb else TRANS
            self._gemv(prefix, trans, *shape, alpha, pb, self.ldb, pa, beta_, pc)
        elif is_const(self.n, 1):
            shape = (self.k, m) if self.ta else (m, self.k)
            trans = TRANS if self.ta else NO_TRANS
            self._gemv(prefix, trans, *shape, alpha, pa, self.lda, pb, beta_, pc)
        else:
            _extern(
                self.host, prefix + "gemm", ROW_MAJOR, TRANS if self.ta else NO_TRANS, TRANS if self.tb else NO_TRANS,
                int32(m), int32(n), int32(self.k), alpha, pa, int32(self.lda), pb, int32(self.ldb), beta_, pc,
                int32(ldc),
            )  # fmt: skip

    def _gemv(
        self, prefix: str, trans: int, rows: Any, cols: Any, alpha: Any, matrix: Any, ld: Any, x: Any, beta: Any, y: Any
    ) -> None:
        _extern(
            self.host, prefix + "gemv", ROW_MAJOR, trans, int32(rows), int32(cols), alpha, matrix, int32(ld), x,
            tirx.const(1, "int32"), beta, y, tirx.const(1, "int32"),
        )  # fmt: skip


def product(host: HostEmitter, dtype: str, dims: Dims, a: Pointer, b: Pointer, c: Pointer) -> None:
    """C[m,n] = A[m,k] . B[k,n] by OpenBLAS, of floats; `dims` are m, n, k."""
    _Product(host, dtype, dims, False, False).emit(a, b, c, K.const(1, dtype), 0.0)


def _plain_product(
    host: HostEmitter, dtype: str, pointers: Operands, dims: Dims, ta: bool, tb: bool, alpha: Any, beta: float
) -> None:
    """A product of a dtype that BLAS has not: three loops, the innermost over the terms of an element."""
    inner = Emitter()
    variables = [pointer_var(name, dtype) for name in "abc"]
    ba, bb, bc = buffers = [Buffer(name + "_b", dtype, i64(1)) for name in "abc"]
    vm, vn, vk = sizes = [tirx.Var(name, "int64") for name in "mnk"]
    wide = "f32" if dtype == "f16" else dtype
    factor = scalar_var("alpha", wide)

    def element(i: Any, j: Any) -> None:
        acc = inner.local("acc", wide, 1)
        inner.add(acc.store(ZERO, K.const(0, wide)))

        def term(p: Any) -> None:
            x = ba.load(p * vm + i if ta else i * vk + p)
            y = bb.load(j * vk + p if tb else p * vn + j)
            if dtype == "bool":
                inner.add(acc.store(ZERO, K.logical_or(acc.load(ZERO), K.logical_and(x, y))))
            else:
                inner.add(acc.store(ZERO, acc.load(ZERO) + K.cast(x, wide) * K.cast(y, wide)))

        inner.loop(vk, term)
        out = acc.load(ZERO) if dtype == "bool" else acc.load(ZERO) * factor
        if beta:
            out = out + K.const(beta, wide) * K.cast(bc.load(i * vn + j), wide)
        inner.add(bc.store(i * vn + j, K.cast(out, dtype)))

    inner.tasks(vm, host.target.threads, lambda i: inner.loop(vn, lambda j: element(i, j)))
    func = private_function([*variables, *sizes, factor], dict(zip(variables, buffers, strict=True)), inner.stmts)
    gv = host.define(f"product{len(host.functions)}", func)
    host.invoke(gv, [*(p.address() for p in pointers), *dims, K.cast(alpha, wide)])


def _gemm(host: HostEmitter, op: Op) -> None:
    a, b, *rest = op.operands
    attrs = op.attrs if op.name == "gemm" else {}
    ta, tb = bool(attrs.get("ta")), bool(attrs.get("tb"))
    out = op.result
    m, n = (host.dim(d) for d in out.shape)
    k = host.dim(a.shape[0 if ta else 1])
    pa, pb, pc = host.pointer(a), host.pointer(b), host.pointer(out)
    acc, scaled = bool(attrs.get("acc")), bool(attrs.get("scaled"))
    if acc and host.pointer(rest[0]).place != pc.place:
        copy_memory(host, pc, host.pointer(rest[0]), out)
    alpha = K.const(attrs.get("alpha", 1.0), out.dtype)
    if scaled:
        alpha = alpha * host.scalar(rest[-1])
    beta = float(attrs.get("beta", 1.0)) if acc else 0.0
    if out.dtype not in BLAS_PREFIX:
        _plain_product(host, out.dtype, (pa, pb, pc), (m, n, k), ta, tb, alpha, beta)
        return
    if all(is_const(d) for d in (m, n, k)):
        product = Product(int(m.value), int(n.value), int(k.value), ta, tb, out.dtype, beta)
        kind = gemm.choose(product, host.target)
        if kind != "blas":
            gemm.emit_product(host, product, kind, (pa, pb, pc), alpha, a in host.binary)
            return
    _Product(host, out.dtype, (m, n, k), ta, tb).emit(pa, pb, pc, alpha, beta)


def _conv(host: HostEmitter, op: Op) -> None:
    def product(e: Any, pointers: Operands, dims: Dims, ta: bool, tb: bool, beta: float) -> None:
        _Product(e, op.result.dtype, dims, ta, tb).emit(*pointers, K.const(1, op.result.dtype), beta)

    if host.target.kind == "cpu" and direct_convolution(host, op):
        return
    convolve_by_columns(host, op, product)


def _batched_dot(host: HostEmitter, op: Op) -> None:
    a, b = op.operands
    out = op.result
    count, m, n = (host.dim(d) for d in out.shape)
    k = host.dim(a.shape[2])
    pa, pb, pc = host.pointer(a), host.pointer(b), host.pointer(out)

    def at(p: Pointer, offset: Any) -> Pointer:
        return Pointer(p.buffer, add(p.offset, offset), p.place)

    def one(i: Any) -> None:
        parts = at(pa, mul(i, mul(m, k))), at(pb, mul(i, mul(k, n))), at(pc, mul(i, mul(m, n)))
        alpha = K.const(1, out.dtype)
        if out.dtype in BLAS_PREFIX:
            _Product(host, out.dtype, (m, n, k), False, False).part(*parts, alpha, 0.0, (ZERO, m), (ZERO, n))
        else:
            _plain_product(host, out.dtype, parts, (m, n, k), False, False, alpha, 0.0)

    host.loop(count, one)


def _scatter(host: HostEmitter, op: Op) -> None:
    """x with v written or added at the places that the index arrays name, one after the other."""
    x, v, *indices = op.operands
    out = op.result
    po, px = host.pointer(out), host.pointer(x)
    if po.place != px.place:
        copy_memory(host, po, px, x)
    inner = Emitter()
    names = ["o", "v", *(f"i{n}" for n in range(len(indices)))]
    values = [out, v, *indices]
    pointers = [pointer_var(name, w.dtype) for name, w in zip(names, values, strict=True)]
    buffers = [Buffer(name + "_b", w.dtype, i64(1)) for name, w in zip(names, values, strict=True)]
    domain = v.shape
    dims = [tirx.Var(f"d{a}", "int64") for a in range(len(domain))]
    sizes = [tirx.Var(f"n{a}", "int64") for a in range(x.ndim)]
    lead = len(domain) - (x.ndim - len(indices))

    def point(at: list[Any]) -> None:
        target = []
        for n, w in enumerate(indices):
            skip = lead - w.ndim
            own = [ZERO if d == 1 else at[a + skip] for a, d in enumerate(w.shape)]
            shape = [i64(1) if d == 1 else dims[a + skip] for a, d in enumerate(w.shape)]
            i = inner.bind(K.cast(buffers[2 + n].load(linear_index(own, shape)), "i64"), "i")
            target.append(tirx.Select(tirx.LT(i, ZERO), i + sizes[n], i))
        target += at[lead:]
        place = inner.bind(linear_index(target, sizes), "p")
        value = buffers[1].load(linear_index(at, dims))
        if op.attrs["mode"] == "add":
            have = buffers[0].load(place)
            value = K.logical_or(have, value) if out.dtype == "bool" else have + value
        inner.add(buffers[0].store(place, value))

    def nest(a: int, at: list[Any]) -> None:
        if a == len(domain):
            point(at)
        else:
            inner.loop(dims[a], lambda i: nest(a + 1, [*at, i]))

    nest(0, [])
    func = private_function([*pointers, *dims, *sizes], dict(zip(pointers, buffers, strict=True)), inner.stmts)
    gv = host.define(f"scatter{len(host.functions)}", func)
    args = [po.address(), *(host.pointer(w).address() for w in (v, *indices))]
    host.invoke(gv, [*args, *map(host.dim, domain), *map(host.dim, x.shape)])


def range_check(host: HostEmitter, index: Value, size: Any, number: int) -> None:
    """Return BAD_INDEX from `main` unless every element lies in -size .. size-1."""
    inner = Emitter()
    pointer = pointer_var("i", index.dtype)
    status = pointer_var("status", "i64")
    buffer, words = Buffer("i_b", index.dtype, i64(1)), Buffer("status_b", "i64", i64(codes.STATUS_WORDS))
    n, limit = tirx.Var("n", "int64"), tirx.Var("limit", "int64")
    inner.add(words.store(ZERO, ZERO))
    bad = inner.local("bad", "i64", 1)
    inner.add(bad.store(ZERO, ZERO))

    def outside(x: Any) -> Any:
        return tirx.Or(tirx.LT(x, -limit), tirx.GE(x, limit))

    def count(j: Any) -> None:
        x = K.cast(buffer.load(j), "i64")
        inner.add(bad.store(ZERO, bad.load(ZERO) + tirx.Select(outside(x), i64(1), ZERO)))

    def find(j: Any) -> None:
        x = inner.bind(K.cast(buffer.load(n - i64(1) - j), "i64"), "x")
        inner.when(outside(x), lambda: inner.add(words.store(i64(2), x)))

    inner.loop(n, count)

    def report() -> None:
        inner.add(words.store(ZERO, i64(1)))
        inner.loop(n, find)

    inner.when(tirx.GT(bad.load(ZERO), ZERO), report)
    key = f"range {index.dtype}"
    if key not in host.known:
        func = private_function([pointer, n, limit, status], {pointer: buffer, status: words}, inner.stmts)
        host.known[key] = (host.define(f"range{len(host.functions)}", func), None)
    gv = host.known[key][0]
    host.invoke(gv, [host.pointer(index).address(), host.dim(index.type.size), size, host.status.var.data])

    def fail() -> None:
        host.fail(codes.BAD_INDEX, i64(number), host.status.load(i64(2)), size)

    host.when(tirx.NE(host.status.load(ZERO), ZERO), fail)


def _print(host: HostEmitter, op: Op) -> None:
    """Call back into Python with the address and the shape; the result is a copy, where anything uses it."""
    (x,) = op.operands
    source = memory_of(host, x)
    shape = [host.dim(d) for d in x.shape]
    args = [host.status.var.data, i64(host.abi.prints.index(op)), source.address(), *shape]
    host.add(tirx.Evaluate(tirx.call_packed(CALLBACK, *args)))
    if any(op.result in o.operands for o in every_op(host.func.ops)) or op.result in host.func.roots():
        copy_memory(host, host.pointer(op.result), source, x)


LIBRARY: dict[str, Callable[[Any, Op], None]] = {
    "dot": _gemm, "gemm": _gemm, "batched_dot": _batched_dot, "scatter": _scatter,
    "argsort": sort_rows, "sort": sort_rows, "cumsum": cumulate, "cumprod": cumulate, "recurrence": cumulate,
    "iterate": iterate_elements, "nonzero": places_of_true, "print": _print,
    "python_run": run_python, "python_take": take_python,
    "conv": _conv, "conv_data": _conv, "conv_weight": _conv,
    **dict.fromkeys(KERNELS, sparse_product),
    **{f"pool_{kind}": pool for kind in ("max", "pick", "put", "sum", "spread")},
}  # fmt: skip
