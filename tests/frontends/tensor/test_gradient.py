"""Gradients as the user asks for them, and models end to end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, grad, shared

RNG = np.random.default_rng(11)


def numeric(f: Any, x: np.ndarray[Any, Any], eps: float = 1e-6) -> np.ndarray[Any, Any]:
    out = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[at] = eps
        out[at] = (f(x + step) - f(x - step)) / (2 * eps)
    return out


def test_forms_of_wrt(mode: str) -> None:
    x, y = T.scalars("x", "y")
    cost = x**2 * y
    assert isinstance(grad(cost, x), T.TensorVariable)
    assert isinstance(grad(cost, [x, y]), list)
    assert isinstance(grad(cost, (x, y)), tuple)
    out = function([x, y], grad(cost, [x, y]))(3.0, 2.0)
    assert [float(v) for v in out] == [12, 9]
    assert grad(cost, x).type == x.type


def test_wrt_intermediate_and_second_order(mode: str) -> None:
    x = T.vector("x")
    y = x**2
    cost = (y**2).sum()
    a = np.array([1.0, 2.0])
    inner, second = function([x], [grad(cost, y), grad(grad(cost, x).sum(), x)])(a)
    np.testing.assert_allclose(inner, 2 * a**2)
    np.testing.assert_allclose(second, 12 * a**2)


def test_wrong_costs() -> None:
    x, i = T.vector("x"), T.iscalar("i")
    with pytest.raises(TypeError, match=r"cost must be a scalar, but x is TensorType\(float64, vec"):
        grad(x, x)
    with pytest.raises(TypeError, match=r"(?s)cost must be a scalar.*test_gradient.py:\d+: grad\(x"):
        grad(x * 2, x)
    with pytest.raises(TypeError, match=r"cost must be a floating-point number"):
        grad(i, x)
    with pytest.raises(TypeError, match=r"Expected Variable, got 3"):
        grad(x.sum(), 3)
    with pytest.raises(ValueError, match=r"'disconnected_inputs'"):
        grad(x.sum(), x, disconnected_inputs="maybe")


def test_disconnected_inputs() -> None:
    x, y, i = T.vector("x"), T.vector("y"), T.ivector("i")
    with pytest.raises(T.DisconnectedInputError, match=r"(?s)not part of the computational graph.*y"
                       r".*test_gradient.py:\d+: x, y, i"):  # fmt: skip
        grad(x.sum(), [x, y])
    with pytest.warns(UserWarning, match=r"with respect to a variable that is not part"):
        zeros = grad(x.sum(), y, disconnected_inputs="warn")
    f = function([y], zeros, mode="reference", on_unused_input="ignore")
    assert f(np.ones(3)).tolist() == [0, 0, 0]
    assert grad(x.sum(), [y], disconnected_inputs="ignore", return_disconnected="None") == [None]
    with pytest.raises(T.DisconnectedInputError):
        grad((x[i] * 2).sum(), i)
    with pytest.raises(T.DisconnectedInputError):
        grad(T.eq(x, y).sum() * 1.0, x)


def test_consider_constant_and_known_grads(mode: str) -> None:
    x = T.vector("x")
    y = x**2
    a = np.array([1.0, 2.0])
    cost = (x * y).sum()
    np.testing.assert_allclose(function([x], grad(cost, x, consider_constant=[y]))(a), a**2)
    known = grad(None, x, known_grads={y: T.constant([1.0, 10.0])})
    np.testing.assert_allclose(function([x], known)(a), [2, 40])


@pytest.mark.parametrize(
    "make",
    [
        lambda x: T.tanh(x).sum(), lambda x: T.nnet.softmax(x)[:, 1].sum(),
        lambda x: T.nnet.logsoftmax(x)[T.arange(3), [0, 1, 3]].mean(), lambda x: x.var(axis=0).sum(),
        lambda x: (x.max(axis=1) * x.min(axis=1)).sum(), lambda x: x.prod(axis=1).sum(),
        lambda x: T.nnet.relu(x, 0.1).sum(), lambda x: (x / (1 + T.exp(-x))).sum(),
        lambda x: T.sqrt(T.sqr(x).sum(axis=1, keepdims=True) + 1).sum(), lambda x: x.norm(2),
        lambda x: T.dot(x, x.T).sum() + T.dot(x[0], x[1]), lambda x: (x.T.reshape((2, -1)) ** 3).sum(),
        lambda x: T.concatenate([x, x[:2] * 2]).dimshuffle("x", 1, 0).sum(axis=0).std(),
        lambda x: T.nnet.elu(x).sum() + T.nnet.softsign(x).sum(), lambda x: T.logsumexp(x, axis=0).sum(),
        lambda x: (x % 0.7).sum() + abs(x).sum(), lambda x: T.batched_dot(x, x).sum(),
    ],
)  # fmt: skip
def test_against_differences(make: Any, mode: str) -> None:
    x = T.matrix("x")
    cost = make(x)
    data = RNG.normal(size=(3, 4))
    f, g = function([x], cost), function([x], grad(cost, x))
    np.testing.assert_allclose(g(data), numeric(f, data), atol=1e-5, rtol=1e-5)


def test_logistic_regression_matches_numpy(mode: str) -> None:
    inputs, labels = RNG.normal(size=(60, 5)), RNG.integers(0, 3, 60).astype("int32")
    images, targets = shared(inputs, "images"), shared(labels, "targets")
    w, b = shared(np.zeros((5, 3)), "w"), shared(np.zeros(3), "b")
    index, x, y = T.lscalar("index"), T.matrix("x"), T.ivector("y")
    p = T.nnet.softmax(T.dot(x, w) + b)
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    error = T.mean(T.neq(T.argmax(p, axis=1), y))
    train = function(
        [index], [cost, error],
        updates=[(v, v - 0.5 * g) for v, g in zip([w, b], grad(cost, [w, b]), strict=True)],
        givens={x: images[index * 20 : (index + 1) * 20], y: targets[index * 20 : (index + 1) * 20]},
    )  # fmt: skip
    u, c = np.zeros((5, 3)), np.zeros(3)
    for step in range(6):
        part = slice(step % 3 * 20, (step % 3 + 1) * 20)
        a, k = inputs[part], labels[part]
        e = np.exp(a @ u + c)
        q = e / e.sum(1, keepdims=True)
        loss, wrong = train(step % 3)
        np.testing.assert_allclose(loss, -np.log(q[np.arange(20), k]).mean())
        assert wrong == (q.argmax(1) != k).mean()
        d = (q - np.eye(3)[k]) / 20
        u, c = u - 0.5 * a.T @ d, c - 0.5 * d.sum(0)
        np.testing.assert_allclose(w.get_value(), u)
        np.testing.assert_allclose(b.get_value(), c)


# ---------------------------------------------------------------- nnet
def test_nnet_values(mode: str) -> None:
    x, v, t, k = T.matrix("x"), T.vector("v"), T.matrix("t"), T.ivector("k")
    a = RNG.normal(size=(3, 4))
    labels = np.array([0, 3, 1], "int32")
    e = np.exp(a - a.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    hot = np.eye(4)[labels]
    n = T.nnet
    outs = function(
        [x, v, t, k],
        [n.softmax(x), n.softmax(v), n.logsoftmax(x), n.softmax(x, axis=0), n.relu(x),
         n.relu(x, 0.2), n.hard_sigmoid(x), n.softplus(x), n.categorical_crossentropy(n.softmax(x), k),
         n.categorical_crossentropy(n.softmax(x), t), n.binary_crossentropy(n.sigmoid(x), t),
         n.sigmoid_binary_crossentropy(x, t), *n.crossentropy_softmax_1hot(x, k), n.elu(x),
         n.selu(x)],
    )(a, a[0], hot, labels)  # fmt: skip
    s = 1 / (1 + np.exp(-a))
    losses = -np.log(p[np.arange(3), labels])
    binary = -(hot * np.log(s) + (1 - hot) * np.log(1 - s))
    column = np.exp(a) / np.exp(a).sum(0)
    elu = np.where(a > 0, a, np.expm1(a))
    wants = [p, p[:1], np.log(p), column, a.clip(0), np.where(a > 0, a, 0.2 * a),
             (0.2 * a + 0.5).clip(0, 1), np.log1p(np.exp(a)), losses, losses, binary, binary, losses,
             p, elu, 1.0507009873554805 * np.where(a > 0, a, 1.6732632423543772 * np.expm1(a))]  # fmt: skip
    for i, (out, want) in enumerate(zip(outs, wants, strict=True)):
        np.testing.assert_allclose(out, want, err_msg=str(i))


def test_nnet_extremes_and_errors() -> None:
    x = T.matrix("x")
    big = np.array([[1000.0, -1000.0], [-1000.0, 1000.0]])
    f = function([x], [T.nnet.logsoftmax(x), T.nnet.softplus(x), T.nnet.sigmoid(x)], mode="reference")
    for out in f(big):
        assert np.isfinite(out).all()
    with pytest.raises(ValueError, match=r"takes a vector or a matrix"):
        T.nnet.softmax(T.tensor3())
    with pytest.raises(TypeError, match=r"classes must be integers, but k is"):
        T.nnet.categorical_crossentropy(x, T.vector("k"))
    with pytest.raises(TypeError, match=r"rank mismatch"):
        T.nnet.categorical_crossentropy(x, T.iscalar())
