"""The passes of `bench/workloads/convolutions.py` in each library: its result, the gradient of images, of filters."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.peers.base import Runner
from bench.peers.ops import runner
from bench.workloads.convolutions import PASSES
from bench.workloads.spec import Params, Workload


def _part(workload: Workload) -> str:
    return PASSES[workload.sizes["part"]]


def in_numpy(workload: Workload, params: Params) -> Runner:
    """NumPy: a product of matrices for each element of the filter."""
    s, (x, w, y) = workload.sizes, (params[k] for k in "xwy")
    pad, by, out = s["pad"], s["stride"], s["out"]
    around = ((0, 0), (0, 0), (pad, pad), (pad, pad))
    inside = slice(pad, pad + s["size"])
    places = [
        ((..., i, j), (..., slice(i, i + by * (out - 1) + 1, by), slice(j, j + by * (out - 1) + 1, by)))
        for i, j in itertools.product(range(s["window"]), repeat=2)
    ]

    def forward() -> Any:
        padded, total = np.pad(x, around), np.zeros(y.shape, np.float32)
        for at, met in places:
            total += np.einsum("nchw,kc->nkhw", padded[met], w[at], optimize=True)
        return total

    def images() -> Any:
        padded = np.zeros_like(np.pad(x, around))
        for at, met in places:
            padded[met] += np.einsum("nkhw,kc->nchw", y, w[at], optimize=True)
        return padded[..., inside, inside]

    def filters() -> Any:
        padded, total = np.pad(x, around), np.zeros_like(w)
        for at, met in places:
            total[at] = np.einsum("nchw,nkhw->kc", padded[met], y, optimize=True)
        return total

    return runner({"forward": forward, "images": images, "filters": filters}[_part(workload)])


def in_torch(torch: Any, last: bool, workload: Workload, params: Params) -> Runner:
    """PyTorch, with channels first or last."""
    layout = torch.channels_last if last else torch.contiguous_format
    x, w, y = (torch.from_numpy(params[k]).contiguous(memory_format=layout) for k in "xwy")
    s, part = workload.sizes, _part(workload)
    both = [s["stride"]] * 2, [s["pad"]] * 2, [1, 1], False, [0, 0], 1

    def back(which: int) -> Callable[[], Any]:
        wanted = [which == 0, which == 1, False]
        return lambda: torch.ops.aten.convolution_backward(y, x, w, None, *both, wanted)[which]

    if part == "forward":
        return runner(lambda: torch.nn.functional.conv2d(x, w, padding=s["pad"], stride=s["stride"]))
    return runner(back(0 if part == "images" else 1))


def in_jax(jax: Any, last: bool, workload: Workload, params: Params) -> Runner:
    """JAX, with channels first or last; gradients are the transpositions of the compiled linear functions."""
    s, part = workload.sizes, _part(workload)
    order = ("NHWC", "HWIO", "NHWC") if last else ("NCHW", "OIHW", "NCHW")
    forth, filters = ((0, 2, 3, 1), (2, 3, 1, 0)) if last else ((0, 1, 2, 3), (0, 1, 2, 3))
    x, y = (jax.device_put(np.ascontiguousarray(params[k].transpose(forth))) for k in "xy")
    w = jax.device_put(np.ascontiguousarray(params["w"].transpose(filters)))

    def conv(x: Any, w: Any) -> Any:
        pads = [(s["pad"], s["pad"])] * 2
        return jax.lax.conv_general_dilated(x, w, (s["stride"],) * 2, pads, dimension_numbers=order)

    calls: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "forward": (conv, (x, w)),
        "images": (lambda y, w: jax.linear_transpose(lambda x: conv(x, w), x)(y)[0], (y, w)),
        "filters": (lambda x, y: jax.linear_transpose(lambda w: conv(x, w), w)(y)[0], (x, y)),
    }
    function, given = calls[part]
    run = jax.jit(function)
    made = runner(lambda: run(*given), lambda out: out.block_until_ready())
    back = np.argsort(filters if part == "filters" else forth)
    return Runner(made.step, lambda: {"out": made.params()["out"].transpose(back)})


def in_arignote(lib: Any, tensor: Any, workload: Workload, params: Params) -> Runner:
    """Arignote, of arguments of fixed sizes."""
    s, part = workload.sizes, _part(workload)
    names = {"forward": "xw", "images": "yw", "filters": "xy"}[part]
    given = [params[k] for k in names]
    a, b = (tensor.TensorType("float32", shape=params[k].shape)(k) for k in names)
    options: dict[str, Any] = {
        "border_mode": s["pad"], "subsample": (s["stride"],) * 2, "filter_flip": False,
    }  # fmt: skip
    net = tensor.nnet
    if part == "forward":
        out = net.conv2d(a, b, **options)
    elif part == "images":
        out = net.abstract_conv.conv2d_grad_wrt_inputs(a, b, params["x"].shape, **options)
    else:
        out = net.abstract_conv.conv2d_grad_wrt_weights(a, b, params["w"].shape, **options)
    f = lib.function([a, b], out)
    return runner(lambda: f(*given))
