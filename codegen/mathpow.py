"""Powers of floats and integers."""

from __future__ import annotations

from collections.abc import Callable

from arignote.codegen.mathcore import (
    INF,
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
    named,
    patched,
    poly,
    rarely,
    split_dtype,
    where,
    widen,
)
from arignote.codegen.mathexp import em1, pow2
from arignote.codegen.mathlog import log_parts
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


def _cases(u: Expr, v: Expr, p: Expr, size: Expr, wide: tuple[float, float], dtype: str) -> Expr:
    """u**v where ``size`` is exp(p) with p = v log |u|, or it is not: C's special cases, and beyond ``wide`` of p
    infinity and 0. Left to libm are what has no such logarithm, exponents so large that every number of the format is
    even there, and p between what ``size`` holds for and ``wide``."""
    f, base, i = fmt(dtype), split_dtype(dtype)[0], int_of(dtype)
    zero, one, half, inf = (const(c, dtype) for c in (0.0, 1.0, 0.5, INF))
    low, high = (const(c, dtype) for c in wide)
    u, v, p = named(u), named(v), named(p)
    a = named(absolute(u, dtype))
    size = where(p > high, inf, where(p < low, zero, size))
    at_zero = where(v < zero, inf, where(tirx.EQ(v, zero), one, zero))
    size = where(tirx.EQ(u, zero), at_zero, size)
    whole = tirx.EQ(tirx.floor(v), v)
    size = where(tirx.And(u < zero, tirx.Not(whole)), const(NAN, dtype), size)
    minus = tirx.reinterpret(i, u) < const(0, i)
    odd = tirx.And(whole, tirx.Not(tirx.EQ(tirx.floor(v * half), v * half)))
    fast = let(size, dtype, lambda s: where(tirx.And(minus, odd), s * const(-1.0, dtype), s))
    held = tirx.Or(tirx.Or(p > high, p < low), absolute(p, dtype) < const(_NEAR[base], dtype))
    normal = tirx.And(a < inf, tirx.And(a >= const(f.normal, dtype), held))
    near = tirx.And(tirx.Or(normal, tirx.EQ(u, zero)), absolute(v, dtype) < const(2.0 ** (f.mantissa + 1), dtype))
    far = named(where(near, const(0, i), const(1, i))) != const(0, i)  # NaN is not near, and its negation may be
    return patched(far, fast, dtype, lambda b, n: libm("pow", base, b, n), u, v)


_NEAR = {"float32": 125.0, "float64": 707.0}  # exponents, of 2 and of e, whose powers are normal numbers


def _is_near(u: Expr, p: Expr, dtype: str) -> Expr:
    """Whether u is positive, normal and finite, and the power is as normal."""
    normal = tirx.And(u >= const(fmt(dtype).normal, dtype), u < const(INF, dtype))
    return tirx.And(normal, absolute(p, dtype) < const(_NEAR[split_dtype(dtype)[0]], dtype))


def _power64(x: Expr, y: Expr, dtype: str) -> Expr:
    """exp(y log |x|) with the logarithm in two numbers."""

    def cases(u: Expr, v: Expr, p: Expr, size: Expr) -> Expr:
        return _cases(u, v, p, size, (-746.0, 710.0), dtype)

    def run(u: Expr, v: Expr) -> Expr:
        def product(high: Expr, low: Expr) -> Expr:
            return let(v * high, dtype, lambda p: let(
                fma(v, high, -p, dtype) + v * low, dtype, lambda e: let(
                    _exp_pair(p, e, dtype), dtype, lambda size: rarely(
                        _is_near(u, p, dtype), size, cases, u, v, p, size))))  # fmt: skip

        return let(absolute(u, dtype), dtype, lambda a: _log_pair(a, dtype, product))

    return let(x, dtype, lambda u: let(y, dtype, lambda v: run(u, v)))


