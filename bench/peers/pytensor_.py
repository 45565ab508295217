"""PyTensor, in its default mode."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.peers.theano_like import TheanoLikePeer
from bench.workloads.spec import Array


class PytensorPeer(TheanoLikePeer):
    """PyTensor's default mode; inputs are trusted, which is its cheapest way to be called."""

    name = "pytensor"
    package = "pytensor"
    remedy = "pip install pytensor"
    mode: str | None = None

    def load(self, threads: int) -> None:
        """Import PyTensor; its BLAS and Numba took their threads from the environment."""
        self.lib: Any = importlib.import_module("pytensor")
        self.tensor = importlib.import_module("pytensor.tensor")
        self.lib.config.floatX = "float32"

    def version(self) -> str:
        """PyTensor's version, mode, and the BLAS that its C code is linked with."""
        config = self.lib.config
        if self.mode is None:
            return f"{self.lib.__version__} (default mode, linker {config.linker})"
        blas = "with BLAS" if config.blas__ldflags else "no BLAS found to link"
        return f"{self.lib.__version__} ({self.mode}, {blas})"

    def shared(self, value: Array, name: str) -> Any:
        """A shared variable that takes the array over without a copy."""
        return self.lib.shared(value, name=name, borrow=True)

    def function(self, inputs: list[Any], outputs: Any, **options: Any) -> Any:
        """A compiled function that does not check its inputs."""
        compiled = self.lib.function(inputs, outputs, mode=self.mode, **options)
        compiled.trust_input = True
        return compiled

    def index(self, number: int) -> Any:
        """A trusted input has to be an array already."""
        return np.array(number, np.int64)

    def softmax(self, logits: Any) -> Any:
        """Softmax of each row."""
        return self.tensor.special.softmax(logits, axis=-1)

    def softmax_of_vector(self, x: Any) -> Any:
        """Softmax of a vector."""
        return self.tensor.special.softmax(x, axis=-1)

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        return self.tensor.sigmoid(x)

    def softplus(self, x: Any) -> Any:
        """log(1 + exp(x))."""
        return self.tensor.softplus(x)

    def scan(self, step: Callable[..., Any], sequences: Any, start: list[Any], given: list[Any]) -> list[Any]:
        """The outputs of a loop."""
        outputs = self.lib.scan(step, sequences, start, given, return_list=True, return_updates=False)
        return list(outputs)

    def grads(self, cost: Any, weights: list[Any], **options: Any) -> list[Any]:
        """Gradients by PyTensor's own differentiation."""
        return list(self.lib.grad(cost, weights, **options))


class PytensorCPeer(PytensorPeer):
    """PyTensor with its virtual machine over generated C."""

    name = "pytensor-c"
    remedy = "pip install pytensor (its C mode also needs a C++ compiler, for example g++)"
    mode = "CVM"
