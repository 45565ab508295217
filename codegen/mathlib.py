"""Elementwise functions of scalars as tirx expressions, written so that LLVM vectorises them.

Every function takes tirx expressions and the dtype as a string (``"float32"``; a vector dtype such
as ``"float32x16"`` works too) and returns an expression.  Nothing here emits statements, so the
results can stand in any loop, vectorised by TVM or not.  float16 and bfloat16 are computed in
float32 and rounded once at the end.

Measured errors stand in ``ACCURACY``.  All functions become vector instructions without calls,
but for the few elements that are out of reach (``mathcore.patched``).
"""

from __future__ import annotations

from collections.abc import Callable

from arignote.codegen.mathcore import (
    Expr,
    absolute,
    cast,
    const,
    copysign,
    fma,
    intrinsic,
    is_float,
    isnan,
    let,
    libm,
    patched,
    split_dtype,
    sqrt,
    where,
    widen,
)
from arignote.codegen.matherf import erf, erfc
from arignote.codegen.mathexp import cosh, exp, exp2, exp_scaled, expm1, sigmoid, sinh, tanh
from arignote.codegen.mathlog import (
    arccosh,
    arcsinh,
    arctanh,
    log,
    log1p,
    log2,
    log10,
    softplus,
)
from arignote.codegen.mathpow import power, powi
from arignote.codegen.mathtrig import arccos, arcsin, arctan, arctan2, cos, sin, tan
from arignote.codegen.toolchain import tirx

__all__ = [
    "ACCURACY",
    "Expr",
    "absolute",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "cast",
    "ceil",
    "const",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "exp_scaled",
    "expm1",
    "floor",
    "floordiv",
    "isinf",
    "isnan",
    "let",
    "log",
    "log1p",
    "log2",
    "log10",
    "maximum",
    "minimum",
    "mod",
    "negative",
    "power",
    "powi",
    "reciprocal",
    "relu",
    "round_even",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "split_dtype",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "truediv",
    "trunc",
    "where",
]  # fmt: skip

ACCURACY: dict[str, tuple[float, float]] = {
    "exp": (1.05, 1.25), "exp2": (1.05, 1.30), "expm1": (1.60, 2.40), "log": (0.80, 0.85),
    "log1p": (0.85, 0.85), "log2": (1.75, 1.60), "log10": (1.95, 1.75), "tanh": (2.50, 2.60),
    "sigmoid": (2.29, 2.15), "softplus": (1.65, 1.65), "sinh": (2.20, 2.60), "cosh": (1.48, 1.45),
    "arcsinh": (1.72, 1.65), "arccosh": (2.00, 1.85), "arctanh": (1.92, 1.95),
    "sin": (0.80, 0.80), "cos": (0.80, 0.80), "tan": (1.95, 2.05), "arcsin": (1.05, 1.05),
    "arccos": (0.80, 0.80), "arctan": (2.00, 1.05), "arctan2": (2.35, 2.20), "erf": (0.95, 1.05),
    "erfc": (4.4, 4.2), "power": (0.95, 1.5),
}  # fmt: skip
"""Greatest error in ulp, (float32, float64), rounded up.

Seen on 120 000 to 300 000 values of several ranges against 80-bit arithmetic (``tests/codegen``
repeats it on a sample); erf and erfc against libm, whose error of up to 1 ulp is included.
"""


# ---------------------------------------------------------------- rounding and simple arithmetic
def floor(x: Expr, dtype: str) -> Expr:
    """Largest integer not above x."""
    return _rounding(tirx.floor, x, dtype)


def ceil(x: Expr, dtype: str) -> Expr:
    """Smallest integer not below x."""
    return _rounding(tirx.ceil, x, dtype)


def trunc(x: Expr, dtype: str) -> Expr:
    """Round towards zero."""
    return _rounding(tirx.trunc, x, dtype)


def round_even(x: Expr, dtype: str) -> Expr:
    """Round to nearest, halves to even."""
    if not is_float(dtype):
        return x
    rounded: Expr = widen(lambda v, d: intrinsic("llvm.roundeven", "rint", d, v))(x, dtype)
    return rounded


def _rounding(fn: Callable[[Expr], Expr], x: Expr, dtype: str) -> Expr:
    if not is_float(dtype):
        return x
    rounded: Expr = widen(lambda v, _: fn(v))(x, dtype)
    return rounded


@widen
def rsqrt(x: Expr, dtype: str) -> Expr:
    """1 / sqrt(x)."""
    return const(1.0, dtype) / sqrt(x, dtype)


def reciprocal(x: Expr, dtype: str) -> Expr:
    """1 / x."""
    return truediv(const(1, dtype), x, dtype)


def square(x: Expr, dtype: str) -> Expr:
    """x * x."""
    return let(x, dtype, lambda v: v * v)


def negative(x: Expr, dtype: str) -> Expr:
    """-x, with the sign of zero flipped (``0 - x`` would not)."""
    if is_float(dtype):
        return x * const(-1, dtype)
    if dtype.startswith("u"):  # 0 - x would be declared free of overflow
        signed = dtype[1:]
        return cast(const(0, signed) - cast(x, signed), dtype)
    return const(0, dtype) - x


