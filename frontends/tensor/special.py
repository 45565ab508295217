"""Special functions, elementwise on floats; integers become floats as for `exp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable, floating, unify, value_of
from arignote.frontends.tensor.elementwise import Binary, Unary, named, unary
from arignote.frontends.tensor.graph import emit, wrap

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "chi2sf",
    "erfcinv",
    "erfcx",
    "erfinv",
    "gamma",
    "gammainc",
    "gammaincc",
    "gammal",
    "gammaln",
    "gammau",
    "i0",
    "i1",
    "iv",
    "ive",
    "j0",
    "j1",
    "jv",
    "kv",
    "kve",
    "polygamma",
    "psi",
    "tri_gamma",
    "xlogx",
    "xlogy0",
]

gamma = unary("gamma", "gamma", "The gamma function.")
gammaln = unary("gammaln", "gammaln", "log(|gamma(x)|).")
erfinv = unary("erfinv", "erfinv", "The inverse of erf.")
erfcinv = unary("erfcinv", "erfcinv", "The inverse of erfc, accurate for small x.")
erfcx = unary("erfcx", "erfcx", "exp(x**2) erfc(x).")
j0 = unary("j0", "j0", "The Bessel function of the first kind of order 0.")
j1 = unary("j1", "j1", "The Bessel function of the first kind of order 1.")
i0 = unary("i0", "i0", "The modified Bessel function of the first kind of order 0.")
i1 = unary("i1", "i1", "The modified Bessel function of the first kind of order 1.")
xlogx: Unary = unary("xlogx", "xlogx", "x log(x), and 0 at 0.")


def polygamma(n: int, x: Any, /) -> TensorVariable:
    """The derivative of order n + 1 of log(gamma(x)).

    Raises:
        ValueError: the order is not a number 0, 1, 2, ... (it cannot be symbolic).
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise ValueError(f"polygamma: the order must be a number 0, 1, 2, ..., not {n!r}")
    return wrap(emit("polygamma", floating(value_of(x)), n=n))


def psi(x: Any, /) -> TensorVariable:
    """The digamma function: the derivative of log(gamma(x))."""
    return polygamma(0, x)


def tri_gamma(x: Any, /) -> TensorVariable:
    """The trigamma function: the derivative of `psi`."""
    return polygamma(1, x)


def xlogy0(x: Any, y: Any, /) -> TensorVariable:
    """x log(y), and 0 where x is 0."""
    a, b = unify(floating(value_of(x)), floating(value_of(y)))
    return wrap(emit("xlogy", a, b))


def _two(op: str, name: str, doc: str) -> Binary:
    def apply(x: Any, y: Any, /) -> TensorVariable:
        a, b = unify(floating(value_of(x)), floating(value_of(y)))
        return wrap(emit(op, a, b))

    out: Binary = named(apply, name, doc)
    return out


gammainc = _two("gammainc", "gammainc", "P(k, x), the regularised lower incomplete gamma function of order k.")
gammaincc = _two("gammaincc", "gammaincc", "Q(k, x) = 1 - P(k, x), accurate where it is small.")

jv = _two("jv", "jv", "The Bessel function of the first kind of order v, up to 1e5; no gradient with respect to v.")
iv = _two("iv", "iv", "The modified Bessel function of the first kind of order v; no gradient with respect to v.")
ive = _two("ive", "ive", "iv(v, x) exp(-|x|).")
kv = _two("kv", "kv", "The modified Bessel function of the second kind of order v; no gradient with respect to v.")
kve = _two("kve", "kve", "kv(v, x) exp(x).")


def gammal(k: Any, x: Any, /) -> TensorVariable:
    """The lower incomplete gamma function: gamma(k) P(k, x)."""
    return gamma(k) * gammainc(k, x)


def gammau(k: Any, x: Any, /) -> TensorVariable:
    """The upper incomplete gamma function: gamma(k) Q(k, x)."""
    return gamma(k) * gammaincc(k, x)


def chi2sf(x: Any, k: Any, /) -> TensorVariable:
    """The probability that a chi-square variable of k degrees of freedom exceeds x: Q(k / 2, x / 2)."""
    return gammaincc(as_tensor_variable(k) / 2.0, as_tensor_variable(x) / 2.0)
