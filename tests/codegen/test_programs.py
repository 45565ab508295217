"""Compiled programs against the interpreter: symbolic sizes, remainders, threads, random programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from arignote.ir import interp
from arignote.ir.builder import Builder
from arignote.ir.core import Func, Value
from arignote.ir.types import Dim, TensorType
from arignote.passes import OPTIMIZE
from tests.codegen.harness import Array, Compiled, function, with_threads
from tests.ir.strategies import programs

N, M = Dim.symbol("n"), Dim.symbol("m")


def kernels(b: Builder, xs: list[Value]) -> list[Value]:
    """Maps, rows (with values per row), columns and a whole reduction of x[n,m], y[m], s[]."""
    x, y, s = xs
    top = b.reshape(b.max(x, axes=(1,)), shape=(*x.shape[:1], 1))
    e = b.exp(b.sub(x, top))
    total = b.log(b.sum(e, axes=(1,)))
    softmax = b.sub(b.sub(x, top), b.reshape(total, shape=(*x.shape[:1], 1)))
    return [
        b.tanh(b.add(b.mul(x, s), y)), softmax, b.sum(b.sqr(x), axes=(0,)), b.sum(x, axes=(0, 1)),
        b.argmax(x, axes=(1,)), b.argmin(x, axes=(0,)), b.sin(b.mul(x, s)), b.gt(x, y),
        b.transpose(x, perm=(1, 0)),
    ]  # fmt: skip


def inputs(n: int, m: int) -> list[Array]:
    """Arrays for x, y and s."""
    rng = np.random.default_rng(n + m)
    shapes: list[tuple[int, ...]] = [(n, m), (m,), ()]
    return [np.asarray(rng.normal(size=s), np.float32) for s in shapes]


def agree(func: Func, compiled: Compiled, arrays: list[Array], rtol: float = 1e-4) -> None:
    """The same results, to a tolerance."""
    want, _ = interp.run(func, arrays)
    got, _ = compiled(*arrays)
    for w, g in zip(want, got, strict=True):
        assert w.shape == g.shape and w.dtype == g.dtype
        if w.dtype.kind == "f":
            np.testing.assert_allclose(g, w, rtol=rtol, atol=rtol * max(1.0, w.size**0.5))
        else:
            np.testing.assert_array_equal(g, w)


@pytest.mark.parametrize("threads", [1, 2])
def test_symbolic_sizes(threads: int) -> None:
    types = [TensorType("f32", (N, M)), TensorType("f32", (M,)), TensorType("f32", ())]
    func = function(kernels, *types)
    compiled = Compiled(func, with_threads(threads))
    for n in (1, 7, 16, 17, 1000):
        for m in (1, 7, 16, 17, 100):
            agree(func, compiled, inputs(n, m))


@pytest.mark.parametrize("n, m", [(1, 5), (7, 16), (17, 33), (300, 1000), (3, 70000)])
def test_known_sizes(n: int, m: int) -> None:
    types = [TensorType("f32", (n, m)), TensorType("f32", (m,)), TensorType("f32", ())]
    func = function(kernels, *types)
    agree(func, Compiled(func, with_threads(2)), inputs(n, m))


def test_axes_of_one_element_join_no_others() -> None:
    """An axis of size 1 may be part of a longer one, but says nothing about whether its neighbours may."""
    shapes = [(3, 1, 1, 5), (1, 4, 1, 5), (3, 1, 2, 1), (1, 1, 1, 5), (3, 4, 1, 1), (3, 1, 1, 1), (1, 1, 2, 5)]
    pairs = [(a, b) for i, a in enumerate(shapes) for b in shapes[:i]]
    types = [TensorType("f64", s) for s in shapes]

    def build(b: Builder, xs: list[Value]) -> list[Value]:
        return [b.mul(xs[shapes.index(p)], xs[shapes.index(q)]) for p, q in pairs]

    arrays = [np.random.default_rng(i).normal(size=s) for i, s in enumerate(shapes)]
    func = function(build, *types)
    agree(func, Compiled(func), arrays)


@settings(
    max_examples=30, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip
@given(case=programs(max_ops=10, tame=True))
def test_random_programs(case: tuple[Func, list[Any]]) -> None:
    func, arrays = case
    agree(func, Compiled(func, passes=OPTIMIZE), arrays, rtol=1e-3)
