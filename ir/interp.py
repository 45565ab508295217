"""The reference interpreter: runs IR with the NumPy rules of the op records. Slow, plain, checked.

Symbols are bound from the shapes of the inputs and of results; every result is compared with its
type, and elementwise operands must not stretch along dimensions that are not 1 in their types.
Errors name the op, the shapes of its operands and the user's line, and keep their class where it
is one that a user may catch (IndexError, ValueError, ZeroDivisionError, MemoryError).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import arignote.ir.ops as _ops  # noqa: F401  (fills the registry)
from arignote.ir.callbacks import noted
from arignote.ir.core import Func, Op, Region, Value, toposort
from arignote.ir.diag import AssertionFailed, Diagnostic, IRError, LinAlgError
from arignote.ir.opdef import opdef, semantic
from arignote.ir.symbols import Symbols, subs_attr
from arignote.ir.text import Names, op_line, short_array_text
from arignote.ir.types import FROM_NUMPY, TensorType, subs_dim

Array = np.ndarray[Any, Any]
#: Called after each op with its results; ops in regions too, once per run of the region.
Watch = Callable[[Op, tuple[Array, ...]], None]
#: Called with each op and its operands before it runs.
Before = Callable[[Op, Sequence[Array]], None]
#: Called with each op, its operands and its results; what it returns takes the place of the results.
Replace = Callable[[Op, Sequence[Array], tuple[Array, ...]], tuple[Array, ...]]


class InputError(IRError, TypeError, ValueError):
    """An input that does not fit its parameter's type. Both a TypeError and a ValueError."""


class EvaluationError(IRError):
    """An op that could not be evaluated, or whose result does not fit its type.

    Attributes:
        op: the op, where it is known.
    """

    op: Op | None = None


class EvaluationValueError(EvaluationError, ValueError):
    """A ValueError raised by an op."""


class EvaluationLinAlgError(EvaluationValueError, LinAlgError):
    """A LinAlgError raised by an op."""


class EvaluationIndexError(EvaluationError, IndexError):
    """An IndexError raised by an op."""


class EvaluationAssertionError(EvaluationError, AssertionFailed):
    """An AssertionError raised by an op."""


class EvaluationZeroDivisionError(EvaluationError, ZeroDivisionError):
    """A ZeroDivisionError raised by an op."""


class EvaluationMemoryError(EvaluationError, MemoryError):
    """A MemoryError raised by an op."""


_CLASSES: tuple[tuple[type[Exception], type[EvaluationError]], ...] = (
    (np.linalg.LinAlgError, EvaluationLinAlgError),
    (AssertionError, EvaluationAssertionError),
    (IndexError, EvaluationIndexError),
    (ValueError, EvaluationValueError),
    (ZeroDivisionError, EvaluationZeroDivisionError),
    (MemoryError, EvaluationMemoryError),
)


def run(
    func: Func,
    inputs: Sequence[object],
    states: Mapping[str, object] | None = None,
    watch: Watch | None = None,
    replace: Replace | None = None,
    before: Before | None = None,
) -> tuple[list[Array], dict[str, Array]]:
    """Run a function: its results, and the states after it (updated or not).

    Args:
        watch: told of each op and its results, before the ops that use them run.
        replace: may put other arrays in the place of results, such as views of one memory.
        before: told of each op and its operands, before it runs.

    Raises:
        InputError: an input or state is missing or does not fit its type.
        EvaluationError: an op failed; also an IndexError or ValueError where the op raised one.
    """
    states = states or {}
    if len(inputs) != len(func.params):
        raise InputError(f"@{func.name} takes {len(func.params)} inputs, got {len(inputs)}")
    unknown = sorted(states.keys() - {s.name for s in func.states})
    if unknown:
        raise InputError(f"@{func.name} has no state @{', @'.join(unknown)}")
    names = Names(func)
    given: list[tuple[Value, object]] = list(zip(func.params, inputs, strict=True))
    for state in func.states:
        if state.name not in states:
            raise InputError(f"@{func.name} needs the state @{state.name}")
        given.append((state.value, states[state.name]))
    env = {v: _as_input(x, v.type, names[v]) for v, x in given}
    machine = _Machine(watch, replace, before)
    symbols = Symbols()
    conflict = symbols.bind((names[v], v.shape, env[v].shape) for v, _ in given)
    if conflict is not None:
        raise InputError(Diagnostic(f"@{func.name}: {conflict}"))
    machine.block(func.ops, env, [*func.roots(), *(s.value for s in func.states)], symbols)
    results = [_look_up(env, r) for r in func.results]
    after = {s.name: _look_up(env, s.value if s.update is None else s.update) for s in func.states}
    return results, after


