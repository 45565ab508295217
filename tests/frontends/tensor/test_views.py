"""Theano's views of graphs: trees, descriptions, pictures, and the graph of a function that can be changed."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote.frontends.tensor as T
from arignote.frontends.tensor import debugprint, function, grad, shared
from arignote.frontends.tensor.errors import MissingInputError
from arignote.frontends.tensor.owner import Apply
from arignote.frontends.tensor.printing import Print, min_informative_str, pp, pprint, pydotprint, var_descriptor
from arignote.ir.parse import parse_module

ROWS = np.arange(6, dtype=np.float32).reshape(2, 3)


def text(obj: Any, **options: Any) -> str:
    return str(debugprint(obj, file="str", **options))


# ---------------------------------------------------------------- debugprint
def test_styles_of_ids() -> None:
    x = T.fmatrix("x")
    y = T.exp(x) + x
    assert text(y, ids="int").splitlines()[0] == "Elemwise{add,no_inplace} [id 0] ''"
    assert text(y, ids="") == "Elemwise{add,no_inplace} ''\n |Elemwise{exp,no_inplace} ''\n | |x\n |x\n"
    assert f"x [id {id(x.value_)}]" in text(y, ids="id")
    with pytest.raises(ValueError, match=r"ids='roman' is none of 'CHAR'"):
        debugprint(y, ids="roman")
    with pytest.raises(NotImplementedError, match="print_storage"):
        debugprint(y, print_storage=True)


def test_ids_that_calls_share() -> None:
    x, y = T.fmatrices("x", "y")
    known: dict[Any, str] = {}
    assert "y [id C]" in text(x + y, done=known)
    assert text(y, done=known) == "y [id C]\n"
    assert "x [id B]" in text(T.exp(x), used_ids=known)


def test_clients_and_nodes() -> None:
    x = T.fmatrix("x")
    e = T.exp(x)
    f = function([x], [e + 1, e.sum()])
    f(ROWS)
    line = next(line for line in text(f, print_clients=True).splitlines() if "exp" in line)
    assert "clients:[Elemwise{add,no_inplace}, Sum]" in line
    assert text(e.owner).startswith("Elemwise{exp,no_inplace} [id A]")
    assert text([e, x]).endswith("x [id B]\n")


def test_graphs_of_regions_follow() -> None:
    (func,) = parse_module("""
