"""Layers of images against loops of NumPy, their shapes, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote import layers as L

RNG = np.random.default_rng(4)


def windows(x: Any, size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)) -> Any:
    """All windows of images, (n, channels, rows, columns, *size)."""
    reach = [(s - 1) * d + 1 for s, d in zip(size, dilation, strict=True)]
    found = np.lib.stride_tricks.sliding_window_view(x, reach, axis=(2, 3))
    return found[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]


def convolved(
    x: Any, W: Any, pad: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int], groups: int
) -> Any:
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in pad)))
    parts = zip(np.split(x, groups, axis=1), np.split(W[:, :, ::-1, ::-1], groups), strict=True)
    return np.concatenate(
        [np.einsum("ncijrs,kcrs->nkij", windows(a, W.shape[2:], stride, dilation), w) for a, w in parts], axis=1
    )


CASES: list[tuple[dict[str, Any], tuple[int, int]]] = [
    ({"filters": 6, "window": 3}, (0, 0)),
    ({"filters": 6, "window": (3, 5), "pad": "same"}, (1, 2)),
    ({"filters": 4, "window": 2, "pad": "full", "stride": (2, 1)}, (1, 1)),
    ({"filters": 4, "window": 3, "pad": (2, 1), "dilation": 2, "groups": 2}, (2, 1)),
]


def test_convolutions() -> None:
    x = L.Input((None, 4, 9, 8))
    X = RNG.normal(size=(2, 4, 9, 8))
    nodes = [L.Conv2D(x, nonlinearity="tanh", **options) for options, _ in CASES]
    nodes.append(L.Conv2D(x, 3, 3, flip=False, b=None))
    for node in nodes[:-1]:
        node.b.set_value(RNG.normal(size=node.filters))
    found = ar.function([x.variable], L.get_output(nodes))(X)
    for node, got, (options, pad) in zip(nodes, found, CASES, strict=False):
        pairs = [node.both(name, getattr(node, name)) for name in ("stride", "dilation")]
        plain = convolved(X, node.W.get_value(), pad, pairs[0], pairs[1], node.groups)
        want = np.tanh(plain + node.b.get_value()[:, None, None])
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-12, err_msg=str(options))
        assert node.output_shape == (None, *want.shape[1:])
    turned = convolved(X, nodes[-1].W.get_value()[:, :, ::-1, ::-1], (0, 0), (1, 1), (1, 1), 1)
    np.testing.assert_allclose(found[-1], turned, rtol=1e-10, atol=1e-12)
    assert list(nodes[-1].params) == ["W"]


def test_the_transposed_convolution_is_the_transpose() -> None:
    """<conv(x), y> = <x, transposed(y)>, and shapes go back."""
    small = L.Input((2, 5, 4, 4))
    for stride, crop in ((1, 0), (2, 1)):
        up = L.TransposedConv2D(small, 3, 4, stride=stride, crop=crop)
        large = L.Input(up.output_shape)
        down = L.Conv2D(large, 5, 4, stride=stride, pad=crop, W=up.W, b=None)
        assert down.output_shape == small.output_shape
        X, Y = (RNG.normal(size=[int(n or 0) for n in one.output_shape]) for one in (up, small))
        f = ar.function([large.variable, small.variable], L.get_output([down, up]))
        a, b = f(X, Y)
        np.testing.assert_allclose((a * Y).sum(), (X * b).sum(), rtol=1e-10)


def test_pooling_and_scaling() -> None:
    x = L.Input((None, 2, 7, 6))
    X = RNG.normal(size=(3, 2, 7, 6))
    nodes = [
        L.Pool2D(x), L.Pool2D(x, (3, 2), stride=(2, 1)), L.Pool2D(x, 2, mode="average_exc_pad"),
        L.Pool2D(x, 2, ignore_border=False), L.Upscale2D(x, (1, 3)),
    ]  # fmt: skip
    found = ar.function([x.variable], L.get_output(nodes))(X)
    over = np.pad(X, ((0, 0), (0, 0), (0, 1), (0, 0)), constant_values=-np.inf)
    want = [
        windows(X, (2, 2), (2, 2)).max(axis=(4, 5)), windows(X, (3, 2), (2, 1)).max(axis=(4, 5)),
        windows(X, (2, 2), (2, 2)).mean(axis=(4, 5)), windows(over, (2, 2), (2, 2)).max(axis=(4, 5)),
        X.repeat(3, axis=3),
    ]  # fmt: skip
    for node, got, w in zip(nodes, found, want, strict=True):
        np.testing.assert_allclose(got, w, rtol=1e-12)
        assert node.output_shape == (None, *w.shape[1:])


def test_transformer() -> None:
    x, theta = L.Input((2, 1, 6, 8)), L.Input((2, 6))
    node = L.Transformer([x, theta], downsample=2)
    assert node.output_shape == (2, 1, 3, 4)
    X = RNG.normal(size=(2, 1, 6, 8))
    maps = np.array([[0, 0, -1, 0, 0, -1], [0, 0, 1, 0, 0, 1]], float)  # all of them the first, or the last pixel
    got = ar.function([x.variable, theta.variable], L.get_output(node))(X, maps)
    want = np.broadcast_to(np.stack([X[0, :, :1, :1], X[1, :, -1:, -1:]]), (2, 1, 3, 4))
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_convolutional_network_learns_and_is_saved(tmp_path: Path) -> None:
    """Whether a bright spot is left or right, and up or down."""
    places = RNG.integers(0, 8, size=(60, 2))
    X = RNG.normal(size=(60, 1, 8, 8)) * 0.1
    X[np.arange(60), 0, places[:, 0], places[:, 1]] += 3
    y = 2 * (places[:, 0] > 3) + (places[:, 1] > 3)
    model = L.Sequential([
        L.Input((None, 1, 8, 8)), L.Conv2D(6, 3, pad="same"), L.BatchNorm(), L.Nonlinearity("relu"), L.Pool2D(2),
        L.Flatten(), L.Dense(4, "softmax"),
    ])  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"], learning_rate=0.02)
    history = model.fit(X, y, batch=20, epochs=12, seed=0, verbose=False)
    assert history["accuracy"][-1] > 0.9
    model.save(tmp_path / "cnn.npz")
    np.testing.assert_array_equal(L.Model.load(tmp_path / "cnn.npz").predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: L.Conv2D(L.Input((2, 3)), 4, 3), r"takes \(batch, channels, rows, columns\), not \[2, 3\]"),
        (lambda: L.Conv2D(L.Input((2, 3, 4, 4)), 4, 5), r"its window does not fit \[2, 3, 4, 4\]"),
        (lambda: L.Conv2D(L.Input((2, 3, 4, 4)), 4, 3, groups=2), "3 channels and 4 filters in 2 groups"),
        (lambda: L.Conv2D(L.Input((2, 3, 4, 4)), 4, (3, 0)), "window is a whole number from 1 on"),
        (lambda: L.Conv2D(L.Input((2, None, 4, 4)), 4, 3), "along axis 1 must be known"),
        (lambda: L.Pool2D(L.Input((2, 3, 4, 4)), 5), "does not fit"),
        (lambda: L.TransposedConv2D(L.Input((2, 3, 1, 1)), 4, 2, crop=1), "nothing is left"),
        (lambda: L.Transformer([L.Input((2, 3, 4, 4)), L.Input((2, 5))]), r"the affine maps are \(batch, 6\)"),
    ],
)  # fmt: skip
def test_what_does_not_fit(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
