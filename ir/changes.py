"""What a difference of two programs consists of: changes, line by line, of pairs of functions."""

from __future__ import annotations

from dataclasses import dataclass, field

from arignote.ir.core import Func, Op
from arignote.ir.cost import Summary, summary

ADDED, REMOVED, CHANGED, MOVED = "added", "removed", "changed", "moved"
#: (text before, text after): a part of a line; equal where nothing changed, None where it is not there.
Part = tuple[str | None, str | None]


@dataclass
class Change:
    """One line of a difference.

    Attributes:
        kind: added, removed, changed (which may have moved too) or moved; empty for context.
        parts: the line in pieces.
        before, after: the ops; None where there is none, and for ends (`return`, `yield`, `update`).
        where: the op around it in the one program, and in the other; empty for the function itself.
        details: what changed: (name of the part, before, after).
    """

    kind: str
    parts: list[Part]
    before: Op | None = None
    after: Op | None = None
    where: tuple[str, str] = ("", "")
    details: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    depth: int = 0

    def text(self, side: int) -> str:
        """The line of the program before (0) or after (1)."""
        return "".join(part[side] or "" for part in self.parts)


@dataclass
class FuncDiff:
    """The difference of two functions; of one that is only here or there, the other is None.

    `changes` has what changed in order of the text, and what did not, with an empty kind, for context.
    """

    before: Func | None
    after: Func | None
    header: list[Part] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)

    def __bool__(self) -> bool:
        return self.before is None or self.after is None or any(x != y for x, y in self.header) or any(
            c.kind for c in self.changes
        )

    @property
    def name(self) -> str:
        """The name in the program after, if it is there."""
        func = self.after or self.before
        assert func is not None
        return func.name

    def count(self, kind: str) -> int:
        """How many changes there are of a kind."""
        return sum(1 for c in self.changes if c.kind == kind)

    def summaries(self) -> tuple[Summary | None, Summary | None]:
        """What the two cost."""
        return tuple(None if f is None else summary(f) for f in (self.before, self.after))  # type: ignore[return-value]


@dataclass
class Diff:
    """The difference of two programs, a function each; true where there is any."""

    funcs: list[FuncDiff]

    def __bool__(self) -> bool:
        return any(self.funcs)
