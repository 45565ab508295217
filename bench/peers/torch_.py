"""PyTorch: eager with autograd, and ``torch.compile`` of the whole step."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from bench import networks
from bench.peers import convolutions, images_torch, ops
from bench.peers.base import Peer, Runner, around, kernels_of, minibatches
from bench.peers.torch_loops import TorchLoops
from bench.workloads.spec import Params, Workload


class TorchPeer(Peer):
    """Eager PyTorch: autograd, in-place updates without a gradient."""

    name = "torch-eager"
    package = "torch"
    remedy = "pip install torch"
    compiled = False
    last = False

    def load(self, threads: int) -> None:
        """Import torch and set its intra-op pool."""
        self.torch: Any = importlib.import_module("torch")
        self.torch.set_num_threads(threads)

    def version(self) -> str:
        """PyTorch's version."""
        return str(self.torch.__version__)

    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Implementation of each family."""
        return {
            "logreg": self._classifier,
            "mlp": self._classifier,
            "cbow": self._cbow,
            "chain": self._chain,
            "calls": self._calls,
            "op": self._op,
            "convolution": lambda w, p: convolutions.in_torch(self.torch, self.last, w, p),
            **dict.fromkeys(networks.CLASSIFIERS, self._classifier),
            "dcgan": lambda w, p: images_torch.dcgan(self._images(), self._finish, w, p),
            "predict": lambda w, p: images_torch.predict(self._images(), self._finish, w, p),
            **TorchLoops(self.torch, self.compiled).builders(),
        }

    def _images(self) -> images_torch.TorchOps:
        return images_torch.TorchOps(self.torch, self.last)

    def _op(self, workload: Workload, params: Params) -> Runner:
        f = self._finish(ops.torch_ops(self.torch)[ops.op_name(workload)])
        given = [self.torch.from_numpy(params[k]) for k in ("x", "y", "v", "i")]
        return ops.runner(lambda: f(*given))

    def _finish(self, function: Any) -> Any:
        """Compile a whole step where this variant does."""
        return self.torch.compile(function, fullgraph=True) if self.compiled else function

    def _loss(self, workload: Workload) -> Callable[..., Any]:
        torch = self.torch
        cross_entropy = torch.nn.functional.cross_entropy

        def logreg(xb: Any, yb: Any, w: Any, b: Any) -> Any:
            return cross_entropy(torch.addmm(b, xb, w), yb)

        def mlp(xb: Any, yb: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
            hidden = torch.tanh(torch.addmm(b1, xb, w1))
            return cross_entropy(torch.addmm(b2, hidden, w2), yb)

        if workload.family in networks.CLASSIFIERS:
            network, images = networks.scores(workload.family, workload.sizes), self._images()
            return lambda xb, yb, *weights: cross_entropy(network(images, xb, weights), yb)
        return logreg if workload.family == "logreg" else mlp

    def _classifier(self, workload: Workload, params: Params) -> Runner:
        torch = self.torch
        x, y = torch.from_numpy(params["x"]), torch.from_numpy(params["y"]).long()
        trained = [self._images().stored(params[k]) for k in workload.trained]
        loss_of, rate = self._loss(workload), workload.rate
        size, order = workload.sizes["batch"], minibatches(workload)

        def eager(xb: Any, yb: Any, weights: list[Any]) -> Any:
            loss = loss_of(xb, yb, *weights)
            grads = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                for weight, grad in zip(weights, grads, strict=True):
                    weight.sub_(grad, alpha=rate)
            return loss

        def functional(xb: Any, yb: Any, weights: list[Any]) -> Any:
            def of(values: list[Any]) -> Any:
                return loss_of(xb, yb, *values)

            grads, loss = torch.func.grad_and_value(of)(weights)
            for weight, grad in zip(weights, grads, strict=True):
                weight.sub_(grad, alpha=rate)
            return loss

        if self.compiled:
            run = self._finish(functional)
        else:
            run = eager
            for weight in trained:
                weight.requires_grad_(True)

        def step() -> float:
            at = next(order) * size
            return float(run(x[at : at + size], y[at : at + size], trained).detach())

        def copy() -> Params:
            return {
                k: w.detach().contiguous().numpy().copy() for k, w in zip(workload.trained, trained, strict=True)
            }

        return Runner(step, copy)

    def _cbow(self, workload: Workload, params: Params) -> Runner:
        torch = self.torch
        text = torch.from_numpy(params["text"]).long()
        w, u = (torch.from_numpy(params[k]).clone() for k in workload.trained)
        size, rate, order = workload.sizes["batch"], workload.rate, minibatches(workload)
        near, middle = torch.tensor(around(workload)), workload.sizes["window"]
        positions = torch.arange(size)

        def loss_of(rows: Any, u: Any, labels: Any) -> Any:
            logits = torch.nn.functional.linear(rows.mean(dim=1), u)
            return torch.nn.functional.cross_entropy(logits, labels)

        def eager(context: Any, labels: Any) -> Any:
            rows = w[context].requires_grad_()  # of the rows: the table has no gradient of its size
            loss = loss_of(rows, u, labels)
            by_rows, whole = torch.autograd.grad(loss, [rows, u])
            with torch.no_grad():
                u.sub_(whole, alpha=rate)
                w.index_add_(0, context.flatten(), by_rows.flatten(0, 1), alpha=-rate)
            return loss

        def functional(context: Any, labels: Any) -> Any:
            of = torch.func.grad_and_value(lambda rows, u: loss_of(rows, u, labels), argnums=(0, 1))
            (by_rows, whole), loss = of(w[context], u)
            u.sub_(whole, alpha=rate)
            w.index_add_(0, context.flatten(), by_rows.flatten(0, 1), alpha=-rate)
            return loss

        if self.compiled:
            run = self._finish(functional)
        else:
            run = eager
            u.requires_grad_(True)

        def step() -> float:
            at = next(order) * size + positions
            return float(run(text[at[:, None] + near], text[at + middle]).detach())

        return Runner(step, lambda: {"W": w.numpy().copy(), "U": u.detach().numpy().copy()})

    def _chain(self, workload: Workload, params: Params) -> Runner:
        torch = self.torch
        state, x = torch.from_numpy(params["s"]), torch.from_numpy(params["x"])

        def once(s: Any, x: Any) -> None:
            u = 0.5 * s + x
            w = torch.exp(-(u * u))
            s.copy_((torch.tanh(u) * w + 0.25 * s) / (1.0 + w))

        run = self._finish(once)

        def step() -> float:
            run(state, x)
            return 0.0

        return Runner(step, lambda: {"s": state.numpy().copy()})

    def _calls(self, workload: Workload, params: Params) -> Runner:
        torch = self.torch
        row = torch.from_numpy(params["h"])
        layers = [torch.from_numpy(params["stack"][k]) for k in kernels_of(workload)]

        def forward(h: Any) -> Any:
            for weight in layers:
                h = torch.tanh(h @ weight)
            return h

        run = self._finish(forward)
        out = run(row)

        def step() -> float:
            nonlocal out
            out = run(row)
            return 0.0

        return Runner(step, lambda: {"out": out.numpy().copy()})


class TorchCompilePeer(TorchPeer):
    """PyTorch with forward, gradient and update in one ``torch.compile`` graph."""

    name = "torch-compile"
    remedy = "pip install torch (torch.compile also needs a C++ compiler, for example g++)"
    compiled = True


class TorchLastPeer(TorchPeer):
    """Eager PyTorch whose images lie with channels last; for networks of images."""

    name = "torch-last"
    usual = False
    last = True
