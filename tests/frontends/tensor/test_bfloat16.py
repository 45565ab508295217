"""bfloat16: computed in float32 and rounded once per op, in every way to run a function."""

from __future__ import annotations

import io
import pickle
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, grad, scan, shared
from arignote.frontends.tensor.scalar_types import upcast
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module

BF = np.dtype(ml_dtypes.bfloat16)
RNG = np.random.default_rng(0)


def narrow(x: Any) -> Any:
    """`x` rounded to bfloat16, as float32."""
    return np.asarray(x, np.float32).astype(BF).astype(np.float32)


def of(variable: Any, given: dict[Any, Any], mode: str = "FAST_RUN") -> list[Any]:
    outs = variable if isinstance(variable, list) else [variable]
    return list(function(list(given), outs, mode=mode, on_unused_input="ignore")(*given.values()))


def test_ops_round_once(mode: str) -> None:
    x, y = T.matrix("x", dtype="bfloat16"), T.matrix("y", dtype="bfloat16")
    a, b = RNG.normal(size=(3, 4)).astype(BF), RNG.uniform(0.3, 2, size=(3, 4)).astype(BF)
    p, q = a.astype(np.float32), b.astype(np.float32)
    e = np.exp(p - p.max(1, keepdims=True))
    many = T.vector("many", dtype="bfloat16")
    ones = np.ones(5000, BF)
    cases = {
        "sum": (x + y, p + q), "product": (x * y * 2, narrow(p * q) * 2), "exp": (T.exp(x), np.exp(p)),
        "tanh": (T.tanh(x), np.tanh(p)), "log": (T.log(y), np.log(q)), "python": (x * 0.1, p * narrow(0.1)),
        "switch": (T.switch(x > 0, x, 0.0), np.where(p > 0, p, 0)), "clip": (T.clip(x, -0.5, 0.5), p.clip(-0.5, 0.5)),
        "dot": (T.dot(x, y.T), p @ q.T), "total": (many.sum(), 5000), "mean": (many.mean(), 1.0),
        "var": (many.var(), 0.0),
        "max": (x.max(axis=1), p.max(axis=1)), "prod": (y.prod(axis=0), q.prod(axis=0)),
        "cumsum": (T.cumsum(x, axis=1), p.cumsum(axis=1)), "softmax": (T.nnet.softmax(x), e / e.sum(1, keepdims=True)),
        "rows": (x[::-1, 1:], p[::-1, 1:]), "gather": (x[T.arange(2), [1, 3]], p[[0, 1], [1, 3]]),
        "set": (T.set_subtensor(x[0], y[1]), np.vstack([q[1:2], p[1:]])),
        "inc": (T.inc_subtensor(x[0], y[1]), np.vstack([narrow(p[0] + q[1])[None], p[1:]])),
        "join": (T.concatenate([x, y], axis=1).reshape((2, 12)), np.hstack([p, q]).reshape(2, 12)),
        "sort": (T.sort(x, axis=1), np.sort(p, axis=1)), "tile": (T.tile(x, (2, 1)), np.tile(p, (2, 1))),
    }  # fmt: skip
    got = of([graph for graph, _ in cases.values()], {x: a, y: b, many: ones}, mode)
    for (name, (_, want)), out in zip(cases.items(), got, strict=True):
        assert out.dtype == BF, name
        # an ulp more where a function of float32 rounds differently
        np.testing.assert_allclose(out.astype(np.float32), narrow(want), rtol=2**-8, atol=1e-6, err_msg=name)
    graphs = [T.argmax(x, axis=1), x > y, x.astype("float64"), x.astype("int32"), T.argsort(x, axis=1)]
    others = of(graphs, {x: a, y: b}, mode)
    wants = [p.argmax(1), p > q, p.astype(np.float64), p.astype(np.int32), np.argsort(p, axis=1)]
    for out, want in zip(others, wants, strict=True):
        np.testing.assert_array_equal(out, want)


NUMBERS = st.floats(width=32) | st.floats(-4, 4, width=32)


