"""Convolutions of one, two and three dimensions, their gradients, and what is made of them.

Images are [N, C, space...], filters [K, C / num_groups, space...], results [N, K, space...]. A result has
(size + low + high - dilation * (filter - 1) - 1) // stride + 1 elements along an axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.loc import composite
from arignote.frontends.tensor.nnet.geometry import Geometry, known_size, paddings, result_sizes
from arignote.frontends.tensor.nnet.upsampling import (
    bilinear_kernel_1D,
    bilinear_kernel_2D,
    bilinear_upsampling,
)

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

__all__ = [
    "AbstractConv2d",
    "AbstractConv2d_gradInputs",
    "AbstractConv2d_gradWeights",
    "AbstractConv3d",
    "AbstractConv3d_gradInputs",
    "AbstractConv3d_gradWeights",
    "bilinear_kernel_1D",
    "bilinear_kernel_2D",
    "bilinear_upsampling",
    "causal_conv1d",
    "conv2d",
    "conv2d_grad_wrt_inputs",
    "conv2d_grad_wrt_weights",
    "conv3d",
    "conv3d_grad_wrt_inputs",
    "conv3d_grad_wrt_weights",
    "get_conv_output_shape",
    "get_conv_shape_1axis",
    "separable_conv2d",
    "separable_conv3d",
]


# ---------------------------------------------------------------- convolutions
@composite
def conv2d(
    input: Any, filters: Any, input_shape: Any = None, filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1), filter_flip: bool = True, image_shape: Any = None, filter_dilation: Any = (1, 1),
    num_groups: int = 1, unshared: bool = False,
) -> TensorVariable:  # fmt: skip
    """The convolution of images with filters.

    Args:
        input: images [N, C, rows, columns].
        filters: [K, C / num_groups, rows, columns].
        input_shape, filter_shape: sizes, as far as they are known (None elsewhere); checked. `image_shape` is an old
        name. border_mode: `valid`, `full`, `half`, `same`, the padding of both axes, one per axis, or (low, high) per
        axis. subsample: the strides.
        filter_flip: whether filters are turned around, as the mathematical convolution has it.
        filter_dilation: the distance between elements of a filter.
        num_groups: how many groups channels and filters are cut into, each of which is convolved for itself.
        unshared: filters are [K, rows and columns of the result, C / num_groups, rows, columns]: every place has its
            own.

    Returns:
        [N, K, rows, columns].

    Raises:
        ValueError, TypeError: sizes that do not fit, with the formula.
    """
    geometry = Geometry("conv2d", 2, border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared)
    return geometry.forward(input, filters, image_shape if input_shape is None else input_shape, filter_shape)


@composite
def conv3d(
    input: Any, filters: Any, input_shape: Any = None, filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1, 1), num_groups: int = 1,
) -> TensorVariable:  # fmt: skip
    """`conv2d` for volumes: [N, C, depth, rows, columns] with [K, C / num_groups, depth, rows, columns]."""
    geometry = Geometry("conv3d", 3, border_mode, subsample, filter_flip, filter_dilation, num_groups, False)
    return geometry.forward(input, filters, input_shape, filter_shape)


@composite
def causal_conv1d(
    input: Any, filters: Any, filter_shape: Any, input_shape: Any = None, subsample: int = 1,
    filter_flip: bool = True, filter_dilation: int = 1, num_groups: int = 1, unshared: bool = False,
) -> TensorVariable:  # fmt: skip
    """The convolution of sequences [N, C, time] with [K, C / num_groups, time] whose result at a time depends on no
    later one: padded in front only. `filter_shape` must give the last size."""
    window = known_size(filter_shape[2]) if len(filter_shape) == 3 else None
    if window is None:
        raise ValueError(f"causal_conv1d: filter_shape must be 3 sizes, the last one known, not {filter_shape!r}")
    border = [(filter_dilation * (window - 1), 0)]
    geometry = Geometry(
        "causal_conv1d", 1, border, (subsample,), filter_flip, (filter_dilation,), num_groups, unshared
    )
    return geometry.forward(input, filters, input_shape, filter_shape)


def _separable(
    convolve: Callable[..., TensorVariable], name: str, space: int, input: Any, depthwise: Any, pointwise: Any,
    channels: int, shapes_: tuple[Any, Any, Any], **options: Any,
) -> TensorVariable:  # fmt: skip
    point = as_tensor_variable(pointwise)
    for size in point.value_.shape[2:]:
        if isinstance(size, int) and size != 1:
            raise ValueError(f"{name}: pointwise filters must be 1 x 1, not {point.type}")
    x_shape, depth_shape, point_shape = shapes_
    between = convolve(input, depthwise, x_shape, depth_shape, num_groups=channels, **options)
    return convolve(between, point, filter_shape=point_shape)


@composite
def separable_conv2d(
    input: Any, depthwise_filters: Any, pointwise_filters: Any, num_channels: int, input_shape: Any = None,
    depthwise_filter_shape: Any = None, pointwise_filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1),
) -> TensorVariable:  # fmt: skip
    """A convolution of each channel for itself, with `depthwise_filters` [num_channels * multiplier, 1, rows, columns],
    and one of `pointwise_filters` [K, num_channels * multiplier, 1, 1] over the channels.
    F. Chollet, *Xception* (2017)."""
    return _separable(
        conv2d, "separable_conv2d", 2, input, depthwise_filters, pointwise_filters, num_channels,
        (input_shape, depthwise_filter_shape, pointwise_filter_shape), border_mode=border_mode, subsample=subsample,
        filter_flip=filter_flip, filter_dilation=filter_dilation,
    )  # fmt: skip


@composite
def separable_conv3d(
    input: Any, depthwise_filters: Any, pointwise_filters: Any, num_channels: int, input_shape: Any = None,
    depthwise_filter_shape: Any = None, pointwise_filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1, 1),
) -> TensorVariable:  # fmt: skip
    """`separable_conv2d` for volumes."""
    return _separable(
        conv3d, "separable_conv3d", 3, input, depthwise_filters, pointwise_filters, num_channels,
        (input_shape, depthwise_filter_shape, pointwise_filter_shape), border_mode=border_mode, subsample=subsample,
        filter_flip=filter_flip, filter_dilation=filter_dilation,
    )  # fmt: skip


# ---------------------------------------------------------------- gradients as functions
@composite
def conv2d_grad_wrt_inputs(
    output_grad: Any, filters: Any, input_shape: Any, filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1), num_groups: int = 1,
    unshared: bool = False,
) -> TensorVariable:  # fmt: skip
    """The gradient of `conv2d` with respect to its input, of `input_shape`, of which the last two sizes are needed: the
    transposed convolution. The other arguments are those of the convolution."""
    name = "conv2d_grad_wrt_inputs"
    geometry = Geometry(name, 2, border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared)
    return geometry.inputs(output_grad, filters, input_shape, filter_shape)


@composite
def conv2d_grad_wrt_weights(
    input: Any, output_grad: Any, filter_shape: Any, input_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1), num_groups: int = 1,
    unshared: bool = False,
) -> TensorVariable:  # fmt: skip
    """The gradient of `conv2d` with respect to its filters, of `filter_shape`, of which the last two sizes are
    needed."""
    name = "conv2d_grad_wrt_weights"
    geometry = Geometry(name, 2, border_mode, subsample, filter_flip, filter_dilation, num_groups, unshared)
    return geometry.weights(input, output_grad, filter_shape, input_shape)


@composite
def conv3d_grad_wrt_inputs(
    output_grad: Any, filters: Any, input_shape: Any, filter_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1, 1), num_groups: int = 1,
) -> TensorVariable:  # fmt: skip
    """`conv2d_grad_wrt_inputs` for volumes."""
    name = "conv3d_grad_wrt_inputs"
    geometry = Geometry(name, 3, border_mode, subsample, filter_flip, filter_dilation, num_groups, False)
    return geometry.inputs(output_grad, filters, input_shape, filter_shape)


@composite
def conv3d_grad_wrt_weights(
    input: Any, output_grad: Any, filter_shape: Any, input_shape: Any = None, border_mode: Any = "valid",
    subsample: Any = (1, 1, 1), filter_flip: bool = True, filter_dilation: Any = (1, 1, 1), num_groups: int = 1,
) -> TensorVariable:  # fmt: skip
    """`conv2d_grad_wrt_weights` for volumes."""
    name = "conv3d_grad_wrt_weights"
    geometry = Geometry(name, 3, border_mode, subsample, filter_flip, filter_dilation, num_groups, False)
    return geometry.weights(input, output_grad, filter_shape, input_shape)


# ---------------------------------------------------------------- Theano's ops
class _Abstract:
    """An op of Theano's: its parameters, to be called with tensors."""

    space = 2

    def __init__(
        self, imshp: Any = None, kshp: Any = None, border_mode: Any = "valid", subsample: Any = None,
        filter_flip: bool = True, filter_dilation: Any = None, num_groups: int = 1, unshared: bool = False,
    ) -> None:  # fmt: skip
        ones = (1,) * self.space
        self.imshp, self.kshp = imshp, kshp
        self.geometry = Geometry(
            type(self).__name__, self.space, border_mode, ones if subsample is None else subsample, filter_flip,
            ones if filter_dilation is None else filter_dilation, num_groups, unshared,
        )  # fmt: skip


