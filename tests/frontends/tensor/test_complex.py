"""Complex numbers against NumPy, in every way to run a function; gradients against differences of real costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import arignote.frontends.tensor as T
from arignote.frontends.tensor import function, grad, scan, shared
from arignote.frontends.tensor.branch import ifelse

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Array:
    return RNG.normal(size=shape) + 1j * RNG.normal(size=shape)


z, w, m = T.zmatrices("z", "w", "m")
Z, W, M = numbers(3, 4), numbers(3, 4), numbers(4, 2)
row = np.arange(12.0).reshape(3, 4)

CASES: dict[str, tuple[Any, Any]] = {
    "add": (z + w, Z + W), "sub": (z - w, Z - W), "mul": (z * w, Z * W), "div": (z / w, Z / W), "neg": (-z, -Z),
    "square": (z**2, Z**2), "whole power": (z**-3, Z**-3.0), "power": (z**w, Z**W), "root": (z**0.5, Z**0.5),
    "no power": (z**0, Z**0), "sqr": (T.sqr(z), Z**2), "exp": (T.exp(z), np.exp(Z)), "log": (T.log(z), np.log(Z)),
    "sin": (T.sin(z), np.sin(Z)), "cos": (T.cos(z), np.cos(Z)), "sqrt": (T.sqrt(z), np.sqrt(Z)),
    "real": (z.real, Z.real), "imag": (T.imag(z), Z.imag), "conj": (z.conj(), Z.conj()), "abs": (abs(z), abs(Z)),
    "angle": (T.angle(z), np.angle(Z)), "dot": (T.dot(z, m), Z @ M), "vectors": (T.dot(z[0], w[0]), Z[0] @ W[0]),
    "outer": (T.outer(z[0], w[0]), np.outer(Z[0], W[0])), "tensordot": (T.tensordot(z, m, 1), Z @ M),
    "batched": (T.batched_dot(z.reshape((3, 1, 4)), T.stack([m, m, m])), (Z @ M)[:, None]),
    "sum": (z.sum(axis=0), Z.sum(0)), "prod": (z.prod(axis=1), Z.prod(1)), "product of all": (z.prod(), Z.prod()),
    "no product": (z[:0].prod(axis=0), Z[:0].prod(0)), "mean": (z.mean(axis=1), Z.mean(1)),
    "transpose": (z.T, Z.T), "slice": (z[::-1, 1:], Z[::-1, 1:]), "gather": (z[[0, 2], [1, 3]], Z[[0, 2], [1, 3]]),
    "set": (T.set_subtensor(z[0], w[1]), np.vstack([W[1:2], Z[1:]])),
    "inc": (T.inc_subtensor(z[[0, 0]], w[:2]), np.vstack([Z[:1] + W[0] + W[1], Z[1:]])),
    "reshape": (z.reshape((4, 3)), Z.reshape(4, 3)), "join": (T.concatenate([z, w]), np.concatenate([Z, W])),
    "stack": (T.stack([z, w]), np.stack([Z, W])), "roll": (T.roll(z, 1, axis=0), np.roll(Z, 1, axis=0)),
    "tile": (T.tile(z, (2, 1)), np.tile(Z, (2, 1))), "broadcast": (z + w[0], Z + W[0]),
    "eq": (T.eq(z, T.set_subtensor(z[0, 0], 0)), row > 0), "neq": (T.neq(z, z), row < 0),
    "switch": (T.switch(z.real > 0, z, w), np.where(Z.real > 0, Z, W)), "python": (z * 2 + 1j, Z * 2 + 1j),
    "complex": (T.complex(z.real, w.real), Z.real + 1j * W.real), "narrow": (T.cast(z, "complex64"), Z.astype("c8")),
    "polar": (T.complex_from_polar(abs(z), T.angle(z)), Z), "widen": (T.cast(z.real, "complex128"), Z.real + 0j),
    "mixed": (z + T.as_tensor_variable(row), Z + row), "zero": (T.sqrt(z * 0) + abs(z * 0) ** 2, Z * 0),
    "var": (z.var(axis=1), Z.var(1)), "std": (z.std(), Z.std()), "norm": (z.norm(2), np.linalg.norm(Z)),
    "isnan": (T.isnan(T.set_subtensor(z[0, 0], complex(0, np.nan))), row < 1),
    "isinf": (T.isinf(T.set_subtensor(z[0, 0], complex(np.inf, 0))), row < 1),
    "size": (z.shape[1] + 0 * T.argmax(z.imag), np.int64(4)),
}  # fmt: skip


def test_against_numpy(mode: str) -> None:
    f = function([z, w, m], [graph for graph, _ in CASES.values()], mode=mode)
    for (name, (_, want)), got in zip(CASES.items(), f(Z, W, M), strict=True):
        assert got.dtype == np.asarray(want).dtype, name
        narrow = got.dtype == np.complex64
        np.testing.assert_allclose(got, want, rtol=1e-6 if narrow else 1e-12, atol=1e-14, err_msg=name)


_v = T.zvector("v")
FUNCTIONS = {"exp": np.exp, "log": np.log, "sin": np.sin, "cos": np.cos, "sqrt": np.sqrt, "abs_": np.abs}
SEARCHED = function([_v], [*(getattr(T, n)(_v) for n in FUNCTIONS), _v * _v[::-1], _v / _v[::-1], _v.sum()])
PART = st.floats(-300, 300).map(lambda x: x if abs(x) > 1e-100 else 0.0)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(PART, PART), min_size=1, max_size=9))
def test_functions_by_search(points: list[tuple[float, float]]) -> None:
    data = np.array([complex(a, b) for a, b in points])
    with np.errstate(all="ignore"):
        wants = [*(f(data) for f in FUNCTIONS.values()), data * data[::-1], data / data[::-1], data.sum()]
    names = (*FUNCTIONS, "mul", "div", "sum")
    for name, want, got in zip(names, wants, SEARCHED(data), strict=True):
        good = np.isfinite(want)  # infinite and NaN parts are not those of C's in every case
        if name == "div":
            good &= data[::-1] != 0
        with np.errstate(all="ignore"):
            error, size = np.abs(got - want), np.abs(want)
        # log near 1 and sums that cancel are exact in the scale of their terms
        scale = {"log": 1.0, "sum": np.abs(data).sum()}.get(name, 0.0)
        assert (error <= 1e-12 * np.maximum(size, scale) + 1e-300)[good].all(), (name, data, got, want)


def test_gradients(mode: str) -> None:
    """dL/dx + i dL/dy by central differences of all costs at once."""
    graphs = {name: CASES[name][0] for name in (
        "mul", "div", "square", "whole power", "power", "exp", "log", "sin", "cos", "sqrt", "real", "imag", "conj",
        "abs", "angle", "dot", "prod", "product of all", "mean", "transpose", "slice", "gather", "set", "inc",
        "reshape", "join", "roll", "tile", "broadcast", "switch", "narrow", "polar", "outer", "batched",
    )}  # fmt: skip
    costs = [T.real(graph.flatten() * (0.3 - 0.8j)).sum() + (abs(graph) ** 2).sum() for graph in graphs.values()]
    values = function([z, w, m], costs, mode="reference", on_unused_input="ignore")
    found = function([z, w, m], [grad(c, z) for c in costs], mode=mode, on_unused_input="ignore")(Z, W, M)

    out = np.zeros((len(costs), *Z.shape), complex)
    eps = 1e-6
    for i in np.ndindex(Z.shape):
        for unit in (1, 1j):
            step = np.zeros_like(Z)
            step[i] = eps * unit
            difference = np.subtract(values(Z + step, W, M), values(Z - step, W, M))
            out[(slice(None), *i)] += unit * difference / (2 * eps)
    for name, got, want in zip(graphs, found, out, strict=True):
        assert got.dtype == np.complex128
        if name != "narrow":  # of float32 differences say little
            np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6, err_msg=name)


def test_gradients_of_parts_and_second_ones() -> None:
    x, y = T.dvectors("x", "y")
    a, b = RNG.normal(size=(2, 5))
    cost = T.real(T.exp(T.complex(x, y)) * (0.3 + 0.7j)).sum()
    dx, dy = grad(cost, [x, y])
    wave = np.exp(a + 1j * b) * (0.3 + 0.7j)
    second = grad(dy.sum(), y)
    got = function([x, y], [dx, dy, second, T.Rop(T.imag(T.complex(x, y) ** 2), x, y)])(a, b)
    for out, want in zip(got, (wave.real, -wave.imag, -wave.real, 2 * b * b), strict=True):
        np.testing.assert_allclose(out, want, rtol=1e-12)


def test_descent_and_shared_variables(mode: str) -> None:
    target = numbers(4)
    q = shared(np.zeros(4, complex), "q")
    cost = (abs(q - target) ** 2).sum()
    step = function([], cost, updates=[(q, q - 0.25 * grad(cost, q))], mode=mode)
    losses = [float(step()) for _ in range(40)]
    assert losses[0] > 1 and losses[-1] < 1e-20
    np.testing.assert_allclose(q.get_value(), target, atol=1e-10)
    half = shared(numbers(2, 2).astype(np.complex64))
    assert (half * 0.5).dtype == (half * 1j).dtype == "complex64" and (half * np.float64(2)).dtype == "complex128"
    got = function([], half * 1j, mode=mode)()
    np.testing.assert_allclose(got, half.get_value() * 1j, rtol=1e-6)


def test_scalars_strides_and_sizes(mode: str) -> None:
    c, v = T.zscalar("c"), T.zvector("v")
    f = function([c, v], [c * v, v.prod(), c], mode=mode)
    for n in (3, 5, 8, 0):  # from the second size on a symbol
        data = numbers(2 * n)[::2]
        a, b, d = f(2 - 1j, data)
        np.testing.assert_allclose(a, (2 - 1j) * data)
        np.testing.assert_allclose(b, data.prod(), rtol=1e-12)
        assert d == 2 - 1j and d.shape == ()
    t = T.TensorType("complex64", (False,) * 3)("t")
    assert function([t], t.sum())(np.ones((2, 3, 4), np.complex64)) == 24


def test_what_is_not_supported() -> None:
    with pytest.raises(TypeError, match=r"cast: complex numbers do not convert to real ones"):
        T.cast(z, "float64")
    for name, build in {
        "lt": lambda: z < w, "sort": lambda: T.sort(z), "max": lambda: z.max(), "tanh": lambda: T.tanh(z),
        "cholesky": lambda: T.slinalg.cholesky(z), "maximum": lambda: T.maximum(z, w),
    }.items():  # fmt: skip
        with pytest.raises(TypeError, match=rf"{name}: takes .*c128"):
            build()  # type: ignore[no-untyped-call]
    with pytest.raises(TypeError, match="cost must be a real number"):
        grad(z.sum(), z)
    with pytest.raises(TypeError, match="one of them is complex already"):
        T.complex(z, w)
    with pytest.raises(Exception, match=r"cumsum|cumulat"):
        function([z], T.cumsum(z))(Z)


def test_loops_and_branches(mode: str) -> None:
    """A recurrence z <- a z + row, longer than what is written out, and its gradient; one of two branches."""
    rows, a = T.zmatrix("rows"), T.zscalar("a")
    steps, _ = scan(lambda r, total, f: f * total + r, sequences=[rows], outputs_info=[T.zeros_like(rows[0])],
                    non_sequences=[a])  # fmt: skip
    cost = (abs(steps[-1]) ** 2).sum()
    chosen = ifelse(a.real > 0, rows * a, T.exp(rows))
    data, factor = numbers(60, 3), 0.8 + 0.3j
    f = function([rows, a], [steps[-1], *grad(cost, [rows, a]), chosen, grad(abs(chosen).sum(), a)], mode=mode)
    last, by_rows, by_a, branch, by_branch = f(data, factor)
    powers = factor ** np.arange(59, -1, -1)[:, None]
    want = (powers * data).sum(0)
    np.testing.assert_allclose(last, want, rtol=1e-12)
    np.testing.assert_allclose(by_rows, 2 * want * powers.conj(), rtol=1e-11)
    slope = (np.arange(59, -1, -1)[:, None] * factor ** np.arange(58.0, -2, -1)[:, None] * data).sum(0)
    np.testing.assert_allclose(by_a, (2 * want * slope.conj()).sum(), rtol=1e-11)
    np.testing.assert_allclose(branch, data * factor, rtol=1e-12)
    np.testing.assert_allclose(by_branch, abs(data).sum() * factor / abs(factor), rtol=1e-12)
    np.testing.assert_allclose(f(data, -factor)[3], np.exp(data), rtol=1e-12)