def relu(x: Expr, dtype: str) -> Expr:
    """max(x, 0); NaN stays NaN."""
    return let(x, dtype, lambda v: where(v < const(0, dtype), const(0, dtype), v))


def sign(x: Expr, dtype: str) -> Expr:
    """-1, 0 or 1; NaN stays NaN; 0 for both zeros."""
    zero, one = const(0, dtype), const(1, dtype)
    if dtype.startswith(("uint", "bool")):
        return where(x > zero, one, zero)

    def run(v: Expr) -> Expr:
        s = where(v > zero, one, where(v < zero, const(-1, dtype), zero))
        return where(isnan(v, dtype), v, s) if is_float(dtype) else s

    return let(x, dtype, run)


def maximum(a: Expr, b: Expr, dtype: str) -> Expr:
    """max; NaN if either is NaN."""
    return _pick(a, b, dtype, lambda u, v: u > v)


def minimum(a: Expr, b: Expr, dtype: str) -> Expr:
    """min; NaN if either is NaN."""
    return _pick(a, b, dtype, lambda u, v: u < v)


def _pick(a: Expr, b: Expr, dtype: str, better: Callable[[Expr, Expr], Expr]) -> Expr:
    def run(u: Expr, v: Expr) -> Expr:
        chosen = where(better(u, v), u, v)  # v if either is NaN
        if not is_float(dtype):
            return chosen
        return where(u <= const(float("inf"), dtype), chosen, u)

    return let(a, dtype, lambda u: let(b, dtype, lambda v: run(u, v)))


def isinf(x: Expr, dtype: str) -> Expr:
    """True for both infinities; ints have none."""
    if not is_float(dtype):
        return const(False, "bool" + split_dtype(dtype)[1])
    inf = const(float("inf"), dtype)
    return let(x, dtype, lambda v: tirx.Or(v == inf, v == const(float("-inf"), dtype)))


def truediv(a: Expr, b: Expr, dtype: str) -> Expr:
    """a / b of floats (cast ints first)."""
    return tirx.Div(a, b)


def floordiv(a: Expr, b: Expr, dtype: str) -> Expr:
    """floor of the rounded a / b; for ints x // 0 is 0 and the overflow MIN // -1 wraps."""
    if is_float(dtype):
        quotient: Expr = widen(lambda u, v, _: tirx.floor(tirx.Div(u, v)))(a, b, dtype)
        return quotient
    return _int_division(a, b, dtype, tirx.floordiv, lambda u: const(0, dtype) - u)


def mod(a: Expr, b: Expr, dtype: str) -> Expr:
    """Remainder with the sign of b, as in Python; for ints x % 0 is 0. Exact."""
    if not is_float(dtype):
        return _int_division(a, b, dtype, tirx.floormod, lambda u: const(0, dtype))
    remainder: Expr = widen(_float_mod)(a, b, dtype)
    return remainder


def _float_mod(a: Expr, b: Expr, dtype: str) -> Expr:
    """C's fmod, then its sign adjusted. A quotient that is not too large is off by one at most,
    and a - q b is then a number of the format; other quotients go to libm."""
    zero = const(0.0, dtype)
    base = split_dtype(dtype)[0]
    limit = const(2.0**22 if base == "float32" else 2.0**51, dtype)

    def fmod(u: Expr, v: Expr) -> Expr:
        def fixed(r: Expr, size: Expr) -> Expr:
            over = let(where(r < zero, r + size, r), dtype, lambda w: where(
                w >= size, w - size, w))  # fmt: skip
            return copysign(over, u, dtype)

        def quotient(x: Expr, size: Expr, q: Expr) -> Expr:
            small = tirx.And(q < limit, size < const(float("inf"), dtype))
            rest = fma(-tirx.floor(q), size, x, dtype)
            fast = let(rest, dtype, lambda r: fixed(r, size))
            slow: Callable[..., Expr] = lambda x, y: libm("fmod", base, x, y)  # noqa: E731
            return patched(tirx.Not(small), fast, dtype, slow, u, v)

        return let(absolute(u, dtype), dtype, lambda x: let(
            absolute(v, dtype), dtype, lambda size: let(
                tirx.Div(x, size), dtype, lambda q: quotient(x, size, q))))  # fmt: skip

    def signed(v: Expr, w: Expr) -> Expr:
        differ = tirx.Or(tirx.And(w < zero, v > zero), tirx.And(w > zero, v < zero))
        return where(w == zero, copysign(zero, v, dtype), where(differ, w + v, w))

    return let(a, dtype, lambda u: let(b, dtype, lambda v: let(
        fmod(u, v), dtype, lambda w: signed(v, w))))  # fmt: skip


def _int_division(
    a: Expr, b: Expr, dtype: str, op: Callable[[Expr, Expr], Expr], minus: Callable[[Expr], Expr]
) -> Expr:
    zero, one = const(0, dtype), const(1, dtype)

    def run(u: Expr, v: Expr) -> Expr:
        if dtype.startswith("uint"):
            return where(v == zero, zero, op(u, where(v == zero, one, v)))
        m1 = const(-1, dtype)
        safe = where(tirx.Or(v == zero, v == m1), one, v)
        return where(v == zero, zero, where(v == m1, minus(u), op(u, safe)))

    return let(a, dtype, lambda u: let(b, dtype, lambda v: run(u, v)))
