"""Comparisons, logic, selection and casts, elementwise."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import (
    Array,
    Grads,
    Samples,
    binary,
    broadcast_types,
    check_same_dtype,
    logicals,
    made_by,
    quiet,
    reals,
    scalar,
    stays,
    unary,
    uniform,
)
from arignote.ir.types import (
    DTYPES,
    TensorType,
    is_complex,
    is_differentiable,
    is_float,
    is_integer,
)


@defop
class eq:
    """eq(x: T[...], y: T[...]) -> bool[...]: x == y; NaN equals nothing."""

    traits = ("elementwise", "commutative")
    infer = binary("any", "bool")
    eval = quiet(np.equal)
    vjp = None
    lower = scalar("eq")
    samples = reals((-2, 2), (-2, 2), whole=True)


@defop
class neq:
    """neq(x: T[...], y: T[...]) -> bool[...]: x != y."""

    traits = ("elementwise", "commutative")
    infer = binary("any", "bool")
    eval = quiet(np.not_equal)
    vjp = None
    lower = scalar("neq")
    samples = reals((-2, 2), (-2, 2), whole=True)


@defop
class lt:
    """lt(x: T[...], y: T[...]) -> bool[...]: x < y. T is an integer or float dtype."""

    traits = ("elementwise",)
    infer = binary("number", "bool")
    eval = quiet(np.less)
    vjp = None
    lower = scalar(operator.lt)
    samples = reals((-2, 2), (-2, 2), whole=True)


@defop
class le:
    """le(x: T[...], y: T[...]) -> bool[...]: x <= y. T is an integer or float dtype."""

    traits = ("elementwise",)
    infer = binary("number", "bool")
    eval = quiet(np.less_equal)
    vjp = None
    lower = scalar(operator.le)
    samples = reals((-2, 2), (-2, 2), whole=True)


@defop
class gt:
    """gt(x: T[...], y: T[...]) -> bool[...]: x > y. T is an integer or float dtype."""

    traits = ("elementwise",)
    infer = binary("number", "bool")
    eval = quiet(np.greater)
    vjp = None
    lower = scalar(operator.gt)
    samples = reals((-2, 2), (-2, 2), whole=True)


@defop
class ge:
    """ge(x: T[...], y: T[...]) -> bool[...]: x >= y. T is an integer or float dtype."""

    traits = ("elementwise",)
    infer = binary("number", "bool")
    eval = quiet(np.greater_equal)
    vjp = None
    lower = scalar(operator.ge)
    samples = reals((-2, 2), (-2, 2), whole=True)


def _absorb(neutral: bool, absorbing: bool | None) -> Any:
    """fold of a logical op; for integers `True` stands for all bits."""

    def number(truth: bool, dtype: str) -> int | bool:
        if dtype == "bool" or not truth:
            return truth
        return -1 if dtype[0] == "i" else int(np.iinfo(DTYPES[dtype]).max)

    def fold(b: Builder, op: Op) -> Value | None:
        x, y = op.operands
        if x is y:
            return b.full(0, op.result.type) if absorbing is None else x
        for keep, other in ((x, y), (y, x)):
            known = uniform(other)
            if known is None:
                continue
            if known == number(neutral, keep.dtype) and stays(op, keep):
                return keep
            if absorbing is not None and known == number(absorbing, keep.dtype):
                return b.full(known, op.result.type)
        return None

    return fold


@defop
class and_:
    """and(x: T[...], y: T[...]) -> T[...]: logical on bools, bitwise on integers."""

    traits = ("elementwise", "commutative", "associative", "idempotent")
    infer = binary("logic")
    eval = quiet(np.bitwise_and)
    vjp = None
    lower = scalar("bitwise_and")
    fold = _absorb(neutral=True, absorbing=False)
    samples = logicals(2)


@defop
class or_:
    """or(x: T[...], y: T[...]) -> T[...]: logical on bools, bitwise on integers."""

    traits = ("elementwise", "commutative", "associative", "idempotent")
    infer = binary("logic")
    eval = quiet(np.bitwise_or)
    vjp = None
    lower = scalar("bitwise_or")
    fold = _absorb(neutral=False, absorbing=True)
    samples = logicals(2)


@defop
class xor:
    """xor(x: T[...], y: T[...]) -> T[...]: logical on bools, bitwise on integers."""

    traits = ("elementwise", "commutative", "associative")
    infer = binary("logic")
    eval = quiet(np.bitwise_xor)
    vjp = None
    lower = scalar("bitwise_xor")
    fold = _absorb(neutral=False, absorbing=None)
    samples = logicals(2)


@defop
class invert:
    """invert(x: T[...]) -> T[...]: `not` on bools, all bits flipped on integers."""

    traits = ("elementwise",)
    infer = unary("logic")
    eval = quiet(np.invert)
    vjp = None
    lower = scalar("invert")
    samples = logicals(1)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        made = made_by(op.operands[0], "invert")
        return made.operands[0] if made else None


@defop
class isnan:
    """isnan(x: T[...]) -> bool[...]: whether x is NaN; false for integers."""

    traits = ("elementwise",)
    infer = unary("number", "bool")
    eval = quiet(np.isnan)
    vjp = None
    lower = scalar("isnan")
    samples = reals((-2, 2))

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        return None if is_float(op.operands[0].dtype) else b.full(False, op.result.type)


@defop
class isinf:
    """isinf(x: T[...]) -> bool[...]: whether x is an infinity; false for integers."""

    traits = ("elementwise",)
    infer = unary("number", "bool")
    eval = quiet(np.isinf)
    vjp = None
    lower = scalar("isinf")
    samples = reals((-2, 2))
    fold = isnan.fold


@defop
class select:
    """select(c: bool[...], x: T[...], y: T[...]) -> T[...]: x where c, else y; all broadcast.
    T is any dtype. (C1) c is bool."""

    traits = ("elementwise",)
    eval = quiet(np.where)
    lower = scalar("select")

    @staticmethod
    def infer(c: TensorType, x: TensorType, y: TensorType) -> TensorType:
        require(c.dtype == "bool", f"the condition is not bool: {c} (C1)")
        check_same_dtype(x, y)
        return broadcast_types(x, y, c)

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, c: Value, x: Value, y: Value) -> Grads:
        if not is_differentiable(out.dtype):
            return None, None, None
        zero = b.like(0, ct)
        return None, b.select(c, ct, zero), b.select(c, zero, ct)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        c, x, y = op.operands
        known = uniform(c)
        if x is not y and known is None:
            return None
        chosen = y if known is False else x
        return chosen if stays(op, chosen) else None

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)

        def sample(*shapes: tuple[int, ...]) -> tuple[Array, ...]:
            c, x, y = (np.asarray(r.normal(size=s)) for s in shapes)
            return np.asarray(c > 0), x, y

        return [
            (sample((2, 3), (2, 3), (2, 3)), {}),
            (sample((2, 1), (3,), ()), {}),
            (sample((), (), ()), {}),
            (sample((), (2,), (2,)), {}),
            (sample((3,), (), ()), {}),
            (sample((0, 2), (2,), (1, 1)), {}),
        ]


def _exact(source: str, target: str) -> bool:
    """Whether every value of `source` is one of `target` (NumPy counts i64 -> f64 as safe)."""
    wide_int = is_integer(source) and source.endswith("64") and is_differentiable(target)
    return not wide_int and np.can_cast(DTYPES[source], DTYPES[target], "safe")


@defop
class cast:
    """cast(x: S[...]) {dtype: T} -> T[...]: conversion, as C's: floats to integers truncate
    (undefined out of range), integers wrap, anything to bool is `!= 0`.
    (C1) a dtype. (C2) complex numbers only to complex ones."""

    traits = ("elementwise",)

    @staticmethod
    def infer(x: TensorType, *, dtype: str) -> TensorType:
        require(dtype in DTYPES, f"unknown dtype {dtype!r}; known are {', '.join(DTYPES)} (C1)")
        lossy = is_complex(x.dtype) and not is_complex(dtype)
        require(not lossy, f"complex numbers do not convert to real ones: {x} to {dtype}; take real or abs (C2)")
        return x.with_dtype(dtype)

    @staticmethod
    def eval(x: Array, *, dtype: str) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(x.astype(DTYPES[dtype]))

    @staticmethod
    def vjp(b: Builder, ct: Value, out: Value, x: Value, *, dtype: str) -> Grads:
        if not (is_differentiable(x.dtype) and is_differentiable(dtype)):
            return (None,)
        ct = b.real(ct) if is_complex(dtype) and not is_complex(x.dtype) else ct
        return (b.cast(ct, dtype=x.dtype),)

    @staticmethod
    def lower(k: Any, x: Any, *, dtype: str) -> Any:
        return k.cast(x, dtype)

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        (x,) = op.operands
        dtype = op.attrs["dtype"]
        if x.dtype == dtype:
            return x
        made = made_by(x, "cast")
        if made is None or not _exact(made.operands[0].dtype, x.dtype):
            return None
        (y,) = made.operands
        return y if y.dtype == dtype else b.cast(y, dtype=dtype)

    @staticmethod
    def samples() -> Samples:
        r = np.random.default_rng(0)
        x = r.uniform(-3, 3, size=(2, 3))
        targets = ("f32", "f64", "f16", "i64", "i32", "i8", "bool")
        return [
            *[((x,), {"dtype": t}) for t in targets],
            ((np.asarray(1.75),), {"dtype": "f32"}),
            ((np.zeros((0, 2)),), {"dtype": "i32"}),
            ((np.array([True, False]),), {"dtype": "f64"}),
            ((np.array([300, -1]),), {"dtype": "u8"}),
        ]
