"""Rop, Lop, jacobian, hessian: against central differences, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.errors import DisconnectedInputError, GradientError

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(11)
X, W, V = RNG.normal(size=3), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


def _slope(f: Any, x: Array, direction: Array, eps: float = 1e-6) -> Array:
    return np.asarray((f(x + eps * direction) - f(x - eps * direction)) / (2 * eps))


def _columns(f: Any, x: Array) -> Array:
    """The Jacobian by differences."""
    return np.stack([_slope(f, x, e) for e in np.eye(len(x))], axis=-1)


@pytest.fixture
def layer() -> tuple[Any, Any, Any]:
    """x, W and a vector function of both with products, a softmax and indices."""
    x, w = T.dvector("x"), T.dmatrix("W")
    h = T.dot(x, w)
    return x, w, T.tanh(h) + T.nnet.softmax(h)[0] * h[T.argmax(h)]


def test_rop_is_the_slope_along_a_direction(layer: Any) -> None:
    x, w, y = layer
    v = T.dmatrix("v")
    f, value = ar.function([x, w, v], T.Rop(y, w, v)), ar.function([x, w], y)
    np.testing.assert_allclose(f(X, W, V), _slope(lambda p: value(X, p), W, V), rtol=1e-7)


def test_rop_of_several_along_several(layer: Any) -> None:
    x, w, y = layer
    u, v = T.dvector("u"), T.dmatrix("v")
    U = RNG.normal(size=3)
    outs = T.Rop([y, y.sum()], [x, w], [u, v])
    assert isinstance(outs, list)
    got = ar.function([x, w, u, v], outs)(X, W, U, V)
    value = ar.function([x, w], y)
    want = _slope(lambda t: value(X + t * U, W + t * V), np.array(0.0), np.array(1.0))
    np.testing.assert_allclose(got[0], want, rtol=1e-7)
    np.testing.assert_allclose(got[1], want.sum(), rtol=1e-7)


def test_rop_through_a_loop() -> None:
    xs, w, t = T.dmatrix("xs"), T.dvector("w"), T.dvector("t")
    hs, _ = ar.scan(lambda a, h: T.tanh(a + h * w), sequences=xs, outputs_info=T.zeros(3, "float64"))
    f, value = ar.function([xs, w, t], T.Rop(hs, w, t)), ar.function([xs, w], hs)
    XS, w0, t0 = RNG.normal(size=(5, 3)), RNG.normal(size=3), RNG.normal(size=3)
    np.testing.assert_allclose(f(XS, w0, t0), _slope(lambda p: value(XS, p), w0, t0), rtol=1e-7)


def test_rop_of_a_narrow_operand_has_the_shape_of_the_output() -> None:
    m, b, t = T.dmatrix("m"), T.dscalar("b"), T.dscalar("t")
    f = ar.function([m, b, t], T.Rop(m + b, b, t), on_unused_input="ignore")
    np.testing.assert_array_equal(f(W, 1.0, 2.0), np.full((3, 4), 2.0))


def test_rop_where_nothing_is_connected() -> None:
    x, y, t = T.dvector("x"), T.dvector("y"), T.dvector("t")
    with pytest.raises(DisconnectedInputError, match="does not depend"):
        T.Rop(y * 2, x, t)
    zero = T.Rop(y * 2, x, t, disconnected_outputs="ignore")
    np.testing.assert_array_equal(ar.function([y], zero)(np.ones(3)), np.zeros(3))
    assert T.Rop([y * 2], [x], [t], disconnected_outputs="ignore", return_disconnected="None") == [None]


@pytest.mark.parametrize(
    ("point", "message"),
    [(T.dmatrix("t"), "has 1 dimensions, its eval_point 2"), ([T.dvector("t")] * 2, "1 variables and 2 eval_points")],
)
def test_rop_refuses_points_that_do_not_fit(point: Any, message: str) -> None:
    x = T.dvector("x")
    with pytest.raises(ValueError, match=message):
        T.Rop(x * 2, x, point)


def test_rop_refuses_integers() -> None:
    i = T.ivector("i")
    with pytest.raises(GradientError, match="discrete"):
        T.Rop(i * 2.0, i, i)


def test_lop_is_the_transpose_of_rop(layer: Any) -> None:
    x, w, y = layer
    u, v = T.dvector("u"), T.dmatrix("v")
    U = RNG.normal(size=4)
    left, right = ar.function([x, w, u], T.Lop(y, w, u)), ar.function([x, w, v], T.Rop(y, w, v))
    np.testing.assert_allclose((left(X, W, U) * V).sum(), (U * right(X, W, V)).sum(), rtol=1e-12)


def test_jacobian(layer: Any) -> None:
    x, w, y = layer
    f, value = ar.function([x, w], T.jacobian(y, x)), ar.function([x, w], y)
    np.testing.assert_allclose(f(X, W), _columns(lambda p: value(p, W), X), rtol=1e-7, atol=1e-9)
    outs = ar.function([x, w], T.jacobian(y, [x, w]))(X, W)
    assert [o.shape for o in outs] == [(4, 3), (4, 3, 4)]


def test_jacobian_of_a_scalar_is_its_gradient_and_of_a_matrix_an_error(layer: Any) -> None:
    x, w, y = layer
    f, g = ar.function([x, w], T.jacobian(y.sum(), x)), ar.function([x, w], T.grad(y.sum(), x))
    np.testing.assert_array_equal(f(X, W), g(X, W))
    with pytest.raises(ValueError, match="jacobian expects a 1 dimensional variable"):
        T.jacobian(w, x)


def test_jacobian_of_elementwise_work_needs_no_loop() -> None:
    x = T.dvector("x")
    f = ar.function([x], T.jacobian(x**2, x))
    np.testing.assert_allclose(f(X), np.diag(2 * X))
    assert "scan" not in {op.name for op in f.func.ops}


def test_hessian() -> None:
    x = T.dvector("x")
    cost = (T.tanh(x) ** 2).sum() * x.sum()
    f, slope = ar.function([x], T.hessian(cost, x)), ar.function([x], T.grad(cost, x))
    np.testing.assert_allclose(f(X), _columns(slope, X), rtol=1e-6, atol=1e-8)
    with pytest.raises(ValueError, match="hessian expects 1 dimensional"):
        T.hessian(cost, T.dmatrix("w"))


@pytest.mark.parametrize("r_op", [False, True])
def test_hessian_times_vector(r_op: bool) -> None:
    from arignote.frontends.tensor.derivatives import hessian_times_vector

    x, v = T.dvector("x"), T.dvector("v")
    cost = (T.exp(x) * x.sum()).sum()
    f = ar.function([x, v], hessian_times_vector(T.grad(cost, x), x, v, r_op))
    h = ar.function([x], T.hessian(cost, x))
    U = RNG.normal(size=3)
    np.testing.assert_allclose(f(X, U), h(X) @ U, rtol=1e-10)
