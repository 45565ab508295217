"""`arignote doctor`."""

import sys

import click
from rich.console import Console
from rich.text import Text

from arignote.frontends.cli.checks import CHECKS, Finding, Status

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "bold red"}


@click.command()
def doctor() -> None:
    """Check this installation and say what to do about what is missing.

    The exit code is 1 when something that Arignote needs does not work (FAIL).
    """
    console = Console()
    findings: list[Finding] = []
    for check in CHECKS:
        for finding in check():
            findings.append(finding)
            _show(console, finding)
    counts = {status: sum(f.status is status for f in findings) for status in Status}
    click.echo(
        f"{counts[Status.OK]} ok, {counts[Status.WARN]} warnings, {counts[Status.FAIL]} failures"
    )
    if counts[Status.FAIL]:
        sys.exit(1)


def _show(console: Console, finding: Finding) -> None:
    line = f"{finding.status.value:4}  {finding.name:22}{finding.text}"
    if not console.is_terminal:
        click.echo(line)
        if finding.remedy:
            click.echo(f"{'':28}{finding.remedy}")
        return
    status = Text(f"{finding.status.value:4}", style=_STYLES[finding.status])
    console.print(status + Text(line[4:]), soft_wrap=True)
    if finding.remedy:
        console.print(Text(f"{'':28}{finding.remedy}", style="dim"), soft_wrap=True)
