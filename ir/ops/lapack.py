"""Factorisations and solutions of systems: Cholesky, LU, triangular matrices, inverses, determinants.

Compiled code calls LAPACK for them. Where a matrix has no factorisation, or no inverse, evaluation and compiled code
raise an error that is a `numpy.linalg.LinAlgError`. Gradients follow M. Giles, *Collected matrix derivative results
for forward and reverse mode algorithmic differentiation* (2008), unless an op says otherwise.
"""

from __future__ import annotations

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.linalg import t
from arignote.ir.ops.matrices import (
    infer_number,
    infer_square,
    infer_system,
    lower_part,
    masked,
    of_lower,
    positive,
    squares,
    systems,
)
from arignote.ir.ops.rules import Array, Grads, Samples, flat, matrix_flops
from arignote.ir.types import TensorType, same_dim


# ---------------------------------------------------------------- Cholesky
def _cholesky(x: Array, strict: bool = True) -> Array:
    try:
        return np.linalg.cholesky(x)
    except np.linalg.LinAlgError:
        if strict:
            raise
        return np.full_like(x, np.nan)


@defop
class cholesky:
    """cholesky(a: F[n,n]) {strict=true} -> F[n,n]: the lower triangular L with L L^T = a. Only the lower triangle is
    read. Where `a` is not positive definite: an error, or NaN unless `strict`.
    Gradient: I. Murray, *Differentiation of the Cholesky decomposition*, arXiv 1602.07527 (2016), eq. 10.
    (C1) f32 or f64. (C2) a matrix. (C3) square."""

    traits = ("library", "fallible")
    eval = _cholesky
    lower = "cholesky"
    flops = matrix_flops(1, 3)

    @staticmethod
    def infer(x: TensorType, *, strict: bool = True) -> TensorType:
        return infer_square(x)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, strict: bool = True) -> Grads:
        p = b.dot(t(b, out), ct)
        half = b.mul(masked(b, "ge", p, t(b, p)), b.like(0.5, p))  # the lower triangle, mirrored

        def left(m: Value) -> Value:
            return b.solve_triangular(out, m, trans=True)

        return (of_lower(b, left(t(b, left(half)))),)

    @staticmethod
    def samples() -> Samples:
        return [
            ((positive(3),), {}),
            ((positive(2),), {"strict": False}),
            ((positive(1),), {}),
            ((positive(0),), {}),
        ]


# ---------------------------------------------------------------- triangular systems
def _solve(x: Array, y: Array) -> Array:
    return np.linalg.solve(x, y) if y.shape[1] else np.empty_like(y)


def _solve_triangular(
    x: Array, y: Array, lower: bool = True, trans: bool = False, unit: bool = False
) -> Array:
    triangle = np.tril(x) if lower else np.triu(x)
    if unit:
        np.fill_diagonal(triangle, 1)
    if (np.diagonal(triangle) == 0).any():
        raise np.linalg.LinAlgError("Singular matrix")
    return _solve(triangle.T if trans else triangle, y)


@defop
class solve_triangular:
    """solve_triangular(a: F[n,n], b: F[n,k]) {lower=true, trans=false, unit=false} -> F[n,k]: x with T x = b, where T
    is the lower (or upper) triangle of `a`, transposed if `trans`, with ones on its diagonal if `unit`. What is outside
    the triangle is not read. (C1) f32 or f64. (C2) matrices. (C3) a square. (C4) one dtype. (C5) right-hand sides
    fit."""

    traits = ("library", "fallible")
    eval = _solve_triangular
    lower = "solve_triangular"
    flops = matrix_flops(0, 1, per_column=1)

    @staticmethod
    def infer(
        x: TensorType, y: TensorType, *, lower: bool = True, trans: bool = False, unit: bool = False
    ) -> TensorType:
        return infer_system(x, y)

    @staticmethod
    def vjp(
        b: Builder,
        ct: Value,
        out: Value,
        x: Value,
        y: Value,
        *,
        lower: bool = True,
        trans: bool = False,
        unit: bool = False,
    ) -> Grads:
        dy = b.solve_triangular(x, ct, lower=lower, trans=not trans, unit=unit)
        full = b.neg(b.dot(out, t(b, dy)) if trans else b.dot(dy, t(b, out)))
        part = lower_part(b, full if lower else t(b, full), strict=unit)
        return part if lower else t(b, part), dy

    @staticmethod
    def samples() -> Samples:
        out = systems()
        (first, _), *_ = out
        for lower, trans, unit in ((0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1)):
            out.append((first, {"lower": bool(lower), "trans": bool(trans), "unit": bool(unit)}))
        return out


# ---------------------------------------------------------------- LU
def _lu(x: Array) -> tuple[Array, Array]:
    m = x.T.copy()
    pivots = np.zeros(len(m), np.int32)
    for j in range(len(m)):
        p = j + int(np.argmax(np.abs(m[j:, j])))
        pivots[j] = p
        m[[j, p]] = m[[p, j]]
        if m[j, j] != 0:
            m[j + 1 :, j] /= m[j, j]
            m[j + 1 :, j + 1 :] -= np.outer(m[j + 1 :, j], m[j, j + 1 :])
    return m.T.copy(), pivots


