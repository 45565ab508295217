"""`arignote bench`: the benchmarks, which come with a checkout and not with the package."""

import importlib
import sys
from pathlib import Path

import click

from arignote.frontends.cli.errors import debugging


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: tuple[str, ...]) -> None:
    """Measure Arignote against other libraries; `arignote bench --help` lists what can be run."""
    root = checkout()
    if root is None:
        raise click.ClickException(
            "the benchmarks are not part of the installed package. Run this command in a source "
            "checkout, with the package installed from it (pip install -e '.[bench]')."
        )
    # Worker processes are started as `python -m bench...` with the checkout on their path.
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        group = importlib.import_module("bench.main").main
    except ImportError as error:
        if debugging():
            raise
        raise click.ClickException(
            f"the benchmarks cannot be loaded ({error}). Install what they need: "
            "pip install -e '.[bench]'"
        ) from None
    group.main(args=list(arguments), prog_name="arignote bench")


def checkout() -> Path | None:
    """The source checkout that this package lies in, or that surrounds the current folder."""
    # The real path: in a checkout this folder is reached by a link.
    for start in (Path(__file__).resolve().parent, Path.cwd()):
        for folder in (start, *start.parents):
            if (folder / "bench" / "main.py").is_file() and (
                folder / "arignote" / "__init__.py"
            ).is_file():
                return folder
    return None
