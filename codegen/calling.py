"""Calls of Python functions from compiled code (`ir/callbacks.py`): addresses and shapes go out, results come back.

As printing does, the host function calls a global function of tvm_ffi, which is looked up by name when the code is
loaded. Code says the address of its status words, which names the executable, and the number of the op among those
of the function: it holds nothing of this process, so it can come from the cache.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arignote.codegen.loader import ffi
from arignote.codegen.printing import address_of, array_at
from arignote.ir import callbacks
from arignote.ir.core import Op

#: By which compiled code knows the callback.
CALLBACK = "arignote.call"


class Caller:
    """The Python functions of one executable.

    A call of compiled code may end early, to begin again with more memory. What Python functions gave before that is
    kept, and given again: each runs once per call.

    Args:
        ops: its `python_run` and `python_take` ops, in order.
        key: the address of its status words.
        main: the compiled code.
        again: the status codes after which the same call begins again.
    """

    def __init__(self, ops: Sequence[Op], key: int, main: Callable[..., int], again: Sequence[int]) -> None:
        self.ops = tuple(ops)
        self._main, self._again = main, again
        self._done: list[tuple[callbacks.Array, ...]] = []  # the results of this call's runs, in order
        self._next = 0  # how many of them this attempt has used
        self._error: BaseException | None = None
        self._running = False
        _register()
        _callers[key] = self

    def __call__(self, *args: Any) -> int:
        """Run compiled code. Exceptions of Python functions come out as they are, with the user's line as a note."""
        if self._running:
            raise RuntimeError("a Python op calls the very function that it is a part of")
        self._running, self._error, self._next = True, None, 0
        code: int | None = None
        try:
            code = self._main(*args)
        except Exception:
            if self._error is None:
                raise
            raise self._error.with_traceback(self._error.__traceback__) from None
        finally:
            self._running, self._error = False, None
            if code not in self._again:
                self._done = []
        return code

    def guarded(self, number: int, pointers: Sequence[Any]) -> None:
        """Run or take for the op of a number; remembers an exception, whose class the way back may not keep."""
        op = self.ops[number]
        try:
            (self._run if op.name == "python_run" else self._take)(op, pointers)
        except BaseException as e:
            callbacks.noted(e, op)
            self._error = e
            raise

    def _run(self, op: Op, pointers: Sequence[Any]) -> None:
        if self._next == len(self._done):
            arrays, at = [], 1
            for v in op.operands:
                shape = [int(n) for n in pointers[at + 1 : at + 1 + v.ndim]]
                arrays.append(array_at(address_of(pointers[at]), v.type, shape))
                at += 1 + v.ndim
            self._done.append(callbacks.call(op.attrs["target"], op.attrs["callee"], arrays))
        record = np.array([self._next, *callbacks.sizes(self._done[self._next])], np.int64)
        self._next += 1
        ctypes.memmove(address_of(pointers[0]), record.ctypes.data, record.nbytes)

    def _take(self, op: Op, pointers: Sequence[Any]) -> None:
        ticket, *rest = pointers
        results, places, shapes = self._done[int(ticket)], [], []
        for v in op.results:
            places.append(address_of(rest[0]))
            shapes.append([int(n) for n in rest[1 : 1 + v.ndim]])
            rest = rest[1 + v.ndim :]
        callbacks.fitting(op.attrs["callee"], results, shapes)
        for x, place in zip(results, places, strict=True):
            if x.nbytes:
                dense = np.ascontiguousarray(x)
                ctypes.memmove(place, dense.ctypes.data, dense.nbytes)


_callers: weakref.WeakValueDictionary[int, Caller] = weakref.WeakValueDictionary()


@functools.cache
def _register() -> None:
    """Make the callback known, once per process."""

    def callback(key: Any, number: int, *pointers: Any) -> None:
        _callers[address_of(key)].guarded(int(number), pointers)

    ffi().register_global_func(CALLBACK, callback, override=True)
