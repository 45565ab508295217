"""The lexer of the textual IR: tokens, look-ahead, and errors with line, column and caret."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, NoReturn, TypeVar

from arignote.ir.diag import Diagnostic, IRError, Loc

_TOKEN = re.compile(
    r"""(?:[ \t\r\n]|//[^\n]*)*
    (?: (?P<value>%[\w.]+)
      | (?P<at>@[\w.]+)
      | (?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?j?)
      | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
      | (?P<word>[A-Za-z_][\w.]*)
      | (?P<punct>->|[(){}\[\],:=*+-])
      | (?P<end>\Z)
      | (?P<bad>.)
    )""",
    re.VERBOSE,
)
#: The comment `// model.py:31`, which `print_module(..., locs=True)` writes behind an op.
_LOCATED = re.compile(r"//[ ]([^\"\n]+?):([0-9]{1,9})(?:[ ]{2}//[^\"\n]*)?[ ]*\Z")
#: How deep tuples and regions may nest: far below Python's stack.
MAX_DEPTH = 60
_EXCERPT = 160

T = TypeVar("T")


class ParseError(IRError):
    """Text that is not IR; `str` gives file, line, column, the line and a caret."""


class Token(NamedTuple):
    """A token and where it starts."""

    kind: str
    text: str
    start: int


class Reader:
    """The tokens of a text, read one after another; errors carry the place."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.tokens: list[Token] = []
        self.at = 0
        self.depth = 0
        self.newlines = [m.start() for m in re.finditer("\n", text)]
        for match in _TOKEN.finditer(text):
            kind = match.lastgroup or "end"
            self.tokens.append(Token(kind, match[kind], match.start(kind)))
            if kind == "bad":
                what = (
                    "unterminated string"
                    if match[kind] == '"'
                    else f"unexpected character {match[kind]!r}"
                )
                self.fail(what, self.tokens[-1])
            if kind == "end":
                break

    def fail(self, message: str, token: Token | None = None, notes: Iterable[str] = ()) -> NoReturn:
        """Raise a ParseError at `token`, or the current one; at the end of the input, behind the last one."""
        token = token or self.tokens[self.at]
        start = token.start
        if token.kind == "end" and len(self.tokens) > 1:
            start = self.tokens[-2].start + len(self.tokens[-2].text)
        line = self.line_of(start)
        begin = self.newlines[line - 2] + 1 if line > 1 else 0
        end = self.newlines[line - 1] if line <= len(self.newlines) else len(self.text)
        excerpt, column = self.text[begin:end], start - begin
        head = f"{self.file}:{line}:{column + 1}: error: {message}"
        if (
            len(excerpt) > _EXCERPT
        ):  # a constant may make a line very long: show the part around the place
            cut = max(0, column - _EXCERPT // 2)
            excerpt, column = excerpt[cut : cut + _EXCERPT], column - cut
        shown = re.sub(r"[^\S ]|[\x00-\x1f]", " ", excerpt)
        raise ParseError(Diagnostic(head, shown, column, notes=tuple(notes)))

    @property
    def token(self) -> Token:
        """The current token."""
        return self.tokens[self.at]

    def peek(self, offset: int) -> Token:
        """A later token; the last one is the end of the input."""
        return self.tokens[min(self.at + offset, len(self.tokens) - 1)]

    def take(self) -> Token:
        """The current token, which is passed; the end stays."""
        token = self.tokens[self.at]
        if token.kind != "end":
            self.at += 1
        return token

    def got(self) -> str:
        """The current token, for messages."""
        return "the end of the input" if self.token.kind == "end" else repr(self.token.text)

    def eat(self, text: str) -> Token:
        """Take the token `text`."""
        if self.token.text != text or self.token.kind not in ("punct", "word"):
            self.fail(f"expected {text!r}, got {self.got()}")
        return self.take()

    def eat_kind(self, kind: str, what: str) -> Token:
        """Take a token of a kind, described as `what`."""
        if self.token.kind != kind:
            self.fail(f"expected {what}, got {self.got()}")
        return self.take()

    def accept(self, text: str) -> bool:
        """Take the token `text` if it is next."""
        if self.token.text == text and self.token.kind in ("punct", "word"):
            self.at += 1
            return True
        return False

    def sequence(self, item: Callable[[], T], end: str) -> list[T]:
        """Items separated by commas up to the closing bracket, which is taken."""
        out: list[T] = []
        if self.accept(end):
            return out
        while True:
            out.append(item())
            if self.accept(end):
                return out
            if not self.accept(","):
                self.fail(f"expected ',' or {end!r}, got {self.got()}")

    def line_of(self, start: int) -> int:
        """The number of the line with the character at `start`."""
        return bisect.bisect_left(self.newlines, start) + 1

    def loc(self, token: Token) -> Loc:
        """The location of what a token begins to define: its line, or the one that a comment there names."""
        line = self.line_of(token.start)
        end = self.newlines[line - 1] if line <= len(self.newlines) else len(self.text)
        named = _LOCATED.search(self.text, token.start, end)
        return Loc(named[1], int(named[2])) if named else Loc(self.file, line)

    def nested(self, what: str, parse: Callable[[], T]) -> T:
        """Run `parse` one level deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"{what} nested more than {MAX_DEPTH} deep")
        out = parse()
        self.depth -= 1
        return out
