"""The command line of the benchmarks."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from bench import (
    compile_time,
    curves,
    follow,
    import_time,
    memory,
    overhead,
    pages,
    peers,
    quality,
    report,
    roofline,
    table,
    timing,
)
from bench.environment import LOAD, RESULTS, SEED, drop_overrides, overrides, thread_counts
from bench.twins import NoTwinError
from bench.workloads import CONVOLUTIONS, IMAGES, OPS, OVERHEAD, REGISTRY, TRAIN, Workload, find

BUSY = 0.5
LAYOUTS = "arignote,torch-eager,torch-last,jax,jax-last"


def _log(line: str) -> None:
    click.echo(line)


def _command(name: str, options: Mapping[str, Any]) -> list[str]:
    """The command as it can be typed again, defaults spelled out."""
    context = click.get_current_context(silent=True)
    native = context is not None and context.parent is not None and context.parent.params["native"]
    words = ["python", "-m", "bench", *(["--native"] if native else []), name]
    for key, value in options.items():
        if key == "workloads":
            words += list(value)
        elif value is not None and not isinstance(value, bool) and value != ():
            values = value if isinstance(value, tuple) else (value,)
            for one in values:
                words += [f"--{key.replace('_', '-')}", str(one)]
    return words


def _peers(text: str) -> list[str]:
    usual = [name for name, peer in peers.REGISTRY.items() if peer.usual]
    names = usual if text == "all" else [n for n in text.split(",") if n]
    for name in names:
        try:
            peers.find(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return names


def _workloads(names: tuple[str, ...], default: tuple[str, ...]) -> list[Workload]:
    try:
        return [find(name) for name in names or default]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _threads(text: str) -> list[int]:
    try:
        return thread_counts(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _save(document: Mapping[str, Any], out: str | None) -> Path:
    path = report.save(document, Path(out) if out else RESULTS)
    click.echo(f"wrote {path.name}")
    return path


_threads_option = click.option(
    "--threads", default="both", show_default=True, help="1, all, both or a number."
)
_peers_option = click.option(
    "--peers", "names", default="all", show_default=True, help="Comma-separated names of peers."
)
_rounds_option = click.option("--rounds", default=15, show_default=True, help="Interleaved rounds.")
_seed_option = click.option("--seed", default=SEED, show_default=True, help="Seed of the data.")
_out_option = click.option("--out", default=None, help="Folder of the JSON (bench/results).")
_python_option = click.option(
    "--python", default=None, help="Interpreter of the measured processes (this one)."
)


@click.group()
@click.option(
    "--native", is_flag=True, help="Drop variables such as OPENBLAS_CORETYPE that force kernels."
)
def main(native: bool) -> None:
    """Measure Arignote against its peers: same mathematics, same data, one run."""
    if native:
        drop_overrides()
    if LOAD is not None and LOAD > BUSY:
        click.echo(f"note: other work keeps {LOAD} cores busy and will blur results", err=True)
    for name, value in overrides().items():
        click.echo(f"note: {name}={value} is set and takes part in the results", err=True)


@main.command()
@click.argument("workloads", nargs=-1)
@_threads_option
@_rounds_option
@_peers_option
@_seed_option
@click.option("--slice", "slice_s", default=timing.SLICE, help="Seconds of one peer's turn.")
@click.option("--limits/--no-limits", default=True, help="Measure the machine's limits as well.")
@_out_option
@_python_option
def run(
    workloads: tuple[str, ...],
    threads: str,
    rounds: int,
    names: str,
    seed: int,
    slice_s: float,
    limits: bool,
    out: str | None,
    python: str | None,
) -> None:
    """Time train steps; without WORKLOADS all of them."""
    counts, chosen = _threads(threads), _workloads(workloads, TRAIN)
    measured = roofline.measure(counts, 0.2) if limits else []
    results, versions = timing.run(
        chosen,
        _peers(names),
        threads=counts,
        rounds=rounds,
        seed=seed,
        log=_log,
        slice_s=slice_s,
        python=python,
    )
    words = {
        "workloads": tuple(w.name for w in chosen),
        "threads": threads,
        "rounds": rounds,
        "peers": names,
        "seed": seed,
        "slice": slice_s,
    }
    document = report.envelope(
        "run",
        results,
        command=_command("run", words),
        seed=seed,
        versions=versions,
        extra={"limits": measured},
    )
    click.echo("\n" + table.steps(document) + "\n")
    _save(document, out)
    if any(result["refused"] for result in results):
        sys.exit(1)


@main.command("ops")
@click.argument("ops", nargs=-1)
@click.option("--threads", default="1", show_default=True, help="1, all, both or a number.")
@click.option("--rounds", default=7, show_default=True, help="Interleaved rounds.")
@click.option("--peers", "names", default="arignote,torch-eager,jax", show_default=True, help="Names of peers.")
@_seed_option
@click.option("--slice", "slice_s", default=0.02, show_default=True, help="Seconds of one peer's turn.")
@_out_option
def ops_command(
    ops: tuple[str, ...], threads: str, rounds: int, names: str, seed: int, slice_s: float, out: str | None
) -> None:
    """Time single memory-bound ops (all of OPS, such as `softmax`) on 1e3 and 1e6 floats."""
    chosen = [w for w in OPS.values() if not ops or w.title in ops]
    counts = _threads(threads)
    measured = roofline.measure(counts, 0.2)
    results, versions = timing.run(
        chosen, _peers(names), threads=counts, rounds=rounds, seed=seed, log=_log, slice_s=slice_s
    )
    words = {"threads": threads, "rounds": rounds, "peers": names, "seed": seed, "slice": slice_s}
    command = [*_command("ops", words), *ops]
    extra = {"limits": measured}
    document = report.envelope("ops", results, command=command, seed=seed, versions=versions, extra=extra)
    _save(document, out)
    click.echo("\n" + table.ops(document) + "\n")
    if any(result["refused"] for result in results):
        sys.exit(1)


@main.command("convolutions")
@click.argument("shapes", nargs=-1)
@_threads_option
@click.option("--rounds", default=7, show_default=True, help="Interleaved rounds.")
@click.option("--peers", "names", default=LAYOUTS, show_default=True, help="Names of peers.")
@_seed_option
@click.option("--slice", "slice_s", default=0.03, show_default=True, help="Seconds of one peer's turn.")
@_out_option
def convolutions_command(
    shapes: tuple[str, ...], threads: str, rounds: int, names: str, seed: int, slice_s: float, out: str | None
) -> None:
    """Time single convolutions (all of SHAPES, such as `cif64`) and their gradients."""
    chosen = [w for w in CONVOLUTIONS.values() if not shapes or w.title.partition(",")[0] in shapes]
    counts = _threads(threads)
    measured = roofline.measure(counts, 0.2)
    results, versions = timing.run(
        chosen, _peers(names), threads=counts, rounds=rounds, seed=seed, log=_log, slice_s=slice_s
    )
    words = {"threads": threads, "rounds": rounds, "peers": names, "seed": seed, "slice": slice_s}
    command = [*_command("convolutions", words), *shapes]
    extra = {"limits": measured}
    document = report.envelope("convolutions", results, command=command, seed=seed, versions=versions, extra=extra)
    _save(document, out)
    click.echo("\n" + table.convolutions(document) + "\n")
    if any(result["refused"] for result in results):
        sys.exit(1)


@main.command("overhead")
@_threads_option
@_rounds_option
@_peers_option
@_seed_option
@_out_option
@_python_option
def overhead_command(
    threads: str, rounds: int, names: str, seed: int, out: str | None, python: str | None
) -> None:
    """Cost of f(x) and of each further kernel of its graph."""
    results, versions = timing.run(
        [REGISTRY[name] for name in OVERHEAD],
        _peers(names),
        threads=_threads(threads),
        rounds=rounds,
        seed=seed,
        log=_log,
        python=python,
    )
    words = {"threads": threads, "rounds": rounds, "peers": names, "seed": seed}
    document = report.envelope(
        "overhead",
        results,
        command=_command("overhead", words),
        seed=seed,
        versions=versions,
        extra={"summary": overhead.summary(results)},
    )
    click.echo("\n" + table.calls(document) + "\n")
    _save(document, out)
    if any(result["refused"] for result in results):
        sys.exit(1)


@main.command("compile-time")
@click.argument("workloads", nargs=-1)
@click.option("--threads", default="all", show_default=True, help="1, all, both or a number.")
@click.option("--repeats", default=3, show_default=True, help="Cold and warm processes each.")
@_peers_option
@_seed_option
@_out_option
@_python_option
def compile_time_command(
    workloads: tuple[str, ...],
    threads: str,
    repeats: int,
    names: str,
    seed: int,
    out: str | None,
    python: str | None,
) -> None:
    """Time to first step with empty caches, and again with full ones."""
    chosen, listed = _workloads(workloads, ("logreg", "mlp-600")), _peers(names)
    results: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    for count in _threads(threads):
        for workload in chosen:
            _log(f"{workload.title}, threads {count}")
            result, found = compile_time.measure(
                workload,
                listed,
                threads=count,
                repeats=repeats,
                seed=seed,
                log=_log,
                python=python,
            )
            results.append(result)
            versions.update(found)
    words = {
        "workloads": tuple(w.name for w in chosen),
        "threads": threads,
        "repeats": repeats,
        "peers": names,
        "seed": seed,
    }
    document = report.envelope(
        "compile-time",
        results,
        command=_command("compile-time", words),
        seed=seed,
        versions=versions,
    )
    _save(document, out)
    if any(result["refused"] for result in results):
        sys.exit(1)


@main.command("memory")
@click.argument("workloads", nargs=-1)
@click.option("--threads", default="1", show_default=True, help="1, all, both or a number.")
@click.option("--peers", "names", default="arignote,torch-eager,jax", show_default=True, help="Names of peers.")
@_seed_option
@_out_option
def memory_command(workloads: tuple[str, ...], threads: str, names: str, seed: int, out: str | None) -> None:
    """Peak memory of a train step; without WORKLOADS of networks of images."""
    chosen, listed = _workloads(workloads, IMAGES), _peers(names)
    results: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    for count in _threads(threads):
        for workload in chosen:
            _log(f"{workload.title}, threads {count}")
            result, found = memory.measure(workload, listed, threads=count, seed=seed, log=_log)
            results.append(result)
            versions.update(found)
    words = {"workloads": tuple(w.name for w in chosen), "threads": threads, "peers": names, "seed": seed}
    _save(report.envelope("memory", results, command=_command("memory", words), seed=seed, versions=versions), out)


@main.command("import-time")
@click.option("--repeats", default=9, show_default=True, help="Fresh processes of each module.")
@_out_option
@_python_option
def import_time_command(repeats: int, out: str | None, python: str | None) -> None:
    """Time of `import arignote` against `import numpy` and the peers' imports."""
    results = import_time.measure(
        list(import_time.MODULES), repeats=repeats, log=_log, python=python
    )
    document = report.envelope(
        "import-time",
        results,
        command=_command("import-time", {"repeats": repeats}),
        seed=0,
        versions={},
    )
    found = results["modules"]
    if "arignote" in found and "numpy" in found:
        above = found["arignote"]["median_s"] - found["numpy"]["median_s"]
        goal = import_time.GOAL_ABOVE_NUMPY_S
        click.echo(f"arignote is {above:.3f} s above numpy (goal: at most {goal} s)")
    _save(document, out)


