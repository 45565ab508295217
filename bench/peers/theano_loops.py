"""The recurrent workloads through Theano's interface: `scan`, `grad`, shared variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.peers import cells
from bench.peers.base import Runner, minibatches
from bench.workloads.spec import Params, Workload

if TYPE_CHECKING:
    from bench.peers.theano_like import TheanoLikePeer


class TheanoOps:
    """`cells.Ops` of a module with Theano's names."""

    def __init__(self, peer: TheanoLikePeer) -> None:
        t = self.t = peer.tensor
        self.dot, self.tanh, self.outer, self.softmax = t.dot, t.tanh, t.outer, peer.softmax_of_vector
        self.sigmoid, self.softplus = peer.sigmoid, peer.softplus
        self.concatenate = t.concatenate

    def norms(self, x: Any) -> Any:
        """The root of the sum of squares along the last axis, which is never quite 0."""
        return self.t.sqrt(self.t.sum(x * x, axis=-1) + np.float32(cells.TINY))


class TheanoLoops:
    """Builders of a peer's recurrent workloads."""

    def __init__(self, peer: TheanoLikePeer) -> None:
        self.peer, self.t, self.o = peer, peer.tensor, TheanoOps(peer)

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

    def _shared(self, workload: Workload, params: Params) -> dict[str, Any]:
        return {k: self.peer.shared(params[k], k) for k in workload.trained}

    def _zeros(self, *shape: int) -> Any:
        return self.t.zeros(shape, dtype="float32")

    def _trained(self, workload: Workload, p: dict[str, Any], cost: Any, index: Any, givens: Any) -> Runner:
        """The training function, as steps."""
        rate = np.float32(workload.rate)
        grads = self.peer.grads(cost, list(p.values()))
        updates = [(w, w - rate * g) for w, g in zip(p.values(), grads, strict=True)]
        train = self.peer.function([index] if givens else [], cost, updates=updates, givens=givens)
        order = map(self.peer.index, minibatches(workload))

        def step() -> float:
            return float(train(next(order)) if givens else train())

        return Runner(step, lambda: self.peer.values(workload.trained, list(p.values())))

    def _text(self, workload: Workload, params: Params) -> tuple[Any, Any, Any, dict[Any, Any]]:
        """Index, inputs, wanted outputs, and what these are."""
        kind = self.t.ivector if params["text"].ndim == 1 else self.t.imatrix
        index, x, y = self.t.lscalar("index"), kind("x"), kind("y")
        text, s = self.peer.shared(params["text"], "text"), workload.sizes["steps"]
        piece = slice(index * s, (index + 1) * s), slice(index * s + 1, (index + 1) * s + 1)
        return index, x, y, {x: text[piece[0]], y: text[piece[1]]}

    def _cross_entropy(self, scores: Any, y: Any) -> Any:
        t, y = self.t, y.flatten()
        return -t.mean(t.log(self.peer.softmax(scores))[t.arange(y.shape[0]), y])

    def _char_lstm(self, workload: Workload, params: Params) -> Runner:
        p, n = self._shared(workload, params), workload.sizes["hidden"]
        index, x, y, givens = self._text(workload, params)

        def step(x: Any, h: Any, c: Any, *_: Any) -> list[Any]:
            return list(cells.peephole(self.o, p, n, x, h, c))

        start = [self._zeros(n), self._zeros(n)]
        hs, _ = self.peer.scan(step, x, start, list(p.values()))
        cost = self._cross_entropy(self.t.dot(hs, p["Wy"]) + p["by"], y)
        return self._trained(workload, p, cost, index, givens)

    def _layers(self, workload: Workload, p: dict[str, Any], x: Any, batch: int) -> Any:
        n, t = workload.sizes["hidden"], self.t
        for k in range(workload.sizes["layers"]):
            R = p[f"R{k}"]

            def step(x: Any, h: Any, c: Any, *_: Any, R: Any = R) -> list[Any]:
                return list(cells.lstm(self.o, R, n, x, h, c))

            start = [self._zeros(batch, n), self._zeros(batch, n)]
            x, _ = self.peer.scan(step, t.dot(x, p[f"W{k}"]) + p[f"b{k}"], start, [R])
        return x

    def _lstm(self, workload: Workload, params: Params) -> Runner:
        p = self._shared(workload, params)
        x, y = self.peer.shared(params["x"], "x"), self.peer.shared(params["y"], "y")
        hs = self._layers(workload, p, x, workload.sizes["batch"])
        return self._trained(workload, p, self.t.mean((hs - y) ** 2), None, None)

    def _scores(self, workload: Workload, p: dict[str, Any], hs: Any) -> Any:
        """Of all words, from states [steps, batch, hidden]."""
        return self.t.dot(hs.reshape((-1, workload.sizes["hidden"])), p["words"].T) + p["by"]

    def _stacked_lstm(self, workload: Workload, params: Params) -> Runner:
        p = self._shared(workload, params)
        index, x, y, givens = self._text(workload, params)
        hs = self._layers(workload, p, p["words"][x], workload.sizes["rows"])
        return self._trained(workload, p, self._cross_entropy(self._scores(workload, p, hs), y), index, givens)

    def _rhn(self, workload: Workload, params: Params) -> Runner:
        p, n = self._shared(workload, params), workload.sizes["hidden"]
        index, x, y, givens = self._text(workload, params)

        def step(x: Any, s: Any, *_: Any) -> Any:
            return cells.highway(self.o, p, n, workload.sizes["depth"], x, s)

        given = [v for k, v in p.items() if k[0] in "Rb" and k != "by"]
        entering = self.t.dot(p["words"][x], p["W"])
        (hs,) = self.peer.scan(step, entering, [self._zeros(workload.sizes["rows"], n)], given)
        return self._trained(workload, p, self._cross_entropy(self._scores(workload, p, hs), y), index, givens)

    def _rbm(self, workload: Workload, params: Params) -> Runner:
        t, p = self.t, self._shared(workload, params)
        images, u, w = (self.peer.shared(params[k], k) for k in ("x", "u", "w"))
        W, b, c, chains = p.values()
        size, rate = workload.sizes["batch"], np.float32(workload.rate)
        index, x = t.lscalar("index"), t.matrix("x", dtype="float32")

        def step(u: Any, w: Any, h: Any, *_: Any) -> list[Any]:
            v = t.cast(t.lt(u, self.o.sigmoid(t.dot(h, W.T) + b)), "float32")
            return [t.cast(t.lt(w, self.o.sigmoid(t.dot(v, W) + c)), "float32"), v]

        hs, vs = self.peer.scan(step, [u, w], [chains, None], [W, b, c])

        def energy(v: Any) -> Any:
            return t.mean(-t.dot(v, b) - t.sum(self.o.softplus(t.dot(v, W) + c), axis=1))

        end = vs[-1]
        cost = energy(x)
        grads = self.peer.grads(cost - energy(end), [W, b, c], consider_constant=[end])
        updates = [(a, a - rate * g) for a, g in zip((W, b, c), grads, strict=True)]
        givens = {x: images[index * size : (index + 1) * size]}
        train = self.peer.function([index], cost, updates=[*updates, (chains, hs[-1])], givens=givens)
        order = map(self.peer.index, minibatches(workload))
        return Runner(
            lambda: float(train(next(order))), lambda: self.peer.values(workload.trained, list(p.values()))
        )

    def _ntm(self, workload: Workload, params: Params) -> Runner:
        t, p = self.t, self._shared(workload, params)
        index, x, y = t.lscalar("index"), t.matrix("x", dtype="float32"), t.matrix("y", dtype="float32")
        first = np.eye(1, workload.sizes["rows"], dtype=np.float32)[0]
        start = [p["M"], t.as_tensor_variable(first), self._zeros(workload.sizes["width"]), None]

        def step(x: Any, memory: Any, w: Any, r: Any, *_: Any) -> list[Any]:
            return list(cells.turing(self.o, p, x, memory, w, r))

        *_, scores = self.peer.scan(step, x, start, [v for k, v in p.items() if k != "M"])
        late = scores[workload.sizes["steps"] // 2 :]
        cost = t.mean(self.o.softplus(late) - y * late)
        images, wanted = self.peer.shared(params["x"], "sequences"), self.peer.shared(params["y"], "wanted")
        return self._trained(workload, p, cost, index, {x: images[index], y: wanted[index]})