def evaluate(
    values: Sequence[Value], env: Mapping[Value, object], watch: Watch | None = None
) -> list[Array]:
    """Evaluate values of a floating graph, given those in `env` (inputs, or anything inside it).

    Raises:
        InputError: a given value does not fit its type, or one that is needed has none.
        EvaluationError: as for `run`.
    """
    names = Names()
    arrays = {v: _as_input(x, v.type, names[v]) for v, x in env.items()}
    symbols = Symbols()
    conflict = symbols.bind((names[v], v.shape, x.shape) for v, x in arrays.items())
    if conflict is not None:
        raise InputError(conflict)
    _Machine(watch).block(toposort(values, arrays), arrays, values, symbols)
    return [_look_up(arrays, v) for v in values]


def evaluate_op(op: Op, arrays: Sequence[Array], sizes: Mapping[str, int]) -> tuple[Array, ...]:
    """The results of one op on arrays of the types of its operands, given the symbols that only its attributes mention.

    Raises:
        InputError: the shapes of the arrays contradict each other.
        EvaluationError: as for `run`.
    """
    symbols = Symbols()
    symbols.values.update(sizes)
    names = Names()
    conflict = symbols.bind((names[v], v.shape, x.shape) for v, x in zip(op.operands, arrays, strict=True))
    if conflict is not None:
        raise InputError(_finding(op, arrays, conflict))
    return _Machine(None).op(op, list(arrays), symbols)


def _as_input(x: object, type: TensorType, name: str) -> Array:
    """`x` as an array of `type`; Python numbers take its dtype."""
    try:
        array = np.asarray(x) if hasattr(x, "dtype") else np.asarray(x, type.numpy_dtype)
    except (TypeError, ValueError, OverflowError) as e:
        raise InputError(f"{name} is not an array of type {type}: {e}") from None
    dtype = FROM_NUMPY.get(array.dtype.name, array.dtype.name)
    if dtype != type.dtype or array.ndim != type.ndim:
        raise InputError(f"{name} is {dtype}{list(array.shape)}, its type is {type}")
    return array


def _look_up(env: Mapping[Value, Array], value: Value) -> Array:
    if value not in env:
        raise InputError(f"no array is given for {value!r}")
    return env[value]


