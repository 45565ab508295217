"""The names of `theano.scalar`: types without dimensions, their promotion, and functions of them.

A scalar is a tensor without dimensions here, so `float64("x")` makes what `T.dscalar("x")` makes, and functions are
those of tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.elementwise import (
    abs_,
    add,
    and_,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    cast,
    ceil,
    clip,
    cos,
    cosh,
    deg2rad,
    eq,
    exp,
    exp2,
    expm1,
    floor,
    ge,
    gt,
    inv,
    invert,
    isinf,
    isnan,
    le,
    log,
    log1p,
    log2,
    log10,
    lt,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    neq,
    or_,
    pow,
    rad2deg,
    round,
    sgn,
    sin,
    sinh,
    sqr,
    sqrt,
    sub,
    switch,
    tan,
    tanh,
    true_div,
    trunc,
    xor,
)
from arignote.frontends.tensor.elementwise import int_div as int_div
from arignote.frontends.tensor.graph import ir_dtype
from arignote.frontends.tensor.tensortype import TensorType
from arignote.ir.types import DTYPES, promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


class Scalar(TensorType):
    """The type of numbers of a dtype. Calling it makes a variable."""

    def __init__(self, dtype: Any) -> None:
        super().__init__(dtype, ())

    def __repr__(self) -> str:
        return f"Scalar({self.dtype})"

    __str__ = __repr__


def get_scalar_type(dtype: Any) -> Scalar:
    """The type of numbers of `dtype`."""
    return Scalar(dtype)


bool = Scalar("bool")
int8, int16, int32, int64 = int_types = tuple(Scalar(f"int{n}") for n in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = uint_types = tuple(Scalar(f"uint{n}") for n in (8, 16, 32, 64))
float16, float32, float64 = float_types = tuple(Scalar(f"float{n}") for n in (16, 32, 64))
bfloat16 = Scalar("bfloat16")
complex64, complex128 = complex_types = tuple(Scalar(f"complex{n}") for n in (64, 128))

integer_types = int_types + uint_types
discrete_types = (bool, *integer_types)
continuous_types = float_types + complex_types
all_types = discrete_types + continuous_types

discrete_dtypes = tuple(t.dtype for t in discrete_types)
continuous_dtypes = float_dtypes = tuple(t.dtype for t in float_types)
integer_dtypes = tuple(t.dtype for t in integer_types)
complex_dtypes = tuple(t.dtype for t in complex_types)
all_dtypes = tuple(t.dtype for t in all_types)


def upcast(dtype: Any, *dtypes: Any) -> str:
    """The dtype, by NumPy's name, of a result that mixes `dtypes`."""
    return DTYPES[promote(*map(ir_dtype, (dtype, *dtypes)))]


def upcast_out(*types: TensorType) -> tuple[Scalar]:
    """The type that holds results that mix `types`, in a tuple."""
    return (Scalar(upcast(*(t.dtype for t in types))),)


def as_scalar(x: Any, name: str | None = None) -> TensorVariable:
    """`x` as a variable without dimensions; of a tensor those that are known to be 1 are dropped.

    Raises:
        TypeError: `x` has other dimensions.
    """
    variable = as_tensor_variable(x, name)
    if not all(variable.broadcastable):
        raise TypeError(f"as_scalar takes a number, but {label(variable)} is {variable.type}")
    return variable.dimshuffle() if variable.ndim else variable


constant = as_scalar


def identity(x: Any) -> TensorVariable:
    """`x` itself."""
    return as_tensor_variable(x)



__all__ = [
    "Scalar",
    "abs_",
    "add",
    "all_dtypes",
    "all_types",
    "and_",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "as_scalar",
    "bfloat16",
    "bool",
    "cast",
    "ceil",
    "clip",
    "complex64",
    "complex128",
    "complex_dtypes",
    "complex_types",
    "constant",
    "continuous_dtypes",
    "continuous_types",
    "cos",
    "cosh",
    "deg2rad",
    "discrete_dtypes",
    "discrete_types",
    "eq",
    "exp",
    "exp2",
    "expm1",
    "float16",
    "float32",
    "float64",
    "float_dtypes",
    "float_types",
    "floor",
    "ge",
    "get_scalar_type",
    "gt",
    "identity",
    "int8",
    "int16",
    "int32",
    "int64",
    "int_div",
    "int_types",
    "integer_dtypes",
    "integer_types",
    "inv",
    "invert",
    "isinf",
    "isnan",
    "le",
    "log",
    "log1p",
    "log2",
    "log10",
    "lt",
    "maximum",
    "minimum",
    "mod",
    "mul",
    "neg",
    "neq",
    "or_",
    "pow",
    "rad2deg",
    "round",
    "sgn",
    "sin",
    "sinh",
    "sqr",
    "sqrt",
    "sub",
    "switch",
    "tan",
    "tanh",
    "true_div",
    "trunc",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uint_types",
    "upcast",
    "upcast_out",
    "xor",
]
