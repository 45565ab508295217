"""Sizes in place of symbols, and what does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.ir.builder import Builder
from arignote.ir.core import State
from arignote.ir.diag import Loc, TypeInferenceError
from arignote.ir.interp import run
from arignote.ir.types import Dim
from arignote.ir.verify import verify
from arignote.passes.dce import Dce
from arignote.passes.extents import at_least
from arignote.passes.specialize import Specialize
from tests.passes.graphs import func_of, var

n, m, k = Dim.symbol("n"), Dim.symbol("m"), Dim.symbol("k")


def test_symbols_by_symbols() -> None:
    b = Builder()
    x, y = var("x", "f32", n), var("y", "f32", m)
    func = Specialize((("m", n),)).run(func_of([x, y], [b.mul(y, x)]))
    verify(func)
    assert [str(v.type) for v in (*func.params, *func.results)] == ["f32[n]"] * 3


def test_nothing_known_changes_nothing() -> None:
    b = Builder()
    x = var("x", "f32", n)
    func = func_of([x], [b.sum(b.exp(x), axes=(0,))])
    assert Specialize().run(func) is func
    assert Specialize((("other", 3),)).run(func) is func


def test_conflict_names_op_shapes_and_line() -> None:
    b = Builder(loc=Loc("model.py", 31))
    x, w = var("x", "f32", n, k), var("w", "f32", m, 10)
    func = func_of([x, w], [b.dot(x, w)])
    with pytest.raises(TypeInferenceError) as info:
        Specialize((("n", 2), ("k", 3), ("m", 4))).run(func)
    text = str(info.value)
    assert text.startswith("dot: inner dimensions differ: f32[2,3] . f32[4,10]")
    assert "model.py:31" in text and "operand 1 is w: f32[4,10]" in text


def test_only_declared_dimensions_broadcast() -> None:
    b = Builder(loc=Loc("model.py", 8))
    x, bias = var("x", "f32", n, m), var("bias", "f32", k)
    func = func_of([x, bias], [b.add(x, bias)])
    with pytest.raises(TypeInferenceError, match=r"axis 0 of bias is 1 .*stretch to 5.*") as info:
        Specialize((("n", 2), ("m", 5), ("k", 1))).run(func)
    assert "broadcastable" in str(info.value) and "model.py:8" in str(info.value)
    # A row vector that is declared as such stretches; and 1 against 1 stretches nothing.
    row = var("row", "f32", 1, m)
    out = Specialize((("n", 2), ("m", 5))).run(func_of([x, row], [b.add(x, row)]))
    assert out.results[0].shape == (2, 5)
    Specialize((("n", 2), ("m", 1), ("k", 1))).run(func)


def test_updates_must_fit_their_state() -> None:
    b = Builder(loc=Loc("model.py", 9))
    x, w = var("x", "f32", n), var("w", "f32", m)
    func = func_of([x], [], [State("w", w, b.exp(x))])
    with pytest.raises(TypeInferenceError, match=r"update of @w: f32\[4\] .*f32\[3\]"):
        Specialize((("n", 3), ("m", 4))).run(func)


def test_operand_against_specialised_size() -> None:
    b = Builder()
    x = var("x", "f32", n)
    two = b.const(2, "i64")
    head = b.slice(x, two, start=(0,), size=(k,), step=(1,), bound_size=(0,))
    func = func_of([x], [head])
    assert Specialize().run(func).results[0].shape == (2,)
    with pytest.raises(TypeInferenceError, match=r"specialised to 3, but .* gives it is 2"):
        Specialize((("k", 3),)).run(func)


def test_runtime_sizes_stay_guarded() -> None:
    b = Builder()
    x, size = var("x", "f32", n), var("size", "i64")
    head = b.slice(x, size, start=(0,), size=(k,), step=(1,), bound_size=(0,))
    func = Specialize((("n", 4), ("k", 3))).run(func_of([x, size], [b.exp(head)]))
    verify(func)
    assert func.results[0].shape == (3,)
    assert [op.name for op in func.ops] == ["assume", "slice", "exp"], "compared at the call"
    assert func.ops[0].operands == (func.params[1],) and func.ops[0].attrs["value"] == 3
    assert Dce().run(func).ops == func.ops, "kept although nothing uses it"
    out, _ = run(func, [np.zeros(4, "f4"), np.int64(3)])
    assert out[0].shape == (3,)


def test_comparing_dimensions() -> None:
    assert at_least(n + 1, n) is True
    assert at_least(n, n + 1) is False
    assert at_least(n, 0) is True
    assert at_least(n, 1) is None
    assert at_least(2 * n, n) is True
    assert at_least(n, m) is None
    assert at_least(3, 4) is False
