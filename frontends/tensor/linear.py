"""Products of vectors and matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction, shapes
from arignote.frontends.tensor.convert import as_tensor_variable, label, unify
from arignote.frontends.tensor.graph import Composite, cast_value, emit, wrap
from arignote.ir.core import Value
from arignote.ir.types import prod_dims

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def _pair(x: Any, y: Any) -> tuple[Value, Value]:
    a, b = unify(as_tensor_variable(x).value_, as_tensor_variable(y).value_)
    if a.dtype == "bool":
        a, b = cast_value(a, "i8"), cast_value(b, "i8")
    return a, b


def dot(a: Any, b: Any) -> TensorVariable:
    """The matrix product, with vectors as in NumPy; of more dimensions a sum over the last axis of
    `a` and the last but one of `b`. Of sparse matrices their `structured_dot`."""
    for operand, method, other in ((a, "__dot__", b), (b, "__rdot__", a)):
        if isinstance(operand, Composite):
            product: TensorVariable = getattr(operand, method)(other)
            return product
    x, y = _pair(a, b)
    if x.ndim == 0 or y.ndim == 0:
        return ew.mul(wrap(x), wrap(y))
    if x.ndim > 2 or y.ndim > 2:
        return tensordot(wrap(x), wrap(y), [[x.ndim - 1], [max(y.ndim - 2, 0)]])
    left = emit("reshape", x, shape=(1, *x.shape)) if x.ndim == 1 else x
    right = emit("reshape", y, shape=(*y.shape, 1)) if y.ndim == 1 else y
    out = emit("dot", left, right)
    shape = (*x.shape[:-1], *y.shape[1:])
    return wrap(out if out.ndim == len(shape) else emit("reshape", out, shape=shape))


def batched_dot(a: Any, b: Any) -> TensorVariable:
    """dot(a[i], b[i]) for each i of the first dimension."""
    x, y = _pair(a, b)
    if x.ndim == 0 or y.ndim == 0:
        raise TypeError("batched_dot: both arguments need a first dimension to run over")
    if x.ndim == 1 or y.ndim == 1:
        pad = max(x.ndim, y.ndim)
        wide = [shapes.shape_padright(wrap(v), pad - v.ndim) for v in (x, y)]
        return ew.mul(*wide)
    if x.ndim > 3 or y.ndim > 3:
        return batched_tensordot(wrap(x), wrap(y), [[x.ndim - 1], [max(y.ndim - 2, 1)]])
    left = emit("reshape", x, shape=(x.shape[0], 1, x.shape[1])) if x.ndim == 2 else x
    right = emit("reshape", y, shape=(*y.shape, 1)) if y.ndim == 2 else y
    out = emit("batched_dot", left, right)
    shape = (out.shape[0], *x.shape[1:-1], *y.shape[2:])
    return wrap(out if out.ndim == len(shape) else emit("reshape", out, shape=shape))


def _split_axes(axes: Any, x: TensorVariable, y: TensorVariable, batch: int) -> tuple[Any, Any]:
    if isinstance(axes, int):
        first = range(x.ndim - axes, x.ndim)
        return tuple(first), tuple(range(batch, batch + axes))
    left, right = axes
    out = []
    for part, v in ((left, x), (right, y)):
        part = [part] if isinstance(part, int) else list(part)
        out.append(tuple(p + v.ndim if p < 0 else p for p in part))
        if any(not batch <= p < v.ndim for p in out[-1]) or len(set(out[-1])) != len(out[-1]):
            raise ValueError(f"tensordot: axes {tuple(part)} of {label(v)}: {v.type}")
    if len(out[0]) != len(out[1]):
        raise ValueError(f"tensordot: {len(out[0])} axes against {len(out[1])}")
    return out[0], out[1]


def tensordot(a: Any, b: Any, axes: Any = 2) -> TensorVariable:
    """The sum over the products of elements along the given axes of each, as NumPy's."""
    x, y = as_tensor_variable(a), as_tensor_variable(b)
    left, right = _split_axes(axes, x, y, 0)
    free_x = [d for d in range(x.ndim) if d not in left]
    free_y = [d for d in range(y.ndim) if d not in right]
    u, v = _pair(x.dimshuffle(*free_x, *left), y.dimshuffle(*right, *free_y))
    split_u, split_v = len(free_x), len(right)
    head, tail = u.shape[:split_u], v.shape[split_v:]
    u = emit("reshape", u, shape=(prod_dims(head), prod_dims(u.shape[split_u:])))
    v = emit("reshape", v, shape=(prod_dims(v.shape[:split_v]), prod_dims(tail)))
    return wrap(emit("reshape", emit("dot", u, v), shape=(*head, *tail)))


def batched_tensordot(a: Any, b: Any, axes: Any = 2) -> TensorVariable:
    """tensordot(a[i], b[i], axes) for each i; axes count the first dimension."""
    x, y = as_tensor_variable(a), as_tensor_variable(b)
    left, right = _split_axes(axes, x, y, 1)
    free_x = [d for d in range(1, x.ndim) if d not in left]
    free_y = [d for d in range(1, y.ndim) if d not in right]
    u, v = _pair(x.dimshuffle(0, *free_x, *left), y.dimshuffle(0, *right, *free_y))
    split_u, split_v = 1 + len(free_x), 1 + len(right)
    head, tail = u.shape[:split_u], v.shape[split_v:]
    u = emit("reshape", u, shape=(u.shape[0], prod_dims(head[1:]), prod_dims(u.shape[split_u:])))
    v = emit("reshape", v, shape=(v.shape[0], prod_dims(v.shape[1:split_v]), prod_dims(tail)))
    return wrap(emit("reshape", emit("batched_dot", u, v), shape=(*head, *tail)))


def outer(x: Any, y: Any) -> TensorVariable:
    """The products of all elements of `x` with all of `y`."""
    u, v = shapes.flatten(x), shapes.flatten(y)
    return ew.mul(u.dimshuffle(0, "x"), v.dimshuffle("x", 0))


def norm(x: Any, ord: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
    """The vector norm of order `ord` (2, 1, 0, inf, -inf, any number, "fro") over `axis` (all)."""
    u = ew.abs_(as_tensor_variable(x))
    if ord in (None, 2, "fro"):
        return ew.sqrt(reduction.sum(ew.sqr(u), axis, keepdims=keepdims))
    if ord == float("inf"):
        return reduction.max(u, axis, keepdims)
    if ord == -float("inf"):
        return reduction.min(u, axis, keepdims)
    if ord == 0:
        return reduction.sum(ew.neq(u, 0), axis, keepdims=keepdims)
    if ord == 1:
        return reduction.sum(u, axis, keepdims=keepdims)
    if not isinstance(ord, (int, float)):
        raise ValueError(f"norm: {ord!r} is no order")
    return ew.pow(reduction.sum(ew.pow(u, ord), axis, keepdims=keepdims), 1.0 / ord)
