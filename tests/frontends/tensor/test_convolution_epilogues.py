"""Convolutions with elementwise ops in their kernels: values by each kind of kernel, and what kernels there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.codegen.host import HostEmitter
from arignote.codegen.places import UnsupportedError
from arignote.codegen.target import make_target
from arignote.frontends.tensor.nnet import abstract_conv as A
from arignote.frontends.tensor.stages import dump_stage
from arignote.ir.diag import IRError
from arignote.ir.text import parse_module
from arignote.ir.verify import verify
from arignote.passes.plan import Plan
from tests.conv_reference import Conv

KERNEL = 'kind="conv"'


def convolution(c: Conv, x: Any, w: Any) -> Any:
    return T.nnet.conv2d(
        x, w, border_mode=c.border, subsample=c.strides, filter_flip=c.flip, filter_dilation=c.dilation,
        num_groups=c.groups,
    )  # fmt: skip


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of any size count as large, convolutions of any size as worth a kernel, and all threads take part."""
    monkeypatch.setattr("arignote.ir.ops.conv.CACHED_BYTES", -1)
    monkeypatch.setattr("arignote.ir.ops.conv.DIRECT_FLOPS", 0)
    monkeypatch.setattr("arignote.codegen.convspec.PARALLEL_FLOPS", 0)


def conv(n: int, c: int, k: int, size: int, window: int, pad: int = 0, stride: int = 1, **more: Any) -> Conv:
    sizes: dict[str, Any] = {"dilation": (1, 1), "groups": 1, "flip": True, **more}
    return Conv(n, c, k, (size, size + 1), (window,) * 2, (stride,) * 2, border=((pad, pad),) * 2, **sizes)


#: Tiles of pixels: whole rows and parts, several blocks of channels, groups, 1 x 1; tiles of Winograd, vectors of
#: filters, with squares and filters left over.
CASES = {
    "float32": [
        conv(3, 7, 19, 14, 5, 2), conv(2, 200, 9, 16, 5, 2), conv(2, 6, 8, 9, 3, dilation=(2, 1), groups=2, flip=False),
        conv(2, 24, 17, 11, 1), conv(3, 16, 31, 13, 3, 1), conv(2, 17, 16, 16, 3, 1), conv(3, 5, 45, 17, 3, 1, 2),
    ],
    "float64": [conv(2, 200, 5, 16, 5, 2), conv(3, 5, 18, 17, 3, 1, 2)],
}  # fmt: skip


@pytest.mark.parametrize("dtype", CASES)
@pytest.mark.usefixtures("always")
def test_normalised_results_of_each_kind_of_kernel(dtype: str) -> None:
    inputs, values, outputs, wanted = [], [], [], []
    for i, c in enumerate(CASES[dtype]):
        x, w, y = c.arrays(i, dtype)
        scale, shift = np.random.default_rng(i).normal(size=(2, c.k)).astype(dtype)
        arrays = [x, w, scale, shift]
        given = [T.TensorType(dtype, shape=a.shape)() for a in arrays]
        slope = np.dtype(dtype).type(0.125)
        z = convolution(c, *given[:2]) * given[2].dimshuffle("x", 0, "x", "x") + given[3].dimshuffle("x", 0, "x", "x")
        outputs.append(T.nnet.relu(z, slope))
        want = c.compute(x, w, y)[0] * scale[:, None, None] + shift[:, None, None]
        wanted.append(np.where(want > 0, want, want * slope))
        inputs += given
        values += arrays
    f = ar.function(inputs, outputs)
    for c, got, want in zip(CASES[dtype], f(*values), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5 * np.abs(want).max(), err_msg=str(c))
    assert dump_stage(f, "fused").count(KERNEL) == len(CASES[dtype])


