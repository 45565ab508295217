"""Concatenations and slices of elementwise work, compiled: against NumPy."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.modes import get_mode
from arignote.ir.core import Op

RNG = np.random.default_rng(2)


def kernels(f: Any) -> list[Op]:
    planned = get_mode("FAST_RUN").lowering().run(f.func)
    return [op for op in planned.ops if op.name == "fused"]


@pytest.mark.parametrize(
    ("shape", "axis"),
    [*itertools.product([(4, 5), (1, 5), (4, 1), (3, 40)], [0, 1]), ((3, 2, 5), 1), ((2, 1, 3), 1), ((0, 3), 1)],
)
def test_parts_of_one_shape_are_stored_by_their_kernel(shape: tuple[int, ...], axis: int) -> None:
    tensor = T.TensorType("float64", (False,) * len(shape))
    x, y = tensor("x"), tensor("y")
    both = T.concatenate([T.exp(x), x * y, y], axis=axis)
    f = ar.function([x, y], [both, (x * y).sum(), T.exp(x) + 1])
    for n in (1, 2):  # the second time for any size
        X, Y = (RNG.normal(size=tuple(d * n if i == 0 else d for i, d in enumerate(shape))) for _ in range(2))
        got = f(X, Y)
        np.testing.assert_allclose(got[0], np.concatenate([np.exp(X), X * Y, Y], axis=axis), rtol=1e-13)
        np.testing.assert_allclose(got[1], (X * Y).sum(), rtol=1e-12)
        np.testing.assert_allclose(got[2], np.exp(X) + 1, rtol=1e-13)


def test_a_row_that_broadcasts_is_a_part_of_every_row() -> None:
    x, b = T.dmatrix("x"), T.dvector("b")
    f = ar.function([x, b], T.concatenate([x + b, x * b, T.tanh(x)], axis=1))
    X, B = RNG.normal(size=(6, 20)), RNG.normal(size=20)
    np.testing.assert_allclose(f(X, B), np.concatenate([X + B, X * B, np.tanh(X)], axis=1), rtol=1e-13)
    (kernel,) = kernels(f)
    assert "join" in {op.name for op in kernel.regions[0].ops}


def test_the_gradient_of_gates_is_one_kernel_without_zeros() -> None:
    z, c = T.dmatrix("z"), T.dmatrix("c")
    i, o = T.nnet.sigmoid(z[:, :4]), T.tanh(z[:, 4:])
    f = ar.function([z, c], T.grad((i * o * c).sum(), z))
    Z, C = RNG.normal(size=(5, 8)), RNG.normal(size=(5, 4))
    s, t = 1 / (1 + np.exp(-Z[:, :4])), np.tanh(Z[:, 4:])
    want = np.concatenate([C * t * s * (1 - s), C * s * (1 - t**2)], axis=1)
    np.testing.assert_allclose(f(Z, C), want, rtol=1e-12)
    assert len(kernels(f)) == 1 and len(kernels(f)[0].results) == 1


def test_what_is_taken_apart_is_not_computed_whole() -> None:
    x, b = T.dmatrix("x"), T.dvector("b")
    z = T.exp(x + b)
    f = ar.function([x, b], z[:, :3] * z[:, 3:])
    X, B = RNG.normal(size=(5, 6)), RNG.normal(size=6)
    Z = np.exp(X + B)
    np.testing.assert_allclose(f(X, B), Z[:, :3] * Z[:, 3:], rtol=1e-13)
    assert len(kernels(f)) == 1
