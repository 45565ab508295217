"""Passes that are wrong on purpose: each is located, to the pass and the op, and reduced to a few ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from click.testing import CliRunner

from arignote.frontends.cli.main import main
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, State, Value
from arignote.ir.diag import Loc
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module
from arignote.ir.types import TensorType
from arignote.ir.verify import verify
from arignote.passes import OPTIMIZE, Pass, Pipeline, parse_pipeline, rebuild
from arignote.passes.base import with_operands
from arignote.passes.check import MiscompileError, NumericCheck
from arignote.passes.inputs import working_inputs
from arignote.passes.plan import Plan
from arignote.passes.reduce import op_count, reduce_func

#: How an op is rewritten, wrongly; None leaves it.
Wrong = Callable[[Builder, Op, tuple[Value, ...]], "tuple[Value, ...] | None"]


def program() -> Func:
    """Some layers of a network, an update, indexing and rounding: over a hundred ops, with a line of their own each."""
    ops: list[Op] = []
    b = Builder(ops)
    square = TensorType("f64", (4, 4))
    x, y = Value(square, "x"), Value(square, "y")
    i = Value(TensorType("i64", (4,)), "i")
    w, count = Value(square, "w"), Value(TensorType("f64", ()), "count")

    def emit(name: str, *operands: Value, **attrs: Any) -> Value:
        b.loc = Loc("net.py", len(ops) + 1)
        return b.emit(name, *operands, **attrs)[0]

    h = x
    for _ in range(6):
        b.loc = Loc("net.py", len(ops) + 1)
        two, three = b.const(2.0), b.const(3.0)
        factor = emit("mul", two, three)
        h = emit("div", emit("dot", h, w), factor)
        h = emit("add", emit("tanh", h), emit("transpose", y, perm=(1, 0)))
        low = emit("cast", emit("cast", h, dtype="f32"), dtype="f64")
        h = emit("sub", low, emit("neg", y))
        row = emit("sum", h, axes=(1,))
        h = emit("mul", h, emit("sigmoid", emit("reshape", row, shape=(4, 1))))
        part = emit("slice", h, start=(0, 0), size=(3, 4), step=(1, 1))
        h = emit("concatenate", part, emit("slice", h, start=(3, 0), size=(1, 4), step=(1, 1)), axis=0)
        h = emit("print", emit("gather", h, i), message="rows")
        first = emit("cast", emit("argmax", emit("round", h), axes=(1,)), dtype="f64")
        h = emit("add", h, emit("broadcast", first, shape=(4, 4)))
    loss = emit("sum", emit("sqr", h), axes=(0, 1))
    new_w = emit("sub", w, emit("mul", h, b.const(0.1)))
    new_count = emit("add", count, b.const(1.0))
    states = [State("w", w, new_w), State("count", count, new_count)]
    return Func("train", [x, y, i], states, ops, [loss, h])


@dataclass(frozen=True)
class _Seeded(Pass):
    """A wrong rewrite of one kind of op."""

    wrong: ClassVar[Wrong]

    def run(self, func: Func) -> Func:
        return rebuild(func, type(self).wrong)


def seeded(name: str, wrong: Wrong) -> str:
    """Register a wrong pass."""
    type(name, (_Seeded,), {"name": f"seeded-{name}", "wrong": staticmethod(wrong), "__doc__": "Wrong."})
    return f"seeded-{name}"


def _const(v: Value) -> Any:
    return v.owner.attrs["value"] if v.owner is not None and v.owner.name == "const" else None


def wrong_fold(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    if op.name == "mul" and all(_const(v) is not None for v in operands):
        return (b.const(_const(operands[0]) + _const(operands[1])),)
    return None


def swapped_axis(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    return (b.transpose(operands[0], perm=(0, 1)),) if op.name == "transpose" else None


def off_by_one(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    if op.name == "slice" and op.attrs["start"] == (0, 0):
        return b.emit("slice", *operands, **{**op.attrs, "start": (1, 0)})
    return None


def lost_rounding(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    inner = operands[0].owner if op.name == "cast" else None
    if inner is not None and inner.name == "cast" and inner.operands[0].dtype == op.attrs["dtype"]:
        return inner.operands
    return None


def wrong_reduction(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    return (b.sum(operands[0], axes=(0,)),) if op.name == "sum" and op.attrs["axes"] == (1,) else None


def wrong_broadcast(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    if op.name != "broadcast" or operands[0].ndim != 1:
        return None
    return (b.broadcast(b.reshape(operands[0], shape=(4, 1)), shape=(4, 4)),)


def lost_negation(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    return operands if op.name == "neg" else None


def wrong_tie(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    if op.name != "argmax":
        return None
    back = b.slice(operands[0], start=(0, 3), size=(4, 4), step=(1, -1))
    return (b.sub(b.const(3), b.argmax(back, axes=(1,))),)


def swapped_operands(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    return (b.sub(operands[1], operands[0]),) if op.name == "sub" and operands[0].ndim else None


def lost_factor(b: Builder, op: Op, operands: tuple[Value, ...]) -> tuple[Value, ...] | None:
    return operands[:1] if op.name == "div" else None


class DroppedUpdate(Pass):
    """Forgets the update of a scalar."""

    name: ClassVar[str] = "seeded-dropped-update"

    def run(self, func: Func) -> Func:
        states = [replace(s, update=None) if s.value.ndim == 0 else s for s in func.states]
        return replace(func, states=states)


class DroppedEffect(Pass):
    """Takes a print for an op that nothing needs."""

    name: ClassVar[str] = "seeded-dropped-effect"

    def run(self, func: Func) -> Func:
        mapping: dict[Value, Value] = {}
        gone = next((op for op in func.ops if op.name == "print"), None)
        ops = []
        for op in func.ops:
            operands = tuple(mapping.get(v, v) for v in op.operands)
            if op is gone:
                mapping[op.result] = operands[0]
                continue
            ops.append(with_operands(op, operands))
            mapping.update(zip(op.results, ops[-1].results, strict=True))
        return func if gone is None else func.with_ops(ops, mapping)


class StaleAlias(Pass):
    """Plans memory, and gives one value that of another that is still needed."""

    name: ClassVar[str] = "seeded-stale-alias"

    def run(self, func: Func) -> Func:
        out = Plan().run(func)
        for i, op in enumerate(out.ops):
            if op.name in ("const", "reshape") or not op.attrs["mem"][0].startswith("arena"):
                continue
            later = [o for o in out.ops[i + 2 :] if any(v in o.operands for v in op.results)]
            for other in out.ops[i + 1 : -1]:
                safe = not any(v in op.results for v in other.operands)
                mem = other.attrs["mem"][0] if other.results else ""
                same = other.results and other.results[0].type == op.results[0].type
                between = bool(later) and out.ops.index(other) < out.ops.index(later[-1])
                if between and safe and same and mem.startswith("arena"):
                    other.attrs["mem"] = (op.attrs["mem"][0], *other.attrs["mem"][1:])
                    return out
        return out


#: name -> (pipeline, the op that is to blame)
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fold": (seeded("fold", wrong_fold), ("mul", "const", "div")),
    "axis": (seeded("axis", swapped_axis), ("transpose",)),
    "slice": (seeded("slice", off_by_one), ("slice",)),
    "rounding": (seeded("rounding", lost_rounding), ("sub",)),
    "reduction": (seeded("reduction", wrong_reduction), ("sum",)),
    "broadcast": (seeded("broadcast", wrong_broadcast), ("broadcast", "reshape")),
    "negation": (seeded("negation", lost_negation), ("sub",)),
    "tie": (seeded("tie", wrong_tie), ("sub", "argmax")),
    "operands": (seeded("operands", swapped_operands), ("sub",)),
    "factor": (seeded("factor", lost_factor), ("dot", "tanh")),
    "update": (DroppedUpdate.name, ("add",)),
    "effect": (DroppedEffect.name, ()),
    "alias": (f"decompose,fuse{{max=1}},{StaleAlias.name}", ()),
}


def fails(pipeline: Pipeline) -> Callable[[Func], bool]:
    def check(func: Func) -> bool:
        inputs, states = working_inputs(func)
        try:
            pipeline.run(func, verify_each=True, check_each=NumericCheck(inputs, states))
        except MiscompileError:
            return True
        return False

    return check


def test_the_program_is_large_and_compiled_correctly() -> None:
    func = program()
    verify(func)
    assert op_count(func) > 100
    assert not fails(OPTIMIZE)(func)
    assert not fails(parse_pipeline("decompose,fuse,plan"))(func), "plans are run in the memory that they give"


@pytest.mark.parametrize("case", CASES)
def test_miscompilations_are_located(case: str) -> None:
    text, blamed = CASES[case]
    func = program()
    inputs, states = working_inputs(func)
    pipeline = Pipeline([*parse_pipeline("cse"), *parse_pipeline(text)])
    with pytest.raises(MiscompileError) as info:
        pipeline.run(func, verify_each=True, check_each=NumericCheck(inputs, states))
    message = str(info.value)
    wrong = text.rpartition(",")[2]
    assert f"pass {wrong} changed" in message
    assert "after cse" in info.value.__notes__[0]
    assert "built at net.py:" in message
    if blamed:
        assert any(f"made by {op}" in message for op in blamed), message


@pytest.mark.parametrize("case", CASES)
def test_miscompilations_are_reduced(case: str) -> None:
    test = fails(parse_pipeline(CASES[case][0]))
    small = reduce_func(program(), test)
    verify(small)
    assert test(small)
    assert op_count(small) < 15, print_module(small)
    (again,) = parse_module(print_module(small)).funcs
    assert test(again), "what is printed still shows it"


def test_the_command_reduces(tmp_path: Path) -> None:
    file = tmp_path / "large.ari"
    file.write_text(print_module(program()))
    arguments = ["opt", str(file), "-p", "cse,seeded-negation,dce", "--check-each"]
    failed = CliRunner().invoke(main, arguments)
    assert failed.exit_code == 1
    assert "pass seeded-negation changed" in failed.output
    assert "in pass seeded-negation on @train, after cse" in failed.output
    reduced = CliRunner().invoke(main, [*arguments, "--reduce"])
    assert reduced.exit_code == 0, reduced.output
    (func,) = parse_module(reduced.stdout).funcs
    assert op_count(func) <= 3 and "neg" in {op.name for op in func.ops}
    assert "operations after" in reduced.stderr


def test_the_command_reduces_by_a_script(tmp_path: Path) -> None:
    file, script = tmp_path / "large.ari", tmp_path / "has_tanh.py"
    file.write_text(print_module(program()))
    script.write_text("import sys\nsys.exit('tanh(' not in open(sys.argv[1]).read())\n")
    small = CliRunner().invoke(main, ["opt", str(file), f"--reduce={script}"])
    (func,) = parse_module(small.stdout).funcs
    assert [op.name for op in func.ops] == ["tanh"]
    script.write_text("import sys\nsys.exit(1)\n")
    wrong = CliRunner().invoke(main, ["opt", str(file), f"--reduce={script}"])
    assert wrong.exit_code == 1 and "does not exit with 0" in wrong.output


def test_crashes_are_reduced_too(tmp_path: Path) -> None:
    def crash(b: Builder, op: Op, operands: tuple[Value, ...]) -> None:
        if op.name == "sigmoid":
            raise KeyError("sigmoid")

    file = tmp_path / "large.ari"
    file.write_text(print_module(program()))
    name = seeded("crash", crash)
    failed = CliRunner().invoke(main, ["opt", str(file), "-p", name])
    assert failed.exit_code == 1 and "a pass failed with KeyError" in failed.output and "Traceback" not in failed.output
    reduced = CliRunner().invoke(main, ["opt", str(file), "-p", name, "--reduce"])
    assert op_count(parse_module(reduced.stdout).funcs[0]) == 1


def test_regions_are_reduced_inside() -> None:
    """A kernel of many ops, of which one is interesting."""
    func = parse_module("""
