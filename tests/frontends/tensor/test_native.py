"""What only compiled code can get wrong: memory, order of updates, sizes that change, arguments of any layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor import stages
from arignote.ir.interp import run
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module
from arignote.ir.verify import verify


def shared(values: Any, name: str) -> Any:
    return ar.shared(np.asarray(values, dtype=np.float32), name=name)


def test_updates_are_all_computed_from_old_values() -> None:
    a, b, c = shared([1, 2], "a"), shared([10, 20], "b"), shared([0, 0], "c")
    f = ar.function([], [a, b], updates=[(a, b), (b, a), (c, a + b)])
    before = [v.tolist() for v in f()]
    assert before == [[1, 2], [10, 20]], "results are of before the updates"
    assert a.get_value().tolist() == [10, 20]
    assert b.get_value().tolist() == [1, 2]
    assert c.get_value().tolist() == [11, 22]


def test_an_update_read_by_a_later_op_is_not_overwritten_first() -> None:
    w, x = shared(np.eye(3), "w"), T.fmatrix("x")
    y = T.dot(x, w)
    f = ar.function([x], T.dot(y, w).sum(), updates=[(w, w + T.dot(x.T, y))])
    value = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert f(value) == value.sum()
    np.testing.assert_array_equal(w.get_value(), np.eye(3, dtype=np.float32) + value.T @ value)


def test_a_short_last_minibatch() -> None:
    x, i = shared(np.arange(10), "x"), T.lscalar("i")
    f = ar.function([i], x[i * 4 : (i + 1) * 4] * np.float32(2))
    assert [f(k).tolist() for k in (0, 1, 2, 3, 0)] == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18], [], [0, 2, 4, 6]]


def test_a_hundred_lengths_compile_twice() -> None:
    x = T.fvector("x")
    f = ar.function([x], T.exp(x).sum())
    for n in range(1, 101):
        np.testing.assert_allclose(f(np.zeros(n, np.float32)), n, rtol=1e-6)
    executable: Any = f._executable
    assert len(executable.compiled) == 2


@pytest.mark.parametrize("layout", ["strided", "fortran", "reversed", "read-only", "unaligned", "big-endian"])
def test_arguments_of_any_layout(layout: str) -> None:
    x = T.fmatrix("x")
    f = ar.function([x], x * np.float32(2))
    plain = np.arange(12, dtype=np.float32).reshape(3, 4)
    value = {
        "strided": np.repeat(plain, 2, axis=1)[:, ::2],
        "fortran": np.asfortranarray(plain),
        "reversed": plain[::-1, ::-1],
        "read-only": plain.copy(),
        "unaligned": np.frombuffer(b"\0" + plain.tobytes(), np.uint8)[1:].view(np.float32).reshape(3, 4),
        "big-endian": plain.astype(">f4"),
    }[layout]
    if layout == "read-only":
        value.flags.writeable = False
    np.testing.assert_array_equal(f(value), 2 * value)


def test_truth_values_cross_the_boundary() -> None:
    x = T.fvector("x")
    f = ar.function([x], [T.gt(x, 1), T.isnan(x)])
    above, missing = f(np.array([0, 2, np.nan], np.float32))
    assert above.dtype == missing.dtype == np.bool_
    assert above.tolist() == [False, True, False] and missing.tolist() == [False, False, True]


def test_an_index_out_of_range_leaves_the_state_as_it_was() -> None:
    w, i = shared(np.arange(4), "w"), T.ivector("i")
    f = ar.function([i], w[i].sum(), updates=[(w, w + 1)])
    with pytest.raises(IndexError, match=r"(?s)index 4 is out of bounds for axis 0 with size 4.*test_native.py"):
        f(np.array([0, 4], np.int32))
    assert w.get_value().tolist() == [0, 1, 2, 3]
    assert f(np.array([-1, 0], np.int32)) == 3


def test_results_are_fresh_memory() -> None:
    x = T.fvector("x")
    f = ar.function([x], [x, x + 1])
    value = np.zeros(3, np.float32)
    same, more = f(value)
    same[:] = 7
    assert value.tolist() == [0, 0, 0] and f(value)[1].tolist() == more.tolist()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("stage", stages.IR_STAGES)
def test_every_stage_parses_back_and_runs(stage: str, device: str) -> None:
    rng = np.random.default_rng(11)
    x, y = T.fmatrix("x"), T.ivector("y")
    w, b = shared(rng.normal(size=(5, 3)), "w"), shared(np.zeros(3), "b")
    p = T.nnet.softmax(T.tanh(T.dot(x, w) + b))
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    gw, gb = ar.grad(cost, [w, b])
    f = ar.function([x, y], cost, updates=[(w, w - gw), (b, b - gb)])
    inputs = [rng.normal(size=(7, 5)).astype(np.float32), rng.integers(0, 3, 7).astype(np.int32)]
    states = {"w": w.get_value(), "b": b.get_value()}
    want, after = run(f.recorded, inputs, states)
    func = stages.func_at(f, stage, device)
    text = print_module(func)
    parsed = parse_module(text).funcs[0]
    assert print_module(parsed) == text
    verify(parsed)
    got, new = run(parsed, inputs, states)
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5)
    for name in states if stage != "recorded" else ():
        np.testing.assert_allclose(new[name], after[name], rtol=1e-4, atol=1e-6)


def test_an_index_out_of_range_leaves_every_variable_as_it_was() -> None:
    a, b = shared([0, 0, 0], "a"), shared([0, 0, 0], "b")
    i, j = T.vector("i", dtype="int64"), T.vector("j", dtype="int64")
    one = np.float32(1)
    f = ar.function([i, j], [], updates=[(a, T.inc_subtensor(a[i], one)), (b, T.inc_subtensor(b[j], one))])
    f([0, 0], [2])
    for wrong in (([0], [3]), ([-4], [0])):
        with pytest.raises(IndexError, match=r"out of bounds for axis 0 with size 3"):
            f(*wrong)
        np.testing.assert_array_equal(a.get_value(), [2, 0, 0])
        np.testing.assert_array_equal(b.get_value(), [0, 0, 1])


def test_an_embedding_is_updated_by_its_rows_in_place() -> None:
    """Plain descent touches the rows that were looked up, with duplicates, and makes nothing of the table's size."""
    r = np.random.default_rng(5)
    start = r.normal(size=(50, 4)).astype(np.float32)
    i, target = T.matrix("i", dtype="int64"), T.matrix("target", dtype="float32")
    index, want = np.array([[1, 2, 1], [49, -1, 7]]), r.normal(size=(2, 4)).astype(np.float32)
    results: list[Any] = []
    for mode in ("FAST_RUN", "reference"):
        w = ar.shared(start, name="w")
        cost = T.sum(T.sqr(T.mean(w[i], axis=1) - target))
        f = ar.function([i, target], cost, updates=[(w, w - np.float32(0.1) * T.grad(cost, w))], mode=mode)
        f(index, want)
        results.append(w.get_value())
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)
    assert set(np.flatnonzero((results[0] != start).any(axis=1))) == {1, 2, 7, 49}
    g = ar.function([i, target], [], updates=[(w, w - np.float32(0.1) * T.grad(cost, w))])
    g(index, want)
    assert {op.name for op in g.func.ops if op.results and op.result.shape == (50, 4)} == {"scatter"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_division_by_a_constant_zero(dtype: str) -> None:
    v = T.vector("v", dtype=dtype)
    zero = np.zeros((), dtype)
    expressions = [v / zero, v / -zero, v // zero, v % zero]
    f, g = (ar.function([v], expressions, mode=mode) for mode in ("FAST_RUN", "reference"))
    x = np.array([0, 1, -1, np.inf, np.nan, -0.0], dtype)
    for got, want in zip(f(x), g(x), strict=True):
        np.testing.assert_array_equal(got, want)
