"""The words through which Python and compiled code find each other's memory.

A call is `main(argument, ..., result, ..., table)`: every argument is a number. A scalar parameter travels as itself,
an array as the address of NumPy's array object, and the table as the address of int64 words:

    STATUS, ARENA, CAPACITY, PROFILE, PROFILE_SIZE    addresses, and sizes in bytes and in words
    HEAD, n words         the array objects: those of arguments and results are filled in by compiled code, those of
                          shared variables and constants here
    n words               the data of each, filled in by compiled code when it has looked at the objects
    then                  what each must be (`ROW` words and its dimensions): the number of the argument, or -1; its
                          dtype object; flags; bits that are 0 in the address of its data; rank; dimensions, -1
                          where they are not known

So compiled code checks dtype, rank, sizes, contiguity, alignment and writability of all arrays in one loop, whose code
does not grow with their number. It reads the object of an array as every extension module does: the fields of
`PyArrayObject` are part of NumPy's binary interface.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from arignote.codegen.abi import Abi
from arignote.codegen.loader import EnvironmentProblem
from arignote.codegen.memory import ALIGNMENT, aligned_zeros
from arignote.ir.types import TensorType, type_of

Array = np.ndarray[Any, Any]

STATUS, ARENA, CAPACITY, PROFILE, PROFILE_SIZE = range(5)
HEAD = 8
ROW = 5

#: Words from the beginning of an array object to its fields. Rank and flags are the lower half of theirs.
DATA = object.__basicsize__ // 8
RANK, DIMS, DTYPE, FLAGS = DATA + 1, DATA + 2, DATA + 5, DATA + 6
#: Of NumPy's flags.
C_CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400


@dataclass(frozen=True)
class Tensor:
    """An array of a call.

    Attributes:
        name: what errors call it.
        argument: its position in the call; None if the table holds it.
        alignment: of its data, in bytes.
        written: whether compiled code writes to it.
    """

    name: str
    type: TensorType
    argument: int | None
    alignment: int
    written: bool

    def row(self) -> list[int]:
        """What compiled code looks for."""
        flags = C_CONTIGUOUS | ALIGNED | (WRITEABLE if self.written else 0)
        dims = [d if isinstance(d, int) else -1 for d in self.type.shape]
        position = -1 if self.argument is None else self.argument
        return [position, id(self.type.numpy_dtype), flags, self.alignment - 1, len(dims), *dims]

    def fitted(self, array: Array) -> Array:
        """What compiled code takes instead of an array that it refused: another view, or for an argument a copy.

        Raises:
            TypeError, ValueError: it is of another dtype, shape or layout; says what was expected.
        """
        given = f"{self.name} is {self.type}, but an array of dtype {array.dtype} and shape {array.shape} was given"
        if array.dtype != self.type.numpy_dtype:
            raise TypeError(given)
        pairs = zip(self.type.shape, array.shape, strict=False)
        if self.type.ndim != array.ndim or any(isinstance(d, int) and d != n for d, n in pairs):
            raise ValueError(given)
        flags = array.flags
        sound = flags.c_contiguous and flags.aligned and (flags.writeable or not self.written)
        sound = sound and not array.__array_interface__["data"][0] % self.alignment
        if array.dtype is not self.type.numpy_dtype and sound:
            return array.view(self.type.numpy_dtype)
        if sound:
            raise ValueError(f"{given}: its sizes do not fit those of the other arrays")
        if self.written or self.argument is None:
            raise ValueError(
                f"{self.name} must be C-contiguous, writable and aligned to {self.alignment} bytes; "
                f"its strides are {array.strides} at address {array.__array_interface__['data'][0]:#x}"
            )
        return np.array(array, self.type.numpy_dtype, order="C", copy=True)


def tensors(abi: Abi) -> list[Tensor]:
    """The arrays of a call: arguments, results, shared variables, constants."""
    out = [
        Tensor(f"argument {i}", t, i, t.itemsize, False) for i, t in enumerate(abi.params) if t.ndim
    ]
    own = [(i, t) for i, t in enumerate(abi.results) if i not in abi.late]
    first = len(abi.params)
    out += [Tensor(f"result {i}", t, first + k, t.itemsize, True) for k, (i, t) in enumerate(own)]
    out += [Tensor(f"shared variable {name}", t, None, ALIGNMENT, True) for name, t in abi.states]
    for i, c in enumerate(abi.constants):
        out.append(Tensor(f"constant {i}", type_of(c), None, ALIGNMENT, False))
    return out


@functools.cache
def _check_layout() -> None:
    """Refuse a NumPy whose array objects are not what compiled code expects."""
    probe = np.empty((3, 5), np.float32)
    words = (ctypes.c_int64 * (FLAGS + 1)).from_address(id(probe))
    dims = (ctypes.c_int64 * 2).from_address(words[DIMS])
    half = 0xFFFFFFFF
    sound = words[DATA] == probe.ctypes.data and words[RANK] & half == 2 and tuple(dims) == probe.shape
    flags = words[FLAGS] & (C_CONTIGUOUS | ALIGNED | WRITEABLE)
    if not sound or words[DTYPE] != id(np.dtype(np.float32)) or flags != C_CONTIGUOUS | ALIGNED | WRITEABLE:
        raise EnvironmentProblem(
            f"array objects of NumPy {np.__version__} are laid out in a way that compiled code does not know. "
            'Remedy: pip install "numpy<3"'
        )


class Table:
    """The words of one executable, and the arrays in them."""

    def __init__(self, abi: Abi, profile: Array | None = None) -> None:
        _check_layout()
        self.tensors = tensors(abi)
        rows = [w for t in self.tensors for w in t.row()]
        self._held: dict[int, Any] = {}
        self.words: Array = aligned_zeros(HEAD + 2 * len(self.tensors) + len(rows), np.int64)
        self.words[HEAD + 2 * len(self.tensors) :] = rows
        self.address = int(self.words.ctypes.data)
        self.status: Array = aligned_zeros(abi.status_words, np.int64)
        self.words[STATUS] = self.status.ctypes.data
        self.first_state = sum(t.argument is not None for t in self.tensors)
        self._profile = profile
        if profile is not None:
            self.words[PROFILE], self.words[PROFILE_SIZE] = profile.ctypes.data, profile.size

    def use(self, workspace: Array) -> None:
        """Work in a workspace of bytes."""
        self.workspace = workspace
        self.words[ARENA], self.words[CAPACITY] = workspace.ctypes.data, workspace.size

    def hold(self, number: int, array: Array) -> None:
        """Use an array as tensor `number`, which is no argument, from now on.

        Raises:
            TypeError: it is no array.
        """
        if not isinstance(array, np.ndarray):
            tensor = self.tensors[number]
            raise TypeError(f"{tensor.name} is {tensor.type}, but a {type(array).__name__} was given")
        self._held[number] = array
        self.words[HEAD + number] = id(array)

    def held(self, number: int) -> Array:
        """The array in use as tensor `number`."""
        array: Array = self._held[number]
        return array
