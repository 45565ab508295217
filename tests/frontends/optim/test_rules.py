"""Update rules against independent transcriptions, over fifty steps; how they compile; what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import optim
from arignote.frontends import tensor as T
from arignote.ir.core import Func
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan

SEED, STEPS = 3, 50
Array = np.ndarray[Any, Any]
Memory = dict[str, Array]


# ---------------------------------------------------------------- the rules once more, in NumPy
def np_sgd(p: Array, g: Array, m: Memory, t: int) -> Array:
    return p - 0.05 * g


def np_momentum(p: Array, g: Array, m: Memory, t: int) -> Array:
    m["v"] = 0.9 * m["v"] - 0.05 * g
    return p + m["v"]


def np_nesterov(p: Array, g: Array, m: Memory, t: int) -> Array:
    before, m["v"] = m["v"], 0.9 * m["v"] - 0.05 * g
    return p - 0.9 * before + 1.9 * m["v"]


def np_adagrad(p: Array, g: Array, m: Memory, t: int) -> Array:
    m["s"] = m["s"] + g**2
    return p - 0.05 / np.sqrt(m["s"] + 1e-6) * g


def np_rmsprop(p: Array, g: Array, m: Memory, t: int) -> Array:
    m["s"] = 0.9 * m["s"] + 0.1 * g**2
    return p - 0.05 * g / np.sqrt(m["s"] + 1e-6)


def np_adadelta(p: Array, g: Array, m: Memory, t: int) -> Array:
    m["s"] = 0.9 * m["s"] + 0.1 * g**2
    step = np.sqrt((m["d"] + 1e-6) / (m["s"] + 1e-6)) * g
    m["d"] = 0.9 * m["d"] + 0.1 * step**2
    return p - 0.05 * step


def np_adam(p: Array, g: Array, m: Memory, t: int, highest: bool = False) -> Array:
    m["m"] = 0.9 * m["m"] + 0.1 * g
    m["v"] = 0.999 * m["v"] + 0.001 * g**2
    m["top"] = np.maximum(m["top"], m["v"])
    rate = 0.05 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    squares = m["top"] if highest else m["v"]
    return np.asarray(p - rate * m["m"] / (np.sqrt(squares) + 1e-8))


def np_amsgrad(p: Array, g: Array, m: Memory, t: int) -> Array:
    return np_adam(p, g, m, t, highest=True)


def np_adamax(p: Array, g: Array, m: Memory, t: int) -> Array:
    m["m"] = 0.9 * m["m"] + 0.1 * g
    m["u"] = np.maximum(0.999 * m["u"], np.abs(g))
    return p - 0.05 / (1 - 0.9**t) * m["m"] / (m["u"] + 1e-8)


RULES: dict[str, Callable[..., Array]] = {
    "sgd": np_sgd, "momentum": np_momentum, "nesterov": np_nesterov, "adagrad": np_adagrad, "rmsprop": np_rmsprop,
    "adadelta": np_adadelta, "adam": np_adam, "amsgrad": np_amsgrad, "adamax": np_adamax,
}  # fmt: skip


def problem() -> tuple[Array, Array, Array, Array]:
    """(A, b, p, q) of the loss sum((A p - b)^2) / 7 + sum(tanh(q)^2 + q p[0])."""
    r = np.random.default_rng(SEED)
    return r.normal(size=(7, 4)), r.normal(size=(7, 3)), r.normal(size=(4, 3)), r.normal(size=3)


def loss_of(a: Any, b: Any, p: Any, q: Any) -> Any:
    return T.sum(T.sqr(T.dot(a, p) - b)) / 7 + T.sum(T.sqr(T.tanh(q)) + q * p[0])


def gradients(a: Array, b: Array, p: Array, q: Array) -> tuple[Array, Array]:
    gp = 2 / 7 * a.T @ (a @ p - b)
    gp[0] += q
    return gp, 2 * np.tanh(q) * (1 - np.tanh(q) ** 2) + p[0]


@pytest.mark.parametrize("name", RULES)
def test_fifty_steps(name: str) -> None:
    a, b, p, q = problem()
    params = [ar.shared(p, "p"), ar.shared(q, "q")]
    updates = getattr(optim, name)(loss_of(a, b, *params), params, learning_rate=0.05)
    step = ar.function([], [], updates=updates)
    memories = [{k: np.zeros_like(x) for k in ("v", "s", "d", "m", "top", "u")} for x in (p, q)]
    values = [p, q]
    for t in range(1, STEPS + 1):
        step()
        grads = gradients(a, b, *values)
        values = [RULES[name](x, g, m, t) for x, g, m in zip(values, grads, memories, strict=True)]
        for have, want in zip(params, values, strict=True):
            np.testing.assert_allclose(have.get_value(), want, rtol=1e-10, atol=1e-12, err_msg=f"step {t}")


def test_defaults_are_those_of_the_book() -> None:
    p = ar.shared(np.array([1.0]), "p")
    moved = {
        "adagrad": 1 - 2 / np.sqrt(4 + 1e-6),
        "rmsprop": 1 - 2 / np.sqrt(0.4 + 1e-6),
        "adadelta": 1 - 2 * np.sqrt(1e-6 / (0.4 + 1e-6)),
        "adam": 1 - 0.001 * 2 / (2 + 1e-8 / np.sqrt(0.001)),
        "adamax": 1 - 0.002 * 2 / (2 + 1e-8),
    }
    for name, want in moved.items():
        p.set_value(np.array([1.0]))
        ar.function([], [], updates=getattr(optim, name)([p * 0 + 2], [p]))()
        np.testing.assert_allclose(p.get_value(), want, rtol=1e-12, err_msg=name)


# ---------------------------------------------------------------- how they compile
def planned(function: Any) -> Func:
    return Plan().run(Fuse().run(function.func))


@pytest.mark.parametrize("name", RULES)
def test_an_update_is_one_pass_over_memory_in_place(name: str) -> None:
    p = ar.shared(np.ones((30, 40), np.float32), "p")
    g = T.matrix("g", dtype="float32")
    updates = getattr(optim, name)([g], [p], learning_rate=np.float32(0.1))
    f = ar.function([g], [], updates=updates)
    f(np.full((30, 40), 2, np.float32))
    func = planned(f)
    kernels = [op for op in func.ops if op.name == "fused" and op.results[0].ndim == 2]
    assert len(kernels) == 1 and len(kernels[0].results) == len([v for v in updates if v.ndim])
    assert all(place.startswith("state.") for place in kernels[0].attrs["mem"])
    assert func.attrs["arena"] == 0 and "slots" not in func.attrs
    assert all(v.get_value().dtype == np.float32 for v in updates if v.ndim)


def test_only_the_gradient_of_a_product_is_kept() -> None:
    x = T.matrix("x", dtype="float32")
    w = ar.shared(np.ones((20, 10), np.float32), "w")
    f = ar.function([x], [], updates=optim.adam(T.sum(T.sqr(T.dot(x, w))), [w]))
    f(np.ones((5, 20), np.float32))
    func = planned(f)
    large = [r for op in func.ops for r, m in zip(op.results, op.attrs["mem"], strict=True)
             if r.shape == (20, 10) and m.startswith("arena")]  # fmt: skip
    assert len(large) == 1 and large[0].owner is not None and large[0].owner.name == "gemm"


def test_rates_may_be_shared_or_expressions() -> None:
    p = ar.shared(np.ones(3, np.float32), "p")
    for rate in (ar.shared(np.float64(0.5)), ar.shared(np.float32(0.25)) * 2, 0.5, T.constant(0.5)):
        p.set_value(np.ones(3, np.float32))
        ar.function([], [], updates=optim.sgd(T.sum(p), p, rate))()
        np.testing.assert_array_equal(p.get_value(), np.full(3, 0.5, np.float32))
    halves = optim.momentum(T.sum(p), p, 0.5, momentum=ar.shared(0.5))
    f = ar.function([], [], updates=halves)
    f(), f()
    np.testing.assert_array_equal(p.get_value(), np.full(3, 0.5 - 0.5 - 0.75, np.float32))


def test_updates_are_a_dict_that_can_be_added_to() -> None:
    p = ar.shared(np.ones(3), "p")
    updates = optim.adam(T.sum(p), [p])
    assert next(iter(updates)) is p
    assert [v.name for v in updates] == ["p", "p.mean", "p.squares", "steps"]


@pytest.mark.parametrize(
    ("build", "kind", "message"),
    [
        (lambda p: optim.sgd([p], [p], -0.1), ValueError, r"learning_rate must be 0 or more, not -0\.1"),
        (lambda p: optim.sgd([p], [p], float("nan")), ValueError, r"learning_rate must be 0 or more, not nan"),
        (lambda p: optim.momentum([p], [p], 0.1, 1.0), ValueError, r"momentum must be 0 or more and below 1, not 1\.0"),
        (lambda p: optim.adam([p], [p], epsilon=0.0), ValueError, r"epsilon must be positive, not 0\.0"),
        (lambda p: optim.sgd([p], [p], p), ValueError, r"learning_rate must be a scalar"),
        (lambda p: optim.sgd([p], [p, p], 0.1), ValueError, r"parameter p is given twice"),
        (lambda p: optim.sgd([p, p], [p], 0.1), ValueError, r"2 gradients for 1 parameters"),
        (lambda p: optim.sgd([p], [p * 1], 0.1), TypeError, r"parameters are shared variables of floats"),
        (lambda p: optim.sgd([T.cast(p, "float32")], [p], 0.1), TypeError, r"the gradient of p, .*float64.*float32"),
        (lambda p: optim.sgd([T.sum(p)], [p], 0.1), TypeError, r"the gradient of p"),
        (lambda p: optim.sgd(T.sum(p), ar.shared(np.ones(2, int)), 0.1), TypeError, r"shared variables of floats"),
    ],
)
def test_what_makes_no_sense_is_refused(build: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        build(ar.shared(np.ones(3), "p"))
    assert "test_rules.py" in str(caught.value)
