"""Local algebra: which ops folds remove, and that type and value stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value, toposort
from arignote.ir.opdef import OPS
from arignote.ir.types import Dim, TensorType
from tests import opchecks

Build = Callable[[Builder, Value], Value]

X = np.array([[1.5, -2.0, 0.25], [-0.75, 3.0, 0.5]])


def owner(v: Value) -> Op:
    assert v.owner is not None
    return v.owner


def fold(build: Build, data: Any = X) -> tuple[Value, Value, Value | None]:
    """The operand, the op that `build` makes of it, and what that folds to, checked for value."""
    array = np.asarray(data)
    b, (x,) = Builder(), opchecks.params([array])
    out = build(b, x)
    return x, out, opchecks.check_fold(owner(out), {x: array})


def full(b: Builder, number: float, shape: tuple[int, ...] = (), dtype: str = "f64") -> Value:
    return b.full(number, TensorType(dtype, shape))


TO_OPERAND: dict[str, Build] = {
    "x + 0": lambda b, x: b.add(x, full(b, 0)),
    "0 + x": lambda b, x: b.add(full(b, 0), x),
    "x + zeros": lambda b, x: b.add(x, full(b, 0, (2, 3))),
    "x + zeros row": lambda b, x: b.add(x, full(b, 0, (1, 3))),
    "x + const zeros": lambda b, x: b.add(x, b.const(np.zeros((2, 3)))),
    "x - 0": lambda b, x: b.sub(x, full(b, 0)),
    "x * 1": lambda b, x: b.mul(x, full(b, 1)),
    "x / 1": lambda b, x: b.div(x, full(b, 1)),
    "x ** 1": lambda b, x: b.pow(x, full(b, 1)),
    "--x": lambda b, x: b.neg(b.neg(x)),
    "max(x, x)": lambda b, x: b.maximum(x, x),
    "min(x, x)": lambda b, x: b.minimum(x, x),
    "cast": lambda b, x: b.cast(x, dtype="f64"),
    "transpose": lambda b, x: b.transpose(x, perm=(0, 1)),
    "transposes": lambda b, x: b.transpose(b.transpose(x, perm=(1, 0)), perm=(1, 0)),
    "reshape": lambda b, x: b.reshape(x, shape=(2, 3)),
    "broadcast": lambda b, x: b.broadcast(x, shape=(2, 3)),
    "sum": lambda b, x: b.sum(x, axes=()),
    "max": lambda b, x: b.max(x, axes=()),
    "logsumexp": lambda b, x: b.logsumexp(x, axes=()),
    "slice": lambda b, x: b.slice(x, start=(0, 0), size=(2, 3), step=(1, 1)),
    "concatenate": lambda b, x: b.concatenate(x, axis=0),
    "concatenate empty": lambda b, x: b.concatenate(full(b, 0, (2, 0)), x, axis=1),
    "select true": lambda b, x: b.select(full(b, True, dtype="bool"), x, full(b, 0)),
    "select false": lambda b, x: b.select(full(b, 0, (2, 3), "bool"), full(b, 0), x),
    "select same": lambda b, x: b.select(b.gt(x, full(b, 0)), x, x),
    "update": lambda b, x: b.update_slice(
        full(b, 0, (2, 3)), x, start=(0, 0), size=(2, 3), step=(1, 1), mode="set"
    ),
}


@pytest.mark.parametrize("case", TO_OPERAND)
def test_folds_to_its_operand(case: str) -> None:
    x, _, folded = fold(TO_OPERAND[case])
    assert folded is x


TO_OPS: dict[str, tuple[Build, list[str]]] = {
    "x ** 2": (lambda b, x: b.pow(x, full(b, 2)), ["sqr"]),
    "x ** 0": (lambda b, x: b.pow(x, full(b, 0)), ["const", "broadcast"]),
    "x ** -1": (lambda b, x: b.pow(x, full(b, -1)), ["const", "div"]),
    "sqrt(sqr)": (lambda b, x: b.sqrt(b.sqr(x)), ["abs"]),
    "sqr(sqrt)": (lambda b, x: b.sqr(b.sqrt(x)), ["const", "ge", "const", "select"]),
    "sqr(neg)": (lambda b, x: b.sqr(b.neg(x)), ["sqr"]),
    "abs(neg)": (lambda b, x: b.abs(b.neg(x)), ["abs"]),
    "abs(abs)": (lambda b, x: b.abs(b.abs(x)), ["abs"]),
    "floor(round)": (lambda b, x: b.floor(b.round(x)), ["round"]),
    "two transposes": (
        lambda b, x: b.transpose(
            b.transpose(b.reshape(x, shape=(2, 3, 1)), perm=(2, 0, 1)), perm=(1, 0, 2)
        ),
        ["reshape", "transpose"],
    ),
    "two reshapes": (lambda b, x: b.reshape(b.reshape(x, shape=(6,)), shape=(3, 2)), ["reshape"]),
    "two broadcasts": (
        lambda b, x: b.broadcast(b.broadcast(x, shape=(1, 2, 3)), shape=(4, 2, 3)),
        ["broadcast"],
    ),
    "two slices": (
        lambda b, x: b.slice(
            b.slice(x, start=(1, 2), size=(2, 3), step=(-1, -1)),
            start=(1, 0),
            size=(1, 2),
            step=(1, 2),
        ),
        ["slice"],
    ),
    "two sums": (
        lambda b, x: b.sum(b.sum(b.reshape(x, shape=(1, 2, 3)), axes=(1,)), axes=(1,)),
        ["reshape", "sum"],
    ),
    "sum of one": (
        lambda b, x: b.sum(b.reshape(x, shape=(1, 6)), axes=(0,)),
        ["reshape", "reshape"],
    ),
    "dim": (lambda b, x: b.dim(x, axis=1), ["const"]),
    "update add": (
        lambda b, x: b.update_slice(x, x, start=(0, 0), size=(2, 3), step=(1, 1), mode="add"),
        ["add"],
    ),
    "gemm(transposes)": (
        lambda b, x: b.gemm(b.transpose(x, perm=(1, 0)), x, ta=False),
        ["gemm"],
    ),
    "concatenate drops the empty": (
        lambda b, x: b.concatenate(x, full(b, 0, (0, 3)), x, axis=0),
        ["concatenate"],
    ),
    "bound, but known": (
        lambda b, x: b.reshape(x, b.const(6, "i64"), shape=(6,), bound=(0,)),
        ["reshape"],
    ),
}


@pytest.mark.parametrize("case", TO_OPS)
def test_folds_to_fewer_ops(case: str) -> None:
    build, want = TO_OPS[case]
    x, _, folded = fold(build)
    assert folded is not None
    assert [op.name for op in toposort([folded], stop=[x])] == want


def test_sqr_of_sqrt_stays_nan_below_zero() -> None:
    _, _, folded = fold(lambda b, x: b.sqr(b.sqrt(x)), [-1.0, 4.0, np.nan, np.inf, 0.0])
    assert folded is not None


STAYS: dict[str, Build] = {
    "x * 0 may be NaN": lambda b, x: b.mul(x, full(b, 0)),
    "x - x may be NaN": lambda b, x: b.sub(x, x),
    "x + zeros is larger": lambda b, x: b.add(x, full(b, 0, (2, 2, 3))),
    "zeros of unknown size check it": lambda b, x: b.add(
        x, b.broadcast(full(b, 0), shape=(2, Dim.symbol("m")))
    ),
    "1 / x": lambda b, x: b.div(full(b, 1), x),
    "0 - x": lambda b, x: b.sub(full(b, 0), x),
    "2 ** x": lambda b, x: b.pow(full(b, 2), x),
    "x ** 3": lambda b, x: b.pow(x, full(b, 3)),
    "two transposes of data": lambda b, x: b.transpose(x, perm=(1, 0)),
    "a part": lambda b, x: b.slice(x, start=(0, 0), size=(2, 2), step=(1, 1)),
    "backwards": lambda b, x: b.slice(x, start=(1, 2), size=(2, 3), step=(-1, -1)),
    "update of a part": lambda b, x: b.update_slice(
        x, full(b, 0, (1, 3)), start=(0, 0), size=(1, 3), step=(1, 1), mode="set"
    ),
    "a max of a min": lambda b, x: b.max(b.min(x, axes=(0,)), axes=(0,)),
    "isnan of floats": lambda b, x: b.isnan(x),
    "select of data": lambda b, x: b.select(b.gt(x, full(b, 0)), x, full(b, 0)),
    "select that stretches": lambda b, x: b.select(full(b, True, (2, 2, 3), "bool"), x, full(b, 0)),
    "a lossy cast": lambda b, x: b.cast(b.cast(x, dtype="i32"), dtype="f64"),
}


@pytest.mark.parametrize("case", STAYS)
def test_does_not_fold(case: str) -> None:
    b, (x,) = Builder(), opchecks.params([X])
    op = owner(STAYS[case](b, x))
    rule = OPS[op.name].fold
    assert rule is None or rule(b, op) is None


INTEGERS: dict[str, tuple[Build, list[str]]] = {
    "x * 0": (lambda b, x: b.mul(x, b.like(0, x)), ["const", "broadcast"]),
    "x - x": (lambda b, x: b.sub(x, x), ["const", "broadcast"]),
    "x // 1": (lambda b, x: b.floordiv(x, b.like(1, x)), []),
    "isnan": (lambda b, x: b.isnan(x), ["const", "broadcast"]),
    "x & x": (lambda b, x: b.emit("and", x, x)[0], []),
    "x & -1": (lambda b, x: b.emit("and", x, b.like(-1, x))[0], []),
    "x & 0": (lambda b, x: b.emit("and", x, b.like(0, x))[0], ["const", "broadcast"]),
    "x | 0": (lambda b, x: b.emit("or", b.like(0, x), x)[0], []),
    "x ^ x": (lambda b, x: b.xor(x, x), ["const", "broadcast"]),
    "~~x": (lambda b, x: b.invert(b.invert(x)), []),
    "cast up and back": (lambda b, x: b.cast(b.cast(x, dtype="i64"), dtype="i32"), []),
    "cast through f64": (lambda b, x: b.cast(b.cast(x, dtype="f64"), dtype="f32"), ["cast"]),
}


@pytest.mark.parametrize("case", INTEGERS)
def test_folds_of_integers(case: str) -> None:
    build, want = INTEGERS[case]
    x, _, folded = fold(build, np.array([3, -4, 0], np.int32))
    assert folded is not None
    assert [op.name for op in toposort([folded], stop=[x])] == want


def test_casts_of_large_integers_through_f64_stay() -> None:
    x, out, folded = fold(
        lambda b, x: b.cast(b.cast(x, dtype="f64"), dtype="i64"), np.array([2**53 + 1])
    )
    assert folded is None and out is not x


@pytest.mark.parametrize(
    ("name", "number", "to_operand"),
    [("and", True, True), ("and", False, False), ("or", True, False), ("or", False, True)],
)
def test_bools_fold_by_their_truth(name: str, number: bool, to_operand: bool) -> None:
    x, _, folded = fold(lambda b, x: b.emit(name, x, b.like(number, x))[0], np.array([True, False]))
    assert folded is not None
    assert folded is x if to_operand else owner(folded).name == "broadcast"


def test_symbolic_sizes_fold_where_they_are_the_same() -> None:
    n = Dim.symbol("n")
    b, x = Builder(), Value(TensorType("f32", (n, 3)), "x")
    for v in (
        b.slice(x, start=(0, 0), size=(n, 3), step=(1, 1)),
        b.reshape(x, shape=(n, 3)),
        b.add(x, b.broadcast(b.like(0, x), shape=(n, 3))),
        b.broadcast(x, shape=(n, 3)),
    ):
        rule: Any = OPS[owner(v).name].fold
        assert rule(b, owner(v)) is x
    size = owner(b.dim(x, axis=0))
    rule = OPS["dim"].fold
    assert rule(b, size) is None


def test_a_reshape_that_binds_a_symbol_stays() -> None:
    k = Dim.symbol("k")
    b, x, size = Builder(), Value(TensorType("f32", (6,)), "x"), Value(TensorType("i64", ()), "d")
    bound = b.reshape(x, size, shape=(k, 2), bound=(0,))
    rule: Any = OPS["reshape"].fold
    assert rule(b, owner(bound)) is None
    assert rule(b, owner(b.reshape(bound, shape=(2, k)))) is None
