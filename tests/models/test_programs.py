"""Every function of every model at every stage: text, diffs, passes and costs hold, whatever models there are."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arignote.frontends.tensor import stages
from arignote.ir.canonical import equal
from arignote.ir.cost import annotated, summary
from arignote.ir.diff import diff
from arignote.ir.difftext import unified
from arignote.ir.graph import to_dict, to_dot, to_networkx
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module
from arignote.ir.verify import verify
from arignote.models import registry
from arignote.models.programs import IR_STAGES, ScriptError, Spec, functions, run_script
from arignote.passes.base import Pipeline, parse_pipeline
from arignote.passes.check import NumericCheck
from arignote.passes.inputs import array_for, equal_sizes, sizes
from arignote.passes.pipelines import OPTIMIZE
from tests.ir.rewrites import renamed, shuffled

SIMPLE = parse_pipeline("canonicalize,(fold,cse)*2,dce")
DEEP = ["hidden=8", "layers=2", "batch=3", "steps=4"]
DIGITS = ["filters=3", "hidden=8", "batch=2"]
#: Models that train the network of another one: only what they have of their own is looked at.
SAME = ("guided_backprop", "deconvnet", "inceptionism", "fcn_sweep")
#: Models whose functions are long, or slow when they are interpreted: with fewer layers of the same kinds.
SMALL = {
    "cnn": ["batch=2"],
    "code_rnn": ["hidden=6", "batch=3"],
    "cnn_dropout": ["batch=2"],
    "bilstm_sentiment": ["vocabulary=500"],  # the book's are 100,001 rows of a table
    "colocalize": ["filters=2", "hidden=4", "batch=2", "size=40"],
    "dcgan": ["filters=2", "units=4", "batch=2", "noise=3"],
    "densenet": ["depth=7", "growth=3", "filters=4", "batch=2"],
    "densenet_fast": ["depth=7", "growth=3", "filters=4", "batch=2"],
    **dict.fromkeys(("mnist_cnn", *SAME), DIGITS),
    "resnet": ["filters=4", "batch=2", "survival=0.5"],
    "rstn": ["filters=2", "hidden=4", "batch=2"],
    "segnet": ["filters=2", "window=3", "stages=2", "batch=2"],
    **dict.fromkeys(("stacked_rnn", "stacked_lstm", "deep_transition"), DEEP),
    "rbm": ["hidden=20", "k=2", "batch=2"],
    "rhn": [*DEEP, "depth=2"],
    "stn": ["filters=2", "hidden=4", "batch=2"],
}


def _small(model: str) -> Any:
    return registry.find(model).with_settings(SMALL.get(model, []))


CHECKED = ("train", "valid", "generator", "guided", "projections", "dream")
# `valid` and `test` differ in their data only; of long functions one of them is enough.
CASES = [
    (name, function)
    for name in registry.models()
    for function in functions(_small(name))
    if name not in SMALL or (function in CHECKED and not (name in SAME and function in ("train", "valid")))
]


@cache
def program(model: str, function: str) -> Any:
    return functions(_small(model))[function]()


@pytest.mark.parametrize(("model", "function"), CASES)
def test_every_stage(model: str, function: str) -> None:
    for stage in IR_STAGES:
        func = stages.func_at(program(model, function), stage)
        text = print_module(func, locs=True)
        (again,) = parse_module(text).funcs
        assert print_module(again, locs=True) == text, stage
        assert [op.loc for op in again.ops] == [op.loc for op in func.ops], stage
        assert equal(again, func), stage
        found = diff(func, renamed(shuffled(func, np.random.default_rng(0)), "q"))
        assert not found, (stage, unified(found))
        assert equal(parse_module(annotated(func)).funcs[0], func)
        whole = summary(func)  # with the ops inside loops
        assert whole.kernels <= whole.ops + 1
        assert len(to_networkx(func)) >= len(func.ops)
        assert to_dict(func)["name"] == func.name
        assert to_dot(func).startswith("digraph")


@pytest.mark.parametrize("model", registry.models())
def test_simplified_is_simple(model: str) -> None:
    """Passes run on kernels too; what they have simplified, they leave as it is."""
    for stage in ("grad", "fused"):
        once = SIMPLE.run(stages.func_at(program(model, "train"), stage))
        verify(once)
        again = diff(once, SIMPLE.run(once))
        assert not again, (stage, unified(again))


def fitting(function: Any, func: Any) -> tuple[list[Any], dict[str, Any]]:
    """The values of the function's shared variables; inputs of sizes that fit them, random floats and the index 0."""
    containers = function._executable.containers
    states = {s.name: c.array.copy() for s, c in zip(func.states, containers, strict=True)}
    known = {str(d): n for d, n in stages.known_sizes(function)[0].items() if isinstance(n, int)}
    env = {**sizes(func), **equal_sizes(func, known), **known}
    rng = np.random.default_rng(0)
    return [array_for(v, env, rng, "unit", 1) for v in func.params], states


@pytest.mark.parametrize(("model", "function"), CASES)
def test_passes_are_correct(model: str, function: str) -> None:
    """The optimiser, fusion and the plan, in its own memory, on the model's values."""
    func = stages.func_at(program(model, function), "grad")
    inputs, states = fitting(program(model, function), func)
    check = NumericCheck(inputs, states)
    pipeline = Pipeline([OPTIMIZE, *parse_pipeline("fuse,plan")])
    out = pipeline.run(func, verify_each=True, check_each=check)
    verify(out, "planned")
    assert diff(func, out)
    assert summary(out).launches <= summary(func).launches  # type: ignore[operator]


def test_forms_of_names() -> None:
    spec = Spec.parse("mlp{hidden=300, batch=20}:predict@fused")
    assert (spec.what, spec.settings, spec.only, spec.stage) == ("mlp", ("hidden=300", "batch=20"), "predict", "fused")
    assert Spec.parse("a/b.ari") == Spec("a/b.ari")
    assert Spec.parse("step.ari:f") == Spec("step.ari", (), "f")
    assert Spec.parse("-") == Spec("-")
    assert Spec.parse("@planned").filled(spec) == Spec("mlp", ("hidden=300", "batch=20"), "predict", "planned")
    assert [p.name for p in Spec.parse("logreg:all").programs()] == list(functions(registry.find("logreg")()))


SCRIPT = """
import numpy as np
import arignote as ar
import arignote.tensor as T
from helper import twice

x = T.fvector("x")
double = ar.function([x], twice(x), name="double")

def made():
    return ar.function([x], T.exp(x), name="made")

other = 3
if __name__ == "__main__":
    raise SystemExit("it has been run as a program")
"""


def test_functions_of_scripts(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    (tmp_path / "helper.py").write_text("def twice(x):\n    return x + x\n")

    def names(text: str) -> list[str]:
        return [p.name for p in Spec.parse(f"{script}{text}").programs()]

    assert names("") == names(":double") == names(":all") == ["double"]
    assert names(":made") == ["made"]
    for wrong, message in ((":nothing", "compiled functions: double"), (":other", "not a compiled function")):
        with pytest.raises(ScriptError, match=message):
            names(wrong)
    script.write_text("1/0")
    with pytest.raises(ScriptError, match="ZeroDivisionError"):
        run_script(script)
    with pytest.raises(ScriptError, match="FileNotFoundError"):
        run_script(tmp_path / "none.py")
