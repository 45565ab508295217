"""From Python to variables: constants, lists of variables, and the dtype rules of Theano.

A Python int takes the smallest integer dtype that holds it, a Python float `floatX` (or, under
floatX=float64, float32 where that is exact), so that `x * 0.5` stays float32 for a float32 `x`.
NumPy scalars and arrays keep their dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import graph
from arignote.frontends.tensor.graph import Variable, cast_value, const, emit, ir_dtype, wrap
from arignote.frontends.tensor.settings import config
from arignote.ir.core import Value
from arignote.ir.types import FROM_NUMPY, TensorType, is_integer, promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorConstant, TensorVariable

_INTS = ("int8", "int16", "int32", "int64", "uint64")

#: The float dtype that functions such as exp take integers to, as in Theano.
_FLOAT_OF = {
    "bool": "f32", "i8": "f32", "i16": "f32", "u8": "f32", "u16": "f32",
    "i32": "f64", "i64": "f64", "u32": "f64", "u64": "f64",
}  # fmt: skip


def autocast(x: Any) -> np.ndarray[Any, Any]:
    """Python or NumPy data as an array, with the dtype that Theano gives it."""
    if isinstance(x, (np.ndarray, np.generic)):
        return np.asarray(x)
    if isinstance(x, bool):
        return np.asarray(x)
    if isinstance(x, int):
        for dtype in _INTS:
            info = np.iinfo(dtype)
            if info.min <= x <= info.max:
                return np.asarray(x, dtype)
        raise OverflowError(f"{x} does not fit into any integer dtype")
    if isinstance(x, float):
        if config.floatX != "float64":
            return np.asarray(x, config.floatX)
        narrow = np.asarray(x, np.float64)
        with np.errstate(all="ignore"):
            single = narrow.astype(np.float32)
        return single if single == narrow or x != x else narrow
    array = np.asarray(x)
    if array.size == 0 and not hasattr(x, "dtype"):
        return array.astype(config.floatX)
    return array


def constant_array(x: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """`x` as the array of a constant."""
    try:
        array = autocast(x) if dtype is None else np.asarray(x, np.dtype(_numpy_name(dtype)))
    except ValueError as e:
        raise TypeError(f"cannot make a tensor of {x!r}: {e}") from None
    if array.dtype.name not in FROM_NUMPY:
        raise TypeError(f"cannot make a tensor of {x!r}: its dtype is {array.dtype}")
    return array


def _numpy_name(dtype: Any) -> str:
    from arignote.ir.types import DTYPES

    return DTYPES[ir_dtype(dtype)]


def constant(x: Any, name: str | None = None, ndim: int | None = None, dtype: Any = None) -> (
    TensorConstant
):
    """A constant with the value of `x`; leading dimensions 1 are added up to `ndim`."""
    array = constant_array(x, dtype)
    if ndim is not None:
        if array.ndim > ndim:
            raise ValueError(f"ndim={ndim}, but the value has {array.ndim} dimensions")
        array = array.reshape((1,) * (ndim - array.ndim) + array.shape)
    out: Any = wrap(const(array))
    if name is not None:
        out.name = name
    return out  # type: ignore[no-any-return]


def as_tensor_variable(x: Any, name: str | None = None, ndim: int | None = None) -> TensorVariable:
    """`x` as a variable: variables as they are, numbers, arrays and lists (of variables) converted.

    Raises:
        TypeError: `x` has no tensor form.
    """
    if isinstance(x, Variable):
        variable: Any = x
        if ndim is not None and variable.ndim != ndim:
            from arignote.frontends.tensor import shapes

            return shapes.pad_to(variable, ndim)
        return variable  # type: ignore[no-any-return]
    if isinstance(x, (list, tuple)) and _has_variable(x):
        from arignote.frontends.tensor import joining

        return joining.stack(list(x))
    if isinstance(x, (str, bytes, type)) or x is None or callable(x):
        raise TypeError(f"cannot make a tensor variable of {x!r}")
    if hasattr(x, "_as_arignote_variable"):
        return as_tensor_variable(x._as_arignote_variable(), name, ndim)
    return constant(x, name, ndim)


def _has_variable(items: Sequence[Any]) -> bool:
    return any(
        isinstance(i, Variable) or (isinstance(i, (list, tuple)) and _has_variable(i))
        for i in items
    )


def value_of(x: Any) -> Value:
    """The IR value of anything that has a tensor form."""
    return as_tensor_variable(x).value_


def scalar_int(x: Any, what: str) -> int | Value:
    """A Python int where `x` is known now, else an i64 scalar value."""
    if isinstance(x, (int, np.integer)) and not isinstance(x, bool):
        return int(x)
    if isinstance(x, np.ndarray) and x.ndim == 0 and x.dtype.kind in "iu":
        return int(x)
    if not isinstance(x, Variable):
        raise TypeError(f"{what} must be an integer or a symbolic integer scalar, not {x!r}")
    value = x.value_
    if value.ndim or not is_integer(value.dtype):
        raise TypeError(f"{what} must be an integer scalar, but {label(x)} is {type_text(value)}")
    array = graph.constant_of(value)
    return int(array) if array is not None else cast_value(value, "i64")


def unify(*values: Value) -> tuple[Value, ...]:
    """The values cast to their common dtype."""
    dtype = promote(*(v.dtype for v in values))
    return tuple(cast_value(v, dtype) for v in values)


def common(*operands: Any) -> tuple[Value, ...]:
    """Operands, values among them, in their common dtype. Beside bfloat16 and complex64 Python's floats are of that
    precision too, and so are its complex numbers beside complex64 and float32."""
    values = [x if isinstance(x, Value) else value_of(x) for x in operands]
    kinds = {v.dtype for x, v in zip(operands, values, strict=True) if type(x) not in (float, complex)}
    weak: dict[type, str] = {}
    if "bf16" in kinds:
        weak[float] = "bf16"
    if "c64" in kinds and not kinds & {"c128", "f64"}:
        weak[float] = "f32"
    if kinds & {"c64", "f32"} and not kinds & {"c128", "f64"}:
        weak[complex] = "c64"
    pairs = zip(operands, values, strict=True)
    return unify(*(cast_value(v, weak[type(x)]) if type(x) in weak else v for x, v in pairs))


def floating(value: Value) -> Value:
    """`value`, integers cast to the float dtype that Theano uses for them."""
    return cast_value(value, _FLOAT_OF.get(value.dtype, value.dtype))


def to_bool(value: Value) -> Value:
    """Whether elements are non-zero."""
    return cast_value(value, "bool")


def zeros_of(dtype: str, value: Value) -> Value:
    """Zeros of `dtype` in the shape of `value`."""
    type = TensorType(dtype, value.shape)
    zero = const(0, dtype)
    return zero if not type.shape else emit("broadcast", zero, shape=type.shape)


def type_text(value: Value) -> str:
    """The type as Theano prints it: `TensorType(float32, matrix)`."""
    from arignote.frontends.tensor.tensortype import type_of_value

    return str(type_of_value(value))


def label(variable: Variable) -> str:
    """A variable in a message: its name, or its type."""
    return variable.name or f"<{type_text(variable.value_)}>"
