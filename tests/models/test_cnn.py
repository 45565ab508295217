"""The convolutional network against NumPy: initialisation, forward pass, gradients, fifty updates, digits."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arignote as ar
import arignote.tensor as T
from arignote.models.book.cnn import Cnn, CnnDropout
from arignote.models.classifier import Trainer, make_trainer
from arignote.models.data import Dataset, Pair, load_digits
from arignote.models.model import SettingError
from arignote.models.training import Schedule, pictures, train
from tests.models.numpy_lenet import LeNet

SIDE, CLASSES, BATCH, SEED = 17, 4, 5, 3
MODEL = Cnn(batch=BATCH, filters=3, more_filters=4, hidden=6, rate=0.05)
SIZES = (SIDE, 3, 4, 5, 6, CLASSES)
TOLERANCE = {"float64": 1e-8, "float32": 1e-4}

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def small_data() -> Dataset:
    random = np.random.default_rng(1)

    def part(n: int) -> Pair:
        x = random.uniform(0, 1, (n, SIDE * SIDE)).astype(np.float32)
        return Pair(x, random.integers(0, CLASSES, n).astype(np.int32))

    return Dataset("small", part(32), part(14), part(13), CLASSES, (SIDE, SIDE), "random numbers")


def pair(dtype: str, data: Dataset, perturb: bool = True) -> tuple[Trainer, LeNet]:
    trainer = make_trainer(MODEL, data, seed=SEED, dtype=dtype)
    reference = LeNet(SIZES, dtype=dtype, seed=SEED)
    if perturb:
        random = np.random.default_rng(2)
        for array in reference.parameters().values():
            array += random.normal(0, 0.2, array.shape).astype(dtype)
        trainer.classifier.restore(reference.parameters())
    return trainer, reference


def rows(part: Pair, minibatch: int, dtype: str) -> tuple[Any, Any]:
    chosen = slice(minibatch * BATCH, (minibatch + 1) * BATCH)
    return part.x[chosen].astype(dtype), part.y[chosen]


@dtypes
def test_initial_parameters(dtype: str) -> None:
    trainer, reference = pair(dtype, small_data(), perturb=False)
    have, want = trainer.classifier.snapshot(), reference.parameters()
    assert list(have) == list(want)
    for name, array in want.items():
        assert have[name].dtype == dtype
        np.testing.assert_array_equal(have[name], array)


@dtypes
def test_predictions_losses_and_gradients(dtype: str) -> None:
    data, tolerance = small_data(), TOLERANCE[dtype]
    trainer, reference = pair(dtype, data)
    probabilities = trainer.classifier.classify(data.test.x, batch=5)[1]
    want = np.exp(reference.log_probabilities(data.test.x.astype(dtype)))
    np.testing.assert_allclose(probabilities, want, rtol=tolerance)
    x, y = rows(data.valid, 1, dtype)
    loss, error = trainer.valid(1)
    np.testing.assert_allclose(loss, reference.loss(x, y), rtol=tolerance)
    np.testing.assert_allclose(error, reference.error(x, y), rtol=1e-6)
    x, y = rows(data.train, 2, dtype)
    loss, gradients = reference.gradients(x, y)
    before = trainer.classifier.snapshot()
    np.testing.assert_allclose(trainer.train(2), loss, rtol=tolerance)
    for name, after in trainer.classifier.snapshot().items():
        got = (before[name] - after) / MODEL.rate
        np.testing.assert_allclose(got, gradients[name], rtol=tolerance, atol=tolerance, err_msg=name)


@dtypes
def test_fifty_updates(dtype: str) -> None:
    data = small_data()
    trainer, reference = pair(dtype, data)
    for step in range(50):
        i = step % trainer.n_batches["train"]
        loss = reference.train_step(*rows(data.train, i, dtype), MODEL.rate)
        np.testing.assert_allclose(trainer.train(i), loss, rtol=TOLERANCE[dtype])
    have = trainer.classifier.snapshot()
    for name, array in reference.parameters().items():
        np.testing.assert_allclose(have[name], array, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] / 10)


def test_digits_are_learned() -> None:
    trainer = make_trainer(Cnn(), load_digits(), seed=0)
    history = train(trainer.steps, Schedule(5, trainer.n_batches["train"], interval=1000))
    assert history.records[0].valid_error > 0.1
    assert history.best is not None
    assert history.best.valid_error <= 0.05


def test_the_books_sizes_and_images_that_do_not_fit() -> None:
    shapes = {k: v.get_value().shape for k, v in Cnn().network(784, 10, 0, "float32").parameters.items()}
    assert shapes["W0"] == (20, 1, 5, 5)
    assert shapes["W1"] == (50, 20, 5, 5)
    assert shapes["W2"] == (800, 500)
    for pixels in (12, 64):
        with pytest.raises(SettingError, match=rf"square images of at least 16 rows .* not images of {pixels} pixels"):
            Cnn().network(pixels, 10, 0, "float32")


def test_dropout_before_each_dense_layer() -> None:
    """With one feature and two hidden units there are few networks in training; the whole one predicts."""
    sizes = (16, 2, 1, 5, 2, 3)
    model = CnnDropout(filters=2, more_filters=1, hidden=2, dropout=0.25)
    network, reference = model.network(16 * 16, 3, SEED, "float64"), LeNet(sizes, dtype="float64", seed=SEED)
    random = np.random.default_rng(0)
    for name, array in reference.parameters().items():
        array += random.normal(0, 1, array.shape)
        network.parameters[name].set_value(array)
    assert network.training is not None
    x = T.matrix("x", dtype="float64")
    training = ar.function([x], [network.training(x, {}), network.probabilities(x)])
    image = random.uniform(0, 1, (1, 256))
    *_, flat, _, log_p = reference._forward(image)
    p = reference.parameters()

    def thinned(features: tuple[int], units: tuple[int, ...]) -> Any:
        hidden = np.tanh(flat * np.array(features) / 0.75 @ p["W2"] + p["b2"]) * np.array(units) / 0.75
        scores = np.exp(hidden @ p["W3"] + p["b3"])
        return scores / scores.sum()

    pairs = itertools.product((0, 1), repeat=2)
    networks = {(f, u): thinned((f,), u) for u in pairs for f in ((0, 1) if any(u) else (0,))}
    seen = []
    for _ in range(400):
        trained, predicted = training(image)
        np.testing.assert_allclose(predicted, np.exp(log_p), rtol=1e-10)
        (which,) = (key for key, want in networks.items() if np.allclose(trained, want, rtol=1e-10))
        seen.append(which)
    assert set(seen) == set(networks)
    assert 0.6 < np.mean([feature for feature, units in seen if any(units)]) < 0.9
    with pytest.raises(SettingError, match="dropout is a share below 1"):
        CnnDropout(dropout=1.0)


def test_pictures_have_the_maps_of_both_convolutions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    data = small_data()
    trainer, reference = pair("float64", data)
    drawn = MODEL.pictures(trainer)
    assert set(drawn) == {"filters.png", "maps.png"}
    for name, paint in drawn.items():
        paint(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    seen: list[Any] = []
    monkeypatch.setattr(pictures, "images_picture", lambda tiles, *_, columns, **__: seen.append((tiles, columns)))
    drawn["maps.png"](tmp_path / "maps.png")
    ((tiles, columns),) = seen
    rows = tiles.reshape(-1, columns, SIDE, SIDE)
    x = data.test.x.astype(np.float64).reshape(-1, 1, SIDE, SIDE)
    first, second = reference.maps(x)
    for i in range(3):
        for row, maps in zip(rows[2 * i : 2 * i + 2], (first[i], second[i]), strict=True):
            np.testing.assert_array_equal(row[0], x[i, 0])
            at = np.arange(SIDE) * maps.shape[-1] // SIDE
            np.testing.assert_allclose(row[1 : 1 + len(maps)], maps[:, at][:, :, at], rtol=1e-10, atol=1e-12)
            assert not row[1 + len(maps) :].any()
