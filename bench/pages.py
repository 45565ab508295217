"""Commands that write tables and pages from result files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bench import curves_page, quality, reading, report, table
from bench.environment import RESULTS
from bench.schema import SchemaError


def latest(kind: str, folder: Path) -> dict[str, Any] | None:
    """The newest report of a kind, or None; files that are no results are the user's error."""
    try:
        return report.latest(kind, folder)
    except SchemaError as error:
        raise click.ClickException(str(error)) from None


@click.command("ops-table")
def ops_table_command() -> None:
    """Write the rows of the newest run of `ops` into bench/OPS.md."""
    document = latest("ops", RESULTS)
    if document is None:
        raise click.ClickException("there are no results of `python -m bench ops`")
    text = (
        f"# Single ops\n\n`{' '.join(document['command'])}`, {document['machine']['cpu']}, {document['date'][:10]}.\n"
        "The least of the rounds; *ratio*: to the fastest other library; *roof*: the share of the time that the\n"
        "traffic of memory needs at least.\n\n"
    )
    (RESULTS.parent / "OPS.md").write_text(text + table.ops(document) + "\n", encoding="utf-8")


CONVOLUTIONS = """# Single convolutions

GFLOP/s of the multiplications and additions of the definition, in the least of the rounds, whatever is computed
instead; *ratio*: of the times, to the fastest other library; *peak*: the share of the best rate of fused
multiplications and additions of this machine, above 100 % where fewer of them are done, and left out where other work
keeps the machine busy. The newest result of each convolution and number of threads counts.
"""


def convolutions_page(reports: Sequence[Mapping[str, Any]]) -> str:
    """A table for each run."""
    parts = [CONVOLUTIONS]
    for one in reports:
        busy = f"; other work kept {one['load']:.0f} cores busy" if (one["load"] or 0) >= 0.5 else ""
        source = f"`{' '.join(one['command'])}`, {one['machine']['cpu']}, {one['date'][:10]}{busy}:"
        parts.append(f"{source}\n\n{table.convolutions(one)}\n")
    return "\n".join(parts)


@click.command("convolutions-table")
def convolutions_table_command() -> None:
    """Write the rows of the newest runs of `convolutions` into bench/CONVOLUTIONS.md."""
    try:
        reports = report.current("convolutions", RESULTS)
    except SchemaError as error:
        raise click.ClickException(str(error)) from None
    if not reports:
        raise click.ClickException("there are no results of `python -m bench convolutions`")
    (RESULTS.parent / "CONVOLUTIONS.md").write_text(convolutions_page(reports), encoding="utf-8")


@click.command("curves-table")
def curves_table_command() -> None:
    """Write the newest results of `curves` of each model into bench/CURVES.md."""
    try:
        count = curves_page.write(RESULTS, RESULTS.parent / "CURVES.md")
    except SchemaError as error:
        raise click.ClickException(str(error)) from None
    if not count:
        raise click.ClickException("there are no results of `python -m bench curves`")


@click.command("quality-table")
def quality_table_command() -> None:
    """Write what each model reached in its newest run into bench/QUALITY.md."""
    try:
        reports = [report.load(path) for path in RESULTS.glob("train-*.json")]
        read = [report.load(path) for path in RESULTS.glob("reading-*.json")]
    except SchemaError as error:
        raise click.ClickException(str(error)) from None
    if not reports:
        raise click.ClickException("there are no results of `python -m bench quality`")
    text = quality.PREFACE + quality.page(reports) + "\n" + reading.page(read)
    (RESULTS.parent / "QUALITY.md").write_text(text, encoding="utf-8")


@click.command("table")
@click.option("--write", "target", default=None, help="File with the markers, e.g. README.md.")
@click.option("--full", is_flag=True, help="With every peer, and where each run was made.")
@click.option("--results", default=None, help="Folder of the result files (bench/results).")
def table_command(target: str | None, full: bool, results: str | None) -> None:
    """Render the latest results as markdown, and put them into a file if asked."""
    folder = Path(results) if results else RESULTS
    try:
        found = {kind: report.newest(kind, folder) for kind, _, _ in table.SECTIONS}
    except SchemaError as error:
        raise click.ClickException(str(error)) from None
    text = table.render(found) if full else table.overview(found)
    if target is None:
        click.echo(text)
        return
    try:
        table.write(Path(target), text)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"wrote the tables into {target}")


COMMANDS = (ops_table_command, convolutions_table_command, curves_table_command, quality_table_command, table_command)
