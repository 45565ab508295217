"""Exponentials and hyperbolic functions."""

from __future__ import annotations

from collections.abc import Callable

from arignote.codegen.mathcore import (
    LN2,
    LOG2E,
    Expr,
    absolute,
    const,
    copysign,
    fmt,
    int_of,
    let,
    poly,
    rarely,
    where,
    widen,
)
from arignote.codegen.toolchain import tirx


def pow2(k: Expr, dtype: str) -> Expr:
    """2**k for an int k with a normal (or infinite) result."""
    f, i = fmt(dtype), int_of(dtype)
    bias = const((1 << (f.bits - f.mantissa - 2)) - 1, i)
    return tirx.reinterpret(dtype, (k + bias) << const(f.mantissa, i))


def _reduced(x: Expr, dtype: str, body: Callable[[Expr, Expr, Expr], Expr]) -> Expr:
    """``body(k, kf, r)`` where x = k ln 2 + r and kf is k as a float; x must be in range."""
    f, i = fmt(dtype), int_of(dtype)
    magic = const(f.magic, dtype)
    return let(
        x * const(LOG2E, dtype) + magic, dtype, lambda t: let(
            t - magic, dtype, lambda kf: let(
                tirx.reinterpret(i, t) - const(f.magic_bits, i), i, lambda k: let(
                    x - kf * const(f.ln2_hi, dtype) - kf * const(f.ln2_lo, dtype), dtype,
                    lambda r: body(k, kf, r)))))  # fmt: skip


def em1(r: Expr, dtype: str) -> Expr:
    """e**r - 1 on the reduced range."""
    return r + r * r * poly(r, fmt(dtype).exp_q, dtype)


def _clamp(x: Expr, lo: float | None, hi: float | None, dtype: str) -> Expr:
    """Clamp that lets NaN through."""
    if hi is not None:
        x = where(x > const(hi, dtype), const(hi, dtype), x)
    if lo is not None:
        low = const(lo, dtype)
        x = let(x, dtype, lambda v: where(v < low, low, v))
    return x


def exp_scaled(x: Expr, dtype: str, shift: int = 0, upper: bool = True) -> Expr:
    """e**x * 2**shift; ``upper=False`` if x <= 0 is known."""
    f, i = fmt(dtype), int_of(dtype)

    def scaled(k: Expr, kf: Expr, r: Expr) -> Expr:
        def two(k1: Expr) -> Expr:
            p = const(1.0, dtype) + em1(r, dtype)
            k2 = k - k1 if shift == 0 else k - k1 + const(shift, i)
            return p * pow2(k1, dtype) * pow2(k2, dtype)

        return let(k >> const(1, i), i, two)

    def run(v: Expr) -> Expr:
        hi = f.exp_hi - shift if upper else None
        return let(_clamp(v, f.exp_lo, hi, dtype), dtype, lambda c: _reduced(c, dtype, scaled))

    return let(x, dtype, run)


def exp_usual(x: Expr, dtype: str, upper: bool = True) -> Expr:
    """As `exp_scaled`, the quicker where no element of a vector overflows or is less than normal."""
    f, i = fmt(dtype), int_of(dtype)

    def scaled(k: Expr, kf: Expr, r: Expr) -> Expr:
        p = const(1.0, dtype) + em1(r, dtype)
        return tirx.reinterpret(dtype, tirx.reinterpret(i, p) + (k << const(f.mantissa, i)))

    def run(v: Expr) -> Expr:
        near = absolute(v, dtype) < const(f.exp_near, dtype)
        return let(_reduced(v, dtype, scaled), dtype, lambda fast: rarely(
            near, fast, lambda w: exp_scaled(w, dtype, upper=upper), v))  # fmt: skip

    return let(x, dtype, run)


@widen
def exp(x: Expr, dtype: str) -> Expr:
    """e**x."""
    return exp_usual(x, dtype)


