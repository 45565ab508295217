"""Golden tests: `golden/<pass>/*.ari` holds a pipeline, a function, and what becomes of it.

    // RUN: cse,dce
    // INPUTS: positive
    func @f(%x: f32[4]) -> (f32[4]) { ... }
    // ----- expected
    func @f(%x: f32[4]) -> (f32[4]) { ... }

The halves are compared structurally, so names and the order of independent ops do not count. Every
case is also executed before and after on random inputs. `pytest --update-golden` rewrites the lower
halves: review them before committing.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import numpy as np
import pytest

from arignote.ir.canonical import canonical_text, equal, first_difference
from arignote.ir.core import Func
from arignote.ir.text import parse_module, print_module
from arignote.ir.verify import verify
from arignote.passes import OPTIMIZE
from arignote.passes.base import list_passes, parse_pipeline
from arignote.passes.check import NumericCheck
from arignote.passes.inputs import inputs_for, states_for

GOLDEN = Path(__file__).parent / "golden"
MARKER = "// ----- expected\n"
CASES = sorted(GOLDEN.glob("*/*.ari"))


def header(text: str, key: str) -> str | None:
    """The value of the comment `// key: value`."""
    match = re.search(rf"^// {key}: *(.+)$", text, re.MULTILINE)
    return match.group(1).strip() if match else None


def compare(case: Path, got: Func, expected: str) -> None:
    """Fail, with both texts and the command to reproduce, unless `got` is what is expected."""
    try:
        wanted = parse_module(expected).funcs[0]
    except Exception as e:
        pytest.fail(f"the expected half of {case.name} does not parse: {e}")
    if not equal(got, wanted):
        lines = difflib.unified_diff(
            canonical_text(wanted).splitlines(),
            canonical_text(got).splitlines(),
            "expected",
            "got",
            lineterm="",
        )
        name = case.relative_to(GOLDEN.parent.parent)
        accept = f"{name}: accept with `pytest tests/test_golden.py --update-golden -k {case.stem}`"
        pytest.fail("\n".join([accept, first_difference(wanted, got), *lines]), False)


@pytest.mark.parametrize("case", CASES, ids=[f"{c.parent.name}/{c.stem}" for c in CASES])
def test_golden(case: Path, request: pytest.FixtureRequest) -> None:
    text = case.read_text()
    source, _, expected = text.partition(MARKER)
    run = header(source, "RUN")
    assert run, f"{case} has no RUN line"
    (func,) = parse_module(source).funcs
    verify(func)
    pipeline = parse_pipeline(run)
    assert case.parent.name in [p.name for p in pipeline], "the folder is named after the pass"
    got = pipeline.run(func, verify_each=True)
    if request.config.getoption("--update-golden"):
        case.write_text(source + MARKER + print_module(got))
    else:
        compare(case, got, expected)

    rng = np.random.default_rng(0)
    kind = header(source, "INPUTS") or "any"
    check = NumericCheck(inputs_for(got, rng, kind), states_for(got, rng, kind))
    check(list(pipeline)[-1], func, got)


def test_every_pass_of_the_optimiser_has_golden_tests() -> None:
    """What prepares code (fusion, planning) is tested by executing it, with the code generator."""
    for name in {p.name for p in OPTIMIZE} | {"grad"}:
        assert len(list((GOLDEN / name).glob("*.ari"))) >= 2, f"{name} has fewer than two cases"
    assert {c.parent.name for c in CASES} <= list_passes().keys() | {"errors"}
