"""The NumPy reference itself: right gradients, and the book's own figures on the book's data."""

import numpy as np
import pytest

from arignote.models.data import DataError, Pair, load_mnist
from arignote.models.training import Schedule, Steps, train
from tests.models.numpy_reference import Perceptron


@pytest.mark.parametrize("sizes", [(5, 3), (5, 4, 3), (5, 4, 6, 3)])
def test_gradients_equal_finite_differences(sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(7, 5)), random.integers(0, 3, 7)
    model = Perceptron(sizes, dtype=np.float64)
    for array in model.parameters().values():
        array += random.normal(size=array.shape)
    _, gradients = model.gradients(x, y)
    for name, array in model.parameters().items():
        for index in np.ndindex(array.shape):
            kept, h = array[index], 1e-6
            array[index] = kept + h
            above = model.loss(x, y)
            array[index] = kept - h
            below = model.loss(x, y)
            array[index] = kept
            np.testing.assert_allclose(
                gradients[name][index], (above - below) / (2 * h), rtol=1e-6, atol=1e-8
            )


def test_restore_is_the_inverse_of_parameters() -> None:
    model, other = Perceptron((5, 4, 3), seed=1), Perceptron((5, 4, 3), seed=2)
    other.restore(model.parameters())
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    np.testing.assert_array_equal(model.log_probabilities(x), other.log_probabilities(x))
    assert not np.shares_memory(model.weights[0], other.weights[0])


# (epoch, minibatch): validation error in percent and loss, as the book's log prints them.
BOOK = {(0, 1): (40.05, 2.1652011), (24, 9): (8.16, 0.2883493)}
BATCH = 600


def test_softmax_regression_reproduces_the_book() -> None:
    try:
        data = load_mnist()
    except DataError as problem:
        pytest.skip(f"needs MNIST: {problem}")
    model = Perceptron((784, 10))

    def step(minibatch: int) -> float:
        rows = slice(minibatch * BATCH, (minibatch + 1) * BATCH)
        return model.train_step(data.train.x[rows], data.train.y[rows], 0.13)

    def evaluate(pair: Pair) -> tuple[float, float]:
        n = len(pair.x) // BATCH * BATCH
        return model.loss(pair.x[:n], pair.y[:n]), model.error(pair.x[:n], pair.y[:n])

    steps = Steps(
        train=step,
        validate=lambda: evaluate(data.valid),
        test=lambda: evaluate(data.test),
        snapshot=model.parameters,
        restore=model.restore,
    )
    history = train(steps, Schedule(n_epochs=25, n_batches=len(data.train.x) // BATCH))
    records = {(record.epoch, record.minibatch): record for record in history.records}
    for position, (error, loss) in BOOK.items():
        assert 100 * records[position].valid_error == pytest.approx(error, abs=0.005)
        assert records[position].valid_loss == pytest.approx(loss, abs=1e-5)
