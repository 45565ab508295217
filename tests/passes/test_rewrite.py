"""The rewrite driver."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import IRError
from arignote.ir.text import parse_module
from arignote.passes.rewrite import Rewriter, Table, rewrite, rewrite_ops, uniform_array
from tests.passes.graphs import func_of, var


def test_rules_see_rewritten_operands_and_new_ops() -> None:
    table = Table()

    @table("neg")
    def to_sub(b: Rewriter, op: Op) -> Value | None:
        return b.sub(b.like(0, op.operands[0]), op.operands[0])

    @table("sub")
    def to_add(b: Rewriter, op: Op) -> Value | None:
        if b.match(op.operands[1], "sub", "add") is not None:
            return b.add(*op.operands)
        return None

    b = Builder()
    x = var("x", "f32", 3)
    func = rewrite(func_of([x], [b.neg(b.neg(x))]), table, "test")
    assert [op.name for op in func.ops] == ["const", "sub", "const", "add"]


def test_replacements_of_another_type_are_refused() -> None:
    table = Table()

    @table("mul")
    def wrong(b: Rewriter, op: Op) -> Value | None:
        b.exp(op.operands[0])  # what a refused rule emitted is withdrawn
        return op.operands[0]

    b = Builder()
    x, y = var("x", "f32"), var("y", "f32", 3)
    func = func_of([x, y], [b.mul(x, y)])
    assert rewrite(func, table, "test") is func


def test_what_does_not_converge_is_reported() -> None:
    table = Table()

    @table("add")
    def swap(b: Rewriter, op: Op) -> Value | None:
        return b.add(*op.operands[::-1])

    b = Builder()
    x, y = var("x", "f32"), var("y", "f32")
    with pytest.raises(IRError, match="test does not converge: rule swap still applies to add"):
        rewrite(func_of([x, y], [b.add(x, y)]), table, "test")


def test_opaque_values_are_not_looked_into() -> None:
    table = Table()

    @table("exp")
    def exp_of_log(b: Rewriter, op: Op) -> Value | None:
        log = b.match(op.operands[0], "log")
        return None if log is None else log.operands[0]

    b = Builder()
    x = var("x", "f32")
    log = b.log(x)
    func = func_of([x], [b.exp(log)])
    assert rewrite(func, table, "test").results == [x]
    ops, mapping = rewrite_ops(func.ops, table, func.results, opaque=[log])
    assert ops == func.ops and not mapping


def test_regions_are_rewritten() -> None:
    text = """
    func @f(%x: f32[4]) -> (f32[4]) {
      %y = fused(%x) {axes=[], kind="map"} : f32[4] {
        (%a: f32[4]):
        %b = neg(%a) : f32[4]
        %c = neg(%b) : f32[4]
        %d = exp(%c) : f32[4]
        yield(%d)
      }
      return(%y)
    }
    """
    from arignote.passes.canonicalize import Canonicalize

    func = Canonicalize().run(parse_module(text).funcs[0])
    (fused,) = func.ops
    assert [op.name for op in fused.regions[0].ops] == ["exp"]
    assert Canonicalize().run(func) is func


def test_single_use_counts_roots() -> None:
    from arignote.passes.gemm import Gemm

    b = Builder()
    x, w, s = var("x", "f32", 2, 3), var("w", "f32", 3, 4), var("s", "f32")
    product = b.dot(x, w)
    scaled = b.mul(product, s)
    assert [op.name for op in Gemm().run(func_of([x, w, s], [scaled])).ops] == ["gemm"]
    both = func_of([x, w, s], [scaled, product])
    assert Gemm().run(both) is both


def test_uniform_arrays() -> None:
    assert uniform_array(np.full((2, 3), 1.5)) == 1.5
    assert uniform_array(np.array([1, 2])) is None
    assert uniform_array(np.zeros((0,))) is None
    assert uniform_array(np.array(True)) is True
