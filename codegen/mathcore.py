"""Building blocks of the functions in ``arignote.codegen.mathlib``: constants, bits, naming.

Each value that is used more than once is bound (``let``): TVM visits expressions as trees, and an
unbound DAG grows exponentially.

Traps that this file works around: TVM folds ``x != x`` to false (use ``isnan``); ``tirx.tanh``,
``tirx.exp``, ``asin`` ... lower to libm calls or to short Taylor series; ``x / 0`` on ints traps;
signed int arithmetic carries ``nsw``, so overflow is allowed only in an unselected arm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from arignote.codegen.toolchain import tirx, tvm_ir

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
    exp_near: float  # nearer to 0: exp is normal and finite
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
    -104.0, 89.0, 87.0, -18.0, 2.0**-25, 0x3F3504F3, 0x3F800000, 2.0**-126,
    (0.66666662693, 0.40000972152, 0.28498786688, 0.24279078841), 2.0**24,
)  # fmt: skip
_F64 = _Format(
    64, 52, 6755399441055744.0, 0x4338000000000000,
    6.93147180369123816490e-01, 1.90821492927058770002e-10,
    (0.5000000000000001, 0.1666666666666672, 0.04166666666662954, 0.008333333333257188,
     0.0013888888914477878, 0.00019841270115697905, 2.48015255494825e-05,
     2.7556951196540847e-06, 2.761806894876655e-07, 2.5231184010900462e-08),
    -746.0, 710.0, 708.0, -38.0, 2.0**-54, 0x3FE6A09E667F3BCD, 0x3FF0000000000000, 2.0**-1022,
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


class Hooks(Protocol):
    """What an emitter does for the functions while it writes statements (`emitting`)."""

    @property
    def plain_c(self) -> bool:
        """Whether the code goes to a C compiler, which has no LLVM intrinsics."""


    def named(self, value: Expr) -> Expr:
        """Emit a statement that computes `value`; its name."""

    def branch(self, near: Expr, fast: Expr, general: Callable[..., Expr], xs: Sequence[Expr]) -> Expr:
        """`fast`, replaced by `general(*xs)` where not `near`, which is computed where some elements are not."""

    def patch(self, far: Expr, fast: Expr, slow: Callable[..., Expr], xs: Sequence[Expr]) -> Expr:
        """`fast`, replaced by `slow(*xs)`, one element at a time, where `far`."""

    def repeated(
        self, state: Sequence[Expr], going: Callable[..., Expr], step: Callable[..., Sequence[Expr]]
    ) -> list[Expr]:
        """The state after `state = step(*state)` as long as `going(*state)`."""

    def branched(
        self, condition: Expr, then: Callable[[], list[Expr]], otherwise: Callable[[], list[Expr]]
    ) -> list[Expr]:
        """The values of one of the two, by a jump."""


_hooks: list[Hooks] = []


@contextmanager
def emitting(hooks: Hooks) -> Iterator[None]:
    """While entered, `let` and `patched` emit statements through `hooks`."""
    _hooks.append(hooks)
    try:
        yield
    finally:
        _hooks.pop()


def let(value: Expr, dtype: str, body: Callable[[Expr], Expr]) -> Expr:
    """``body(v)`` with ``v`` bound to ``value``; variables and constants are passed as they are."""
    if isinstance(value, (tvm_ir.Var, tirx.FloatImm, tirx.IntImm)):
        return body(value)
    if _hooks:
        return body(_hooks[-1].named(value))
    v = tirx.Var("t", tvm_ir.PrimType(dtype))
    return tirx.Let(v, value, body(v))


def named(value: Expr) -> Expr:
    """``value`` as a variable, where an emitter writes statements."""
    return _hooks[-1].named(value) if _hooks else value


def repeated(
    state: Sequence[Expr], going: Callable[..., Expr], step: Callable[..., Sequence[Expr]]
) -> list[Expr]:
    """The state after ``state = step(*state)`` as long as ``going(*state)``: a loop of scalars."""
    if not _hooks:
        raise RuntimeError("a loop needs an emitter to write it")
    return _hooks[-1].repeated(state, going, step)


def branched(
    condition: Expr, then: Callable[[], list[Expr]], otherwise: Callable[[], list[Expr]]
) -> list[Expr]:
    """The values of ``then`` or of ``otherwise``, of which only one is computed; scalars only."""
    if not _hooks:
        raise RuntimeError("a branch needs an emitter to write it")
    return _hooks[-1].branched(condition, then, otherwise)


def patched(far: Expr, fast: Expr, dtype: str, slow: Callable[..., Expr], *xs: Expr) -> Expr:
    """``fast``, or the scalar ``slow(*xs)`` for the elements that are ``far``.

    For what vector code does not reach: TVM gives wrong results for calls of libm on vectors, so
    the emitter calls ``slow`` for each lane that needs it.
    """
    if _hooks:
        return _hooks[-1].patch(far, fast, slow, xs)
    return tirx.if_then_else(far, slow(*xs), fast)


def rarely(near: Expr, fast: Expr, general: Callable[..., Expr], *xs: Expr) -> Expr:
    """``fast``, or ``general(*xs)`` for the elements that are not ``near``, such as NaN: code that is passed by where
    all of a vector are. No condition is negated: TVM takes the opposite of ``a < b`` for ``b <= a``."""
    if _hooks:
        return _hooks[-1].branch(near, fast, general, xs)
    return tirx.if_then_else(near, fast, general(*xs))


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


def intrinsic(llvm: str, c: str, dtype: str, *args: Expr) -> Expr:
    """LLVM's intrinsic, or C's function where the code goes to a C compiler."""
    if _hooks and _hooks[-1].plain_c:
        return libm(c, dtype, *args)
    return tirx.call_llvm_pure_intrin(dtype, llvm, *args)


def fma(a: Expr, b: Expr, c: Expr, dtype: str) -> Expr:
    """a * b + c, rounded once."""
    return intrinsic("llvm.fma", "fma", dtype, a, b, c)


def libm(name: str, dtype: str, *args: Expr) -> Expr:
    """A call of libm's function; scalars only."""
    suffix = "f" if dtype == "float32" else ""
    return tirx.call_pure_extern(dtype, name + suffix, *args)


@widen
def sqrt(x: Expr, dtype: str) -> Expr:
    """Square root, correctly rounded; NaN below zero."""
    return intrinsic("llvm.sqrt", "sqrt", dtype, x)
