"""Exponential and logarithmic functions as tirx expressions that LLVM turns into vector code.

The building blocks of ``arignote.codegen.mathlib``, which is the module to import; the contract
(dtypes, accuracy, what is vectorised) stands there.

Each value that is used more than once is bound (``let``): TVM visits expressions as trees, and an
unbound DAG grows exponentially.

Traps that this file works around: TVM folds ``x != x`` to false (use ``isnan``); ``tirx.tanh``,
``tirx.exp``, ``asin`` ... lower to libm calls or to short Taylor series; ``x / 0`` on ints traps;
signed int arithmetic carries ``nsw``, so overflow is allowed only in an unselected arm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from contextlib import contextmanager
from typing import Any, ClassVar

from tvm import ir, tirx

Expr = Any
"""A tirx expression (TVM has no usable static types)."""

INF = float("inf")
NAN = float("nan")
LN2 = 0.6931471805599453
LOG2E = 1.4426950408889634


@dataclass(frozen=True)
class _Format:
    """Constants of one IEEE format and of the kernels in it."""

    bits: int
    mantissa: int
    magic: float  # 1.5 * 2**mantissa: adding it rounds to an integer
    magic_bits: int
    ln2_hi: float  # enough trailing zeros for exact multiples (used with and without fma)
    ln2_lo: float
    exp_q: tuple[float, ...]  # (e**r - 1 - r) / r**2 on |r| < 0.347
    exp_lo: float  # below: exp is 0
    exp_hi: float  # above: exp is inf
    em1_lo: float  # below: expm1 is -1
    tiny: float  # below: f(x) = x for odd functions
    sqrt_half: int  # bits of sqrt(0.5)
    one: int
    normal: float  # smallest normal number
    lg: tuple[float, ...]  # fdlibm's log kernel
    big: float  # above: x + 1 == x, and x * x + 1 == x * x well below overflow


_F32 = _Format(
    32, 23, 12582912.0, 0x4B400000, 6.9313812256e-01, 9.0580006145e-06,
    (0.5000000013561982, 0.16666576560553995, 0.041666463980653067,
     0.008363249173008415, 0.0013933753890591628),
    -104.0, 89.0, -18.0, 2.0**-25, 0x3F3504F3, 0x3F800000, 2.0**-126,
    (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841), 2.0**24,
)  # fmt: skip
_F64 = _Format(
    64, 52, 6755399441055744.0, 0x4338000000000000,
    6.93147180369123816490e-01, 1.90821492927058770002e-10,
    (0.5000000000000001, 0.1666666666666672, 0.04166666666662954, 0.008333333333257188,
     0.0013888888914477878, 0.00019841270115697905, 2.48015255494825e-05,
     2.7556951196540847e-06, 2.761806894876655e-07, 2.5231184010900462e-08),
    -746.0, 710.0, -38.0, 2.0**-54, 0x3FE6A09E667F3BCD, 0x3FF0000000000000, 2.0**-1022,
    (6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
     2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
     1.479819860511658591e-01), 2.0**53,
)  # fmt: skip


# ---------------------------------------------------------------- building blocks
def split_dtype(dtype: str) -> tuple[str, str]:
    """``"float32x16"`` -> ``("float32", "x16")``; ``"float32"`` -> ``("float32", "")``."""
    head, x, lanes = dtype.partition("x")
    return head, x + lanes


def const(value: float | int | bool, dtype: str) -> Expr:
    """A constant of that dtype, broadcast if it has lanes."""
    base, lanes = split_dtype(dtype)
    c = tirx.const(value, base)
    return tirx.Broadcast(c, int(lanes[1:])) if lanes else c


_binders: list[Callable[[Expr], Expr]] = []


@contextmanager
def let_binder(bind: Callable[[Expr], Expr]) -> Iterator[None]:
    """While entered, `let` names values by `bind`: an emitter that writes a statement and returns the name."""
    _binders.append(bind)
    try:
        yield
    finally:
        _binders.pop()


class Bindings:
    """Collects the bindings of ``let`` as stores to local cells while it is entered.

    ``with Bindings() as b: value = exp(x, dtype)``, then emit ``b.statements`` before the
    statement that uses ``value``, innermost loop body first.  Always use it in generated code: TVM
    0.27's analyzer substitutes the value of every pure ``Let`` and ``Bind`` into its uses, so a
    chain of n of them costs 2**n; loads from a cell are left alone, and LLVM keeps the cell in a
    register.  TVM's vectoriser does NOT widen cells (silently wrong results): in a vector body load
    with a ``Ramp`` and pass a vector dtype (``"float32x16"``) instead of a vectorised ``For``.
    """

    _active: ClassVar[list[Bindings]] = []

    def __init__(self) -> None:
        self.statements: list[Any] = []

    def __enter__(self) -> Bindings:
        Bindings._active.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        Bindings._active.pop()

    @staticmethod
    def bind(value: Expr, dtype: str) -> Expr | None:
        """Bind in the innermost collector and return a load of it; None if there is none."""
        if not Bindings._active:
            return None
        base, lanes = split_dtype(dtype)
        width = int(lanes[1:]) if lanes else 1
        zero = tirx.const(0, "int32")
        at = tirx.Ramp(zero, tirx.const(1, "int32"), width) if lanes else zero
        cell = tirx.decl_buffer((width,), base, name="t", scope="local")
        Bindings._active[-1].statements += [
            tirx.AllocBuffer(cell, {"disable_lower_builtin": tirx.const(True, "bool")}),
            tirx.BufferStore(cell, value, [at]),
        ]
        return tirx.BufferLoad(cell, [at])


def let(value: Expr, dtype: str, body: Callable[[Expr], Expr]) -> Expr:
    """``body(v)`` with ``v`` bound to ``value``; variables and constants are passed as they are.

    Inside ``Bindings`` a binding becomes a statement, else a ``Let`` (slow: see there).
    """
    if isinstance(value, (ir.Var, tirx.FloatImm, tirx.IntImm)):
        return body(value)
    if _binders:
        return body(_binders[-1](value))
    v = Bindings.bind(value, dtype)
    if v is not None:
        return body(v)
    v = tirx.Var("t", ir.PrimType(dtype))
    return tirx.Let(v, value, body(v))


def where(cond: Expr, a: Expr, b: Expr) -> Expr:
    """Both arms are evaluated; only for arms without side effects."""
    return tirx.Select(cond, a, b)


def isnan(x: Expr, dtype: str) -> Expr:
    """True for NaN; ints are never NaN."""
    if not is_float(dtype):
        return const(False, "bool" + split_dtype(dtype)[1])
    if is_narrow(dtype):
        dtype = "float32" + split_dtype(dtype)[1]
        x = cast(x, dtype)
    f, i = fmt(dtype), int_of(dtype)  # tirx.isnan is not vectorised, x != x is folded
    bits = tirx.reinterpret(i, x) & const((1 << (f.bits - 1)) - 1, i)
    return bits > const(((1 << (f.bits - f.mantissa - 1)) - 1) << f.mantissa, i)


def cast(x: Expr, dtype: str) -> Expr:
    """Convert; float -> int truncates (out of range is undefined), anything -> bool is ``!= 0``."""
    return x.astype(dtype)


def absolute(x: Expr, dtype: str) -> Expr:
    """|x| by clearing the sign bit of a float; ints wrap at their minimum."""
    if not is_float(dtype):
        return x if dtype.startswith(("uint", "bool")) else tirx.abs(x)
    return tirx.abs(x)


def copysign(x: Expr, sign: Expr, dtype: str) -> Expr:
    """|x| with the sign bit of ``sign`` (float32 and float64)."""
    f, i = fmt(dtype), int_of(dtype)
    mask = const((1 << (f.bits - 1)) - 1, i)
    top = const(-(1 << (f.bits - 1)), i)
    a, b = tirx.reinterpret(i, x), tirx.reinterpret(i, sign)
    return tirx.reinterpret(dtype, (a & mask) | (b & top))


def is_float(dtype: str) -> bool:
    """True for the floating dtypes."""
    return dtype.startswith(("float", "bfloat"))


def is_narrow(dtype: str) -> bool:
    """True for the floats that are computed in float32."""
    return split_dtype(dtype)[0] in ("float16", "bfloat16")


def fmt(dtype: str) -> _Format:
    """Constants of float32 or float64."""
    return {"float32": _F32, "float64": _F64}[split_dtype(dtype)[0]]


def int_of(dtype: str) -> str:
    """The int dtype of the same width and lanes."""
    return f"int{fmt(dtype).bits}" + split_dtype(dtype)[1]


def poly(x: Expr, coefficients: Sequence[float], dtype: str) -> Expr:
    """Horner; LLVM contracts each step to an fma."""
    acc = const(coefficients[-1], dtype)
    for c in reversed(coefficients[:-1]):
        acc = acc * x + const(c, dtype)
    return acc


def widen(fn: Callable[..., Expr]) -> Callable[..., Expr]:
    """Compute float16 and bfloat16 in float32."""

    def wrapped(*args: Any) -> Expr:
        *xs, dtype = args
        if is_narrow(dtype):
            wide = "float32" + split_dtype(dtype)[1]
            return cast(fn(*(cast(x, wide) for x in xs), wide), dtype)
        return fn(*xs, dtype)

    wrapped.__name__, wrapped.__doc__ = fn.__name__, fn.__doc__
    return wrapped


def libm(name: str, dtype: str, *args: Expr) -> Expr:
    """A call of libm's function, one per element."""
    if split_dtype(dtype)[1]:
        raise ValueError(f"{name} is a scalar libm call: use a scalar loop, not {dtype}")
    suffix = "f" if split_dtype(dtype)[0] == "float32" else ""
    return tirx.call_pure_extern(dtype, name + suffix, *args)