#: log2(1 + f) / f where 1/2 < (1 + f)**2 < 2, to 2**-33, and (2**r - 1) / r for |r| < 0.5, to 2**-27
_LOG2 = (1.4426950409393458, -0.721347525213163, 0.48089832072926203, -0.3606728005547384, 0.2885406435811661,
         -0.24050417380107036, 0.2060962552789713, -0.17904695659457462, 0.15900151399336393, -0.15698225185663797,
         0.15485743660688367, -0.08634590138157004)  # fmt: skip
_EXP2 = (0.6931471880352004, 0.2402265076064537, 0.055503570711530684, 0.009618082520046914, 0.0013390886332260942,
         0.00015453182815426222)  # fmt: skip


@widen
def _power32(x: Expr, y: Expr, dtype: str) -> Expr:
    """2**(y log2 |x|) with the logarithm in float64. Both polynomials are minimax ones."""
    lanes, i = split_dtype(dtype)[1], int_of(dtype)
    wide, f = "float64" + lanes, fmt(dtype)
    magic, shift, one = const(fmt(wide).magic, wide), const(f.mantissa, i), const(1.0, dtype)

    def cases(u: Expr, v: Expr, p: Expr, size: Expr) -> Expr:
        return _cases(u, v, p, size, (-151.0, 129.0), dtype)

    def run(u: Expr, v: Expr, bits: Expr) -> Expr:
        def parts(over: Expr) -> Expr:
            k = (over >> shift) << shift
            m = tirx.reinterpret(dtype, bits - k) - one
            return let(cast(over >> shift, wide), wide, lambda n: let(cast(m, wide), wide, lambda w: logarithm(n, w)))

        def logarithm(n: Expr, w: Expr) -> Expr:
            return let(w * w, wide, lambda z: let(
                w * poly(z, _LOG2[1::2], wide) + poly(z, _LOG2[::2], wide), wide, lambda q: let(
                    cast(v, wide) * (w * q + n), wide, power)))  # fmt: skip

        def power(p: Expr) -> Expr:
            return let(p + magic, wide, lambda t: let(
                cast(p - (t - magic), dtype), dtype, lambda r: let(
                    cast(tirx.reinterpret("int64" + lanes, t), i), i, lambda k: let(
                        r * poly(r, _EXP2, dtype) + one, dtype, lambda q: let(
                            tirx.reinterpret(dtype, tirx.reinterpret(i, q) + (k << shift)), dtype,
                            lambda size: let(cast(p, dtype), dtype, lambda p: finish(p, size)))))))  # fmt: skip

        def finish(p: Expr, size: Expr) -> Expr:
            return rarely(_is_near(u, p, dtype), size, cases, u, v, p, size)

        return let(bits - const(f.sqrt_half, i), i, parts)

    return let(x, dtype, lambda u: let(y, dtype, lambda v: let(
        tirx.reinterpret(i, absolute(u, dtype)), i, lambda bits: run(u, v, bits))))  # fmt: skip


def _log_pair(x: Expr, dtype: str, body: Callable[[Expr, Expr], Expr]) -> Expr:
    """``body(h, l)`` with log(x) = h + l to about 2**-65 of it; x positive, normal and finite."""
    f, two = fmt(dtype), const(2.0, dtype)
    third, third_low = (const(c, dtype) for c in _THIRDS)

    def series(k: Expr, sh: Expr, sl: Expr) -> Expr:
        """With s = m / (2 + m): 2s + s**3 (2/3 + z rest(z)), z = s**2, in pairs of numbers."""

        def square(zh: Expr, zl: Expr) -> Expr:
            return let(zh * poly(zh, _REST, dtype), dtype, lambda w: let(
                third + w, dtype, lambda gh: let(
                    (third - gh) + w + third_low, dtype,
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
                const(1.0, dtype) / u, dtype, lambda r: let(
                    m * r, dtype, lambda sh: let(
                        (fma(-sh, u, m, dtype) - sh * ul) * r, dtype,
                        lambda sl: series(k, sh, sl))))))  # fmt: skip

    return log_parts(x, dtype, divided)


def _exp_pair(t: Expr, e: Expr, dtype: str) -> Expr:
    """exp(t + e) for a small e, where it neither overflows nor vanishes."""
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
