"""The error function and its complement.

Near 0 a polynomial; elsewhere erfc(x) = exp(-x**2) q((x - 3) / (x + 3)) / (1 + 2x) with a
polynomial q, which holds its relative accuracy until the result underflows. The polynomials
interpolate at Chebyshev points.
"""

from __future__ import annotations

from arignote.codegen.mathcore import (
    Expr,
    absolute,
    const,
    copysign,
    fmt,
    int_of,
    let,
    poly,
    split_dtype,
    where,
    widen,
)
from arignote.codegen.mathexp import em1, exp_scaled
from arignote.codegen.toolchain import tirx

#: erf(x) / x - 1 in x**2, |x| < 1.
_NEAR = {
    "float32": (0.1283791658483509, -0.37612626666720334, 0.11283594715160218,
                -0.026854212010626412, 0.005189087423433974, -0.000801686428716587,
                7.875875062685488e-05),
    "float64": (0.1283791670955126, -0.37612638903183543, 0.11283791670945006,
                -0.02686617064323777, 0.0052239776071164225, -0.0008548325975389692,
                0.00012055294904839707, -1.492473690741966e-05, 1.6447424703317362e-06,
                -1.6208483801871705e-07, 1.3720064546777686e-08, -7.795898827002142e-10),
}  # fmt: skip
#: exp(x**2) erfc(x) (1 + 2x) in (x - 3) / (x + 3), x >= 0.
_FAR = {
    "float32": (1.2530080586227814, -0.13562115555162374, -0.04756237295495716,
                0.12964685753558736, -0.11927094404742608, 0.0682927481142939,
                -0.023800059008716082, 0.0025729044604020654, 0.002009782326800982,
                -0.0007758974229633463, -0.0002690068022438612),
    "float64": (1.2530080582697296, -0.1356211061245807, -0.047562294353446374,
                0.12964515870270552, -0.11927366341552853, 0.06830802734580459,
                -0.02377051491423367, 0.002529391788270445, 0.001888690312003782,
                -0.0007798320379611115, -0.00010515949033775975, 0.00012509815174864322,
                4.948147875576539e-06, -2.009663087595395e-05, -7.275875746667183e-07,
                3.463997532352904e-06, 3.4899197889744293e-07, -6.050048623933503e-07,
                -1.311166137536459e-07, 9.186243026143847e-08, 3.2916343967663206e-08,
                -8.500119502115308e-09, -4.210104975119195e-09),
}  # fmt: skip
_ZERO_AT = {"float32": 10.5, "float64": 27.5}  # from here on erfc is 0


def _near(v: Expr, dtype: str) -> Expr:
    """erf(v) for |v| < 1."""
    table = _NEAR[split_dtype(dtype)[0]]
    return let(v * v, dtype, lambda z: v + v * poly(z, table, dtype))


def _tail(a: Expr, dtype: str) -> Expr:
    """erfc(a) for a >= 0."""
    base = split_dtype(dtype)[0]
    i, f = int_of(dtype), fmt(dtype)
    one, two, three = (const(c, dtype) for c in (1.0, 2.0, 3.0))
    cut = const(-(1 << (f.mantissa // 2 + 1)), i)

    def gauss(x: Expr, h: Expr) -> Expr:
        """exp(-x**2) from h, x without its low bits, whose square is exact."""
        d = (h - x) * (x + h)
        e = exp_scaled(-(h * h), dtype, upper=False)
        return let(d, dtype, lambda d: let(e, dtype, lambda e: e + e * em1(d, dtype)))

    def run(x: Expr) -> Expr:
        high = tirx.reinterpret(dtype, tirx.reinterpret(i, x) & cut)
        g = let(high, dtype, lambda h: gauss(x, h))
        q = let((x - three) / (x + three), dtype, lambda t: poly(t, _FAR[base], dtype))
        return g * (q / (one + two * x))

    limit = const(_ZERO_AT[base], dtype)
    return let(where(a > limit, limit, a), dtype, run)


@widen
def erf(x: Expr, dtype: str) -> Expr:
    """Error function."""
    one = const(1.0, dtype)

    def run(v: Expr) -> Expr:
        def both(a: Expr) -> Expr:
            return where(a < one, _near(v, dtype), copysign(one - _tail(a, dtype), v, dtype))

        return let(absolute(v, dtype), dtype, both)

    return let(x, dtype, run)


@widen
def erfc(x: Expr, dtype: str) -> Expr:
    """1 - erf(x), accurate where it is small."""
    one, two = const(1.0, dtype), const(2.0, dtype)

    def run(v: Expr) -> Expr:
        def both(a: Expr) -> Expr:
            tail = let(_tail(a, dtype), dtype, lambda t: where(
                v < const(0.0, dtype), two - t, t))  # fmt: skip
            return where(a < const(0.5, dtype), one - _near(v, dtype), tail)

        return let(absolute(v, dtype), dtype, both)

    return let(x, dtype, run)
