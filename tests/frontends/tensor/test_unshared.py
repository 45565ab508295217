"""Convolutions whose filters differ from place to place: values, gradients and their functions by the definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.frontends.tensor.nnet import abstract_conv
from tests.conv_reference import Conv

CASES = [
    Conv(2, 3, 4, (6, 5), (3, 2), (1, 1), (1, 1), "valid", 1, True),
    Conv(2, 4, 6, (6, 7), (2, 3), (2, 1), (1, 2), "half", 2, False),
    Conv(3, 1, 2, (5, 4), (3, 3), (1, 2), (1, 1), "full", 1, False),
    Conv(1, 2, 2, (7, 6), (3, 2), (2, 3), (2, 1), "same", 1, True),
    Conv(2, 2, 4, (4, 4), (1, 1), (1, 1), (1, 1), ((1, 0), (0, 2)), 2, True),
]


def defined(case: Conv, x: Any, w: Any) -> Any:
    """The definition, one place after the other."""
    padded = np.pad(x, ((0, 0), (0, 0), *case.pads))
    kg, cg = case.k // case.groups, case.c // case.groups
    y = np.zeros((case.n, case.k, *case.out))
    for k in range(case.k):
        group = k // kg
        for i, j in np.ndindex(*case.out):
            for a, b in np.ndindex(*case.window):
                row = i * case.strides[0] + a * case.dilation[0]
                column = j * case.strides[1] + b * case.dilation[1]
                at = (case.window[0] - 1 - a, case.window[1] - 1 - b) if case.flip else (a, b)
                channels = padded[:, group * cg : (group + 1) * cg, row, column]
                y[:, k, i, j] += channels @ w[k, i, j, :, at[0], at[1]]
    return y


def tensor(dtype: str, shape: tuple[int | None, ...]) -> Any:
    return T.TensorType(dtype, shape=shape)()


def options(case: Conv) -> dict[str, Any]:
    return {
        "border_mode": case.border, "subsample": case.strides, "filter_flip": case.flip,
        "filter_dilation": case.dilation, "num_groups": case.groups, "unshared": True,
    }  # fmt: skip


def arrays(case: Conv) -> tuple[Any, Any, Any]:
    x, _, y = case.arrays(0)
    w = np.random.default_rng(1).normal(size=(case.k, *case.out, case.c // case.groups, *case.window))
    return x, w, y


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_values_and_gradients(case: Conv, known: bool) -> None:
    X, W, G = arrays(case)
    x, g = (tensor("float64", a.shape if known else (None,) * 4) for a in (X, G))
    w = tensor("float64", W.shape if known else (None,) * 6)
    y = T.nnet.conv2d(x, w, **options(case))
    by_hand = [
        abstract_conv.conv2d_grad_wrt_inputs(g, w, X.shape, **options(case)),
        abstract_conv.conv2d_grad_wrt_weights(x, g, W.shape[-2:], **options(case)),
    ]
    cost = T.sum(y * g)
    f = ar.function([x, w, g], [y, *T.grad(cost, [x, w]), *by_hand])
    got, dx, dw, hand_dx, hand_dw = f(X, W, G)
    np.testing.assert_allclose(got, defined(case, X, W), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(hand_dx, dx, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(hand_dw, dw, rtol=1e-9, atol=1e-12)
    # The convolution is linear in both, so that its values at other places are derivatives.
    random = np.random.default_rng(2)
    by_x, by_w = random.normal(size=X.shape), random.normal(size=W.shape)
    assert dx.shape == X.shape and dw.shape == W.shape
    np.testing.assert_allclose((dx * by_x).sum(), (defined(case, by_x, W) * G).sum(), rtol=1e-9)
    np.testing.assert_allclose((dw * by_w).sum(), (defined(case, X, by_w) * G).sum(), rtol=1e-9)


def test_second_order_and_equal_filters_are_the_convolution() -> None:
    case = CASES[1]
    X = case.arrays(0)[0]
    shared = case.arrays(3)[1]
    W = np.broadcast_to(shared[:, None, None], (case.k, *case.out, *shared.shape[1:])).copy()
    x, w, s = (tensor("float64", (None,) * ndim) for ndim in (4, 6, 4))
    plain = {**options(case), "unshared": False}
    first = T.nnet.conv2d(x, w, **options(case))
    outputs = [first, T.nnet.conv2d(x, s, **plain)]
    for y, filters in ((first, w), (outputs[1], s)):
        inner = T.grad(T.sum(y**3), x)
        outputs.append(T.grad(T.sum(inner**2), filters))
    one, two, dw, ds = ar.function([x, w, s], outputs)(X, W, shared)
    np.testing.assert_allclose(one, two, rtol=1e-10)
    np.testing.assert_allclose(dw.sum(axis=(1, 2)), ds, rtol=1e-8)


def test_float32_and_sizes_that_do_not_fit_at_the_call() -> None:
    case = CASES[0]
    X, W, _ = (a.astype("float32") for a in arrays(case))
    x, w = tensor("float32", (None,) * 4), tensor("float32", (None,) * 6)
    f = ar.function([x, w], T.nnet.conv2d(x, w, **options(case)))
    np.testing.assert_allclose(f(X, W), defined(case, X, W), rtol=1e-4, atol=1e-5)
    assert f(X, W).dtype == np.float32
    with pytest.raises(ValueError):
        f(X[:, :, :-1], W)
    with pytest.raises(ValueError):
        f(X[:, :-1], W)
