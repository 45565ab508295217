"""Arignote itself, through the interface that its users write."""

from __future__ import annotations

import importlib
import weakref
from collections.abc import Callable
from typing import Any

from bench import networks
from bench.peers import convolutions, images_arignote, ops
from bench.peers.base import Runner
from bench.peers.theano_like import TheanoLikePeer
from bench.workloads.spec import Array, Params, Workload


class ArignotePeer(TheanoLikePeer):
    """Arignote with its default options."""

    name = "arignote"
    package = "arignote"
    remedy = "pip install -e . in the root of the checkout"

    def load(self, threads: int) -> None:
        """Import Arignote; ARIGNOTE_NUM_THREADS was set for the worker."""
        self.lib: Any = importlib.import_module("arignote")
        self.tensor = importlib.import_module("arignote.tensor")
        self.functions: weakref.WeakSet[Any] = weakref.WeakSet()  # of the workload that was built last

    def version(self) -> str:
        """Arignote's version."""
        return str(self.lib.__version__)

    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Implementation of each family."""
        return {
            **super().builders(),
            "op": self._op,
            "convolution": lambda w, p: convolutions.in_arignote(self.lib, self.tensor, w, p),
            **dict.fromkeys(networks.CLASSIFIERS, self._classifier),
            "dcgan": lambda w, p: images_arignote.dcgan(self, w, p),
            "predict": lambda w, p: images_arignote.predict(self, w, p),
        }

    def logits(self, workload: Workload, x: Any, weights: list[Any]) -> Any:
        """Those of networks of images too."""
        if workload.family in networks.CLASSIFIERS:
            ops = images_arignote.ArignoteOps(self.tensor)
            return networks.scores(workload.family, workload.sizes)(ops, x, weights)
        return super().logits(workload, x, weights)

    def parameters(self, workload: Workload, params: Params) -> list[Any]:
        """Shared variables; filters are of sizes that never change."""
        if workload.family in networks.CLASSIFIERS:
            return images_arignote.fixed(self, params, workload.trained)
        return super().parameters(workload, params)

    def _op(self, workload: Workload, params: Params) -> Runner:
        f = ops.arignote_ops(self.tensor)[ops.op_name(workload)]
        return ops.runner(self.function([], f(*(self.shared(params[k], k) for k in ("x", "y", "v", "i")))))

    def kernels(self) -> dict[str, int]:
        """Calls, and functions of the generated modules that are called."""
        from arignote.codegen.listing import listing
        from arignote.codegen.target import make_target
        from arignote.frontends.tensor.stages import func_at

        codes = [listing(func_at(f, "planned"), make_target("cpu")) for f in self.functions]
        return {
            "called": sum(len(names) for code in codes for names in code.calls.values()),
            "compiled": sum(len(code.texts) for code in codes),
        }

    def shared(self, value: Array, name: str) -> Any:
        """A shared variable."""
        return self.lib.shared(value, name=name)

    def function(self, inputs: list[Any], outputs: Any, **options: Any) -> Any:
        """A compiled function."""
        compiled = self.lib.function(inputs, outputs, **options)
        self.functions.add(compiled)
        return compiled

    def softmax(self, logits: Any) -> Any:
        """Softmax of each row."""
        return self.tensor.nnet.softmax(logits)

    def softmax_of_vector(self, x: Any) -> Any:
        """Softmax of a vector."""
        return self.tensor.nnet.softmax(x)[0]

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        return self.tensor.nnet.sigmoid(x)

    def softplus(self, x: Any) -> Any:
        """log(1 + exp(x))."""
        return self.tensor.nnet.softplus(x)

    def scan(self, step: Callable[..., Any], sequences: Any, start: list[Any], given: list[Any]) -> list[Any]:
        """The outputs of a loop."""
        outputs, _ = self.lib.scan(step, sequences, start, given, return_list=True)
        return list(outputs)

    def grads(self, cost: Any, weights: list[Any], **options: Any) -> list[Any]:
        """Gradients by Arignote's own differentiation."""
        return list(self.tensor.grad(cost, weights, **options))
