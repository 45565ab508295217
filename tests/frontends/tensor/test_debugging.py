"""DebugMode, NanGuardMode, MonitorMode, tags of passes, and what errors tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import compiler, config, function, grad, shared
from arignote.frontends.tensor.backend import native
from arignote.frontends.tensor.debugmode import (
    BadDestroyMap,
    BadOptimization,
    BadThunkOutput,
    BadViewMap,
    InvalidValueError,
)
from arignote.frontends.tensor.modes import DebugMode, Mode, MonitorMode, NanGuardMode, find_mode
from arignote.frontends.tensor.watching import NanGuardError
from arignote.ir.core import Func
from arignote.passes.algebra import Algebra
from arignote.passes.base import rebuild
from arignote.passes.plan import Plan

HERE = Path(__file__).name
x = np.arange(6, dtype=np.float32).reshape(2, 3) / 6


@pytest.fixture
def no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real code generator, whatever other tests install."""
    monkeypatch.setattr(compiler, "_backend", None)


def step(mode: Any) -> tuple[Any, Any]:
    """A step of training, with an index and a softmax, and its shared variable."""
    v, y = T.fmatrix("v"), T.ivector("y")
    w = shared(np.full((3, 4), 0.5, np.float32), "w")
    p = T.nnet.softmax(T.dot(v, w))
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    return function([v, y], cost, updates=[(w, w - np.float32(0.1) * grad(cost, w))], mode=mode), w


LABELS = np.array([1, 3], np.int32)


@pytest.mark.usefixtures("no_backend")
@pytest.mark.parametrize("mode", ["DebugMode", "NanGuardMode", "MonitorMode", "FAST_COMPILE"])
def test_modes_compute_the_same(mode: str) -> None:
    f, w = step(mode)
    g, u = step("reference")
    for _ in range(2):
        np.testing.assert_allclose(f(x, LABELS), g(x, LABELS), rtol=1e-5)
        np.testing.assert_allclose(w.get_value(), u.get_value(), rtol=1e-5)
    np.testing.assert_allclose(f(x[:1], LABELS[:1]), g(x[:1], LABELS[:1]), rtol=1e-5)


# ---------------------------------------------------------------- DebugMode
def _negated(func: Func) -> Func:
    """Loses the first subtraction: its operands are exchanged."""
    return rebuild(func, lambda b, op, xs: (b.sub(xs[1], xs[0]),) if op.name == "sub" and xs[0].ndim else None)


@pytest.mark.usefixtures("no_backend")
def test_debugmode_names_the_first_wrong_pass_and_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Algebra, "run", lambda self, func: _negated(func))
    v = T.fmatrix("v")
    f = function([v], (v - T.exp(v)).sum(), mode="DebugMode")
    with pytest.raises(BadOptimization) as info:
        f(x)
    text = str(info.value)
    assert "pass algebra changed result 0" in text and "made by sub" in text
    assert f"{HERE}:" in text and "f = function([v], (v - T.exp(v)).sum(), mode=" in text
    assert "after specialize, guard" in "".join(info.value.__notes__)


@pytest.mark.usefixtures("no_backend")
def test_debugmode_checks_the_plan_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Plan.run

    def stale(self: Plan, func: Func) -> Func:
        out = honest(self, func)
        placed = [op for op in out.ops if op.attrs["mem"][0].startswith("arena")]
        for op in placed:
            op.attrs["mem"] = (placed[0].attrs["mem"][0], *op.attrs["mem"][1:])
        return out

    monkeypatch.setattr(Plan, "run", stale)
    v = T.fmatrix("v")
    a, b = T.dot(v, v.T), T.dot(v * 2, v.T)
    f = function([v], T.dot(a, b) + a, mode="DebugMode")
    with pytest.raises(BadOptimization, match="pass plan changed result 0"):
        f(x)


