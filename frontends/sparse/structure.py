"""The places of elements: conversions between formats and to dense matrices, selection, union, concatenation.

Elements are numbered by their places in the vectors; `coordinates` gives the row and column of each. A matrix whose
places are only found at the call is made by sorting the places and summing what falls together, after N. Bell,
S. Dalton, L. Olson, *Exposing Fine-Grained Parallelism in Algebraic Multigrid Methods* (SIAM J. Sci. Comput. 34, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.sparse.types import FORMATS
from arignote.frontends.sparse.variable import Size, SparseVariable, as_sparse_variable, same_size, size_variable
from arignote.frontends.tensor.convert import as_tensor_variable, scalar_int
from arignote.frontends.tensor.graph import const, emit, wrap
from arignote.frontends.tensor.shapes import Sizes, dim_of, sizes_of
from arignote.ir.core import Value
from arignote.ir.types import promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def flipped(x: SparseVariable) -> SparseVariable:
    """The transpose: the same vectors read along the other axis."""
    other = "csc" if x.format == "csr" else "csr"
    return SparseVariable(other, x.data, x.indices, x.indptr, (x.sizes[1], x.sizes[0]))


def matched(value: TensorVariable, a: Size, b: Size, what: str) -> TensorVariable:
    """`value`, computed only where two sizes are equal.

    Raises:
        ValueError: they are known to differ; an AssertionError of the call otherwise.
    """
    same = same_size(a, b)
    if same is None:
        fits = emit("eq", size_variable(a).value_, size_variable(b).value_)
        return wrap(emit("assert", value.value_, fits, message=what))
    if not same:
        raise ValueError(f"{what}: {a} and {b}")
    return value


def same_shape(x: SparseVariable, y: Any, what: str) -> SparseVariable:
    """`x`, whose elements are there only where its shape is that of `y`."""
    data = x.data
    sizes = y.sizes if isinstance(y, SparseVariable) else tuple(dim_of(y.value_, a) for a in range(2))
    for axis, (a, b) in enumerate(zip(x.sizes, sizes, strict=True)):
        data = matched(data, a, b, f"{what}: the matrices differ along axis {axis}")
    return x.with_data(data)


# ---------------------------------------------------------------- places
def major_of(indptr: Any, count: Size) -> TensorVariable:
    """For each of `count` elements the number of its row, in int64, where `indptr` says at which element rows begin."""
    sizes = Sizes([count])
    return wrap(emit("csr_rows", as_tensor_variable(indptr).value_, *sizes.operands, **sizes.attrs()))


def compressed_places(x: SparseVariable) -> tuple[TensorVariable, TensorVariable]:
    """The place of each element along the compressed axis and along the other one."""
    return major_of(x.indptr, dim_of(x.data.value_, 0)), x.indices


def coordinates(x: SparseVariable) -> tuple[TensorVariable, TensorVariable]:
    """The row and the column of each element."""
    major, minor = compressed_places(x)
    return (major, minor) if x.format == "csr" else (minor, major)


def indptr_of(major: TensorVariable, size: Size) -> TensorVariable:
    """At which element rows begin, of the ascending row numbers of all elements."""
    counts = T.inc_subtensor(T.zeros((size_variable(size),), "int64")[major], 1)
    return T.cast(T.concatenate([T.zeros((1,), "int64"), T.cumsum(counts)]), "int32")


def filled(sizes: Sequence[Size], dtype: str) -> TensorVariable:
    """Zeros."""
    return T.zeros(tuple(map(size_variable, sizes)), dtype)


def grouped(keys: TensorVariable, values: Sequence[TensorVariable]) -> tuple[TensorVariable, list[TensorVariable]]:
    """The distinct keys in ascending order, and for each of `values` the sums of what belongs to each key."""
    order = T.argsort(keys)
    ascending = keys[order]
    number = T.arange(keys.shape[0])
    first = T.or_(T.eq(number, 0), T.neq(ascending, ascending[T.maximum(number - 1, 0)]))
    places = T.nonzero(first)[0]
    group = T.cumsum(T.cast(first, "int64")) - 1
    sums = [T.inc_subtensor(T.zeros((places.shape[0],), v.dtype)[group], v[order]) for v in values]
    return ascending[places], sums


def from_keys(x: SparseVariable, keys: TensorVariable, data: TensorVariable) -> SparseVariable:
    """A matrix of the format and shape of `x`; `keys` number its distinct places along the compressed axis first."""
    minor = size_variable(x.minor_size)
    indptr = indptr_of(keys // minor, x.major)
    return SparseVariable(x.format, data, T.cast(keys % minor, "int32"), indptr, x.sizes)


def keys_of(x: SparseVariable) -> TensorVariable:
    """The place of each element as one number, along the compressed axis first."""
    major, minor = compressed_places(x)
    return major * size_variable(x.minor_size) + minor


def selected(x: SparseVariable, keep: TensorVariable) -> SparseVariable:
    """The elements where `keep` is true."""
    places = T.nonzero(keep)[0]
    major, _ = compressed_places(x)
    indptr = indptr_of(major[places], x.major)
    return SparseVariable(x.format, x.data[places], x.indices[places], indptr, x.sizes)


# ---------------------------------------------------------------- formats
def to_format(x: SparseVariable, format: str) -> SparseVariable:
    """`x` in a format; the elements are sorted where it is another one."""
    if format not in FORMATS:
        raise ValueError(f"unsupported format {format!r} of a sparse matrix; supported are {', '.join(FORMATS)}")
    if x.format == format:
        return x
    order = T.argsort(x.indices)
    major, minor = compressed_places(x)
    indptr = indptr_of(minor[order], x.minor_size)
    return SparseVariable(format, x.data[order], T.cast(major[order], "int32"), indptr, x.sizes)


def ensure_sorted_indices(x: Any) -> SparseVariable:
    """`x` with ascending indices in each row or column."""
    matrix = as_sparse_variable(x)
    order = T.argsort(keys_of(matrix))
    return SparseVariable(matrix.format, matrix.data[order], matrix.indices[order], matrix.indptr, matrix.sizes)


def remove0(x: Any) -> SparseVariable:
    """`x` without zeros that are stored."""
    matrix = as_sparse_variable(x)
    return selected(matrix, T.neq(matrix.data, 0))


def clean(x: Any) -> SparseVariable:
    """`x` without stored zeros, and with ascending indices."""
    return ensure_sorted_indices(remove0(x))


def dense_from_sparse(x: Any) -> TensorVariable:
    """The dense matrix; elements that are stored twice are summed."""
    matrix = as_sparse_variable(x)
    rows, columns = coordinates(matrix)
    return T.inc_subtensor(filled(matrix.sizes, matrix.dtype)[rows, columns], matrix.data)


def csr_from_dense(x: Any) -> SparseVariable:
    """The elements of a dense matrix that are not zero, in compressed rows. Their gradient goes to these elements."""
    dense = as_tensor_variable(x)
    if dense.ndim != 2:
        raise TypeError(f"a sparse matrix is made of a matrix, not of {dense.type}")
    rows, columns = T.nonzero(dense)
    sizes = (dim_of(dense.value_, 0), dim_of(dense.value_, 1))
    indptr = indptr_of(rows, sizes[0])
    return SparseVariable("csr", dense[rows, columns], T.cast(columns, "int32"), indptr, sizes)


def csc_from_dense(x: Any) -> SparseVariable:
    """The elements of a dense matrix that are not zero, in compressed columns."""
    return flipped(csr_from_dense(as_tensor_variable(x).T))


# ---------------------------------------------------------------- parts and blocks
def _limits(index: Any, size: Size) -> tuple[TensorVariable, TensorVariable]:
    """Where a slice begins and ends, as Python clips it."""
    n = size_variable(size)

    def place(i: Any, default: TensorVariable) -> TensorVariable:
        if i is None:
            return default
        at = T.cast(as_tensor_variable(i), "int64")
        return T.clip(T.switch(T.lt(at, 0), at + n, at), 0, n)

    start = place(index.start, T.zeros((), "int64"))
    return start, T.maximum(place(index.stop, n), start)


def item(x: SparseVariable, index: Any) -> Any:
    """`x[i, j]`, a number, and `x[a:b]`, `x[a:b, c:d]` and `x[i]`, sparse matrices of the same format.

    Raises:
        NotImplementedError: steps, and index arrays.
    """
    parts = index if isinstance(index, tuple) else (index, slice(None))
    if len(parts) != 2:
        raise IndexError(f"{x} has two axes, {len(parts)} indices are given")
    if not any(isinstance(i, slice) for i in parts):
        found = [_entry(i, n) for i, n in zip(parts, x.sizes, strict=True)]
        rows, columns = coordinates(x)
        here = T.and_(T.eq(rows, found[0]), T.eq(columns, found[1]))
        return T.switch(here, x.data, T.zeros((), x.dtype)).sum(dtype=x.dtype, acc_dtype=x.dtype)
    places, sizes = list(coordinates(x)), list(x.sizes)
    keep: TensorVariable | None = None
    for axis, i in enumerate(parts):
        if not isinstance(i, slice):
            first = _entry(i, sizes[axis])
            i = slice(first, first + 1)
        if i.step not in (None, 1):
            raise NotImplementedError(f"{x}: sparse matrices are sliced with step 1 only, not {i.step}")
        if i.start is None and i.stop is None:
            continue
        start, stop = _limits(i, sizes[axis])
        inside = T.and_(T.ge(places[axis], start), T.lt(places[axis], stop))
        keep = inside if keep is None else T.and_(keep, inside)
        places[axis] = places[axis] - start
        sizes[axis] = scalar_int(stop - start, "a size")
    if keep is None:
        return x
    kept = T.nonzero(keep)[0]
    major, minor = (p[kept] for p in (places if x.format == "csr" else places[::-1]))
    indptr = indptr_of(major, sizes[0 if x.format == "csr" else 1])
    return SparseVariable(x.format, x.data[kept], T.cast(minor, "int32"), indptr, (sizes[0], sizes[1]))


def _entry(i: Any, size: Size) -> TensorVariable:
    """An index, checked and counted from the front."""
    at = as_tensor_variable(i)
    if at.ndim or not at.dtype.startswith(("int", "uint")):
        raise NotImplementedError(f"sparse matrices are indexed by integers and slices, not by {at.type}")
    return wrap(emit("check_index", T.cast(at, "int64").value_, size_variable(size).value_))


def _blocks(blocks: Sequence[Any], dtype: Any) -> list[SparseVariable]:
    found = [as_sparse_variable(b) for b in blocks]
    if not found:
        raise ValueError("there is no block to stack")
    common = promote(*(b.data.value_.dtype for b in found)) if dtype is None else None
    return [b.with_data(T.cast(b.data, dtype or T.constant(0, dtype=_numpy(common)).dtype)) for b in found]


def _numpy(dtype: str | None) -> str:
    from arignote.ir.types import DTYPES

    assert dtype is not None
    return DTYPES[dtype]


def vstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> SparseVariable:
    """Matrices one below the other, in `format`, by default "csc" as in Theano."""
    rows = [to_format(b, "csr") for b in _blocks(blocks, dtype)]
    first = rows[0]
    total: Size = first.major
    data, indices, indptr = [first.data], [first.indices], [first.indptr.value_]
    seen = size_variable(dim_of(first.data.value_, 0))
    for b in rows[1:]:
        data.append(matched(b.data, b.minor_size, first.minor_size, "vstack: blocks have other numbers of columns"))
        indices.append(b.indices)
        indptr.append(emit("add", _tail(b.indptr.value_), T.cast(seen, "int32").value_))
        seen = seen + size_variable(dim_of(b.data.value_, 0))
        total = scalar_int(size_variable(total) + size_variable(b.major), "a size")
    pointers = indptr[0] if len(rows) == 1 else emit("concatenate", *indptr, axis=0)
    joined = SparseVariable("csr", T.concatenate(data), T.concatenate(indices), wrap(pointers), (total, first.sizes[1]))
    return to_format(joined, format or "csc")


def _tail(x: Value) -> Value:
    """A vector without its first element."""
    return emit("slice", x, start=(1,), size=(x.shape[0] - 1,), step=(1,))


def hstack(blocks: Sequence[Any], format: str | None = None, dtype: Any = None) -> SparseVariable:
    """Matrices beside each other, in `format`, by default "csc" as in Theano."""
    other = "csr" if (format or "csc") == "csc" else "csc"
    return flipped(vstack([flipped(as_sparse_variable(b)) for b in blocks], other, dtype))


def square_diagonal(diag: Any) -> SparseVariable:
    """The square matrix, in compressed columns, with a vector on its diagonal."""
    d = as_tensor_variable(diag)
    if d.ndim != 1:
        raise TypeError(f"square_diagonal takes a vector, got {d.type}")
    n = dim_of(d.value_, 0)
    places = T.cast(T.arange(size_variable(n)), "int32")
    indptr = T.cast(T.arange(size_variable(n) + 1), "int32")
    return SparseVariable("csc", d, places, indptr, (n, n))


def diag(x: Any) -> TensorVariable:
    """The diagonal of a square sparse matrix: a vector."""
    matrix = as_sparse_variable(x)
    rows, columns = coordinates(matrix)
    data = matched(matrix.data, *matrix.sizes, "diag: the matrix is not square")
    on = T.switch(T.eq(rows, columns), data, T.zeros((), matrix.dtype))
    return T.inc_subtensor(filled(matrix.sizes[:1], matrix.dtype)[rows], on)


def empty_like(x: SparseVariable) -> SparseVariable:
    """No elements in the shape of `x`."""
    indptr = wrap(emit("broadcast", const(np.int32(0)), shape=x.indptr.value_.shape))
    return SparseVariable(x.format, T.zeros((0,), x.dtype), T.zeros((0,), "int32"), indptr, x.sizes)


def shape_of(x: SparseVariable) -> list[Size]:
    """The sizes of a matrix."""
    return sizes_of(x.shape)
