"""The user's line that an operation was written on."""

from __future__ import annotations

import sys

from arignote.ir.diag import Loc

#: The model library is written with the DSL: its lines are users' lines.
_OUTSIDE = ("arignote.models",)


def user_loc() -> Loc | None:
    """The innermost frame outside the package, or None where there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        inside = name == "arignote" or name.startswith("arignote.")
        if not inside or name.startswith(_OUTSIDE):
            return Loc(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return None