def with_backend(wrong: Callable[[list[Any], Sequence[Any]], list[Any]]) -> Any:
    """A backend whose code does something to its results or arguments."""

    def backend(func: Any, containers: Any, mode: Any) -> Any:
        run = native(func, containers, mode)
        return lambda *arrays: wrong(run(*arrays), arrays)

    return backend


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda results, arrays: [results[0] * 1.01], BadThunkOutput, "gives another result 0 than it should"),
        (lambda results, arrays: [arrays[0].__setitem__(0, 9) or results[0]], BadDestroyMap, "its argument v"),
        (lambda results, arrays: [arrays[0][:] * 1 if False else arrays[0]], BadViewMap, "is a part of argument v"),
        (lambda results, arrays: [np.where(arrays[0].flags.f_contiguous, 0, results[0]).astype("f4")],
         BadThunkOutput, "for arguments in Fortran's order"),
    ],
)  # fmt: skip
def test_debugmode_checks_machine_code(
    wrong: Any, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiler, "_backend", with_backend(wrong))
    v = T.fmatrix("v")
    f = function([v], v * 1 + 0, mode="DebugMode")
    with pytest.raises(error, match=message):
        f(np.array(x))


@pytest.mark.usefixtures("no_backend")
def test_debugmode_finds_what_is_not_finite() -> None:
    v, w = T.fvector("v"), shared(np.ones(2, np.float32), "w")
    f = function([v], T.sum(w), updates=[(w, w / v)], mode=DebugMode())
    f(np.ones(2, np.float32))
    with pytest.raises(InvalidValueError) as info:
        f(np.array([1, 0], np.float32))
    text = str(info.value)
    assert "update of w" in text and "div(" in text and f"{HERE}:" in text
    assert "operand 1 is float32[2], 0 to 1" in text
    calm = function([v], v / 0, mode=DebugMode(check_isfinite=False))
    assert np.isinf(calm(np.ones(2, np.float32))).all()


@pytest.mark.usefixtures("no_backend")
def test_debugmode_prints_once(capsys: pytest.CaptureFixture[str]) -> None:
    from arignote.frontends.tensor.printing import Print

    v = T.fmatrix("v")
    f = function([v], Print("v", attrs=("shape",))(v) + 1, mode="DebugMode")
    f(x)
    assert capsys.readouterr().out == "v shape = (2, 3)\n"


# ---------------------------------------------------------------- NanGuardMode
def test_nanguard_names_the_op_the_line_and_the_operands() -> None:
    v, w = T.fvector("v"), shared(np.zeros(3, np.float32), "w")
    f = function([v], T.log(v - 1).sum(), updates=[(w, w + v)], mode=NanGuardMode())
    f(np.full(3, 2, np.float32))
    with pytest.raises(NanGuardError) as info:
        f(np.array([0.5, 2, 3], np.float32))
    text = str(info.value)
    assert "log gave NaN" in text and "%log = log(" in text and "f = function([v], T.log(v - 1)" in text
    assert "operand 0 is float32[3], -0.5 to 2, mean 0.8333" in text
    assert "the result is float32[3]" in text and "1 NaN" in text
    assert isinstance(info.value, AssertionError) and info.value.op is not None and info.value.op.name == "log"
    assert w.get_value().tolist() == [2, 2, 2], "only the first call updates"


def test_nanguard_looks_for_what_it_is_told() -> None:
    v = T.fvector("v")

    def run(value: float, **errors: bool) -> None:
        function([v], v * 1e5, mode=NanGuardMode(**errors))(np.array([value], np.float32))

    run(1.0)
    cases = (np.nan, "%v holds NaN"), (np.inf, "%v holds an infinity"), (1e6, "mul gave a number beyond")
    for value, message in cases:
        with pytest.raises(NanGuardError, match=message):
            run(value)
    run(np.nan, nan_is_error=False)
    run(np.inf, inf_is_error=False, big_is_error=False)
    run(1e6, big_is_error=False)


def test_nanguard_does_not_mind_what_is_stabilised() -> None:
    f, _ = step(NanGuardMode())
    f(np.array([[1e3, 0, 0], [0, 0, 0]], np.float32), LABELS)


