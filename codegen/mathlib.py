"""Elementwise functions of scalars as tirx expressions, written so that LLVM vectorises them.

Every function takes tirx expressions and the dtype as a string (``"float32"``; a vector dtype such
as ``"float32x16"`` works too) and returns an expression.  Nothing here emits statements, so the
results can stand in any loop, vectorised by TVM or not.  float16 and bfloat16 are computed in
float32 and rounded once at the end.

Measured errors stand in ``ACCURACY``.  Functions in ``SCALAR_LIBM`` call libm and raise
``ValueError`` on a vector dtype: the caller emits a scalar loop.  All others become vector
instructions without calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tvm import tirx

from arignote.codegen.mathcore import (
    LN2,
    Expr,
    absolute,
    cast,
    const,
    copysign,
    cosh,
    exp,
    exp2,
    exp_scaled,
    expm1,
    fmt,
    int_of,
    is_float,
    isnan,
    let,
    libm,
    log,
    log1p,
    log1p_finite,
    log2,
    log10,
    sigmoid,
    sinh,
    softplus,
    split_dtype,
    tanh,
    where,
    widen,
)

__all__ = [
    "ACCURACY", "SCALAR_LIBM", "Expr", "absolute", "arccos", "arccosh", "arcsin",
    "arcsinh", "arctan", "arctan2", "arctanh", "cast", "ceil", "const", "copysign", "cos", "cosh",
    "erf", "exp", "exp2", "exp_scaled", "expm1", "floor", "floordiv", "isinf", "isnan", "let",
    "log", "log10", "log1p", "log2", "maximum", "minimum", "mod", "negative", "power", "powi",
    "reciprocal", "relu", "round_even", "rsqrt", "sigmoid", "sign", "sin", "sinh", "softplus",
    "split_dtype", "sqrt", "square", "tan", "tanh", "truediv", "trunc", "where",
]  # fmt: skip

ACCURACY: dict[str, tuple[float, float]] = {
    "exp": (1.05, 1.14), "exp2": (1.05, 1.12), "expm1": (1.60, 1.86), "log": (0.80, 0.69),
    "log1p": (0.81, 0.74), "log2": (1.74, 1.31), "log10": (1.94, 1.52), "tanh": (2.49, 2.42),
    "sigmoid": (2.29, 1.90), "softplus": (1.65, 1.57), "sinh": (2.19, 2.04), "cosh": (1.48, 1.37),
    "arcsinh": (1.72, 1.39), "arccosh": (2.00, 1.61), "arctanh": (1.92, 1.45),
}  # fmt: skip
"""Greatest error seen in ulp, (float32, float64).

float32: every 97th bit pattern and 5 million uniform values against NumPy's float64; float64:
28 000 values (random bit patterns, several ranges) against 160-bit arithmetic; AVX-512.
"""

SCALAR_LIBM = frozenset(
    "sin cos tan arcsin arccos arctan arctan2 mod:float erf power:float64".split()
)
"""Functions (``name`` or ``name:dtype``) that call libm; they refuse a vector dtype."""


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
    rounded: Expr = widen(lambda v, d: tirx.call_llvm_pure_intrin(d, "llvm.roundeven", v))(x, dtype)
    return rounded


def _rounding(fn: Callable[[Expr], Expr], x: Expr, dtype: str) -> Expr:
    if not is_float(dtype):
        return x
    rounded: Expr = widen(lambda v, _: fn(v))(x, dtype)
    return rounded


@widen
def sqrt(x: Expr, dtype: str) -> Expr:
    """Square root, correctly rounded; NaN below zero."""
    return tirx.call_llvm_pure_intrin(dtype, "llvm.sqrt", x)


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
    return x * const(-1, dtype) if is_float(dtype) else const(0, dtype) - x


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
        number = u <= const(float("inf"), dtype)
        return where(number, chosen, u) if is_float(dtype) else chosen

    return let(a, dtype, lambda u: let(b, dtype, lambda v: run(u, v)))


def isinf(x: Expr, dtype: str) -> Expr:
    """True for both infinities."""
    inf = const(float("inf"), dtype)
    return let(x, dtype, lambda v: tirx.Or(v == inf, v == const(float("-inf"), dtype)))


def truediv(a: Expr, b: Expr, dtype: str) -> Expr:
    """a / b of floats (cast ints first)."""
    return tirx.Div(a, b)


def floordiv(a: Expr, b: Expr, dtype: str) -> Expr:
    """floor(a / b); for ints x // 0 is 0 and the overflow MIN // -1 wraps, without a trap."""
    if is_float(dtype):
        return floor(truediv(a, b, dtype), dtype)
    return _int_division(a, b, dtype, tirx.floordiv, lambda u: const(0, dtype) - u)


def mod(a: Expr, b: Expr, dtype: str) -> Expr:
    """Remainder with the sign of b, as in Python; for ints x % 0 is 0."""
    if not is_float(dtype):
        return _int_division(a, b, dtype, tirx.floormod, lambda u: const(0, dtype))

    @widen
    def run(a: Expr, b: Expr, wide: str) -> Expr:
        zero = const(0.0, wide)

        def fix(u: Expr, v: Expr) -> Expr:
            r = libm("fmod", wide, u, v)
            return let(r, wide, lambda w: where(
                w == zero, copysign(zero, v, wide),
                where(tirx.Or(tirx.And(w < zero, v > zero), tirx.And(w > zero, v < zero)),
                      w + v, w)))  # fmt: skip

        return let(a, wide, lambda u: let(b, wide, lambda v: fix(u, v)))

    result: Expr = run(a, b, dtype)
    return result


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


