"""The verifier: what it accepts, and the messages for what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from arignote.ir.builder import Builder
from arignote.ir.core import Func, Module, Op, Region, State, Value
from arignote.ir.diag import IRError, Loc
from arignote.ir.text import parse_module
from arignote.ir.types import Dim, DimLike, TensorType
from arignote.ir.verify import STAGES, VerificationError, verify, violations
from tests.ir.strategies import stateful_programs

N = Dim.symbol("n")


def value(name: str, *shape: DimLike, dtype: str = "f32") -> Value:
    return Value(TensorType(dtype, shape), name)


def op(name: str, *operands: Value, type: TensorType | None = None, **attrs: Any) -> Op:
    """An op with the first operand's type, whatever its record says."""
    given = operands[0].type if type is None else type
    return Op(name, operands, attrs, [given], loc=Loc("model.py", 31))


def func(params: list[Value], ops: list[Op], results: list[Value], **rest: Any) -> Func:
    return Func("f", params, rest.pop("states", []), ops, results, rest)


def message(program: Func | Module, **options: Any) -> str:
    with pytest.raises(VerificationError) as info:
        verify(program, **options)
    return str(info.value)


def first_line(program: Func | Module, **options: Any) -> str:
    return message(program, **options).splitlines()[0]


@given(stateful_programs(regions=True))
@settings(max_examples=60, deadline=None)
def test_random_programs_are_accepted(
    program: tuple[Func, list[np.ndarray], dict[str, np.ndarray]],
) -> None:
    verify(program[0])


# ---------------------------------------------------------------- the whole message
def test_use_before_definition(tmp_path: Path) -> None:
    source = tmp_path / "model.py"
    source.write_text("import arignote\nb = a + c\n")
    a = value("a", 2)
    c = op("neg", a)
    b = Op("add", [a, c.result], {}, [a.type], loc=Loc(str(source), 2), names=["b"])
    broken = func([a], [b, c], [b.result])
    assert message(broken, history=["canonicalize", "cse"]) == (
        "@f: %neg is used before it is defined\n"
        "  %b = add(%a, %neg) : f32[2]\n"
        "               ^\n"
        f"  built at {source}:2: b = a + c\n"
        "  note: after the passes canonicalize, cse"
    )


def test_wrong_type() -> None:
    a = value("a", 2)
    b = op("neg", a, type=TensorType("f32", (3,)))
    assert message(func([a], [b], [b.result])) == (
        "@f: neg gives f32[2], not f32[3]\n"
        "  %neg = neg(%a) : f32[3]\n"
        "                   ^\n"
        "  built at model.py:31"
    )


def test_operands_that_the_op_rejects() -> None:
    a, b = value("a", 2), value("b", 3)
    broken = func([a, b], [op("add", a, b)], [a])
    assert message(broken) == (
        "@f: add: shapes (2) and (3) do not broadcast: 2 against 3 on axis -1 (C3)\n"
        "  %add = add(%a, %b) : f32[2]\n"
        "         ^\n"
        "  built at model.py:31\n"
        "  note: operand 0 is a: f32[2]\n"
        "  note: operand 1 is b: f32[3]"
    )


def test_unbound_symbol() -> None:
    a = value("a")
    b = op("broadcast", a, shape=(N, 2 * N), type=TensorType("f32", (N, 2 * N)))
    assert message(func([a], [b], [a])) == (
        "@f: n in shape is not bound here\n"
        "  %broadcast = broadcast(%a) {shape=[n,2*n]} : f32[n,2*n]\n"
        "                              ^\n"
        "  built at model.py:31\n"
        "  note: symbols are bound by the shapes of the inputs, or by an earlier op"
    )


def test_update_of_another_type() -> None:
    w = value("W", 2, 3)
    new = op("neg", w)
    bad = Op("reshape", [new.result], {"shape": (6,)}, [TensorType("f32", (6,))])
    broken = func([], [new, bad], [], states=[State("W", w, bad.result)])
    assert message(broken) == (
        "@f: the update of @W: f32[2,3] is f32[6]\n  update(@W, %reshape)\n             ^"
    )


def test_outer_value_in_a_region() -> None:
    a = value("a", 2)
    b = op("neg", a)
    p = value("p", 2)
    inner = op("add", p, b.result)
    fused = Op(
        "fused",
        [a],
        {"kind": "map", "axes": ()},
        [a.type],
        [Region([p], [inner], [inner.result])],
    )
    assert message(func([a], [b, fused], [fused.result])) == (
        "@f: %neg is defined outside of this region: pass it as an operand\n"
        "  %add = add(%p, %neg) : f32[2]\n"
        "                 ^\n"
        "  built at model.py:31"
    )


def test_illegal_at_its_stage() -> None:
    a = value("a", 2, 2)
    b = op("softmax", a, axis=0)
    program = func([a], [b], [b.result])
    verify(program)
    verify(program, stage="recorded")
    assert message(program, stage="optimised") == (
        "@f: softmax is not legal at stage optimised: softmax has been decomposed by then\n"
        "  %softmax = softmax(%a) {axis=0} : f32[2,2]\n"
        "             ^\n"
        "  built at model.py:31"
    )


# ---------------------------------------------------------------- every rule
def test_value_of_no_function() -> None:
    a, stray = value("a", 2), value("stray", 2)
    assert first_line(func([a], [op("neg", stray)], [a])) == (
        "@f: %stray is not defined in this function"
    )
    far = op("exp", stray)
    assert first_line(func([a], [], [far.result])) == (
        "@f: %exp (made by exp) is not defined in this function"
    )


