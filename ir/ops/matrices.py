"""What ops on matrices share: their types, parts of matrices in IR, and samples."""

from __future__ import annotations

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.ops.linalg import t
from arignote.ir.ops.rules import Array, Samples
from arignote.ir.types import DimLike, TensorType, better_dim, same_dim


# ---------------------------------------------------------------- inference
def check_matrix(x: TensorType) -> None:
    """(C1) floats that LAPACK has. (C2) a matrix."""
    require(x.dtype in ("f32", "f64"), f"takes f32 or f64, got {x} (C1)")
    require(x.ndim == 2, f"takes a matrix, got {x} (C2)")


def order(x: TensorType) -> DimLike:
    """(C1) to (C3): the order of a square matrix."""
    check_matrix(x)
    require(same_dim(*x.shape), f"takes a square matrix, got {x} (C3)")
    return better_dim(x.shape[0], x.shape[1])


def infer_square(x: TensorType) -> TensorType:
    """infer(a: F[n,n]) -> F[n,n]."""
    n = order(x)
    return x.with_shape((n, n))


def infer_number(x: TensorType) -> TensorType:
    """infer(a: F[n,n]) -> F[]."""
    order(x)
    return x.with_shape(())


def infer_system(x: TensorType, y: TensorType) -> TensorType:
    """infer(a: F[n,n], b: F[n,k]) -> F[n,k]. (C4) one dtype. (C5) right-hand sides as rows of `a`."""
    n = order(x)
    check_matrix(y)
    require(x.dtype == y.dtype, f"dtypes differ: {x}, {y} (C4)")
    require(same_dim(n, y.shape[0]), f"right-hand sides {y} do not fit {x} (C5)")
    return y.with_shape((better_dim(y.shape[0], n), y.shape[1]))


# ---------------------------------------------------------------- parts of matrices
def grid(b: Builder, shape: tuple[DimLike, ...]) -> tuple[Value, Value]:
    """The numbers of row and column of every element of a matrix."""
    i, j = (b.iota(shape=shape, axis=axis, dtype="i64") for axis in (0, 1))
    return i, j


def masked(b: Builder, relation: str, x: Value, y: Value) -> Value:
    """The elements of `x` where row and column number are in `relation` (ge, gt, eq), elsewhere those of `y`."""
    return b.select(b.emit(relation, *grid(b, x.shape))[0], x, y)


def lower_part(b: Builder, x: Value, strict: bool = False) -> Value:
    """The lower triangle, zero elsewhere; `strict` without the diagonal."""
    return masked(b, "gt" if strict else "ge", x, b.like(0, x))


def diagonal_of(b: Builder, x: Value) -> Value:
    """The diagonal of a square matrix."""
    return b.sum(masked(b, "eq", x, b.like(0, x)), axes=(1,))


def identity_of(b: Builder, x: Value) -> Value:
    """The identity in the type of the square matrix `x`."""
    return b.cast(b.eq(*grid(b, x.shape)), dtype=x.dtype)


def row(b: Builder, v: Value) -> Value:
    """A vector as a row, which scales columns."""
    return b.reshape(v, shape=(1, *v.shape))


def reciprocal_where(b: Builder, condition: Value, v: Value) -> Value:
    """1 / v where `condition` holds, else 0."""
    one = b.like(1, v)
    return b.select(condition, b.div(one, b.select(condition, v, one)), b.like(0, v))


def of_lower(b: Builder, g: Value) -> Value:
    """The gradient with respect to the lower triangle, which alone is read, from that of the symmetric matrix."""
    return masked(b, "gt", b.add(g, t(b, g)), masked(b, "eq", g, b.like(0, g)))


# ---------------------------------------------------------------- samples
def regular(n: int, seed: int = 0) -> Array:
    """A well-conditioned matrix."""
    r = np.random.default_rng(seed)
    return np.asarray(r.normal(size=(n, n)) / 2 + 1.5 * np.eye(n))


def positive(n: int, seed: int = 0) -> Array:
    """A well-conditioned symmetric, positive definite matrix."""
    a = np.random.default_rng(seed).normal(size=(n, n)) / 2
    return np.asarray(a @ a.T + np.eye(n))


def squares() -> Samples:
    """Samples of ops of one square matrix."""
    return [((regular(n),), {}) for n in (3, 1, 0, 2)]


def systems() -> Samples:
    """Samples of ops of a matrix and right-hand sides."""
    r = np.random.default_rng(1)
    return [((regular(n), r.normal(size=(n, k))), {}) for n, k in ((3, 2), (1, 1), (2, 0), (0, 2))]
