"""Result files and the tables made of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bench import main as command_line
from bench import overhead, pages, peers, report, roofline, schema, table, workloads
from bench.workloads import Workload

LIMIT: dict[str, Any] = {
    "threads": 1,
    "how": {"sgemm": "x", "bandwidth": "y"},
    "sgemm_gflops": 90.0,
    "fma_peak_gflops": 100.0,
    "bandwidth": {
        "L2": {"median_gbytes": 90.0, "best_gbytes": 100.0, "working_set_bytes": 5e5},
        "L3": {"median_gbytes": 45.0, "best_gbytes": 50.0, "working_set_bytes": 1.6e7},
        "DRAM": {"median_gbytes": 18.0, "best_gbytes": 20.0, "working_set_bytes": 2.7e8},
    },
}


def timed(seconds: float) -> dict[str, Any]:
    return {
        "median_s": seconds,
        "min_s": seconds,
        "rounds_s": [seconds],
        "inner": 3,
        "busy_cores": 1.0,
    }


def result(name: str, times: dict[str, float], **fields: Any) -> dict[str, Any]:
    spec: Workload = workloads.find(name)
    return {
        **spec.describe(),
        "threads": 1,
        "refused": None,
        "agreement": None,
        "peers": {peer: timed(t) for peer, t in times.items()},
        "missing": {},
        **fields,
    }


def document(kind: str, results: Any, **extra: Any) -> dict[str, Any]:
    return report.envelope(
        kind,
        results,
        command=["python", "-m", "bench", kind],
        seed=1,
        versions={"numpy": "2"},
        extra=extra,
    )


@pytest.fixture
def run() -> dict[str, Any]:
    return document(
        "run",
        [
            result("logreg", {"arignote": 4e-4, "jax": 8e-4, "torch-eager": 2e-3}),
            result("mlp-600", {"arignote": 8e-3, "jax": 1e-2, "numpy": 9e-3}),
            result(
                "chain-1e3",
                {"jax": 5e-6},
                missing={"arignote": {"reason": "not installed", "remedy": "pip install -e ."}},
            ),
            result("mlp-20", {}, refused="refused to time: jax has losses [1]"),
        ],
        limits=[LIMIT],
    )


def test_a_report_says_what_ran_where(run: dict[str, Any], tmp_path: Path) -> None:
    path = report.save(run, tmp_path)
    assert path.name.startswith("run-") and path.suffix == ".json"
    again = report.load(path)
    assert again == json.loads(json.dumps(run))
    keys = {"command", "commit", "dirty", "versions", "machine", "date", "seed", "overrides"}
    assert keys <= set(again)
    assert {"cpu", "cores", "memory_bytes", "os"} <= set(again["machine"])
    assert report.save(run, tmp_path) != path
    latest = report.latest("run", tmp_path)
    assert latest is not None and latest["kind"] == "run"
    assert report.latest("overhead", tmp_path) is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["seed"], None, "report.seed"),
        (["kind"], "poem", "report.kind"),
        (["machine", "cores"], 0, "machine.cores"),
        (["results", 0, "threads"], 0, r"results\[0\].threads"),
        (["results", 0, "peers", "jax", "median_s"], float("nan"), "peers.jax.median_s"),
        (["results", 0, "peers", "jax", "rounds_s"], [], "peers.jax.rounds_s"),
        (["results", 2, "missing", "arignote"], {"reason": "x"}, "missing.arignote.remedy"),
        (["results", 0, "refused"], "why", "was refused and yet has times"),
        (["limits", 0, "bandwidth"], {}, "bandwidth.DRAM"),
    ],
)
def test_the_schema_names_what_is_wrong(
    run: dict[str, Any], path: list[Any], value: Any, message: str
) -> None:
    schema.validate(run)
    broken = copy.deepcopy(run)
    place: Any = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(schema.SchemaError, match=message):
        schema.validate(broken)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "run-x.json").write_text("{}")
    with pytest.raises(schema.SchemaError, match=r"run-x\.json"):
        report.latest("run", tmp_path)
    done = CliRunner().invoke(command_line.main, ["table", "--results", str(tmp_path)])
    assert done.exit_code == 1 and "run-x.json" in done.output


def test_the_table_of_steps(run: dict[str, Any]) -> None:
    text = table.steps(run)
    lines = text.splitlines()
    names = "arignote | torch-eager | jax | numpy"
    assert lines[0] == f"| step | threads | {names} | ratio | floor |"
    logreg = "| logreg 600x784x10 | 1 | 400 µs | 2.00 ms | **800 µs** | – | 0.50 | 188 µs |"
    assert lines[2] == logreg
    assert "| 8.00 ms | – | 10.0 ms | **9.00 ms** | 0.89 |" in lines[3]
    assert "| missing | – | **5.00 µs** | – | – |" in lines[4]
    assert lines[5].count("refused") == 4
    assert "Geometric mean of the ratios, 1 threads: 0.67." in text
    assert "- arignote is missing: not installed; remedy: pip install -e ." in text
    assert "refused to time: jax has losses [1]" in text


def test_the_summary_has_one_row_for_each_workload(run: dict[str, Any]) -> None:
    two = [result("logreg", {"arignote": 3e-4, "jax": 4e-4}, threads=2)]
    lines = table.summary([*two, *run["results"]]).splitlines()
    assert lines[0] == "| step | 1 thread | fastest other | ratio | 2 threads | fastest other | ratio |"
    assert lines[2] == "| logreg 600x784x10 | 400 µs | 800 µs jax | 0.50 | 300 µs | 400 µs jax | 0.75 |"
    assert "8.00 ms | 9.00 ms numpy | 0.89 | – | – | – |" in lines[3]
    assert "| – | 5.00 µs jax | – | – | – | – |" in lines[5]
    assert lines[-1] == "Geometric mean of the ratios, by threads: 0.67 on 1, 0.75 on 2."


def test_the_overview_says_where_and_when(run: dict[str, Any]) -> None:
    later = {**run, "date": "2031-02-03T00:00:00+00:00"}
    text = table.overview({"run": [later, run], "overhead": []})
    assert text.startswith("**Train steps") and "2031-02-03." in text.splitlines()[-1]
    assert text.count("logreg") == 1 and "overhead" not in text
    assert "No results" in table.overview({})


def test_the_ratio_is_to_the_fastest_peer_whoever_it_is() -> None:
    assert table.ratio({"arignote": 2.0, "jax": 4.0, "numpy": 1.0}) == 2.0
    assert table.ratio({"jax": 4.0}) is None
    assert table.ratio({"arignote": 4.0}) is None
    assert table.fastest_peer({"arignote": 1.0, "jax": 4.0}) == "jax"


def test_floors() -> None:
    mlp = workloads.find("mlp-600")
    assert roofline.floor(mlp, LIMIT) == pytest.approx(mlp.flops / 100e9)
    # 80 MB of state and constant stream from memory: 12 bytes an element at 20 GB/s.
    assert roofline.floor(workloads.find("chain-1e7"), LIMIT) == pytest.approx(120e6 / 20e9)
    # 1.2 MB do not fit L2 and are charged at the rate of L3, but exp and tanh cost more.
    assert roofline.floor(workloads.find("chain-1e5"), LIMIT) == pytest.approx(49e5 / 100e9)


def test_durations() -> None:
    assert [table.duration(s) for s in (12.34, 0.01234, 1.234e-4, 1.5e-8, 0.0)] == [
        "12.3 s",
        "12.3 ms",
        "123 µs",
        "15.0 ns",
        "0 ns",
    ]


def test_the_markers_are_filled_and_filled_again(run: dict[str, Any], tmp_path: Path) -> None:
    report.save(run, tmp_path)
    readme = tmp_path / "README.md"
    readme.write_text(f"# Head\n\n{table.BEGIN}\nold\n{table.END}\n\ntail\n")
    arguments = ["table", "--results", str(tmp_path), "--write", str(readme)]
    for _ in range(2):
        done = CliRunner().invoke(command_line.main, arguments)
        assert done.exit_code == 0, done.output
        text = readme.read_text()
        assert text.startswith("# Head\n\n<!-- bench:begin -->\n")
        assert text.endswith("<!-- bench:end -->\n\ntail\n")
        assert "old" not in text and text.count("logreg 600x784x10 |") == 1
    full = CliRunner().invoke(command_line.main, [*arguments, "--full"])
    assert full.exit_code == 0 and "| logreg 600x784x10 | 1 | 400 µs | 2.00 ms |" in readme.read_text()


def test_a_file_without_markers_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here")
    arguments = ["table", "--results", str(tmp_path), "--write", str(readme)]
    done = CliRunner().invoke(command_line.main, arguments)
    assert done.exit_code == 1 and table.BEGIN in done.output
    assert readme.read_text() == "nothing here"


def test_overhead_is_a_line_through_the_graphs() -> None:
    first, further = overhead.line({n: 2e-6 + 0.5e-6 * (n - 1) for n in (1, 2, 10, 50)})
    assert first == pytest.approx(2e-6) and further == pytest.approx(0.5e-6)
    times = {f"call-{n}": 1e-6 * n for n in (1, 2, 10, 50)}
    results = [result(name, {"jax": t}) for name, t in times.items()]
    (row,) = overhead.summary(results)
    assert row["peer"] == "jax" and row["kernel_s"] == pytest.approx(1e-6)
    text = table.calls(document("overhead", results))
    assert "| jax | 1 | 1.00 µs | 1.00 µs |" in text


def test_tables_of_first_steps_imports_and_limits() -> None:
    parts = dict.fromkeys(("import_s", "build_s", "step_s", "first_step_s"), 0.5)
    cold = {**parts, "first_step_s": 2.0}
    one = result("logreg", {}, missing={"jax": {"reason": "r", "remedy": "m"}})
    one["peers"] = {"numpy": {"cold": cold, "warm": parts}}
    text = table.first_steps(document("compile-time", [one]))
    assert "| logreg 600x784x10 | numpy | 2.00 s | – | 500 ms | 500 ms | – |" in text
    assert "| logreg 600x784x10 | jax | missing | – | missing | missing | – |" in text
    one["peers"]["numpy"] |= {"kernels": {"compiled": 3, "called": 8}, "cold": {**cold, "cpu_s": 1.5}}
    text = table.first_steps(document("compile-time", [one]))
    assert "| numpy | 2.00 s | 1.50 s | 500 ms | 500 ms | 3 of 8 |" in text
    found = {"modules": {"numpy": {"median_s": 0.1, "min_s": 0.1}}, "missing": {}}
    assert "| `import numpy` | 100 ms |" in table.imports(document("import-time", found))
    limits = document("roofline", [LIMIT])
    assert "| 1 | 90.0 GFLOP/s | 90.0 GB/s | 45.0 GB/s | 18.0 GB/s |" in table.limits(limits)
    both = table.render({"roofline": [limits], "import-time": [document("import-time", found)]})
    assert both.index("Imports") < both.index("Limits")


def test_shares_of_the_limit(run: dict[str, Any]) -> None:
    text = table.shares(run, [LIMIT])
    assert "| logreg 600x784x10 | 1 | 47 % | 9 % | 24 % | – |" in text


def test_every_default_workload_exists_and_every_peer_is_listed() -> None:
    for name in (*workloads.TRAIN, *workloads.OVERHEAD, *workloads.SMALL):
        assert workloads.find(name).name == name
    assert {peers.OURS, peers.REFERENCE} <= set(peers.REGISTRY)


def test_the_newest_result_of_each_workload_is_shown(run: dict[str, Any], tmp_path: Path) -> None:
    report.save({**run, "date": "2026-01-01T00:00:00+00:00"}, tmp_path)
    newer = {**run, "date": "2026-02-01T00:00:00+00:00", "results": run["results"][1:2]}
    report.save(newer, tmp_path)
    found = report.current("run", tmp_path)
    assert [one["date"][5:7] for one in found] == ["02", "01"]
    shown = [(one["date"][5:7], r["title"], r["threads"]) for one in found for r in one["results"]]
    first, moved = run["results"][0], run["results"][1]
    assert ("01", first["title"], first["threads"]) in shown
    assert ("02", moved["title"], moved["threads"]) in shown
    assert len(shown) == len({(title, threads) for _, title, threads in shown})


def test_convolutions_of_several_runs_have_a_table_each() -> None:
    def one(title: str, load: float) -> dict[str, Any]:
        times = {"arignote": {"min_s": 0.5e-3}, "jax": {"min_s": 1e-3}}
        return {
            "command": ["python", "-m", "bench"], "machine": {"cpu": "a processor"}, "date": "2026-01-01", "load": load,
            "limits": [{"threads": 1, "fma_peak_gflops": 8}],
            "results": [{"title": title, "threads": 1, "flops": 2e6, "peers": times}],
        }  # fmt: skip

    text = pages.convolutions_page([one("lenet1, forward", 0.0), one("cif16, filters", 3.2)])
    assert "| lenet1, forward | 1 | 4 | 2 | 0.50 | 50 % |" in text
    assert "| cif16, filters | 1 | 4 | 2 | 0.50 | – |" in text
    assert text.count("other work") == 2  # in the preface too and "other work kept 3 cores busy" in text
