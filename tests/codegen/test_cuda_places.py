"""CUDA kernels of places that the device computes: their bodies run on the processor, with a loop for the threads."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import arignote.ir.ops  # noqa: F401
from arignote.codegen.artifact import cpu_target
from arignote.codegen.cudaplaces import check_kernel, scatter_kernel, slice_kernel
from arignote.codegen.emit import Emitter
from arignote.codegen.toolchain import tirx, tvm, tvm_ir
from arignote.ir.core import Op
from arignote.ir.parse import parse_module


def _op(params: str, line: str) -> Op:
    types = line.rpartition(" : ")[2]
    (op,) = parse_module(f"func @f({params}) -> ({types}) {{\n  %r = {line}\n  return(%r)\n}}\n").funcs[0].ops
    return op


def _serial(e: Emitter, total: Any, body: Any) -> None:
    e.loop(total, body)


def _run(kernel: Any, *args: Any) -> None:
    module = tvm.IRModule({tvm_ir.GlobalVar("k"): kernel.with_attr("global_symbol", "k")})
    library = tirx.build(module, target=cpu_target(1), pipeline="arignote")
    library["k"](*(ctypes.c_void_p(a.ctypes.data) if isinstance(a, np.ndarray) else a for a in args))


@pytest.mark.parametrize("mode", ["add", "set"])
def test_scatter_of_rows_in_order(mode: str) -> None:
    """Indices that broadcast, count from the end, and meet: the last of them wins, or all count."""
    op = _op(
        "%x: f32[4,5,n], %v: f32[3,2,n], %i: i32[3,1], %j: i64[2]",
        f'scatter(%x, %v, %i, %j) {{axes=[], mode="{mode}"}} : f32[4,5,n]',
    )
    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((4, 5, 3)).astype("f4"), rng.standard_normal((3, 2, 3)).astype("f4")
    i, j = np.array([[1], [-3], [0]], "i4"), np.array([4, -1], "i8")
    out, status, want = x.copy(), np.zeros(2, "i8"), x.copy()
    _run(scatter_kernel(op, set(), _serial), v, i, j, out, status, 3)
    if mode == "add":
        np.add.at(want, (i, j), v)
    else:
        for a in range(3):
            for b in range(2):
                want[i[a, 0], j[b]] = v[a, b]
    np.testing.assert_allclose(out, want, rtol=1e-6)
    assert status.tolist() == [0, 0]


def test_scatter_reports_an_index_out_of_its_axis() -> None:
    op = _op("%x: f64[4], %v: f64[3], %i: i64[3]", 'scatter(%x, %v, %i) {axes=[], mode="add"} : f64[4]')
    memory, status = np.zeros(6), np.zeros(2, "i8")
    _run(scatter_kernel(op, set(), _serial), np.ones(3), np.array([1, -7, 2]), memory[1:5], status)
    assert status.tolist() == [1, -7]
    assert memory[0] == memory[5] == 0, "nothing is written outside"


@pytest.mark.parametrize(
    ("index", "size", "want", "status"), [(-1, 3, 2, [0, 0]), (2, 3, 2, [0, 0]), (3, 3, 3, [1, 3])]
)
@pytest.mark.parametrize("known", [False, True])
def test_check_index(index: int, size: int, want: int, status: list[int], known: bool) -> None:
    """The size in memory of the device, or a scalar of the host."""
    op = _op("%i: i64[], %n: i64[]", "check_index(%i, %n) {axis=0} : i64[]")
    host = {op.operands[1]} if known else set()
    out, words, n = np.zeros(1, "i8"), np.zeros(2, "i8"), np.array([size])
    _run(check_kernel(op, host, _serial), np.array([index]), size if known else n, out, words)
    assert (out[0], words.tolist()) == (want, status)


def test_slices_begin_where_the_device_says() -> None:
    op = _op(
        "%x: f32[4,6], %a: i64[], %b: i64[]",
        "slice(%x, %a, %b) {bound_start=[0,1], size=[2,2], start=[0,0], step=[1,2]} : f32[2,2]",
    )
    x, out = np.arange(24, dtype="f4").reshape(4, 6), np.zeros((2, 2), "f4")
    _run(slice_kernel(op, {op.operands[2]}, _serial), x, np.array([1]), 2, out)
    np.testing.assert_array_equal(out, x[1:3, 2:6:2])
