"""Clones, walks and comparisons of recorded graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import clone, function, shared, walks


# ---------------------------------------------------------------- clone
def test_clone_replaces_inputs_and_intermediates(mode: str) -> None:
    x, y, z = T.vectors("x", "y", "z")
    h = T.tanh(x)
    out = (h * y).sum()
    a, b = np.array([0.5, 1.0]), np.array([2.0, 3.0])
    f = function(
        [x, y],
        [clone(out, {x: y}), clone(out, {h: y}), clone(out, [(y, x + 1)]), clone(out, {x: x * 2}), clone(out)],
    )
    wants = [np.tanh(b) @ b, b @ b, np.tanh(a) @ (a + 1), np.tanh(2 * a) @ b, np.tanh(a) @ b]
    np.testing.assert_allclose(f(a, b), wants)
    assert clone([out, h], {x: z})[1] is not h
    assert isinstance(clone((out,), {}), tuple) and list(clone({"cost": out}, {x: z})) == ["cost"]
    assert clone(h, {x: z}).owner.inputs == [z]
    assert clone(out, {out: x.sum()}).owner.op.name == "sum"


def test_clone_with_inputs_of_its_own(mode: str) -> None:
    x, w = T.matrix("x"), shared(np.ones(3), "w")
    out = T.dot(x, w) + T.zeros(x.shape[0])
    copy = clone(out, share_inputs=False)
    (new,) = [v for v in walks.graph_inputs([copy]) if v.name == "x"]
    assert new is not x and w in walks.ancestors([copy])
    np.testing.assert_array_equal(function([new], copy)(np.ones((2, 3))), [3, 3])


def test_dimensions_follow_their_replacement(mode: str) -> None:
    x, k = T.matrix("x"), T.lscalar("k")
    out = T.ones((x.shape[0], 2)) * x[:k].sum() + T.arange(x.shape[0]).dimshuffle(0, "x")
    s = T.matrix("s", shape=(4, 5))
    fixed = clone(out, {x: s}, strict=False)
    assert fixed.value_.shape == (4, 2)
    np.testing.assert_array_equal(function([s, k], fixed)(np.ones((4, 5)), 2), 10 + np.arange(4)[:, None] * [1, 1])
    known = clone(out, {k: T.constant(np.int64(1))})
    assert [v for v in walks.inputs([known]) if not isinstance(v, T.TensorConstant)] == [x]
    np.testing.assert_array_equal(function([x], known)(np.ones((3, 2))), 2 + np.arange(3)[:, None] * [1, 1])


def test_wrong_replacements() -> None:
    x, y = T.vector("x"), T.fvector("y")
    with pytest.raises(TypeError, match=r"Cannot convert Type TensorType\(float32, vector\) \(of Variable y\)"):
        clone(x * 2, {x: y})
    loose = clone(x * 2, {x: y}, strict=False)
    assert loose.dtype == "float64"
    np.testing.assert_array_equal(function([y], loose, mode="reference")(np.ones(2, "float32")), [2, 2])
    with pytest.raises(TypeError, match=r"clone replaces variables, but 3 is none"):
        clone(x * 2, {3: x})
    row = T.row("r")
    with pytest.raises(TypeError, match=r"into Type TensorType\(float64, row\)"):
        clone(row * 2, {row: T.matrix("m")})


# ---------------------------------------------------------------- walks
def test_walks() -> None:
    x, y, w = T.vector("x"), T.vector("y"), shared(np.ones(2), "w")
    a = x + y
    b = a * w
    out = b.sum()
    assert list(walks.ancestors([out])) == [out, b, a, x, y, w]
    assert list(walks.ancestors([out], blockers=[a])) == [out, b, a, w]
    assert walks.inputs([out]) == [x, y, w]
    assert list(walks.graph_inputs([out], blockers=[a])) == [w]
    assert [str(n.op.name) for n in walks.io_toposort([x, y], [out])] == ["add", "mul", "sum"]
    assert len(walks.ops([a], [out])) == 2 and walks.list_of_nodes is walks.ops
    assert walks.variables([x], [b]) == {b, a, x, y, w}
    part = b[:1]
    assert part in walks.ancestors([part + 1]), "a part of a variable is found as itself"
    edges = {1: [2, 3], 2: [4], 3: [4], 4: None}
    assert list(walks.walk([1], edges.__getitem__)) == [1, 2, 3, 4]
    assert list(walks.walk([1], edges.__getitem__, bfs=False)) == [1, 3, 4, 2]


def test_clone_of_a_graph(mode: str) -> None:
    x, y = T.vectors("x", "y")
    (p, q), (out,) = walks.clone([x, y], [x - y])
    assert p is not x and p.name == "x"
    np.testing.assert_array_equal(function([p, q], out)([3.0], [1.0]), [2])
    same, (again,) = walks.clone([x, y], [x - y], copy_inputs=False)
    assert same == [x, y] and list(walks.ancestors([again])) == [again, x, y]


# ---------------------------------------------------------------- comparisons
def test_equal_computations() -> None:
    x, y, z = T.matrices("x", "y", "z")
    k, w = T.lscalar("k"), shared(np.ones(2), "w")

    def make(v: Any, n: Any = k) -> Any:
        return T.exp(v[:n]).sum(axis=0) * w + T.zeros((v.shape[1],)) + v.shape[0]

    assert walks.equal_computations([make(x)], [make(x)])
    assert not walks.equal_computations([make(x)], [make(y)])
    assert walks.equal_computations([make(x)], [make(y)], [x], [y])
    assert walks.equal_computations([make(x), x], [make(y, T.lscalar()), y], [x], [y]) is False
    n = T.lscalar("n")
    assert walks.equal_computations([make(x, k)], [make(y, n)], [x, k], [y, n])
    assert walks.is_same_graph(x + y * 2, x + y * 2)
    assert not walks.is_same_graph(x + y * 2, x + y * 3)
    assert not walks.is_same_graph(x - y, y - x)
    assert walks.is_same_graph(x - y, y - x, {x: y, y: x})
    assert walks.is_same_graph(T.exp(x) * z, T.tanh(x) * z, givens=[(T.exp(x), T.tanh(x))]) is False
    e = T.exp(x)
    t = T.tanh(x)
    assert walks.is_same_graph(e * z, t * z, givens=[(e, t)])
    assert walks.is_same_graph(e + e, T.exp(x) + T.exp(x)), "computed once or twice"
    assert not walks.is_same_graph(x.sum(axis=0), x.sum(axis=1))
    assert not walks.is_same_graph(T.fmatrix("a") * 2, x * 2)
    assert walks.is_same_graph(x, x) and not walks.is_same_graph(x, y)
    with pytest.raises(ValueError, match=r"number of graphs"):
        walks.equal_computations([x], [])
    with pytest.raises(ValueError, match=r"number of inputs"):
        walks.equal_computations([x], [y], [x], [])
