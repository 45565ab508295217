"""Spatial transformers, margins and normalisation by neighbouring channels, against NumPy and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, grad, shared, verify_grad

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(3, 2, 5, 7))
THETA = np.array([[1, 0, 0, 0, 1, 0]] * 3) + RANDOM.normal(size=(3, 6)) * 0.4
Array = np.ndarray[Any, Any]


def sampled(images: Array, grid: Array, border: str) -> Array:
    """The definition: each point by itself."""
    n, channels, h, w = images.shape
    result = np.zeros((n, channels, *grid.shape[2:]))
    for i, row, column in np.ndindex(n, *grid.shape[2:]):
        x, y = (grid[i, :, row, column] + 1) / 2 * [w - 1, h - 1]
        if border == "nearest":
            x, y = np.clip(x, 0, w - 1), np.clip(y, 0, h - 1)
        for a in (int(np.floor(y)), int(np.floor(y)) + 1):
            for b in (int(np.floor(x)), int(np.floor(x)) + 1):
                weight = (1 - abs(y - a)) * (1 - abs(x - b))
                if 0 <= a < h and 0 <= b < w:
                    result[i, :, row, column] += weight * images[i, :, a, b]
    return result


def test_transformed_images(mode: str) -> None:
    x, theta = T.tensor4("x"), T.matrix("theta")
    grid = T.nnet.affine_grid(theta, 4, 6)
    outputs = [grid, *(T.nnet.bilinear_sampling(x, grid, border) for border in ("nearest", "zeros"))]
    points, nearest, zeros = function([x, theta], outputs)(IMAGES, THETA)
    lines = np.stack(np.meshgrid(np.linspace(-1, 1, 6), np.linspace(-1, 1, 4)))
    want = np.einsum("nij,jhw->nihw", THETA.reshape(3, 2, 3), np.concatenate([lines, np.ones((1, 4, 6))]))
    np.testing.assert_allclose(points, want, atol=1e-12)
    assert np.abs(points).max() > 1.2  # both borders are used
    np.testing.assert_allclose(nearest, sampled(IMAGES, want, "nearest"), atol=1e-12)
    np.testing.assert_allclose(zeros, sampled(IMAGES, want, "zeros"), atol=1e-12)


def test_the_identity_and_sizes() -> None:
    x, theta = T.tensor4("x"), T.matrix("theta")
    same = T.nnet.spatial_transformer(x, theta)
    small = T.nnet.spatial_transformer(x, theta, 1 / 7, 0.5)
    identity = np.tile([[1.0, 0, 0, 0, 1, 0]], (2, 1))
    images = RANDOM.normal(size=(2, 3, 28, 28))
    got, little = function([x, theta], [same, small])(images, identity)
    np.testing.assert_allclose(got, images, atol=1e-12)
    assert little.shape == (2, 3, 14, 4)
    fixed = T.nnet.spatial_transformer(shared(images), theta, 1 / 7, 0.5)
    np.testing.assert_allclose(function([theta], fixed)(identity), little, atol=1e-12)


def test_gradients_with_respect_to_images_and_transformations() -> None:
    # Away from whole pixels, where the slope jumps.
    for border in ("nearest", "zeros"):
        verify_grad(
            lambda x, t, border=border: T.nnet.spatial_transformer(x, t, 0.6, 0.8, border), [IMAGES, THETA], eps=1e-6
        )


def test_sampling_against_torch() -> None:
    torch = pytest.importorskip("torch")
    x, theta, weight = T.tensor4("x"), T.tensor3("theta"), T.tensor4("weight")
    weights = RANDOM.normal(size=(3, 2, 6, 4))
    outputs = []
    for corners in (True, False):
        y = T.nnet.bilinear_sampling(x, T.nnet.affine_grid(theta, 6, 4, corners), "zeros", corners)
        outputs += [y, *grad(T.sum(y * weight), [x, theta])]
    got = function([x, theta, weight], outputs)(IMAGES, THETA.reshape(3, 2, 3), weights)
    for number, corners in enumerate((True, False)):
        images, matrices = (torch.tensor(a, requires_grad=True) for a in (IMAGES, THETA.reshape(3, 2, 3)))
        grid = torch.nn.functional.affine_grid(matrices, [3, 2, 6, 4], align_corners=corners)
        y = torch.nn.functional.grid_sample(images, grid, align_corners=corners, padding_mode="zeros")
        (y * torch.tensor(weights)).sum().backward()
        for mine, theirs in zip(got[3 * number :], (y.detach(), images.grad, matrices.grad), strict=False):
            np.testing.assert_allclose(mine, theirs.numpy(), rtol=1e-9, atol=1e-9)


def test_sampling_refuses_what_it_cannot_do() -> None:
    x = T.tensor4("x")
    with pytest.raises(TypeError, match=r"affine_grid takes floats \[n, 2, 3\]"):
        T.nnet.affine_grid(T.lmatrix("theta"), 2, 2)
    with pytest.raises(TypeError, match="bilinear_sampling takes grids"):
        T.nnet.bilinear_sampling(x, T.matrix("grid"))
    with pytest.raises(ValueError, match="border_mode is one of nearest, zeros"):
        T.nnet.bilinear_sampling(x, x, "mirror")
    with pytest.raises(ValueError, match="scales are above 0"):
        T.nnet.spatial_transformer(x, T.matrix("theta"), 0)


MARGINS: list[tuple[Any, dict[str, Any]]] = [
    (2, {}), ((1, 3), {"constant_values": 1.5}), ([(0, 0), (2, 1)], {}),
    (3, {"mode": "edge"}), ([(2, 0), (0, 3)], {"mode": "reflect"}), ((7, 5), {"mode": "reflect"}),
    ((2, 9), {"mode": "symmetric"}), ((4, 6), {"mode": "wrap"}), (0, {"mode": "edge"}),
]  # fmt: skip


def test_margins(mode: str) -> None:
    x = T.matrix("x")
    padded = [T.pad(x, width, **options) for width, options in MARGINS]
    values = RANDOM.normal(size=(3, 4))
    for (width, options), got in zip(MARGINS, function([x], padded)(values), strict=True):
        np.testing.assert_array_equal(got, np.pad(values, width, **{"mode": "constant", **options}), str(options))
    total = sum(T.sum(p * p) * (i + 1) for i, p in enumerate(padded))
    # Every element counts as often as it is shown.
    counts = np.zeros((3, 4))
    numbers = np.arange(12).reshape(3, 4)
    for i, (width, options) in enumerate(MARGINS):
        chosen = {**options, "constant_values": 12} if options.get("mode", "constant") == "constant" else options
        places = np.pad(numbers, width, **{"mode": "constant", **chosen})
        counts += (i + 1) * np.bincount(places.ravel(), minlength=13)[:12].reshape(3, 4)
    np.testing.assert_allclose(function([x], grad(total, x))(values), 2 * values * counts)


def test_margins_of_one_element_and_mistakes() -> None:
    x = T.vector("x")
    modes = ("edge", "reflect", "symmetric", "wrap")
    for got in function([x], [T.pad(x, 2, mode) for mode in modes])(np.array([3.0])):
        np.testing.assert_array_equal(got, [3.0] * 5)
    for width, options, message in (
        (-1, {}, "whole numbers"), ([(1, 1), (1, 1)], {}, "for each axis"), (1, {"mode": "mean"}, "mode is one of"),
        (1, {"constant_values": [1.0, 2.0]}, "one number"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            T.pad(x, width, **options)


def test_local_response_normalization() -> None:
    x = T.tensor4("x")
    y = T.nnet.local_response_normalization(x, alpha=0.3, k=1.5, beta=0.6, n=3)
    got = function([x], y)(IMAGES)
    for channel, others in ((0, [0, 1]), (1, [0, 1])):
        total = (IMAGES[:, others] ** 2).sum(1)
        np.testing.assert_allclose(got[:, channel], IMAGES[:, channel] / (1.5 + 0.3 * total) ** 0.6)
    verify_grad(lambda v: T.nnet.local_response_normalization(v, 0.3, 1.5, 0.6, 3), [IMAGES[:1]])
    with pytest.raises(ValueError, match="n is odd"):
        T.nnet.local_response_normalization(x, n=4)


def test_local_response_normalization_against_torch() -> None:
    torch = pytest.importorskip("torch")
    values = RANDOM.normal(size=(2, 9, 3, 2))
    x = T.tensor4("x")
    got = function([x], T.nnet.local_response_normalization(x, alpha=0.02))(values)
    want = torch.nn.functional.local_response_norm(torch.tensor(values), 5, alpha=0.1, beta=0.75, k=2)
    np.testing.assert_allclose(got, want.numpy(), rtol=1e-12)
