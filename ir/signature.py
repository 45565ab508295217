"""What an op takes, in words, as the signature of its `infer` says: for ops that are written with something else."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arignote.ir.opdef import OpDef, semantic
from arignote.ir.text import attr_text, short_array_text
from arignote.ir.types import Dim

_KINDS: dict[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    Dim: "a dimension",
    types.NoneType: "none",
}


def misfit(record: OpDef, operands: int, attrs: Mapping[str, Any]) -> str:
    """Why the `infer` of an op cannot be called with this number of operands and these attributes, as a sentence."""
    given = semantic(dict(attrs))
    fewest, most, known, needed = _signature(record)
    if not fewest <= operands <= most:
        return f"takes {_operands(fewest, most)}, got {operands}"
    takes = _list(list(known), "no attributes", "the attribute ", "the attributes ")
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        return f"takes {takes}, got {_list(unknown)}"
    missing = [name for name in needed if name not in given]
    if missing:
        return f"takes {takes}; {_list(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    wrong = wrong_kind(record, attrs)
    if wrong is not None:
        return wrong
    listed = ", ".join(f"{k}={attr_text(v, short_array_text)}" for k, v in sorted(given.items()))
    return f"the attributes {listed} do not fit the operands" if given else "the operands do not fit the op"


def wrong_kind(record: OpDef, attrs: Mapping[str, Any]) -> str | None:
    """Which attribute is not of the kind that the op takes, as a sentence; None where none is wrong."""
    known = _signature(record)[2]
    for name, value in sorted(attrs.items()):
        if name in known and not _fits(value, known[name]):
            return f"the attribute {name} is {_kind(known[name])}, not {attr_text(value, short_array_text)}"
    return None


@functools.cache
def _signature(record: OpDef) -> tuple[int, float, dict[str, Any], list[str]]:
    """The least and the largest number of operands, the attributes with their types, and those that must be given."""
    hints = typing.get_type_hints(record.infer)
    fewest, most = 0, 0.0
    known: dict[str, Any] = {}
    needed: list[str] = []
    for p in inspect.signature(record.infer).parameters.values():
        if p.kind is p.POSITIONAL_OR_KEYWORD:
            fewest, most = fewest + 1, most + 1
        elif p.kind is p.VAR_POSITIONAL:
            most = float("inf")
        elif p.kind is p.VAR_KEYWORD:  # `Unpack` of a TypedDict
            (group,) = typing.get_args(hints[p.name])
            known |= typing.get_type_hints(group)
            marked = typing.get_type_hints(group, include_extras=True)
            needed += [k for k, t in marked.items() if typing.get_origin(t) is not typing.NotRequired]
        elif p.name != "regions":
            known[p.name] = hints[p.name]
            needed += [p.name] if p.default is p.empty else []
    return fewest, most, known, needed


def _operands(fewest: int, most: float) -> str:
    noun = "operand" if fewest == 1 else "operands"
    return f"{fewest or 'no'} {noun}" if most == fewest else f"{fewest} {noun} or more"


def _list(names: Sequence[str], none: str = "", one: str = "", many: str = "") -> str:
    """`a`, `a and b`, `a, b and c`, behind the word for so many."""
    if len(names) < 2:
        return one + names[0] if names else none
    return f"{many}{', '.join(names[:-1])} and {names[-1]}"


def _fits(value: Any, kind: Any) -> bool:
    """Whether an attribute is of a kind that the signature of a rule names."""
    args = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_fits(v, args[0]) for v in value)
    if typing.get_origin(kind) is np.ndarray:
        return isinstance(value, np.ndarray)
    if args:
        return any(_fits(value, a) for a in args)
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return kind is Any or isinstance(value, kind)


def _kind(kind: Any) -> str:
    args = typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        item = _kind(args[0]).removeprefix("an ").removeprefix("a ")
        return f"a list of {item}s"
    if typing.get_origin(kind) is np.ndarray:
        return "an array"
    if Dim in args:
        return "a dimension"
    return " or ".join(map(_kind, args)) if args else _KINDS[kind]
