"""`arignote models`."""

import click
from rich.console import Console
from rich.table import Table

from arignote.models import registry
from arignote.models.model import ModelBase


@click.command()
def models() -> None:
    """List the models: name, chapter of the book, settings (for --set) and what they must reach."""
    found = registry.models()
    console = Console()
    if not console.is_terminal:
        for name, model in found.items():
            click.echo(f"{name}\tchapter {model.chapter}\t{model.summary()}\t{_settings(model)}"
                       f"\t{model.quality}")  # fmt: skip
        return
    table = Table("name", "ch.", "what", "settings", "must reach")
    for name, model in found.items():
        table.add_row(
            f"[bold]{name}[/]",
            str(model.chapter),
            model.summary(),
            _settings(model),
            model.quality,
        )
    console.print(table)
    console.print("Train one with: arignote train NAME", highlight=False)


def _settings(model: type[ModelBase]) -> str:
    return ", ".join(
        f"{name}={'auto' if value is None else value}" for name, value in model.settings().items()
    )