def test_values_are_defined_once() -> None:
    a = value("a", 2)
    b = op("neg", a)
    assert first_line(func([a], [b, b], [a])) == "@f: %neg is defined twice"
    assert first_line(func([a, a], [], [a])) == "@f: %a is listed twice"
    assert first_line(func([a, b.result], [], [a])) == "@f: %arg is an input, and the result of neg"


def test_names_are_unique() -> None:
    s, t = value("s"), value("t")
    states = [State("s", s), State("s", t)]
    assert first_line(func([], [], [], states=states)) == "@f: two states are called @s"
    bad = func([], [], [], states=[State("a b", s)])
    assert first_line(bad) == "@f: 'a b' is not a name for a state"
    twice = Module([func([], [], []), func([], [], [])])
    assert first_line(twice) == "2 functions are called @f"


def test_unknown_op() -> None:
    a = value("a", 2)
    line = first_line(func([a], [op("softmx", a)], [a]))
    assert line.startswith("@f: unknown op 'softmx'; did you mean softmax")


def test_attributes_hold_what_the_text_can_write() -> None:
    a = value("a", 2)
    lists = func([a], [op("sum", a, axes=[0])], [a])
    assert first_line(lists) == "@f: attribute axes holds a list: [0]"
    scalars = func([a], [], [a], k=(np.int64(1),))
    assert first_line(scalars).startswith("@f: attribute k holds a int64")
    keyword = func([a], [], [a], k=Dim.symbol("nan"))
    assert first_line(keyword) == "@f: attribute k holds the keyword nan as a dimension"


def test_dimensions_are_natural_numbers() -> None:
    assert first_line(func([value("a", -1)], [], [])) == (
        "@f: %a: a dimension cannot be negative: -1"
    )
    assert "is a keyword" in first_line(func([value("a", Dim.symbol("true"))], [], []))


def test_symbols_that_shapes_do_not_determine() -> None:
    m = Dim.symbol("m")
    assert first_line(func([value("a", N * m)], [], [])) == (
        "@f: the shapes of the inputs do not determine m, n"
    )
    verify(func([value("a", N * m), value("b", 2 * m + 1), value("c", N + m)], [], []))


def test_ops_bind_symbols_for_those_after_them() -> None:
    text = """\
func @f(%x: f32[n]) -> (f32[k]) {
  %one = const() {value=f32[](1.0)} : f32[]
  %n = dim(%x) {axis=0} : i64[]
  %a = broadcast(%one, %n) {bound=[0], shape=[k]} : f32[k]
  %b = broadcast(%one) {shape=[k]} : f32[k]
  %c = add(%a, %b) : f32[k]
  return(%c)
}
"""
    program = parse_module(text)["f"]
    verify(program)
    program.ops[2:4] = reversed(program.ops[2:4])
    assert first_line(program) == "@f: k in shape is not bound here"


def test_bound_positions_need_operands() -> None:
    a = value("a")
    bad = op("broadcast", a, shape=(2,), bound=("x",), type=TensorType("f32", (2,)))
    assert "bound positions do not fit" in first_line(func([a], [bad], [a]))


def test_results_know_their_op() -> None:
    a = value("a", 2)
    b = op("neg", a)
    b.results[0].owner = None
    assert first_line(func([a], [b], [a])) == "@f: %neg does not know that it is result 0 of neg"


def test_region_signature_is_checked_by_the_op() -> None:
    a, p = value("a", 2), value("p", 3)
    fused = Op("fused", [a], {"kind": "map", "axes": ()}, [p.type], [Region([p], [], [p])])
    assert "region takes (f32[3]), operands are (f32[2])" in first_line(func([a], [fused], [a]))


def test_planned_ops_list_their_memory() -> None:
    text = 'func @f(%x: f32[]) -> (f32[]) {stage="planned"} { %y = exp(%x) {mem=[]} : f32[] return(%y) }'
    for mem in ("4", "[4]", "[[\"host\"]]", "\"host\""):
        program = parse_module(text.replace("mem=[]", f"mem={mem}"))["f"]
        assert first_line(program).endswith("at stage planned: its attribute mem is no list of strings")
    assert "has no memory for each of its results" in first_line(parse_module(text)["f"])
    verify(parse_module(text.replace("mem=[]", 'mem=["host"]')))


def test_stages() -> None:
    a, p = value("a", 2), value("p", 2)
    fused = Op("fused", [a], {"kind": "map", "axes": ()}, [p.type], [Region([p], [], [p])])
    program = func([a], [fused], [a])
    verify(program)
    program.attrs["stage"] = "recorded"
    assert first_line(program) == (
        "@f: fused is not legal at stage recorded: fused is made by the pass fuse"
    )
    verify(program, stage="fused")
    program.attrs["stage"] = "cooked"
    assert first_line(program) == (f"@f: unknown stage 'cooked'; known are {', '.join(STAGES)}")


def test_every_violation_is_listed() -> None:
    a, stray = value("a", 2), value("stray", 2)
    ops = [op("neg", stray), op("ngg", a), op("neg", a, type=TensorType("f64", (2,)))]
    found = [d.message for d in violations(func([a], ops, [stray]))]
    assert len(found) == 4
    assert found[0] == found[3]


def test_errors_are_ir_errors() -> None:
    assert issubclass(VerificationError, IRError)


def test_builder_keeps_hints_of_unnamed_results() -> None:
    ops: list[Op] = []
    (out,) = Builder(ops, prefix="d.").emit("neg", value("a", 2), names=[None])
    assert out.name is None


def test_deep_functions() -> None:
    a = value("a", 2)
    ops: list[Op] = []
    b = Builder(ops)
    x = a
    for _ in range(20_000):
        x = b.neg(x)
    verify(func([a], ops, [x]))
