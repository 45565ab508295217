"""The textual IR: what is printed is read back, and what cannot be read is explained."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arignote.ir.builder import Builder
from arignote.ir.canonical import equal
from arignote.ir.core import Func, Module, Op, Region, State, Value, attrs_equal
from arignote.ir.diag import Loc
from arignote.ir.text import ParseError, attr_text, parse_module, print_module
from arignote.ir.types import Dim, TensorType
from tests.ir.strategies import stateful_programs

MODULE = """\
func @train(%x: f32[n,784], %y: f32[n,10]) HEAD {
  %z = dot(%x, @W) : f32[n,10]
  %z.1 = add(%z, @b) : f32[n,10]
  %h = fused(%z.1, %y) {axes=[], kind="map"} : f32[n,10], f32[n,10] {
    (%z: f32[n,10], %y: f32[n,10]):
    %d = sub(%z, %y) : f32[n,10]
    %e = sqr(%d) : f32[n,10]
    yield(%d, %e)
  }
  update(@b, @b)
  return(%z.1)
}
""".replace("%h = fused", "%d, %e = fused").replace(
    "HEAD",
    'state(@W: f32[784,10], @b: f32[10]) -> (f32[n,10]) {k=2*n+1, stage="grad"}',
)

SECOND = """\
func @second(%x: f64[]@cuda) -> (f64[]@cuda, f64[]) {
  %c = const() {value=f64[](0.5)} : f64[]
  return(%x, %c)
}
"""


def roundtrip(text: str) -> None:
    assert print_module(parse_module(text)) == text


def error(text: str, file: str = "<text>") -> str:
    with pytest.raises(ParseError) as info:
        parse_module(text, file)
    return str(info.value)


def func_with(body: str, params: str = "%a: f32[2]", result: str = "%a") -> str:
    return f"func @f({params}) -> (f32[2]) {{\n{body}\n  return({result})\n}}\n"


# ---------------------------------------------------------------- round trips
@pytest.mark.parametrize("text", ["", MODULE, SECOND, MODULE + "\n" + SECOND])
def test_printed_modules_read_back(text: str) -> None:
    roundtrip(text)


@given(stateful_programs(regions=True))
@settings(max_examples=60, deadline=None)
def test_random_programs_read_back(
    program: tuple[Func, list[np.ndarray], dict[str, np.ndarray]],
) -> None:
    func = program[0]
    text = print_module(func)
    parsed = parse_module(text)
    assert print_module(parsed) == text
    assert equal(parsed["f"], func)


def test_str_of_functions_and_modules_is_their_text() -> None:
    module = parse_module(MODULE)
    assert str(module) == MODULE
    assert str(module["train"]) == MODULE


def test_layout_and_comments_are_free() -> None:
    text = """
    // a comment
    func @f ( %a : f32 [ 2 , n ] ) -> (f32[2,n]) { // the body
    %b=neg(%a){}:f32[2,n] return(%b) }"""
    assert print_module(parse_module(text)) == (
        "func @f(%a: f32[2,n]) -> (f32[2,n]) {\n  %b = neg(%a) : f32[2,n]\n  return(%b)\n}\n"
    )


def test_windows_line_ends() -> None:
    assert print_module(parse_module(MODULE.replace("\n", "\r\n"))) == MODULE


ATTRS: list[tuple[Any, str]] = [
    (0, "0"),
    (-7, "-7"),
    (2**63, "9223372036854775808"),
    (True, "true"),
    (None, "none"),
    (1.0, "1.0"),
    (0.1, "0.1"),
    (-0.0, "-0.0"),
    (1e-300, "1e-300"),
    (1e16, "1e+16"),
    (float("inf"), "inf"),
    (float("-inf"), "-inf"),
    ("", '""'),
    ('a "quoted" // \\ line\n\u00e9\ud800', '"a \\"quoted\\" // \\\\ line\\n\\u00e9\\ud800"'),
    ((), "[]"),
    ((1, (2.5, "x"), None), '[1,[2.5,"x"],none]'),
    (2 * Dim.symbol("n") + 1, "2*n+1"),
    (4 - Dim.symbol("n"), "-n+4"),
    ((Dim.symbol("n") * Dim.symbol("k.1"), 3), "[k.1*n,3]"),
]


@pytest.mark.parametrize(("value", "text"), ATTRS, ids=[t for _, t in ATTRS])
def test_attributes(value: Any, text: str) -> None:
    assert attr_text(value) == text
    parsed = parse_module(f"func @f() -> () {{a={text}}} {{\n  return()\n}}\n")["f"].attrs["a"]
    assert attrs_equal(parsed, value)
    assert attr_text(parsed) == text


def test_nan_attribute() -> None:
    parsed = parse_module("func @f() -> () {a=nan} {\n  return()\n}\n")["f"].attrs["a"]
    assert parsed != parsed and attr_text(parsed) == "nan"


ARRAYS: list[tuple[np.ndarray, str]] = [
    (np.array(0.13, "float32"), "f32[](0.13)"),
    (np.array(0.1, "float16"), "f16[](0.1)"),
    (np.array([-0.0, np.inf, -np.inf, 1e-45], "float32"), "f32[4](-0.0,inf,-inf,1e-45)"),
    (np.array([1 / 3, 5e-324]), "f64[2](0.3333333333333333,5e-324)"),
    (np.array([[1, 2], [3, 4]], order="F"), "i64[2,2](1,2,3,4)"),
    (np.array([255, 0], "uint8"), "u8[2](255,0)"),
    (np.array([True, False]), "bool[2](true,false)"),
    (np.array(1 + 2j, "complex64"), "c64[]((1+2j))"),
    (np.array([complex(-0.0, -0.0), complex(np.inf, 0.1)]), "c128[2]((-0-0j),(inf+0.1j))"),
    (np.zeros((0, 3), "float32"), "f32[0,3]()"),
]


@pytest.mark.parametrize(("array", "text"), ARRAYS, ids=[t for _, t in ARRAYS])
def test_arrays(array: np.ndarray, text: str) -> None:
    assert attr_text(array) == text
    parsed = parse_module(f"func @f() -> () {{a={text}}} {{\n  return()\n}}\n")["f"].attrs["a"]
    assert attrs_equal(parsed, np.ascontiguousarray(array).reshape(array.shape))
    assert not parsed.flags.writeable


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_every_element_is_exact(dtype: str) -> None:
    bits = np.random.default_rng(0).integers(0, 256, 16 * 200, dtype=np.uint8)
    for chunk in np.array_split(bits.view(dtype), 40):
        array = np.nan_to_num(chunk[:16], nan=np.inf)
        text = f"func @f() -> () {{a={attr_text(array)}}} {{\n  return()\n}}\n"
        assert attrs_equal(parse_module(text)["f"].attrs["a"], array)


def test_large_arrays_are_packed_exactly() -> None:
    array = np.random.default_rng(0).normal(size=(60, 10)).astype("float32")
    array[0, 0], array[0, 1] = np.nan, -0.0
    text = attr_text(array)
    assert text.startswith('f32[60,10]("')
    parsed = parse_module(f"func @f() -> () {{a={text}}} {{\n  return()\n}}\n")["f"].attrs["a"]
    assert attrs_equal(parsed, array)


# ---------------------------------------------------------------- names and locations
def test_names() -> None:
    ops: list[Op] = []
    b = Builder(ops)
    x = [Value(TensorType("f32", ()), hint) for hint in ("x", "x", "x.1", None, None, "a b", "")]
    b.emit("neg", x[0])
    b.emit("neg", x[1], names=["neg"])
    b.emit("neg", x[2], names=["θ"])
    text = print_module(Func("my f", x, [], ops, [ops[2].result]))
    assert text == (
        "func @my_f(%x: f32[], %x.1: f32[], %x.2: f32[], %arg: f32[], %arg.1: f32[], "
        "%a_b: f32[], %arg.2: f32[]) -> (f32[]) {\n"
        "  %neg = neg(%x) : f32[]\n"
        "  %neg.1 = neg(%x.1) : f32[]\n"
        "  %θ = neg(%x.2) : f32[]\n"
        "  return(%θ)\n}\n"
    )
    roundtrip(text)


def test_regions_name_their_values_on_their_own() -> None:
    x = Value(TensorType("f32", ()), "x")
    p = Value(TensorType("f32", ()), "x")
    inner: list[Op] = []
    out = Builder(inner).neg(p)
    ops: list[Op] = []
    (y,) = Builder(ops).emit("fused", x, regions=[Region([p], inner, [out])], kind="map", axes=())
    text = print_module(Func("f", [x], [], ops, [y]))
    assert "(%x: f32[]):\n    %neg = neg(%x)" in text
    roundtrip(text)


def test_locations_are_comments() -> None:
    x = Value(TensorType("f32", ()), "x")
    ops: list[Op] = []
    y = Builder(ops, loc=Loc("model.py", 31)).exp(x)
    func = Func("f", [x], [State("s", Value(TensorType("f32", ()), "s"), y)], ops, [y])
    text = print_module(Module([func]), locs=True)
    assert "  %exp = exp(%x) : f32[]  // model.py:31\n" in text
    assert print_module(parse_module(text)) == print_module(func)


def test_parsed_ops_are_located_in_their_text() -> None:
    func = parse_module(MODULE, "mlp.ari")["train"]
    assert [str(op.loc) for op in func.ops] == ["mlp.ari:2", "mlp.ari:3", "mlp.ari:4"]
    assert [str(op.loc) for op in func.ops[2].regions[0].ops] == ["mlp.ari:6", "mlp.ari:7"]


# ---------------------------------------------------------------- errors
def test_errors_show_the_place() -> None:
    assert error(func_with("  %b = add(%a, %c) : f32[2]")) == (
        "<text>:2:16: error: %c is not defined\n    %b = add(%a, %c) : f32[2]\n                 ^"
    )
    assert error(func_with("\t%b = mull(%a, %a) : f32[2]"), "a.ari") == (
        "a.ari:2:7: error: unknown op 'mull'; did you mean mul?\n"
        "   %b = mull(%a, %a) : f32[2]\n"
        "        ^"
    )


ERRORS = [
    (func_with("  %b = neg(%c) : f32[2]\n  %c = neg(%a) : f32[2]"), "2:12", "used before it is"),
    (func_with("  %a = neg(%a) : f32[2]"), "2:3", "%a is defined twice"),
    (func_with("  %b = neg(%a, %a) : f32[2]"), "2:8", "neg: takes 1 operand, got 2"),
    (func_with("  %b = neg(%a) {k=1} : f32[2]"), "2:8", "neg: takes no attributes, got k"),
    (func_with("  %b = neg(%a) : f32[2] { (): yield() }"), "2:8", "neg: takes no regions"),
    (func_with("  %b = sum(%a) {axes=0} : f32[]"), "2:8", "sum: the attribute axes is a list of integers, not 0"),
    (func_with("  %b = reshape(%a) {shape=n} : f32[2]"), "2:8", "the attribute shape is a list of dimensions, not n"),
    (func_with("  %b = neg(%a) : f32[3]"), "2:18", "neg gives f32[2], not f32[3]"),
    (func_with("  %b = neg(%a)"), "2:8", "1 result but 0 types"),
    (func_with("  %b, %c = neg(%a) : f32[2], f32[2]"), "2:3", "neg has 1 result, 2 named"),
    (func_with("  %b = neg(%a) {k=} : f32[2]"), "2:19", "expected the value of an attribute"),
    (func_with("  %b = neg(%a) {k=1, k=2} : f32[2]"), "2:22", "attribute k is given twice"),
    (func_with("  %b = neg(%a) : float[2]"), "2:18", "unknown dtype 'float'"),
    (func_with("  %b = neg(%a) : f23[2]"), "2:18", "did you mean f32?"),
    (func_with("  %b = neg(%a) : f32[nan]"), "2:22", "is a keyword"),
    (func_with("  %b = neg(%a) : f32[-2]"), "2:22", "cannot be negative"),
    (func_with("  %b = const() {value=f32[2](1)} : f32[2]"), "2:23", "has 2 elements, got 1"),
    (func_with("  %b = const() {value=u8[](256)} : u8[]"), "2:23", "'256' is not an element of u8[]"),
    (func_with('  %b = const() {value=f32[2]("!")} : f32[2]'), "2:23", "damaged array data"),
    (func_with('  %b = neg(%a) {k="x} : f32[2]'), "2:19", "unterminated string"),
    (func_with("  %b = neg(%a) $"), "2:16", "unexpected character '$'"),
    (func_with("  %b = neg(%a) {k=99999999999999999999999}"), "2:19", "too large"),
    (func_with("  update(@W, %a)"), "2:10", "@W is not a state"),
    (func_with("", result="%a, %a"), "1:25", "@f returns (f32[2], f32[2]), not (f32[2])"),
    (func_with("")[:-3], "3:13", "expected '}', got the end of the input"),
    (func_with("", params="%a: f32[2], %a: f32[]"), "1:21", "%a is defined twice"),
    (func_with("") + func_with(""), "5:6", "function @f is defined twice"),
    ("module", "1:1", "expected 'func', got 'module'"),
    (MODULE.replace("sub(%z, %y)", "sub(%x, %y)"), "6:14", "is defined outside of this region"),
    (MODULE.replace("(@b, @b)", "(@b, @b)\n  update(@b, @b)"), "11:10", "@b is updated twice"),
    (func_with("  %b = neg(%a) {k=" + "[" * 500), "2:80", "tuples nested more than 60 deep"),
]


@pytest.mark.parametrize(("text", "place", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(text: str, place: str, message: str) -> None:
    first = error(text).splitlines()[0]
    assert first.startswith(f"<text>:{place}: error: ")
    assert message in first


def test_a_type_error_lists_the_operands() -> None:
    text = func_with("  %b = add(%a, %c) : f32[2]", params="%a: f32[2], %c: f32[3]")
    assert error(text) == (
        "<text>:2:8: error: add: shapes (2) and (3) do not broadcast: 2 against 3 on axis -1 (C3)\n"
        "    %b = add(%a, %c) : f32[2]\n"
        "         ^\n"
        "  note: operand 0 is a: f32[2]\n"
        "  note: operand 1 is c: f32[3]"
    )


def test_long_lines_are_cut_around_the_place() -> None:
    text = func_with("  %b = add(" + ", ".join(["%a"] * 500) + ", %c) : f32[2]")
    lines = error(text).splitlines()
    assert len(lines[1]) < 200
    assert lines[1][lines[2].index("^") :].startswith("%c")


PIECES = [
    "{", "}", "(", ")", "[", "]", ",", ":", "=", "->", "-", "*", "%x", "@W", "n", "2*n+1", "f32[n]",
    "f32[2](1,2)", 'f32[100]("eJw=")', "c64[]((1+2j))", "99999999999999999999", "1e999", "nan",
    "true", "none", '"abc"', '"', "//", "fused", "yield", "update", "return", "func", "state",
    "shape=[1]", "axes=[0]", "@cuda", "[" * 200, "\\", "\x00", "é", "{(", "0",
]  # fmt: skip


@given(stateful_programs(max_ops=6, regions=True), st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_no_text_raises_anything_but_a_parse_error(
    program: tuple[Func, list[np.ndarray], dict[str, np.ndarray]], seed: int
) -> None:
    text, rng = print_module(program[0]), random.Random(seed)
    for _ in range(10):
        begin = rng.randrange(len(text))
        cut = rng.choice([0, 1, 1, 5, 30])
        changed = text[:begin] + rng.choice(["", *PIECES]) + text[begin + cut :]
        try:
            module = parse_module(changed)
        except ParseError as e:
            assert str(e).startswith("<text>:")
        else:
            roundtrip(print_module(module))


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_arbitrary_text(text: str) -> None:
    try:
        module = parse_module(text)
    except ParseError:
        return
    roundtrip(print_module(module))
