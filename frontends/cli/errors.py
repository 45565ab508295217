"""Errors that are the user's to mend are shown as one message, without a traceback."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def plain_errors(*kinds: type[Exception]) -> Callable[[Command], Command]:
    """Decorator for command functions: exceptions of `kinds` end the program with exit code 1.

    With `arignote --debug` they propagate.
    """

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                return command(*args, **kwargs)
            except kinds as error:
                if debugging():
                    raise
                notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
                raise click.ClickException(f"{error}{notes}") from None

        return run  # type: ignore[return-value]

    return decorate


def debugging() -> bool:
    """Whether `--debug` was given."""
    context = click.get_current_context(silent=True)
    settings = context.find_root().obj if context is not None else None
    return isinstance(settings, dict) and bool(settings.get("debug"))
