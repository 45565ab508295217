"""Statements of Python programs as tokens, some of them with a type error put in.

`load_statements(data)` is the entry: the sources of Python's own standard library, or of a folder, or one file.

A number that is an operand of arithmetic or a comparison is made a string, or a string that has a method called, is
formatted or joined is made a number: what was there shows that the other one is a `TypeError` or `AttributeError`.
"""

import io
import os
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arignote.models.data.errors import DataError
from arignote.models.data.text import SHARES

NUMBER, STRING = "<number>", "<string>"
SHORTEST, LONGEST = 4, 60  # tokens of a statement
MOST = 40_000
FEWEST = 100

_ARITHMETIC = frozenset(["+", "-", "/", "//", "**", "&", "|", "<<", ">>", "<", ">", "<=", ">=", "+=", "-="])
_LAYOUT = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
# Strings with expressions in them are several tokens from Python 3.12 on; here they are one.
_BEGIN, _END = getattr(tokenize, "FSTRING_START", None), getattr(tokenize, "FSTRING_END", None)

Tokens = tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """The tokens of a statement. `error`: where a type error was put in, None if none was; `judged`: whether there was
    a place for one."""

    tokens: Tokens
    error: int | None
    judged: bool


@dataclass(frozen=True)
class Code:
    """Statements in three parts, file after file. `name` as on the command line, `source`: where they are from."""

    name: str
    train: tuple[Statement, ...]
    valid: tuple[Statement, ...]
    test: tuple[Statement, ...]
    source: str


def statements(source: str) -> Iterator[Tokens]:
    """The statements of a program, without what is too short or too long; numbers and strings are `<number>` and
    `<string>`. Ends where the program is no Python."""
    found: list[str] = []
    nested = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == _BEGIN:
                found += [STRING] if not nested else []
                nested += 1
            elif token.type == _END:
                nested -= 1
            elif nested or token.type in _LAYOUT:
                continue
            elif token.type == tokenize.NEWLINE:
                if SHORTEST <= len(found) <= LONGEST:
                    yield tuple(found)
                found = []
            else:
                found.append({tokenize.NUMBER: NUMBER, tokenize.STRING: STRING}.get(token.type, token.string))
    except (tokenize.TokenError, SyntaxError):
        return


def places(tokens: Sequence[str]) -> list[int]:
    """Where a type error can be put in."""
    out = []
    for i, token in enumerate(tokens):
        before, after = tokens[i - 1] if i else "", tokens[i + 1] if i + 1 < len(tokens) else ""
        if token == NUMBER and (before in _ARITHMETIC or after in _ARITHMETIC):
            out.append(i)
        elif token == STRING and STRING not in (before, after):  # those beside each other are one string
            used = after in (".", "%") or "+" in (before, after) or before == "in"
            out += [i] if used else []
    return out


def with_errors(found: Iterable[Tokens], seed: int) -> Iterator[Statement]:
    """Half of the statements in which there is a place for it get a type error."""
    rng = np.random.RandomState(seed)
    for tokens in found:
        where = places(tokens)
        if not where or rng.uniform() < 0.5:
            yield Statement(tokens, None, bool(where))
            continue
        i = where[rng.randint(len(where))]
        other = STRING if tokens[i] == NUMBER else NUMBER
        yield Statement((*tokens[:i], other, *tokens[i + 1 :]), i, True)


def load_statements(data: str | os.PathLike[str] | None = None, *, most: int = MOST, seed: int = 0) -> Code:
    """The statements of the Python files at `data` (a folder, or a file; None: the standard library), at most so many.

    Raises `DataError` when there are too few.
    """
    root = Path(sysconfig.get_path("stdlib") if data is None else data).expanduser()
    files = sorted(root.glob("*.py" if data is None else "**/*.py")) if root.is_dir() else [root]
    order = np.random.RandomState(seed).permutation(len(files))
    found: list[Tokens] = []
    for number in order:
        if len(found) >= most:
            break
        try:
            with tokenize.open(files[number]) as file:
                text = file.read()
        except (OSError, SyntaxError, UnicodeDecodeError):
            continue
        found += statements(text)
    n = min(most, len(found))
    if n < FEWEST:
        raise DataError(
            root, expected=f"Python files with {FEWEST} statements or more", found=str(n), remedy="Check --data."
        )
    made = list(with_errors(found[:n], seed))
    a, b = (int(n * share) for share in np.cumsum(SHARES)[:2])
    name, source = ("stdlib", "Python's standard library") if data is None else (root.name, str(root))
    return Code(name, tuple(made[:a]), tuple(made[a:b]), tuple(made[b:]), source)
