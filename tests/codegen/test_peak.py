"""The arithmetic that rooflines are drawn from is really done."""

from __future__ import annotations

import numpy as np
import pytest

from arignote.codegen.peak import CHAINS, Peak
from arignote.codegen.target import Target
from arignote.ir.types import DTYPES


@pytest.mark.parametrize(("dtype", "threads"), [("f32", 2), ("f64", 1)])
def test_every_number_takes_every_step(dtype: str, threads: int) -> None:
    peak = Peak(dtype, Target("cpu", threads=threads, vector_bytes=32))
    assert peak.values.dtype == DTYPES[dtype] and len(peak.values) == threads * CHAINS * 32 // peak.values.itemsize
    start = np.arange(len(peak.values), dtype=peak.values.dtype)
    peak.values[:] = start
    peak(3)
    np.testing.assert_array_equal(peak.values, start / 8 + 0.875)
    peak(0)
    np.testing.assert_array_equal(peak.values, start / 8 + 0.875)
    assert peak.rate(0.01) > 0
    np.testing.assert_allclose(peak.values, 1, rtol=1e-6)
