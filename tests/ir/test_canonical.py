"""Structural identity: names, listing and process do not count; everything else does."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arignote.ir.builder import Builder
from arignote.ir.canonical import (
    canonical,
    canonical_text,
    equal,
    first_difference,
    op_hashes,
    structural_hash,
)
from arignote.ir.core import Func, Module, Op, Value
from arignote.ir.diag import IRError
from arignote.ir.interp import run
from arignote.ir.text import parse_module, print_module
from arignote.ir.types import TensorType
from arignote.ir.verify import verify
from tests.ir.rewrites import renamed, shuffled
from tests.ir.strategies import programs, stateful_programs

TEXT = """\
func @f(%x: f32[n,3], %y: f32[m,n]) state(@W: f32[3,3]) -> (f32[m,3], f32[]) {
  %h = dot(%x, @W) : f32[n,3]
  %c = const() {value=f32[](0.5)} : f32[]
  %s = mul(%h, %c) : f32[n,3]
  %z = dot(%y, %s) : f32[m,3]
  %w = neg(@W) : f32[3,3]
  %total = sum(%z) {axes=[0,1]} : f32[]
  update(@W, %w)
  return(%z, %total)
}
"""
Stateful = tuple[Func, list[np.ndarray], dict[str, np.ndarray]]


def parse(text: str) -> Func:
    return parse_module(text).funcs[0]


def test_canonical_text() -> None:
    assert (
        canonical_text(parse(TEXT))
        == """\
func @f(%arg0: f32[d0,3], %arg1: f32[d1,d0]) state(@state0: f32[3,3]) -> (f32[d1,3], f32[]) {
  %dot.0 = dot(%arg0, @state0) : f32[d0,3]
  %const.0 = const() {value=f32[](0.5)} : f32[]
  %mul.0 = mul(%dot.0, %const.0) : f32[d0,3]
  %dot.1 = dot(%arg1, %mul.0) : f32[d1,3]
  %sum.0 = sum(%dot.1) {axes=[0,1]} : f32[]
  %neg.0 = neg(@state0) : f32[3,3]
  update(@state0, %neg.0)
  return(%dot.1, %sum.0)
}
"""
    )


@given(stateful_programs(regions=True), st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_names_and_listing_do_not_count(program: Stateful, seed: int) -> None:
    func = program[0]
    other = renamed(shuffled(func, np.random.default_rng(seed)), "q")
    verify(other)
    assert first_difference(func, other) == ""
    assert structural_hash(func) == structural_hash(other)
    assert canonical_text(func).replace("@f(", "@q(", 1) == canonical_text(other)


@given(programs())
@settings(max_examples=40, deadline=None)
def test_the_canonical_form_computes_the_same(program: tuple[Func, list[np.ndarray]]) -> None:
    func, arrays = program
    form = canonical(func)
    verify(form)
    assert canonical_text(form) == canonical_text(func)
    for a, b in zip(run(func, arrays)[0], run(form, arrays)[0], strict=True):
        np.testing.assert_array_equal(a, b)


CHANGES = [
    ("(0.5)", "(0.25)"),
    ("mul(%h, %c)", "mul(%c, %h)"),
    ("mul(%h, %c)", "add(%h, %c)"),
    ("return(%z, %total)", "return(%s, %total)"),
    ("update(@W, %w)\n", "update(@W, @W)\n"),
    ("f32[m,n]", "f32[n,n]"),
    ("  update(@W, %w)\n", ""),
    ("%x: f32[n,3]", "%x: f32[n,3]@cuda"),
    ("{\n  %h", '{stage="recorded"} {\n  %h'),
]


@pytest.mark.parametrize(("old", "new"), CHANGES, ids=[c[1] for c in CHANGES])
def test_everything_else_counts(old: str, new: str) -> None:
    text = TEXT.replace(old, new)
    if new == "f32[n,n]":
        text = text.replace("f32[m,3]", "f32[n,3]")
    text = text.replace("-> (f32[m,3]", "-> (f32[n,3]") if "return(%s" in text else text
    other = parse(text)
    assert not equal(parse(TEXT), other)
    assert first_difference(parse(TEXT), other)


def test_sharing_counts() -> None:
    once = "func @f(%x: f32[]) -> (f32[]) {\n  %a = exp(%x) : f32[]\n"
    shared = parse(once + "  %c = add(%a, %a) : f32[]\n  return(%c)\n}\n")
    twice = parse(once + "  %b = exp(%x) : f32[]\n  %c = add(%a, %b) : f32[]\n  return(%c)\n}\n")
    assert first_difference(shared, twice) == (
        "@f differs at line 3 of the canonical forms:\n"
        "-   %add.0 = add(%exp.0, %exp.0) : f32[]\n"
        "+   %exp.1 = exp(%arg0) : f32[]"
    )


def test_dead_ops_count_whatever_their_place() -> None:
    dead = ["  %d = exp(%x) : f32[n,3]\n", "  %e = sin(%x) : f32[n,3]\n"]
    first = parse(TEXT.replace("  %h", dead[0] + dead[1] + "  %h", 1))
    last = parse(TEXT.replace("  update", dead[1] + dead[0] + "  update", 1))
    assert equal(first, last)
    assert not equal(first, parse(TEXT))


def test_a_symbol_is_bound_before_it_is_used() -> None:
    text = """\