# ---------------------------------------------------------------- MonitorMode
def test_monitor_sees_every_op_before_and_after() -> None:
    seen: list[Any] = []

    def before(i: int, node: Any, fn: Any) -> None:
        assert all(o[0] is None for o in fn.outputs)
        seen.append(("before", i, str(node.op), [a[0].shape for a in fn.inputs]))

    def after(i: int, node: Any, fn: Any) -> None:
        seen.append(("after", i, str(node.op), [a[0].shape for a in fn.outputs]))

    v = T.fmatrix("v")
    f = function([v], T.exp(v).sum(axis=0), mode=MonitorMode(before, after).excluding("fusion", "inplace"))
    np.testing.assert_allclose(f(x), np.exp(x).sum(0), rtol=1e-6)
    assert seen == [
        ("before", 0, "Elemwise{exp,no_inplace}", [(2, 3)]),
        ("after", 0, "Elemwise{exp,no_inplace}", [(2, 3)]),
        ("before", 1, "Sum{axis=[0]}", [(2, 3)]),
        ("after", 1, "Sum{axis=[0]}", [(3,)]),
    ]
    assert f.func.attrs["stage"] == "optimised"


# ---------------------------------------------------------------- which passes run
def names(mode: Mode) -> set[str]:
    return {p.name for p in mode.passes()}


def test_tags_choose_passes() -> None:
    mode = Mode()
    assert {"cse", "gemm", "fold"} <= names(mode)
    assert "gemm" not in names(mode.excluding("BlasOpt"))
    assert "gemm" in names(mode.excluding("gemm").including("gemm"))
    assert names(mode.excluding("merge", "constant_folding")) == names(mode) - {"cse", "fold"}
    assert names(mode.excluding("gpuarray", "conv_dnn")) == names(mode), "nothing here is called so"
    assert "decompose" in names(mode.excluding("fast_run")), "some passes the code generator needs"
    fast = Mode(name="FAST_COMPILE")
    assert "algebra" not in names(fast) and "algebra" in names(fast.including("specialize"))
    assert [str(p) for p in mode.excluding("fusion").lowering()] == ["fuse{max=1}", "plan"]
    lowering = [str(p) for p in mode.excluding("inplace").lowering()]
    assert lowering == ["fuse", "recompute", "epilogue", "plan{share=false}"]
    assert mode.excluding("fusion") != mode and mode.excluding("fusion").including("fusion").excluded == frozenset()


@pytest.mark.usefixtures("no_backend")
@pytest.mark.parametrize("tag", ["fusion", "inplace", "fast_run", "canonicalize", "stabilize", "dce"])
def test_functions_are_correct_without_passes(tag: str) -> None:
    f, w = step(Mode().excluding(tag))
    g, u = step("reference")
    np.testing.assert_allclose(f(x, LABELS), g(x, LABELS), rtol=1e-5)
    np.testing.assert_allclose(w.get_value(), u.get_value(), rtol=1e-5)


def test_the_configuration_chooses_passes_too() -> None:
    with config.change_flags(optimizer_excluding="fusion:gemm", optimizer_including="cse"):
        mode = find_mode(None)
        assert mode.excluded == {"fuse", "gemm"} and "cse" in mode.included
        assert find_mode(Mode()).excluded == frozenset(), "a mode that is given stays as it is"
    assert find_mode(None).excluded == frozenset()


# ---------------------------------------------------------------- what errors tell
@pytest.mark.parametrize("mode", ["FAST_RUN", "reference"])
@pytest.mark.usefixtures("no_backend")
def test_high_verbosity_shows_the_graph_and_the_storage(mode: str) -> None:
    v, i = T.fvector("v"), T.ivector("i")
    w = shared(np.zeros((4, 2), np.float32), "w")
    f = function([v, i], T.exp(w)[i].sum() + v.sum(), mode=mode)
    arguments = np.ones(3, np.float32), np.array([0, 9], np.int32)
    with pytest.raises(IndexError) as low:
        f(*arguments)
    assert any("exception_verbosity='high'" in note for note in low.value.__notes__)
    with config.change_flags(exception_verbosity="high"), pytest.raises(IndexError) as high:
        f(*arguments)
    notes = "\n".join(high.value.__notes__)
    assert "around the operation" in notes and "  > " in notes and f"{HERE}:" in notes
    assert "v, input: float32, shape (3,), strides (4,), 12 B" in notes
    assert "w, shared variable: float32, shape (4, 2)" in notes
    assert "total: 52 B" in notes
