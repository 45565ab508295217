"""Sizes that only the call knows: compiled code never reads behind an array, whatever was compiled before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T

ONE = np.arange(6, dtype=np.float32).reshape(2, 3)


def two(op: Callable[[Any, Any], Any]) -> Any:
    x, y = T.fmatrix("x"), T.fmatrix("y")
    return ar.function([x, y], op(x, y))


@pytest.mark.parametrize("good_first", [True, False])
@pytest.mark.parametrize(
    ("op", "good", "bad", "message"),
    [
        (lambda x, y: x + y, ONE, ONE.T, r"shapes \(2,3\) and \(3,2\) do not broadcast"),
        (lambda x, y: x + y, ONE, ONE[:1], r"y is 1 but would have to stretch to 2"),
        (T.dot, ONE.T, ONE, r"inner dimensions differ: f32\[2,3\] \. f32\[2,3\]"),
        (lambda x, y: T.concatenate([x, y]), ONE, ONE[:, :2], r"dimensions besides axis 0 differ"),
        (lambda x, y: T.set_subtensor(x[:1], y[:1]), ONE, ONE[:, :2], r"\[1,2\]|stretch|fit"),
    ],
)
def test_arguments_that_do_not_fit_each_other(
    op: Any, good: Any, bad: Any, message: str, good_first: bool
) -> None:
    f = two(op)
    want = f(ONE, good) if good_first else None
    for _ in range(2):
        with pytest.raises(ValueError, match=rf"(?s){message}.*test_sizes_at_calls.py") as e:
            f(ONE, bad)
        assert isinstance(e.value, TypeError), "users catch either"
    np.testing.assert_array_equal(f(ONE, good), f(ONE, good) if want is None else want)


def test_a_state_of_another_size() -> None:
    w = ar.shared(np.ones((3, 2), np.float32), "w")
    x = T.fmatrix("x")
    f = ar.function([x], T.dot(x, w), updates=[(w, w + np.float32(1))])
    f(ONE)
    w.set_value(np.ones((4, 2), np.float32))
    with pytest.raises(ValueError, match="inner dimensions differ"):
        f(ONE)
    assert w.get_value().tolist() == [[1, 1]] * 4, "nothing has been updated"
    assert f(np.ones((1, 4), np.float32)).tolist() == [[4, 4]]


def test_sizes_in_arguments() -> None:
    x, n = T.fmatrix("x"), T.lscalar("n")
    f = ar.function([x, n], x.reshape((n, 2)))
    assert f(ONE, 3).shape == (3, 2)
    for _ in range(2):
        for wrong in (4, -1, -3, 2**62, 3 + 2**62):
            with pytest.raises(ValueError, match=r"number of elements differs|dimensions are 0 to 2\*\*40"):
                f(ONE, wrong)
    assert f(ONE[:, :2], 2).tolist() == ONE[:, :2].tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda n: T.arange(n), lambda n: T.zeros((n, n + 1)), lambda n: T.ones((n, n)).sum(),
        lambda n: T.exp(T.arange(n) * 1.0)[::-1], lambda n: T.eye(3)[:n],
    ],
)  # fmt: skip
def test_counts_that_vary_from_call_to_call(make: Callable[[Any], Any]) -> None:
    n = T.lscalar("n")
    f, reference = (ar.function([n], make(n), mode=mode) for mode in ("FAST_RUN", "reference"))
    for k in (2, 3, 0, 1, 5):
        np.testing.assert_allclose(f(k), reference(k))


def test_a_size_that_becomes_1_beside_one_that_varies() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    f = ar.function([x, y], x[::2] * y)
    for n in (6, 2, 1, 5):
        a, b = np.arange(n) + 1.0, np.arange((n + 1) // 2) + 2.0
        np.testing.assert_array_equal(f(a, b), a[::2] * b)
    with pytest.raises(ValueError, match=r"(?s)is 1 but would have to stretch to 3.*test_sizes_at_calls.py"):
        f(np.ones(2), np.ones(3))


def test_a_size_that_is_1_in_all_calls_beside_one_that_varies() -> None:
    x, y, n = T.dmatrix("x"), T.dmatrix("y"), T.lscalar("n")
    product = x[:, n:] * y
    f = ar.function([x, y, n], [product, T.grad((product**2).sum(), y)])
    for rows, columns, start in ((3, 4, 3), (5, 2, 1), (5, 3, 2), (2, 3, 2), (2, 1, 0)):
        a, b = np.arange(rows * columns).reshape(rows, columns) + 1.0, np.arange(rows).reshape(rows, 1) + 2.0
        got = f(a, b, start)
        np.testing.assert_array_equal(got[0], a[:, start:] * b)
        np.testing.assert_array_equal(got[1], 2 * a[:, start:] ** 2 * b)
    for wide, thin in ((np.ones((2, 3)), np.ones((2, 1))), (np.ones((2, 2)), np.ones((2, 2)))):
        with pytest.raises(ValueError, match=r"(?s)stretch to 2.*test_sizes_at_calls.py"):
            f(wide, thin, 1)


def test_sizes_beyond_all_memory_are_refused_and_forgotten() -> None:
    n = T.lscalar("n")
    f = ar.function([n], T.zeros((n, n)))
    g = ar.function([n], T.dot(T.ones((n, n)) * T.arange(n), T.ones((n,))).sum())
    assert f(2).shape == (2, 2) and g(2) == 2
    for size in (2**24, 2**31, 2**36):
        with pytest.raises((MemoryError, ValueError), match=r"allocate|too big"):
            f(size)
        with pytest.raises(MemoryError):
            g(size)
    assert f(3).shape == (3, 3) and g(2) == 2


def test_results_of_known_and_of_found_sizes_beside_each_other() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    found = x[T.nonzero(x)[0]]
    f = ar.function([x, n], [found, T.zeros((n,)) + 1, found * 2, T.arange(n)])
    for value, size in ((np.array([1.0, 0, 3]), 4), (np.arange(9.0), 2), (np.zeros(3), 0)):
        want = value[value != 0]
        for got, expected in zip(f(value, size), (want, np.ones(size), 2 * want, np.arange(size)), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_steps_of_short_loops_have_sizes_of_their_own() -> None:
    x = T.dmatrix("x")
    counts, _ = ar.scan(lambda row: (row[T.nonzero(row)[0]] ** 2).sum(), sequences=x)
    f = ar.function([x], counts)
    np.testing.assert_array_equal(f(np.array([[1.0, 0, 2], [3, 4, 5]])), [5, 50])


def test_a_refused_operand_leaves_an_update_that_fuses_with_it_undone() -> None:
    x, w = T.dmatrix("x"), ar.shared(np.zeros((2, 2)), name="w")
    f = ar.function([x], T.slinalg.cholesky(w + x), updates=[(w, w + 1)])
    with pytest.raises(np.linalg.LinAlgError):
        f(-np.eye(2))
    np.testing.assert_array_equal(w.get_value(), np.zeros((2, 2)))
