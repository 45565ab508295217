"""Layers against NumPy, their shapes, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote import layers as L

RNG = np.random.default_rng(5)


def values(layer: L.Layer) -> dict[str, Any]:
    return {name: p.get_value() for name, p in layer.params.items()}


def run(outputs: Any, *inputs: tuple[Any, Any]) -> Any:
    return ar.function([i.variable for i, _ in inputs], outputs)(*[x for _, x in inputs])


def test_both_faces_make_the_same_network() -> None:
    x = L.Input((None, 6), name="x")
    with L.seeded(1):
        a = L.Dense(L.Dropout(L.Dense(x, 5, "relu"), 0.5), 3, nonlinearity="softmax", name="out")
    with L.seeded(1):
        b = L.Dense(3, nonlinearity="softmax", name="out")(L.Dropout(0.5)(L.Dense(5, "relu")(x)))
    assert a.output_shape == b.output_shape == (None, 3)
    assert [type(layer) for layer in L.get_all_layers(a)] == [L.Input, L.Dense, L.Dropout, L.Dense]
    X = RNG.normal(size=(4, 6))
    first, second = run([L.get_output(net, deterministic=True) for net in (a, b)], (x, X))
    np.testing.assert_array_equal(first, second)
    W0, b0, W1, b1 = L.get_all_param_values(a)
    e = np.exp(np.maximum(X @ W0 + b0, 0) @ W1 + b1)
    np.testing.assert_allclose(first, e / e.sum(axis=1, keepdims=True), rtol=1e-12)
    assert list(L.named_params(a)) == ["dense.W", "dense.b", "out.W", "out.b"]
    assert [p.name for p in a.params.values()] == ["out.W", "out.b"]


def test_parameters_by_tags() -> None:
    x = L.Input((None, 6))
    net = L.Dense(L.BatchNorm(L.Dense(x, 5, b=None)), 2)
    names = list(L.named_params(net))
    assert names == ["dense.W", "batchnorm.beta", "batchnorm.gamma", "batchnorm.mean", "batchnorm.variance",
                     "dense_2.W", "dense_2.b"]  # fmt: skip
    assert list(L.named_params(net, regularizable=True)) == ["dense.W", "dense_2.W"]
    assert list(L.named_params(net, trainable=False)) == ["batchnorm.mean", "batchnorm.variance"]
    assert L.count_params(net) == 6 * 5 + 4 * 5 + 5 * 2 + 2
    W, V = (L.named_params(net)[n].get_value() for n in ("dense.W", "dense_2.W"))
    got = ar.function([], L.penalty(net, l1=0.5, l2=0.25))()
    want = 0.5 * (abs(W).sum() + abs(V).sum()) + 0.25 * ((W**2).sum() + (V**2).sum())
    np.testing.assert_allclose(got, want, rtol=1e-12)
    with pytest.raises(ValueError, match="tags regularizable, trainable, not train"):
        L.get_all_params(net, train=True)


def test_parameters_are_set_all_or_none() -> None:
    net = L.Dense(L.Input((None, 3)), 2)
    new = [np.ones((3, 2)), np.zeros(2)]
    L.set_all_param_values(net, new)
    np.testing.assert_array_equal(net.W.get_value(), new[0])
    with pytest.raises(ValueError, match=r"dense.b has the shape \[2\], not \[3\]"):
        L.set_all_param_values(net, [np.zeros((3, 2)), np.zeros(3)])
    np.testing.assert_array_equal(net.W.get_value(), new[0])
    with pytest.raises(ValueError, match="2 parameters, not 1"):
        L.set_all_param_values(net, new[:1])


def test_shared_layers_and_shared_parameters() -> None:
    a, b = L.Input((None, 3)), L.Input((None, 3))
    dense = L.Dense(2, "tanh")
    first, second = dense(a), dense(b)
    assert first is dense and second is not dense and second.W is dense.W
    tied = L.Dense(a, 2, W=dense.W, b=None)
    out = L.ElemwiseSum([first, second, tied], [1, -2, 0.5])
    assert L.count_params(out) == 3 * 2 + 2
    A, B = RNG.normal(size=(2, 5, 3))
    W, c = dense.W.get_value(), RNG.normal(size=2)
    dense.b.set_value(c)
    want = np.tanh(A @ W + c) - 2 * np.tanh(B @ W + c) + 0.5 * A @ W
    np.testing.assert_allclose(run(L.get_output(out), (a, A), (b, B)), want, rtol=1e-12)
    with pytest.raises(ValueError, match=r"parameter W has the shape \[4, 2\], not \[3, 2\]"):
        L.Dense(L.Input((None, 4)), 2, W=dense.W)


def test_outputs_for_other_inputs() -> None:
    x = L.Input((None, 3))
    hidden = L.Dense(x, 4, "tanh")
    net = L.Dense(hidden, 2)
    X, H = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 4))
    v, h = T.matrix("v"), T.matrix("h")
    at_input, at_hidden = ar.function([v, h], [L.get_output(net, v), L.get_output(net, {hidden: h})])(X, H)
    V, b = values(net)["W"], values(net)["b"]
    np.testing.assert_allclose(at_hidden, H @ V + b, rtol=1e-12)
    np.testing.assert_allclose(at_input, np.tanh(X @ values(hidden)["W"]) @ V + b, rtol=1e-12)
    with pytest.raises(ValueError, match=r"stands for a tensor of \[None, 3\]"):
        L.get_output(net, T.vector("u"))
    with pytest.raises(ValueError, match="has 2 Input layers"):
        L.get_output(L.Concat([x, L.Input((None, 2))]), v)


def test_dropout() -> None:
    x = L.Input((200, 50, 4))
    nodes = [L.Dropout(x, 0.25), L.Dropout(x, 0.25, rescale=False), L.Dropout(x, 0.4, shared_axes=(1,)),
             L.GaussianNoise(x, 2.0)]  # fmt: skip
    X = np.ones((200, 50, 4))
    f = ar.function([x.variable], L.get_output(nodes) + L.get_output(nodes, deterministic=True))
    scaled, plain, shared, noise, *fixed = f(X)
    assert set(np.unique(scaled)) == {0.0, 1 / 0.75} and abs(scaled.mean() - 1) < 0.02
    assert set(np.unique(plain)) == {0.0, 1.0} and abs(plain.mean() - 0.75) < 0.02
    assert np.ptp(shared, axis=1).max() == 0 and abs((shared == 0).mean() - 0.4) < 0.06
    assert abs(noise.mean() - 1) < 0.05 and abs(noise.std() - 2) < 0.05
    assert (f(X)[0] != scaled).any()
    for got, want in zip(fixed, (1, 0.75, 1, 1), strict=True):
        np.testing.assert_array_equal(got, want * X)
    with pytest.raises(ValueError, match="p must be 0 or more and below 1, not 1"):
        L.Dropout(x, 1.0)


def test_batch_norm() -> None:
    x = L.Input((None, 3, 4))
    norm = L.BatchNorm(x, axes=(0, 1), alpha=0.25)
    norm.gamma.set_value(gamma := RNG.normal(size=4))
    norm.beta.set_value(beta := RNG.normal(size=4))
    updates: dict[Any, Any] = {}
    train = ar.function([x.variable], L.get_output(norm, updates=updates), updates=updates)
    X = RNG.normal(2, 3, size=(6, 3, 4))
    mean, variance = X.mean(axis=(0, 1)), X.var(axis=(0, 1))
    np.testing.assert_allclose(train(X), (X - mean) / np.sqrt(variance + 1e-4) * gamma + beta, rtol=1e-10)
    np.testing.assert_allclose(norm.mean.get_value(), 0.25 * mean, rtol=1e-12)
    np.testing.assert_allclose(norm.variance.get_value(), 0.75 + 0.25 * variance, rtol=1e-12)
    use = ar.function([x.variable], L.get_output(norm, deterministic=True))
    want = (X - 0.25 * mean) / np.sqrt(0.75 + 0.25 * variance + 1e-4) * gamma + beta
    np.testing.assert_allclose(use(X), want, rtol=1e-10)
    assert L.BatchNorm(L.Input((None, 7, 5, 5))).params["gamma"].get_value().shape == (7,)
    with pytest.raises(ValueError, match="mean changes with every call: give get_output a dict"):
        L.get_output(norm)


def test_layers_that_rearrange() -> None:
    x = L.Input((2, 3, 4))
    nodes = [
        L.Flatten(x), L.Flatten(x, 1), L.Reshape(x, ([0], -1, 2)), L.Dimshuffle(x, (2, 0, "x", 1)), L.Slice(x, -1),
        L.Slice(x, (None, None, 2), axis=2), L.Concat([x, x], axis=1), L.GlobalPool(x), L.GlobalPool(x, "max", axes=1),
        L.ElemwiseMerge([x, x], "mul"), L.Bias(x, b=np.arange(4.0)), L.Nonlinearity(x, "softplus"),
        L.Expression([x, x], lambda a, b: a[:, 0] - b[:, 1], shape=lambda a, b: (a[0], a[2])),
    ]  # fmt: skip
    X = RNG.normal(size=(2, 3, 4))
    want = [
        X.reshape(2, 12), X.ravel(), X.reshape(2, 6, 2), X.transpose(2, 0, 1)[:, :, None], X[:, -1], X[:, :, ::2],
        np.concatenate([X, X], axis=1), X.mean(axis=2), X.max(axis=1), X * X, X + np.arange(4), np.log1p(np.exp(X)),
        X[:, 0] - X[:, 1],
    ]  # fmt: skip
    for node, got, w in zip(nodes, run(L.get_output(nodes), (x, X)), want, strict=True):
        np.testing.assert_allclose(got, w, rtol=1e-12, err_msg=node.title)
        assert node.output_shape == w.shape, node.title
    assert L.get_output_shape(nodes[:2]) == [(2, 12), (24,)]


def test_masks_of_values_and_larger_images() -> None:
    x, image = L.Input((2, 3, 2)), L.Input((None, 1, 2, 3))
    total = L.GlobalPool(L.Masking(x, 9.0), "sum", axes=1)
    large = L.Upscale2D(image, (1, 3))
    X, Y = RNG.normal(size=(2, 3, 2)), RNG.normal(size=(4, 1, 2, 3))
    X[0, 1], X[1, 0] = 9, (9, 1)  # a step counts unless all of it is 9
    got = run(L.get_output([total, large]), (x, X), (image, Y))
    np.testing.assert_allclose(got[0], [X[0, [0, 2]].sum(axis=0), X[1].sum(axis=0)], rtol=1e-12)
    np.testing.assert_array_equal(got[1], Y.repeat(3, axis=3))
    assert large.output_shape == (None, 1, 2, 9)


def test_shapes_with_sizes_that_are_not_known() -> None:
    x = L.Input((None, 3, None))
    assert L.Flatten(x).output_shape == (None, None)
    assert L.Reshape(x, ([0], -1, [2])).output_shape == (None, 3, None)
    assert L.Concat([x, L.Input((5, 4, None))], axis=1).output_shape == (5, 7, None)
    assert L.ElemwiseSum([x, L.Input((None, 1, 6))]).output_shape == (None, 3, 6)


def test_embedding() -> None:
    x = L.Input((None, None), dtype="int32")
    table = L.Embedding(x, 7, 3)
    X = RNG.integers(0, 7, size=(4, 5)).astype(np.int32)
    np.testing.assert_array_equal(run(L.get_output(table), (x, X)), table.W.get_value()[X])
    with pytest.raises(IndexError):
        run(L.get_output(table), (x, X + 7))
    with pytest.raises(TypeError, match="takes integers"):
        L.get_output(L.Embedding(L.Input((None,)), 7, 3))


def test_pooling_leaves_out_masked_steps() -> None:
    x = L.Input((2, 4), dtype="int32")
    table = L.Embedding(x, 5, 3, mask_zero=True)
    nodes = [L.GlobalPool(table, kind, axes=1) for kind in ("mean", "max", "sum")]
    X = np.array([[0, 0, 1, 2], [3, 0, 4, 4]], np.int32)
    E = table.W.get_value()[X]
    mean, top, total = run(L.get_output(nodes), (x, X))
    for row in range(2):
        rows = E[row][X[row] != 0]
        for got, w in ((mean, rows.mean(axis=0)), (top, rows.max(axis=0)), (total, rows.sum(axis=0))):
            np.testing.assert_allclose(got[row], w, rtol=1e-12)


class TestInitializers:
    @pytest.mark.parametrize(
        ("initial", "low", "std"),
        [
            (L.GlorotUniform(), -np.sqrt(6 / 500), np.sqrt(2 / 500)),
            (L.GlorotNormal("relu"), None, np.sqrt(4 / 500)),
            (L.HeUniform(), -np.sqrt(3 / 300), np.sqrt(1 / 300)),
            (L.HeNormal("relu"), None, np.sqrt(2 / 300)),
            (L.Uniform(0.1), -0.1, 0.1 / np.sqrt(3)),
            (L.Uniform(1, 2), 1, np.sqrt(1 / 12)),
            (L.Normal(0.3), None, 0.3),
            (L.Constant(4), 4, 0),
        ],
    )
    def test_spread(self, initial: L.Initializer, low: float | None, std: float) -> None:
        value = initial.sample((300, 200))
        np.testing.assert_allclose(value.std(), std, rtol=0.02)
        if low is not None:
            assert low <= value.min() <= low + 0.01 * std

    def test_kernels(self) -> None:
        value = L.HeNormal("relu", kernel=True).sample((64, 32, 3, 3))
        np.testing.assert_allclose(value.std(), np.sqrt(2 / (32 * 9)), rtol=0.03)

    @pytest.mark.parametrize("shape", [(5, 5), (8, 3), (3, 2, 4)])
    def test_orthogonal(self, shape: tuple[int, ...]) -> None:
        m = L.Orthogonal(2.0).sample(shape).reshape(shape[0], -1)
        m = m if len(m) < m.shape[1] else m.T
        np.testing.assert_allclose(m @ m.T, 4 * np.eye(len(m)), atol=1e-12)

    def test_seeds(self) -> None:
        L.set_seed(8)
        first = L.Normal().sample((3,))
        with L.seeded(8):
            np.testing.assert_array_equal(L.Normal().sample((3,)), first)
        L.set_seed(8)
        np.testing.assert_array_equal(L.Normal().sample((3,)), first)

    def test_what_a_parameter_may_start_as(self) -> None:
        x = L.Input((None, 2))
        for W in (np.ones((2, 3)), 1.0, lambda shape: np.ones(shape), L.Constant(1)):
            np.testing.assert_array_equal(L.Dense(x, 3, W=W).W.get_value(), np.ones((2, 3)))
        with pytest.raises(ValueError, match="two or more dimensions"):
            L.Dense(x, 3, b=L.GlorotUniform())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.Dense(L.Input((3, None)), 4), r"Dense: .* along axis -1 must be known: \[3, None\]"),
        (lambda: L.Dense(L.Input((3, 2)), 0), "units must be a whole number above 0, not 0"),
        (lambda: L.Dense(L.Input((3, 2)), 4, "rely"), "no nonlinearity 'rely'; did you mean 'relu'"),
        (lambda: L.Dense(4)(L.Dense(4)), "behind Dense, which is not placed itself"),
        (lambda: L.ElemwiseSum([L.Input((3, 2)), L.Input((3, 4))]), r"its inputs do not fit: \[\[3, 2\], \[3, 4\]\]"),
        (lambda: L.Concat([L.Input((3, 2)), L.Input((4, 2))]), "do not fit"),
        (lambda: L.Reshape(L.Input((3, 2)), (4, -1)), "does not fit into"),
        (lambda: L.Reshape(L.Input((3, 2)), (-1, -1)), "only one size may be -1"),
        (lambda: L.Reshape(L.Input((None, 6)), (None, 3)), r"sizes are numbers above 0, -1, or \[axis\]"),
        (lambda: L.Dimshuffle(L.Input((3, 2)), (1,)), "leaves out an axis"),
        (lambda: L.Slice(L.Input((3, 2)), 2), "there is no 2 along axis 1"),
        (lambda: L.LSTM(L.Input((3, 2)), 4), r"takes \(batch, time, features\), not \[3, 2\]"),
        (lambda: L.LSTM(L.Input((None, 3, 2)), 4, stateful=True), "along axis 0 must be known"),
        (lambda: L.Bidirectional(L.Input((3, 2, 1)), L.Dense(4)), "takes a recurrent layer"),
        (lambda: L.GlobalPool(L.Input((3, 2))), "no axes to pool over"),
        (lambda: L.BatchNorm(L.Input((3, 2)), axes=(2,)), "axes"),
    ],
)  # fmt: skip
def test_what_does_not_fit(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_messages_name_the_layer_and_the_line() -> None:
    with pytest.raises(ValueError, match=r"Dense 'out': .*\n.*test_layers\.py"):
        L.Dense(L.Input((3, None)), 4, name="out")
