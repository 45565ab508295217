"""Diagnostics: what is wrong, where in the IR, and which line of the user's program built it."""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Loc:
    """A line of the user's program.

    `part` says what of it is meant where a line stands for much, as `scan 'rnn', sequence 0`. It is for messages only:
    texts of programs leave it out, and places are equal without it.
    """

    file: str
    line: int
    part: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def source(self) -> str:
        """The text of the line, stripped; empty where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def described(self) -> str:
        """The place, the part that is meant, and the text of the line."""
        part, source = f" ({self.part})" if self.part else "", self.source()
        return f"{self}{part}" + (f": {source}" if source else "")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: a message, an excerpt of the IR with a caret, the user's line, and notes."""

    message: str
    excerpt: str = ""
    column: int = 0
    loc: Loc | None = None
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        lines = [self.message]
        if self.excerpt:
            lines += ["  " + self.excerpt, "  " + " " * self.column + "^"]
        if self.loc is not None:
            lines.append(f"  built at {self.loc.described()}")
        lines += ["  note: " + note for note in self.notes]
        return "\n".join(lines)


class IRError(Exception):
    """A program that breaks a rule of the IR. `diagnostic` says which and where."""

    def __init__(self, message: str | Diagnostic) -> None:
        self.diagnostic = message if isinstance(message, Diagnostic) else Diagnostic(message)
        super().__init__(str(self.diagnostic))


class TypeInferenceError(IRError, TypeError, ValueError):
    """Operands that an op cannot take. Both a TypeError and a ValueError, as users catch either."""


class LinAlgError(IRError, np.linalg.LinAlgError):
    """A matrix that an op cannot take at a call: one that is singular, or not positive definite. A ValueError too."""


class AssertionFailed(IRError, AssertionError):
    """A condition that a program states with `assert` does not hold at a call."""


def require(condition: bool, message: str) -> None:
    """Raise an IRError with `message` unless `condition` holds: the constraints of op records."""
    if not condition:
        raise IRError(message)
