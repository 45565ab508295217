"""`arignote diff`."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace

import click

from arignote.ir.core import Module
from arignote.models.commands.options import user_errors
from arignote.models.programs import IR_STAGES, Spec


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option("--stage", type=click.Choice(IR_STAGES), help="Where A and B name none; optimised by default.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--stat", is_flag=True, help="Only counts: what changed, and what it costs.")
@click.option("--json", "as_json", is_flag=True, help="The difference as JSON.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where there is a difference.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True)
@click.option("-y", "--side-by-side", is_flag=True, help="In two columns.")
@click.option("-U", "--context", type=click.IntRange(0), default=1, show_default=True, help="Lines around a change.")
@click.option("--width", type=click.IntRange(40), help="Columns of the output side by side.")
@user_errors
def diff(
    before: str,
    after: str,
    stage: str | None,
    device: str,
    stat: bool,
    as_json: bool,
    exit_code: bool,
    color: str,
    side_by_side: bool,
    context: int,
    width: int | None,
) -> None:
    """Show what differs between two programs: two files, models, settings or stages.

    Names of values and the order of independent operations make no difference. A and B are what `arignote dump` takes:

    \b
      arignote diff before.ari after.ari --exit-code
      arignote diff mlp@optimised @fused
      arignote diff 'mlp{hidden=300}' 'mlp{hidden=500}'
      arignote dump mlp | arignote opt - -p cse | arignote diff mlp -
    """
    from arignote.ir import difftext
    from arignote.ir.diff import diff as difference
    from arignote.ir.diffjson import to_json

    first = Spec.parse(before)
    second = Spec.parse(after).filled(first)
    if first.what == second.what == "-":
        raise click.UsageError("only one of A and B can be standard input")
    found = difference(_module(first, stage, device), _module(second, stage, device))
    colored = color == "always" or (color == "auto" and sys.stdout.isatty())
    if as_json:
        click.echo(json.dumps(to_json(found), indent=1))
    elif stat:
        click.echo(difftext.stat(found, colored), nl=False, color=colored)
    elif side_by_side:
        columns = width or shutil.get_terminal_size((160, 40)).columns
        click.echo(difftext.side_by_side(found, columns, context, colored), nl=False, color=colored)
    else:
        click.echo(difftext.unified(found, context, colored), nl=False, color=colored)
    if exit_code and found:
        raise SystemExit(1)


def _module(spec: Spec, stage: str | None, device: str) -> Module:
    """The functions of one side; files are compared as they are unless a stage is asked for."""
    from arignote.frontends.tensor import stages  # loads the code generator

    wanted = spec.stage or stage
    if wanted is not None and wanted not in IR_STAGES:
        raise click.UsageError(f"diff compares IR: {', '.join(IR_STAGES)}; {wanted} is text")
    is_file = spec.what == "-" or spec.what.endswith(".ari")
    programs = replace(spec, stage=None).programs()
    if is_file and wanted is None:
        return Module(programs)
    return Module([stages.func_at(p, wanted or "optimised", device) for p in programs])
