"""Eigenvalues, singular values, QR, and what is made of them: the pseudo-inverse.

A smaller dimension k = min(m, n) that is not known when the op is recorded is bound to a scalar operand, as for
`broadcast`. Vectors that belong to equal eigenvalues or singular values have no derivative: where values are equal,
the terms that would be infinite are left out, which is right for whatever does not depend on the choice of vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import IRError, require
from arignote.ir.opdef import defop
from arignote.ir.ops.linalg import t
from arignote.ir.ops.matrices import (
    check_matrix,
    masked,
    of_lower,
    order,
    positive,
    reciprocal_where,
    regular,
    row,
)
from arignote.ir.ops.rules import Array, Grads, Samples, check_bound, matrix_flops
from arignote.ir.types import DimLike, TensorType, same_dim

Shape = tuple[DimLike, ...]
Positions = tuple[int, ...]
Types = TensorType | tuple[TensorType, ...]
#: Rows of workspace beyond LAPACK's smallest demand, with which its blocked algorithms run.
BLOCK = 64


def smaller(x: TensorType, dims: tuple[TensorType, ...], shape: Shape, bound: Positions) -> DimLike:
    """(C1), (C2), and (C3): the smaller dimension of a matrix, which `shape` holds."""
    check_matrix(x)
    check_bound(dims, len(bound), "dimension (C3)")
    require(len(shape) == 1, f"shape={shape} is not one dimension (C3)")
    known = [d for d in x.shape if isinstance(d, int)]
    fits = len(known) < 2 or same_dim(min(known), shape[0])
    require(fits, f"the smaller dimension of {x} is not {shape[0]} (C3)")
    return shape[0]


def reciprocal_differences(b: Builder, v: Value) -> Value:
    """1 / (v[j] - v[i]), and 0 where these are equal."""
    difference = b.sub(row(b, v), b.reshape(v, shape=(*v.shape, 1)))
    equal = b.eq(difference, b.like(0, v))
    safe = b.select(equal, b.like(1, v), difference)
    return b.select(equal, b.like(0, v), b.div(b.like(1, v), safe))


def total(b: Builder, terms: list[Value]) -> Value | None:
    """The sum of those terms that there are."""
    if not terms:
        return None
    out = terms[0]
    for term in terms[1:]:
        out = b.add(out, term)
    return out


def rectangles() -> list[tuple[tuple[Any, ...], Shape]]:
    """Matrices, each with its smaller dimension; the last one bound to an operand."""
    r = np.random.default_rng(0)
    tall = np.vstack([regular(3), r.normal(size=(1, 3))])
    shapes: list[Any] = [((tall,), (3,)), ((regular(2),), (2,)), ((np.zeros((0, 2)),), (0,))]
    return [*shapes, ((r.normal(size=(1, 1)),), (1,))]


# ---------------------------------------------------------------- eigenvalues
def _eigh(x: Array, vectors: bool = True) -> Any:
    return tuple(np.linalg.eigh(x)) if vectors else np.linalg.eigvalsh(x)


@defop
class eigh:
    """eigh(a: F[n,n]) {vectors=true} -> (F[n], F[n,n]) | F[n]: the eigenvalues of a symmetric matrix, ascending, and
    eigenvectors in columns. Only the lower triangle of `a` is read. Gradient: Giles (2008), section 3.1.
    (C1) f32 or f64. (C2) a matrix. (C3) square."""

    traits = ("library", "fallible")
    eval = _eigh
    lower = "eigh"
    flops = matrix_flops(9)

    @staticmethod
    def scratch(x: TensorType, *, vectors: bool = True) -> tuple[TensorType, ...]:
        n = x.shape[0]
        if vectors:
            return TensorType("i32", (5 * n + 3,)), x.with_shape((2 * n * n + n * (6 + BLOCK) + 1,))
        return TensorType("i32", (1,)), x.with_shape((n * (2 + BLOCK) + 1,)), x

    @staticmethod
    def infer(x: TensorType, *, vectors: bool = True) -> Types:
        n = order(x)
        return (x.with_shape((n,)), x.with_shape((n, n))) if vectors else x.with_shape((n,))

    @staticmethod
    def vjp(b: Builder, ct: Any, out: Any, x: Value, *, vectors: bool = True) -> Grads:
        w, v = out if vectors else b.emit("eigh", x)
        dw, dv = ct if vectors else (ct, None)
        left, right = v, t(b, v)
        terms = []
        if dw is not None:
            terms.append(b.dot(b.mul(left, row(b, dw)), right))
        if dv is not None:
            inner = b.mul(reciprocal_differences(b, w), b.dot(right, dv))
            terms.append(b.dot(b.dot(left, inner), right))
        grad = total(b, terms)
        return (None if grad is None else of_lower(b, grad),)

    @staticmethod
    def samples() -> Samples:
        spread = positive(3) + np.diag([0.0, 2.0, 5.0])
        cases = [spread, positive(1), positive(0), positive(2, seed=3)]
        return [((a,), {}) for a in cases] + [((spread,), {"vectors": False})]


# ---------------------------------------------------------------- singular values
def _svd(
    x: Array, *k: Array, full: bool = False, vectors: bool = True, shape: Shape, bound: Positions = ()
) -> Any:
    # Of the transpose, as compiled code has it for a row-major matrix: so that signs agree.
    if not vectors:
        return np.linalg.svd(x.T, compute_uv=False)
    v, s, ut = np.linalg.svd(x.T, full_matrices=full)
    return ut.T.copy(), s, v.T.copy()


@defop
class svd:
    """svd(a: F[m,n], k: i64[]?) {full=false, vectors=true, shape, bound=()} -> (F[m,k], F[k], F[k,n]) | F[k]: u, s, v
    with (u * s) v = a, where s descends, u has orthonormal columns, and v orthonormal rows; (F[m,m], F[k], F[n,n]) if
    `full`. `shape` holds k = min(m, n). Gradient: J. Townsend, *Differentiating the singular value decomposition*
    (2016); through the vectors of a `full` one only where m is n. (C1) f32 or f64. (C2) a matrix. (C3) k."""

    traits = ("library", "fallible")
    eval = _svd
    lower = "svd"
    flops = matrix_flops(14)

    @staticmethod
    def infer(
        x: TensorType,
        *k: TensorType,
        full: bool = False,
        vectors: bool = True,
        shape: Shape,
        bound: Positions = (),
    ) -> Types:
        least = smaller(x, k, shape, bound)
        s = x.with_shape((least,))
        if not vectors:
            return s
        m, n = x.shape
        return x.with_shape((m, m if full else least)), s, x.with_shape((n if full else least, n))

    @staticmethod
    def scratch(
        x: TensorType, *k: TensorType, vectors: bool = True, shape: Shape, **attrs: Any
    ) -> tuple[TensorType, ...]:
        (m, n), least = x.shape, shape[0]
        count = (m + n) * (BLOCK + 1) + 10 * least + 1 + (4 * least * least if vectors else 0)
        return TensorType("i32", (8 * least + 1,)), x.with_shape((count,)), x

    @staticmethod
    def vjp(
        b: Builder, ct: Any, out: Any, x: Value, *k: Value, full: bool = False, vectors: bool = True, **attrs: Any
    ) -> Grads:
        u, s, vt = out if vectors else b.emit("svd", x, *k, **attrs)
        du, ds, dvt = ct if vectors else (None, ct, None)
        none = (None,) * len(k)
        if full and x.shape[0] != x.shape[1]:
            if du is not None or dvt is not None:
                raise IRError(
                    "svd: the vectors beyond min(m, n) are any orthonormal ones and have no gradient; "
                    f"ask for full_matrices=False (the matrix is {x.type})"
                )
            u, s, vt = b.emit("svd", x, *k, **attrs)
        ut = t(b, u)
        middle: list[Value] = []
        outer = [] if ds is None else [b.dot(b.mul(u, row(b, ds)), vt)]
        squares = b.mul(s, s)
        inverse = reciprocal_where(b, b.gt(s, b.like(0, s)), s)
        column = b.reshape(s, shape=(*s.shape, 1))
        if du is not None:
            p = b.dot(ut, du)
            inner = b.mul(reciprocal_differences(b, squares), b.sub(p, t(b, p)))
            middle.append(b.mul(inner, row(b, s)))
            if x.shape[0] != s.shape[0]:  # what leaves the space of u
                rest = b.mul(b.sub(du, b.dot(u, p)), row(b, inverse))
                outer.append(b.dot(rest, vt))
        if dvt is not None:
            p = b.dot(vt, t(b, dvt))
            inner = b.mul(reciprocal_differences(b, squares), b.sub(p, t(b, p)))
            middle.append(b.mul(column, inner))
            if x.shape[1] != s.shape[0]:
                rest = b.sub(dvt, b.dot(t(b, p), vt))
                outer.append(b.dot(b.mul(u, row(b, inverse)), rest))
        core = total(b, middle)
        if core is not None:
            outer.append(b.dot(b.dot(u, core), vt))
        return (total(b, outer), *none)

    @staticmethod
    def samples() -> Samples:
        cases: Samples = [(xs, {"shape": shape}) for xs, shape in rectangles()]
        tall, small = regular(3)[:, :2] @ np.diag([1.0, 3.0]), regular(2)
        cases.append(((tall.T.copy(),), {"shape": (2,)}))
        cases.append(((tall,), {"shape": (2,), "vectors": False}))
        cases.append(((small,), {"shape": (2,), "full": True}))
        cases.append(((tall, np.asarray(2)), {"shape": (2,), "bound": (0,)}))
        return cases


# ---------------------------------------------------------------- QR
QR_MODES = ("reduced", "complete", "r")


def _qr(x: Array, *k: Array, mode: str = "reduced", shape: Shape, bound: Positions = ()) -> Any:
    out: Any = np.linalg.qr(x, mode)  # type: ignore[call-overload]
    return out if mode == "r" else tuple(out)


def _lower_mirrored(b: Builder, m: Value) -> Value:
    return masked(b, "ge", m, t(b, m))


def _qr_square(b: Builder, q: Value, r: Value, dq: Value | None, dr: Value | None) -> Value | None:
    """The cotangent of a matrix with at least as many rows as columns."""
    terms = []
    if dr is not None:
        terms.append(b.dot(r, t(b, dr)))
    if dq is not None:
        terms.append(b.neg(b.dot(t(b, dq), q)))
    m = total(b, terms)
    if m is None:
        return None
    g = b.dot(q, _lower_mirrored(b, m))
    if dq is not None:
        g = b.add(dq, g)
    return t(b, b.solve_triangular(r, t(b, g), lower=False))


def _columns(b: Builder, x: Value, start: int, stop: int) -> Value:
    size = (x.shape[0], stop - start)
    return b.slice(x, start=(0, start), size=size, step=(1, 1))


@defop
class qr:
    """qr(a: F[m,n], k: i64[]?) {mode="reduced", shape, bound=()} -> (F[m,k], F[k,n]) | F[k,n]: q r = a with orthonormal
    columns in q and r upper triangular; (F[m,m], F[m,n]) of mode "complete", r alone of mode "r". `shape` holds
    k = min(m, n). Gradient: J. Roberts and L. Roberts, *QR and LQ decomposition matrix backpropagation algorithms*,
    arXiv 2009.10071 (2020): m >= n unless both are known; of "complete" only where m is n.
    (C1) f32 or f64. (C2) a matrix. (C3) k. (C4) a mode."""

    traits = ("library", "fallible")
    eval = _qr
    lower = "qr"
    flops = matrix_flops(4)

    @staticmethod
    def infer(
        x: TensorType, *k: TensorType, mode: str = "reduced", shape: Shape, bound: Positions = ()
    ) -> Types:
        least = smaller(x, k, shape, bound)
        require(mode in QR_MODES, f"mode {mode!r} is none of {', '.join(QR_MODES)} (C4)")
        m, n = x.shape
        if mode == "complete":
            return x.with_shape((m, m)), x
        r = x.with_shape((least, n))
        return r if mode == "r" else (x.with_shape((m, least)), r)

    @staticmethod
    def scratch(x: TensorType, *k: TensorType, shape: Shape, **attrs: Any) -> tuple[TensorType, ...]:
        m, n = x.shape
        return x, x.with_shape((shape[0] + 1,)), x.with_shape(((m + n) * BLOCK + 1,))

    @staticmethod
    def vjp(b: Builder, ct: Any, out: Any, x: Value, *k: Value, mode: str = "reduced", **attrs: Any) -> Grads:
        m, n = x.shape
        none = (None,) * len(k)
        if mode == "complete" and m != n:
            raise IRError(f'qr: of mode "complete" only square matrices have a gradient; this one is {x.type}')
        q, r = b.emit("qr", x, *k, **attrs) if mode == "r" else out
        dq, dr = (None, ct) if mode == "r" else ct
        if not (isinstance(m, int) and isinstance(n, int) and m < n):
            return (_qr_square(b, q, r, dq, dr), *none)
        left, right = (None, None) if dr is None else (_columns(b, dr, 0, m), _columns(b, dr, m, n))
        if right is not None:
            more = b.dot(_columns(b, x, m, n), t(b, right))
            dq = more if dq is None else b.add(dq, more)
        first = _qr_square(b, q, _columns(b, r, 0, m), dq, left)
        rest = b.full(0, x.type.with_shape((m, n - m))) if right is None else b.dot(q, right)
        return (None if first is None else b.concatenate(first, rest, axis=1), *none)

    @staticmethod
    def samples() -> Samples:
        cases: Samples = [(xs, {"shape": shape}) for xs, shape in rectangles()]
        wide = np.hstack([regular(2), np.ones((2, 1))])
        cases.append(((wide,), {"shape": (2,)}))
        cases.append(((wide,), {"shape": (2,), "mode": "r"}))
        cases.append(((regular(3),), {"shape": (3,), "mode": "complete"}))
        cases.append(((regular(3)[:, :2].copy(), np.asarray(2)), {"shape": (2,), "bound": (0,), "mode": "r"}))
        return cases


# ---------------------------------------------------------------- pseudo-inverse
def _pinv(x: Array, *k: Array, rcond: float, shape: Shape, bound: Positions = ()) -> Array:
    return np.linalg.pinv(x, rcond)


@defop
class pinv:
    """pinv(a: F[m,n], k: i64[]?) {rcond, shape, bound=()} -> F[n,m]: the Moore-Penrose pseudo-inverse. Singular values
    up to `rcond` times the largest count as 0. `shape` holds k = min(m, n). Gradient, where the rank is constant: G.
    Golub and V. Pereyra, *The differentiation of pseudo-inverses and nonlinear least squares problems*, SIAM J. Numer.
    Anal. 10 (1973), eq. 4.12. (C1) f32 or f64. (C2) a matrix. (C3) k."""

    traits = ("library", "fallible")
    eval = _pinv
    lower = "decompose"
    flops = matrix_flops(16)

    @staticmethod
    def infer(x: TensorType, *k: TensorType, rcond: float, shape: Shape, bound: Positions = ()) -> TensorType:
        smaller(x, k, shape, bound)
        return x.with_shape(x.shape[::-1])

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *k: Value, **attrs: Any) -> Grads:
        p, c = t(b, out), t(b, ct)
        first = b.dot(b.dot(p, ct), p)
        rows = b.dot(b.dot(c, out), p)  # c P P^T
        columns = b.dot(p, b.dot(out, c))  # P^T P c
        second = b.sub(rows, b.dot(x, b.dot(out, rows)))
        third = b.sub(columns, b.dot(b.dot(columns, out), x))
        return (b.add(b.sub(second, first), third), *(None,) * len(k))

    @staticmethod
    def samples() -> Samples:
        tall = regular(3)[:, :2].copy()
        cases = [(tall, 2), (tall.T.copy(), 2), (regular(2), 2), (np.zeros((0, 2)), 0)]
        out: Samples = [((a,), {"rcond": 1e-15, "shape": (k,)}) for a, k in cases]
        return [*out, ((tall, np.asarray(2)), {"rcond": 1e-15, "shape": (2,), "bound": (0,)})]
