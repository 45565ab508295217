"""Stabilised expressions on inputs where the naive ones overflow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.interp import run
from arignote.ir.types import Dim
from arignote.passes import FAST_COMPILE, NONE, OPTIMIZE, Pipeline, derive
from tests.passes.graphs import Array, func_of, negative_log_likelihood, var

n = Dim.symbol("n")
HUGE = np.array([-1e4, -200.0, -1.0, 0.0, 1.0, 200.0, 1e4])
Naive = Callable[[Builder, Value], Value]


def softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(0, x))


def sigmoid(x: Array) -> Array:
    return np.asarray(np.exp(-np.logaddexp(0, -x)))


CASES: dict[str, tuple[Naive, Callable[[Array], Array]]] = {
    "log(1+exp(x))": (lambda b, x: b.log(b.add(b.const(1.0, "f64"), b.exp(x))), softplus),
    "log1p(exp(x))": (lambda b, x: b.log1p(b.exp(x)), softplus),
    "log(sigmoid(x))": (lambda b, x: b.log(b.sigmoid(x)), lambda x: -softplus(-x)),
    "log(1-sigmoid(x))": (
        lambda b, x: b.log(b.sub(b.const(1.0, "f64"), b.sigmoid(x))),
        lambda x: -softplus(x),
    ),
    "1/(1+exp(-x))": (
        lambda b, x: b.div(b.const(1.0, "f64"), b.add(b.const(1.0, "f64"), b.exp(b.neg(x)))),
        sigmoid,
    ),
    "exp(x)/(1+exp(x))": (
        lambda b, x: b.div(b.exp(x), b.add(b.exp(x), b.const(1.0, "f64"))),
        sigmoid,
    ),
    "log(exp(x))": (lambda b, x: b.log(b.exp(x)), lambda x: x),
}


@pytest.mark.parametrize("pipeline", [OPTIMIZE, FAST_COMPILE], ids=["optimize", "fast_compile"])
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str, pipeline: Pipeline) -> None:
    naive, exact = CASES[name]
    b = Builder()
    x = var("x", "f64", n)
    y = naive(b, x)
    (g,) = derive(b.sum(y, axes=(0,)), [x])
    assert g is not None
    (got, slope), _ = run(pipeline.run(func_of([x], [y, g])), [HUGE])
    np.testing.assert_allclose(got, exact(HUGE), rtol=1e-12, atol=0)
    assert np.isfinite(slope).all()
    inside = np.array([-2.0, 0.3, 5.0])
    (_, slope), _ = run(pipeline.run(func_of([x], [y, g])), [inside])
    differences = (exact(inside + 1e-6) - exact(inside - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope, differences, rtol=1e-6)


def test_small_arguments_keep_their_digits() -> None:
    b = Builder()
    x, one = var("x", "f64", n), b.const(1.0, "f64")
    results = [b.log(b.add(one, x)), b.log(b.sub(one, x)), b.sub(b.exp(x), one)]
    tiny = np.array([1e-18, 3e-12])
    got, _ = run(OPTIMIZE.run(func_of([x], results)), [tiny])
    np.testing.assert_allclose(got, [np.log1p(tiny), np.log1p(-tiny), np.expm1(tiny)], rtol=1e-15)


@pytest.mark.parametrize("softmax", ["op", "by hand"])
@pytest.mark.parametrize("pipeline", [OPTIMIZE, FAST_COMPILE, NONE], ids=["opt", "fast", "none"])
def test_cross_entropy_of_saturated_predictions(pipeline: Pipeline, softmax: str) -> None:
    """The gradient is p - onehot, although log(p) of the naive graph is -inf."""
    b = Builder()
    z, y = var("z", "f64", n, 3), var("y", "i64", n)
    if softmax == "op":
        p = b.softmax(z, axis=1)
    else:
        e = b.exp(z)
        p = b.div(e, b.reshape(b.sum(e, axes=(1,)), shape=(n, 1)))
    cost = negative_log_likelihood(b, p, y)
    (g,) = derive(cost, [z])
    assert g is not None
    logits = np.array([[2000.0, 0.0, -2000.0], [0.0, 0.0, 0.0]])
    labels = np.array([1, -1])
    (loss, slope), _ = run(pipeline.run(func_of([z, y], [cost, g])), [logits, labels])
    expected = np.array([[1.0, -1.0, 0.0], [1 / 3, 1 / 3, -2 / 3]]) / 2
    np.testing.assert_allclose(slope, expected, atol=1e-12)
    if pipeline is not NONE:
        np.testing.assert_allclose(loss, (2000 + np.log(3)) / 2)


def test_cross_entropy_becomes_elementwise_ops_and_row_reductions() -> None:
    b = Builder()
    z, y = var("z", "f32", n, 10), var("y", "i64", n)
    cost = negative_log_likelihood(b, b.softmax(z, axis=1), y)
    func = OPTIMIZE.run(func_of([z, y], [cost, *(g for g in derive(cost, [z]) if g is not None)]))
    names = {op.name for op in func.ops}
    assert not names & {"gather", "scatter", "softmax", "log_softmax", "log1p"}
    assert [op.name for op in func.ops].count("exp") == 1
    with pytest.raises(IndexError, match="index 10 is out of bounds for axis 1 with size 10"):
        run(func, [np.zeros((2, 10), "f4"), np.array([0, 10])])


def test_logsumexp_of_infinities() -> None:
    b = Builder()
    x = var("x", "f64", n, 2)
    func = OPTIMIZE.run(func_of([x], [b.log(b.sum(b.exp(x), axes=(1,)))]))
    rows = np.array([[-np.inf, -np.inf], [-np.inf, 1.0], [np.inf, 0.0], [1e4, 1e4]])
    (got,), _ = run(func, [rows])
    np.testing.assert_array_equal(got, [-np.inf, 1.0, np.inf, 1e4 + np.log(2)])
