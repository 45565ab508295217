"""Products with operands of 0 and 1: sums of rows, against NumPy; operands that only look so; which values look so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.codegen import gemm, microkernels
from arignote.codegen.binary import zeros_and_ones
from arignote.codegen.bitkernel import Bits, takes
from arignote.codegen.microkernels import Product
from arignote.codegen.target import Target, cpu_features
from arignote.ir.parse import parse_module
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan
from tests.codegen.harness import bind

needs_wide_vectors = pytest.mark.skipif("avx512f" not in cpu_features(), reason="the kernel is for 512-bit vectors")
NUMPY = {"f32": np.float32, "f64": np.float64}


@dataclass(frozen=True)
class Case:
    m: int
    n: int
    k: int
    dtype: str = "f32"


CASES = [Case(16, 16, 64), Case(20, 50, 131), Case(26, 33, 98, "f64"), Case(49, 70, 67)]


def _products(cases: list[Case], threads: int, monkeypatch: pytest.MonkeyPatch) -> object:
    """f(a, b, a, b, ...) whose products all take their left operands for ones of 0 and 1."""
    monkeypatch.setattr("arignote.codegen.host.zeros_and_ones", lambda func: {o.operands[0] for o in func.ops})
    params, lines = [], []
    for i, c in enumerate(cases):
        params += [f"%a{i}: {c.dtype}[{c.m},{c.k}]", f"%b{i}: {c.dtype}[{c.k},{c.n}]"]
        flags = "acc=false, alpha=0.5, beta=1.0, scaled=false, ta=false, tb=false"
        lines.append(f"  %r{i} = gemm(%a{i}, %b{i}) {{{flags}}} : {c.dtype}[{c.m},{c.n}]")
        assert takes(Product(c.m, c.n, c.k, False, False, c.dtype), Target("cpu", threads, 64)), c
    types = ", ".join(f"{c.dtype}[{c.m},{c.n}]" for c in cases)
    names = ", ".join(f"%r{i}" for i in range(len(cases)))
    text = f"func @f({', '.join(params)}) -> ({types}) {{\n" + "\n".join(lines) + f"\n  return({names})\n}}\n"
    return bind(Plan().run(Fuse().run(parse_module(text).funcs[0])), Target("cpu", threads, 64), {})


def _operands(cases: list[Case]) -> list[np.ndarray]:
    """Zeros and ones, and whole numbers, whose sums are exact."""
    rng = np.random.default_rng(3)
    out = []
    for c in cases:
        out.append((rng.random((c.m, c.k)) < 0.4).astype(NUMPY[c.dtype]))
        out.append(rng.integers(-50, 50, (c.k, c.n)).astype(NUMPY[c.dtype]))
    return out


@needs_wide_vectors
@pytest.mark.parametrize("threads", [1, 2])
def test_sums_of_rows(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, columns and steps left over, either dtype; every element of A that is set counts, and no other."""
    monkeypatch.setattr(microkernels, "PARALLEL_NS", 0.0)
    run = _products(CASES, threads, monkeypatch)
    args = _operands(CASES)
    assert callable(run)
    for have, a, b in zip(run(*args), args[::2], args[1::2], strict=True):
        np.testing.assert_array_equal(have, 0.5 * (a @ b))
    for case, a, b in zip(CASES, args[::2], args[1::2], strict=True):  # something else at any place, the last one too
        a[-1, -1], a[case.m // 2, 1], b[0, 0] = 0.25, -1.0, np.inf
    for have, a, b in zip(run(*args), args[::2], args[1::2], strict=True):
        with np.errstate(invalid="ignore"):
            np.testing.assert_array_equal(have, 0.5 * (a @ b))


@needs_wide_vectors
def test_what_is_not_finite_counts_times_zero_too(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [Case(20, 50, 131), Case(16, 20, 64, "f64")]
    run = _products(cases, 1, monkeypatch)
    assert callable(run)
    for bad in (np.nan, np.inf, -np.inf):
        args = _operands(cases)
        args[1][130, 49] = args[1][3, 7] = args[3][63, 2] = bad
        for have, a, b in zip(run(*args), args[::2], args[1::2], strict=True):
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(have, 0.5 * (a @ b))


def test_the_rule() -> None:
    wide = Target("cpu", 1, 64)
    assert takes(Product(20, 500, 784, False, False, "f32"), wide)
    assert not takes(Product(20, 500, 784, False, False, "f32"), Target("cpu", 1, 32))
    assert not takes(Product(8, 500, 784, False, False, "f32"), wide)  # few rows
    assert not takes(Product(600, 500, 784, False, False, "f32"), wide)
    assert not takes(Product(20, 500, 784, False, True, "f32"), wide)
    assert not takes(Product(20, 500, 784, False, False, "f32", beta=1.0), wide)  # columns are done twice at the end


def test_which_values_look_so() -> None:
    """Comparisons as numbers, in kernels and beyond loops; what a loop carries, whatever it is at first."""
    types = "f32[4,5], f32[4,5], f32[3,4,5], f32[4,5], f32[5,4]"
    text = f"func @f(%u: f32[3,4,5], %h: f32[4,5], %n: i32[4,5]) -> ({types}) {{" + """
  %last, %sums, %rows = scan(%u, %h, %h) {carry=2, seqs=1, steps=[3]} : f32[4,5], f32[4,5], f32[3,4,5] {
    (%x: f32[4,5], %bits: f32[4,5], %sum: f32[4,5]):
    %less = lt(%x, %bits) : bool[4,5]
    %next = cast(%less) {dtype="f32"} : f32[4,5]
    %more = add(%sum, %bits) : f32[4,5]
    yield(%next, %more, %next)
  }
  %number = cast(%n) {dtype="f32"} : f32[4,5]
  %turned = transpose(%last) {perm=[1,0]} : f32[5,4]
  return(%last, %sums, %rows, %number, %turned)
}
"""
    for fused in (False, True):
        func = parse_module(text).funcs[0]
        func = Fuse().run(func) if fused else func
        known = zeros_and_ones(func)
        assert [r in known for r in func.results] == [True, False, True, False, True]
        (loop,) = (o for o in func.ops if o.name == "scan")
        assert [p in known for p in loop.regions[0].params] == [False, True, False]


@needs_wide_vectors
def test_a_chain_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gibbs sampling from units that are anything at first: the first product is one, the others are sums."""
    made = set()

    def kernel(p: Product, target: Target) -> Bits:
        made.add((p.n, p.k))
        return Bits(p, target)

    monkeypatch.setattr(gemm, "Bits", kernel)
    rng = np.random.default_rng(1)
    start = ar.shared(rng.random((20, 64)).astype(np.float32))
    w = ar.shared(rng.normal(size=(64, 80)).astype(np.float32))
    u, v = (ar.shared(rng.random((9, 20, n)).astype(np.float32)) for n in (80, 64))

    def step(u: T.TensorVariable, v: T.TensorVariable, h: T.TensorVariable, w: T.TensorVariable) -> T.TensorVariable:
        x = T.cast(T.lt(u, T.nnet.sigmoid(T.dot(h, w))), "float32")
        return T.cast(T.lt(v, T.nnet.sigmoid(T.dot(x, w.T))), "float32")

    hs, _ = ar.scan(step, [u, v], [start], [w])
    have = ar.function([], hs)()
    h = start.get_value().astype(np.float64)
    for k in range(9):
        x = (u.get_value()[k] < 1 / (1 + np.exp(-h @ w.get_value()))).astype(np.float64)
        h = (v.get_value()[k] < 1 / (1 + np.exp(-x @ w.get_value().T))).astype(np.float64)
        np.testing.assert_array_equal(have[k], h)
    assert made == {(80, 64), (64, 80)}
