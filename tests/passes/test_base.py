"""Passes as objects, pipelines as text, and what they report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from arignote.ir.core import Func
from arignote.ir.diag import IRError
from arignote.ir.text import parse_module
from arignote.ir.verify import VerificationError
from arignote.passes import OPTIMIZE, Pass, Pipeline, find_pass, list_passes, parse_pipeline
from arignote.passes.cse import Cse
from arignote.passes.dce import Dce
from arignote.passes.fold import Fold
from arignote.passes.grad import Grad
from arignote.passes.specialize import Specialize

SOURCE = """
func @f(%x: f32[n]) -> (f32[n]) {
  %a = exp(%x) : f32[n]
  %b = exp(%x) : f32[n]
  %c = add(%a, %b) : f32[n]
  return(%c)
}
"""


def source() -> Func:
    return parse_module(SOURCE).funcs[0]


def test_text_of_pipelines() -> None:
    text = "fold{max=8},(cse,dce)*3,grad{wrt=[w,b],cost=1}"
    pipeline = parse_pipeline(text)
    assert str(pipeline) == text
    assert list(pipeline) == [Fold(max=8), Cse(), Dce(), Grad(("w", "b"), 1)]
    assert str(parse_pipeline(str(OPTIMIZE))) == str(OPTIMIZE)
    assert parse_pipeline(" cse , dce ") == Pipeline([Cse(), Dce()])
    assert parse_pipeline("") == Pipeline([])
    assert parse_pipeline("specialize{n=32,m=k}").passes == (
        Specialize.from_options({"n": 32, "m": "k"}),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cs", r"no pass is called 'cs'; did you mean.*cse"),
        ("cse dce", r"',' expected\n  cse dce\n      \^"),
        ("cse{", "expected"),
        ("cse{max=1}", "cse has no option 'max'; it has none"),
        ("fold{mx=1}", "fold has no option 'mx'; it has max"),
        ("(cse)*0", "number of rounds"),
        ("(cse", r"',' expected|'\)' expected|name"),
        ("cse;dce", "unexpected character"),
        ("specialize{n=-1}", "neither a size nor another symbol"),
    ],
)
def test_errors_in_pipelines(text: str, message: str) -> None:
    with pytest.raises(IRError, match=message):
        parse_pipeline(text)


def test_every_pass_says_what_it_does() -> None:
    passes = list_passes()
    assert {"algebra", "canonicalize", "cse", "dce", "fold", "gemm", "grad"} <= passes.keys()
    for name, purpose in passes.items():
        assert purpose.endswith((".", "`.")) or ":" in purpose, name
        module = find_pass(name).__module__
        assert module == f"arignote.passes.{name}", "file name = pass name"


def test_nothing_to_do_gives_the_same_object() -> None:
    func = Pipeline([Cse(), Dce()]).run(source())
    for p in OPTIMIZE:
        if p.name in ("cse", "dce", "fold", "specialize", "gemm", "stabilize", "split"):
            assert p.run(func) is func


def test_passes_leave_their_argument_alone() -> None:
    func = source()
    ops, names = list(func.ops), [r.name for op in func.ops for r in op.results]
    out = OPTIMIZE.run(func)
    assert out is not func
    assert func.ops == ops and [r.name for op in func.ops for r in op.results] == names


def test_names_and_places_survive() -> None:
    func = OPTIMIZE.run(source())
    assert func.ops[-1].result.name == "c"


def test_callbacks() -> None:
    seen: list[str] = []

    def after(p: Pass, before: Func, func: Func, seconds: float) -> None:
        assert seconds >= 0
        seen.append(f"{p.name}{'' if before is func else '!'}")

    parse_pipeline("(cse,dce)*3,fold").run(source(), after=after)
    assert seen == ["cse!", "dce", "cse", "dce", "fold"]


def test_failures_name_the_pass_and_its_predecessors() -> None:
    @dataclass(frozen=True)
    class Broken(Pass):
        """Forgets to define a value."""

        name: ClassVar[str] = "broken"

        def run(self, func: Func) -> Func:
            return func.with_ops(func.ops[1:], {})

    with pytest.raises(VerificationError, match=r"not defined|before it is defined") as info:
        Pipeline([Cse(), Dce(), Broken()]).run(source(), verify_each=True)
    assert info.value.__notes__ == ["in pass broken on @f, after cse, dce"]
    assert Pipeline([Broken()]).run(source()).ops, "unverified unless asked for"
