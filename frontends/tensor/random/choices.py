"""Draws of integers, categories and orders.

A category is drawn by a race: of one exponential number for each, divided by the category's probability, the least
wins. Winners have the distribution, and the order of arrival is that of drawing without replacement
(P. S. Efraimidis, P. G. Spirakis, "Weighted random sampling with a reservoir", 2006).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import reduction
from arignote.frontends.tensor.convert import as_tensor_variable, label, scalar_int
from arignote.frontends.tensor.creation import arange
from arignote.frontends.tensor.graph import const, emit, wrap
from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.random.draw import Draw, cast, count_of, double
from arignote.frontends.tensor.random.params import (
    check,
    distribution,
    draw_sizes,
    fitted,
    integer_dtype,
    integers,
    joined,
    known,
    of_shape,
    refuse,
)
from arignote.frontends.tensor.shapes import Sizes, shape_padaxis, shape_padright
from arignote.ir.builder import Builder
from arignote.ir.ops.sort import along

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

    Drawn = tuple[TensorVariable, TensorVariable]

_HALF = 1 << 32


# ---------------------------------------------------------------- integers
def random_integers(
    random_state: TensorVariable, size: Any = None, low: Any = 0, high: Any = 1, ndim: Any = None, dtype: Any = "int64"
) -> Drawn:
    """Uniform integers from `low` to `high`, both included."""
    return _integers("random_integers", random_state, size, low, high, ndim, dtype)


def randint(
    random_state: TensorVariable, size: Any = None, low: Any = 0, high: Any = None, ndim: Any = None,
    dtype: Any = "int64",
) -> Drawn:  # fmt: skip
    """Uniform integers from `low` to `high`, which is excluded; from 0 to `low` with one bound, as in NumPy."""
    first, end = (0, low) if high is None else (low, high)
    return _integers("randint", random_state, size, first, _plus(integers("high", end), -1), ndim, dtype)


def _integers(name: str, state: TensorVariable, size: Any, low: Any, high: Any, ndim: Any, dtype: Any) -> Drawn:
    kind = integer_dtype(name, dtype)
    bottom, top = (cast(integers(label, v), "i64") for label, v in (("low", low), ("high", high)))
    first, last = known(bottom), known(top)
    if first is None or last is None:
        count = _plus(top - bottom, 1)
    elif np.any(first > last):
        raise refuse(f"{name}: there is no integer from {first} to {last}")
    else:
        count = wrap(const(last - first + 1, "i64"))
    draw = Draw(state, draw_sizes(size, ndim, bottom, top))
    return draw.advanced(), cast(fitted(bottom, draw.sizes) + _below(draw, fitted(count, draw.sizes)), kind)


def _plus(x: TensorVariable, number: int) -> TensorVariable:
    """x + number as i64, known where x is."""
    values = known(x)
    return cast(x, "i64") + wrap(const(number, "i64")) if values is None else wrap(const(values + number, "i64"))


def _below(draw: Draw, count: TensorVariable) -> TensorVariable:
    """Uniform i64 in 0 .. count - 1: floor(w * count / 2**b) for words w of b bits, which are so many that no integer
    is more likely than another by more than 2**-32 of its probability. `count` is 2**63 at most."""
    factor, half = cast(count, "u64"), wrap(const(_HALF, "u64"))
    values = known(count)
    if values is not None and np.all(values < _HALF):
        below = ew.floor_div(cast(draw.word(), "u64") * factor, half)
        return cast(ew.floor_div(cast(draw.word(), "u64") * factor + below, half), "i64")
    low, high = ew.mod(factor, half), ew.floor_div(factor, half)
    # In digits of 32 bits, the least first: each step adds a digit of w times the two of count.
    carry = wrap(const(0, "u64")), wrap(const(0, "u64"))
    for _ in range(3):
        digit = cast(draw.word(), "u64")
        first = digit * low + carry[0]
        second = digit * high + carry[1] + ew.floor_div(first, half)
        carry = ew.mod(second, half), ew.floor_div(second, half)
    return cast(carry[1] * half + carry[0], "i64")


# ---------------------------------------------------------------- categories
def _race(draw: Draw, p: TensorVariable) -> TensorVariable:
    """When each category arrives: exponential numbers over probabilities; never, where that is 0."""
    time = -ew.log((cast(draw.word(), "f64") + double(0.5)) * double(2.0**-32))
    return ew.switch(p > double(0), time / p, double(np.inf))


def multinomial(
    random_state: TensorVariable, size: Any = None, n: Any = 1, pvals: Any = (0.5, 0.5), ndim: Any = None,
    dtype: Any = "int64",
) -> Drawn:  # fmt: skip
    """How often each category comes up in `n` trials: counts of the shape `size` + (categories,).

    Args:
        size: of what is drawn; that of `pvals` without its last dimension by default.
        n: one number for all.
        pvals: probabilities along the last dimension.
    """
    kind = integer_dtype("multinomial", dtype)
    p = distribution("pvals", pvals)
    trials = scalar_int(n, "n")
    if isinstance(trials, int) and trials < 0:
        raise refuse(f"n must be 0 or more, not {trials}")
    outer = of_shape(p.value_.shape[:-1]) if size is None else draw_sizes(size, ndim)
    once = isinstance(trials, int) and trials == 1
    sizes = joined(*([] if once else [Sizes([trials])]), outer, of_shape(p.value_.shape[-1:]))
    draw = Draw(random_state, sizes)
    winner = reduction.argmin(_race(draw, fitted(cast(p, "f64"), sizes)), axis=-1)
    hits = ew.eq(shape_padright(winner), arange(p.shape[-1]))
    counts = cast(hits, kind) if once else cast(reduction.sum(cast(hits, "i64"), axis=0), kind)
    return draw.advanced(), counts


def choice(
    random_state: TensorVariable, size: Any = None, a: Any = 2, replace: bool = True, p: Any = None, ndim: Any = None,
    dtype: Any = "int64",
) -> Drawn:  # fmt: skip
    """Elements of `a`, a vector, or of 0 .. a - 1 for a number.

    Args:
        replace: whether an element may be drawn several times. If not, `size` has at most as many elements as `a`.
        p: the probabilities of the elements, which are equal by default.
    """
    items = as_tensor_variable(a)
    if items.ndim > 1:
        raise refuse(f"choice draws from a number or a vector, but a is {items.type}")
    if items.ndim == 0:
        check("a", integers("a", items), "positive", lambda v: v > 0)
    total = Sizes([scalar_int(items, "a")]) if items.ndim == 0 else of_shape(items.value_.shape)
    chances = None if p is None else cast(distribution("p", p), "f64")
    if chances is not None and chances.ndim != 1:
        raise refuse(f"p must be a vector, but it is {chances.type}")
    outer = of_shape(()) if size is None else draw_sizes(size, ndim)
    if not replace:
        draw, index = _in_order_of_arrival(random_state, outer, total, chances)
    elif chances is None:
        draw = Draw(random_state, outer)
        index = _below(draw, count_of(total))
    else:
        draw = Draw(random_state, joined(outer, total))
        index = reduction.argmin(_race(draw, fitted(chances, draw.sizes)), axis=-1)
    if items.ndim == 0:
        return draw.advanced(), cast(index, integer_dtype("choice", dtype))
    return draw.advanced(), items[index]


def _in_order_of_arrival(
    state: TensorVariable, outer: Sizes, total: Sizes, p: TensorVariable | None
) -> tuple[Draw, TensorVariable]:
    """Different positions below `total`, in the shape `outer`."""
    wanted, have = (known(count_of(s)) for s in (outer, total))
    if wanted is not None and have is not None and wanted > have:
        raise refuse(f"choice without replacement of {wanted} elements from {have}")
    draw = Draw(state, total)
    keys = draw.long_word() if p is None else _race(draw, fitted(p, total))
    first = wrap(emit("argsort", keys.value_, axis=0))[: count_of(outer)]
    return draw, wrap(emit("reshape", first.value_, *outer.operands, **outer.attrs()))


def choice_of_rows(
    random_state: TensorVariable, size: Any = 1, replace: bool = True, p: Any = None, dtype: Any = "int64"
) -> Drawn:
    """For each row of the matrix `p` of probabilities the numbers of `size` categories: [rows, size]."""
    kind = integer_dtype("choice", dtype)
    if p is None:
        raise TypeError("choice needs p, the probabilities of the categories of each row")
    chances = cast(distribution("p", p), "f64")
    if chances.ndim != 2:
        raise refuse(f"p must be a matrix, but it is {chances.type}")
    count = scalar_int(size, "size")
    rows, categories = chances.value_.shape
    if not replace:
        if isinstance(count, int) and isinstance(categories, int) and count > categories:
            raise refuse(f"choice without replacement of {count} of {categories} categories")
        draw = Draw(random_state, of_shape((rows, categories)))
        order = wrap(emit("argsort", _race(draw, chances).value_, axis=1))
        return draw.advanced(), cast(order[:, : wrap(count) if not isinstance(count, int) else count], kind)
    draw = Draw(random_state, joined(of_shape((rows,)), Sizes([count]), of_shape((categories,))))
    times = _race(draw, fitted(shape_padaxis(chances, 1), draw.sizes))
    return draw.advanced(), cast(reduction.argmin(times, axis=2), kind)


# ---------------------------------------------------------------- orders
def permutation(
    random_state: TensorVariable, size: Any = None, n: Any = 1, ndim: Any = None, dtype: Any = "int64"
) -> Drawn:
    """Orders of 0 .. n - 1, each along the last of the dimensions `size` + (n,).

    Sorts words of 64 bits: orders are equally likely up to n**2 / 2**64.
    """
    kind = integer_dtype("permutation", dtype)
    length = scalar_int(n, "n")
    outer = of_shape(()) if size is None else draw_sizes(size, ndim)
    draw = Draw(random_state, joined(outer, Sizes([length])))
    order = emit("argsort", draw.long_word().value_, axis=len(outer.shape))
    return draw.advanced(), cast(wrap(order), kind)


def shuffle_row_elements(random_state: TensorVariable, input: Any) -> Drawn:
    """`input` with the elements of each row (along the last dimension) in an order of its own, which is the attribute
    `permutation` of the result."""
    rows = as_tensor_variable(input)
    if not rows.ndim:
        raise refuse(f"shuffle_row_elements takes a vector or more dimensions, not {label(rows)}")
    draw = Draw(random_state, of_shape(rows.value_.shape))
    order = emit("argsort", draw.long_word().value_, axis=rows.ndim - 1)
    out = wrap(emit("gather", rows.value_, *along(Builder(loc=user_loc()), order, rows.ndim - 1)))
    out.permutation = wrap(order)  # type: ignore[attr-defined]
    return draw.advanced(), out
