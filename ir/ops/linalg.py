"""Matrix products. f16 accumulates in f32."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import (
    Array,
    Grads,
    Samples,
    check_kind,
    made_by,
    same_shape,
    uniform,
    widened,
)
from arignote.ir.types import DimLike, TensorType, better_dim, is_differentiable, same_dim


def t(b: Builder, v: Value) -> Value:
    """`v` with its last two axes exchanged."""
    perm = (*range(v.ndim - 2), v.ndim - 1, v.ndim - 2)
    return b.transpose(v, perm=perm)


def product_flops(x: TensorType, y: TensorType, *rest: TensorType, tb: bool = False, **attrs: Any) -> DimLike:
    """A multiplication and an addition for each term of each element."""
    return 2 * (y.shape[-2 if tb else -1] * x.size)


@defop
class dot:
    """dot(a: T[m,k], b: T[k,n]) -> T[m,n]: the matrix product. T is an integer or float dtype.
    (C1) numbers. (C2) one dtype. (C3) matrices. (C4) inner dimensions agree."""

    traits = ("library",)
    eval = widened(np.matmul)
    lower = "gemm"
    flops = product_flops

    @staticmethod
    def infer(x: TensorType, y: TensorType) -> TensorType:
        check_product(x, y, rank=2)
        return x.with_shape((x.shape[0], y.shape[1]))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, y: Value) -> Grads:
        if not is_differentiable(out.dtype):
            return None, None
        return b.dot(ct, t(b, y)), b.dot(t(b, x), ct)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        return zero_product(b, op)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        shapes = [((2, 3), (3, 4)), ((1, 1), (1, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 3))]
        return [((r.normal(size=s), r.normal(size=z)), {}) for s, z in shapes]


def check_product(x: TensorType, y: TensorType, rank: int) -> None:
    """(C1) to (C4) of the products."""
    check_kind("field", x, y)
    require(x.dtype == y.dtype, f"dtypes differ: {x} . {y} (C2)")
    require(x.ndim == y.ndim == rank, f"takes two operands of rank {rank}, got {x} . {y} (C3)")
    require(same_dim(x.shape[-1], y.shape[-2]), f"inner dimensions differ: {x} . {y} (C4)")


def zero_product(b: Builder, op: Op) -> Value | None:
    """A sum of no terms, and a product with zeros, as Theano has it: 0 times what is not finite is 0."""
    x, y = op.operands
    return b.full(0, op.result.type) if x.shape[-1] == 0 or uniform(x) == 0 or uniform(y) == 0 else None


@defop
class batched_dot:
    """batched_dot(a: T[b,m,k], b: T[b,k,n]) -> T[b,m,n]: a matrix product per batch element.
    (C1) numbers. (C2) one dtype. (C3) rank 3. (C4) inner dimensions agree. (C5) batches agree."""

    traits = ("library",)
    eval = widened(np.matmul)
    lower = "batched_gemm"
    flops = product_flops

    @staticmethod
    def infer(x: TensorType, y: TensorType) -> TensorType:
        check_product(x, y, rank=3)
        require(same_dim(x.shape[0], y.shape[0]), f"batch dimensions differ: {x} . {y} (C5)")
        batch = better_dim(x.shape[0], y.shape[0])
        return x.with_shape((batch, x.shape[1], y.shape[2]))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, y: Value) -> Grads:
        if not is_differentiable(out.dtype):
            return None, None
        return b.batched_dot(ct, t(b, y)), b.batched_dot(t(b, x), ct)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        return zero_product(b, op)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        shapes = [
            ((2, 2, 3), (2, 3, 4)), ((1, 1, 1), (1, 1, 1)), ((0, 2, 3), (0, 3, 2)),
            ((2, 2, 0), (2, 0, 3)),
        ]  # fmt: skip
        return [((r.normal(size=s), r.normal(size=z)), {}) for s, z in shapes]


def _gemm(
    a: Array,
    b: Array,
    *rest: Array,
    ta: bool = False,
    tb: bool = False,
    alpha: float = 1.0,
    beta: float = 1.0,
    acc: bool = False,
    scaled: bool = False,
) -> Array:
    factor = a.dtype.type(alpha) * rest[-1] if scaled else a.dtype.type(alpha)
    out = factor * ((a.T if ta else a) @ (b.T if tb else b))
    if acc:
        out = out + a.dtype.type(beta) * rest[0]
    return np.asarray(out)


@defop
class gemm:
    """gemm(a: F[m,k], b: F[k,n], c: F[m,n]?, s: F[]?) {ta=false, tb=false, alpha=1.0, beta=1.0,
    acc=false, scaled=false} -> F[m,n]: alpha * s * op(a) . op(b) + beta * c, where op transposes
    if `ta`, `tb`; c is there if `acc`, s if `scaled`. Made of dot, transpose, mul, add by a pass.
    (C1) floats. (C2) one dtype. (C3) matrices. (C4) inner dimensions agree. (C5) c and s by
    `acc` and `scaled`, with the result's shape and none."""

    traits = ("library",)
    eval = widened(_gemm)
    lower = "gemm"
    flops = product_flops

    @staticmethod
    def infer(
        x: TensorType,
        y: TensorType,
        *rest: TensorType,
        ta: bool = False,
        tb: bool = False,
        alpha: float = 1.0,
        beta: float = 1.0,
        acc: bool = False,
        scaled: bool = False,
    ) -> TensorType:
        check_kind("float", x, y, *rest)
        left = x.with_shape(x.shape[::-1]) if ta else x
        right = y.with_shape(y.shape[::-1]) if tb else y
        check_product(left, right, rank=2)
        out = x.with_shape((left.shape[0], right.shape[1]))
        shapes = [out.shape] * acc + [()] * scaled
        fits = len(rest) == len(shapes) and all(
            r.dtype == x.dtype and same_shape(r.shape, s) for r, s in zip(rest, shapes, strict=True)
        )
        got = ", ".join(map(str, rest)) or "none"
        wanted = ", ".join(str(out.with_shape(s)) for s in shapes) or "none"
        require(fits, f"takes further operands {wanted}, got {got} (C5)")
        return out

    @staticmethod
    def vjp(
        b: Builder,
        ct: Value,
        out: Value,
        x: Value,
        y: Value,
        *rest: Value,
        ta: bool = False,
        tb: bool = False,
        alpha: float = 1.0,
        beta: float = 1.0,
        acc: bool = False,
        scaled: bool = False,
    ) -> Grads:
        s = rest[acc:]

        def product(left: Value, right: Value, lt: bool, rt: bool) -> Value:
            return b.gemm(left, right, *s, ta=lt, tb=rt, alpha=alpha, scaled=scaled)

        dx = product(y, ct, tb, True) if ta else product(ct, y, False, not tb)
        dy = product(ct, x, True, ta) if tb else product(x, ct, not ta, False)
        grads = [dx, dy]
        if acc:
            grads.append(b.mul(ct, b.like(beta, ct)))
        if scaled:
            bare = b.gemm(x, y, ta=ta, tb=tb, alpha=alpha)
            grads.append(b.sum(b.mul(ct, bare), axes=(0, 1)))
        return tuple(grads)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        x, y, *rest = op.operands
        left, right = made_by(x, "transpose"), made_by(y, "transpose")
        if not left and not right:
            return None
        attrs = dict(op.attrs)  # the only transpose of a matrix that is left is (1, 0)
        if left and left.attrs["perm"] == (1, 0):
            x, attrs["ta"] = left.operands[0], not attrs.get("ta", False)
        if right and right.attrs["perm"] == (1, 0):
            y, attrs["tb"] = right.operands[0], not attrs.get("tb", False)
        return None if (x, y) == op.operands[:2] else b.gemm(x, y, *rest, **attrs)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        a, b, c = r.normal(size=(2, 3)), r.normal(size=(3, 4)), r.normal(size=(2, 4))
        s = np.asarray(0.7)
        at, bt = a.T.copy(), b.T.copy()
        both: dict[str, Any] = {"acc": True, "scaled": True}
        return [
            ((a, b), {}),
            ((at, b), {"ta": True, "alpha": -0.5}),
            ((a, bt, c), {"tb": True, "acc": True, "beta": -2.0}),
            ((at, bt, s), {"ta": True, "tb": True, "scaled": True}),
            ((a, b, c, s), {**both, "alpha": -1.5, "beta": 0.5}),
            ((at, bt, c, s), {**both, "ta": True, "tb": True}),
            ((np.zeros((2, 0)), np.zeros((0, 4)), c), {"acc": True}),
            ((np.zeros((0, 3)), b), {}),
        ]
