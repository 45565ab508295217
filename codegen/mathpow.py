"""Powers of floats and integers."""

from __future__ import annotations

from collections.abc import Callable

from arignote.codegen.mathcore import (
    LOG2E,
    NAN,
    Expr,
    absolute,
    cast,
    const,
    fma,
    fmt,
    int_of,
    is_float,
    let,
    libm,
    patched,
    poly,
    split_dtype,
    where,
    widen,
)
from arignote.codegen.mathexp import em1, exp, pow2
from arignote.codegen.mathlog import log, log_parts
from arignote.codegen.toolchain import tirx

_THIRDS = (0.6666666666666666, 3.700743415417188e-17)  # 2/3 in two parts
_REST = tuple(2.0 / (2 * n + 5) for n in range(11))  # log((1+s)/(1-s)) = 2s + s**3 (2/3 + z rest)


def powi(x: Expr, n: int, dtype: str) -> Expr:
    """x**n for an int constant n by repeated squaring."""
    if n < 0:
        return const(1, dtype) / powi(x, -n, dtype)
    if n == 0:
        return const(1, dtype)
    if n == 1:
        return x
    if n % 2:
        return let(x, dtype, lambda v: v * powi(v, n - 1, dtype))
    return let(powi(x, n // 2, dtype), dtype, lambda h: h * h)


def power(x: Expr, y: Expr, dtype: str) -> Expr:
    """x**y: floats with C's special cases; ints wrap, negative powers truncate (as ``1 // x``)."""
    if not is_float(dtype):
        return _int_power(x, y, dtype)
    result: Expr = (_power64 if split_dtype(dtype)[0] == "float64" else _power32)(x, y, dtype)
    return result


def _int_power(x: Expr, y: Expr, dtype: str) -> Expr:
    base = split_dtype(dtype)[0]
    bits = int(base.removeprefix("u").removeprefix("int"))
    signed = not base.startswith("u")
    zero, one = const(0, dtype), const(1, dtype)

    def run(b: Expr, n: Expr) -> Expr:
        def step(square: Expr, acc: Expr, bit: int) -> Expr:
            """Square and multiply, one bit of the exponent after the other."""
            if bit == bits - signed:
                return acc
            taken = (n & const(1 << bit, dtype)) != zero
            return let(where(taken, acc * square, acc), dtype, lambda a: let(
                square * square, dtype, lambda s: step(s, a, bit + 1)))  # fmt: skip

        whole = step(b, one, 0)
        if not signed:
            return whole
        m1 = const(-1, dtype)
        odd = (n & one) != zero
        inverse = where(b == one, one, where(b == m1, where(odd, m1, one), zero))
        return where(n < zero, inverse, whole)

    return let(x, dtype, lambda b: let(y, dtype, lambda n: run(b, n)))


@widen
def _power32(x: Expr, y: Expr, dtype: str) -> Expr:
    """Through float64."""
    wide = "float64" + split_dtype(dtype)[1]
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
            p = where(bad, const(NAN, dtype), p)
            unit = tirx.Or(u == one, tirx.And(a == one, big))
            return where(tirx.Or(v == zero, unit), one, p)

        return let(cast(size, dtype), dtype, signed)

    return let(x, dtype, lambda u: let(y, dtype, lambda v: run(u, v)))


def _power64(x: Expr, y: Expr, dtype: str) -> Expr:
    """exp(y log |x|) with the logarithm in two numbers; libm where x or the result is special."""
    base = split_dtype(dtype)[0]
    zero, half = const(0.0, dtype), const(0.5, dtype)

    def run(u: Expr, v: Expr, a: Expr) -> Expr:
        def product(high: Expr, low: Expr) -> Expr:
            return let(v * high, dtype, lambda t: let(
                fma(v, high, -t, dtype) + v * low, dtype, lambda e: finish(t, e)))  # fmt: skip

        def finish(t: Expr, e: Expr) -> Expr:
            whole = tirx.And(absolute(v, dtype) < const(2.0**53, dtype), tirx.floor(v) == v)
            normal = tirx.And(a >= const(fmt(dtype).normal, dtype),
                              a < const(float("inf"), dtype))  # fmt: skip
            in_range = tirx.And(normal, absolute(t, dtype) < const(707.0, dtype))
            near = tirx.And(in_range, tirx.Or(u > zero, whole))
            odd = tirx.floor(v * half) != v * half
            negate = tirx.And(u < zero, odd)
            fast = let(_exp_pair(t, e, dtype), dtype, lambda p: where(negate, -p, p))
            return patched(
                tirx.Not(near), fast, dtype, lambda b, n: libm("pow", base, b, n), u, v
            )  # fmt: skip

        return _log_pair(a, dtype, product)

    return let(x, dtype, lambda u: let(y, dtype, lambda v: let(
        absolute(u, dtype), dtype, lambda a: run(u, v, a))))  # fmt: skip


def _log_pair(x: Expr, dtype: str, body: Callable[[Expr, Expr], Expr]) -> Expr:
    """``body(h, l)`` with log(x) = h + l to about 2**-65 of it; x positive, normal and finite."""
    f, two = fmt(dtype), const(2.0, dtype)
    third, third_low = (const(c, dtype) for c in _THIRDS)

    def series(k: Expr, sh: Expr, sl: Expr) -> Expr:
        """With s = m / (2 + m): 2s + s**3 (2/3 + z rest(z)), z = s**2, in pairs of numbers."""

        def square(zh: Expr, zl: Expr) -> Expr:
            return let(zh * poly(zh, _REST, dtype), dtype, lambda t: let(
                third + t, dtype, lambda gh: let(
                    (third - gh) + t + third_low, dtype,
                    lambda gl: product(zh, zl, gh, gl))))  # fmt: skip

        def product(zh: Expr, zl: Expr, gh: Expr, gl: Expr) -> Expr:
            return let(zh * gh, dtype, lambda wh: let(
                fma(zh, gh, -wh, dtype) + zh * gl + zl * gh, dtype, lambda wl: let(
                    sh * wh, dtype, lambda ph: let(
                        fma(sh, wh, -ph, dtype) + sh * wl + sl * wh, dtype,
                        lambda pl: total(ph, pl)))))  # fmt: skip

        def total(ph: Expr, pl: Expr) -> Expr:
            kh, kl = k * const(f.ln2_hi, dtype), k * const(f.ln2_lo, dtype)
            return let(two * sh + ph, dtype, lambda lh: let(
                (two * sh - lh) + ph + (two * sl + pl), dtype, lambda ll: let(
                    kh, dtype, lambda kh: let(kh + lh, dtype, lambda h: let(
                        (kh - h) + lh + (ll + kl), dtype, lambda low: let(
                            h + low, dtype, lambda high: let(
                                (h - high) + low, dtype,
                                lambda rest: body(high, rest))))))))  # fmt: skip

        return let(sh * sh, dtype, lambda zh: let(
            fma(sh, sh, -zh, dtype) + two * sh * sl, dtype, lambda zl: square(zh, zl)))  # fmt: skip

    def divided(k: Expr, m: Expr) -> Expr:
        return let(two + m, dtype, lambda u: let(
            m - (u - two), dtype, lambda ul: let(
                m / u, dtype, lambda sh: let(
                    (fma(-sh, u, m, dtype) - sh * ul) / u, dtype,
                    lambda sl: series(k, sh, sl)))))  # fmt: skip

    return log_parts(x, dtype, divided)


def _exp_pair(t: Expr, e: Expr, dtype: str) -> Expr:
    """exp(t + e) for |t| < 708 and a small e."""
    f, i = fmt(dtype), int_of(dtype)
    magic, one = const(f.magic, dtype), const(1.0, dtype)

    def scaled(k: Expr, r: Expr, low: Expr) -> Expr:
        return let(k >> const(1, i), i, lambda k1: let(em1(r, dtype), dtype, lambda q: (
            (one + (q + low * (one + q)))
            * pow2(k1, dtype) * pow2(k - k1, dtype))))  # fmt: skip

    def reduced(k: Expr, kf: Expr) -> Expr:
        return let(t - kf * const(f.ln2_hi, dtype), dtype, lambda a: let(
            kf * const(f.ln2_lo, dtype), dtype, lambda c: let(
                a - c, dtype, lambda r: let(
                    (a - r) - c + e, dtype, lambda low: scaled(k, r, low)))))  # fmt: skip

    return let(t * const(LOG2E, dtype) + magic, dtype, lambda m: let(
        m - magic, dtype, lambda kf: let(
            tirx.reinterpret(i, m) - const(f.magic_bits, i), i,
            lambda k: reduced(k, kf))))  # fmt: skip
