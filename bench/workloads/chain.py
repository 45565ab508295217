"""Workload 12: a chain of eleven elementwise operations over a resident state.

With u = 0.5 s + x, one step is s <- (tanh(u) exp(-u u) + 0.25 s) / (1 + exp(-u u)): it stays
bounded for ever, so any number of steps may be timed, and every step reads two arrays and
writes one.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.workloads.spec import Params, Workload

# Arithmetic of one element: nine plain operations, and a polynomial exp and tanh of single
# precision at about 20 operations each.
FLOPS_PER_ELEMENT = 9 + 2 * 20


def chain_arrays(rng: np.random.Generator, length: int) -> Params:
    """The state ``s`` and the constant ``x``, both within (-1, 1)."""
    x = rng.random(length, dtype=np.float32) * np.float32(2) - np.float32(1)
    s = rng.random(length, dtype=np.float32) * np.float32(2) - np.float32(1)
    return {"x": x, "s": s}


def chain(length: int, name: str) -> Workload:
    """The chain over ``length`` floats."""
    traffic = 3.0 * 4 * length
    return Workload(
        name=name,
        title=f"elementwise chain, {length:.0e} floats".replace("e+0", "e"),
        family="chain",
        sizes={"length": length},
        maker=partial(chain_arrays, length=length),
        trained=("s",),
        flops=float(FLOPS_PER_ELEMENT * length),
        resident=traffic,
        has_loss=False,
    )
