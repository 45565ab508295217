"""The convolutional network against NumPy: initialisation, forward pass, gradients, fifty updates, digits."""

from typing import Any

import numpy as np
import pytest

from arignote.models.book.cnn import Cnn
from arignote.models.classifier import Trainer, make_trainer
from arignote.models.data import Dataset, Pair, load_digits
from arignote.models.model import SettingError
from arignote.models.training import Schedule, train
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
