"""The rows of single ops: every library has them all, and Arignote computes what NumPy does."""

from __future__ import annotations

import numpy as np
import pytest

import arignote.tensor as T
from bench import peers
from bench.peers import ops
from bench.workloads import OPS


@pytest.mark.parametrize("name", [w.name for w in OPS.values() if w.sizes["n"] == 1000])
def test_arignote_agrees_with_numpy(name: str) -> None:
    workload = OPS[name]
    want, got = (peers.find(p).build(workload, workload.make(1), 1).params()["out"] for p in ("numpy", "arignote"))
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_every_library_has_every_op() -> None:
    names = {w.title for w in OPS.values()}
    assert set(ops.numpy_ops()) == set(ops.arignote_ops(T)) == names
    torch = pytest.importorskip("torch")
    assert set(ops.torch_ops(torch)) == names
