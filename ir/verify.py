"""The verifier: the rules that every function keeps, and those of the stage it is at.

    @f: %c is used before it is defined
      %b = add(%a, %c) : f32[2]
                   ^
      built at model.py:31: b = a + c
      note: after the passes canonicalize, cse

Rules: names are unique; every value is defined once, and before its use; regions see only their
parameters; result types are those that the op's record infers; symbols are bound by the shapes of
the inputs or by an earlier op; updates fit their states; every op is legal at the function's stage.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

import arignote.ir.ops as _ops  # noqa: F401  (fills the registry)
from arignote.ir.bound import bound_symbols
from arignote.ir.builder import describe, infer_types
from arignote.ir.core import Attr, Func, Module, Op, Region, Value
from arignote.ir.diag import Diagnostic, IRError, Loc
from arignote.ir.literals import KEYWORDS
from arignote.ir.opdef import OPS, has_trait, opdef
from arignote.ir.placement import scratch_types
from arignote.ir.symbols import attr_dims, bound_by, type_problem
from arignote.ir.text import (
    Line,
    Names,
    end_line,
    func_line,
    op_line,
    region_line,
    short_array_text,
    update_line,
)
from arignote.ir.types import FROM_NUMPY, Dim, TensorType, same_dim


class VerificationError(IRError):
    """A function that breaks a rule of the IR."""


def _recorded(op: Op) -> str | None:
    made_by = {"fused": "fuse", "gemm": "gemm"}.get(op.name)
    return None if made_by is None else f"{op.name} is made by the pass {made_by}"


def _optimised(op: Op) -> str | None:
    if op.name == "fused":
        return _recorded(op)
    if OPS[op.name].lower == "decompose":
        return f"{op.name} has been decomposed by then"
    return None


def _fused(op: Op) -> str | None:
    """Kernels and routines, views, constants, and scalars of the host."""
    if op.name in ("fused", "const", "reshape", "slice") or has_trait(op.name, "library"):
        return None
    if all(r.ndim == 0 for r in op.results):
        return None
    return "is not part of a kernel"


def _planned(op: Op) -> str | None:
    """As `fused`, and every result has its memory, as has the workspace of a routine and what a loop carries."""
    more = op.attrs["carry"] if op.name == "scan" else len(scratch_types(op))
    mem = op.attrs.get("mem", ())
    if type(mem) is not tuple or not all(isinstance(m, str) for m in mem):
        return "its attribute mem is no list of strings"
    if len(mem) != len(op.results) + more:
        return "has no memory for each of its results"
    return _fused(op)


#: stage -> why an op is not legal at it, or None. Ops in regions are asked too, but for the inside
STAGES: dict[str, Callable[[Op], str | None]] = {
    "recorded": _recorded,
    "grad": _recorded,
    "optimised": _optimised,
    "placed": _optimised,
    "fused": _fused,
    "planned": _planned,
}


def verify(program: Func | Module, stage: str | None = None, history: Sequence[str] = ()) -> None:
    """Check a program; `stage` overrides the functions' own, `history` lists the passes run so far.

    Raises:
        VerificationError: the first rule that is broken, where, and the user's line.
    """
    for finding in violations(program, stage, history):
        raise VerificationError(finding)


def violations(
    program: Func | Module, stage: str | None = None, history: Sequence[str] = ()
) -> Iterator[Diagnostic]:
    """Every rule that `program` breaks, in order of the text."""
    notes = (f"after the passes {', '.join(history)}",) if history else ()
    funcs = program.funcs if isinstance(program, Module) else [program]
    for func, count in Counter(f.name for f in funcs).items():
        if count > 1:
            yield Diagnostic(f"{count} functions are called @{func}", notes=notes)
    for f in funcs:
        yield from _Checker(f, stage, notes).function()


class _Scope:
    """What a function or region has defined so far."""

    def __init__(self, body: Func | Region, parent: _Scope | None = None) -> None:
        self.names = Names(body)
        self.defined: set[Value] = set()
        self.later = {v for op in body.ops for v in op.results}
        self.symbols: set[str] = set(parent.symbols) if parent else set()
        self.parent = parent
        self.in_kernel: bool = parent is not None and parent.in_kernel

    def explain(self, value: Value) -> str:
        """Why `value` cannot be used here."""
        name = self.names[value]
        if value in self.later:
            return f"{name} is used before it is defined"
        outer = self.parent
        while outer is not None:
            if value in outer.defined or value in outer.later:
                return f"{name} is defined outside of this region: pass it as an operand"
            outer = outer.parent
        made = f" (made by {value.owner.name})" if value.owner is not None else ""
        return f"{name}{made} is not defined in this function"


class _Checker:
    def __init__(self, func: Func, stage: str | None, notes: tuple[str, ...]) -> None:
        self.func = func
        self.stage = stage if stage is not None else func.attrs.get("stage")
        self.notes = notes

    def found(
        self,
        message: str,
        line: Line,
        kind: str = "name",
        key: int | str = 0,
        loc: Loc | None = None,
        notes: Sequence[str] = (),
    ) -> Diagnostic:
        """A diagnostic with the caret under the part `(kind, key)` of `line`."""
        column = line.spans.get((kind, key), 0)
        message = f"@{self.func.name}: {message}"
        return Diagnostic(message, line.text, column, loc, (*notes, *self.notes))

    def function(self) -> Iterator[Diagnostic]:
        func, scope = self.func, _Scope(self.func)
        head = func_line(func, scope.names, short_array_text)
        if not re.fullmatch(r"[\w.]+", func.name):
            yield self.found(f"{func.name!r} is not a name for a function", head)
        if self.stage is not None and self.stage not in STAGES:
            known = ", ".join(STAGES)
            yield self.found(f"unknown stage {self.stage!r}; known are {known}", head)
            self.stage = None
        for key, attr in func.attrs.items():
            if (problem := _attr_problem(attr)) is not None:
                yield self.found(f"attribute {key} holds {problem}", head, "attr", key)
        yield from self.inputs(scope, head)
        for op in func.ops:
            yield from self.op(op, scope)
        yield from self.outputs(scope)

    def inputs(self, scope: _Scope, head: Line) -> Iterator[Diagnostic]:
        func = self.func
        places = [("param", i, v) for i, v in enumerate(func.params)]
        places += [("state", i, s.value) for i, s in enumerate(func.states)]
        taken: set[str] = set()
        for i, state in enumerate(func.states):
            if not re.fullmatch(r"[\w.]+", state.name):
                yield self.found(f"{state.name!r} is not a name for a state", head, "state", i)
            if state.name in taken:
                yield self.found(f"two states are called @{state.name}", head, "state", i)
            taken.add(state.name)
        for kind, i, value in places:
            name = scope.names[value]
            if value in scope.defined:
                yield self.found(f"{name} is listed twice", head, kind, i)
            if value.owner is not None:
                made = f"{name} is an input, and the result of {value.owner.name}"
                yield self.found(made, head, kind, i)
            if (problem := type_problem(value.type)) is not None:
                yield self.found(f"{name}: {problem}", head, kind, i)
            scope.defined.add(value)
        scope.symbols = bound_by(v.type for _, _, v in places)
        for kind, i, value in places:
            unbound = _symbols(value.type) - scope.symbols
            if unbound:
                listed = ", ".join(sorted(unbound))
                message = f"the shapes of the inputs do not determine {listed}"
                yield self.found(message, head, kind, i)
                scope.symbols |= unbound

    def outputs(self, scope: _Scope) -> Iterator[Diagnostic]:
        for state in self.func.states:
            new = state.update
            if new is None:
                continue
            line = update_line(state, scope.names)
            if new not in scope.defined:
                yield self.found(scope.explain(new), line, "operand", 1)
            old = state.value.type
            fits = old.dtype == new.dtype and len(old.shape) == len(new.shape)
            if not fits or not all(map(same_dim, old.shape, new.shape)):
                message = f"the update of @{state.name}: {old} is {new.type}"
                yield self.found(message, line, "operand", 1)
        yield from self.last(self.func.results, scope, "return")

    def last(self, values: Sequence[Value], scope: _Scope, word: str) -> Iterator[Diagnostic]:
        for i, value in enumerate(values):
            if value not in scope.defined:
                line = end_line(word, values, scope.names)
                yield self.found(scope.explain(value), line, "operand", i)

    def op(self, op: Op, scope: _Scope) -> Iterator[Diagnostic]:
        line = op_line(op, scope.names, short_array_text)
        sound = True
        for kind, key, message, notes in self.op_problems(op, scope):
            sound = False
            yield self.found(message, line, kind, key, op.loc, notes)
        for region in op.regions:
            for finding in self.region(op, region, scope):
                sound = False
                yield finding
        if sound:
            yield from self.types(op, line)
        scope.defined.update(op.results)

    def op_problems(
        self, op: Op, scope: _Scope
    ) -> Iterator[tuple[str, int | str, str, Sequence[str]]]:
        """(kind and key of the part of the line, message, notes) of what is wrong with an op."""
        known = True
        try:
            opdef(op.name)
        except IRError as e:
            known = False
            yield "name", 0, e.diagnostic.message, ()
        for i, value in enumerate(op.operands):
            if value not in scope.defined:
                yield "operand", i, scope.explain(value), ()
        for i, value in enumerate(op.results):
            if value in scope.defined:
                yield "result", i, f"{scope.names[value]} is defined twice", ()
            if value.owner is not op or value.index != i:
                message = f"{scope.names[value]} does not know that it is result {i} of {op.name}"
                yield "result", i, message, ()
            if (problem := type_problem(value.type)) is not None:
                yield "type", i, problem, ()
        for key, attr in op.attrs.items():
            if (problem := _attr_problem(attr)) is not None:
                yield "attr", key, f"attribute {key} holds {problem}", ()
        yield from self.symbols(op, scope)
        if known and self.stage is not None and not scope.in_kernel:
            illegal = STAGES[self.stage](op)
            if illegal is not None:
                message = f"{op.name} is not legal at stage {self.stage}: {illegal}"
                yield "name", 0, message, ()

    def symbols(self, op: Op, scope: _Scope) -> Iterator[tuple[str, int | str, str, Sequence[str]]]:
        try:
            own = {name for name, _ in bound_symbols(op)}
        except (LookupError, TypeError, ValueError):
            own = set()
            yield "name", 0, f"{op.name}: its bound positions do not fit its operands", ()
        known = scope.symbols | own
        for key, attr in op.attrs.items():
            missing = {s for d in attr_dims(attr) for s in d.symbols()} - known
            if missing:
                message = f"{', '.join(sorted(missing))} in {key} is not bound here"
                note = "symbols are bound by the shapes of the inputs, or by an earlier op"
                yield "attr", key, message, (note,)
        for i, value in enumerate(op.results):
            missing = _symbols(value.type) - known
            if missing:
                yield "type", i, f"{', '.join(sorted(missing))} is not bound here", ()
                known |= missing
        scope.symbols |= known

    def region(self, op: Op, region: Region, outer: _Scope) -> Iterator[Diagnostic]:
        scope = _Scope(region, outer)
        scope.in_kernel = scope.in_kernel or has_trait(op.name, "kernel")
        head = region_line(region, scope.names)
        for i, param in enumerate(region.params):
            name = scope.names[param]
            if param in scope.defined:
                yield self.found(f"{name} is listed twice", head, "param", i, op.loc)
            if param.owner is not None:
                message = f"{name} is a parameter, and the result of {param.owner.name}"
                yield self.found(message, head, "param", i, op.loc)
            if (problem := type_problem(param.type)) is not None:
                yield self.found(f"{name}: {problem}", head, "param", i, op.loc)
            scope.defined.add(param)
        scope.symbols = bound_by((p.type for p in region.params), scope.symbols)
        for inner in region.ops:
            yield from self.op(inner, scope)
        yield from self.last(region.yields, scope, "yield")

    def types(self, op: Op, line: Line) -> Iterator[Diagnostic]:
        """Compare the types of the results with what the record infers."""
        try:
            inferred = infer_types(op.name, op.operands, op.attrs, op.regions)
        except IRError as e:
            finding = describe(op.name, op.operands, e.diagnostic.message, op.loc)
            yield self.found(finding.message, line, loc=op.loc, notes=finding.notes)
            return
        if len(inferred) != len(op.results):
            message = f"{op.name} gives {len(inferred)} results, not {len(op.results)}"
            yield self.found(message, line, loc=op.loc)
            return
        for i, (want, value) in enumerate(zip(inferred, op.results, strict=True)):
            if (problem := type_problem(want)) is not None:
                yield self.found(f"{op.name}: {problem}", line, "type", i, op.loc)
            elif (want.dtype, want.shape) != (value.dtype, value.shape):
                message = f"{op.name} gives {want}, not {value.type}"
                yield self.found(message, line, "type", i, op.loc)


def _symbols(type: TensorType) -> set[str]:
    return {s for d in type.shape if isinstance(d, Dim) for s in d.symbols()}


def _attr_problem(attr: Attr) -> str | None:
    """What an attribute may not hold: anything but what the textual IR can write."""
    if attr is None or isinstance(attr, str) or type(attr) in (bool, int, float):
        return None
    if isinstance(attr, Dim):
        reserved = sorted(attr.symbols() & KEYWORDS.keys())
        return f"the keyword {reserved[0]} as a dimension" if reserved else None
    if isinstance(attr, np.ndarray):
        known = attr.dtype.name in FROM_NUMPY
        return None if known else f"an array of dtype {attr.dtype}"
    if type(attr) is tuple:
        return next((p for item in attr if (p := _attr_problem(item)) is not None), None)
    return f"a {type(attr).__name__}: {attr!r}"
