"""Convolutions against their definition, with both gradients and their gradients; names, shapes and errors."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.codegen.convscatter import ConvScatter
from arignote.codegen.convspec import Sizes
from arignote.codegen.target import cpu_target
from arignote.codegen.winomath import matrices
from arignote.frontends.tensor.derivatives import Rop
from arignote.frontends.tensor.nnet import abstract_conv as A
from arignote.frontends.tensor.nnet.geometry import Geometry
from arignote.ir.ops.conv import is_strided, is_winograd
from arignote.ir.types import TensorType
from tests.conv_reference import Conv, configurations

CONFIGURATIONS = configurations(420, seed=5)
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}
rng = np.random.default_rng(7)


def apply(c: Conv, x: Any, w: Any) -> Any:
    """The convolution of a configuration, of any rank."""
    geometry = Geometry("conv", len(c.space), c.border, c.strides, c.flip, c.dilation, c.groups, False)
    return geometry.forward(x, w, None, None)


def close(got: Any, want: Any, tolerance: float, what: Any) -> None:
    scale = max(1.0, float(np.abs(want).max(initial=0.0)))
    np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * scale, err_msg=str(what))


@pytest.mark.parametrize("start", range(0, len(CONFIGURATIONS), 30))
def test_values_and_gradients_over_a_grid(start: int) -> None:
    check_grid(start, CONFIGURATIONS[start : start + 30], "float32" if start % 60 else "float64")


@pytest.mark.parametrize("start", range(0, 150, 30))
def test_generated_kernels_over_a_grid(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # They are for larger convolutions than these.
    monkeypatch.setattr("arignote.ir.ops.conv.DIRECT_FLOPS", 0)
    if start >= 60:
        # This one first: it imports the module, which takes the other's value for its own.
        monkeypatch.setattr("arignote.codegen.convolution.is_outer", lambda *_: True)
        monkeypatch.setattr("arignote.ir.ops.conv.is_outer", lambda *_: True)
    monkeypatch.setattr("arignote.codegen.convspec.PARALLEL_FLOPS", 0)
    check_grid(start, configurations(30, seed=start, small=10), "float32" if start % 60 else "float64")


PADS: list[Any] = ["half", "valid", "full", ((0, 1), (2, 0))]
WINOGRAD = [
    Conv(n, c, k, space, (3, 3), (1, 1), (1, 1), PADS[i % 4], 1, i % 3 == 0)
    for i, (n, c, k, space) in enumerate([
        (5, 16, 16, (8, 8)), (2, 28, 31, (9, 18)), (3, 45, 16, (10, 6)), (1, 32, 48, (13, 14)), (1, 16, 16, (37, 33)),
    ])
]  # fmt: skip


@pytest.mark.parametrize("start", range(len(WINOGRAD)))
def test_convolutions_by_tiles_of_winograd(start: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arignote.codegen.convspec.PARALLEL_FLOPS", 0)
    chosen = WINOGRAD[start : start + 1]
    for c in chosen:
        x, w, y = (TensorType("f32", a.shape) for a in c.arrays(0))
        pads: Any = {"low": [p[0] for p in c.pads], "high": [p[1] for p in c.pads]}
        attrs = {**pads, "strides": c.strides, "dilation": c.dilation, "groups": 1}
        assert is_winograd("conv", x, w, y, attrs), c
        assert is_winograd("conv_data", x, w, y, attrs), c
    check_grid(start, chosen, "float32")


SCATTERED = [
    Conv(3, 4, 6, (12, 12), (5, 5), (1, 1), (1, 1), "valid", 1, True),
    Conv(2, 2, 4, (8, 7), (5, 4), (1, 1), (1, 1), "valid", 2, False),
    Conv(2, 3, 5, (8, 8), (3, 3), (1, 1), (2, 2), "valid", 1, False),
    Conv(2, 3, 2, (12, 10), (5, 5), (1, 1), (1, 1), "valid", 1, True),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_of_images_that_are_scattered(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arignote.ir.ops.conv.DIRECT_FLOPS", 0)
    monkeypatch.setattr("arignote.codegen.convspec.PARALLEL_FLOPS", 0)
    target = cpu_target()
    assert any(ConvScatter.applies(sizes_of(c, dtype), target) for c in SCATTERED)
    check_grid(1, SCATTERED, dtype)


def sizes_of(c: Conv, dtype: str) -> Sizes:
    """The sizes of a configuration, as kernels see them."""
    return Sizes(
        c.n, c.groups, c.c // c.groups, c.k // c.groups, c.space, c.window, tuple(c.out), c.strides, c.dilation,
        tuple(p[0] for p in c.pads), c.flip, {"float32": "f32", "float64": "f64"}[dtype],
    )  # fmt: skip


STRIDED = [
    Conv(2, 3, 16, (9, 11), (3, 3), (2, 2), (1, 1), "half", 1, True),
    Conv(3, 4, 30, (13, 8), (2, 3), (1, 2), (2, 1), ((1, 0), (2, 1)), 1, False),
    Conv(2, 2, 16, (9, 4), (3, 2), (1, 2), (1, 1), "half", 1, True),
    Conv(2, 3, 45, (60,), (5,), (3,), (1,), "valid", 1, True),
]
#: Images of which vectors are of channels: phases of several sizes, some channels left over, no padding, one axis.
STRIDED_BACK = [
    Conv(2, 74, 18, (7, 9), (5, 5), (2, 2), (1, 1), "half", 1, True),
    Conv(3, 16, 5, (9, 13), (3, 4), (3, 2), (1, 1), ((0, 2), (1, 0)), 1, False),
    Conv(2, 31, 3, (8, 6), (2, 2), (2, 2), (1, 1), "valid", 1, True),
    Conv(2, 45, 4, (61,), (5,), (3,), (1,), ((2, 1),), 1, False),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_strided_convolutions_in_vectors_of_filters(dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arignote.ir.ops.conv.DIRECT_FLOPS", 0)
    monkeypatch.setattr("arignote.codegen.convspec.PARALLEL_FLOPS", 0)
    if dtype == "float32":  # several bands
        monkeypatch.setattr("arignote.codegen.convstride.BAND_BYTES", 1500)
    for c in STRIDED:
        x, w, y = (TensorType("f32", a.shape) for a in c.arrays(0))
        assert is_strided("conv", x, w, y, {"groups": 1, "strides": c.strides}), c
    for c in STRIDED_BACK:
        x, w, y = (TensorType("f32", a.shape) for a in c.arrays(0))
        assert is_strided("conv_data", x, w, y, {"groups": 1, "strides": c.strides, "dilation": c.dilation}), c
    check_grid(1, STRIDED + STRIDED_BACK, dtype)


@pytest.mark.parametrize("m", [2, 3, 4])
def test_transformations_of_winograd_are_exact(m: int) -> None:
    a, g, b = (np.array(v) for v in matrices(m, 3))
    d, f = (np.array([Fraction(int(v), 7) for v in rng.integers(-9, 9, size=n)]) for n in (m + 2, 3))
    want = [sum(d[i : i + 3] * f) for i in range(m)]
    assert list(a @ ((g @ f) * (b @ d))) == want


def check_grid(start: int, chosen: list[Conv], dtype: str) -> None:
    given = [c.arrays(start + i, dtype) for i, c in enumerate(chosen)]
    # One argument and one result: checks of arguments cost more to compile than convolutions.
    flat, at, outputs = T.vector(dtype=dtype), 0, []
    for c, arrays in zip(chosen, given, strict=True):
        values = []
        for a in arrays:
            values.append(flat[at : at + a.size].reshape(a.shape))
            at += a.size
        x, w, ct = values
        y = apply(c, x, w)
        outputs += [v.flatten() for v in (y, *T.grad((y * ct).sum(), [x, w]))]
    data = np.concatenate([a.ravel() for arrays in given for a in arrays])
    result, at = ar.function([flat], T.concatenate(outputs))(data), 0
    for c, arrays in zip(chosen, given, strict=True):
        for want, name in zip(c.compute(*arrays), ("y", "dx", "dw"), strict=True):
            close(result[at : at + want.size].reshape(want.shape), want, TOLERANCE[dtype], (name, c))
            at += want.size
    assert at == result.size


def test_the_grid_is_large_and_varied() -> None:
    assert len(CONFIGURATIONS) >= 400
    assert {len(c.space) for c in CONFIGURATIONS} == {1, 2, 3}
    assert {c.groups for c in CONFIGURATIONS} == {1, 2, 3}
    assert {c.border for c in CONFIGURATIONS if isinstance(c.border, str)} == {"valid", "full", "half", "same"}


def test_pytorch_agrees() -> None:
    torch = pytest.importorskip("torch")
    x, w = rng.normal(size=(2, 4, 9, 8)), rng.normal(size=(6, 2, 3, 2))
    vx, vw = T.tensor4(dtype="float64"), T.tensor4(dtype="float64")
    options: dict[str, Any] = {"subsample": (2, 1), "filter_dilation": (1, 2), "num_groups": 2, "filter_flip": False}
    y = T.nnet.conv2d(vx, vw, border_mode=(2, 1), **options)
    got = ar.function([vx, vw], [y, *T.grad(T.sqr(y).sum(), [vx, vw])])(x, w)
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    ty = torch.nn.functional.conv2d(tx, tw, padding=(2, 1), stride=(2, 1), dilation=(1, 2), groups=2)
    (ty**2).sum().backward()
    for a, b in zip(got, (ty, tx.grad, tw.grad), strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-9, atol=1e-9)


def test_second_derivatives() -> None:
    c = Conv(2, 2, 2, (5, 4), (3, 2), (2, 1), (1, 2), ((1, 0), (1, 2)), 1, True)
    x, w, _ = c.arrays(3)
    vx, vw, v = (T.TensorType("float64", shape=a.shape)() for a in (x, w, x))

    def cost(a: Any, b: Any) -> Any:
        return T.tanh(apply(c, a, b)).sum()

    product = Rop(T.grad(cost(vx, vw), vw), vx, v)
    f = ar.function([vx, vw, v], product)
    gradient = ar.function([vx, vw], T.grad(cost(vx, vw), vw))
    direction = rng.normal(size=x.shape)
    eps = 1e-6
    want = (gradient(x + eps * direction, w) - gradient(x - eps * direction, w)) / (2 * eps)
    np.testing.assert_allclose(f(x, w, direction), want, rtol=1e-6, atol=1e-7)


def test_sizes_that_change_from_call_to_call() -> None:
    x, w = T.tensor4("x", dtype="float64"), T.tensor4("w", dtype="float64")
    y = T.nnet.conv2d(x, w, border_mode="half", subsample=(2, 3))
    z = T.nnet.conv2d(x, w, border_mode="same", subsample=(2, 1), filter_dilation=(1, 2))
    f = ar.function([x, w], [y, z, *T.grad(T.sqr(y).sum() + T.sqr(z).sum(), [x, w])])
    calls = [((2, 2, 9, 8), (3, 3)), ((3, 2, 9, 8), (3, 3)), ((1, 2, 7, 11), (3, 3)), ((2, 2, 9, 8), (2, 5))]
    for size, window in calls:
        a, b = rng.normal(size=size), rng.normal(size=(4, 2, *window))
        configs = [
            Conv(size[0], 2, 4, size[2:], window, (2, 3), (1, 1), "half", 1, True),
            Conv(size[0], 2, 4, size[2:], window, (2, 1), (1, 2), "same", 1, True),
        ]
        got = f(a, b)
        grads = [np.zeros_like(a), np.zeros_like(b)]
        for value, c in zip(got, configs, strict=False):
            want = c.compute(a, b, np.zeros((size[0], 4, *c.out)))[0]
            close(value, want, 1e-9, c)
            for total, part in zip(grads, c.compute(a, b, 2 * want)[1:], strict=True):
                total += part
        for value, want in zip(got[2:], grads, strict=True):
            close(value, want, 1e-9, size)


def test_batches_that_change_from_call_to_call() -> None:
    x, w = T.TensorType("float32", shape=(None, 6, 13, 11))("x"), T.TensorType("float32", shape=(16, 6, 3, 5))("w")
    y = T.nnet.conv2d(x, w, border_mode=(1, 2), subsample=(1, 2))
    f = ar.function([x, w], [y, *T.grad(T.sqr(y).sum(), [x, w])])
    for n in (4, 7, 33):
        c = Conv(n, 6, 16, (13, 11), (3, 5), (1, 2), (1, 1), (1, 2), 1, True)
        a, b, _ = c.arrays(n, "float32")
        want = c.compute(a, b, np.zeros((n, 16, *c.out)))[0]
        for got, value in zip(f(a, b), (want, *c.compute(a, b, 2 * want)[1:]), strict=True):
            close(got, value, 1e-4, n)


def test_gradients_as_functions_are_the_gradients() -> None:
    c = Conv(2, 4, 6, (8, 7), (3, 2), (2, 2), (1, 2), ((1, 1), (0, 0)), 2, True)
    x, w, ct = c.arrays(1)
    _, dx, dw = c.compute(x, w, ct)
    options: dict[str, Any] = {
        "border_mode": (1, 0), "subsample": (2, 2), "filter_dilation": (1, 2), "num_groups": 2,
    }  # fmt: skip
    vx, vw, vy = (T.tensor4(dtype="float64") for _ in range(3))
    outputs = [
        A.conv2d_grad_wrt_inputs(vy, vw, (None, None, 8, 7), **options),
        A.conv2d_grad_wrt_inputs(vy, vw, vx.shape, **options),
        A.AbstractConv2d_gradInputs(**options)(vw, vy, vx.shape[2:]),
        A.conv2d_grad_wrt_weights(vx, vy, (6, 2, 3, 2), **options),
        A.conv2d_grad_wrt_weights(vx, vy, vw.shape, **options),
        A.AbstractConv2d_gradWeights(**options)(vx, vy, (3, 2)),
        A.AbstractConv2d(**options)(vx, vw),
    ]
    got = ar.function([vx, vw, vy], outputs)(x, w, ct)
    for value in got[:3]:
        close(value, dx, 1e-9, c)
    for value in got[3:6]:
        close(value, dw, 1e-9, c)
    transposed = T.grad(T.sqr(outputs[0]).sum(), vy)
    y = ar.function([vy, vw], transposed)(ct, w)
    close(y, c.compute(2 * dx, w, ct)[0], 1e-9, "the transposition of the transposed convolution")


def test_other_forms_of_convolution() -> None:
    from arignote.frontends.tensor.nnet import Conv3D, conv3d2d
    from arignote.frontends.tensor.nnet.conv import conv2d
    from arignote.frontends.tensor.signal.conv import conv2d as plain

    x, w = rng.normal(size=(2, 3, 6, 5)), rng.normal(size=(4, 3, 3, 2))
    video, filters = rng.normal(size=(2, 4, 5, 4, 3)), rng.normal(size=(2, 2, 3, 2, 3))
    depth, point = rng.normal(size=(6, 1, 2, 2)), rng.normal(size=(5, 6, 1, 1))
    outputs = [
        conv2d(x, w, border_mode="full"),
        plain(x[0, 0], w[0, 0]),
        plain(x[:, 0], w[0, 0], border_mode="full"),
        plain(x[:, 0], w[:, 0], image_shape=(2, 6, 5), filter_shape=(4, 3, 2)),
        Conv3D.conv3D(video, filters, np.ones(2), (2, 1, 1)),
        conv3d2d.conv3d(video.transpose(0, 3, 4, 1, 2), filters.transpose(0, 3, 4, 1, 2)),
        A.separable_conv2d(x, depth, point, 3),
        A.causal_conv1d(x[:, :, 0], w[:, :, 0], (4, 3, 2), filter_dilation=2),
    ]
    got = ar.function([], outputs)()

    def reference(a: Any, b: Any, border: Any = "valid", **options: Any) -> Any:
        d = a.ndim - 2
        base: dict[str, Any] = {"strides": (1,) * d, "dilation": (1,) * d, "groups": 1, "flip": True}
        c = Conv(len(a), a.shape[1], len(b), a.shape[2:], b.shape[2:], border=border, **{**base, **options})
        return c.compute(a, b, np.zeros((len(a), len(b), *c.out)))[0]

    channels = [x[:, None, 0], w[:, None, 0]]
    moved = [v.transpose(0, 4, 1, 2, 3) for v in (video, filters)]
    wants = [
        reference(x, w, "full"),
        reference(channels[0][:1], channels[1][:1])[0, 0],
        reference(channels[0], channels[1][:1], "full")[:, 0],
        reference(*channels),
        reference(*moved, strides=(2, 1, 1), flip=False).transpose(0, 2, 3, 4, 1) + 1,
        reference(*(v.transpose(0, 1, 4, 2, 3) for v in moved)).transpose(0, 2, 1, 3, 4),
        reference(reference(x, depth, groups=3), point),
        reference(x[:, :, 0], w[:, :, 0], ((2, 0),), dilation=(2,)),
    ]
    for i, (value, want) in enumerate(zip(got, wants, strict=True)):
        assert value.shape == want.shape, i
        close(value, want, 1e-9, i)


def test_bilinear_upsampling() -> None:
    x = T.tensor4(dtype="float64")
    a = rng.normal(size=(2, 3, 3, 4))
    up = A.bilinear_upsampling
    outputs = [up(x, 2), up(x, 3), up(x, 3, use_1D_kernel=False)]
    f = ar.function([x], [*outputs, T.grad(outputs[0].sum(), x)])
    two, three, same, gradient = f(a)
    np.testing.assert_allclose(f(np.array([[[[1.0, 2.0]]]]))[0][0, 0, 0], [1, 1.5, 2, 2])
    assert two.shape == (2, 3, 6, 8)
    for ratio, got, first in ((2, two, 0), (3, three, 1), (3, same, 1)):
        rows, columns = (np.clip((np.arange(n * ratio) - first) / ratio, 0, n - 1) for n in (3, 4))
        along = np.stack([np.stack([np.interp(columns, np.arange(4), r) for r in p]) for p in a.reshape(-1, 3, 4)])
        want = np.stack([np.stack([np.interp(rows, np.arange(3), c) for c in p.T]).T for p in along])
        np.testing.assert_allclose(got, want.reshape(got.shape), atol=1e-12)
    np.testing.assert_allclose(gradient.sum(), two.size)
    both = up(x, frac_ratio=((2, 1), (3, 2)), use_1D_kernel=False)
    half, parts = ar.function([x], [up(x, frac_ratio=(6, 4)), both])(a)
    np.testing.assert_allclose(half, three[:, :, ::2, ::2], atol=1e-12)
    assert parts.shape == (2, 3, 6, 6)
    np.testing.assert_allclose(parts[:, :, ::2], three[:, :, 1::3, ::2], atol=1e-12)
    wrong: list[dict[str, Any]] = [{}, {"ratio": 2, "frac_ratio": (3, 2)}, {"frac_ratio": (3, 0)}, {"frac_ratio": 1.5}]
    for options in (*wrong, {"ratio": 1.5}):
        with pytest.raises(ValueError, match=r"bilinear_upsampling: (give one of|frac_ratio must|ratio must)"):
            up(x, **options)


def test_shapes_of_results() -> None:
    shape = A.get_conv_output_shape
    assert shape((10, 1, 28, 28), (20, 1, 5, 5), "valid", (1, 1)) == (10, 20, 24, 24)
    assert shape((None, 1, 28, None), (20, 1, 5, 5), "full", (2, 1)) == (None, 20, 16, None)
    assert shape((10, 1, 28, 28), (20, 1, 3, 3), (1, (0, 2)), (1, 1), (2, 1)) == (10, 20, 26, 28)
    x = T.tensor4(dtype="float32")
    y = T.nnet.conv2d(x, np.zeros((2, 1, 5, 5), "float32"), input_shape=(None, 1, 28, 28))
    assert y.type.shape[1:] == (2, 24, 24)
    assert y.dtype == "float32"


BAD: list[tuple[Any, dict[str, Any], str]] = [
    (((1, 1, 3, 3), (1, 1, 4, 4)), {}, r"conv2d: spatial axis 0: .*\(3 \+ 0 \+ 0 - 1 \* \(4 - 1\) - 1\) // 1 \+ 1 = 0"),
    (((1, 2, 3, 3), (1, 1, 2, 2)), {}, r"conv: image f64\[1,2,3,3\] has 2 channels, but filters f64\[1,1,2,2\] take 1"),
    (((1, 2, 3, 3), (3, 1, 2, 2)), {"num_groups": 2}, r"3 filters do not divide into 2 groups"),
    (((1, 1, 3), (1, 1, 2, 2)), {}, r"conv2d: the input must be a 4-dimensional tensor"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"border_mode": "vaild"}, r"border_mode 'vaild' is none of"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"border_mode": (1,)}, r"needs one padding for each of 2 axes"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"border_mode": -1}, r"padding \(-1, -1\)"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"subsample": (0, 1)}, r"conv2d: subsample must be 2 integers of at least 1"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"border_mode": 1.5}, r"conv2d: border_mode 1\.5 needs one padding"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"border_mode": (0.5, 1)}, r"conv2d: padding \(0\.5, 0\.5\)"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"subsample": None}, r"conv2d: subsample must be 2 integers"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"filter_dilation": T.vector("d")}, r"filter_dilation must be 2.*not d"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"unshared": True}, r"conv2d: the filters must be a 6-dimensional tensor"),
    (((1, 1, 3, 3), (1, 3, 2, 1, 2, 2)), {"unshared": True}, r"are \[K, 2, 2, channels / groups = 1, window\.\.\.\]"),
    (((1, 1, 3, 3), (1, 2, 2, 2, 2, 2)), {"unshared": True}, r"channels / groups = 1, window\.\.\.\], not"),
    (((1, 2, 3, 3), (3, 2, 2, 1, 2, 2)), {"unshared": True, "num_groups": 2}, r"3 filters do not divide into 2 groups"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"input_shape": (1, 1, 4, 3)}, r"input_shape is \(1, 1, 4, 3\), but axis 2"),
    (((1, 1, 3, 3), (1, 1, 2, 2)), {"filter_shape": (1, 2, 2)}, r"filter_shape \(1, 2, 2\) has 3 elements"),
]


@pytest.mark.parametrize(("sizes", "options", "message"), BAD, ids=range(len(BAD)))
def test_errors_when_recording(sizes: Any, options: dict[str, Any], message: str) -> None:
    x, w = (np.zeros(s) for s in sizes)
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=message):
        T.nnet.conv2d(x, w, **options)


def test_errors_at_the_call() -> None:
    x, w = T.tensor4("x", dtype="float64"), T.tensor4("w", dtype="float64")
    f = ar.function([x, w], T.nnet.conv2d(x, w, subsample=(2, 2)))
    with pytest.raises(ValueError, match=r"conv: image .* has 3 channels, but filters .* take 2"):
        f(np.zeros((1, 3, 4, 4)), np.zeros((1, 2, 2, 2)))
    with pytest.raises(ValueError, match=r"\(4 \+ 0 \+ 0 - 1 \* \(5 - 1\) - 1\) // 2 \+ 1"):
        f(np.zeros((1, 2, 4, 4)), np.zeros((1, 2, 5, 5)))
    g = ar.function([x, w], T.nnet.conv2d(x, w, input_shape=(None, 2, 4, 4)))
    with pytest.raises((ValueError, AssertionError)):
        g(np.zeros((1, 2, 2, 8)), np.zeros((1, 2, 1, 1)))
    assert f(np.zeros((1, 2, 4, 4)), np.zeros((3, 2, 2, 2))).shape == (1, 3, 2, 2)


def test_errors_at_the_call_name_the_function_that_was_called() -> None:
    """Also where what is made of it goes wrong."""
    x, w = T.tensor4("x", dtype="float64"), T.tensor4("w", dtype="float64")
    m = T.matrix("m", dtype="float64")
    image, filters = np.ones((2, 3, 8, 8)), np.ones((5, 1, 3, 3))
    here = r"built at .*test_convolution.py:\d+ "
    declared = T.nnet.conv2d(x, w, input_shape=(2, 4, 8, 8))
    with pytest.raises(ValueError, match=rf"f64\[2,3,8,8\][\s\S]*{here}\(conv2d, input_shape \(2, 4, 8, 8\)\)"):
        ar.function([x, w], declared)(image, filters)
    swapped = T.nnet.conv2d(x, w, input_shape=(3, 2, 8, 8))
    with pytest.raises(AssertionError, match=r"conv2d: input_shape is \(3, 2, 8, 8\), but x has another shape"):
        ar.function([x, w], swapped)(image, np.ones((5, 2, 3, 3)))
    with pytest.raises(ValueError, match=rf"5 filters do not divide into 3 groups[\s\S]*{here}\(separable_conv2d"):
        ar.function([x, w], T.nnet.separable_conv2d(x, w, np.ones((4, 6, 1, 1)), 3))(image, filters)
    seen = T.nnet.spatial_transformer(x, m)
    with pytest.raises(ValueError, match=rf"{here}\(spatial_transformer"):
        ar.function([x, m], seen)(image, np.ones((3, 6)))
    normal = T.nnet.bn.batch_normalization_train(x, w, w, axes="spatial")[0]
    with pytest.raises(ValueError, match=rf"{here}\(batch_normalization_train\)"):
        ar.function([x, w], normal)(image, np.ones((1, 4, 1, 1)))
    with pytest.raises(ValueError, match=r"causal_conv1d: filter_shape must be 3 sizes"):
        T.nnet.causal_conv1d(T.tensor3(), T.tensor3(), (1, 2))
