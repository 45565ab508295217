"""Sparse matrices as arguments, results, shared variables and replacements; names and paths of Theano's."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import arignote as ar
from arignote.frontends import sparse as S
from arignote.frontends import tensor as T
from arignote.frontends.tensor.errors import UnusedInputError
from tests.frontends.sparse.cases import random_matrix, same

RNG = np.random.default_rng(7)
A, B = random_matrix(4, 3, RNG), random_matrix(4, 3, RNG)


def test_arguments_by_name_with_defaults_and_of_other_shapes() -> None:
    x, y, w = S.csr_matrix("x", "float64"), S.csr_matrix("y", "float64"), T.dvector("w")
    f = ar.function([x, ar.In(y, value=B), (w, np.ones(3))], {"sum": S.add(x, y), "dot": S.dot(x, w)})
    found = f(A)
    same(found["sum"], A + B, "csr")
    same(found["dot"], A @ np.ones(3))
    found = f(y=A, w=np.arange(3.0), x=B)
    same(found["sum"], A + B, "csr")
    same(found["dot"], B @ np.arange(3.0))
    larger = random_matrix(6, 3, np.random.default_rng(1))
    same(f(larger, larger)["sum"], 2 * larger, "csr")
    assert f.name is None
    parts = ("data", "indices", "indptr", "minor")
    assert [i.name for i in f.inputs] == [*(f"{name}.{part}" for name in "xy" for part in parts), "w"]
    with pytest.raises(TypeError, match="Too many parameter"):
        f(A, B, np.ones(3), 1)
    with pytest.raises(TypeError, match=r"Missing required input: .*x\.data"):
        f()


def test_arguments_of_another_kind_are_refused() -> None:
    x = S.csr_matrix("x", "float64")
    f = ar.function([x], x.T)
    for value, message in (
        (A.tocsc(), r"index 0 \(0-based\), input 'x'. Sparse\[float64, csr\] takes a csr matrix, got csc"),
        (A.toarray(), "takes a sparse matrix of SciPy's, not ndarray"),
        (A.astype(complex), "dtype complex128 without risking loss"),
    ):
        with pytest.raises(TypeError, match=message):
            f(value)
    same(f(A.astype(np.float32)), A.astype(np.float32).astype(np.float64).T, "csc")
    narrow = ar.function([S.csr_matrix("x", "float32")], [], on_unused_input="ignore")
    with pytest.raises(TypeError, match="cannot store a matrix of dtype float64"):
        narrow(A)
    with pytest.raises(UnusedInputError, match="index 1"):
        ar.function([x, T.dvector("w")], x.T)
    with pytest.raises(UnusedInputError, match="index 0"):
        ar.function([x], T.ones(3))


def test_elements_twice_and_out_of_order_are_as_in_scipy() -> None:
    twice = scipy.sparse.csr_matrix((np.array([1.0, 2, 3]), np.array([2, 0, 2]), np.array([0, 3])), shape=(1, 3))
    x: Any = S.csr_matrix("x", "float64")
    basic: Any = S
    f = ar.function([x], [x.toarray(), x.data, basic.sqr(x)])
    dense, data, squares = f(twice)
    same(dense, twice)
    assert data.tolist() == [2, 4]
    same(squares, np.array([[4.0, 0, 16]]), "csr")
    assert twice.nnz == 3, "an argument is left as it is"


def test_shared_matrices_change_shape_and_places() -> None:
    s: Any = ar.shared(A, name="s")
    x = S.csr_matrix("x", "float64")
    assert isinstance(s, S.SparseSharedVariable)
    f = ar.function([x], S.sp_sum(s, 0), updates=[(s, S.add(s, x))])
    same(f(B), np.asarray(A.sum(0)).ravel())
    same(f(B), np.asarray((A + B).sum(0)).ravel())
    same(s.get_value(), A + 2 * B, "csr")
    wide = random_matrix(2, 5, np.random.default_rng(2))
    s.set_value(wide)
    same(f(wide), np.asarray(wide.sum(0)).ravel())
    same(s.get_value(), 2 * wide, "csr")
    with pytest.raises(TypeError, match="takes a csr matrix, got csc"):
        s.set_value(A.tocsc())
    scaled = ar.function([], s, updates={s: s * 2.0})
    same(scaled(), 2 * wide, "csr")
    same(s.get_value(), 4 * wide, "csr")
    # Gradient descent on the stored elements, in place.
    cost = (S.dot(s, np.ones(5)) ** 2).sum()
    step = ar.function([], cost, updates=[(s, S.sub(s, 0.1 * ar.grad(cost, s)))])
    assert float(step()) > float(step()) > float(step())
    with pytest.raises(TypeError, match=r"updates: s is .*csr.* but what takes its place is .*csc"):
        ar.function([], [], updates=[(s, S.transpose(s))])
    with pytest.raises(TypeError, match="but what takes its place is"):
        ar.function([], [], updates=[(s, T.ones((2, 5)))])
    with pytest.raises(TypeError, match="must be a shared variable"):
        ar.function([x], [], updates=[(x, x)])
    with pytest.raises(TypeError, match="computed, constant or shared"):
        ar.function([s], s)


def test_replacements_and_eval() -> None:
    x, y, w = S.csr_matrix("x", "float64"), S.csr_matrix("y", "float64"), T.dvector("w")
    f = ar.function([y], S.dot(x, np.ones(3)), givens={x: y})
    same(f(A), A @ np.ones(3))
    same(ar.function([], x.T, givens=[(x, B)])(), B.T, "csc")
    same(S.add(x, y).eval({x: A, y: B}), A + B, "csr")
    same(ar.dot(x, w).eval({x: A, w: np.ones(3)}), A @ np.ones(3))
    dense = T.dmatrix("d")
    same((dense + x).eval({dense: np.ones((4, 3)), x: A}), A.toarray() + 1)
    same((2.0 * x).eval({x: A}), 2 * A, "csr")
    same(T.dot(dense, x).eval({dense: np.ones((2, 4)), x: A}), np.ones((2, 4)) @ A)


def test_copies_use_other_shared_matrices() -> None:
    s, t, x = ar.shared(A), ar.shared(B), S.csr_matrix("x", "float64")
    f = ar.function([x], S.add(s, x))
    g = f.copy(swap={s: t})
    same(f(A), 2 * A, "csr")
    same(g(A), A + B, "csr")
    with pytest.raises(TypeError, match="cannot be swapped for"):
        f.copy(swap={s: ar.shared(A.tocsc())})


@pytest.mark.parametrize("chosen", ["DebugMode", "NanGuardMode"])
def test_modes_that_look_at_every_value(chosen: str) -> None:
    modes: Any = importlib.import_module("arignote.frontends.tensor.modes")
    mode = modes.DebugMode() if chosen == "DebugMode" else modes.NanGuardMode(True, True, True)
    s: Any = ar.shared(A)
    x, w = S.csr_matrix("x", "float64"), T.dmatrix("w")
    f = ar.function([x, w], [S.dot(x, w), ar.grad(S.dot(x, w).sum(), w)], updates=[(s, S.add(s, x))], mode=mode)
    product, gradient = f(B, np.ones((3, 2)))
    same(product, B @ np.ones((3, 2)))
    same(gradient, B.T @ np.ones((4, 2)))
    same(s.get_value(), A + B, "csr")


def test_loops_use_sparse_matrices_from_outside() -> None:
    x, v = S.csr_matrix("x", "float64"), T.dvector("v")
    steps, _ = ar.scan(lambda u: S.dot(x, u) / 2, outputs_info=v, n_steps=3)
    square = random_matrix(4, 4, np.random.default_rng(9))
    f = ar.function([x, v], [steps[-1], ar.grad(steps[-1].sum(), v)])
    m = np.linalg.matrix_power(square.toarray() / 2, 3)
    for found, want in zip(f(square, np.ones(4)), (m @ np.ones(4), m.T @ np.ones(4)), strict=True):
        same(found, want)


def test_updates_of_dense_variables_may_change_their_size(mode: str) -> None:
    """What shared sparse matrices rely on: memory of another size takes the place of that of a variable."""
    w, x = ar.shared(np.ones(3), name="w"), T.dvector("x")
    grow = ar.function([x], w.sum(), updates=[(w, T.concatenate([w, x]))], mode=mode)
    keep = ar.function([x], [], updates=[(w, x[T.nonzero(x)[0]])], mode=mode)
    assert [float(grow(np.zeros(2))) for _ in range(3)] == [3, 3, 3]
    assert w.get_value().tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0]
    keep(np.array([1.0, 0, 2, 0, 3]))
    assert w.get_value().tolist() == [1, 2, 3]
    keep(np.arange(100.0))
    assert len(w.get_value()) == 99
    assert float(grow(np.zeros(1))) == 4950


def test_updates_in_place_stay_in_place() -> None:
    """A size that an argument states is that of the weights: their update needs no memory of its own."""
    x, w = T.TensorType("float64", shape=(None, 3))("x"), ar.shared(np.ones((3, 2)))
    cost = (T.dot(x, w) ** 2).sum()
    f = ar.function([x], cost, updates=[(w, w - 0.01 * ar.grad(cost, w))])
    array = w.container.array
    f(np.ones((4, 3)))
    assert w.container.array is array
    assert f.executable.resized == []  # type: ignore[attr-defined]
    reset = ar.function([], [], updates=[(w, T.zeros((1, 5)))])
    reset()
    assert w.get_value().shape == (1, 5)


def test_names_and_paths() -> None:
    for path in ("sparse", "sparse.basic", "sparse.sandbox.sp2", "sparse.type", "sparse.sharedvar"):
        assert importlib.import_module(f"arignote.{path}") is not None
    basic = [importlib.import_module(f"arignote.{path}.basic") for path in ("sparse", "frontends.sparse")]
    assert basic[0] is basic[1]
    assert S._is_sparse_variable(S.csr_matrix()) and not S._is_sparse_variable(T.dmatrix())
    assert S._is_sparse(A) and not S._is_sparse(np.ones(2))
    assert S.SparseType("csr", "float64")() .type == S.csr_matrix(dtype="float64").type
    assert "float64" in S.SparseType.dtype_set
    program = (
        "import arignote.theano, theano, theano.sparse, numpy as np, scipy.sparse as sp\n"
        "from theano import sparse\n"
        "x = sparse.csr_matrix('x'); f = theano.function([x], theano.dot(x, np.ones(3)))\n"
        "print(f(sp.csr_matrix(np.eye(3))).tolist(), sparse.enable_sparse)\n"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[1.0, 1.0, 1.0] True"
