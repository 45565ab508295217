"""Aligned memory begins where it must, also where it has no elements."""

from __future__ import annotations

import pytest

from arignote.codegen.memory import aligned_empty, is_aligned


@pytest.mark.parametrize("shape", [(), 3, (0,), (0, 2, 1), (5, 0)])
def test_every_array_is_aligned(shape: int | tuple[int, ...]) -> None:
    kept = [aligned_empty(shape, "float64") for _ in range(32)]  # whose memory begins anywhere
    assert all(is_aligned(x) and x.flags.c_contiguous and x.flags.writeable for x in kept)
    assert kept[0].shape == ((shape,) if isinstance(shape, int) else shape)