class AbstractConv2d(_Abstract):
    """`AbstractConv2d(imshp, kshp, ...)(img, kern)` is `conv2d(img, kern, imshp, kshp, ...)`."""

    def __call__(self, img: Any, kern: Any) -> TensorVariable:
        return self.geometry.forward(img, kern, self.imshp, self.kshp)


class AbstractConv2d_gradInputs(_Abstract):
    """`AbstractConv2d_gradInputs(imshp, kshp, ...)(kern, topgrad, shape)`: the transposed convolution; `shape` has the
    spatial sizes."""

    def __call__(self, kern: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True) -> TensorVariable:
        given = self.imshp if shape is None else shape
        return self.geometry.inputs(topgrad, kern, given, self.kshp)


class AbstractConv2d_gradWeights(_Abstract):
    """`AbstractConv2d_gradWeights(imshp, kshp, ...)(img, topgrad, shape)`; `shape` has the spatial sizes."""

    def __call__(self, img: Any, topgrad: Any, shape: Any, add_assert_shape: bool = True) -> TensorVariable:
        given = self.kshp if shape is None else shape
        return self.geometry.weights(img, topgrad, given, self.imshp)


class AbstractConv3d(AbstractConv2d):
    """`AbstractConv2d` for volumes."""

    space = 3


