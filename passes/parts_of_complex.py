"""Functions of complex numbers as functions of their real and imaginary parts, for the pass `represent`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.ir.builder import Builder, describe
from arignote.ir.core import Op, Value
from arignote.ir.diag import IRError
from arignote.ir.ops.complexes import PARTS
from arignote.ir.ops.rules import uniform

Pair = tuple[Value, Value]

#: Ops that do to each part what they do to the whole.
PARTWISE = frozenset(
    """add sub neg sum select reshape transpose broadcast concatenate slice update_slice gather scatter roll shift
    stop_gradient""".split()  # noqa: SIM905  # read as a list of words
)
MAX_POWER = 64  # whole numbers to here are powers by multiplication


def lowered(b: Builder, op: Op, args: list[Any]) -> Any:
    """What `op` makes of `args`, pairs where its operands are complex: a pair, or a real value.

    Raises:
        IRError: the op does not take complex numbers; names the user's line.
    """
    if op.name in PARTWISE:
        return _partwise(b, op, args)
    function = FUNCTIONS.get(op.name)
    if function is None:
        raise IRError(describe(op.name, op.operands, "complex numbers are not supported by this op", op.loc))
    return function(b, op, *args)


def _partwise(b: Builder, op: Op, args: list[Any]) -> Pair:
    def part(k: int) -> Value:
        attrs = {**op.attrs, "fill": 0.0} if k and "fill" in op.attrs else op.attrs
        return b.emit(op.name, *(a[k] if isinstance(a, tuple) else a for a in args), **attrs)[0]

    return part(0), part(1)


def _mul(b: Builder, x: Pair, y: Pair) -> Pair:
    return (
        b.sub(b.mul(x[0], y[0]), b.mul(x[1], y[1])),
        b.add(b.mul(x[0], y[1]), b.mul(x[1], y[0])),
    )


def _div(b: Builder, x: Pair, y: Pair) -> Pair:
    """R. Smith, *Algorithm 116: Complex division*, Communications of the ACM 5 (1962)."""
    wide = b.ge(b.abs(y[0]), b.abs(y[1]))
    big, small = b.select(wide, y[0], y[1]), b.select(wide, y[1], y[0])
    ratio = b.div(small, big)
    scale = b.add(big, b.mul(small, ratio))
    near, far = b.select(wide, x[0], x[1]), b.select(wide, x[1], x[0])
    re = b.div(b.add(near, b.mul(far, ratio)), scale)
    im = b.div(b.sub(far, b.mul(near, ratio)), scale)
    return re, b.select(wide, im, b.neg(im))


def _magnitude(b: Builder, x: Pair) -> Value:
    a, c = b.abs(x[0]), b.abs(x[1])
    big, small = b.maximum(a, c), b.minimum(a, c)
    zero, one = b.like(0, a), b.like(1, a)
    ratio = b.div(small, b.select(b.eq(big, zero), one, big))
    size = b.mul(big, b.sqrt(b.add(one, b.sqr(ratio))))
    return b.select(b.isinf(big), big, size)


def _polar(b: Builder, size: Value, turn: Value) -> Pair:
    return b.mul(size, b.cos(turn)), b.mul(size, b.sin(turn))


def _exp(b: Builder, x: Pair) -> Pair:
    size = b.exp(x[0])
    real = b.eq(x[1], b.like(0, x[1]))  # infinity times sin(0) is NaN
    return b.mul(size, b.cos(x[1])), b.select(real, x[1], b.mul(size, b.sin(x[1])))


def _log(b: Builder, x: Pair) -> Pair:
    return b.log(_magnitude(b, x)), b.arctan2(x[1], x[0])


def _sin(b: Builder, x: Pair) -> Pair:
    return b.mul(b.sin(x[0]), b.cosh(x[1])), b.mul(b.cos(x[0]), b.sinh(x[1]))


def _cos(b: Builder, x: Pair) -> Pair:
    return b.mul(b.cos(x[0]), b.cosh(x[1])), b.neg(b.mul(b.sin(x[0]), b.sinh(x[1])))


def _sqrt(b: Builder, x: Pair) -> Pair:
    """The root with a real part that is not negative, without cancellation."""
    zero, one, half = (b.like(v, x[0]) for v in (0, 1, 0.5))
    root = b.sqrt(b.mul(half, b.add(_magnitude(b, x), b.abs(x[0]))))
    other = b.div(b.mul(half, x[1]), b.select(b.eq(root, zero), one, root))
    right = b.ge(x[0], zero)
    signed = b.select(b.lt(x[1], zero), b.neg(root), root)
    return b.select(right, root, b.abs(other)), b.select(right, other, signed)


def _whole_power(op: Op) -> int | None:
    power = uniform(op.operands[1])
    if power is None or power.imag or power.real != int(power.real) or abs(power.real) > MAX_POWER:
        return None
    return int(power.real)


def _pow(b: Builder, op: Op, x: Pair, y: Pair) -> Pair:
    n = _whole_power(op)
    if n is not None:
        return _broadcast(b, _by_squaring(b, x, n), y)
    zero, one = b.like(0, x[0]), b.like(1, x[0])
    power = _exp(b, _mul(b, y, _log(b, x)))
    nothing = b.emit("and", b.eq(x[0], zero), b.eq(x[1], zero))[0]
    flat = b.emit("and", b.eq(y[0], zero), b.eq(y[1], zero))[0]
    return b.select(nothing, b.select(flat, one, zero), power[0]), b.select(nothing, zero, power[1])


def _by_squaring(b: Builder, x: Pair, n: int) -> Pair:
    one, zero = b.full(1, x[0].type), b.full(0, x[0].type)
    out, square, rest = None, x, abs(n)
    while rest:
        if rest & 1:
            out = square if out is None else _mul(b, out, square)
        rest >>= 1
        if rest:
            square = _mul(b, square, square)
    if out is None:
        return one, zero
    return _div(b, (one, zero), out) if n < 0 else out


def _broadcast(b: Builder, x: Pair, y: Pair) -> Pair:
    """`x` in the shape that it and `y` have together."""
    if x[0].shape == y[0].shape:
        return x
    yes = b.const(True, "bool")
    return b.select(yes, x[0], y[0]), b.select(yes, x[1], y[1])


def _complex(b: Builder, op: Op, re: Value, im: Value) -> Pair:
    return _broadcast(b, (re, im), (im, re))


def _cast(b: Builder, op: Op, x: Any) -> Pair:
    part = PARTS[op.attrs["dtype"]]
    if isinstance(x, tuple):
        return b.cast(x[0], dtype=part), b.cast(x[1], dtype=part)
    re = b.cast(x, dtype=part)
    return re, b.full(0, re.type)


def _product(name: str) -> Callable[..., Pair]:
    def product(b: Builder, op: Op, x: Pair, y: Pair) -> Pair:
        def dot(i: int, j: int) -> Value:
            return b.emit(name, x[i], y[j], **op.attrs)[0]

        return b.sub(dot(0, 0), dot(1, 1)), b.add(dot(0, 1), dot(1, 0))

    return product


def _prod(b: Builder, op: Op, x: Pair) -> Pair:
    """By halves; over an axis of a size that is not known by sizes and angles."""
    axes = op.attrs["axes"]
    if not all(isinstance(x[0].shape[a], int) for a in axes):
        size, turn = _magnitude(b, x), b.arctan2(x[1], x[0])
        return _polar(b, b.prod(size, axes=axes), b.sum(turn, axes=axes))
    for axis in axes:
        while (count := x[0].shape[axis]) > 1:
            half = count // 2
            product = _mul(b, _cut(b, x, axis, 0, half), _cut(b, x, axis, half, half))
            if count % 2:
                last = _cut(b, x, axis, count - 1, 1)
                product = (
                    b.concatenate(product[0], last[0], axis=axis), b.concatenate(product[1], last[1], axis=axis)
                )  # fmt: skip
            x = product
        if x[0].shape[axis] == 0:
            kept = x[0].type.with_shape(1 if a == axis else d for a, d in enumerate(x[0].shape))
            x = b.full(1, kept), b.full(0, kept)
    shape = op.result.shape
    return b.reshape(x[0], shape=shape), b.reshape(x[1], shape=shape)


def _cut(b: Builder, x: Pair, axis: int, start: int, size: int) -> Pair:
    def cut(v: Value) -> Value:
        begin = tuple(start if a == axis else 0 for a in range(v.ndim))
        sizes = tuple(size if a == axis else d for a, d in enumerate(v.shape))
        return b.slice(v, start=begin, size=sizes, step=(1,) * v.ndim)

    return cut(x[0]), cut(x[1])


def _equal(b: Builder, x: Pair, y: Pair) -> Value:
    return b.emit("and", b.eq(x[0], y[0]), b.eq(x[1], y[1]))[0]


def _different(b: Builder, x: Pair, y: Pair) -> Value:
    return b.emit("or", b.neq(x[0], y[0]), b.neq(x[1], y[1]))[0]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "complex": _complex,
    "real": lambda b, op, x: x[0],
    "imag": lambda b, op, x: x[1],
    "conj": lambda b, op, x: (x[0], b.neg(x[1])),
    "magnitude": lambda b, op, x: _magnitude(b, x),
    "const": lambda b, op: (b.const(op.attrs["value"].real.copy()), b.const(op.attrs["value"].imag.copy())),
    "dim": lambda b, op, x: b.emit("dim", x[0], **op.attrs)[0],
    "cast": _cast,
    "mul": lambda b, op, x, y: _mul(b, x, y),
    "div": lambda b, op, x, y: _div(b, x, y),
    "sqr": lambda b, op, x: _mul(b, x, x),
    "pow": _pow,
    "exp": lambda b, op, x: _exp(b, x),
    "log": lambda b, op, x: _log(b, x),
    "sin": lambda b, op, x: _sin(b, x),
    "cos": lambda b, op, x: _cos(b, x),
    "sqrt": lambda b, op, x: _sqrt(b, x),
    "eq": lambda b, op, x, y: _equal(b, x, y),
    "neq": lambda b, op, x, y: _different(b, x, y),
    "prod": _prod,
    "dot": _product("dot"),
    "batched_dot": _product("batched_dot"),
}
