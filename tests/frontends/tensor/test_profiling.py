"""Profiles: what they count, the tables, traces, and that they cost nothing where nobody asks for them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import arignote.frontends.tensor as T
from arignote.codegen.artifact import compile_cpu
from arignote.codegen.artifact import cpu_target as llvm_target
from arignote.codegen.host import HostEmitter
from arignote.codegen.target import Target
from arignote.frontends.cli.main import main
from arignote.frontends.tensor import compiler, config, function, grad, shared, stages
from arignote.frontends.tensor.profiling import ProfileStats

N = 512


@pytest.fixture(autouse=True)
def no_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_backend", None)


def step(**options: Any) -> tuple[Any, list[Any]]:
    rng = np.random.default_rng(0)
    x, y = T.fmatrix("x"), T.ivector("y")
    w = shared(rng.normal(size=(N, N)).astype("f4") / N, "w")
    v = shared(rng.normal(size=(N, 10)).astype("f4") / N, "v")
    p = T.nnet.softmax(T.dot(T.tanh(T.dot(x, w)), v))
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    updates = [(s, s - np.float32(0.1) * grad(cost, s)) for s in (w, v)]
    f = function([x, y], cost, updates=updates, name="step", **options)
    return f, [rng.random((N, N), np.float32), rng.integers(0, 10, N).astype("i4")]


@pytest.fixture(scope="module")
def profiled() -> Any:
    before = compiler.set_backend(None)
    f, arguments = step(profile=True)
    for _ in range(6):
        f(*arguments)
    compiler.set_backend(before)
    f.profile.printed = True
    return f


def test_the_figures_add_up(profiled: Any) -> None:
    stats = profiled.profile
    assert stats.calls == 6
    assert 0 < stats.ops_ns() <= stats.run_ns <= stats.call_ns
    assert stats.ops_ns() >= 0.97 * stats.call_ns, "ops are measured where they run, and there is little else"
    assert stats.compile_ns > 0 and stats.codes[0].end > stats.codes[0].begin
    for shares in (stats.classes(), stats.ops(), stats.applies()):
        assert sum(s.ns for s in shares) == stats.ops_ns() - stats.host_ns()
        assert [s.ns for s in shares] == sorted((s.ns for s in shares), reverse=True)
    assert all(s.calls == 6 for s in stats.applies())
    assert {s.name for s in stats.classes()} >= {"Dot", "Gemm", "Elemwise"}
    assert any(s.name.startswith("Elemwise{tanh") for s in stats.ops())


def test_the_same_results_with_and_without(profiled: Any) -> None:
    f, arguments = step()
    g, _ = step(profile=True)
    g.profile.printed = True
    for _ in range(3):
        assert f(*arguments) == g(*arguments)
    assert f.profile is None


def test_code_without_a_profile_has_no_clock(profiled: Any) -> None:
    planned = stages.func_at(profiled, "planned")

    def source(profile: bool) -> str:
        module = HostEmitter(planned, Target("cpu", profile=profile)).build()
        return str(compile_cpu(module, llvm_target(1)).inspect_source("ll"))

    assert "clock_gettime" not in source(False)
    assert "clock_gettime" in source(True)
    assert Target("cpu").key() != Target("cpu", profile=True).key(), "neither is loaded for the other"


def test_the_tables(profiled: Any) -> None:
    out = io.StringIO()
    profiled.profile.summary(out, memory=True, passes=True)
    text = out.getvalue()
    head = text.partition("Class\n---\n")[0]
    assert "Message: step" in head and "Time in 6 calls to Function.__call__" in head
    assert "Number of Apply nodes:" in head and "Total compile time:" in head
    titles = re.findall(r"^(Class|Ops|Apply|Memory|Passes)\n-+$", text, re.MULTILINE)
    assert titles == ["Class", "Ops", "Apply", "Memory", "Passes"]
    row = next(line for line in text.splitlines() if line.endswith("   Dot"))
    part, sum_, seconds, per_call, kind, calls, nodes, name = row.split()
    assert part.endswith("%") and sum_.endswith("%") and seconds.endswith("s") and per_call.endswith("s")
    assert (kind, calls, nodes, name) == ("C", "12", "2", "Dot")
    assert "Gflop/s" in text and "test_profiling.py:" in text
    assert "planned" in text and "Without sharing of memory" in text
    assert re.search(r"^ +\d+\.\d%.* canonicalize$", text, re.MULTILINE)
    short = io.StringIO()
    profiled.profile.summary(short, n_ops_to_print=1, n_apply_to_print=1)
    assert "Memory" not in short.getvalue()
    assert re.search(r"remaining \d+ Apply instances account for", short.getvalue())


def trace_problems(data: Any) -> list[str]:
    """What breaks the Trace Event Format ("JSON Object Format", complete and metadata events), as its document says:
    the fields of each phase, and that events of a thread lie within each other or apart."""
    problems = []
    if data.get("displayTimeUnit") not in ("ms", "ns"):
        problems.append("displayTimeUnit is ms or ns")
    threads: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for e in data["traceEvents"]:
        if not (isinstance(e["name"], str) and isinstance(e["pid"], int) and isinstance(e["tid"], int)):
            problems.append(f"name, pid or tid: {e}")
        if e["ph"] == "M":
            if e["name"] not in ("thread_name", "process_name") or not isinstance(e["args"]["name"], str):
                problems.append(f"metadata: {e}")
        elif e["ph"] == "X":
            times = (e["ts"], e["dur"])
            if not all(isinstance(t, (int, float)) and np.isfinite(t) and t >= 0 for t in times):
                problems.append(f"times in microseconds: {e}")
            if not isinstance(e["cat"], str) or not all(isinstance(k, str) for k in e["args"]):
                problems.append(f"category and arguments: {e}")
            threads.setdefault((e["pid"], e["tid"]), []).append((e["ts"], e["ts"] + e["dur"]))
        else:
            problems.append(f"phase: {e}")
    for spans in threads.values():
        open_until: list[float] = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while open_until and open_until[-1] <= begin + 1e-3:  # a nanosecond, as times are floats
                open_until.pop()
            if open_until and end > open_until[-1] + 1e-3:
                problems.append(f"{begin} to {end} overlaps the end of another event at {open_until[-1]}")
            open_until.append(end)
    return problems


def test_the_trace(profiled: Any, tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    profiled.profile.save_trace(path)
    data = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert not trace_problems(data)
    assert trace_problems({"traceEvents": [{**data["traceEvents"][0], "ph": "Z"}]}), "the check finds something"
    events = [e for e in data["traceEvents"] if e["ph"] == "X"]
    ops = [e for e in events if e["cat"] == "op"]
    assert len(ops) == 6 * len(profiled.profile.applies())
    assert {"pass", "code", "op", "host"} == {e["cat"] for e in events}
    assert all(e["dur"] >= 0 for e in events)
    starts = [e["ts"] for e in ops]
    assert starts == sorted(starts)
    assert sum(e["dur"] for e in ops) * 1e3 == pytest.approx(
        sum(s.ns for s in profiled.profile.applies()), rel=1e-6
    )
    assert ops[0]["args"]["types"] == f"f32[{N},{N}]"


def test_a_profile_begins_anew(profiled: Any) -> None:
    stats = ProfileStats("two functions")
    x = T.fvector("x")
    f, g = function([x], x + 1, profile=stats), function([x], T.exp(x), profile=stats)
    f(np.ones(3, np.float32))
    g(np.ones(3, np.float32))
    assert stats.calls == 2 and len(stats.codes) == 2
    stats.reset()
    assert stats.calls == stats.ops_ns() == 0
    f(np.ones(3, np.float32))
    assert stats.calls == 1 and len(stats.applies()) == 2


def test_the_configuration_asks_for_profiles() -> None:
    x = T.fvector("x")
    with config.change_flags(profile=True):
        f = function([x], x + 1)
        assert function([x], x + 1, profile=False).profile is None
    assert isinstance(f.profile, ProfileStats)
    f.profile.printed = True
    assert function([x], x + 1).profile is None
    config.profiling.n_apply = 3
    assert config.profiling.n_apply == 3
    config.profiling.n_apply = 20
    with pytest.raises(ValueError, match="give a number"):
        config.profiling.n_apply = "many"
    with pytest.raises(ValueError, match="give True or False"):
        config.profile = "maybe"


def test_profiles_are_printed_at_the_end(tmp_path: Path) -> None:
    script = """
