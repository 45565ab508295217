"""Calling compiled code: the last checks, result memory, the workspace, and what a status code means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from arignote.codegen import abi as codes
from arignote.codegen.abi import Abi
from arignote.codegen.calling import Caller
from arignote.codegen.loader import ffi
from arignote.codegen.memory import aligned_empty, aligned_zeros
from arignote.codegen.printing import Printer
from arignote.codegen.profile import Timer
from arignote.ir.core import Op
from arignote.ir.diag import IRError
from arignote.ir.types import Dim, DimLike, subs_dim


class Container(Protocol):
    """What holds a shared variable: `array` is 64-byte aligned and C-contiguous, and is written in place."""

    array: np.ndarray[Any, Any]


class GuardFailed(IRError):
    """A size assumed at compile time differs at this call: compile again with `dim` as a symbol.

    Attributes:
        assumed: the size that was compiled in.
        actual: the size at this call.
    """

    def __init__(self, assumed: int, actual: int) -> None:
        super().__init__(f"a size that was compiled as {assumed} is {actual} at this call")
        self.assumed, self.actual = assumed, actual


class Executable:
    """A compiled function bound to its shared variables. Call it with one argument per parameter.

    Tensors must be C-contiguous NumPy arrays of the parameter's dtype and shape; 0-d parameters are Python numbers.
    The compiled code checks dtype, shape, strides and alignment again and refuses what it cannot take.
    """

    def __init__(
        self, main: Callable[..., int], abi: Abi, containers: Mapping[str, Container], timer: Timer | None = None
    ) -> None:
        self._wrap = ffi().from_dlpack
        self._main = main
        self.abi = abi
        self._containers = [containers[name] for name, _ in abi.states]
        self._arrays: list[np.ndarray[Any, Any] | None] = [None] * len(self._containers)
        self._state: list[Any] = [None] * len(self._containers)
        self._constants = []
        for value in abi.constants:
            array = aligned_empty(value.shape, _stored(value.dtype))
            array[...] = value.view(_stored(value.dtype)) if value.dtype == np.bool_ else value
            self._constants.append(self._wrap(array))
        self._status_array = aligned_zeros(abi.status_words, np.int64)
        self._status = self._wrap(self._status_array)
        if abi.prints:
            self._printer = Printer(abi.prints, self._status_array.ctypes.data)
        if abi.calls:
            again = codes.GROW_ARENA, codes.RESULT_SHAPE
            self._main = Caller(abi.calls, self._status_array.ctypes.data, main, again)
        self.timer = timer
        self._clock = () if timer is None else (self._wrap(timer.words),)
        self._tail: tuple[Any, ...] = ()  # what follows the results in every call
        self._grow(max(abi.arena, 1))
        self._makers: list[tuple[tuple[int, ...], np.dtype[Any]]] | None = None
        if all(t.static for t in abi.results):
            self._makers = [
                (tuple(d for d in t.shape if isinstance(d, int)), _stored(t.numpy_dtype)) for t in abi.results
            ]
        self._bools = [i for i, t in enumerate(abi.results) if t.dtype == "bool"]
        self._symbols = _symbol_sources(abi)
        self._guess = dict.fromkeys(abi.fresh, 0)

    def _grow(self, nbytes: int) -> None:
        self._workspace = aligned_empty(nbytes, np.int8)
        self._arena = self._wrap(self._workspace)
        self._join()

    def _join(self) -> None:
        self._tail = (*self._state, *self._constants, self._arena, self._status, *self._clock)

    def __call__(self, *args: Any) -> list[np.ndarray[Any, Any]]:
        """Run. Returns one array per result; shared variables have their new values afterwards.

        Raises:
            IndexError: an index outside its axis; nothing has been updated.
            GuardFailed: an assumption of the compiled code does not hold; nothing has been updated.
            LinAlgError: a matrix that is singular, or not positive definite; nothing has been updated.
            AssertionFailed: a condition of the program does not hold; nothing has been updated.
        """
        for i, container in enumerate(self._containers):
            if container.array is not self._arrays[i]:
                self._arrays[i] = container.array
                self._state[i] = self._wrap(_bytes_of(container.array))
                self._join()
        while True:
            if self._makers is not None:
                results = [np.empty(shape, dtype) for shape, dtype in self._makers]
            else:
                results = self._allocate(args)
            code = self._main(*args, *results, *self._tail)
            if code == codes.OK:
                break
            self._handle(code)
        if self.abi.late:
            self._take_late(args, results)
        for i in self._bools:
            results[i] = results[i].view(np.bool_)
        return results

    def _take_late(self, args: Sequence[Any], results: list[np.ndarray[Any, Any]]) -> None:
        """Copy from the workspace the results whose sizes became known on the way."""
        words = [int(w) for w in self._status_array[1:]]
        env: dict[str, DimLike] = {**self._sizes(args), **dict(zip(self.abi.fresh, words, strict=False))}
        for i, offset in zip(self.abi.late, words[len(self.abi.fresh) :], strict=False):
            type = self.abi.results[i]
            shape = [d for d in (subs_dim(d, env) for d in type.shape) if isinstance(d, int)]
            dtype = _stored(type.numpy_dtype)
            end = offset + math.prod(shape) * dtype.itemsize
            results.insert(i, self._workspace[offset:end].view(dtype).reshape(shape).copy())

    def _sizes(self, args: Sequence[Any]) -> dict[str, DimLike]:
        """The sizes that arguments and shared variables have."""
        out: dict[str, DimLike] = {}
        for symbol, kind, index, axis in self._symbols:
            source = args[index] if kind == "param" else self._arrays[index]
            assert source is not None
            out[symbol] = int(source.shape[axis])
        return out

    def _allocate(self, args: Sequence[Any]) -> list[np.ndarray[Any, Any]]:
        env: dict[str, DimLike] = {**self._guess, **self._sizes(args)}
        own = [t for i, t in enumerate(self.abi.results) if i not in self.abi.late]
        shapes = [[subs_dim(d, env) for d in t.shape] for t in own]
        types = zip(shapes, own, strict=True)
        try:
            return [np.empty([d for d in shape if isinstance(d, int)], _stored(t.numpy_dtype)) for shape, t in types]
        except (MemoryError, ValueError):  # more than there is: the next call begins afresh
            self._guess = dict.fromkeys(self._guess, 0)
            raise

    def _handle(self, code: int) -> None:
        words = [int(w) for w in self._status_array]
        if code == codes.GROW_ARENA:
            self._grow(words[1])
        elif code == codes.RESULT_SHAPE:
            self._guess = dict(zip(self.abi.fresh, words[1:], strict=False))
        elif code == codes.BAD_INDEX:
            check = self.abi.checks[words[1]]
            raise _at(IndexError(check.message(words[2], words[3])), check.op)
        elif code == codes.GUARD_FAILED:
            raise GuardFailed(self.abi.guards[words[1]].attrs["value"], words[2])
        elif code == codes.REFUSED:
            op = self.abi.fallible[words[1]]
            raise _at(codes.refusal(op, words[2]), op)
        elif code == codes.NOT_CONTIGUOUS:
            raise ValueError(f"tensor {words[1]} of the call is not C-contiguous")
        else:
            raise RuntimeError(f"compiled code returned the unknown status {code}")


def _at(error: Exception, op: Op) -> Exception:
    """`error` with the op as an attribute, for whoever explains it."""
    error.op = op  # type: ignore[attr-defined]
    return error


def _stored(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that crosses the boundary: booleans travel as bytes."""
    return np.dtype(np.int8) if dtype == np.bool_ else dtype


def _bytes_of(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.view(np.int8) if array.dtype == np.bool_ else array


def _symbol_sources(abi: Abi) -> list[tuple[str, str, int, int]]:
    """(symbol, "param" or "state", position, axis) where each symbol's value can be read off."""
    found: dict[str, tuple[str, str, int, int]] = {}
    groups = (("param", abi.params), ("state", tuple(t for _, t in abi.states)))
    for kind, types in groups:
        for i, t in enumerate(types):
            for axis, d in enumerate(t.shape):
                if _is_name(d):
                    found.setdefault(str(d), (str(d), kind, i, axis))
    return list(found.values())


def _is_name(d: DimLike) -> bool:
    return isinstance(d, Dim) and len(d.terms) == 1 and d.terms[0][1] == 1 and len(d.symbols()) == 1 and (
        d.terms[0][0][0][1] == 1
    )
