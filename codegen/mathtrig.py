"""Trigonometric functions and their inverses: Cody-Waite reduction and fdlibm's polynomials.

Arguments too large for the reduction (2**17 in float32, 2**40 in float64) go to libm one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from arignote.codegen.mathcore import (
    NAN,
    Expr,
    absolute,
    const,
    copysign,
    fma,
    fmt,
    int_of,
    isnan,
    let,
    libm,
    patched,
    poly,
    split_dtype,
    sqrt,
    where,
    widen,
)
from arignote.codegen.toolchain import tirx


@dataclass(frozen=True)
class _Tables:
    """Constants of one format: pi/2 in three parts, and polynomials in x**2."""

    pi2: tuple[float, float, float]
    reach: float  # up to here the reduction is accurate
    sin: tuple[float, ...]  # (sin(x) / x - 1) / x**2
    cos: tuple[float, ...]  # (cos(x) - 1 + x**2 / 2) / x**4
    atan: tuple[float, ...]  # (1 - atan(x) / x) / x**2 on |x| < 0.415
    asin_p: tuple[float, ...]  # (asin(x) / x - 1) / x**2 on |x| < 0.5 is p / q
    asin_q: tuple[float, ...]


_F32 = _Tables(
    (1.5707963705062866, -4.371138828673793e-08, -1.7151245100058819e-15),
    2.0**17,
    (-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4),
    (4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5),
    (3.33329491539e-1, -1.99777106478e-1, 1.38776856032e-1, -8.05374449538e-2),
    (1.6666752422e-1, 7.4953002686e-2, 4.5470025998e-2, 2.4181311049e-2, 4.2163199048e-2),
    (),
)
_F64 = _Tables(
    (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
    2.0**40,
    (-1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
     2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10),
    (4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
     -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11),
    (3.33333333333329318027e-01, -1.99999999998764832476e-01, 1.42857142725034663711e-01,
     -1.11111104054623557880e-01, 9.09088713343650656196e-02, -7.69187620504482999495e-02,
     6.66107313738753120669e-02, -5.83357013379057348645e-02, 4.97687799461593236017e-02,
     -3.65315727442169155270e-02, 1.62858201153657823623e-02),
    (1.66666666666666657415e-01, -3.25565818622400915405e-01, 2.01212532134862925881e-01,
     -4.00555345006794114027e-02, 7.91534994289814532176e-04, 3.47933107596021167570e-05),
    (1.0, -2.40339491173441421878e+00, 2.02094576023350569471e+00,
     -6.88283971605453293030e-01, 7.70381505559019352791e-02),
)  # fmt: skip

Body = Callable[[Expr, Expr, Expr], Expr]


def _tables(dtype: str) -> _Tables:
    return {"float32": _F32, "float64": _F64}[split_dtype(dtype)[0]]


# ---------------------------------------------------------------- sine, cosine, tangent
def _quadrant(x: Expr, dtype: str, body: Body) -> Expr:
    """``body(k, r, y)`` where x = k pi/2 + r + y and y is what r rounds away; x must be in reach.

    With a fused multiply-add x - k * p1 is exact, as it is below 1 and a multiple of p1's unit in
    the last place; the rest is carried in two numbers.
    """
    f, i, t = fmt(dtype), int_of(dtype), _tables(dtype)
    p1, p2, p3 = (const(p, dtype) for p in t.pi2)
    magic = const(f.magic, dtype)

    def reduced(k: Expr, kf: Expr) -> Expr:
        def parts(a: Expr, p: Expr, pe: Expr) -> Expr:
            return let(a - p, dtype, lambda s: let(
                s - a, dtype, lambda b: let(
                    (a - (s - b)) - (p + b) - pe - kf * p3, dtype,
                    lambda y: body(k, s, y))))  # fmt: skip

        return let(fma(-kf, p1, x, dtype), dtype, lambda a: let(
            kf * p2, dtype, lambda p: let(
                fma(kf, p2, -p, dtype), dtype, lambda pe: parts(a, p, pe))))  # fmt: skip

    return let(x * const(0.6366197723675814, dtype) + magic, dtype, lambda m: let(
        m - magic, dtype, lambda kf: let(
            tirx.reinterpret(i, m) - const(f.magic_bits, i), i,
            lambda k: reduced(k, kf))))  # fmt: skip


def _sin_kernel(r: Expr, y: Expr, dtype: str) -> Expr:
    s1, *rest = _tables(dtype).sin
    half = const(0.5, dtype)

    def run(z: Expr) -> Expr:
        v = z * r
        return let(v, dtype, lambda v: r - (
            (z * (half * y - v * poly(z, rest, dtype)) - y) - v * const(s1, dtype)))  # fmt: skip

    return let(r * r, dtype, run)


def _cos_kernel(r: Expr, y: Expr, dtype: str) -> Expr:
    one = const(1.0, dtype)

    def run(z: Expr) -> Expr:
        tail = z * z * poly(z, _tables(dtype).cos, dtype) - r * y
        return let(const(0.5, dtype) * z, dtype, lambda h: let(
            one - h, dtype, lambda w: w + (((one - w) - h) + tail)))  # fmt: skip

    return let(r * r, dtype, run)


def _periodic(x: Expr, dtype: str, name: str, value: Body) -> Expr:
    """``value(k, sin, cos)`` of the reduced angle; libm's ``name`` out of reach."""
    zero = const(0.0, dtype)

    def pair(k: Expr, r: Expr, y: Expr) -> Expr:
        return let(_sin_kernel(r, y, dtype), dtype, lambda s: let(
            _cos_kernel(r, y, dtype), dtype, lambda c: value(k, s, c)))  # fmt: skip

    def run(v: Expr) -> Expr:
        far = absolute(v, dtype) > const(_tables(dtype).reach, dtype)
        fast = _quadrant(v, dtype, pair)
        if name != "cos":  # the reduction loses the sign of zero
            fast = where(tirx.EQ(v, zero), v, fast)
        return patched(far, fast, dtype, lambda w: libm(name, split_dtype(dtype)[0], w), v)

    return let(x, dtype, run)


