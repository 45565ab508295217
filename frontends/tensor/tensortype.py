"""`TensorType`: the type of variables as Theano's users see it, and what values it accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor.graph import Leaf, Variable, ir_dtype, wrap
from arignote.frontends.tensor.settings import config
from arignote.ir.core import Value
from arignote.ir.types import DTYPES, FROM_NUMPY, may_be_nan, promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

_NAMES = {
    (): "scalar",
    (False,): "vector",
    (False, False): "matrix",
    (False, True): "col",
    (True, False): "row",
}


class TensorType:
    """A dtype and, for each dimension, whether it is 1 (`broadcastable`) or another known size.

    `TensorType("float32", (False, True))` and `TensorType("float32", shape=(None, 784))` make the
    type; calling it makes a variable. Types are equal if dtypes and broadcastable dimensions are.
    """

    def __init__(
        self,
        dtype: Any,
        broadcastable: Iterable[bool] | None = None,
        name: str | None = None,
        shape: Iterable[int | None] | None = None,
    ) -> None:
        self._ir_dtype = ir_dtype(dtype)
        self.dtype = DTYPES[self._ir_dtype]
        if shape is None:
            if broadcastable is None:
                raise TypeError("TensorType needs broadcastable or shape")
            shape = (1 if b else None for b in broadcastable)
        elif broadcastable is not None:
            raise TypeError("give TensorType broadcastable or shape, not both")
        self.shape: tuple[int | None, ...] = tuple(None if s is None else int(s) for s in shape)
        if any(s is not None and s < 0 for s in self.shape):
            raise ValueError(f"a dimension cannot be negative: shape={self.shape}")
        self.broadcastable = tuple(s == 1 for s in self.shape)
        self.name = name

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return np.dtype(self.dtype)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TensorType) and (self.dtype, self.broadcastable) == (
            other.dtype,
            other.broadcastable,
        )

    def __hash__(self) -> int:
        return hash((self.dtype, self.broadcastable))

    def __repr__(self) -> str:
        if self.name:
            return self.name
        kind = _NAMES.get(self.broadcastable)
        if kind is None:
            kind = str(self.broadcastable) if any(self.broadcastable) else f"{self.ndim}D"
        return f"TensorType({self.dtype}, {kind})"

    __str__ = __repr__

    def __call__(self, name: str | None = None) -> TensorVariable:
        """A variable of this type, to be given a value at each call."""
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a variable's name is a string, not {name!r}")
        return wrap(Leaf(self._ir_dtype, self.shape, name))

    make_variable = __call__

    def clone(self, dtype: Any = None, broadcastable: Iterable[bool] | None = None) -> TensorType:
        """This type with another dtype or other broadcastable dimensions."""
        if broadcastable is not None:
            return TensorType(dtype or self.dtype, broadcastable)
        return TensorType(dtype or self.dtype, shape=self.shape)

    def filter(
        self, data: Any, strict: bool = False, allow_downcast: bool | None = None
    ) -> np.ndarray[Any, Any]:
        """`data` as an array of this type.

        Args:
            strict: take nothing but an array of exactly this dtype.
            allow_downcast: True: any conversion. None: a Python float also becomes `floatX`.

        Raises:
            TypeError: the dtype does not fit, or loses precision; or the shape does not fit.
        """
        if isinstance(data, Variable):
            raise TypeError(
                "Expected an array-like object, but found a Variable: maybe you are trying to call "
                "a function on a (possibly shared) variable instead of a numeric array?"
            )
        array = self._convert(data, strict, allow_downcast)
        if array.ndim != self.ndim:
            raise TypeError(
                f"Wrong number of dimensions: expected {self.ndim}, got {array.ndim} with shape "
                f"{array.shape}."
            )
        for axis, (want, have) in enumerate(zip(self.shape, array.shape, strict=True)):
            if want is not None and want != have:
                what = "Non-unit value on shape on a broadcastable dimension." if want == 1 else (
                    f"Dimension {axis} must be {want}, not {have}."
                )
                raise TypeError(f"{what} (shape {array.shape}, type {self})")
        return array

    def _convert(
        self, data: Any, strict: bool, allow_downcast: bool | None
    ) -> np.ndarray[Any, Any]:
        dtype = self.numpy_dtype
        if strict:
            if not isinstance(data, np.ndarray):
                raise TypeError(f"{self} expected a ndarray object. (got {type(data).__name__})")
            if data.dtype != dtype:
                raise TypeError(
                    f"{self} expected a ndarray object with dtype = {dtype} (got {data.dtype})."
                )
            return data
        if isinstance(data, np.ndarray) and data.dtype == dtype:
            return data
        if allow_downcast:
            return _array(data, dtype, self)
        if isinstance(data, (np.ndarray, np.generic)) and data.dtype != object:
            if self.dtype == "bfloat16" and data.dtype == np.dtype("V2"):
                return np.asarray(data).view(dtype)  # what NumPy reads of a file that it wrote
            if data.dtype.name in FROM_NUMPY and promote(FROM_NUMPY[data.dtype.name], self._ir_dtype) == self._ir_dtype:
                return np.asarray(data, dtype)
            raise TypeError(
                f"{self} cannot store a value of dtype {data.dtype} without risking loss of "
                "precision. If you do not mind this loss, you can: 1) explicitly cast your data "
                f'to {self.dtype}, or 2) set "allow_input_downcast=True" when calling "function". '
                f"Value: {_brief(data)}"
            )
        if allow_downcast is None and type(data) is float and self.dtype == config.floatX:
            return np.asarray(data, dtype)
        plain = _array(data, None, self)
        if plain.size == 0:
            return plain.astype(dtype)
        with np.errstate(all="ignore"):
            converted = plain.astype(dtype)
        if not np.array_equal(converted, plain, equal_nan=may_be_nan(plain.dtype)):
            raise TypeError(
                f"{self} cannot store accurately value {_brief(data)}, it would be represented as "
                f"{_brief(converted)}. If you do not mind this precision loss, you can: 1) "
                f"explicitly convert your data to a numpy array of dtype {self.dtype}, or 2) set "
                '"allow_input_downcast=True" when calling "function".'
            )
        return converted


def _array(data: Any, dtype: np.dtype[Any] | None, type: TensorType) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(data, dtype)
    except (ValueError, TypeError, OverflowError) as e:
        raise TypeError(f"{type} cannot store {_brief(data)}: {e}") from None
    if array.dtype.name not in FROM_NUMPY and array.dtype.kind not in "biufc":
        raise TypeError(f"{type} cannot store {_brief(data)}, which is no array of numbers")
    return array


def _brief(data: Any) -> str:
    text = " ".join(repr(data).split())
    return text if len(text) <= 80 else text[:77] + "..."


def type_of_value(value: Value) -> TensorType:
    """The type of an IR value as users see it."""
    shape = (d if isinstance(d, int) else None for d in value.shape)
    return TensorType(DTYPES[value.dtype], shape=shape)
