"""Shared variables: values, borrowing, types."""

from __future__ import annotations

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import shared
from arignote.frontends.tensor.sharedvar import aligned_copy
from arignote.ir.diag import IRError


def test_dtypes_are_those_of_the_values() -> None:
    assert shared(0.5).dtype == "float64"
    assert shared(3).dtype == "int64"
    assert shared(True).dtype == "bool"
    assert shared(np.float32(1)).dtype == "float32"
    assert shared([1, 2]).dtype == "int64"
    with T.config.change_flags(floatX="float32"):
        assert shared(0.5).dtype == "float64"
    s = shared(np.zeros((1, 3), "float32"), "s")
    assert s.broadcastable == (False, False) and str(s) == "s"
    assert shared(np.zeros((1, 3)), broadcastable=(True, False)).broadcastable == (True, False)
    assert repr(shared(np.zeros(3, "float32"))) == "<TensorType(float32, vector)>"


def test_wrong_values() -> None:
    with pytest.raises(TypeError, match=r"Shared variables need a constant value, not the symbolic"):
        shared(T.scalar("x"))
    with pytest.raises(TypeError):
        shared("text")
    with pytest.raises(TypeError):
        shared(None)
    with pytest.raises(ValueError, match=r"broadcastable"):
        shared(np.zeros(3), broadcastable=(True, False))
    with pytest.raises(TypeError, match=r"Non-unit"):
        shared(np.zeros((2, 3)), broadcastable=(True, False))


def test_get_value_copies_unless_borrowed() -> None:
    start = np.arange(3.0)
    s = shared(start)
    start[0] = 9
    assert s.get_value()[0] == 0
    s.get_value()[0] = 7
    assert s.get_value()[0] == 0
    borrowed = s.get_value(borrow=True)
    borrowed[0] = 5
    assert s.get_value()[0] == 5
    s.set_value(np.ones(3))
    assert borrowed[0] == 5  # what was lent out is not written to
    assert s.get_value()[0] == 1


def test_storage_is_aligned() -> None:
    for size in (1, 3, 1000):
        s = shared(np.zeros(size, "float32"))
        assert s.get_value(borrow=True).ctypes.data % 64 == 0
        s.set_value(np.ones(size + 1, "float32"))
        assert s.get_value(borrow=True).ctypes.data % 64 == 0
    f = shared(np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    assert f.get_value(borrow=True).flags.c_contiguous
    np.testing.assert_array_equal(f.get_value(), np.arange(6.0).reshape(2, 3))


def test_set_value() -> None:
    s = shared(np.zeros((2, 2), "float32"), "s")
    s.set_value(np.ones((3, 5), "float32"))
    assert s.get_value().shape == (3, 5)
    s.set_value([[1, 2]])
    assert s.get_value().tolist() == [[1, 2]] and s.get_value().dtype == np.float32
    with pytest.raises(TypeError, match=r"(?s)shared variable s.*dtype float64 without risking"):
        s.set_value(np.ones((2, 2)))
    with pytest.raises(TypeError, match=r"Wrong number of dimensions: expected 2, got 1"):
        s.set_value(np.ones(2, "float32"))
    shared(np.zeros(2, "float32"), allow_downcast=True).set_value(np.ones(2))
    strict = shared(np.zeros(2), strict=True)
    with pytest.raises(TypeError, match=r"expected a ndarray"):
        strict.set_value([1.0, 2.0])
    s.zero()
    assert s.get_value().tolist() == [[0, 0]]


def test_functions_see_new_values(mode: str) -> None:
    s = shared(np.ones(2), "s")
    f = T.function([], s.sum())
    assert f() == 2
    s.set_value(np.full(4, 2.0))
    assert f() == 8
    s.set_value(np.full(4, 3.0), borrow=True)
    assert f() == 12
    s.name = "renamed"
    assert s.container.name == "renamed"


def test_graphs_keep_their_shared_variables(mode: str) -> None:
    def build() -> T.TensorVariable:
        return T.zeros_like(shared(np.ones((2, 3)))) + shared(np.ones((2, 3)))

    np.testing.assert_array_equal(T.function([], build())(), np.ones((2, 3)))


def test_sizes_that_never_change() -> None:
    w = shared(np.ones((3, 4)), "w", shape=(None, 4))
    assert w.type.shape == (None, 4) and w.clone_shared().type.shape == (None, 4)
    f = T.function([], w.sum(axis=0))
    w.set_value(np.ones((5, 4)))
    np.testing.assert_array_equal(f(), np.full(4, 5.0))
    with pytest.raises(TypeError, match="shared variable w: Dimension 1 must be 4, not 2"):
        w.set_value(np.ones((5, 2)))
    with pytest.raises(IRError, match="4 against 784"):  # before anything is compiled
        _ = w + T.TensorType("float64", shape=(None, 784))("x")
    with pytest.raises(ValueError, match=r"shape=\(4,\) for a value with 2 dimensions"):
        shared(np.ones((3, 4)), shape=(4,))
    with pytest.raises(TypeError, match="Dimension 0 must be 2, not 3"):
        shared(np.ones((3, 4)), shape=(2, 4))
    with pytest.raises(TypeError, match="not both"):
        shared(np.ones((3, 1)), shape=(3, 1), broadcastable=(False, True))


@pytest.mark.parametrize("kind", ["borrowed", "part", "adopted"])
def test_arguments_in_the_memory_of_what_is_updated(kind: str) -> None:
    x = T.dmatrix("x")
    start = np.random.default_rng(0).normal(size=(40, 40))
    given = aligned_copy(start)
    w = shared(given, borrow=kind == "adopted")
    step = T.function([x], x.sum(), updates=[(w, T.roll(x, 1, axis=0) + w)])
    step(np.zeros((40, 40)))  # before anything is lent
    w.set_value(given, borrow=kind == "adopted")
    for _ in range(2):
        old, lent = w.get_value(), w.get_value(borrow=True)
        argument = {"borrowed": lent, "part": lent[:], "adopted": given}[kind]
        assert step(argument) == pytest.approx(old.sum())
        np.testing.assert_array_equal(w.get_value(), np.roll(old, 1, axis=0) + old)
    assert lent is w.get_value(borrow=True), "the variable is where it was"
