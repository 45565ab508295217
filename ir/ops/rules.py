"""What op records share: inference, evaluation, gradients, lowering, folds and samples.

Rules of inference are numbered in messages. Those of the elementwise families are the same for
all of them: (C1) the kind of dtype, (C2) one dtype for all operands, (C3) shapes broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import IRError, require
from arignote.ir.types import (
    DimLike,
    TensorType,
    broadcast_shapes,
    is_differentiable,
    is_float,
    is_integer,
    same_dim,
    scale_dim,
)

Array = np.ndarray[Any, Any]
Grads = tuple[Value | None, ...]
Samples = list[tuple[tuple[Any, ...], dict[str, Any]]]

KINDS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "float": ("floats", is_float),
    "analytic": ("floats or complex numbers", is_differentiable),
    "field": ("integers, floats or complex numbers", lambda d: is_integer(d) or is_differentiable(d)),
    "number": ("integers or floats", lambda d: is_integer(d) or is_float(d)),
    "logic": ("bools or integers", lambda d: d == "bool" or is_integer(d)),
    "real": ("bools, integers or floats", lambda d: d == "bool" or is_integer(d) or is_float(d)),
    "any": ("bools, integers, floats or complex numbers", lambda d: True),
}


# ---------------------------------------------------------------- inference
def check_kind(kind: str, *types: TensorType, label: str = "C1") -> None:
    """(`label`): every operand is of the kind of dtype that the op takes."""
    noun, test = KINDS[kind]
    for t in types:
        require(test(t.dtype), f"takes {noun}, got {t} ({label})")


def check_same_dtype(*types: TensorType, sep: str = ", ") -> None:
    """(C2): the operands share one dtype."""
    if any(t.dtype != types[0].dtype for t in types):
        raise IRError(f"dtypes differ: {sep.join(map(str, types))} (C2)")


def broadcast_types(*types: TensorType) -> TensorType:
    """(C3): the operands' shapes broadcast; the result has the first one's dtype."""
    try:
        return types[0].with_shape(broadcast_shapes(t.shape for t in types))
    except IRError as e:
        raise IRError(f"{e} (C3)") from None


def unary(kind: str, result: str | None = None) -> Callable[[TensorType], TensorType]:
    """infer(x: T[...]) -> T[...], or `result[...]`."""

    def infer(x: TensorType) -> TensorType:
        check_kind(kind, x)
        return x.with_dtype(result or x.dtype)

    return infer


def binary(kind: str, result: str | None = None) -> Callable[[TensorType, TensorType], TensorType]:
    """infer(x: T[...], y: T[...]) -> T[...], or `result[...]`, with broadcasting."""

    def infer(x: TensorType, y: TensorType) -> TensorType:
        check_kind(kind, x, y)
        check_same_dtype(x, y)
        return broadcast_types(x, y).with_dtype(result or x.dtype)

    return infer


def check_axes(x: TensorType, axes: tuple[int, ...]) -> None:
    """(C1): `axes` are distinct, ascending, and axes of `x`."""
    good = all(0 <= a < x.ndim for a in axes) and list(axes) == sorted(set(axes))
    require(good, f"axes {axes} are not ascending axes of {x} (C1)")


def check_axis(x: TensorType, axis: int, label: str = "C1") -> None:
    """(`label`): `axis` is an axis of `x`, counted from 0."""
    require(0 <= axis < x.ndim, f"axis {axis} is not an axis of {x} ({label})")


def check_bound(dims: Sequence[TensorType], count: int, what: str) -> None:
    """Scalar operands that give bound dimensions: as many as are bound, each an i64[]."""
    good = len(dims) == count and all(d.dtype == "i64" and d.ndim == 0 for d in dims)
    got = ", ".join(map(str, dims)) or "none"
    require(good, f"takes {count} scalars i64[] for its bound {what}, got {got}")


def check_mode(x: TensorType, mode: str, label: str) -> None:
    """`mode` is set, or add for what can be added."""
    require(mode in ("set", "add"), f"mode {mode!r} is neither 'set' nor 'add' ({label})")
    require(mode == "set" or x.dtype != "bool", f"bools do not add: {x} ({label})")


def same_shape(a: tuple[DimLike, ...], b: tuple[DimLike, ...]) -> bool:
    """False only where two shapes are known to differ."""
    return len(a) == len(b) and all(map(same_dim, a, b))


def bind(shape: Sequence[DimLike], bound: Sequence[int], values: Sequence[Array]) -> list[int]:
    """A run-time shape: numbers, with the `bound` positions taken from scalar operands."""
    out: list[Any] = list(shape)
    for position, value in zip(bound, values, strict=True):
        out[position] = int(value)
    return out


# ---------------------------------------------------------------- evaluation and lowering
def quiet(fn: Callable[..., Any]) -> Callable[..., Array]:
    """`fn` of arrays without floating-point warnings; NumPy scalars become 0-d arrays."""

    def evaluate(*xs: Array, **attrs: Any) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(fn(*xs, **attrs))

    return evaluate


def widened(fn: Callable[..., Any]) -> Callable[..., Array]:
    """`quiet`, with f16 computed in f32 and rounded once, as the generated code does."""
    run = quiet(fn)

    def evaluate(*xs: Array, **attrs: Any) -> Array:
        if xs[0].dtype != np.float16:
            return run(*xs, **attrs)
        wide = [x.astype(np.float32) if x.dtype == np.float16 else x for x in xs]
        with np.errstate(over="ignore"):
            return np.asarray(run(*wide, **attrs).astype(np.float16))

    return evaluate


def scalar(fn: str | Callable[..., Any]) -> Callable[..., Any]:
    """Lowering to a function of scalars: an operator, or the code generator's own called `fn`."""
    if isinstance(fn, str):
        return lambda k, *xs: getattr(k, fn)(*xs)
    return lambda k, *xs: fn(*xs)