@widen
def exp2(x: Expr, dtype: str) -> Expr:
    """2**x; exact at integers."""
    f, i = fmt(dtype), int_of(dtype)
    magic = const(f.magic, dtype)
    lo, hi = (-151.0, 129.0) if f.bits == 32 else (-1076.0, 1025.0)

    def run(v: Expr) -> Expr:
        return let(v + magic, dtype, lambda t: let(
            tirx.reinterpret(i, t) - const(f.magic_bits, i), i, lambda k: let(
                (v - (t - magic)) * const(LN2, dtype), dtype, lambda r: let(
                    k >> const(1, i), i, lambda k1: (const(1.0, dtype) + em1(r, dtype))
                    * pow2(k1, dtype) * pow2(k - k1, dtype)))))  # fmt: skip

    return let(x, dtype, lambda v: let(_clamp(v, lo, hi, dtype), dtype, run))


def _expm1(x: Expr, dtype: str) -> Expr:
    f, i = fmt(dtype), int_of(dtype)

    def assemble(k: Expr, kf: Expr, r: Expr) -> Expr:
        half = const(0.5, dtype)  # work with 2**(k-1): 2**k itself may overflow
        return let(
            pow2(k - const(1, i), dtype), dtype,
            lambda s: const(2.0, dtype) * (s * em1(r, dtype) + (s - half)),
        )  # fmt: skip

    def run(v: Expr) -> Expr:
        big = let(_clamp(v, f.em1_lo, f.exp_hi, dtype), dtype, lambda c: _reduced(c, dtype, assemble))
        return where(absolute(v, dtype) < const(f.tiny, dtype), v, big)

    return let(x, dtype, run)


def _expm1_negative(x: Expr, dtype: str) -> Expr:
    """e**x - 1 for x <= 0, without the sign of zero."""
    one = const(1.0, dtype)

    def assemble(k: Expr, kf: Expr, r: Expr) -> Expr:
        return let(pow2(k, dtype), dtype, lambda s: s * em1(r, dtype) + (s - one))

    return let(_clamp(x, fmt(dtype).em1_lo, None, dtype), dtype, lambda c: _reduced(c, dtype, assemble))


@widen
def expm1(x: Expr, dtype: str) -> Expr:
    """e**x - 1, accurate near 0."""
    return _expm1(x, dtype)


@widen
def sigmoid(x: Expr, dtype: str) -> Expr:
    """1 / (1 + e**-x); relative accuracy also where the result is subnormal."""
    one = const(1.0, dtype)

    def run(v: Expr) -> Expr:
        e = exp_usual(-absolute(v, dtype), dtype, upper=False)
        return let(e, dtype, lambda w: where(v < const(0.0, dtype), w, one) / (one + w))

    return let(x, dtype, run)


@widen
def tanh(x: Expr, dtype: str) -> Expr:
    """Hyperbolic tangent, relative accuracy everywhere."""
    two = const(2.0, dtype)

    def run(v: Expr) -> Expr:
        t = _expm1_negative(const(-2.0, dtype) * absolute(v, dtype), dtype)
        return let(t, dtype, lambda w: copysign(w / (w + two), v, dtype))

    return let(x, dtype, run)


@widen
def sinh(x: Expr, dtype: str) -> Expr:
    """Hyperbolic sine."""
    one, half = const(1.0, dtype), const(0.5, dtype)

    def run(v: Expr) -> Expr:
        a = absolute(v, dtype)
        small = let(_expm1(a, dtype), dtype, lambda t: half * (t + t / (t + one)))
        return copysign(where(a > const(20.0, dtype), exp_scaled(a, dtype, -1), small), v, dtype)

    return let(x, dtype, run)


@widen
def cosh(x: Expr, dtype: str) -> Expr:
    """Hyperbolic cosine."""
    e = exp_scaled(absolute(x, dtype), dtype, -1)
    return let(e, dtype, lambda h: h + const(0.25, dtype) / h)
