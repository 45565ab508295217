"""Workloads 3, 6, 7 and 11: LeNet, residual and dense networks and DCGAN, train steps and predictions.

The networks themselves are in `bench/networks.py`, written once for all peers.
"""

from __future__ import annotations

from functools import partial
from math import prod

import numpy as np

from bench.workloads.mnist import CLASSES, FLOAT, digits, mlp_arrays
from bench.workloads.spec import Array, Params, Workload

STAGES = 3  # of residual and dense networks
#: Of networks with more blocks than this, steps are compared to 1e-3. Rounding grows with depth: the third loss of
#: ResNet-110 (batch 16) is off its value in double precision by 1.7e-4 in NumPy, by 1.0e-4 in PyTorch and by 2.6e-4
#: here, while the first one agrees to 1e-7.
SHALLOW = 12
#: Of DCGAN, as Kingma and Ba write it last: epsilon is added to the root of the mean that is not corrected. With a
#: smaller one rounding would decide updates whose gradients are nearly nothing.
ADAM = {"b1": 0.5, "b2": 0.999, "epsilon": 1e-5}


def _glorot(rng: np.random.Generator, *shape: int) -> Array:
    high = np.sqrt(6.0 / (sum(shape[:2]) * prod(shape[2:])))
    return rng.uniform(-high, high, shape).astype(np.float32)


def _normal(rng: np.random.Generator, deviation: float, *shape: int) -> Array:
    return (rng.standard_normal(shape) * deviation).astype(np.float32)


def _named(arrays: list[Array]) -> Params:
    return {f"p{number:02d}": array for number, array in enumerate(arrays)}


