"""What the commands of the benchmarks share: options, what these name, and the document that a command writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bench import peers, report
from bench.environment import RESULTS, SEED, thread_counts
from bench.workloads import Workload, find

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def threads_option(default: str = "both") -> Decorator:
    """`--threads`."""
    return click.option("--threads", default=default, show_default=True, help="1, all, both or a number.")


def peers_option(default: str = "all") -> Decorator:
    """`--peers`, as `names`."""
    return click.option(
        "--peers", "names", default=default, show_default=True, help="Comma-separated names of peers."
    )


def rounds_option(default: int = 15) -> Decorator:
    """`--rounds`."""
    return click.option("--rounds", default=default, show_default=True, help="Interleaved rounds.")


def slice_option(default: float) -> Decorator:
    """`--slice`, as `slice_s`."""
    return click.option("--slice", "slice_s", default=default, show_default=True, help="Seconds of one peer's turn.")


seed_option = click.option("--seed", default=SEED, show_default=True, help="Seed of the data.")
out_option = click.option("--out", default=None, help="Folder of the JSON (bench/results).")
python_option = click.option("--python", default=None, help="Interpreter of the measured processes (this one).")


def chosen_peers(text: str) -> list[str]:
    """Peers by their names: all that are usual for `all`."""
    usual = [name for name, peer in peers.REGISTRY.items() if peer.usual]
    names = usual if text == "all" else [n for n in text.split(",") if n]
    for name in names:
        try:
            peers.find(name)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return names


def chosen_workloads(names: tuple[str, ...], default: tuple[str, ...]) -> list[Workload]:
    """Workloads by their names."""
    try:
        return [find(name) for name in names or default]
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def chosen_threads(text: str) -> list[int]:
    """Numbers of threads."""
    try:
        return thread_counts(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def log(line: str) -> None:
    """Say how far a measurement is."""
    click.echo(line)


def command_line(name: str, arguments: Sequence[str], options: Mapping[str, Any]) -> list[str]:
    """The command as it can be typed again, defaults spelled out; options that are None or flags are not."""
    context = click.get_current_context(silent=True)
    native = context is not None and context.parent is not None and context.parent.params["native"]
    words = ["python", "-m", "bench", *(["--native"] if native else []), name, *arguments]
    for key, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        for one in values:
            if one is not None and not isinstance(one, bool):
                words += [f"--{key.replace('_', '-')}", str(one)]
    return words


def save(document: Mapping[str, Any], out: str | None) -> Path:
    """Write a document, and say where."""
    path = report.save(document, Path(out) if out else RESULTS)
    click.echo(f"wrote {path.name}")
    return path


def end(results: Sequence[Mapping[str, Any]]) -> None:
    """Leave with status 1 where a peer's numbers were refused."""
    if any(result["refused"] for result in results):
        sys.exit(1)
