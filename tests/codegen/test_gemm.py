"""Generated matrix products against float64, over flags, odd sizes, both kinds of float, one thread and two."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import arignote.ir.ops  # noqa: F401
from arignote.codegen import gemm, microkernels, tilekernel
from arignote.codegen.gemm import choose
from arignote.codegen.host import HostEmitter
from arignote.codegen.microkernels import Product
from arignote.codegen.target import Target, cpu_features
from arignote.ir.parse import parse_module
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan
from tests.codegen.harness import bind

SIZES = (1, 7, 10, 16, 17, 33)
NUMPY = {"f32": np.float32, "f64": np.float64}
WIDTHS = [w for w in (32, 64) if w == 32 or "avx512f" in cpu_features()]


@dataclass(frozen=True)
class Case:
    m: int
    n: int
    k: int
    ta: bool = False
    tb: bool = False
    dtype: str = "f32"
    alpha: float = 1.0
    beta: float = 1.0
    acc: bool = False
    scaled: bool = False

    @property
    def shapes(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        a, b = (self.m, self.k), (self.k, self.n)
        return a[::-1] if self.ta else a, b[::-1] if self.tb else b, (self.m, self.n)


def _text(cases: list[Case]) -> str:
    params, lines, types = ["%s: f32[]", "%t: f64[]"], [], []
    for i, c in enumerate(cases):
        a, b, out = (f"{c.dtype}[{m},{n}]" for m, n in c.shapes)
        params += [f"%a{i}: {a}", f"%b{i}: {b}"] + [f"%c{i}: {out}"] * c.acc
        args = [f"%a{i}", f"%b{i}"] + [f"%c{i}"] * c.acc + ["%s" if c.dtype == "f32" else "%t"] * c.scaled
        flags = {"ta": c.ta, "tb": c.tb, "acc": c.acc, "scaled": c.scaled}
        attrs = ", ".join(f"{k}={str(v).lower()}" for k, v in flags.items())
        lines.append(f"  %r{i} = gemm({', '.join(args)}) {{alpha={c.alpha}, beta={c.beta}, {attrs}}} : {out}")
        types.append(out)
    names = ", ".join(f"%r{i}" for i in range(len(cases)))
    return (
        f"func @f({', '.join(params)}) -> ({', '.join(types)}) {{\n" + "\n".join(lines) + f"\n  return({names})\n}}\n"
    )


def _numbers(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """An array that begins where no vector does: arguments are aligned to their elements only."""
    memory = np.empty(int(np.prod(shape)) + 1, NUMPY[dtype])
    out = memory[1:].reshape(shape)
    out[...] = rng.normal(size=shape)
    return out


def _check(cases: list[Case], target: Target, fill: float = np.nan, seed: int = 0) -> list[np.ndarray]:
    """Run the products as one function; results start out as `fill`."""
    func = Plan().run(Fuse().run(parse_module(_text(cases)).funcs[0]))
    run = bind(func, target, {}, fill)
    rng = np.random.default_rng(seed)
    scale = 0.75
    args: list[Any] = [scale, scale]
    wanted, bounds = [], []
    for c in cases:
        a, b, old = (_numbers(rng, shape, c.dtype) for shape in c.shapes)
        args += [a, b] + [old] * c.acc
        x, y = ((z.T if t else z).astype(np.float64) for z, t in ((a, c.ta), (b, c.tb)))
        factor = c.alpha * (scale if c.scaled else 1.0)
        wanted.append(factor * (x @ y) + (c.beta * old if c.acc else 0.0))
        bounds.append(abs(factor) * (np.abs(x) @ np.abs(y)) + np.abs(old) + 1.0)
    results = run(*args)
    for c, have, want, bound in zip(cases, results, wanted, bounds, strict=True):
        unit = float(np.finfo(have.dtype).eps)
        error = float(np.max(np.abs(have - want) / (bound * unit)))
        assert error < 4 + 0.1 * c.k, f"{c}: {error} rounding errors"
    return results


def _sample(seed: int, count: int, ta: bool, tb: bool, dtype: str) -> list[Case]:
    pick = random.Random(seed)
    cases = []
    for _ in range(count):
        m, n, k = (pick.choice(SIZES) for _ in range(3))
        long = pick.choice((None, None, "m", "n", "k"))
        c = Case(
            m, n, k, ta, tb, dtype, pick.choice((1.0, -0.5)), pick.choice((1.0, 0.0, -2.0)),
            pick.random() < 0.5, pick.random() < 0.5,
        )  # fmt: skip
        sizes = {"m": c.m, "n": c.n, "k": c.k} | ({long: 600} if long else {})
        cases.append(replace(c, m=sizes["m"], n=sizes["n"], k=sizes["k"]))
    return cases


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_odd_sizes_and_factors(ta: bool, tb: bool, dtype: str, width: int) -> None:
    seed = 8 * ta + 4 * tb + 2 * (dtype == "f64") + (width == 64)
    _check(_sample(seed, 4, ta, tb, dtype), Target("cpu", 1, width))


@pytest.mark.parametrize("size", SIZES)
def test_square(size: int) -> None:
    cases = [Case(size, size, size, ta, tb) for ta in (False, True) for tb in (False, True)]
    _check(cases, Target("cpu", 1, WIDTHS[-1]))


@pytest.mark.parametrize(
    "case",
    [
        Case(600, 10, 600), Case(600, 10, 600, ta=True, acc=True, scaled=True, alpha=-1.0), Case(17, 600, 600),
        Case(601, 33, 333), Case(33, 601, 1100, tb=True, acc=True, beta=0.5), Case(1, 1000, 1000),
        Case(1, 1000, 1001, tb=True), Case(1001, 1, 1000), Case(1000, 1, 1001, ta=True, acc=True),
        Case(100, 150, 1000, acc=True, beta=-2.0), Case(150, 100, 800, ta=True, tb=True), Case(600, 500, 10, tb=True),
        Case(7, 33, 20000, tb=True, acc=True, beta=3.0), Case(40, 9, 9001, acc=True, beta=0.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_two_threads_and_blocks_of_k(case: Case, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microkernels, "PARALLEL_NS", 0.0)
    case = replace(case, dtype=dtype)
    one = _check([case], Target("cpu", 1, WIDTHS[-1]))
    two = _check([case], Target("cpu", 2, WIDTHS[-1]))
    for x, y in zip(one, two, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4 if dtype == "f32" else 1e-12, atol=1e-3 if dtype == "f32" else 1e-11)


@pytest.mark.parametrize("kind", ["tile", "swap", "dot"])
def test_every_kernel_takes_every_remainder(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = {"tile": (False, False), "swap": (True, False), "dot": (False, True)}[kind]
    monkeypatch.setattr(gemm, "choose", lambda p, target: kind)
    cases = [Case(m, n, k, *flags) for m, n, k in ((15, 3, 5), (29, 18, 31), (2, 35, 47), (5, 64, 129))]
    _check(cases, Target("cpu", 1, WIDTHS[-1]))


@pytest.mark.parametrize("m,n,k,ta,tb", [(20, 33, 70, False, False), (33, 7, 70, True, False), (9, 5, 70, False, True)])
def test_nan_in_c_counts_only_with_beta(m: int, n: int, k: int, ta: bool, tb: bool) -> None:
    case = Case(m, n, k, ta, tb)
    target = Target("cpu", 1, WIDTHS[-1])
    assert np.isfinite(_check([case], target, fill=np.nan)[0]).all()
    text = _text([replace(case, acc=True, beta=0.5), replace(case, acc=True, beta=0.0)])
    func = Plan().run(Fuse().run(parse_module(text).funcs[0]))
    a, b, old = (np.ones(s, np.float32) for s in case.shapes)
    old[2, 3] = np.nan
    out = bind(func, target, {})(1.0, 1.0, a, b, old, a, b, old)
    assert np.isnan(out[0][2, 3]) and np.isnan(out[0]).sum() == 1
    assert np.isfinite(out[1]).all()


def test_nan_and_infinity_in_operands_reach_c() -> None:
    case = Case(20, 10, 100)
    target = Target("cpu", 1, WIDTHS[-1])
    func = Plan().run(Fuse().run(parse_module(_text([case])).funcs[0]))
    a, b, _ = (np.ones(s, np.float32) for s in case.shapes)
    a[3, 99], b[50, 4] = np.nan, np.inf
    (out,) = bind(func, target, {})(1.0, 1.0, a, b)
    assert np.isnan(out[3]).all() and np.isinf(np.delete(out, 3, 0)[:, 4]).all()
    assert np.isfinite(np.delete(np.delete(out, 3, 0), 4, 1)).all()


def test_the_rule() -> None:
    wide, narrow = Target("cpu", 1, 64), Target("cpu", 1, 32)

    def rule(m: int, n: int, k: int, ta: bool, tb: bool, target: Target = wide, dtype: str = "f32") -> str:
        return choose(Product(m, n, k, ta, tb, dtype), target)

    assert rule(600, 10, 784, False, False) == "dot"
    assert rule(784, 10, 600, True, False) == "swap"
    assert rule(600, 500, 784, False, False) == rule(600, 500, 784, False, False, narrow) == "tile"
    assert rule(1, 784, 500, False, True) == "dot"
    assert rule(784, 1, 500, False, False) == "dot"
    assert rule(1, 500, 784, False, False) == "tile"
    assert rule(600, 784, 500, False, True) == "tile"
    assert rule(16, 784, 500, False, True, narrow) == rule(64, 10, 500, False, True) == "dot"
    assert rule(17, 784, 500, False, True, narrow) == rule(64, 10000, 128, False, True) == "tile"
    assert rule(3, 3, 0, False, False) == rule(3, 3, 3, False, False, dtype="i32") == "blas"


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_threads_start_once_for_a_vector_times_a_matrix(dtype: str) -> None:
    """It waits for memory: threads share it although its arithmetic is little, and all of its rows at once."""

    def loops(p: Product) -> list[str]:
        kernel = gemm.kernel(p, choose(p, target), target)
        return [line.split(" in ")[1][:10] for line in str(kernel.function()).splitlines() if " in " in line]

    target = Target("cpu", 2, WIDTHS[-1])
    for tb in (False, True):
        far = loops(Product(1, 500, 2000, False, tb, dtype))
        assert far[0] == "T.parallel" and far.count("T.parallel") == 1
        assert "T.parallel" not in loops(Product(1, 100, 200, False, tb, dtype))


def test_equal_products_share_a_kernel() -> None:
    case = Case(20, 33, 70)
    func = Plan().run(Fuse().run(parse_module(_text([case, case])).funcs[0]))
    host = HostEmitter(func, Target("cpu", 1, 32))
    host.build()
    assert sum("gemm" in str(gv.name_hint) for gv in host.functions) == 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("width", WIDTHS)
def test_packed_rows_of_a_left_operand_that_lies_by_columns(
    width: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of rows and of k that do not divide the sizes, rows and columns left over, of either dtype."""
    monkeypatch.setattr(tilekernel, "FAR_BYTES", 0)
    monkeypatch.setattr(tilekernel, "STREAMED_ROWS", range(0))
    monkeypatch.setattr(tilekernel, "LEFT_BYTES", 16 * 1024)
    monkeypatch.setattr(tilekernel, "PANEL_BYTES", 16 * 1024)
    monkeypatch.setattr(microkernels, "PARALLEL_NS", 0.0)
    packed = []
    choice = tilekernel.Tile.packs_left

    def packs(self: tilekernel.Tile, panels: int, tiles: int) -> bool:
        packed.append(choice(self, panels, tiles))
        return packed[-1]

    monkeypatch.setattr(tilekernel.Tile, "packs_left", packs)
    cases = [
        Case(130, 301, 333, ta=True, acc=True, alpha=-0.5),
        Case(97, 290, 70, ta=True, tb=True, acc=True, beta=-2.0),
        Case(64, 256, 129, ta=True, dtype="f64"),
    ]
    _check(cases, Target("cpu", threads, width))
    assert packed == [True] * len(cases)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("width", WIDTHS)
def test_streamed_right_operands(width: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of steps that do not divide k, columns left over, rows of one tile and of several, either dtype."""
    monkeypatch.setattr(tilekernel, "STREAMED_BYTES", 0)
    monkeypatch.setattr(microkernels, "PARALLEL_NS", 0.0)
    steps = []
    by_steps = tilekernel.Tile.by_steps

    def streamed(self: tilekernel.Tile, panels: int, tiles: int) -> None:
        steps.append(self.p)
        by_steps(self, panels, tiles)

    monkeypatch.setattr(tilekernel.Tile, "by_steps", streamed)
    cases = [
        Case(20, 301, 130, acc=True, alpha=-0.5),
        Case(33, 160, 64, beta=-2.0, acc=True, scaled=True),
        Case(5, 515, 100),
        Case(61, 256, 129, dtype="f64"),
        Case(20, 290, 70, ta=True),
    ]
    _check(cases, Target("cpu", threads, width))
    assert len(steps) == len(cases)