class _Machine:
    def __init__(
        self, watch: Watch | None, replace: Replace | None = None, before: Before | None = None
    ) -> None:
        self.watch = watch
        self.replace = replace
        self.before = before

    def block(
        self,
        ops: Sequence[Op],
        env: dict[Value, Array],
        keep: Iterable[Value],
        symbols: Symbols,
    ) -> None:
        """Run `ops` in order; values but those in `keep` leave `env` after their last use."""
        last: dict[Value, Op] = {}
        for op in ops:
            for value in (*op.results, *op.operands):
                last[value] = op
        kept = set(keep)
        for op in ops:
            arrays = [_look_up(env, v) for v in op.operands]
            if self.before is not None:
                self.before(op, arrays)
            results = self.op(op, arrays, symbols)
            if self.replace is not None:
                results = self.replace(op, arrays, results)
            env.update(zip(op.results, results, strict=True))
            if self.watch is not None:
                self.watch(op, results)
            for value in (*op.results, *op.operands):
                if last[value] is op and value not in kept:
                    env.pop(value, None)

    def op(self, op: Op, arrays: list[Array], symbols: Symbols) -> tuple[Array, ...]:
        """Evaluate one op and check what it gives; symbols that its results bind are learnt."""
        record = opdef(op.name)
        attrs = {k: subs_attr(v, symbols.values) for k, v in semantic(op.attrs).items()}
        if "elementwise" in record.traits:
            self.check_broadcast(op, arrays)
        if "region" in record.traits:

            attrs |= {"regions": op.regions, "run_region": _Regions(self, op, symbols)}
        try:
            with np.errstate(all="ignore"):
                out: Any = record.eval(*arrays, **attrs)
        except EvaluationError:
            raise  # from inside a region: it names the op there
        except Exception as e:
            if op.name == "python_run" and not isinstance(e, IRError):
                noted(e, op)  # an exception of the user's own stays what it is
                raise
            kind = next(
                (ours for theirs, ours in _CLASSES if isinstance(e, theirs)), EvaluationError
            )
            message = e.diagnostic.message if isinstance(e, IRError) else str(e)
            raise _failed(kind, op, arrays, message) from e
        results = tuple(np.asarray(x) for x in (out if isinstance(out, tuple) else (out,)))
        if len(results) != len(op.results):
            message = f"gave {len(results)} results, not {len(op.results)}"
            raise _failed(EvaluationError, op, arrays, message)
        for value, x in zip(op.results, results, strict=True):
            if x.dtype != value.type.numpy_dtype or x.ndim != value.ndim:
                got = FROM_NUMPY.get(x.dtype.name, x.dtype.name)
                message = f"gave {got}{list(x.shape)}, its type is {value.type}"
                raise _failed(EvaluationError, op, arrays, message)
        conflict = symbols.bind(
            (f"the result of {op.name}", v.shape, x.shape)
            for v, x in zip(op.results, results, strict=True)
        )
        if conflict is not None:
            raise _failed(EvaluationValueError, op, arrays, conflict)
        return results

    def check_broadcast(self, op: Op, arrays: list[Array]) -> None:
        """Only a dimension that is 1 in the type stretches, not a symbol that happens to be 1."""
        for axis in range(1, op.results[0].ndim + 1):
            sizes = {
                x.shape[-axis]
                for v, x in zip(op.operands, arrays, strict=True)
                if x.ndim >= axis and not (isinstance(d := v.shape[-axis], int) and d == 1)
            }
            if len(sizes) > 1:
                listed = " and ".join(map(str, sorted(sizes)))
                message = f"axis -{axis} is {listed}; only a dimension 1 of a type stretches"
                raise _failed(EvaluationValueError, op, arrays, message)

    def region(
        self, op: Op, region: Region, xs: Sequence[Array], symbols: Symbols
    ) -> tuple[Array, ...]:
        """Run a region on arrays. What it learns about symbols stays inside, for one run."""
        names = Names(region)
        if len(xs) != len(region.params):
            message = f"its region takes {len(region.params)} values, got {len(xs)}"
            raise _failed(EvaluationError, op, xs, message)
        env = {v: _as_input(x, v.type, names[v]) for v, x in zip(region.params, xs, strict=True)}
        inner = symbols.copy()
        conflict = inner.bind((names[v], v.shape, x.shape) for v, x in env.items())
        if conflict is not None:
            raise _failed(EvaluationValueError, op, xs, f"region: {conflict}")
        self.block(region.ops, env, region.yields, inner)
        return tuple(_look_up(env, v) for v in region.yields)


class _Regions:
    """Runs the regions of an op: what `eval` of ops with regions gets."""

    def __init__(self, machine: _Machine, op: Op, symbols: Symbols) -> None:
        self.machine, self.op, self.symbols = machine, op, symbols

    def __call__(self, region: Region, xs: Sequence[Array]) -> tuple[Array, ...]:
        """What a region yields for `xs`."""
        return self.machine.region(self.op, region, xs, self.symbols)

    def shape(self, type: TensorType) -> tuple[int, ...]:
        """The shape of a type; dimensions that only a run of a region would determine are 0."""
        sizes = (subs_dim(d, self.symbols.values) for d in type.shape)
        return tuple(d if isinstance(d, int) else 0 for d in sizes)


def _failed(kind: type[EvaluationError], op: Op, arrays: Sequence[Array], message: str) -> EvaluationError:
    error = kind(_finding(op, arrays, message))
    error.op = op
    return error


def _finding(op: Op, arrays: Sequence[Array], message: str) -> Diagnostic:
    """The op's line, its operands' shapes and the user's line."""
    line = op_line(op, Names(), short_array_text)
    shapes = ", ".join(f"{FROM_NUMPY.get(x.dtype.name, x.dtype)}{list(x.shape)}" for x in arrays)
    notes = (f"operands are {shapes}",) if arrays else ()
    return Diagnostic(f"{op.name}: {message}", line.text, line.spans["name", 0], op.loc, notes)
