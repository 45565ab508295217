"""What is kept of a compilation besides its object: with it, a program that was compiled before needs no passes.

A recipe is found by the text of the program before any pass, locations included, and leads to an object by its key.
It is a pickle in the cache's sealed form, trusted as much as the code beside it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from arignote.codegen import cache
from arignote.codegen.abi import Abi
from arignote.codegen.compile import versions
from arignote.ir.core import Op, Value
from arignote.ir.types import TensorType

#: Makers of operands that are kept with an op, and theirs, and so on: what messages show around it.
LEVELS = 3
#: The folders whose code decides what comes of a program.
SOURCES = ("ir", "passes", "codegen", "frontends/tensor")


@dataclass(frozen=True)
class Recipe:
    """The key of an object, how it is called, and the types of the parameters and results that it stands for."""

    key: str
    abi: Abi
    params: tuple[TensorType, ...]
    results: tuple[TensorType, ...]


@functools.cache
def compiler() -> str:
    """The identity of the whole compiler: another version, or an edited file of a checkout, is another."""
    root = Path(__file__).resolve().parent.parent
    files = sorted((str(f), f.stat().st_size, f.stat().st_mtime_ns) for s in SOURCES for f in (root / s).rglob("*.py"))
    return hashlib.sha256(f"{files}\n{versions()}".encode()).hexdigest()


def recipe_key(parts: Iterable[str]) -> str:
    """The identity of a program before any pass, and of what is done to it."""
    total = hashlib.sha256(compiler().encode())
    for part in parts:
        total.update(f"{len(part)}\n{part}".encode())
    return total.hexdigest()[:40]


def recall(key: str) -> Recipe | None:
    """The recipe of that key, or None where there is none that can be trusted."""
    data = cache.read(_path(key))
    if data is None:
        return None
    found = pickle.loads(data)
    return found if isinstance(found, Recipe) else None


def keep(key: str, recipe: Recipe) -> None:
    """Keep a recipe. Where the cache cannot be written, the object has already said so."""
    with contextlib.suppress(OSError):
        cache.write(_path(key), pickle.dumps(replace(recipe, abi=_apart(recipe.abi)), pickle.HIGHEST_PROTOCOL))


def _path(key: str) -> Path:
    return cache.cache_folder() / f"{key}.recipe"


def _apart(abi: Abi) -> Abi:
    """The contract without the function that it was derived from: of ops it keeps what messages show."""
    copies: dict[Op, Op] = {}
    checks = tuple(
        replace(
            c, op=_copy(c.op, copies, LEVELS), value=Value(c.value.type, c.value.name),
            size=Value(c.size.type, c.size.name) if isinstance(c.size, Value) else c.size,
        )
        for c in abi.checks
    )  # fmt: skip

    def ops(found: Sequence[Op]) -> tuple[Op, ...]:
        return tuple(_copy(op, copies, LEVELS) for op in found)

    return replace(abi, checks=checks, guards=ops(abi.guards), fallible=ops(abi.fallible), prints=ops(abi.prints))


def _copy(op: Op, copies: dict[Op, Op], levels: int) -> Op:
    """An op without regions, and the ops above it."""
    if op not in copies:
        operands = [
            Value(v.type, v.name) if v.owner is None or not levels
            else _copy(v.owner, copies, levels - 1).results[v.index]
            for v in op.operands
        ]  # fmt: skip
        types, names = [r.type for r in op.results], [r.name for r in op.results]
        copies[op] = Op(op.name, operands, op.attrs, types, (), op.loc, names)
    return copies[op]
