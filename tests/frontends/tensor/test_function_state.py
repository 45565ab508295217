"""What functions hold between calls: inputs with updates, containers, copies."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, shared


def test_an_input_with_an_update(mode: str) -> None:
    x, s = T.vector("x"), T.vector("s")
    f = function([x, T.In(s, value=[0.0, 1.0], update=s + x)], s * 2)
    np.testing.assert_array_equal(f([1, 1]), [0, 2])
    np.testing.assert_array_equal(f([1, 1]), [2, 4])
    np.testing.assert_array_equal(f.value[s], [2, 3])
    np.testing.assert_array_equal(f([1, 2], [10, 10]), [20, 20])  # given for this call, and updated from there
    np.testing.assert_array_equal(f["s"], [11, 12])
    f["s"] = [0, 0]
    np.testing.assert_array_equal(f(x=[1, 1]), [0, 0])
    assert f.container["s"].value.tolist() == [1, 1]
    np.testing.assert_array_equal(f([1, 1], s=[3, 3]), [6, 6])
    assert f.get_shared() == [] and len(f.inputs) == 2


def test_updates_of_inputs_use_old_values(mode: str) -> None:
    a, b = T.scalars("a", "b")
    w = shared(1.0, "w")
    f = function([T.In(a, value=1.0, update=a + b + w), T.In(b, value=10.0, update=a)], [a, b], updates=[(w, w + a)])
    for _ in range(2):
        last = f()
    assert [float(v) for v in last] == [12, 1]
    assert [float(f[a]), float(f[b]), float(w.get_value())] == [15, 12, 14]


def test_an_input_without_a_value_yet(mode: str) -> None:
    x = T.vector("x")
    f = function([T.In(x, update=x * 2)], x.sum())
    with pytest.raises(TypeError, match=r"Missing required input: x"):
        f()
    assert float(f([1.0, 2.0])) == 3
    assert float(f()) == 6


def test_implicit_inputs(mode: str) -> None:
    x, s = T.scalars("x", "s")
    f = function([T.In(s, value=5.0, update=s + 1, implicit=True), x], x * s)
    assert float(f(2)) == 10
    assert float(f(2)) == 12
    f[s] = 1
    assert float(f(x=3)) == 3
    with pytest.raises(TypeError, match=r"it takes 1, got 2"):
        f(1, 2)
    with pytest.raises(TypeError, match=r"has no input called 's'; it has x"):
        f(1, s=2)
    with pytest.raises(TypeError, match=r"the implicit input s needs a value"):
        T.In(s, implicit=True)


def test_a_shared_variable_as_the_value_of_an_input(mode: str) -> None:
    x, s = T.scalar("x"), shared(3.0, "s")
    f = function([T.In(x, value=s, update=x + 1)], x)
    assert float(f()) == 3
    assert float(s.get_value()) == 4
    s.set_value(10.0)
    assert float(f()) == 10


def test_wrong_updates_of_inputs() -> None:
    x = T.fvector("x")
    with pytest.raises(TypeError, match=r"an update is a variable, not 3"):
        T.In(x, update=3)
    with pytest.raises(TypeError, match=r"An update must have the same type"):
        function([T.In(x, value=np.zeros(2, "float32"), update=x.sum())], x)
    with pytest.raises(TypeError, match=r"Wrong number of dimensions"):
        function([T.In(x, value=np.zeros((2, 2), "float32"), update=x + 1)], x)


def test_containers(mode: str) -> None:
    x, y, z = T.scalars("x", "y", "z")
    w = shared(np.ones(2), "w")
    s = shared(7.0)
    f = function([x, T.In(y, value=2.0), (z, s)], (x + y + z) * w, updates=[(w, w * 2)])
    np.testing.assert_array_equal(f(1), [10, 10])
    assert f.container[x].value is None and float(f.container["y"].value) == 2 and float(f.value[z]) == 7
    np.testing.assert_array_equal(f.value[w], [2, 2])
    f[y] = 4
    f.value[2] = 0.0
    f.container["w"].value = [1.0, 3.0]
    np.testing.assert_array_equal(f(1), [5, 15])
    assert float(s.get_value()) == 0
    assert x in f.container and "w" in f and "no" not in f and 5 not in f and len(f.container) == 4
    with pytest.raises(KeyError, match=r"no input or shared variable 'no'"):
        f["no"]
    with pytest.raises(TypeError, match=r"cannot store"):
        f[y] = "text"
    twice = function([T.scalar("a"), T.scalar("a")], [], on_unused_input="ignore")
    with pytest.raises(TypeError, match=r"several inputs and shared variables are called 'a'"):
        twice["a"]


def test_copies(mode: str) -> None:
    x = T.vector("x")
    v, w = shared(np.ones(2), "v"), shared(np.full(2, 5.0), "w")
    f = function([x], (x * v).sum(), updates=[(v, v + x)], name="f")
    g = f.copy(swap={v: w}, name="g")
    h = f.copy(delete_updates=True)
    assert float(f([1, 2])) == 3 and float(g([1, 2])) == 15
    np.testing.assert_array_equal(v.get_value(), [2, 3])
    np.testing.assert_array_equal(w.get_value(), [6, 7])
    assert float(h([1, 2])) == 8
    assert float(copy.copy(f)([0, 0])) == 0
    np.testing.assert_array_equal(v.get_value(), [2, 3])
    assert (f.name, g.name, h.name) == ("f", "g", "f copy")
    assert f.get_shared() == [v] and g.get_shared() == [w]
    np.testing.assert_array_equal(g.value["w"], [6, 7])


def test_copies_hold_inputs_of_their_own(mode: str) -> None:
    s, x = T.scalars("s", "x")
    f = function([T.In(s, value=1.0, update=s + x), T.In(x, value=2.0)], s)
    f()
    g = f.copy()
    g[x] = 10
    assert [float(v) for v in (g(), g(), f(), f())] == [3, 13, 3, 5]
    h = f.copy(delete_updates=True)
    assert [float(v) for v in (h(), h())] == [7, 7]


def test_wrong_swaps() -> None:
    v, w, u = shared(np.ones(2), "v"), shared(np.ones((2, 2)), "w"), shared(np.ones(2, "float32"), "u")
    f = function([], v * 2)
    with pytest.raises(ValueError, match=r"w is not in the function"):
        f.copy(swap={w: v})
    for other, kind in ((w, r"\(float64, matrix\)"), (u, r"\(float32, vector\)")):
        with pytest.raises(TypeError, match=rf"v of type .* cannot be swapped for .*{kind}"):
            f.copy(swap={v: other})
    with pytest.raises(TypeError, match=r"cannot be swapped for 3 of type int"):
        f.copy(swap={v: 3})  # type: ignore[dict-item]


def test_free_and_go_on(mode: str) -> None:
    x, w = T.vector("x"), shared(0.0, "w")
    f = function([x], T.exp(x).sum() + w, updates=[(w, w + 1)])
    first = f([1.0, 2.0])
    f.free()
    assert float(f([1.0, 2.0])) == float(first) + 1
    assert float(w.get_value()) == 2


# ---------------------------------------------------------------- updates
def test_ordered_updates(mode: str) -> None:
    a, b = shared(1.0, "a"), shared(2.0, "b")
    new = a + 1
    first = T.OrderedUpdates([(a, new)])
    both = first + {b: b * 2}
    assert list(both) == [a, b] and list(first) == [a]
    both[b] = a
    both.update({a: new})
    function([], updates=both)()
    assert (float(a.get_value()), float(b.get_value())) == (2, 1)
    assert list({b: b * 3} + first) == [b, a]
    with pytest.raises(KeyError, match=r"Collision: a has two different updates"):
        both.update({a: a - 1})
    with pytest.raises(TypeError, match=r"keys must inherit from SharedVariable"):
        both[T.scalar()] = a


# ---------------------------------------------------------------- givens
def test_givens_anywhere(mode: str) -> None:
    x, y = T.vectors("x", "y")
    h = T.tanh(x)
    out = (h * y).sum() + h.shape[0]
    w = shared(np.arange(3.0), "w")
    f = function([y], out, givens={h: w})
    assert float(f([1.0, 1.0, 1.0])) == 6
    g = function([y], out, givens={x: w})
    np.testing.assert_allclose(g([1.0, 1.0, 1.0]), np.tanh(np.arange(3)).sum() + 3)
    k: Any = T.lscalar("k")
    np.testing.assert_array_equal(function([k], x[:k], givens={x: w})(2), [0, 1])
