"""Reading pickles that come from outside without running what they say.

A pickle is a program: it may call any function it can name. `load` runs it with a vocabulary that
can only rebuild NumPy arrays and plain values (None, bool, int, float, str, bytes, list, tuple,
dict); any other name is refused, and the error says which. Even NumPy's own constructors are never
called with what the pickle says: its arrays become records, which are checked and then turned into
arrays here.
"""

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from arignote.models.data.errors import DataError

_DTYPE_KINDS = "biuf"  # booleans, integers and floats: nothing that holds references


def load(data: bytes, where: Path | str, *, encoding: str = "latin1") -> Any:
    """The value that the pickle `data` stands for.

    - `where`: named in errors;
    - `encoding`: how byte strings of Python 2 become `str`; array contents need `latin1`.

    Raises `DataError` for names outside the vocabulary, and for damaged pickles.
    """
    try:
        value = _Unpickler(io.BytesIO(data), encoding=encoding).load()
        return _finish(value, {})
    except _RefusedError as refusal:
        raise DataError(
            where,
            expected="a pickle of NumPy arrays and plain values",
            found=str(refusal),
            remedy="It was not executed. Do not trust this file; get it again from its source.",
        ) from None
    except Exception as error:
        # The pickle machine reports damage by whatever the nonsense it reads happens to raise.
        raise DataError(
            where,
            expected="a complete pickle",
            found=f"damage ({type(error).__name__}: {error})",
            remedy="Get the file again.",
        ) from error


class _RefusedError(Exception):
    """The pickle asks for something outside the vocabulary."""


class _Dtype:
    """A dtype being rebuilt: pickles make it first and state its byte order afterwards."""

    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        self.code = code
        self.order: object = "="

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]

    def finish(self) -> np.dtype[Any]:
        # "|" marks types without byte order (bytes, booleans).
        if not isinstance(self.code, str) or self.order not in ("<", ">", "=", "|"):
            raise _RefusedError(f"the dtype {self.code!r}")
        # Structured and object dtypes fail here, either as codes NumPy rejects or by their kind.
        dtype = np.dtype(self.code).newbyteorder(self.order)
        if dtype.kind not in _DTYPE_KINDS:
            raise _RefusedError(f"the dtype {self.code!r}")
        return dtype


class _Array:
    """An array being rebuilt. `contents` are its bytes, as a `str` in Python 2's pickles."""

    __slots__ = ("contents", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.contents: object = None
        self.shape: object = None
        self.dtype: object = None
        self.fortran: object = False

    def __setstate__(self, state: Any) -> None:
        _version, self.shape, self.dtype, self.fortran, self.contents = state

    def finish(self) -> np.ndarray[Any, Any]:
        if not isinstance(self.dtype, _Dtype):
            raise _RefusedError("an array without dtype")
        dtype, contents, shape = self.dtype.finish(), self.contents, self.shape
        if isinstance(contents, str):
            contents = contents.encode("latin1")
        if not isinstance(contents, bytes | bytearray):
            raise _RefusedError(f"array contents of type {type(contents).__name__}")
        if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"array shape {shape!r}")
        if math.prod(shape) * dtype.itemsize != len(contents):
            raise ValueError(f"{len(contents)} bytes for {dtype}{list(shape)}")
        # A view of `contents`: no second copy of what can be hundreds of megabytes.
        flat = np.frombuffer(contents, dtype=dtype)
        return flat.reshape(shape, order="F" if self.fortran else "C")


class _Name:
    """What a name in a pickle stands for: callable, and immutable for the pickle."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self._call = call

    def __call__(self, *args: object) -> object:
        return self._call(*args)

    def __setstate__(self, state: object) -> None:
        raise _RefusedError("a change to a function")


def _not_called(*_: object) -> object:
    raise _RefusedError("a call of numpy.ndarray")


def _new_array(*_: object) -> _Array:
    # The arguments (a class, shape (0,) and 'b') are the same in every pickle; the array's real
    # shape and dtype follow as its state.
    return _Array()


def _array_from_buffer(contents: object, dtype: object, shape: object, order: object) -> _Array:
    array = _Array()
    array.contents, array.dtype, array.shape = contents, dtype, shape
    array.fortran = order == "F"
    return array


def _scalar(dtype: object, contents: object) -> _Array:
    return _array_from_buffer(contents, dtype, (), "C")


def _encode(text: object, encoding: object) -> bytes:
    # How Python 3 writes bytes in protocols that have none.
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"_codecs.encode to {encoding!r}")
    return text.encode("latin1")


def _empty_bytes(*args: object) -> bytes:
    # How Python 3 writes b"" in protocols that have none.
    if args:
        raise _RefusedError("a call of bytes with arguments")
    return b""


_NAMES: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): _not_called,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _empty_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # the name before and since NumPy 2
    _NAMES[f"{_core}.multiarray", "_reconstruct"] = _new_array
    _NAMES[f"{_core}.multiarray", "scalar"] = _scalar
    _NAMES[f"{_core}.numeric", "_frombuffer"] = _array_from_buffer


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _Name(_NAMES[module, name])
        except KeyError:
            raise _RefusedError(f"the name {module}.{name}") from None


def _finish(value: object, finished: dict[int, object]) -> object:
    """`value` with its records turned into arrays; `finished` keeps shared objects shared."""
    if id(value) in finished:
        return finished[id(value)]
    result: object
    if isinstance(value, _Array):
        result = value.finish()
    elif isinstance(value, list):
        # Entered before its elements: a list may contain itself.
        elements: list[object] = []
        result = finished[id(value)] = elements
        elements.extend(_finish(element, finished) for element in value)
    elif isinstance(value, tuple):
        result = tuple(_finish(element, finished) for element in value)
    elif isinstance(value, dict):
        entries: dict[object, object] = {}
        result = finished[id(value)] = entries
        entries.update(
            (_finish(key, finished), _finish(element, finished)) for key, element in value.items()
        )
    elif value is None or isinstance(value, bool | int | float | str | bytes):
        result = value
    else:
        raise _RefusedError(f"a value of type {type(value).__name__}")
    finished[id(value)] = result
    return result
