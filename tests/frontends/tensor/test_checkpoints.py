"""Loops with checkpoints, loops written out, and loops of which the last state is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.modes import get_mode
from arignote.frontends.tensor.scanning import until
from arignote.ir.core import Func

RNG = np.random.default_rng(5)
W, H0 = RNG.normal(size=(3, 3)) / 2, RNG.normal(size=3)


def _step(a: Any, h: Any, w: Any) -> list[Any]:
    return [T.tanh(a + T.dot(h, w)), (h * a).sum()]


def _rows(xs: Any, backwards: bool = False) -> tuple[Any, Any]:
    h, states, sums = H0, [], []
    for a in xs[::-1] if backwards else xs:
        sums.append((h * a).sum())
        h = np.tanh(a + h @ W)
        states.append(h)
    return np.reshape(states, (-1, 3)), np.array(sums)


def workspace(f: Any) -> int:
    """Bytes of the workspace of a function that was called."""
    planned: Func = get_mode("FAST_RUN").lowering().run(f.func)
    return int(planned.attrs["arena"])


@pytest.mark.parametrize("every", [1, 4, 20, "sqrt"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("mode", ["FAST_RUN", "reference"])
def test_checkpoints_change_nothing_but_memory(every: Any, backwards: bool, mode: str) -> None:
    x, w, h0 = T.dmatrix("x"), T.dmatrix("w"), T.dvector("h0")
    found = []
    for checkpoint in (None, every):
        (h, s), _ = ar.scan(_step, x, [h0, None], w, go_backwards=backwards, checkpoint=checkpoint)
        cost = (h**2).sum() + (s * T.arange(s.shape[0])).sum() + h[-1].sum()
        found.append(ar.function([x, w, h0], [h, s, *T.grad(cost, [x, w, h0])], mode=mode))
    for steps in (1, 3, 10, 12):
        xs = RNG.normal(size=(steps, 3))
        plain, parts = (f(xs, W, H0) for f in found)
        states, sums = _rows(xs, backwards)
        np.testing.assert_allclose(parts[0], states, rtol=1e-12)
        np.testing.assert_allclose(parts[1], sums, rtol=1e-12)
        for a, b in zip(plain, parts, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-13)


def test_checkpoints_of_a_long_loop_take_little_memory() -> None:
    x, w, h0 = T.dmatrix("x"), T.dmatrix("w"), T.dvector("h0")
    xs, sizes, gradients = RNG.normal(size=(10_000, 3)), [], []
    for checkpoint in (None, "sqrt"):
        h, _ = ar.scan(lambda a, h, w: T.tanh(a + T.dot(h, w)), x, h0, w, checkpoint=checkpoint)
        f = ar.function([x, w, h0], T.grad((h[-1] ** 2).sum(), [w, h0]))
        gradients.append(f(xs, W, H0))
        sizes.append(workspace(f))
    np.testing.assert_allclose(gradients[1][0], gradients[0][0], rtol=1e-9)
    assert sizes[1] < 0.05 * sizes[0], sizes


@pytest.mark.parametrize("steps", [9, 10, 2])
def test_scan_checkpoints_returns_the_rows_of_checkpoints(steps: int) -> None:
    x, w, h0 = T.dmatrix("x"), T.dmatrix("w"), T.dvector("h0")
    (h, s), updates = ar.scan_checkpoints(_step, x, [h0, None], w, save_every_N=3)
    assert not updates
    f = ar.function([x, w, h0], [h, s, T.grad(h[-1].sum(), w)])
    xs = RNG.normal(size=(steps, 3))
    states, sums = _rows(xs)
    kept = sorted({*range(2, steps, 3), steps - 1})
    got = f(xs, W, H0)
    np.testing.assert_allclose(got[0], states[kept], rtol=1e-12)
    np.testing.assert_allclose(got[1], sums[kept], rtol=1e-12)
    whole, _ = ar.scan(_step, x, [h0, None], w)
    want = ar.function([x, w, h0], T.grad(whole[0][-1].sum(), w))(xs, W, H0)
    np.testing.assert_allclose(got[2], want, rtol=1e-10)


def test_updates_pass_from_part_to_part() -> None:
    count, x = ar.shared(0, "count"), T.dvector("x")
    out, updates = ar.scan(lambda a: (a * count, {count: count + 1}), x, checkpoint=2)
    f = ar.function([x], out, updates=updates)
    np.testing.assert_array_equal(f(np.ones(5)), np.arange(5.0))
    assert count.get_value() == 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: ar.scan(lambda a: a, x, checkpoint=0), 'checkpoint is 0; give a number of steps or "sqrt"'),
        (lambda x: ar.scan(lambda a: a, x, checkpoint=2, truncate_gradient=3), "cannot have truncate_gradient"),
        (lambda x: ar.scan(lambda a: (a, until(a > 0)), x, checkpoint=2), "cannot stop by until"),
        (
            lambda x: ar.scan_checkpoints(lambda a: a, x[:9], n_steps=9, save_every_N=4, padding=False),
            "9 steps are no multiple of save_every_N=4",
        ),
    ],
)
def test_checkpoints_that_are_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(T.dvector("x"))


# ---------------------------------------------------------------- the last state
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"checkpoint": 4}])
def test_the_last_state_alone_needs_no_rows(options: Any) -> None:
    """Nor does its gradient need rows of zeros."""
    x, h0 = T.dmatrix("x"), T.dvector("h0")
    h, _ = ar.scan(lambda a, h: T.tanh(h + a), x, h0, **options)
    f, g = ar.function([x, h0], h[-1]), ar.function([x, h0], T.grad(h[-1].sum(), h0))
    sizes = []
    for steps in (80, 7):
        xs = RNG.normal(size=(steps, 3))
        want = H0
        for a in xs[::-1] if "go_backwards" in options else xs:
            want = np.tanh(want + a)
        np.testing.assert_allclose(f(xs, H0), want, rtol=1e-12)
        sizes.append(workspace(f))
        slope = [(f(xs, H0 + d).sum() - f(xs, H0 - d).sum()) / 2e-6 for d in 1e-6 * np.eye(3)]
        np.testing.assert_allclose(g(xs, H0), slope, rtol=1e-5, atol=1e-9)
    assert max(sizes) < 800, "a few rows at most"
    assert "update_slice" not in {op.name for op in g.func.ops}


def test_the_last_state_of_no_steps_is_an_error() -> None:
    x, h0 = T.dmatrix("x"), T.dvector("h0")
    h, _ = ar.scan(lambda a, h: h + a, x, h0)
    f = ar.function([x, h0], h[-1])
    for rows in (2, 3, 0):  # the last call runs code for any number of steps
        if rows:
            f(np.ones((rows, 3)), H0)
        else:
            with pytest.raises(IndexError, match="index -1 is out of bounds"):
                f(np.ones((0, 3)), H0)


def test_the_gradient_with_respect_to_the_rows_themselves() -> None:
    x, h0 = T.dmatrix("x"), T.dvector("h0")
    h, _ = ar.scan(lambda a, h: h + a, x, h0)
    f = ar.function([x, h0], T.grad((h[-1] * [1.0, 2.0, 3.0]).sum(), h))
    np.testing.assert_array_equal(f(np.ones((2, 3)), H0), [[0, 0, 0], [1, 2, 3]])


# ---------------------------------------------------------------- written out
@pytest.mark.parametrize("backwards", [False, True])
def test_unroll_scan(backwards: bool) -> None:
    x, w, h0 = T.dmatrix("x"), T.dmatrix("w"), T.dvector("h0")
    h, s = ar.unroll_scan(_step, [x], [h0, None], [w], n_steps=4, go_backwards=backwards)
    f = ar.function([x, w, h0], [h, s, T.grad(h[-1].sum(), w)])
    xs = RNG.normal(size=(4, 3))
    got = f(xs, W, H0)
    for a, b in zip(got, _rows(xs, backwards), strict=False):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    (looped, _), _ = ar.scan(_step, x, [h0, None], w, go_backwards=backwards)
    want = ar.function([x, w, h0], T.grad(looped[-1].sum(), w))(xs, W, H0)
    np.testing.assert_allclose(got[2], want, rtol=1e-12)


def test_unroll_scan_refuses_what_it_cannot_write_out() -> None:
    x = T.dmatrix("x")
    with pytest.raises(ValueError, match="n_steps is "):
        ar.unroll_scan(lambda a: a, x, [None], [], n_steps=x.shape[0])
    with pytest.raises(ValueError, match="fn returns 2 outputs, but outputs_info has 1"):
        ar.unroll_scan(lambda a: [a, a], x, [None], [], n_steps=2)


def test_short_loops_are_written_out() -> None:
    x = T.dmatrix("x")
    total, _ = ar.scan(lambda a, s: s + a, x, T.zeros(3, "float64"))
    f = ar.function([x], total)
    np.testing.assert_array_equal(f(np.ones((3, 3))), np.cumsum(np.ones((3, 3)), axis=0))
    assert "scan" not in {op.name for op in f.func.ops}
