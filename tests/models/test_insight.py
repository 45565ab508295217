"""What networks look at: gradients under three rules and the deconvnet beside PyTorch's, images of classes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.models.book.insights import Deconvnet, GuidedBackprop, Inceptionism
from arignote.models.data import Dataset, Pair
from arignote.models.imagetask import ImageTask
from arignote.models.insight import RECTIFIERS, Dream, attributions, projected, projections, strongest

RANDOM = np.random.default_rng(0)


def network(dtype: str = "float64") -> tuple[L.Layer, list[L.Layer]]:
    with ar.change_flags(floatX=dtype), L.seeded(1):
        first = L.Conv2D(L.Input((None, 1, 12, 12)), 3, 3, nonlinearity="relu", b=L.Normal(0.3))
        pooled = L.Pool2D(first, 2)
        second = L.Conv2D(pooled, 4, 2, nonlinearity="relu", b=L.Normal(0.3))
        top = L.Pool2D(second, 2)
        dense = L.Dense(L.Flatten(top), 6, "relu", b=L.Normal(0.3))
        return L.Dense(L.Dropout(dense, 0.5), 3, "softmax"), [first, second, top]


def torch_gradient(torch: Any, net: L.Layer, x: Any, rule: str) -> Any:
    """Of the highest score."""
    F = torch.nn.functional

    class Rectifier(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * ((x > 0) | (rule == "deconvnet")) * ((g > 0) | (rule == "gradient"))

    w1, b1, w2, b2, w3, b3, w4, b4 = (torch.tensor(p.get_value()) for p in L.get_all_params(net))
    x = torch.tensor(x, requires_grad=True)
    y = F.max_pool2d(Rectifier.apply(F.conv2d(x, w1, b1)), 2)
    y = F.max_pool2d(Rectifier.apply(F.conv2d(y, w2, b2)), 2).flatten(1)
    scores = Rectifier.apply(y @ w3 + b3) @ w4 + b4
    return torch.autograd.grad(scores.max(1).values.sum(), x)[0].numpy()


@pytest.mark.parametrize("rule", RECTIFIERS)
def test_gradients_agree_with_torch(rule: str) -> None:
    torch = pytest.importorskip("torch")
    net, _ = network()
    x = RANDOM.normal(size=(5, 1, 12, 12))
    got, want = attributions(net, rule)(x), torch_gradient(torch, net, x, rule)
    np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)
    assert abs(want).max() > 0


def test_the_deconvnet_is_the_transposition() -> None:
    """Written out: unpooling by switches, rectifier, correlation turned around."""
    net, (_, second, top) = network()
    x = RANDOM.normal(size=(2, 1, 12, 12))
    inputs = L.get_all_layers(net)[0]
    values, images = projections(top)(x)
    features = L.get_output(L.get_all_layers(net)[1:5], {inputs: x})
    first, _, second_maps, top_maps = (np.asarray(f.eval()) for f in features)
    assert values.shape == (2, 4) and images.shape == (2, 4, 1, 12, 12)
    np.testing.assert_allclose(values, top_maps.max(axis=(2, 3)))

    def unpooled(g: Any, maps: Any) -> Any:
        out = np.zeros_like(maps)
        for place in np.ndindex(*g.shape):
            n, k, i, j = place
            window = maps[n, k, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2]
            di, dj = np.unravel_index(window.argmax(), (2, 2))
            out[n, k, 2 * i + di, 2 * j + dj] = g[place]
        return out

    def transposed(g: Any, w: Any) -> Any:
        out = np.zeros((len(g), w.shape[1], g.shape[2] + w.shape[2] - 1, g.shape[3] + w.shape[3] - 1))
        for i, j in np.ndindex(*g.shape[2:]):
            out[:, :, i : i + w.shape[2], j : j + w.shape[3]] += np.einsum("nk,kcab->ncab", g[:, :, i, j], w)
        return out

    w1, w2 = (layer.W.get_value() for layer in L.get_all_layers(net) if isinstance(layer, L.Conv2D))
    for k in range(4):
        signal = np.zeros_like(top_maps)
        for n in range(2):
            place = np.unravel_index(top_maps[n, k].argmax(), top_maps.shape[2:])
            signal[n, k][place] = top_maps[n, k][place]
        g = transposed(np.maximum(unpooled(signal, second_maps), 0), w2)
        g = transposed(np.maximum(unpooled(g, first), 0), w1)
        np.testing.assert_allclose(images[:, k], g, rtol=1e-6, atol=1e-9)
    ties = np.array([[[[1.0, 3], [3, 0]], [[0, 0], [0, 0]]]])
    v = T.tensor4("v", dtype="float64")
    np.testing.assert_array_equal(ar.function([v], strongest(v))(ties), [[[[0, 3], [0, 0]], [[0, 0], [0, 0]]]])
    with pytest.raises(ValueError, match="convolutions with rectifiers and maxima only"):
        projected(L.Nonlinearity(second, "tanh"), v)


def test_images_of_a_class() -> None:
    net, (first, *_) = network("float32")
    begun = RANDOM.uniform(0, 0.2, (3, 1, 12, 12))
    x = T.tensor4("x", dtype="float32")
    p = ar.function([x], L.get_output(net, x, deterministic=True))
    images, liked = Dream(net, rate=0.03).run(begun, np.arange(3), 40)
    assert images.min() >= 0 and images.max() <= 1
    assert (liked[-1] > liked[0]).all()
    before, after = (np.diag(p(each.astype("float32"))) for each in (begun, images))
    assert (after > before).all()
    same, _ = Dream(net, rate=0.03).run(begun, np.arange(3), 40)
    np.testing.assert_array_equal(same, images)
    _, strength = Dream(net, rate=0.03, layer=first).run(begun, np.zeros(3), 20)
    assert (strength[-1] > 1.5 * strength[0]).all()


@pytest.mark.parametrize(
    ("kind", "names", "functions"),
    [
        (GuidedBackprop, {"attributions.png"}, set(RECTIFIERS)),
        (Deconvnet, {"projections.png"}, {"projections"}),
        (Inceptionism, {"classes.png", "features.png"}, {"dream"}),
    ],
)
def test_pictures(kind: Any, names: set[str], functions: set[str], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    def part(n: int) -> Pair:
        x = RANDOM.uniform(0, 1, (n, 256)).astype(np.float32)
        return Pair(x, RANDOM.integers(0, 3, n).astype(np.int32))

    data = Dataset("small", part(6), part(2), part(2), 3, (16, 16), "random numbers")
    options = {"steps": 2} if kind is Inceptionism else {}
    task = ImageTask(kind(batch=2, filters=2, hidden=4, **options), data, seed=0)
    assert set(task.functions()) == {"train", "valid", "test", "predict"} | functions
    painters = task.model.pictures(task.trainer)
    assert set(painters) == {"filters.png", "maps.png"} | names
    for name in names:
        painters[name](tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
