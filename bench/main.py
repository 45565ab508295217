"""The command line of the benchmarks: the group of all commands."""

from __future__ import annotations

import click

from bench import costs, pages, timings, trainings
from bench.environment import LOAD, drop_overrides, overrides

BUSY = 0.5


@click.group()
@click.option("--native", is_flag=True, help="Drop variables such as OPENBLAS_CORETYPE that force kernels.")
def main(native: bool) -> None:
    """Measure Arignote against its peers: same mathematics, same data, one run."""
    if native:
        drop_overrides()
    if LOAD is not None and LOAD > BUSY:
        click.echo(f"note: other work keeps {LOAD} cores busy and will blur results", err=True)
    for name, value in overrides().items():
        click.echo(f"note: {name}={value} is set and takes part in the results", err=True)


for module in (timings, costs, trainings, pages):
    for command in module.COMMANDS:
        main.add_command(command)
