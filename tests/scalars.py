"""A code generator's scalar namespace in NumPy, to run the `lower` of records element by element.

It is strict where generated code would not notice: a read outside its operand is an error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from arignote.ir.opdef import OPS, OpDef
from arignote.ir.types import DTYPES

Array = np.ndarray[Any, Any]

#: Names of scalar functions that differ from the op that they compute.
ALIASES = {
    "max": "maximum", "min": "minimum", "bitwise_and": "and", "bitwise_or": "or",
    "bitwise_xor": "xor", "logical_and": "and", "logical_or": "or", "logical_not": "invert",
}  # fmt: skip


class Scalars:
    """`k` of `lower`: scalars are 0-d results of `eval`, Python numbers adapt to the others."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        op = OPS[ALIASES.get(name, name)]

        def call(*xs: Any) -> Any:
            dtypes = [x.dtype for x in xs if isinstance(x, np.generic)]
            dtype = dtypes[0] if dtypes else np.dtype(np.int64)
            operands = [np.asarray(x, None if isinstance(x, np.generic) else dtype) for x in xs]
            return op.eval(*operands)[()]

        return call

    def named(self, x: Any) -> Any:
        """A value used more than once."""
        return x

    def const(self, value: Any, dtype: str) -> Any:
        """A constant."""
        return np.asarray(value, DTYPES[dtype])[()]

    def cast(self, x: Any, dtype: str) -> Any:
        """A conversion."""
        with np.errstate(all="ignore"):
            return np.asarray(x).astype(DTYPES[dtype])[()]

    def cast_like(self, x: Any, other: Any) -> Any:
        """A conversion to the dtype of another."""
        return np.asarray(x).astype(other.dtype)[()]

    def bits(self, x: Any, dtype: str) -> Any:
        """The same bits in another dtype."""
        return np.asarray(x).view(DTYPES[dtype])[()]

    def shift_right(self, x: Any, count: int) -> Any:
        """x >> count."""
        return x >> x.dtype.type(count)

    def shift_left(self, x: Any, count: int) -> Any:
        """x << count."""
        return x << x.dtype.type(count)

    def repeat(self, state: Any, going: Any, step: Any) -> Any:
        """The state after the steps of a loop."""
        while going(*state):
            state = step(*state)
        return state

    def branch(self, c: Any, then: Any, otherwise: Any) -> Any:
        """The values of one of the two."""
        return then() if c else otherwise()

    def select(self, c: Any, x: Any, y: Any) -> Any:
        """x if c, else y."""
        return x if c else y


class Read:
    """An operand of an index op: called with indices, it checks and reads."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = _dtype(array)

    def __call__(self, *idx: Any) -> Any:
        assert len(idx) == self.array.ndim
        for i, size in zip(idx, self.shape, strict=True):
            assert 0 <= i < size, f"read at {idx} of shape {self.shape}"
        return self.array[tuple(int(i) for i in idx)]


def places(shape: Sequence[int]) -> list[tuple[Any, ...]]:
    """Every index of a shape."""
    return [tuple(np.int64(i) for i in idx) for idx in itertools.product(*map(range, shape))]


def run_lower(
    record: OpDef, arrays: Sequence[Array], attrs: Mapping[str, Any], like: Array
) -> Array:
    """The result, with the type of `like`, by the `lower` of an op with a scalar definition."""
    k, out = Scalars(), np.empty_like(like)
    lower: Any = record.lower
    with np.errstate(all="ignore"):
        if "elementwise" in record.traits:
            for idx in places(out.shape):
                xs = [np.broadcast_to(x, out.shape)[idx] for x in arrays]
                out[idx] = lower(k, *xs, **attrs)
        elif "index" in record.traits:
            reads = [Read(x) for x in arrays]
            for position, idx in enumerate(places(out.shape)):
                at = (np.int64(position),) if "position" in record.traits else idx
                out[idx] = lower(k, at, *reads, **attrs)
        else:
            _reduce(lower(k, _dtype(arrays[0]), **attrs), arrays[0], attrs["axes"], out)
    return out


def _dtype(x: Array) -> str:
    return next(name for name, numpy_name in DTYPES.items() if numpy_name == x.dtype.name)


def _reduce(reducer: Any, x: Array, axes: Sequence[int], out: Array) -> None:
    kept = [a for a in range(x.ndim) if a not in axes]
    count = math.prod(x.shape[a] for a in axes)
    rows = x.transpose(*kept, *axes).reshape(*out.shape, count)
    for idx in places(out.shape):
        acc = reducer.init
        for j, value in enumerate(rows[idx]):
            acc = reducer.combine(acc, (value, np.int64(j)) if reducer.indexed else value)
        out[idx] = acc[1] if reducer.indexed else acc
