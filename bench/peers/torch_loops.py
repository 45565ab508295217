"""The recurrent workloads in PyTorch: its own LSTM where there is one, loops in Python elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.peers import cells
from bench.peers.base import Runner, minibatches
from bench.workloads.spec import Params, Workload

Loss = Callable[..., Any]


class TorchOps:
    """`cells.Ops` of PyTorch."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.dot, self.tanh, self.sigmoid, self.outer = torch.matmul, torch.tanh, torch.sigmoid, torch.outer
        self.softplus, self.concatenate = torch.nn.functional.softplus, torch.cat

    def softmax(self, x: Any) -> Any:
        """Of a vector."""
        return self.torch.softmax(x, dim=-1)

    def norms(self, x: Any) -> Any:
        """The root of the sum of squares along the last axis, which is never quite 0."""
        return self.torch.sqrt((x * x).sum(dim=-1) + cells.TINY)


class TorchLoops:
    """Builders of the recurrent workloads, eager or compiled."""

    def __init__(self, torch: Any, compiled: bool) -> None:
        self.torch, self.o, self.compiled = torch, TorchOps(torch), compiled
        self.cross_entropy = torch.nn.functional.cross_entropy
        # Its own LSTM is left as it is: the compiler fails on it where inputs have no gradient.
        self.lstm = torch.compiler.disable(torch._VF.lstm) if compiled else torch._VF.lstm

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

    def _runner(
        self, workload: Workload, p: dict[str, Any], loss_of: Loss, batches: Callable[[int], tuple[Any, ...]],
        turned: tuple[str, ...] = (),
    ) -> Runner:  # fmt: skip
        """Steps of gradient descent; the arrays `turned` are kept transposed."""
        torch, rate = self.torch, workload.rate
        weights = list(p.values())
        for weight in weights:
            weight.requires_grad_(True)

        loss_of = torch.compile(loss_of) if self.compiled else loss_of  # and with it its gradient

        def once(*batch: Any) -> Any:
            loss = loss_of(p, *batch)
            grads = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                torch._foreach_add_(weights, grads, alpha=-rate)
            return loss.detach()

        order = minibatches(workload)

        def params() -> Params:
            arrays = {k: w.detach().numpy() for k, w in p.items()}
            return {k: (a.T if k in turned else a).copy() for k, a in arrays.items()}

        return Runner(lambda: float(once(*batches(next(order)))), params)

    def _given(self, workload: Workload, params: Params, turned: tuple[str, ...] = ()) -> dict[str, Any]:
        tensor = self.torch.from_numpy
        arrays = {k: params[k].T if k in turned else params[k] for k in workload.trained}
        return {k: tensor(np.array(a, order="C")) for k, a in arrays.items()}

    def _pieces(self, workload: Workload, params: Params) -> Callable[[int], tuple[Any, Any]]:
        text, s = self.torch.from_numpy(params["text"]).long(), workload.sizes["steps"]
        return lambda i: (text[i * s : (i + 1) * s], text[i * s + 1 : (i + 1) * s + 1])

    def _char_lstm(self, workload: Workload, params: Params) -> Runner:
        torch, n = self.torch, workload.sizes["hidden"]

        def loss_of(p: Any, x: Any, y: Any) -> Any:
            h = c = torch.zeros(n)
            hs = []
            for t in range(workload.sizes["steps"]):
                h, c = cells.peephole(self.o, p, n, x[t], h, c)
                hs.append(h)
            return self.cross_entropy(torch.addmm(p["by"], torch.stack(hs), p["Wy"]), y)

        return self._runner(workload, self._given(workload, params), loss_of, self._pieces(workload, params))

    def _layers(self, workload: Workload, p: Any, x: Any, batch: int) -> Any:
        """PyTorch's LSTM of several layers; the second bias that it wants is zero."""
        torch, n, layers = self.torch, workload.sizes["hidden"], workload.sizes["layers"]
        zero, begin = torch.zeros(4 * n), torch.zeros(layers, batch, n)
        weights = [v for k in range(layers) for v in (p[f"W{k}"], p[f"R{k}"], p[f"b{k}"], zero)]
        return self.lstm(x, (begin, begin), weights, True, layers, 0.0, True, False, False)[0]

    def _turned(self, workload: Workload) -> tuple[str, ...]:
        return tuple(f"{m}{k}" for k in range(workload.sizes["layers"]) for m in "WR")

    def _lstm(self, workload: Workload, params: Params) -> Runner:
        torch, turned = self.torch, self._turned(workload)
        x, y = torch.from_numpy(params["x"]), torch.from_numpy(params["y"])

        def loss_of(p: Any, x: Any, y: Any) -> Any:
            return torch.nn.functional.mse_loss(self._layers(workload, p, x, workload.sizes["batch"]), y)

        return self._runner(workload, self._given(workload, params, turned), loss_of, lambda _: (x, y), turned)

    def _of_words(self, workload: Workload, p: Any, hs: Any, y: Any) -> Any:
        scores = self.torch.addmm(p["by"], hs.reshape(-1, workload.sizes["hidden"]), p["words"].T)
        return self.cross_entropy(scores, y.flatten())

    def _stacked_lstm(self, workload: Workload, params: Params) -> Runner:
        turned, embedding = self._turned(workload), self.torch.nn.functional.embedding

        def loss_of(p: Any, x: Any, y: Any) -> Any:
            hs = self._layers(workload, p, embedding(x, p["words"]), workload.sizes["rows"])
            return self._of_words(workload, p, hs, y)

        given = self._given(workload, params, turned)
        return self._runner(workload, given, loss_of, self._pieces(workload, params), turned)

    def _rhn(self, workload: Workload, params: Params) -> Runner:
        torch, n, depth = self.torch, workload.sizes["hidden"], workload.sizes["depth"]

        def loss_of(p: Any, x: Any, y: Any) -> Any:
            s, out = torch.zeros(workload.sizes["rows"], n), []
            entering = torch.nn.functional.embedding(x, p["words"]) @ p["W"]
            for t in range(workload.sizes["steps"]):
                s = cells.highway(self.o, p, n, depth, entering[t], s)
                out.append(s)
            return self._of_words(workload, p, torch.stack(out), y)

        return self._runner(workload, self._given(workload, params), loss_of, self._pieces(workload, params))

    def _ntm(self, workload: Workload, params: Params) -> Runner:
        torch = self.torch
        x, y = torch.from_numpy(params["x"]), torch.from_numpy(params["y"])
        rows, width, steps = (workload.sizes[k] for k in ("rows", "width", "steps"))

        def loss_of(p: Any, x: Any, y: Any) -> Any:
            memory, w, r, out = p["M"], torch.eye(1, rows)[0], torch.zeros(width), []
            for t in range(steps):
                memory, w, r, scores = cells.turing(self.o, p, x[t], memory, w, r)
                out.append(scores)
            return torch.nn.functional.binary_cross_entropy_with_logits(torch.stack(out[steps // 2 :]), y)

        return self._runner(workload, self._given(workload, params), loss_of, lambda i: (x[i], y[i]))

    def _rbm(self, workload: Workload, params: Params) -> Runner:
        torch, size, rate = self.torch, workload.sizes["batch"], workload.rate
        p = self._given(workload, params)
        W, b, c, chains = p.values()
        x, u, w = (torch.from_numpy(params[k]) for k in ("x", "u", "w"))
        order = minibatches(workload)

        def once(x: Any) -> Any:
            h = chains
            for j in range(workload.sizes["k"]):
                v = (u[j] < torch.sigmoid(torch.addmm(b, h, W.T))).float()
                h = (w[j] < torch.sigmoid(torch.addmm(c, v, W))).float()
            inputs = torch.addmm(c, x, W)
            loss = (-(x @ b) - torch.nn.functional.softplus(inputs).sum(dim=1)).mean()
            up, down = torch.sigmoid(inputs), torch.sigmoid(torch.addmm(c, v, W))
            # The gradient is this difference; no tape is needed for it.
            W.addmm_(x.T, up, alpha=rate / size).addmm_(v.T, down, alpha=-rate / size)
            b.add_((x - v).sum(dim=0), alpha=rate / size)
            c.add_((up - down).sum(dim=0), alpha=rate / size)
            chains.copy_(h)
            return loss

        run = torch.compile(once, fullgraph=True) if self.compiled else once

        def step() -> float:
            i = next(order)
            with torch.no_grad():
                return float(run(x[i * size : (i + 1) * size]))

        return Runner(step, lambda: {k: a.numpy().copy() for k, a in p.items()})
