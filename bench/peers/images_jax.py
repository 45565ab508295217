"""Networks of images in JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench import networks
from bench.peers.base import Runner, minibatches
from bench.workloads.images import ADAM
from bench.workloads.spec import Params, Workload


class JaxOps:
    """`bench.networks.Ops`."""

    def __init__(self, jax: Any, jnp: Any) -> None:
        self.jax, self.jnp = jax, jnp

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        return x.reshape(shape)

    def dot(self, x: Any, w: Any) -> Any:
        return x @ w

    def add(self, x: Any, b: Any) -> Any:
        return x + b

    def plus(self, x: Any, y: Any) -> Any:
        return x + y

    def conv(self, x: Any, w: Any, stride: int = 1, pad: int = 0) -> Any:
        return self.jax.lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2)

    def up(self, x: Any, w: Any) -> Any:
        turned = w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
        # 5 - 1 - 2 before, and one more behind, of images spread by 2.
        return self.jax.lax.conv_general_dilated(x, turned, (1, 1), [(2, 3)] * 2, lhs_dilation=(2, 2))

    def maxpool(self, x: Any) -> Any:
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).max(axis=(3, 5))

    def meanpool(self, x: Any) -> Any:
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))

    def norm(self, x: Any, shift: Any, scale: Any, mean: Any = None, variance: Any = None) -> Any:
        axes = tuple(a for a in range(x.ndim) if a != 1)
        like = (1, -1) + (1,) * (x.ndim - 2)
        if mean is None:
            mean, variance = x.mean(axes), x.var(axes)
        factor = scale * self.jax.lax.rsqrt(variance + networks.EPSILON)
        return (x - mean.reshape(like)) * factor.reshape(like) + shift.reshape(like)

    def means(self, x: Any) -> Any:
        return x.mean(axis=(2, 3))

    def concat(self, x: Any, hot: Any) -> Any:
        extra = hot.reshape(*hot.shape, *(1,) * (x.ndim - 2))
        maps = self.jnp.broadcast_to(extra, (*hot.shape, *x.shape[2:]))
        return self.jnp.concatenate([x, maps], axis=1)

    def join(self, x: Any, y: Any) -> Any:
        return self.jnp.concatenate([x, y], axis=1)

    def relu(self, x: Any) -> Any:
        return self.jax.nn.relu(x)

    def leaky(self, x: Any) -> Any:
        return self.jax.nn.leaky_relu(x, 0.2)

    def tanh(self, x: Any) -> Any:
        return self.jnp.tanh(x)

    def sigmoid(self, x: Any) -> Any:
        return self.jax.nn.sigmoid(x)


def predict(ops: JaxOps, workload: Workload, params: Params) -> Runner:
    """Probabilities."""
    jax = ops.jax
    weights = [jax.device_put(v) for k, v in params.items() if k.startswith("p")]
    network = networks.scores("predict", workload.sizes)
    forward = jax.jit(lambda x: jax.nn.softmax(network(ops, x, weights)))
    x = params["x"]
    out: Any = None

    def step() -> float:
        nonlocal out
        out = forward(x)
        out.block_until_ready()
        return 0.0

    step()
    return Runner(step, lambda: {"out": np.array(out)})


def dcgan(ops: JaxOps, workload: Workload, params: Params) -> Runner:
    """One update of each network in one jitted function, parameters and Adam's means donated."""
    jax, jnp = ops.jax, ops.jnp
    filters, size, order = workload.sizes["filters"], workload.sizes["batch"], minibatches(workload)
    data = [jax.device_put(params[k]) for k in ("x", "hot", "z")]
    g, d = ([jax.device_put(params[k]) for k in workload.trained if k[0] == who] for who in "gd")
    b1, b2, epsilon = ADAM["b1"], ADAM["b2"], ADAM["epsilon"]

    def told(d: Any, g: Any, x: Any, hot: Any, z: Any) -> Any:
        drawn = networks.generator(ops, z, hot, g, filters)
        real = networks.discriminator(ops, x.reshape(-1, 1, 28, 28), hot, d, filters)
        fake = networks.discriminator(ops, drawn, hot, d, filters)
        return jax.nn.softplus(-real).mean() + jax.nn.softplus(fake).mean()

    def fooled(g: Any, d: Any, hot: Any, z: Any) -> Any:
        drawn = networks.generator(ops, z, hot, g, filters)
        return jax.nn.softplus(-networks.discriminator(ops, drawn, hot, d, filters)).mean()

    def moved(weights: Any, grads: Any, means: Any, t: Any) -> tuple[Any, Any]:
        rate = workload.rate * jnp.sqrt(1 - b2**t) / (1 - b1**t)
        first = [b1 * m + (1 - b1) * x for (m, _), x in zip(means, grads, strict=True)]
        second = [b2 * v + (1 - b2) * x * x for (_, v), x in zip(means, grads, strict=True)]
        pairs = list(zip(first, second, strict=True))
        return [w - rate * m / (jnp.sqrt(v) + epsilon) for w, (m, v) in zip(weights, pairs, strict=True)], pairs

    def once(g: Any, d: Any, gm: Any, dm: Any, t: Any, data: Any, index: Any) -> Any:
        x, hot, z = (jax.lax.dynamic_slice_in_dim(v, index * size, size) for v in data)
        t = t + 1
        first, grads = jax.value_and_grad(told)(d, g, x, hot, z)
        d, dm = moved(d, grads, dm, t)
        second, grads = jax.value_and_grad(fooled)(g, d, hot, z)
        g, gm = moved(g, grads, gm, t)
        return g, d, gm, dm, t, first + second

    run = jax.jit(once, donate_argnums=(0, 1, 2, 3))
    means = [[(jnp.zeros_like(w), jnp.zeros_like(w)) for w in weights] for weights in (g, d)]
    state: Any = (g, d, *means, jnp.float32(0))

    def step() -> float:
        nonlocal state
        *state, loss = run(*state, data, np.int32(next(order)))
        jax.block_until_ready(state)
        return float(loss)

    return Runner(step, lambda: {k: np.array(v) for k, v in zip(workload.trained, state[0] + state[1], strict=True)})
