"""The command as a whole: help, errors, what it imports, and the small commands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import arignote
from arignote.frontends.cli import bench as bench_command
from arignote.frontends.cli.main import COMMANDS, main

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def fresh(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "arignote.frontends.cli.main", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_lists_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name, (_, summary) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(summary)}$", result.output, re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "bench"])
def test_every_command_has_help(name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0, result.output
    assert f"Usage: main {name}" in result.output


def test_version() -> None:
    assert run("--version").output == f"arignote, version {arignote.__version__}\n"


def test_unknown_command() -> None:
    result = run("trian")
    assert result.exit_code == 2
    assert "No such command 'trian'" in result.output


@pytest.mark.parametrize("command", [["--help"], ["models"], ["train", "--help"], ["train", "mpl"]])
def test_looking_around_loads_no_compiler_and_no_plots(command: list[str]) -> None:
    code = (
        "import sys\n"
        "from arignote.frontends.cli.main import main\n"
        f"main({command!r}, standalone_mode=False) if {command[-1] != 'mpl'} else None\n"
        "heavy = ('tvm', 'tvm_ffi', 'matplotlib', 'sklearn', 'scipy', 'onnx')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("[]")


def test_models_without_a_terminal_are_tab_separated() -> None:
    result = run("models")
    assert result.exit_code == 0
    lines = [line.split("\t") for line in result.output.splitlines()]
    chapters = [int(line[1].removeprefix("chapter ")) for line in lines]
    assert chapters == sorted(chapters)
    _, chapter, summary, settings, quality = next(line for line in lines if line[0] == "mlp")
    assert chapter == "chapter 2"
    assert "784-500-10" in summary
    assert settings == "batch=auto, rate=0.01, hidden=500"
    assert "10.2 %" in quality


def test_the_module_runs_as_a_program() -> None:
    done = fresh("--version")
    assert (done.returncode, done.stdout) == (0, f"arignote, version {arignote.__version__}\n")


def test_errors_are_one_message_and_debug_shows_the_traceback() -> None:
    done = fresh("train", "mpl")
    assert done.returncode == 1
    assert done.stderr == "Error: there is no model 'mpl'; did you mean 'mlp'?\n"
    done = fresh("--debug", "train", "mpl")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "UnknownModelError" in done.stderr


def test_bench_is_delegated() -> None:
    result = run("bench", "--help")
    assert result.exit_code == 0, result.output
    assert "Usage: arignote bench" in result.output
    assert "roofline" in result.output


def test_bench_needs_a_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_command, "checkout", lambda: None)
    result = run("bench", "run")
    assert result.exit_code == 1
    assert "not part of the installed package" in result.output


def test_the_checkout_is_found_from_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench_command.checkout() == ROOT
    # An installed package does not lie in a checkout; the current folder may.
    monkeypatch.setattr(bench_command, "__file__", str(tmp_path / "bench.py"))
    monkeypatch.chdir(ROOT / "tests")
    assert bench_command.checkout() == ROOT
    monkeypatch.chdir(tmp_path)
    assert bench_command.checkout() is None
