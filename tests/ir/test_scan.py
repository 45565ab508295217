"""`scan` and `ifelse` as ops of the IR: text, types, values; what their records refuse."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from arignote.ir.canonical import structural_hash
from arignote.ir.diag import IRError
from arignote.ir.interp import run
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module
from arignote.ir.verify import verify

LOOP = """func @main(%xs: f64[t,3], %h: f64[3], %w: f64[3]) -> (f64[3], f64[t,3], f64[t]) {
  %last, %all, %sum = scan(%xs, %h, %w) {carry=1, seqs=1, steps=[t]} : f64[3], f64[t,3], f64[t] {
    (%x: f64[3], %h: f64[3], %w: f64[3]):
    %mul = mul(%h, %w) : f64[3]
    %add = add(%mul, %x) : f64[3]
    %s = sum(%add) {axes=[0]} : f64[]
    yield(%add, %add, %s)
  }
  return(%last, %all, %sum)
}
"""
BRANCH = """func @main(%c: bool[], %x: f64[n]) -> (f64[n], f64[]) {
  %y, %s = ifelse(%c, %x) : f64[n], f64[] {
    (%x: f64[n]):
    %e = exp(%x) : f64[n]
    %s = sum(%e) {axes=[0]} : f64[]
    yield(%e, %s)
  } {
    (%x: f64[n]):
    %zero = const() {value=f64[](0.0)} : f64[]
    yield(%x, %zero)
  }
  return(%y, %s)
}
"""
XS, H, W = np.arange(12.0).reshape(4, 3), np.ones(3), np.array([0.5, -1.0, 2.0])


def func(text: str) -> Any:
    (f,) = parse_module(text).funcs
    verify(f)
    return f


def _loop(xs: Any, h: Any, reverse: bool = False) -> list[Any]:
    rows = []
    for x in xs[::-1] if reverse else xs:
        h = h * W + x
        rows.append(h)
    return [h, np.array(rows[::-1] if reverse else rows)]


@pytest.mark.parametrize("text", [LOOP, BRANCH])
def test_text_round_trip(text: str) -> None:
    module = parse_module(text)
    assert print_module(module) == text
    assert structural_hash(func(text)) == structural_hash(func(text.replace("%mul", "%m").replace("%e", "%z")))
    assert structural_hash(func(text)) != structural_hash(func(text.replace("mul(%h, %w)", "mul(%w, %w)")
                                                               .replace("exp(", "log(")))  # fmt: skip


def test_a_loop_carries_and_stacks() -> None:
    (last, rows, sums), _ = run(func(LOOP), [XS, H, W])
    want_last, want = _loop(XS, H)
    np.testing.assert_array_equal(last, want_last)
    np.testing.assert_array_equal(rows, want)
    np.testing.assert_array_equal(sums, want.sum(1))


def test_in_reverse_rows_stay_at_their_places() -> None:
    text = LOOP.replace("carry=1, seqs=1", "carry=1, reverse=true, seqs=1")
    (last, rows, _), _ = run(func(text), [XS, H, W])
    want_last, want = _loop(XS, H, reverse=True)
    np.testing.assert_array_equal(last, want_last)
    np.testing.assert_array_equal(rows, want)


def test_no_steps_leave_what_was_carried() -> None:
    (last, rows, sums), _ = run(func(LOOP), [XS[:0], H, W])
    np.testing.assert_array_equal(last, H)
    assert rows.shape == (0, 3) and sums.shape == (0,)


PARTS = """func @main(%xs: f64[t,p], %h: f64[q], %n: i64[]) -> (f64[t,n], f64[m]) {
  %last, %all = scan(%xs, %h, %n) {carry=1, seqs=1, steps=[t]} : f64[q], f64[t,n] {
    (%x: f64[p], %h: f64[q], %k: i64[]):
    %part = slice(%x, %k) {bound_size=[0], size=[n], start=[1], step=[1]} : f64[n]
    yield(%h, %part)
  }
  %sums = sum(%all) {axes=[1]} : f64[t]
  %one = slice(%sums, %n) {bound_size=[0], size=[m], start=[0], step=[1]} : f64[m]
  return(%all, %one)
}
"""


def test_a_size_that_an_invariant_gives_holds_outside() -> None:
    verify(func(PARTS))
    (rows, _), _ = run(func(PARTS), [XS, H, np.asarray(2)])
    np.testing.assert_array_equal(rows, XS[:, 1:3])
    changing = PARTS.replace("%k: i64[]):", "%k: i64[]):\n    %j = add(%k, %k) : i64[]").replace("(%x, %k)", "(%x, %j)")
    with pytest.raises(IRError, match="n is not bound here"):
        verify(func(changing))


def test_a_condition_stops_the_loop_and_the_rest_is_zero() -> None:
    text = """func @main(%h: f64[]) -> (f64[], f64[9], i64[]) {
  %last, %all, %n = scan(%h) {carry=1, index=true, seqs=0, steps=[9], until=true} : f64[], f64[9], i64[] {
    (%i: i64[], %h: f64[]):
    %two = const() {value=f64[](2.0)} : f64[]
    %next = mul(%h, %two) : f64[]
    %limit = const() {value=f64[](20.0)} : f64[]
    %stop = gt(%next, %limit) : bool[]
    yield(%next, %next, %stop)
  }
  return(%last, %all, %n)
}
"""
    (last, rows, n), _ = run(func(text), [np.array(3.0)])
    assert last == 24.0 and n == 3
    np.testing.assert_array_equal(rows, [6.0, 12.0, 24.0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("flag", [True, False])
def test_one_branch_runs(flag: bool) -> None:
    x = np.array([0.5, 800.0 if not flag else 1.0])
    (y, s), _ = run(func(BRANCH), [np.array(flag), x])
    np.testing.assert_array_equal(y, np.exp(x) if flag else x)
    assert s == (np.exp(x).sum() if flag else 0.0)


def test_the_results_are_no_views_of_the_operands() -> None:
    x = np.ones(2)
    (y, _), _ = run(func(BRANCH), [np.array(False), x])
    assert not np.shares_memory(y, x)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("carry=1, seqs=1", "carry=3, seqs=1", "takes 3 values for 3 operands (C1)"),
        ("%xs: f64[t,3]", "%xs: f64[7,3]", "sequence 0 (x) is f64[7,3], but there are 4 steps (C2)"),
        ("(%x: f64[3], %h: f64[3], %w: f64[3]):", "(%x: f64[4], %h: f64[3], %w: f64[3]):", "f64[4]"),
        ("scan(%xs, %h, %w)", "scan(%xs, %h)", "takes 3 values for 2 operands (C1)"),
        ("yield(%add, %add, %s)", "yield(%s, %add, %s)", "carried value 0 (h) is f64[3] and becomes f64[] (C4)"),
        ("carry=1, seqs=1", "carry=1, index=true, seqs=1", "takes 3 values for 3 operands (C1)"),
        ("steps=[t]", "steps=[t], until=true", "the condition to stop is bool[], not f64[] (C5)"),
        ("carry=1, seqs=1", "bound=[0], carry=1, seqs=1", "(C6)"),
    ],
)  # fmt: skip
def test_loops_that_are_refused(old: str, new: str, message: str) -> None:
    assert old in LOOP
    with pytest.raises(IRError, match=re.escape(message)):
        func(LOOP.replace(old, new).replace("[t", "[4" if "[7" in new else "[t"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("%c: bool[]", "%c: f64[]", "takes a condition bool[] and two regions, got f64[] and 2 (C1)"),
        ("{\n    (%x: f64[n]):\n    %zero", "{\n    (%x: f64[m]):\n    %zero", "not the types of the operands (C2)"),
        ("yield(%x, %zero)", "yield(%zero, %zero)", "the branches differ: (f64[n], f64[]) and (f64[], f64[]) (C3)"),
        ("yield(%x, %zero)", "yield(%x)", "the branches differ"),
    ],
)
def test_branches_that_are_refused(old: str, new: str, message: str) -> None:
    assert old in BRANCH
    with pytest.raises(IRError, match=re.escape(message)):
        func(BRANCH.replace(old, new))