@settings(max_examples=200, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=20))
def test_rounding_is_that_of_ml_dtypes(numbers: list[float]) -> None:
    with np.errstate(all="ignore"):
        data = np.array(numbers, np.float32)
        there, back = ROUND(data)
        numbers_ = ~np.isnan(data)
        np.testing.assert_array_equal(there.view(np.uint16)[numbers_], data.astype(BF).view(np.uint16)[numbers_])
        np.testing.assert_array_equal(back, data.astype(BF).astype(np.float32))


_f = T.fvector("f")
ROUND = function([_f], [T.cast(_f, "bfloat16"), T.cast(T.cast(_f, "bfloat16"), "float32")])


def test_gradients_and_updates(mode: str) -> None:
    x, w = T.matrix("x", dtype="bfloat16"), shared(RNG.normal(size=(4, 3)).astype(BF), "w")
    a, before = RNG.normal(size=(5, 4)).astype(BF), w.get_value()
    cost = T.mean(T.tanh(T.dot(x, w)) ** 2)
    gx, gw = grad(cost, [x, w])
    assert gx.dtype == gw.dtype == w.dtype == "bfloat16"
    step = function([x], [gx, gw], updates=[(w, w - 0.5 * gw)], mode=mode)
    dx, dw = step(a)
    p, v = a.astype(np.float64), before.astype(np.float64)
    h = np.tanh(p @ v)
    back = 2 * h * (1 - h**2) / h.size
    np.testing.assert_allclose(dw.astype(np.float64), p.T @ back, atol=0.01)
    np.testing.assert_allclose(dx.astype(np.float64), back @ v.T, atol=0.01)
    np.testing.assert_array_equal(w.get_value(), before - np.asarray(0.5, BF) * dw)


def test_loops(mode: str) -> None:
    x = T.matrix("x", dtype="bfloat16")
    data = RNG.normal(size=(6, 3)).astype(BF)
    sums, _ = scan(lambda row, total: total + row, sequences=[x], outputs_info=[T.zeros_like(x[0])])
    chosen = T.switch(x.sum() > 1e6, x, -x)
    got, other, flat = of([sums, chosen, grad(sums[-1].sum(), x)], {x: data}, mode)
    want = np.zeros(3, np.float32)
    for row, out in zip(data.astype(np.float32), got, strict=True):
        want = narrow(want + row)
        np.testing.assert_array_equal(out.astype(np.float32), want)
    np.testing.assert_array_equal(other, -data)
    np.testing.assert_array_equal(flat, np.ones_like(data))


def test_promotion() -> None:
    x = T.vector(dtype="bfloat16")
    for other, want in {
        "bfloat16": "bfloat16", "float16": "float32", "float32": "float32", "float64": "float64", "int8": "bfloat16",
        "bool": "bfloat16", "int16": "float32", "int64": "float64", "complex64": "complex64",
    }.items():  # fmt: skip
        assert upcast("bfloat16", other) == want == upcast(other, "bfloat16")
    assert (2 - x).dtype == (x / 3).dtype == (0.1 * x).dtype == T.maximum(x, 0.5).dtype == "bfloat16"
    assert (x * np.float32(2)).dtype == "float32"


def test_storage() -> None:
    data = np.array([[1.5, -2.25], [np.inf, 0.1]], BF)
    w = shared(data, "w")
    copied = pickle.loads(pickle.dumps(w.get_value()))
    w.set_value(copied)
    file = io.BytesIO()
    np.savez(file, w=w.get_value())
    file.seek(0)
    loaded = np.load(file)["w"]  # without its dtype: NumPy does not know it
    w.set_value(np.zeros((1, 1), BF))
    w.set_value(loaded)
    np.testing.assert_array_equal(w.get_value(), data)
    w.set_value(np.asarray([[1]], np.int8))
    with pytest.raises(TypeError, match=r"bfloat16.*float32"):
        w.set_value(np.zeros((1, 1), np.float32))
    f = function([], w * np.asarray(2, BF))
    assert "bf16" in str(f.recorded) and str(w.type) == "TensorType(bfloat16, matrix)"
    again = parse_module(print_module(f.recorded))
    assert print_module(again) == print_module(f.recorded)