def _signed(k: Expr, odd: Expr, even: Expr, dtype: str) -> Expr:
    """By the two low bits of k: even, odd, -even, -odd."""
    i = int_of(dtype)
    bits = fmt(dtype).bits

    def flip(chosen: Expr) -> Expr:
        sign = (k & const(2, i)) << const(bits - 2, i)
        return tirx.reinterpret(dtype, tirx.reinterpret(i, chosen) ^ sign)

    return let(where(tirx.EQ(k & const(1, i), const(0, i)), even, odd), dtype, flip)


@widen
def sin(x: Expr, dtype: str) -> Expr:
    """Sine."""
    return _periodic(x, dtype, "sin", lambda k, s, c: _signed(k, c, s, dtype))


@widen
def cos(x: Expr, dtype: str) -> Expr:
    """Cosine."""
    one = const(1, int_of(dtype))
    return _periodic(x, dtype, "cos", lambda k, s, c: let(
        k + one, int_of(dtype), lambda q: _signed(q, c, s, dtype)))  # fmt: skip


@widen
def tan(x: Expr, dtype: str) -> Expr:
    """Tangent."""
    i = int_of(dtype)
    zero, one = const(0, i), const(1, i)

    def ratio(k: Expr, s: Expr, c: Expr) -> Expr:
        return let(tirx.EQ(k & one, zero), "bool" + split_dtype(dtype)[1], lambda even: where(
            even, s, -c) / where(even, c, s))  # fmt: skip

    return _periodic(x, dtype, "tan", ratio)


# ---------------------------------------------------------------- inverse functions
def _atan_reduced(u: Expr, hi: Expr, lo: Expr, dtype: str) -> Expr:
    """hi + lo + atan(u) for |u| < 0.415."""

    def run(z: Expr) -> Expr:
        return hi - ((u * (z * poly(z, _tables(dtype).atan, dtype)) - lo) - u)

    return let(u * u, dtype, run)


@widen
def arctan(x: Expr, dtype: str) -> Expr:
    """Inverse tangent."""
    one, zero = const(1.0, dtype), const(0.0, dtype)
    h1, h2, _ = _tables(dtype).pi2

    def run(a: Expr) -> Expr:
        huge, big = a > const(2.414213562373095, dtype), a > const(0.4142135623730950, dtype)
        top = where(huge, const(-1.0, dtype), where(big, a - one, a))
        bottom = where(huge, a, where(big, a + one, one))
        hi = where(huge, const(h1, dtype), where(big, const(h1 / 2, dtype), zero))
        lo = where(huge, const(h2, dtype), where(big, const(h2 / 2, dtype), zero))
        return let(top / bottom, dtype, lambda u: let(hi, dtype, lambda h: let(
            lo, dtype, lambda low: _atan_reduced(u, h, low, dtype))))  # fmt: skip

    return let(x, dtype, lambda v: copysign(
        let(absolute(v, dtype), dtype, run), v, dtype))  # fmt: skip


