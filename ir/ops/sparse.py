"""Products with sparse matrices, kept as compressed rows (CSR): the elements of row i are data[p] in column indices[p],
for indptr[i] <= p < indptr[i + 1].

The three products are closed under differentiation: each one's gradients are the other two. The transpose of a matrix
in CSR is one in CSC, so compressed columns need no ops of their own. Everything else that is done with sparse matrices
is made of these, of `csr_rows`, and of ops on dense arrays. Y. Saad, *Iterative Methods for Sparse Linear Systems*
(SIAM, 2003), chapter 3. Columns and places count back from the end where they are negative, as indices everywhere do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Grads, Samples, bind, check_bound
from arignote.ir.types import DimLike, TensorType, is_float, is_integer, same_dim


def check_structure(indices: TensorType, indptr: TensorType) -> None:
    """(C1): vectors of i32."""
    good = all(t.dtype == "i32" and t.ndim == 1 for t in (indices, indptr))
    require(good, f"takes indices and indptr i32[...], got {indices} and {indptr} (C1)")


def check_data(data: TensorType, indices: TensorType) -> None:
    """(C2): numbers, one for each index."""
    known = (is_integer(data.dtype) or is_float(data.dtype)) and data.dtype != "f16"
    good = known and data.ndim == 1 and same_dim(data.shape[0], indices.shape[0])
    require(good, f"takes integers, f32 or f64, one for each of {indices}, got {data} (C2)")


def check_matrix(x: TensorType, dtype: str, rows: DimLike | None = None) -> None:
    """(C3): a matrix of the dtype; (C4): with that many rows."""
    require(x.ndim == 2 and x.dtype == dtype, f"takes a matrix of {dtype}, got {x} (C3)")
    require(rows is None or same_dim(x.shape[0], rows), f"takes {rows} rows, got {x} (C4)")


def rows_of(indptr: Array) -> Array:
    """The row of each element."""
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def flops(data: TensorType, *rest: TensorType, **attrs: Any) -> DimLike:
    """A product and a sum for each element and column."""
    columns = rest[-1].shape[1] if rest[-1].ndim == 2 else rest[2].shape[1]
    return data.shape[0] * columns * 2


def matrices() -> list[tuple[Array, Array, Array, int]]:
    """(data, indices, indptr, columns): in order; empty rows; columns out of order and twice; no elements."""
    r = np.random.default_rng(0)
    out = []
    chosen: list[tuple[int, list[list[int]]]] = [
        (4, [[0, 2], [1], [3]]), (5, [[], [4, 0, 2], [], [1, 1]]), (3, [[], []]), (1, [[0], [0, 0]]),
    ]  # fmt: skip
    for columns, rows in chosen:
        indices = np.array([j for row in rows for j in row], np.int32)
        indptr = np.cumsum([0, *map(len, rows)]).astype(np.int32)
        out.append((r.normal(size=len(indices)), indices, indptr, columns))
    return out


@defop
class csr_rows:
    """csr_rows(indptr: i32[n+1], *size: i64[]) {shape, bound=()} -> i64[shape]: the row of each element, i at the
    places indptr[i] .. indptr[i+1]-1. (C1) a vector i32 of one element at least. (C2) one size. (C3) an operand if it
    is bound."""

    traits = ("library", "fallible")
    vjp = None
    lower = "csr_rows"

    @staticmethod
    def infer(
        indptr: TensorType, *size: TensorType, shape: tuple[DimLike, ...], bound: tuple[int, ...] = ()
    ) -> TensorType:
        require(indptr.dtype == "i32" and indptr.ndim == 1, f"takes indptr i32[...], got {indptr} (C1)")
        require(len(shape) == 1, f"one size, got {shape} (C2)")
        check_bound(size, len(bound), "size (C3)")
        return TensorType("i64", shape)

    @staticmethod
    def eval(indptr: Array, *size: Array, shape: tuple[DimLike, ...], bound: tuple[int, ...] = ()) -> Array:
        (count,) = bind(shape, bound, size)
        rows = rows_of(indptr)
        if len(rows) != count:
            raise ValueError(f"the rows have {len(rows)} elements, not {count}")
        return rows.astype(np.int64)

    @staticmethod
    def flops(indptr: TensorType, *size: TensorType, **attrs: Any) -> int:
        return 0

    @staticmethod
    def samples() -> Samples:
        out: Samples = [((p,), {"shape": (len(i),)}) for _, i, p, _ in matrices()]
        _, i, p, _ = matrices()[1]
        return [*out, ((p, np.asarray(len(i))), {"shape": (len(i),), "bound": (0,)})]


@defop
class csr_dot:
    """csr_dot(data: T[z], indices: i32[z], indptr: i32[n+1], y: T[k,m]) -> T[n,m]: the product of the sparse matrix,
    n by k, and y. (C1) structure: vectors i32. (C2) integers, f32 or f64, one for each index. (C3) a matrix of the same
    dtype."""

    traits = ("library", "fallible")
    lower = "csr_dot"
    flops = flops

    @staticmethod
    def infer(data: TensorType, indices: TensorType, indptr: TensorType, y: TensorType) -> TensorType:
        check_structure(indices, indptr)
        check_data(data, indices)
        check_matrix(y, data.dtype)
        return y.with_shape((indptr.shape[0] - 1, y.shape[1]))

    @staticmethod
    def eval(data: Array, indices: Array, indptr: Array, y: Array) -> Array:
        out = np.zeros((len(indptr) - 1, y.shape[1]), y.dtype)
        np.add.at(out, rows_of(indptr), data[:, None] * y[indices])
        return out

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, data: Value, indices: Value, indptr: Value, y: Value) -> Grads:
        if not is_float(y.dtype):
            return (None,) * 4
        back = b.csr_dot_t(data, indices, indptr, ct, shape=(y.shape[0],))
        return b.csr_sampled(indices, indptr, ct, y), None, None, back

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(1)
        return [((*m, r.normal(size=(k, c))), {}) for *m, k in matrices() for c in (1, 3, 0, 37)]


@defop
class csr_dot_t:
    """csr_dot_t(data: T[z], indices: i32[z], indptr: i32[n+1], y: T[n,m], *k: i64[]) {shape, bound=()} -> T[k,m]: the
    product of the transpose of the sparse matrix, n by k = shape[0], and y. (C1) structure: vectors i32. (C2) integers,
    f32 or f64, one for each index. (C3) a matrix of the same dtype. (C4) with n rows. (C5) one size k, an operand if it
    is bound."""

    traits = ("library", "fallible")
    lower = "csr_dot_t"
    flops = flops

    @staticmethod
    def infer(
        data: TensorType, indices: TensorType, indptr: TensorType, y: TensorType, *k: TensorType,
        shape: tuple[DimLike, ...], bound: tuple[int, ...] = (),
    ) -> TensorType:  # fmt: skip
        check_structure(indices, indptr)
        check_data(data, indices)
        check_matrix(y, data.dtype, indptr.shape[0] - 1)
        require(len(shape) == 1, f"one size, got {shape} (C5)")
        check_bound(k, len(bound), "size (C5)")
        return y.with_shape((shape[0], y.shape[1]))

    @staticmethod
    def eval(
        data: Array, indices: Array, indptr: Array, y: Array, *k: Array, shape: tuple[DimLike, ...],
        bound: tuple[int, ...] = (),
    ) -> Array:  # fmt: skip
        (size,) = bind(shape, bound, k)
        out = np.zeros((size, y.shape[1]), y.dtype)
        np.add.at(out, indices, data[:, None] * y[rows_of(indptr)])
        return out

    @staticmethod
    def vjp(
        b: Builder, ct: Value, out: Value, data: Value, indices: Value, indptr: Value, y: Value, *k: Value, **attrs: Any
    ) -> Grads:
        none: Grads = (None,) * len(k)
        if not is_float(y.dtype):
            return (None, None, None, None, *none)
        return b.csr_sampled(indices, indptr, y, ct), None, None, b.csr_dot(data, indices, indptr, ct), *none

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(2)
        out: Samples = [
            ((*m, r.normal(size=(len(m[2]) - 1, c))), {"shape": (k,)}) for *m, k in matrices() for c in (1, 3, 0, 37)
        ]
        xs, attrs = out[1]
        return [*out, ((*xs, np.asarray(attrs["shape"][0])), {**attrs, "bound": (0,)})]


@defop
class csr_sampled:
    """csr_sampled(indices: i32[z], indptr: i32[n+1], x: T[n,m], y: T[k,m]) -> T[z]: the elements of x y^T where a
    sparse matrix, n by k, has some. (C1) structure: vectors i32. (C2) integers, f32 or f64. (C3) matrices of one dtype.
    (C4) x with n rows. (C5) as many columns."""

    traits = ("library", "fallible")
    lower = "csr_sampled"

    @staticmethod
    def flops(indices: TensorType, indptr: TensorType, x: TensorType, y: TensorType) -> DimLike:
        return indices.shape[0] * x.shape[1] * 2

    @staticmethod
    def infer(indices: TensorType, indptr: TensorType, x: TensorType, y: TensorType) -> TensorType:
        check_structure(indices, indptr)
        out = TensorType(x.dtype, indices.shape)
        check_data(out, indices)
        check_matrix(x, x.dtype, indptr.shape[0] - 1)
        check_matrix(y, x.dtype)
        require(same_dim(x.shape[1], y.shape[1]), f"takes matrices of as many columns, got {x} and {y} (C5)")
        return out

    @staticmethod
    def eval(indices: Array, indptr: Array, x: Array, y: Array) -> Array:
        return np.asarray((x[rows_of(indptr)] * y[indices]).sum(axis=1, dtype=x.dtype))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, indices: Value, indptr: Value, x: Value, y: Value) -> Grads:
        if not is_float(x.dtype):
            return (None,) * 4
        back = b.csr_dot_t(ct, indices, indptr, x, shape=(y.shape[0],))
        return None, None, b.csr_dot(ct, indices, indptr, y), back

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(3)
        return [
            ((i, p, r.normal(size=(len(p) - 1, c)), r.normal(size=(k, c))), {})
            for _, i, p, k in matrices() for c in (1, 3, 0, 37)
        ]  # fmt: skip
