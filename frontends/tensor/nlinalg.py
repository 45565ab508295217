"""Linear algebra under the names of `theano.tensor.nlinalg`, which are mostly NumPy's.

Matrices are float32 or float64 (integers are converted). Where a call meets a matrix that has no answer, such as the
inverse of a singular one, it raises `LinAlgError`, which is a `numpy.linalg.LinAlgError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import linear, reduction, shapes
from arignote.frontends.tensor.convert import as_tensor_variable, floating, label, unify, value_of
from arignote.frontends.tensor.creation import identity_like
from arignote.frontends.tensor.diagonals import alloc_diag as alloc_diag
from arignote.frontends.tensor.diagonals import diag as diag
from arignote.frontends.tensor.diagonals import diagonal
from arignote.frontends.tensor.diagonals import extract_diag as extract_diag
from arignote.frontends.tensor.errors import LinAlgError as LinAlgError
from arignote.frontends.tensor.graph import emit, emit_all, wrap
from arignote.frontends.tensor.shapes import Sizes, dim_of
from arignote.ir.core import Value
from arignote.ir.types import DTYPES, prod_dims

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def matrix_value(x: Any) -> Value:
    """The value of a matrix of floats; the ops themselves refuse what else it may be."""
    return floating(value_of(x))


def _least(x: Value) -> tuple[list[Value], dict[str, Any]]:
    """The smaller dimension of a matrix, as ops take it: operands, and attributes."""
    if x.ndim != 2:
        return [], {"shape": ()}  # which they refuse
    m, n = x.shape
    if m == n:
        return [], {"shape": (m,)}
    rows, columns = dim_of(x, 0), dim_of(x, 1)
    if isinstance(rows, int) and isinstance(columns, int):
        return [], {"shape": (min(rows, columns),)}
    sizes = Sizes([ew.minimum(shapes.as_variable(rows), shapes.as_variable(columns)).value_])
    return sizes.operands, sizes.attrs()


# ---------------------------------------------------------------- inverses, determinants
def matrix_inverse(x: Any) -> TensorVariable:
    """The inverse of a square matrix."""
    return wrap(emit("inv", matrix_value(x)))


inv = matrix_inverse


def pinv(x: Any, rcond: float = 1e-15) -> TensorVariable:
    """The Moore-Penrose pseudo-inverse; singular values up to `rcond` times the largest count as 0."""
    value = matrix_value(x)
    operands, attrs = _least(value)
    return wrap(emit("pinv", value, *operands, rcond=float(rcond), **attrs))


def det(x: Any) -> TensorVariable:
    """The determinant. Its gradient needs an inverse."""
    return wrap(emit("det", matrix_value(x)))


def slogdet(x: Any) -> list[TensorVariable]:
    """The sign of the determinant, and the logarithm of its absolute value."""
    value = matrix_value(x)
    return [wrap(emit(name, value)) for name in ("detsign", "logabsdet")]


def trace(X: Any) -> TensorVariable:
    """The sum of the diagonal of a matrix."""
    return reduction.sum(diagonal(X), axis=-1)


# ---------------------------------------------------------------- decompositions
def eig(a: Any) -> Any:
    """Not supported: eigenvalues of matrices that are not symmetric are complex.

    Raises:
        NotImplementedError: always.
    """
    raise NotImplementedError(
        f"eig of {label(as_tensor_variable(a))}: eigenvalues of a general matrix are complex, and complex numbers are "
        "not supported; use eigh for symmetric matrices"
    )


def eigh(a: Any, UPLO: str = "L") -> list[TensorVariable]:
    """The eigenvalues of a symmetric matrix, ascending, and its eigenvectors, in columns. Of `a` only the lower ("L")
    or upper ("U") triangle is read."""
    return [wrap(v) for v in emit_all("eigh", lower_of(a, UPLO == "L", UPLO))]


def lower_of(a: Any, lower: bool, uplo: str = "L") -> Value:
    """A symmetric matrix as ops take it, which read the lower triangle."""
    if uplo not in ("L", "U"):
        raise ValueError(f"UPLO is {uplo!r}; give 'L' or 'U'")
    value = matrix_value(a)
    return value if lower or value.ndim != 2 else emit("transpose", value, perm=(1, 0))


def qr(a: Any, mode: str = "reduced") -> Any:
    """[q, r] with q r = a: q has orthonormal columns, r is upper triangular.

    Args:
        mode: "reduced": q is m x k, r is k x n, where k = min(m, n); "complete": m x m and m x n; "r": r alone.
    """
    modes = {"reduced": "reduced", "full": "reduced", "complete": "complete", "r": "r"}
    if mode not in modes:
        raise ValueError(f"qr: mode is {mode!r}; give 'reduced', 'complete' or 'r'")
    value = matrix_value(a)
    operands, attrs = _least(value)
    out = [wrap(v) for v in emit_all("qr", value, *operands, mode=modes[mode], **attrs)]
    return out[0] if mode == "r" else out


def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True) -> Any:
    """[u, s, v] with (u * s) v = a: the singular values s descend, u and v are orthogonal; s alone unless `compute_uv`.

    With `full_matrices` u is m x m and v n x n, else m x k and k x n, where k = min(m, n). The gradient through u and v
    of a matrix that is not square needs `full_matrices=False`.
    """
    value = matrix_value(a)
    operands, attrs = _least(value)
    full, vectors = bool(full_matrices) and bool(compute_uv), bool(compute_uv)
    out = [wrap(v) for v in emit_all("svd", value, *operands, full=full, vectors=vectors, **attrs)]
    return out if vectors else out[0]


def lstsq(a: Any = None, b: Any = None, rcond: float | None = -1) -> Any:
    """[x, residuals, rank, s]: the x of least norm among those with the least squares of a x - b. Without arguments
    the function itself, for programs that write `lstsq()(a, b, rcond)`.

    Args:
        rcond: singular values up to `rcond` times the largest count as 0; -1 for the precision of the dtype, None for
            that times the larger dimension.

    `residuals` are the sums of squares for each column of `b`, also where NumPy returns none. `rank` is int64.
    """
    if a is None:
        return lstsq
    if not isinstance(rcond, (int, float, type(None))):
        raise TypeError(f"lstsq: rcond must be a number, not {rcond!r}")
    x, y = unify(matrix_value(a), matrix_value(b))
    precision = float(np.finfo(DTYPES[x.dtype]).eps) if x.dtype in ("f32", "f64") else 0.0
    if rcond is None:
        known = [d for d in x.shape if isinstance(d, int)]
        if len(known) < x.ndim:
            raise ValueError(f"lstsq: rcond=None needs the dimensions of {label(wrap(x))}; give a number")
        rcond = precision * max(known, default=0)
    cutoff = precision if rcond < 0 else float(rcond)
    solution = linear.dot(pinv(wrap(x), cutoff), wrap(y))
    error = linear.dot(wrap(x), solution) - wrap(y)
    s = svd(wrap(x), compute_uv=False)
    limit = reduction.max(s) * np.asarray(cutoff, s.dtype)
    rank = reduction.sum(ew.gt(s, limit), dtype="int64")
    return [solution, reduction.sum(ew.sqr(error), axis=0), rank, s]


# ---------------------------------------------------------------- composed
def matrix_dot(*args: Any) -> TensorVariable:
    """The product of matrices, from left to right."""
    if not args:
        raise TypeError("matrix_dot needs a matrix")
    out = as_tensor_variable(args[0])
    for a in args[1:]:
        out = linear.dot(out, a)
    return out


def matrix_power(M: Any, n: int) -> TensorVariable:
    """A square matrix to the power of an integer; of its inverse, if that is negative."""
    x = as_tensor_variable(M)
    if x.ndim != 2:
        raise TypeError(f"matrix_power takes a matrix, but {label(x)} has {x.ndim} dimensions")
    if not isinstance(n, (int, np.integer)):
        raise TypeError(f"matrix_power takes an integer, not {n!r}")
    if n == 0:
        return identity_like(x)
    square = matrix_inverse(x) if n < 0 else x
    out: TensorVariable | None = None
    for bit in bin(abs(int(n)))[:1:-1]:
        if bit == "1":
            out = square if out is None else linear.dot(out, square)
        square = linear.dot(square, square)
    assert out is not None
    return out


def norm(x: Any, ord: Any = None) -> TensorVariable:
    """The norm of a vector (`ord`: None or 2, 1, 0, inf, -inf, any number), or of a matrix (None or "fro", 1, -1, inf,
    -inf, 2, -2, "nuc"), as `numpy.linalg.norm`."""
    u = as_tensor_variable(x)
    if u.ndim == 0:
        raise ValueError("norm takes a vector or a matrix, not a scalar")
    if ord is None:
        return linear.norm(u, 2)
    if u.ndim == 1:
        if isinstance(ord, str):
            raise ValueError(f"norm: {ord!r} is no order of a vector's norm")
        return linear.norm(u, ord)
    if u.ndim > 2:
        raise NotImplementedError(f"norm of order {ord!r} of {u.ndim} dimensions; give ord=None")
    if ord == "fro":
        return linear.norm(u, 2)
    if ord in (2, -2, "nuc"):
        s = svd(u, compute_uv=False)
        return reduction.sum(s) if ord == "nuc" else reduction.max(s) if ord == 2 else reduction.min(s)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError(f"norm: {ord!r} is no order of a matrix norm")
    sums = reduction.sum(ew.abs_(u), axis=0 if abs(ord) == 1 else 1)
    return reduction.max(sums) if ord > 0 else reduction.min(sums)


def tensorinv(a: Any, ind: int = 2) -> TensorVariable:
    """The inverse of the matrix whose rows are the first `ind` axes of `a`, in the shape of a tensor."""
    x = as_tensor_variable(a)
    if not 0 < ind < x.ndim:
        raise ValueError(f"tensorinv: ind={ind} of {label(x)} with {x.ndim} dimensions")
    dims = x.value_.shape
    rows = (prod_dims(dims[:ind]), prod_dims(dims[ind:]))
    inverse = matrix_inverse(wrap(emit("reshape", x.value_, shape=rows)))
    return wrap(emit("reshape", inverse.value_, shape=(*dims[ind:], *dims[:ind])))


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> TensorVariable:
    """x with tensordot(a, x, x.ndim) = b; `axes` of `a` are moved to its end first."""
    from arignote.frontends.tensor.slinalg import solve

    x, y = as_tensor_variable(a), as_tensor_variable(b)
    if axes is not None:
        last = [i + x.ndim if i < 0 else i for i in axes]
        x = shapes.dimshuffle(x, *(i for i in range(x.ndim) if i not in last), *last)
    if x.ndim < y.ndim:
        raise ValueError(f"tensorsolve: {label(x)} has fewer dimensions than {label(y)}")
    dims = x.value_.shape
    rows = (prod_dims(dims[: y.ndim]), prod_dims(dims[y.ndim :]))
    matrix = wrap(emit("reshape", x.value_, shape=rows))
    return wrap(emit("reshape", solve(matrix, shapes.flatten(y)).value_, shape=dims[y.ndim :]))


# ---------------------------------------------------------------- operations as objects
@dataclass(frozen=True)
class MatrixInverse:
    """`MatrixInverse()(x)` is `matrix_inverse(x)`."""

    def __call__(self, x: Any) -> TensorVariable:
        return matrix_inverse(x)


@dataclass(frozen=True)
class MatrixPinv:
    """`MatrixPinv()(x)` is `pinv(x)`."""

    def __call__(self, x: Any) -> TensorVariable:
        return pinv(x)


@dataclass(frozen=True)
class Det:
    """`Det()(x)` is `det(x)`."""

    def __call__(self, x: Any) -> TensorVariable:
        return det(x)


@dataclass(frozen=True)
class Eigh:
    """`Eigh(UPLO)(x)` is `eigh(x, UPLO)`."""

    UPLO: str = "L"

    def __call__(self, x: Any) -> list[TensorVariable]:
        return eigh(x, self.UPLO)


@dataclass(frozen=True)
class SVD:
    """`SVD(full_matrices, compute_uv)(x)` is `svd(x, full_matrices, compute_uv)`."""

    full_matrices: bool = True
    compute_uv: bool = True

    def __call__(self, x: Any) -> Any:
        return svd(x, self.full_matrices, self.compute_uv)


@dataclass(frozen=True)
class AllocDiag:
    """`AllocDiag(offset, axis1, axis2)(x)` is `alloc_diag(x, offset, axis1, axis2)`."""

    offset: int = 0
    axis1: int = 0
    axis2: int = 1

    def __call__(self, x: Any) -> TensorVariable:
        return alloc_diag(x, self.offset, self.axis1, self.axis2)


@dataclass(frozen=True)
class ExtractDiag:
    """`ExtractDiag(offset, axis1, axis2)(x)` is `extract_diag(x, offset, axis1, axis2)`."""

    offset: int = 0
    axis1: int = 0
    axis2: int = 1

    def __call__(self, x: Any) -> TensorVariable:
        return extract_diag(x, self.offset, self.axis1, self.axis2)
