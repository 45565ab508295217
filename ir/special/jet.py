"""`Jet`: a number with its derivatives by one variable, for derivatives that have no closed form.

Truncated Taylor series, added, multiplied and composed by their recurrences: R. Neidinger, *Introduction to automatic
differentiation*, SIAM Review 52 (2010). A `Jet` of one term is the number alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from arignote.ir.special.number import Number, where

Slope = Callable[["Jet"], "Jet"]


class Jet:
    """The terms c[0] + c[1] t + c[2] t**2 + ... of a function of t, as `Number`s."""

    __slots__ = ("terms",)

    def __init__(self, terms: Sequence[Number]) -> None:
        self.terms = tuple(terms)

    @staticmethod
    def variable(x: Number, order: int) -> Jet:
        """x + t, with `order` terms after the first."""
        zero = x * 0.0
        return Jet([x, *([zero + 1.0] if order else []), *[zero] * (order - 1)])

    def lift(self, other: Any) -> Jet:
        """A number as a constant, in as many terms."""
        if isinstance(other, Jet):
            return other
        zero = self.terms[0] * 0.0
        return Jet([zero + other, *[zero] * (len(self.terms) - 1)])

    def __add__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet([self.terms[0] + other, *self.terms[1:]])
        return Jet([a + b for a, b in zip(self.terms, other.terms, strict=True)])

    def __sub__(self, other: Any) -> Jet:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Jet:
        return (-self).__add__(other)

    def __neg__(self) -> Jet:
        return Jet([-a for a in self.terms])

    def __mul__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet([a * other for a in self.terms])
        return Jet([_convolved(self.terms, other.terms, k) for k in range(len(self.terms))])

    def __truediv__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet([a / other for a in self.terms])
        out: list[Number] = []
        for k, a in enumerate(self.terms):
            rest = a
            for j in range(1, k + 1):
                rest = rest - other.terms[j] * out[k - j]
            out.append(rest / other.terms[0])
        return Jet(out)

    def __rtruediv__(self, other: Any) -> Jet:
        return self.lift(other) / self

    __radd__, __rmul__ = __add__, __mul__

    def composed(self, value: Number, slope: Slope) -> Jet:
        """f of this, from its value and its derivative, a function of `Jet`s."""
        if len(self.terms) == 1:
            return Jet([value])
        rates = slope(Jet(self.terms[:-1])).terms
        out = [value]
        for k in range(1, len(self.terms)):
            total = self.terms[1] * rates[k - 1]
            for j in range(2, k + 1):
                total = total + self.terms[j] * rates[k - j] * float(j)
            out.append(total / float(k))
        return Jet(out)

    def exp(self) -> Jet:
        """e to this power."""
        return self.composed(self.terms[0].call("exp"), lambda x: x.exp())

    def expm1(self) -> Jet:
        """exp(x) - 1."""
        return self.composed(self.terms[0].call("expm1"), lambda x: x.exp())

    def log(self) -> Jet:
        """The natural logarithm."""
        return self.composed(self.terms[0].call("log"), lambda x: 1.0 / x)

    def log1p(self) -> Jet:
        """log(1 + x)."""
        return self.composed(self.terms[0].call("log1p"), lambda x: 1.0 / (x + 1.0))

    def erfc(self) -> Jet:
        """The complement of the error function."""
        scale = -2 / math.sqrt(math.pi)
        return self.composed(self.terms[0].call("erfc"), lambda x: (-(x * x)).exp() * scale)


def _convolved(a: Sequence[Number], b: Sequence[Number], k: int) -> Number:
    total = a[0] * b[k]
    for j in range(1, k + 1):
        total = total + a[j] * b[k - j]
    return total


def choose(condition: Any, a: Jet, b: Any) -> Jet:
    """`a` where the condition holds, else `b`, all terms alike."""
    return Jet([where(condition, x, y) for x, y in zip(a.terms, a.lift(b).terms, strict=True)])
