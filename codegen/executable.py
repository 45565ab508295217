"""Calling compiled code: the last checks, result memory, the workspace, and what a status code means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy import empty, ndarray

from arignote.codegen import abi as codes
from arignote.codegen.abi import Abi
from arignote.codegen.calling import Caller
from arignote.codegen.memory import aligned_empty
from arignote.codegen.printing import Printer
from arignote.codegen.profile import Timer
from arignote.codegen.table import Array, Table
from arignote.ir.core import Op
from arignote.ir.diag import IRError
from arignote.ir.types import Dim, DimLike, subs_dim


class Container(Protocol):
    """What holds a shared variable: `array` is 64-byte aligned and C-contiguous, and is written in place. Where
    the user may have that memory as well it is not `exclusive`, and another `array` says so."""

    array: Array
    exclusive: bool


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

    Tensors are NumPy arrays of the parameter's dtype and shape; 0-d parameters are Python numbers. The compiled code
    checks dtype, shape, contiguity and alignment; arguments that are not contiguous or aligned are copied.
    """

    def __init__(
        self, main: Callable[..., int], abi: Abi, containers: Mapping[str, Container], timer: Timer | None = None
    ) -> None:
        self._main = main
        self.abi = abi
        self.timer = timer
        self.table = table = Table(abi, None if timer is None else timer.words)
        self._states = [
            (table.first_state + k, containers[name]) for k, (name, _) in enumerate(abi.states)
        ]
        self._arrays: list[Array | None] = [None] * len(self._states)
        self._lent: dict[int, int] = {}  # of states that are written to: the memory that the user may have as well
        for k, value in enumerate(abi.constants):
            array = aligned_empty(value.shape, value.dtype)
            array[...] = value
            table.hold(table.first_state + len(self._states) + k, array)
        if abi.prints:
            self._printer = Printer(abi.prints, table.status.ctypes.data)
        if abi.calls:
            again = codes.GROW_ARENA, codes.RESULT_SHAPE
            self._main = Caller(abi.calls, table.status.ctypes.data, main, again)
        self._grow(max(abi.arena, 1))
        self._tensors = [i for i, t in enumerate(abi.params) if t.ndim]
        scalars = len(self._tensors) < len(abi.params)
        self._kinds = [bool(t.ndim) for t in abi.params] if scalars else []  # whether each is an array
        self._makers: list[tuple[tuple[int, ...], np.dtype[Any]]] | None = None
        if all(t.static for t in abi.results):
            self._makers = [(tuple(d for d in t.shape if isinstance(d, int)), t.numpy_dtype) for t in abi.results]
        self._symbols = _symbol_sources(abi)
        self._guess = dict.fromkeys(abi.fresh, 0)

    def _grow(self, nbytes: int) -> None:
        self.table.use(aligned_empty(nbytes, np.int8))

    def __call__(self, *args: Any) -> list[Array]:
        """Run. Returns one array per result; shared variables have their new values afterwards.

        Raises:
            TypeError, ValueError: an argument or a shared variable of another dtype, shape or layout.
            IndexError: an index outside its axis; nothing has been updated.
            GuardFailed: an assumption of the compiled code does not hold; nothing has been updated.
            LinAlgError: a matrix that is singular, or not positive definite; nothing has been updated.
            AssertionFailed: a condition of the program does not hold; nothing has been updated.
        """
        if len(args) != len(self.abi.params):
            raise TypeError(f"{len(self.abi.params)} arguments expected, {len(args)} given")
        for i in self._tensors:
            if args[i].__class__ is not ndarray and not isinstance(args[i], ndarray):
                raise TypeError(f"argument {i} is {self.abi.params[i]}, but a {type(args[i]).__name__} was given")
        for k, (number, container) in enumerate(self._states):
            if container.array is not self._arrays[k]:
                self.table.hold(number, container.array)
                self._arrays[k] = container.array
                self._lent.pop(k, None)
                if k in self.abi.written and not container.exclusive:
                    self._lent[k] = _owner(container.array)
        if self._lent:
            args = self._apart(args)
        kinds = self._kinds
        while True:
            if self._makers is not None:
                results = [empty(shape, dtype) for shape, dtype in self._makers]
            else:
                results = self._allocate(args)
            given = [id(a) if t else a for a, t in zip(args, kinds, strict=True)] if kinds else map(id, args)
            code = self._main(*given, *map(id, results), self.table.address)
            if code == codes.OK:
                break
            args = tuple(self._handle(code, args))
        if self.abi.late:
            self._take_late(args, results)
        return results

    def _apart(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Arguments, with copies of those that lie in the memory of a shared variable that is about to be written."""
        lent = self._lent.values()
        return tuple(a.copy() if isinstance(a, ndarray) and _owner(a) in lent else a for a in args)

    def _take_late(self, args: Sequence[Any], results: list[Array]) -> None:
        """Copy from the workspace the results whose sizes became known on the way."""
        words = [int(w) for w in self.table.status[1:]]
        env: dict[str, DimLike] = {**self._sizes(args), **dict(zip(self.abi.fresh, words, strict=False))}
        for i, offset in zip(self.abi.late, words[len(self.abi.fresh) :], strict=False):
            type = self.abi.results[i]
            shape = [d for d in (subs_dim(d, env) for d in type.shape) if isinstance(d, int)]
            dtype = type.numpy_dtype
            end = offset + math.prod(shape) * dtype.itemsize
            results.insert(i, self.table.workspace[offset:end].view(dtype).reshape(shape).copy())

    def _sizes(self, args: Sequence[Any]) -> dict[str, DimLike]:
        """The sizes that arguments and shared variables have."""
        out: dict[str, DimLike] = {}
        for symbol, kind, index, axis in self._symbols:
            source = args[index] if kind == "param" else self._arrays[index]
            assert source is not None
            out[symbol] = int(source.shape[axis])
        return out

    def _allocate(self, args: Sequence[Any]) -> list[Array]:
        env: dict[str, DimLike] = {**self._guess, **self._sizes(args)}
        own = [t for i, t in enumerate(self.abi.results) if i not in self.abi.late]
        shapes = [[subs_dim(d, env) for d in t.shape] for t in own]
        types = zip(shapes, own, strict=True)
        try:
            return [np.empty([d for d in shape if isinstance(d, int)], t.numpy_dtype) for shape, t in types]
        except (MemoryError, ValueError):  # more than there is: the next call begins afresh
            self._guess = dict.fromkeys(self._guess, 0)
            raise

    def _handle(self, code: int, args: Sequence[Any]) -> Sequence[Any]:
        """Make the next attempt possible: the arguments for it. Raises what `code` means, where there is none."""
        words = [int(w) for w in self.table.status]
        if code == codes.GROW_ARENA:
            self._grow(words[1])
        elif code == codes.RESULT_SHAPE:
            self._guess = dict(zip(self.abi.fresh, words[1:], strict=False))
        elif code == codes.BAD_ARRAY:
            return self._fitted(words[1], args)
        elif code == codes.BAD_SCALAR:
            raise TypeError(f"argument {words[1]} is {self.abi.params[words[1]]}, but {args[words[1]]!r} was given")
        elif code == codes.BAD_INDEX:
            check = self.abi.checks[words[1]]
            raise _at(IndexError(check.message(words[2], words[3])), check.op)
        elif code == codes.GUARD_FAILED:
            raise GuardFailed(self.abi.guards[words[1]].attrs["value"], words[2])
        elif code == codes.REFUSED:
            op = self.abi.fallible[words[1]]
            raise _at(codes.refusal(op, words[2]), op)
        else:
            raise RuntimeError(f"compiled code returned the unknown status {code}")
        return args

    def _fitted(self, number: int, args: Sequence[Any]) -> Sequence[Any]:
        """The arguments with another array for tensor `number`, which the compiled code refused."""
        tensor = self.table.tensors[number]
        if tensor.argument is None:
            self.table.hold(number, tensor.fitted(self.table.held(number)))
            return args
        if tensor.argument >= len(args):
            raise RuntimeError(f"{tensor.name} was allocated as no {tensor.type}")
        out = list(args)
        out[tensor.argument] = tensor.fitted(out[tensor.argument])
        return out


def _owner(array: Array) -> int:
    """The identity of the object whose memory an array is a view of."""
    while isinstance(array.base, ndarray):
        array = array.base
    return id(array if array.base is None else array.base)


def _at(error: Exception, op: Op) -> Exception:
    """`error` with the op as an attribute, for whoever explains it."""
    error.op = op  # type: ignore[attr-defined]
    return error


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
