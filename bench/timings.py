"""Commands that time steps, single ops and calls of all peers in interleaved rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from bench import options as opt
from bench import overhead, report, roofline, table, timing
from bench.workloads import CONVOLUTIONS, OPS, OVERHEAD, REGISTRY, TRAIN, Workload

LAYOUTS = "arignote,torch-eager,torch-last,jax,jax-last"
LIMIT_S = 0.2  # for each of the machine's limits


def _timed(
    kind: str, workloads: Sequence[Workload], show: Callable[[Mapping[str, Any]], str], arguments: Sequence[str] = (),
    *, threads: str, rounds: int, names: str, seed: int, out: str | None, slice_s: float | None = None,
    python: str | None = None, limits: bool | None = None,
    summary: Callable[[list[dict[str, Any]]], Any] | None = None,
) -> None:  # fmt: skip
    """Time workloads, show the table of their results and write these, with the machine's limits or a summary."""
    counts, listed = opt.chosen_threads(threads), opt.chosen_peers(names)
    extra: dict[str, Any] = {}
    if limits is not None:
        extra["limits"] = roofline.measure(counts, LIMIT_S) if limits else []
    results, versions = timing.run(
        workloads, listed, threads=counts, rounds=rounds, seed=seed, log=opt.log, slice_s=slice_s or timing.SLICE,
        python=python,
    )  # fmt: skip
    if summary is not None:
        extra["summary"] = summary(results)
    words = {"threads": threads, "rounds": rounds, "peers": names, "seed": seed, "slice": slice_s}
    command = opt.command_line(kind, arguments, words)
    document = report.envelope(kind, results, command=command, seed=seed, versions=versions, extra=extra)
    click.echo("\n" + show(document) + "\n")
    opt.save(document, out)
    opt.end(results)


@click.command("run")
@click.argument("workloads", nargs=-1)
@opt.threads_option()
@opt.rounds_option()
@opt.peers_option()
@opt.seed_option
@opt.slice_option(timing.SLICE)
@click.option("--limits/--no-limits", default=True, help="Measure the machine's limits as well.")
@opt.out_option
@opt.python_option
def run(workloads: tuple[str, ...], **options: Any) -> None:
    """Time train steps; without WORKLOADS all of them."""
    chosen = opt.chosen_workloads(workloads, TRAIN)
    _timed("run", chosen, table.steps, [w.name for w in chosen], **options)


@click.command("ops")
@click.argument("ops", nargs=-1)
@opt.threads_option("1")
@opt.rounds_option(7)
@opt.peers_option("arignote,torch-eager,jax")
@opt.seed_option
@opt.slice_option(0.02)
@opt.out_option
def ops_command(ops: tuple[str, ...], **options: Any) -> None:
    """Time single memory-bound ops (all of OPS, such as `softmax`) on 1e3 and 1e6 floats."""
    chosen = [w for w in OPS.values() if not ops or w.title in ops]
    _timed("ops", chosen, table.ops, ops, limits=True, **options)


@click.command("convolutions")
@click.argument("shapes", nargs=-1)
@opt.threads_option()
@opt.rounds_option(7)
@opt.peers_option(LAYOUTS)
@opt.seed_option
@opt.slice_option(0.03)
@opt.out_option
def convolutions_command(shapes: tuple[str, ...], **options: Any) -> None:
    """Time single convolutions (all of SHAPES, such as `cif64`) and their gradients."""
    chosen = [w for w in CONVOLUTIONS.values() if not shapes or w.title.partition(",")[0] in shapes]
    _timed("convolutions", chosen, table.convolutions, shapes, limits=True, **options)


@click.command("overhead")
@opt.threads_option()
@opt.rounds_option()
@opt.peers_option()
@opt.seed_option
@opt.out_option
@opt.python_option
def overhead_command(**options: Any) -> None:
    """Cost of f(x) and of each further kernel of its graph."""
    chosen = [REGISTRY[name] for name in OVERHEAD]
    _timed("overhead", chosen, table.calls, summary=overhead.summary, **options)


COMMANDS = (run, ops_command, convolutions_command, overhead_command)