# ---------------------------------------------------------------- exp and what follows from it
def _pow2(k: Expr, dtype: str) -> Expr:
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


def _em1(r: Expr, dtype: str) -> Expr:
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
            p = const(1.0, dtype) + _em1(r, dtype)
            k2 = k - k1 if shift == 0 else k - k1 + const(shift, i)
            return p * _pow2(k1, dtype) * _pow2(k2, dtype)

        return let(k >> const(1, i), i, two)

    def run(v: Expr) -> Expr:
        hi = f.exp_hi - shift if upper else None
        return let(_clamp(v, f.exp_lo, hi, dtype), dtype, lambda c: _reduced(c, dtype, scaled))

    return let(x, dtype, run)


@widen
def exp(x: Expr, dtype: str) -> Expr:
    """e**x."""
    return exp_scaled(x, dtype)


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
                    k >> const(1, i), i, lambda k1: (const(1.0, dtype) + _em1(r, dtype))
                    * _pow2(k1, dtype) * _pow2(k - k1, dtype)))))  # fmt: skip

    return let(x, dtype, lambda v: let(_clamp(v, lo, hi, dtype), dtype, run))


def _expm1(x: Expr, dtype: str, upper: bool = True) -> Expr:
    f, i = fmt(dtype), int_of(dtype)
    hi = f.exp_hi if upper else None

    def assemble(k: Expr, kf: Expr, r: Expr) -> Expr:
        half = const(0.5, dtype)  # work with 2**(k-1): 2**k itself may overflow
        return let(
            _pow2(k - const(1, i), dtype), dtype,
            lambda s: const(2.0, dtype) * (s * _em1(r, dtype) + (s - half)),
        )  # fmt: skip

    def run(v: Expr) -> Expr:
        big = let(_clamp(v, f.em1_lo, hi, dtype), dtype, lambda c: _reduced(c, dtype, assemble))
        return where(absolute(v, dtype) < const(f.tiny, dtype), v, big)

    return let(x, dtype, run)


