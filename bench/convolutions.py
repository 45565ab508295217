"""The eight shapes of convolutions against PyTorch: forward, gradient of the image, gradient of the filters.

    ARIGNOTE_NUM_THREADS=1 python -m bench.convolutions [NAME ...]

PyTorch runs with as many threads, in both of its layouts; the ratio is to the faster one. Prints GFLOP/s of the
fastest of interleaved rounds, and the largest difference, relative to the largest element.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import arignote as ar
import arignote.tensor as T
from arignote.codegen.target import default_threads
from arignote.frontends.tensor.nnet import abstract_conv

ROUNDS, SECONDS = 5, 0.2


@dataclass(frozen=True)
class Shape:
    """A convolution of square images."""

    n: int
    c: int
    size: int
    k: int
    window: int
    pad: int = 0
    stride: int = 1

    @property
    def out(self) -> int:
        """Rows of the result."""
        return (self.size + 2 * self.pad - self.window) // self.stride + 1

    @property
    def flops(self) -> float:
        """Of each of the three passes."""
        return 2.0 * self.n * self.k * self.c * self.window**2 * self.out**2


SHAPES = {
    "lenet1": Shape(600, 1, 28, 20, 5),
    "lenet2": Shape(600, 20, 12, 50, 5),
    "cif16": Shape(64, 16, 32, 16, 3, 1),
    "cif32": Shape(64, 32, 16, 32, 3, 1),
    "cif64": Shape(64, 64, 8, 64, 3, 1),
    "s2": Shape(64, 16, 32, 32, 3, 1, 2),
    "1x1s2": Shape(64, 16, 32, 32, 1, 0, 2),
    "1x1": Shape(64, 64, 16, 64, 1),
}


def arrays(s: Shape) -> tuple[Any, Any, Any]:
    """Image, filters, and gradient of the result."""
    r = np.random.default_rng(0)
    shapes = ((s.n, s.c, s.size, s.size), (s.k, s.c, s.window, s.window), (s.n, s.k, s.out, s.out))
    x, w, y = (r.standard_normal(shape, dtype=np.float32) for shape in shapes)
    return x, w, y


def ours(s: Shape) -> list[Callable[[], Any]]:
    """The three passes, compiled."""
    x, w, y = arrays(s)
    vx, vw, vy = (T.TensorType("float32", shape=a.shape)() for a in (x, w, y))
    options: dict[str, Any] = {"border_mode": s.pad, "subsample": (s.stride, s.stride), "filter_flip": False}
    forward = ar.function([vx, vw], T.nnet.conv2d(vx, vw, **options))
    data = ar.function([vy, vw], abstract_conv.conv2d_grad_wrt_inputs(vy, vw, x.shape, **options))
    weight = ar.function([vx, vy], abstract_conv.conv2d_grad_wrt_weights(vx, vy, w.shape, **options))
    return [lambda: forward(x, w), lambda: data(y, w), lambda: weight(x, y)]


def theirs(s: Shape, torch: Any, last: bool) -> list[Callable[[], Any]]:
    """The three passes of PyTorch, channels first or last."""
    layout = torch.channels_last if last else torch.contiguous_format
    x, w, y = (torch.from_numpy(a).to(memory_format=layout) for a in arrays(s))
    both = [s.stride] * 2, [s.pad] * 2, [1, 1], False, [0, 0], 1

    def back(which: int) -> Any:
        mask = [which == 0, which == 1, False]
        return torch.ops.aten.convolution_backward(y, x, w, None, *both, mask)[which]

    def forward() -> Any:
        return torch.nn.functional.conv2d(x, w, padding=s.pad, stride=s.stride)

    return [forward, lambda: back(0), lambda: back(1)]


def fastest(runs: list[Callable[[], Any]]) -> list[float]:
    """Seconds of the fastest call of each, in interleaved rounds."""
    best = [float("inf")] * len(runs)
    for _ in range(ROUNDS):
        for i, run in enumerate(runs):
            run()
            end = time.perf_counter() + SECONDS / ROUNDS
            while True:
                start = time.perf_counter()
                run()
                now = time.perf_counter()
                best[i] = min(best[i], now - start)
                if now > end:
                    break
    return best


def main(names: list[str]) -> None:
    """Measure the shapes called `names`, or all."""
    import torch

    torch.set_num_threads(default_threads())
    print(f"{default_threads()} threads, GFLOP/s: arignote, torch, torch channels last; ratio of times; difference")
    with torch.no_grad():
        for name in names or SHAPES:
            s = SHAPES[name]
            passes = list(zip(ours(s), theirs(s, torch, False), theirs(s, torch, True), strict=True))
            for label, runs in zip(("forward", "data", "weight"), passes, strict=True):
                want = runs[1]().numpy()
                error = np.abs(runs[0]() - want).max() / np.abs(want).max()
                times = fastest(list(runs))
                rates = " ".join(f"{s.flops / t / 1e9:7.1f}" for t in times)
                print(f"{name:7} {label:8} {rates}  {times[0] / min(times[1:]):5.2f}  {error:.0e}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