func @f(%x: f32[4], %y: f32[4]) -> (f32[4]) {
  %k = fused(%x, %y) {axes=[], kind="map"} : f32[4] {
    (%a: f32[4], %b: f32[4]):
    %s = add(%a, %b) : f32[4]
    %e = exp(%s) : f32[4]
    yield(%e)
  }
  return(%k)
}""").funcs
    assert text(func) == (
        "Fused [id A] 'k'   0\n |x [id B]\n |y [id C]\n\nInner graphs:\n\nFused [id A] region 0:\n"
        "Elemwise{exp,no_inplace} [id D] 'e'\n |Elemwise{add,no_inplace} [id E] 's'\n   |*a [id F]\n   |*b [id G]\n"
    )


# ---------------------------------------------------------------- descriptions
def test_min_informative_str() -> None:
    a, b, c = T.fvectors("a", "b", "c")
    d = a + b
    assert min_informative_str(d * d + c) == (
        "A. Elemwise{add,no_inplace}\n B. Elemwise{mul,no_inplace}\n  C. Elemwise{add,no_inplace}\n   D. a\n   E. b\n"
        "  <C>\n F. c"
    )
    d.name = "d"
    assert min_informative_str(d * c, indent_level=1) == " A. Elemwise{mul,no_inplace}\n  B. d\n  C. c"


def test_var_descriptor() -> None:
    a, b = T.fvectors("a", "b")
    d = a + b
    assert var_descriptor(d) == "A=Elemwise{add,no_inplace}(B=a,C=b)"
    assert var_descriptor(d * d) == "A=Elemwise{mul,no_inplace}(B=Elemwise{add,no_inplace}(C=a,D=b),<B>)"
    other = a + b
    other.name = "sum"
    assert var_descriptor(other) == var_descriptor(d), "names of intermediate variables do not count"
    assert var_descriptor(a + 1) != var_descriptor(a + 2)
    assert var_descriptor(a.sum(axis=0)) == var_descriptor(a.sum(axis=0))
    assert var_descriptor(np.arange(3)) == var_descriptor(np.arange(3)) != var_descriptor(np.arange(4))


def test_pprint_is_pp() -> None:
    x = T.fmatrix("x")
    assert pprint(x + 1) == pp(x + 1)
    assert "print" in pp(Print("m")(x))


# ---------------------------------------------------------------- Print
def test_print_shows_attributes_and_calls_functions(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.fmatrix("x")
    kept: list[Any] = []
    keep = Print("rows", attrs=("shape",), global_fn=lambda op, array: kept.append((op.message, array)))
    f = function([x], keep(Print("x", attrs=("min", "shape"))(x)).sum())
    assert f(ROWS) == 15 and f(ROWS + 1) == 21
    assert capsys.readouterr().out == "x min = 0.0\nx shape = (2, 3)\nx min = 1.0\nx shape = (2, 3)\n"
    assert [m for m, _ in kept] == ["rows", "rows"]
    np.testing.assert_array_equal(kept[1][1], ROWS + 1)


def test_print_is_an_identity_with_a_gradient(capsys: pytest.CaptureFixture[str]) -> None:
    x = T.fvector("x")
    y = (Print("x")(x) ** 2).sum()
    f = function([x], [y, grad(y, x)])
    value, gradient = f(np.array([1, 2], np.float32))
    assert value == 5 and gradient.tolist() == [2, 4]
    assert capsys.readouterr().out == "x __str__ = [1. 2.]\n", "once, though both outputs need it"


def test_print_of_an_index_does_not_hinder_slices(capsys: pytest.CaptureFixture[str]) -> None:
    data, i = shared(np.arange(10, dtype=np.float32), "data"), T.lscalar("i")
    j = Print("i")(i)
    f = function([i], data[j * 2 : (j + 1) * 2])
    assert f(3).tolist() == [6, 7]
    assert capsys.readouterr().out == "i __str__ = 3\n", "neither the sizes nor the passes print"


# ---------------------------------------------------------------- pictures
@pytest.mark.parametrize("kind", ["svg", "png", "dot"])
def test_pydotprint(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, w = T.fmatrix("x"), shared(np.ones((3, 2), np.float32), "w")
    f = function([x], T.tanh(T.dot(x, w)), updates=[(w, w * 2)])
    f(ROWS)
    file = tmp_path / f"graph.{kind}"
    pydotprint(f, outfile=file, var_with_name_simple=True)
    assert capsys.readouterr().out == f"The output file is available at {file}\n"
    begin = {"svg": b"<svg ", "png": b"\x89PNG", "dot": b"digraph"}[kind]
    assert file.read_bytes().startswith(begin)
    if kind == "svg":
        drawn = file.read_text()
        assert all(f">{word}<" in drawn for word in ("%x", "@w", "dot", "tanh", "update w", "return"))


def test_pydotprint_of_variables_and_regions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = T.fmatrix("x")
    image = pydotprint(T.exp(x).sum(), format="svg", return_image=True)
    assert image.startswith(b"<svg ") and b">exp<" in image
    assert capsys.readouterr().out == ""
    pydotprint([x + 1, x * 2], tmp_path / "two", format="svg", print_output_file=False)
    assert (tmp_path / "two.svg").exists()
    from arignote.passes.fuse import Fuse

    f = function([x], T.exp(x) + 1)
    f(ROWS)
    pydotprint(Fuse().run(f.func), tmp_path / "kernel.svg", scan_graphs=True)
    assert sorted(p.name for p in tmp_path.glob("kernel*")) == ["kernel.svg", "kernel_fused_0.svg"]
    with pytest.raises(TypeError, match="pydotprint takes functions and variables"):
        pydotprint(3)


# ---------------------------------------------------------------- the graph of a function
def trained() -> tuple[Any, Any, Any]:
    x = T.fmatrix("x")
    w = shared(np.ones((3, 2), np.float32), "w")
    f = function([x], T.tanh(T.dot(x, w)).sum(), updates=[(w, w * np.float32(0.5))], name="f")
    return f, x, w


def test_the_graph_can_be_walked() -> None:
    f, _, _ = trained()
    f(ROWS)
    graph = f.maker.fgraph
    assert graph is f.maker.fgraph
    order = graph.toposort()
    assert [str(node.op) for node in order][:2] == ["dot", "Elemwise{tanh,no_inplace}"]
    assert graph.apply_nodes == set(order)
    assert [str(v) for v in graph.inputs] == ["x", "w"] and len(graph.outputs) == 2
    assert graph.update_mapping == {1: 1}
    product = order[0].outputs[0]
    assert graph.clients[product] == [(order[1], 0)]
    assert ("output", 0) in graph.clients[graph.outputs[0]]
    assert product.owner == Apply.of(order[0]._op)
    assert {*graph.inputs, product} <= graph.variables
    assert graph.clients[graph.inputs[1]][0][0] == order[0]


def test_the_graph_can_be_changed_and_compiled_again() -> None:
    f, _, w = trained()
    f(ROWS)
    w.set_value(np.ones((3, 2), np.float32))
    graph = f.maker.fgraph
    tanh = next(n for n in graph.toposort() if "tanh" in str(n.op)).outputs[0]
    graph.replace(tanh, T.maximum(tanh, 0) * 2)
    g = f.maker.create()
    want = 2 * np.tanh(ROWS.sum(1)).clip(0).sum() * 2
    np.testing.assert_allclose(g(ROWS), want, rtol=1e-5)
    assert w.get_value().tolist() == [[0.5, 0.5]] * 3, "updates stay"
    assert f(ROWS) != want, "the old function is as it was"
    with pytest.raises((TypeError, ValueError)):
        g(np.ones((5, 3), np.float32))


def test_replacements_may_bring_shared_variables() -> None:
    f, _, _ = trained()
    graph = f.maker.fgraph  # recorded: for all sizes
    scale = shared(np.float32(3), "scale")
    (product,) = [n.outputs[0] for n in graph.toposort() if str(n.op) == "dot"]
    graph.replace_all({product: product * scale})
    g = f.maker.create()
    np.testing.assert_allclose(g(ROWS), 2 * np.tanh(3 * ROWS.sum(1)).sum(), rtol=1e-5)
    scale.set_value(np.float32(0))
    assert g(np.ones((4, 3), np.float32)) == 0, "it is read at the call"


def test_replacements_must_fit() -> None:
    f, x, _ = trained()
    graph = f.maker.fgraph.clone()
    out = graph.outputs[0]
    with pytest.raises(TypeError, match="one dtype and one number of dimensions"):
        graph.replace(out, T.zeros((2,)))
    with pytest.raises(ValueError, match="is not a variable of this graph"):
        graph.replace(T.fmatrix("other"), x)
    with pytest.raises(MissingInputError, match="stranger is not an input"):
        graph.replace(out, T.fscalar("stranger"))
    assert not f.maker.fgraph.changed


def test_old_import_paths() -> None:
    import arignote

    names = {
        "printing": ("Print", "pp", "pprint", "debugprint", "pydotprint", "min_informative_str", "var_descriptor"),
        "compile.debugmode": ("DebugMode", "BadOptimization", "InvalidValueError"),
        "compile.nanguardmode": ("NanGuardMode",),
        "compile.monitormode": ("MonitorMode",),
        "compile.mode": ("get_mode", "get_default_mode", "Mode"),
        "compile": ("MonitorMode", "DebugMode", "NanGuardMode", "get_default_mode"),
        "compile.profiling": ("ProfileStats",),
        "gof": ("FunctionGraph", "Apply", "Variable"),
        "gof.fg": ("FunctionGraph", "MissingInputError"),
    }
    for path, wanted in names.items():
        module = importlib.import_module(f"arignote.{path}")
        for name in wanted:
            assert getattr(module, name) is not None, f"{path}.{name}"
    assert arignote.debugprint is debugprint
