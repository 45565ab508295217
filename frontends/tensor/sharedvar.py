"""Shared variables: state that functions read and update, and that outlives calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.codegen.memory import aligned_empty, is_aligned
from arignote.frontends.tensor.convert import constant_array
from arignote.frontends.tensor.graph import Leaf, Variable
from arignote.frontends.tensor.tensortype import TensorType
from arignote.frontends.tensor.variable import TensorVariable
from arignote.ir.types import FROM_NUMPY


def aligned_copy(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """A C-ordered copy of `array` in memory that vector instructions like."""
    out: np.ndarray[Any, Any] = aligned_empty(array.shape, array.dtype)
    out[...] = array
    return out


def is_resident(array: np.ndarray[Any, Any]) -> bool:
    """Whether `array` can be the storage itself: contiguous, aligned, writable."""
    flags = array.flags
    return bool(flags.c_contiguous and flags.writeable and is_aligned(array))


class Container:
    """The storage of a shared variable. Compiled functions update `array` in place or replace it.

    `version` grows whenever the user replaces the array, so that whoever keeps an address or a
    shape knows to look again. `exclusive` is false where the user may hold the very array
    (`borrow=True`): then another value gets storage of its own, and functions that write to it
    look whether their arguments lie there.
    """

    __slots__ = ("array", "exclusive", "name", "version")

    def __init__(self, array: np.ndarray[Any, Any], name: str | None = None) -> None:
        self.array = array
        self.name = name
        self.version = 0
        self.exclusive = True

    def replace(self, array: np.ndarray[Any, Any], exclusive: bool = True) -> None:
        """Hold another array."""
        self.array = array
        self.exclusive = exclusive
        self.version += 1

    def lend(self) -> np.ndarray[Any, Any]:
        """The array itself, for the user."""
        if self.exclusive:
            self.array, self.exclusive = self.array.view(), False  # another object: functions look again
        return self.array


class SharedVariable(TensorVariable):
    """A variable with a value. `get_value`, `set_value`; `updates=` of functions change it."""

    symbolic = False

    def __init__(self, leaf: Leaf, container: Container, strict: bool, downcast: bool | None):
        super().__init__(leaf)
        leaf.variable = self
        self.container = container
        self._strict = strict
        self._downcast = downcast
        self.default_update: Any = None

    @property
    def name(self) -> str | None:
        """The name it is printed by."""
        return self.value_.name

    @name.setter
    def name(self, name: str | None) -> None:
        Variable.name.fset(self, name)  # type: ignore[attr-defined]
        self.container.name = name

    def get_value(
        self, borrow: bool = False, return_internal_type: bool = False
    ) -> np.ndarray[Any, Any]:
        """The value; a copy, unless `borrow`, which may give the storage itself."""
        if borrow:
            return self.container.lend()
        return self.container.array.copy()

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Give it another value: of any shape, but of its dtype and number of dimensions.

        Raises:
            TypeError: another dtype, from which conversion would lose precision, or rank.
        """
        try:
            array = self.type.filter(new_value, self._strict, self._downcast)
        except TypeError as e:
            raise TypeError(f"cannot set the shared variable {self}: {e}") from None
        if borrow and is_resident(array):
            self.container.replace(array, exclusive=False)
        else:
            old = self.container.array
            apart = not np.may_share_memory(old, array)
            if old.shape == array.shape and apart and self.container.exclusive:
                old[...] = array  # the same storage, so compiled functions keep its address
                return
            self.container.replace(aligned_copy(array))

    def clone_shared(self) -> SharedVariable:
        """A shared variable of the same type with the same value, in memory of its own."""
        leaf = Leaf(self.value_.dtype, self.type.shape, self.name)
        container = Container(aligned_copy(self.container.array), self.name)
        return SharedVariable(leaf, container, self._strict, self._downcast)

    def zero(self, borrow: bool = False) -> None:
        """Set all elements to 0."""
        self.set_value(np.zeros_like(self.container.array), borrow=borrow)

    def __str__(self) -> str:
        return self.name if self.name is not None else f"<{self.type}>"


TensorSharedVariable = SharedVariable


def shared(
    value: Any,
    name: str | None = None,
    borrow: bool = False,
    strict: bool = False,
    allow_downcast: bool | None = None,
    broadcastable: Sequence[bool] | None = None,
    target: str | None = None,
    shape: Sequence[int | None] | None = None,
) -> SharedVariable:
    """A shared variable that starts as `value`; its dtype is the value's (float64 for a float).

    Args:
        borrow: keep the very array where that is possible, instead of a copy.
        strict: `set_value` takes nothing but arrays of exactly this type.
        allow_downcast: whether `set_value` converts where precision is lost.
        broadcastable: dimensions that stay 1 and broadcast; by default none do.
        shape: instead of that, sizes that never change, None for those that may: `set_value` refuses others.

    Raises:
        TypeError: `value` is symbolic, no array of numbers, or does not have `shape`.
        ValueError: there are not as many entries as dimensions.
    """
    if value.__class__.__module__.startswith("scipy.sparse"):
        from arignote.frontends.sparse.variable import sparse_shared

        made: Any = sparse_shared(value, name, borrow)
        return made  # type: ignore[no-any-return]
    if isinstance(value, Variable):
        raise TypeError(
            "Shared variables need a constant value, not the symbolic variable "
            f"{value}; compute it first, with eval()"
        )
    number = isinstance(value, (bool, int, float, complex))
    array = np.asarray(value) if number else constant_array(value)
    if array.dtype.name not in FROM_NUMPY:
        raise TypeError(f"no shared variable holds dtype {array.dtype}")
    if shape is None:
        type = TensorType(array.dtype, (False,) * array.ndim if broadcastable is None else broadcastable)
    else:
        type = TensorType(array.dtype, broadcastable, shape=shape)
    if type.ndim != array.ndim:
        named = f"{broadcastable=}" if shape is None else f"{shape=}"
        raise ValueError(f"{named} for a value with {array.ndim} dimensions")
    array = type.filter(array)
    storage = array if borrow and is_resident(array) else aligned_copy(array)
    container = Container(storage, name)
    container.exclusive = storage is not array
    leaf = Leaf(FROM_NUMPY[array.dtype.name], type.shape, name)
    return SharedVariable(leaf, container, strict, allow_downcast)
