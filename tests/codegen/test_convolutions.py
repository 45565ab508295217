"""Convolutions that differ in the number of channels alone share code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arignote.codegen.host import HostEmitter
from arignote.ir.core import Value
from arignote.ir.types import DTYPES, TensorType
from tests.codegen.harness import Compiled, function, one_thread, with_threads
from tests.conv_reference import Conv

#: Numbers of channels of which some leave the same rests of tiles, beside one that has a function of its own.
CHANNELS = (6, 18, 21, 28, 40, 52, 70)
#: (space, strides, dilation, border, groups, flip)
FORMS: list[tuple[Any, ...]] = [
    ((6, 5), (1, 1), (1, 1), "half", 1, False),
    ((9, 4), (2, 2), (1, 1), "half", 1, True),
    ((7, 7), (1, 1), (1, 1), "valid", 2, False),
]


def convolutions(form: tuple[Any, ...]) -> list[Conv]:
    space, strides, dilation, border, groups, flip = form
    return [
        Conv(3, c * groups, 12 * groups, space, (3, 3), strides, dilation, border, groups, flip) for c in CHANNELS
    ]


def compiled(convs: list[Conv], dtype: str, threads: int) -> Compiled:
    """One function with the three convolutions of each configuration."""

    def build(b: Any, values: list[Value]) -> list[Value]:
        out = []
        for c, x, w, y in zip(convs, values[::3], values[1::3], values[2::3], strict=True):
            low, high = ((p[i] for p in c.pads) for i in (0, 1))
            given: dict[str, Any] = {"strides": c.strides, "dilation": c.dilation, "groups": c.groups, "flip": c.flip}
            given |= {"low": tuple(low), "high": tuple(high)}
            out += [b.conv(x, w, size=tuple(c.out), **given), b.conv_data(y, w, size=c.space, **given)]
            out.append(b.conv_weight(x, y, size=w.shape[1:], **given))
        return out

    types = [TensorType(dtype, a.shape) for c in convs for a in c.arrays(0)]
    return Compiled(function(build, *types), one_thread() if threads == 1 else with_threads(threads))


@pytest.fixture
def generated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels, on all threads, however small the convolution."""
    monkeypatch.setattr("arignote.ir.ops.conv.DIRECT_FLOPS", 0)
    monkeypatch.setattr("arignote.codegen.convspec.PARALLEL_FLOPS", 0)


@pytest.mark.usefixtures("generated")
@pytest.mark.parametrize(("dtype", "threads", "tolerance"), [("f64", 1, 1e-11), ("f32", 2, 1e-4)])
@pytest.mark.parametrize("form", FORMS, ids=["plain", "strides", "groups"])
def test_values(form: tuple[Any, ...], dtype: str, threads: int, tolerance: float) -> None:
    convs = convolutions(form)
    arrays = [c.arrays(i, DTYPES[dtype]) for i, c in enumerate(convs)]
    found, _ = compiled(convs, dtype, threads)(*(a for three in arrays for a in three))
    wanted = [v for c, three in zip(convs, arrays, strict=True) for v in c.compute(*three)]
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * np.abs(want).max())


@pytest.mark.usefixtures("generated")
def test_functions_are_shared() -> None:
    convs = convolutions(FORMS[0])
    module = HostEmitter(compiled(convs, "f64", 1).func, one_thread()).build()
    names = [str(gv.name_hint) for gv in module.functions]
    for kind in ("conv", "conv_data", "conv_weight"):
        count = sum(name.rstrip("0123456789") == kind for name in names)
        assert 1 <= count < len(CHANNELS) - 1, f"{count} functions for {len(CHANNELS)} of {kind}"
