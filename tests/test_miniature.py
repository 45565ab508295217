"""The compiler in one file that `docs/` shows: its results against NumPy, its memory, its messages."""

import importlib
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
FILE = Path(__file__).resolve().parent.parent / "docs" / "miniature.py"


@pytest.fixture(scope="module")
def mini() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FILE.parent)
        return importlib.import_module("miniature")


def step_by_hand(x: Array, y: Array, w: Array, b: Array, rate: float) -> float:
    """A step of logistic regression in float64; `w` and `b` change."""
    scores = x @ w + b
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    cost = -np.sum(y * np.log(p)) / len(x)
    ct = (p - y) / len(x)
    w -= rate * x.T @ ct
    b -= rate * ct.sum(0, keepdims=True)
    return float(cost)


def test_training_agrees_with_numpy(mini: ModuleType) -> None:
    x, y, cost, updates, _ = mini.logistic_regression(20, 0.5)
    step = mini.Function([x, y], [cost], updates)
    random = np.random.default_rng(1)
    w, b = np.zeros((64, 10)), np.zeros((1, 10))
    for _ in range(10):
        images, classes = random.random((20, 64)), np.eye(10)[random.integers(0, 10, 20)]
        assert step(images, classes)[0][0, 0] == pytest.approx(step_by_hand(images, classes, w, b, 0.5), rel=1e-5)
    for s, expected in zip(updates, (w, b), strict=True):
        np.testing.assert_allclose(s.data, expected, rtol=1e-4, atol=1e-6)
    assert not step.plan.copies, "both updates are in place"
    assert all(n.op != "transpose" for n in mini.toposort(step.roots)), "the product reads the images transposed"


def test_gradients_agree_with_differences(mini: ModuleType) -> None:
    x, v = mini.parameter("x", 3, 4), mini.parameter("v", 1, 4)
    a = mini.make("exp", x * v) / (x * x + 2.0) - mini.make("log", x + 1.5)
    cost = mini.make("sum", (-(a + v)) @ mini.make("transpose", x), attr=(0, 1))
    f = mini.Function([x, v], [cost, *mini.grad(cost, [x, v])], {})
    random = np.random.default_rng(2)
    values = [random.uniform(0.5, 1.5, n.shape) for n in (x, v)]
    _, *grads = f(*values)

    def by_hand(x: Array, v: Array) -> float:
        return float(np.sum(-(np.exp(x * v) / (x * x + 2) - np.log(x + 1.5) + v) @ x.T))

    assert f(*values)[0][0, 0] == pytest.approx(by_hand(*values), rel=1e-5)
    for value, got in zip(values, grads, strict=True):
        for place in np.ndindex(value.shape):
            old, costs = value[place], []
            for value[place] in (old - 1e-5, old + 1e-5):
                costs.append(by_hand(*values))
            value[place] = old
            assert got[place] == pytest.approx((costs[1] - costs[0]) / 2e-5, rel=1e-3, abs=1e-3)


def test_updates_see_the_old_values(mini: ModuleType) -> None:
    a, b = mini.state("a", np.ones((2, 3))), mini.state("b", np.full((2, 3), 5.0))
    f = mini.Function([], [a, a + b, a, mini.constant(3)], {a: b, b: a + b})
    first, total, again, three = f()
    np.testing.assert_array_equal([first, again, total], [np.ones((2, 3))] * 2 + [np.full((2, 3), 6.0)])
    assert three == 3
    np.testing.assert_array_equal([a.data, b.data], [np.full((2, 3), 5.0), np.full((2, 3), 6.0)])
    s = mini.state("s", np.arange(4.0).reshape(2, 2))
    mini.Function([], [], {s: s @ s})()
    np.testing.assert_array_equal(s.data, [[2, 3], [6, 11]])


def test_values_that_are_needed_do_not_share_memory(mini: ModuleType) -> None:
    x, y, cost, updates, _ = mini.logistic_regression(20, 0.5)
    f = mini.Function([x, y], [cost], updates)
    last = {n: i for i, k in enumerate(f.kernels) for n in mini.reads(k, f.kernels)}
    spans = [
        (i, last[n], f.plan.places[n], f.plan.places[n] + n.shape[0] * n.shape[1])
        for i, n in enumerate(f.kernels)
        if isinstance(f.plan.places[n], int)
    ]
    for born, _, begin, end in spans:
        for other, dies, low, high in spans:
            if other < born <= dies:
                assert end <= low or high <= begin
    assert f.plan.arena == max(end for *_, end in spans) < sum(end - begin for *_, begin, end in spans)


def test_optimising(mini: ModuleType) -> None:
    x = mini.parameter("x", 4, 4)
    twice = mini.make("exp", x * 1.0 + 0.0) + mini.make("exp", x)
    (root,) = mini.optimise([twice * (mini.constant(2) * 3.0)])
    assert mini.text([root]) == (
        "  %0 = parameter() x : 4x4\n  %1 = exp(%0) : 4x4\n  %2 = add(%1, %1) : 4x4\n"
        "  %3 = const() 6.0 : 1x1\n  %4 = mul(%2, %3) : 4x4\n"
    )
    assert mini.cut([root]) == [root.inputs[0].inputs[0], root], "exp is used twice, the rest is one loop"


def test_errors_name_the_operation_and_the_shapes(mini: ModuleType) -> None:
    x = mini.parameter("x", 2, 3)
    with pytest.raises(TypeError, match="dot: 2x3 and 2x3 do not fit"):
        x @ x
    with pytest.raises(TypeError, match="add: shapes 2x3 and 3x2 do not broadcast"):
        x + mini.make("transpose", x)
    with pytest.raises(TypeError, match="max has no derivative here"):
        mini.grad(mini.make("max", x, attr=(0, 1)), [x])
    with pytest.raises(TypeError, match=r"an argument has the shape \(3, 2\), not \(2, 3\)"):
        mini.Function([x], [x * 2.0], {})(np.zeros((3, 2)))


def test_it_shows_every_stage_and_learns(mini: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    mini.main()
    out = capsys.readouterr().out
    stages = ("recorded:", "with gradients and updates:", "optimised:", "kernels,", "loops:", "machine", "training:")
    assert [out.index(s) for s in stages] == sorted(out.index(s) for s in stages)
    shares = [float(s) for s in re.findall(r"([\d.]+)% of unseen digits right", out)]
    assert len(shares) == 3
    assert shares[-1] > 94
    for path in re.findall(r"\b(?:ir|passes|codegen|frontends)/[\w/]+(?:\.py|/)", FILE.read_text(encoding="utf-8")):
        assert (FILE.parent.parent / path).exists(), path
