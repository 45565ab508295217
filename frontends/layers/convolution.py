"""Layers of images, (batch, channels, rows, columns): convolution and its transpose, pooling, scaling, transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arignote.frontends.layers.activations import Activation, activation
from arignote.frontends.layers.base import Layer, Param, Run, Shape, layer
from arignote.frontends.layers.basic import along
from arignote.frontends.layers.init import Constant, GlorotUniform
from arignote.frontends.tensor.nnet.abstract_conv import conv2d, conv2d_grad_wrt_inputs, get_conv_output_shape
from arignote.frontends.tensor.nnet.sampling import affine_grid, bilinear_sampling
from arignote.frontends.tensor.rearranging import repeat
from arignote.frontends.tensor.signal.pool import Pool, pool_2d

#: A number for rows and columns alike, or one for each.
Pair = int | Sequence[int]


class _Images(Layer):
    """A layer of images, with weights or without."""

    def images(self, shape: Shape) -> Shape:
        """The shape. Raises ValueError if it is not that of images."""
        if len(shape) != 4:
            raise ValueError(self.message(f"it takes (batch, channels, rows, columns), not {list(shape)}"))
        return shape

    def both(self, name: str, value: Pair, least: int = 1) -> tuple[int, int]:
        """A setting for rows and columns. Raises ValueError for anything else than one or two whole numbers."""
        pair = (value, value) if isinstance(value, int) else tuple(value)
        if len(pair) != 2 or not all(isinstance(n, int) and n >= least for n in pair):
            raise ValueError(self.message(f"{name} is a whole number from {least} on, or two of them, not {value!r}"))
        return pair[0], pair[1]


@layer
class Conv2D(_Images):
    """nonlinearity(convolution of x with W, + b): (batch, channels, rows, columns) -> (batch, filters, ...).

    - `filters`, `window`: how many, and their rows and columns;
    - `stride`, `dilation`: one number or two;
    - `pad`: "valid", "same", "half", "full", a number, or one for each axis;
    - `groups`: channels and filters are cut into so many groups, each convolved for itself;
    - `W` (filters, channels / groups, rows, columns), `b` (filters); `b=None`: none;
    - `flip`: whether filters are turned around, as the mathematical convolution has it.
    """

    filters: int
    window: Pair
    nonlinearity: Activation = None
    stride: Pair = 1
    pad: str | Pair = "valid"
    dilation: Pair = 1
    groups: int = 1
    W: Param = GlorotUniform(kernel=True)
    b: Param = Constant(0)
    flip: bool = True

    def build(self, shape: Shape) -> None:
        self.images(shape)
        self.positive(filters=self.filters, groups=self.groups)
        channels = self.known(shape, 1)
        if channels % self.groups or self.filters % self.groups:
            raise ValueError(self.message(f"{channels} channels and {self.filters} filters in {self.groups} groups"))
        self.function = activation(self.nonlinearity)
        window = self.both("window", self.window)
        self.W = self.add_param("W", self.W, (self.filters, channels // self.groups, *window))
        if self.b is not None:
            self.b = self.add_param("b", self.b, (self.filters,), regularizable=False)

    def _geometry(self) -> dict[str, Any]:
        pad = self.pad if isinstance(self.pad, str) else self.both("pad", self.pad, 0)
        return {
            "border_mode": pad,
            "subsample": self.both("stride", self.stride),
            "filter_dilation": self.both("dilation", self.dilation),
        }

    def shape_for(self, shape: Shape) -> Shape:
        window = (self.filters, shape[1], *self.both("window", self.window))
        try:
            return tuple(get_conv_output_shape(shape, window, **self._geometry()))
        except ValueError as error:
            raise ValueError(self.message(f"its window does not fit {list(shape)}: {error}")) from None

    def output_for(self, x: Any, run: Run) -> Any:
        out = conv2d(x, self.W, **self._geometry(), filter_flip=self.flip, num_groups=self.groups)
        return self.function(out if self.b is None else out + along(self.b, 4, 1))


@layer
class TransposedConv2D(_Images):
    """The transpose of a convolution, which enlarges: rows -> (rows - 1) stride + window - 2 crop.

    - `crop`: rows and columns left out at each side: the padding of the convolution that it transposes;
    - `W` (channels, filters, rows, columns), `b` (filters); others as in `Conv2D`.
    """

    filters: int
    window: Pair
    nonlinearity: Activation = None
    stride: Pair = 1
    crop: Pair = 0
    W: Param = GlorotUniform(kernel=True)
    b: Param = Constant(0)
    flip: bool = True

    def build(self, shape: Shape) -> None:
        self.images(shape)
        self.positive(filters=self.filters)
        self.function = activation(self.nonlinearity)
        window = self.both("window", self.window)
        self.W = self.add_param("W", self.W, (self.known(shape, 1), self.filters, *window))
        if self.b is not None:
            self.b = self.add_param("b", self.b, (self.filters,), regularizable=False)

    def shape_for(self, shape: Shape) -> Shape:
        sizes = [None if n is None else self._size(n, axis) for axis, n in enumerate(shape[2:])]
        if any(n is not None and n < 1 for n in sizes):
            raise ValueError(self.message(f"nothing is left of {list(shape)} after cropping: {sizes}"))
        return (shape[0], self.filters, *sizes)

    def _size(self, n: Any, axis: int) -> Any:
        window, stride = self.both("window", self.window)[axis], self.both("stride", self.stride)[axis]
        return (n - 1) * stride + window - 2 * self.both("crop", self.crop, 0)[axis]

    def output_for(self, x: Any, run: Run) -> Any:
        known = [self.output_shape[2 + axis] for axis in range(2)] if self.placed else [None, None]
        sizes = [self._size(x.shape[2 + axis], axis) if n is None else n for axis, n in enumerate(known)]
        out = conv2d_grad_wrt_inputs(
            x, self.W, (None, self.filters, *sizes), border_mode=self.both("crop", self.crop, 0),
            subsample=self.both("stride", self.stride), filter_flip=self.flip,
        )  # fmt: skip
        return self.function(out if self.b is None else out + along(self.b, 4, 1))


@layer
class Pool2D(_Images):
    """The maximum (or mean, or sum) of windows of rows and columns.

    - `stride`: from window to window; by default windows lie side by side;
    - `pad`: rows and columns of padding at each side;
    - `mode`: "max", "average_exc_pad", "average_inc_pad", "sum";
    - `ignore_border`: windows that are cut off at the end are left out.
    """

    window: Pair = 2
    stride: Pair | None = None
    pad: Pair = 0
    mode: str = "max"
    ignore_border: bool = True

    def _geometry(self) -> dict[str, Any]:
        window = self.both("window", self.window)
        stride = window if self.stride is None else self.both("stride", self.stride)
        return {
            "ws": window,
            "stride": stride,
            "pad": self.both("pad", self.pad, 0),
            "ignore_border": self.ignore_border,
        }

    def shape_for(self, shape: Shape) -> Shape:
        of = self._geometry()
        sizes: list[Any] = []
        for n, *rows in zip(self.images(shape)[2:], of["ws"], of["stride"], of["pad"], strict=True):
            window, stride, pad = ((k,) for k in rows)
            sizes.append(n and Pool.out_shape((n,), window, self.ignore_border, stride, pad, ndim=1)[0])
        if any(n is not None and n < 1 for n in sizes):
            raise ValueError(self.message(f"its window of {self.window} does not fit {list(shape)}"))
        return (*shape[:2], *sizes)

    def output_for(self, x: Any, run: Run) -> Any:
        return pool_2d(x, **self._geometry(), mode=self.mode)


@layer
class Upscale2D(_Images):
    """Each row and column several times."""

    factor: Pair = 2

    def shape_for(self, shape: Shape) -> Shape:
        sizes = zip(self.images(shape)[2:], self.both("factor", self.factor), strict=True)
        return (*shape[:2], *(None if n is None else n * factor for n, factor in sizes))

    def output_for(self, x: Any, run: Run) -> Any:
        for axis, factor in enumerate(self.both("factor", self.factor), 2):
            x = repeat(x, factor, axis=axis) if factor > 1 else x
        return x


@layer
class Transformer(_Images):
    """A spatial transformer: images, and for each an affine map (batch, 6) from points of the result to points of the
    image, both with coordinates from -1 to 1.

    - `downsample`: the result has that many times fewer rows and columns.

    M. Jaderberg et al., "Spatial transformer networks", 2015.
    """

    downsample: Pair = 1

    def build(self, shape: Shape, theta: Shape) -> None:
        self.images(shape)
        if len(theta) != 2 or theta[1] != 6:
            raise ValueError(self.message(f"the affine maps are (batch, 6), not {list(theta)}"))

    def shape_for(self, shape: Shape, theta: Shape) -> Shape:
        factors = self.both("downsample", self.downsample)
        return (*shape[:2], *(None if n is None else n // f for n, f in zip(shape[2:], factors, strict=True)))

    def output_for(self, x: Any, theta: Any, run: Run) -> Any:
        sizes = [x.shape[axis] // f for axis, f in enumerate(self.both("downsample", self.downsample), 2)]
        return bilinear_sampling(x, affine_grid(theta, *sizes))
