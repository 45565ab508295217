"""The cost model: arithmetic and traffic of ops, kernels and functions."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.ir.core import Func
from arignote.ir.cost import Cost, amount, annotated, op_cost, summary
from arignote.ir.opdef import OPS
from arignote.ir.parse import parse_module
from arignote.ir.types import Dim, scale_dim
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan

N = Dim.symbol("n")
MLP = """
func @f(%x: f32[n,784], %i: i64[]) state(@w: f32[784,10], @b: f32[10]) -> (f32[n,10]) {
  %z = dot(%x, @w) : f32[n,10]
  %j = add(%i, %i) : i64[]
  %a = add(%z, @b) : f32[n,10]
  %t = tanh(%a) : f32[n,10]
  %v = reshape(%t) {shape=[10*n]} : f32[10*n]
  %r = reshape(%v) {shape=[n,10]} : f32[n,10]
  return(%r)
}
"""


def func(text: str) -> Func:
    (out,) = parse_module(text).funcs
    return out


def test_products_elementwise_ops_views_and_scalars() -> None:
    f = func(MLP)
    costs = {op.name: op_cost(op) for op in f.ops}
    assert costs["dot"] == Cost(2 * 784 * 10 * N, 4 * 784 * N + 4 * 7840, 40 * N)
    assert costs["tanh"] == Cost(10 * N, 40 * N, 40 * N)
    assert costs["reshape"] == Cost(), "a view moves nothing"
    total = summary(f)
    assert (total.ops, total.kernels, total.launches, total.transfers) == (6, 3, 3, 0)
    assert total.cost.flops == 15680 * N + 20 * N, "the index costs nothing: the host computes it"


def test_a_kernel_keeps_its_insides_in_registers() -> None:
    fused = Fuse().run(func(MLP))
    (kernel,) = [op for op in fused.ops if op.name == "fused"]
    assert op_cost(kernel) == Cost(20 * N, 40 * N + 40, 40 * N)
    assert summary(fused).launches == 2
    assert summary(Plan().run(fused)).launches == 2, "a result in another shape is computed in its place"


def test_equal_kernels_count_once() -> None:
    total = summary(
        func("""
func @f(%x: f32[8], %y: f32[8]) -> (f32[8], f32[8], f32[8]) {
  %a = exp(%x) : f32[8]
  %b = exp(%y) : f32[8]
  %c = tanh(%y) : f32[8]
  return(%a, %b, %c)
}""")
    )
    assert (total.kernels, total.launches) == (2, 3)


def test_what_picks_reads_what_it_picks() -> None:
    f = func("""
func @f(%table: f32[50000,100], %i: i64[32]) -> (f32[32,100], f32[10,100], f32[50000,100]) {
  %rows = gather(%table, %i) : f32[32,100]
  %part = slice(%table) {size=[10,100], start=[5,0], step=[1,1]} : f32[10,100]
  %odd = slice(%table) {size=[10,100], start=[5,0], step=[2,1]} : f32[10,100]
  %sum = add(%part, %odd) : f32[10,100]
  %new = update_slice(%table, %sum) {mode="add", size=[10,100], start=[0,0], step=[1,1]} : f32[50000,100]
  return(%rows, %part, %new)
}""")
    rows, part, odd, _, new = (op_cost(op) for op in f.ops)
    assert rows == Cost(0, 32 * 100 * 4 + 32 * 8, 32 * 100 * 4)
    assert part == Cost(), "a contiguous slice is a view"
    assert odd == Cost(0, 4000, 4000)
    assert new.read == 50000 * 400 + 4000


def test_transfers() -> None:
    total = summary(
        func("""
func @f(%x: f32[8]) -> (f32[8]) {
  %a = transfer(%x) {to="cuda"} : f32[8]
  %b = exp(%a) : f32[8]
  %c = transfer(%b) {to="cpu"} : f32[8]
  return(%c)
}""")
    )
    assert (total.kernels, total.launches, total.transfers) == (1, 1, 2)


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_has_a_cost(name: str) -> None:
    """No negative one, and some arithmetic where a float comes of floats that are not merely moved."""
    from arignote.ir.builder import Builder
    from arignote.ir.core import Value
    from arignote.ir.types import type_of

    for arrays, attrs in OPS[name].samples():
        operands = [Value(type_of(np.asarray(x))) for x in arrays]
        op = Builder().emit(name, *operands, **attrs)[0].owner
        assert op is not None
        cost = op_cost(op)
        for part in (cost.flops, cost.read, cost.written):
            assert isinstance(part, int) and part >= 0
        computes = {"elementwise", "reduction"} & OPS[name].traits and name != "copy"
        if computes and all(x.size for x in map(np.asarray, arrays)):
            assert cost.flops > 0  # type: ignore[operator]


def test_amounts_for_people() -> None:
    assert amount(9_408_000, "flop") == "9.41 Mflop"
    assert amount(12, "B") == "12 B"
    assert amount(2 * N, "B") == "2*n B"
    assert scale_dim(N * N * N, 2, 3) == N * N * N, "rounded up"
    assert scale_dim(9, 1, 3) == 3


def test_annotated_text_parses_back() -> None:
    text = annotated(Fuse().run(func(MLP)), locs=True)
    assert "// 6 ops" not in text and "kernels, 2 launches" in text
    assert "15680*n flop" in text and "// 10*n flop" in text
    again = func(text)
    assert [op.loc for op in again.ops] == [op.loc for op in Fuse().run(func(MLP)).ops]
