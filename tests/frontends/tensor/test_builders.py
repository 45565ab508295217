"""`OpFromGraph`, and what programs say about how gradients pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import OpFromGraph, function, grad, shared
from arignote.frontends.tensor import gradient as G

A, B = np.array([1.0, -2.0, 0.5]), np.array([3.0, 4.0, -1.0])


def test_graphs_as_functions(mode: str) -> None:
    x, y, w = T.vector("x"), T.vector("y"), shared(2.0, "w")
    a, b = T.vectors("a", "b")
    op = OpFromGraph([x, y], [x * y + w, T.zeros(x.shape[0]) - y], name="mix")
    p, q = op(a + 1, b)
    again = op(b, a)[0]
    f = function([a, b], [p, q, again, *grad((p * q).sum(), [a, b, w])])
    first, second = (A + 1) * B + 2, -B
    wants = [first, second, A * B + 2, second * B, second * (A + 1) - first, second.sum()]
    for got, want in zip(f(A, B), wants, strict=True):
        np.testing.assert_allclose(got, want)
    assert str(op) == "mix" and not isinstance(OpFromGraph([x], [x * 2])(a), list)
    inner = OpFromGraph([x], [T.exp(x)])
    outer = OpFromGraph([x, y], [inner(x) * inner(y)], inline=True)
    np.testing.assert_allclose(function([a, b], grad(outer(a, b).sum(), a))(A, B), np.exp(A + B))


def test_givens_and_updates(mode: str) -> None:
    """What is replaced is so in outputs and updates; a call gives its updates, which gradients do not touch."""
    x, y, a = T.vectors("x", "y", "a")
    mean, count = shared(np.zeros(3), "mean"), shared(0, "count")
    op = OpFromGraph([x], [x * y, y.sum()], givens={y: x + 1}, updates=[(mean, 0.5 * mean + y), (count, count + 1)])
    (product, total), updates = op(2 * a)
    assert list(updates) == [mean, count]
    f = function([a], [product, total, grad(total, a)], updates=updates)
    for step in range(2):
        got = f(A)
        np.testing.assert_allclose(got[0], 2 * A * (2 * A + 1))
        np.testing.assert_allclose(got[1], (2 * A + 1).sum())
        np.testing.assert_allclose(got[2], [2, 2, 2])
        assert count.get_value() == step + 1
    np.testing.assert_allclose(mean.get_value(), 1.5 * (2 * A + 1))
    alone = OpFromGraph([x], [x], updates={count: count * 2})(a)
    function([a], alone[0], updates=alone[1])(A)
    assert count.get_value() == 4


def overridden() -> dict[str, tuple[dict[str, Any], Any]]:
    """Ways to override the gradients of x * y, and what those of (x * y)**2 become, from (x, y, cotangent)."""
    x, y, z, g = T.vectors("x", "y", "z", "g")
    return {
        "function": ({"grad_overrides": lambda xs, gs: [gs[0] * 10, xs[0]]}, lambda x, y, ct: (10 * ct, x)),
        "function with outputs": (
            {"lop_overrides": lambda xs, ys, gs: [ys[0] * gs[0], xs[1]]}, lambda x, y, ct: (x * y * ct, y)),
        "one by one": ({"grad_overrides": ["default", lambda xs, gs: gs[0] * 5]}, lambda x, y, ct: (ct * y, 5 * ct)),
        "graph": ({"grad_overrides": OpFromGraph([x, y, g], [g * 3, y - x])}, lambda x, y, ct: (3 * ct, y - x)),
        "graph with outputs": (
            {"lop_overrides": OpFromGraph([x, y, z, g], [z, g])}, lambda x, y, ct: (x * y, ct)),
        "constants": (
            {"lop_overrides": [T.constant(B), lambda xs, ys, gs: [gs[0]]]}, lambda x, y, ct: (B, ct)),
    }  # fmt: skip


@pytest.mark.parametrize("name", overridden())
def test_gradients_can_be_overridden(name: str, mode: str) -> None:
    kwargs, want = overridden()[name]
    x, y, a, b = T.vectors("x", "y", "a", "b")
    op = OpFromGraph([x, y], [x * y], **kwargs)
    out = op(a, b)
    got = function([a, b], [out, *grad((out**2).sum(), [a, b])])(A, B)
    np.testing.assert_allclose(got[0], A * B)
    for have, expected in zip(got[1:], want(A, B, 2 * A * B), strict=True):
        np.testing.assert_allclose(have, expected)


def test_overrides_of_several_outputs_and_second_order(mode: str) -> None:
    x, a = T.vectors("x", "a")
    op = OpFromGraph([x], [x * 2, x * 3], grad_overrides=lambda xs, gs: [gs[0] * xs[0] ** 2 + gs[1]])
    p, q = op(a)
    first = grad((p + 7 * q).sum(), a)
    only = grad((q**2).sum(), a)
    got = function([a], [first, only, grad(first.sum(), a)])(A)
    for have, want in zip(got, [A**2 + 7, 6 * A, 2 * A], strict=True):
        np.testing.assert_allclose(have, want)


def test_overrides_inside_loops(mode: str) -> None:
    """Twice the cotangent in place of the derivative of tanh, at each of three steps."""
    x, start, w, scale = T.vectors("x", "start", "w", "scale")
    op = OpFromGraph([x], [T.tanh(x)], grad_overrides=lambda xs, gs: [gs[0] * 2.0 * scale + 0 * xs[0]])
    steps, _ = T.scan(lambda h, v: op(h * v), outputs_info=[start], non_sequences=[w], n_steps=3)
    outs = [steps[-1], *grad(steps[-1].sum(), [start, w])]
    s = np.array([1.0, 0.5, 2.0])
    states = [A]
    for _ in range(3):
        states.append(np.tanh(states[-1] * B))
    ct, of_w = np.ones(3), np.zeros(3)
    for h in reversed(states[:3]):
        of_w += 2 * s * ct * h
        ct = 2 * s * ct * B
    got = function([start, w, scale], outs, mode=mode)(A, B, s)
    for have, want in zip(got, [states[3], ct, of_w], strict=True):
        np.testing.assert_allclose(have, want)


def test_gradients_that_are_none(mode: str) -> None:
    x, y, a, b = T.vectors("x", "y", "a", "b")

    def make(rule: Any) -> Any:
        return OpFromGraph([x, y], [x * y], grad_overrides=["default", lambda xs, gs: rule])(a, b).sum()

    np.testing.assert_allclose(function([a, b], grad(make(G.DisconnectedType()()), a))(A, B), B)
    with pytest.raises(T.DisconnectedInputError):
        grad(make(None), b)
    with pytest.raises(G.NullTypeGradError, match=r"input 1 is not implemented. Yet"):
        grad(make(G.grad_not_implemented("mine", 1, y, "Yet.")), b)
    with pytest.raises(G.NullTypeGradError, match=r"input 1 is undefined"):
        grad(make(G.grad_undefined("mine", 1, y)), b)
    with pytest.raises(TypeError, match=r"gradient of b, which is .*vector.*, came out as .*scalar"):
        grad(make(T.constant(1.0)), b)
    nothing = grad(a.sum(), [a, b], disconnected_inputs="ignore", return_disconnected="disconnected")[1]
    assert isinstance(nothing.type, G.DisconnectedType)
    with pytest.raises(G.NullTypeGradError):
        nothing.sum()


def test_wrong_graphs() -> None:
    x, y, w = T.vector("x"), T.vector("y"), shared(np.ones(2), "w")
    cases: list[tuple[type[Exception], str, Any]] = [
        (TypeError, r"inputs must be a list", lambda: OpFromGraph(x, [x])),  # type: ignore[arg-type]
        (TypeError, r"outputs must be variables, but 3 is none", lambda: OpFromGraph([x], [3])),  # type: ignore[list-item]
        (TypeError, r"inputs must be plain variables", lambda: OpFromGraph([x + 1], [x])),
        (TypeError, r"inputs must be plain variables, but w is not", lambda: OpFromGraph([w], [w + x])),
        (TypeError, r"y is needed by an output, and no input", lambda: OpFromGraph([x], [x + y])),
        (TypeError, r"y is needed by an update, and no input", lambda: OpFromGraph([x], [x], updates={w: y})),
        (TypeError, r"update target must be a SharedVariable", lambda: OpFromGraph([x], [x], updates={y: x})),
        (TypeError, r"An update must have the same type", lambda: OpFromGraph([x], [x], updates={w: x.sum()})),
        (RuntimeError, r"x is both an input and replaced", lambda: OpFromGraph([x], [x], givens={x: y})),
        (TypeError, r"Cannot convert Type", lambda: OpFromGraph([x], [x + y], givens={y: x.sum()})),
        (ValueError, r"not both", lambda: OpFromGraph([x], [x], lop_overrides=max, grad_overrides=min)),
        (ValueError, r"2 overrides for 1 inputs", lambda: OpFromGraph([x], [x + 1], grad_overrides=["default"] * 2)),
        (ValueError, r"takes 1 inputs, got 2", lambda: OpFromGraph([x], [x + 1])(x, y)),
        (TypeError, r"Cannot convert Type", lambda: OpFromGraph([x], [x + 1])(T.matrix("m"))),
        (ValueError, r"gave 2 values for 1 inputs",
         lambda: grad(OpFromGraph([x], [x + 1], grad_overrides=lambda xs, gs: gs * 2)(y).sum(), y)),
    ]  # fmt: skip
    for error, message, make in cases:
        with pytest.raises(error, match=message):
            make()


# ---------------------------------------------------------------- how gradients pass
def test_gradients_clipped_scaled_and_stopped(mode: str) -> None:
    x = T.vector("x")
    cubes: list[tuple[Any, Any]] = [
        (lambda v: G.grad_clip(v, -1, 2), np.clip(3 * A**2, -1, 2)), (lambda v: G.grad_scale(v, -2), -6 * A**2),
        (G.zero_grad, 0 * A), (G.consider_constant, 0 * A), (T.consider_constant, 0 * A),
    ]  # fmt: skip
    f = function([x], [grad((mark(x) ** 3).sum(), x) for mark, _ in cubes] + [mark(x) for mark, _ in cubes])
    out = f(A)
    for i, (_, want) in enumerate(cubes):
        np.testing.assert_allclose(out[i], want)
        np.testing.assert_array_equal(out[len(cubes) + i], A)
    with pytest.raises(T.DisconnectedInputError):
        grad((G.disconnected_grad(x) ** 3).sum(), x)
    partly = grad((G.disconnected_grad(x) * x).sum(), x)
    np.testing.assert_array_equal(function([x], partly)(A), A)
    with pytest.raises(TypeError, match=r"the lower bound 1.0 is above the upper bound 0.0"):
        G.grad_clip(x, 1, 0)


def test_markers_leave_nothing_behind() -> None:
    x = T.vector("x")
    f = function([x], G.grad_clip(G.grad_scale(G.zero_grad(x), 2), -1, 1) * 2)
    f(A)
    assert [op.name for op in f.func.ops] == ["const", "mul"]


def test_names_of_gradients() -> None:
    x, y = T.vector("x"), T.vector()
    cost = (T.exp(x) * y).sum()
    cost.name = "cost"
    gx, gy = grad(cost, [x, y])
    assert gx.name == "(dcost/dx)" and gy.name is None
    assert grad(cost, x, add_names=False).name == "d.x"


def test_gradients_of_a_part_of_a_graph(mode: str) -> None:
    x, w1, w2 = T.vector("x"), T.matrix("w1"), T.matrix("w2")
    h = T.tanh(T.dot(x, w1))
    out = T.tanh(T.dot(h, w2))
    cost = (out**2).sum()
    (g2,), (gh,) = G.subgraph_grad([w2], [h], cost=cost)
    (g1,), (gx,) = G.subgraph_grad([w1], [x], start={h: gh})
    _, _, own, both = G.subgraph_grad([w1], [x], start={h: gh}, cost=(h**2).sum(), details=True)
    rng = np.random.default_rng(0)
    arrays = [A, rng.normal(size=(3, 4)), rng.normal(size=(4, 2))]
    wants = [*grad(cost, [w2, w1, x]), 2 * h, gh + 2 * h]
    got = function([x, w1, w2], [g2, g1, gx, *own, *both, *wants])(*arrays)
    for have, want in zip(got[:5], got[5:], strict=True):
        np.testing.assert_allclose(have, want)
    with pytest.raises(ValueError, match=r"start or cost"):
        G.subgraph_grad([w1], [x])