class AbstractConv3d_gradInputs(AbstractConv2d_gradInputs):
    """`AbstractConv2d_gradInputs` for volumes."""

    space = 3


class AbstractConv3d_gradWeights(AbstractConv2d_gradWeights):
    """`AbstractConv2d_gradWeights` for volumes."""

    space = 3


# ---------------------------------------------------------------- shapes
def get_conv_shape_1axis(
    image_shape: Any, kernel_shape: Any, border_mode: Any, subsample: int, dilation: int = 1
) -> Any:
    """The size of a convolution's result along one axis; None where a size is None."""
    if image_shape is None or kernel_shape is None or border_mode is None or subsample is None:
        return None
    border = border_mode if isinstance(border_mode, str) else [border_mode]
    name = "get_conv_shape_1axis"
    low, high = paddings(border, [image_shape], [kernel_shape], [subsample], [dilation], name)
    return result_sizes([image_shape], [kernel_shape], low, high, [subsample], [dilation], name)[0]


def get_conv_output_shape(
    image_shape: Any, kernel_shape: Any, border_mode: Any, subsample: Any, filter_dilation: Any = None
) -> tuple[Any, ...]:
    """The shape (N, K, space...) of a convolution's result, None where it is not known; sizes are integers, symbolic
    scalars, or None."""
    space = len(subsample)
    dilation = (1,) * space if filter_dilation is None else filter_dilation
    borders = [border_mode] * space if isinstance(border_mode, (str, int)) else list(border_mode)
    rows = zip(image_shape[2:], kernel_shape[2:], borders, subsample, dilation, strict=True)
    return (image_shape[0], kernel_shape[0], *(get_conv_shape_1axis(*row) for row in rows))
