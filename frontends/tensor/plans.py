"""Plans of an index: what an indexed variable reads, and what writing to it does.

A plan is a regular `slice` over every axis, then a `gather` by integer arrays, with the dimensions moved to where NumPy
puts them. The same plan run backwards writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from arignote.frontends.tensor.convert import scalar_int, type_text
from arignote.frontends.tensor.graph import const, emit
from arignote.frontends.tensor.shapes import Sizes, dim_of
from arignote.ir.core import Value
from arignote.ir.types import DimLike

Number = int | Value


# ---------------------------------------------------------------- integers, known or not
def as_value(x: Number) -> Value:
    """A number as an i64 scalar."""
    return const(x, "i64") if isinstance(x, int) else x


def _op(name: str, x: Number, y: Number) -> Number:
    if isinstance(x, int) and isinstance(y, int):
        return {
            "add": x + y, "sub": x - y, "maximum": max(x, y), "minimum": min(x, y),
            "floordiv": x // y if y else 0,
        }[name]  # fmt: skip
    if (name in ("add", "sub") and y == 0) or (name == "floordiv" and y == 1):
        return x
    return emit(name, as_value(x), as_value(y))


def _wrapped(x: Number, n: Number) -> Number:
    """x + n for negative x, else x."""
    if isinstance(x, int):
        return x if x >= 0 else _op("add", n, x)
    return emit("select", emit("lt", x, const(0, "i64")), emit("add", x, as_value(n)), x)


def _clipped(x: Number, low: int, high: Number, was: Number) -> Number:
    """`x` within low .. high. `was` is the index as given: a constant needs only one side."""
    if not (isinstance(was, int) and was >= 0 and low <= 0):
        x = _op("maximum", x, low)
    return x if isinstance(was, int) and was < 0 else _op("minimum", x, high)


# ---------------------------------------------------------------- plans
@dataclass
class Plan:
    """How an index reads `x`.

    Attributes:
        start, size, step, bound_start, bound_size, scalars: the slice, as the op takes it.
        items: what becomes of each dimension: an axis, None (new), or an index array; in order.
        dropped: the axes that integers took away.
    """

    x: Value
    start: list[DimLike] = field(default_factory=list)
    size: list[DimLike] = field(default_factory=list)
    step: list[int] = field(default_factory=list)
    starts: dict[int, Value] = field(default_factory=dict)
    sizes: dict[int, Value] = field(default_factory=dict)
    items: list[int | tuple[int, Value] | None] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether the slice takes everything as it lies."""
        return (
            not self.starts
            and tuple(self.size) == self.x.shape
            and all(s == 0 for s in self.start)
            and all(s == 1 for s in self.step)
        )

    def axis_whole(self, axis: int) -> None:
        """Take all of an axis."""
        self.start.append(0)
        self.size.append(self.x.shape[axis])
        self.step.append(1)

    def axis_index(self, axis: int, index: Number) -> None:
        """Take one element of an axis, which disappears."""
        n = self.x.shape[axis]
        if isinstance(index, int) and isinstance(n, int):
            if not -n <= index < n:
                raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
            self.start.append(index if index >= 0 else n + index)
        else:  # checked at the call
            size = as_value(dim_of(self.x, axis))
            self.starts[axis] = emit("check_index", as_value(index), size, axis=axis)
            self.start.append(0)
        self.size.append(1)
        self.step.append(1)
        self.dropped.append(axis)

    def axis_slice(self, axis: int, s: slice) -> None:
        """Take a range of an axis, clipped to it as in NumPy."""
        step = 1 if s.step is None else scalar_int(s.step, "the step of a slice")
        if not isinstance(step, int):
            raise TypeError("the step of a slice must be a number, not symbolic")
        if step == 0:
            raise ValueError("slice step cannot be zero")
        first = None if s.start is None else scalar_int(s.start, "the start of a slice")
        stop = None if s.stop is None else scalar_int(s.stop, "the stop of a slice")
        n = dim_of(self.x, axis)
        low, high, begin = self._range(first, stop, step, n)
        self.step.append(step)
        if begin is None:  # the whole axis, in this direction
            self.start.append(0)
            if step < 0:
                self._start(axis, _op("maximum", _op("sub", n, 1), 0))
            if abs(step) == 1:
                self.size.append(self.x.shape[axis])
                return
        else:
            self.start.append(0)
            self._start(axis, begin)
        distance = _op("sub", high, low)
        if abs(step) != 1:
            distance = _op("floordiv", _op("add", distance, abs(step) - 1), abs(step))
        known = first is not None or stop is not None
        self._size(axis, _op("maximum", distance, 0) if known else distance)

    @staticmethod
    def _range(
        first: Number | None, stop: Number | None, step: int, n: Number
    ) -> tuple[Number, Number, Number | None]:
        """(lower, upper bound of the distance to walk, where to begin if not at the end)."""
        if step > 0:
            begin = 0 if first is None else _clipped(_wrapped(first, n), 0, n, first)
            end = n if stop is None else _clipped(_wrapped(stop, n), 0, n, stop)
            whole = first is None or (isinstance(begin, int) and begin == 0)
            if whole and stop is None:
                return 0, n, None
            return begin, end, begin
        last = _op("sub", n, 1)
        begin = last if first is None else _clipped(_wrapped(first, n), -1, last, first)
        end = -1 if stop is None else _clipped(_wrapped(stop, n), -1, last, stop)
        if first is None and stop is None:
            return -1, last, None
        return end, begin, _op("maximum", begin, 0)

    def _start(self, axis: int, value: Number) -> None:
        if isinstance(value, int):
            self.start[axis] = value
        else:
            self.starts[axis] = value

    def _size(self, axis: int, value: Number) -> None:
        if isinstance(value, int):
            self.size.append(value)
            if value == 0:  # nothing is read: begin anywhere
                self.start[axis] = 0
                self.starts.pop(axis, None)
        else:
            sizes = Sizes([value])
            self.size.append(sizes.shape[0])
            if sizes.bound:
                self.sizes[axis] = value

    def place(self) -> tuple[tuple[Value, ...], dict[str, Any]]:
        """Operands and attributes of `slice` after x; without the sizes for `update_slice`."""
        attrs: dict[str, Any] = {
            "start": tuple(self.start), "size": tuple(self.size), "step": tuple(self.step)
        }  # fmt: skip
        if self.starts:
            attrs["bound_start"] = tuple(sorted(self.starts))
        return tuple(self.starts[a] for a in sorted(self.starts)), attrs

    # ------------------------------------------------------------ reading
    def sliced(self) -> Value:
        """`x` after the slice, with integers' axes still there as 1."""
        if self.whole:
            return self.x
        operands, attrs = self.place()
        if self.sizes:
            attrs["bound_size"] = tuple(sorted(self.sizes))
            operands += tuple(self.sizes[a] for a in sorted(self.sizes))
        return emit("slice", self.x, *operands, **attrs)

    def squeezed(self, value: Value) -> Value:
        """The sliced value without the integers' axes, with new ones where None stood."""
        shape = tuple(
            1 if i is None else self.size[i if isinstance(i, int) else i[0]] for i in self.items
        )
        return value if shape == value.shape else emit("reshape", value, shape=shape)

    def arrays(self) -> tuple[list[int], list[Value]]:
        """Positions among `items`, and values, of the index arrays."""
        found = [(p, i[1]) for p, i in enumerate(self.items) if isinstance(i, tuple)]
        return [p for p, _ in found], [v for _, v in found]

    def named(self) -> dict[str, Any]:
        """What errors call the axes of the index arrays, where the order does not tell."""
        axes = tuple(i[0] for i in self.items if isinstance(i, tuple))
        return {"axes": axes} if axes != tuple(range(len(axes))) else {}

    def orders(self, rank: int) -> tuple[list[int], list[int]]:
        """Permutations: of the operand of the gather (index arrays' axes first), of its result."""
        where, _ = self.arrays()
        others = [p for p in range(len(self.items)) if p not in where]
        adjacent = where == list(range(where[0], where[0] + len(where)))
        lead = where[0] if adjacent else 0
        back = [*range(rank, rank + lead), *range(rank), *range(rank + lead, rank + len(others))]
        return [*where, *others], back

    def read(self) -> Value:
        """The indexed value."""
        y = self.squeezed(self.sliced())
        _, indices = self.arrays()
        if not indices:
            return y
        rank = max(v.ndim for v in indices)
        first, back = self.orders(rank)
        return _permuted(emit("gather", _permuted(y, first), *indices, **self.named()), back)

    # ------------------------------------------------------------ writing
    def write(self, v: Value, mode: str) -> Value:
        """`x` with `v` set at, or added to, the indexed places."""
        _, indices = self.arrays()
        if indices:
            y = self.squeezed(self.sliced())
            rank = max(i.ndim for i in indices)
            first, back = self.orders(rank)
            rows = emit("gather", _permuted(y, first), *indices, **self.named())
            v = _permuted(stretched(v, _permuted(rows, back)), _inverse(back))
            y = emit("scatter", _permuted(y, first), v, *indices, mode=mode, **self.named())
            y = _permuted(y, _inverse(first))
            if self.whole:
                return y if y.shape == self.x.shape else emit("reshape", y, shape=self.x.shape)
            v, mode = y, "set"
        else:
            v = stretched(v, self.squeezed(self.sliced()))
        operands, attrs = self.place()
        if v.shape != attrs["size"]:
            v = emit("reshape", v, shape=attrs["size"])
        return emit("update_slice", self.x, v, *operands, mode=mode, **attrs)


def _permuted(value: Value, perm: Sequence[int]) -> Value:
    same = list(perm) == list(range(value.ndim))
    return value if same else emit("transpose", value, perm=tuple(perm))


def _inverse(perm: Sequence[int]) -> list[int]:
    return [perm.index(a) for a in range(len(perm))]


def stretched(v: Value, like: Value) -> Value:
    """`v` broadcast to the shape of `like`."""
    lead = v.ndim - like.ndim
    if lead > 0 and all(d == 1 for d in v.shape[:lead]):  # NumPy drops leading ones
        v = emit("reshape", v, shape=v.shape[lead:])
    if v.ndim > like.ndim:
        raise ValueError(f"cannot write {type_text(v)} to a part that is {type_text(like)}")
    if v.shape == like.shape:
        return v
    return emit("broadcast", v, shape=like.shape)
