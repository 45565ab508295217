"""Families of ops against NumPy and SciPy on generated shapes, dtypes, axes, strides and values.

The seed stands in the report of a failure; `ARIGNOTE_TEST_SEED` sets another one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function

Array = np.ndarray[Any, Any]
Draw = Callable[[Any], Any]
#: What a family gives: arrays, the expression of variables for them, and the value that it must have.
Case = tuple[list[Array], Callable[..., Any], Any]

SEED = int(os.environ.get("ARIGNOTE_TEST_SEED", "20261"))
FLOATS, SIGNED = ("float32", "float64"), ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32")
NUMBERS = (*FLOATS, *SIGNED, *UNSIGNED)


def pick(draw: Draw, choices: Any) -> Any:
    return draw(st.sampled_from(list(choices)))


def shape(draw: Draw, least: int = 0, most: int = 3, smallest: int = 0) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(smallest, 4), min_size=least, max_size=most)))


def array(draw: Draw, dtype: str, of_shape: tuple[int, ...], special_values: bool = False) -> Array:
    """An array of quarters, or of anything at all, whose memory is in some order and may have gaps."""
    if special_values:
        x: Array = draw(hnp.arrays(dtype, of_shape, elements=hnp.from_dtype(np.dtype(dtype))))
    else:
        low = 0 if dtype.startswith(("u", "b")) else -12
        x = draw(hnp.arrays("int64", of_shape, elements=st.integers(low, 12)))
        x = (x / 4).astype(dtype) if dtype.startswith("f") else x.astype(dtype)
    layout: Any = pick(draw, ("C", "F", "gaps", "backwards")) if x.ndim else "C"
    if layout == "gaps":
        wide = np.zeros([2 * n for n in x.shape], x.dtype)
        wide[tuple(slice(None, None, 2) for _ in x.shape)] = x
        return wide[tuple(slice(None, None, 2) for _ in x.shape)]
    if layout == "backwards":
        return np.ascontiguousarray(x[::-1])[::-1]
    return np.asarray(x, order=layout)


def broadcastable(draw: Draw, of_shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape that broadcasts to `of_shape`."""
    kept = of_shape[draw(st.integers(0, len(of_shape))) :]
    return tuple(1 if draw(st.booleans()) else n for n in kept)


# ---------------------------------------------------------------- families
def elementwise(draw: Draw) -> Case:
    """On any bits of the dtype: NaN, infinities, denormals and the ends of integers."""
    both = {"abs_": np.abs, "sqr": np.square, "neg": np.negative, "sgn": np.sign}
    only = {
        "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log, "log2": np.log2, "log10": np.log10,
        "log1p": np.log1p, "sin": np.sin, "cos": np.cos, "arctan": np.arctan, "arcsin": np.arcsin, "tanh": np.tanh,
        "sinh": np.sinh,
        "cosh": np.cosh, "arcsinh": np.arcsinh, "arccosh": np.arccosh, "arctanh": np.arctanh, "sqrt": np.sqrt,
        "floor": np.floor,
        "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint, "isnan": np.isnan, "isinf": np.isinf,
        "sigmoid": special.expit, "erf": special.erf, "erfc": special.erfc, "erfinv": special.erfinv,
        "erfcx": special.erfcx,
    }  # fmt: skip
    name = pick(draw, [*both, *only])
    dtype = pick(draw, FLOATS if name in only else NUMBERS)
    x = array(draw, dtype, shape(draw), special_values=True)
    fn: Any = {**both, **only}[name]
    return [x], getattr(T, name), fn(x)


def arithmetic(draw: Draw) -> Case:
    """Of two dtypes with broadcasting; integers overflow and divide by zero as NumPy's do."""
    table = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "true_div": np.true_divide, "int_div": np.floor_divide,
        "mod": np.mod, "maximum": np.maximum, "minimum": np.minimum, "eq": np.equal, "neq": np.not_equal, "lt": np.less,
        "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "arctan2": np.arctan2,
    }  # fmt: skip
    name = pick(draw, table)
    wild = name not in ("int_div", "mod", "true_div")
    dtypes = [pick(draw, FLOATS if name == "arctan2" else NUMBERS) for _ in range(2)]
    whole = shape(draw)
    xs = [array(draw, d, s, wild) for d, s in zip(dtypes, (whole, broadcastable(draw, whole)), strict=True)]
    want = table[name](*xs)
    if name == "int_div" and want.dtype.kind == "f":
        want = np.floor(xs[0].astype(want.dtype) / xs[1].astype(want.dtype))
    return xs, getattr(T, name), want


