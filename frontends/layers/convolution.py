"""Layers of images, (batch, channels, height, width): convolutions, pooling and its inverse, spatial transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.frontends import tensor as T
from arignote.frontends.layers.activations import Activation, activation
from arignote.frontends.layers.base import Layer, Param, Run, Shape, layer
from arignote.frontends.layers.init import Constant, GlorotUniform
from arignote.frontends.layers.shaping import common
from arignote.frontends.tensor.nnet.abstract_conv import conv2d, conv2d_grad_wrt_inputs, get_conv_output_shape
from arignote.frontends.tensor.nnet.sampling import spatial_transformer
from arignote.frontends.tensor.signal.pool import output_size, pool_2d

#: A number for both axes, or one for (rows, columns).
Two = int | Sequence[int]
#: `valid`, `same`, `half`, `full`, the number of zeros on each side, or (before, after) for each axis.
Border = str | int | Sequence[Any]


def two(layer: Layer, name: str, value: Two, least: int = 1) -> tuple[int, int]:
    """A setting for (rows, columns). Raises ValueError for others."""
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2 or not all(isinstance(n, int) and n >= least for n in pair):
        raise ValueError(layer.message(f"{name} is a whole number of at least {least}, or two, not {value!r}"))
    return pair[0], pair[1]


def images(layer: Layer, shape: Shape) -> None:
    """Raises ValueError if the input has other dimensions."""
    if len(shape) != 4:
        raise ValueError(layer.message(f"it takes (batch, channels, height, width), not {list(shape)}"))


@layer
class Conv2D(Layer):
    """nonlinearity(x * W + b): (batch, channels, height, width) -> (batch, filters, height', width').

    - `size`, `stride`, `dilation`: numbers, or (rows, columns);
    - `border`: "valid" (no zeros around), "same" or "half" (as many as keep the size, for a stride of 1), "full",
      or numbers;
    - `W` (filters, channels / groups, rows, columns), `b` (filters); `b=None`: none;
    - `flip`: a convolution of mathematics, as Theano's; otherwise filters are not turned around;
    - `untie_biases`: every place has biases of its own, `b` (filters, height', width').
    """

    filters: int
    size: Two
    stride: Two = 1
    border: Border = "valid"
    nonlinearity: Activation = None
    W: Param = GlorotUniform(kernel=True)
    b: Param = Constant(0)
    flip: bool = False
    dilation: Two = 1
    groups: int = 1
    untie_biases: bool = False

    def build(self, shape: Shape) -> None:
        images(self, shape)
        self.positive(filters=self.filters, groups=self.groups)
        self.function = activation(self.nonlinearity)
        self.size, self.stride = two(self, "size", self.size), two(self, "stride", self.stride)
        self.dilation = two(self, "dilation", self.dilation)
        channels = self.known(shape, 1)
        if channels % self.groups or self.filters % self.groups:
            raise ValueError(
                self.message(f"{channels} channels and {self.filters} filters are no multiples of groups={self.groups}")
            )
        self.W = self.add_param("W", self.W, (self.filters, channels // self.groups, *self.size))
        out = self.shape_for(shape)
        if self.b is not None:
            places = [self.known(out, axis) for axis in (2, 3)] if self.untie_biases else []
            self.b = self.add_param("b", self.b, (self.filters, *places), regularizable=False)

    def shape_for(self, shape: Shape) -> Shape:
        window = (self.filters, None, *two(self, "size", self.size))
        try:
            return get_conv_output_shape(shape, window, self.border, self.stride, self.dilation)
        except ValueError as e:
            raise ValueError(self.message(str(e).partition(": ")[2])) from None

    def output_for(self, x: Any, run: Run) -> Any:
        y = conv2d(
            x, self.W, border_mode=self.border, subsample=self.stride, filter_flip=self.flip,
            filter_dilation=self.dilation, num_groups=self.groups,
        )  # fmt: skip
        if self.b is None:
            return self.function(y)
        return self.function(y + self.b.dimshuffle("x", 0, *((1, 2) if self.untie_biases else "xx")))

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None


@layer
class TransposedConv2D(Layer):
    """The transposition of a convolution, which makes images larger: nonlinearity(x *' W + b).

    - `filters`, `size`: of the result's channels, and of the filter;
    - `stride`: how far the copies of the filter lie apart in the result;
    - `crop`: what is cut off on each side, a number or (rows, columns);
    - `extra`: rows and columns to add at the end, fewer than the stride;
    - `W` (channels, filters, rows, columns), `b` (filters).

    The size of the result is (n - 1) * stride + size - 2 * crop + extra.
    """

    filters: int
    size: Two
    stride: Two = 1
    crop: Two = 0
    nonlinearity: Activation = None
    W: Param = GlorotUniform()
    b: Param = Constant(0)
    extra: Two = 0

    def build(self, shape: Shape) -> None:
        images(self, shape)
        self.positive(filters=self.filters)
        self.function = activation(self.nonlinearity)
        self.size, self.stride = two(self, "size", self.size), two(self, "stride", self.stride)
        self.crop, self.extra = two(self, "crop", self.crop, 0), two(self, "extra", self.extra, 0)
        if any(e >= s for e, s in zip(self.extra, self.stride, strict=True)):
            raise ValueError(self.message(f"extra={self.extra} is not less than stride={self.stride}"))
        self.W = self.add_param("W", self.W, (self.known(shape, 1), self.filters, *self.size))
        if self.b is not None:
            self.b = self.add_param("b", self.b, (self.filters,), regularizable=False)
        if any(n is not None and n < 1 for n in self.shape_for(shape)[2:]):
            raise ValueError(self.message(f"crop={self.crop} leaves nothing of {list(shape)}"))

    def shape_for(self, shape: Shape) -> Shape:
        return (shape[0], self.filters, *self._sizes(shape[2:]))

    def _sizes(self, sizes: Sequence[Any]) -> list[Any]:
        pairs = (two(self, name, getattr(self, name), 0) for name in ("size", "stride", "crop", "extra"))
        return [
            None if n is None else (n - 1) * stride + size - 2 * crop + extra
            for n, size, stride, crop, extra in zip(sizes, *pairs, strict=True)
        ]

    def output_for(self, x: Any, run: Run) -> Any:
        known = [n if n is not None else x.shape[2 + i] for i, n in enumerate(self.incoming[0].output_shape[2:])]
        y = conv2d_grad_wrt_inputs(
            x, self.W, (None, self.filters, *self._sizes(known)), border_mode=self.crop, subsample=self.stride,
            filter_flip=False,
        )  # fmt: skip
        return self.function(y if self.b is None else y + self.b.dimshuffle("x", 0, "x", "x"))

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None


@layer
class Pool2D(Layer):
    """The maximum ("max"), sum ("sum") or mean ("average_exc_pad", "average_inc_pad") of windows.

    - `size`, `stride` (the size, by default), `pad`: numbers, or (rows, columns);
    - `ignore_border`: windows that are cut off at the end are left out.
    """

    size: Two = 2
    stride: Two | None = None
    pad: Two = 0
    mode: str = "max"
    ignore_border: bool = True

    def build(self, shape: Shape) -> None:
        images(self, shape)
        self.size = two(self, "size", self.size)
        self.stride = self.size if self.stride is None else two(self, "stride", self.stride)
        self.pad = two(self, "pad", self.pad, 0)
        if self.mode not in ("max", "sum", "average_exc_pad", "average_inc_pad"):
            raise ValueError(self.message(f"mode is max, sum, average_exc_pad or average_inc_pad, not {self.mode!r}"))
        if any(self.pad) and not self.ignore_border:
            raise ValueError(self.message(f"pad={self.pad} works only with ignore_border=True"))
        if any(p >= w for p, w in zip(self.pad, self.size, strict=True)):
            raise ValueError(self.message(f"pad={self.pad} is not less than size={self.size}"))
        if any(n is not None and n < 1 for n in self.shape_for(shape)):
            raise ValueError(self.message(f"no window of {self.size} fits into {list(shape)}"))

    def shape_for(self, shape: Shape) -> Shape:
        stride = self.stride or self.size
        rows = zip(
            shape[2:], two(self, "size", self.size), two(self, "stride", stride), two(self, "pad", self.pad, 0),
            strict=True,
        )  # fmt: skip
        sizes = [None if n is None else output_size(n, w, s, p, self.ignore_border) for n, w, s, p in rows]
        return (shape[0], shape[1], *sizes)

    def output_for(self, x: Any, run: Run) -> Any:
        return pool_2d(x, self.size, self.ignore_border, self.stride, self.pad, self.mode)

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None


@layer
class Unpool2D(Layer):
    """Puts each element where the maximum of its window was: [pooled, image] -> what has the image's shape.

    The windows are those of `Pool2D` with the same settings; of the second input only the places count.

    M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", 2013; V. Badrinarayanan et al.,
    "SegNet", 2015.
    """

    size: Two = 2
    stride: Two | None = None

    def build(self, pooled: Shape, image: Shape) -> None:
        images(self, pooled)
        images(self, image)
        self.size = two(self, "size", self.size)
        self.stride = self.size if self.stride is None else two(self, "stride", self.stride)
        rows = zip(image[2:], self.size, self.stride, strict=True)
        sizes = [None if n is None else output_size(n, w, s, 0, True) for n, w, s in rows]
        common(self, [pooled, (*image[:2], *sizes)], broadcast=False)

    def shape_for(self, pooled: Shape, image: Shape) -> Shape:
        return image

    def output_for(self, pooled: Any, image: Any, run: Run) -> Any:
        places = T.consider_constant(image)
        return T.Lop(pool_2d(places, self.size, True, self.stride), places, pooled)

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None


@layer
class Upscale2D(Layer):
    """Each row and column several times: `factor` is a number, or (rows, columns)."""

    factor: Two = 2

    def build(self, shape: Shape) -> None:
        images(self, shape)
        self.factor = two(self, "factor", self.factor)

    def shape_for(self, shape: Shape) -> Shape:
        factors = two(self, "factor", self.factor)
        return (*shape[:2], *(None if n is None else n * f for n, f in zip(shape[2:], factors, strict=True)))

    def output_for(self, x: Any, run: Run) -> Any:
        for axis, factor in enumerate(two(self, "factor", self.factor), 2):
            x = T.repeat(x, factor, axis=axis) if factor > 1 else x
        return x


@layer
class Transformer(Layer):
    """A spatial transformer: [images, transformations (batch, 6)] -> the images seen through them.

    - `downsample`: the result has the size of the image divided by this, rounded down; a number, or (rows, columns).

    M. Jaderberg et al., "Spatial transformer networks", 2015.
    """

    downsample: float | Sequence[float] = 1

    def build(self, image: Shape, theta: Shape) -> None:
        images(self, image)
        if len(theta) != 2 or theta[1] not in (6, None):
            raise ValueError(self.message(f"transformations are (batch, 6), not {list(theta)}"))
        factors = self._factors()
        if len(factors) != 2 or any(f <= 0 for f in factors):
            raise ValueError(self.message(f"downsample is a number above 0, or two, not {self.downsample!r}"))
        if any(n is not None and n < 1 for n in self.shape_for(image, theta)[2:]):
            raise ValueError(self.message(f"downsample={self.downsample} leaves nothing of {list(image)}"))

    def _factors(self) -> list[float]:
        value = self.downsample
        return [float(value)] * 2 if isinstance(value, (int, float)) else [float(f) for f in value]

    def shape_for(self, image: Shape, theta: Shape) -> Shape:
        sizes = [None if n is None else int(n / f + 1e-9) for n, f in zip(image[2:], self._factors(), strict=True)]
        return (image[0], image[1], *sizes)

    def output_for(self, image: Any, theta: Any, run: Run) -> Any:
        rows, columns = self._factors()
        return spatial_transformer(image, theta, 1 / columns, 1 / rows)

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return None
