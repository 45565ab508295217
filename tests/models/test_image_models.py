"""The models of chapters 6 and 7: sizes, values and gradients beside PyTorch's, training, pictures."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.models import registry
from arignote.models.book.densenet import DenseNet, DenseNetFast
from arignote.models.book.mnist_cnn import MnistCnn
from arignote.models.book.resnet import ResNet
from arignote.models.book.stn import Rstn, Stn
from arignote.models.data import load_digits
from arignote.models.imagetask import ImageTask
from arignote.models.layered import LayerModel, image_shape
from arignote.models.model import SettingError
from arignote.models.training import History, Schedule, train

RANDOM = np.random.default_rng(0)


def parameters(model: LayerModel, n_in: int) -> int:
    network = model.network(n_in, 10, 0, "float32")
    return L.count_params(network.layers, trainable=True)


def test_numbers_of_parameters() -> None:
    # K. He et al. (2016): 1.7 million for both; S. Zagoruyko, N. Komodakis (2016): WRN-40-4, 8.9; G. Huang et al.: 1.0.
    def plain(n: int, w: int) -> int:
        sizes = [16, 16 * w, 32 * w, 64 * w]
        total = 3 * 9 * 16 + 2 * 64 * w + 64 * w * 10 + 10
        for a, b in itertools.pairwise(sizes):
            project = 0 if a == b else a * b
            total += 9 * a * b + 9 * b * b + project + 2 * a + 2 * b + (n - 1) * (18 * b * b + 4 * b)
        return total

    assert parameters(ResNet(n=18, filters=16), 3072) == plain(18, 1)
    assert parameters(ResNet(n=6, filters=16, width=4), 3072) == plain(6, 4)
    assert round(plain(18, 1) / 1e6, 1) == 1.7 and round(plain(6, 4) / 1e6, 1) == 8.9
    assert round(parameters(ResNet(n=18, filters=16, bottleneck=True), 3072) / 1e6, 1) == 1.7
    assert round(parameters(DenseNet(), 3072) / 1e6, 1) == 1.0
    assert parameters(DenseNetFast(), 3072) == parameters(DenseNet(), 3072)
    assert parameters(MnistCnn(), 784) == 32 * 26 + 32 * (32 * 25 + 1) + 512 * 256 + 256 + 256 * 10 + 10


def test_settings() -> None:
    assert {"resnet", "densenet", "densenet_fast", "mnist_cnn", "stn", "rstn"} <= set(registry.models())
    assert ResNet.with_settings(["bottleneck=true", "n=2"]) == ResNet(bottleneck=True, n=2)
    with pytest.raises(SettingError, match="4 more than a multiple of 3"):
        DenseNet(depth=12)
    with pytest.raises(SettingError, match="survival is a probability"):
        ResNet(survival=1.5)
    assert (image_shape(784), image_shape(3072)) == ((1, 28, 28), (3, 32, 32))
    with pytest.raises(SettingError, match="not square"):
        image_shape(50)
    rates = [ResNet().rate_at(epoch, 8) for epoch in (0, 3, 4, 5, 6, 7)]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def torch_resnet(torch: Any, p: dict[str, Any], x: Any, n: int, bottleneck: bool) -> Any:
    """The same network, from parameters in the order in which the layers are made."""
    F = torch.nn.functional
    left = iter(p.values())

    def take(rank: int) -> Any:
        value = next(left)
        assert value.ndim == rank
        return value

    def conv(x: Any, stride: int = 1) -> Any:
        w = take(4)
        return F.conv2d(x, w, stride=stride, padding=w.shape[-1] // 2)

    def activated(x: Any) -> Any:
        beta, gamma, _, _ = take(1), take(1), take(1), take(1)
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
        normal = (x - mean) / torch.sqrt(var + 1e-4)
        return F.relu(normal * gamma[:, None, None] + beta[:, None, None])

    x = conv(x)
    for stage in range(3):
        for block in range(n):
            stride = 2 if stage and not block else 1
            before = activated(x)
            y = conv(before, stride)
            for _ in range(2 if bottleneck else 1):
                y = conv(activated(y))
            x = y + (x if y.shape == x.shape else conv(before, stride))
    pooled = activated(x).mean((2, 3))
    return F.softmax(pooled @ take(2) + take(1), 1)


@pytest.mark.parametrize("bottleneck", [False, True])
def test_residual_networks_agree_with_torch(bottleneck: bool) -> None:
    torch = pytest.importorskip("torch")
    network = ResNet(n=1, filters=4, bottleneck=bottleneck).network(3 * 64, 5, 3, "float64")
    assert network.training is not None
    X, y = RANDOM.normal(size=(6, 3 * 64)), RANDOM.integers(0, 5, 6)
    x = T.matrix("x", dtype="float64")
    updates: dict[Any, Any] = {}
    p = network.training(x, updates)
    trained = {name: network.parameters[name] for name in network.trained or ()}
    cost = -T.mean(T.log(p)[np.arange(6), y])
    outputs = ar.function([x], [p, *T.grad(cost, list(trained.values()))])(X)
    values = {
        name: torch.tensor(v.get_value(), requires_grad=name in trained) for name, v in network.parameters.items()
    }
    want = torch_resnet(torch, values, torch.tensor(X.reshape(6, 3, 8, 8)), 1, bottleneck)
    np.testing.assert_allclose(outputs[0], want.detach().numpy(), rtol=1e-8)
    (-torch.log(want)[np.arange(6), y].mean()).backward()
    for name, got in zip(trained, outputs[1:], strict=True):
        np.testing.assert_allclose(got, values[name].grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)
    assert len(updates) == 2 * sum(name.endswith(".mean") for name in network.parameters)


def test_the_fast_variant_computes_the_same_at_the_start() -> None:
    """With scales of 1 and shifts of 0, statistics of features are those of their concatenation."""
    x = T.matrix("x", dtype="float64")
    outputs = []
    for kind in (DenseNet, DenseNetFast):
        network = kind(depth=7, growth=3, filters=4).network(3 * 64, 5, 3, "float64")
        assert network.training is not None
        outputs.append(network.training(x, {}))
    slow, fast = ar.function([x], outputs)(RANDOM.normal(size=(6, 3 * 64)))
    np.testing.assert_allclose(slow, fast, rtol=1e-3)  # normalising twice: epsilon counts twice


def test_stochastic_depth_leaves_blocks_out() -> None:
    network = ResNet(n=1, filters=4, survival=0.5).network(64, 5, 3, "float64")
    assert network.training is not None
    x = T.matrix("x", dtype="float64")
    f = ar.function([x], network.training(x, {}))
    X = RANDOM.normal(size=(6, 64))
    # Three blocks: at most 8 different networks, each of them more than once.
    seen = {np.round(f(X), 10).tobytes() for _ in range(40)}
    assert 1 < len(seen) <= 8


def test_transformers_begin_with_the_whole_image() -> None:
    model = Stn(size=50, downsample=3, samples=1, zoom=1.0, filters=2, hidden=4)
    network = model.network(2500, 10, 0, "float64")
    layers = L.get_all_layers(network.layers)
    seen = next(layer for layer in layers if layer.name == "seen")
    images = next(layer for layer in layers if isinstance(layer, L.Input))
    X = RANDOM.uniform(size=(2, 1, 50, 50))
    got = ar.function([images.variable], L.get_output(seen))(X)
    assert got.shape == (2, 1, 16, 16)
    at = np.linspace(0, 49, 16)
    rows = (1 - at % 1)[:, None] * X[0, 0, np.floor(at).astype(int)] + (at % 1)[:, None] * X[
        0, 0, np.ceil(at).astype(int)
    ]
    want = (1 - at % 1) * rows[:, np.floor(at).astype(int)] + (at % 1) * rows[:, np.ceil(at).astype(int)]
    np.testing.assert_allclose(got[0, 0], want, atol=1e-10)


def test_what_is_seen_at_first_and_how_fast_each_network_learns() -> None:
    pytest.importorskip("sklearn")
    model = Stn(images=2000, filters=2, hidden=8, batch=20, zoom=0.5, locate=0.01)
    task: Any = model.task(None, seed=0)
    assert task.about() == "200 training (new ones in each epoch), 200 validation, 200 test images"
    network = task.trainer.classifier.network
    layers = L.get_all_layers(network.layers)
    seen = next(layer for layer in layers if layer.name == "seen")
    assert seen.output_shape == (None, 1, 33, 33)
    images = next(layer for layer in layers if isinstance(layer, L.Input))
    X = np.zeros((1, 1, 100, 100), np.float32)
    X[:, :, 24:76, 24:76] = 1
    got = ar.function([images.variable], L.get_output(seen))(X)
    np.testing.assert_allclose(got, 1)  # its middle half
    before = task.trainer.snapshot()
    for i in range(3):
        task.steps.train(i)
    after = task.trainer.snapshot()
    # A step of Adam is at most about as long as the rate; three go before momenta grow.
    moved = {name: np.abs(after[name] - before[name]).max() for name in network.parameters}
    for kind, longest in (("where_shape", 3e-7), ("where5", 1e-5), ("dense", 1e-3)):
        found = [moved[name] for name in moved if name.startswith(kind)]
        assert 0.1 * longest < max(found) < 4 * longest
    assert [model.rate_at(epoch, 40) for epoch in (0, 20, 30, 39)] == pytest.approx([1e-3, 1e-3, 5e-4, 5e-5])


def test_digits_are_learned_by_the_network_of_layers() -> None:
    pytest.importorskip("sklearn")
    task = ImageTask(MnistCnn(batch=20, filters=8, hidden=64, dropout=0.2, rate=0.02), load_digits(), seed=0)
    history = train(task.steps, Schedule(8, task.n_batches, interval=1000))
    assert history.best is not None and history.best.valid_error < 0.12


def test_three_digits_in_turn_and_pictures(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    task = Rstn(images=400, filters=2, hidden=8, downsample=6, batch=20).task(None, seed=0)
    assert task.data_name == "digits"
    losses = [float(task.steps.train(i)) for i in range(2)]
    assert np.isfinite(losses).all()
    loss, error = task.steps.validate()
    assert 0 < float(error) <= 1 and np.isfinite(float(loss))
    pictures = task.pictures(History())
    names = {"filters.png", "maps.png", "crops.png", "confusion.png"}
    assert names <= set(pictures)
    for name in names:
        pictures[name](tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
