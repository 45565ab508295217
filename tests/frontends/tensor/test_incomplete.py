"""The incomplete gamma functions: compiled code against SciPy over hard ranges, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy import special as sp

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, grad
from tests.frontends.tensor.checks import check

a, x = T.dvectors("a", "x")
values = function([a, x], [T.gammainc(a, x), T.gammaincc(a, x)])
LOGS = st.floats(-12, 6)


def hard() -> tuple[np.ndarray, np.ndarray]:
    """Orders and arguments of all sizes, and arguments near the order."""
    rng = np.random.default_rng(0)
    orders = np.concatenate([10 ** rng.uniform(-10, 6, 3000), 10 ** rng.uniform(-2, 4, 6000)])
    near = orders[3000:] * rng.uniform(0, 3, 6000)
    near[:2000] = orders[3000:5000] + np.sqrt(orders[3000:5000]) * rng.uniform(-4, 4, 2000)
    return orders, np.abs(np.concatenate([10 ** rng.uniform(-10, 6, 3000), near]))


def agree(orders: np.ndarray, arguments: np.ndarray) -> None:
    for got, reference in zip(values(orders, arguments), (sp.gammainc, sp.gammaincc), strict=True):
        want = reference(orders, arguments)
        # SciPy's series stops at 2000 terms for large orders a few deviations away: known to be wrong there
        off = np.abs(arguments - orders) / np.sqrt(orders)
        good = ~((orders > 1e4) & (off > 4.4) & (np.abs(arguments / orders - 1) < 0.5))
        np.testing.assert_allclose(got[good], want[good], rtol=1e-10, atol=1e-290)


def test_values() -> None:
    agree(*hard())


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(LOGS, LOGS), min_size=1, max_size=8))
def test_values_by_search(logs: list[tuple[float, float]]) -> None:
    orders, arguments = np.array(logs).T
    agree(10.0**orders, 10.0**arguments)


def test_ends() -> None:
    ends = np.array([0, np.inf, -1, np.nan, 0.5, 1, 3.0, -np.inf, 1e300])
    orders, arguments = (v.ravel() for v in np.meshgrid(ends, ends))
    p, q = values(orders, arguments)
    np.testing.assert_allclose(p, sp.gammainc(orders, arguments), rtol=1e-13)
    np.testing.assert_allclose(q, sp.gammaincc(orders, arguments), rtol=1e-13)


def test_other_names_and_dtypes(mode: str) -> None:
    orders, arguments = np.array([0.4, 3.0, 60.0], np.float32), np.array([0.1, 5.0, 70.0], np.float32)
    k, y = T.fvectors("k", "y")
    wide = orders.astype(np.float64), arguments.astype(np.float64)
    cases = {
        "gammainc": (T.gammainc(k, y), sp.gammainc(*wide).astype(np.float32)),
        "gammaincc": (T.gammaincc(k, y), sp.gammaincc(*wide).astype(np.float32)),
        "chi2sf": (T.chi2sf(y, k), sp.chdtrc(*wide).astype(np.float32)),
        "gammal": (T.gammal(k[:2], y[:2]), (sp.gamma(wide[0]) * sp.gammainc(*wide))[:2].astype(np.float32)),
        "gammau": (T.gammau(k[:2], y[:2]), (sp.gamma(wide[0]) * sp.gammaincc(*wide))[:2].astype(np.float32)),
    }
    check(cases, {k: orders, y: arguments}, rtol=4e-7)
    assert T.gammainc(T.ivector(), T.bvector()).dtype == "float64"
    assert T.gammainc(T.bvector(), T.fvector()).dtype == "float32"


def test_gradients() -> None:
    """By the order against the integral of the density times log(t) - psi(a), by the argument against the density."""
    orders = np.array([0.3, 0.5, 1.0, 2.0, 7.9, 25.0, 60.0, 300.0])
    arguments = np.array([0.01, 3.0, 5.0, 0.2, 9.0, 20.0, 80.0, 310.0])

    def slope(k: float, y: float) -> float:
        def integrand(u: float) -> float:  # t = u**(1 / k): no pole at 0
            t = u ** (1 / k)
            return float(np.exp(-t - sp.gammaln(k)) / k * (np.log(t) - sp.psi(k))) if t else 0.0

        return float(integrate.quad(integrand, 0, y**k, epsabs=0, epsrel=1e-12, limit=500)[0])

    by_order = np.array([slope(k, y) for k, y in zip(orders[:5], arguments[:5], strict=True)])
    density = np.exp((orders - 1) * np.log(arguments) - arguments - sp.gammaln(orders))
    da, dx = grad(T.gammainc(a, x).sum(), [a, x])
    ca, cx = grad(T.gammaincc(a, x).sum(), [a, x])
    log_slope = density * (np.log(arguments) - sp.psi(orders))
    cases = {
        "by order": (da[:5], by_order), "by argument": (dx, density),
        "upper by order": (ca[:5], -by_order), "upper by argument": (cx, -density),
        "by both": (grad(da.sum(), x), log_slope), "by both, exchanged": (grad(dx.sum(), a), log_slope),
    }  # fmt: skip
    check(cases, {a: orders, x: arguments}, rtol=1e-9)
    h = orders * 1e-4  # large orders by differences
    differences = (sp.gammainc(orders + h, arguments) - sp.gammainc(orders - h, arguments)) / (2 * h)
    np.testing.assert_allclose(da.eval({a: orders, x: arguments}), differences, rtol=1e-5)


def test_orders_of_derivatives_are_checked() -> None:
    from arignote.ir.builder import Builder
    from arignote.ir.core import Value
    from arignote.ir.diag import IRError
    from arignote.ir.types import TensorType

    y = Value(TensorType("f64", ()), "y")
    with pytest.raises(IRError, match=r"order 0 is below 1 \(C4\)"):
        Builder().emit("gammainc_order", y, y, n=0)
