"""Names and arguments of Lasagne's and Keras's: other names of settings, tags, penalties, losses, constraints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote import layers as L
from arignote.frontends import optim
from arignote.frontends import tensor as T
from arignote.layers import objectives

RANDOM = np.random.default_rng(3)


def image() -> Any:
    return L.Input((2, 3, 9, 8), dtype="float64")


SAME: list[tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[Any], Any]]] = [
    (
        lambda x: L.Conv2D(x, 4, 3, 2, "same", "relu", flip=True, groups=1),
        lambda x: L.Conv2D(x, num_filters=4, filter_size=3, stride=2, pad="same", nonlinearity=T.nnet.relu,
                           flip_filters=True, num_groups=1),
        lambda x: L.Conv2D(x, filters=4, kernel_size=3, strides=2, padding="same", activation="relu", flip=True),
    ),
    (
        lambda x: L.Dense(x, 5, "tanh", num_leading_axes=1),
        lambda x: L.Dense(incoming=x, num_units=5, nonlinearity=T.tanh, num_leading_axes=1),
        lambda x: L.Dense(L.Flatten(x), units=5, activation="tanh", use_bias=True),
    ),
    (
        lambda x: L.Pool2D(x, (3, 2), 1, 1),
        lambda x: L.Pool2D(x, pool_size=(3, 2), stride=1, pad=1),
        lambda x: L.Pool2D(x, pool_size=(3, 2), strides=1, padding=1),
    ),
    (
        lambda x: L.ElemwiseSum([x, x], [1, -2]),
        lambda x: L.ElemwiseSum(incomings=[x, x], coeffs=[1, -2]),
        lambda x: L.ElemwiseMerge([x, L.Expression(x, lambda v: -2 * v)], merge_function=T.add),
    ),
    (
        lambda x: L.GRU(L.Flatten(x, 3), 4, return_sequences=True, truncate_gradient=3),
        lambda x: L.GRU(L.Flatten(x, 3), num_units=4, only_return_final=False, gradient_steps=3),
        lambda x: L.GRU(L.Flatten(x, 3), units=4, activation="tanh", return_sequences=True),
    ),
]  # fmt: skip


@pytest.mark.parametrize("makers", SAME, ids=range(len(SAME)))
def test_settings_have_other_names(makers: tuple[Callable[[Any], Any], ...]) -> None:
    x = image()
    X = RANDOM.normal(size=(2, 3, 9, 8))
    nets = []
    for make in makers:
        with L.seeded(4):
            nets.append(make(x))
    assert len({net.output_shape for net in nets}) == 1
    first, *others = ar.function([x.variable], L.get_output(nets))(X)
    assert first.shape == nets[0].output_shape
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_what_a_layer_does_not_have_is_named() -> None:
    x = image()
    for make, message in (
        (lambda: L.Conv2D(x, 4, 3, num_filters=4), "got multiple values|given twice"),
        (lambda: L.Conv2D(x, 4, 3, pad=1, border=1), "border is given twice: border|border is given twice: pad"),
        (lambda: L.Conv2D(x, 4, 3, strid=1), r"Conv2D has no setting 'strid'; did you mean stride\?"),
        (lambda: L.Dropout(x, units=3), r"Dropout has no setting 'units'; it has p, rescale"),
        (lambda: L.Dense(x, 3, incoming=x), "the layers below are given twice"),
    ):
        with pytest.raises(TypeError, match=message):
            make()
    with pytest.raises(ValueError, match=r"num_leading_axes=4 of an input of \[2, 3, 9, 8\]"):
        L.Dense(x, 3, num_leading_axes=4)


def test_biases_of_every_place() -> None:
    x = image()
    net = L.Conv2D(x, 2, 3, untie_biases=True, b=np.arange(2 * 7 * 6.0).reshape(2, 7, 6), W=0.0)
    got = ar.function([x.variable], L.get_output(net))(np.zeros((2, 3, 9, 8)))
    np.testing.assert_array_equal(got, np.tile(np.arange(84.0).reshape(1, 2, 7, 6), (2, 1, 1, 1)))
    assert L.Conv2D(x, 2, 3, use_bias=False).b is None
    with pytest.raises(ValueError, match="axis 2 must be known"):
        L.Conv2D(L.Input((None, 3, None, 8)), 2, 3, untie_biases=True)


def test_statistics_of_batches_are_used_and_updated_as_asked() -> None:
    x = L.Input((None, 2), dtype="float64")
    net = L.BatchNorm(x, alpha=0.5, epsilon=1e-5)
    X = RANDOM.normal(size=(50, 2)) * 3 + 1
    own, stored = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5), X / np.sqrt(1 + 1e-5)
    for use, update, want in ((False, False, own), (True, False, stored), (True, True, stored), (False, True, own)):
        updates: dict[Any, Any] = {}
        out = L.get_output(
            net, updates=updates if update else None, batch_norm_use_averages=use, batch_norm_update_averages=update
        )
        assert len(updates) == 2 * update
        got = ar.function([x.variable], [out, *updates.values()])(X)
        np.testing.assert_allclose(got[0], want, atol=1e-12)
        if update:
            np.testing.assert_allclose(got[1:], [0.5 * X.mean(0), 0.5 + 0.5 * X.var(0)], atol=1e-12)


def test_tags_and_penalties() -> None:
    @L.layer
    class Tagged(L.Layer):
        """x times a factor that has a tag of its own."""

        def build(self, shape: Any) -> None:
            self.factor = self.add_param("factor", L.Constant(3), (shape[1],), slow=True)

        def output_for(self, x: Any, run: Any) -> Any:
            return x * self.factor

    x = L.Input((None, 4))
    below = L.Dense(x, 2, W=L.Constant(-2.0), b=L.Constant(5))
    net = Tagged(below)
    assert L.get_all_params(net, slow=True) == [net.factor] and L.get_all_params(net, slow=False) == [below.W, below.b]
    assert below.get_params(regularizable=False) == [below.b]
    with pytest.raises(ValueError, match="parameters have the tags regularizable, slow, trainable, not quick"):
        L.get_all_params(net, quick=True)
    costs = [
        L.regularize_layer_params(below, L.l2), L.regularize_layer_params([below, net], L.l1),
        L.regularize_layer_params(below, L.l1, tags={}), L.regularize_network_params(net, L.l2, tags={"slow": True}),
        L.regularize_layer_params_weighted({below: 0.5, net: 2}, L.l2), L.regularize_layer_params(x, L.l1),
        L.apply_penalty([below.W, below.b], lambda p, power: T.sum(p**power), power=3),
    ]  # fmt: skip
    assert [float(v) for v in ar.function([], costs)()] == [32, 22, 26, 18, 16 + 36, 0, -64 + 250]


def test_objectives() -> None:
    p = RANDOM.uniform(0.05, 0.95, size=(6, 4))
    rows = p / p.sum(1, keepdims=True)
    classes = np.array([0, 3, 1, 2, 2, 0], np.int32)
    hot, bits = np.eye(4)[classes], (RANDOM.uniform(size=(6, 4)) > 0.5).astype(np.float64)
    vp, vt, vc = T.matrix("p", dtype="float64"), T.matrix("t", dtype="float64"), T.vector("c", dtype="int32")
    vb = T.matrix("b", dtype="float64")
    o = objectives
    outs = [
        o.binary_crossentropy(vp, vb), o.squared_error(vp, vb), o.categorical_crossentropy(vp, vc),
        o.categorical_crossentropy(vp, vt), o.binary_hinge_loss(vp, vb), o.binary_hinge_loss(vp, vb, log_odds=False),
        o.multiclass_hinge_loss(vp, vc), o.multiclass_hinge_loss(vp, vt, 2), o.binary_accuracy(vp, vb),
        o.categorical_accuracy(vp, vc), o.categorical_accuracy(vp, vt, top_k=2),
        o.aggregate(o.squared_error(vp, vb), vt), o.aggregate(vp, vt, "sum"),
        o.aggregate(vp, vt + 1, mode="normalized_sum"),
    ]  # fmt: skip
    f = ar.function([vp, vt, vc, vb], outs)
    got = f(rows, hot, classes, bits)
    own = rows[np.arange(6), classes]
    rest = np.where(hot > 0, -np.inf, rows).max(1)
    odds = np.log(rows / (1 - rows))
    top = np.argsort(rows, axis=1)[:, -2:]
    want = [
        -(bits * np.log(rows) + (1 - bits) * np.log(1 - rows)), (rows - bits) ** 2, -np.log(own), -np.log(own),
        np.maximum(1 - (2 * bits - 1) * rows, 0), np.maximum(1 - (2 * bits - 1) * odds, 0),
        np.maximum(1 + rest - own, 0), np.maximum(2 + rest - own, 0), (rows >= 0.5) == bits,
        rows.argmax(1) == classes, (top == classes[:, None]).any(1), ((rows - bits) ** 2 * hot).mean(), own.sum(),
        (rows * (hot + 1)).sum() / (hot + 1).sum(),
    ]  # fmt: skip
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, atol=1e-12)
    for mode, message in (("median", "mode is mean, sum or normalized_sum"), ("normalized_sum", "needs weights")):
        with pytest.raises(ValueError, match=message):
            o.aggregate(vp, mode=mode)
    with pytest.raises(TypeError, match="targets have 2 dimensions, and predictions 1"):
        o.multiclass_hinge_loss(vc, vt)


def test_constraints_of_norms() -> None:
    w, k = RANDOM.normal(size=(5, 3)) * 2, RANDOM.normal(size=(4, 2, 3, 3))
    vw, vk = T.matrix("w", dtype="float64"), T.tensor4("k", dtype="float64")
    outs = [
        optim.norm_constraint(vw, 3), optim.norm_constraint(vk, 2.0), optim.norm_constraint(vw, 1, norm_axes=(1,)),
        *optim.total_norm_constraint([vw, vk], 4), optim.total_norm_constraint([vw, vk], 4, return_norm=True)[1],
    ]  # fmt: skip
    got = ar.function([vw, vk], outs)(w, k)

    def limited(x: Any, most: float, axes: Any) -> Any:
        norms = np.sqrt((x**2).sum(axis=axes, keepdims=True))
        return x * np.minimum(norms, most) / (norms + 1e-7)

    norm = np.sqrt((w**2).sum() + (k**2).sum())
    factor = min(norm, 4) / (norm + 1e-7)
    want = [limited(w, 3, 0), limited(k, 2, (1, 2, 3)), limited(w, 1, 1), w * factor, k * factor, norm]
    for g, v in zip(got, want, strict=True):
        np.testing.assert_allclose(g, v, rtol=1e-12)
    with pytest.raises(ValueError, match="norm_constraint: give norm_axes for v, which has 1 dimensions"):
        optim.norm_constraint(T.vector("v"), 1)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_of_other_rules(nesterov: bool) -> None:
    start = RANDOM.normal(size=4)
    values = []
    for own in (False, True):
        p = ar.shared(start, "p")
        loss = T.sum(p**4)
        if own:
            updates = (optim.nesterov_momentum if nesterov else optim.momentum)(loss, [p], 0.01, 0.8)
        else:
            apply = optim.apply_nesterov_momentum if nesterov else optim.apply_momentum
            updates = apply(optim.sgd(loss, [p], 0.01), [p], 0.8)
        step = ar.function([], [], updates=updates)
        for _ in range(5):
            step()
        values.append(p.get_value())
    np.testing.assert_allclose(values[0], values[1], rtol=1e-12)
    with pytest.raises(ValueError, match="q has no update"):
        optim.apply_momentum({}, [ar.shared(start, "q")])
