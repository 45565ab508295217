"""Elementwise functions, by Theano's names and dtype rules.

Operands broadcast over dimensions that are 1 in the type, and take their common dtype: NumPy's
promotion, so int32 with float32 gives float64. Comparisons give bool. Functions of real numbers
(exp, sin, ...) take integers to float32 or float64, whichever holds them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from arignote.frontends.tensor.convert import (
    as_tensor_variable,
    common,
    floating,
    to_bool,
    unify,
    value_of,
    zeros_of,
)
from arignote.frontends.tensor.graph import cast_value, const, emit, ir_dtype, wrap
from arignote.frontends.tensor.settings import config
from arignote.ir.core import Value
from arignote.ir.types import is_complex, is_differentiable, is_float

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


class Unary(Protocol):
    """A function of one tensor."""

    def __call__(self, x: Any, /) -> TensorVariable: ...


class Binary(Protocol):
    """A function of two tensors, which broadcast."""

    def __call__(self, x: Any, y: Any, /) -> TensorVariable: ...


class Nary(Protocol):
    """A function of one or more tensors, folded from the left."""

    def __call__(self, x: Any, /, *more: Any) -> TensorVariable: ...


def named(fn: Any, name: str, doc: str) -> Any:
    fn.__name__ = fn.__qualname__ = name
    fn.__doc__ = doc
    return fn


def _no_bool(name: str, value: Value) -> Value:
    if value.dtype == "bool":
        raise TypeError(f"{name} of bool is not defined; cast to int8 first, or use T.invert")
    return value


def unary(op: str, name: str, doc: str, prepare: Callable[[Value], Value] = floating) -> Unary:
    def apply(x: Any, /) -> TensorVariable:
        return wrap(emit(op, prepare(value_of(x))))

    out: Unary = named(apply, name, doc)
    return out


exp = unary("exp", "exp", "e to the power x.")
exp2 = unary("exp2", "exp2", "2 to the power x.")
expm1 = unary("expm1", "expm1", "exp(x) - 1, accurate near 0.")
log = unary("log", "log", "The natural logarithm.")
log2 = unary("log2", "log2", "The logarithm to base 2.")
log10 = unary("log10", "log10", "The logarithm to base 10.")
log1p = unary("log1p", "log1p", "log(1 + x), accurate near 0.")
sin = unary("sin", "sin", "The sine.")
cos = unary("cos", "cos", "The cosine.")
tan = unary("tan", "tan", "The tangent.")
arcsin = unary("arcsin", "arcsin", "The inverse sine.")
arccos = unary("arccos", "arccos", "The inverse cosine.")
arctan = unary("arctan", "arctan", "The inverse tangent.")
sinh = unary("sinh", "sinh", "The hyperbolic sine.")
cosh = unary("cosh", "cosh", "The hyperbolic cosine.")
tanh = unary("tanh", "tanh", "The hyperbolic tangent.")
arcsinh = unary("arcsinh", "arcsinh", "The inverse hyperbolic sine.")
arccosh = unary("arccosh", "arccosh", "The inverse hyperbolic cosine.")
arctanh = unary("arctanh", "arctanh", "The inverse hyperbolic tangent.")
erf = unary("erf", "erf", "The error function.")
erfc = unary("erfc", "erfc", "1 - erf(x).")
sqrt = unary("sqrt", "sqrt", "The square root.")
sigmoid = unary("sigmoid", "sigmoid", "1 / (1 + exp(-x)).")
softplus = unary("softplus", "softplus", "log(1 + exp(x)).")

neg = unary("neg", "neg", "-x.", lambda v: _no_bool("neg", v))
sgn = unary("sgn", "sgn", "-1, 0 or 1.", lambda v: _no_bool("sgn", v))


def _keep_bool(op: str, name: str, doc: str) -> Unary:
    """Functions that leave bools as they are."""

    def apply(x: Any, /) -> TensorVariable:
        value = value_of(x)
        name = "magnitude" if op == "abs" and is_complex(value.dtype) else op
        return wrap(value if value.dtype == "bool" else emit(name, value))

    out: Unary = named(apply, name, doc)
    return out


abs_ = _keep_bool("abs", "abs_", "The absolute value.")
sqr = _keep_bool("sqr", "sqr", "x * x.")
floor = _keep_bool("floor", "floor", "The largest integer not above x.")
ceil = _keep_bool("ceil", "ceil", "The smallest integer not below x.")
trunc = _keep_bool("trunc", "trunc", "x without its fraction.")
square = sqr
rint = _keep_bool("round", "rint", "The nearest integer, halves to even.")


def _logical(op: str, name: str, doc: str) -> Unary:
    def apply(x: Any, /) -> TensorVariable:
        value = value_of(x)
        if is_complex(value.dtype):  # where one of the parts is
            return wrap(emit("or", *(emit(op, emit(part, value)) for part in ("real", "imag"))))
        return wrap(emit(op, value) if is_float(value.dtype) else zeros_of("bool", value))

    out: Unary = named(apply, name, doc)
    return out


isnan = _logical("isnan", "isnan", "Whether elements are NaN (bool).")
isinf = _logical("isinf", "isinf", "Whether elements are infinite (bool).")


def round(x: Any, mode: str = "half_to_even") -> TensorVariable:
    """The nearest integer; `mode` is `half_to_even` or `half_away_from_zero`."""
    if mode == "half_to_even":
        return rint(x)
    if mode != "half_away_from_zero":
        raise ValueError(f"round: mode {mode!r} is not half_to_even or half_away_from_zero")
    value = value_of(x)
    if not is_float(value.dtype):
        return wrap(value)
    half = emit("floor", emit("add", emit("abs", value), const(0.5, value.dtype)))
    return wrap(emit("mul", emit("sgn", value), half))


def iround(x: Any, mode: str = "half_to_even") -> TensorVariable:
    """`round` as int64."""
    return cast(round(x, mode), "int64")


def deg2rad(x: Any, /) -> TensorVariable:
    """From degrees to radians."""
    value = floating(value_of(x))
    return wrap(emit("mul", value, const(math.pi / 180, value.dtype)))


def rad2deg(x: Any, /) -> TensorVariable:
    """From radians to degrees."""
    value = floating(value_of(x))
    return wrap(emit("mul", value, const(180 / math.pi, value.dtype)))


def invert(x: Any, /) -> TensorVariable:
    """`not` for bools, the complement of bits for integers."""
    value = value_of(x)
    if is_float(value.dtype):
        raise TypeError(f"invert takes bools or integers, not {as_tensor_variable(x).type}")
    return wrap(emit("invert", value))


def reciprocal(x: Any, /) -> TensorVariable:
    """1 / x."""
    value = floating(value_of(x))
    return wrap(emit("div", const(1, value.dtype), value))


inv = reciprocal


def _operands(x: Any, y: Any) -> tuple[Value, Value]:
    a, b = common(x, y)
    return a, b


def _fold(name: str, doc: str, step: Callable[[Value, Value], Value]) -> Nary:
    """A function of two or more operands."""

    def apply(x: Any, /, *more: Any) -> TensorVariable:
        total = x
        for y in more:
            total = step(*common(total, y))
        return wrap(total if isinstance(total, Value) else value_of(total))

    out: Nary = named(apply, name, doc)
    return out


def _or_bool(op: str, on_bools: str) -> Callable[[Value, Value], Value]:
    return lambda a, b: emit(on_bools if a.dtype == "bool" else op, a, b)


add = _fold("add", "The sum of its arguments; of bools `or`, as in NumPy.", _or_bool("add", "or"))
mul = _fold("mul", "The product of its arguments; of bools `and`.", _or_bool("mul", "and"))
maximum = _fold("maximum", "The larger, elementwise; NaN if any is.", _or_bool("maximum", "or"))
minimum = _fold("minimum", "The smaller, elementwise; NaN if any is.", _or_bool("minimum", "and"))


def sub(x: Any, y: Any, /) -> TensorVariable:
    """x - y."""
    a, b = _operands(x, y)
    return wrap(emit("sub", _no_bool("sub", a), b))


def true_div(x: Any, y: Any, /) -> TensorVariable:
    """x / y; of two integers in `floatX`."""
    a, b = _operands(x, y)
    if not is_differentiable(a.dtype):
        dtype = ir_dtype(config.floatX)
        a, b = cast_value(a, dtype), cast_value(b, dtype)
    return wrap(emit("div", a, b))


def _integral(op: str, name: str, doc: str) -> Binary:
    def apply(x: Any, y: Any, /) -> TensorVariable:
        a, b = _operands(x, y)
        if a.dtype == "bool":
            a, b = cast_value(a, "i8"), cast_value(b, "i8")
        return wrap(emit(op, a, b))

    out: Binary = named(apply, name, doc)
    return out


int_div = floor_div = _integral("floordiv", "int_div", "floor(x / y), in the common dtype.")
mod = _integral("mod", "mod", "The remainder, with the sign of y.")
pow = power = _integral("pow", "pow", "x to the power y.")


def divmod(x: Any, y: Any, /) -> tuple[TensorVariable, TensorVariable]:
    """(x // y, x % y)."""
    return int_div(x, y), mod(x, y)


def arctan2(y: Any, x: Any, /) -> TensorVariable:
    """The angle of the point (x, y)."""
    a, b = unify(floating(value_of(y)), floating(value_of(x)))
    return wrap(emit("arctan2", a, b))


def _comparison(op: str, doc: str) -> Binary:
    def apply(x: Any, y: Any, /) -> TensorVariable:
        a, b = _operands(x, y)
        if a.dtype == "bool" and op not in ("eq", "neq"):
            a, b = cast_value(a, "i8"), cast_value(b, "i8")
        return wrap(emit(op, a, b))

    out: Binary = named(apply, op, doc)
    return out


eq = _comparison("eq", "x == y, elementwise (bool).")
neq = _comparison("neq", "x != y, elementwise (bool).")
lt = _comparison("lt", "x < y, elementwise (bool).")
le = _comparison("le", "x <= y, elementwise (bool).")
gt = _comparison("gt", "x > y, elementwise (bool).")
ge = _comparison("ge", "x >= y, elementwise (bool).")


def _bitwise(op: str, name: str, doc: str) -> Binary:
    def apply(x: Any, y: Any, /) -> TensorVariable:
        a, b = _operands(x, y)
        if is_float(a.dtype):
            kinds = f"{as_tensor_variable(x).dtype} and {as_tensor_variable(y).dtype}"
            raise TypeError(f"{name} takes bools or integers, not {kinds}")
        return wrap(emit(op, a, b))

    out: Binary = named(apply, name, doc)
    return out


and_ = bitwise_and = _bitwise("and", "and_", "Logical and of bools, bitwise of integers.")
or_ = bitwise_or = _bitwise("or", "or_", "Logical or of bools, bitwise of integers.")
xor = bitwise_xor = _bitwise("xor", "xor", "Exclusive or of bools, bitwise of integers.")
bitwise_not = invert


def switch(cond: Any, ift: Any, iff: Any) -> TensorVariable:
    """`ift` where `cond`, else `iff`. Both are computed."""
    a, b = common(ift, iff)
    return wrap(emit("select", to_bool(value_of(cond)), a, b))


def where(cond: Any, ift: Any, iff: Any) -> TensorVariable:
    """The same as `switch`."""
    return switch(cond, ift, iff)


def clip(x: Any, min: Any, max: Any) -> TensorVariable:
    """x, but not below `min` nor above `max`."""
    a, low, high = common(x, min, max)
    if a.dtype == "bool":
        a, low, high = (cast_value(v, "i8") for v in (a, low, high))
    # By comparisons, so that the gradient is 1 at the bounds and 0 beyond them, and NaN stays.
    out = emit("select", emit("lt", a, low), low, a)
    return wrap(emit("select", emit("gt", a, high), high, out))


def cast(x: Any, dtype: Any) -> TensorVariable:
    """`x` in another dtype; `"floatX"` names the configured one."""
    variable = as_tensor_variable(x)
    name = ir_dtype(dtype)
    if variable.value_.dtype == name:
        return variable
    return wrap(cast_value(variable.value_, name))


def isclose(
    x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> TensorVariable:
    """Whether |x - y| <= atol + rtol |y|, elementwise (bool)."""
    a, b = as_tensor_variable(x), as_tensor_variable(y)
    close = or_(le(abs_(sub(a, b)), add(atol, mul(rtol, abs_(b)))), eq(a, b))
    if equal_nan:
        close = or_(close, and_(isnan(a), isnan(b)))
    # An infinite bound is close to nothing but itself.
    finite = and_(invert(isinf(a)), invert(isinf(b)))
    return and_(close, or_(finite, or_(eq(a, b), and_(isnan(a), isnan(b)))))
