"""Updates of a table by rows: nothing but the rows that were looked up is read or written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import optim
from arignote.frontends import tensor as T
from arignote.frontends.tensor.stages import func_at

WORDS, WIDTH, BATCH, AROUND = 5000, 16, 6, 4
#: No value of a program that touches rows only is as large as a hundredth of the table, in numbers.
FEW = WORDS * WIDTH // 100


def table(name: str) -> Any:
    return ar.shared(np.random.default_rng(len(name)).normal(size=(WORDS, WIDTH)), name)


def large(function: Any) -> list[str]:
    """What the plan writes that is as large as a part of the table: the ops and where they write."""
    out = []
    for op in func_at(function, "planned").ops:
        places = op.attrs.get("mem", ())
        for result, place in zip(op.results, places, strict=False):
            size = result.type.size
            if not isinstance(size, int):
                size = int(np.prod([d if isinstance(d, int) else BATCH for d in result.shape]))
            if size > FEW and op.name not in ("const", "param"):
                out.append(f"{op.name}:{place}")
    return out


def one_gather(W: Any, U: Any, i: Any, c: Any) -> tuple[Any, list[Any]]:
    return T.sum(T.sqr(W[i])), [W]


def mean_of_rows(W: Any, U: Any, i: Any, c: Any) -> tuple[Any, list[Any]]:
    return T.sum(T.tanh(T.mean(W[c], axis=1))), [W]


def two_tables(W: Any, U: Any, i: Any, c: Any) -> tuple[Any, list[Any]]:
    return T.sum(T.nnet.softplus(T.sum(W[i].dimshuffle(0, "x", 1) * U[c], axis=2))), [W, U]


def one_table_twice(W: Any, U: Any, i: Any, c: Any) -> tuple[Any, list[Any]]:
    return T.sum(T.nnet.softplus(T.sum(W[i].dimshuffle(0, "x", 1) * W[c], axis=2))), [W]


CASES: list[Callable[..., Any]] = [one_gather, mean_of_rows, two_tables, one_table_twice]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_gradient_descent_adds_rows_in_place(case: Callable[..., Any]) -> None:
    W, U = table("W"), table("U_")
    i, c = T.lvector("i"), T.lmatrix("c")
    loss, params = case(W, U, i, c)
    dense = ar.function([i, c], T.grad(loss, params), on_unused_input="ignore")
    train = ar.function([i, c], loss, updates=optim.sgd(loss, params, 0.1), on_unused_input="ignore")
    r = np.random.default_rng(0)
    rows, around = r.integers(-WORDS, WORDS, BATCH), r.integers(0, WORDS, (BATCH, AROUND))
    rows[1], around[2] = rows[0], around[0]  # what is looked up twice counts twice
    expected = [p.get_value() - 0.1 * g for p, g in zip(params, dense(rows, around), strict=True)]
    storage = [p.get_value(borrow=True) for p in params]
    train(rows, around)
    for p, held, want in zip(params, storage, expected, strict=True):
        np.testing.assert_allclose(p.get_value(), want, rtol=1e-12, atol=1e-14)
        assert p.get_value(borrow=True) is held  # the table itself, not a copy of it
    assert set(large(train)) == {f"scatter:state.{p.name}" for p in params}


def test_increments_that_are_written_out_are_in_place() -> None:
    W, U = table("W"), table("U_")
    i, g = T.lvector("i"), T.matrix("g", dtype="float64")
    by_rows = [(W, T.inc_subtensor(W[i], -0.1 * g)), (U, T.set_subtensor(U[i], g))]
    f = ar.function([i, g], [], updates=by_rows)
    before, held = W.get_value(), W.get_value(borrow=True)
    rows, step = np.array([3, -1, 3]), np.ones((3, WIDTH))
    f(rows, step)
    np.add.at(before, rows, -0.1 * step)
    np.testing.assert_array_equal(W.get_value(), before)
    assert W.get_value(borrow=True) is held
    assert set(large(f)) == {"scatter:state.W", "scatter:state.U_"}


def test_a_norm_over_all_gradients_needs_them_whole() -> None:
    W, i = table("W"), T.lvector("i")
    loss = T.sum(T.sqr(W[i]))
    clipped = optim.clip_norm(T.grad(loss, [W]), 0.5)
    f = ar.function([i], loss, updates=optim.sgd(clipped, [W], 0.1))
    assert any("state" not in place for place in large(f))
    before = W.get_value()
    f(np.array([7, 7]))
    g = np.zeros_like(before)
    g[7] = 4 * before[7]
    np.testing.assert_allclose(W.get_value(), before - 0.1 * g * min(1, 0.5 / np.linalg.norm(g)), rtol=1e-12)


def test_a_table_that_the_loss_is_read_from_again_is_updated_last() -> None:
    W, i = table("W"), T.lvector("i")
    loss = T.sum(T.sqr(W[i]))
    f = ar.function([i], [loss, W[:3]], updates=optim.sgd(loss, [W], 0.5))
    before = W.get_value()
    _, first = f(np.array([0, 1]))
    np.testing.assert_array_equal(first, before[:3])
    np.testing.assert_allclose(W.get_value()[:2], 0 * before[:2], atol=1e-15)
