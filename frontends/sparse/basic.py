"""What is computed with sparse matrices: products, sums, elementwise functions.

Gradients with respect to a sparse matrix are those of its stored elements: a sparse matrix with the same places. Those
with respect to dense operands are the full ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.frontends import tensor as T
from arignote.frontends.sparse.structure import (
    clean,
    compressed_places,
    coordinates,
    csc_from_dense,
    csr_from_dense,
    dense_from_sparse,
    diag,
    empty_like,
    ensure_sorted_indices,
    filled,
    flipped,
    from_keys,
    grouped,
    hstack,
    keys_of,
    major_of,
    matched,
    remove0,
    same_shape,
    square_diagonal,
    to_format,
    vstack,
)
from arignote.frontends.sparse.types import SparseType, enable_sparse
from arignote.frontends.sparse.types import is_matrix as _is_sparse
from arignote.frontends.sparse.variable import (
    SparseConstant,
    SparseSharedVariable,
    SparseVariable,
    as_sparse,
    as_sparse_or_tensor_variable,
    as_sparse_variable,
    csc_matrix,
    csr_matrix,
    from_parts,
    matrix,
    size_variable,
    sparse_shared,
)
from arignote.frontends.sparse.variable import is_sparse_variable as _is_sparse_variable
from arignote.frontends.tensor.convert import as_tensor_variable, label, unify
from arignote.frontends.tensor.graph import emit, wrap
from arignote.frontends.tensor.shapes import Sizes, dim_of
from arignote.ir.core import Value

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "CSC", "CSM", "CSR", "SparseConstant", "SparseSharedVariable", "SparseType", "SparseVariable", "_is_sparse",
    "_is_sparse_variable", "add", "as_sparse", "as_sparse_or_tensor_variable", "as_sparse_variable", "cast", "clean",
    "col_scale", "csc_from_dense", "csc_matrix", "csm_data", "csm_indices", "csm_indptr", "csm_properties", "csm_shape",
    "csr_from_dense", "csr_matrix", "dense_from_sparse", "diag", "dot", "enable_sparse", "ensure_sorted_indices",
    "hstack", "matrix", "mul", "neg", "remove0", "row_scale", "sampling_dot", "sp_ones_like", "sp_sum", "sp_zeros_like",
    "sparse_shared", "square_diagonal", "structured_dot", "structured_monoid", "sub", "transpose", "true_dot", "usmm",
    "vstack",
]  # fmt: skip


# ---------------------------------------------------------------- vectors and shape
class CSM:
    """`CSM(format)(data, indices, indptr, shape)` makes a sparse matrix of its vectors and shape."""

    def __init__(self, format: str) -> None:
        self.format = SparseType(format).format

    def __call__(self, data: Any, indices: Any, indptr: Any, shape: Any) -> SparseVariable:
        """The matrix. Indices are checked when they are used."""
        return from_parts(self.format, data, indices, indptr, shape)


CSR, CSC = CSM("csr"), CSM("csc")


def csm_properties(csm: Any) -> tuple[TensorVariable, TensorVariable, TensorVariable, TensorVariable]:
    """(data, indices, indptr, shape) of a sparse matrix."""
    x = as_sparse_variable(csm)
    return x.data, x.indices, x.indptr, x.shape


def csm_data(csm: Any) -> TensorVariable:
    """The elements: a vector."""
    return as_sparse_variable(csm).data


def csm_indices(csm: Any) -> TensorVariable:
    """The columns (of "csc" the rows) of the elements: an int32 vector."""
    return as_sparse_variable(csm).indices


def csm_indptr(csm: Any) -> TensorVariable:
    """At which element each row (of "csc" each column) begins, and the number of elements: an int32 vector."""
    return as_sparse_variable(csm).indptr


def csm_shape(csm: Any) -> TensorVariable:
    """The shape: an int64 vector of two."""
    return as_sparse_variable(csm).shape


def transpose(x: Any) -> SparseVariable:
    """The transpose, of the other format: it shares all memory."""
    return flipped(as_sparse_variable(x))


def cast(variable: Any, dtype: Any) -> SparseVariable:
    """A sparse matrix with elements of another dtype."""
    return as_sparse_variable(variable).astype(dtype)


def neg(x: Any) -> SparseVariable:
    """The negative."""
    return -as_sparse_variable(x)


def sp_ones_like(x: Any) -> SparseVariable:
    """Ones in the places of the elements."""
    matrix = as_sparse_variable(x)
    return matrix.with_data(T.ones_like(matrix.data))


def sp_zeros_like(x: Any) -> SparseVariable:
    """A matrix of that shape and format without elements."""
    return empty_like(as_sparse_variable(x))


def sp_sum(x: Any, axis: int | None = None, sparse_grad: bool = False) -> TensorVariable:
    """The sum of all elements, or a vector of sums along an axis (0 or 1). `sparse_grad` is accepted for old programs:
    gradients of sparse matrices are always those of stored elements.

    Raises:
        ValueError: there is no such axis.
    """
    matrix = as_sparse_variable(x)
    if axis is None:
        return matrix.data.sum(dtype=matrix.dtype, acc_dtype=matrix.dtype)
    if axis not in (0, 1, -1, -2):
        raise ValueError(f"sp_sum: a sparse matrix has the axes 0 and 1, not {axis}")
    kept = 1 - axis % 2
    places = coordinates(matrix)[kept]
    return T.inc_subtensor(filled(matrix.sizes[kept : kept + 1], matrix.dtype)[places], matrix.data)


# ---------------------------------------------------------------- products
def _times(x: SparseVariable, y: TensorVariable) -> Value:
    """The product of a sparse matrix and a dense one."""
    data, dense = unify(x.data.value_, y.value_)
    parts = (data, x.indices.value_, x.indptr.value_)
    if x.format == "csr":
        return emit("csr_dot", *parts, dense)
    sizes = Sizes(x.sizes[:1])
    return emit("csr_dot_t", *parts, dense, *sizes.operands, **sizes.attrs())


def _dense_product(x: SparseVariable, y: Any) -> TensorVariable:
    """The product of a sparse matrix and a vector or matrix."""
    dense = as_tensor_variable(y)
    if dense.ndim not in (1, 2):
        kind = f"{label(dense)}, {dense.type}"
        raise TypeError(f"dot: a sparse matrix is multiplied by a vector or a matrix, not by {kind}")
    what = f"dot: {x} has another number of columns than {label(dense)} has rows"
    dense = matched(dense, x.sizes[1], dim_of(dense.value_, 0), what)
    if dense.ndim == 2:
        return wrap(_times(x, dense))
    out = _times(x, dense.dimshuffle(0, "x"))
    return wrap(emit("reshape", out, shape=out.shape[:1]))


def _sparse_product(x: SparseVariable, y: SparseVariable) -> SparseVariable:
    """The sparse product: each pair of elements that meet is a term, and terms of one place are summed."""
    format = x.format
    x, y = to_format(x, "csr"), to_format(y, "csr")
    x = x.with_data(matched(x.data, x.sizes[1], y.sizes[0], "dot: the inner sizes of sparse matrices differ"))
    rows, inner = compressed_places(x)
    begin = y.indptr[inner]
    lengths = T.cast(y.indptr[inner + 1] - begin, "int64")
    ends = T.concatenate([T.zeros((1,), "int64"), T.cumsum(lengths)])
    left = major_of(T.cast(ends, "int32"), lengths.sum().value_)  # the element of x of each term
    right = T.cast(begin, "int64")[left] + T.arange(left.shape[0]) - ends[left]
    terms = x.data[left] * y.data[right]
    like = SparseVariable("csr", x.data, x.indices, x.indptr, (x.sizes[0], y.sizes[1]))
    keys = rows[left] * size_variable(like.minor_size) + y.indices[right]
    places, (sums,) = grouped(keys, [terms])
    return to_format(from_keys(like, places, sums), format)


def _product(x: Any, y: Any, dense: bool) -> Any:
    a, b = as_sparse_or_tensor_variable(x), as_sparse_or_tensor_variable(y)
    if isinstance(a, SparseVariable) and isinstance(b, SparseVariable):
        return _dense_product(a, dense_from_sparse(b)) if dense else _sparse_product(a, b)
    if isinstance(a, SparseVariable):
        return _dense_product(a, b)
    if not isinstance(b, SparseVariable):
        raise TypeError("dot: one operand at least must be sparse")
    return _dense_product(flipped(b), a.T).T


def dot(x: Any, y: Any) -> TensorVariable:
    """The product of two matrices, or of a matrix and a vector, of which at least one is sparse: dense.

    Raises:
        TypeError: neither is sparse, or an operand is a scalar.
        ValueError: the inner sizes are known to differ; an AssertionError of the call otherwise.
    """
    out: TensorVariable = _product(x, y, dense=True)
    return out


def true_dot(x: Any, y: Any, grad_preserves_dense: bool = True) -> Any:
    """The product: sparse, of the format of `x`, where both operands are, otherwise dense. Its places are found at the
    call. `grad_preserves_dense` is accepted for old programs."""
    return _product(x, y, dense=False)


def structured_dot(x: Any, y: Any) -> Any:
    """The product: sparse where both operands are, otherwise dense. The gradient with respect to a sparse operand is
    that of its stored elements."""
    return _product(x, y, dense=False)


def sampling_dot(x: Any, y: Any, p: Any) -> SparseVariable:
    """p times x y^T, elementwise: only the elements of x y^T where the sparse matrix `p` has some are computed.

    Args:
        x, y: dense matrices of as many columns.
        p: a sparse matrix with the rows of `x`, and as many columns as `y` has rows.
    """
    matrix = as_sparse_variable(p)
    given = [as_tensor_variable(v) for v in (x, y)]
    for v, size, axis in zip(given, matrix.sizes, ("rows", "columns"), strict=True):
        if v.ndim != 2:
            raise TypeError(f"sampling_dot takes matrices, got {label(v)}, {v.type}")
        what = f"sampling_dot: {label(v)} has another number of rows than {matrix} has {axis}"
        matrix = matrix.with_data(matched(matrix.data, size, dim_of(v.value_, 0), what))
    if matrix.format == "csc":
        given.reverse()
    data, left, right = unify(matrix.data.value_, *(v.value_ for v in given))
    found = emit("csr_sampled", matrix.indices.value_, matrix.indptr.value_, left, right)
    return matrix.with_data(wrap(data) * wrap(found))


def usmm(alpha: Any, x: Any, y: Any, z: Any) -> TensorVariable:
    """alpha times the product of x and y, of which one is sparse, plus the dense z."""
    out: TensorVariable = alpha * dot(x, y) + z
    return out


# ---------------------------------------------------------------- sums
def add(x: Any, y: Any) -> Any:
    """The sum: sparse, of the format of `x`, where both are; dense where one is. Elements of the sum that come out as
    zero stay stored.

    Raises:
        TypeError: neither is sparse, or the dense one is no matrix.
        ValueError: shapes are known to differ; an AssertionError of the call otherwise.
    """
    a, b = as_sparse_or_tensor_variable(x), as_sparse_or_tensor_variable(y)
    if isinstance(a, SparseVariable) and isinstance(b, SparseVariable):
        b = same_shape(to_format(b, a.format), a, "add")
        data = [wrap(v) for v in unify(a.data.value_, b.data.value_)]
        places, (sums,) = grouped(T.concatenate([keys_of(a), keys_of(b)]), [T.concatenate(data)])
        return from_keys(a, places, sums)
    matrix, dense = (a, b) if isinstance(a, SparseVariable) else (b, a)
    if not isinstance(matrix, SparseVariable):
        raise TypeError("add: one operand at least must be sparse")
    if dense.ndim != 2:
        raise TypeError(f"add: a dense matrix is added to a sparse one, not {label(dense)}, {dense.type}")
    matrix = same_shape(matrix, dense, "add")
    data_value, dense_value = unify(matrix.data.value_, dense.value_)
    return T.inc_subtensor(wrap(dense_value)[coordinates(matrix)], wrap(data_value))


def sub(x: Any, y: Any) -> Any:
    """The difference, as `add`."""
    return add(x, -as_sparse_or_tensor_variable(y))


# ---------------------------------------------------------------- elementwise
def mul(x: Any, y: Any) -> SparseVariable:
    """The elementwise product: a sparse matrix. By a scalar; by a row, a column or a vector, which stretch; by a dense
    matrix, whose elements are read where there are sparse ones; or by a sparse matrix, where both have elements.

    Raises:
        TypeError: neither is sparse.
        ValueError: shapes are known to differ; an AssertionError of the call otherwise.
    """
    a, b = as_sparse_or_tensor_variable(x), as_sparse_or_tensor_variable(y)
    if isinstance(a, SparseVariable) and isinstance(b, SparseVariable):
        return _intersection(a, same_shape(to_format(b, a.format), a, "mul"))
    matrix, dense = (a, b) if isinstance(a, SparseVariable) else (b, a)
    if not isinstance(matrix, SparseVariable):
        raise TypeError("mul: one operand at least must be sparse")
    if dense.ndim > 2:
        raise TypeError(f"mul: {label(dense)} has {dense.ndim} dimensions, a sparse matrix has two")
    if dense.ndim == 0:
        return matrix.with_data(matrix.data * dense)
    data, index = matrix.data, []
    for axis, place in zip(range(-dense.ndim, 0), coordinates(matrix)[-dense.ndim :], strict=True):
        size = dim_of(dense.value_, dense.ndim + axis)
        if isinstance(size, int) and size == 1:
            index.append(T.zeros_like(place))
            continue
        what = f"mul: {label(dense)} and {matrix} differ along axis {axis}"
        data = matched(data, matrix.sizes[axis], size, what)
        index.append(place)
    return matrix.with_data(data * dense[tuple(index)])


def _intersection(a: SparseVariable, b: SparseVariable) -> SparseVariable:
    data = [wrap(v) for v in unify(a.data.value_, b.data.value_)]
    one = [T.ones_like(x, "int64") for x in data]
    none = [T.zeros_like(x) for x in data]
    gone = [T.zeros_like(x) for x in one]
    keys = T.concatenate([keys_of(a), keys_of(b)])
    columns = [(data[0], none[1]), (none[0], data[1]), (one[0], gone[1]), (gone[0], one[1])]
    places, (left, right, in_a, in_b) = grouped(keys, [T.concatenate(c) for c in columns])
    both = T.nonzero(T.and_(T.gt(in_a, 0), T.gt(in_b, 0)))[0]
    return from_keys(a, places[both], left[both] * right[both])


def _scaled(x: Any, s: Any, axis: int, what: str) -> SparseVariable:
    matrix, scale = as_sparse_variable(x), as_tensor_variable(s)
    if scale.ndim != 1:
        raise TypeError(f"{what} takes a vector, got {label(scale)}, {scale.type}")
    data = matched(matrix.data, matrix.sizes[axis], dim_of(scale.value_, 0), f"{what}: {label(scale)} has another size")
    return matrix.with_data(data * scale[coordinates(matrix)[axis]])


def row_scale(x: Any, s: Any) -> SparseVariable:
    """Each row of a sparse matrix times an element of a vector."""
    return _scaled(x, s, 0, "row_scale")


def col_scale(x: Any, s: Any) -> SparseVariable:
    """Each column of a sparse matrix times an element of a vector."""
    return _scaled(x, s, 1, "col_scale")


def structured_monoid(tensor_op: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., SparseVariable]]:
    """A decorator that makes a function of sparse matrices out of one of tensors, applied to stored elements only."""

    def decorate(function: Callable[..., Any]) -> Callable[..., SparseVariable]:
        def structured(x: Any, *args: Any) -> SparseVariable:
            matrix = as_sparse_variable(x)
            return matrix.with_data(tensor_op(matrix.data, *args))

        structured.__name__ = structured.__qualname__ = function.__name__
        structured.__doc__ = function.__doc__ or f"`{tensor_op.__name__}` of the stored elements."
        return structured

    return decorate


def _structured(name: str, tensor_op: Callable[..., Any]) -> Callable[..., SparseVariable]:
    def function() -> None: ...

    function.__name__, function.__doc__ = name, f"`{getattr(tensor_op, '__name__', name)}` of the stored elements."
    return structured_monoid(tensor_op)(function)


#: Functions of stored elements, by their names here.
_STRUCTURED: dict[str, Any] = {
    "structured_sigmoid": T.nnet.sigmoid, "structured_exp": T.exp, "structured_log": T.log, "structured_pow": T.pow,
    "structured_minimum": T.minimum, "structured_maximum": T.maximum, "structured_add": T.add,
}  # fmt: skip
for _name, _op in _STRUCTURED.items():
    globals()[_name] = _structured(_name, _op)
    __all__.append(_name)
#: Functions that leave zero where it is, by their names for dense tensors.
for _name in (
    "sin", "arcsin", "tan", "arctan", "sinh", "arcsinh", "tanh", "arctanh", "rint", "ceil", "floor", "trunc", "sgn",
    "sqr", "sqrt", "expm1", "log1p", "deg2rad", "rad2deg",
):  # fmt: skip
    globals()[_name] = _structured(_name, getattr(T, _name))
    __all__.append(_name)
