"""Elementwise functions against NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T

RNG = np.random.default_rng(7)
WIDE = RNG.normal(size=(3, 4)) * 3
UNIT = RNG.uniform(-0.95, 0.95, size=(3, 4))
POSITIVE = RNG.uniform(0.1, 4.0, size=(3, 4))

UNARY: list[tuple[str, Callable[..., Any], Any]] = [
    ("exp", np.exp, WIDE), ("exp2", np.exp2, WIDE), ("expm1", np.expm1, UNIT),
    ("log", np.log, POSITIVE), ("log2", np.log2, POSITIVE), ("log10", np.log10, POSITIVE),
    ("log1p", np.log1p, UNIT), ("sin", np.sin, WIDE), ("cos", np.cos, WIDE), ("tan", np.tan, UNIT),
    ("arcsin", np.arcsin, UNIT), ("arccos", np.arccos, UNIT), ("arctan", np.arctan, WIDE),
    ("sinh", np.sinh, UNIT), ("cosh", np.cosh, UNIT), ("tanh", np.tanh, WIDE),
    ("arcsinh", np.arcsinh, WIDE), ("arccosh", np.arccosh, 1 + POSITIVE),
    ("arctanh", np.arctanh, UNIT), ("erf", np.vectorize(math.erf), WIDE), ("erfc", np.vectorize(math.erfc), WIDE),
    ("sqrt", np.sqrt, POSITIVE), ("sigmoid", lambda x: 1 / (1 + np.exp(-x)), WIDE), ("neg", np.negative, WIDE),
    ("sgn", np.sign, WIDE), ("abs_", np.abs, WIDE), ("sqr", np.square, WIDE),
    ("square", np.square, WIDE), ("floor", np.floor, WIDE), ("ceil", np.ceil, WIDE),
    ("trunc", np.trunc, WIDE), ("rint", np.rint, WIDE), ("round", np.round, WIDE),
    ("inv", np.reciprocal, POSITIVE), ("softplus", lambda x: np.log1p(np.exp(x)), WIDE),
]  # fmt: skip


@pytest.mark.parametrize("name,reference,data", UNARY, ids=[u[0] for u in UNARY])
def test_unary(name: str, reference: Callable[..., Any], data: Any, mode: str) -> None:
    x = T.matrix("x")
    out = T.function([x], getattr(T, name)(x), mode=mode)(data)
    np.testing.assert_allclose(out, reference(data), rtol=1e-10, atol=1e-12)


BINARY: list[tuple[str, Callable[..., Any]]] = [
    ("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("true_div", np.divide),
    ("int_div", np.floor_divide), ("mod", np.mod), ("maximum", np.maximum),
    ("minimum", np.minimum), ("arctan2", np.arctan2), ("eq", np.equal), ("neq", np.not_equal),
    ("lt", np.less), ("le", np.less_equal), ("gt", np.greater), ("ge", np.greater_equal),
]  # fmt: skip


@pytest.mark.parametrize("name,reference", BINARY, ids=[b[0] for b in BINARY])
def test_binary(name: str, reference: Callable[..., Any], mode: str) -> None:
    x, y = T.matrix("x"), T.row("y")
    a, b = np.round(WIDE), np.round(POSITIVE[:1] + 1)
    out = T.function([x, y], getattr(T, name)(x, y), mode=mode)(a, b)
    np.testing.assert_allclose(out, reference(a, b))
    assert out.shape == (3, 4)


@pytest.mark.parametrize("reflected", [False, True])
def test_operators(reflected: bool, mode: str) -> None:
    x = T.vector("x")
    a = np.array([1.0, 2.5, 7.0])
    table: list[Callable[[Any, Any], Any]] = [
        lambda p, q: p + q, lambda p, q: p - q, lambda p, q: p * q, lambda p, q: p / q,
        lambda p, q: p // q, lambda p, q: p % q, lambda p, q: p**q, lambda p, q: p < q,
        lambda p, q: p <= q, lambda p, q: p > q, lambda p, q: p >= q,
        lambda p, q: divmod(p, q)[1],
    ]  # fmt: skip

    def apply(f: Callable[[Any, Any], Any], v: Any) -> Any:
        return f(2, v) if reflected else f(v, 2)

    outs = T.function([x], [apply(f, x) for f in table], mode=mode)(a)
    for f, out in zip(table, outs, strict=True):
        np.testing.assert_allclose(out, apply(f, a))


def test_integer_operators(mode: str) -> None:
    i, j = T.ivectors("i", "j")
    a, b = np.array([7, -7, 12, 0], "int32"), np.array([2, 2, -5, 3], "int32")
    outs = T.function([i, j], [i // j, i % j, i & j, i | j, i ^ j, ~i, -i, abs(i)], mode=mode)(a, b)
    for out, want in zip(outs, [a // b, a % b, a & b, a | b, a ^ b, ~a, -a, abs(a)], strict=True):
        assert out.dtype == np.int32
        np.testing.assert_array_equal(out, want)


def test_logic(mode: str) -> None:
    x = T.vector("x")
    p, q = x > 0, x < 2
    a = np.array([-1.0, 1.0, 3.0, np.nan, np.inf])
    f = T.function([x], [p & q, p | q, p ^ q, ~p, p + q, p * q, T.isnan(x), T.isinf(x)], mode=mode)
    u, v = a > 0, a < 2
    want = [u & v, u | v, u ^ v, ~u, u | v, u & v, np.isnan(a), np.isinf(a)]
    for out, w in zip(f(a), want, strict=True):
        assert out.dtype == bool
        np.testing.assert_array_equal(out, w)
    i = T.ivector()
    np.testing.assert_array_equal(T.function([i], T.isnan(i), mode=mode)(np.ones(2, "int32")), [False, False])


def test_switch_clip_cast(mode: str) -> None:
    x, y, c = T.matrix("x"), T.vector("y"), T.ivector("c")
    a, b, d = WIDE, np.arange(4.0), np.array([0, 1, 2, 0], "int32")
    outs = T.function(
        [x, y, c],
        [T.switch(c, x, y), T.where(T.gt(x, 0), 1, -1), x.clip(-1, 1), T.clip(x, y - 2, y),
         x.astype("int32"), T.cast(c, "float32"), T.round(x, mode="half_away_from_zero")],
        mode=mode,
    )(a, b, d)  # fmt: skip
    np.testing.assert_array_equal(outs[0], np.where(d, a, b))
    assert outs[1].dtype == np.int8
    np.testing.assert_array_equal(outs[1], np.where(a > 0, 1, -1))
    np.testing.assert_array_equal(outs[2], a.clip(-1, 1))
    np.testing.assert_array_equal(outs[3], np.clip(a, b - 2, b))
    np.testing.assert_array_equal(outs[4], a.astype("int32"))
    assert outs[5].dtype == np.float32
    np.testing.assert_array_equal(outs[6], np.sign(a) * np.floor(np.abs(a) + 0.5))


def test_clip_gradient_is_inside_only(mode: str) -> None:
    x = T.vector("x")
    g = T.grad(T.clip(x, -1.0, 1.0).sum(), x)
    out = T.function([x], g, mode=mode)(np.array([-2.0, -1.0, 0.5, 1.0, 2.0]))
    np.testing.assert_array_equal(out, [0, 1, 1, 1, 0])


def test_many_arguments(mode: str) -> None:
    x, y, z = T.vectors("x", "y", "z")
    f = T.function([x, y, z], [T.add(x, y, z), T.mul(x, y, z), T.maximum(x, y)], mode=mode)
    a, b, c = np.arange(3.0), np.ones(3), np.full(3, 2.0)
    out = f(a, b, c)
    np.testing.assert_array_equal(out[0], a + b + c)
    np.testing.assert_array_equal(out[1], a * b * c)


def test_isclose(mode: str) -> None:
    x, y = T.vectors("x", "y")
    a = np.array([1.0, 1.0, np.inf, np.inf, np.nan, 1e-9])
    b = np.array([1.0 + 1e-7, 1.1, np.inf, -np.inf, np.nan, 0.0])
    out, nans = T.function([x, y], [T.isclose(x, y), T.isclose(x, y, equal_nan=True)], mode=mode)(a, b)
    np.testing.assert_array_equal(out, np.isclose(a, b))
    np.testing.assert_array_equal(nans, np.isclose(a, b, equal_nan=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_comparisons_of_nan_are_numpys(mode: str, dtype: str) -> None:
    """A NaN differs from everything, itself included, and is in no order."""
    x, y = T.vector("x", dtype=dtype), T.vector("y", dtype=dtype)
    a = np.array([1.0, np.nan, 2.0, np.nan, np.inf, 0.0], dtype)
    b = np.array([1.0, np.nan, 3.0, 1.0, np.nan, -0.0], dtype)
    graph = [T.neq(x, y), T.eq(x, y), x < y, x <= y, x > y, x >= y, ~T.eq(x, y), T.cast(x, "bool")]
    want = [a != b, a == b, a < b, a <= b, a > b, a >= b, a != b, a.astype(bool)]
    for got, expected in zip(T.function([x, y], graph, mode=mode)(a, b), want, strict=True):
        np.testing.assert_array_equal(got, expected)
