"""Which shapes are compiled for, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor.compiler import Executable, Reference, set_backend
from arignote.frontends.tensor.errors import ShapeGuardError
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.policy import ShapePolicy
from arignote.frontends.tensor.sharedvar import Container
from arignote.ir.core import Func
from arignote.ir.interp import evaluate
from arignote.ir.types import Dim


def test_first_call_is_static_and_what_changes_becomes_a_symbol() -> None:
    policy = ShapePolicy(("n", "m"))
    first = policy.plan({"n": 3, "m": 4})
    assert first.dims == (("n", 3), ("m", 4))
    assert first.admits({"n": 3, "m": 4}) and not first.admits({"n": 5, "m": 4})
    second = policy.plan({"n": 5, "m": 4})
    assert second.dims == (("m", 4),)
    assert second.admits({"n": 99, "m": 4}) and not second.admits({"n": 99, "m": 5})
    third = policy.plan({"n": 5, "m": 5})
    assert third.dims == () and third.admits({"n": 1, "m": 2})


def test_dimensions_that_change_together_share_a_symbol() -> None:
    policy = ShapePolicy(("n", "m", "k"))
    policy.plan({"n": 3, "m": 3, "k": 3})
    shared = policy.plan({"n": 5, "m": 5, "k": 3})
    assert shared.dims == (("k", 3), ("m", Dim.symbol("n")))
    assert shared.admits({"n": 7, "m": 7, "k": 3})
    assert not shared.admits({"n": 7, "m": 8, "k": 3})
    apart = policy.plan({"n": 7, "m": 8, "k": 3})
    assert apart.dims == (("k", 3),) and apart.admits({"n": 1, "m": 9, "k": 3})


def test_sizes_equal_by_chance_are_separated_for_good() -> None:
    policy = ShapePolicy(("n", "m"))
    policy.plan({"n": 3, "m": 4})
    assert policy.plan({"n": 5, "m": 5}).dims == ()


def test_limit_makes_everything_dynamic() -> None:
    policy = ShapePolicy(("a", "b", "c"), limit=1)
    policy.plan({"a": 1, "b": 2, "c": 3})
    assert policy.plan({"a": 2, "b": 2, "c": 3}).dims == ()


class Recorder:
    """A backend that interprets, keeps what it was given, and checks assumed sizes."""

    def __init__(self) -> None:
        self.funcs: list[Func] = []

    def __call__(self, func: Func, containers: Sequence[Container], mode: Mode) -> Executable:
        self.funcs.append(func)
        inner = Reference(func, containers)
        guards = [op for op in func.ops if op.name == "assume"]

        def run(*arrays: Any) -> Any:
            states = (c.array for c in containers)
            env = dict(zip(func.inputs(), (*arrays, *states), strict=True))
            for op in guards:
                (size,) = evaluate(op.operands, env)
                if int(size) != op.attrs["value"]:
                    raise ShapeGuardError({str(op.attrs["value"]): int(size)})
            return inner(*arrays)

        return run


@pytest.fixture
def backend() -> Any:
    recorder = Recorder()
    before = set_backend(recorder)
    yield recorder
    set_backend(before)


def test_a_loop_over_many_lengths_compiles_twice(backend: Recorder) -> None:
    x, y = T.matrix("x"), T.vector("y")
    f = T.function([x, y], T.dot(x, y).sum())
    for n in range(2, 30):
        assert float(f(np.ones((n, 4)), np.ones(4))) == 4 * n
    assert len(backend.funcs) == 2
    first, second = (func.params[0].type for func in backend.funcs)
    assert str(first) == "f64[2,4]"
    assert second.shape[1] == 4 and isinstance(second.shape[0], Dim)
    f(np.ones((2, 4)), np.ones(4))
    assert len(backend.funcs) == 2


def test_shapes_of_shared_variables_count(backend: Recorder) -> None:
    s = T.shared(np.ones(3))
    f = T.function([], s.sum())
    assert float(f()) == 3
    s.set_value(np.ones(5))
    assert float(f()) == 5
    assert len(backend.funcs) == 2


def test_run_time_sizes_are_assumed_and_guarded(backend: Recorder) -> None:
    data = T.shared(np.arange(50.0).reshape(25, 2), "data")
    i = T.lscalar("i")
    w = T.shared(np.ones(2), "w")
    f = T.function([i], (data[i * 10 : (i + 1) * 10] * w).sum(), updates=[(w, w + 1)])
    rows = np.arange(50.0).reshape(25, 2)
    assert float(f(0)) == rows[:10].sum()
    assert float(f(1)) == rows[10:20].sum() * 2
    assert len(backend.funcs) == 1
    assert any(op.name == "slice" and op.result.shape == (10, 2) for op in backend.funcs[0].ops)
    assert float(f(2)) == rows[20:].sum() * 3  # the shorter last batch
    assert float(f(2)) == rows[20:].sum() * 4
    assert float(f(0)) == rows[:10].sum() * 5
    assert len(backend.funcs) == 2
    np.testing.assert_array_equal(w.get_value(), [6, 6])


def test_sizes_that_do_not_fit_are_an_error(backend: Recorder) -> None:
    x, n = T.vector("x"), T.lscalar("n")
    f = T.function([x, n], x + T.arange(n))
    np.testing.assert_array_equal(f(np.ones(3), 3), [1, 2, 3])
    with pytest.raises(ValueError, match=r"do(es)? not (fit|broadcast)|dimension"):
        f(np.ones(3), 4)


def test_modes_choose_the_pipeline(backend: Recorder) -> None:
    x = T.vector("x")
    y = T.log(T.nnet.softmax(x.dimshuffle("x", 0))) + x * 1
    values = []
    for mode in ("FAST_RUN", "FAST_COMPILE", "None", T.Mode(optimizer="fast_compile")):
        values.append(T.function([x], y, mode=mode)(np.arange(3.0)))
    counts = [len(f.ops) for f in backend.funcs]
    assert counts[0] < counts[2] and counts[1] == counts[3]
    for v in values:
        np.testing.assert_allclose(v, values[0])
