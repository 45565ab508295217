"""Convolutions whose filters differ from place to place: locally connected layers.

    y[n,k,o] = sum over c, r of x[n, c, o * strides + r * dilation - low] w[k,o,c,r]

Filters are [K, result's space..., C / groups, space...]. What the windows of an image hold is brought together by a
convolution with unit filters; for each place, the results of all images are one product of matrices. Gradients of any
order are those of these two. K. Gregor, Y. LeCun, "Emergence of complex-like cells in a temporal product network with
local receptive fields", 2010.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor.convert import floating, unify
from arignote.frontends.tensor.creation import eye
from arignote.frontends.tensor.graph import wrap
from arignote.frontends.tensor.linear import batched_dot

if TYPE_CHECKING:
    from arignote.frontends.tensor.nnet.geometry import Geometry, Size
    from arignote.frontends.tensor.variable import TensorVariable


class Places:
    """The sizes of a convolution without shared filters, and how its arrays are brought into batches of matrices.

    Args:
        g: strides, paddings and the rest.
        images: N, C and the sizes of the images.
        windows: the sizes of a filter.
    """

    def __init__(self, g: Geometry, images: Sequence[Size], windows: Sequence[Size]) -> None:
        self.g, self.windows = g, list(windows)
        self.n, self.c, *self.space = images
        self.out = g.results(self.space, self.windows)
        self.pixels, self.taps = _product(self.out), _product(self.windows)
        self.batch = self.pixels * g.groups

    def units(self, dtype: str) -> Any:
        """A filter for each element of a window, which picks it: [taps, 1, window...]."""
        return eye(self.taps, dtype=dtype).reshape((self.taps, 1, *self.windows))

    def columns(self, x: Any) -> Any:
        """What the windows hold: [places * groups, N, C / groups * taps]."""
        alone = x.reshape((self.n * self.c, 1, *self.space))
        found = self.g.emit("conv", alone.value_, self.units(x.dtype).value_, self.space, self.windows, None, groups=1)
        return self._batches(found, self.n, self.c * self.taps)

    def images(self, columns: Any) -> Any:
        """The transposition of `columns`: [N, C, space...]."""
        found = self._places(columns, self.n, self.c * self.taps)
        alone = found.reshape((self.n * self.c, self.taps, *self.out))
        units = self.units(columns.dtype).value_
        image = self.g.emit("conv_data", alone.value_, units, self.space, self.windows, self.space, groups=1)
        return image.reshape((self.n, self.c, *self.space))

    def results(self, products: Any, k: Size) -> Any:
        """[places * groups, N, K / groups] -> [N, K, out...]."""
        return self._places(products, self.n, k).reshape((self.n, k, *self.out))

    def gradients(self, y: Any, k: Size) -> Any:
        """[N, K, out...] -> [places * groups, N, K / groups]."""
        return self._batches(y, self.n, k)

    def matrices(self, w: Any, k: Size) -> Any:
        """[K, out..., C / groups, window...] -> [places * groups, C / groups * taps, K / groups]."""
        groups = self.g.groups
        rows = self._rows()
        apart = w.reshape((groups, k // groups, self.pixels, rows))
        return apart.dimshuffle(2, 0, 3, 1).reshape((self.batch, rows, k // groups))

    def filters(self, matrices: Any, k: Size) -> Any:
        """The inverse of `matrices`."""
        groups = self.g.groups
        apart = matrices.reshape((self.pixels, groups, self._rows(), k // groups)).dimshuffle(1, 3, 0, 2)
        return apart.reshape((k, *self.out, self.c // groups, *self.windows))

    def _rows(self) -> Size:
        return self.c // self.g.groups * self.taps

    def _batches(self, maps: Any, n: Size, features: Size) -> Any:
        groups = self.g.groups
        apart = maps.reshape((n, groups, features // groups, self.pixels)).dimshuffle(3, 1, 0, 2)
        return apart.reshape((self.batch, n, features // groups))

    def _places(self, batches: Any, n: Size, features: Size) -> Any:
        groups = self.g.groups
        apart = batches.reshape((self.pixels, groups, n, features // groups)).dimshuffle(2, 1, 3, 0)
        return apart.reshape((n, features, self.pixels))


def _product(sizes: Sequence[Size]) -> Size:
    out = sizes[0]
    for size in sizes[1:]:
        out = out * size
    return out


def _places(g: Geometry, x_sizes: Sequence[Size], w_sizes: Sequence[Size]) -> Places:
    """Checks what is known: places and channels of the filters [K, out..., C / groups, window...]."""
    places = Places(g, x_sizes, w_sizes[2 + g.space :])
    expected = [*places.out, places.c // g.groups if isinstance(places.c, int) else None]
    have = list(w_sizes[1 : 2 + g.space])
    for want, found in zip(expected, have, strict=True):
        if isinstance(want, int) and isinstance(found, int) and want != found:
            raise ValueError(
                f"{g.name}: filters of their own at every place are [K, {', '.join(map(str, places.out))}, channels / "
                f"groups = {expected[-1]}, window...], not {list(w_sizes)}"
            )
    for size, what in ((places.c, "channels"), (w_sizes[0], "filters")):
        if isinstance(size, int) and size % g.groups:
            raise ValueError(f"{g.name}: {size} {what} do not divide into {g.groups} groups")
    return places


def forward(g: Geometry, image: TensorVariable, filters: TensorVariable) -> TensorVariable:
    """The convolution of images [N, C, space...]."""
    x, w = (wrap(v) for v in unify(floating(image.value_), floating(filters.value_)))
    places = _places(g, g.sizes_of(x), g.sizes_of(w))
    k = g.sizes_of(w)[0]
    return places.results(batched_dot(places.columns(x), places.matrices(w, k)), k)  # type: ignore[no-any-return]


def inputs(g: Geometry, top: TensorVariable, filters: TensorVariable, space: Sequence[Size]) -> TensorVariable:
    """The gradient with respect to images of sizes `space`."""
    y, w = (wrap(v) for v in unify(floating(top.value_), floating(filters.value_)))
    n, k = g.sizes_of(y)[:2]
    w_sizes = g.sizes_of(w)
    places = _places(g, [n, w_sizes[1 + g.space] * g.groups, *space], w_sizes)
    transposed = places.matrices(w, k).dimshuffle(0, 2, 1)
    return places.images(batched_dot(places.gradients(y, k), transposed))  # type: ignore[no-any-return]


def weights(g: Geometry, image: TensorVariable, top: TensorVariable, windows: Sequence[Size]) -> TensorVariable:
    """The gradient with respect to filters of sizes `windows`."""
    x, y = (wrap(v) for v in unify(floating(image.value_), floating(top.value_)))
    k, *out = g.sizes_of(y)[1:]
    x_sizes = g.sizes_of(x)
    places = _places(g, x_sizes, [k, *out, x_sizes[1] // g.groups, *windows])
    return places.filters(batched_dot(places.columns(x).dimshuffle(0, 2, 1), places.gradients(y, k)), k)  # type: ignore[no-any-return]
