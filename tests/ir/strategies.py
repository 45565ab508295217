"""Random well-typed programs over the ops of the registry, for tests of text, passes and code.

`programs()` gives a function and arrays for its parameters, on which the interpreter runs it
without error; `stateful_programs()` gives the states too. Ops are found in the registry by their
traits, so that a new elementwise op takes part without a change here; ops with attributes of their
own have a maker each, below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

import arignote.ir.ops  # noqa: F401  (fills the registry)
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Op, Region, State, Value
from arignote.ir.diag import IRError, Loc
from arignote.ir.opdef import OPS
from arignote.ir.types import Dim, DimLike, TensorType, is_float, is_integer, prod_dims, subs_dim

Array = np.ndarray[Any, Any]
Draw = Callable[[st.SearchStrategy[Any]], Any]

FLOATS = ("f32", "f64")
DTYPES = (*FLOATS, "i64", "bool")

#: Elementwise ops that are not drawn: made by passes, with attributes, or with errors of their own.
UNDRAWN = frozenset({"copy", "check_indices", "cast", "select"})
#: Of integers: no result (a negative power), or left undefined by processors (division by 0).
NOT_OF_INTEGERS = frozenset({"pow", "floordiv", "mod"})
#: Ops whose results change little where their operands change little, and stay in range.
TAME = frozenset(
    [
        "add",
        "sub",
        "mul",
        "neg",
        "abs",
        "maximum",
        "minimum",
        "tanh",
        "sigmoid",
        "arctan",
        "erf",
        "erfc",
        "softplus",
        "select",
        "sum",
        "max",
        "min",
        "transpose",
        "reshape",
        "broadcast",
        "concatenate",
        "slice",
        "update_slice",
        "gather",
        "dot",
        "batched_dot",
        "softmax",
        "logsumexp",
        "log_softmax",
        "const",
        "dim",
        "iota",
        "cast",
    ]
)
_HINTS = (None, "x", "y", "x.1", "dot", "W", "θ", "a b", "", "x-y")


def arity(name: str) -> int:
    """The number of operands of an elementwise op, from its samples."""
    return len(OPS[name].samples()[0][0])


ELEMENTWISE = {
    name: arity(name)
    for name, record in sorted(OPS.items())
    if "elementwise" in record.traits and name not in UNDRAWN
}


class Generator:
    """A program under construction: what there is to use, and how to add to it."""

    def __init__(self, draw: Draw, allowed: frozenset[str] | None, symbolic: bool) -> None:
        self.draw = draw
        self.allowed = allowed
        self.ops: list[Op] = []
        self.values: list[Value] = []
        self.sizes: dict[str, int] = {}
        if symbolic:
            self.sizes = {s: draw(st.sampled_from([1, 2, 3, 5])) for s in ("n", "m")}
        self.rng = np.random.default_rng(draw(st.integers(0, 2**16)))

    # What there is
    def pick(self, test: Callable[[Value], bool] = lambda _: True) -> Value | None:
        """One of the values that pass `test`, recent ones sooner."""
        good = [v for v in self.values if test(v)]
        return self.draw(st.sampled_from(good[::-1])) if good else None

    def size(self, dim: DimLike) -> int:
        """The number that a dimension is in this program's inputs."""
        value = subs_dim(dim, dict(self.sizes))
        assert isinstance(value, int)
        return value

    def one_of(self, *choices: Any) -> Any:
        """One of `choices`."""
        return self.draw(st.sampled_from(choices))

    def axis(self, v: Value) -> int:
        """An axis of `v`, which has one."""
        return int(self.draw(st.integers(0, v.ndim - 1)))

    def axes(self, v: Value) -> tuple[int, ...]:
        """Some axes of `v`."""
        return tuple(a for a in range(v.ndim) if self.draw(st.booleans()))

    def type(self, dtypes: Sequence[str]) -> TensorType:
        """A type of at most three dimensions, some symbolic."""
        dims: list[DimLike] = [1, 2, 3, 4, *(Dim.symbol(s) for s in self.sizes)]
        shape = self.draw(st.lists(st.sampled_from(dims), max_size=3))
        return TensorType(self.one_of(*dtypes), tuple(shape))

    def array(self, type: TensorType) -> Array:
        """A random array."""
        shape = [self.size(d) for d in type.shape]
        if type.dtype == "bool":
            return np.asarray(self.rng.integers(0, 2, shape), dtype=bool)
        if is_integer(type.dtype):
            low = 0 if type.dtype[0] == "u" else -4
            return np.asarray(self.rng.integers(low, 5, shape), dtype=type.numpy_dtype)
        return np.asarray(self.rng.uniform(-2, 2, shape), dtype=type.numpy_dtype)

    # Adding to it
    def emit(self, name: str, *operands: Value, **attrs: Any) -> Value | None:
        """Add an op if it is allowed and its record accepts the operands."""
        if self.allowed is not None and name not in self.allowed:
            return None
        builder = Builder(self.ops, loc=Loc("program.py", len(self.ops) + 1))
        try:
            (value,) = builder.emit(
                name, *operands, names=[self.draw(st.sampled_from(_HINTS))], **attrs
            )
        except IRError:
            return None
        self.values.append(value)
        return value

    def const(self, type: TensorType) -> Value | None:
        """A constant of a static type."""
        return self.emit("const", value=self.array(type))

    def scalar(self, dtype: str) -> Value | None:
        """A scalar constant."""
        return self.const(TensorType(dtype, ()))