@main.command("follow")
@click.argument("models", nargs=-1)
@click.option("--data", required=True, help="Text, as for `arignote train cbow`.")
@click.option("--questions", default=None, help="Folder of analogies and similarities (searched).")
@click.option("--epochs", default=1, show_default=True, help="Passes over the text.")
@click.option("--every", default=500, show_default=True, help="Steps from one comparison to the next.")
@_seed_option
@_out_option
def follow_command(
    models: tuple[str, ...], data: str, questions: str | None, epochs: int, every: int, seed: int, out: str | None
) -> None:
    """Train word vectors here and in PyTorch, from the same vectors on the same words: both losses at every step."""
    named = models or ("cbow", "skipgram")
    results = [follow.measure(name, data, questions, epochs=epochs, every=every, seed=seed, log=_log) for name in named]
    words = {"data": data, "questions": questions, "epochs": epochs, "every": every, "seed": seed}
    command = [*_command("follow", words), *named]
    _save(report.envelope("follow", results, command=command, seed=seed, versions=follow.versions()), out)
    if any(result["worst"] > follow.TOLERANCE for result in results):
        sys.exit(1)


@main.command("curves")
@click.argument("model")
@click.option("--data", default=None, help="As for `arignote train`.")
@click.option("--epochs", default=1, show_default=True, help="Passes over the data.")
@click.option("--steps", type=int, default=None, help="End after so many steps.")
@click.option("--minutes", type=float, default=math.inf, help="End after so many of training.")
@click.option("--validations", default=1, show_default=True, help="In each epoch; 0: none.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="As for `arignote train`.")
@_seed_option
@_out_option
def curves_command(
    model: str, data: str | None, epochs: int, steps: int | None, minutes: float, validations: int,
    settings: tuple[str, ...], seed: int, out: str | None,
) -> None:
    """Train MODEL here and in PyTorch from the same values on the same minibatches: curves as JSON and PNG."""
    from arignote.models.data import DataError
    from arignote.models.model import SettingError
    from arignote.models.registry import UnknownModelError

    words = {
        "data": data, "epochs": epochs, "steps": steps, "minutes": minutes if minutes < math.inf else None,
        "validations": validations, "set": settings, "seed": seed,
    }  # fmt: skip
    try:
        result = curves.measure(model, data, epochs=epochs, steps=steps, minutes=minutes, validations=validations,
                                seed=seed, log=_log, settings=settings)  # fmt: skip
    except (NoTwinError, DataError, SettingError, UnknownModelError) as error:
        raise click.ClickException(str(error)) from None
    command = [*_command("curves", words), model]
    path = _save(report.envelope("curves", [result], command=command, seed=seed, versions=follow.versions()), out)
    curves.picture(result, path.with_suffix(".png"))


@main.command("quality")
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@_out_option
def quality_command(folders: tuple[Path, ...], out: str | None) -> None:
    """Keep what runs of `arignote train` reached: FOLDERS are those that it wrote."""
    from arignote.models.training import CheckpointError

    for folder in folders:
        try:
            result = quality.record(folder)
        except (quality.NoRunError, CheckpointError) as error:
            raise click.ClickException(str(error)) from None
        words = result["command"].split()
        document = report.envelope("train", [result], command=words, seed=result["seed"], versions=quality.versions())
        _save(document, out)


@main.command("roofline")
@_threads_option
@click.option("--seconds", default=0.4, show_default=True, help="Time for each figure.")
@_out_option
def roofline_command(threads: str, seconds: float, out: str | None) -> None:
    """Measure the machine's limits, and the floor that they set for each workload."""
    measured = roofline.measure(_threads(threads), seconds)
    document = report.envelope(
        "roofline",
        measured,
        command=_command("roofline", {"threads": threads, "seconds": seconds}),
        seed=0,
        versions={},
    )
    click.echo(table.limits(document) + "\n")
    click.echo(table.floors([REGISTRY[name] for name in TRAIN], measured) + "\n")
    _save(document, out)
    last = pages.latest("run", Path(out) if out else RESULTS)
    if last is not None:
        click.echo(f"\n{table.shares(last, measured)}")


for page in pages.COMMANDS:
    main.add_command(page)
