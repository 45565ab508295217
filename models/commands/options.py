"""Options and errors that the commands about models share."""

from collections.abc import Callable
from typing import Any

import click

from arignote.frontends.cli.errors import plain_errors
from arignote.frontends.tensor.settings import ConfigError
from arignote.ir.diag import IRError
from arignote.models.data import DataError
from arignote.models.model import SettingError
from arignote.models.programs import ScriptError
from arignote.models.registry import UnknownModelError
from arignote.models.training import CheckpointError

#: Decorator: errors with a message of their own are shown without a traceback.
user_errors = plain_errors(
    DataError, CheckpointError, IRError, ScriptError, SettingError, UnknownModelError, ConfigError
)

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a hyper-parameter, e.g. hidden=300; `arignote models` lists them.",
)


def mode_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--mode`, checked."""
    return click.option(
        "--mode",
        default=None,
        callback=_check_mode,
        help="How functions are compiled: FAST_RUN, FAST_COMPILE, None, or reference (NumPy).",
    )(command)


def _check_mode(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    from arignote.frontends.tensor.modes import check_mode_name

    if value is None:
        return None
    try:
        return check_mode_name(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
