"""`arignote dump`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click

from arignote.ir.core import Func
from arignote.models.commands.options import set_option, user_errors
from arignote.models.programs import IR_STAGES, STAGES, Spec

FORMATS = ("ari", "json", "dot", "svg", "html")


@click.command()
@click.argument("what", metavar="MODEL|FILE.ari|SCRIPT.py:FUNCTION")
@click.option(
    "--stage",
    type=click.Choice(STAGES),
    default=None,
    help="How far to compile before looking; optimised by default.",
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="ari", show_default=True, help="How to show it.")
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default=None,
    help="What to compile for (cpu, but cuda at stage cuda); no such device is needed.",
)
@click.option("--only", metavar="FUNC", help="One function, or all (of a model: train, the default).")
@click.option("--loc", is_flag=True, help="Show the program's lines that built each operation.")
@click.option("--cost", is_flag=True, help="Show arithmetic and traffic of each operation and of the whole.")
@set_option
@user_errors
def dump(
    what: str,
    stage: str | None,
    form: str,
    device: str | None,
    only: str | None,
    loc: bool,
    cost: bool,
    settings: tuple[str, ...],
) -> None:
    """Show a model of `arignote models`, a file of IR (- is standard input), or a function of a script, at a stage.

    A model's functions are train, valid, test and predict. Settings, function and stage may be part of the name:
    mlp{hidden=300}:predict@fused.
    """
    from arignote.frontends.tensor import stages  # loads the code generator

    spec = Spec.parse(what)
    spec = replace(spec, settings=(*spec.settings, *settings), only=only or spec.only)
    stage = stage or spec.stage or "optimised"
    device = device or ("cuda" if stage == "cuda" else "cpu")
    if form != "ari" and stage not in IR_STAGES:
        raise click.UsageError(f"--format {form} is for the stages {', '.join(IR_STAGES)}; {stage} is text")
    programs = spec.programs()
    if form == "ari":
        texts = [stages.dump_stage(p, stage, device, loc=loc, cost=cost) for p in programs]
    else:
        texts = [_shown([stages.func_at(p, stage, device) for p in programs], form, cost)]
    click.echo("\n".join(text.rstrip("\n") + "\n" for text in texts), nl=False)


def _shown(funcs: list[Func], form: str, cost: bool) -> str:
    from arignote.ir.graph import to_dict, to_dot

    if form == "json":
        data: Any = {"functions": [to_dict(f, cost) for f in funcs]}
        return json.dumps(data, indent=1)
    if form == "dot":
        return "\n".join(map(to_dot, funcs))
    if form == "svg":
        from arignote.frontends.explore.picture import svg

        return svg(funcs, cost)
    raise click.UsageError(f"--format {form} is not there yet")
