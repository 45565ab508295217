"""The models against the NumPy reference: forward pass, gradients, training, data left over."""

from typing import Any

import numpy as np
import pytest

from arignote.models.book.logreg import LogReg
from arignote.models.book.mlp import Mlp
from arignote.models.classifier import Trainer, make_trainer
from arignote.models.data import Dataset, Pair, load_digits
from arignote.models.model import Model, SettingError
from arignote.models.training import Schedule, train
from tests.models.numpy_reference import Perceptron

N_IN, N_CLASSES, BATCH, SEED = 12, 5, 6, 3
MODELS = [LogReg(batch=BATCH, rate=0.13), Mlp(batch=BATCH, hidden=7, rate=0.05)]
TOLERANCE = {"float64": 1e-8, "float32": 1e-4}

models = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
dtypes = pytest.mark.parametrize("dtype", TOLERANCE)


def small_data(n: int = 45) -> Dataset:
    """Random images of 3x4 pixels with random labels: nothing in them is symmetric or zero."""
    random = np.random.default_rng(1)

    def part(n: int) -> Pair:
        x = random.uniform(0, 1, (n, N_IN)).astype(np.float32)
        return Pair(x, random.integers(0, N_CLASSES, n).astype(np.int32))

    return Dataset("small", part(n), part(14), part(13), N_CLASSES, (3, 4), "random numbers")


def pair(
    model: Model, dtype: str, data: Dataset, perturb: bool = True
) -> tuple[Trainer, Perceptron]:
    """A model and its reference, with the same parameters: random ones, unless as initialised."""
    sizes = (N_IN, *([model.hidden] if isinstance(model, Mlp) else []), N_CLASSES)
    trainer = make_trainer(model, data, seed=SEED, dtype=dtype)
    reference = Perceptron(sizes, dtype=dtype, seed=SEED)
    if perturb:
        random = np.random.default_rng(2)
        for array in reference.parameters().values():
            array += random.normal(0, 0.5, array.shape).astype(dtype)
        trainer.classifier.restore(reference.parameters())
    return trainer, reference


def rows(part: Pair, minibatch: int, dtype: str) -> tuple[Any, Any]:
    chosen = slice(minibatch * BATCH, (minibatch + 1) * BATCH)
    return part.x[chosen].astype(dtype), part.y[chosen]


@models
@dtypes
def test_initial_parameters(model: Model, dtype: str) -> None:
    trainer, reference = pair(model, dtype, small_data(), perturb=False)
    have, want = trainer.classifier.snapshot(), reference.parameters()
    assert list(have) == list(want)
    for name, array in want.items():
        assert have[name].dtype == dtype
        np.testing.assert_array_equal(have[name], array)


@models
@dtypes
def test_forward(model: Model, dtype: str) -> None:
    data = small_data()
    trainer, reference = pair(model, dtype, data)
    labels, probabilities = trainer.classifier.classify(data.test.x, batch=5)
    log_p = reference.log_probabilities(data.test.x.astype(dtype))
    np.testing.assert_allclose(probabilities, np.exp(log_p), rtol=TOLERANCE[dtype])
    np.testing.assert_array_equal(labels, log_p.argmax(axis=1))
    assert probabilities.dtype == dtype


