"""The printer of the textual IR. `parse.py` reads what this writes; one grammar serves all ops:

    func @train(%x: f32[n,784], %y: i32[n]) state(@W: f32[784,10]) -> (f32[]) {stage="recorded"} {
      %z = dot(%x, @W) : f32[n,10]
      %last, %all = scan(%xs, %h0) {carry=1, seqs=1} : f32[b,128], f32[t,b,128] {
        (%x: f32[b,64], %h: f32[b,128]):
        ...
        yield(%h.next, %h.next)
      }
      update(@W, %W.new)
      return(%loss)
    }

Attributes are sorted by name. An attribute is an int, a float (always with a point, an exponent,
`nan` or `inf`), `true`, `false`, `none`, a JSON string, a dimension (`2*n+1`), a tuple `[1,n]`, or
an array: `f32[2](0.5,1.0)`, from 17 elements on `f32[600,10]("...")`, the base64 of the
zlib-compressed little-endian bytes in C order.

Names, per function and per region (a region sees only its own): a value's hint stays itself where
it is free, else it is suffixed, `%x.1`; a value without a hint is named after its op, a parameter
`%arg`. Names that are unique stay as they are, so printing what was parsed gives the same text.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from arignote.ir.core import Attr, Func, Module, Op, Region, State, Value
from arignote.ir.lexer import ParseError
from arignote.ir.parse import parse_module
from arignote.ir.types import FROM_NUMPY, Dim

__all__ = ["Line", "Names", "ParseError", "attr_text", "func_lines", "parse_module", "print_module"]

#: Arrays with more elements than this print as base64.
MAX_LISTED = 16

_ILLEGAL = re.compile(r"[^\w.]")
_NUMBERED = re.compile(r"(.+)\.[0-9]+")


class Names:
    """Unique, readable names of the values of one scope: a function, or a region."""

    def __init__(self, scope: Func | Region | None = None) -> None:
        self._names: dict[Value, str] = {}
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}
        if isinstance(scope, Func):
            for state in scope.states:
                self.define(state.value, state.name, sigil="@")
        if scope is not None:
            for param in scope.params:
                self.define(param, "arg")
            for op in scope.ops:
                for value in op.results:
                    self.define(value, op.name)

    def define(self, value: Value, default: str, sigil: str = "%") -> None:
        """Name `value` after its hint, or `default`; a state (sigil `@`) after `default` only."""
        if value in self._names:
            return
        hint = default if sigil == "@" else value.name or default
        name = sigil + (_ILLEGAL.sub("_", hint) or "_")
        if name in self._taken:
            match = _NUMBERED.fullmatch(name)
            stem = match[1] if match else name
            number = self._next.get(stem, 1)
            while (name := f"{stem}.{number}") in self._taken:
                number += 1
            self._next[stem] = number + 1
        self._taken.add(name)
        self._names[value] = name

    def __getitem__(self, value: Value) -> str:
        """The name with its sigil; values of other scopes get one too: broken IR prints."""
        if value not in self._names:
            self.define(value, value.owner.name if value.owner is not None else "arg")
        return self._names[value]


class Line:
    """A line that remembers where its parts begin, for carets: `spans["operand", 1]`."""

    __slots__ = ("spans", "text")

    def __init__(self, text: str = "") -> None:
        self.text = text
        self.spans: dict[tuple[str, int | str], int] = {}

    def add(self, text: str, kind: str = "", key: int | str = 0) -> Line:
        """Append `text`, which is the part `(kind, key)`."""
        if kind:
            self.spans[kind, key] = len(self.text)
        self.text += text
        return self

    def join(self, parts: Iterable[object], kind: str, separator: str = ", ") -> Line:
        """Append parts numbered from 0."""
        for i, part in enumerate(parts):
            self.add(separator if i else "").add(str(part), kind, i)
        return self


ArrayText = Callable[[np.ndarray], str]
#: What follows an op, as a comment; empty for nothing.
Note = Callable[[Op], str]


def float_text(value: float) -> str:
    """The shortest text that reads back as the same float."""
    return repr(float(value))


def _element_text(x: np.generic) -> str:
    if isinstance(x, np.bool_):
        return "true" if x else "false"
    if isinstance(x, np.complexfloating):
        real, imag = (_element_text(part).removesuffix(".0") for part in (x.real, x.imag))
        return f"({real}{'' if imag.startswith('-') else '+'}{imag}j)"
    if isinstance(x, np.floating):
        if np.isnan(x):
            return "nan"
        text = str(x)
        # Shortest decimals are read as doubles first: keep one only where that is exact.
        return text if x.dtype.type(float(text)) == x else float_text(float(x))
    return str(x)


def array_text(array: np.ndarray) -> str:
    """`f32[2](0.5,1.0)`, or base64 where there are many elements."""
    head = (
        f"{FROM_NUMPY.get(array.dtype.name, array.dtype.name)}[{','.join(map(str, array.shape))}]"
    )
    if array.size <= MAX_LISTED:
        return f"{head}({','.join(map(_element_text, array.ravel()))})"
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return f'{head}("{base64.b64encode(zlib.compress(little.tobytes(), 9)).decode()}")'


def short_array_text(array: np.ndarray) -> str:
    """As `array_text`, with `...` for many elements: for messages."""
    return (
        array_text(array) if array.size <= MAX_LISTED else array_text(array).split("(")[0] + "(...)"
    )


def attr_text(value: Attr, array: ArrayText = array_text) -> str:
    """An attribute as written in the IR; `<...>` for what an attribute may not hold."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if type(value) is int or isinstance(value, Dim):
        return str(value)
    if type(value) is float:
        return float_text(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"[{','.join(attr_text(item, array) for item in value)}]"
    if isinstance(value, np.ndarray):
        return array(value)
    return f"<{type(value).__name__} {value!r}>"


def add_attrs(line: Line, attrs: dict[str, Attr], array: ArrayText) -> None:
    """Append ` {a=1, b=2}` where there are attributes."""
    if attrs:
        line.add(" {")
        for i, key in enumerate(sorted(attrs)):
            line.add(", " if i else "").add(f"{key}={attr_text(attrs[key], array)}", "attr", key)
        line.add("}")


def op_line(op: Op, names: Names, array: ArrayText = array_text) -> Line:
    """The line of an op, without its regions. Parts: result, name, operand, attr, type."""
    line = Line()
    if op.results:
        line.join((names[v] for v in op.results), "result").add(" = ")
    line.add(op.name, "name").add("(").join((names[v] for v in op.operands), "operand").add(")")
    add_attrs(line, op.attrs, array)
    if op.results:
        line.add(" : ").join((v.type for v in op.results), "type")
    return line


def func_line(func: Func, names: Names, array: ArrayText = array_text) -> Line:
    """The first line of a function. Parts: name, param, state, type, attr."""
    line = Line().add("func ").add(f"@{_ILLEGAL.sub('_', func.name) or '_'}", "name").add("(")
    line.join((f"{names[v]}: {v.type}" for v in func.params), "param").add(")")
    if func.states:
        line.add(" state(")
        line.join((f"{names[s.value]}: {s.value.type}" for s in func.states), "state").add(")")
    line.add(" -> (").join((v.type for v in func.results), "type").add(")")
    add_attrs(line, func.attrs, array)
    return line.add(" {")


def region_line(region: Region, names: Names) -> Line:
    """The parameters of a region. Part: param."""
    return Line("(").join((f"{names[v]}: {v.type}" for v in region.params), "param").add("):")


def update_line(state: State, names: Names) -> Line:
    """`update(@W, %W.new)`. Part: operand 1."""
    assert state.update is not None
    return Line(f"update({names[state.value]}, ").add(names[state.update], "operand", 1).add(")")


def end_line(word: str, values: Iterable[Value], names: Names) -> Line:
    """`return(...)` or `yield(...)`. Part: operand."""
    return Line(f"{word}(").join((names[v] for v in values), "operand").add(")")


def located(op: Op) -> str:
    """A note: the user's line, which the parser takes for the location again."""
    return "" if op.loc is None else str(op.loc).replace("\n", " ")


def func_lines(
    func: Func, note: Note | None = None, array: ArrayText = array_text, head: str = ""
) -> Iterator[str]:
    """The lines of a function; `note` and `head` give comments on each op and on all."""
    names = Names(func)
    yield func_line(func, names, array).text + (f"  // {head}" if head else "")
    for op in func.ops:
        yield from _op_lines(op, names, "  ", note, array)
    for state in func.states:
        if state.update is not None:
            yield "  " + update_line(state, names).text
    yield "  " + end_line("return", func.results, names).text
    yield "}"


def _op_lines(
    op: Op, names: Names, indent: str, note: Note | None, array: ArrayText
) -> Iterator[str]:
    line = indent + op_line(op, names, array).text
    text = "" if note is None else note(op)
    comment = f"  // {text}" if text else ""
    for region in op.regions:
        inner = Names(region)
        yield line + " {" + comment
        yield f"{indent}  {region_line(region, inner).text}"
        for nested in region.ops:
            yield from _op_lines(nested, inner, indent + "  ", note, array)
        yield f"{indent}  {end_line('yield', region.yields, inner).text}"
        line, comment = indent + "}", ""
    yield line + comment


def print_module(program: Module | Func, locs: bool = False, array: ArrayText = array_text) -> str:
    """The text of a module or function; with `locs`, the user's line follows each op."""
    funcs = program.funcs if isinstance(program, Module) else [program]
    note = located if locs else None
    return "\n".join("".join(line + "\n" for line in func_lines(f, note, array)) for f in funcs)
