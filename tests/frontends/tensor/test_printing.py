"""pp, debugprint, and the text of traced functions."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import debugprint, function, pp, shared
from arignote.frontends.tensor.trace import build_func
from arignote.ir.core import Module
from arignote.ir.text import print_module
from arignote.ir.verify import verify


def test_pp() -> None:
    x, y = T.matrices("x", "y")
    assert pp(x + y) == "(x + y)"
    assert pp(T.dmatrix() + y) == "(<TensorType(float64, matrix)> + y)"
    assert pp(T.exp(-x) * 2) == "(exp((-x)) * TensorConstant{2.0})"
    assert pp(T.dot(x, y.T)) == "(x \\dot y.T)"
    assert pp(T.sum(x, axis=0)) == "Sum{axis=[0]}(x)"
    assert pp(T.switch(x > 0, x, y)) == "Switch((x > TensorConstant{0.0}), x, y)"
    z = x * 2
    z.name = "z"
    assert pp(z) == "(x * TensorConstant{2.0})" and pp(z + 1) == "(z + TensorConstant{1.0})"
    assert pp(x) == "x"
    with pytest.raises(TypeError, match=r"pp takes a variable"):
        pp(3)


def test_gradient_of_a_square_reads_as_twice_a() -> None:
    a = T.dscalar("a")
    text = pp(T.grad(a**2, a))
    assert "a" in text and "2.0" in text
    words = {"TensorConstant{": "(", "}": ")"}
    for old, new in words.items():
        text = text.replace(old, new)
    for value in (0.5, 3.0, -2.0):
        assert eval(text, {"a": value}) == 2 * value


def test_debugprint_of_variables() -> None:
    x, y = T.matrices("x", "y")
    assert debugprint(x + y, file="str") == (
        "Elemwise{add,no_inplace} [id A] ''\n |x [id B]\n |y [id C]\n"
    )
    s = x * 2
    s.name = "twice"
    assert debugprint(T.exp(s) + s.T, file="str") == (
        "Elemwise{add,no_inplace} [id A] ''\n"
        " |Elemwise{exp,no_inplace} [id B] ''\n"
        " | |Elemwise{mul,no_inplace} [id C] 'twice'\n"
        " |   |x [id D]\n"
        " |   |TensorConstant{2.0} [id E]\n"
        " |InplaceDimShuffle{1,0} [id F] ''\n"
        "   |Elemwise{mul,no_inplace} [id C] 'twice'\n"
        "     |...\n"
    )
    assert debugprint(T.exp(s), depth=1, file="str") == "Elemwise{exp,no_inplace} [id A] ''\n"
    assert "<TensorType(float64, matrix)> [id A]" in str(debugprint(x, print_type=True, file="str"))
    assert "x [id" not in str(debugprint(T.exp(s), stop_on_name=True, file="str"))


def test_debugprint_of_functions_and_files(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    x, w = T.vector("x"), shared(np.ones(3), "w")
    f = function([x], x * w, updates=[(w, w + x)])
    f(np.ones(3))
    text = str(debugprint(f, file="str"))
    assert "Elemwise{mul,no_inplace} [id A] ''   0\n" in text
    assert "update of w:\nElemwise{add,no_inplace} [id D] ''   1\n" in text
    file = io.StringIO()
    assert debugprint([f, x], file=file) is file
    assert file.getvalue().startswith(text)
    debugprint(x)
    assert capsys.readouterr().out == "x [id A]\n"
    with pytest.raises(TypeError, match=r"debugprint takes"):
        debugprint(3)


def test_names_of_ops() -> None:
    x = T.matrix("x")
    cases: list[tuple[Any, str]] = [
        (x.dimshuffle("x", 1, 0), "InplaceDimShuffle{x,0,1}"), (x.reshape((3, -1)), "Reshape{2}"),
        (x.max(axis=1), "CAReduce{max}{axis=[1]}"), (x.sum(), "Sum"), (x[1:3], "Subtensor{"),
        (x.astype("int32"), "Elemwise{Cast{int32},no_inplace}"), (x.shape[0], "Shape_i{0}"),
        (x[[0, 1]], "AdvancedSubtensor"), (T.set_subtensor(x[0], 1), "IncSubtensor{Set;"),
        (T.nnet.softmax(x), "Softmax"), (T.argmax(x, 0), "Argmax{axis=[0]}"),
    ]  # fmt: skip
    for variable, name in cases:
        assert str(variable).startswith(name), str(variable)


def program() -> str:
    x, n = T.matrix("x"), T.lscalar("n")
    w = shared(np.ones((4, 2)), "w")
    y = T.dot(x[n:], w) + T.arange(2) + T.zeros((x[n:].shape[0], 2))
    cost = (y**2).sum()
    traced = build_func("f", [x, n], [cost, T.grad(cost, w)], {w: w * 2}, {})
    verify(traced.func)
    return print_module(Module([traced.func]))


def test_the_same_program_gives_the_same_text() -> None:
    first = program()
    T.matrices("other", "variables")
    assert program() == first
    assert first.startswith("func @f(%x: f64[n,m], %n: i64[]) state(@w: f64[")


def test_traced_functions_are_self_contained() -> None:
    """The gradient of a part uses its size, though the part itself is not needed."""
    x, n = T.vector("x"), T.lscalar("n")
    traced = build_func("g", [x, n], [T.grad(x[:n].sum(), x)], {}, {})
    verify(traced.func)
    from arignote.passes.dce import prune

    verify(prune(traced.func))


def test_names_are_made_unique_and_plain() -> None:
    a, b = T.scalar("x"), T.scalar("x")
    s, t = shared(1.0, "w b"), shared(2.0)
    func = build_func("a b", [a, b], [a + b + s + t], {}, {}).func
    verify(func)
    assert [p.name for p in func.params] == ["x", "x.1"]
    assert [st.name for st in func.states] == ["w_b", "shared"]
    assert func.name == "a_b"