@pytest.mark.usefixtures("always")
def test_gradients_of_images_and_what_is_read_beside_them() -> None:
    """By phases of the strides, in vectors of pixels and of channels, and by tiles of Winograd; with a scalar and one
    number."""
    cases = conv(2, 4, 12, 11, 5, 2, 2), conv(2, 31, 12, 11, 5, 2, 2), conv(2, 16, 20, 12, 3, 1)
    s = T.scalar("s", dtype="float32")
    inputs: list[Any] = [s]
    values: list[Any] = [np.float32(0.75)]
    outputs, wanted = [], []
    for i, c in enumerate(cases):
        x, w, y = c.arrays(i, "float32")
        one = np.full((1, 1, 1, 1), 0.5, np.float32)
        given = [T.TensorType("float32", shape=a.shape)() for a in (y, w, one)]
        back = A.conv2d_grad_wrt_inputs(
            given[0], given[1], x.shape, border_mode=c.border, subsample=c.strides, filter_flip=c.flip
        )
        outputs.append(abs(back * s - T.addbroadcast(given[2], 0, 1, 2, 3)))
        wanted.append(np.abs(c.compute(x, w, y)[1] * 0.75 - 0.5))
        inputs += given
        values += [y, w, one]
    f = ar.function(inputs, outputs)
    for got, want in zip(f(*values), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=2e-5 * np.abs(want).max())
    assert dump_stage(f, "fused").count(KERNEL) == len(cases)


@pytest.mark.usefixtures("always")
def test_batches_that_change_and_convolutions_with_other_readers() -> None:
    c = conv(3, 3, 8, 12, 3, 1)
    x, w, y = c.arrays(0, "float32")
    xs, ws = (T.TensorType("float32", shape=shape)() for shape in ((None, *x.shape[1:]), w.shape))
    z = convolution(c, xs, ws)
    alone, shared = ar.function([xs, ws], T.exp(T.minimum(z, 1).sum(3))), ar.function([xs, ws], [T.minimum(z, 1), z])
    for n in (3, 2, 1):
        want = c.compute(x, w, y)[0][:n]
        np.testing.assert_allclose(alone(x[:n], w), np.exp(np.minimum(want, 1).sum(3)), rtol=1e-3)
        low, both = shared(x[:n], w)
        np.testing.assert_allclose(low, np.minimum(want, 1), rtol=0, atol=1e-4)
        np.testing.assert_allclose(both, want, rtol=0, atol=1e-4)
    assert KERNEL not in dump_stage(shared, "fused")


@pytest.mark.usefixtures("always")
def test_conditions_that_are_combined() -> None:
    """What lies outside of an interval becomes zero, as in the gradient of a rectifier with a limit."""
    c = conv(3, 3, 8, 12, 5, 2)
    x, w, y = c.arrays(0, "float32")
    xs, ws = (T.TensorType("float32", shape=a.shape)() for a in (x, w))
    z = convolution(c, xs, ws)
    f = ar.function([xs, ws], T.switch(T.and_(T.gt(z, 0), T.invert(T.or_(T.gt(z, 6), T.lt(z, 1)))), z, 0))
    want = c.compute(x, w, y)[0]
    got = f(x, w)
    near = np.minimum(np.abs(want - 1), np.abs(want - 6)) < 1e-3  # rounding decides on which side these are
    np.testing.assert_allclose(got[~near], np.where((want >= 1) & (want <= 6), want, 0)[~near], rtol=0, atol=1e-4)
    assert dump_stage(f, "fused").count(KERNEL) == 1


TEXT = """
func @f(%x: f32[2,3,8,8], %w: f32[4,3,3,3]) -> (f32[2,4,6,6]) {{stage="fused"}} {{
  %y = fused(%x, %w) {{axes=[], kind="conv"}} : f32[2,4,6,6] {{
    (%x: f32[2,3,8,8], %w: f32[4,3,3,3]):
    %conv = conv(%x, %w)
      {{dilation=[1,1], flip=false, groups=1, high=[0,0], low=[0,0], size=[6,6], strides=[1,1]}} : f32[2,4,6,6]
    {line}
    yield(%z)
  }}
  return(%y)
}}
"""


def test_kernels_that_there_are_not() -> None:
    func = parse_module(TEXT.format(line="%z = neg(%conv) : f32[2,4,6,6]")).funcs[0]
    verify(func)
    with pytest.raises(UnsupportedError, match="conv of these sizes has no kernel with elementwise ops"):
        HostEmitter(Plan().run(func), make_target("cpu")).build()
    with pytest.raises(IRError, match="goes on with elementwise ops, not with sum"):
        parse_module(TEXT.format(line="%z = sum(%conv) {axes=[0]} : f32[4,6,6]"))
