"""Passes and pipelines: functions in, functions out.

A pass is a frozen dataclass: its fields are its options, its `name` is its file, its golden folder
and how the command line calls it. It takes a valid function and returns a valid one; the same
object if nothing changed.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, Self

from arignote.ir.builder import Builder, make_op
from arignote.ir.core import Func, Op, Region, Value
from arignote.ir.diag import IRError

_REGISTRY: dict[str, type[Pass]] = {}


@dataclass(frozen=True)
class Pass(ABC):
    """A transformation of functions. Subclasses set `name` and define `run`."""

    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        name = getattr(cls, "name", None)
        if name is not None:
            _REGISTRY[name] = cls

    @abstractmethod
    def run(self, func: Func) -> Func:
        """The transformed function; `func` itself if nothing changed. `func` is never modified."""

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Make the pass from the options of its textual form, `name{option=value}`."""
        known = [f.name for f in fields(cls)]
        for option in options:
            if option not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                raise IRError(f"pass {cls.name} has no option {option!r}; {has}")
        return cls(**options)

    def options(self) -> dict[str, Any]:
        """The options that differ from their defaults."""
        if not is_dataclass(self):
            return {}
        return {
            f.name: getattr(self, f.name)
            for f in fields(self)
            if getattr(self, f.name) != f.default
        }

    def __str__(self) -> str:
        options = ",".join(f"{k}={_print_option(v)}" for k, v in self.options().items())
        return self.name + (f"{{{options}}}" if options else "")


def _print_option(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ",".join(map(_print_option, value)) + "]"
    return str(value)


def _load_all() -> None:
    """Import every module of the package, so that every pass is registered."""
    package = importlib.import_module("arignote.passes")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"arignote.passes.{module.name}")


