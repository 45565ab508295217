"""Special functions against SciPy, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special as sp

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function
from arignote.frontends.tensor import special as s
from tests.frontends.tensor.checks import check

X = np.array([0.3, 0.9, 1.7, 6.5])


def test_values_and_gradients() -> None:
    """Each function and its derivative, which SciPy has too."""
    x = T.dvector("x")
    root = np.sqrt(np.pi) / 2
    u = X / 7
    table: dict[str, tuple[Any, Any, Any]] = {
        "gamma": (T.gamma(x), sp.gamma(X), sp.gamma(X) * sp.psi(X)),
        "gammaln": (T.gammaln(x), sp.gammaln(X), sp.psi(X)),
        "psi": (T.psi(x), sp.psi(X), sp.polygamma(1, X)),
        "tri_gamma": (T.tri_gamma(x), sp.polygamma(1, X), sp.polygamma(2, X)),
        "polygamma": (T.polygamma(3, x), sp.polygamma(3, X), sp.polygamma(4, X)),
        "erfinv": (T.erfinv(x / 7), sp.erfinv(u), root * np.exp(sp.erfinv(u) ** 2) / 7),
        "erfcinv": (T.erfcinv(x / 7), sp.erfcinv(u), -root * np.exp(sp.erfcinv(u) ** 2) / 7),
        "erfcx": (T.erfcx(x), sp.erfcx(X), 2 * X * sp.erfcx(X) - 1 / root),
        "j0": (T.j0(x), sp.j0(X), -sp.j1(X)), "j1": (T.j1(x), sp.j1(X), sp.jvp(1, X)),
        "i0": (T.i0(x), sp.i0(X), sp.i1(X)), "i1": (T.i1(x), sp.i1(X), sp.ivp(1, X)),
        "xlogx": (s.xlogx(x), X * np.log(X), np.log(X) + 1),
        "xlogy0": (s.xlogy0(x, 2 * x), sp.xlogy(X, 2 * X), np.log(2 * X) + 1),
    }  # fmt: skip
    cases = {name: (graph, want) for name, (graph, want, _) in table.items()}
    cases |= {f"gradient of {name}": (T.grad(graph.sum(), x), slope) for name, (graph, _, slope) in table.items()}
    check(cases, {x: X}, rtol=2e-13)


def test_at_zero(mode: str) -> None:
    x, y = T.dscalar("x"), T.dscalar("y")
    first = [T.grad(T.j1(x), x), T.grad(T.i1(x), x)]
    outs = [*first, *(T.grad(g, x) for g in first), s.xlogx(x), s.xlogy0(x, y), s.xlogy0(x, x), T.grad(s.xlogx(x), x)]
    got = function([x, y], outs, mode=mode)(0.0, np.nan)
    np.testing.assert_array_equal(got, [0.5, 0.5, 0, 0, 0, 0, 0, -np.inf])


def test_dtypes_and_orders() -> None:
    assert T.gammaln(T.bvector()).dtype == "float32" and T.psi(T.lvector()).dtype == "float64"
    for order in (-1, 1.0, True, T.iscalar()):
        with pytest.raises(ValueError, match=r"polygamma: the order must be a number 0, 1, 2"):
            T.polygamma(order, T.dvector())  # type: ignore[arg-type]
