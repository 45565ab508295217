"""Adversarial networks: costs and gradients beside PyTorch's, alternating updates, measures, pictures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.models.book.dcgan import Dcgan
from arignote.models.data import Dataset, Pair, load_digits
from arignote.models.gan import GanTask
from arignote.models.likeness import discrepancy, nearest_labels
from arignote.models.model import SettingError
from arignote.models.training import Schedule, train

RANDOM = np.random.default_rng(0)
MODEL = Dcgan(batch=4, noise=3, filters=2, units=5)
SIZE, CLASSES = 8, 3


def small_data() -> Dataset:
    random = np.random.default_rng(1)

    def part(n: int) -> Pair:
        x = random.uniform(0, 1, (n, SIZE * SIZE)).astype(np.float32)
        return Pair(x, random.integers(0, CLASSES, n).astype(np.int32))

    return Dataset("small", part(13), part(6), part(6), CLASSES, (SIZE, SIZE), "random numbers")


def test_the_books_sizes() -> None:
    nets = Dcgan().networks((1, 28, 28), 10, 0, "float32")
    norm = 2
    generator = 110 * 1024 + norm * 1024 + 1034 * 6272 + norm * 6272 + 138 * 64 * 25 + norm * 64 + 74 * 25
    discriminator = 11 * 64 * 25 + 74 * 128 * 25 + norm * 128 + (6272 + 10) * 1024 + norm * 1024 + 1034
    assert L.count_params(nets.generator, trainable=True) == generator
    assert L.count_params(nets.discriminator, trainable=True) == discriminator
    assert nets.generator.output_shape == (None, 1, 28, 28)
    with pytest.raises(SettingError, match=r"images of 4, 8, 12, \.\.\. rows, not of 30"):
        Dcgan().networks((1, 30, 30), 10, 0, "float32")
    with pytest.raises(SettingError, match="batch=400, but small has 13 training images"):
        GanTask(Dcgan(batch=400), small_data(), seed=0)


def torch_networks(torch: Any, p: dict[str, Any]) -> tuple[Any, Any]:
    """The same networks, from parameters in the order in which the layers are made."""
    F = torch.nn.functional

    def labelled(x: Any, c: Any) -> Any:
        return torch.cat([x, c if x.ndim == 2 else c[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)

    def norm(x: Any, left: Any) -> Any:
        beta, gamma, _, _ = (next(left) for _ in range(4))
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-4)

    def generator(z: Any, c: Any) -> Any:
        left = iter([v for k, v in p.items() if k.startswith("generator.")])
        x = F.relu(norm(labelled(z, c) @ next(left), left))
        x = F.relu(norm(labelled(x, c) @ next(left), left)).reshape(len(z), 2 * MODEL.filters, SIZE // 4, -1)

        def up(x: Any) -> Any:
            return F.conv_transpose2d(labelled(x, c), next(left), stride=2, padding=2, output_padding=1)

        return torch.sigmoid(up(F.relu(norm(up(x), left))))

    def discriminator(x: Any, c: Any) -> Any:
        left = iter([v for k, v in p.items() if k.startswith("discriminator.")])

        def down(x: Any) -> Any:
            return F.conv2d(labelled(x, c), next(left), stride=2, padding=2)

        x = F.leaky_relu(down(x), MODEL.slope)
        x = F.leaky_relu(norm(down(x), left), MODEL.slope).flatten(1)
        x = F.leaky_relu(norm(labelled(x, c) @ next(left), left), MODEL.slope)
        return torch.sigmoid(labelled(x, c) @ next(left))

    return generator, discriminator


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 1e-4)])
def test_costs_and_gradients_agree_with_torch(dtype: str, tolerance: float) -> None:
    torch = pytest.importorskip("torch")
    task = GanTask(MODEL, small_data(), seed=3, dtype=dtype)
    for parameter in task.parameters.values():  # larger than N(0, 0.02), or gradients are nearly nothing
        value = parameter.get_value()
        parameter.set_value((value + RANDOM.normal(0, 0.3, value.shape) ** 2).astype(dtype))
    x, y, z = T.matrix("x", dtype=dtype), T.vector("y", dtype="int32"), T.matrix("z", dtype=dtype)
    costs = [task.discriminator_cost(x, y, z), task.generator_cost(y, z, {})]
    trained = [
        [p for k, p in task.parameters.items() if k.startswith(who) and not k.endswith((".mean", ".variance"))]
        for who in ("discriminator", "generator")
    ]
    gradients = [g for cost, params in zip(costs, trained, strict=True) for g in T.grad(cost, params)]
    X, Y = RANDOM.uniform(size=(6, SIZE * SIZE)).astype(dtype), RANDOM.integers(0, CLASSES, 6).astype(np.int32)
    Z = RANDOM.uniform(-1, 1, (6, MODEL.noise)).astype(dtype)
    got = ar.function([x, y, z], [*costs, *gradients])(X, Y, Z)

    values = {
        k: torch.tensor(p.get_value().astype("float64"), requires_grad=True) for k, p in task.parameters.items()
    }
    generator, discriminator = torch_networks(torch, values)
    classes = torch.tensor(np.eye(CLASSES)[Y])
    real = discriminator(torch.tensor(X.astype("float64").reshape(6, 1, SIZE, SIZE)), classes)
    drawn = generator(torch.tensor(Z.astype("float64")), classes)
    fake = discriminator(drawn, classes)
    fooled = -torch.log(fake).mean()
    told = -torch.log(real).mean() - torch.log(1 - discriminator(drawn.detach(), classes)).mean()
    named = {id(p): values[k] for k, p in task.parameters.items()}
    want = [told, fooled]
    for cost, params in zip((told, fooled), trained, strict=True):
        want += torch.autograd.grad(cost, [named[id(p)] for p in params])
    for number, (a, b) in enumerate(zip(got, want, strict=True)):
        b = b.detach().numpy()
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max(), err_msg=str(number))


def test_updates_alternate() -> None:
    task = GanTask(MODEL, small_data(), seed=0)
    assert task.n_batches == 3

    def changed(minibatch: int) -> set[str]:
        before = task.snapshot()
        task.steps.train(minibatch)
        names = {name for name, value in task.snapshot().items() if not np.array_equal(value, before[name])}
        return {name.partition(".")[0] for name in names} - {"state"}

    assert [changed(i) for i in range(3)] == [{"discriminator"}, {"discriminator", "generator"}, {"discriminator"}]


def test_a_restored_run_goes_on_as_before() -> None:
    def losses(task: GanTask) -> list[float]:
        return [float(task.steps.train(i)) for i in (0, 1, 2, 0, 1)]

    task = GanTask(MODEL, small_data(), seed=0)
    losses(task)
    state = task.snapshot()
    want = losses(task)
    again = GanTask(MODEL, small_data(), seed=7)
    again.restore(state)
    assert losses(again) == want
    assert len(set(want)) == len(want)


def test_measures() -> None:
    x = RANDOM.normal(size=(40, 5))
    assert discrepancy(x, x) == 0
    near, far = discrepancy(RANDOM.normal(size=(40, 5)), x), discrepancy(RANDOM.normal(2, 1, (40, 5)), x)
    assert 0 < near < far / 2 < 1
    y = RANDOM.normal(1, 1, (3, 5))
    width = np.median([((a - b) ** 2).sum() for i, a in enumerate(y) for j, b in enumerate(y) if i != j])

    def kernel(p: Any, q: Any) -> float:
        return float(np.mean([[np.exp(-((a - b) ** 2).sum() / width) for a in p] for b in q]))

    want = kernel(x, x) + kernel(y, y) - 2 * kernel(x, y)
    np.testing.assert_allclose(discrepancy(x, y), np.sqrt(want), rtol=1e-10)
    labels = np.arange(40) % 7
    assert (nearest_labels(x[::-1] + 1e-3, x, labels) == labels[::-1]).all()


def test_digits_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    digits = load_digits()

    def small(part: Pair) -> Pair:
        """Of 8x8: every fourth pixel."""
        x = np.pad(part.x.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))[:, 2::4, 2::4]
        return Pair(np.ascontiguousarray(x.reshape(len(x), -1)), part.y)

    data = Dataset("small", small(digits.train), small(digits.valid), small(digits.test), 10, (8, 8), "digits")
    task = GanTask(Dcgan(batch=50, filters=16, units=64, rate=2e-3), data, seed=0)
    first = task.judge(*data.valid)
    assert first[0] > 0.9 and first[1] > 0.8
    history = train(task.steps, Schedule(5, task.n_batches, interval=26, by_loss=True))
    assert history.best is not None and history.best.valid_loss < 0.4
    assert history.best.valid_error < 0.35
    pictures = task.pictures(history)
    for name, paint in pictures.items():
        paint(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert set(pictures) == {"learning_curves.png", "samples.png"}
