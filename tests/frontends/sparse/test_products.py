"""Products with sparse matrices and their gradients, against SciPy and NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given

import arignote as ar
from arignote.frontends import sparse as S
from arignote.frontends import tensor as T
from tests.frontends.sparse.cases import many, random_matrix, same, sizes


def products(format: str, dtype: str, mode: str | None) -> Any:
    """A function of all products of x, n by k, in a format."""
    x, y = S.matrix(format, "x", dtype), S.matrix(format, "y", dtype)
    w, left, v = T.matrix("w", dtype), T.matrix("left", dtype), T.vector("v", dtype)
    outputs = [
        S.dot(x, w), S.dot(left, x), S.structured_dot(x, v), S.dot(v, x.T), S.true_dot(x, y), S.dot(x, y),
        S.sampling_dot(left.T, w.T, x), S.usmm(2, x, w, S.dot(x, w)),
    ]  # fmt: skip
    return ar.function([x, y, w, left, v], outputs, mode=mode)


def check_products(f: Any, format: str, dtype: str, case: tuple[int, ...]) -> None:
    n, k, m, seed = case
    rng = np.random.default_rng(seed)
    x, y = random_matrix(n, k, rng, format, dtype), random_matrix(k, m, rng, format, dtype)
    w, left = (random_matrix(*s, rng, dtype=dtype).toarray() for s in ((k, k), (k, n)))
    v = rng.integers(-3, 3, k).astype(dtype)
    found = f(x, y, w, left, v)
    wants = [x @ w, left @ x, x @ v, x @ v, x @ y, (x @ y).toarray(), x.multiply(left.T @ w), 3 * (x @ w)]
    formats = [None, None, None, None, format, None, format, None]
    for got, want, kind in zip(found, wants, formats, strict=True):
        same(got, want, kind, 1e-4 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize(("format", "dtype"), [("csr", "float64"), ("csc", "float32"), ("csr", "int32")])
def test_products_agree_with_scipy(format: str, dtype: str) -> None:
    f = products(format, dtype, "reference")
    many(given(sizes)(lambda case: check_products(f, format, dtype, case)))()


@pytest.mark.parametrize(("format", "dtype"), [("csr", "float32"), ("csc", "float64")])
def test_compiled_products_agree_with_scipy(format: str, dtype: str) -> None:
    f = products(format, dtype, None)
    for seed, case in enumerate([(3, 4, 5), (40, 50, 70), (41, 51, 1)]):
        check_products(f, format, dtype, (*case, seed))


def gradients(format: str, mode: str | None) -> Any:
    """A function of gradients with respect to (x, y, w, v), and of second ones with respect to (x, w)."""
    x, y = S.matrix(format, "x", "float64"), S.matrix(format, "y", "float64")
    w, v = T.dmatrix("w"), T.dvector("v")
    cost = (S.dot(x, w) ** 2).sum() + (S.dot(v, x) ** 3).sum() + S.sampling_dot(w.T, w.T, y).sum()
    cost += (S.true_dot(x, y).data ** 2).sum()
    first = ar.grad(cost, [x, y, w, v])
    second = ar.grad((first[2] ** 2).sum() + first[0].sum(), [x, w])
    return ar.function([x, y, w, v], [*first, *second], mode=mode)


def check_gradients(f: Any, format: str, case: tuple[int, ...]) -> None:
    n, k, _, seed = case
    rng = np.random.default_rng(seed)
    a, b = random_matrix(n, k, rng, format), random_matrix(k, k, rng, format)
    d, e = rng.normal(size=(k, k)), rng.normal(size=n)
    found = f(a, b, d, e)
    da, db = a.toarray(), b.toarray()
    row = e @ da
    want_x = 2 * da @ d @ d.T + 3 * np.outer(e, row**2) + 2 * (da @ db) @ db.T
    want_y = d.T @ d + 2 * da.T @ (da @ db)
    want_w = 2 * da.T @ da @ d + d @ (db + db.T)
    wants = [want_x * (da != 0), want_y * (db != 0), want_w, 3 * da @ row**2]
    for got, want, kind in zip(found[:4], wants, (format, format, None, None), strict=True):
        same(got, want, kind, 1e-9)
    # Second derivatives by central differences of the first ones along a direction.
    along, step, eps = a.copy(), rng.normal(size=d.shape), 1e-5
    along.data = rng.normal(size=along.data.shape)

    def value(t: float, s: float) -> float:
        moved = a.copy()
        moved.data = a.data + t * along.data
        g = f(moved, b, d + s * step, e)
        return float((g[2] ** 2).sum() + g[0].sum())

    for have, (t, s) in ((found[4].multiply(along).sum(), (eps, 0)), ((found[5] * step).sum(), (0, eps))):
        slope = (value(t, s) - value(-t, -s)) / (2 * eps)
        np.testing.assert_allclose(have, slope, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_gradients_are_those_of_stored_elements_and_of_whole_dense_operands(format: str) -> None:
    f = gradients(format, "reference")
    many(given(sizes)(lambda case: check_gradients(f, format, case)))()


def test_compiled_gradients() -> None:
    f = gradients("csr", None)
    for seed, case in enumerate([(3, 4, 0), (13, 24, 0)]):
        check_gradients(f, "csr", (*case, seed))


def test_places_twice_and_out_of_order_are_summed(mode: str) -> None:
    d, i, p = T.dvector("d"), T.ivector("i"), T.ivector("p")
    w = T.dmatrix("w")
    x = S.CSR(d, i, p, (2, 4))
    back = ar.grad(S.dot(x, w).sum(), d)
    outputs = [S.dot(x, w), S.dense_from_sparse(x), S.dot(x.T, w[:2]), back, S.add(x, x).toarray()]
    f = ar.function([d, i, p, w], outputs, mode=mode)
    data, columns, begin = np.arange(1.0, 6), np.array([3, 0, 3, 1, 1], np.int32), np.array([0, 3, 5], np.int32)
    dense = np.array([[2.0, 0, 0, 4], [0, 9, 0, 0]])
    y = np.random.default_rng(0).normal(size=(4, 3))
    wants = [dense @ y, dense, dense.T @ y[:2], y.sum(axis=1)[columns], 2 * dense]
    for found, want in zip(f(data, columns, begin, y), wants, strict=True):
        np.testing.assert_allclose(found, want)


def test_bad_structures_end_the_call() -> None:
    d, i, p = T.dvector("d"), T.ivector("i"), T.ivector("p")
    x = S.CSR(d, i, p, (3, 3))
    f = ar.function([d, i, p], [S.dot(x, T.eye(3)), S.dot(x.T, T.eye(3)), S.row_scale(x, np.ones(3)).data])
    good = np.ones(2), np.array([0, 2], np.int32), np.array([0, 1, 2, 2], np.int32)
    np.testing.assert_array_equal(f(*good)[0], [[1, 0, 0], [0, 0, 1], [0, 0, 0]])
    for indices, indptr, message in [
        ([0, 3], [0, 1, 2, 2], "index 3 is out of bounds for axis 1 with size 3"),
        ([0, -4], [0, 1, 2, 2], "index -4 is out of bounds"),
        ([0, 1], [0, 1, 2, 9], "index 9 is out of bounds for a dimension of size 3"),
        ([0, 1], [7, 1, 2, 2], "index 7 is out of bounds"),
    ]:
        with pytest.raises(IndexError, match=message) as caught:
            f(good[0], np.array(indices, np.int32), np.array(indptr, np.int32))
        assert "test_products.py" in str(caught.value)
    # Rows that overlap or do not begin at the first element: any numbers, but no crash.
    for indptr in ([2, 1, 0, 1], [1, 2, 0, 2]):
        f(good[0], good[1], np.array(indptr, np.int32))


def test_sizes_that_do_not_fit() -> None:
    x, w = S.csr_matrix("x", "float64"), T.dmatrix("w")
    a = random_matrix(3, 4, np.random.default_rng(0))
    f = ar.function([x, w], S.dot(x, w))
    with pytest.raises(AssertionError, match="x has another number of columns than w has rows"):
        f(a, np.ones((5, 2)))
    constant = S.as_sparse_variable(a)
    with pytest.raises(ValueError, match=r"another number of columns.*: 4 and 5"):
        S.dot(constant, T.ones((5, 2)))
    with pytest.raises(ValueError, match="inner sizes of sparse matrices differ: 4 and 3"):
        S.true_dot(constant, constant)
    for wrong in (T.dscalar("s"), T.dtensor3("t")):
        with pytest.raises(TypeError, match="by a vector or a matrix"):
            S.dot(x, wrong)
    with pytest.raises(TypeError, match="one operand at least must be sparse"):
        S.dot(w, w)


def test_a_classifier_of_sparse_rows_learns() -> None:
    """Logistic regression with sparse inputs follows the same steps on dense ones."""
    rng = np.random.default_rng(1)
    features = random_matrix(200, 30, np.random.default_rng(5))
    while features.nnz < 1000:
        features = random_matrix(200, 30, rng)
    labels = (features @ rng.normal(size=30) > 0).astype(np.int32)
    x, dense, y = S.csr_matrix("x", "float64"), T.dmatrix("dense"), T.ivector("y")
    losses = []
    for inputs, value in ((x, features), (dense, features.toarray())):
        w = ar.shared(np.zeros((30, 2)))
        p = T.nnet.softmax(ar.dot(inputs, w))
        cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
        train = ar.function([inputs, y], cost, updates=[(w, w - ar.grad(cost, w))])
        losses.append([float(train(value, labels)) for _ in range(20)])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-10)
    assert losses[0][-1] < 0.4 * losses[0][0]
