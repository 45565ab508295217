"""Functions: arguments, outputs, updates, givens, and what goes wrong with them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import config, function, shared

ONES = np.ones((2, 3))


# ---------------------------------------------------------------- outputs
def test_forms_of_outputs(mode: str) -> None:
    x = T.matrix("x")
    assert function([x], None, on_unused_input="ignore")(ONES) == []
    assert function([], [])() == []
    assert function([])() == []
    one = function([x], x.sum())(ONES)
    assert isinstance(one, np.ndarray) and one.shape == () and one == 6
    listed = function([x], [x.sum()])(ONES)
    assert isinstance(listed, list) and float(listed[0]) == 6
    named = function([x], {"total": x.sum(), "double": x * 2})(ONES)
    assert list(named) == ["total", "double"] and named["double"][0, 0] == 2
    assert float(function([x], T.Out(x.sum(), borrow=True))(ONES)) == 6
    same, const = function([x], [x, T.constant(3)])(ONES)
    np.testing.assert_array_equal(same, ONES)
    assert int(const) == 3 and same is not ONES


def test_wrong_outputs() -> None:
    with pytest.raises(TypeError, match=r"Outputs must be Variable or Out.*Received 5 of type int"):
        function([], 5)
    with pytest.raises(TypeError, match=r"keys of outputs must be strings"):
        function([], {1: T.constant(1)})


# ---------------------------------------------------------------- arguments
def test_calls_by_position_and_name(mode: str) -> None:
    x, y = T.scalars("x", "y")
    f = function([x, y], x - y, name="minus")
    assert f(5, 3) == f(5, y=3) == f(y=3, x=5) == 2
    with pytest.raises(TypeError, match=r'Too many parameter.*"minus": it takes 2, got 3'):
        f(1, 2, 3)
    with pytest.raises(TypeError, match=r"Missing required input: y"):
        f(1)
    with pytest.raises(TypeError, match=r"has no input called 'z'; it has x, y"):
        f(1, z=3)
    with pytest.raises(TypeError, match=r"Multiple values for input variable: x"):
        f(1, 2, x=3)


def test_defaults(mode: str) -> None:
    x, y, z = T.scalars("x", "y", "z")
    s = shared(10.0)
    f = function([x, T.In(y, value=2, name="why"), (z, s)], [x + y, z], on_unused_input="ignore")
    assert [float(v) for v in f(1)] == [3, 10]
    assert [float(v) for v in f(1, why=5, z=0)] == [6, 0]
    s.set_value(11.0)
    assert float(f(1)[1]) == 11
    g = function([T.Param(x, default=4)], x * 2)
    assert g() == 8


def test_exact_values_are_accepted(mode: str) -> None:
    x, i, m = T.fscalar("x"), T.iscalar("i"), T.fmatrix("m")
    f = function([x, i, m], [x, i, m])
    a, b, c = f(0.5, 3, [[1, 2], [3, 4]])
    assert (a.dtype, b.dtype, c.dtype) == (np.float32, np.int32, np.float32)
    f(1, True, np.ones((1, 1), "int8"))
    f(np.float32(2), np.int16(3), [[0.25]])
    d = function([T.dvector("d")], T.constant(1), on_unused_input="ignore")
    d(np.ones(2, "float32"))
    d(np.ones(2, "int32"))
    d([])


def test_loss_of_precision_is_refused(mode: str) -> None:
    m = T.fmatrix("m")
    f = function([m], m.sum(), name="total")
    with pytest.raises(TypeError) as e:
        f(ONES)
    text = str(e.value)
    assert 'Bad input argument to arignote function with name "total" at index 0 (0-based)' in text
    assert (
        "TensorType(float32, matrix) cannot store a value of dtype float64 without risking loss of "
        "precision. If you do not mind this loss, you can: 1) explicitly cast your data to "
        'float32, or 2) set "allow_input_downcast=True" when calling "function".'
    ) in text
    assert float(function([m], m.sum(), allow_input_downcast=True)(ONES)) == 6
    with pytest.raises(TypeError, match=r"cannot store a value of dtype int64"):
        f(np.ones((2, 2), "int64"))
    with pytest.raises(TypeError, match=r"cannot store accurately value 0.1"):
        function([T.fscalar("s")], [], on_unused_input="ignore")(0.1)
    with pytest.raises(TypeError, match=r"cannot store accurately value 300"):
        function([T.bscalar("s")], [], on_unused_input="ignore")(300)
    with pytest.raises(TypeError, match=r"cannot store accurately value 0.5"):
        function([T.iscalar("s")], [], on_unused_input="ignore", allow_input_downcast=None)(0.5)


def test_python_floats_become_floatX() -> None:
    with config.change_flags(floatX="float32"):
        s = T.scalar("s")
        options: dict[str, Any] = {"mode": "reference"}
        assert function([s], s, **options)(0.1).dtype == np.float32
        with pytest.raises(TypeError, match=r"cannot store accurately"):
            function([s], s, allow_input_downcast=False, **options)(0.1)
        with pytest.raises(TypeError, match=r"dtype float64"):
            function([s], s, **options)(np.float64(0.1))
        per_input = function([T.In(s, allow_downcast=True)], s, **options)
        assert per_input(np.float64(0.1)).dtype == np.float32
        with pytest.raises(TypeError, match=r"expected a ndarray object"):
            function([T.In(s, strict=True)], s, **options)(0.1)


def test_wrong_ranks_and_shapes(mode: str) -> None:
    m, r, s = T.matrix("m"), T.row("r"), T.matrix("s", shape=(None, 4))
    f = function([m, r, s], [m, r, s], on_unused_input="ignore")
    four = np.ones((2, 4))
    f(ONES, four[:1], four)
    with pytest.raises(TypeError, match=r"at index 0 \(0-based\), input 'm'. Wrong number of "
                       r"dimensions: expected 2, got 1 with shape \(3,\)"):  # fmt: skip
        f(np.ones(3), four[:1], four)
    with pytest.raises(TypeError, match=r"at index 1.*Non-unit value on shape on a broadcastable"):
        f(ONES, four, four)
    with pytest.raises(TypeError, match=r"at index 2.*Dimension 1 must be 4, not 3"):
        f(ONES, four[:1], ONES)
    with pytest.raises(TypeError, match=r"found a Variable: maybe you are trying to call a function"):
        f(m, four[:1], four)
    with pytest.raises(TypeError, match=r"no array of numbers"):
        f("text", four[:1], four)


def test_arguments_are_not_changed_nor_kept(mode: str) -> None:
    x = T.vector("x")
    a = np.arange(3.0)
    out = function([x], [T.inc_subtensor(x[0], 5), x])(a)
    assert a.tolist() == [0, 1, 2]
    out[1][0] = 99
    assert a.tolist() == [0, 1, 2]
    strided = np.arange(6.0)[::2]
    np.testing.assert_array_equal(function([x], x * 2)(strided), [0, 4, 8])


# ---------------------------------------------------------------- inputs
def test_wrong_inputs() -> None:
    x, w = T.scalar("x"), shared(1.0, "w")
    with pytest.raises(TypeError, match=r"should be contained in a list"):
        function(x, x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"Cannot use a shared variable \(w\) as explicit input"):
        function([w], w * 2)
    with pytest.raises(TypeError, match=r"Unknown parameter type: input 0 is 3"):
        function([3], x)
    with pytest.raises(ValueError, match=r"x is given twice"):
        function([x, x], x)
    with pytest.raises(TypeError, match=r"is the constant"):
        function([T.constant(1.0)], x)


def test_unused_inputs() -> None:
    x, y = T.scalars("x", "y")
    with pytest.raises(T.UnusedInputError, match=r"(?s)at index 1 is not part.*: y\..*on_unused_in"):
        function([x, y], x)
    with pytest.raises(T.UnusedInputError, match=r"test_function.py:\d+: x, y = T.scalars"):
        function([x, y], x)
    with pytest.warns(UserWarning, match=r"at index 1 is not part of the computational graph"):
        function([x, y], x, on_unused_input="warn")
    function([x, y], x, on_unused_input="ignore")
    with pytest.raises(ValueError, match=r"on_unused_input is 'whine'"):
        function([x], x, on_unused_input="whine")
    m = T.matrix("m")  # only its shape is used
    assert function([m], T.zeros(m.shape), mode="reference")(ONES).shape == (2, 3)


def test_missing_inputs() -> None:
    x, y = T.scalars("x", "y")
    with pytest.raises(T.MissingInputError) as e:
        function([x], T.exp(x + y))
    text = str(e.value)
    assert "Missing input: y." in text and "Elemwise{add,no_inplace}(x, y)" in text
    assert "test_function.py" in text and "x, y = T.scalars" in text
    m = T.matrix("m")
    with pytest.raises(T.MissingInputError, match=r"Missing input: m"):
        function([], T.zeros((m.shape[0],)))
    with pytest.raises(T.MissingInputError, match=r"<TensorType"):
        function([], T.scalar() * 2)


def test_intermediate_variables_can_be_inputs(mode: str) -> None:
    x, n = T.vector("x"), T.lscalar("n")
    y = x * 2
    assert function([y], y.sum())(np.ones(3)) == 3
    z = x[:n]
    np.testing.assert_array_equal(function([z], z + 1)(np.ones(4)), 2 * np.ones(4))


# ---------------------------------------------------------------- updates
def test_updates_come_from_old_values_after_outputs(mode: str) -> None:
    a, b = shared(1.0, "a"), shared(2.0, "b")
    f = function([], [a, b, a + b], updates=[(a, b), (b, a + b)])
    assert [float(v) for v in f()] == [1, 2, 3]
    assert (float(a.get_value()), float(b.get_value())) == (2, 3)
    x = T.dscalar("x")
    g = function([x], a, updates=OrderedDict([(a, a + x)]))
    assert g(10) == 2 and a.get_value() == 12
    function([], updates={b: b * 0 + 7.0})()
    assert b.get_value() == 7
    function([], updates=[(b, 1.5), (a, np.float32(2))])()
    assert [float(v.get_value()) for v in (b, a)] == [1.5, 2]


def test_updates_in_place_keep_the_storage(mode: str) -> None:
    w = shared(np.zeros((2, 2)), "w")
    storage = w.get_value(borrow=True)
    function([], updates=[(w, w + 1)])()
    assert w.get_value(borrow=True) is storage and storage[0, 0] == 1


def test_updates_may_change_the_shape(mode: str) -> None:
    w = shared(np.zeros(2), "w")
    f = function([], w.sum(), updates=[(w, T.concatenate([w, [1.0]]))], mode="reference")
    f(), f()
    assert w.get_value().tolist() == [0, 0, 1, 1]


def test_wrong_updates() -> None:
    w, x = shared(np.zeros((2, 2), "float32"), "w"), T.fmatrix("x")
    with pytest.raises(TypeError, match=r"update target must be a SharedVariable, not x"):
        function([x], updates=[(x, x)])
    with pytest.raises(ValueError, match=r"already has an update expression: w"):
        function([], updates=[(w, w + 1), (w, w + 2)])
    with pytest.raises(TypeError) as e:
        function([], updates=[(w, w * np.float64(0.1))])
    text = str(e.value)
    assert "An update must have the same type as the original shared variable" in text
    assert "shared_var=w, shared_var.type=TensorType(float32, matrix)" in text
    assert "update_val.type=TensorType(float64, matrix)" in text
    assert ".astype('float32')" in text and "test_function.py" in text
    with pytest.raises(TypeError, match=r"An update must have the same type"):
        function([], updates=[(w, w.sum())])
    with pytest.raises(TypeError, match=r"is no pair"):
        function([], updates=[w])
    one = shared(np.zeros((1, 2)), "one", broadcastable=(True, False))
    with pytest.raises(TypeError, match=r"addbroadcast"):
        function([], updates=[(one, T.concatenate([one, one]))])
    function([], updates=[(one, one * 2)], mode="reference")()


def test_default_updates(mode: str) -> None:
    w, c = shared(0.0, "w"), shared(0.0, "c")
    w.default_update = w + 1
    c.default_update = c + w
    function([], c * 2)()
    assert (float(w.get_value()), float(c.get_value())) == (1, 0)
    function([], c)()
    assert (float(w.get_value()), float(c.get_value())) == (2, 1)
    function([], [w, c], no_default_updates=True)()
    function([], w, no_default_updates=[w])()
    function([], w, updates=[(w, w)])()
    assert float(w.get_value()) == 2


# ---------------------------------------------------------------- givens
def test_givens(mode: str) -> None:
    x, y, i = T.matrix("x"), T.ivector("y"), T.lscalar("i")
    data = shared(np.arange(12.0).reshape(6, 2), "data")
    labels = shared(np.arange(6, dtype="int32"), "labels")
    total = x.sum() + y.sum() + T.zeros((x.shape[0], 3)).sum() + T.arange(y.shape[0]).sum()
    f = function([i], total, givens={x: data[i * 2 : i * 2 + 2], y: labels[i * 2 : i * 2 + 2]})
    for k in range(3):
        rows = np.arange(12.0).reshape(6, 2)[2 * k : 2 * k + 2]
        assert f(k) == rows.sum() + 4 * k + 1 + 1
    g = function([], x.sum(), givens=[(x, ONES)])
    assert g() == 6
    other = shared(np.ones((6, 2)), "other")
    h = function([y], data.sum() + y.sum(), givens={data: other * 3}, updates=[(data, data + 1)])
    assert h([1]) == 37
    assert data.get_value().tolist() == [[4, 4]] * 6


def test_givens_replace_inner_variables_and_chains(mode: str) -> None:
    x, z = T.vector("x"), T.vector("z")
    y = x * 2
    assert function([z], (y + 1).sum(), givens={y: z})(np.ones(3)) == 6
    assert function([z], (y + 1).sum(), givens={x: y + z, y: z * 3})(np.ones(3)) == 12


def test_wrong_givens() -> None:
    x, y = T.fmatrix("x"), T.fmatrix("y")
    with pytest.raises(RuntimeError, match=r"overriden by givens: x"):
        function([x], x, givens={x: y})
    with pytest.raises(TypeError, match=r"Cannot convert Type TensorType\(float64, matrix\).*into "
                       r"Type TensorType\(float32, matrix\)"):  # fmt: skip
        function([], x, givens={x: shared(ONES)})
    with pytest.raises(TypeError, match=r"Cannot convert Type"):
        function([], x, givens={x: y.sum()})
    r = T.frow("r")
    with pytest.raises(TypeError, match=r"row"):
        function([y], r, givens={r: y})
    with pytest.raises(ValueError, match=r"may depend on a replaced variable"):
        function([], x, givens={x: x * 2})
    with pytest.raises(TypeError, match=r"'x' is no variable"):
        function([], x, givens={"x": y})
    with pytest.raises(ValueError, match=r"replace x twice"):
        function([y], x, givens=[(x, y), (x, y + 1)])


# ---------------------------------------------------------------- the object
def test_what_a_function_tells(mode: str) -> None:
    x, w = T.matrix("x"), shared(np.ones((3, 2)), "w")
    f = function([x], T.tanh(T.dot(x, w)), name="layer")
    assert repr(f) == "<Function layer(x)>" and f.name == "layer"
    assert f.get_shared() == [w]
    f(ONES)
    graph = f.maker.fgraph
    assert len(graph.outputs) == 1 and len(graph.inputs) == 2
    names = [node.op.name for node in graph.toposort()]
    assert "tanh" in names
    f.trust_input = True
    f(ONES)
    f.free()


def test_eval(mode: str) -> None:
    x, y = T.scalars("x", "y")
    z = x + y
    assert z.eval({x: 1, y: 2}) == 3
    assert z.eval({y: 5, x: 2}) == 7
    assert len(z._functions) == 1
    assert shared(3.0).eval() == 3
    assert T.constant([1, 2]).eval().tolist() == [1, 2]
    with pytest.raises(TypeError, match=r"'x' is a key"):
        z.eval({"x": 1})
    with pytest.raises(T.MissingInputError, match=r"y"):
        z.eval({x: 1})


def test_errors_at_a_call_change_nothing(mode: str) -> None:
    w, i, x = shared(np.zeros(3), "w"), T.lscalar("i"), T.vector("x")
    f = function([i, x], x[i], updates=[(w, w + 1)])
    with pytest.raises(IndexError, match=r"(?s)out of bounds.*x\[i\]"):
        f(7, np.ones(3))
    assert w.get_value().tolist() == [0, 0, 0]
    f(1, np.ones(3))
    assert w.get_value().tolist() == [1, 1, 1]
