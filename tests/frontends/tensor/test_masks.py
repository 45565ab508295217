"""What depends on values: `nonzero`, symbolic masks among indices, `unique`; against NumPy, in every mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T

RNG = np.random.default_rng(17)
MODES = ("FAST_RUN", "FAST_COMPILE", "reference")


def sparse(*shape: int) -> Any:
    return RNG.normal(size=shape) * (RNG.random(shape) < 0.6)


@pytest.mark.parametrize("mode", MODES)
def test_nonzero(mode: str) -> None:
    x = T.dmatrix("x")
    f = ar.function([x], [*x.nonzero(), x.nonzero(return_matrix=True), T.flatnonzero(x), x.nonzero_values()], mode=mode)
    for shape in [(3, 4), (3, 4), (5, 2), (0, 2)]:
        X = sparse(*shape)
        rows, columns, both, flat, values = f(X)
        want = np.nonzero(X)
        np.testing.assert_array_equal(rows, want[0])
        np.testing.assert_array_equal(columns, want[1])
        np.testing.assert_array_equal(both, np.array(want))
        np.testing.assert_array_equal(flat, np.flatnonzero(X))
        np.testing.assert_array_equal(values, X[want])
        assert rows.dtype == np.int64


@pytest.mark.parametrize("mode", MODES)
def test_reading_and_writing_by_masks(mode: str) -> None:
    x = T.dmatrix("x")
    chosen = x[x > 0]
    outs = [
        chosen, chosen.sum(), T.set_subtensor(chosen, -1.0), T.inc_subtensor(x[x < 0], 5.0),
        T.set_subtensor(chosen, T.arange(chosen.shape[0]) * 1.0), T.grad((chosen**2).sum(), x),
    ]  # fmt: skip
    f = ar.function([x], outs, mode=mode)
    for shape in [(3, 4), (3, 4), (2, 7)]:
        X = sparse(*shape)
        got = f(X)
        np.testing.assert_array_equal(got[0], X[X > 0])
        np.testing.assert_allclose(got[1], X[X > 0].sum())
        for out, mask, value in ((got[2], X > 0, -1.0), (got[4], X > 0, np.arange((X > 0).sum()))):
            want = X.copy()
            want[mask] = value
            np.testing.assert_array_equal(out, want)
        np.testing.assert_allclose(got[3], X + 5 * (X < 0))
        np.testing.assert_allclose(got[5], 2 * X * (X > 0))


@pytest.mark.parametrize("mode", MODES)
def test_masks_beside_other_indices(mode: str) -> None:
    t, m = T.dtensor3("t"), T.TensorType("bool", (False,))("m")
    f = ar.function([t, m], [t[m], t[:, m], t[..., m], t[0, m, 1], t[m, 1:]], mode=mode)
    X, M = RNG.normal(size=(4, 4, 4)), np.array([True, False, True, True])
    for got, want in zip(f(X, M), [X[M], X[:, M], X[..., M], X[0, M, 1], X[M, 1:]], strict=True):
        np.testing.assert_array_equal(got, want)
    with pytest.raises(AssertionError, match="the mask m has another shape than what it indexes"):
        f(X, np.ones(3, bool))


def test_masks_that_do_not_fit_are_refused_when_recorded() -> None:
    x = T.matrix("x", shape=(3, 4))
    with pytest.raises(IndexError, match="has 5 elements along its axis 0, where 3 are indexed"):
        x[T.vector("v", shape=(5,)) > 0]
    with pytest.raises(IndexError, match="has 3 dimensions, and does not fit x"):
        x[T.dtensor3("t") > 0]
    with pytest.raises(ValueError, match="is a scalar"):
        T.nonzero(T.dscalar("s"))


@pytest.mark.parametrize("mode", MODES)
def test_sizes_that_differ_from_step_to_step(mode: str) -> None:
    """Within the body of a loop, and of its gradient."""
    xs = T.dmatrix("xs")
    out, _ = ar.scan(lambda row: T.sqr(T.exp(row[row > 0])).sum(), xs)
    f = ar.function([xs], [out, T.grad(out.sum(), xs)], mode=mode)
    X = RNG.normal(size=(4, 6))
    X[2] = -1
    values, slope = f(X)
    want = np.exp(2 * X) * (X > 0)
    np.testing.assert_allclose(values, want.sum(axis=1), rtol=1e-13)
    np.testing.assert_allclose(slope, 2 * want, rtol=1e-13)


@pytest.mark.parametrize("mode", ["FAST_RUN", "reference"])
@pytest.mark.parametrize("dtype", ["float64", "int32", "bool"])
def test_unique(mode: str, dtype: str) -> None:
    x = T.matrix("x", dtype=dtype)
    f = ar.function([x], T.unique(x, return_index=True, return_inverse=True, return_counts=True), mode=mode)
    g = ar.function([x], T.Unique()(x), mode=mode)
    for shape in [(4, 5), (4, 5), (1, 1), (0, 3)]:
        X = RNG.integers(-2, 3, size=shape).astype(dtype)
        if dtype == "float64" and X.size > 4:
            X[0, :2] = np.nan
        want = np.unique(X, return_index=True, return_inverse=True, return_counts=True)
        for got, w in zip(f(X), want, strict=True):
            np.testing.assert_array_equal(got, w.ravel())
        np.testing.assert_array_equal(g(X), want[0])
    with pytest.raises(NotImplementedError, match="axis=0"):
        T.unique(x, axis=0)  # type: ignore[arg-type]
