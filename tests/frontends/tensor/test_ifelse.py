"""`ifelse` as programs use it: lazy, of one value or several, with gradients, in loops; and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.branch import ifelse

MODES = ("FAST_RUN", "FAST_COMPILE", "reference")
A, B = np.arange(6.0).reshape(2, 3) + 1, -np.ones((2, 3))


def _ops(block: Any) -> set[str]:
    return {op.name for op in block} | {n for op in block for r in op.regions for n in _ops(r.ops)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bool", "int8", "float32"])
def test_the_condition_chooses(mode: str, dtype: str) -> None:
    c, x, y = T.scalar("c", dtype), T.dmatrix("x"), T.dmatrix("y")
    f = ar.function([c, x, y], ifelse(c, T.exp(x), y.sum(0) + x), mode=mode)
    np.testing.assert_allclose(f(1, A, B), np.exp(A))
    np.testing.assert_allclose(f(0, A, B), B.sum(0) + A)


@pytest.mark.parametrize("mode", MODES)
def test_the_other_branch_does_not_run(mode: str) -> None:
    """An index out of range fails in the branch that is taken, and only there."""
    c, x, i = T.bscalar("c"), T.dvector("x"), T.lscalar("i")
    f = ar.function([c, x, i], ifelse(c, x[i], T.constant(-1.0)), mode=mode)
    x0 = np.arange(3.0)
    assert f(1, x0, 2) == 2.0
    assert f(0, x0, 7) == -1.0
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        f(1, x0, 7)


def test_what_one_branch_needs_moves_into_it_and_what_both_need_stays() -> None:
    c, x, y = T.bscalar("c"), T.dmatrix("x"), T.dmatrix("y")
    shared_by_both = T.tanh(x)
    f = ar.function([c, x, y], ifelse(c, T.dot(shared_by_both, y), shared_by_both + T.log(y)))
    f(1, np.eye(3), np.eye(3))
    outside = {op.name for op in f.func.ops}
    assert "ifelse" in outside and "tanh" in outside
    assert not outside & {"dot", "log"}
    assert {"dot", "log"} <= _ops(f.func.ops)


@pytest.mark.parametrize("mode", MODES)
def test_several_values_in_the_form_of_the_argument(mode: str) -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    outs = ifelse(c, [x * 2, x.sum()], [x, T.constant(5.0)])
    assert isinstance(outs, list)
    f = ar.function([c, x], outs, mode=mode)
    for flag, want in ((1, [[2.0, 4.0], 3.0]), (0, [[1.0, 2.0], 5.0])):
        got = f(flag, np.array([1.0, 2.0]))
        np.testing.assert_array_equal(got[0], want[0])
        assert got[1] == want[1]
    assert isinstance(ifelse(c, (x,), (x * 2,)), tuple)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_follow_the_branch(mode: str) -> None:
    c, x, y = T.bscalar("c"), T.dmatrix("x"), T.dmatrix("y")
    z = ifelse(c, (x**2 * y).sum(), T.sin(y).sum())
    f = ar.function([c, x, y], T.grad(z, [x, y]), mode=mode)
    dx, dy = f(1, A, B)
    np.testing.assert_allclose(dx, 2 * A * B)
    np.testing.assert_allclose(dy, A**2)
    dx, dy = f(0, A, B)
    np.testing.assert_array_equal(dx, 0 * A)
    np.testing.assert_allclose(dy, np.cos(B))


def test_second_derivatives() -> None:
    c, x = T.bscalar("c"), T.dscalar("x")
    z = ifelse(c, x**3, T.exp(2 * x))
    second = ar.function([c, x], T.grad(T.grad(z, x), x))
    assert second(1, 2.0) == pytest.approx(12.0)
    assert second(0, 0.5) == pytest.approx(4 * np.exp(1.0))


def test_gradients_of_several_values() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    a, b = ifelse(c, [x * 2, x.prod()], [x, x.sum()])
    f = ar.function([c, x], T.grad(a.sum() + b, x))
    np.testing.assert_allclose(f(1, np.array([3.0, 5.0])), [7.0, 5.0])
    np.testing.assert_allclose(f(0, np.array([3.0, 5.0])), [2.0, 2.0])


@pytest.mark.parametrize("mode", MODES)
def test_branches_in_branches_and_in_loops(mode: str) -> None:
    x = T.dvector("x")

    def step(a: Any, s: Any) -> Any:
        return ifelse(a > 0, ifelse(a > 10, s + 100, s + a), s * 2)

    out, _ = ar.scan(step, sequences=x, outputs_info=np.float64(1))
    f = ar.function([x], [out, T.grad(out[-1], x)], mode=mode)
    values, slope = f(np.array([2.0, -1.0, 11.0, 3.0]))
    np.testing.assert_array_equal(values, [3.0, 6.0, 106.0, 109.0])
    np.testing.assert_array_equal(slope, [2.0, 0.0, 0.0, 1.0])


def test_a_loop_in_a_branch() -> None:
    c, x = T.bscalar("c"), T.dvector("x")
    total, _ = ar.scan(lambda a, s: T.tanh(a + s), sequences=x, outputs_info=np.float64(0))
    f = ar.function([c, x], ifelse(c, total[-1], x.max()))
    f(1, np.ones(3))
    assert "scan" not in {op.name for op in f.func.ops}
    want = 0.0
    for a in (0.5, -1.0):
        want = np.tanh(a + want)
    assert f(1, np.array([0.5, -1.0])) == pytest.approx(want)
    assert f(0, np.array([0.5, -1.0])) == 0.5


def test_updates_of_shared_variables() -> None:
    c, state = T.bscalar("c"), ar.shared(np.arange(3.0), "state")
    f = ar.function([c], state.sum(), updates=[(state, ifelse(c, state * 2, state))])
    assert f(1) == 3.0
    assert f(0) == 6.0
    np.testing.assert_array_equal(state.get_value(), [0.0, 2.0, 4.0])


def test_a_constant_takes_the_dtype_of_the_other_branch() -> None:
    c, x = T.bscalar("c"), T.fscalar("x")
    out = ifelse(c, x, 0)
    assert out.dtype == "float32"
    assert ar.function([c, x], out)(0, np.float32(3)) == 0


def test_a_condition_that_is_known_leaves_one_branch() -> None:
    x = T.dvector("x")
    f = ar.function([x], ifelse(T.constant(1), T.exp(x), T.log(x)))
    np.testing.assert_allclose(f(np.ones(2)), np.exp(np.ones(2)))
    assert _ops(f.func.ops).isdisjoint({"ifelse", "log"})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, m: ifelse(x, x, x), r"ifelse: the condition must be a scalar, but x is .*"),
        (lambda x, m: ifelse(x.sum(), x, m), r"value 0: the two branches must have identical types, but x is .* and m"),
        (lambda x, m: ifelse(x.sum(), [x, x], [x]), r"the branches have 2 and 1 values"),
        (lambda x, m: ifelse(x.sum(), x, T.cast(x, "float32"), name="pick"), r"ifelse 'pick': value 0: "),
    ],
)
def test_what_it_refuses(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(T.dvector("x"), T.dmatrix("m"))


def test_branches_of_different_sizes_are_refused_with_the_line() -> None:
    c, x, y = T.bscalar("c"), T.dvector("x"), T.dvector("y")
    f = ar.function([c, x, y], ifelse(c, x, y))
    np.testing.assert_array_equal(f(1, np.ones(2), np.zeros(2)), np.ones(2))
    with pytest.raises(Exception, match=r"(?s)2.*3.*test_ifelse\.py"):
        f(1, np.ones(2), np.zeros(3))
