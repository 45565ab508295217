"""Networks of images in PyTorch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import networks
from bench.peers.base import Runner, minibatches
from bench.workloads.images import ADAM
from bench.workloads.spec import Params, Workload


class TorchOps:
    """`bench.networks.Ops`; `last`: images are kept with channels last."""

    def __init__(self, torch: Any, last: bool = False) -> None:
        self.torch, self.last, self.f = torch, last, torch.nn.functional

    def stored(self, array: Any) -> Any:
        """A parameter in the layout of images."""
        value = self.torch.from_numpy(array).clone()
        return value.to(memory_format=self.torch.channels_last) if self.last and value.ndim == 4 else value

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        x = x.reshape(shape)
        return x.contiguous(memory_format=self.torch.channels_last) if self.last and x.ndim == 4 else x

    def dot(self, x: Any, w: Any) -> Any:
        return x @ w

    def add(self, x: Any, b: Any) -> Any:
        return x + b

    def plus(self, x: Any, y: Any) -> Any:
        return x + y

    def conv(self, x: Any, w: Any, stride: int = 1, pad: int = 0) -> Any:
        return self.f.conv2d(x, w, stride=stride, padding=pad)

    def up(self, x: Any, w: Any) -> Any:
        return self.f.conv_transpose2d(x, w, stride=2, padding=2, output_padding=1)

    def maxpool(self, x: Any) -> Any:
        return self.f.max_pool2d(x, 2)

    def meanpool(self, x: Any) -> Any:
        return self.f.avg_pool2d(x, 2)

    def norm(self, x: Any, shift: Any, scale: Any, mean: Any = None, variance: Any = None) -> Any:
        return self.f.batch_norm(x, mean, variance, scale, shift, training=mean is None, eps=networks.EPSILON)

    def means(self, x: Any) -> Any:
        return x.mean((2, 3))

    def concat(self, x: Any, hot: Any) -> Any:
        maps = hot if x.ndim == 2 else hot[:, :, None, None].expand(-1, -1, *x.shape[2:])
        return self.torch.cat([x, maps], 1)

    def join(self, x: Any, y: Any) -> Any:
        return self.torch.cat([x, y], 1)

    def relu(self, x: Any) -> Any:
        return self.f.relu(x)

    def leaky(self, x: Any) -> Any:
        return self.f.leaky_relu(x, 0.2)

    def tanh(self, x: Any) -> Any:
        return self.torch.tanh(x)

    def sigmoid(self, x: Any) -> Any:
        return self.torch.sigmoid(x)


def predict(ops: TorchOps, finish: Callable[[Any], Any], workload: Workload, params: Params) -> Runner:
    """Probabilities, without a tape."""
    torch = ops.torch
    x = torch.from_numpy(params["x"])
    weights = [ops.stored(v) for k, v in params.items() if k.startswith("p")]
    network = networks.scores("predict", workload.sizes)
    forward = finish(lambda x: torch.softmax(network(ops, x, weights), 1))
    out: Any = None

    def step() -> float:
        nonlocal out
        with torch.inference_mode():
            out = forward(x)
        return 0.0

    step()
    return Runner(step, lambda: {"out": out.numpy().copy()})


def dcgan(ops: TorchOps, finish: Callable[[Any], Any], workload: Workload, params: Params) -> Runner:
    """One update of each network; the optimiser is torch's own, in its fused form."""
    torch, filters, size = ops.torch, workload.sizes["filters"], workload.sizes["batch"]
    data = [torch.from_numpy(params[k]) for k in ("x", "hot", "z")]
    named = {k: ops.stored(params[k]).requires_grad_() for k in workload.trained}
    g, d = ([v for k, v in named.items() if k[0] == who] for who in "gd")
    adam = [torch.optim.Adam(w, workload.rate, (ADAM["b1"], ADAM["b2"]), fused=True) for w in (d, g)]
    steps = itertools.count(1)
    softplus, order = torch.nn.functional.softplus, minibatches(workload)

    def judged(images: Any, hot: Any) -> Any:
        return networks.discriminator(ops, images, hot, d, filters)

    def told(x: Any, hot: Any, z: Any) -> Any:
        with torch.no_grad():
            drawn = networks.generator(ops, z, hot, g, filters)
        images = ops.reshape(x, (-1, 1, 28, 28))
        return softplus(-judged(images, hot)).mean() + softplus(judged(drawn, hot)).mean()

    def fooled(hot: Any, z: Any) -> Any:
        return softplus(-judged(networks.generator(ops, z, hot, g, filters), hot)).mean()

    told, fooled = finish(told), finish(fooled)

    def updated(cost: Any, weights: list[Any], rule: Any, epsilon: float) -> float:
        for weight, grad in zip(weights, torch.autograd.grad(cost, weights), strict=True):
            # The fused rule reads both as they lie, and compiled gradients of filters lie with channels last.
            weight.grad = grad if grad.stride() == weight.stride() else torch.empty_like(weight).copy_(grad)
        rule.param_groups[0]["eps"] = epsilon
        rule.step()
        return float(cost.detach())

    def step() -> float:
        at = next(order) * size
        x, hot, z = (v[at : at + size] for v in data)
        # Its epsilon is added to the corrected root.
        epsilon = ADAM["epsilon"] / math.sqrt(1 - ADAM["b2"] ** next(steps))
        loss = updated(told(x, hot, z), d, adam[0], epsilon)
        return loss + updated(fooled(hot, z), g, adam[1], epsilon)

    return Runner(step, lambda: {k: np.ascontiguousarray(v.detach().numpy()) for k, v in named.items()})
