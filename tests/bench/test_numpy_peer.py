"""The reference against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench import peers, workloads
from bench.peers.base import minibatches
from bench.peers.numpy_ import chain, softmax_loss
from bench.workloads.mnist import digits


def test_softmax_loss_of_equal_logits() -> None:
    loss, grad = softmax_loss(np.zeros((2, 4), np.float32), np.array([0, 3], np.int32))
    assert loss == pytest.approx(math.log(4), rel=1e-6)
    quarter, rest = 0.125, 0.125 - 0.5
    want = [[rest, quarter, quarter, quarter], [quarter, quarter, quarter, rest]]
    np.testing.assert_allclose(grad, want, rtol=1e-6)


def test_softmax_loss_of_huge_logits_is_finite() -> None:
    loss, grad = softmax_loss(np.array([[1e4, 0.0]], np.float32), np.array([1], np.int32))
    assert loss == pytest.approx(1e4)
    np.testing.assert_allclose(grad, [[1.0, -1.0]])


def test_first_steps_of_logreg() -> None:
    spec = workloads.find("logreg-small")
    arrays = spec.make(3)
    x, y = arrays["x"].copy(), arrays["y"].copy()
    runner = peers.find("numpy").build(spec, arrays, 1)
    assert runner.step() == pytest.approx(math.log(10), rel=1e-6)
    # From zeros, the gradient of the logits is (1/10 - one-hot) / batch.
    batch = spec.sizes["batch"]
    grad = (0.1 - np.eye(10)[y[:batch]]) / batch
    params = runner.params()
    np.testing.assert_allclose(params["W"], -0.13 * x[:batch].T @ grad, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(params["b"], -0.13 * grad.sum(axis=0), rtol=1e-4, atol=1e-7)


def test_mlp_moves_only_the_output_layer_first() -> None:
    """With an output layer of zeros nothing flows back to the first layer on step one."""
    spec = workloads.find("mlp-small")
    arrays = spec.make(3)
    before = arrays["W1"].copy()
    runner = peers.find("numpy").build(spec, arrays, 1)
    assert runner.step() == pytest.approx(math.log(10), rel=1e-6)
    after = runner.params()
    np.testing.assert_array_equal(after["W1"], before)
    assert np.abs(after["W2"]).max() > 0
    runner.step()
    assert np.abs(runner.params()["W1"] - before).max() > 0


@pytest.mark.parametrize("name", ["W1", "b1", "W2", "b2"])
def test_mlp_gradients_match_differences(name: str) -> None:
    """An update over the learning rate is the slope of the loss along one entry."""
    spec = workloads.find("mlp-small")
    arrays = {
        k: v.astype(np.float64) if v.dtype == np.float32 else v for k, v in spec.make(4).items()
    }
    rng = np.random.default_rng(0)
    arrays["W2"] = rng.standard_normal(arrays["W2"].shape) * 0.1
    start = {k: v.copy() for k, v in arrays.items()}
    runner = peers.find("numpy").build(spec, arrays, 1)
    runner.step()
    at = (0,) * start[name].ndim
    slope = (start[name][at] - runner.params()[name][at]) / np.float64(np.float32(spec.rate))

    def loss(shift: float) -> float:
        moved = {k: v.copy() for k, v in start.items()}
        moved[name][at] += shift
        return peers.find("numpy").build(spec, moved, 1).step()

    assert slope == pytest.approx((loss(1e-5) - loss(-1e-5)) / 2e-5, rel=1e-4, abs=1e-9)


def test_minibatches_go_round() -> None:
    spec = workloads.find("logreg-small")
    count = spec.sizes["examples"] // spec.sizes["batch"]
    order = minibatches(spec)
    numbers = [next(order) for _ in range(2 * count)]
    assert numbers == [*range(count), *range(count)]


def test_chain_by_hand_and_bounded() -> None:
    s, x = np.array([0.5], np.float32), np.array([-0.25], np.float32)
    assert chain(s, x)[0] == pytest.approx(0.125 / 2)  # u = 0, so tanh is 0 and exp is 1
    spec = workloads.find("chain-small")
    runner = peers.find("numpy").build(spec, spec.make(1), 1)
    for _ in range(500):
        runner.step()
    assert np.abs(runner.params()["s"]).max() < 1


def test_calls_apply_every_layer() -> None:
    spec = workloads.find("call-2")
    arrays = spec.make(1)
    runner = peers.find("numpy").build(spec, arrays, 1)
    runner.step()
    h, stack = arrays["h"], arrays["stack"]
    np.testing.assert_allclose(
        runner.params()["out"], np.tanh(np.tanh(h @ stack[0]) @ stack[1]), rtol=1e-6
    )


def test_data_have_the_shape_of_mnist_and_depend_only_on_the_seed() -> None:
    one, same = (digits(np.random.default_rng(5), 500) for _ in range(2))
    other = digits(np.random.default_rng(6), 500)
    assert one["x"].shape == (500, 784) and one["x"].dtype == np.float32
    assert one["y"].dtype == np.int32 and set(one["y"]) <= set(range(10))
    assert one["x"].min() >= 0 and one["x"].max() < 1
    assert 0.18 < np.count_nonzero(one["x"]) / one["x"].size < 0.22
    np.testing.assert_array_equal(one["x"], same["x"])
    assert not np.array_equal(one["x"], other["x"])


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="logreg"):
        workloads.find("nothing")
    with pytest.raises(ValueError, match="torch-eager"):
        peers.find("nothing")


def test_floors_count_the_products() -> None:
    spec = workloads.find("mlp-600")
    assert spec.flops == 2 * 600 * 784 * 500 * 2 + 3 * 2 * 600 * 500 * 10
    assert workloads.find("logreg").flops == 2 * 2 * 600 * 784 * 10
    assert workloads.find("chain-1e3").resident == 12_000