# ---------------------------------------------------------------- gradients
def partials(*rules: Callable[..., Value]) -> Callable[..., Grads]:
    """A vjp out of one rule(b, ct, out, *operands) -> Value per operand; None unless floats or complex."""

    def vjp(b: Builder, ct: Value, out: Value, *operands: Value) -> Grads:
        if not is_differentiable(out.dtype):
            return (None,) * len(operands)
        return tuple(rule(b, ct, out, *operands) for rule in rules)

    return vjp


def flat(b: Builder, ct: Value, out: Value, *operands: Value) -> Grads:
    """The vjp of steps (floor, sgn): zero wherever it is defined, and connected, as in Theano."""
    if not is_float(out.dtype):
        return (None,) * len(operands)
    return tuple(b.full(0, v.type) for v in operands)


# ---------------------------------------------------------------- folding
def made_by(v: Value, name: str) -> Op | None:
    """The op that made `v` if it is a `name`."""
    return v.owner if v.owner is not None and v.owner.name == name else None


def uniform(v: Value) -> Any:
    """The Python number that every element of `v` is known to be; None where there is none."""
    while v.owner is not None and v.owner.name in ("broadcast", "reshape"):
        v = v.owner.operands[0]
    const = made_by(v, "const")
    if const is None:
        return None
    value: Array = const.attrs["value"]
    if value.size == 0 or (value.size > 1 and not (value == value.flat[0]).all()):
        return None
    return value.flat[0].item()


def stays(op: Op, v: Value) -> bool:
    """Whether operand `v` has the result's type and no other operand stretches or checks it."""
    return v.type == op.result.type and all(
        have in (1, want)
        for o in op.operands
        for have, want in zip(reversed(o.shape), reversed(v.shape), strict=False)
    )