import numpy as np, arignote as ar, arignote.tensor as T
x = T.fvector("x")
f = ar.function([x], T.exp(x).sum(), name="shown")
f(np.ones(5, np.float32))
g = ar.function([x], x + 1, profile=False)
g(np.ones(5, np.float32))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={"PATH": "/usr/bin:/bin", "ARIGNOTE_FLAGS": "profile=True,profile_memory=True,profiling.n_apply=2",
             "ARIGNOTE_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert run.stdout == ""
    assert run.stderr.count("Function profiling") == 1
    assert "Message: shown" in run.stderr and "Memory\n---" in run.stderr


@pytest.mark.parametrize("function_name", ["train", "predict"])
def test_the_command(function_name: str, tmp_path: Path) -> None:
    trace = tmp_path / "t.json"
    command = ["profile", "logreg{batch=60}", "--only", function_name, "--calls", "3", "--trace", str(trace)]
    result = CliRunner().invoke(main, [*command, "--memory", "--passes"])
    assert result.exit_code == 0, result.output
    assert f"Message: {function_name} of logreg" in result.output and "Time in 3 calls" in result.output
    assert "Passes\n---" in result.output
    assert json.loads(trace.read_text())["traceEvents"]
    data = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)
    assert data["calls"] == 3 and data["applies"]
    wrong = CliRunner().invoke(main, ["profile", "logreg", "--size", "n"])
    assert wrong.exit_code == 2 and "NAME=N" in wrong.output


def test_the_command_says_which_sizes_do_not_suit() -> None:
    command = ["profile", "char_rnn{hidden=5}", "--size", "n=9", "--calls", "1"]
    assert CliRunner().invoke(main, command).exit_code == 0  # the other size is the same
    refused = CliRunner().invoke(main, [*command, "--size", "m=10"])
    assert refused.exit_code == 1 and "set sizes by --size" in refused.output and "out of bounds" in refused.output
