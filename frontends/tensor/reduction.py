"""Reductions: sum, mean, max, argmax and their kin, with `axis`, `keepdims` and `dtype`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, label, to_bool
from arignote.frontends.tensor.graph import Variable, cast_value, const, constant_of, emit, ir_dtype, wrap
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.shapes import dim_value
from arignote.ir.core import Value
from arignote.ir.types import DTYPES, is_complex, is_differentiable, is_float, prod_dims

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

_WIDE = {"bool": "i64", "i8": "i64", "i16": "i64", "i32": "i64",
         "u8": "u64", "u16": "u64", "u32": "u64"}  # fmt: skip


def axes_of(axis: Any, x: Variable, what: str) -> tuple[int, ...]:
    """`axis` (None, an int or several) as ascending axes.

    Raises:
        ValueError: an axis that `x` does not have, or one given twice.
    """
    if axis is None:
        return tuple(range(x.ndim))
    if isinstance(axis, Variable):
        array = constant_of(axis.value_)
        if array is None:
            raise TypeError(f"{what}: axis must be known, not symbolic")
        axis = array.tolist()
    if isinstance(axis, (int, np.integer)) and not isinstance(axis, bool):
        axis = [axis]
    if isinstance(axis, (str, bool)) or not isinstance(axis, Iterable):
        raise TypeError(f"{what}: axis must be None, an integer or several, not {axis!r}")
    out = []
    for a in axis:
        if not isinstance(a, (int, np.integer)) or not -x.ndim <= a < x.ndim:
            raise ValueError(
                f"{what}: axis {a} is out of bounds for {label(x)}, which has {x.ndim} dimensions"
            )
        out.append(int(a) + x.ndim if a < 0 else int(a))
    if len(set(out)) != len(out):
        raise ValueError(f"{what}: an axis is given twice in {tuple(axis)}")
    return tuple(sorted(out))


def one_axis(axis: Any, x: Variable, what: str) -> int:
    """`axis` as one axis, counted from 0."""
    (found,) = axes_of([axis], x, what)
    return found


def _kept(value: Value, x: Value, axes: tuple[int, ...], keepdims: bool) -> TensorVariable:
    if keepdims and axes:
        value = emit("reshape", value, shape=kept_shape(x, axes))
    return wrap(value)


def kept_shape(x: Value, axes: tuple[int, ...]) -> tuple[Any, ...]:
    """The shape of `x` with `axes` reduced to 1."""
    return tuple(1 if a in axes else d for a, d in enumerate(x.shape))


def _accumulate(op: str, x: Any, axis: Any, dtype: Any, keepdims: bool, acc_dtype: Any) -> TensorVariable:
    variable = as_tensor_variable(x)
    value = variable.value_
    axes = axes_of(axis, variable, op)
    out = _WIDE.get(value.dtype, value.dtype) if dtype is None else ir_dtype(dtype)
    wide = cast_value(value, out if acc_dtype is None else _accumulator(op, out, acc_dtype))
    return _kept(cast_value(emit(op, wide, axes=axes), out), wide, axes, keepdims)


def _accumulator(op: str, out: str, acc_dtype: Any) -> str:
    """The dtype to add up in, which the result must not be more exact than."""
    name = ir_dtype(acc_dtype)
    if is_float(out) and not is_float(name):
        raise TypeError(f"{op}: acc_dtype={acc_dtype} cannot accumulate a result of {DTYPES[out]}")
    return name


def sum(
    input: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
) -> TensorVariable:
    """The sum over `axis` (all), of `dtype`, which for small integers is int64.

    Args:
        acc_dtype: the dtype to add up in. By default floats add up in at least float32, in vectors.
    """
    return _accumulate("sum", input, axis, dtype, keepdims, acc_dtype)


def prod(
    input: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    acc_dtype: Any = None,
    no_zeros_in_input: bool = False,
) -> TensorVariable:
    """The product over `axis` (all); of small integers in int64. `no_zeros_in_input` is ignored: the gradient holds
    with zeros."""
    return _accumulate("prod", input, axis, dtype, keepdims, acc_dtype)


def _count(value: Value, axes: tuple[int, ...], dtype: str) -> Value:
    """The number of elements reduced, as a scalar of `dtype`."""
    size = prod_dims(value.shape[a] for a in axes)
    return const(size, dtype) if isinstance(size, int) else cast_value(dim_value(size), dtype)


def mean(
    input: Any,
    axis: Any = None,
    dtype: Any = None,
    op: bool = False,
    keepdims: bool = False,
    acc_dtype: Any = None,
) -> TensorVariable:
    """The mean over `axis` (all); of integers in float64."""
    variable = as_tensor_variable(input)
    value = variable.value_
    axes = axes_of(axis, variable, "mean")
    if dtype is None:
        out = value.dtype if is_differentiable(value.dtype) else "f64"
    else:
        out = ir_dtype(dtype)
        out = out if is_differentiable(out) else "f64"
    if out == "bf16" and acc_dtype is None:  # whose whole numbers end at 256: counts are not exact
        wide = cast_value(value, "f32")
        total = emit("div", emit("sum", wide, axes=axes), _count(value, axes, "f32"))
        return _kept(cast_value(total, out), value, axes, keepdims)
    value = cast_value(value, out if acc_dtype is None else _accumulator("mean", out, acc_dtype))
    total = cast_value(emit("sum", value, axes=axes), out)
    return _kept(emit("div", total, _count(value, axes, out)), value, axes, keepdims)


def average(a: Any, axis: Any = None, weights: Any = None, keepdims: bool = False) -> TensorVariable:
    """The mean over `axis` (all), or the sum of elements times `weights`, divided by the sum of these.

    Args:
        weights: in the shape of `a`, or a vector for one `axis`.
    """
    variable = as_tensor_variable(a)
    if weights is None:
        return mean(variable, axis, keepdims=keepdims)
    share = as_tensor_variable(weights)
    if share.ndim != variable.ndim:
        if share.ndim != 1 or axis is None or len(axes_of(axis, variable, "average")) != 1:
            kinds = f"{share.type} do not fit {label(variable)}, {variable.type}"
            raise TypeError(f"average: weights {label(share)}, {kinds}")
        where = one_axis(axis, variable, "average")
        share = share.dimshuffle(*(0 if a == where else "x" for a in range(variable.ndim)))
    total = sum(ew.mul(variable, share), axis, keepdims=keepdims)
    return ew.true_div(total, sum(share, axis, keepdims=keepdims))


def var(
    input: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
) -> TensorVariable:
    """The variance over `axis` (all), divided by the number of elements less `ddof`; of complex numbers it is real."""
    variable = as_tensor_variable(input)
    axes = axes_of(axis, variable, "var")
    if variable.value_.dtype == "bf16":  # as for the mean
        wide = var(wrap(cast_value(variable.value_, "f32")), axes, ddof, keepdims)
        return wrap(cast_value(wide.value_, "bf16"))
    centred = ew.sub(variable, mean(variable, axes, keepdims=True))
    if is_complex(centred.value_.dtype):
        centred = ew.abs_(centred)
    value = emit("sum", ew.sqr(centred).value_, axes=axes)
    count = _count(centred.value_, axes, value.dtype)
    if ddof:
        count = emit("sub", count, const(ddof, value.dtype))
    return _kept(emit("div", value, count), centred.value_, axes, keepdims)


def std(
    input: Any, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
) -> TensorVariable:
    """The square root of `var`."""
    return ew.sqrt(var(input, axis, ddof, keepdims))


class Reduction(Protocol):
    """A reduction over `axis`."""

    def __call__(self, x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable: ...


def _reduction(
    op: str, doc: str, prepare: Callable[[Value], Value] = lambda v: v, on_bools: str | None = None
) -> Reduction:
    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        variable = as_tensor_variable(x)
        value = prepare(variable.value_)
        axes = axes_of(axis, variable, op)
        name = on_bools if on_bools and value.dtype == "bool" else op
        return _kept(emit(name, value, axes=axes), value, axes, keepdims)

    reduce.__name__ = reduce.__qualname__ = op
    reduce.__doc__ = doc
    return reduce


def _no_bool(value: Value) -> Value:
    return cast_value(value, "i8") if value.dtype == "bool" else value


max = _reduction("max", "The largest over `axis` (all); NaN if any is.", on_bools="any")
min = _reduction("min", "The smallest over `axis` (all); NaN if any is.", on_bools="all")
argmax = _reduction(
    "argmax", "Where the largest is along `axis`, or in the flattened tensor (int64).", _no_bool
)
argmin = _reduction(
    "argmin", "Where the smallest is along `axis`, or in the flattened tensor (int64).", _no_bool
)
all = _reduction("all", "Whether all elements over `axis` (all) are non-zero.", to_bool)
any = _reduction("any", "Whether any element over `axis` (all) is non-zero.", to_bool)


def max_and_argmax(
    a: Any, axis: Any = None, keepdims: bool = False
) -> tuple[TensorVariable, TensorVariable]:
    """(max, argmax)."""
    return max(a, axis, keepdims), argmax(a, axis, keepdims)


def largest(*args: Any) -> TensorVariable:
    """The largest of its arguments, elementwise; they broadcast."""
    return ew.maximum(*args)


def smallest(*args: Any) -> TensorVariable:
    """The smallest of its arguments, elementwise; they broadcast."""
    return ew.minimum(*args)


def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> TensorVariable:
    """Whether all elements of `a` and `b` are close, as `isclose` has it."""
    return all(ew.isclose(a, b, rtol, atol, equal_nan))


def ptp(a: Any, axis: Any = None) -> TensorVariable:
    """max - min."""
    return ew.sub(max(a, axis), min(a, axis))


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """log(sum(exp(x))) over `axis`, without overflow."""
    variable = as_tensor_variable(x)
    axes = axes_of(axis, variable, "logsumexp")
    value = cast_value(variable.value_, _floating(variable))
    return _kept(emit("logsumexp", value, axes=axes), value, axes, keepdims)


def _floating(x: Variable) -> str:
    return x.value_.dtype if is_float(x.value_.dtype) else ir_dtype(config.floatX)
