"""Ops written in Python: results, sizes, gradients, loops, failures, and what is recorded."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.errors import NotDifferentiableError
from arignote.frontends.tensor.gradient import DisconnectedType, NullTypeGradError, grad_undefined
from arignote.frontends.tensor.pyops import FromFunctionOp, Op, as_op
from arignote.ir.callbacks import ResultError
from arignote.ir.diag import IRError
from arignote.ir.interp import run
from arignote.ir.parse import parse_module

X = np.arange(6.0).reshape(2, 3) - 2


class Scaled(Op):
    """k times x, with everything that an op can define."""

    __props__ = ("k",)

    def __init__(self, k: float, log: list[Any] | None = None) -> None:
        self.k, self.log = k, log

    def make_node(self, *inputs: Any) -> ar.Apply:
        x = T.as_tensor_variable(inputs[0])
        return ar.Apply(self, [x], [x.type("scaled")])

    def perform(self, node: Any, inputs: list[Any], output_storage: list[list[Any]]) -> None:
        (x,) = inputs
        if self.log is not None:
            self.log.append(x.shape)
        assert (node.inputs[0].dtype, node.op) == (x.dtype.name, self)
        x *= self.k  # what perform gets is its own
        output_storage[0][0] = x

    def grad(self, inputs: list[Any], output_grads: list[Any]) -> Sequence[Any]:
        return [self.k * output_grads[0]]

    def infer_shape(self, node: Any, shapes: list[tuple[Any, ...]]) -> Sequence[Any]:
        return [shapes[0]]


@as_op(itypes=[T.dvector], otypes=[T.dvector, T.lscalar])
def positive(v: Any) -> Any:
    """The positive elements, and how many there are."""
    return v[v > 0], np.int64((v > 0).sum())


def test_values_gradients_and_updates_with_sizes_known_before(mode: str) -> None:
    x, w = T.dmatrix("x"), ar.shared(np.full((2, 3), 2.0), name="w")
    y = Scaled(3.0)(x * w)
    cost = (y**2).sum()
    f = ar.function([x], [y.sum(axis=0), ar.grad(cost, x), ar.grad(ar.grad(cost, x).sum(), w)], updates=[(w, w + y)],
                    mode=mode)  # fmt: skip
    for _ in range(2):
        now = w.get_value()
        found = f(X)
        np.testing.assert_allclose(found[0], (3 * X * now).sum(axis=0))
        np.testing.assert_allclose(found[1], 18 * X * now**2)
        np.testing.assert_allclose(found[2], 36 * X * now)
        np.testing.assert_allclose(w.get_value(), now + 3 * X * now)


def test_sizes_that_only_the_function_knows(mode: str) -> None:
    v = T.dvector("v")
    found, count = positive(v * 1)
    f = ar.function([v], [found, found[::-1] * 2, count, found.shape[0] + 1], mode=mode)
    for value in (X[0], X[1], -np.ones(4), np.arange(2000.0), np.zeros(0)):
        want = value[value > 0]
        first, second, number, size = f(value)
        np.testing.assert_array_equal(first, want)
        np.testing.assert_array_equal(second, want[::-1] * 2)
        assert (int(number), int(size)) == (len(want), len(want) + 1)


def test_each_function_runs_once_per_call_however_often_code_begins_again() -> None:
    seen: list[int] = []

    @as_op(itypes=T.dvector, otypes=T.dvector)
    def grown(v: Any) -> Any:
        seen.append(len(v))
        return np.repeat(v, 1000)

    v = T.dvector("v")
    twice = grown(v)
    f = ar.function([v], [grown(twice + 1).sum(), twice, grown(v)])  # the last one is the first one
    total, first, last = f(np.ones(3))
    assert seen == [3, 3000]
    assert total == 2 * 3_000_000
    np.testing.assert_array_equal(first, np.ones(3000))
    np.testing.assert_array_equal(first, last)


def test_loops_run_ops_at_each_step(mode: str) -> None:
    x = T.dmatrix("x")
    rows, _ = ar.scan(lambda row: positive(row)[0].sum() + positive(row)[1], sequences=x)
    sums, _ = ar.scan(lambda row, s: s + (Scaled(2.0)(row) ** 2).sum(), sequences=x, outputs_info=np.float64(0))
    f = ar.function([x], [rows, sums, ar.grad(sums[-1], x)], mode=mode)
    big = np.random.default_rng(0).normal(size=(20, 5))
    for value in (X, big):
        found = f(value)
        kept = np.where(value > 0, value, 0).sum(axis=1) + (value > 0).sum(axis=1)
        np.testing.assert_allclose(found[0], kept)
        np.testing.assert_allclose(found[1], np.cumsum((4 * value**2).sum(axis=1)))
        np.testing.assert_allclose(found[2], 8 * value)


class Failure(Exception):
    pass


@pytest.mark.parametrize("kind", ["native", "reference"])
def test_exceptions_come_out_as_they_are_and_nothing_is_updated(kind: str) -> None:
    @as_op(itypes=[T.dmatrix], otypes=[T.dmatrix])
    def failing(x: Any) -> Any:
        if x[0, 0] < 0:
            raise Failure("negative")
        return x

    x, w = T.dmatrix("x"), ar.shared(np.ones((2, 3)), name="w")
    f = ar.function([x], failing(w + x), updates=[(w, w * 2)], mode=None if kind == "native" else "reference")
    with pytest.raises(Failure, match="negative") as caught:
        f(X)
    note = caught.value.__notes__[0]
    assert "failing" in note
    assert "updates=[(w, w * 2)]" in note
    np.testing.assert_array_equal(w.get_value(), np.ones((2, 3)))
    np.testing.assert_array_equal(f(X + 2), X + 3)
    np.testing.assert_array_equal(w.get_value(), np.full((2, 3), 2.0))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros((2, 3), np.float32), "gave f32 with 2 dimensions for result 0, declared are f64 and 2"),
        (np.zeros(3), "gave f64 with 1 dimensions"),
        (np.zeros((3, 3)), r"gave shape \(3, 3\) for result 0, its type or infer_shape says \(2, 3\)"),
        ((np.zeros((2, 3)), 1), "gave 2 results, 1 are declared"),
    ],
)
def test_results_that_do_not_fit_are_refused(result: Any, message: str) -> None:
    x = T.dmatrix("x")
    op = FromFunctionOp(lambda v: result, [T.dmatrix], [T.dmatrix], lambda node, shapes: shapes)
    with pytest.raises(ValueError, match=message):
        ar.function([x], op(x))(X)
    if "shape" not in message:
        with pytest.raises((IRError, ValueError), match=message):
            ar.function([x], op(x), mode="reference")(X)


def test_a_function_that_gives_nothing_is_refused() -> None:
    class Forgetful(Scaled):
        def perform(self, node: Any, inputs: list[Any], output_storage: list[list[Any]]) -> None:
            pass

    x = T.dmatrix("x")
    with pytest.raises(ResultError, match="gave nothing for result 0"):
        ar.function([x], Forgetful(1.0)(x))(X)


def test_gradients_of_every_form() -> None:
    class Product(Op):
        def make_node(self, *inputs: Any) -> ar.Apply:
            return ar.Apply(self, list(inputs), [T.dvector(), T.lscalar()])

        def perform(self, node: Any, inputs: list[Any], output_storage: list[list[Any]]) -> None:
            x, y, n = inputs
            output_storage[0][0], output_storage[1][0] = x * y**n, n + 1

        def L_op(self, inputs: list[Any], outputs: list[Any], output_grads: list[Any]) -> Sequence[Any]:
            n = inputs[2]
            return [DisconnectedType()(), grad_undefined(self, 1, n), None]

        def R_op(self, inputs: list[Any], eval_points: list[Any]) -> Sequence[Any]:
            return [None if eval_points[0] is None else eval_points[0] * 7, None]

    x, y, n = T.dvector("x"), T.dvector("y"), T.lscalar("n")
    out = Product()(x, y, n)[0]
    assert ar.grad(out.sum(), x, disconnected_inputs="ignore", return_disconnected="None") is None
    with pytest.raises(NullTypeGradError, match="input 1 is undefined"):
        ar.grad(out.sum(), y)

    class Plain(Product):
        def L_op(self, inputs: list[Any], outputs: list[Any], output_grads: list[Any]) -> Sequence[Any]:
            g = output_grads[0]
            return [g * outputs[0] / inputs[0], (g * inputs[2]).astype("float32"), None]

    out = Plain()(x, y, n)[0]
    f = ar.function([x, y, n], [ar.grad(out.sum(), x), ar.grad(out.sum(), y), T.Rop(out, x, y)])
    a, b = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    for found, want in zip(f(a, b, 2), (b**2, np.full(2, 2.0), 7 * b), strict=True):
        np.testing.assert_allclose(found, want)
    # Without R_op: the transpose of the gradient.
    forward = ar.function([x], T.Rop(Scaled(5.0)(x**2), x, T.ones_like(x)), on_unused_input="ignore")
    np.testing.assert_allclose(forward(a), 10 * a)


def test_an_op_without_gradient_says_so() -> None:
    v = T.dvector("v")
    with pytest.raises(NotDifferentiableError, match=r"positive.*does not define grad") as caught:
        ar.grad(positive(v)[0].sum(), v)
    assert "test_pyops.py" in str(caught.value)


def test_what_is_recorded() -> None:
    x = T.dmatrix("x")
    y = Scaled(3.0)(x)
    assert isinstance(y.owner, ar.Apply)
    assert y.owner.op == Scaled(3.0)
    assert y.owner.op != Scaled(4.0)
    assert y.owner.inputs == [x]
    assert (y.name, y.owner.outputs) == ("scaled", [y])
    assert str(y.owner.op) == "Scaled{k=3.0}"
    text = str(ar.function([x], y).recorded)
    assert 'python_run(%x) {callee="Scaled{k=3.0}"' in text
    assert "with_gradient" not in text
    (func,) = parse_module(text.replace("Scaled{k=3.0}", "Another")).funcs
    with pytest.raises(IRError, match="'Another' is no part of the text of a program"):
        run(func, [X])


def test_the_same_op_on_the_same_input_runs_once_and_an_unused_one_not_at_all() -> None:
    log: list[Any] = []
    x = T.dmatrix("x")
    f = ar.function([x], [Scaled(33.0, log)(x) + Scaled(33.0, log)(x), x])
    f(X)
    assert log == [(2, 3)]
    constant = ar.function([], Scaled(6.0, log)(T.constant(X)))
    assert log == [(2, 3)], "an op runs when a function is called"
    np.testing.assert_array_equal(constant(), 6 * X)


def test_wrong_definitions_are_refused() -> None:
    class NoNode(Op):
        pass

    class NoPerform(Op):
        itypes, otypes = [T.dmatrix], [T.dmatrix]

    x = T.dmatrix("x")
    with pytest.raises(NotImplementedError, match="define itypes and otypes, or make_node"):
        NoNode()(x)
    with pytest.raises(TypeError, match="does not define perform"):
        NoPerform()(x)
    with pytest.raises(TypeError, match=r"input 0 is v of type .*expected is"):
        NoPerform()(T.dvector("v"))
    with pytest.raises(ValueError, match="takes 1 inputs, got 2"):
        NoPerform()(x, x)
    with pytest.raises(TypeError, match="inputs must be variables, but 1 is none"):
        ar.Apply(Scaled(1.0), [1], [x.type()])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="one output at least"):
        ar.Apply(Scaled(1.0), [x], [])
    with pytest.raises(ValueError, match="infer_shape gave 1 sizes for output 0"):
        FromFunctionOp(lambda v: v, [T.dmatrix], [T.dmatrix], lambda node, shapes: [shapes[0][:1]])(x)


def test_a_function_cannot_call_itself_through_an_op() -> None:
    x = T.dvector("x")
    again: list[Any] = []
    op = FromFunctionOp(lambda v: again[0](v), [T.dvector], [T.dvector], None)
    again.append(ar.function([x], op(x)))
    with pytest.raises(RuntimeError, match="calls the very function"):
        again[0](np.ones(2))
    other = ar.function([x], x * 2)
    outer = FromFunctionOp(lambda v: other(v), [T.dvector], [T.dvector], None)
    np.testing.assert_array_equal(ar.function([x], outer(x) + 1)(np.ones(2)), np.full(2, 3.0))


@pytest.mark.parametrize("chosen", ["DebugMode", "NanGuardMode"])
def test_other_modes_run_ops(chosen: str) -> None:
    modes: Any = importlib.import_module("arignote.frontends.tensor.modes")
    mode = modes.DebugMode() if chosen == "DebugMode" else modes.NanGuardMode(True, True, True)
    v = T.dvector("v")
    f = ar.function([v], positive(v)[0] * 2, mode=mode)
    np.testing.assert_array_equal(f(X[1]), 2 * X[1][X[1] > 0])


def test_test_values_run_ops_as_they_are_recorded() -> None:
    with ar.config.change_flags(compute_test_value="raise"):
        v = T.dvector("v")
        v.tag.test_value = X[1]
        assert positive(v)[0].tag.test_value.tolist() == [1.0, 2.0, 3.0]


def test_code_is_cached_and_bound_to_the_ops_of_its_process(tmp_path: Any) -> None:
    script = (
        "import sys, numpy as np, arignote as ar, arignote.tensor as T\n"
        "from arignote.compile.ops import as_op\n"
        "k = float(sys.argv[1])\n"
        "f = as_op(itypes=[T.dvector], otypes=[T.dvector])(lambda v: v * k)\n"
        "x = T.dvector('x')\n"
        "print(ar.function([x], f(x))(np.ones(2)).tolist(), 'tvm' in sys.modules)\n"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", script, k], capture_output=True, text=True, check=True,
            env={"ARIGNOTE_CACHE_DIR": str(tmp_path), "PATH": ""},
        ).stdout.strip()
        for k in ("2", "3")
    ]  # fmt: skip
    assert found == ["[2.0, 2.0] True", "[3.0, 3.0] False"]


def test_names_of_old_paths() -> None:
    named = {"gof": "Op Apply", "gof.op": "Op PureOp", "graph.op": "Op", "graph.basic": "Apply", "compile.ops": "as_op"}
    for path, names in named.items():
        module = importlib.import_module(f"arignote.{path}")
        assert all(getattr(module, name) is not None for name in names.split())
    assert ar.Op is Op


def test_elemwise_asks_what_kind_of_op_a_node_has() -> None:
    scalar: Any = importlib.import_module("arignote.scalar")
    x = T.dmatrix("x")
    total: Any = (x + x).owner
    assert isinstance(total.op, T.Elemwise)
    assert total.op.scalar_op is scalar.add
    others: list[Any] = [T.dot(x, x).owner, x.sum().owner]
    assert not any(isinstance(node.op, T.Elemwise) for node in others)
    assert isinstance(T.Elemwise(scalar.mul), T.Elemwise)
    with pytest.raises(AttributeError, match="scalar_op"):
        _ = others[1].op.scalar_op
    with pytest.raises(TypeError, match="takes a function"):
        T.Elemwise(3)  # type: ignore[arg-type]
    np.testing.assert_array_equal(T.Elemwise(scalar.mul)(x, x).eval({x: X}), X * X)
