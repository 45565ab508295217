"""Special functions, elementwise on floats; integers become floats as for `exp`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import floating, unify, value_of
from arignote.frontends.tensor.elementwise import Unary, unary
from arignote.frontends.tensor.graph import emit, wrap

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "erfcinv",
    "erfcx",
    "erfinv",
    "gamma",
    "gammaln",
    "i0",
    "i1",
    "j0",
    "j1",
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
