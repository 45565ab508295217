"""The semantic diff: silent about names and order, exact about the rest."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from arignote.ir.canonical import equal
from arignote.ir.changes import ADDED, CHANGED, MOVED, REMOVED
from arignote.ir.core import Func, Module
from arignote.ir.diag import IRError
from arignote.ir.diff import diff, diff_funcs
from arignote.ir.diffjson import to_json
from arignote.ir.difftext import side_by_side, stat, unified
from arignote.ir.parse import parse_module
from arignote.passes import OPTIMIZE
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan
from tests.ir.rewrites import renamed, shuffled
from tests.ir.strategies import stateful_programs

BASE = """
func @f(%x: f32[n,4], %y: f32[n,4]) state(@w: f32[4]) -> (f32[n]) {
  %s = sub(%x, %y) : f32[n,4]
  %c = const() {value=f32[](2.0)} : f32[]
  %m = mul(%s, %c) : f32[n,4]
  %e = exp(%m) : f32[n,4]
  %t = sum(%e) {axes=[1]} : f32[n]
  %g = sum(%e) {axes=[0]} : f32[4]
  %w.new = add(@w, %g) : f32[4]
  update(@w, %w.new)
  return(%t)
}
"""


def module(text: str) -> Module:
    return parse_module(text)


def kinds(before: str, after: str) -> dict[str, list[str]]:
    """Kind of change -> the ops that changed so."""
    out: dict[str, list[str]] = {}
    for f in diff(module(before), module(after)).funcs:
        for c in f.changes:
            if c.kind:
                op = c.after or c.before
                out.setdefault(c.kind, []).append(op.name if op is not None else c.text(1).split("(")[0])
    return out


@settings(
    max_examples=120, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(case=stateful_programs(max_ops=14, regions=True))
def test_renaming_and_reordering_make_no_difference(case: tuple[Func, Any, Any]) -> None:
    func = case[0]
    rng = np.random.default_rng(0)
    other = renamed(shuffled(func, rng), "q")
    found = diff(func, other)
    assert not found, unified(found)
    assert unified(found) == stat(found) == ""
    for stage in (OPTIMIZE.run(func), Fuse().run(OPTIMIZE.run(func))):
        found = diff(stage, renamed(shuffled(stage, rng), "q"))
        assert not found, unified(found)


@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(case=stateful_programs(max_ops=14, regions=True))
def test_whatever_differs_is_found(case: tuple[Func, Any, Any]) -> None:
    """Stages are diffs of themselves, and a diff is empty just where the programs are equal."""
    func = case[0]
    for after in (OPTIMIZE.run(func), Fuse().run(func), Plan().run(Fuse().run(OPTIMIZE.run(func)))):
        found = diff_funcs(func, after)
        assert bool(found) == (not equal(func, after))
        if found:
            assert any(c.kind for c in found.changes) or any(x != y for x, y in found.header)
        in_both = sum(1 for c in found.changes if c.before is not None and c.after is not None)
        assert in_both == len({id(c.before) for c in found.changes if c.before is not None and c.after is not None})
        json.dumps(to_json(diff(func, after)))


def test_changed_attributes_types_and_operands_stand_in_the_line() -> None:
    assert kinds(BASE, BASE) == {}
    assert kinds(BASE, BASE.replace("f32[](2.0)", "f32[](3.0)")) == {CHANGED: ["const"]}
    found = diff(module(BASE), module(BASE.replace("f32[](2.0)", "f32[](3.0)")))
    assert "~ %c = const() {value={f32[](2.0) -> f32[](3.0)}} : f32[]" in unified(found)
    found = diff(module(BASE), module(BASE.replace("sub(%x, %y)", "sub(%y, %x)")))
    assert "~ %s = sub({%x -> %y}, {%y -> %x}) : f32[n,4]" in unified(found)
    found = diff(module(BASE), module(BASE.replace("exp(%m)", "tanh(%m)")))
    assert "~ %e = {exp -> tanh}(%m) : f32[n,4]" in unified(found)
    wide = BASE.replace("f32", "f64")
    text = unified(diff(module(BASE), module(wide)))
    assert "~ %t = sum(%e) {axes=[1]} : {f32[n] -> f64[n]}" in text
    assert "%x: {f32[n,4] -> f64[n,4]}" in text


def test_added_and_removed_ops_leave_their_neighbours_alone() -> None:
    more = BASE.replace("%e = exp(%m)", "%a = abs(%m) : f32[n,4]\n  %e = exp(%a)")
    assert kinds(BASE, more) == {ADDED: ["abs"], CHANGED: ["exp"]}
    assert kinds(more, BASE) == {REMOVED: ["abs"], CHANGED: ["exp"]}
    twice = BASE.replace("sum(%e) {axes=[0]}", "sum(%d) {axes=[0]}").replace(
        "  %g = ", "  %d = exp(%m) : f32[n,4]\n  %g = "
    )
    assert kinds(BASE, twice) == {ADDED: ["exp"]}, "computed twice instead of used twice"


def test_updates_and_results() -> None:
    assert kinds(BASE, BASE.replace("  update(@w, %w.new)\n", "")) == {CHANGED: ["update @w"]}
    both = BASE.replace("(f32[n]) {", "(f32[n], f32[4]) {").replace("return(%t)", "return(%t, %g)")
    assert kinds(BASE, both) == {CHANGED: ["return"]}
    assert "return(%t, {+%g})" in unified(diff(module(BASE), module(both)))


def test_ops_that_enter_kernels_have_moved() -> None:
    (func,) = module(BASE).funcs
    fused = Fuse().run(func)
    found = diff_funcs(func, fused)
    moved = [c.after.name for c in found.changes if c.kind == MOVED and c.after is not None]
    assert {"sub", "mul", "exp", "sum"} <= set(moved)
    assert {c.after.name for c in found.changes if c.kind == ADDED and c.after is not None} <= {"fused", "const"}
    assert found.count(CHANGED) == found.count(REMOVED) == 0
    text = unified(diff(func, fused))
    assert ">   %s = sub(%x, %y) : f32[n,4]  // from outside to %" in text, text
    back = diff_funcs(fused, func)
    assert back.count(CHANGED) == back.count(ADDED) == 0


def test_memory_is_an_attribute_like_others() -> None:
    (func,) = module(BASE).funcs
    fused = Fuse().run(func)
    found = diff_funcs(fused, Plan().run(fused))
    changed = [c for c in found.changes if c.kind]
    assert changed and all(c.kind == CHANGED and c.details[0][0] == "mem" for c in changed)


def test_sizes_that_became_known_are_told_once() -> None:
    known = BASE.replace("[n,4]", "[7,4]").replace("[n]", "[7]")
    found = diff(module(BASE), module(known))
    assert kinds(BASE, known) == {}
    assert "func @f(%x: {f32[n,4] -> f32[7,4]}, %y: {f32[n,4] -> f32[7,4]})" in unified(found)
    assert not diff(module(BASE), module(BASE.replace("[n", "[rows")))
    mixed = known.replace("func @f(%x: f32[7,4]", "func @f(%x: f32[7,4]").replace("%y: f32[7,4]", "%y: f32[1,4]")
    assert diff(module(known), module(mixed))


def test_functions_come_go_and_are_renamed() -> None:
    two = BASE + BASE.replace("@f", "@g").replace("exp", "tanh")
    found = diff(module(BASE), module(two))
    assert [(f.before is None, f.after is None) for f in found.funcs] == [(False, False), (True, False)]
    assert "@g: added, 7 ops" in stat(found)
    assert not diff(module(two), module(two.replace("@f", "@step").replace("@g", "@loss")))
    assert "@g: removed" in stat(diff(module(two), module(BASE)))


def test_parameters_come_and_go() -> None:
    more = BASE.replace("%y: f32[n,4])", "%y: f32[n,4], %z: f32[n,4])").replace("exp(%m)", "exp(%z)")
    text = unified(diff(module(BASE), module(more)))
    assert "{+%z: f32[n,4]}" in text
    assert "exp({%m -> %z})" in text
    assert "{-%z: f32[n,4]}" in unified(diff(module(more), module(BASE)))


def test_costs_are_compared() -> None:
    (func,) = module(BASE.replace("n", "5").replace("fu5c", "func").replace("retur5", "return").replace(".5ew", ".new")
                     .replace("co5st", "const")).funcs  # fmt: skip
    text = stat(diff(func, Fuse().run(func)))
    assert "kernels 6 -> 1 (-5)" in text or "kernels 6 -> 2 (-4)" in text
    assert "bytes" in text and "%" in text and "flops" not in text


def test_forms_of_text() -> None:
    after = BASE.replace("f32[](2.0)", "f32[](3.0)").replace("exp", "tanh")
    found = diff(module(BASE), module(after))
    plain = unified(found, context=0)
    assert len(plain.splitlines()) < len(unified(found, context=3).splitlines())
    colored = unified(found, context=0, color=True)
    assert "\x1b[" in colored and "\x1b[" not in plain
    columns = side_by_side(found, width=120)
    row = next(line for line in columns.splitlines() if "const()" in line)
    assert "f32[](2.0)" in row[:60] and "f32[](3.0)" in row[60:] and " ~ " in row
    assert all(len(line) <= 120 for line in columns.splitlines())
    data = to_json(found)
    assert data["equal"] is False
    change = next(c for c in data["functions"][0]["changes"] if c["op"] == "const")
    assert change["details"] == [["value", "f32[](2.0)", "f32[](3.0)"]]
    assert change["loc"] == "<text>:4"
    assert json.loads(json.dumps(data)) == data


def test_broken_functions_are_refused() -> None:
    (func,) = module(BASE).funcs
    broken = func.with_ops(func.ops[1:], {})
    with pytest.raises(IRError, match="used but not defined"):
        diff(func, broken)
