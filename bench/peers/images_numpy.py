"""Networks of images in NumPy, by the tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import networks
from bench.peers.base import Runner, minibatches
from bench.peers.tape import Node, NumpyOps, gradients
from bench.workloads.images import ADAM
from bench.workloads.spec import Array, Params, Workload

OPS = NumpyOps()


def classifier(workload: Workload, params: Params, softmax_loss: Any) -> Runner:
    """Gradient descent."""
    x, y = params["x"], params["y"]
    weights = [Node(params[k]) for k in workload.trained]
    network, rate = networks.scores(workload.family, workload.sizes), np.float32(workload.rate)
    size, order = workload.sizes["batch"], minibatches(workload)

    def step() -> float:
        at = next(order) * size
        scores = network(OPS, Node(x[at : at + size]), weights)
        loss, grad = softmax_loss(scores.value.copy(), y[at : at + size])
        for weight, g in zip(weights, gradients([(scores, grad)], weights), strict=True):
            weight.value -= rate * g
        return float(loss)

    return Runner(step, lambda: {k: w.value.copy() for k, w in zip(workload.trained, weights, strict=True)})


def predict(workload: Workload, params: Params) -> Runner:
    """Probabilities."""
    network, x = networks.scores("predict", workload.sizes), Node(params["x"])
    weights = [Node(v) for k, v in params.items() if k.startswith("p")]
    out = params["out"]

    def step() -> float:
        nonlocal out
        scores = network(OPS, x, weights).value
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        out = scores / scores.sum(axis=1, keepdims=True)
        return 0.0

    step()
    return Runner(step, lambda: {"out": out.copy()})


def dcgan(workload: Workload, params: Params) -> Runner:
    """One update of each network."""
    filters, size, order = workload.sizes["filters"], workload.sizes["batch"], minibatches(workload)
    g, d = ([Node(params[k]) for k in workload.trained if k[0] == who] for who in "gd")
    rules = Adam(d, workload.rate), Adam(g, workload.rate)

    def judged(images: Node, hot: Node) -> Node:
        return networks.discriminator(OPS, images, hot, d, filters)  # type: ignore[no-any-return]

    def step() -> float:
        at = next(order) * size
        x, hot, z = (Node(params[k][at : at + size]) for k in ("x", "hot", "z"))
        drawn = networks.generator(OPS, z, hot, g, filters)
        real, fake = judged(OPS.reshape(x, (-1, 1, 28, 28)), hot), judged(Node(drawn.value), hot)
        loss = softplus(-real.value).mean() + softplus(fake.value).mean()
        grads = [(real, -logistic(-real.value) / len(x.value)), (fake, logistic(fake.value) / len(x.value))]
        rules[0].step(gradients(grads, d))
        fake = judged(drawn, hot)
        loss += softplus(-fake.value).mean()
        rules[1].step(gradients([(fake, -logistic(-fake.value) / len(x.value))], g))
        return float(loss)

    return Runner(step, lambda: {k: w.value.copy() for k, w in zip(workload.trained, (*g, *d), strict=True)})


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    found: Array = np.logaddexp(x, np.float32(0))
    return found


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    found: Array = 1 / (1 + np.exp(-x))
    return found


class Adam:
    """D. Kingma, J. Ba, "Adam", 2014, with the numbers of the workload."""

    def __init__(self, weights: list[Node], rate: float) -> None:
        self.weights, self.rate, self.t = weights, rate, 0
        self.means = [(np.zeros_like(w.value), np.zeros_like(w.value)) for w in weights]

    def step(self, grads: list[Array]) -> None:
        """One update in place."""
        self.t += 1
        b1, b2 = np.float32(ADAM["b1"]), np.float32(ADAM["b2"])
        rate = np.float32(self.rate * np.sqrt(1 - ADAM["b2"] ** self.t) / (1 - ADAM["b1"] ** self.t))
        for weight, grad, (m, v) in zip(self.weights, grads, self.means, strict=True):
            m += (1 - b1) * (grad - m)
            v += (1 - b2) * (grad * grad - v)
            weight.value -= rate * m / (np.sqrt(v) + np.float32(ADAM["epsilon"]))
