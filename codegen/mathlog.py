"""Logarithms and the inverse hyperbolic functions."""

from __future__ import annotations

from collections.abc import Callable

from arignote.codegen.mathcore import (
    INF,
    LN2,
    LOG2E,
    NAN,
    Expr,
    absolute,
    cast,
    const,
    copysign,
    fmt,
    int_of,
    let,
    poly,
    sqrt,
    where,
    widen,
)
from arignote.codegen.mathexp import exp_usual
from arignote.codegen.toolchain import tirx


def log_parts(x: Expr, dtype: str, body: Callable[[Expr, Expr], Expr]) -> Expr:
    """``body(k, f)`` with x = 2**k (1 + f), sqrt(.5) <= 1 + f < sqrt(2); x positive and finite."""
    f, i = fmt(dtype), int_of(dtype)
    up = 2.0 ** (f.mantissa + 1)

    def run(v: Expr) -> Expr:
        sub = v < const(f.normal, dtype)
        b = tirx.reinterpret(i, where(sub, v * const(up, dtype), v))

        def parts(u: Expr) -> Expr:
            e = (u - const(f.sqrt_half, i)) >> const(f.mantissa, i)
            return let(e, i, lambda k: let(
                cast(k, dtype)
                - where(sub, const(f.mantissa + 1.0, dtype), const(0.0, dtype)), dtype,
                lambda kf: let(
                    tirx.reinterpret(dtype, u - (k << const(f.mantissa, i)))
                    - const(1.0, dtype), dtype, lambda m: body(kf, m))))  # fmt: skip

        return let(b, i, parts)

    return let(x, dtype, run)


def _log_kernel(m: Expr, dtype: str, k: Expr | None, c: Expr | None = None) -> Expr:
    """log(1 + m) + k ln 2 + c by fdlibm's kernel."""
    f = fmt(dtype)

    def run(s: Expr) -> Expr:
        z = s * s
        r = let(z, dtype, lambda w: w * poly(w, f.lg, dtype))
        low = const(f.ln2_lo, dtype)
        tail = const(0.0, dtype) if k is None else k * low
        tail = tail if c is None else tail + c
        h = const(0.5, dtype) * m * m
        small = let(h, dtype, lambda q: q - (s * (q + r) + tail) - m)
        return -small if k is None else k * const(f.ln2_hi, dtype) - small

    return let(m / (const(2.0, dtype) + m), dtype, run)


def _log_special(v: Expr, result: Expr, at: float, dtype: str) -> Expr:
    """-inf at ``at``, NaN below, inf at inf, NaN for NaN."""
    edge, inf = const(at, dtype), const(INF, dtype)
    outside = where(v == edge, -inf, const(NAN, dtype))
    return where(v > edge, where(v == inf, inf, result), outside)


@widen
def log(x: Expr, dtype: str) -> Expr:
    """Natural logarithm."""
    return let(x, dtype, lambda v: _log_special(
        v, log_parts(v, dtype, lambda k, m: _log_kernel(m, dtype, k)), 0.0, dtype))  # fmt: skip


def _log_base(x: Expr, dtype: str, per_k: tuple[float, float], per_log: float) -> Expr:
    def combine(k: Expr, m: Expr) -> Expr:
        part = _log_kernel(m, dtype, None) * const(per_log, dtype)
        part = part if per_k[1] == 0.0 else part + k * const(per_k[1], dtype)
        return k * const(per_k[0], dtype) + part

    return let(x, dtype, lambda v: _log_special(v, log_parts(v, dtype, combine), 0.0, dtype))


@widen
def log2(x: Expr, dtype: str) -> Expr:
    """Logarithm to base 2; exact at powers of two."""
    return _log_base(x, dtype, (1.0, 0.0), LOG2E)


@widen
def log10(x: Expr, dtype: str) -> Expr:
    """Logarithm to base 10."""
    hi, lo = (
        (3.0102920532e-01, 7.9034151668e-07)
        if fmt(dtype).bits == 32
        else (3.01029995663611771306e-01, 3.69423907715893078616e-13)
    )
    return _log_base(x, dtype, (hi, lo), 0.4342944819032518)


def log1p_finite(x: Expr, dtype: str) -> Expr:
    """log(1 + x) for finite x > -1."""
    one, f = const(1.0, dtype), fmt(dtype)

    def run(v: Expr) -> Expr:
        def whole(u: Expr) -> Expr:
            lost = where(v > one, one - (u - v), v - (u - one))  # what 1 + x rounded away
            fix = where(u > const(f.big, dtype), const(0.0, dtype), lost / u)
            return log_parts(u, dtype, lambda k, m: let(
                fix, dtype, lambda c: _log_kernel(m, dtype, k, c)))  # fmt: skip

        return where(absolute(v, dtype) < const(f.tiny, dtype), v, let(one + v, dtype, whole))

    return let(x, dtype, run)


@widen
def log1p(x: Expr, dtype: str) -> Expr:
    """log(1 + x), accurate near 0."""
    return let(x, dtype, lambda v: _log_special(v, log1p_finite(v, dtype), -1.0, dtype))


@widen
def softplus(x: Expr, dtype: str) -> Expr:
    """log(1 + e**x) without overflow."""
    zero = const(0.0, dtype)
    return let(
        x, dtype, lambda v: log1p_finite(exp_usual(-absolute(v, dtype), dtype, upper=False), dtype)
        + where(v < zero, zero, v),
    )  # fmt: skip


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
