"""The recurrent workloads in JAX: `lax.scan`, one jitted step with donated parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.peers import cells
from bench.peers.base import Runner, minibatches
from bench.workloads.spec import Params, Workload


class JaxOps:
    """`cells.Ops` of JAX."""

    def __init__(self, jax: Any, jnp: Any) -> None:
        self.jnp = jnp
        self.dot, self.tanh, self.sigmoid, self.outer = jnp.matmul, jnp.tanh, jax.nn.sigmoid, jnp.outer
        self.softplus, self.softmax, self.concatenate = jax.nn.softplus, jax.nn.softmax, jnp.concatenate

    def norms(self, x: Any) -> Any:
        """The root of the sum of squares along the last axis, which is never quite 0."""
        return self.jnp.sqrt((x * x).sum(axis=-1) + cells.TINY)


class JaxLoops:
    """Builders of the recurrent workloads."""

    def __init__(self, jax: Any, jnp: Any) -> None:
        self.jax, self.jnp, self.o = jax, jnp, JaxOps(jax, jnp)

    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Implementation of each family."""
        return {
            "char_lstm": self._char_lstm,
            "lstm": self._lstm,
            "stacked_lstm": self._stacked_lstm,
            "rhn": self._rhn,
            "rbm": self._rbm,
            "ntm": self._ntm,
        }

    def _runner(self, workload: Workload, params: Params, data: Any, loss_of: Callable[..., Any]) -> Runner:
        """Steps of gradient descent; `loss_of(weights, data, index)`."""
        jax, rate = self.jax, workload.rate
        weights = {k: jax.device_put(params[k]) for k in workload.trained}

        def once(p: Any, data: Any, index: Any) -> Any:
            loss, grads = jax.value_and_grad(loss_of)(p, data, index)
            return {k: v - rate * grads[k] for k, v in p.items()}, loss

        return self._steps(workload, weights, jax.device_put(data), once)

    def _steps(self, workload: Workload, weights: Any, data: Any, once: Callable[..., Any]) -> Runner:
        jax, order = self.jax, minibatches(workload)
        run = jax.jit(once, donate_argnums=(0,))

        def step() -> float:
            nonlocal weights
            weights, loss = run(weights, data, np.int32(next(order)))
            jax.block_until_ready(weights)
            return float(loss)

        return Runner(step, lambda: {k: np.array(w) for k, w in weights.items()})

    def _piece(self, workload: Workload, text: Any, index: Any) -> tuple[Any, Any]:
        s = workload.sizes["steps"]
        piece = self.jax.lax.dynamic_slice_in_dim(text, index * s, s + 1)
        return piece[:-1], piece[1:]

    def _cross_entropy(self, scores: Any, y: Any) -> Any:
        logs = self.jax.nn.log_softmax(scores)
        return -self.jnp.mean(self.jnp.take_along_axis(logs, y.reshape(-1, 1), axis=1))

    def _char_lstm(self, workload: Workload, params: Params) -> Runner:
        n = workload.sizes["hidden"]

        def loss_of(p: Any, text: Any, index: Any) -> Any:
            x, y = self._piece(workload, text, index)

            def step(states: Any, x: Any) -> Any:
                h, c = cells.peephole(self.o, p, n, x, *states)
                return (h, c), h

            zero = self.jnp.zeros(n)
            _, hs = self.jax.lax.scan(step, (zero, zero), x)
            return self._cross_entropy(hs @ p["Wy"] + p["by"], y)

        return self._runner(workload, params, params["text"], loss_of)

    def _layers(self, workload: Workload, p: Any, x: Any, batch: int) -> Any:
        n = workload.sizes["hidden"]
        zero = self.jnp.zeros((batch, n))
        for k in range(workload.sizes["layers"]):

            def step(states: Any, x: Any, k: int = k) -> Any:
                h, c = cells.lstm(self.o, p[f"R{k}"], n, x, *states)
                return (h, c), h

            _, x = self.jax.lax.scan(step, (zero, zero), x @ p[f"W{k}"] + p[f"b{k}"])
        return x

    def _lstm(self, workload: Workload, params: Params) -> Runner:
        def loss_of(p: Any, data: Any, _: Any) -> Any:
            x, y = data
            return self.jnp.mean((self._layers(workload, p, x, workload.sizes["batch"]) - y) ** 2)

        return self._runner(workload, params, (params["x"], params["y"]), loss_of)

    def _of_words(self, workload: Workload, p: Any, hs: Any, y: Any) -> Any:
        return self._cross_entropy(hs.reshape(-1, workload.sizes["hidden"]) @ p["words"].T + p["by"], y)

    def _stacked_lstm(self, workload: Workload, params: Params) -> Runner:
        def loss_of(p: Any, text: Any, index: Any) -> Any:
            x, y = self._piece(workload, text, index)
            return self._of_words(workload, p, self._layers(workload, p, p["words"][x], workload.sizes["rows"]), y)

        return self._runner(workload, params, params["text"], loss_of)

    def _rhn(self, workload: Workload, params: Params) -> Runner:
        n, depth = workload.sizes["hidden"], workload.sizes["depth"]

        def loss_of(p: Any, text: Any, index: Any) -> Any:
            x, y = self._piece(workload, text, index)

            def step(s: Any, x: Any) -> Any:
                s = cells.highway(self.o, p, n, depth, x, s)
                return s, s

            _, hs = self.jax.lax.scan(step, self.jnp.zeros((workload.sizes["rows"], n)), p["words"][x] @ p["W"])
            return self._of_words(workload, p, hs, y)

        return self._runner(workload, params, params["text"], loss_of)

    def _ntm(self, workload: Workload, params: Params) -> Runner:
        rows, width, steps = (workload.sizes[k] for k in ("rows", "width", "steps"))

        def loss_of(p: Any, data: Any, index: Any) -> Any:
            def step(states: Any, x: Any) -> Any:
                *states, scores = cells.turing(self.o, p, x, *states)
                return tuple(states), scores

            start = (p["M"], self.jnp.eye(1, rows)[0], self.jnp.zeros(width))
            _, scores = self.jax.lax.scan(step, start, data[0][index])
            late, y = scores[steps // 2 :], data[1][index]
            return self.jnp.mean(self.o.softplus(late) - y * late)

        return self._runner(workload, params, (params["x"], params["y"]), loss_of)

    def _rbm(self, workload: Workload, params: Params) -> Runner:
        jax, jnp = self.jax, self.jnp
        size, rate = workload.sizes["batch"], workload.rate
        machine = {k: jax.device_put(params[k]) for k in workload.trained}
        data = tuple(jax.device_put(params[k]) for k in ("x", "u", "w"))

        def energy(weights: Any, v: Any) -> Any:
            W, b, c = weights
            return jnp.mean(-(v @ b) - jnp.sum(self.o.softplus(v @ W + c), axis=1))

        def once(p: Any, data: Any, index: Any) -> Any:
            images, u, w = data
            W, b, c = weights = p["W"], p["b"], p["c"]
            x = jax.lax.dynamic_slice_in_dim(images, index * size, size)

            def step(state: Any, numbers: Any) -> Any:
                h, _ = state
                v = (numbers[0] < jax.nn.sigmoid(h @ W.T + b)).astype(np.float32)
                return ((numbers[1] < jax.nn.sigmoid(v @ W + c)).astype(np.float32), v), None

            (h, v), _ = jax.lax.scan(step, (p["h"], x), (u, w))

            def cost(weights: Any) -> Any:
                loss = energy(weights, x)
                return loss - energy(weights, v), loss

            grads, loss = jax.grad(cost, has_aux=True)(weights)
            new = [a - rate * g for a, g in zip(weights, grads, strict=True)]
            return {"W": new[0], "b": new[1], "c": new[2], "h": h}, loss

        return self._steps(workload, machine, data, once)
