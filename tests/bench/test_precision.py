"""Workloads are of float32 throughout: a Python number in a network must not make all behind it float64."""

from __future__ import annotations

from typing import Any

import pytest

from arignote.ir.core import Func, every_op
from bench import workloads
from bench.peers.arignote_ import ArignotePeer

TRAINED = [name for name in workloads.SMALL if not name.startswith("predict")]


class Watched(ArignotePeer):
    """Keeps what it compiles."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def function(self, inputs: list[Any], outputs: Any, **options: Any) -> Any:
        """A compiled function."""
        self.made.append(super().function(inputs, outputs, **options))
        return self.made[-1]


def wide(func: Func) -> list[str]:
    """The arrays of float64; numbers of an optimiser may be."""
    return [str(op) for op in every_op(func.ops) for v in op.results if v.type.dtype == "f64" and v.type.ndim]


@pytest.mark.parametrize("name", TRAINED)
def test_no_array_of_a_train_step_is_of_float64(name: str) -> None:
    workload, peer = workloads.find(name), Watched()
    peer.build(workload, workload.make(0), 1)
    assert peer.made
    for function in peer.made:
        assert wide(function.recorded) == []
