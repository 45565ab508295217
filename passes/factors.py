"""What solve, inv, determinants, pseudo-inverses and matrix exponentials are made of: rules of `decompose`.

All that is asked of one matrix shares its LU factors once common subexpressions are gone: the solution, the gradients
through it, the determinant.
"""

from __future__ import annotations

import math

from arignote.ir.core import Op, Value
from arignote.ir.ops.expm import PADE, THETA
from arignote.ir.ops.linalg import t
from arignote.ir.ops.matrices import diagonal_of, identity_of, reciprocal_where, row
from arignote.passes.rewrite import Rewriter, Table

FACTORS = Table()


@FACTORS("solve")
def solve(b: Rewriter, op: Op) -> Value:
    """solve(a, y) -> lu_solve(lu(a), y)."""
    a, y = op.operands
    return b.lu_solve(*b.emit("lu", a), y, trans=op.attrs.get("trans", False))


@FACTORS("inv")
def inv(b: Rewriter, op: Op) -> Value:
    """inv(a) -> lu_solve(lu(a), identity)."""
    (a,) = op.operands
    return b.lu_solve(*b.emit("lu", a), identity_of(b, a))


def signed_diagonal(b: Rewriter, a: Value, signs: bool) -> Value:
    """The elements whose product is the determinant: those of the diagonal of L, each negated if it was exchanged;
    of `signs`, only -1, 0 or 1."""
    f, p = b.emit("lu", a)
    diagonal = diagonal_of(b, f)
    stays = b.eq(p, b.iota(shape=p.shape, axis=0, dtype="i32"))
    flips = b.select(stays, b.like(1, f), b.like(-1, f))
    return b.mul(b.sgn(diagonal) if signs else diagonal, flips)


@FACTORS("det")
def det(b: Rewriter, op: Op) -> Value:
    """det(a) -> the product of the diagonal of L, with its sign."""
    return b.prod(signed_diagonal(b, op.operands[0], signs=False), axes=(0,))


@FACTORS("detsign")
def detsign(b: Rewriter, op: Op) -> Value:
    """detsign(a) -> the product of the signs."""
    return b.prod(signed_diagonal(b, op.operands[0], signs=True), axes=(0,))


@FACTORS("logabsdet")
def logabsdet(b: Rewriter, op: Op) -> Value:
    """logabsdet(a) -> the sum of the logarithms of the diagonal of L."""
    f, _ = b.emit("lu", op.operands[0])
    return b.sum(b.log(b.abs(diagonal_of(b, f))), axes=(0,))


@FACTORS("pinv")
def pinv(b: Rewriter, op: Op) -> Value:
    """pinv(a) -> v^T / s . u^T with u, s, v = svd(a), where s is large enough."""
    attrs = {k: v for k, v in op.attrs.items() if k != "rcond"}
    u, s, vt = b.emit("svd", *op.operands, **attrs)
    if s.shape == (0,):
        return b.full(0, op.result.type)
    cutoff = b.mul(b.max(s, axes=(0,)), b.like(op.attrs["rcond"], s))
    inverse = reciprocal_where(b, b.gt(s, cutoff), s)
    return b.dot(b.mul(t(b, vt), row(b, inverse)), t(b, u))


@FACTORS("expm")
def expm(b: Rewriter, op: Op) -> Value:
    """expm(a) -> (v - u)^-1 (v + u), squared `times` times, where u and v are the odd and even terms of the approximant
    at a / 2**times. As in the record's `eval`."""
    (x,) = op.operands
    if op.result.type.size == 0:
        return b.full(0, op.result.type)
    norm = b.max(b.sum(b.abs(x), axes=(0,)), axes=(0,))
    # Neither NaN nor infinity may become a number of steps.
    large = b.emit("and", b.gt(norm, b.like(THETA, norm)), b.lt(norm, b.like(math.inf, norm)))[0]
    steps = b.select(large, b.ceil(b.log2(b.div(norm, b.like(THETA, norm)))), b.like(0, norm))
    a = b.mul(x, b.exp2(b.neg(steps)))
    square = b.dot(a, a)
    fourth = b.dot(square, square)
    powers = [identity_of(b, x), square, fourth, b.dot(square, fourth)]

    def terms(first: int, count: int) -> Value:
        """The sum of powers times every other coefficient; the power before the first one is the identity."""
        parts = [b.mul(p, b.like(PADE[first + 2 * i], x)) for i, p in enumerate(powers[-count:])]
        out = parts[0]
        for part in parts[1:]:
            out = b.add(out, part)
        return out

    v = b.add(terms(0, 4), b.dot(powers[3], terms(8, 3)))
    u = b.dot(a, b.add(terms(1, 4), b.dot(powers[3], terms(9, 3))))
    return b.repeated_square(b.solve(b.sub(v, u), b.add(v, u)), b.cast(steps, dtype="i64"))