def logic(draw: Draw) -> Case:
    table = {"and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor}
    name, dtype, whole = pick(draw, [*table, "invert", "switch"]), pick(draw, ("bool", *SIGNED, *UNSIGNED)), shape(draw)
    x = array(draw, dtype, whole, special_values=True)
    if name == "invert":
        return [x], T.invert, np.invert(x)
    y = array(draw, dtype, broadcastable(draw, whole), special_values=True)
    if name == "switch":
        c = array(draw, "bool", broadcastable(draw, whole))
        return [c, x, y], T.switch, np.where(c, x, y)
    return [x, y], getattr(T, name), table[name](x, y)


def reductions(draw: Draw) -> Case:
    table: dict[str, Any] = {
        "sum": np.sum, "prod": np.prod, "max": np.max, "min": np.min, "mean": np.mean, "var": np.var, "std": np.std,
        "any": np.any, "all": np.all, "argmax": np.argmax, "argmin": np.argmin,
    }  # fmt: skip
    name = pick(draw, table)
    dtype = "bool" if name in ("any", "all") else pick(draw, FLOATS if name in ("mean", "var", "std") else NUMBERS)
    x = array(draw, dtype, shape(draw, 1, smallest=0 if name in ("sum", "prod", "any", "all") else 1))
    axes: st.SearchStrategy[Any] = st.none() | st.integers(-x.ndim, x.ndim - 1)
    if not name.startswith("arg"):
        axes |= st.sets(st.integers(0, x.ndim - 1), min_size=1).map(lambda s: tuple(sorted(s)))
    axis, keep = draw(axes), draw(st.booleans())
    want = table[name](x, axis=axis, keepdims=keep)
    return [x], lambda v: getattr(T, name)(v, axis=axis, keepdims=keep), want


def rearrangements(draw: Draw) -> Case:
    x = array(draw, pick(draw, (*NUMBERS, "bool")), shape(draw, 1))
    axis, n = draw(st.integers(0, x.ndim - 1)), draw(st.integers(0, 3))
    order = draw(st.permutations(range(x.ndim)))
    y = array(draw, str(x.dtype), x.shape)
    table: dict[str, tuple[Any, Any]] = {
        "transpose": (lambda v, w: v.transpose(*order), x.transpose(order)),
        "flatten": (lambda v, w: v.flatten(), x.ravel()),
        "reshape": (lambda v, w: v.reshape((v.size, 1)), x.reshape(-1, 1)),
        "concatenate": (lambda v, w: T.concatenate([v, w, v], axis), np.concatenate([x, y, x], axis)),
        "stack": (lambda v, w: T.stack([v, w], axis), np.stack([x, y], axis)),
        "repeat": (lambda v, w: T.repeat(v, n, axis), np.repeat(x, n, axis)),
        "tile": (lambda v, w: T.tile(v, (n,) + (2,) * (x.ndim - 1)), np.tile(x, (n,) + (2,) * (x.ndim - 1))),
        "roll": (lambda v, w: T.roll(v, n - 1, axis), np.roll(x, n - 1, axis)),
        "pad": (lambda v, w: T.shape_padaxis(v, axis), np.expand_dims(x, axis)),
        "swapaxes": (lambda v, w: v.swapaxes(0, axis), x.swapaxes(0, axis)),
        "split": (lambda v, w: T.concatenate([v, w], 0)[v.shape[0] :], y),
    }  # fmt: skip
    make, want = table[pick(draw, table)]
    return [x, y], make, want


def indices(draw: Draw) -> Case:
    """Any mixture of numbers, slices, new axes, arrays and an ellipsis."""
    x = array(draw, pick(draw, NUMBERS), shape(draw, 1, 3, smallest=1))
    used = draw(st.integers(1, x.ndim))
    common = draw(st.integers(1, 3))
    index: list[Any] = []
    for n in x.shape[:used]:
        bound = st.none() | st.integers(-n - 2, n + 2)
        steps = st.sampled_from([None, 1, 2, -1, -2])
        index.append(draw(st.one_of(
            st.integers(-n, n - 1), st.builds(slice, bound, bound, steps),
            hnp.arrays("int64", st.sampled_from([(common,), (1,), (2, 1)]), elements=st.integers(-n, n - 1)),
        )))  # fmt: skip
    if draw(st.booleans()):
        index.insert(draw(st.integers(0, len(index))), None)
    if draw(st.booleans()):
        index.append(...)
    key = tuple(index)
    return [x], lambda v: v[key], x[key]


def orders(draw: Draw) -> Case:
    x = array(draw, pick(draw, NUMBERS), shape(draw, 1, smallest=1))
    axis = draw(st.integers(-x.ndim, x.ndim - 1))
    wide = x.astype("float64") if x.dtype.kind == "f" else x.astype("int64")
    table: dict[str, tuple[Any, Any]] = {
        "sort": (lambda v: T.sort(v, axis), np.sort(x, axis)),
        "argsort": (lambda v: T.argsort(v, axis, kind="mergesort"), np.argsort(x, axis, kind="stable")),
        "cumsum": (lambda v: T.cumsum(T.cast(v, str(wide.dtype)), axis), np.cumsum(wide, axis)),
        "cumprod": (lambda v: T.cumprod(T.cast(v, str(wide.dtype)), axis), np.cumprod(wide, axis)),
        "diff": (lambda v: T.diff(v, axis=axis), np.diff(x, axis=axis)),
        "ptp": (lambda v: T.ptp(v, axis), np.ptp(x, axis)),
    }
    make, want = table[pick(draw, table)]
    return [x], make, want


def products(draw: Draw) -> Case:
    dtype = pick(draw, FLOATS)
    m, k, n = (draw(st.integers(0, 4)) for _ in range(3))
    sizes = {
        "dot": [(m, k), (k, n)], "matrix and vector": [(m, k), (k,)], "vectors": [(k,), (k,)],
        "tensor": [(2, m, k), (k, n)],
        "outer": [(m,), (n,)], "batched": [(3, m, k), (3, k, n)], "tensordot": [(m, 2, k), (2, k, n)],
    }  # fmt: skip
    name = pick(draw, sizes)
    x, y = (array(draw, dtype, s) for s in sizes[name])
    table: dict[str, tuple[Any, Any]] = {
        "outer": (T.outer, np.outer), "batched": (T.batched_dot, np.matmul),
        "tensordot": (lambda a, b: T.tensordot(a, b, [[1, 2], [0, 1]]), lambda a, b: np.tensordot(a, b, 2)),
    }
    ours, numpys = table.get(name, (T.dot, np.dot))
    return [x, y], ours, numpys(x, y)


def creation(draw: Draw) -> Case:
    low, high = draw(st.integers(-6, 6)), draw(st.integers(-6, 6))
    step, dtype = pick(draw, (1, 2, 3, -1, -2)), pick(draw, NUMBERS)
    x = array(draw, dtype, broadcastable(draw, (3, 2)))
    scalars = [np.asarray(low), np.asarray(high)]
    table: dict[str, tuple[Any, Any]] = {
        "arange": (lambda a, b, v: T.arange(a, b, step), np.arange(low, high, step)),
        "alloc": (lambda a, b, v: T.alloc(v, 3, 2), np.broadcast_to(x, (3, 2))),
        "zeros_like": (lambda a, b, v: T.zeros_like(v), np.zeros_like(x)),
        "fill": (lambda a, b, v: T.fill(v, T.cast(a, "int8")), np.full(x.shape, low, "int8")),
        "eye": (lambda a, b, v: T.eye(4, 3, T.constant(1)) * T.cast(b, "float64"), np.eye(4, 3, 1) * high),
    }
    make, want = table[pick(draw, table)]
    return [*scalars, x], make, want


def networks(draw: Draw) -> Case:
    dtype = pick(draw, FLOATS)
    x = array(draw, dtype, shape(draw, 2, 2, smallest=1))
    classes = np.arange(x.shape[0]) % x.shape[1]
    table: dict[str, tuple[Any, Any]] = {
        "softmax": (lambda v, k: T.nnet.softmax(v), special.softmax(x, 1)),
        "logsoftmax": (lambda v, k: T.nnet.logsoftmax(v), special.log_softmax(x, 1)),
        "logsumexp": (lambda v, k: T.logsumexp(v, axis=0), special.logsumexp(x, 0)),
        "relu": (lambda v, k: T.nnet.relu(v, 0.25), np.where(x > 0, x, x / 4)),
        "softplus": (lambda v, k: T.nnet.softplus(v), np.logaddexp(x, 0)),
        "elu": (lambda v, k: T.nnet.elu(v), np.where(x > 0, x, np.expm1(x))),
        "loss": (lambda v, k: T.nnet.crossentropy_softmax_1hot(v, k)[0],
                 -special.log_softmax(x, 1)[np.arange(len(x)), classes]),
        "one-hot": (lambda v, k: T.cast(T.to_one_hot(k, v.shape[1]), dtype), np.eye(x.shape[1])[classes]),
    }  # fmt: skip
    make, want = table[pick(draw, table)]
    return [x, classes], make, np.asarray(want, dtype)


FAMILIES = [elementwise, arithmetic, logic, reductions, rearrangements, indices, orders, products, creation, networks]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def agree(family: Callable[[Draw], Case], data: st.DataObject, mode: str | None) -> None:
    note(f"seed {SEED}")
    with np.errstate(all="ignore"):
        arrays, make, want = family(data.draw)
    # What broadcasts is known to the type, as for Theano.
    xs = [T.TensorType(a.dtype, tuple(n == 1 for n in a.shape))(f"x{i}") for i, a in enumerate(arrays)]
    got = function(xs, make(*xs), mode=mode, on_unused_input="ignore")(*arrays)
    expected = np.asarray(want)
    note(f"got {got!r}, not {expected!r}")
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    rtol = 3e-6 if any(a.dtype == np.float32 for a in arrays) else 1e-12
    tiny = np.finfo(expected.dtype).tiny if expected.dtype.kind == "f" else 0
    atol = rtol * 4 if family in (products, networks) else tiny
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
@seed(SEED)
@settings(max_examples=200, deadline=None, print_blob=True, database=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_interpreted(family: Callable[[Draw], Case], data: st.DataObject) -> None:
    agree(family, data, "reference")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
@seed(SEED + 1)
@settings(max_examples=12, deadline=None, print_blob=True, database=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_compiled(family: Callable[[Draw], Case], data: st.DataObject) -> None:
    agree(family, data, None)
