"""What a workload is: sizes, seeded data, and the least work that its mathematics needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Params = dict[str, Array]
Maker = Callable[[np.random.Generator], Params]


@dataclass(frozen=True)
class Workload:
    """One measured computation, the same for every peer.

    ``family`` selects the implementation inside a peer; ``trained`` names the arrays that a step
    updates in place and that peers report back, so that agreement covers them and not only the
    loss. ``flops``, ``streamed`` and ``resident`` are the unavoidable arithmetic, the bytes that
    come from memory on every step whatever the caches hold, and the bytes that may stay cached.
    ``reference`` is the peer that the others must agree with, up to ``tolerance`` (relative).
    """

    name: str
    title: str
    family: str
    sizes: Mapping[str, int]
    maker: Maker
    trained: tuple[str, ...]
    flops: float
    streamed: float = 0.0
    resident: float = 0.0
    rate: float = 0.0
    has_loss: bool = True
    reference: str = "numpy"
    tolerance: float = 1e-4

    def make(self, seed: int) -> Params:
        """Data and initial parameters, bit for bit the same in every process with this seed."""
        return self.maker(np.random.default_rng(seed))

    def describe(self) -> dict[str, Any]:
        """The part of a workload that goes into result files."""
        return {
            "name": self.name,
            "title": self.title,
            "family": self.family,
            "sizes": dict(self.sizes),
            "flops": self.flops,
            "streamed_bytes": self.streamed,
            "resident_bytes": self.resident,
        }
