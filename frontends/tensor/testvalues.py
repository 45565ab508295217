"""Test values: what expressions are for given values of the inputs, computed as they are written.

With `config.compute_test_value` on, each op is evaluated by the interpreter when it is recorded, from the
`tag.test_value` of inputs and the values of shared variables. What is wrong with shapes or values then shows at the
line that made it.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from arignote.frontends.tensor.graph import Axis, Leaf, Symbol, Variable, wrap
from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.settings import config
from arignote.ir.builder import make_op
from arignote.ir.core import Op, Value, toposort
from arignote.ir.interp import evaluate_op
from arignote.ir.symbols import attr_dims, subs_attr
from arignote.ir.types import type_of

__all__ = [
    "TestValueError",
    "debug_assert",
    "debug_error_message",
    "get_debug_values",
    "get_test_value",
    "missing_test_message",
]

Array = np.ndarray[Any, Any]

_computed: weakref.WeakKeyDictionary[Value, Array] = weakref.WeakKeyDictionary()


class TestValueError(AttributeError):
    """A test value that is needed and not there."""

    __test__ = False  # no test, whatever its name


def _own_value(value: Value) -> Array | None:
    """What is known without computing: of constants, inputs with a test value, shared variables, and ops seen."""
    if value.owner is not None:
        return value.owner.attrs["value"] if value.owner.name == "const" else _computed.get(value)
    variable: Any = value.variable if isinstance(value, Leaf) else None
    if hasattr(variable, "container"):
        shared: Array = variable.container.array
        return shared
    given = vars(variable.tag).get("test_value") if variable is not None else None
    if given is None:
        return None
    array = variable.type.filter(given)
    return array  # type: ignore[no-any-return]


def _symbols(op: Op) -> list[Symbol]:
    """The recorded symbols that the attributes of `op` mention."""
    found = {s for a in op.attrs.values() for d in attr_dims(a) for s in d.symbols()}
    return sorted(s for s in found if isinstance(s, Symbol))


def _origin(symbol: Symbol) -> Value:
    return symbol.origin.value if isinstance(symbol.origin, Axis) else symbol.origin


def _sources(op: Op) -> list[Value]:
    """What the evaluation of `op` needs: its operands, and what sizes in its attributes come from."""
    return [*op.operands, *map(_origin, _symbols(op))]


def _evaluate(op: Op) -> None:
    """Compute the values of an op whose sources are known."""
    sizes: dict[str, int] = {}
    for symbol in _symbols(op):
        source = _own_value(_origin(symbol))
        if source is not None:
            sizes[symbol] = source.shape[symbol.origin.axis] if isinstance(symbol.origin, Axis) else int(source)
    arrays: list[Any] = [_own_value(v) for v in op.operands]
    # The rules of the op on these shapes say more than NumPy would.
    known = [Value(type_of(a), v.name) for a, v in zip(arrays, op.operands, strict=True)]
    make_op(op.name, known, {k: subs_attr(a, sizes) for k, a in op.attrs.items()}, op.regions, op.loc)
    for value, array in zip(op.results, evaluate_op(op, arrays, sizes), strict=True):
        _computed[value] = array


def _bring_up(values: Iterable[Value]) -> Value | None:
    """Compute the values; the first input that has none, if that cannot be done."""
    wanted = [v for v in values if _own_value(v) is None]
    order = toposort(wanted)
    needed: set[Op] = set()
    for op in reversed(order):
        if any(r in wanted for r in op.results) and op.name != "const":
            needed.add(op)
            wanted += [v for v in _sources(op) if _own_value(v) is None]
    for v in wanted:
        if v.owner is None:
            return v
    for op in toposort(wanted):
        if op in needed and _own_value(op.results[0]) is None:
            _evaluate(op)
    return None


def record(results: tuple[Value, ...]) -> None:
    """Compute the results of an op that has just been recorded, as `config.compute_test_value` says.

    Raises:
        TestValueError: an input has no test value, under "raise" or "pdb".
        TypeInferenceError, EvaluationError: the op cannot take the values; names the user's line.
    """
    op = results[0].owner
    assert op is not None
    missing = _bring_up(_sources(op))
    if missing is not None:
        name = missing.name or f"<{wrap(missing).type}>"
        loc = user_loc()
        where = "" if loc is None else f"\n  at {loc}" + (f": {loc.source()}" if loc.source() else "")
        _complain(f"Cannot compute test value: input {name} of {op.name} has no tag.test_value{where}")
        return
    _evaluate(op)


def _complain(message: str) -> None:
    policy = config.compute_test_value
    if policy == "warn":
        warnings.warn(message, stacklevel=2)
    elif policy == "pdb":
        breakpoint()
        raise TestValueError(message)
    elif policy == "raise":
        raise TestValueError(message)


def lookup(value: Value) -> Array:
    """The test value of a computed variable.

    Raises:
        AttributeError: test values are off, or an input has none.
    """
    if config.compute_test_value == "off":
        raise AttributeError("test_value")
    missing = _bring_up([value])
    found = _own_value(value)
    if missing is not None or found is None:
        name = (missing or value).name
        raise AttributeError(f"test_value: {name or 'an input'} has none")
    return found


def get_test_value(v: Any) -> Any:
    """The test value of a variable; of a constant or shared variable its value.

    Raises:
        AttributeError: it has none.
    """
    if not isinstance(v, Variable):
        return np.asarray(v)
    found = _own_value(v.value_)
    if found is None and v.value_.owner is not None:
        found = lookup(v.value_)
    if found is None:
        raise AttributeError(f"{v} has no test value")
    return found


def get_debug_values(*args: Any) -> list[tuple[Any, ...]]:
    """[the test values of all], or [] where they are off or one is missing and `config.compute_test_value` is "ignore".

    Raises:
        TestValueError: one is missing, under "raise" or "pdb".
    """
    if config.compute_test_value == "off":
        return []
    values = []
    for i, arg in enumerate(args):
        try:
            values.append(get_test_value(arg))
        except AttributeError:
            missing_test_message(f"Argument {i} ({arg}) has no test value")
            return []
    return [tuple(values)]


def missing_test_message(msg: str) -> None:
    """Say that a test value is missing, as `config.compute_test_value` says."""
    _complain(msg)


def debug_error_message(msg: str) -> None:
    """Say that test values show a mistake: ValueError under "raise" and "pdb", a warning otherwise."""
    if config.compute_test_value in ("raise", "pdb"):
        raise ValueError(msg)
    warnings.warn(msg, stacklevel=2)


def debug_assert(condition: Any, msg: str | None = None) -> None:
    """`debug_error_message` where `condition` is false."""
    if not condition:
        debug_error_message("debug_assert failed" if msg is None else msg)
