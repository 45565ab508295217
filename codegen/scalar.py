"""The namespace `k` that op records lower to: scalar functions of tirx expressions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from arignote.codegen import mathcore, mathlib
from arignote.codegen.toolchain import tirx
from arignote.ir.types import DTYPES

#: Record name -> function of mathlib where they differ.
_RENAMED = {"abs": "absolute", "neg": "negative", "max": "maximum", "min": "minimum", "pow": "power",
            "round": "round_even", "sgn": "sign", "sqr": "square", "div": "truediv"}  # fmt: skip


def dtype_of(x: Any) -> str:
    """The dtype of an expression, as mathlib takes it."""
    return str(x.ty)


def _number(x: Any) -> Any:
    """Bools as bytes: TVM compares bools as if they were floats."""
    if dtype_of(x) != "bool":
        return x
    return tirx.Select(x, tirx.const(1, "int8"), tirx.const(0, "int8"))


class Scalar:
    """Functions on scalar expressions, typed by their arguments.

    What is not defined here comes from mathlib, called with the argument's dtype.
    """

    def const(self, value: Any, dtype: str) -> Any:
        """A constant of an IR dtype."""
        name = DTYPES[dtype]
        if name == "bool":
            return tirx.const(bool(value), "bool")
        if name.startswith(("int", "uint")):
            return tirx.const(int(value), name)
        return mathlib.const(float(value), name)

    def named(self, x: Any) -> Any:
        """An expression that is used more than once, computed once."""
        return mathcore.named(x)

    def repeat(
        self, state: Sequence[Any], going: Callable[..., Any], step: Callable[..., Sequence[Any]]
    ) -> list[Any]:
        """The state after `state = step(*state)` as long as `going(*state)`."""
        return mathcore.repeated(state, going, step)

    def branch(self, condition: Any, then: Callable[[], list[Any]], otherwise: Callable[[], list[Any]]) -> list[Any]:
        """The values of one of the two, which alone is computed."""
        return mathcore.branched(condition, then, otherwise)

    def cast(self, x: Any, dtype: str) -> Any:
        """Conversion to an IR dtype; floats to integers truncate; to bool means `!= 0`."""
        name, have = DTYPES[dtype], dtype_of(x)
        if name == have:
            return x
        if name == "bool":
            return self.neq(x, tirx.const(0, have))
        if have == "bool":
            return tirx.Select(x, tirx.const(1, name), tirx.const(0, name))
        return tirx.Cast(name, x)

    def bits(self, x: Any, dtype: str) -> Any:
        """The same bits as a number of another dtype of the same size."""
        return tirx.reinterpret(DTYPES[dtype], x)

    def shift_right(self, x: Any, count: int) -> Any:
        """x >> count of an unsigned integer."""
        return tirx.shift_right(x, tirx.const(count, dtype_of(x)))

    def shift_left(self, x: Any, count: int) -> Any:
        """x << count of an unsigned integer."""
        return tirx.shift_left(x, tirx.const(count, dtype_of(x)))

    def cast_like(self, x: Any, other: Any) -> Any:
        """Conversion between floats, to the dtype of `other`."""
        name = dtype_of(other)
        return x if dtype_of(x) == name else tirx.Cast(name, x)

    def select(self, c: Any, a: Any, b: Any) -> Any:
        """a where c, else b; both are computed."""
        return tirx.Select(c, a, b)

    def eq(self, a: Any, b: Any) -> Any:
        """a == b."""
        return tirx.EQ(_number(a), _number(b))

    def neq(self, a: Any, b: Any) -> Any:
        """a != b: true where one is NaN, which TVM's own NE of floats denies."""
        a, b = _number(a), _number(b)
        return tirx.NE(a, b) if dtype_of(a).startswith(("int", "uint")) else tirx.Not(tirx.EQ(a, b))

    def logical_and(self, a: Any, b: Any) -> Any:
        """Both."""
        return tirx.And(a, b)

    def logical_or(self, a: Any, b: Any) -> Any:
        """One or both."""
        return tirx.Or(a, b)

    def logical_not(self, a: Any) -> Any:
        """Not a."""
        return tirx.Not(a)

    def bitwise_and(self, a: Any, b: Any) -> Any:
        """Bit by bit; logical on bools."""
        return tirx.And(a, b) if dtype_of(a) == "bool" else tirx.bitwise_and(a, b)

    def bitwise_or(self, a: Any, b: Any) -> Any:
        """Bit by bit; logical on bools."""
        return tirx.Or(a, b) if dtype_of(a) == "bool" else tirx.bitwise_or(a, b)

    def bitwise_xor(self, a: Any, b: Any) -> Any:
        """Bit by bit; logical on bools."""
        return self.neq(a, b) if dtype_of(a) == "bool" else tirx.bitwise_xor(a, b)

    def invert(self, a: Any) -> Any:
        """All bits flipped; `not` on bools."""
        return tirx.Not(a) if dtype_of(a) == "bool" else tirx.bitwise_not(a)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        function = getattr(mathlib, _RENAMED.get(name, name))

        def call(*args: Any) -> Any:
            return function(*args, dtype_of(args[0]))

        return call


K = Scalar()
