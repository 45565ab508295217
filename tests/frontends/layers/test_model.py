"""`Model` and `Sequential`: training against NumPy, data of every kind, callbacks, files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import arignote as ar
import arignote.tensor as T
from arignote import layers as L
from arignote.frontends.tensor.compiler import default_backend, set_backend

RNG = np.random.default_rng(2)


def blobs(n: int = 120, classes: int = 3) -> tuple[Any, Any]:
    """Points around `classes` corners, and their numbers."""
    y = np.arange(n) % classes
    return np.eye(classes, 4)[y] * 2 + RNG.normal(size=(n, 4)) * 0.4, y


def classifier(**options: Any) -> L.Sequential:
    with L.seeded(7):
        model = L.Sequential([L.Input((None, 4)), L.Dense(6, "tanh"), L.Dense(3, "softmax")])
    model.compile(**{"optimizer": "sgd", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"], **options})
    return model


def test_a_step_is_that_of_numpy() -> None:
    model = classifier(learning_rate=0.3, l2=0.01)
    x, y = blobs(8)
    weight = RNG.random(8)
    before = model.get_weights()
    logs = model.train_on_batch(x, y, weight)
    W0, b0, W1, b1 = before.values()
    h = np.tanh(x @ W0 + b0)
    e = np.exp(h @ W1 + b1)
    p = e / e.sum(axis=1, keepdims=True)
    share = weight / weight.sum()
    loss = -(share * np.log(p[np.arange(8), y])).sum() + 0.01 * ((W0**2).sum() + (W1**2).sum())
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-12)
    np.testing.assert_allclose(logs["accuracy"], (share * (p.argmax(axis=1) == y)).sum(), rtol=1e-12)
    dz = share[:, None] * (p - np.eye(3)[y])
    dh = dz @ W1.T * (1 - h**2)
    slopes = [x.T @ dh + 0.02 * W0, dh.sum(0), h.T @ dz + 0.02 * W1, dz.sum(0)]
    for (name, old), slope in zip(before.items(), slopes, strict=True):
        np.testing.assert_allclose(model.get_weights()[name], old - 0.3 * slope, rtol=1e-10, err_msg=name)


def test_training_learns_and_remembers() -> None:
    model = classifier(optimizer="adam", learning_rate=0.02)
    x, y = blobs()
    history = model.fit(x, y, batch=16, epochs=8, validation_split=0.25, seed=1, verbose=False)
    assert history.epochs == list(range(8)) and len(history.seconds) == 8
    assert set(history.logs) == {"loss", "accuracy", "valid_loss", "valid_accuracy"}
    assert history["valid_accuracy"][-1] > 0.95 and history["loss"][-1] < history["loss"][0] / 2
    p = model.predict(x, batch=50)
    assert p.shape == (120, 3)
    logs = model.evaluate(x, y, batch=50)
    np.testing.assert_allclose(logs["loss"], -np.log(p[np.arange(120), y]).mean(), rtol=1e-10)
    assert logs["accuracy"] == pytest.approx((p.argmax(axis=1) == y).mean())


def test_equal_seeds_train_equally_and_other_orders_differ() -> None:
    x, y = blobs()

    def trained(seed: int, **options: Any) -> Any:
        model = classifier()
        model.fit(x, y, batch=16, epochs=1, seed=seed, verbose=False, **options)
        return model.get_weights()["dense.W"]

    np.testing.assert_array_equal(trained(1), trained(1))
    assert (trained(1) != trained(2)).any()
    np.testing.assert_array_equal(trained(1, shuffle=False), trained(2, shuffle=False))


def test_weights_of_classes_and_minibatches_from_an_iterable() -> None:
    x, y = blobs(32)
    by_class, by_example, by_batch = classifier(), classifier(), classifier()
    weights = np.array([1.0, 5.0, 0.5])
    by_class.fit(x, y, batch=8, shuffle=False, class_weight=dict(enumerate(weights)), verbose=False)
    by_example.fit(x, y, batch=8, shuffle=False, sample_weight=weights[y], verbose=False)
    parts = [(x[i : i + 8], y[i : i + 8], weights[y[i : i + 8]]) for i in range(0, 32, 8)]
    by_batch.fit(parts, validation=parts, verbose=False)
    for name, want in by_class.get_weights().items():
        np.testing.assert_allclose(by_example.get_weights()[name], want, rtol=1e-12)
        np.testing.assert_allclose(by_batch.get_weights()[name], want, rtol=1e-12)


def test_several_inputs_and_outputs() -> None:
    a, b = L.Input((None, 3)), L.Input((None, 2))
    hidden = L.Dense(L.Concat([a, b]), 5, "tanh")
    number, kind = L.Dense(hidden, 1, name="number"), L.Dense(hidden, 2, "softmax", name="kind")
    model = L.Model([a, b], [number, kind])
    model.compile("sgd", ["squared_error", "categorical_crossentropy"], [], loss_weights=[2, 0.5])
    A, B, y, z = RNG.normal(size=(6, 3)), RNG.normal(size=(6, 2)), RNG.normal(size=6), np.eye(2)[[0, 1, 1, 0, 1, 0]]
    p, q = model.predict([A, B])
    logs = model.evaluate([A, B], [y, z])
    first, second = ((p[:, 0] - y) ** 2).mean(), -(z * np.log(q)).sum(axis=1).mean()
    assert list(logs) == ["loss", "number_loss", "kind_loss"]
    np.testing.assert_allclose(list(logs.values()), [2 * first + 0.5 * second, first, second], rtol=1e-10)
    model.fit([A, B], [y, z], epochs=2, batch=4, verbose=False)
    with pytest.raises(ValueError, match="data for 1 inputs, of which the model has 2"):
        model.predict([A])
    with pytest.raises(ValueError, match="2 outputs, but 1 losses"):
        model.compile("sgd", "squared_error")


LOSSES: dict[str, Any] = {
    "absolute_error": lambda p, t: np.abs(p - t).mean(-1),
    "binary_crossentropy": lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(-1),
    "categorical_crossentropy": lambda p, t: -(t * np.log(p)).sum(-1),
    "hinge": lambda p, t: np.maximum(1 - t * p, 0).mean(-1),
    "smooth_l1": lambda p, t: np.where(abs(p - t) < 1, 0.5 * (p - t) ** 2, abs(p - t) - 0.5).mean(-1),
    "sparse_categorical_crossentropy": lambda p, t: -np.log(np.take_along_axis(p, t[..., None], -1))[..., 0],
    "squared_error": lambda p, t: ((p - t) ** 2).mean(-1),
    "squared_hinge": lambda p, t: (np.maximum(1 - t * p, 0) ** 2).mean(-1),
}  # fmt: skip


def test_losses_and_metrics() -> None:
    from arignote.frontends.layers import losses

    assert set(LOSSES) == set(losses.LOSSES)
    P = RNG.random((3, 4, 7))
    P /= P.sum(axis=-1, keepdims=True)
    D, C = RNG.random((3, 4, 7)) * 3, RNG.integers(0, 7, size=(3, 4))
    p, d, c = T.tensor3("p"), T.tensor3("d"), T.TensorType("int32", (False, False))("c")
    measures = {name: loss.measure for name, loss in losses.LOSSES.items()} | dict(losses.METRICS)
    by_class = {n for n in measures if n.startswith(("sparse", "top"))}
    outs = [measure(p, c if name in by_class else d) for name, measure in measures.items()]
    got = dict(zip(measures, ar.function([p, d, c], outs)(P, D, C.astype(np.int32)), strict=True))
    rank = (np.take_along_axis(P, C[..., None], -1) < P).sum(-1)
    want = {name: f(P, C if name in by_class else D) for name, f in LOSSES.items()} | {
        "binary_accuracy": ((P > 0.5) == (D > 0.5)).mean(-1),
        "categorical_accuracy": P.argmax(-1) == D.argmax(-1),
        "sparse_categorical_accuracy": P.argmax(-1) == C,
        "top_5_accuracy": rank < 5,
    }
    for name, values in got.items():
        np.testing.assert_allclose(values, want[name], rtol=1e-10, err_msg=name)


def test_masked_steps_do_not_count() -> None:
    with L.seeded(3):
        model = L.Sequential([
            L.Input((None, None), dtype="int32"), L.Embedding(6, 3, mask_zero=True), L.GRU(4, return_sequences=True),
            L.Dense(2, "softmax"),
        ])  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"], learning_rate=0.5)
    x, y = np.array([[0, 0, 1, 2], [3, 4, 5, 1]]), np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    p = model.predict(x)
    held = x != 0
    logs = model.evaluate(x, y)
    np.testing.assert_allclose(logs["loss"], -np.log(np.take_along_axis(p, y[..., None], 2)[..., 0][held]).mean())
    assert logs["accuracy"] == pytest.approx((p.argmax(-1) == y)[held].mean())
    other = y.copy()
    other[~held] = 1
    assert model.evaluate(x, other) == logs
    model.train_on_batch(x, y)
    assert model.evaluate(x, y)["loss"] < logs["loss"]


def test_bucketed_sentences_compile_at_most_three_times() -> None:
    with L.seeded(3):
        model = L.Sequential([
            L.Input((None, None), dtype="int32"), L.Embedding(9, 4), L.Bidirectional(L.LSTM(5)), L.Dense(2, "softmax"),
        ])  # fmt: skip
    model.compile("rmsprop", "sparse_categorical_crossentropy", ["accuracy"], learning_rate=0.02, clip_norm=5.0)
    sentences = [RNG.integers(1, 9, size=n) for n in RNG.integers(2, 30, size=90)]
    labels = [int(s[0] > 4) for s in sentences]
    made = []

    def counting(*args: Any) -> Any:
        made.append(args)
        return default_backend(*args)

    before = set_backend(counting)
    try:
        history = model.fit(L.Buckets(sentences, labels, batch=8, seed=1), epochs=6, verbose=False)
    finally:
        set_backend(before)
    assert history["loss"][-1] < history["loss"][0]
    assert len(made) <= 3


class TestCallbacks:
    def test_early_stopping_restores_the_best_weights(self) -> None:
        model = classifier(learning_rate=0.5)
        x, y = blobs(30)
        wrong = (x, (y + 1) % 3)  # what is learned makes this worse
        first = model.evaluate(*wrong)["loss"]
        stop = L.EarlyStopping(patience=2)
        history = model.fit(x, y, epochs=20, validation=wrong, callbacks=[stop], verbose=False)
        assert stop.stopped_epoch == 2 and history.epochs == [0, 1, 2]
        best = min(history["valid_loss"])
        assert model.evaluate(*wrong)["loss"] == pytest.approx(best) and best > first

    def test_best_weights_are_saved(self, tmp_path: Path) -> None:
        model = classifier(learning_rate=0.5)
        x, y = blobs(30)
        best = L.BestWeights(tmp_path / "best.npz", monitor="valid_accuracy")
        history = model.fit(x, y, epochs=4, validation=(x, y), callbacks=[best], verbose=False)
        assert best.epoch is not None
        assert history["valid_accuracy"][best.epoch] == max(history["valid_accuracy"])
        other = L.Model.load(tmp_path / "best.npz")
        for name, value in model.get_weights().items():
            np.testing.assert_array_equal(other.get_weights()[name], value)

    def test_learning_rates(self) -> None:
        model = classifier()
        x, y = blobs(30)
        seen: list[float] = []

        class Note(L.Callback):
            def on_epoch_begin(self, epoch: int) -> None:
                seen.append(self.model.get_learning_rate())

        schedule = L.LearningRateSchedule(lambda epoch, rate: rate / 2 if epoch else 0.8)
        model.fit(x, y, epochs=3, callbacks=[schedule, Note()], verbose=False)
        assert seen == [0.8, 0.4, 0.2]
        model.set_learning_rate(0.0)  # nothing improves: halved down to the lowest
        reduce = L.ReduceLearningRate("loss", patience=1, lowest=0.01)
        model.fit(x, y, epochs=3, shuffle=False, callbacks=[reduce], verbose=False)
        assert model.get_learning_rate() == 0.01

    def test_what_is_watched_must_exist(self) -> None:
        with pytest.raises(ValueError, match="there is no 'valid_loss'; there are loss, accuracy"):
            classifier().fit(*blobs(9), callbacks=[L.EarlyStopping()], verbose=False)

    @pytest.mark.parametrize("terminal", [False, True])
    def test_progress(self, terminal: bool) -> None:
        out = io.StringIO()
        console = Console(file=out, force_terminal=terminal, width=120)
        model = classifier()
        model.fit(*blobs(9), epochs=2, validation=blobs(6), callbacks=[L.Display(console)], verbose=False)
        assert "epoch 1/2: loss" in out.getvalue() and "valid_accuracy" in out.getvalue()


def test_a_loss_that_is_not_finite_ends_training() -> None:
    model = classifier()
    x, y = blobs(9)
    x[4] = np.nan
    with pytest.raises(L.DivergedError, match="the loss is nan in minibatch 1 of epoch 0: lower the learning rate"):
        model.fit(x, y, batch=3, shuffle=False, verbose=False)


# ---------------------------------------------------------------- files
def bilstm() -> L.Model:
    x = L.Input((4, None), dtype="int32", name="words")
    table = L.Embedding(x, 9, 4, mask_zero=True, W=L.Normal(0.3))
    dense = L.Dense(4, "tanh")
    both = L.Bidirectional(dense(dense(table)), L.LSTM(5, stateful=True))
    return L.Model(x, L.Dense(L.Dropout(L.BatchNorm(both), 0.3), 2, "softmax", b=np.ones(2)))


def test_a_loaded_model_goes_on_exactly(tmp_path: Path) -> None:
    model = bilstm()
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"], learning_rate=0.02, clip_norm=1.0)
    x, y = RNG.integers(0, 9, size=(4, 6)), np.array([0, 1, 1, 0])
    for _ in range(2):
        model.train_on_batch(x, y)
    model.set_learning_rate(0.01)
    model.save(tmp_path / "model.npz")
    other = L.Model.load(tmp_path / "model.npz")
    assert [type(a) for a in other.layers] == [type(a) for a in model.layers]
    assert list(other.variables()) == list(model.variables()) and other.count_params() == model.count_params()
    assert other.get_learning_rate() == 0.01
    for _ in range(2):  # dropout, moments, statistics and sticky states continue
        assert other.train_on_batch(x, y) == model.train_on_batch(x, y)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))


def test_weights_fit_or_nothing_changes(tmp_path: Path) -> None:
    model, other = bilstm(), bilstm()
    model.save_weights(tmp_path / "w.npz")
    other.load_weights(tmp_path / "w.npz")
    for name, value in model.get_weights().items():
        np.testing.assert_array_equal(other.get_weights()[name], value)
    small = L.Sequential([L.Input((None, 3)), L.Dense(2)])
    before = small.get_weights()
    with pytest.raises(L.ArchiveError, match=r"does not fit this model: .*dense.W is float64\[4, 4\]"):
        small.load_weights(tmp_path / "w.npz")
    np.testing.assert_array_equal(small.get_weights()["dense.W"], before["dense.W"])


def test_files_that_are_something_else(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    with pytest.raises(L.ArchiveError, match="does not exist"):
        L.Model.load(path)
    model = classifier()
    model.save_weights(path)
    with pytest.raises(L.ArchiveError, match="is no saved model"):
        L.Model.load(path)
    model.save(path)
    members = dict(np.load(path))
    about = json.loads(members["about"].tobytes())
    about["layers"][1]["kind"] = "os.system"
    members["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    np.savez(path, **members)
    with pytest.raises(L.ArchiveError, match=r"does not describe a model \(KeyError: 'os.system'\)"):
        L.Model.load(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(L.ArchiveError, match="damaged"):
        L.Model.load(path)


def test_functions_of_ones_own_are_not_saved(tmp_path: Path) -> None:
    x = L.Input((None, 3))
    model = L.Model(x, L.Nonlinearity(x, T.sqr))
    with pytest.raises(ValueError, match=r"nonlinearity cannot be saved: .* use save_weights"):
        model.save(tmp_path / "m.npz")
    assert not list(tmp_path.iterdir())


def test_own_kinds_of_layers_losses_and_metrics(tmp_path: Path) -> None:
    @L.layer
    class Stretch(L.Layer):
        initial: Any = L.Constant(1.5)

        def build(self, shape: Any) -> None:
            self.scale = self.add_param("scale", self.initial, (self.known(shape, -1),))

        def output_for(self, x: Any, run: L.Run) -> Any:
            return x * self.scale

    x = L.Input((None, 3))
    model = L.Model(x, Stretch(x, L.Constant(2)))

    def cubic(p: Any, t: Any) -> Any:
        return T.mean(T.abs_(p - t) ** 3, axis=-1)

    model.compile("sgd", cubic, [cubic])
    X, Y = RNG.normal(size=(2, 4, 3))
    assert model.evaluate(X, Y)["cubic"] == pytest.approx((np.abs(2 * X - Y) ** 3).mean())
    plain = L.Model(x, Stretch(x))
    plain.save(tmp_path / "m.npz")
    np.testing.assert_array_equal(L.Model.load(tmp_path / "m.npz").predict(X), 1.5 * X)


# ---------------------------------------------------------------- looks and errors
def test_summary() -> None:
    out = io.StringIO()
    bilstm().summary(Console(file=out, width=120))
    text = out.getvalue()
    for part in ("words", "Embedding", "(4, ?, 4)", "bidirectional", "400", "518 parameters, 498 of them trained"):
        assert part in text, part


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: classifier(optimizer="adamm"), "no optimizer 'adamm'; did you mean"),
        (lambda: classifier(loss="mse"), "no loss 'mse'; there are absolute_error"),
        (lambda: classifier(metrics=["acuracy"]), "no metric 'acuracy'"),
        (lambda: classifier(loss="squared_error"), "accuracy is a metric of classes"),
        (lambda: classifier().fit(np.ones((4, 5)), [0, 1, 2, 0]), r"takes arrays of \[None, 4\], not \[4, 5\]"),
        (lambda: classifier().fit(np.ones((4, 4)), np.ones((4, 3))), "targets have 1 dimensions, not 2"),
        (lambda: classifier().fit(np.ones((4, 4)), [0, 1]), r"different numbers of examples: \[2, 4\]"),
        (lambda: classifier().fit(np.ones((4, 4))), "targets are missing"),
        (lambda: classifier().fit(np.ones((4, 4)), [0] * 4, validation_split=0.01), "leaves none on one side"),
        (lambda: classifier().set_learning_rate(-1), "0 or more, not -1"),
        (lambda: L.Sequential([L.Dense(3)]), "the first layer of Sequential is an Input"),
        (lambda: L.Model(L.Input((3, 4)), L.Dense(L.Input((3, 4)), 2)), "not among the model's inputs"),
    ],
)  # fmt: skip
def test_what_does_not_fit(act: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        act()


def test_fit_needs_compile() -> None:
    model = L.Sequential([L.Input((None, 4)), L.Dense(3)])
    with pytest.raises(RuntimeError, match="call compile first"):
        model.fit(np.ones((4, 4)), np.ones((4, 3)))
