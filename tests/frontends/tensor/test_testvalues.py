"""Test values: computed as expressions are written, with errors at the line."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import config, shared, testvalues


@pytest.fixture
def on() -> Iterator[None]:
    with config.change_flags(compute_test_value="raise"):
        yield


def given(kind: str, value: object) -> T.TensorVariable:
    variable: T.TensorVariable = getattr(T, kind)(f"{kind}_")
    variable.tag.test_value = value
    return variable


def test_values_are_computed_as_expressions_are_written(on: None) -> None:
    x, k, w = given("matrix", np.arange(6.0).reshape(2, 3)), given("lscalar", 2), shared(np.ones(3), "w")
    y = T.dot(x, w)
    assert y.tag.test_value.tolist() == [3, 12] and hasattr(y.tag, "test_value")
    assert (x[:k, 1:] + T.ones((k, 2))).tag.test_value.tolist() == [[2, 3], [5, 6]]
    assert T.zeros_like(w).tag.test_value.shape == (3,)
    assert x.shape.tag.test_value.tolist() == [2, 3]
    assert T.arange(x.shape[0] * 2).tag.test_value.tolist() == [0, 1, 2, 3]
    assert [v.tag.test_value.shape for v in T.nlinalg.svd(x)] == [(2, 2), (2,), (3, 3)]
    assert T.grad((x[:1] ** 2).sum(), x).tag.test_value.tolist() == [[0, 2, 4], [0, 0, 0]]
    w.set_value([2.0, 2.0, 2.0])
    assert (w * 2).tag.test_value.tolist() == [4, 4, 4]


def test_mistakes_show_at_their_line(on: None) -> None:
    x, y = given("matrix", np.ones((2, 3))), given("matrix", np.ones((4, 5)))
    with pytest.raises(ValueError, match=r"(?s)dot: inner dimensions differ: f64\[2,3\] . f64\[4,5\].*T.dot\(x, y\)"):
        T.dot(x, y)
    i = given("lvector", [0, 7])
    with pytest.raises(IndexError, match=r"(?s)index 7 is out of bounds for axis 0 with size 2.*test_testvalues.py"):
        x[i]
    x.tag.test_value = np.ones(3)
    with pytest.raises(TypeError, match=r"Wrong number of dimensions: expected 2, got 1"):
        x * 2


def test_missing_values() -> None:
    x = T.vector("x")
    with config.change_flags(compute_test_value="raise"):
        with pytest.raises(testvalues.TestValueError, match=r"(?s)input x of exp has no tag.test_value.*T.exp\(x\)"):
            T.exp(x)
        with pytest.raises(AttributeError):
            testvalues.get_test_value(x)
    with config.change_flags(compute_test_value="warn"), pytest.warns(UserWarning, match=r"input x of exp has no"):
        T.exp(x)
    with config.change_flags(compute_test_value="ignore"):
        y = T.exp(x)
        assert not hasattr(y.tag, "test_value") and testvalues.get_debug_values(x, y) == []
        x.tag.test_value = np.zeros(2)
        assert y.tag.test_value.tolist() == [1, 1], "as soon as there is one"
    with config.change_flags(compute_test_value="pdb"):
        z = T.vector("z")
        calls: list[str] = []
        with pytest.MonkeyPatch.context() as patch, pytest.raises(testvalues.TestValueError):
            patch.setattr("sys.breakpointhook", lambda: calls.append("stop"))
            T.exp(z)
        assert calls == ["stop"]


def test_off_is_off() -> None:
    x = given("vector", np.ones(2))
    y = x * 2
    assert not hasattr(y.tag, "test_value") and testvalues.get_debug_values(x) == []
    y.tag.test_value = np.zeros(2)
    assert y.tag.test_value.tolist() == [0, 0]
    y.tag.mine = 3
    assert repr(y.tag) == "tag(test_value=array([0., 0.]), mine=3)"


def test_helpers(on: None) -> None:
    x, c = given("vector", [1.0, 2.0]), T.constant(3.0)
    assert testvalues.get_test_value(x * 2).tolist() == [2, 4]
    assert testvalues.get_test_value(c) == 3 and testvalues.get_test_value(5) == 5
    assert testvalues.get_test_value(shared(4.0)) == 4
    ((first, second),) = testvalues.get_debug_values(x, c)
    assert first.tolist() == [1, 2] and second == 3
    testvalues.debug_assert(True)
    with pytest.raises(ValueError, match=r"wrong"):
        testvalues.debug_assert(False, "wrong")
    with pytest.raises(testvalues.TestValueError, match=r"gone"):
        testvalues.missing_test_message("gone")
    with config.change_flags(compute_test_value="warn"), pytest.warns(UserWarning, match=r"debug_assert failed"):
        testvalues.debug_assert(False)
