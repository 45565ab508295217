"""Sizes that must agree are compared at the call: what is compared, and that nothing runs where they differ."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.ir.interp import EvaluationError, run
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module
from arignote.passes.guard import LARGEST, Guard, is_natural

SUM = "func @f(%x: f32[n], %y: f32[m]) -> (f32[n]) {\n  %a = add(%x, %y) : f32[n]\n  return(%a)\n}\n"


def test_two_symbols_are_compared_by_their_difference() -> None:
    (func,) = parse_module(SUM).funcs
    guarded = Guard().run(func)
    text = print_module(guarded)
    assert text.count("assume(") == 1 and text.index("assume(") < text.index("add(%x, %y)")
    three, one = np.ones(3, np.float32), np.ones(1, np.float32)
    assert run(guarded, [three, three])[0][0].tolist() == [2, 2, 2]
    with pytest.raises(EvaluationError, match="a size was assumed"):
        run(guarded, [three, one])


def test_known_functions_stay_the_same_object() -> None:
    (func,) = parse_module(SUM.replace("[n]", "[4]").replace("[m]", "[4]")).funcs
    assert Guard().run(func) is func
    (func,) = parse_module(SUM.replace("[m]", "[n]")).funcs
    assert Guard().run(func) is func


def test_updates_keep_the_shape() -> None:
    text = "func @f(%x: f32[n]) state(@w: f32[m]) -> () {\n  update(@w, %x)\n  return()\n}\n"
    guarded = Guard().run(parse_module(text).funcs[0])
    three = np.ones(3, np.float32)
    run(guarded, [three], {"w": three})
    with pytest.raises(EvaluationError, match="a size was assumed"):
        run(guarded, [three], {"w": np.ones(2, np.float32)})


@pytest.mark.parametrize("n, fits", [(0, True), (3, True), (-1, False), (LARGEST + 1, False)])
def test_sizes_that_scalars_give_are_bounded(n: int, fits: bool) -> None:
    text = (
        'func @f(%n: i64[]) -> (i64[]) {\n  %i = iota(%n) {axis=0, bound=[0], dtype="i64", shape=[a]} : i64[a]\n'
        "  %d = dim(%i) {axis=0} : i64[]\n  return(%d)\n}\n"
    )
    guarded = Guard().run(parse_module(text).funcs[0])
    if fits:
        assert run(guarded, [np.asarray(n)])[0][0] == n
    else:
        with pytest.raises(EvaluationError, match="a size was assumed"):
            run(guarded, [np.asarray(n)])


def test_what_is_never_negative_needs_no_comparison() -> None:
    text = (
        "func @f(%x: f32[n], %i: i64[]) -> (i64[], i64[], i64[]) {\n  %d = dim(%x) {axis=0} : i64[]\n"
        "  %zero = const() {value=i64[](0)} : i64[]\n  %m = maximum(%i, %zero) : i64[]\n"
        "  %a = mul(%d, %m) : i64[]\n  %b = sub(%d, %m) : i64[]\n  return(%a, %b, %i)\n}\n"
    )
    natural = [is_natural(v) for v in parse_module(text).funcs[0].results]
    assert natural == [True, False, False]
