"""The parser of the textual IR (the grammar is in `text.py`).

Whatever the input, `parse_module` returns a module or raises `ParseError` with the place:

    <text>:2:16: error: %c is not defined
        %b = add(%a, %c) : f32[2]
                     ^

Result types are written down and inferred; the two must agree. An op's location is its line in
the text.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence

import arignote.ir.ops as _ops  # noqa: F401  (fills the registry)
from arignote.ir.bound import bound_symbols
from arignote.ir.builder import describe, infer_types
from arignote.ir.core import Attr, Func, Module, Op, Region, State, Value
from arignote.ir.diag import IRError
from arignote.ir.lexer import ParseError, Reader, Token
from arignote.ir.literals import KEYWORDS, array_of_base64, array_of_elements
from arignote.ir.opdef import OPS
from arignote.ir.symbols import type_problem
from arignote.ir.types import DTYPES, Dim, DimLike, TensorType

#: Integers stay below this: every dtype's fit, and no text makes them grow without bound.
MAX_INT = 1 << 64


class Scope:
    """Names defined in a function or region; parents are known for better messages only."""

    def __init__(self, parent: Scope | None = None) -> None:
        self.values: dict[str, Value] = {}
        self.parent = parent


def parse_module(text: str, file: str = "<text>") -> Module:
    """Read a module.

    Raises:
        ParseError: the text is not a well-typed module; the message says where.
    """
    return _Parser(text, file).module()


class _Parser(Reader):
    # Dimensions, types, attributes

    def integer(self) -> int:
        token = self.eat_kind("number", "an integer")
        if not token.text.isascii() or not token.text.isdigit():
            self.fail(f"expected an integer, got {token.text!r}", token)
        if len(token.text) > 20 or int(token.text) >= MAX_INT:
            self.fail("this integer is too large", token)
        return int(token.text)

    def dim(self) -> DimLike:
        """`-n+4`, `2*n*m`, `784`."""
        total: DimLike = 0
        start = self.token
        first = True
        while first or self.token.text in ("+", "-"):
            sign = -1 if self.accept("-") else 1
            if not first and sign == 1:
                self.eat("+")
            term = self.factor()
            while self.accept("*"):
                term = self.small(self.factor() * term, start)
            total = self.small(total + sign * term, start)
            first = False
        return total

    def small(self, dim: DimLike, start: Token) -> DimLike:
        """`dim`, whose numbers must not be too large."""
        coefficients = [c for _, c in dim.terms] if isinstance(dim, Dim) else [dim]
        if max(map(abs, coefficients)) >= MAX_INT:
            self.fail("the numbers of this dimension are too large", start)
        return dim

    def factor(self) -> DimLike:
        if self.token.kind == "number":
            return self.integer()
        token = self.eat_kind("word", "a dimension")
        if token.text in KEYWORDS:
            self.fail(f"{token.text!r} is a keyword and cannot name a dimension", token)
        return Dim.symbol(token.text)

    def shape_dim(self) -> DimLike:
        token = self.token
        dim = self.dim()
        if isinstance(dim, int) and dim < 0:
            self.fail(f"a dimension cannot be negative: {dim}", token)
        return dim

    def type(self) -> TensorType:
        """`f32[n,784]@cuda`."""
        token = self.eat_kind("word", "a type")
        if token.text not in DTYPES:
            near = difflib.get_close_matches(token.text, DTYPES, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(DTYPES)}"
            self.fail(f"unknown dtype {token.text!r}{hint}", token)
        self.eat("[")
        shape = self.sequence(self.shape_dim, "]")
        device = self.take().text[1:] if self.token.kind == "at" else None
        return TensorType(token.text, tuple(shape), device)

    def attrs(self) -> dict[str, Attr]:
        """`{axes=[0], value=f32[](0.13)}`."""
        self.eat("{")
        out: dict[str, Attr] = {}

        def attr() -> None:
            token = self.eat_kind("word", "the name of an attribute")
            if not token.text.isidentifier():
                self.fail(f"{token.text!r} is not a name for an attribute", token)
            if token.text in out:
                self.fail(f"attribute {token.text} is given twice", token)
            self.eat("=")
            out[token.text] = self.attr_value()

        self.sequence(attr, "}")
        return out

    def attr_value(self) -> Attr:
        token = self.token
        if self.accept("["):
            return tuple(self.nested("tuples", lambda: self.sequence(self.attr_value, "]")))
        if token.kind == "string":
            return self.string()
        if token.text in KEYWORDS:
            self.take()
            return KEYWORDS[token.text]
        if token.text == "-" and self.peek(1).text in ("inf", "nan"):
            self.at += 2
            return -KEYWORDS[self.tokens[self.at - 1].text]
        if token.text in DTYPES and self.peek(1).text == "[":
            return self.array()
        number = self.tokens[min(self.at + (token.text == "-"), len(self.tokens) - 1)]
        if number.kind == "number" and not number.text.isdigit():
            if number.text.endswith("j"):
                self.fail("a complex number is only allowed in an array: c128[]((0+1j))", number)
            self.at += 2 if token.text == "-" else 1
            return -float(number.text) if token.text == "-" else float(number.text)
        if token.kind in ("number", "word") or token.text == "-":
            return self.dim()
        return self.fail(f"expected the value of an attribute, got {self.got()}")

    def string(self) -> str:
        token = self.eat_kind("string", "a string")
        try:
            return str(json.loads(token.text))
        except json.JSONDecodeError as e:
            return self.fail(f"not a JSON string: {e.msg.lower().removesuffix(' at')}", token)

    def array(self) -> Attr:
        """`f32[2](0.5,-inf)`, `c64[]((1+2j))`, `f32[600,10]("base64")`."""
        start = self.token
        type = self.type()
        if not type.static or type.device is not None:
            self.fail("the shape of an array is a list of numbers", start)
        self.eat("(")
        try:
            if self.token.kind == "string":
                data = self.string()
                self.eat(")")
                return array_of_base64(type, data)
            return array_of_elements(type, self.sequence(self.element, ")"))
        except IRError as e:
            if isinstance(e, ParseError):
                raise
            return self.fail(e.diagnostic.message, start)

    def element(self) -> str:
        """The text of an element: tokens up to the comma or bracket that ends it."""
        if self.accept("("):
            parts = ""
            while self.token.text != ")":
                if self.token.kind not in ("number", "word") and self.token.text not in ("+", "-"):
                    self.fail(f"expected a complex number, got {self.got()}")
                parts += self.take().text
            self.eat(")")
            return parts
        sign = "-" if self.accept("-") else ""
        if self.token.kind not in ("number", "word"):
            self.fail(f"expected an element, got {self.got()}")
        return sign + self.take().text

    # Values, ops, functions

    def use(self, scope: Scope) -> Value:
        """A value that is in scope."""
        token = self.token
        if token.kind not in ("value", "at"):
            self.fail(f"expected a value, got {self.got()}")
        value = scope.values.get(token.text)
        if value is not None:
            self.take()
            return value
        outer = scope.parent
        while outer is not None:
            if token.text in outer.values:
                self.fail(
                    f"{token.text} is defined outside of this region, "
                    "which sees only its parameters: "
                    "pass it as an operand"
                )
            outer = outer.parent
        defined = re.search(rf"{re.escape(token.text)}(?![\w.])[^()\n]*=", self.text[token.start :])
        if defined is not None:
            self.fail(f"{token.text} is used before it is defined")
        near = difflib.get_close_matches(token.text, list(scope.values)[-2000:], 1, 0.7)
        self.fail(f"{token.text} is not defined" + (f"; did you mean {near[0]}?" if near else ""))

    def define(self, scope: Scope, token: Token, value: Value) -> None:
        if token.text in scope.values:
            self.fail(f"{token.text} is defined twice", token)
        scope.values[token.text] = value

    def param(self, scope: Scope, kind: str) -> Value:
        token = self.eat_kind(kind, "a parameter (%name)" if kind == "value" else "a state (@name)")
        self.eat(":")
        value = Value(self.type(), token.text[1:])
        self.define(scope, token, value)
        return value

    def op(self, scope: Scope) -> Op:
        """`%a, %b = name(%operands) {attrs} : types {regions}`."""
        first = self.token
        results: list[Token] = []
        if first.kind == "value":
            results.append(self.take())
            while self.accept(","):
                results.append(self.eat_kind("value", "a result (%name)"))
            self.eat("=")
        name = self.eat_kind("word", "the name of an op")
        if name.text not in OPS:
            near = difflib.get_close_matches(name.text, OPS, 3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            self.fail(f"unknown op {name.text!r}{hint}", name)
        self.eat("(")
        operands = self.sequence(lambda: self.use(scope), ")")
        attrs = self.attrs() if self.token.text == "{" and self.peek(1).text != "(" else {}
        types: list[TensorType] = []
        places: list[Token] = []
        if self.accept(":"):
            while not types or self.accept(","):
                places.append(self.token)
                types.append(self.type())
        regions: list[Region] = []
        while self.token.text == "{" and self.token.kind == "punct":
            regions.append(self.nested("regions", lambda: self.region(scope)))
        inferred = self.infer(name, operands, attrs, regions)
        if len(inferred) != len(results):
            self.fail(
                f"{name.text} has {_count(len(inferred), 'result')}, {len(results)} named", first
            )
        if len(types) != len(results):
            self.fail(f"{_count(len(results), 'result')} but {_count(len(types), 'type')}", name)
        for want, written, place in zip(inferred, types, places, strict=True):
            if (want.dtype, want.shape) != (written.dtype, written.shape):
                self.fail(f"{name.text} gives {want}, not {written}", place)
        op = Op(
            name.text,
            operands,
            attrs,
            types,
            regions,
            self.loc(first),
            [t.text[1:] for t in results],
        )
        try:
            bound_symbols(op)
        except (LookupError, TypeError, ValueError):
            self.fail(f"{name.text}: its bound positions do not fit its operands", name)
        for token, value in zip(results, op.results, strict=True):
            self.define(scope, token, value)
        return op

    def infer(
        self,
        name: Token,
        operands: Sequence[Value],
        attrs: dict[str, Attr],
        regions: Sequence[Region],
    ) -> tuple[TensorType, ...]:
        from arignote.ir.signature import wrong_kind  # which prints attributes

        try:
            message = wrong_kind(OPS[name.text], attrs)
            if message is None:
                inferred = infer_types(name.text, operands, attrs, regions)
                message = next(filter(None, map(type_problem, inferred)), None)
            if message is None:
                return inferred
        except IRError as e:
            message = e.diagnostic.message
        finding = describe(name.text, operands, message, None)
        self.fail(finding.message, name, finding.notes)

    def block(self, scope: Scope, ends: tuple[str, ...]) -> list[Op]:
        ops: list[Op] = []
        while not (
            self.token.kind == "word" and self.token.text in ends and self.peek(1).text == "("
        ):
            if self.token.kind not in ("value", "word"):
                self.fail(f"expected an op or {ends[-1]}(...), got {self.got()}")
            ops.append(self.op(scope))
        return ops

    def region(self, outer: Scope) -> Region:
        """`{ (%x: f32[]): ... yield(%y) }`."""
        scope = Scope(outer)
        self.eat("{")
        self.eat("(")
        params = self.sequence(lambda: self.param(scope, "value"), ")")
        self.eat(":")
        ops = self.block(scope, ("yield",))
        yields = self.end("yield", scope)
        self.eat("}")
        return Region(params, ops, yields)

    def end(self, word: str, scope: Scope) -> list[Value]:
        self.eat(word)
        self.eat("(")
        return self.sequence(lambda: self.use(scope), ")")

    def func(self) -> Func:
        scope = Scope()
        self.eat("func")
        name = self.eat_kind("at", "the name of a function (@name)").text[1:]
        self.eat("(")
        params = self.sequence(lambda: self.param(scope, "value"), ")")
        states: dict[Value, State] = {}
        if self.accept("state"):
            self.eat("(")
            for value in self.sequence(lambda: self.param(scope, "at"), ")"):
                states[value] = State(value.name or "", value)
        self.eat("->")
        self.eat("(")
        place = self.token
        types = self.sequence(self.type, ")")
        has_attrs = self.peek(1).kind == "word" and self.peek(2).text == "="
        attrs = self.attrs() if has_attrs else {}
        self.eat("{")
        ops = self.block(scope, ("update", "return"))
        while self.token.text == "update":
            self.update(scope, states)
        end = self.token
        results = self.end("return", scope)
        self.eat("}")
        given = [v.type for v in results]
        if given != types:
            listed = ", ".join(map(str, given))
            self.fail(f"@{name} returns ({listed}), not ({', '.join(map(str, types))})", place, [
                f"the return is on line {self.line_of(end.start)}"
            ])  # fmt: skip
        return Func(name, params, list(states.values()), ops, results, attrs)

    def update(self, scope: Scope, states: dict[Value, State]) -> None:
        self.eat("update")
        self.eat("(")
        token = self.eat_kind("at", "a state (@name)")
        value = scope.values.get(token.text)
        if value is None:
            self.fail(f"{token.text} is not a state of this function", token)
        state = states[value]
        if state.update is not None:
            self.fail(f"{token.text} is updated twice", token)
        self.eat(",")
        state.update = self.use(scope)
        self.eat(")")

    def module(self) -> Module:
        funcs: dict[str, Func] = {}
        while self.token.kind != "end":
            place = self.tokens[min(self.at + 1, len(self.tokens) - 1)]
            func = self.func()
            if func.name in funcs:
                self.fail(f"function @{func.name} is defined twice", place)
            funcs[func.name] = func
        return Module(list(funcs.values()))


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")
