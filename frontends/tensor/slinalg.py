"""Linear algebra under the names of `theano.tensor.slinalg`, which are mostly SciPy's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import shapes
from arignote.frontends.tensor.convert import as_tensor_variable, unify
from arignote.frontends.tensor.diagonals import tril, triu
from arignote.frontends.tensor.errors import LinAlgError as LinAlgError
from arignote.frontends.tensor.graph import emit, wrap
from arignote.frontends.tensor.nlinalg import lower_of, matrix_value
from arignote.ir.core import Value

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

STRUCTURES = ("general", "symmetric", "lower_triangular", "upper_triangular")


def _turned(x: Value) -> Value:
    return emit("transpose", x, perm=(1, 0))


def cholesky(x: Any, lower: bool = True, on_error: str = "raise") -> TensorVariable:
    """The triangular factor of a symmetric, positive definite matrix: L with L L^T = x, or U with U^T U = x unless
    `lower`. Only that triangle of `x` is read.

    Args:
        on_error: "raise", or "nan" for a result of NaN where `x` is not positive definite.
    """
    if on_error not in ("raise", "nan"):
        raise ValueError(f'cholesky: on_error is {on_error!r}; give "raise" or "nan"')
    out = emit("cholesky", lower_of(x, lower), strict=on_error == "raise")
    return wrap(out if lower else _turned(out))


def _system(name: str, a: Any, b: Any, **attrs: Any) -> TensorVariable:
    """A solution for one right-hand side, a vector, or for several, the columns of a matrix."""
    x, y = unify(matrix_value(a), matrix_value(b))
    if y.ndim != 1:
        return wrap(emit(name, x, y, **attrs))
    column = emit("reshape", y, shape=(*y.shape, 1))
    out = emit(name, x, column, **attrs)
    return wrap(emit("reshape", out, shape=out.shape[:1]))


def solve(a: Any, b: Any, A_structure: str = "general", lower: bool = False) -> TensorVariable:
    """x with a x = b, for a vector or a matrix `b`.

    Args:
        A_structure: "general", "symmetric" (solved as general), "lower_triangular" or "upper_triangular".
        lower: of a symmetric matrix; without effect.
    """
    if A_structure not in STRUCTURES:
        raise ValueError(f"solve: A_structure is {A_structure!r}; give one of {', '.join(STRUCTURES)}")
    if A_structure.endswith("triangular"):
        return solve_triangular(a, b, lower=A_structure == "lower_triangular")
    return _system("solve", a, b, trans=False)


def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False
) -> TensorVariable:
    """x with T x = b, where T is the upper (or `lower`) triangle of `a`.

    Args:
        trans: 0 or "N"; 1, 2, "T" or "C" for T transposed.
        unit_diagonal: take the diagonal for ones.
    """
    if trans not in (0, 1, 2, "N", "T", "C"):
        raise ValueError(f"solve_triangular: trans is {trans!r}; give 0, 1, 2, 'N', 'T' or 'C'")
    flip = trans not in (0, "N")
    return _system("solve_triangular", a, b, lower=bool(lower), trans=flip, unit=bool(unit_diagonal))


def solve_lower_triangular(a: Any, b: Any) -> TensorVariable:
    """x with L x = b, where L is the lower triangle of `a`."""
    return solve_triangular(a, b, lower=True)


def solve_upper_triangular(a: Any, b: Any) -> TensorVariable:
    """x with U x = b, where U is the upper triangle of `a`."""
    return solve_triangular(a, b)


def solve_symmetric(a: Any, b: Any) -> TensorVariable:
    """x with a x = b, for a symmetric matrix, which may be indefinite."""
    return solve(a, b, "symmetric")


def cho_solve(c_and_lower: tuple[Any, bool], b: Any) -> TensorVariable:
    """x with a x = b, where cholesky(a, lower) is given with `lower`."""
    c, lower = c_and_lower
    first = solve_triangular(c, b, trans=0 if lower else 1, lower=lower)
    return solve_triangular(c, first, trans=1 if lower else 0, lower=lower)


def eigvalsh(a: Any, b: Any = None, lower: bool = True) -> TensorVariable:
    """The eigenvalues of a symmetric matrix, ascending; if `b`, positive definite, is given, the w of a v = w b v."""
    if b is None:
        return wrap(emit("eigh", lower_of(a, lower), vectors=False))
    x, y = unify(matrix_value(a), matrix_value(b))
    # With b = L L^T they are those of L^-1 a L^-T; `a` is made symmetric, as its other triangle is not to be read.
    factor = cholesky(wrap(y), lower).value_
    symmetric = _mirrored(x if lower else _turned(x))
    options = {"lower": lower, "trans": not lower, "unit": False}
    half = emit("solve_triangular", factor, symmetric, **options)
    return wrap(emit("eigh", emit("solve_triangular", factor, _turned(half), **options), vectors=False))


def _mirrored(x: Value) -> Value:
    """The symmetric matrix with the lower triangle of `x`."""
    return (tril(wrap(x)) + triu(wrap(_turned(x)), 1)).value_


def expm(x: Any) -> TensorVariable:
    """The exponential of a square matrix."""
    return wrap(emit("expm", matrix_value(x)))


def kron(a: Any, b: Any) -> TensorVariable:
    """The Kronecker product, as NumPy's: each element of `a` times all of `b`."""
    x, y = as_tensor_variable(a), as_tensor_variable(b)
    rank = max(x.ndim, y.ndim)
    if rank == 0:
        return ew.mul(x, y)
    x, y = (shapes.pad_to(v, rank) for v in (x, y))
    left: list[Any] = []
    right: list[Any] = []
    for axis in range(rank):
        left += [axis, "x"]
        right += ["x", axis]
    product = ew.mul(shapes.dimshuffle(x, *left), shapes.dimshuffle(y, *right))
    dims = [p * q for p, q in zip(x.value_.shape, y.value_.shape, strict=True)]
    return wrap(emit("reshape", product.value_, shape=tuple(dims)))


# ---------------------------------------------------------------- operations as objects
@dataclass(frozen=True)
class Cholesky:
    """`Cholesky(lower, on_error)(x)` is `cholesky(x, lower, on_error)`."""

    lower: bool = True
    on_error: str = "raise"

    def __call__(self, x: Any) -> TensorVariable:
        return cholesky(x, self.lower, self.on_error)


@dataclass(frozen=True)
class Solve:
    """`Solve(A_structure, lower)(a, b)` is `solve(a, b, A_structure, lower)`; nothing is overwritten."""

    A_structure: str = "general"
    lower: bool = False
    overwrite_A: bool = False
    overwrite_b: bool = False

    def __call__(self, a: Any, b: Any) -> TensorVariable:
        return solve(a, b, self.A_structure, self.lower)


@dataclass(frozen=True)
class Eigvalsh:
    """`Eigvalsh(lower)(a, b)` is `eigvalsh(a, b, lower)`."""

    lower: bool = True

    def __call__(self, a: Any, b: Any = None) -> TensorVariable:
        return eigvalsh(a, b, self.lower)


@dataclass(frozen=True)
class Expm:
    """`Expm()(x)` is `expm(x)`."""

    def __call__(self, x: Any) -> TensorVariable:
        return expm(x)
