"""Functions of the user's program that a compiled function calls: what `python_run` names by number.

A number stands for a function in the IR. The interpreter and compiled code both run it by
`call`, which compares what it gives with the types that were declared.
"""

from __future__ import annotations

import itertools
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arignote.ir.core import Op
from arignote.ir.diag import IRError
from arignote.ir.types import FROM_NUMPY

Array = np.ndarray[Any, Any]


class ResultError(IRError, TypeError, ValueError):
    """What a Python function gave does not have the type that was declared. Both a TypeError and a ValueError."""


@dataclass(frozen=True, eq=False)
class Callback:
    """A function of arrays.

    Attributes:
        name: what messages and the text of a program call it.
        function: takes arrays of its own, which it may keep and change, and returns one array for each result.
        dtypes: those of the results, by the IR's names.
        ranks: the numbers of their dimensions.
    """

    name: str
    function: Callable[[list[Array]], Sequence[Any]]
    dtypes: tuple[str, ...]
    ranks: tuple[int, ...]


class Callee(str):
    """The name of a callback, in the attributes of the ops that call it: it lives as long as they do."""

    callback: Callback


_known: weakref.WeakValueDictionary[int, Callback] = weakref.WeakValueDictionary()
_numbers: weakref.WeakKeyDictionary[Callback, int] = weakref.WeakKeyDictionary()
_by_key: weakref.WeakValueDictionary[Hashable, Callback] = weakref.WeakValueDictionary()
_count = itertools.count(1)


def register(key: Hashable, make: Callable[[], Callback]) -> tuple[int, Callee]:
    """The number and the name of the function that `key` stands for; `make` gives it where there is none."""
    callback = _by_key.get(key)
    if callback is None:
        callback = _by_key[key] = make()
        _numbers[callback] = next(_count)
        _known[_numbers[callback]] = callback
    callee = Callee(callback.name)
    callee.callback = callback
    return _numbers[callback], callee


def find(number: int, name: str) -> Callback:
    """The function of a number.

    Raises:
        IRError: there is no such function: the program is the text of another process, or of a function that is gone.
    """
    known = _known.get(number)
    if known is None or known.name != name:
        raise IRError(f"the Python function {name!r} is no part of the text of a program")
    return known


def call(number: int, name: str, arrays: list[Array]) -> tuple[Array, ...]:
    """Run a function.

    Raises:
        ResultError: the results are not of the declared number, dtypes or ranks. Its own exceptions pass.
    """
    callback = find(number, name)
    with np.errstate(all="warn"):
        found = list(callback.function(arrays))
    if len(found) != len(callback.dtypes):
        raise ResultError(f"{name} gave {len(found)} results, {len(callback.dtypes)} are declared")
    out = []
    for i, (x, dtype, rank) in enumerate(zip(found, callback.dtypes, callback.ranks, strict=True)):
        if x is None:
            raise ResultError(f"{name} gave nothing for result {i}")
        array = np.asarray(x)
        have = FROM_NUMPY.get(array.dtype.name, array.dtype.name)
        if have != dtype or array.ndim != rank:
            raise ResultError(
                f"{name} gave {have} with {array.ndim} dimensions for result {i}, declared are {dtype} and {rank}"
            )
        out.append(array)
    return tuple(out)


def noted(error: BaseException, op: Op) -> None:
    """Add to an exception of a Python function which op it is of, and the user's line."""
    where = "" if op.loc is None else f", built at {op.loc}"
    source = "" if op.loc is None else op.loc.source()
    error.add_note(f"in {op.attrs['callee']}{where}" + (f": {source}" if source else ""))
    error.op = op  # type: ignore[attr-defined]


class Record(np.ndarray[Any, Any]):
    """A ticket followed by the sizes of the results, which live as long as it does, and while it is among the latest
    ones, as a check may hand on a copy: for the interpreter."""

    results: tuple[Array, ...]


_tickets = itertools.count(1)
_records: weakref.WeakValueDictionary[int, Record] = weakref.WeakValueDictionary()
_latest: deque[Record] = deque(maxlen=16)


def sizes(results: Sequence[Array]) -> list[int]:
    """The sizes of all axes."""
    return [n for x in results for n in x.shape]


def hold(results: tuple[Array, ...]) -> Array:
    """A record of results."""
    numbers = [next(_tickets), *sizes(results)]
    record = Record(len(numbers), np.int64)
    record[...] = numbers
    record.results = results
    _records[numbers[0]] = record
    _latest.append(record)
    return record


def take(record: Array) -> tuple[Array, ...]:
    """The results of a record."""
    held = _records.get(int(record[0]))
    if held is None:
        raise IRError("the results of a Python function are gone: its record outlived its call")
    return held.results


def fitting(name: str, results: Sequence[Array], shapes: Sequence[Sequence[int]]) -> None:
    """Compare the shapes of results with what the program expects.

    Raises:
        ResultError: they differ.
    """
    for i, (x, shape) in enumerate(zip(results, shapes, strict=True)):
        if x.shape != tuple(shape):
            said = f"its type or infer_shape says {tuple(shape)}"
            raise ResultError(f"{name} gave shape {x.shape} for result {i}, {said}")
