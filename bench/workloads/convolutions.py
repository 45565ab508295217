"""Eight shapes of convolutions of networks of images, and for each its result and both gradients."""

from __future__ import annotations

from functools import partial

import numpy as np

from bench.workloads.spec import Params, Workload

#: Name -> images, channels, rows and columns, filters, rows and columns of a filter, padding, stride.
SHAPES: dict[str, tuple[int, ...]] = {
    "lenet1": (600, 1, 28, 20, 5, 0, 1),
    "lenet2": (600, 20, 12, 50, 5, 0, 1),
    "cif16": (64, 16, 32, 16, 3, 1, 1),
    "cif32": (64, 32, 16, 32, 3, 1, 1),
    "cif64": (64, 64, 8, 64, 3, 1, 1),
    "s2": (64, 16, 32, 32, 3, 1, 2),
    "1x1s2": (64, 16, 32, 32, 1, 0, 2),
    "1x1": (64, 64, 16, 64, 1, 0, 1),
}
#: Of a convolution: its result, the gradient of the images, the gradient of the filters.
PASSES = ("forward", "images", "filters")


def arrays(rng: np.random.Generator, sizes: dict[str, int]) -> Params:
    """Images, filters, and the gradient of the result."""
    n, k, window, side = sizes["batch"], sizes["filters"], sizes["window"], sizes["out"]
    shapes = {
        "x": (n, sizes["channels"], sizes["size"], sizes["size"]),
        "w": (k, sizes["channels"], window, window),
        "y": (n, k, side, side),
    }
    made = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    return {**made, "out": np.zeros((), np.float32)}


def convolution(name: str, part: str, batch: int | None = None) -> Workload:
    """A workload of one pass; `batch` images instead of the usual number."""
    n, c, size, k, window, pad, stride = SHAPES[name]
    out = (size + 2 * pad - window) // stride + 1
    n = batch or n
    sizes = {
        "batch": n, "channels": c, "size": size, "filters": k, "window": window, "pad": pad, "stride": stride,
        "out": out, "part": PASSES.index(part),
    }  # fmt: skip
    return Workload(
        name=f"conv-{name}-{part}" + (f"-{batch}" if batch else ""),
        title=f"{name}, {part}",
        family="convolution",
        sizes=sizes,
        maker=partial(arrays, sizes=sizes),
        trained=("out",),
        flops=2.0 * n * k * c * window**2 * out**2,
        resident=4.0 * (n * c * size**2 + k * c * window**2 + n * k * out**2),
        has_loss=False,
    )


CONVOLUTIONS: dict[str, Workload] = {
    w.name: w for w in (convolution(name, part) for name in SHAPES for part in PASSES)
}
SMALL_CONVOLUTIONS: dict[str, Workload] = {
    w.name: w for w in (convolution(name, part, 3) for name in ("lenet1", "cif16", "s2", "1x1s2") for part in PASSES)
}
