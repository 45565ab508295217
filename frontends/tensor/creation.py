"""Variables by kind (`matrix`, `ivector`, `fmatrices`), and tensors made of nothing (`zeros`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from arignote.frontends.tensor import shapes
from arignote.frontends.tensor.convert import as_tensor_variable, scalar_int, unify, value_of
from arignote.frontends.tensor.elementwise import cast, eq
from arignote.frontends.tensor.graph import (
    Variable,
    cast_value,
    const,
    constant_of,
    emit,
    ir_dtype,
    wrap,
)
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.shapes import Sizes, sizes_of
from arignote.frontends.tensor.tensortype import TensorType
from arignote.ir.core import Value
from arignote.ir.types import is_float, promote

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

_PATTERNS = {
    "scalar": (), "vector": (False,), "matrix": (False, False), "row": (True, False),
    "col": (False, True), "tensor3": (False,) * 3, "tensor4": (False,) * 4, "tensor5": (False,) * 5,
}  # fmt: skip
_PREFIXES = {
    "b": "int8", "w": "int16", "i": "int32", "l": "int64",
    "f": "float32", "d": "float64", "c": "complex64", "z": "complex128",
}  # fmt: skip
_PLURALS = {
    "scalar": "scalars", "vector": "vectors", "matrix": "matrices", "row": "rows", "col": "cols",
    "tensor3": "tensor3s", "tensor4": "tensor4s", "tensor5": "tensor5s",
}  # fmt: skip


class Maker(Protocol):
    """Makes a variable of a kind."""

    def __call__(
        self, name: str | None = None, dtype: Any = None, shape: Iterable[int | None] | None = None
    ) -> TensorVariable: ...


class TypedMaker(Protocol):
    """Makes a variable of a kind and dtype."""

    def __call__(
        self, name: str | None = None, shape: Iterable[int | None] | None = None
    ) -> TensorVariable: ...


class Plural(Protocol):
    """Makes several variables: by number, or by names, which may be the letters of one text. One name makes one
    variable."""

    def __call__(self, *names: Any) -> Any: ...


def _make(kind: str, dtype: Any, name: str | None, shape: Any) -> TensorVariable:
    pattern = _PATTERNS[kind]
    if shape is None:
        return TensorType(dtype, pattern)(name)
    sizes = tuple(shape)
    if len(sizes) != len(pattern):
        raise ValueError(f"a {kind} has {len(pattern)} dimensions, but shape={sizes}")
    for axis, (one, size) in enumerate(zip(pattern, sizes, strict=True)):
        if one and size not in (None, 1):
            raise ValueError(f"dimension {axis} of a {kind} is 1, but shape={sizes}")
    known = (1 if b else s for b, s in zip(pattern, sizes, strict=True))
    return TensorType(dtype, shape=known)(name)


def _maker(kind: str) -> Maker:
    def make(
        name: str | None = None, dtype: Any = None, shape: Iterable[int | None] | None = None
    ) -> TensorVariable:
        return _make(kind, config.floatX if dtype is None else dtype, name, shape)

    make.__name__ = make.__qualname__ = kind
    make.__doc__ = f"A {kind} of `floatX`, or of `dtype`."
    return make


def _typed(kind: str, prefix: str) -> TypedMaker:
    dtype = _PREFIXES[prefix]

    def make(
        name: str | None = None, shape: Iterable[int | None] | None = None
    ) -> TensorVariable:
        return _make(kind, dtype, name, shape)

    make.__name__ = make.__qualname__ = prefix + kind
    make.__doc__ = f"A {kind} of {dtype}."
    return make


def _plural(name: str, make: Callable[..., TensorVariable]) -> Plural:
    def several(*names: Any) -> Any:
        if len(names) == 1 and isinstance(names[0], int):
            return [make() for _ in range(names[0])]
        given = names[0] if len(names) == 1 else names  # one text of several letters names as many variables
        return make(*given) if len(given) == 1 else [make(n) for n in given]

    several.__name__ = several.__qualname__ = name
    several.__doc__ = f"Several variables: {name}(2), {name}('x', 'y') or {name}('xy')."
    return several


scalar, vector, matrix = _maker("scalar"), _maker("vector"), _maker("matrix")
row, col = _maker("row"), _maker("col")
tensor3, tensor4, tensor5 = _maker("tensor3"), _maker("tensor4"), _maker("tensor5")

#: Every constructor by name: scalar, iscalar, iscalars, ...
CONSTRUCTORS: dict[str, Any] = {}
for _kind, _several in _PLURALS.items():
    CONSTRUCTORS[_kind] = globals()[_kind]
    CONSTRUCTORS[_several] = _plural(_several, globals()[_kind])
    for _prefix in _PREFIXES:
        CONSTRUCTORS[_prefix + _kind] = _typed(_kind, _prefix)
        CONSTRUCTORS[_prefix + _several] = _plural(
            _prefix + _several, CONSTRUCTORS[_prefix + _kind]
        )


def tensor(*args: Any, **kwargs: Any) -> TensorVariable:
    """A variable of a TensorType: `tensor("float32", (False, True), name="x")`."""
    name = kwargs.pop("name", None)
    return TensorType(*args, **kwargs)(name)


# ---------------------------------------------------------------- filled tensors
def _filled(value: Value, sizes: Sizes) -> TensorVariable:
    if value.ndim > len(sizes.shape):
        raise TypeError(f"alloc: a value with {value.ndim} dimensions for {len(sizes.shape)}")
    if value.shape == sizes.shape and not sizes.bound:
        return wrap(value)
    return wrap(emit("broadcast", value, *sizes.operands, **sizes.attrs()))


def alloc(value: Any, *shape: Any) -> TensorVariable:
    """`value` broadcast to `shape`."""
    if len(shape) == 1 and isinstance(shape[0], (list, tuple)):
        shape = tuple(shape[0])
    sizes = sizes_of(shape[0] if len(shape) == 1 else shape)
    return _filled(value_of(value), Sizes(sizes))


def _constant_fill(number: int, shape: Any, dtype: Any) -> TensorVariable:
    name = ir_dtype(config.floatX if dtype is None else dtype)
    return _filled(const(number, name), Sizes(sizes_of(shape)))


def zeros(shape: Any, dtype: Any = None) -> TensorVariable:
    """Zeros, of `floatX` unless `dtype` is given."""
    return _constant_fill(0, shape, dtype)


def ones(shape: Any, dtype: Any = None) -> TensorVariable:
    """Ones, of `floatX` unless `dtype` is given."""
    return _constant_fill(1, shape, dtype)


def fill(a: Any, b: Any) -> TensorVariable:
    """`b`, broadcast to the shape of `a`."""
    like, value = value_of(a), value_of(b)
    if value.shape == like.shape:
        return wrap(value)
    if value.ndim > like.ndim:
        raise TypeError(f"fill: {value.ndim} dimensions do not fit into {like.ndim}")
    return wrap(emit("broadcast", value, shape=like.shape))


def _like(model: Any, number: int, dtype: Any, opt: bool) -> TensorVariable:
    variable = as_tensor_variable(model)
    name = variable.value_.dtype if dtype is None else ir_dtype(dtype)
    return fill(variable, wrap(const(number, name)))


def zeros_like(model: Any, dtype: Any = None, opt: bool = False) -> TensorVariable:
    """Zeros in the shape of `model`."""
    return _like(model, 0, dtype, opt)


def ones_like(model: Any, dtype: Any = None, opt: bool = False) -> TensorVariable:
    """Ones in the shape of `model`."""
    return _like(model, 1, dtype, opt)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> TensorVariable:
    """`fill_value` in every place."""
    value = as_tensor_variable(fill_value)
    if dtype is not None:
        value = cast(value, dtype)
    return _filled(value.value_, Sizes(sizes_of(shape)))


def full_like(a: Any, fill_value: Any, dtype: Any = None) -> TensorVariable:
    """`fill_value` in the shape of `a`."""
    model = as_tensor_variable(a)
    return fill(model, cast(fill_value, model.dtype if dtype is None else dtype))


def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> TensorVariable:
    """A matrix of n rows and m (n) columns with ones on diagonal `k`."""
    rows = scalar_int(n, "n")
    sizes = Sizes([rows, rows if m is None else scalar_int(m, "m")])
    i, j = (
        emit("iota", *sizes.operands, axis=axis, dtype="i64", **sizes.attrs()) for axis in (0, 1)
    )
    hit = eq(wrap(j), wrap(i) + wrap(cast_value(value_of(k), "i64")))
    return cast(hit, config.floatX if dtype is None else dtype)


def identity_like(x: Any) -> TensorVariable:
    """The identity in the shape and dtype of the matrix `x`."""
    variable = as_tensor_variable(x)
    if variable.ndim != 2:
        raise TypeError(f"identity_like takes a matrix, not {variable.type}")
    return eye(variable.shape[0], variable.shape[1], 0, variable.dtype)


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> TensorVariable:
    """start, start + step, ... below `stop`; from 0 with one argument.

    The dtype is that of the arguments, integers at least int64.
    """
    if stop is None:
        start, stop = 0, start
    values = [value_of(v) for v in (start, stop, step)]
    if any(v.ndim for v in values):
        raise TypeError("arange takes scalars")
    if dtype is None:
        common = promote(*(v.dtype for v in values))
        if not is_float(common):
            common = "i64"
        elif config.floatX == "float32" and not any(isinstance(v, Variable) for v in (start, stop)):
            common = "f32"
        name = common
    else:
        name = ir_dtype(dtype)
    floats = is_float(promote(*(v.dtype for v in values)))
    count = _count_floats(values) if floats else _count_integers(values)
    sizes = Sizes([count])
    out = wrap(emit("iota", *sizes.operands, axis=0, dtype=name, **sizes.attrs()))
    first, _, by = (cast_value(v, name) for v in values)
    if not _is(by, 1):
        out = out * wrap(by)
    return out if _is(first, 0) else out + wrap(first)


def _is(value: Value, number: int) -> bool:
    array = constant_of(value)
    return array is not None and bool(array == number)


def _count_integers(values: list[Value]) -> int | Value:
    arrays = [constant_of(v) for v in values]
    if all(a is not None for a in arrays):
        first, last, by = (int(a) for a in arrays if a is not None)
        if by == 0:
            raise ValueError("arange: step is 0")
        return len(range(first, last, by))
    start, stop, step = (cast_value(v, "i64") for v in values)
    if _is(start, 0) and _is(step, 1):
        if shapes.as_dim(stop) is not None:
            return stop
        return emit("maximum", stop, const(0, "i64"))
    # ceil((stop - start) / step), for steps of either sign
    distance = stop if _is(start, 0) else emit("sub", stop, start)
    if _is(step, 1):
        return emit("maximum", distance, const(0, "i64"))
    count = emit("neg", emit("floordiv", emit("neg", distance), step))
    return emit("maximum", count, const(0, "i64"))


def _count_floats(values: list[Value]) -> int | Value:
    arrays = [constant_of(v) for v in values]
    if all(a is not None for a in arrays):
        first, last, by = (float(a) for a in arrays if a is not None)
        return int(np.arange(first, last, by).shape[0])
    start, stop, step = (cast_value(v, "f64") for v in unify(*values))
    count = emit("ceil", emit("div", emit("sub", stop, start), step))
    return emit("maximum", emit("cast", count, dtype="i64"), const(0, "i64"))
