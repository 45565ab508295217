"""The protocol that every peer offers."""

from __future__ import annotations

import importlib.util
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.workloads.spec import Params, Workload


@dataclass(frozen=True)
class Runner:
    """A workload built by a peer.

    ``step`` does one synchronised step, update of the resident parameters included, and returns
    the loss (0.0 where the workload has none). ``params`` copies the trained arrays to NumPy.
    """

    step: Callable[[], float]
    params: Callable[[], Params]


class Peer(ABC):
    """A library, in one way of using it."""

    name: str
    package: str
    remedy: str
    family: str = ""
    #: Whether it takes part where no peers are named.
    usual: bool = True
    #: Whether it can train; else it takes part in predictions alone.
    trains: bool = True

    def available(self) -> str | None:
        """None when the package is installed, else the reason why this peer cannot run."""
        if importlib.util.find_spec(self.package) is None:
            return f"the package {self.package} is not installed"
        return None

    @abstractmethod
    def load(self, threads: int) -> None:
        """Import the library and tell it how many threads to use."""

    @abstractmethod
    def version(self) -> str:
        """Version of the loaded library."""

    def implements(self, workload: Workload) -> bool:
        """Whether it has an implementation of the workload."""
        return workload.family in self.builders()

    def build(self, workload: Workload, params: Params, threads: int) -> Runner:
        """Build ``workload`` from these arrays, which the peer may keep and change."""
        self.load(threads)
        if not self.implements(workload):
            raise NotImplementedError(f"{self.name} has no implementation of {workload.family}")
        return self.builders()[workload.family](workload, params)

    def kernels(self) -> dict[str, int] | None:
        """How many kernels a step of the workload that was built last calls, and how many were compiled for it; None
        where the peer does not tell."""
        return None

    @abstractmethod
    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Implementation of each family of workloads."""


def minibatches(workload: Workload) -> Iterator[int]:
    """The minibatch indices of a training loop, for ever: 0, 1, ... and again from 0."""
    return itertools.cycle(range(workload.sizes["examples"] // workload.sizes["batch"]))


def kernels_of(workload: Workload) -> range:
    """Indices of the layers of a call-overhead graph."""
    return range(workload.sizes["kernels"])


def around(workload: Workload) -> list[int]:
    """Where a window's words are, from its first one; the word in the middle is not among them."""
    window = workload.sizes["window"]
    return [i for i in range(2 * window + 1) if i != window]