@widen
def arctan2(y: Expr, x: Expr, dtype: str) -> Expr:
    """Angle of the point (x=second, y=first)."""
    i = int_of(dtype)
    zero, one = const(0.0, dtype), const(1.0, dtype)
    h1, h2, _ = _tables(dtype).pi2

    def angle(v: Expr, w: Expr, t: Expr, swap: Expr) -> Expr:
        """From t, the smaller by the larger of |y| and |x|: pi/2 - atan(t) if they are swapped,
        pi minus that to the left of the axis."""

        def place(big: Expr, left: Expr) -> Expr:
            u = where(big, (t - one) / (t + one), t)
            # atan(t) is b + atan(u); what it is added to or taken from is a multiple of pi/4
            quarter = where(big, const(1.0, dtype), zero)
            quarter = where(swap, const(2.0, dtype) - quarter, quarter)
            n = where(left, const(4.0, dtype) - quarter, quarter)
            turn = where(tirx.Or(tirx.And(swap, tirx.Not(left)), tirx.And(left, tirx.Not(swap))),
                         -one, one)  # fmt: skip
            return let(u * turn, dtype, lambda q: let(n, dtype, lambda n: _atan_reduced(
                q, n * const(h1 / 2, dtype), n * const(h2 / 2, dtype), dtype)))  # fmt: skip

        bool_ = "bool" + split_dtype(dtype)[1]
        return let(t > const(0.4142135623730950, dtype), bool_, lambda big: let(
            tirx.reinterpret(i, w) < const(0, i), bool_, lambda left: copysign(
                place(big, left), v, dtype)))  # fmt: skip

    def run(v: Expr, w: Expr) -> Expr:
        def ratio(a: Expr, b: Expr) -> Expr:
            def divide(small: Expr, large: Expr, swap: Expr) -> Expr:
                same = tirx.EQ(small, large)  # also where both are 0 or infinite
                t = where(same, where(tirx.EQ(small, zero), zero, one), small / large)
                return let(t, dtype, lambda t: angle(v, w, t, swap))

            return let(a > b, "bool" + split_dtype(dtype)[1], lambda swap: let(
                where(swap, b, a), dtype, lambda small: let(
                    where(swap, a, b), dtype, lambda large: divide(small, large, swap))))  # fmt: skip

        known = let(absolute(v, dtype), dtype, lambda a: let(
            absolute(w, dtype), dtype, lambda b: ratio(a, b)))  # fmt: skip
        return where(tirx.Or(isnan(v, dtype), isnan(w, dtype)), const(NAN, dtype), known)

    return let(y, dtype, lambda v: let(x, dtype, lambda w: run(v, w)))


def _asin_tail(z: Expr, dtype: str) -> Expr:
    """asin(x) / x - 1 for z = x**2 <= 0.25."""
    t = _tables(dtype)
    p = z * poly(z, t.asin_p, dtype)
    return p / poly(z, t.asin_q, dtype) if t.asin_q else p


def _near_one(z: Expr, dtype: str, body: Callable[[Expr, Expr], Expr]) -> Expr:
    """``body(s, w)`` where asin(sqrt(z)) = s + w, s = sqrt(z) rounded."""
    zero, one = const(0.0, dtype), const(1.0, dtype)

    def run(s: Expr) -> Expr:
        lost = fma(-s, s, z, dtype) / where(tirx.EQ(s, zero), one, s + s)
        return let(s * _asin_tail(z, dtype) + lost, dtype, lambda w: body(s, w))

    return let(sqrt(z, dtype), dtype, run)


@widen
def arcsin(x: Expr, dtype: str) -> Expr:
    """Inverse sine; NaN outside [-1, 1]."""
    half, one, two = (const(c, dtype) for c in (0.5, 1.0, 2.0))
    h1, h2, _ = _tables(dtype).pi2

    def run(a: Expr) -> Expr:
        def far(s: Expr, w: Expr) -> Expr:  # pi/2 - 2 asin(sqrt((1 - |x|) / 2))
            q = const(h1 / 2, dtype)
            return let(two * s, dtype, lambda d: let(
                q - d, dtype, lambda e: q + (
                    e + ((q - e) - d) + (const(h2, dtype) - two * w))))  # fmt: skip

        big = a >= half
        near = let(a * a, dtype, lambda z: a + a * _asin_tail(z, dtype))
        z = where(big, (one - a) * half, const(0.25, dtype))
        return where(big, let(z, dtype, lambda z: _near_one(z, dtype, far)), near)

    return let(x, dtype, lambda v: copysign(
        let(absolute(v, dtype), dtype, run), v, dtype))  # fmt: skip


@widen
def arccos(x: Expr, dtype: str) -> Expr:
    """Inverse cosine; NaN outside [-1, 1]."""
    half, one, two, zero = (const(c, dtype) for c in (0.5, 1.0, 2.0, 0.0))
    h1, h2, _ = _tables(dtype).pi2
    p1, p2 = const(h1, dtype), const(h2, dtype)

    def run(v: Expr, a: Expr) -> Expr:
        def far(s: Expr, w: Expr) -> Expr:
            positive = two * (s + w)
            negative = two * (p1 - (s + (w - p2)))
            return where(v < zero, negative, positive)

        big = a > half
        z = where(big, (one - a) * half, const(0.25, dtype))
        edge = let(z, dtype, lambda z: _near_one(z, dtype, far))
        near = let(v * v, dtype, lambda z: p1 - (v - (p2 - v * _asin_tail(z, dtype))))
        return where(big, edge, near)

    return let(x, dtype, lambda v: let(
        absolute(v, dtype), dtype, lambda a: run(v, a)))  # fmt: skip