@defop
class lu:
    """lu(a: F[n,n]) -> (F[n,n], i32[n]): `a` with columns exchanged is L U; L is the lower triangle of the first
    result, U, with ones on its diagonal, the upper one. Step j exchanged column j with column p[j]. That is what
    LAPACK, which counts along columns, makes of a row-major matrix. Made of solve, inv and det by a pass.
    (C1) f32 or f64. (C2) a matrix. (C3) square."""

    traits = ("library",)
    eval = _lu
    vjp = None
    lower = "lu"
    flops = matrix_flops(2, 3)
    samples = squares

    @staticmethod
    def infer(x: TensorType) -> tuple[TensorType, TensorType]:
        out = infer_square(x)
        return out, TensorType("i32", out.shape[:1])


def _exchanged(x: Array, pivots: Array, back: bool) -> Array:
    out = x.copy()
    steps = list(enumerate(pivots))
    for j, p in steps[::-1] if back else steps:
        out[[j, p]] = out[[p, j]]
    return out


def _lu_solve(f: Array, p: Array, y: Array, trans: bool = False) -> Array:
    if trans:
        z = _solve_triangular(f, _exchanged(y, p, back=False), lower=False, trans=True, unit=True)
        return _solve_triangular(f, z, lower=True, trans=True)
    z = _solve_triangular(f, _solve_triangular(f, y, lower=True), lower=False, unit=True)
    return _exchanged(z, p, back=True)


@defop
class lu_solve:
    """lu_solve(f: F[n,n], p: i32[n], b: F[n,k]) {trans=false} -> F[n,k]: x with a x = b (a^T x = b if `trans`), where
    `f`, `p` are the results of lu(a). (C1) f32 or f64. (C2) matrices. (C3) f square. (C4) one dtype. (C5) right-hand
    sides fit. (C6) n pivots."""

    traits = ("library", "fallible")
    eval = _lu_solve
    vjp = None
    lower = "lu_solve"
    flops = matrix_flops(0, 1, per_column=2)

    @staticmethod
    def infer(f: TensorType, p: TensorType, y: TensorType, *, trans: bool = False) -> TensorType:
        out = infer_system(f, y)
        good = p.dtype == "i32" and p.ndim == 1 and same_dim(p.shape[0], f.shape[0])
        require(good, f"takes pivots i32[{f.shape[0]}], got {p} (C6)")
        return out

    @staticmethod
    def samples() -> Samples:
        factored: Samples = [((*_lu(a), y), {}) for (a, y), _ in systems()]
        return [*factored, (factored[0][0], {"trans": True})]


@defop
class solve:
    """solve(a: F[n,n], b: F[n,k]) {trans=false} -> F[n,k]: x with a x = b, or a^T x = b if `trans`; an error where `a`
    is singular. (C1) f32 or f64. (C2) matrices. (C3) a square. (C4) one dtype. (C5) right-hand sides fit."""

    traits = ("library", "fallible")
    lower = "decompose"
    flops = matrix_flops(2, 3, per_column=2)

    @staticmethod
    def infer(x: TensorType, y: TensorType, *, trans: bool = False) -> TensorType:
        return infer_system(x, y)

    @staticmethod
    def eval(x: Array, y: Array, trans: bool = False) -> Array:
        return _solve(x.T if trans else x, y)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, y: Value, *, trans: bool = False) -> Grads:
        dy = b.solve(x, ct, trans=not trans)
        return b.neg(b.dot(out, t(b, dy)) if trans else b.dot(dy, t(b, out))), dy

    @staticmethod
    def samples() -> Samples:
        out = systems()
        return [*out, (out[0][0], {"trans": True})]


@defop
class inv:
    """inv(a: F[n,n]) -> F[n,n]: the inverse; an error where `a` is singular. (C1) f32 or f64. (C2) a matrix. (C3)
    square."""

    traits = ("library", "fallible")
    infer = infer_square
    eval = np.linalg.inv
    lower = "decompose"
    flops = matrix_flops(2)
    samples = squares

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        transposed = t(b, out)
        return (b.neg(b.dot(b.dot(transposed, ct), transposed)),)


# ---------------------------------------------------------------- determinants
@defop
class det:
    """det(a: F[n,n]) -> F[]: the determinant. Its gradient needs the inverse, so `a` must not be singular there.
    (C1) f32 or f64. (C2) a matrix. (C3) square."""

    traits = ("library",)
    infer = infer_number
    lower = "decompose"
    flops = matrix_flops(2, 3)
    samples = squares

    @staticmethod
    def eval(x: Array) -> Array:
        return np.asarray(np.linalg.det(x))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        return (b.mul(b.mul(ct, out), t(b, b.inv(x))),)


@defop
class logabsdet:
    """logabsdet(a: F[n,n]) -> F[]: the logarithm of the determinant's absolute value; -inf where `a` is singular.
    (C1) f32 or f64. (C2) a matrix. (C3) square."""

    traits = ("library", "nan")
    infer = infer_number
    lower = "decompose"
    flops = matrix_flops(2, 3)
    samples = squares

    @staticmethod
    def eval(x: Array) -> Array:
        return np.asarray(np.linalg.slogdet(x)[1])

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value) -> Grads:
        return (b.mul(ct, t(b, b.inv(x))),)


@defop
class detsign:
    """detsign(a: F[n,n]) -> F[]: the sign of the determinant, -1, 0 or 1. (C1) f32 or f64. (C2) a matrix. (C3)
    square."""

    traits = ("library",)
    infer = infer_number
    vjp = flat
    lower = "decompose"
    flops = matrix_flops(2, 3)
    samples = squares

    @staticmethod
    def eval(x: Array) -> Array:
        return np.asarray(np.linalg.slogdet(x)[0])
