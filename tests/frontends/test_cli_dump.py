"""`arignote dump`: models and files at the stages of the compiler."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from arignote.frontends.cli.main import main
from arignote.frontends.tensor import stages
from arignote.ir.parse import parse_module
from arignote.ir.verify import verify
from arignote.models import programs

FILE = """
func @double(%x: f32[n]) -> (f32[n]) {
  %y = add(%x, %x) : f32[n]
  return(%y)
}
func @square(%x: f32[n]) -> (f32[n]) {
  %y = mul(%x, %x) : f32[n]
  return(%y)
}
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["dump", *arguments])


def test_stages_are_those_of_the_compiler() -> None:
    assert (programs.STAGES, programs.IR_STAGES) == (stages.STAGES, stages.IR_STAGES)


@pytest.mark.parametrize("name", ["logreg", "mlp"])
@pytest.mark.parametrize("stage", stages.IR_STAGES)
def test_ir_stages_of_models_parse_back(name: str, stage: str) -> None:
    result = run(name, "--stage", stage, "--set", "batch=600")
    assert result.exit_code == 0, result.output
    (func,) = parse_module(result.output).funcs
    verify(func, "fused" if stage == "placed" else stage)
    assert func.name == "train"
    updated = {state.name for state in func.states if state.update is not None}
    parameters = {"W0", "b0"} if name == "logreg" else {"W0", "b0", "W1", "b1"}
    assert updated == (set() if stage == "recorded" else parameters)
    if stage in ("optimised", "fused", "planned"):
        assert "f32[600," in result.output, "the book's minibatch is the default"


def test_other_functions_of_a_model() -> None:
    for name in ("valid", "test", "predict"):
        result = run("logreg", "--stage", "recorded", "--only", name)
        assert result.exit_code == 0, result.output
        assert result.output.startswith(f"func @{name}(")
    result = run("logreg", "--only", "backward")
    assert result.exit_code == 1
    assert "no function 'backward'; it has train, valid, test, predict" in result.output


def test_sizes_and_locations() -> None:
    assert "[784,7]" in run("mlp", "--set", "hidden=7").output
    plain, located = (run("logreg", "--stage", "recorded", *o).output for o in ([], ["--loc"]))
    assert "logreg.py:" in located
    assert "logreg.py:" not in plain


@pytest.mark.parametrize(
    ("stage", "text"), [("tir", "def main("), ("llvm", "define "), ("asm", ".text"), ("cuda", "__global__")]
)  # fmt: skip
def test_code_of_a_file(stage: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "two.ari"
    path.write_text(FILE)
    result = run(str(path), "--stage", stage, "--only", "square")
    assert result.exit_code == 0, result.output
    assert text in result.output


def test_functions_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "two.ari"
    path.write_text(FILE)
    result = run(str(path))
    assert [f.name for f in parse_module(result.output).funcs] == ["double", "square"]
    result = run(str(path), "--only", "square")
    assert [f.name for f in parse_module(result.output).funcs] == ["square"]
    assert "sqr(%x)" in result.output, "the passes have run"
    result = run(str(path), "--only", "cube")
    assert result.exit_code == 1
    assert "no function 'cube'; functions: double, square" in result.output
    assert "has no settings" in run(str(path), "--set", "hidden=3").output


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "wrong.ari"
    result = run(str(path))
    assert (result.exit_code, "expected a file, found none" in result.output) == (1, True)
    path.write_text(FILE.replace("mul(%x, %x)", "mul(%x, %z)"))
    result = run(str(path))
    assert result.exit_code == 1
    assert "wrong.ari:7:16: error: %z is not defined" in result.output
    assert "Traceback" not in result.output
