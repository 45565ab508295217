"""The user's line that an operation was written on."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import ParamSpec, TypeVar

from arignote.ir.diag import Loc

#: The model library is written with the DSL: its lines are users' lines.
_OUTSIDE = ("arignote.models",)

Params = ParamSpec("Params")
Result = TypeVar("Result")

_pinned: list[Loc] = []


class pinned:
    """All that is recorded inside belongs to the line that is the user's now: what an op of the user's own records.

    `part` says which part of the line it is, for messages; parts of parts follow a comma.
    """

    def __init__(self, part: str = "") -> None:
        self.part = part

    def __enter__(self) -> None:
        loc = user_loc()
        if loc is not None and self.part:
            loc = replace(loc, part=f"{loc.part}, {self.part}" if loc.part else self.part)
        self._count = 0 if loc is None else 1
        _pinned.extend([] if loc is None else [loc])

    def __exit__(self, *error: object) -> None:
        del _pinned[len(_pinned) - self._count :]


def composite(function: Callable[Params, Result]) -> Callable[Params, Result]:
    """A function that records many ops: messages about any of these name it."""

    @functools.wraps(function)
    def pinning(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        with pinned(function.__name__):
            return function(*args, **kwargs)

    return pinning


def user_loc() -> Loc | None:
    """The innermost frame outside the package, or None where there is none; inside `pinned` what it was there."""
    if _pinned:
        return _pinned[-1]
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        inside = name == "arignote" or name.startswith("arignote.")
        if not inside or name.startswith(_OUTSIDE):
            return Loc(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None
