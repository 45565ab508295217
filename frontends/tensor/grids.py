"""Evenly spaced numbers, and grids of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import shapes
from arignote.frontends.tensor.convert import as_tensor_variable, scalar_int, unify
from arignote.frontends.tensor.creation import alloc, arange
from arignote.frontends.tensor.graph import cast_value, ir_dtype, wrap
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.shapes import as_variable
from arignote.ir.core import Value
from arignote.ir.types import is_float

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = ["geomspace", "linspace", "logspace", "mgrid", "ogrid"]


def _ends(start: Any, stop: Any) -> tuple[Value, Value]:
    """Both as floats of one dtype: `floatX`, unless one of them is a tensor of floats."""
    first, last = unify(as_tensor_variable(start).value_, as_tensor_variable(stop).value_)
    plain = all(isinstance(x, (int, float)) and not isinstance(x, np.generic) for x in (start, stop))
    kind = ir_dtype(config.floatX) if plain or not is_float(first.dtype) else first.dtype
    return cast_value(first, kind), cast_value(last, kind)


def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> TensorVariable:
    """`num` numbers from `start` to `stop`, evenly spaced, as `numpy.linspace`.

    Args:
        start, stop: numbers or tensors, which broadcast; the results lie along a new axis.
        num: how many; may be symbolic.
        endpoint: whether `stop` is the last one.
        dtype: by default that of `start` and `stop` where these are floats, `floatX` otherwise.
        axis: where the new axis is.
    """
    first, last = _ends(start, stop)
    kind = first.dtype
    rank = max(first.ndim, last.ndim) + 1
    where = axis + rank if axis < 0 else axis
    if not 0 <= where < rank:
        raise ValueError(f"linspace: axis {axis} of a result with {rank} dimensions")
    low, high = (shapes.shape_padaxis(shapes.pad_to(wrap(v), rank - 1), where) for v in (first, last))
    count = scalar_int(num, "num")
    if isinstance(count, int) and count < 0:
        raise ValueError(f"linspace: num must not be negative, got {count}")
    gaps = ew.sub(as_variable(count), 1) if endpoint else as_variable(count)
    divisor = wrap(cast_value(ew.maximum(gaps, 1).value_, kind))
    number = shapes.dimshuffle(arange(as_variable(count)), *(0 if a == where else "x" for a in range(rank)))
    step = ew.true_div(ew.sub(high, low), divisor)
    out = ew.add(low, ew.mul(wrap(cast_value(number.value_, kind)), step))
    if endpoint:  # exactly, whatever rounding does
        out = ew.switch(ew.and_(ew.eq(number, gaps), ew.gt(number, 0)), high, out)
    return out if dtype is None else ew.cast(out, dtype)


def logspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> TensorVariable:
    """`num` numbers from base**start to base**stop, evenly spaced on a logarithmic scale, as `numpy.logspace`."""
    out = ew.pow(base, linspace(start, stop, num, endpoint, axis=axis))
    return out if dtype is None else ew.cast(out, dtype)


def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> TensorVariable:
    """`num` numbers from `start` to `stop`, each a constant multiple of the one before, as `numpy.geomspace`. Both ends
    have the same sign."""
    first, last = map(wrap, _ends(start, stop))
    sign = ew.sgn(first)
    lines = linspace(ew.log(ew.abs_(first)), ew.log(ew.abs_(last)), num, endpoint, axis=axis)
    rank = max(first.ndim, last.ndim)
    out = ew.mul(shapes.shape_padaxis(shapes.pad_to(sign, rank), axis), ew.exp(lines))
    return out if dtype is None else ew.cast(out, dtype)


class _Grid:
    """`mgrid[0:3, 0:4]`: for each slice a tensor with the numbers that it counts; `ogrid` leaves the other axes 1."""

    def __init__(self, name: str, sparse: bool) -> None:
        self.name, self.sparse = name, sparse

    def __getitem__(self, key: Any) -> Any:
        """A list of tensors, one per slice; for a slice that is no tuple the vector itself.

        The step of a slice may be an imaginary number such as `5j`: so many numbers, the last one included.
        """
        slices = key if isinstance(key, tuple) else (key,)
        ranges = [self._numbers(s) for s in slices]
        if not isinstance(key, tuple):
            return ranges[0]
        rank = len(ranges)
        open_ = [shapes.dimshuffle(r, *(0 if i == a else "x" for i in range(rank))) for a, r in enumerate(ranges)]
        if self.sparse:
            return open_
        sizes = tuple(r.shape[0] for r in ranges)
        return [alloc(g, *sizes) for g in open_]

    def _numbers(self, s: Any) -> TensorVariable:
        if not isinstance(s, slice):
            raise TypeError(f"{self.name} takes slices, not {s!r}")
        if s.stop is None:
            raise ValueError(f"{self.name}: a slice needs an end")
        start = 0 if s.start is None else s.start
        if isinstance(s.step, complex):
            return linspace(start, s.stop, int(abs(s.step)))
        return arange(start, s.stop, 1 if s.step is None else s.step)


mgrid = _Grid("mgrid", sparse=False)
ogrid = _Grid("ogrid", sparse=True)
