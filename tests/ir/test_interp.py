"""The reference interpreter: against plain NumPy, and what it says when something does not fit."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, State, Value
from arignote.ir.diag import IRError, Loc
from arignote.ir.interp import EvaluationError, InputError, evaluate, run
from arignote.ir.opdef import OPS, OpDef
from arignote.ir.text import parse_module
from arignote.ir.types import Dim, TensorType
from tests.ir.strategies import stateful_programs

MLP = """\
func @mlp(%x: f32[n,4], %y: f32[n,3]) state(@W: f32[4,5], @V: f32[5,3], @b: f32[3]) -> (f32[]) {
  %h = dot(%x, @W) : f32[n,5]
  %a = tanh(%h) : f32[n,5]
  %z = dot(%a, @V) : f32[n,3]
  %z.1 = add(%z, @b) : f32[n,3]
  %d = sub(%z.1, %y) : f32[n,3]
  %sq = sqr(%d) : f32[n,3]
  %loss = sum(%sq) {axes=[0,1]} : f32[]
  %two = const() {value=f32[](2.0)} : f32[]
  %dz = mul(%d, %two) : f32[n,3]
  %at = transpose(%a) {perm=[1,0]} : f32[5,n]
  %dV = dot(%at, %dz) : f32[5,3]
  %db = sum(%dz) {axes=[0]} : f32[3]
  %rate = const() {value=f32[](0.1)} : f32[]
  %sV = mul(%dV, %rate) : f32[5,3]
  %V.new = sub(@V, %sV) : f32[5,3]
  %sb = mul(%db, %rate) : f32[3]
  %b.new = sub(@b, %sb) : f32[3]
  update(@V, %V.new)
  update(@b, %b.new)
  return(%loss)
}
"""


def parse(text: str) -> Func:
    return parse_module(text, "model.ari").funcs[0]


def binary(params: str, body: str, result: str) -> Func:
    return parse(f"func @f({params}) -> ({result}) {{\n  {body}\n  return(%r)\n}}\n")


def arrays(rng: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [np.asarray(rng.normal(size=s), dtype="float32") for s in shapes]


# ---------------------------------------------------------------- results
@pytest.mark.parametrize("n", [1, 7])
def test_mlp(n: int) -> None:
    x, y, w, v, b = arrays(np.random.default_rng(0), (n, 4), (n, 3), (4, 5), (5, 3), (3,))
    (loss,), states = run(parse(MLP), [x, y], {"W": w, "V": v, "b": b})
    a = np.tanh(x @ w)
    d = a @ v + b - y
    np.testing.assert_allclose(loss, (d * d).sum(), rtol=1e-5)
    assert states["W"] is w or np.array_equal(states["W"], w)
    np.testing.assert_allclose(states["V"], v - 0.1 * (a.T @ (2 * d)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(states["b"], b - 0.1 * (2 * d).sum(0), rtol=1e-4, atol=1e-5)
    assert loss.dtype == np.float32 and loss.shape == ()


@given(stateful_programs(regions=True))
@settings(max_examples=60, deadline=None)
def test_random_programs_run_and_leave_their_inputs_alone(
    program: tuple[Func, list[np.ndarray], dict[str, np.ndarray]],
) -> None:
    func, inputs, states = program
    before = [x.copy() for x in (*inputs, *states.values())]
    results, after = run(func, inputs, states)
    for old, new in zip(before, (*inputs, *states.values()), strict=True):
        np.testing.assert_array_equal(old, new)
    for value, x in zip(func.results, results, strict=True):
        assert (x.dtype, x.ndim) == (value.type.numpy_dtype, value.ndim)
    assert after.keys() == states.keys()
    again, _ = run(func, inputs, states)
    for x, y in zip(results, again, strict=True):
        np.testing.assert_array_equal(x, y)


def test_python_numbers_are_inputs() -> None:
    func = binary("%a: f32[], %b: f32[2]", "%r = add(%a, %b) : f32[2]", "f32[2]")
    (r,), _ = run(func, [1.5, [1, 2]])
    np.testing.assert_array_equal(r, np.array([2.5, 3.5], "float32"))


def test_symbols_are_replaced_in_attributes() -> None:
    func = binary("%a: f32[], %b: f32[2*n+1]", "%r = broadcast(%a) {shape=[n,3]} : f32[n,3]",
                  "f32[n,3]")  # fmt: skip
    assert run(func, [1.0, np.zeros(9, "float32")])[0][0].shape == (4, 3)


def test_ops_bind_symbols() -> None:
    func = parse("""\
func @f(%a: f32[], %k: i64[]) -> (f32[k], f32[k,2]) {
  %b = broadcast(%a, %k) {bound=[0], shape=[k]} : f32[k]
  %c = broadcast(%a) {shape=[k,2]} : f32[k,2]
  return(%b, %c)
}
""")
    b, c = run(func, [1.0, 3])[0]
    assert (b.shape, c.shape) == ((3,), (3, 2))


def test_regions() -> None:
    func = parse("""\