def fits(a: Value, b: Value) -> bool:
    """Whether two values broadcast, whatever the sizes of symbols."""
    pairs = zip(reversed(a.shape), reversed(b.shape), strict=False)
    return all(1 in (x, y) or x == y for x, y in pairs)


def _elementwise(g: Generator) -> None:
    names = [n for n in ELEMENTWISE if g.allowed is None or n in g.allowed]
    name = g.draw(st.sampled_from(names))
    x = g.pick(lambda v: not (name in NOT_OF_INTEGERS and is_integer(v.dtype)))
    if x is None:
        return
    operands = [x]
    while len(operands) < ELEMENTWISE[name]:
        other = g.pick(lambda v: v.dtype == x.dtype and all(fits(v, o) for o in operands))
        operands.append(other if other is not None else x)
    g.emit(name, *g.draw(st.permutations(operands)))


def _cast(g: Generator) -> None:
    x = g.pick()
    if x is not None:  # a float out of an integer's range has no defined result
        g.emit("cast", x, dtype=g.one_of(*(FLOATS if is_float(x.dtype) else DTYPES)))


def _select(g: Generator) -> None:
    x = g.pick()
    if x is None:
        return
    y = g.pick(lambda v: v.dtype == x.dtype and fits(v, x)) or x
    c = g.pick(lambda v: v.dtype == "bool" and fits(v, x) and fits(v, y))
    if c is not None:
        g.emit("select", c, x, y)


def _reduce(g: Generator) -> None:
    names = [n for n, r in sorted(OPS.items()) if "reduction" in r.traits]
    x = g.pick(lambda v: v.ndim > 0)
    if x is not None:
        g.emit(g.one_of(*names, "sum", "logsumexp"), x, axes=g.axes(x))


def _softmax(g: Generator) -> None:
    x = g.pick(lambda v: v.ndim > 0 and is_float(v.dtype))
    if x is not None:
        g.emit(g.one_of("softmax", "log_softmax"), x, axis=g.axis(x))


def _transpose(g: Generator) -> None:
    x = g.pick(lambda v: v.ndim > 1)
    if x is not None:
        g.emit("transpose", x, perm=tuple(g.draw(st.permutations(range(x.ndim)))))


def _reshape(g: Generator) -> None:
    x = g.pick()
    if x is None:
        return
    shape = list(x.shape)
    if shape and g.draw(st.booleans()):
        axis = g.axis(x)
        shape[axis : axis + 2] = [prod_dims(shape[axis : axis + 2])]
    else:
        shape.insert(g.draw(st.integers(0, len(shape))), 1)
    if len(shape) <= 4:
        g.emit("reshape", x, shape=tuple(shape))


def _broadcast(g: Generator) -> None:
    x = g.pick(lambda v: v.ndim < 3)
    if x is not None:
        lead = g.type(["f32"]).shape[:1]
        ones = [g.one_of(2, *map(Dim.symbol, g.sizes)) if d == 1 else d for d in x.shape]
        g.emit("broadcast", x, shape=(*lead, *ones))


