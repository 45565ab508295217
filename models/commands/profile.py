"""`arignote profile`."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from arignote.models.commands.options import set_option, user_errors
from arignote.models.programs import Spec

#: Symbolic sizes that neither shared variables nor `--size` give, where `--size` gives no other one.
SIZE = 128


@click.command()
@click.argument("what", metavar="MODEL|SCRIPT.py:FUNCTION")
@click.option("--calls", type=click.IntRange(1), help="How often to call it; for a second by default.")
@click.option(
    "--size", "sizes", multiple=True, metavar="NAME=N",
    help="The size of a dimension, as `dump` names it; where one is given, that of the others too.",
)  # fmt: skip
@click.option("--memory", is_flag=True, help="Show the workspace: what lives in it from when to when.")
@click.option("--passes", is_flag=True, help="Show the time of every pass.")
@click.option("--trace", type=click.Path(dir_okay=False, path_type=Path), help="Write a trace for Perfetto or Chrome.")
@click.option("--json", "as_json", is_flag=True, help="The figures as JSON.")
@click.option("--rows", type=click.IntRange(1), default=20, show_default=True, help="Rows of each table.")
@click.option("--only", metavar="FUNC", help="One function of a model: train by default.")
@set_option
@user_errors
def profile(
    what: str,
    calls: int | None,
    sizes: tuple[str, ...],
    memory: bool,
    passes: bool,
    trace: Path | None,
    as_json: bool,
    rows: int,
    only: str | None,
    settings: tuple[str, ...],
) -> None:
    """Run a function on random arguments and show where its time goes.

    Times are measured inside the compiled function, behind every operation. Roofline is the least time that this
    machine needs for the arithmetic and the traffic of an operation, as a share of the time it took.
    """
    from arignote.frontends.tensor.profiling import ProfileStats

    spec = Spec.parse(what)
    spec = replace(spec, settings=(*spec.settings, *settings), only=only or spec.only)
    (program,) = spec.programs()
    stats = ProfileStats(f"{program.name or 'function'} of {spec.what}")
    function = program.again(stats)
    arguments = example_arguments(function, dict(parse_size(s) for s in sizes))
    try:
        function(*arguments)
    except (IndexError, ValueError) as error:
        message = f"random arguments do not suit {program.name}; set sizes by --size: {error}"
        raise click.ClickException(message) from None
    stats.reset()
    end = time.perf_counter() + 1.0
    while (calls is None and time.perf_counter() < end) or (calls is not None and stats.calls < calls):
        function(*arguments)
    if trace is not None:
        stats.save_trace(trace)
    if as_json:
        click.echo(json.dumps(_figures(stats), indent=1))
    else:
        stats.summary(sys.stdout, rows, rows, memory, passes)


def parse_size(text: str) -> tuple[str, int]:
    """`NAME=N`, taken apart."""
    name, equals, number = text.partition("=")
    if not equals or not number.isdigit():
        raise click.BadParameter(f"{text!r} is not of the form NAME=N", param_hint="--size")
    return name, int(number)


def example_arguments(function: Any, sizes: dict[str, int]) -> list[Any]:
    """Random arguments that a function can be called with; sizes that are left open are `SIZE`, or the one given."""
    from arignote.ir.types import Dim, dim_symbols
    from arignote.passes.inputs import array_for, equal_sizes, limits_of

    func = function.recorded
    known = dict(sizes)
    for state, shared in zip(func.states, function.get_shared(), strict=True):
        for dim, size in zip(state.value.shape, shared.container.array.shape, strict=True):
            if isinstance(dim, Dim) and dim == Dim.symbol(str(dim)):
                known.setdefault(str(dim), int(size))
    unknown = [s for s in dim_symbols(d for p in func.params for d in p.shape) if s not in known]
    given = set(sizes.values())
    env = {**dict.fromkeys(unknown, given.pop() if len(given) == 1 else SIZE), **known, **equal_sizes(func, known)}
    rng = np.random.default_rng(0)
    limits = limits_of(func, env)
    return [array_for(p, env, rng, "unit", limits.get(p, 1 if p.ndim == 0 else 3)) for p in func.params]


def _figures(stats: Any) -> dict[str, Any]:
    def rows(shares: Any) -> list[dict[str, Any]]:
        return [{"name": s.name, "ns": s.ns, "calls": s.calls, "nodes": s.nodes} for s in shares]

    return {
        "function": stats.message,
        "calls": stats.calls,
        "call_ns": stats.call_ns,
        "run_ns": stats.run_ns,
        "ops_ns": stats.ops_ns(),
        "compile_ns": stats.compile_ns,
        "classes": rows(stats.classes()),
        "ops": rows(stats.ops()),
        "applies": rows(stats.applies()),
    }