func @f(%x: f32[n]) -> (f32[k], f32[k]) {
  %one = const() {value=f32[](1.0)} : f32[]
  %n = dim(%x) {axis=0} : i64[]
  %a = broadcast(%one, %n) {bound=[0], shape=[k]} : f32[k]
  %b = broadcast(%one) {shape=[k]} : f32[k]
  return(%b, %a)
}
"""
    func = parse(text)
    verify(canonical(func))
    assert equal(func, parse(text.replace("k]", "other]")))


def test_symbols_that_appear_together() -> None:
    text = "func @f(%x: f32[a+2*b], %y: f32[b]) -> () {\n  return()\n}\n"
    other = "func @f(%x: f32[2*c+d], %y: f32[c]) -> () {\n  return()\n}\n"
    swapped = "func @f(%x: f32[a+2*b], %y: f32[a]) -> () {\n  return()\n}\n"
    assert equal(parse(text), parse(other))
    assert not equal(parse(text), parse(swapped))


def with_const(array: np.ndarray) -> Func:
    ops: list[Op] = []
    return Func("f", [], [], ops, [Builder(ops).const(array)])


def test_constants_count_by_their_bytes() -> None:
    large = np.arange(100.0)
    assert equal(with_const(large), with_const(np.arange(100.0)))
    changed = large.copy()
    changed[50] = np.nextafter(50.0, 51.0)
    assert not equal(with_const(large), with_const(changed))
    assert not equal(with_const(np.array(0.0)), with_const(np.array(-0.0)))
    assert not equal(with_const(np.array(1.0)), with_const(np.array(1)))
    transposed = np.arange(100.0).reshape(10, 10).T
    assert equal(with_const(transposed), with_const(transposed.copy()))


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_nans_are_all_alike(size: int, dtype: str) -> None:
    a = np.full(size, complex(np.nan, np.nan) if dtype == "complex128" else np.nan, dtype)
    payload = a.copy()
    payload.view(np.uint8)[::4] |= 1
    assert np.isnan(payload).all() and payload.tobytes() != a.tobytes() != (-a).tobytes()
    assert equal(with_const(a), with_const(-a))
    assert equal(with_const(a), with_const(payload))


def test_modules() -> None:
    func = parse(TEXT)
    other = parse(TEXT.replace("@f(", "@g("))
    assert equal(func, other)  # a function's own name does not count
    assert equal(Module([func]), parse_module(TEXT))
    assert not equal(Module([func]), Module([other]))
    assert not equal(Module([func]), func)
    assert "@f" in first_difference(Module([func]), Module([other]))
    assert first_difference(Module([func]), Module([func])) == ""


def test_op_hashes_match_ops_of_different_functions() -> None:
    func = parse(TEXT)
    other = parse(TEXT.replace("neg(@W)", "abs(@W)").replace("%h", "%q"))
    a, b = op_hashes(func), op_hashes(other)
    same = [x.name for x, y in zip(func.ops, other.ops, strict=True) if a[x] == b[y]]
    assert same == ["dot", "const", "mul", "dot", "sum"]
    assert len(set(a.values())) == len(func.ops)


def test_broken_functions_are_refused() -> None:
    a = Value(TensorType("f32", ()), "a")
    ops: list[Op] = []
    out = Builder(ops).neg(a)
    with pytest.raises(IRError, match="used but not defined"):
        canonical(Func("f", [], [], ops, [out]))


def test_the_hash_is_the_same_in_every_process() -> None:
    script = (
        "import sys; from arignote.ir import parse_module, structural_hash; "
        "print(structural_hash(parse_module(sys.stdin.read())))"
    )
    text = (
        print_module(parse(TEXT))
        + "\n"
        + print_module(
            parse(
                TEXT.replace("@f", "@g")
                .replace("f32[m,n]", "f32[a+2*m,n]")
                .replace("[m,", "[a+2*m,")
            )
        )
    )
    want = structural_hash(parse_module(text))
    for seed in ("0", "1", "12345"):
        out = subprocess.run(
            [sys.executable, "-c", script],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert out.stdout.strip() == want


def test_deep_and_wide_functions() -> None:
    a = Value(TensorType("f32", (2,)), "a")
    ops: list[Op] = []
    b = Builder(ops)
    x = a
    for _ in range(20_000):
        x = b.neg(x)
    deep = Func("f", [a], [], ops, [x])
    text = print_module(deep)
    parsed = parse_module(text)
    assert print_module(parsed) == text
    assert equal(parsed["f"], deep)
    ops = []
    b = Builder(ops)
    wide = [b.neg(a) for _ in range(2_000)]
    joined = b.concatenate(*wide, axis=0)
    listed = [*reversed(ops[:-1]), ops[-1]]
    assert equal(Func("f", [a], [], ops, [joined]), Func("f", [a], [], listed, [joined]))