def neutral(number: Any, right_only: bool = False) -> Callable[[Builder, Op], Value | None]:
    """fold: `x op number -> x`, and `number op x -> x` unless `right_only`."""

    def fold(b: Builder, op: Op) -> Value | None:
        x, y = op.operands
        for keep, other in ((x, y),) if right_only else ((x, y), (y, x)):
            known = uniform(other)
            if known is not None and known == number and stays(op, keep):
                return keep
        return None

    return fold


def same_operands(b: Builder, op: Op) -> Value | None:
    """fold: `x op x -> x`."""
    return op.operands[0] if op.operands[0] is op.operands[1] else None


def inner(*names: str) -> Callable[[Builder, Op], Value | None]:
    """fold: `op(f(x)) -> f(x)` for each `f` in `names`: what is rounded stays as it is."""

    def fold(b: Builder, op: Op) -> Value | None:
        (x,) = op.operands
        return x if x.owner is not None and x.owner.name in names else None

    return fold


def unbind(b: Builder, op: Op, first: int) -> Value | None:
    """fold: drop the operands, from `first` on, that give a bound dimension its known number."""
    shape, bound = op.attrs["shape"], op.attrs.get("bound", ())
    scalars = op.operands[first:]
    left = [
        (position, v)
        for position, v in zip(bound, scalars, strict=True)
        if not (isinstance(shape[position], int) and uniform(v) == shape[position])
    ]
    if len(left) == len(bound):
        return None
    attrs = {k: v for k, v in op.attrs.items() if k != "bound"}
    if left:
        attrs["bound"] = tuple(position for position, _ in left)
    operands = (*op.operands[:first], *(v for _, v in left))
    return b.emit(op.name, *operands, **attrs)[0]


def literal(size: Any) -> int | None:
    """A size as a number, if it is one: an int, or a constant of the code generator."""
    value = getattr(size, "value", size)
    return value if isinstance(value, int) else None


# ---------------------------------------------------------------- samples
UNARY_SHAPES = [((2, 3),), ((),), ((0, 3),), ((1, 2, 2),)]
BINARY_SHAPES = [
    ((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1), (1, 4)), ((), (3,)), ((2, 2), ()), ((), ()),
    ((0, 3), (1, 3)), ((0,), ()), ((3, 1, 2), (2, 2)),
]  # fmt: skip


def matrix_flops(numerator: int, denominator: int = 1, per_column: int = 0) -> Callable[..., DimLike]:
    """flops(a: F[m,n], ...): so many times m n n, and `per_column` times n n for each column of the last operand.

    The leading terms that G. Golub and C. Van Loan, *Matrix Computations* (2013), give for the algorithms of LAPACK.
    """

    def flops(x: TensorType, *rest: TensorType, **attrs: Any) -> DimLike:
        m, n = x.shape
        total = scale_dim(n * (n * m), numerator, denominator)
        return total + per_column * (n * (n * rest[-1].shape[-1])) if per_column else total

    return flops


def reals(
    *ranges: tuple[float, float], whole: bool = False, seed: int = 0
) -> Callable[[], Samples]:
    """Samples of an elementwise op: floats, one range per operand; whole numbers if asked."""

    def samples() -> Samples:
        rng = np.random.default_rng(seed)
        out: Samples = []
        for shapes in UNARY_SHAPES if len(ranges) == 1 else BINARY_SHAPES:
            xs = [np.asarray(rng.uniform(*r, size=s)) for r, s in zip(ranges, shapes, strict=True)]
            out.append((tuple(np.rint(x) if whole else x for x in xs), {}))
        return out

    return samples


def logicals(count: int) -> Callable[[], Samples]:
    """Samples of a logical op of `count` operands: bools, and integers for the bitwise meaning."""

    def samples() -> Samples:
        rng = np.random.default_rng(0)
        out: Samples = []
        for shapes in UNARY_SHAPES if count == 1 else BINARY_SHAPES:
            ints = [np.asarray(rng.integers(-9, 9, size=s)) for s in shapes]
            out.append((tuple(np.asarray(x > 0) for x in ints), {}))
            out.append((tuple(ints), {}))
        return out

    return samples