func @f(%x: f32[8,16], %y: f32[16]) -> (f32[8,16], f32[8,16]) {
  %a, %b = fused(%x, %y) {axes=[], kind="map"} : f32[8,16], f32[8,16] {
    (%x: f32[8,16], %y: f32[16]):
    %s = add(%x, %y) : f32[8,16]
    %t = tanh(%s) : f32[8,16]
    %e = exp(%t) : f32[8,16]
    %m = mul(%e, %s) : f32[8,16]
    yield(%m, %e)
  }
  return(%a, %b)
}""").funcs[0]

    def test(f: Func) -> bool:
        kernels = [op for op in f.ops if op.name == "fused"]
        return any(o.name == "exp" for k in kernels for o in k.regions[0].ops)

    small = reduce_func(func, test)
    assert op_count(small) == 2
    assert all(d <= 3 for v in small.params for d in v.shape if isinstance(d, int)), "sizes shrink as well"


def test_what_is_not_interesting_is_refused() -> None:
    from arignote.ir.diag import IRError

    with pytest.raises(IRError, match="does not show"):
        reduce_func(program(), lambda f: False)


def test_inputs_fit_what_a_function_does() -> None:
    func = parse_module("""
func @f(%x: f32[n,m], %y: f32[m,k], %i: i64[n], %p: f32[n]) state(@w: f32[a,b]) -> (f32[n,k], f32[n]) {
  %z = dot(%x, %y) : f32[n,k]
  %g = gather(%p, %i) : f32[n]
  %new = add(@w, %z) : f32[a,b]
  update(@w, %new)
  return(%z, %g)
}""").funcs[0]
    (x, y, i, p), states = working_inputs(func)
    assert x.shape[1] == y.shape[0] and x.shape[0] == len(p)
    assert states["w"].shape == (len(x), y.shape[1])
    assert i.min() >= 0 and i.max() < len(p)
    assert len({x.shape[0], x.shape[1], y.shape[1]}) == 3, "mixed-up axes show"
    again = working_inputs(func)[0]
    np.testing.assert_array_equal(x, again[0])