def list_passes() -> dict[str, str]:
    """Every pass by name, with its purpose: the first sentence of its docstring."""
    _load_all()
    return {
        name: (cls.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
        for name, cls in sorted(_REGISTRY.items())
        if cls.__module__.startswith("arignote.")
    }


def signature(cls: type[Pass]) -> str:
    """How a pass is written, with its options and their defaults: `fuse{max=64}`."""
    options = ",".join(f"{f.name}={_print_option(f.default)}" for f in fields(cls)) if is_dataclass(cls) else ""
    return cls.name + (f"{{{options}}}" if options else "")


def find_pass(name: str) -> type[Pass]:
    """The class of the pass called `name`; an error that lists near names otherwise."""
    if name not in _REGISTRY:
        _load_all()
    if name not in _REGISTRY:
        import difflib

        near = difflib.get_close_matches(name, _REGISTRY, 3)
        hint = (
            f"did you mean {', '.join(near)}?"
            if near
            else f"there are {', '.join(sorted(_REGISTRY))}"
        )
        raise IRError(f"no pass is called {name!r}; {hint}")
    return _REGISTRY[name]


Visit = Callable[[Builder, Op, tuple[Value, ...]], Sequence[Value] | None]


def with_operands(
    op: Op, operands: tuple[Value, ...], regions: tuple[Region, ...] | None = None
) -> Op:
    """`op` on other operands: the same object if they are the same, types inferred anew if theirs
    differ."""
    if regions is None:
        regions = op.regions
    if operands == op.operands and regions == op.regions:
        return op
    names = [r.name for r in op.results]
    if regions != op.regions or any(
        v.type != w.type for v, w in zip(operands, op.operands, strict=True)
    ):
        return make_op(op.name, operands, op.attrs, regions, op.loc, names)
    return Op(op.name, operands, op.attrs, [r.type for r in op.results], regions, op.loc, names)


def hand_on_names(old: Iterable[Value], new: Iterable[Value], fresh: Callable[[Op], bool]) -> None:
    """Give the names of replaced values to the unnamed values that replace them, if made for that
    purpose."""
    for v, w in zip(old, new, strict=True):
        if w.name is None and v.name is not None and w.owner is not None and fresh(w.owner):
            w.name = v.name


def rebuild_ops(
    ops: Sequence[Op], mapping: dict[Value, Value], visit: Visit, recurse: bool = False
) -> list[Op]:
    """Walk `ops` in order, rebuilding each on its new operands; `mapping` (old -> new) grows along
    the way.

    `visit(b, op, operands)` returns what replaces the results of `op`, built with `b` from the new
    `operands`, or None to copy it. With `recurse`, the ops of regions are visited first, with their
    own mapping.
    """
    out: list[Op] = []
    before = set(ops)
    for op in ops:
        operands = tuple(mapping.get(v, v) for v in op.operands)
        b = Builder(out, loc=op.loc)
        mark = len(out)
        new = visit(b, op, operands)
        if new is None:
            del out[mark:]
            regions = tuple(rebuild_region(r, visit) for r in op.regions) if recurse else op.regions
            copy = with_operands(op, operands, regions)
            out.append(copy)
            new = copy.results
        if len(new) != len(op.results):
            raise IRError(
                f"{op.name} has {len(op.results)} results, but {len(new)} values replace them"
            )
        hand_on_names(op.results, new, lambda made: made not in before)
        mapping.update((v, w) for v, w in zip(op.results, new, strict=True) if v is not w)
    return out


def rebuild_region(region: Region, visit: Visit) -> Region:
    """`region` with its ops visited; the same object if nothing changed."""
    mapping: dict[Value, Value] = {}
    ops = rebuild_ops(region.ops, mapping, visit, recurse=True)
    yields = [mapping.get(v, v) for v in region.yields]
    same = ops == region.ops and yields == region.yields
    return region if same else Region(region.params, ops, yields)


def rebuild(func: Func, visit: Visit, recurse: bool = False) -> Func:
    """`func` with each op visited in order (see `rebuild_ops`); the same object if nothing
    changed."""
    mapping: dict[Value, Value] = {}
    ops = rebuild_ops(func.ops, mapping, visit, recurse)
    if ops == func.ops and not any(v in mapping for v in func.roots()):
        return func
    return func.with_ops(ops, mapping)


After = Callable[[Pass, Func, Func, float], None]
Check = Callable[[Pass, Func, Func], None]


@dataclass(frozen=True)
class Pipeline:
    """Passes one after the other; with `rounds` > 1, again until nothing changes, at most so many
    times."""

    passes: tuple[Pass | Pipeline, ...]
    rounds: int = 1

    def __init__(self, passes: Iterable[Pass | Pipeline], rounds: int = 1) -> None:
        object.__setattr__(self, "passes", tuple(passes))
        object.__setattr__(self, "rounds", rounds)

    def __str__(self) -> str:
        parts = [
            f"({p})*{p.rounds}" if isinstance(p, Pipeline) and p.rounds > 1 else str(p)
            for p in self.passes
        ]
        return ",".join(parts)

    def __iter__(self) -> Iterator[Pass]:
        """Every pass, in order, each round's once."""
        for p in self.passes:
            if isinstance(p, Pipeline):
                yield from p
            else:
                yield p

    def __add__(self, other: Pipeline) -> Pipeline:
        return Pipeline([self, other])

    def run(
        self,
        func: Func,
        verify_each: bool = False,
        check_each: Check | None = None,
        after: After | None = None,
    ) -> Func:
        """Run the passes on `func`.

        Args: verify_each: verify the function after each pass that changed it. check_each: called
            with pass, function before and after; raises if values changed (`check.py`). after:
            called with pass, function before, after, and seconds.

        Errors carry a note that names the pass that failed and those that ran before it.
        """
        return self._run(func, _Hooks(verify_each, check_each, after))

    def _run(self, func: Func, hooks: _Hooks) -> Func:
        for _ in range(self.rounds):
            start = func
            for p in self.passes:
                func = p._run(func, hooks) if isinstance(p, Pipeline) else hooks.step(p, func)
            if func is start:
                break
        return func


@dataclass
class _Hooks:
    verify_each: bool
    check_each: Check | None
    after: After | None
    ran: list[str] = field(default_factory=list)

    def step(self, p: Pass, before: Func) -> Func:
        start = time.perf_counter()
        try:
            func = p.run(before)
            seconds = time.perf_counter() - start
            if func is not before:
                if self.verify_each:
                    from arignote.ir.verify import verify  # not loaded by ordinary compilation

                    verify(func, history=[*self.ran, p.name])
                if self.check_each is not None:
                    self.check_each(p, before, func)
        except Exception as e:
            ran = ", ".join(self.ran) or "no other pass"
            e.add_note(f"in pass {p} on @{before.name}, after {ran}")
            raise
        self.ran.append(p.name)
        if self.after is not None:
            self.after(p, before, func, seconds)
        return func


_TOKEN = re.compile(r"\s*(?:(?P<word>[\w.\-+]+)|(?P<sign>[,{}=\[\]()*]))")


class _Parser:
    """`canonicalize,(fold,cse)*3,fuse{max=8}` -> Pipeline."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[tuple[str, int]] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise self.error(
                    at + len(text[at:]) - len(text[at:].lstrip()), "an unexpected character"
                )
            self.tokens.append(
                (match.group("word") or match.group("sign"), match.start(match.lastgroup or 0))
            )
            at = match.end()
        self.tokens.append(("", len(text)))
        self.at = 0

    def error(self, column: int, message: str) -> IRError:
        return IRError(f"pipeline: {message}\n  {self.text}\n  {' ' * column}^")

    def peek(self) -> str:
        return self.tokens[self.at][0]

    def take(self, wanted: str | None = None) -> str:
        token, column = self.tokens[self.at]
        if wanted is not None and token != wanted:
            raise self.error(column, f"{wanted!r} expected")
        if wanted is None and not re.fullmatch(r"[\w.\-+]+", token):
            raise self.error(column, "a name or a value expected")
        self.at += 1
        return token

    def pipeline(self, end: str) -> list[Pass | Pipeline]:
        passes: list[Pass | Pipeline] = []
        while self.peek() != end:
            passes.append(self.item())
            if self.peek() != end:
                self.take(",")
        return passes

    def item(self) -> Pass | Pipeline:
        if self.peek() == "(":
            self.take("(")
            inner = self.pipeline(")")
            self.take(")")
            rounds = 1
            if self.peek() == "*":
                self.take("*")
                column = self.tokens[self.at][1]
                count = self.take()
                if not count.isdigit() or int(count) < 1:
                    raise self.error(column, "a number of rounds expected")
                rounds = int(count)
            return Pipeline(inner, rounds)
        cls = find_pass(self.take())
        options: dict[str, Any] = {}
        if self.peek() == "{":
            self.take("{")
            while self.peek() != "}":
                key = self.take()
                self.take("=")
                options[key.replace("-", "_")] = self.value()
                if self.peek() != "}":
                    self.take(",")
            self.take("}")
        return cls.from_options(options)

    def value(self) -> Any:
        if self.peek() == "[":
            self.take("[")
            items = []
            while self.peek() != "]":
                items.append(self.value())
                if self.peek() != "]":
                    self.take(",")
            self.take("]")
            return tuple(items)
        word = self.take()
        if word in ("true", "false"):
            return word == "true"
        for kind in (int, float):
            try:
                return kind(word)
            except ValueError:
                continue
        return word


def parse_pipeline(text: str) -> Pipeline:
    """Read a pipeline: names with options, `cse,fuse{max=8}`; `(fold,cse)*3` repeats until nothing
    changes."""
    return Pipeline(_Parser(text).pipeline(""))
