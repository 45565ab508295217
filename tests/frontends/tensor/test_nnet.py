"""Activations, softmaxes and losses against NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import arignote.frontends.tensor as T
from arignote.frontends.layers.activations import leaky_relu
from arignote.frontends.tensor import function
from arignote.frontends.tensor import nnet as n
from arignote.ir.core import toposort
from tests.frontends.tensor.checks import check, check_gradients

RNG = np.random.default_rng(3)
X, Y = RNG.normal(size=(4, 6)) * 2, RNG.normal(size=(4, 6))
B = RNG.normal(size=6)
K = np.array([5, 0, 3, 3])
ROWS = np.arange(4)


def log_softmax(x: Any) -> Any:
    return special.log_softmax(x, axis=-1)


def test_activations_and_losses() -> None:
    x, y, a = T.dmatrix("x"), T.dmatrix("y"), T.dvector("a")
    half = np.abs(X) / 2
    pieces = [1.5 * half / (1 + half), 0.935409070603099 + 0.0458812946797165 * (half - 1.7)]
    z = np.select([half < 1.7, half < 3], pieces, 0.99505475368673)
    elu = np.where(X > 0, X, np.expm1(X))
    distance = np.abs(X - Y)
    signs = np.sign(Y)
    check(
        {
            "relu": (n.relu(x), np.maximum(X, 0)), "leaky": (n.relu(x, 0.1), np.where(X > 0, X, 0.1 * X)),
            "prelu": (n.relu(x, a), np.where(X > 0, X, B * X)),
            "elu": (n.elu(x, 1.5), np.where(X > 0, X, 1.5 * elu)), "softsign": (n.softsign(x), X / (1 + np.abs(X))),
            "selu": (n.selu(x), 1.0507009873554805 * np.where(X > 0, X, 1.6732632423543772 * elu)),
            "hard_sigmoid": (n.hard_sigmoid(x), np.clip(0.2 * X + 0.5, 0, 1)),
            "ultra_fast_sigmoid": (n.ultra_fast_sigmoid(x), (np.sign(X) * z + 1) / 2),
            "maxout": (n.maxout(x, 3), X.reshape(4, 2, 3).max(2)),
            "rows": (n.maxout(x, 2, axis=0), np.maximum(X[::2], X[1::2])),
            "squared": (n.squared_error(x, y), (X - Y) ** 2), "absolute": (n.absolute_error(x, y), distance),
            "smooth": (n.smooth_l1(x, y), np.where(distance < 1, distance**2 / 2, distance - 0.5)),
            "sharper": (n.smooth_l1(x, y, 2), np.where(distance < 0.25, 2 * distance**2, distance - 0.125)),
            "hinge": (n.hinge(x, T.sgn(y)), np.maximum(1 - signs * X, 0)),
            "squared_hinge": (n.squared_hinge(x, T.sgn(y)), np.maximum(1 - signs * X, 0) ** 2),
            "zeros": (n.prepend_0_to_each_row(x), np.c_[np.zeros(4), X]),
            "ones": (n.prepend_1_to_each_row(x), np.c_[np.ones(4), X]),
        },
        {x: X, y: Y, a: B},
    )  # fmt: skip
    assert abs((np.sign(X) * z + 1) / 2 - special.expit(X)).max() < 0.03


def test_numbers_within_activations_do_not_widen_them() -> None:
    x, i = T.fmatrix("x"), T.imatrix("i")
    names = ("elu", "hard_sigmoid", "relu", "selu", "softplus", "softsign", "ultra_fast_sigmoid")
    results = [getattr(n, name)(x) for name in names] + [leaky_relu(x)]
    assert "f64" not in str(toposort([r.value_ for r in results]))
    wide = [getattr(n, name)(i) for name in ("hard_sigmoid", "selu", "ultra_fast_sigmoid")]
    assert [r.dtype for r in [*wide, leaky_relu(i)]] == ["float64"] * 4


@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_cross_entropies(dtype: str) -> None:
    x, b, k, y = T.dmatrix("x"), T.dvector("b"), T.vector("k", dtype=dtype), T.dmatrix("y")
    p, biased = special.softmax(X, axis=1), special.softmax(X + B, axis=1)
    own, own_biased = -np.log(p)[ROWS, K], -np.log(biased)[ROWS, K]
    names = ["entropies", "probabilities", "largest", "which"]
    cases = {
        "softmax": (n.softmax_with_bias(x, b), biased), "1hot": (n.categorical_crossentropy(n.softmax(x), k), own),
        "distributions": (n.categorical_crossentropy(n.softmax(x), n.softmax(y)),
                          -(special.softmax(Y, axis=1) * np.log(p)).sum(1)),
        "direct": (n.crossentropy_categorical_1hot(n.softmax(x), k), own),
        "binary": (n.binary_crossentropy(T.nnet.sigmoid(x), T.nnet.sigmoid(y)),
                   -(special.expit(Y) * np.log(special.expit(X)) + special.expit(-Y) * np.log(special.expit(-X)))),
        "logits": (n.sigmoid_binary_crossentropy(x * 300, T.cast(y > 0, "float64")),
                   np.logaddexp(0, np.where(Y > 0, -1, 1) * X * 300)),
    }  # fmt: skip
    wants = {
        "plain": (n.crossentropy_softmax_1hot(x, k), (own, p)),
        "bias": (n.crossentropy_softmax_1hot_with_bias(x, b, k), (own_biased, biased)),
        "max": (n.crossentropy_softmax_max_and_argmax_1hot(x, k), (own, p, p.max(1), X.argmax(1))),
        "max with bias": (n.crossentropy_softmax_max_and_argmax_1hot_with_bias(x, b, k),
                          (own_biased, biased, biased.max(1), (X + B).argmax(1))),
        "argmax": (n.crossentropy_softmax_argmax_1hot_with_bias(x, b, k),
                   (own_biased, biased, (X + B).argmax(1).astype(dtype))),
    }  # fmt: skip
    for what, (graphs, arrays) in wants.items():
        cases |= {f"{what}, {name}": pair for name, *pair in zip(names, graphs, arrays, strict=False)}  # type: ignore[misc]
    check(cases, {x: X, b: B, k: K.astype(dtype), y: Y}, rtol=1e-11)


@pytest.mark.parametrize("outputs", [12, 11])
def test_hierarchical_softmax(outputs: int) -> None:
    w1, b1, w2, b2 = (RNG.normal(size=s) for s in ((6, 3), (3,), (3, 6, 4), (3, 4)))
    of_classes = special.softmax(X @ w1 + b1, axis=1)
    joint = of_classes[:, :, None] * special.softmax(np.einsum("nf,cfo->nco", X, w2) + b2, axis=2)
    every = joint.reshape(4, 12)[:, :outputs]
    target = np.array([0, 10, 4, 7])
    x, k = T.dmatrix("x"), T.lvector("k")
    variables = [T.dmatrix("W1"), T.dvector("b1"), T.dtensor3("W2"), T.dmatrix("b2")]

    def probabilities(x: Any, weights: Any, target: Any = None) -> Any:
        w1, b1, w2, b2 = weights
        return n.h_softmax(x, x.shape[0], outputs, 3, 4, w1, b1, w2, b2, target)

    given = dict(zip([x, k, *variables], [X, target, w1, b1, w2, b2], strict=True))
    targets = probabilities(x, variables, k)
    check({"all": (probabilities(x, variables), every), "targets": (targets, every[ROWS, target])}, given)
    check_gradients(
        {"log-likelihood": lambda x, k, *ws: T.log(probabilities(x, ws, k)).sum()},
        [X, target, w1, b1, w2, b2],
    )


def test_confusion_matrix(mode: str) -> None:
    a, p = T.ivector("a"), T.ivector("p")
    counts, order = function([a, p], n.confusion_matrix(a, p))(
        np.array([2, 0, 2, 2, 7, 1], "int32"), np.array([0, 0, 2, 2, 2, 7], "int32")
    )
    np.testing.assert_array_equal(order, [0, 1, 2, 7])
    np.testing.assert_array_equal(counts, [[1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 2, 0], [0, 0, 1, 0]])


def test_gradients_of_activations_and_losses() -> None:
    rows = [X, Y, B, K]
    check_gradients(
        {
            "softsign": lambda x, y, b, k: (n.softsign(x) * y).sum(), "elu": lambda x, y, b, k: (n.elu(x) * y).sum(),
            "prelu": lambda x, y, b, k: (n.relu(x, b) * y).sum(), "selu": lambda x, y, b, k: (n.selu(x) * y).sum(),
            "fast": lambda x, y, b, k: (n.ultra_fast_sigmoid(x) * y).sum(),
            "maxout": lambda x, y, b, k: (n.maxout(x, 2) ** 2).sum(),
            "bias": lambda x, y, b, k: n.crossentropy_softmax_1hot_with_bias(x, b, k)[0].sum(),
            "largest": lambda x, y, b, k: n.crossentropy_softmax_max_and_argmax_1hot(x, k)[2].sum(),
            "smooth": lambda x, y, b, k: n.smooth_l1(x, y, 1.3).sum(),
            "hinge": lambda x, y, b, k: n.squared_hinge(x, y).sum(),
        },
        rows,
    )  # fmt: skip


def test_wrong_arguments() -> None:
    x, v, k, f = T.matrix("x"), T.vector("v"), T.ivector("k"), T.fvector("f")
    cases: list[tuple[type[Exception], str, Any]] = [
        (ValueError, r"softmax_with_bias takes a matrix and a vector of biases", lambda: n.softmax_with_bias(x, x)),
        (ValueError, r"maxout: n_pool must be positive, not 0", lambda: n.maxout(x, 0)),
        (ValueError, r"maxout: axis 1 is not an axis of v", lambda: n.maxout(v, 2)),
        (ValueError, r"confusion_matrix takes vectors of integers, not f", lambda: n.confusion_matrix(k, f)),
        (TypeError, r"classes must be integers, but f is", lambda: n.categorical_crossentropy(x, f)),
        (TypeError, r"target must be a vector of integers", lambda: n.h_softmax(x, 1, 4, 2, 2, x, v, x, x, target=f)),
        (TypeError, r"takes a scalar and a matrix", lambda: n.prepend_scalar_to_each_row(v, x)),
    ]
    for error, message, make in cases:
        with pytest.raises(error, match=message):
            make()
    with pytest.raises(Exception, match=r"reshape"):
        function([x], n.maxout(x, 4))(X)


def test_paths_of_old_programs() -> None:
    import arignote.tensor.nnet.nnet as inner  # type: ignore[import-not-found]

    assert inner.softsign is n.softsign and inner.softmax is T.nnet.nnet.softmax
    assert T._allclose(np.ones(2, np.float32), [1.0, 1.00001]) and not T._allclose([1.0], [1.001])