@models
@dtypes
def test_loss_and_error_on_minibatches(model: Model, dtype: str) -> None:
    data = small_data()
    trainer, reference = pair(model, dtype, data)
    assert trainer.n_batches == {"train": 7, "valid": 2, "test": 2}
    for part, function in ((data.valid, trainer.valid), (data.test, trainer.test)):
        for i in range(2):
            loss, error = function(i)
            x, y = rows(part, i, dtype)
            np.testing.assert_allclose(loss, reference.loss(x, y), rtol=TOLERANCE[dtype])
            np.testing.assert_allclose(error, reference.error(x, y), rtol=1e-6)
    # Means over whole minibatches; the examples that fill none are left out.
    x, y = data.valid.x[:12].astype(dtype), data.valid.y[:12]
    loss, error = (float(value) for value in trainer.steps.validate())
    np.testing.assert_allclose(loss, reference.loss(x, y), rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(error, reference.error(x, y), rtol=1e-6)


@models
@dtypes
def test_gradients(model: Model, dtype: str) -> None:
    data = small_data()
    trainer, reference = pair(model, dtype, data)
    x, y = rows(data.train, 2, dtype)
    loss, gradients = reference.gradients(x, y)
    before = trainer.classifier.snapshot()
    np.testing.assert_allclose(trainer.train(2), loss, rtol=TOLERANCE[dtype])
    for name, after in trainer.classifier.snapshot().items():
        # The step is rate * gradient; its rounding is relative to the parameter.
        np.testing.assert_allclose(
            (before[name] - after) / model.rate,
            gradients[name],
            rtol=TOLERANCE[dtype],
            atol=TOLERANCE[dtype],
        )


@models
@dtypes
def test_fifty_updates(model: Model, dtype: str) -> None:
    data = small_data()
    trainer, reference = pair(model, dtype, data)
    for step in range(50):
        i = step % trainer.n_batches["train"]
        loss = reference.train_step(*rows(data.train, i, dtype), model.rate)
        np.testing.assert_allclose(trainer.train(i), loss, rtol=TOLERANCE[dtype])
    for name, array in reference.parameters().items():
        np.testing.assert_allclose(
            trainer.classifier.snapshot()[name],
            array,
            rtol=TOLERANCE[dtype],
            atol=TOLERANCE[dtype] / 10,
        )


def test_certain_predictions_have_finite_losses() -> None:
    # log(softmax) taken literally would be log(0) here.
    data = small_data()
    trainer, reference = pair(MODELS[0], "float32", data)
    huge = {name: 1000 * array for name, array in reference.parameters().items()}
    trainer.classifier.restore(huge)
    reference.restore(huge)
    x, y = rows(data.valid, 0, "float32")
    assert reference.loss(x, y) > 100
    np.testing.assert_allclose(trainer.valid(0)[0], reference.loss(x, y), rtol=1e-5)


def test_restore_is_the_inverse_of_snapshot() -> None:
    trainer, _ = pair(MODELS[1], "float32", small_data())
    kept = trainer.classifier.snapshot()
    trainer.train(0)
    assert any((kept[k] != v).any() for k, v in trainer.classifier.snapshot().items())
    trainer.classifier.restore(kept)
    for name, array in trainer.classifier.snapshot().items():
        np.testing.assert_array_equal(array, kept[name])


def test_minibatches_follow_the_data_set() -> None:
    digits = load_digits()
    assert Mlp().batch_for(digits) == 20
    assert Mlp(batch=50).batch_for(digits) == 50
    large = Pair(np.zeros((30_000, 1), np.float32), np.zeros(30_000, np.int32))
    assert Mlp().batch_for(Dataset("large", large, large, large, 2, (1, 1), "zeros")) == 600
    with pytest.raises(SettingError, match=r"batch=300, .* digits has 240 examples"):
        Mlp(batch=300).batch_for(digits)


@pytest.mark.parametrize(
    ("model", "epochs", "error"),
    [(LogReg(), 5, 0.06), (Mlp(hidden=50, rate=0.1), 5, 0.07)],
    ids=lambda value: value.name if isinstance(value, Model) else str(value),
)
def test_digits_are_learned(model: Model, epochs: int, error: float) -> None:
    trainer = make_trainer(model, load_digits(), seed=0)
    schedule = Schedule(epochs, trainer.n_batches["train"], interval=1000)
    history = train(trainer.steps, schedule)
    assert history.records[0].valid_error > 0.3
    assert history.best is not None
    assert history.best.valid_error <= error
    assert history.best.test_error is not None
    assert history.best.test_error <= error
