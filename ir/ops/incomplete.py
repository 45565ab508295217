"""The incomplete gamma functions, elementwise on floats. The formulas are in `arignote.ir.special.incomplete`."""

from __future__ import annotations

import math

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Grads, Samples, binary, broadcast_types, check_kind, check_same_dtype, partials, reals
from arignote.ir.special import incomplete
from arignote.ir.special.number import evaluated, lowered
from arignote.ir.types import TensorType

TRAITS = ("elementwise", "nan", "iterative")


@defop
class gammainc:
    """gammainc(a: F[...], x: F[...]) -> F[...]: the regularised lower incomplete gamma function P(a, x); NaN where one
    is negative."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(incomplete.gammainc)
    vjp = partials(
        lambda b, ct, out, a, x: b.mul(ct, b.gammainc_order(a, x, n=1)),
        lambda b, ct, out, a, x: b.mul(ct, b.gamma_density(a, x)),
    )
    lower = lowered(incomplete.gammainc)
    samples = reals((0.3, 4), (0.1, 5))


@defop
class gammaincc:
    """gammaincc(a: F[...], x: F[...]) -> F[...]: the regularised upper incomplete gamma function, 1 - gammainc(a, x),
    accurate where it is small."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(incomplete.gammaincc)
    vjp = partials(
        lambda b, ct, out, a, x: b.neg(b.mul(ct, b.gammainc_order(a, x, n=1))),
        lambda b, ct, out, a, x: b.neg(b.mul(ct, b.gamma_density(a, x))),
    )
    lower = lowered(incomplete.gammaincc)
    samples = reals((0.3, 4), (0.1, 5))


@defop
class gamma_density:
    """gamma_density(a: F[...], x: F[...]) -> F[...]: x**(a - 1) exp(-x) / gamma(a), the slope of gammainc."""

    traits = TRAITS
    infer = binary("float")
    eval = evaluated(incomplete.gamma_density)
    vjp = partials(
        lambda b, ct, out, a, x: b.mul(ct, b.mul(out, b.sub(b.log(x), b.polygamma(a, n=0)))),
        lambda b, ct, out, a, x: b.mul(ct, b.mul(out, b.sub(b.div(b.sub(a, b.like(1, a)), x), b.like(1, x)))),
    )
    lower = lowered(incomplete.gamma_density)
    samples = reals((0.3, 4), (0.2, 5))


def _density_order(b: Builder, a: Value, x: Value, n: int) -> Value:
    """The derivative of order `n` of gamma_density with respect to a, by Leibniz' rule on the derivative of its
    logarithm."""
    found = [b.gamma_density(a, x)]
    for m in range(n):
        slopes = [b.sub(b.log(x), b.polygamma(a, n=0)), *(b.neg(b.polygamma(a, n=k)) for k in range(1, m + 1))]
        terms = [b.mul(b.mul(slopes[k], found[m - k]), b.like(math.comb(m, k), found[0])) for k in range(m + 1)]
        total = terms[0]
        for term in terms[1:]:
            total = b.add(total, term)
        found.append(total)
    return found[n]


@defop
class gammainc_order:
    """gammainc_order(a: F[...], x: F[...]) {n} -> F[...]: the derivative of order n of gammainc with respect to a.
    (C1) floats. (C2) one dtype. (C3) shapes broadcast. (C4) n >= 1."""

    traits = TRAITS
    eval = evaluated(incomplete.gammainc_order)
    lower = lowered(incomplete.gammainc_order)

    @staticmethod
    def infer(a: TensorType, x: TensorType, *, n: int) -> TensorType:
        check_kind("float", a, x)
        check_same_dtype(a, x)
        require(n >= 1, f"order {n} is below 1 (C4)")
        return broadcast_types(a, x)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, a: Value, x: Value, *, n: int) -> Grads:
        return b.mul(ct, b.gammainc_order(a, x, n=n + 1)), b.mul(ct, _density_order(b, a, x, n))

    @staticmethod
    def samples() -> Samples:
        return [(xs, {"n": n}) for n in (1, 2) for xs, _ in reals((0.3, 4), (0.2, 5))()]
