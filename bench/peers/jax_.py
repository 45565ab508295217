"""JAX: one jitted step with donated parameters."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import networks
from bench.peers import convolutions, images_jax, ops
from bench.peers.base import Peer, Runner, around, kernels_of, minibatches
from bench.peers.jax_loops import JaxLoops
from bench.workloads.spec import Params, Workload


class JaxPeer(Peer):
    """``jax.jit`` of the whole step; the minibatch is a dynamic slice of a device array."""

    name = "jax"
    package = "jax"
    remedy = "pip install jax jaxlib"
    last = False

    def load(self, threads: int) -> None:
        """Import JAX on the CPU; its threads were set by the environment of the worker."""
        self.jax: Any = importlib.import_module("jax")
        self.jnp: Any = importlib.import_module("jax.numpy")

    def version(self) -> str:
        """JAX's version."""
        return str(self.jax.__version__)

    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Implementation of each family."""
        return {
            "logreg": self._classifier,
            "mlp": self._classifier,
            "cbow": self._cbow,
            "chain": self._chain,
            "calls": self._calls,
            "op": self._op,
            "convolution": lambda w, p: convolutions.in_jax(self.jax, self.last, w, p),
            **dict.fromkeys(networks.CLASSIFIERS, self._classifier),
            "dcgan": lambda w, p: images_jax.dcgan(self._images(), w, p),
            "predict": lambda w, p: images_jax.predict(self._images(), w, p),
            **JaxLoops(self.jax, self.jnp).builders(),
        }

    def _images(self) -> images_jax.JaxOps:
        return images_jax.JaxOps(self.jax, self.jnp)

    def _op(self, workload: Workload, params: Params) -> Runner:
        f = self.jax.jit(ops.jax_ops(self.jax, self.jnp)[ops.op_name(workload)])
        given = [self.jax.device_put(params[k]) for k in ("x", "y", "v", "i")]
        return ops.runner(lambda: f(*given), lambda out: out.block_until_ready())

    def _loss(self, workload: Workload) -> Callable[[list[Any], Any, Any], Any]:
        jax, jnp = self.jax, self.jnp
        classes = workload.sizes["classes"]

        def logits(weights: list[Any], xb: Any) -> Any:
            if workload.family in networks.CLASSIFIERS:
                return networks.scores(workload.family, workload.sizes)(self._images(), xb, weights)
            if workload.family == "logreg":
                return xb @ weights[0] + weights[1]
            w1, b1, w2, b2 = weights
            return jnp.tanh(xb @ w1 + b1) @ w2 + b2

        def loss(weights: list[Any], xb: Any, yb: Any) -> Any:
            picked = jax.nn.log_softmax(logits(weights, xb)) * jax.nn.one_hot(yb, classes)
            return -jnp.mean(jnp.sum(picked, axis=1))

        return loss

    def _classifier(self, workload: Workload, params: Params) -> Runner:
        jax = self.jax
        x, y = jax.device_put(params["x"]), jax.device_put(params["y"])
        weights = [jax.device_put(params[k]) for k in workload.trained]
        size, rate, order = workload.sizes["batch"], workload.rate, minibatches(workload)
        loss_of = self._loss(workload)

        def once(values: list[Any], x: Any, y: Any, index: Any) -> tuple[list[Any], Any]:
            xb = jax.lax.dynamic_slice_in_dim(x, index * size, size)
            yb = jax.lax.dynamic_slice_in_dim(y, index * size, size)
            loss, grads = jax.value_and_grad(loss_of)(values, xb, yb)
            return [v - rate * g for v, g in zip(values, grads, strict=True)], loss

        run = jax.jit(once, donate_argnums=(0,))

        def step() -> float:
            nonlocal weights
            weights, loss = run(weights, x, y, np.int32(next(order)))
            jax.block_until_ready(weights)
            return float(loss)

        return Runner(
            step, lambda: {k: np.array(w) for k, w in zip(workload.trained, weights, strict=True)}
        )

    def _cbow(self, workload: Workload, params: Params) -> Runner:
        jax, jnp = self.jax, self.jnp
        text = jax.device_put(params["text"])
        weights = [jax.device_put(params[k]) for k in workload.trained]
        size, rate, order = workload.sizes["batch"], workload.rate, minibatches(workload)
        near, middle = np.array(around(workload)), workload.sizes["window"]

        def loss_of(rows: Any, u: Any, labels: Any) -> Any:
            logp = jax.nn.log_softmax(jnp.mean(rows, axis=1) @ u.T)
            return -jnp.mean(jnp.take_along_axis(logp, labels[:, None], axis=1))

        def once(values: list[Any], text: Any, index: Any) -> tuple[list[Any], Any]:
            at = index * size + jnp.arange(size)
            w, u = values
            context = text[at[:, None] + near]
            of = jax.value_and_grad(loss_of, argnums=(0, 1))
            # Of the rows, so that nothing of the table's size is made for its gradient.
            loss, (rows, whole) = of(w[context], u, text[at + middle])
            return [w.at[context].add(-rate * rows), u - rate * whole], loss

        run = jax.jit(once, donate_argnums=(0,))

        def step() -> float:
            nonlocal weights
            weights, loss = run(weights, text, np.int32(next(order)))
            jax.block_until_ready(weights)
            return float(loss)

        return Runner(
            step, lambda: {k: np.array(w) for k, w in zip(workload.trained, weights, strict=True)}
        )

    def _chain(self, workload: Workload, params: Params) -> Runner:
        jax, jnp = self.jax, self.jnp
        state, x = jax.device_put(params["s"]), jax.device_put(params["x"])

        def once(s: Any, x: Any) -> Any:
            u = 0.5 * s + x
            w = jnp.exp(-(u * u))
            return (jnp.tanh(u) * w + 0.25 * s) / (1.0 + w)

        run = jax.jit(once, donate_argnums=(0,))

        def step() -> float:
            nonlocal state
            state = run(state, x)
            state.block_until_ready()
            return 0.0

        return Runner(step, lambda: {"s": np.array(state)})

    def _calls(self, workload: Workload, params: Params) -> Runner:
        jax, jnp = self.jax, self.jnp
        row = jax.device_put(params["h"])
        layers = [jax.device_put(params["stack"][k]) for k in kernels_of(workload)]

        def forward(h: Any) -> Any:
            for weight in layers:
                h = jnp.tanh(h @ weight)
            return h

        run = jax.jit(forward)
        out = run(row)

        def step() -> float:
            nonlocal out
            out = run(row)
            out.block_until_ready()
            return 0.0

        return Runner(step, lambda: {"out": np.array(out)})


class JaxLastPeer(JaxPeer):
    """JAX whose images lie with channels last; for single convolutions."""

    name = "jax-last"
    usual = False
    last = True
