"""Types of sparse matrices, and what values of SciPy's they take."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor.graph import Leaf, emit, ir_dtype, wrap
from arignote.frontends.tensor.tensortype import TensorType
from arignote.ir.types import DTYPES, is_float, is_integer

if TYPE_CHECKING:
    from arignote.frontends.sparse.variable import SparseVariable

#: Whether SciPy is there, whose matrices are the values of sparse variables.
enable_sparse = importlib.util.find_spec("scipy") is not None
FORMATS = ("csr", "csc")


def scipy_sparse() -> Any:
    """The module `scipy.sparse`.

    Raises:
        ImportError: SciPy is not installed.
    """
    if not enable_sparse:
        raise ImportError("sparse matrices need SciPy, which is not installed. Remedy: pip install 'arignote[sparse]'")
    return importlib.import_module("scipy.sparse")


def is_matrix(x: Any) -> bool:
    """Whether `x` is a sparse matrix or array of SciPy's."""
    return type(x).__module__.startswith("scipy.sparse") and bool(scipy_sparse().issparse(x))


def _check_dtype(dtype: Any) -> str:
    name = ir_dtype(dtype)
    if name == "f16" or not (is_float(name) or is_integer(name)):
        raise TypeError(f"sparse matrices hold integers, float32 or float64, not {DTYPES[name]}")
    return name


class SparseType:
    """The type of sparse matrices of a format, "csr" or "csc", and a dtype. Calling it makes a variable."""

    #: What a sparse matrix may hold.
    dtype_set = frozenset((*(f"{kind}{n}" for kind in ("int", "uint") for n in (8, 16, 32, 64)), "float32", "float64"))
    ndim = 2
    broadcastable = (False, False)

    def __init__(self, format: str, dtype: Any = "float64", name: str | None = None) -> None:
        if format not in FORMATS:
            raise ValueError(f"unsupported format {format!r} of a sparse matrix; supported are {', '.join(FORMATS)}")
        self.format, self.dtype, self.name = format, DTYPES[_check_dtype(dtype)], name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SparseType) and (self.format, self.dtype) == (other.format, other.dtype)

    def __hash__(self) -> int:
        return hash((SparseType, self.format, self.dtype))

    def __repr__(self) -> str:
        return self.name or f"Sparse[{self.dtype}, {self.format}]"

    def __call__(self, name: str | None = None) -> SparseVariable:
        """A variable of this type, to be given a matrix at each call."""
        from arignote.frontends.sparse.variable import SparseVariable

        prefix = None if name is None else f"{name}."
        data, indices, indptr = (
            TensorType(dtype, (False,))(prefix and f"{prefix}{part}")
            for part, dtype in (("data", self.dtype), ("indices", "int32"), ("indptr", "int32"))
        )
        minor = Leaf("i64", (), prefix and f"{prefix}minor")
        major = emit("sub", emit("dim", indptr.value_, axis=0), emit("const", value=np.asarray(1)))
        sizes = (major, minor) if self.format == "csr" else (minor, major)
        return SparseVariable(self.format, data, indices, indptr, sizes, name, wrap(minor))

    make_variable = __call__

    def clone(self, format: str | None = None, dtype: Any = None) -> SparseType:
        """This type with another format or dtype."""
        return SparseType(format or self.format, dtype or self.dtype)

    def filter(self, value: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """`value` as a matrix of this type in canonical form: in each row or column indices ascend, and elements that
        are given twice are summed, as SciPy does before it needs them so.

        Raises:
            TypeError: it is no sparse matrix, of another format, or of a dtype that loses precision.
            ValueError: it is too large for 32-bit indices.
        """
        if not is_matrix(value):
            raise TypeError(f"{self} takes a sparse matrix of SciPy's, not {type(value).__name__}")
        if value.format != self.format:
            raise TypeError(
                f"{self} takes a {self.format} matrix, got {value.format}: convert it with .to{self.format}()"
            )
        if value.ndim != 2:
            raise TypeError(f"{self} takes a matrix, got {value.ndim} dimensions")
        if value.dtype != np.dtype(self.dtype):
            fits = np.promote_types(value.dtype, self.dtype) == np.dtype(self.dtype)
            if strict or not (allow_downcast or fits):
                raise TypeError(
                    f"{self} cannot store a matrix of dtype {value.dtype} without risking loss of precision: convert "
                    f"it with .astype({self.dtype!r})"
                )
            value = value.astype(self.dtype)
        if max(*value.shape, value.nnz) > np.iinfo(np.int32).max:
            raise ValueError(f"{self}: a matrix of shape {value.shape} with {value.nnz} elements needs 64-bit indices")
        if not value.has_canonical_format:
            value = value.copy()
            value.sum_duplicates()
        return value

    def parts(self, matrix: Any) -> tuple[Any, Any, Any, Any]:
        """The arrays of a matrix of this type, and the size that they do not tell."""
        minor = matrix.shape[1 if self.format == "csr" else 0]
        indices, indptr = (np.ascontiguousarray(x, np.int32) for x in (matrix.indices, matrix.indptr))
        return np.ascontiguousarray(matrix.data), indices, indptr, np.asarray(minor, np.int64)

    def matrix(self, data: Any, indices: Any, indptr: Any, minor: int) -> Any:
        """The matrix of arrays."""
        shape = (len(indptr) - 1, minor) if self.format == "csr" else (minor, len(indptr) - 1)
        make = getattr(scipy_sparse(), f"{self.format}_matrix")
        return make((data, indices, indptr), shape=shape)
