"""Calls of functions of the user's program (docs/adr/0008-ops-written-in-python.md).

A call is two ops, since the sizes of the results may be known only when the function has run: `python_run` runs it and
gives a record, of a ticket and all sizes; `python_take` takes the results that the ticket names.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir import callbacks
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Samples, bind, check_bound
from arignote.ir.types import DTYPES, DimLike, TensorType


def split(flat: tuple[Any, ...], ranks: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """The sizes of all results as one shape for each."""
    out, start = [], 0
    for rank in ranks:
        out.append(tuple(flat[start : start + rank]))
        start += rank
    return out


def no_flops(*types: TensorType, **attrs: Any) -> DimLike:
    """flops: what Python does is not counted."""
    return 0


@defop
class python_run:
    """python_run(*xs: Ti[...]) {target, callee, ranks} -> i64[1 + sum(ranks)]: runs the function of the program that
    has the number `target` on copies of xs and keeps its results; gives a ticket for them, and their sizes. An
    exception of the function ends the call. (C1) a number and a name. (C2) ranks are not negative."""

    traits = ("library", "fallible")
    vjp = None
    lower = "python_run"
    flops = no_flops

    @staticmethod
    def infer(*xs: TensorType, target: int, callee: str, ranks: tuple[int, ...]) -> TensorType:
        require(target > 0 and bool(callee), f"target={target}, callee={callee!r} name no function (C1)")
        require(all(r >= 0 for r in ranks), f"ranks {ranks} are negative (C2)")
        return TensorType("i64", (1 + sum(ranks),))

    @staticmethod
    def eval(*xs: Array, target: int, callee: str, ranks: tuple[int, ...]) -> Array:
        return callbacks.hold(callbacks.call(target, callee, [np.array(x) for x in xs]))

    @staticmethod
    def samples() -> Samples:
        return []  # a ticket is a new one each time


@defop
class python_take:
    """python_take(record: i64[1 + m], *sizes: i64[]) {callee, dtypes, ranks, shape, bound=()} -> *Ti[...]: the results
    that `record`, of python_run, names. `shape` has the m sizes of all of them, one after the other. (C1) one dtype and
    rank for each result. (C2) as many sizes as the ranks say, and as the record has. (C3) an operand for each bound
    size."""

    traits = ("library", "fallible")
    vjp = None
    lower = "python_take"
    flops = no_flops

    @staticmethod
    def infer(
        record: TensorType, *sizes: TensorType, callee: str, dtypes: tuple[str, ...], ranks: tuple[int, ...],
        shape: tuple[DimLike, ...], bound: tuple[int, ...] = (),
    ) -> tuple[TensorType, ...]:  # fmt: skip
        good = len(dtypes) == len(ranks) > 0 and all(d in DTYPES for d in dtypes)
        require(good, f"dtypes {dtypes} and ranks {ranks} (C1)")
        want = TensorType("i64", (1 + len(shape),))
        require(len(shape) == sum(ranks) and record == want, f"sizes {shape} for ranks {ranks} and {record} (C2)")
        check_bound(sizes, len(bound), "sizes (C3)")
        return tuple(TensorType(d, s) for d, s in zip(dtypes, split(tuple(shape), ranks), strict=True))

    @staticmethod
    def eval(
        record: Array, *sizes: Array, callee: str, dtypes: tuple[str, ...], ranks: tuple[int, ...],
        shape: tuple[DimLike, ...], bound: tuple[int, ...] = (),
    ) -> tuple[Array, ...]:  # fmt: skip
        results = callbacks.take(record)
        callbacks.fitting(callee, results, split(tuple(bind(shape, bound, sizes)), ranks))
        return tuple(np.array(x, order="C") for x in results)

    @staticmethod
    def samples() -> Samples:
        return []  # its operand is a record, which only python_run can make
