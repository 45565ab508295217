"""`print` in compiled code: callbacks, order, loops, the cache, errors."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from arignote.codegen.cache import cache_folder
from arignote.codegen.compile import compile_func
from arignote.codegen.memory import aligned_zeros
from arignote.codegen.target import cpu_target
from arignote.ir.canonical import equal
from arignote.ir.core import Func
from arignote.ir.effects import Printed, redirected, register
from arignote.ir.interp import run
from arignote.ir.parse import parse_module
from arignote.passes import OPTIMIZE, Pipeline
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan

TEXT = """
func @f(%x: f32[n,3], %i: i64[], %b: bool[n]) -> (f32[n,3]) {
  %p = print(%x) {message="x"} : f32[n,3]
  %e = exp(%p) : f32[n,3]
  %q = print(%i) {message="i", show=["dtype", "__str__"]} : i64[]
  %r = print(%b) {message="b", show=["sum"]} : bool[n]
  %t = print(%e) {message="e", show=["shape"]} : f32[n,3]
  %m = mul(%t, %p) : f32[n,3]
  return(%m)
}
"""


class Holder:
    exclusive = True

    def __init__(self, array: Any) -> None:
        self.array = array


def compiled(text: str, **states: Any) -> Any:
    (func,) = parse_module(text).funcs
    planned = Pipeline([OPTIMIZE, Fuse(), Plan()]).run(func, verify_each=True)
    return compile_func(planned, cpu_target(), states)


def texts(call: Any) -> list[str]:
    seen: list[Printed] = []
    with redirected(seen.append):
        call()
    return [p.text() for p in seen]


def test_values_arrive_in_order_as_from_the_interpreter() -> None:
    x, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([True, False])
    f = compiled(TEXT).executable
    (func,) = parse_module(TEXT).funcs
    got: list[Any] = []
    want: list[Any] = []
    seen = texts(lambda: got.extend(f(x, 5, b)))
    assert seen == texts(lambda: want.extend(run(func, [x, np.int64(5), b])[0]))
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5)
    assert seen[0] == "x __str__ = [[0. 1. 2.]\n [3. 4. 5.]]\n"
    assert seen[1] == "i dtype = int64\ni __str__ = 5\n"
    assert seen[2:] == ["b sum = 1\n", "e shape = (2, 3)\n"]


def test_standard_output_and_functions_of_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    kept: list[Printed] = []
    number = register(kept.append)
    assert register(kept.append) == number
    f = compiled(f"""
func @f(%x: f32[2]) -> (f32[2]) {{
  %a = print(%x) {{message="to the screen"}} : f32[2]
  %b = print(%a) {{hook={number}, message="to a function"}} : f32[2]
  return(%b)
}}""").executable
    f(np.ones(2, np.float32))
    assert capsys.readouterr().out == "to the screen __str__ = [1. 1.]\n"
    assert [p.message for p in kept] == ["to a function"]


def test_nothing_is_dropped_merged_or_folded() -> None:
    f = compiled("""
func @f(%x: f32[2]) -> (f32[2]) {
  %c = const() {value=f32[2](1.0,2.0)} : f32[2]
  %a = print(%c) {message="a"} : f32[2]
  %b = print(%c) {message="a"} : f32[2]
  %z = mul(%a, %b) : f32[2]
  %y = add(%x, %z) : f32[2]
  return(%y)
}""").executable
    assert len(texts(lambda: f(np.ones(2, np.float32)))) == 2


def test_the_old_value_is_printed_before_the_update_and_the_new_one_after() -> None:
    text = """
func @f(%x: f32[2]) state(@w: f32[2]) -> () {
  %old = print(@w) {message="old"} : f32[2]
  %s = add(%old, %x) : f32[2]
  %new = print(%s) {message="new"} : f32[2]
  update(@w, %new)
  return()
}"""
    swapped = text.replace('message="old"', 'message="#"').replace('message="new"', 'message="old"')
    for source in (text, swapped.replace("#", "new")):
        w = Holder(aligned_zeros(2, np.float32))
        f = compiled(source, w=w).executable
        first, second = texts(lambda f=f: f(np.ones(2, np.float32)))
        assert first.endswith("[0. 0.]\n") and second.endswith("[1. 1.]\n")
        np.testing.assert_array_equal(w.array, [1, 1])


def test_the_order_counts_for_identity() -> None:
    def two(first: str, second: str) -> Func:
        return parse_module(f"""
func @f(%x: f32[2]) -> (f32[2]) {{
  %a = print(%x) {{message="{first}"}} : f32[2]
  %b = print(%x) {{message="{second}"}} : f32[2]
  return(%x)
}}""").funcs[0]

    assert equal(two("a", "b"), two("a", "b"))
    assert not equal(two("a", "b"), two("b", "a")), "else one would be run for the other, from the cache"


def test_errors_of_the_callback_reach_the_caller() -> None:
    def refuse(printed: Printed) -> None:
        raise KeyError(printed.message)

    f = compiled(f"""
func @f(%x: f32[2]) -> (f32[2]) {{
  %b = print(%x) {{hook={register(refuse)}, message="no"}} : f32[2]
  return(%b)
}}""").executable
    with pytest.raises(KeyError, match="no"):
        f(np.ones(2, np.float32))


def test_a_cached_object_prints_without_the_compiler() -> None:
    """In another process, that loads the object and never imports TVM."""
    script = f"""
import sys
import numpy as np
import arignote.ir.ops
from arignote.codegen.compile import compile_func
from arignote.codegen.target import cpu_target
from arignote.ir.parse import parse_module
from arignote.passes import OPTIMIZE, Pipeline
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan
func = Pipeline([OPTIMIZE, Fuse(), Plan()]).run(parse_module('''{TEXT}''').funcs[0])
done = compile_func(func, cpu_target(), {{}})
done.executable(np.ones((1, 3), np.float32), 5, np.ones(1, np.bool_))
print(done.cached, "tvm" in sys.modules)
"""
    compiled(TEXT)
    assert cache_folder().exists()
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.startswith("x __str__ = [[1. 1. 1.]]\n") and out.endswith("True False\n")
