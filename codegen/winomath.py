"""The transformations of Winograd's convolutions, and how vectors go through them.

`F(m, r)` makes m results of a filter of r elements with n = m + r - 1 products: y = A [(G g) * (B d)], where d are n
elements of the source. By Toom and Cook, G and A evaluate polynomials at n - 1 points and at infinity, and B
interpolates. See S. Winograd, *Arithmetic complexity of computations* (1980), and A. Lavin and S. Gray, *Fast
algorithms for convolutional neural networks* (2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from typing import Any

from arignote.codegen.emit import Emitter
from arignote.codegen.microkernels import splat
from arignote.codegen.toolchain import tirx

Matrix = list[list[Fraction]]
# Opposites are neighbours, so that they share sums. With these, rounding errors of F(4, 3) are less than half of those
# with 1 and 2, which are usual.
POINTS = tuple(Fraction(p, 8) for p in (0, 5, -5, 12, -12))


def matrices(m: int, r: int) -> tuple[Matrix, Matrix, Matrix]:
    """(A: m x n, G: n x r, B: n x n)."""
    n = m + r - 1
    points = POINTS[: n - 1]
    a = [[p**i for p in points] + [Fraction(i == m - 1)] for i in range(m)]
    g, b = [], []
    for p in points:
        others = [q for q in points if q != p]
        scale = prod(p - q for q in others)
        g.append([p**i / scale for i in range(r)])
        b.append([*_polynomial(others), Fraction(0)])
    g.append([Fraction(i == r - 1) for i in range(r)])
    b.append(_polynomial(points))
    return a, g, b


def _polynomial(roots: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of the product of all (x - root), that of the constant first."""
    out = [Fraction(1)]
    for root in roots:
        out = [low - root * high for low, high in zip([Fraction(0), *out], [*out, Fraction(0)], strict=True)]
    return out


def transformed(e: Emitter, matrix: Matrix, xs: Sequence[Any], lanes: int) -> list[Any]:
    """The vectors `matrix` . `xs`. Rows that agree but for the signs of odd places share the sums of even and of odd
    places; columns that agree but for the signs of odd rows share sums and differences."""
    columns = list(zip(*matrix, strict=True))
    pairs = [j for j in range(len(columns) - 1) if _opposite(columns[j], columns[j + 1])]
    terms = list(xs)
    for j in pairs:
        terms[j : j + 2] = [e.bind(xs[j] + xs[j + 1], "x"), e.bind(xs[j] - xs[j + 1], "x")]
    out: list[Any] = []
    for i, row in enumerate(matrix):
        if len(out) > i:
            continue
        if not pairs and i + 1 < len(matrix) and _opposite(row, matrix[i + 1]):
            even, odd = (e.bind(_sum(row[k::2], xs[k::2], lanes), "x") for k in (0, 1))
            out += [e.bind(even + odd, "x"), e.bind(even - odd, "x")]
            continue
        factors = list(row)
        for j in pairs:
            factors[j + (i + 1) % 2] = Fraction(0)
            factors[j + i % 2] = row[j]
        out.append(e.bind(_sum(factors, terms, lanes), "x"))
    return out


def _opposite(a: Sequence[Fraction], b: Sequence[Fraction]) -> bool:
    """Whether `b` is `a` with the signs of odd places turned, and not `a` itself."""
    return a != b and all(y == (-x if i % 2 else x) for i, (x, y) in enumerate(zip(a, b, strict=True)))


def _sum(factors: Sequence[Fraction], xs: Sequence[Any], lanes: int) -> Any:
    """The sum of all factor * x; factors of one come first, the others are fused multiplications and additions."""
    total: Any = None
    for factor, x in sorted(zip(factors, xs, strict=True), key=lambda t: abs(t[0]) != 1 or t[0] < 0):
        if factor == 0:
            continue
        if abs(factor) == 1:
            if total is None:
                total = x if factor > 0 else splat(tirx.const(0.0, scalar_type(x)), lanes) - x
            else:
                total = total + x if factor > 0 else total - x
        else:
            term = x * splat(tirx.const(float(factor), scalar_type(x)), lanes)
            total = term if total is None else total + term
    assert total is not None
    return total


def scalar_type(x: Any) -> str:
    """The dtype of the elements of a vector."""
    return str(x.ty).partition("x")[0]
