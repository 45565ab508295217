"""Rows that are cut where the formula of an op changes, and values that are the same along a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arignote.ir.core import Value
from arignote.ir.opdef import OPS
from arignote.ir.types import DTYPES, Dim, TensorType
from tests.codegen.harness import Array, Compiled, function, with_threads

N, M = Dim.symbol("n"), Dim.symbol("m")
I64 = TensorType("i64", ())
COMPARISONS = ("eq", "neq", "lt", "le", "gt", "ge")
#: Places of a slice in (rows, columns) of at least (9, 6): start, step, size.
PLACES = [
    ((0, 0), (2, 1), (4, 6)), ((0, 1), (1, 1), (9, 4)), ((8, 5), (-3, -1), (3, 6)), ((1, 0), (1, 1), (1, 1)),
    ((0, 1), (1, 2), (9, 2)), ((3, 5), (2, -2), (3, 3)), ((2, 5), (1, 1), (7, 1)), ((0, 0), (1, 1), (9, 0)),
]  # fmt: skip


def numbers(shape: tuple[int, ...], dtype: str, seed: int) -> Array:
    return np.random.default_rng(seed).integers(-99, 99, shape).astype(DTYPES[dtype])


def check(f: Compiled, arrays: list[Array], wanted: list[Array]) -> None:
    results, _ = f(*arrays)
    for number, (got, want) in enumerate(zip(results, wanted, strict=True)):
        np.testing.assert_array_equal(got, want, err_msg=f"result {number} of {[x.shape for x in arrays]}")


@pytest.mark.parametrize("dtype", ["f32", "i8"])
@pytest.mark.parametrize("dims", [(N, M), (9, 67)])
def test_roll_and_concatenation(dims: tuple[Any, Any], dtype: str) -> None:
    t = TensorType(dtype, dims)
    joins = [(1, (0, 1, 0)), (0, (1, 0, 0)), (1, (0,) * 10)]

    def build(b: Any, xs: list[Value]) -> list[Value]:
        x, y, by = xs
        y = b.slice(y, start=(0, 0), size=y.shape, step=(1, 1))
        parts = [b.concatenate(*[(x, y)[k] for k in which], axis=a) for a, which in joins]
        return [*(b.roll(x, by, axis=a) for a in (0, 1)), *parts, b.add(b.roll(x, by, axis=1), y)]

    for threads in (1, 2):
        f = Compiled(function(build, t, t, I64), with_threads(threads))
        for shape in [(9, 67), (0, 3), (3, 0), (1, 1), (2, 16), (40, 900)] if dims[0] is N else [dims]:
            x, y = (numbers(shape, dtype, s) for s in (0, 1))
            for by in (0, 3, -5, 1000) if x.size else (0,):
                wanted = [np.roll(x, by, a) for a in (0, 1)]
                wanted += [np.concatenate([(x, y)[k] for k in which], a) for a, which in joins]
                check(f, [x, y, np.asarray(by)], [*wanted, np.roll(x, by, 1) + y])


@pytest.mark.parametrize("dims", [(N, M), (9, 6), (11, 70)])
def test_parts_that_are_written(dims: tuple[Any, Any]) -> None:
    """Constant and given starts, both modes; the values are a slice that is read where it lies."""
    t = TensorType("f32", dims)
    cases = [(p, mode) for p in PLACES for mode in ("set", "add")]

    def build(b: Any, xs: list[Value]) -> list[Value]:
        x, y, row, column = xs
        out = []
        for (start, step, size), mode in cases:
            v = b.slice(y, start=start, size=size, step=step)
            out.append(b.update_slice(x, v, start=start, step=step, size=size, mode=mode))
        size = (2, 3)
        v = b.slice(y, start=(0, 0), size=size, step=(2, 1))
        place = {"start": (0, 0), "step": (2, -1), "size": size, "bound_start": (0, 1), "mode": "set"}
        return [*out, b.update_slice(x, v, row, column, **place)]

    for threads in (1, 2):
        f = Compiled(function(build, t, t, I64, I64), with_threads(threads))
        for shape in [(9, 6), (10, 33), (200, 700)] if dims[0] is N else [dims]:
            x, y = (numbers(shape, "f32", s) for s in (0, 1))
            slices, update = OPS["slice"], OPS["update_slice"]
            wanted = [
                update.eval(x, slices.eval(y, start=p, size=z, step=s), start=p, step=s, size=z, mode=mode)
                for (p, s, z), mode in cases
            ]
            last = x.copy()
            last[4:8:2, shape[1] - 1 : shape[1] - 4 : -1] = y[:4:2, :3]
            check(f, [x, y, np.asarray(4), np.asarray(shape[1] - 1)], [*wanted, last])


def test_what_a_slice_is_made_of_is_read_from_memory() -> None:
    """What is read at other places than where a kernel is at is computed by another kernel."""
    t = TensorType("f32", (8, 40))

    def build(b: Any, xs: list[Value]) -> list[Value]:
        y = b.add(xs[0], xs[1])
        v = b.slice(y, start=(7, 0), size=(8, 40), step=(-1, 1))
        place = {"start": (0, 0), "step": (1, 1), "mode": "add", "size": (4, 40)}
        part = b.slice(y, start=(7, 0), size=(4, 40), step=(-2, 1))
        return [b.mul(b.add(b.update_slice(xs[0], part, **place), y), v)]

    x, y = (numbers((8, 40), "f32", s) for s in (0, 1))
    z = x + y
    changed = x.copy()
    changed[:4] += z[::-2]
    check(Compiled(function(build, t, t)), [x, y], [(changed + z) * z[::-1]])


def test_pieces_in_place() -> None:
    """Where a result is written over an operand, no element of it is computed twice."""
    t = TensorType("f32", (30, 37))

    def build(b: Any, xs: list[Value]) -> list[Value]:
        column, row = (b.iota(shape=(30, 37), axis=a, dtype="i64") for a in (1, 0))
        x = b.cumsum(xs[0], axis=1)
        return [b.cumsum(b.select(b.lt(column, row), b.neg(x), x), axis=1)]

    f = Compiled(function(build, t))
    assert [op.attrs["mem"] for op in f.func.ops if op.name == "fused"] == [("arena+0",)]
    x = numbers((30, 37), "f32", 0)
    y = np.cumsum(x, 1)
    check(f, [x], [np.cumsum(np.where(np.tri(30, 37, -1), -y, y), 1).astype(np.float32)])


@pytest.mark.parametrize("dims", [(N, M), (3, 70)])
def test_comparisons_with_the_column(dims: tuple[Any, Any]) -> None:
    """Identity and triangular matrices, and both orders of the operands."""
    t = TensorType("f32", dims)

    def build(b: Any, xs: list[Value]) -> list[Value]:
        x, k = xs
        column, row = (b.iota(shape=x.shape, axis=a, dtype="i64") for a in (1, 0))
        there = b.add(row, b.broadcast(k, shape=x.shape))
        zero = b.full(0, x.type)
        out = []
        for name in COMPARISONS:
            out += [b.emit(name, column, there)[0], b.emit(name, there, column)[0]]
            out.append(b.select(b.emit(name, column, there)[0], x, zero))
        return out

    f = Compiled(function(build, t, I64), with_threads(2))
    compare = dict(zip(COMPARISONS, (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal),
                       strict=True))  # fmt: skip
    for shape in [(3, 70), (1, 5), (40, 7), (300, 200)] if dims[0] is N else [dims]:
        x = numbers(shape, "f32", 0)
        column, row = np.arange(shape[1])[None], np.arange(shape[0])[:, None]
        for k in (0, 2, -2, 10**6, -(10**6)):
            wanted: list[Array] = []
            for name in COMPARISONS:
                is_so = np.broadcast_to(compare[name](column, row + k), shape)
                wanted += [is_so, np.broadcast_to(compare[name](row + k, column), shape), np.where(is_so, x, 0)]
            check(f, [x, np.asarray(k)], [np.asarray(w, w.dtype) for w in wanted])


def test_one_axis_in_parts() -> None:
    """A long vector, cut for threads besides."""
    t = TensorType("f32", (N,))

    def build(b: Any, xs: list[Value]) -> list[Value]:
        x, by = xs
        place = {"start": (3,), "step": (1,), "mode": "set", "size": (40_000,)}
        return [b.roll(x, by, axis=0), b.update_slice(x, b.full(7, TensorType("f32", (40_000,))), **place)]

    f = Compiled(function(build, t, I64), with_threads(2))
    x = numbers((100_003,), "f32", 0)
    written = x.copy()
    written[3:40_003] = 7
    for by in (0, 17, -1, 60_000):
        check(f, [x, np.asarray(by)], [np.roll(x, by), written])


def test_rows_chosen_by_numbers() -> None:
    """A gather of rows of odd lengths, of negative and unsigned numbers."""
    for dims in ((N, M), (5, 37)):
        types = [TensorType("f32", dims), TensorType("i64", (M,)), TensorType("u8", (M,))]
        f = Compiled(function(lambda b, xs: [b.gather(xs[0], i) for i in xs[1:]], *types))
        for shape in ((5, 37), (4, 1), (3, 16)) if dims[0] is N else ((5, 37),):
            x = numbers(shape, "f32", 0)
            i = np.random.default_rng(1).integers(-shape[0], shape[0], shape[1])
            j = np.abs(i).clip(0, shape[0] - 1).astype(np.uint8)
            check(f, [x, i, j], [x[i], x[j]])
