"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import joining, reduction, shapes
from arignote.frontends.tensor.convert import as_tensor_variable, label, scalar_int
from arignote.frontends.tensor.creation import arange, zeros
from arignote.frontends.tensor.graph import const, emit, wrap
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.shapes import Sizes, as_variable, dim_of
from arignote.ir.core import Value

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def above(sizes: Sizes, k: Any) -> tuple[TensorVariable, TensorVariable]:
    """For each place of a matrix: its row number plus `k`, and its column number."""
    i, j = (emit("iota", *sizes.operands, axis=axis, dtype="i64", **sizes.attrs()) for axis in (0, 1))
    shift = scalar_int(k, "k")
    rows = wrap(i) if isinstance(shift, int) and shift == 0 else wrap(i) + as_variable(shift)
    return rows, wrap(j)


def _axes(x: TensorVariable, axis1: int, axis2: int, what: str) -> tuple[int, int]:
    first, second = (a + x.ndim if a < 0 else a for a in (axis1, axis2))
    if not (0 <= first < x.ndim and 0 <= second < x.ndim and first != second):
        raise ValueError(f"{what}: axes {axis1} and {axis2} of {label(x)}: {x.type}")
    return first, second


def _matrix(x: Any, what: str) -> TensorVariable:
    variable = as_tensor_variable(x)
    if variable.ndim < 2:
        raise TypeError(f"{what} takes a matrix, but {label(variable)} has {variable.ndim} dimensions")
    return variable


def _length(x: Value, offset: int) -> TensorVariable:
    """How many elements the diagonal of the first two axes has."""
    rows, columns = (dim_of(x, axis) for axis in (0, 1))
    if isinstance(rows, int) and isinstance(columns, int):
        return as_variable(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    if offset == 0 and x.shape[0] == x.shape[1]:
        return as_variable(rows)
    short = ew.minimum(as_variable(rows) + min(offset, 0), as_variable(columns) - max(offset, 0))
    return ew.maximum(short, 0) if offset else short


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorVariable:
    """The elements a[i, i + offset] of two axes, along a new last axis, as `numpy.diagonal`."""
    x = _matrix(a, "diagonal")
    first, second = _axes(x, axis1, axis2, "diagonal")
    rest = [d for d in range(x.ndim) if d not in (first, second)]
    moved = shapes.dimshuffle(x, first, second, *rest)
    places = arange(_length(moved.value_, offset))
    i, j = (places + max(s, 0) if s > 0 else places for s in (-offset, offset))
    found = moved[i, j]
    return shapes.dimshuffle(found, *range(1, found.ndim), 0)


extract_diag = diagonal


def alloc_diag(v: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorVariable:
    """Zeros but for the diagonal `offset` of two new axes, which holds the last axis of `v`: of a vector a matrix."""
    x = as_tensor_variable(v)
    if x.ndim == 0:
        raise TypeError(f"alloc_diag takes a vector, but {label(x)} is a scalar")
    if offset:
        sizes = [*(dim_of(x.value_, a) for a in range(x.ndim - 1)), abs(offset)]
        padding = zeros([as_variable(s) for s in sizes], x.dtype)
        x = joining.concatenate([x, padding], axis=x.ndim - 1)
    rows, columns = above(Sizes([dim_of(x.value_, x.ndim - 1)] * 2), offset)
    lead = range(x.ndim - 1)
    # Rows above the diagonal's end, or columns left of it, hold the elements in order.
    last: tuple[Any, Any] = (x.ndim - 1, "x") if offset >= 0 else ("x", x.ndim - 1)
    spread = shapes.dimshuffle(x, *lead, *last)
    out = ew.switch(ew.eq(rows, columns), spread, wrap(const(0, x.value_.dtype)))
    first, second = _axes(out, axis1, axis2, "alloc_diag")
    order: list[int] = list(lead)
    for axis, place in sorted(((first, out.ndim - 2), (second, out.ndim - 1))):
        order.insert(axis, place)
    return out if order == list(range(out.ndim)) else shapes.dimshuffle(out, *order)


def diag(v: Any, k: int = 0) -> TensorVariable:
    """A matrix with the vector `v` on diagonal `k`, or diagonal `k` of the matrix `v`."""
    x = as_tensor_variable(v)
    if x.ndim == 1:
        return alloc_diag(x, k)
    if x.ndim == 2:
        return diagonal(x, k)
    raise ValueError(f"diag takes a vector or a matrix, but {label(x)} has {x.ndim} dimensions")


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorVariable:
    """The sum of a diagonal."""
    return reduction.sum(diagonal(a, offset, axis1, axis2), axis=-1)


def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> TensorVariable:
    """A matrix of N rows and M (N) columns: ones at and below diagonal `k`, zeros above it."""
    rows = scalar_int(N, "N")
    i, j = above(Sizes([rows, rows if M is None else scalar_int(M, "M")]), k)
    return ew.cast(ew.ge(i, j), config.floatX if dtype is None else dtype)


def _half(m: Any, k: Any, what: str) -> tuple[TensorVariable, TensorVariable, TensorVariable, TensorVariable]:
    x = _matrix(m, what)
    i, j = above(Sizes([dim_of(x.value_, x.ndim - 2), dim_of(x.value_, x.ndim - 1)]), k)
    return x, i, j, wrap(const(0, x.value_.dtype))


def tril(m: Any, k: Any = 0) -> TensorVariable:
    """`m` with zeros above diagonal `k` of its last two axes."""
    x, i, j, zero = _half(m, k, "tril")
    return ew.switch(ew.ge(i, j), x, zero)


def triu(m: Any, k: Any = 0) -> TensorVariable:
    """`m` with zeros below diagonal `k` of its last two axes."""
    x, i, j, zero = _half(m, k, "triu")
    return ew.switch(ew.le(i, j), x, zero)
