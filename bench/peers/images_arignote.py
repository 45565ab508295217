"""Networks of images in Arignote."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import networks
from bench.peers.base import Runner, minibatches
from bench.workloads.images import ADAM
from bench.workloads.spec import Params, Workload


class ArignoteOps:
    """`bench.networks.Ops`."""

    def __init__(self, tensor: Any) -> None:
        self.t = tensor

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x.reshape((x.shape[0], *shape[1:])) if x.ndim == 2 and len(shape) == 4 else x.reshape(shape)

    def dot(self, x: Any, w: Any) -> Any:
        return self.t.dot(x, w)

    def add(self, x: Any, b: Any) -> Any:
        return x + b

    def plus(self, x: Any, y: Any) -> Any:
        return x + y

    def conv(self, x: Any, w: Any, stride: int = 1, pad: int = 0) -> Any:
        return self.t.nnet.conv2d(x, w, border_mode=pad, subsample=(stride, stride), filter_flip=False)

    def up(self, x: Any, w: Any) -> Any:
        from arignote.frontends.tensor.nnet.abstract_conv import conv2d_grad_wrt_inputs

        sizes = (None, int(w.type.shape[1]), 2 * x.shape[2], 2 * x.shape[3])
        return conv2d_grad_wrt_inputs(x, w, sizes, border_mode=2, subsample=(2, 2), filter_flip=False)

    def maxpool(self, x: Any) -> Any:
        from arignote.frontends.tensor.signal.pool import pool_2d

        return pool_2d(x, (2, 2), ignore_border=True)

    def meanpool(self, x: Any) -> Any:
        from arignote.frontends.tensor.signal.pool import pool_2d

        return pool_2d(x, (2, 2), ignore_border=True, mode="average_inc_pad")

    def norm(self, x: Any, shift: Any, scale: Any, mean: Any = None, variance: Any = None) -> Any:
        t, axes = self.t, [a for a in range(x.ndim) if a != 1]
        pattern = ["x", 0] + ["x"] * (x.ndim - 2)
        if mean is None:
            mean, variance = t.mean(x, axis=axes), t.var(x, axis=axes)
        factor = scale / t.sqrt(variance + np.float32(networks.EPSILON))
        return (x - mean.dimshuffle(pattern)) * factor.dimshuffle(pattern) + shift.dimshuffle(pattern)

    def means(self, x: Any) -> Any:
        return self.t.mean(x, axis=(2, 3))

    def concat(self, x: Any, hot: Any) -> Any:
        if x.ndim == 4:
            hot = hot.dimshuffle(0, 1, "x", "x") * self.t.ones((1, 1, x.shape[2], x.shape[3]), "float32")
        return self.t.concatenate([x, hot], axis=1)

    def join(self, x: Any, y: Any) -> Any:
        return self.t.concatenate([x, y], axis=1)

    def relu(self, x: Any) -> Any:
        return self.t.nnet.relu(x)

    def leaky(self, x: Any) -> Any:
        return self.t.nnet.relu(x, np.float32(0.2))

    def tanh(self, x: Any) -> Any:
        return self.t.tanh(x)

    def sigmoid(self, x: Any) -> Any:
        return self.t.nnet.sigmoid(x)


def fixed(peer: Any, params: Params, names: tuple[str, ...]) -> list[Any]:
    """Parameters whose sizes never change."""
    return [peer.lib.shared(params[k], name=k, shape=params[k].shape) for k in names]


def predict(peer: Any, workload: Workload, params: Params) -> Runner:
    """Probabilities."""
    t = peer.tensor
    weights = fixed(peer, params, tuple(k for k in params if k.startswith("p")))
    x = t.matrix("x", dtype="float32")
    scores = networks.scores("predict", workload.sizes)(ArignoteOps(t), x, weights)
    run, given = peer.function([x], peer.softmax(scores)), params["x"]
    out: Any = run(given)

    def step() -> float:
        nonlocal out
        out = run(given)
        return 0.0

    return Runner(step, lambda: {"out": np.array(out)})


def dcgan(peer: Any, workload: Workload, params: Params) -> Runner:
    """A function for the update of each network."""
    t, ops = peer.tensor, ArignoteOps(peer.tensor)
    filters, size, order = workload.sizes["filters"], workload.sizes["batch"], minibatches(workload)
    resident = [peer.shared(params[k], k) for k in ("x", "hot", "z")]
    g, d = (fixed(peer, params, tuple(k for k in workload.trained if k[0] == who)) for who in "gd")
    index, x, hot, z = t.lscalar("index"), *(t.matrix(k, dtype="float32") for k in ("x", "hot", "z"))
    rows = slice(index * size, (index + 1) * size)
    given = {v: r[rows] for v, r in zip((x, hot, z), resident, strict=True)}

    def judged(images: Any) -> Any:
        return networks.discriminator(ops, images, hot, d, filters)

    drawn = networks.generator(ops, z, hot, g, filters)
    constant = peer.lib.gradient.consider_constant(drawn)
    told = t.mean(t.nnet.softplus(-judged(ops.reshape(x, (-1, 1, 28, 28))))) + t.mean(t.nnet.softplus(judged(constant)))
    fooled = t.mean(t.nnet.softplus(-judged(drawn)))

    def function(cost: Any, weights: list[Any], inputs: tuple[Any, ...]) -> Any:
        rule = peer.lib.optim.adam(
            peer.grads(cost, weights), weights, workload.rate, ADAM["b1"], ADAM["b2"], ADAM["epsilon"]
        )
        return peer.function([index], cost, updates=rule, givens={v: given[v] for v in inputs})

    steps = function(told, d, (x, hot, z)), function(fooled, g, (hot, z))

    def step() -> float:
        at = next(order)
        return float(steps[0](at)) + float(steps[1](at))

    return Runner(step, lambda: {v.name: np.array(v.get_value()) for v in (*g, *d)})
