"""Arrays of dtypes that compiled code does not know, seen as those that it takes (`passes/represent.py`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arignote.frontends.tensor.sharedvar import Container
from arignote.ir.types import BFLOAT16, TensorType, is_complex

Array = np.ndarray[Any, Any]


def inwards(array: Array) -> Array:
    """`array` as compiled code takes it: the same memory."""
    if array.dtype.kind == "c":  # the parts lie beside each other
        return np.ascontiguousarray(array).reshape((*array.shape, 1)).view(array.real.dtype)
    return array.view(np.uint16) if array.dtype == BFLOAT16 else array


def outwards(type: TensorType) -> Callable[[Array], Array] | None:
    """What makes a result of `type` out of the array of compiled code; None where nothing is to be done."""
    if is_complex(type.dtype):
        return lambda array: array.view(type.numpy_dtype).reshape(array.shape[:-1])
    return (lambda array: array.view(BFLOAT16)) if type.dtype == "bf16" else None


class View:
    """The storage of a shared variable, seen as compiled code takes it."""

    __slots__ = ("_seen", "_view", "container")

    def __init__(self, container: Container) -> None:
        self.container = container
        self._seen: Array | None = None
        self._view: Array | None = None

    @property
    def array(self) -> Array:
        """The same memory; the same object for as long as the variable keeps its storage."""
        array = self.container.array
        if array is not self._seen or self._view is None:
            self._seen, self._view = array, inwards(array)
        return self._view

    @array.setter
    def array(self, array: Array) -> None:
        whole = array.view(self.container.array.dtype)
        self.container.array = whole.reshape(array.shape[:-1]) if whole.dtype.kind == "c" else whole

    @property
    def exclusive(self) -> bool:
        """As the container says."""
        return self.container.exclusive


def views(containers: Sequence[Container]) -> list[Any]:
    """The containers, those of other dtypes behind a view."""
    return [c if inwards(c.array) is c.array else View(c) for c in containers]
