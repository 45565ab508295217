"""Printing from compiled code: the host function calls back into Python with the address and shape of a tensor.

The callback is found by its name in the registry of tvm_ffi when the code is loaded, so it works for objects from the
cache, without TVM's compiler, and inside of loops. An exception of the callback ends the call and reaches the caller.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from arignote.codegen.loader import ffi
from arignote.ir.core import Op
from arignote.ir.effects import Printed, send
from arignote.ir.types import TensorType

#: By which compiled code knows the callback.
CALLBACK = "arignote.print"


class Printer:
    """The prints of one executable, by their numbers. `key` is what compiled code says to name it."""

    def __init__(self, ops: Sequence[Op], key: int) -> None:
        self.ops = tuple(ops)
        _register()
        _printers[key] = self

    def __call__(self, number: int, address: int, shape: Sequence[int]) -> None:
        """Print a tensor in memory."""
        op = self.ops[number]
        attrs = op.attrs
        array = array_at(address, op.operands[0].type, shape)
        send(Printed(attrs.get("message", ""), tuple(attrs.get("show", ("__str__",))), attrs.get("hook", 0), array))


_printers: weakref.WeakValueDictionary[int, Printer] = weakref.WeakValueDictionary()


def array_at(address: int, type: TensorType, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    """A copy of the tensor at an address."""
    size = int(np.prod(shape, dtype=np.int64))
    raw = ctypes.string_at(address, size * type.itemsize) if size else b""
    return np.frombuffer(raw, type.numpy_dtype).reshape(shape).copy()


@functools.cache
def _register() -> None:
    """Make the callback known, once per process."""

    def callback(key: Any, number: int, address: Any, *shape: int) -> None:
        _printers[address_of(key)](int(number), address_of(address), [int(n) for n in shape])

    ffi().register_global_func(CALLBACK, callback, override=True)


def address_of(pointer: Any) -> int:
    """A pointer that compiled code hands over, as a number."""
    return int(pointer.value or 0) if isinstance(pointer, ctypes.c_void_p) else int(pointer or 0)
