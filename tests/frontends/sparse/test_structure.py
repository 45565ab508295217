"""Conversions, sums, elementwise functions, blocks and parts of sparse matrices, against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given

import arignote as ar
from arignote.frontends import sparse as S
from arignote.frontends import tensor as T
from tests.frontends.sparse.cases import many, random_matrix, same, sizes

Basic: Any = S


def everything(format: str, mode: str | None) -> Any:
    """A function of two n by k matrices, dense ones, vectors and two places."""
    other = "csc" if format == "csr" else "csr"
    x, y = S.matrix(format, "x", "float64"), S.matrix(other, "y", "float64")
    d, r, c = T.dmatrix("d"), T.dvector("r"), T.dvector("c")
    i, j = T.lscalars("i", "j")
    outputs = [
        x.T, S.dense_from_sparse(x), S.csr_from_dense(d), S.csc_from_dense(d), S.add(x, y), S.sub(x, y), S.add(x, d),
        S.mul(x, y), S.mul(x, d), S.mul(x, 3.0), S.mul(x, c), S.mul(x, r.dimshuffle(0, "x")), S.row_scale(x, r),
        S.col_scale(x, c), S.sp_sum(x), S.sp_sum(x, 0), S.sp_sum(x, 1), S.sp_ones_like(x), S.sp_zeros_like(x),
        S.hstack([x, y]), S.vstack([x, y, x], format="csr"), S.square_diagonal(r), S.cast(x, "float32"), -x,
        S.diag(S.true_dot(x, x.T)), Basic.structured_sigmoid(x), Basic.tanh(x), Basic.structured_pow(x, 2.0),
        S.remove0(S.mul(x, 0.0)), S.clean(x), x[i], x[:, j], x[i:, :j], x[-2:], x[i, j], d - x, x.nnz, x.shape,
    ]  # fmt: skip
    return ar.function([x, y, d, r, c, i, j], outputs, mode=mode)


def check_everything(f: Any, format: str, case: tuple[int, ...]) -> None:
    n, k, _, seed = case
    rng = np.random.default_rng(seed)
    other = "csc" if format == "csr" else "csr"
    x, y = random_matrix(n, k, rng, format), random_matrix(n, k, rng, other)
    d, r, c = random_matrix(n, k, rng).toarray(), rng.normal(size=n), rng.normal(size=k)
    i, j = int(rng.integers(n)), int(rng.integers(k))
    dense = x.toarray()
    stored = dense != 0
    with np.errstate(all="ignore"):
        sigmoid = np.where(stored, 1 / (1 + np.exp(-dense)), 0)
    none = np.zeros_like(dense)
    wants: list[tuple[Any, str | None]] = [
        (x.T, other), (dense, None), (d, "csr"), (d, "csc"), (x + y, format), (x - y, format), (dense + d, None),
        (dense * y.toarray(), format), (dense * d, format), (3 * dense, format), (dense * c, format),
        (dense * r[:, None], format), (dense * r[:, None], format), (dense * c, format), (dense.sum(), None),
        (dense.sum(axis=0), None), (dense.sum(axis=1), None), (1.0 * stored, format), (none, format),
        (np.hstack([dense, y.toarray()]), "csc"), (np.vstack([dense, y.toarray(), dense]), "csr"), (np.diag(r), "csc"),
        (dense.astype("float32"), format), (-dense, format), (np.diag(dense @ dense.T), None), (sigmoid, format),
        (np.tanh(dense), format), (dense**2, format), (none, format), (dense, format), (dense[i : i + 1], format),
        (dense[:, j : j + 1], format), (dense[i:, :j], format), (dense[-2:], format), (dense[i, j], None),
        (d - dense, None), (np.int64(x.nnz), None), (np.array([n, k]), None),
    ]  # fmt: skip
    found = f(x, y, d, r, c, i, j)
    for got, (want, kind) in zip(found, wants, strict=True):
        same(got, want, kind)
    assert found[28].nnz == 0, "remove0 leaves no zeros"


@pytest.mark.parametrize("format", ["csr", "csc"])
def test_everything_agrees_with_scipy(format: str) -> None:
    f = everything(format, "reference")
    many(given(sizes)(lambda case: check_everything(f, format, case)))()


def test_compiled_code_agrees_with_scipy() -> None:
    f = everything("csr", None)
    for case in ((3, 4, 0, 1), (30, 50, 0, 2)):
        check_everything(f, "csr", case)


def test_gradients_of_structure() -> None:
    """Central differences of the sum of weighted squares of everything that has a gradient."""
    rng = np.random.default_rng(3)
    a, b = random_matrix(4, 3, rng), random_matrix(4, 3, rng)
    while min(a.nnz, b.nnz) < 4:
        a, b = random_matrix(4, 3, rng), random_matrix(4, 3, rng)
    x, y, d, r = S.csr_matrix("x", "float64"), S.csr_matrix("y", "float64"), T.dmatrix("d"), T.dvector("r")
    weights = T.constant(rng.normal(size=(4, 3)))

    def square(m: Any) -> Any:
        dense = m.toarray() if isinstance(m, S.SparseVariable) else m
        return (weights * dense**2).sum()

    cost = sum(map(square, [S.add(x, y), S.mul(x, y), S.mul(x, d), S.add(x, d), S.row_scale(x, r),
                            S.csr_from_dense(d), Basic.structured_exp(x), S.vstack([x[:2], y[2:]])]))  # fmt: skip
    cost += (S.sp_sum(x, 1) ** 2).sum() + x[1, 1] ** 2 + (S.diag(S.true_dot(x, y.T)) ** 2).sum()
    f = ar.function([x, y, d, r], [cost, *ar.grad(cost, [x, y, d, r])])
    dense, vector = b.toarray(), rng.normal(size=4)
    _, *found = f(a, b, dense, vector)
    eps = 1e-6

    def slope(change: Any) -> float:
        return float((f(*change(eps))[0] - f(*change(-eps))[0]) / (2 * eps))

    def moved(m: Any, at: int, t: float) -> Any:
        out = m.copy()
        out.data[at] += t
        return out

    for at in range(a.nnz):
        np.testing.assert_allclose(found[0].data[at], slope(lambda t, i=at: (moved(a, i, t), b, dense, vector)), 1e-4)
    for at in range(b.nnz):
        np.testing.assert_allclose(found[1].data[at], slope(lambda t, i=at: (a, moved(b, i, t), dense, vector)), 1e-4)
    for place in zip(*np.nonzero(dense), strict=True):
        step = np.zeros_like(dense)
        step[place] = 1
        np.testing.assert_allclose(found[2][place], slope(lambda t, s=step: (a, b, dense + t * s, vector)), 1e-4)
    for at in range(4):
        step = np.eye(4)[at]
        np.testing.assert_allclose(found[3][at], slope(lambda t, s=step: (a, b, dense, vector + t * s)), 1e-4)


def test_parts_and_what_is_made_of_them() -> None:
    a = scipy.sparse.csr_matrix(np.array([[0.0, 2, 0], [3, 0, 4]]))
    x = S.as_sparse_variable(a)
    data, indices, indptr, shape = S.csm_properties(x)
    again = S.CSM("csr")(data, indices, indptr, shape)
    turned = S.CSC(data, indices, indptr, shape[::-1])
    found = ar.function([], [data, indices, indptr, shape, S.csm_shape(again), again, turned])()
    for got, want in zip(found, (a.data, a.indices, a.indptr, (2, 3), (2, 3)), strict=False):
        np.testing.assert_array_equal(got, want)
    same(found[5], a, "csr")
    same(found[6], a.T, "csc")
    assert (S.csm_data(x), S.csm_indices(x), S.csm_indptr(x)) == (x.data, x.indices, x.indptr)
    unsorted = S.CSR(T.constant([1.0, 2, 3]), T.constant(np.array([2, 0, 1], np.int32)),
                     T.constant(np.array([0, 2, 3], np.int32)), (2, 3))  # fmt: skip
    ordered = S.ensure_sorted_indices(unsorted).eval()
    assert ordered.indices.tolist() == [0, 2, 1]
    same(ordered, unsorted.toarray().eval(), "csr")


def test_sizes_and_arguments_that_do_not_fit() -> None:
    rng = np.random.default_rng(0)
    x, y = S.csr_matrix("x", "float64"), S.csr_matrix("y", "float64")
    f = ar.function([x, y], S.add(x, y))
    with pytest.raises(AssertionError, match="add: the matrices differ along axis 1"):
        f(random_matrix(3, 4, rng), random_matrix(3, 5, rng))
    known = S.as_sparse_variable(random_matrix(3, 4, rng))
    wrong: Any
    for wrong, message in (
        (lambda: S.diag(known), "not square: 3 and 4"),
        (lambda: S.mul(known, T.ones((3, 5))), "differ along axis -1: 4 and 5"),
        (lambda: S.row_scale(known, T.ones(4)), "has another size: 3 and 4"),
        (lambda: S.vstack([known, known.T]), "other numbers of columns"),
        (lambda: S.sp_sum(x, 2), "has the axes 0 and 1, not 2"),
        (lambda: S.matrix("coo"), "unsupported format 'coo'"),
        (lambda: S.vstack([]), "no block"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    for wrong, message in (
        (lambda: S.csr_from_dense(T.dvector()), "made of a matrix"),
        (lambda: S.add(x, T.dvector()), "a dense matrix is added"),
        (lambda: S.as_sparse_variable(np.eye(2)), "is not sparse"),
        (lambda: T.exp(x), "x is sparse; sparse.dense_from_sparse"),
        (lambda: S.csr_matrix("h", "float16"), "hold integers, float32 or float64, not float16"),
        (lambda: S.CSR(T.dvector(), T.lvector(), T.ivector(), (2, 2)), "indices must be an int32 vector"),
        (lambda: bool(x), "is symbolic"),
    ):
        with pytest.raises(TypeError, match=message):
            wrong()
    with pytest.raises(NotImplementedError, match="step 1 only"):
        x[::2]
    with pytest.raises(NotImplementedError, match="integers and slices"):
        x[T.lvector()]
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        ar.function([x], x[7])(random_matrix(3, 4, rng))
