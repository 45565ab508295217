"""What a training step keeps for its gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import arignote as ar
from arignote.frontends import tensor as T
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.nnet.bn import batch_normalization_train
from arignote.ir.cost import LIGHT
from arignote.ir.diag import IRError
from arignote.ir.opdef import OPS
from arignote.ir.parse import parse_module
from arignote.passes import epilogue, recompute
from arignote.passes.lifetimes import occupancy

N, CHANNELS, SIZE, LAYERS = 8, 8, 12, 4
IMAGE = N * CHANNELS * SIZE * SIZE * 4  # bytes


def network(concatenate: bool, mode: Mode | None = None) -> Any:
    """The training step of layers of relu(normalised), convolution."""
    rng = np.random.default_rng(0)
    x = T.TensorType("float32", shape=(N, CHANNELS, SIZE, SIZE))("x")
    parameters, y = [], x
    for i in range(LAYERS):
        channels = CHANNELS * (1 + i * concatenate)
        gamma, beta = (ar.shared(np.full(channels, v, np.float32), shape=(channels,)) for v in (1, 0.1))
        shape = (CHANNELS, channels, 3, 3)
        w = ar.shared(rng.normal(size=shape).astype(np.float32) / 8, shape=shape)
        parameters += [gamma, beta, w]
        normal = batch_normalization_train(y, gamma, beta, "spatial")[0]
        new = T.nnet.conv2d(T.nnet.relu(normal), w, border_mode="half")
        y = T.concatenate([y, new], axis=1) if concatenate else new
    cost = T.mean(T.sqr(y))
    updates = [(p, p - np.float32(0.1) * g) for p, g in zip(parameters, T.grad(cost, parameters), strict=True)]
    return ar.function([x], cost, updates=updates, mode=mode)


def peak(function: Any) -> int:
    """The bytes of the workspace that are in use at once at most."""
    function(np.ones((N, CHANNELS, SIZE, SIZE), np.float32))
    return occupancy(function.mode.lowering().run(function.func)).peak


@pytest.mark.parametrize("concatenate", [False, True])
def test_a_layer_keeps_its_input_and_its_output(concatenate: bool) -> None:
    """The inputs of normalisations and convolutions, a gradient, and what a kernel takes as it runs."""
    images = sum(1 + i * concatenate for i in range(LAYERS))
    one = 1 + concatenate * LAYERS / 2
    assert peak(network(concatenate)) <= (2 * images + 3 * one) * IMAGE
    assert peak(network(concatenate, Mode().excluding("recompute"))) > 3 * images * IMAGE


def test_steps_compute_the_same() -> None:
    x = np.random.default_rng(1).normal(size=(N, CHANNELS, SIZE, SIZE)).astype(np.float32)
    functions = network(True), network(True, Mode().excluding("recompute"))
    losses = [[float(f(x)) for _ in range(3)] for f in functions]
    assert losses[0][2] < losses[0][0]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)


def test_kernels_of_rows_store_rows_and_whole_arrays_only() -> None:
    """Which column is which is not stored for gradients, though it is lighter than the mask that follows from it."""
    rng = np.random.default_rng(2)
    start, x, labels = rng.normal(size=(5, 28)), rng.normal(size=(68, 5)), rng.integers(0, 28, 68)
    losses = []
    for mode in (Mode(), Mode().excluding("recompute")):
        w = ar.shared(start, shape=start.shape)
        inputs, wanted = T.TensorType("float64", shape=x.shape)("x"), T.TensorType("int64", shape=labels.shape)("y")
        p = T.nnet.softmax(T.dot(inputs, w))
        weights = T.abs(inputs[:, 0])
        picked = T.log(p)[T.arange(len(labels)), wanted]
        cost = -T.sum(picked * weights) / T.maximum(1, T.sum(weights))
        step = ar.function([inputs, wanted], cost, updates=[(w, w - 0.5 * T.grad(cost, w))], mode=mode)
        losses.append([float(step(x, labels)) for _ in range(4)])
        kernels = [op for op in mode.lowering().run(step.func).ops if op.name == "fused" and op.attrs["kind"] == "rows"]
        stored = [y.shape for op in kernels for y in op.regions[0].yields]
        assert (68, 28) in stored and (28,) not in stored
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-12)


def test_a_kernel_that_would_store_another_shape_is_refused() -> None:
    text = """func @f(%x: f64[3,4]) -> (i64[4], f64[3]) {
  %a, %b = fused(%x) {axes=[1], kind="rows"} : i64[4], f64[3] {
    (%y: f64[3,4]):
    %iota = iota() {axis=0, dtype="i64", shape=[4]} : i64[4]
    %sum = sum(%y) {axes=[1]} : f64[3]
    yield(%iota, %sum)
  }
  return(%a, %b)
}"""
    with pytest.raises(IRError, match=r"cannot store i64\[4\] in a kernel over \[3, 4\]"):
        parse_module(text)
    kept = parse_module(text.replace("yield(%iota, ", "yield(%sum, ").replace("i64[4], f64[3] {", "f64[3], f64[3] {")
                        .replace("-> (i64[4]", "-> (f64[3]"))  # fmt: skip
    assert kept is not None


def test_light_ops_are_ops() -> None:
    assert set(OPS) >= LIGHT | recompute.CHEAP | epilogue.CHEAP
