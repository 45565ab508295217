"""The markdown tables of the README, from result files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import overhead, peers
from bench.roofline import floor
from bench.workloads import REGISTRY, Workload

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def duration(seconds: float) -> str:
    """Three significant digits in the unit that suits."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{_three(seconds / scale)} {unit}"
    return f"{_three(seconds / 1e-9)} ns"


def _three(value: float) -> str:
    if value <= 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(value)))
    return f"{value:.{digits}f}"


def rows(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A markdown table, numbers to the right."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    return "\n".join(lines)


def ops(document: Mapping[str, Any]) -> str:
    """One row for each op and size: times, the ratio to the fastest peer, the share of the memory roof.

    Times are the least of the rounds: a step takes microseconds, and other work on the machine only adds to it.
    """
    limits = {int(limit["threads"]): limit for limit in document["limits"]}
    names = [n for n in ("arignote", "torch-eager", "jax", "numpy") if n in document["versions"]]
    body = []
    for result in document["results"]:
        times = {name: float(took["min_s"]) for name, took in result["peers"].items()}
        found, roof = ratio(times), floor(result, limits[int(result["threads"])])
        share = f"{100 * roof / times[peers.OURS]:.0f} %" if peers.OURS in times else ""
        cells = [duration(times[n]) if n in times else "" for n in names]
        body.append([result["title"], f"{result['sizes']['n']:.0e}".replace("e+0", "e"), *cells,
                     "" if found is None else f"{found:.2f}", share])  # fmt: skip
    return rows(["op", "n", *names, "ratio", "roof"], body)


def convolutions(document: Mapping[str, Any]) -> str:
    """One row for each pass of a shape: rates in GFLOP/s, the ratio to the fastest peer, the share of peak."""
    limits = {int(limit["threads"]): limit for limit in document["limits"]}
    results = document["results"]
    names = [n for n in peers.REGISTRY if any(n in result["peers"] for result in results)]
    body = []
    for result in results:
        times = {name: float(took["min_s"]) for name, took in result["peers"].items()}
        found, flops = ratio(times), float(result["flops"])
        cells = [f"{flops / times[n] / 1e9:.0f}" if n in times else "" for n in names]
        threads = int(result["threads"])
        peak = float(limits[threads]["fma_peak_gflops"]) * 1e9
        idle = (document["load"] or 0) < 0.5  # else the rate of the machine was not its peak
        share = f"{100 * flops / times[peers.OURS] / peak:.0f} %" if idle and peers.OURS in times and peak else "–"
        body.append([result["title"], str(threads), *cells, "" if found is None else f"{found:.2f}", share])
    return rows(["convolution", "threads", *names, "ratio", "peak"], body)


def fastest_peer(times: Mapping[str, float]) -> str | None:
    """The peer with the least time, Arignote not counted."""
    others = {name: t for name, t in times.items() if name != peers.OURS}
    return min(others, key=lambda name: others[name]) if others else None


def ratio(times: Mapping[str, float]) -> float | None:
    """Arignote's time over that of the fastest peer."""
    best = fastest_peer(times)
    if best is None or peers.OURS not in times:
        return None
    return times[peers.OURS] / times[best]


def _cell(
    result: Mapping[str, Any], name: str, times: Mapping[str, float], best: str | None
) -> str:
    if name in times:
        text = duration(times[name])
        return f"**{text}**" if name == best else text
    return "missing" if name in result["missing"] else "–"


def _names(results: Sequence[Mapping[str, Any]]) -> list[str]:
    seen = {name for r in results for name in (*r["peers"], *r["missing"])}
    return [name for name in peers.REGISTRY if name in seen]


def _times(result: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(took["median_s"]) for name, took in result["peers"].items()}


def steps(report: Mapping[str, Any]) -> str:
    """Medians of train steps: ours, the peers', the ratio and the floor."""
    results = report["results"]
    limits = {int(limit["threads"]): limit for limit in report.get("limits", [])}
    names = _names(results)
    body: list[list[str]] = []
    ratios: dict[int, list[float]] = {}
    for result in results:
        threads, times = int(result["threads"]), _times(result)
        best, own = fastest_peer(times), ratio(times)
        if own is not None:
            ratios.setdefault(threads, []).append(own)
        if result["refused"] is not None:
            cells = ["refused"] * len(names)
        else:
            cells = [_cell(result, name, times, best) for name in names]
        least = duration(floor(result, limits[threads])) if threads in limits else "–"
        shown = "–" if own is None else f"{own:.2f}"
        body.append([result["title"], str(threads), *cells, shown, least])
    text = rows(["step", "threads", *names, "ratio", "floor"], body)
    for threads, values in sorted(ratios.items()):
        text += f"\n\nGeometric mean of the ratios, {threads} threads: {_geometric(values):.2f}."
    return text + _notes(results)


def _notes(results: Sequence[Mapping[str, Any]]) -> str:
    lines: list[str] = []
    for result in results:
        where = f"{result['title']}, threads {result['threads']}"
        if result["refused"] is not None:
            lines.append(f"- {where}: {result['refused']}")
        for name, why in result["missing"].items():
            line = f"- {name} is missing: {why['reason']}; remedy: {why['remedy']}"
            if line not in lines:
                lines.append(line)
    return "\n\n" + "\n".join(lines) if lines else ""


def calls(report: Mapping[str, Any]) -> str:
    """Cost of a call with one kernel and of each further one."""
    found = overhead.summary(report["results"])
    body: list[list[str]] = []
    for name in peers.REGISTRY:
        for row in found:
            if row["peer"] == name:
                costs = [duration(row["call_s"]), duration(max(row["kernel_s"], 0.0))]
                body.append([name, str(row["threads"]), *costs])
    return rows(["f(x)", "threads", "call", "further kernel"], body) + _notes(report["results"])


def first_steps(report: Mapping[str, Any]) -> str:
    """Time to first step, NumPy's import and the making of data left out; of the kernels that a step calls, how many
    differ and were compiled."""
    body: list[list[str]] = []
    for result in report["results"]:
        for name in _names([result]):
            if name in result["peers"]:
                took = result["peers"][name]
                cold, warm = took["cold"], took["warm"]
                busy = duration(cold["cpu_s"]) if "cpu_s" in cold else "–"
                cells = [duration(cold["first_step_s"]), busy, duration(warm["first_step_s"])]
                counts = took.get("kernels")
                kernels = "–" if counts is None else f"{counts['compiled']} of {counts['called']}"
                body.append([result["title"], name, *cells, duration(warm["import_s"]), kernels])
            else:
                body.append([result["title"], name, "missing", "–", "missing", "missing", "–"])
    header = ["first step", "peer", "cold", "processor time", "warm", "of it import", "kernels"]
    return rows(header, body) + _notes(report["results"])


def memory(report: Mapping[str, Any]) -> str:
    """Peak memory of a step, without what the libraries hold."""
    names = _names(report["results"])
    body = []
    for result in report["results"]:
        took = result["peers"]
        cells = [f"{_three(took[n]['step_bytes'] / 1e6)} MB" if n in took else "–" for n in names]
        body.append([result["title"], str(result["threads"]), *cells])
    return rows(["memory of a step", "threads", *names], body)


def imports(report: Mapping[str, Any]) -> str:
    """Import times."""
    found, missing = report["results"]["modules"], report["results"]["missing"]
    body = [[f"`import {name}`", duration(took["median_s"])] for name, took in found.items()]
    body += [[f"`import {name}`", f"missing: {why['reason']}"] for name, why in missing.items()]
    return rows(["import", "time"], body)


def limits(report: Mapping[str, Any]) -> str:
    """The measured limits of the machine."""
    body: list[list[str]] = []
    for limit in report["results"]:
        body.append(
            [
                f"{limit['threads']}",
                f"{_three(limit['sgemm_gflops'])} GFLOP/s",
                *(
                    f"{_three(limit['bandwidth'][level]['median_gbytes'])} GB/s"
                    for level in ("L2", "L3", "DRAM")
                ),
            ]
        )
    return rows(["threads", "sgemm", "L2", "L3", "DRAM"], body)


def floors(workloads: Sequence[Workload], measured: Sequence[Mapping[str, Any]]) -> str:
    """The least time of a step of each workload on this machine."""
    header = ["floor of a step", *(f"threads {limit['threads']}" for limit in measured)]
    body = [[w.title, *(duration(floor(w, limit)) for limit in measured)] for w in workloads]
    return rows(header, body)


def shares(report: Mapping[str, Any], measured: Sequence[Mapping[str, Any]]) -> str:
    """How much of the limit each timed step reached: its floor over its median."""
    by_threads = {int(limit["threads"]): limit for limit in measured}
    results = [r for r in report["results"] if int(r["threads"]) in by_threads]
    names = _names(results)
    body: list[list[str]] = []
    for result in results:
        least, times = floor(result, by_threads[int(result["threads"])]), _times(result)
        cells = [f"{100 * least / times[n]:.0f} %" if n in times else "–" for n in names]
        body.append([result["title"], str(result["threads"]), *cells])
    return rows(["share of the limit", "threads", *names], body)


def summary(results: Sequence[Mapping[str, Any]]) -> str:
    """One row for each workload: our time, the fastest peer's and the ratio, for each number of threads."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for result in results:
        found.setdefault(result["title"], {})[int(result["threads"])] = _times(result)
    order = [w.title for w in REGISTRY.values() if w.title in found]
    counts = sorted({threads for times in found.values() for threads in times})
    header, body = ["step"], []
    for threads in counts:
        header += [f"{threads} thread{'s' if threads > 1 else ''}", "fastest other", "ratio"]
    ratios: dict[int, list[float]] = {threads: [] for threads in counts}
    for title in [*order, *(title for title in found if title not in order)]:
        cells = [title]
        for threads in counts:
            times = found[title].get(threads, {})
            best, own = fastest_peer(times), ratio(times)
            cells.append(duration(times[peers.OURS]) if peers.OURS in times else "–")
            cells.append("–" if best is None else f"{duration(times[best])} {best}")
            cells.append("–" if own is None else f"{own:.2f}")
            if own is not None:
                ratios[threads].append(own)
        body.append(cells)
    means = (f"{_geometric(values):.2f} on {threads}" for threads, values in ratios.items() if values)
    return rows(header, body) + f"\n\nGeometric mean of the ratios, by threads: {', '.join(means)}."


def _geometric(values: Sequence[float]) -> float:
    return math.exp(sum(math.log(v) for v in values) / len(values))


SECTIONS = (
    ("run", "Train steps, median of interleaved rounds, float32", steps),
    ("overhead", "Cost of calling a compiled function", calls),
    ("compile-time", "Time to first step, NumPy's import and the data excluded", first_steps),
    ("memory", "Peak memory of a train step, without what the libraries hold", memory),
    ("import-time", "Imports, each in fresh processes", imports),
    ("roofline", "Limits of the machine", limits),
)


def source(report: Mapping[str, Any]) -> str:
    """One line that says where the numbers come from."""
    machine, commit = report["machine"], str(report["commit"] or "unknown")[:8]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    dirty = " with local changes" if report["dirty"] else ""
    line = f"{machine['cpu']}, {machine['cores']} cores, {machine['os']}; commit {commit}{dirty}; "
    if report["overrides"]:
        line += " ".join(f"{name}={value}" for name, value in report["overrides"].items()) + "; "
    return line + f"{str(report['date'])[:10]}" + (f"; {versions}." if versions else ".")


def render(reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Every table there is a report for, with every peer."""
    parts: list[str] = []
    for kind, title, section in SECTIONS:
        for i, one in enumerate(reports.get(kind, ())):
            head = f"**{title}**\n\n" if i == 0 else ""
            parts.append(f"{head}{section(one)}\n\n{source(one)}")
    return "\n\n".join(parts) if parts else "No results yet: run `python -m bench run`."


def overview(reports: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """As `render`, with one table for all steps, and where they were measured in one line."""
    parts: list[str] = []
    for kind, title, section in SECTIONS:
        found = reports.get(kind, ())
        if not found:
            continue
        together = [result for one in found for result in one["results"]] if len(found) > 1 else found[0]["results"]
        table = summary(together) if kind == "run" else section({**found[0], "results": together})
        parts.append(f"**{title}**\n\n{table}\n\n{_places(found)}")
    return "\n\n".join(parts) if parts else "No results yet: run `python -m bench run`."


def _places(reports: Sequence[Mapping[str, Any]]) -> str:
    """Machines and dates."""
    machines = dict.fromkeys(f"{r['machine']['cpu']}, {r['machine']['cores']} cores" for r in reports)
    dates = sorted({str(r["date"])[:10] for r in reports})
    return f"{'; '.join(machines)}; {', '.join(dates)}."


def insert(text: str, table: str) -> str:
    """``text`` with ``table`` between the markers, whatever was there before."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"the file needs one {BEGIN} followed by one {END}")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


def write(path: Path, table: str) -> None:
    """Put ``table`` between the markers of a file."""
    path.write_text(insert(path.read_text(), table))