@widen
def expm1(x: Expr, dtype: str) -> Expr:
    """e**x - 1, accurate near 0."""
    return _expm1(x, dtype)


@widen
def sigmoid(x: Expr, dtype: str) -> Expr:
    """1 / (1 + e**-x); relative accuracy also where the result is subnormal."""
    one = const(1.0, dtype)

    def run(v: Expr) -> Expr:
        e = exp_scaled(-absolute(v, dtype), dtype, upper=False)
        return let(e, dtype, lambda w: where(v < const(0.0, dtype), w, one) / (one + w))

    return let(x, dtype, run)


@widen
def tanh(x: Expr, dtype: str) -> Expr:
    """Hyperbolic tangent, relative accuracy everywhere."""
    two = const(2.0, dtype)

    def run(v: Expr) -> Expr:
        t = _expm1(const(-2.0, dtype) * absolute(v, dtype), dtype, upper=False)
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


# ---------------------------------------------------------------- log and what follows from it
def _log_parts(x: Expr, dtype: str, body: Callable[[Expr, Expr], Expr]) -> Expr:
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
        v, _log_parts(v, dtype, lambda k, m: _log_kernel(m, dtype, k)), 0.0, dtype))  # fmt: skip


def _log_base(x: Expr, dtype: str, per_k: tuple[float, float], per_log: float) -> Expr:
    def combine(k: Expr, m: Expr) -> Expr:
        part = _log_kernel(m, dtype, None) * const(per_log, dtype)
        part = part if per_k[1] == 0.0 else part + k * const(per_k[1], dtype)
        return k * const(per_k[0], dtype) + part

    return let(x, dtype, lambda v: _log_special(v, _log_parts(v, dtype, combine), 0.0, dtype))


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
            return _log_parts(u, dtype, lambda k, m: let(
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
        x, dtype, lambda v: log1p_finite(exp_scaled(-absolute(v, dtype), dtype, upper=False), dtype)
        + where(v < zero, zero, v),
    )  # fmt: skip
