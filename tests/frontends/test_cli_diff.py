"""`arignote diff` and `arignote opt`, alone and in pipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from arignote.frontends.cli.main import main
from arignote.ir.canonical import equal
from arignote.ir.parse import parse_module

FILE = """
func @f(%x: f32[n,4]) state(@w: f32[4]) -> (f32[n]) {
  %a = add(%x, @w) : f32[n,4]  // model.py:7
  %b = add(%x, @w) : f32[n,4]
  %m = mul(%a, %b) : f32[n,4]
  %s = sum(%m) {axes=[1]} : f32[n]
  return(%s)
}
"""


def run(*arguments: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=input)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "f.ari"
    path.write_text(FILE)
    return path


def test_equal_programs_are_silent(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "g.ari"
    other.write_text(FILE.replace("%a", "%first").replace("@w", "@weights").replace("n", "n"))
    result = run("diff", str(file), str(other), "--exit-code")
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads(run("diff", str(file), str(other), "--json").output)["equal"] is True


def test_the_exit_code_is_a_gate(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "g.ari"
    other.write_text(FILE.replace("mul(", "sub("))
    assert run("diff", str(file), str(other)).exit_code == 0
    result = run("diff", str(file), str(other), "--exit-code")
    assert result.exit_code == 1
    assert "~ %m = {mul -> sub}(%a, %b) : f32[n,4]" in result.output
    assert "\x1b[" not in result.output
    assert "\x1b[" in run("diff", str(file), str(other), "--color=always").output
    assert run("diff", str(file), str(other), "--stat").output.startswith("@f: 1 changed\n")
    columns = run("diff", str(file), str(other), "-y", "--width", "100").output
    assert "mul(%a, %b)" in columns and "sub(%a, %b)" in columns


def test_stages_and_settings_of_models() -> None:
    result = run("diff", "mlp@optimised", "@fused", "--stat")
    assert result.exit_code == 0, result.output
    assert "moved" in result.output and "launches" in result.output
    result = run("diff", "mlp{hidden=30}", "mlp{hidden=50}", "--json")
    (function,) = json.loads(result.output)["functions"]
    assert {c["kind"] for c in function["changes"]} == {"changed"}
    assert run("diff", "mlp", "mlp", "--exit-code").exit_code == 0
    assert "tir is text" in run("diff", "mlp@tir", "mlp@llvm").output
    assert "there is no model" in run("diff", "mlp", "mpl").output


def test_pipes(file: Path) -> None:
    """dump | opt | diff."""
    dumped = run("dump", "logreg", "--stage", "grad", "--loc")
    assert dumped.exit_code == 0
    optimised = run("opt", "-", "-p", "cse,dce", "--verify-each", "--loc", input=dumped.stdout)
    assert optimised.exit_code == 0, optimised.output
    assert "logreg.py:" in optimised.stdout, "the program's lines go along"
    result = run("diff", "logreg@grad", "-", "--json", input=optimised.stdout)
    (function,) = json.loads(result.output)["functions"]
    assert {c["kind"] for c in function["changes"]} == {"removed"}
    assert "only one of A and B" in run("diff", "-", "-").output


def test_opt_prints_the_result_and_reports_aside(file: Path, tmp_path: Path) -> None:
    result = run("opt", str(file), "-p", "cse,dce", "--print-after=cse", "--time", "--stats", "--check-each")
    assert result.exit_code == 0, result.output
    (func,) = parse_module(result.stdout).funcs
    assert [op.name for op in func.ops] == ["add", "mul", "sum"]
    assert "// ----- after cse" in result.stderr and "after dce" not in result.stderr
    assert "total" in result.stderr and "@f: 3 ops, 3 kernels" in result.stderr
    out = tmp_path / "out.ari"
    assert run("opt", str(file), "-p", "cse,dce", "-o", str(out)).stdout == ""
    assert equal(parse_module(out.read_text()), parse_module(result.stdout))
    everything = run("opt", str(file), "-p", "optimize", "--print-after").stderr
    assert "after canonicalize" in everything and "(nothing changed)" in everything


def test_opt_lists_passes() -> None:
    text = run("opt", "--list-passes").output
    assert "fuse{max=64}\n" in text and "grad{wrt=[],cost=0}" in text
    assert "Compute equal expressions once." in text
    assert "optimize\n" in text
    from arignote.passes.base import list_passes

    assert all(f"{name}" in text for name in list_passes())


def test_opt_refuses_what_is_wrong(file: Path) -> None:
    for arguments, message in (
        ((str(file), "-p", "csee"), "did you mean cse"),
        ((str(file), "-p", "fuse{most=3}"), "has no option 'most'"),
        ((str(file), "-p", "cse", "--print-after=nothing"), "no pass is called 'nothing'"),
        ((str(file), "-p", "cse", "--reduce"), "nothing to reduce"),
        ((str(file), "-p", "(cse"), "expected"),
        (("none.ari",), "expected a file"),
    ):
        result = run("opt", *arguments)
        assert result.exit_code == 1, arguments
        assert message in result.output and "Traceback" not in result.output
    broken = FILE.replace("%m = mul(%a, %b)", "%m = mul(%a, %c)")
    result = run("opt", "-", input=broken)
    assert "<stdin>:5:16: error: %c is not defined" in result.output
