"""Complex numbers: made of parts and taken apart. Arithmetic, exp, log, sin, cos, sqrt, products, sums, shapes and
indices take them as they take real ones; gradients are those of real costs, dL/dx + i dL/dy by x + iy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, floating, unify, value_of, zeros_of
from arignote.frontends.tensor.graph import cast_value, emit, wrap
from arignote.ir.core import Value
from arignote.ir.types import is_complex

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["angle", "complex", "complex_from_polar", "conj", "conjugate", "imag", "real"]


def _parts(re: Any, im: Any) -> tuple[Value, Value]:
    """Two real operands in float32 or float64."""
    values = unify(floating(value_of(re)), floating(value_of(im)))
    if is_complex(values[0].dtype):
        raise TypeError("complex takes real and imaginary parts, and one of them is complex already")
    wide = [cast_value(v, "f32") if v.dtype in ("f16", "bf16") else v for v in values]
    return wide[0], wide[1]


def complex(real: Any, imag: Any) -> TensorVariable:
    """real + i imag: complex64 of float32 (and narrower), complex128 of float64.

    Raises:
        TypeError: a part that is complex.
    """
    return wrap(emit("complex", *_parts(real, imag)))


def complex_from_polar(abs: Any, angle: Any) -> TensorVariable:
    """abs (cos(angle) + i sin(angle))."""
    size, turn = _parts(abs, angle)
    return wrap(emit("complex", emit("mul", size, emit("cos", turn)), emit("mul", size, emit("sin", turn))))


def real(x: Any, /) -> TensorVariable:
    """The real part; of real numbers `x` itself."""
    variable = as_tensor_variable(x)
    value = variable.value_
    return wrap(emit("real", value)) if is_complex(value.dtype) else variable


def imag(x: Any, /) -> TensorVariable:
    """The imaginary part; of real numbers zeros."""
    value = value_of(x)
    return wrap(emit("imag", value) if is_complex(value.dtype) else zeros_of(value.dtype, value))


def conj(x: Any, /) -> TensorVariable:
    """The complex conjugate; of real numbers `x` itself."""
    variable = as_tensor_variable(x)
    value = variable.value_
    return wrap(emit("conj", value)) if is_complex(value.dtype) else variable


conjugate = conj


def angle(x: Any, /) -> TensorVariable:
    """The angle, from -pi to pi; of real numbers 0, or pi where they are negative."""
    value = floating(value_of(x))
    if is_complex(value.dtype):
        return ew.arctan2(imag(wrap(value)), real(wrap(value)))
    return wrap(emit("arctan2", zeros_of(value.dtype, value), value))