# ---------------------------------------------------------------- parameters, in the order in which networks take them
def lenet_parameters(
    rng: np.random.Generator, side: int = 28, filters: tuple[int, int] = (20, 50), hidden: int = 500
) -> list[Array]:
    """Chapter 2's: two convolutions of 5x5 without biases, 500 tanh, 10."""
    first, second = filters
    flat = second * (((side - 4) // 2 - 4) // 2) ** 2
    return [
        _glorot(rng, first, 1, 5, 5), _glorot(rng, second, first, 5, 5),
        _glorot(rng, flat, hidden), np.zeros(hidden, np.float32),
        _normal(rng, 0.01, hidden, CLASSES), np.zeros(CLASSES, np.float32),
    ]  # fmt: skip


def resnet_parameters(rng: np.random.Generator, n: int, filters: int) -> list[Array]:
    """Pre-activation, 6 n + 2 layers: filters, and (shift, scale) of every normalisation."""
    found: list[Array] = []

    def conv(k: int, c: int, window: int) -> None:
        found.append(_normal(rng, np.sqrt(2.0 / (c * window**2)), k, c, window, window))

    def norm(c: int) -> None:
        found.extend(_norms(rng, c))

    conv(filters, 3, 3)
    c = filters
    for stage in range(STAGES):
        for block in range(n):
            k = filters * 2**stage
            norm(c)
            conv(k, c, 3)
            norm(k)
            conv(k, k, 3)
            if stage and not block:
                conv(k, c, 1)
            c = k
    norm(c)
    found += [_normal(rng, np.sqrt(1.0 / c), c, CLASSES), np.zeros(CLASSES, np.float32)]
    return found


def densenet_parameters(rng: np.random.Generator, layers: int, growth: int, filters: int) -> list[Array]:
    """3 layers + 4 with weights: filters, and (shift, scale) of every normalisation; a convolution of 1x1 between two
    blocks keeps the number of maps."""
    found: list[Array] = []

    def conv(k: int, c: int, window: int) -> None:
        found.append(_normal(rng, np.sqrt(2.0 / (c * window**2)), k, c, window, window))

    conv(filters, 3, 3)
    c = filters
    for block in range(STAGES):
        if block:
            found.extend(_norms(rng, c))
            conv(c, c, 1)
        for _ in range(layers):
            found.extend(_norms(rng, c))
            conv(growth, c, 3)
            c += growth
    found.extend(_norms(rng, c))
    return [*found, _normal(rng, np.sqrt(1.0 / c), c, CLASSES), np.zeros(CLASSES, np.float32)]


def generator_parameters(rng: np.random.Generator, noise: int, units: int, filters: int, size: int) -> list[Array]:
    """Two dense layers with normalisation, a transposed convolution with it, one without."""
    maps = 2 * filters
    small = partial(_normal, rng, 0.02)
    return [
        small(noise + CLASSES, units), *_norms(rng, units),
        small(units + CLASSES, maps * size**2), *_norms(rng, maps * size**2),
        small(maps + CLASSES, filters, 5, 5), *_norms(rng, filters), small(filters + CLASSES, 1, 5, 5),
    ]  # fmt: skip


def discriminator_parameters(rng: np.random.Generator, units: int, filters: int, size: int) -> list[Array]:
    """Two strided convolutions, the second with normalisation; a dense layer with it, and one without."""
    maps = 2 * filters
    small = partial(_normal, rng, 0.02)
    return [
        small(filters, 1 + CLASSES, 5, 5), small(maps, filters + CLASSES, 5, 5), *_norms(rng, maps),
        small(maps * size**2 + CLASSES, units), *_norms(rng, units), small(units + CLASSES, 1),
    ]  # fmt: skip


def _norms(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """A shift and a scale. Shifts of 0 would be nothing but rounding after a few steps: their gradients cancel."""
    return _normal(rng, 0.1, n), np.ones(n, np.float32)


# ---------------------------------------------------------------- data
def lenet_arrays(rng: np.random.Generator, examples: int, filters: tuple[int, int], hidden: int) -> Params:
    """Data of MNIST's shape, and a network."""
    return {**digits(rng, examples), **_named(lenet_parameters(rng, 28, filters, hidden))}


def resnet_arrays(rng: np.random.Generator, examples: int, n: int, filters: int, size: int) -> Params:
    """Colour images of noise with labels, and a network."""
    return {**_noise(rng, examples, size), **_named(resnet_parameters(rng, n, filters))}


def densenet_arrays(
    rng: np.random.Generator, examples: int, layers: int, growth: int, filters: int, size: int
) -> Params:
    """The same for a dense network."""
    return {**_noise(rng, examples, size), **_named(densenet_parameters(rng, layers, growth, filters))}


def _noise(rng: np.random.Generator, examples: int, size: int) -> Params:
    x = rng.standard_normal((examples, 3 * size * size), dtype=np.float32)
    return {"x": x, "y": rng.integers(0, CLASSES, examples).astype(np.int32)}


def dcgan_arrays(rng: np.random.Generator, examples: int, noise: int, units: int, filters: int) -> Params:
    """Images, their classes as one of ten, noise, and both networks."""
    data = digits(rng, examples)
    hot = np.eye(CLASSES, dtype=np.float32)[data["y"]]
    z = rng.uniform(-1, 1, (examples, noise)).astype(np.float32)
    networks = generator_parameters(rng, noise, units, filters, 7), discriminator_parameters(rng, units, filters, 7)
    g, d = ({f"{who}{k}": v for k, v in _named(arrays).items()} for who, arrays in zip("gd", networks, strict=True))
    return {"x": data["x"], "hot": hot, "z": z, **g, **d}


# ---------------------------------------------------------------- workloads
def _flops(sizes: list[tuple[int, int, int, int]], batch: int) -> float:
    """Of (filters, channels, window, rows of the result) with both gradients, but of the first only that of filters."""
    each = [2.0 * batch * k * c * w * w * rows * rows for k, c, w, rows in sizes]
    return 3 * sum(each) - each[0]


def _trained(maker: partial[Params], pick: str = "p") -> tuple[str, ...]:
    arrays = maker(np.random.default_rng(0))
    return tuple(k for k in arrays if k[0] in pick and k[-1].isdigit())


def lenet(
    batch: int, examples: int = 6000, filters: tuple[int, int] = (20, 50), hidden: int = 500, name: str | None = None
) -> Workload:
    """Workload 3."""
    maker = partial(lenet_arrays, examples=examples, filters=filters, hidden=hidden)
    a, b = filters
    layers = [(a, 1, 5, 24), (b, a, 5, 8), (hidden, b * 16, 1, 1), (CLASSES, hidden, 1, 1)]
    return Workload(
        name=name or f"lenet-{batch}",
        title=f"LeNet {a}-{b}-{hidden}, batch {batch}",
        family="lenet",
        sizes={"batch": batch, "examples": examples, "classes": CLASSES},
        maker=maker,
        trained=_trained(partial(maker, examples=1)),
        flops=_flops(layers, batch),
        streamed=float(FLOAT * batch * 784),
        rate=0.1,
    )


def resnet(
    batch: int = 64, n: int = 3, filters: int = 16, size: int = 32, examples: int = 640, name: str | None = None
) -> Workload:
    """Workload 6: 6 n + 2 layers, gradient descent; statistics of batches only."""
    maker = partial(resnet_arrays, examples=examples, n=n, filters=filters, size=size)
    layers, c = [(filters, 3, 3, size)], filters
    for stage in range(STAGES):
        k, rows = filters * 2**stage, size // 2**stage
        layers += [(k, c, 3, rows), *[(k, k, 3, rows)] * (2 * n - 1)] + ([(k, c, 1, rows)] if stage else [])
        c = k
    return Workload(
        name=name or f"resnet-{6 * n + 2}",
        title=f"ResNet-{6 * n + 2}, {batch}x3x{size}x{size}",
        family="resnet",
        sizes={"batch": batch, "examples": examples, "classes": CLASSES, "n": n, "size": size},
        maker=maker,
        trained=_trained(partial(maker, examples=1)),
        flops=_flops(layers, batch),
        streamed=float(FLOAT * batch * 3 * size * size),
        rate=0.01,
        tolerance=1e-4 if STAGES * n <= SHALLOW else 1e-3,
    )


def densenet(
    batch: int = 64, layers: int = 12, growth: int = 12, filters: int = 16, size: int = 32, examples: int = 640,
    name: str | None = None,
) -> Workload:  # fmt: skip
    """Workload 7: 3 layers + 4 layers with weights, without bottlenecks; gradient descent; statistics of batches."""
    maker = partial(
        densenet_arrays, examples=examples, layers=layers, growth=growth, filters=filters, size=size
    )
    convolutions, c = [(filters, 3, 3, size)], filters
    for block in range(STAGES):
        # What is between two blocks works on the size of the block before.
        convolutions += [(c, c, 1, size // 2 ** (block - 1))] if block else []
        convolutions += [(growth, c + k * growth, 3, size // 2**block) for k in range(layers)]
        c += layers * growth
    depth = 3 * layers + 4
    return Workload(
        name=name or f"densenet-{depth}",
        title=f"DenseNet-{depth}, {batch}x3x{size}x{size}",
        family="densenet",
        sizes={"batch": batch, "examples": examples, "classes": CLASSES, "layers": layers, "size": size},
        maker=maker,
        trained=_trained(partial(maker, examples=1)),
        flops=_flops(convolutions, batch),
        streamed=float(FLOAT * batch * 3 * size * size),
        rate=0.01,
    )


def dcgan(
    batch: int = 128, noise: int = 100, units: int = 1024, filters: int = 64, examples: int = 1280,
    name: str = "dcgan",
) -> Workload:  # fmt: skip
    """Workload 11: an update of the discriminator and one of the generator, both by Adam."""
    maker = partial(dcgan_arrays, examples=examples, noise=noise, units=units, filters=filters)
    maps, flat = 2 * filters, 98 * filters
    draw = [
        (units, noise + CLASSES, 1, 1), (flat, units + CLASSES, 1, 1), (filters, maps + CLASSES, 5, 7),
        (1, filters + CLASSES, 5, 14),
    ]  # fmt: skip
    judge = [
        (filters, 1 + CLASSES, 5, 14), (maps, filters + CLASSES, 5, 7), (units, flat + CLASSES, 1, 1),
        (1, units + CLASSES, 1, 1),
    ]  # fmt: skip
    forward = [sum(2.0 * batch * k * c * w * w * r * r for k, c, w, r in layers) for layers in (draw, judge)]
    # Draw once for the discriminator, judge both halves with gradients; draw and judge with gradients through both,
    # but not of the discriminator's parameters.
    return Workload(
        name=name,
        title=f"DCGAN {noise}-{units}-{filters}, batch {batch}",
        family="dcgan",
        sizes={"batch": batch, "examples": examples, "noise": noise, "filters": filters},
        maker=maker,
        trained=_trained(partial(maker, examples=1), "gd"),
        flops=forward[0] * (1 + 3) + forward[1] * (2 * 3 + 2),
        rate=2e-4,
    )


def predict_arrays(rng: np.random.Generator, network: str, batch: int) -> Params:
    """A batch of images, and a network."""
    if network == "mlp":
        arrays = mlp_arrays(rng, 500, batch)
        parameters = [arrays[k] for k in ("W1", "b1")] + [_normal(rng, 0.01, 500, CLASSES), arrays["b2"]]
        x = arrays["x"]
    elif network == "lenet":
        x, parameters = digits(rng, batch)["x"], lenet_parameters(rng)
    else:
        x = rng.standard_normal((batch, 3072), dtype=np.float32)
        parameters = [v for k, v in resnet_arrays(rng, 1, 3, 16, 32).items() if k not in ("x", "y")]
        # What normalisations have seen: a mean and a variance behind each (shift, scale).
        parameters = _with_statistics(rng, parameters)
    return {"x": x, **_named(parameters), "out": np.zeros((batch, CLASSES), np.float32)}


def _with_statistics(rng: np.random.Generator, parameters: list[Array]) -> list[Array]:
    found: list[Array] = []
    left = iter(parameters[:-2])
    for array in left:
        found.append(array)
        if array.ndim == 1:
            scale = next(left)
            mean = _normal(rng, 0.1, len(array))
            found += [scale, mean, rng.uniform(0.5, 1.5, len(array)).astype(np.float32)]
    return found + parameters[-2:]


def predict(network: str, batch: int) -> Workload:
    """Probabilities of a batch that is given with every call."""
    maker = partial(predict_arrays, network=network, batch=batch)
    step = {"mlp": 2.0 * 500 * 794, "lenet": lenet(600).flops / 600 / 3, "resnet": resnet().flops / 64 / 3}[network]
    label = {"mlp": "MLP", "lenet": "LeNet", "resnet": "ResNet-20"}[network]
    return Workload(
        name=f"predict-{network}-{batch}",
        title=f"predict {label}, batch {batch}",
        family="predict",
        sizes={"batch": batch, "kind": ("mlp", "lenet", "resnet").index(network), "n": 3, "size": 32},
        maker=maker,
        trained=("out",),
        flops=step * batch,
        has_loss=False,
    )
