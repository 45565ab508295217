"""Tiny graphs whose time is the cost of a call and of going from one kernel to the next.

A layer is ``h = tanh(h W)`` with a 1x4 row and 4x4 weights of its own: products do not fuse with
each other, so ``n`` layers are at least ``n`` kernels in every compiler measured here.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.workloads.spec import Params, Workload

WIDTH = 4


def call_arrays(rng: np.random.Generator, kernels: int) -> Params:
    """One row, and the weights of every layer stacked."""
    h = rng.standard_normal((1, WIDTH), dtype=np.float32)
    stack = rng.standard_normal((kernels, WIDTH, WIDTH), dtype=np.float32)
    return {"h": h, "stack": stack, "out": np.zeros((1, WIDTH), np.float32)}


def calls(kernels: int) -> Workload:
    """A function of ``kernels`` layers; a step is one call, its result kept as ``out``."""
    return Workload(
        name=f"call-{kernels}",
        title=f"f(x), {kernels} kernel{'s' if kernels > 1 else ''}",
        family="calls",
        sizes={"kernels": kernels, "width": WIDTH},
        maker=partial(call_arrays, kernels=kernels),
        trained=("out",),
        flops=float(kernels * (2 * WIDTH * WIDTH + 20 * WIDTH)),
        resident=float(kernels * 4 * WIDTH * WIDTH),
        has_loss=False,
    )
