"""`arignote doctor`: what it finds, what it says about it, and its exit code."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from arignote.frontends.cli import checks, doctor, probes
from arignote.frontends.cli.checks import Finding, Status
from arignote.frontends.cli.main import main
from arignote.frontends.cli.probes import Answer


def test_exit_code_and_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    good = Finding("one", Status.OK, "fine")
    poor = Finding("two", Status.WARN, "slow", "Buy another.")
    bad = Finding("three", Status.FAIL, "gone", "Get it back.")
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [good], lambda: [poor]))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "1 ok, 1 warnings, 0 failures"
    monkeypatch.setattr(doctor, "CHECKS", (lambda: [good, poor, bad],))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    lines = [line.split() for line in result.output.splitlines()]
    assert lines == [
        ["ok", "one", "fine"],
        ["warn", "two", "slow"],
        ["Buy", "another."],
        ["FAIL", "three", "gone"],
        ["Get", "it", "back."],
        ["1", "ok,", "1", "warnings,", "1", "failures"],
    ]


def test_what_is_installed_here_is_as_required() -> None:
    found = {finding.name: finding for finding in checks.packages()}
    for name in ("arignote", "apache-tvm", "numpy", "click", "apache-tvm-ffi-orcjit"):
        assert found[name].status is Status.OK, found[name]
    assert "pytest" not in found, "tools for developing are not checked"


@pytest.mark.parametrize(
    ("version", "specifiers", "fits"),
    [
        ("2.4.6", ">=2.0,<3", True),
        ("3.0", ">=2.0,<3", False),
        ("1.26.4", ">=2.0,<3", False),
        ("0.27.0.post1", "==0.27.0.post1", True),
        ("0.27.0", "==0.27.0.post1", False),
        ("0.27.0.post2", "==0.27.0.post1", False),
        ("0.1.14.post1", ">=0.1.14,<0.1.15", True),
        ("0.1.15", ">=0.1.14,<0.1.15", False),
        ("2.0", "==2.0.0", True),
        ("1.10", ">=1.9", True),
        ("1.2", "!=1.2", False),
        ("1.2", "", True),
    ],
)
def test_version_specifiers(version: str, specifiers: str, fits: bool) -> None:
    assert checks.satisfies(version, specifiers) is fits


def test_missing_and_unfitting_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = [
        checks.Requirement("no-such-package", ">=1", None),
        checks.Requirement("numpy", ">=99", None),
        checks.Requirement("no-such-extra", "", "models"),
    ]
    monkeypatch.setattr(checks, "requirements", lambda: needed)
    _, missing, unfit, extra = checks.packages()
    assert (missing.status, missing.text) == (Status.FAIL, "not installed")
    assert missing.remedy == "pip install 'no-such-package>=1'"
    assert unfit.status is Status.FAIL
    assert unfit.text.endswith("required is >=99")
    assert extra.status is Status.WARN


def test_a_compiler_that_does_not_load_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(code: str, **environment: str) -> Answer:
        if code == probes.LLVM:
            return Answer(None, "ImportError: libLLVM.so")
        return Answer({"config": "OpenBLAS 0.3", "core": "SkylakeX"})

    monkeypatch.setattr(checks, "ask", answer)
    llvm, blas = checks.compiler()
    assert (llvm.status, llvm.remedy) == (Status.FAIL, checks.REINSTALL)
    assert "ImportError: libLLVM.so" in llvm.text
    assert blas.status is Status.OK


@pytest.mark.parametrize(
    ("values", "status", "text"),
    [
        ({"driver": None}, Status.OK, "no driver"),
        ({"driver": "13.0", "status": 100, "devices": []}, Status.WARN, "no device"),
        ({"driver": "13.0", "status": 0, "devices": ["GPU A"]}, Status.OK, "GPU A"),
    ],
)
def test_cuda(
    values: dict[str, object], status: Status, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ask", lambda code: Answer(values))
    (finding,) = checks.cuda()
    assert finding.status is status
    assert text in finding.text


def test_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARIGNOTE_CACHE_DIR", str(tmp_path / "new"))
    (finding,) = checks.cache()
    assert (finding.status, "0 files, 0.0 MiB" in finding.text) == (Status.OK, True)
    (tmp_path / "new" / "entry").write_bytes(bytes(3 << 20))
    (finding,) = checks.cache()
    assert "1 files, 3.0 MiB" in finding.text
    monkeypatch.setenv("ARIGNOTE_CACHE_DIR", str(tmp_path / "new" / "entry"))
    (finding,) = checks.cache()
    assert finding.status is Status.WARN
    assert "ARIGNOTE_CACHE_DIR" in finding.remedy


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.setenv("ARIGNOTE_NUM_THREADS", "2")
    assert [finding.status for finding in checks.settings()] == [Status.OK]
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert [finding.status for finding in checks.settings()] == [Status.OK, Status.WARN]
    monkeypatch.setenv("ARIGNOTE_NUM_THREADS", "many")
    (finding,) = checks.settings()
    assert finding.status is Status.FAIL
    assert "'many'" in finding.text


def test_data_that_a_variable_names_wrongly_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARIGNOTE_DATA", str(tmp_path / "nothing"))
    mnist, digits = checks.data()
    assert mnist.status is Status.WARN
    assert digits.status is Status.OK


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("import os; os.kill(os.getpid(), 11)", "ended by signal 11"),
        ("pass", "exit code 0"),
        ("print('hello')", "an unexpected answer: hello"),
    ],
)
def test_probes_survive_what_they_ask(code: str, problem: str) -> None:
    answer = probes.ask(code)
    assert answer.values is None
    assert problem in answer.problem


def test_probes_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "TIMEOUT", 0.2)
    assert probes.ask("import time; time.sleep(30)").problem == "no answer in 0.2 s"


def test_probes_answer_with_this_interpreter() -> None:
    answer = probes.ask("import json, sys; print(json.dumps({'v': sys.executable}))", X="1")
    assert answer.values == {"v": sys.executable}