func @f(%x: f32[n], %y: f32[n]) -> (f32[n], f32[n]) {
  %p, %q = fused(%x, %y) {axes=[], kind="map"} : f32[n], f32[n] {
    (%a: f32[n], %b: f32[n]):
    %s = add(%a, %b) : f32[n]
    %t = mul(%s, %a) : f32[n]
    yield(%t, %s)
  }
  return(%p, %q)
}
""")
    x, y = arrays(np.random.default_rng(0), (4,), (4,))
    seen: list[str] = []
    p, q = run(func, [x, y], watch=lambda op, results: seen.append(op.name))[0]
    np.testing.assert_array_equal(q, x + y)
    np.testing.assert_array_equal(p, (x + y) * x)
    assert seen == ["add", "mul", "fused"]


def test_floating_graphs() -> None:
    x = Value(TensorType("f64", (Dim.symbol("n"),)), "x")
    b = Builder()
    y = b.exp(x)
    z = b.sum(b.mul(y, y), axes=(0,))
    given = np.array([0.5, 1.0])
    np.testing.assert_allclose(evaluate([z, y], {x: given})[0], np.exp(2 * given).sum())
    (cut,) = evaluate([z], {y: given})  # what is given inside the graph is not computed
    np.testing.assert_allclose(cut, (given * given).sum())
    with pytest.raises(InputError, match="no array is given for %x"):
        evaluate([z], {})


def test_deep_graphs() -> None:
    x = Value(TensorType("f64", ()), "x")
    b = Builder()
    y = x
    for _ in range(20_000):
        y = b.neg(y)
    assert evaluate([y], {x: 2.0})[0] == 2.0


def test_values_are_freed_after_their_last_use() -> None:
    x = Value(TensorType("f64", (3,)), "x")
    ops: list[Op] = []
    b = Builder(ops)
    y = x
    for _ in range(10):
        y = b.neg(y)
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def watch(op: Op, results: tuple[np.ndarray, ...]) -> None:
        nonlocal most
        alive.append(weakref.ref(results[0]))
        gc.collect()
        most = max(most, sum(r() is not None for r in alive))

    run(Func("f", [x], [], ops, [y]), [np.ones(3)], watch=watch)
    assert most <= 2


# ---------------------------------------------------------------- inputs that do not fit
SHAPES = binary("%x: f32[n,4], %y: f32[n]", "%r = neg(%y) : f32[n]", "f32[n]")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (((600, 4), (500,)), "@f: dimension n is 600 in %x but 500 in %y"),
        (((600, 5), (600,)), "@f: a dimension of %x is 5 where its type has 4"),
        (((600,), (600,)), "%x is f32[600], its type is f32[n,4]"),
        (((600, 4),), "@f takes 2 inputs, got 1"),
    ],
)
def test_shapes_of_inputs(inputs: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(InputError) as info:
        run(SHAPES, [np.zeros(s, "float32") for s in inputs])
    assert str(info.value) == message
    assert isinstance(info.value, (TypeError, ValueError))


def test_polynomial_dimensions_of_inputs() -> None:
    func = binary("%x: f32[2*n+1], %y: f32[n]", "%r = neg(%y) : f32[n]", "f32[n]")
    with pytest.raises(InputError, match=r"dimension 2\*n\+1 cannot be 4, as it is in %x"):
        run(func, [np.zeros(4, "float32"), np.zeros(2, "float32")])
    with pytest.raises(InputError, match="dimension n is 2 in %x but 3 in %y"):
        run(func, [np.zeros(5, "float32"), np.zeros(3, "float32")])
    other = binary("%y: f32[n], %x: f32[2*n+1]", "%r = neg(%y) : f32[n]", "f32[n]")
    want = r"dimension 2\*n\+1 is 5 in %x but should be 7, as n is 3 in %y"
    with pytest.raises(InputError, match=want):
        run(other, [np.zeros(3, "float32"), np.zeros(5, "float32")])


def test_dtypes_of_inputs() -> None:
    with pytest.raises(InputError, match=r"%x is f64\[3, 4\], its type is f32\[n,4\]"):
        run(SHAPES, [np.zeros((3, 4)), np.zeros(3, "float32")])
    with pytest.raises(InputError, match="%x is not an array of type"):
        run(SHAPES, ["four", np.zeros(3, "float32")])


def test_states_are_given_by_name() -> None:
    x, y, w, v, b = arrays(np.random.default_rng(0), (2, 4), (2, 3), (4, 5), (5, 3), (3,))
    with pytest.raises(InputError, match="@mlp needs the state @b"):
        run(parse(MLP), [x, y], {"W": w, "V": v})
    with pytest.raises(InputError, match="@mlp has no state @c"):
        run(parse(MLP), [x, y], {"W": w, "V": v, "b": b, "c": b})
    with pytest.raises(InputError, match="a dimension of @W is 3 where its type has 4"):
        run(parse(MLP), [x, y], {"W": w[:3], "V": v, "b": b})


# ---------------------------------------------------------------- ops that fail
def test_index_errors_stay_index_errors() -> None:
    func = binary("%x: f32[10], %i: i64[2]", "%r = gather(%x, %i) : f32[2]", "f32[2]")
    with pytest.raises(IndexError, match="index 12 is out of bounds") as info:
        run(func, [np.zeros(10, "float32"), np.array([1, 12])])
    assert isinstance(info.value, EvaluationError)
    lines = str(info.value).splitlines()
    assert lines[0] == "gather: index 12 is out of bounds for axis 0 with size 10"
    assert lines[1:] == [
        "  %r = gather(%x, %i) : f32[2]",
        "       ^",
        "  built at model.ari:2",
        "  note: operands are f32[10], i64[2]",
    ]


def test_a_symbol_that_is_one_does_not_stretch() -> None:
    func = binary("%x: f32[n], %y: f32[m]", "%r = add(%x, %y) : f32[n]", "f32[n]")
    assert run(func, [np.ones(3, "float32"), np.ones(3, "float32")])[0][0].shape == (3,)
    with pytest.raises(ValueError, match="axis -1 is 1 and 3; only a dimension 1 of a type"):
        run(func, [np.ones(3, "float32"), np.ones(1, "float32")])


@pytest.fixture
def temporary_op() -> Iterator[Callable[..., None]]:
    """Registers an op of one operand for one test."""
    added: list[str] = []

    def add(name: str, evaluate: Callable[..., Any], infer: Any = lambda x: x) -> None:
        traits = frozenset[str]()
        OPS[name] = OpDef(name, name, traits, infer, evaluate, None, None, lambda: [])
        added.append(name)

    yield add
    for name in added:
        del OPS[name]


def unary(name: str) -> Func:
    x = Value(TensorType("f32", (Dim.symbol("n"),)), "x")
    ops: list[Op] = []
    (out,) = Builder(ops, loc=Loc("model.py", 7)).emit(name, x)
    return Func("f", [x], [], ops, [out])


@pytest.mark.parametrize("error", [ValueError, IndexError, ZeroDivisionError, MemoryError])
def test_errors_keep_their_class(temporary_op: Callable[..., None], error: type[Exception]) -> None:
    def fail(x: np.ndarray) -> np.ndarray:
        raise error("no")

    temporary_op("failing", fail)
    with pytest.raises(error, match=r"failing: no[\s\S]*model.py:7") as info:
        run(unary("failing"), [np.ones(2, "float32")])
    assert isinstance(info.value, IRError)
    assert isinstance(info.value.__cause__, error)


def test_results_are_checked(temporary_op: Callable[..., None]) -> None:
    x = [np.ones(2, "float32")]
    temporary_op("wide", lambda x: x.astype("float64"))
    with pytest.raises(EvaluationError, match=r"wide: gave f64\[2\], its type is f32\[n\]"):
        run(unary("wide"), x)
    temporary_op("long", lambda x: np.concatenate([x, x]))
    with pytest.raises(EvaluationError, match="dimension n is 2 in %x but 4 in the result of"):
        run(unary("long"), x)
    temporary_op("two", lambda x: (x, x))
    with pytest.raises(EvaluationError, match="two: gave 2 results, not 1"):
        run(unary("two"), x)


def test_errors_inside_regions_name_the_inner_op() -> None:
    p = Value(TensorType("f32", (10,)), "p")
    i = Value(TensorType("i64", ()), "i")
    inner: list[Op] = []
    out = Builder(inner, loc=Loc("model.py", 9)).gather(p, i)
    x, k = Value(p.type, "x"), Value(i.type, "k")
    ops: list[Op] = []
    region = Region([p, i], inner, [out])
    (y,) = Builder(ops).emit("fused", x, k, regions=[region], kind="map", axes=())
    with pytest.raises(IndexError, match=r"^gather: index 10 is out of bounds[\s\S]*model.py:9"):
        run(Func("f", [x, k], [], ops, [y]), [np.zeros(10, "float32"), 10])


def test_states_without_an_update_stay() -> None:
    s = Value(TensorType("f32", ()), "s")
    ops: list[Op] = []
    out = Builder(ops).neg(s)
    (r,), after = run(Func("f", [], [State("s", s)], ops, [out]), [], {"s": 2.0})
    assert float(r) == -2.0 and float(after["s"]) == 2.0
