"""What networks of layers look at: gradients of scores under three rules of rectifiers, projections of features,
and images that a class likes best (chapter 8).

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep inside convolutional networks", 2013 (gradients, images of classes);
M. Zeiler, R. Fergus, "Visualizing and understanding convolutional networks", 2013 (deconvnet);
J. Springenberg et al., "Striving for simplicity: the all convolutional net", 2014 (guided back-propagation).
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

import arignote as ar
from arignote import layers as L
from arignote.frontends import tensor as T
from arignote.frontends.layers.activations import softmax
from arignote.frontends.tensor.builders import OpFromGraph
from arignote.frontends.tensor.nnet.abstract_conv import conv2d_grad_wrt_inputs
from arignote.frontends.tensor.tensortype import TensorType

Array = NDArray[Any]
Function = Callable[[Any], Any]


# ---------------------------------------------------------------- gradients of scores
def _rectifier(pull_back: Callable[[Any, Any], Any]) -> Function:
    """max(x, 0) whose gradient is `pull_back(x, gradient of the output)`."""

    def rectified(x: Any) -> Any:
        inner = TensorType(x.dtype, (None,) * x.ndim)("x")
        rule = OpFromGraph(
            [inner], [T.nnet.relu(inner)], lop_overrides=lambda xs, _, gs: [pull_back(xs[0], gs[0])], name="rectifier"
        )
        return rule(x)

    return rectified


#: How a gradient g passes a rectifier of x.
RECTIFIERS: dict[str, Function] = {
    "gradient": T.nnet.relu,  # g where x > 0
    "deconvnet": _rectifier(lambda x, g: T.nnet.relu(g)),  # g where g > 0
    "guided": _rectifier(lambda x, g: T.nnet.relu(g) * T.gt(x, 0)),  # g where both are
}


def rewired(network: L.Layer, functions: Mapping[Function, Function]) -> dict[L.Layer, L.Layer]:
    """A copy of the network with the same parameters and other nonlinearities: the copy of each layer.

    Args:
        functions: from a nonlinearity (`T.nnet.relu`) to what takes its place.
    """
    copies: dict[L.Layer, L.Layer] = {}
    for layer in L.get_all_layers(network):
        twin = layer
        if layer.incoming:
            twin = copy.copy(layer)
            twin.incoming = [copies[below] for below in layer.incoming]
            if isinstance(twin, (L.Conv2D, L.TransposedConv2D, L.Dense, L.Nonlinearity)):
                twin.function = functions.get(twin.function, twin.function)
        copies[layer] = twin
    return copies


def scores_of(network: L.Layer, images: Any, rectifier: Function = T.nnet.relu) -> Any:
    """What the last softmax is computed from, (batch, classes), in use and not in training."""
    copies = rewired(network, {softmax: lambda x: x, T.nnet.relu: rectifier})
    return L.get_output(copies[network], images, deterministic=True)


def attributions(network: L.Layer, rule: str, mode: Any = None) -> Any:
    """Function from images (batch, channels, height, width) to the gradient of each one's highest score.

    Args:
        rule: of `RECTIFIERS`.
    """
    first = next(layer for layer in L.get_all_layers(network) if isinstance(layer, L.Input))
    x = first.variable
    total = T.sum(T.max(scores_of(network, x, RECTIFIERS[rule]), axis=1))
    return ar.function([x], T.grad(total, x), name=rule, mode=mode)


# ---------------------------------------------------------------- projections of features
def strongest(features: Any) -> Any:
    """Of maps (batch, maps, height, width) the largest element of each, zeros elsewhere (the first of equals)."""
    flat = features.reshape((features.shape[0], features.shape[1], -1))
    places = T.arange(flat.shape[2]).dimshuffle("x", "x", 0)
    kept = T.eq(places, T.argmax(flat, axis=2).dimshuffle(0, 1, "x"))
    return (flat * kept).reshape(features.shape)


def projected(layer: L.Layer, signal: Any, inputs: Any = None) -> Any:
    """The deconvnet: features `signal` of a layer brought back to the image, (batch, channels, height, width).

    On the way down maxima go back to where they were (the switches), what is negative is cut off, and convolutions are
    transposed. `inputs` are the images, as for `get_output`.

    Raises:
        ValueError: another layer than a convolution with a rectifier or a maximum is in between.
    """
    while not isinstance(layer, L.Input):
        (below,) = layer.incoming if len(layer.incoming) == 1 else (None,)
        if isinstance(layer, L.Pool2D) and layer.mode == "max" and below is not None:
            values = T.consider_constant(L.get_output(below, inputs, deterministic=True))
            signal = T.Lop(layer.output_for(values, L.Run(True)), values, signal)
        elif isinstance(layer, L.Conv2D) and layer.function is T.nnet.relu and below is not None:
            signal = conv2d_grad_wrt_inputs(
                T.nnet.relu(signal), layer.W, (None, *below.output_shape[1:]), border_mode=layer.border,
                subsample=layer.stride, filter_flip=layer.flip, filter_dilation=layer.dilation,
                num_groups=layer.groups,
            )  # fmt: skip
        else:
            raise ValueError(layer.message("a deconvnet goes through convolutions with rectifiers and maxima only"))
        layer = below
    return signal


def projections(layer: L.Layer, mode: Any = None) -> Any:
    """Function from images to (values, projections) for each map of a layer behind convolutions and maxima.

    - values: the largest element of each map, (batch, maps);
    - projections: (batch, maps, channels, height, width), of that element alone.
    """
    first = next(one for one in L.get_all_layers(layer) if isinstance(one, L.Input))
    x = first.variable
    n, maps = x.shape[0], layer.output_shape[1]
    assert maps is not None, "convolutions know their maps"
    features = L.get_output(layer, x, deterministic=True)
    each = np.eye(maps, dtype=x.dtype)[:, :, None, None]
    alone = strongest(features).reshape((n, 1, maps, *features.shape[2:])) * each
    # Every map is an example of its own, of the same image.
    copies = T.repeat(x, maps, axis=0)
    images = projected(layer, alone.reshape((n * maps, maps, *features.shape[2:])), {first: copies})
    values = T.max(features, axis=(2, 3))
    return ar.function([x], [values, images.reshape((n, maps, *x.shape[1:]))], name="projections", mode=mode)


# ---------------------------------------------------------------- images that a class likes
class Dream:
    """Gradient ascent from noise, or any images, to images of high score, one for each class.

    A step moves the image along the smoothed gradient of score - decay * |image|^2, of mean magnitude `rate`, and keeps
    it within [0, 1]; before it the image is shifted by a random pixel or two, and back after it, so that what appears
    does not depend on where windows of convolutions and maxima lie (A. Mordvintsev, C. Olah, M. Tyka, "Inceptionism:
    going deeper into neural networks", 2015).

    Args:
        network: with a softmax over classes.
        layer: the sum of squares of its output is increased instead of the score of a class.
    """

    def __init__(
        self, network: L.Layer, *, rate: float = 0.05, decay: float = 0.01, layer: L.Layer | None = None,
        mode: Any = None,
    ) -> None:  # fmt: skip
        first = next(one for one in L.get_all_layers(network) if isinstance(one, L.Input))
        x = first.variable
        dtype = x.dtype
        sizes = [n or 1 for n in (network.output_shape[1], *first.output_shape[1:])]
        self.image = ar.shared(np.zeros(sizes, dtype), name="image")
        y = T.vector("y", dtype="int32")
        down, right = T.scalar("down", dtype="int64"), T.scalar("right", dtype="int64")
        moved = T.roll(T.roll(self.image, down, axis=2), right, axis=3)
        if layer is None:
            scores = scores_of(network, {first: moved})
            liked = scores[T.arange(y.shape[0]), y]
        else:
            liked = T.sum(L.get_output(layer, {first: moved}, deterministic=True).flatten(2) ** 2, axis=1)
            liked = liked + T.zeros_like(T.cast(y, dtype))
        number = np.dtype(dtype).type
        cost = T.sum(liked) - number(decay) * T.sum(moved**2)
        gradient = _smoothed(T.grad(cost, moved))
        size = T.mean(abs(gradient), axis=(1, 2, 3), keepdims=True) + number(1e-12)
        stepped = T.clip(moved + number(rate) * gradient / size, 0, 1)
        back = T.roll(T.roll(stepped, -down, axis=2), -right, axis=3)
        self.step = ar.function([y, down, right], liked, updates=[(self.image, back)], name="dream", mode=mode)

    def run(self, images: Array, classes: Array, steps: int = 100, seed: int = 0) -> tuple[Array, Array]:
        """(images afterwards, what was liked of them before each step, [steps, n])."""
        random = np.random.RandomState(seed)
        self.image.set_value(images.astype(self.image.dtype))
        y = classes.astype(np.int32)
        found = [np.array(self.step(y, *map(int, random.randint(-2, 3, 2)))) for _ in range(steps)]
        return self.image.get_value(), np.array(found)


def _smoothed(maps: Any) -> Any:
    """Each map averaged with the binomial weights 1 2 1 in both directions."""
    n, channels = maps.shape[0], maps.shape[1]
    weights = np.outer([1, 2, 1], [1, 2, 1]).astype(maps.dtype)[None, None] / np.asarray(16, maps.dtype)
    alone = maps.reshape((n * channels, 1, *maps.shape[2:]))
    return T.nnet.conv2d(alone, weights, border_mode="half").reshape(maps.shape)
