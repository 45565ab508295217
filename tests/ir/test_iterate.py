"""`iterate`: loops of elements, in the interpreter and compiled, and what its record refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from arignote.codegen.cuda import cuda_text
from arignote.codegen.target import make_target
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.diag import TypeInferenceError
from arignote.ir.interp import run
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module
from arignote.ir.types import Dim, TensorType
from arignote.ir.verify import verify
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan
from tests.codegen.harness import Compiled, with_threads

WHOLE, REAL = TensorType("i64", ()), TensorType("f64", ())
Body = Callable[..., Sequence[Value]]


def region(body: Body, *types: TensorType) -> Region:
    ops: list[Op] = []
    params = [Value(t, f"x{i}") for i, t in enumerate((WHOLE, WHOLE, *types))]
    return Region(params, ops, list(body(Builder(ops), *params)))


def collatz(b: Builder, step: Value, position: Value, n: Value, count: Value, odd: Value) -> Sequence[Value]:
    """n/2, or odd * n + 1, until it is 1; counts the steps."""
    two, one = b.const(2, "i64"), b.const(1, "i64")
    even = b.eq(b.mod(n, two), b.const(0, "i64"))
    done = b.le(n, one)
    following = b.select(even, b.floordiv(n, two), b.add(b.mul(n, odd), one))
    return done, b.select(done, n, following), step


def program(shape: tuple[Any, ...], limit: int = 1000) -> Func:
    ops: list[Op] = []
    b = Builder(ops)
    n = Value(TensorType("i64", shape), "n")
    start, odd = b.full(0, n.type), b.const(3, "i64")
    loop = region(collatz, WHOLE, WHOLE, WHOLE)
    results = b.emit("iterate", n, start, odd, regions=[loop], carry=2, limit=limit)
    return Func("collatz", [n], [], ops, list(results))


def test_elements_stop_on_their_own() -> None:
    numbers = np.array([[1, 2, 3], [6, 7, 27]])
    (last, steps), _ = run(program((2, 3)), [numbers])
    np.testing.assert_array_equal(last, np.ones((2, 3)))
    np.testing.assert_array_equal(steps, [[0, 1, 7], [8, 16, 111]])
    (last, steps), _ = run(program((2, 3), limit=5), [numbers])
    assert last[1, 2] not in (1, 27) and steps.max() == 4


@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_code_does_what_the_interpreter_does(threads: int) -> None:
    n = Dim.symbol("n")
    func = program((n, 3), limit=90)
    compiled = Compiled(func, with_threads(threads))
    for rows in (0, 1, 700):
        numbers = np.random.default_rng(rows).integers(1, 10_000, (rows, 3))
        want, _ = run(func, [numbers])
        got, _ = compiled(numbers)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)


def test_positions_count_in_c_order() -> None:
    ops: list[Op] = []
    b = Builder(ops)
    x = Value(TensorType("f64", (2, 3)), "x")

    def body(b: Builder, step: Value, position: Value, x: Value) -> Sequence[Value]:
        return b.const(True, "bool"), b.add(x, b.cast(position, dtype="f64"))

    func = Func("f", [x], [], ops, list(b.emit("iterate", x, regions=[region(body, REAL)], carry=1, limit=1)))
    (want,), _ = run(func, [np.zeros((2, 3))])
    np.testing.assert_array_equal(want, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(Compiled(func)(np.zeros((2, 3)))[0][0], want)


def test_text_and_verifier_know_it() -> None:
    func = program((4,))
    verify(func)
    text = print_module(func)
    (again,) = parse_module(text).funcs
    assert print_module(again) == text
    planned = Plan().run(Fuse().run(func))
    verify(planned, "planned")
    source = cuda_text(planned, make_target("cuda"))
    assert "while (1)" in source and "iterate" in source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"carry": 0}, r"carries 0 operands of one shape, got none \(C2\)"),
        ({"carry": 3}, r"of one shape, got i64\[2\], i64\[2\], i64\[\] \(C2\)"),
        ({"limit": 0}, r"runs 0 times at most \(C4\)"),
        ({"regions": []}, r"takes one region, got 0 \(C1\)"),
        ({"carry": 1}, r"yields \(bool\[\], i64\[\], i64\[\]\), not \(bool\[\], i64\[\]\) \(C5\)"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    x = Value(TensorType("i64", (2,)), "x")
    attrs: dict[str, Any] = {"regions": [region(collatz, WHOLE, WHOLE, WHOLE)], "carry": 2, "limit": 9} | change
    with pytest.raises(TypeInferenceError, match=message):
        Builder().emit("iterate", x, x, Value(WHOLE, "odd"), **attrs)


def test_regions_are_made_of_scalars() -> None:
    def body(b: Builder, step: Value, position: Value, x: Value) -> Sequence[Value]:
        return b.const(True, "bool"), b.reshape(b.reshape(x, shape=(1,)), shape=())

    x = Value(TensorType("f64", (2,)), "x")
    with pytest.raises(TypeInferenceError, match=r"reshape in its region is no elementwise op on scalars \(C6\)"):
        Builder().emit("iterate", x, regions=[region(body, REAL)], carry=1, limit=1)
    with pytest.raises(TypeInferenceError, match=r"neither the shape of the carried f64\[2\] nor none \(C3\)"):
        y = Value(TensorType("f64", (3,)), "y")
        Builder().emit("iterate", x, y, regions=[region(lambda b, *v: v[:1], REAL, REAL)], carry=1, limit=1)
