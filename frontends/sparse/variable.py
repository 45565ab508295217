"""`SparseVariable`: a sparse matrix as three dense vectors and a shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.sparse.types import SparseType, is_matrix
from arignote.frontends.tensor.convert import as_tensor_variable, constant, scalar_int
from arignote.frontends.tensor.graph import Composite, Variable, make_shape, wrap
from arignote.frontends.tensor.shapes import as_dim, sizes_of
from arignote.frontends.tensor.sharedvar import SharedVariable, shared
from arignote.ir.core import Value

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

Size = int | Value


class SparseVariable(Composite):
    """A symbolic sparse matrix in compressed rows ("csr") or columns ("csc").

    Attributes:
        format: "csr" or "csc".
        data, indices, indptr: its vectors; the int32 ones are SciPy's attributes of these names.
        sizes: (rows, columns), numbers or int64 scalars of the IR.
        name: what it is printed by.
        minor: of an input or shared variable the variable of the size that the vectors do not tell; else None.
    """

    __array_priority__ = 1000
    __array_ufunc__ = None
    ndim = 2
    broadcastable = (False, False)

    def __init__(
        self, format: str, data: Any, indices: Any, indptr: Any, sizes: tuple[Size, Size], name: str | None = None,
        minor: Any = None,
    ) -> None:  # fmt: skip
        self.format, self.name, self.minor = format, name, minor
        self.data: TensorVariable = as_tensor_variable(data)
        self.indices: TensorVariable = as_tensor_variable(indices)
        self.indptr: TensorVariable = as_tensor_variable(indptr)
        self.sizes = sizes
        self._functions: dict[Any, Any] = {}

    # ------------------------------------------------------------ what it is
    @property
    def type(self) -> SparseType:
        """Its type."""
        return SparseType(self.format, self.dtype)

    @property
    def dtype(self) -> str:
        """The dtype of its elements."""
        return self.data.dtype

    @property
    def shape(self) -> TensorVariable:
        """The shape, a vector of two."""
        return make_shape(self.sizes)

    @property
    def nnz(self) -> TensorVariable:
        """How many elements it has, zeros that are stored included."""
        return self.data.size

    @property
    def major(self) -> Size:
        """The size of the compressed axis."""
        return self.sizes[0 if self.format == "csr" else 1]

    @property
    def minor_size(self) -> Size:
        """The size of the other axis."""
        return self.sizes[1 if self.format == "csr" else 0]

    def parts(self) -> tuple[Any, ...]:
        """The variables that it is made of."""
        own = (self.data, self.indices, self.indptr)
        return own if self.minor is None else (*own, self.minor)

    def with_data(self, data: Any) -> SparseVariable:
        """A matrix with other elements in the same places."""
        return SparseVariable(self.format, data, self.indices, self.indptr, self.sizes)

    def __str__(self) -> str:
        return self.name or f"<{self.type}>"

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise TypeError(f"{self} is symbolic: its value is known only when a compiled function runs")

    def _as_arignote_variable(self) -> Any:
        raise TypeError(f"{self} is sparse; sparse.dense_from_sparse makes a tensor of it")

    # ------------------------------------------------------------ operations
    @property
    def T(self) -> SparseVariable:
        """The transpose, which shares all memory."""
        from arignote.frontends.sparse.basic import transpose

        return transpose(self)

    def transpose(self) -> SparseVariable:
        """The transpose."""
        return self.T

    def dot(self, other: Any) -> Any:
        """The product, as `structured_dot`."""
        from arignote.frontends.sparse.basic import structured_dot

        return structured_dot(self, other)

    __dot__ = __matmul__ = dot

    def __rmatmul__(self, other: Any) -> Any:
        from arignote.frontends.sparse.basic import structured_dot

        return structured_dot(other, self)

    __rdot__ = __rmatmul__

    def toarray(self) -> TensorVariable:
        """The dense matrix."""
        from arignote.frontends.sparse.basic import dense_from_sparse

        return dense_from_sparse(self)

    todense = toarray

    def astype(self, dtype: Any) -> SparseVariable:
        """With elements of another dtype."""
        return self.with_data(self.data.astype(dtype))

    def sum(self, axis: int | None = None, sparse_grad: bool = False) -> TensorVariable:
        """The sum of all elements, or along an axis."""
        from arignote.frontends.sparse.basic import sp_sum

        return sp_sum(self, axis, sparse_grad)

    def __neg__(self) -> SparseVariable:
        return self.with_data(-self.data)

    def __add__(self, other: Any) -> Any:
        from arignote.frontends.sparse.basic import add

        return add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        from arignote.frontends.sparse.basic import sub

        return sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        from arignote.frontends.sparse.basic import sub

        return sub(other, self)

    def __mul__(self, other: Any) -> Any:
        from arignote.frontends.sparse.basic import mul

        return mul(self, other)

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> Any:
        from arignote.frontends.sparse.structure import item

        return item(self, index)

    def eval(self, inputs_to_values: Mapping[Any, Any] | None = None) -> Any:
        """The value, a matrix of SciPy's, given those of the inputs. Compiled once per set of inputs."""
        from arignote.frontends.tensor.compiling import function

        given = dict(inputs_to_values or {})
        inputs = sorted(given, key=id)
        key = tuple(inputs)
        if key not in self._functions:
            self._functions[key] = function(inputs, self)
        return self._functions[key](*(given[i] for i in inputs))