# ---------------------------------------------------------------- powers
def powi(x: Expr, n: int, dtype: str) -> Expr:
    """x**n for an int constant n by repeated squaring."""
    if n < 0:
        return reciprocal(powi(x, -n, dtype), dtype)
    if n == 0:
        return const(1, dtype)
    if n == 1:
        return x
    half = powi(x, n // 2, dtype) if n % 2 == 0 else None
    return let(half, dtype, lambda h: h * h) if half is not None else let(
        x, dtype, lambda v: v * powi(v, n - 1, dtype))  # fmt: skip


@widen
def power(x: Expr, y: Expr, dtype: str) -> Expr:
    """x**y with C's special cases; float32 in vectors through float64, float64 by libm."""
    base, lanes = split_dtype(dtype)
    if base == "float64":
        return libm("pow", dtype, x, y)
    wide = "float64" + lanes
    zero, one, half = const(0.0, dtype), const(1.0, dtype), const(0.5, dtype)

    def run(u: Expr, v: Expr) -> Expr:
        a = absolute(u, dtype)
        size = exp(cast(v, wide) * log(cast(a, wide), wide), wide)
        big = absolute(v, dtype) >= const(2.0**24, dtype)  # every such float32 is even
        whole = tirx.floor(v) == v
        odd = tirx.And(tirx.And(whole, tirx.Not(big)), tirx.floor(v * half) != v * half)
        i = int_of(dtype)
        minus = tirx.reinterpret(i, u) < const(0, i)
        finite = u != const(float("-inf"), dtype)

        def signed(p: Expr) -> Expr:
            p = where(tirx.And(minus, odd), const(-1.0, dtype) * p, p)
            bad = tirx.And(tirx.And(u < zero, finite), tirx.Not(tirx.Or(whole, big)))
            p = where(bad, const(float("nan"), dtype), p)
            unit = tirx.Or(u == one, tirx.And(a == one, big))
            return where(tirx.Or(v == zero, unit), one, p)

        return let(cast(size, dtype), dtype, signed)

    return let(x, dtype, lambda u: let(y, dtype, lambda v: run(u, v)))


# ---------------------------------------------------------------- trigonometry
def _extern(name: str, symbol: str, doc: str, arity: int = 1) -> Callable[..., Expr]:
    def fn(*args: Any) -> Expr:
        *xs, dtype = args
        return libm(symbol, dtype, *xs)

    fn.__name__, fn.__doc__ = name, doc + "  Scalar libm call."
    return widen(fn)


sin = _extern("sin", "sin", "Sine.")
cos = _extern("cos", "cos", "Cosine.")
tan = _extern("tan", "tan", "Tangent.")
arcsin = _extern("arcsin", "asin", "Inverse sine.")
arccos = _extern("arccos", "acos", "Inverse cosine.")
arctan = _extern("arctan", "atan", "Inverse tangent.")
arctan2 = _extern("arctan2", "atan2", "Angle of the point (x=second, y=first).")


# ---------------------------------------------------------------- inverse hyperbolic functions
@widen
def arcsinh(x: Expr, dtype: str) -> Expr:
    """Inverse hyperbolic sine."""
    one, big = const(1.0, dtype), const(fmt(dtype).big, dtype)

    def run(v: Expr) -> Expr:
        def inner(a: Expr) -> Expr:
            s = where(a > big, one, a)  # a * a would overflow
            t = s + s * s / (one + sqrt(s * s + one, dtype))
            return where(a > big, log(a, dtype) + const(LN2, dtype), log1p_finite(t, dtype))

        return copysign(let(absolute(v, dtype), dtype, inner), v, dtype)

    return let(x, dtype, run)


@widen
def arccosh(x: Expr, dtype: str) -> Expr:
    """Inverse hyperbolic cosine; NaN below 1."""
    one, big = const(1.0, dtype), const(fmt(dtype).big, dtype)

    def run(v: Expr) -> Expr:
        t = where(v > big, one, v) - one
        near = let(t, dtype, lambda w: log1p(
            w + sqrt(const(2.0, dtype) * w + w * w, dtype), dtype))  # fmt: skip
        far = log(v, dtype) + const(LN2, dtype)
        result = where(v > big, far, near)
        return where(v >= one, result, const(float("nan"), dtype))

    return let(x, dtype, run)


@widen
def arctanh(x: Expr, dtype: str) -> Expr:
    """Inverse hyperbolic tangent; inf at 1, NaN above."""
    one, two, half = const(1.0, dtype), const(2.0, dtype), const(0.5, dtype)

    def run(v: Expr) -> Expr:
        def inner(a: Expr) -> Expr:
            return half * log1p(where(a > one, const(-2.0, dtype), two * a / (one - a)), dtype)

        return copysign(let(absolute(v, dtype), dtype, inner), v, dtype)

    return let(x, dtype, run)


# ---------------------------------------------------------------- error function
@widen
def erf(x: Expr, dtype: str) -> Expr:
    """Error function; float64 by libm."""
    return libm("erf", dtype, x)
