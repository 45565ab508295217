"""Bessel functions of real order: compiled code against SciPy over hard ranges, and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special as sp

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, grad
from tests.frontends.tensor.checks import check

NAMES = ("jv", "iv", "ive", "kv", "kve")
v, x = T.dvectors("v", "x")
values = function([v, x], [getattr(T, name)(v, x) for name in NAMES])
ORDERS = st.floats(-30, 300) | st.integers(-30, 300).map(float)


def agree(orders: np.ndarray[Any, Any], arguments: np.ndarray[Any, Any]) -> None:
    with np.errstate(all="ignore"):
        for name, got in zip(NAMES, values(orders, arguments), strict=True):
            want = getattr(sp, name)(orders, arguments)
            size = np.abs(want)
            if name == "jv":  # near a zero the error is that of the phase
                wave = np.hypot(want, sp.yv(orders, arguments))
                size = np.where(np.abs(orders) < arguments, wave, size)
            got, want = (np.where(np.abs(y) > 1e300, np.sign(y) * np.inf, y) for y in (got, want))
            both = np.isfinite(want) & np.isfinite(got)
            np.testing.assert_array_equal(got[~both], want[~both], err_msg=name)
            error = np.abs(got - want)[both]
            worst = np.argmax(error / np.maximum(size[both], 1e-290)) if both.any() else 0
            message = f"{name}({orders[both][worst:][:1]}, {arguments[both][worst:][:1]})"
            assert (error <= 1e-10 * size[both] + 1e-290).all(), message


def test_values() -> None:
    rng = np.random.default_rng(0)
    orders = np.concatenate(
        [10 ** rng.uniform(-3, 2.5, 1500), rng.uniform(0, 60, 1000), np.floor(rng.uniform(-20, 60, 1000)),
         -rng.uniform(0, 20, 500)]
    )  # fmt: skip
    arguments = np.concatenate([10 ** rng.uniform(-3, 3, 1500), rng.uniform(0, 80, 2000), rng.uniform(0.1, 80, 500)])
    agree(orders, arguments)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(ORDERS, st.floats(-4, 3)), min_size=1, max_size=8))
def test_values_by_search(points: list[tuple[float, float]]) -> None:
    orders, logs = np.array(points).T
    orders = np.round(orders, 6)  # SciPy's K is NaN at the smallest orders
    near = np.round(orders)  # beside negative whole orders digits are lost
    orders = np.where((orders < 0) & (np.abs(orders - near) < 1e-2), near, orders)
    agree(orders, 10.0**logs)


def test_signs_and_ends(mode: str) -> None:
    nan, inf = np.nan, np.inf
    orders = np.array([0, 2, 3, -2, -3, 0.5, -0.5, -1.5, 0, 1, 0.5, 2e5, nan, 1])
    arguments = np.array([-2.0, -2, -3, 2, -3, -1, 0, 0, 0, 0, inf, 1e6, 1, nan])
    k, y = T.dvectors("k", "y")
    j, i, ks = function([k, y], [T.jv(k, y), T.iv(k, y), T.kv(k, y)], mode=mode)(orders, arguments)
    np.testing.assert_allclose(j[:5], sp.jv(orders, arguments)[:5], rtol=1e-13)
    np.testing.assert_allclose(i[:5], sp.iv(orders, arguments)[:5], rtol=1e-13)
    np.testing.assert_array_equal(j[5:], [nan, inf, -inf, 1, 0, 0, nan, nan, nan])  # orders of J end at 1e5
    np.testing.assert_array_equal(i[5:], [nan, inf, -inf, 1, 0, inf, inf, nan, nan])
    np.testing.assert_array_equal(ks[5:], [nan, inf, inf, inf, inf, 0, 0, nan, nan])


def test_gradients_and_dtypes() -> None:
    orders, arguments = np.array([0.0, 1.0, 2.5, 7.0, -1.3]), np.array([0.7, 3.0, 9.0, 30.0, 2.0])
    slopes = {
        "jv": sp.jvp(orders, arguments), "iv": sp.ivp(orders, arguments), "kv": sp.kvp(orders, arguments),
        "ive": (sp.ivp(orders, arguments) - sp.iv(orders, arguments)) * np.exp(-arguments),
        "kve": (sp.kvp(orders, arguments) + sp.kv(orders, arguments)) * np.exp(arguments),
    }  # fmt: skip
    cases = {name: (grad(getattr(T, name)(v, x).sum(), x), want) for name, want in slopes.items()}
    cases["second"] = (grad(grad(T.jv(v, x).sum(), x).sum(), x), sp.jvp(orders, arguments, 2))
    check(cases, {v: orders, x: arguments}, rtol=1e-11)
    k, y = T.fvectors("k", "y")
    narrow = {k: orders.astype(np.float32), y: arguments.astype(np.float32)}
    want = sp.jv(narrow[k].astype(float), narrow[y].astype(float)).astype(np.float32)
    check({"float32": (T.jv(k, y), want)}, narrow, rtol=4e-7)


def test_orders_have_no_gradient() -> None:
    with pytest.raises(TypeError, match=r"jv.*no gradient with respect to the order"):
        grad(T.jv(v, x).sum(), v)
    with pytest.raises(TypeError, match="no gradient with respect to the order"):
        T.Rop(T.kv(v, x), v, T.dvector())
