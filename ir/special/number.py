"""`Number`: a float64 scalar of a code generator, or an array, with the operators of Python."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class _Arrays:
    """What formulas ask of `k`, on arrays."""

    exp, log, sqrt, sin, cos, abs, floor, pow = (
        staticmethod(f) for f in (np.exp, np.log, np.sqrt, np.sin, np.cos, np.abs, np.floor, np.power)
    )
    isnan = staticmethod(np.isnan)
    select = staticmethod(np.where)

    log1p, expm1, logical_and = staticmethod(np.log1p), staticmethod(np.expm1), staticmethod(np.logical_and)
    cosh, sinh = staticmethod(np.cosh), staticmethod(np.sinh)
    erfc = staticmethod(np.vectorize(math.erfc, otypes=[np.float64]))

    @staticmethod
    def const(value: Any, dtype: str) -> Any:
        return np.float64(value)

    @staticmethod
    def cast(x: Any, dtype: str) -> Any:
        return x.astype({"f32": np.float32, "f64": np.float64}[dtype])

    @staticmethod
    def named(x: Any) -> Any:
        return x

    @staticmethod
    def branch(condition: Any, then: Callable[[], list[Any]], otherwise: Callable[[], list[Any]]) -> list[Any]:
        return [np.where(condition, a, b) for a, b in zip(then(), otherwise(), strict=True)]

    @staticmethod
    def repeat(state: Sequence[Any], going: Callable[..., Any], step: Callable[..., Sequence[Any]]) -> list[Any]:
        now = list(state)
        while np.any(active := going(*now)):
            now = [np.where(active, new, old) for new, old in zip(step(*now), now, strict=True)]
        return now


class Number:
    """A value of the namespace `k` that op records lower to. Every result is computed once."""

    __slots__ = ("k", "value")

    def __init__(self, k: Any, value: Any) -> None:
        self.k = k
        self.value = k.named(value)

    def lift(self, other: Any) -> Any:
        """The value of a number of Python's or of another `Number`."""
        return other.value if isinstance(other, Number) else self.k.const(other, "f64")

    def __add__(self, other: Any) -> Number:
        return Number(self.k, self.value + self.lift(other))

    def __sub__(self, other: Any) -> Number:
        return Number(self.k, self.value - self.lift(other))

    def __rsub__(self, other: Any) -> Number:
        return Number(self.k, self.lift(other) - self.value)

    def __mul__(self, other: Any) -> Number:
        return Number(self.k, self.value * self.lift(other))

    def __truediv__(self, other: Any) -> Number:
        return Number(self.k, self.value / self.lift(other))

    def __rtruediv__(self, other: Any) -> Number:
        return Number(self.k, self.lift(other) / self.value)

    __radd__, __rmul__ = __add__, __mul__

    def __neg__(self) -> Number:
        return self * -1.0

    def __le__(self, other: Any) -> Any:
        return self.value <= self.lift(other)

    def __ge__(self, other: Any) -> Any:
        return self.value >= self.lift(other)

    def __lt__(self, other: Any) -> Any:
        return self.value < self.lift(other)

    def __gt__(self, other: Any) -> Any:
        return self.value > self.lift(other)

    def same(self, other: Any) -> Any:
        """Whether the two are equal."""
        return self.k.eq(self.value, self.lift(other)) if hasattr(self.k, "eq") else self.value == self.lift(other)

    def call(self, name: str, *more: Any) -> Number:
        """A function of `k`, by its name."""
        return Number(self.k, getattr(self.k, name)(self.value, *(self.lift(m) for m in more)))

    def rounded(self) -> Number:
        """The number in float32, as float64."""
        return Number(self.k, self.k.cast(self.k.cast(self.value, "f32"), "f64"))


def where(condition: Any, a: Any, b: Any) -> Number:
    """`a` where it holds, else `b`; one of them is a `Number`."""
    one: Number = a if isinstance(a, Number) else b
    return Number(one.k, one.k.select(condition, one.lift(a), one.lift(b)))


def both(x: Number, *conditions: Any) -> Any:
    """Whether all conditions hold; `x` is any number of theirs."""
    all_: Any = conditions[0]
    for c in conditions[1:]:
        all_ = x.k.logical_and(all_, c)
    return all_


def repeat(
    state: Sequence[Number], going: Callable[..., Any], step: Callable[..., Sequence[Number]]
) -> tuple[Number, ...]:
    """The state after `state = step(*state)` as long as `going(*state)`, for each element on its own.

    An op whose formula has such loops carries the trait `iterative`.
    """
    k = state[0].k

    def numbers(xs: Sequence[Any]) -> list[Number]:
        return [Number(k, x) for x in xs]

    values = k.repeat(
        [x.value for x in state],
        lambda *xs: going(*numbers(xs)),
        lambda *xs: [x.value for x in step(*numbers(xs))],
    )
    return tuple(numbers(values))


def branch(
    x: Number, condition: Any, then: Callable[[], Sequence[Number]], otherwise: Callable[[], Sequence[Number]]
) -> tuple[Number, ...]:
    """The numbers of one of the two, as the condition says; `x` is any number. Code computes that one alone, arrays
    compute both. As `repeat`, only for ops of the trait `iterative`."""

    def values(build: Callable[[], Sequence[Number]]) -> Callable[[], list[Any]]:
        return lambda: [y.value for y in build()]

    return tuple(Number(x.k, y) for y in x.k.branch(condition, values(then), values(otherwise)))


def poly(t: Number, coefficients: Sequence[float]) -> Number:
    """The polynomial by Horner's rule, lowest power first."""
    total: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        total = t * total + c
    return total  # type: ignore[no-any-return]


def between(x: Number, low: float, high: float, coefficients: Sequence[float]) -> Number:
    """The polynomial of `x` from `low` to `high`, mapped to -1 .. 1; elsewhere that of the nearer end."""
    inside = where(x < low, low, where(x > high, high, x))
    return poly((inside - (low + high) / 2) * (2 / (high - low)), coefficients)


Formula = Callable[..., Number]


def evaluated(formula: Formula) -> Callable[..., Array]:
    """`eval` of a record: the formula of arrays."""

    def run(*xs: Array, **attrs: Any) -> Array:
        with np.errstate(all="ignore"):
            out = formula(*(Number(_Arrays, x.astype(np.float64)) for x in xs), **attrs)
            return np.asarray(out.value, xs[0].dtype)

    return run


def lowered(formula: Formula) -> Callable[..., Any]:
    """`lower` of a record: the formula of scalars."""

    def run(k: Any, *xs: Any, **attrs: Any) -> Any:
        out = formula(*(Number(k, k.cast(x, "f64")) for x in xs), **attrs)
        return k.cast_like(out.value, xs[0])

    return run
