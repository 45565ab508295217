"""Commands that measure what a step costs besides its time, and what the machine allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from bench import compile_time, import_time, memory, pages, report, roofline, table
from bench import options as opt
from bench.environment import RESULTS
from bench.workloads import COMPILED, IMAGES, REGISTRY, TRAIN, Workload


def _measured(
    measure: Callable[..., tuple[dict[str, Any], dict[str, str]]], workloads: Sequence[Workload], threads: str,
    names: str, **options: Any,
) -> tuple[list[dict[str, Any]], dict[str, str]]:  # fmt: skip
    """What `measure` finds of each workload with each number of threads, and the versions of all peers."""
    listed = opt.chosen_peers(names)
    results: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    for count in opt.chosen_threads(threads):
        for workload in workloads:
            opt.log(f"{workload.title}, threads {count}")
            result, found = measure(workload, listed, threads=count, log=opt.log, **options)
            results.append(result)
            versions.update(found)
    return results, versions


@click.command("compile-time")
@click.argument("workloads", nargs=-1)
@opt.threads_option("all")
@click.option("--repeats", default=3, show_default=True, help="Cold and warm processes each.")
@opt.peers_option()
@opt.seed_option
@opt.out_option
@opt.python_option
def compile_time_command(
    workloads: tuple[str, ...], threads: str, repeats: int, names: str, seed: int, out: str | None, python: str | None
) -> None:
    """Time to first step with empty caches, and again with full ones; usually of ever deeper networks."""
    chosen = opt.chosen_workloads(workloads, COMPILED)
    results, versions = _measured(
        compile_time.measure, chosen, threads, names, repeats=repeats, seed=seed, python=python
    )
    words = {"threads": threads, "repeats": repeats, "peers": names, "seed": seed}
    command = opt.command_line("compile-time", [w.name for w in chosen], words)
    opt.save(report.envelope("compile-time", results, command=command, seed=seed, versions=versions), out)
    opt.end(results)


@click.command("memory")
@click.argument("workloads", nargs=-1)
@opt.threads_option("1")
@opt.peers_option("arignote,torch-eager,jax")
@opt.seed_option
@opt.out_option
def memory_command(workloads: tuple[str, ...], threads: str, names: str, seed: int, out: str | None) -> None:
    """Peak memory of a train step; without WORKLOADS of networks of images."""
    chosen = opt.chosen_workloads(workloads, IMAGES)
    results, versions = _measured(memory.measure, chosen, threads, names, seed=seed)
    command = opt.command_line(
        "memory", [w.name for w in chosen], {"threads": threads, "peers": names, "seed": seed}
    )
    opt.save(report.envelope("memory", results, command=command, seed=seed, versions=versions), out)


@click.command("import-time")
@click.option("--repeats", default=9, show_default=True, help="Fresh processes of each module.")
@opt.out_option
@opt.python_option
def import_time_command(repeats: int, out: str | None, python: str | None) -> None:
    """Time of `import arignote` against `import numpy` and the peers' imports."""
    results = import_time.measure(list(import_time.MODULES), repeats=repeats, log=opt.log, python=python)
    command = opt.command_line("import-time", (), {"repeats": repeats})
    document = report.envelope("import-time", results, command=command, seed=0, versions={})
    found = results["modules"]
    if "arignote" in found and "numpy" in found:
        above = found["arignote"]["median_s"] - found["numpy"]["median_s"]
        goal = import_time.GOAL_ABOVE_NUMPY_S
        click.echo(f"arignote is {above:.3f} s above numpy (goal: at most {goal} s)")
    opt.save(document, out)


@click.command("roofline")
@opt.threads_option()
@click.option("--seconds", default=0.4, show_default=True, help="Time for each figure.")
@opt.out_option
def roofline_command(threads: str, seconds: float, out: str | None) -> None:
    """Measure the machine's limits, and the floor that they set for each workload."""
    measured = roofline.measure(opt.chosen_threads(threads), seconds)
    command = opt.command_line("roofline", (), {"threads": threads, "seconds": seconds})
    document = report.envelope("roofline", measured, command=command, seed=0, versions={})
    click.echo(table.limits(document) + "\n")
    click.echo(table.floors([REGISTRY[name] for name in TRAIN], measured) + "\n")
    opt.save(document, out)
    last = pages.latest("run", Path(out) if out else RESULTS)
    if last is not None:
        click.echo(f"\n{table.shares(last, measured)}")


COMMANDS = (compile_time_command, memory_command, import_time_command, roofline_command)