def _bound_broadcast(g: Generator) -> None:
    """A dimension that is data: a new symbol, bound to a scalar."""
    x, y = g.pick(lambda v: v.ndim > 0), g.pick(lambda v: v.ndim < 3)
    if x is None or y is None:
        return
    axis = g.axis(x)
    length = g.emit("dim", x, axis=axis)
    if length is not None:
        symbol = f"k{len(g.sizes)}"
        g.sizes[symbol] = g.size(x.shape[axis])
        g.emit("broadcast", y, length, shape=(Dim.symbol(symbol), *y.shape), bound=(0,))


def _iota(g: Generator) -> None:
    type = g.type(["f32", "f64", "i64"])
    if type.ndim:
        axis = g.draw(st.integers(0, type.ndim - 1))
        g.emit("iota", shape=type.shape, axis=axis, dtype=type.dtype)


def _concatenate(g: Generator) -> None:
    x = g.pick(lambda v: 0 < v.ndim < 4)
    if x is None:
        return
    axis = g.axis(x)

    def joins(v: Value) -> bool:
        rest = [(a, b) for i, (a, b) in enumerate(zip(v.shape, x.shape, strict=True)) if i != axis]
        return all(a == b for a, b in rest)

    y = g.pick(lambda v: v.dtype == x.dtype and v.ndim == x.ndim and joins(v))
    if y is not None:
        g.emit("concatenate", x, y, axis=axis)


def _window(g: Generator, x: Value) -> dict[str, Any]:
    start: list[DimLike] = []
    size: list[DimLike] = []
    step: list[int] = []
    for dim in x.shape:
        if isinstance(dim, int):
            first = g.draw(st.integers(0, max(dim - 1, 0)))
            by = g.one_of(1, 1, 2, -1)
            longest = first // -by + 1 if by < 0 else (dim - 1 - first) // by + 1
            start.append(first)
            size.append(g.draw(st.integers(1, longest)) if dim else 0)
            step.append(by)
        elif g.draw(st.booleans()):  # all of it, reversed
            start.append(dim - 1)
            size.append(dim)
            step.append(-1)
        else:
            cut = min(1, g.size(dim) - 1)
            start.append(cut)
            size.append(dim - cut)
            step.append(1)
    return {"start": tuple(start), "size": tuple(size), "step": tuple(step)}


def _slice(g: Generator) -> None:
    x = g.pick(lambda v: v.ndim > 0)
    if x is not None:
        g.emit("slice", x, **_window(g, x))


def _update_slice(g: Generator) -> None:
    x = g.pick(lambda v: v.ndim > 0)
    if x is None:
        return
    window = _window(g, x)
    v = g.pick(lambda v: v.dtype == x.dtype and v.shape == window["size"])
    if v is None:
        scalar = g.scalar(x.dtype)
        v = None if scalar is None else g.emit("broadcast", scalar, shape=window["size"])
    if v is not None:
        g.emit("update_slice", x, v, mode=g.one_of("set", "add"), **window)


def _indices(g: Generator, x: Value) -> list[Value]:
    count = g.draw(st.integers(1, x.ndim))
    shape = g.one_of((), (2,), (3, 1))
    out = []
    for dim in x.shape[:count]:
        size = g.size(dim)
        value = g.emit("const", value=np.asarray(g.rng.integers(-size, size, shape)))
        if value is not None:
            out.append(value)
    return out if len(out) == count else []


def _gather(g: Generator) -> None:
    x = g.pick(lambda v: v.ndim > 0 and all(g.size(d) > 0 for d in v.shape))
    if x is not None and (indices := _indices(g, x)):
        g.emit("gather", x, *indices)


def _scatter(g: Generator) -> None:
    x = g.pick(lambda v: v.ndim > 0 and all(g.size(d) > 0 for d in v.shape))
    if x is None or not (indices := _indices(g, x)):
        return
    v = g.emit("gather", x, *indices)
    if v is not None:
        g.emit("scatter", x, v, *indices, mode=g.one_of("set", "add"))