class SparseConstant(SparseVariable):
    """A sparse matrix that is known."""


class SparseSharedVariable(SparseVariable):
    """A sparse matrix that functions read and update: `get_value`, `set_value`."""

    def _owners(self) -> list[SharedVariable]:
        return list(self.parts())

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The matrix, of SciPy's; a copy, unless `borrow`."""
        data, indices, indptr, minor = (v.get_value(borrow=borrow) for v in self._owners())
        return self.type.matrix(data, indices, indptr, int(minor))

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Give it another value, of its format and dtype, of any shape.

        Raises:
            TypeError: another format or dtype.
        """
        for v, array in zip(self._owners(), self.type.parts(self.type.filter(new_value)), strict=True):
            v.set_value(array, borrow=borrow)


def sparse_shared(value: Any, name: str | None = None, borrow: bool = False) -> SparseSharedVariable:
    """A shared variable that starts as a matrix of SciPy's."""
    kind = SparseType(value.format, value.dtype)
    prefix = None if name is None else f"{name}."
    names = [prefix and f"{prefix}{part}" for part in ("data", "indices", "indptr", "minor")]
    parts = [shared(x, n, borrow) for x, n in zip(kind.parts(kind.filter(value)), names, strict=True)]
    data, indices, indptr, minor = parts
    major = scalar_int(indptr.shape[0] - 1, "the number of rows")
    sizes = (major, minor.value_) if kind.format == "csr" else (minor.value_, major)
    return SparseSharedVariable(kind.format, data, indices, indptr, sizes, name, minor)


# ---------------------------------------------------------------- making variables
def as_sparse_variable(x: Any, name: str | None = None) -> SparseVariable:
    """`x` as a sparse variable: variables as they are, matrices of SciPy's as constants.

    Raises:
        TypeError: `x` is dense: `csr_from_dense` or `csc_from_dense` converts it.
    """
    if isinstance(x, SparseVariable):
        return x
    if not is_matrix(x):
        raise TypeError(f"{x!r} is not sparse: csr_from_dense and csc_from_dense make sparse matrices of dense ones")
    kind = SparseType(x.format, x.dtype)
    data, indices, indptr, _ = kind.parts(kind.filter(x))
    rows, columns = (int(n) for n in x.shape)
    return SparseConstant(kind.format, constant(data), constant(indices), constant(indptr), (rows, columns), name)


as_sparse = as_sparse_variable


def as_sparse_or_tensor_variable(x: Any, name: str | None = None) -> Any:
    """`x` as a sparse variable where it is sparse, else as a tensor."""
    sparse = isinstance(x, SparseVariable) or is_matrix(x)
    return as_sparse_variable(x, name) if sparse else as_tensor_variable(x, name)


def constructor(format: str) -> Any:
    """`csr_matrix` or `csc_matrix`."""

    def make(name: str | None = None, dtype: Any = None) -> SparseVariable:
        return matrix(format, name, dtype)

    make.__name__ = make.__qualname__ = f"{format}_matrix"
    make.__doc__ = f"A sparse matrix in format {format}, of `floatX` or of `dtype`."
    return make


def matrix(format: str, name: str | None = None, dtype: Any = None) -> SparseVariable:
    """A sparse matrix in a format, "csr" or "csc", of `floatX` or of `dtype`."""
    return SparseType(format, "floatX" if dtype is None else dtype)(name)


csr_matrix, csc_matrix = constructor("csr"), constructor("csc")


def from_parts(format: str, data: Any, indices: Any, indptr: Any, shape: Any) -> SparseVariable:
    """A matrix of its vectors and shape: `CSR` and `CSC`. Indices are checked when they are used.

    Raises:
        TypeError: indices are not int32, or something is no vector.
    """
    data, indices, indptr = (as_tensor_variable(x) for x in (data, indices, indptr))
    for part, x in (("data", data), ("indices", indices), ("indptr", indptr)):
        if x.ndim != 1 or (part != "data" and x.dtype != "int32"):
            want = "a vector" if part == "data" else "an int32 vector"
            raise TypeError(f"{format.upper()}: {part} must be {want}, got {x.type}")
    SparseType(format, data.dtype)
    rows, columns = sizes_of(shape, "the shape of a sparse matrix", 2)
    return SparseVariable(format, data, indices, indptr, (rows, columns))


def size_variable(size: Size) -> TensorVariable:
    """A size as an int64 scalar."""
    return as_tensor_variable(np.int64(size)) if isinstance(size, int) else wrap(size)


def same_size(a: Size, b: Size) -> bool | None:
    """Whether two sizes are equal; None where only the call knows."""
    x, y = (s if isinstance(s, int) else as_dim(s) for s in (a, b))
    if a is b or (x is not None and y is not None and x == y):
        return True
    return False if isinstance(x, int) and isinstance(y, int) else None


def is_sparse_variable(x: Any) -> bool:
    """Whether `x` is a sparse variable.

    Raises:
        NotImplementedError: it is no variable at all.
    """
    if isinstance(x, SparseVariable):
        return True
    if isinstance(x, Variable):
        return False
    raise NotImplementedError(f"this function should only be called on variables, not on {x!r}")
