"""Layers of images: shapes that are announced and those that come out, values against NumPy, mistakes."""

from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote import layers as L

RANDOM = np.random.default_rng(0)


def correlated(x: Any, w: Any, stride: int) -> Any:
    """The definition, for one number of strides and no zeros around."""
    size = w.shape[2]
    out = (x.shape[2] - size) // stride + 1
    y = np.zeros((len(x), len(w), out, out))
    for i, j in np.ndindex(out, out):
        part = x[:, :, i * stride : i * stride + size, j * stride : j * stride + size]
        y[:, :, i, j] = np.einsum("ncrs,kcrs->nk", part, w)
    return y


def test_layers_of_images() -> None:
    x = L.Input((None, 2, 8, 8))
    conv = L.Conv2D(x, 3, 3, 2, b=L.Constant(0.5))
    same = L.Conv2D(x, 4, 3, border="half", groups=2, nonlinearity="relu")
    flipped = L.Conv2D(x, 3, 3, 2, W=conv.W, b=None, flip=True)
    back = L.TransposedConv2D(conv, 2, 3, 2, W=conv.W, b=None, extra=1)
    pool, mean = L.Pool2D(x, 2), L.Pool2D(x, 3, 2, mode="average_inc_pad")
    up = L.Unpool2D([pool, x])
    places = [conv, same, flipped, back, pool, mean, up]
    X = RANDOM.normal(size=(2, 2, 8, 8))
    values = ar.function([x.variable], L.get_output(places))(X)
    for layer, value in zip(places, values, strict=True):
        assert layer.output_shape == (None, *value.shape[1:]), layer.title
    W = conv.W.get_value()
    np.testing.assert_allclose(values[0], correlated(X, W, 2) + 0.5, atol=1e-12)
    assert values[1].shape == (2, 4, 8, 8) and values[1].min() == 0
    np.testing.assert_allclose(values[2], correlated(X, W[:, :, ::-1, ::-1], 2), atol=1e-12)
    # The transposition: <conv(a), b> = <a, back(b)>.
    A = RANDOM.normal(size=X.shape)
    np.testing.assert_allclose(np.sum((correlated(A, W, 2)) * values[0]), np.sum(A * values[3]), rtol=1e-10)
    windows = X.reshape(2, 2, 4, 2, 4, 2)
    np.testing.assert_allclose(values[4], windows.max((3, 5)))
    np.testing.assert_allclose(values[6], np.where(np.kron(values[4], np.ones((2, 2))) == X, X, 0))


def test_the_gradient_of_unpooling_is_pooling_by_its_places() -> None:
    x, y = L.Input((2, 1, 4, 4)), L.Input((2, 1, 2, 2))
    up = L.get_output(L.Unpool2D([y, x]))
    X, Y, G = (RANDOM.normal(size=s) for s in ((2, 1, 4, 4), (2, 1, 2, 2), (2, 1, 4, 4)))
    g = T.tensor4("g")
    got = ar.function([x.variable, y.variable, g], T.grad(T.sum(up * g), y.variable), on_unused_input="ignore")(X, Y, G)
    best = X.reshape(2, 1, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(2, 1, 2, 2, 4).argmax(-1)
    picked = G.reshape(2, 1, 2, 2, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(2, 1, 2, 2, 4)
    np.testing.assert_allclose(got, np.take_along_axis(picked, best[..., None], -1)[..., 0])


def test_transformer_and_scale() -> None:
    x, theta = L.Input((None, 2, 9, 9)), L.Input((None, 6))
    seen = L.Transformer([x, theta], 3)
    scaled = L.Scale(x, scale=np.array([2.0, 3.0]), axis=1)
    X = RANDOM.normal(size=(2, 2, 9, 9))
    identity = np.tile([[1.0, 0, 0, 0, 1, 0]], (2, 1))
    part, product = ar.function([x.variable, theta.variable], L.get_output([seen, scaled]))(X, identity)
    assert seen.output_shape == (None, 2, 3, 3)
    np.testing.assert_allclose(part, X[:, :, ::4, ::4], atol=1e-12)
    np.testing.assert_allclose(product, X * np.array([2.0, 3.0])[:, None, None])


def test_mistakes_are_named() -> None:
    x = L.Input((None, 2, 8, 8))
    for make, message in (
        (lambda: L.Conv2D(L.Input((None, 5)), 3, 3), r"it takes \(batch, channels, height, width\), not \[None, 5\]"),
        (lambda: L.Conv2D(x, 3, 0), "size is a whole number of at least 1"),
        (lambda: L.Conv2D(x, 3, 3, groups=2), "no multiples of groups=2"),
        (lambda: L.Conv2D(x, 3, 9), r"Conv2D: spatial axis 0: .*\(8 \+ 0 \+ 0 - 1 \* \(9 - 1\) - 1\) // 1 \+ 1 = 0"),
        (lambda: L.Conv2D(x, 3, 3, border="some"), "Conv2D: border_mode 'some' is none of"),
        (lambda: L.Pool2D(x, 2, pad=2), r"Pool2D: pad=\(2, 2\) is not less than size=\(2, 2\)"),
        (lambda: L.Pool2D(x, 2, pad=1, ignore_border=False), "works only with ignore_border=True"),
        (lambda: L.TransposedConv2D(x, 3, 3, 2, extra=2), "extra=.* is not less than stride"),
        (lambda: L.Pool2D(x, 9), "no window"),
        (lambda: L.Pool2D(x, 2, mode="mean"), "mode is max, sum"),
        (lambda: L.Unpool2D([x, x]), "8"),
        (lambda: L.Transformer([x, L.Input((None, 5))]), r"transformations are \(batch, 6\)"),
        (lambda: L.Transformer([x, L.Input((None, 6))], 9), "leaves nothing"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
