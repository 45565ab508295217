"""Functions that take, give or update sparse matrices: each travels as its vectors and a size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from arignote.frontends.sparse.types import SparseType, is_matrix
from arignote.frontends.sparse.variable import (
    SparseSharedVariable,
    SparseVariable,
    as_sparse_variable,
    size_variable,
)
from arignote.frontends.tensor.callable import Function
from arignote.frontends.tensor.graph import Variable
from arignote.frontends.tensor.io import In, Out

PARTS = ("data", "indices", "indptr", "minor")


@dataclass(frozen=True)
class _Slot:
    """An input: of a sparse one its type."""

    given: In
    kind: SparseType | None

    def inputs(self) -> list[In]:
        """The inputs of the function behind."""
        x, name = self.given.variable, self.given.name
        if not isinstance(x, SparseVariable):
            return [self.given]
        assert self.kind is not None
        values = [None] * 4 if self.given.value is None else self.kind.parts(self.kind.filter(self.given.value))
        names = [None if name is None else f"{name}.{part}" for part in PARTS]
        return [In(v, n, value=d) for v, n, d in zip(x.parts(), names, values, strict=True)]


@dataclass(frozen=True)
class _Result:
    """An output: of a sparse one its type, and the size that the vectors do not tell, None where it is an output."""

    kind: SparseType | None
    minor: int | None = None

    def take(self, arrays: list[Any]) -> Any:
        """The value, made of the next arrays, which are taken off the list."""
        if self.kind is None:
            return arrays.pop(0)
        data, indices, indptr = (arrays.pop(0) for _ in range(3))
        minor = int(arrays.pop(0)) if self.minor is None else self.minor
        return self.kind.matrix(data, indices, indptr, minor)


class SparseFunction:
    """A compiled function with sparse matrices among its arguments, results or updates. Everything else about it is as
    in the function `inner` of their vectors."""

    def __init__(
        self, inner: Function, slots: list[_Slot], results: list[_Result], keys: list[str] | None, single: bool
    ) -> None:
        self.inner = inner
        self._slots, self._results, self._keys, self._single = slots, results, keys, single

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run. Sparse arguments are matrices of SciPy's in the format of their variables, and results are such."""
        if len(args) > len(self._slots):
            raise TypeError(f"Too many parameter passed to the function: it takes {len(self._slots)}, got {len(args)}")
        positional = [x for i, a in enumerate(args) for x in self._expanded(i, a)]
        named: dict[str, Any] = {}
        for key, value in kwargs.items():
            found = [i for i, s in enumerate(self._slots) if s.kind is not None and s.given.name == key]
            names = [f"{key}.{part}" for part in PARTS] if found else [key]
            named.update(zip(names, self._expanded(found[0], value) if found else [value], strict=True))
        arrays = self.inner(*positional, **named)
        results = [r.take(arrays) for r in self._results]
        if self._single:
            return results[0]
        return results if self._keys is None else dict(zip(self._keys, results, strict=True))

    def copy(self, share_memory: bool = False, swap: Mapping[Any, Any] | None = None, **options: Any) -> SparseFunction:
        """A function that computes the same, as `Function.copy`; `swap` may have sparse shared variables."""
        pairs = [p for a, b in (swap or {}).items() for p in _parts(a, b)]
        inner = self.inner.copy(share_memory, dict(pairs), **options)
        return SparseFunction(inner, self._slots, self._results, self._keys, self._single)

    def _expanded(self, i: int, value: Any) -> tuple[Any, ...]:
        slot = self._slots[i]
        if slot.kind is None:
            return (value,)
        try:
            return slot.kind.parts(slot.kind.filter(value, slot.given.strict, slot.given.allow_downcast))
        except (TypeError, ValueError) as e:
            called = f", input {slot.given.name!r}" if slot.given.name else ""
            raise type(e)(f"Bad input argument to arignote function at index {i} (0-based){called}. {e}") from None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return f"<SparseFunction of {self.inner!r}>"


def _parts(old: Any, new: Any) -> list[tuple[Any, Any]]:
    """Pairs of shared variables, those of sparse ones part by part."""
    if not isinstance(old, SparseSharedVariable):
        return [(old, new)]
    if not isinstance(new, SparseSharedVariable) or new.type != old.type:
        raise TypeError(f"{old} of type {old.type} cannot be swapped for {new!r}")
    return list(zip(old.parts(), new.parts(), strict=True))


