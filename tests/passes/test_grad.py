"""Gradients of composed graphs against finite differences, and what is asked for wrongly."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import arignote.ir.ops
from arignote.ir.builder import Builder
from arignote.ir.core import Value, toposort
from arignote.ir.diag import Loc
from arignote.ir.interp import evaluate, run
from arignote.ir.types import Dim
from arignote.passes import (
    OPTIMIZE,
    DisconnectedInputError,
    GradientError,
    NotDifferentiableError,
    derive,
)
from tests.passes.graphs import (
    Array,
    func_of,
    negative_log_likelihood,
    numeric_gradient,
    var,
)

assert arignote.ir.ops  # fills the registry
n, k = Dim.symbol("n"), Dim.symbol("k")


def gradient(cost: Value, wrt: Value) -> Value:
    (out,) = derive(cost, [wrt])
    assert out is not None
    return out


def check(cost: Value, wrt: list[Value], env: dict[Value, Array]) -> None:
    """Compare `derive` with finite differences, unoptimised and optimised."""
    gradients = [g for g in derive(cost, wrt) if g is not None]
    assert len(gradients) == len(wrt)
    params = list(env)
    func = func_of(params, gradients)
    optimised, _ = run(OPTIMIZE.run(func, verify_each=True), [env[p] for p in params])
    for v, got, fast in zip(wrt, evaluate(gradients, env), optimised, strict=True):
        assert got.shape == env[v].shape
        want = numeric_gradient(cost, v, env)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(fast, want, rtol=1e-5, atol=1e-7)


def test_softmax_regression() -> None:
    b, rng = Builder(), np.random.default_rng(0)
    x, y = var("x", "f64", n, 4), var("y", "i32", n)
    w, bias = var("w", "f64", 4, 3), var("b", "f64", 3)
    p = b.softmax(b.add(b.dot(x, w), bias), axis=1)
    cost = negative_log_likelihood(b, p, y)
    env: dict[Value, Array] = {
        x: rng.normal(size=(5, 4)),
        y: np.array([0, 2, -1, 1, 1], dtype=np.int32),
        w: rng.normal(size=(4, 3)),
        bias: rng.normal(size=3),
    }
    check(cost, [x, w, bias], env)


def test_mlp_with_regularisation() -> None:
    b, rng = Builder(), np.random.default_rng(1)
    x, t = var("x", "f64", n, 4), var("t", "f64", n, 2)
    w1, b1, w2 = var("w1", "f64", 4, 5), var("b1", "f64", 5), var("w2", "f64", 5, 2)
    h = b.tanh(b.add(b.dot(x, w1), b1))
    r = b.maximum(h, b.const(0.0, "f64"))
    error = b.sub(b.dot(b.add(r, h), w2), t)
    cost = b.add(
        b.sum(b.sqr(error), axes=(0, 1)),
        b.mul(b.const(0.01, "f64"), b.sum(b.abs(w1), axes=(0, 1))),
    )
    env = {
        x: rng.normal(size=(3, 4)),
        t: rng.normal(size=(3, 2)),
        w1: rng.normal(size=(4, 5)),
        b1: rng.normal(size=5),
        w2: rng.normal(size=(5, 2)),
    }
    check(cost, [w1, b1, w2, x], env)


def test_broadcasting_is_summed_back() -> None:
    b, rng = Builder(), np.random.default_rng(2)
    x, row, col, s = (
        var("x", "f64", 2, 3),
        var("row", "f64", 3),
        var("col", "f64", 2, 1),
        var("s", "f64"),
    )
    cost = b.sum(b.mul(b.add(b.mul(x, row), col), b.exp(s)), axes=(0, 1))
    env = {v: np.asarray(rng.normal(size=v.shape)) for v in (x, row, col, s)}
    check(cost, [x, row, col, s], env)


def test_slice_with_a_size_known_at_run_time() -> None:
    b, rng = Builder(), np.random.default_rng(3)
    x, size = var("x", "f64", n), var("size", "i64")
    head = b.slice(x, size, start=(0,), size=(k,), step=(1,), bound_size=(0,))
    cost = b.sum(b.sqr(b.mul(head, head)), axes=(0,))
    env = {x: rng.normal(size=5), size: np.asarray(3)}
    check(cost, [x], env)
    # The gradient does not depend on the op that bound the dimension first.
    (flat,) = derive(b.sum(head, axes=(0,)), [x])
    assert flat is not None
    assert "slice" not in [op.name for op in toposort([flat])]


def test_shared_subexpressions_accumulate() -> None:
    b = Builder()
    x = var("x", "f64")
    y = b.mul(x, x)
    cost = b.add(b.mul(y, y), y)  # x^4 + x^2
    (value,) = evaluate([gradient(cost, x)], {x: np.asarray(3.0)})
    assert value == 4 * 27 + 2 * 3


def test_second_order_and_third() -> None:
    b = Builder()
    x = var("x", "f64", 3)
    cost = b.sum(b.mul(b.sin(x), b.sqr(x)), axes=(0,))
    first = gradient(cost, x)
    second = gradient(b.sum(first, axes=(0,)), x)
    third = gradient(b.sum(second, axes=(0,)), x)
    at = np.array([0.3, -1.2, 2.0])
    got = evaluate([first, second, third], {x: at})
    s, c = np.sin(at), np.cos(at)
    np.testing.assert_allclose(got[0], c * at**2 + 2 * at * s)
    np.testing.assert_allclose(got[1], -s * at**2 + 4 * at * c + 2 * s)
    np.testing.assert_allclose(got[2], -c * at**2 - 6 * at * s + 6 * c)


def test_intermediate_variables() -> None:
    """A variable in the middle keeps its identity, and gradients still pass through it."""
    b = Builder()
    x = var("x", "f64", 4, 3)
    p = b.softmax(x, axis=1)
    cost = b.sum(b.log(p), axes=(0, 1))
    d_p, d_x = derive(cost, [p, x])
    assert d_p is not None and d_x is not None
    at = np.random.default_rng(0).normal(size=(4, 3))
    got_p, got_x, prob = evaluate([d_p, d_x, p], {x: at})
    np.testing.assert_allclose(got_p, 1 / prob)
    np.testing.assert_allclose(got_x, 1 - 3 * prob, rtol=1e-10)


def test_gradient_of_cost_itself() -> None:
    b = Builder()
    x = var("x", "f32")
    cost = b.exp(x)
    (value,) = evaluate([gradient(cost, cost)], {x: np.float32(2)})
    assert value == 1 and value.dtype == np.float32


def test_consider_constant() -> None:
    b = Builder()
    x = var("x", "f64")
    y = b.sqr(x)
    cost = b.mul(x, y)
    (g,) = derive(cost, [x], consider_constant=[y])
    assert g is not None
    assert evaluate([g], {x: np.asarray(3.0)})[0] == 9
    with pytest.raises(DisconnectedInputError):
        derive(b.exp(y), [x], consider_constant=[y])


def test_known_gradients() -> None:
    b = Builder()
    x, ct = var("x", "f64", 3), var("ct", "f64", 3)
    y = b.exp(x)
    (g,) = derive(None, [x], known={y: ct})
    assert g is not None
    at, seed = np.array([0.0, 1.0, 2.0]), np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(evaluate([g], {x: at, ct: seed})[0], seed * np.exp(at))
    # They are taken as given, not added to what the cost says.
    d_y, d_x = derive(b.sum(y, axes=(0,)), [y, x], known={y: ct})
    assert d_y is ct and d_x is not None
    np.testing.assert_allclose(evaluate([d_x], {x: at, ct: seed})[0], seed * np.exp(at))


def test_names_and_places() -> None:
    b = Builder(loc=Loc("model.py", 7))
    x = var("x", "f64", 3)
    (h,) = b.emit("tanh", x, names=["h"])
    g = gradient(b.sum(b.sqr(h), axes=(0,)), x)
    assert g.name == "d.x"
    ops = toposort([g])
    assert "d.h" in [r.name for op in ops for r in op.results]
    assert {str(op.loc) for op in ops} == {"model.py:7"}


def test_flat_functions_give_zero() -> None:
    b = Builder()
    x = var("x", "f64", 3)
    (value,) = evaluate([gradient(b.sum(b.floor(x), axes=(0,)), x)], {x: np.ones(3)})
    np.testing.assert_array_equal(value, np.zeros(3))


def test_disconnected() -> None:
    b = Builder()
    x, y = var("x", "f64"), var("y", "f64", n)
    with pytest.raises(DisconnectedInputError, match=r"y: f64\[n\]"):
        derive(b.exp(x), [x, y])
    assert derive(b.exp(x), [y], disconnected="ignore") == [None]
    with pytest.warns(UserWarning, match="does not depend"):
        assert derive(b.exp(x), [y], disconnected="warn") == [None]
    with pytest.raises(ValueError, match="must be"):
        derive(b.exp(x), [x], disconnected="perhaps")


def test_comparisons_disconnect() -> None:
    b = Builder()
    x = var("x", "f64", n)
    positive = b.cast(b.gt(x, b.const(0.0, "f64")), dtype="f64")
    with pytest.raises(DisconnectedInputError):
        derive(b.sum(positive, axes=(0,)), [x])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (g,) = derive(b.sum(b.mul(x, positive), axes=(0,)), [x])
    assert g is not None
    (value,) = evaluate([g], {x: np.array([-1.0, 2.0])})
    np.testing.assert_array_equal(value, [0, 1])


def test_errors() -> None:
    b = Builder()
    x, i = var("x", "f64", 3), var("i", "i64")
    total = b.sum(x, axes=(0,))
    with pytest.raises(TypeError, match=r"cost must be a scalar, but x is f64\[3\]"):
        derive(x, [x])
    with pytest.raises(GradientError, match="floating-point"):
        derive(i, [x])
    with pytest.raises(GradientError, match=r"i: i64\[\], whose values are discrete"):
        derive(total, [i])
    with pytest.raises(GradientError, match="needs a cost"):
        derive(None, [x])
    with pytest.raises(GradientError, match="another type"):
        derive(None, [x], known={b.exp(x): i})


def test_an_op_without_gradient_is_named_with_its_line() -> None:
    from dataclasses import replace

    from arignote.ir.opdef import OPS

    b = Builder(loc=Loc("model.py", 12))
    x = var("x", "f64", 3)
    cost = b.sum(b.erfc(x), axes=(0,))
    record = OPS["erfc"]
    OPS["erfc"] = replace(record, vjp=None)
    try:
        with pytest.raises(NotDifferentiableError, match=r"erfc: .*\n.*model.py:12"):
            derive(cost, [x])
    finally:
        OPS["erfc"] = record


def test_deep_graphs() -> None:
    b = Builder()
    x = var("x", "f64")
    y = x
    for _ in range(3000):
        y = b.sin(y)
    g = gradient(y, x)
    assert np.isfinite(evaluate([g], {x: np.asarray(0.5)})[0])
