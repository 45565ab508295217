"""Numeric checking catches a pass that computes something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Value
from arignote.ir.text import parse_module
from arignote.passes import OPTIMIZE, Pass, Pipeline, rebuild
from arignote.passes.check import MiscompileError, NumericCheck, difference
from arignote.passes.cse import Cse

SOURCE = """
func @f(%x: f32[4], %y: f32[4]) state(@w: f32[4]) -> (f32[]) {
  %s = sub(%x, %y) : f32[4]
  %e = exp(%s) : f32[4]
  %w.new = add(@w, %e) : f32[4]
  %total = sum(%e) {axes=[0]} : f32[]
  update(@w, %w.new)
  return(%total)
}
"""
ARRAYS = [np.arange(4, dtype="f4"), np.ones(4, "f4")]
STATES = {"w": np.ones(4, "f4")}


@dataclass(frozen=True)
class _Broken(Pass):
    """Rewrites one op wrongly."""

    op: str
    wrong: Callable[[Builder, tuple[Value, ...]], Value]
    name: ClassVar[str] = "deliberately_wrong"

    def run(self, func: Func) -> Func:
        def visit(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
            return (self.wrong(b, operands),) if op.name == self.op else None

        return rebuild(func, visit)


def run(*passes: Pass) -> None:
    func = parse_module(SOURCE).funcs[0]
    check = NumericCheck(ARRAYS, STATES)
    Pipeline(passes).run(func, verify_each=True, check_each=check)


def test_correct_passes_pass() -> None:
    run(*OPTIMIZE)


def test_the_first_wrong_op_is_named() -> None:
    swapped = _Broken("sub", lambda b, operands: b.sub(operands[1], operands[0]))
    with pytest.raises(MiscompileError) as info:
        run(Cse(), swapped, Cse())
    text = str(info.value)
    assert "pass deliberately_wrong" in text and "changed result 0 of @f" in text
    assert "the first value that differs is %s: f32[4], made by sub" in text
    assert "after cse" in info.value.__notes__[0]


def test_states_are_compared() -> None:
    with pytest.raises(MiscompileError, match="changed state @w"):
        run(_Broken("add", lambda b, operands: b.sub(*operands)))


def test_equivalent_rewrites_are_accepted() -> None:
    run(_Broken("sub", lambda b, operands: b.add(operands[0], b.neg(operands[1]))))


def test_tolerance_is_that_of_the_dtype() -> None:
    x = np.array([1.0, 1000.0])
    assert difference(x, x * (1 + 1e-12), "f64") is None
    assert difference(x, x * (1 + 1e-7), "f64") is not None
    assert difference(x.astype("f4"), (x * (1 + 1e-6)).astype("f4"), "f32") is None
    assert difference(np.array([1, 2]), np.array([1, 3]), "i64") == 1
    assert difference(np.zeros((0, 2)), np.zeros((0, 2)), "f64") is None
    assert difference(np.zeros(2), np.zeros(3), "f64") == np.inf
    assert difference(np.array([np.nan, 1]), np.array([np.nan, 1]), "f64") is None
    assert difference(np.array([np.inf]), np.array([-np.inf]), "f64") == np.inf
    assert difference(np.array([np.nan]), np.array([0.0]), "f64") == np.inf


def test_stabilisation_may_make_values_finite() -> None:
    x, y = np.array([np.inf, 1.0]), np.array([5.0, 1.0])
    assert NumericCheck([]).compare(x, y) is None
    assert NumericCheck([], allow_finite=False).compare(x, y) == np.inf
    assert NumericCheck([]).compare(y, x) == np.inf, "never the other way"