def _slot(x: Any) -> _Slot:
    if isinstance(x, (list, tuple)) and len(x) == 2 and isinstance(x[0], (Variable, SparseVariable)):
        x = In(x[0], value=x[1])
    given = x if isinstance(x, In) else In(x)
    v: Any = given.variable
    if not isinstance(v, SparseVariable):
        return _Slot(given, None)
    if v.minor is None or isinstance(v, SparseSharedVariable):
        raise TypeError(f"the sparse input {v} is computed, constant or shared; replace it by givens instead")
    if given.update is not None:
        raise TypeError(f"the sparse input {v} has an update: use a shared variable and updates")
    return _Slot(given, v.type)


def _outputs(outputs: Any) -> tuple[list[Any], list[str] | None, bool]:
    if outputs is None:
        return [], None, False
    if isinstance(outputs, Mapping):
        return list(outputs.values()), list(outputs), False
    return (list(outputs), None, False) if isinstance(outputs, (list, tuple)) else ([outputs], None, True)


def _result(x: Any, flat: list[Any]) -> _Result:
    """The pattern of an output; what the function behind has to give is added to `flat`."""
    value = x.variable if isinstance(x, Out) else x
    if not isinstance(value, SparseVariable):
        flat.append(x)
        return _Result(None)
    flat += [value.data, value.indices, value.indptr]
    minor = value.minor_size
    if isinstance(minor, int):
        return _Result(value.type, minor)
    flat.append(size_variable(minor))
    return _Result(value.type)


def _pairs(items: Any) -> list[tuple[Any, Any]]:
    return list(items.items()) if isinstance(items, Mapping) else [tuple(p) for p in items or ()]


def _replacements(old: Any, new: Any, what: str) -> list[tuple[Any, Any]]:
    """One pair for each part of a sparse variable that changes."""
    if not isinstance(old, SparseVariable):
        return [(old, new)]
    if old.minor is None:
        raise TypeError(f"{what}: the sparse matrix {old} is computed, and cannot be replaced")
    if not isinstance(new, SparseVariable) and not is_matrix(new):
        raise TypeError(f"{what}: {old} is {old.type}, but what takes its place is {new!r}")
    value = as_sparse_variable(new)
    if value.type != old.type:
        raise TypeError(f"{what}: {old} is {old.type}, but what takes its place is {value.type}: cast or convert it")
    pairs = [(old.data, value.data), (old.indices, value.indices), (old.indptr, value.indptr)]
    pairs.append((old.minor, size_variable(value.minor_size)))
    return [(a, b) for a, b in pairs if a is not b]


def sparse_function(
    build: Callable[..., Function], report: Callable[[int, In, str], None], inputs: Any, outputs: Any, updates: Any,
    givens: Any, on_unused_input: str | None, **options: Any,
) -> SparseFunction:  # fmt: skip
    """As `function`, which is `build`; `report` says that an input is not used."""
    slots = [_slot(x) for x in inputs]
    variables, keys, single = _outputs(outputs)
    flat: list[Any] = []
    results = [_result(v, flat) for v in variables]
    for target, _ in _pairs(updates):
        if isinstance(target, SparseVariable) and not isinstance(target, SparseSharedVariable):
            raise TypeError(f"update target must be a shared variable, not {target!r}")
    new = [p for a, b in _pairs(updates) for p in _replacements(a, b, "updates")]
    replaced = [p for a, b in _pairs(givens) for p in _replacements(a, b, "givens")]
    expanded = [s.inputs() for s in slots]
    inner = build(
        [x for group in expanded for x in group], flat, updates=new, givens=replaced, on_unused_input="ignore",
        **options,
    )  # fmt: skip
    given = [(i, x) for i, group in enumerate(expanded) for x in group if x.update is None]
    used = {i for n, (i, _) in enumerate(given) if n not in inner.unused}
    policy = on_unused_input or "raise"
    for i, group in enumerate(expanded):
        if i not in used and group[0].update is None:
            report(i, group[0], policy)
    return SparseFunction(inner, slots, results, keys, single)
