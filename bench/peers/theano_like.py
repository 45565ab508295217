"""What Arignote and PyTensor share: both are written to through Theano's interface."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.peers.base import Peer, Runner, around, kernels_of, minibatches
from bench.peers.theano_loops import TheanoLoops
from bench.workloads.spec import Array, Params, Workload


class TheanoLikePeer(Peer):
    """Shared variables, ``grad``, ``givens`` that slice a minibatch, and ``updates``."""

    tensor: Any

    @abstractmethod
    def shared(self, value: Array, name: str) -> Any:
        """A shared variable that holds ``value``."""

    @abstractmethod
    def function(self, inputs: list[Any], outputs: Any, **options: Any) -> Any:
        """Compile a function, in this library's fastest mode."""

    @abstractmethod
    def softmax(self, logits: Any) -> Any:
        """Softmax of each row."""

    @abstractmethod
    def grads(self, cost: Any, weights: list[Any], **options: Any) -> list[Any]:
        """Gradients of ``cost``."""

    @abstractmethod
    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""

    @abstractmethod
    def softplus(self, x: Any) -> Any:
        """log(1 + exp(x))."""

    @abstractmethod
    def softmax_of_vector(self, x: Any) -> Any:
        """Softmax of a vector."""

    @abstractmethod
    def scan(self, step: Callable[..., Any], sequences: Any, start: list[Any], given: list[Any]) -> list[Any]:
        """The outputs of a loop."""

    def index(self, number: int) -> Any:
        """A minibatch index in the form that a compiled function takes fastest."""
        return number

    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Implementation of each family."""
        return {
            "logreg": self._classifier,
            "mlp": self._classifier,
            "cbow": self._cbow,
            "chain": self._chain,
            "calls": self._calls,
            **TheanoLoops(self).builders(),
        }

    def parameters(self, workload: Workload, params: Params) -> list[Any]:
        """What is trained, as shared variables."""
        return [self.shared(params[k], k) for k in workload.trained]

    def logits(self, workload: Workload, x: Any, weights: list[Any]) -> Any:
        """What the softmax is computed from."""
        t = self.tensor
        if workload.family == "logreg":
            return t.dot(x, weights[0]) + weights[1]
        w1, b1, w2, b2 = weights
        return t.dot(t.tanh(t.dot(x, w1) + b1), w2) + b2

    def _classifier(self, workload: Workload, params: Params) -> Runner:
        t = self.tensor
        images, labels = self.shared(params["x"], "images"), self.shared(params["y"], "labels")
        weights = self.parameters(workload, params)
        size, rate = workload.sizes["batch"], np.float32(workload.rate)
        index, x, y = t.lscalar("index"), t.matrix("x", dtype="float32"), t.ivector("y")
        p = self.softmax(self.logits(workload, x, weights))
        cost = -t.mean(t.log(p)[t.arange(y.shape[0]), y])
        grads = self.grads(cost, weights)
        batch = slice(index * size, (index + 1) * size)
        train = self.function(
            [index],
            cost,
            updates=[(w, w - rate * g) for w, g in zip(weights, grads, strict=True)],
            givens={x: images[batch], y: labels[batch]},
        )
        order = map(self.index, minibatches(workload))

        def step() -> float:
            return float(train(next(order)))

        return Runner(step, lambda: self.values(workload.trained, weights))

    def _cbow(self, workload: Workload, params: Params) -> Runner:
        t = self.tensor
        text = self.shared(params["text"], "text")
        w, u = (self.shared(params[k], k) for k in workload.trained)
        size, rate = workload.sizes["batch"], np.float32(workload.rate)
        index, context, middle = t.lscalar("index"), t.imatrix("context"), t.ivector("middle")
        p = self.softmax(t.dot(t.mean(w[context], axis=1), u.T))
        cost = -t.mean(t.log(p)[t.arange(middle.shape[0]), middle])
        grads = self.grads(cost, [w, u])
        at = index * size + np.arange(size)
        train = self.function(
            [index],
            cost,
            updates=[(v, v - rate * g) for v, g in zip((w, u), grads, strict=True)],
            givens={
                context: text[at.dimshuffle(0, "x") + np.array(around(workload))],
                middle: text[at + workload.sizes["window"]],
            },
        )
        order = map(self.index, minibatches(workload))

        def step() -> float:
            return float(train(next(order)))

        return Runner(step, lambda: self.values(workload.trained, [w, u]))

    def _chain(self, workload: Workload, params: Params) -> Runner:
        t = self.tensor
        state, x = self.shared(params["s"], "s"), self.shared(params["x"], "x")
        half, quarter, one = np.float32(0.5), np.float32(0.25), np.float32(1)
        u = half * state + x
        w = t.exp(-(u * u))
        run = self.function(
            [], [], updates=[(state, (t.tanh(u) * w + quarter * state) / (one + w))]
        )

        def step() -> float:
            run()
            return 0.0

        return Runner(step, lambda: self.values(("s",), [state]))

    def _calls(self, workload: Workload, params: Params) -> Runner:
        t = self.tensor
        row = params["h"]
        h = t.matrix("h", dtype="float32")
        out = h
        for k in kernels_of(workload):
            out = t.tanh(t.dot(out, self.shared(params["stack"][k], f"W{k}")))
        run = self.function([h], out)
        result: Any = run(row)

        def step() -> float:
            nonlocal result
            result = run(row)
            return 0.0

        return Runner(step, lambda: {"out": np.array(result)})

    @staticmethod
    def values(names: tuple[str, ...], variables: list[Any]) -> Params:
        """Copies of shared variables, by name."""
        return {k: np.array(v.get_value()) for k, v in zip(names, variables, strict=True)}