def _dot(g: Generator) -> None:
    rank = g.one_of(2, 2, 3)
    x = g.pick(lambda v: v.ndim == rank and is_float(v.dtype))
    if x is None:
        return
    y = g.pick(
        lambda v: (
            v.dtype == x.dtype
            and v.ndim == rank
            and v.shape[-2] == x.shape[-1]
            and v.shape[:-2] == x.shape[:-2]
        )
    )
    if y is None:
        y = g.emit("transpose", x, perm=(1, 0) if rank == 2 else (0, 2, 1))
    if y is not None:
        g.emit("dot" if rank == 2 else "batched_dot", x, y)


def _const(g: Generator) -> None:
    type = g.type(DTYPES)
    g.const(type if type.static else TensorType(type.dtype, ()))


def _fused(g: Generator) -> None:
    """A region: what the fusion pass makes."""
    x = g.pick(lambda v: is_float(v.dtype))
    if x is None:
        return
    param = Value(x.type, g.draw(st.sampled_from(_HINTS)))
    inner: list[Op] = []
    b = Builder(inner)
    out = b.mul(b.add(param, param), param)
    g.emit("fused", x, regions=[Region([param], inner, [out])], kind="map", axes=())


MAKERS: tuple[Callable[[Generator], None], ...] = (
    _elementwise, _elementwise, _elementwise, _elementwise, _reduce, _dot, _broadcast, _reshape,
    _transpose, _select, _cast, _slice, _gather, _concatenate, _const, _softmax, _update_slice,
    _scatter, _iota, _bound_broadcast,
)  # fmt: skip


def _build(
    draw: Draw, max_ops: int, dtypes: Sequence[str], g: Generator, states: int, regions: bool
) -> tuple[Func, list[Array], dict[str, Array]]:
    def inputs(count: int) -> list[Value]:
        types = [g.type(dtypes) for _ in range(count)]
        return [Value(t, draw(st.sampled_from(_HINTS))) for t in types]

    params = inputs(draw(st.integers(1, 3)))
    # A symbol is bound by a shape of the inputs: one parameter holds them all.
    params.append(Value(TensorType(dtypes[0], tuple(Dim.symbol(s) for s in g.sizes))))
    entries = [State(f"s{i}", v) for i, v in enumerate(inputs(states))]
    g.values += [*params, *(s.value for s in entries)]
    arrays = {v: g.array(v.type) for v in g.values}
    makers = (*MAKERS, _fused) if regions else MAKERS
    for _ in range(draw(st.integers(1, max_ops))):
        draw(st.sampled_from(makers))(g)
    computed = [v for op in g.ops for v in op.results] or params
    results = draw(st.lists(st.sampled_from(computed), min_size=1, max_size=3))
    for state in entries:
        same = [v for v in g.values if v.type == state.value.type]
        state.update = draw(st.one_of(st.none(), st.sampled_from(same)))
    func = Func("f", params, entries, g.ops, results)
    return func, [arrays[p] for p in params], {s.name: arrays[s.value] for s in entries}


@st.composite
def programs(
    draw: Draw,
    max_ops: int = 12,
    dtypes: Sequence[str] = DTYPES,
    tame: bool = False,
    symbolic: bool = True,
    regions: bool = False,
) -> tuple[Func, list[Array]]:
    """A function without states, and an array for each parameter.

    `dtypes` are those of the inputs. With `tame`, only ops whose results change little where their
    operands do: for comparing implementations that round differently. Otherwise results may be NaN
    or infinite. `regions` adds `fused` ops.
    """
    g = Generator(draw, TAME if tame else None, symbolic)
    func, arrays, _ = _build(draw, max_ops, dtypes, g, 0, regions)
    return func, arrays


@st.composite
def stateful_programs(
    draw: Draw, max_ops: int = 12, tame: bool = False, symbolic: bool = True, regions: bool = False
) -> tuple[Func, list[Array], dict[str, Array]]:
    """A function with up to two states, arrays for its parameters, and arrays for its states."""
    g = Generator(draw, TAME if tame else None, symbolic)
    return _build(draw, max_ops, DTYPES, g, draw(st.integers(1, 2)), regions)
