"""The rows of single convolutions: every library computes what NumPy does."""

from __future__ import annotations

import numpy as np
import pytest

from bench import peers
from bench.workloads import SMALL_CONVOLUTIONS
from tests.conv_reference import Conv


@pytest.mark.parametrize("peer", ["arignote", "torch-eager", "torch-last", "jax", "jax-last"])
def test_libraries_agree_with_numpy(peer: str) -> None:
    if peer != "arignote":
        pytest.importorskip(peer.partition("-")[0])
    for workload in SMALL_CONVOLUTIONS.values():
        want, got = (peers.find(p).build(workload, workload.make(1), 1).params()["out"] for p in ("numpy", peer))
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max(), err_msg=workload.name)


def test_numpy_agrees_with_the_definition() -> None:
    parts = [SMALL_CONVOLUTIONS[f"conv-s2-{part}-3"] for part in ("forward", "images", "filters")]
    given = parts[0].make(1)
    c = Conv(3, 16, 32, (32, 32), (3, 3), (2, 2), (1, 1), ((1, 1), (1, 1)), 1, False)
    for workload, want in zip(parts, c.compute(given["x"], given["w"], given["y"]), strict=True):
        got = peers.find("numpy").build(workload, given, 1).params()["out"]
        np.testing.assert_allclose(got, want, atol=1e-5 * np.abs(want).max(), err_msg=workload.name)
