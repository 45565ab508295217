"""NumPy, gradients by hand: the reference that every other peer must agree with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench import networks
from bench.peers import convolutions, images_numpy, ops
from bench.peers.base import Peer, Runner, around, kernels_of, minibatches
from bench.workloads.loops import rbm_update, sigmoid
from bench.workloads.spec import Array, Params, Workload


def softmax_loss(logits: Array, labels: Array) -> tuple[float, Array]:
    """Mean negative log-likelihood of ``labels`` and its gradient; ``logits`` is overwritten."""
    rows = np.arange(len(labels))
    logits -= logits.max(axis=1, keepdims=True)
    picked = logits[rows, labels]
    np.exp(logits, out=logits)
    total = logits.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(total[:, 0]) - picked))
    logits /= total
    logits[rows, labels] -= np.float32(1)
    logits /= np.float32(len(labels))
    return loss, logits


def chain(s: Array, x: Array) -> Array:
    """One step of the elementwise chain."""
    u = np.float32(0.5) * s + x
    v = np.tanh(u)
    w = np.exp(-(u * u))
    result: Array = (v * w + np.float32(0.25) * s) / (np.float32(1) + w)
    return result


class NumpyPeer(Peer):
    """NumPy with updates in place."""

    name = "numpy"
    package = "numpy"
    remedy = "pip install numpy"

    def load(self, threads: int) -> None:
        """NumPy reads its thread count from the environment that the worker was started with."""

    def version(self) -> str:
        """NumPy's version."""
        return np.__version__

    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Implementation of each family."""
        return {
            "logreg": self._logreg,
            "mlp": self._mlp,
            "cbow": self._cbow,
            "chain": self._chain,
            "calls": self._calls,
            "op": self._op,
            "convolution": convolutions.in_numpy,
            **dict.fromkeys(
                networks.CLASSIFIERS, lambda w, p: images_numpy.classifier(w, p, softmax_loss)
            ),
            "dcgan": images_numpy.dcgan,
            "predict": images_numpy.predict,
            "rbm": self._rbm,
        }

    def _op(self, workload: Workload, params: Params) -> Runner:
        f, given = ops.numpy_ops()[ops.op_name(workload)], [params[k] for k in ("x", "y", "v", "i")]
        return ops.runner(lambda: f(*given))

    def _logreg(self, workload: Workload, params: Params) -> Runner:
        x, y, weight, bias = (params[k] for k in ("x", "y", "W", "b"))
        size, rate, order = (
            workload.sizes["batch"],
            np.float32(workload.rate),
            minibatches(workload),
        )

        def step() -> float:
            at = next(order) * size
            xb, yb = x[at : at + size], y[at : at + size]
            loss, grad = softmax_loss(xb @ weight + bias, yb)
            np.subtract(weight, rate * (xb.T @ grad), out=weight)
            np.subtract(bias, rate * grad.sum(axis=0), out=bias)
            return loss

        return Runner(step, lambda: {"W": weight.copy(), "b": bias.copy()})

    def _mlp(self, workload: Workload, params: Params) -> Runner:
        x, y = params["x"], params["y"]
        w1, b1, w2, b2 = (params[k] for k in ("W1", "b1", "W2", "b2"))
        size, rate, order = (
            workload.sizes["batch"],
            np.float32(workload.rate),
            minibatches(workload),
        )

        def step() -> float:
            at = next(order) * size
            xb, yb = x[at : at + size], y[at : at + size]
            hidden = xb @ w1
            hidden += b1
            np.tanh(hidden, out=hidden)
            loss, grad = softmax_loss(hidden @ w2 + b2, yb)
            back = grad @ w2.T
            back *= np.float32(1) - hidden * hidden
            np.subtract(w2, rate * (hidden.T @ grad), out=w2)
            np.subtract(b2, rate * grad.sum(axis=0), out=b2)
            np.subtract(w1, rate * (xb.T @ back), out=w1)
            np.subtract(b1, rate * back.sum(axis=0), out=b1)
            return loss

        trained = {"W1": w1, "b1": b1, "W2": w2, "b2": b2}
        return Runner(step, lambda: {k: v.copy() for k, v in trained.items()})

    def _cbow(self, workload: Workload, params: Params) -> Runner:
        text, w, u = (params[k] for k in ("text", "W", "U"))
        size, rate, order = (
            workload.sizes["batch"],
            np.float32(workload.rate),
            minibatches(workload),
        )
        near, middle = np.array(around(workload)), workload.sizes["window"]
        flat = np.arange(size * len(near))

        def step() -> float:
            at = next(order) * size + np.arange(size)
            context, labels = text[at[:, None] + near], text[at + middle]
            hidden = w[context].mean(axis=1)
            loss, grad = softmax_loss(hidden @ u.T, labels)
            back = (grad @ u) * np.float32(-rate / len(near))
            np.subtract(u, rate * (grad.T @ hidden), out=u)
            np.add.at(w, context.ravel(), back[flat // len(near)])
            return loss

        return Runner(step, lambda: {"W": w.copy(), "U": u.copy()})

    def _rbm(self, workload: Workload, params: Params) -> Runner:
        p = {k: params[k] for k in workload.trained}
        x, u, w = (params[k] for k in ("x", "u", "w"))
        size, order = workload.sizes["batch"], minibatches(workload)

        def step() -> float:
            at = next(order) * size
            xb, v = x[at : at + size], x
            for numbers, others in zip(u, w, strict=True):
                v = (numbers < sigmoid(p["h"] @ p["W"].T + p["b"])).astype(p["W"].dtype)
                p["h"] = (others < sigmoid(v @ p["W"] + p["c"])).astype(p["W"].dtype)
            loss = float(np.mean(-(xb @ p["b"]) - np.logaddexp(0, xb @ p["W"] + p["c"]).sum(axis=1)))
            rbm_update(p, xb, v, workload.rate)
            return loss

        return Runner(step, lambda: {k: v.copy() for k, v in p.items()})

    def _chain(self, workload: Workload, params: Params) -> Runner:
        state, x = params["s"], params["x"]

        def step() -> float:
            state[...] = chain(state, x)
            return 0.0

        return Runner(step, lambda: {"s": state.copy()})

    def _calls(self, workload: Workload, params: Params) -> Runner:
        row, layers = params["h"], [params["stack"][k] for k in kernels_of(workload)]
        out = params["out"]

        def step() -> float:
            nonlocal out
            h = row
            for weight in layers:
                h = np.tanh(h @ weight)
            out = h
            return 0.0

        return Runner(step, lambda: {"out": out.copy()})
