"""The sentiment of sentences: data, vocabulary, the network against NumPy, and the commands."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from arignote.frontends.cli.main import main
from arignote.models.book.bilstm_sentiment import BilstmSentiment
from arignote.models.data import DataError
from arignote.models.data.sentiment import Vocabulary, load_sentiment, tokenise
from arignote.models.model import SettingError

TWEETS = "1\t7\t0\t1\tpositive\tGreat day , @You ! :)\n2\t8\t3\t3\tneutral\tIt's 9:30\n3\t9\t0\t0\tnegative\tbad #day http://a.b/c\n"


def test_words() -> None:
    assert tokenise("It's GREAT :) @Bob #fun, 3.50 at https://x.org/a?b=1 ... isn't") == (
        "it's", "great", ":)", "<user>", "<hashtag>", ",", "<number>", "at", "<url>", ".", ".", ".", "isn't",
    )  # fmt: skip
    assert tokenise("<user> said") == ("<user>", "said")
    assert tokenise("  ") == ()


def test_vocabulary_by_frequency() -> None:
    texts = [("b", "a", "b"), ("c", "b", "a", "d")]
    vocabulary = Vocabulary.of(texts, 4)
    assert vocabulary.words == ("b", "a", "c") and len(vocabulary) == 4
    np.testing.assert_array_equal(
        vocabulary.numbers([*texts, ()], 3), [[1, 2, 1], [1, 2, 0], [0, 0, 0]]
    )  # padded in front, the last words of longer ones, unknown words as 0
    np.testing.assert_array_equal(vocabulary.numbers([("a",)], 3), [[0, 0, 2]])


def test_embedded_remarks_are_balanced_and_disjoint() -> None:
    data = load_sentiment()
    assert [len(part.x) for part in (data.train, data.valid, data.test)] == [1200, 200, 200]
    assert data.classes == ("negative", "neutral", "positive")
    for part in (data.train, data.valid, data.test):
        assert np.bincount(part.y, minlength=3).min() > 0.2 * len(part.y)
    assert not {*data.train.x} & {*data.valid.x, *data.test.x}
    again = load_sentiment("remarks")
    assert again.train.x == data.train.x


def test_tweets(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / f"sem_eval2103.{part}").write_text(TWEETS, encoding="utf-8")
    data = load_sentiment(str(tmp_path))
    assert data.name == "semeval" and data.classes == ("negative", "neutral", "positive")
    assert list(data.train.y) == [2, 1, 0]
    assert data.valid.x[0] == ("great", "day", ",", "<user>", "!", ":)")
    (tmp_path / "sem_eval2103.dev").write_text("1\t2\tpositive\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"sem_eval2103\.dev: .*line 1: 3 fields between tabs, not 6"):
        load_sentiment(str(tmp_path))
    (tmp_path / "sem_eval2103.dev").write_bytes(b"1\t2\t3\t4\tneutral\t\xff\n")
    with pytest.raises(DataError, match="text in UTF-8"):
        load_sentiment(str(tmp_path))


def test_treebank(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / f"stsa.binary.{part}").write_text("1 a joy .\n0 so dull .\n", encoding="utf-8")
    data = load_sentiment(str(tmp_path))
    assert data.name == "sst" and data.classes == ("negative", "positive")
    assert data.test.x == [("a", "joy", "."), ("so", "dull", ".")] and list(data.test.y) == [1, 0]
    (tmp_path / "stsa.binary.test").write_text("3 what ?\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"does not begin with a class 0\.\.1"):
        load_sentiment(str(tmp_path))
    (tmp_path / "stsa.binary.test").unlink()
    with pytest.raises(DataError):
        load_sentiment(str(tmp_path))


def test_the_book_has_as_many_parameters() -> None:
    network = BilstmSentiment().network(3, seed=0)
    counts = [sum(p.get_value(borrow=True).size for p in layer.params.values()) for layer in network.layers]
    assert counts == [0, 10_000_100, 84_480, 387]
    assert network.count_params() == 10_084_967


# ---------------------------------------------------------------- mathematics
def probabilities(w: dict[str, Any], x: Any) -> Any:
    """The network in NumPy; complex weights give derivatives by complex steps."""

    def sigmoid(a: Any) -> Any:
        return 1 / (1 + np.exp(-a))

    embedded = w["embedding.W"][x]
    finals = []
    for direction, times in (("forward", range(x.shape[1])), ("backward", reversed(range(x.shape[1])))):
        W, U, b = (w[f"bidirectional.{direction}.{name}"] for name in "WUb")
        h = c = np.zeros((len(x), len(U)))
        for t in times:
            i, f, o, g = np.split(embedded[:, t] @ W + h @ U + b, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        finals.append(h)
    e = np.exp(np.concatenate(finals, axis=1) @ w["dense.W"] + w["dense.b"])
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 1e-4)])
def test_forward_and_gradients(dtype: str, tolerance: float) -> None:
    model = BilstmSentiment(vocabulary=12, embedding=5, hidden=4)
    network = model.network(3, seed=2, dtype=dtype)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 12, size=(4, 6)), np.array([0, 2, 1, 2])
    w = {name: a.astype(np.float64) for name, a in network.get_weights().items()}
    np.testing.assert_allclose(network.predict(x), probabilities(w, x), rtol=tolerance)
    network.compile("sgd", "sparse_categorical_crossentropy", learning_rate=1.0)
    network.train_on_batch(x, y)
    for name, after in network.get_weights().items():
        slope = w[name] - after
        for _ in range(4):
            where = tuple(rng.integers(n) for n in slope.shape)
            moved = {k: a.astype(complex) for k, a in w.items()}
            moved[name][where] += 1e-30j
            want = -np.log(probabilities(moved, x)[np.arange(4), y]).mean().imag / 1e-30
            np.testing.assert_allclose(slope[where], want, rtol=tolerance, atol=tolerance / 10, err_msg=name)


def test_masked_padding_changes_nothing() -> None:
    network = BilstmSentiment(vocabulary=12, embedding=5, hidden=4, mask=True).network(3, seed=2)
    x = np.array([[3, 4, 5], [1, 0, 2]])
    padded = np.concatenate([np.zeros((2, 4), int), x], axis=1)
    np.testing.assert_allclose(network.predict(padded), network.predict(x), rtol=1e-6)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(SettingError, match="vocabulary must be at least 2"):
        BilstmSentiment(vocabulary=1)
    with pytest.raises(SettingError, match="batch=2000, but remarks has 1200 texts only"):
        BilstmSentiment(batch=2000, vocabulary=9).task(None, seed=0)


# ---------------------------------------------------------------- commands
def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


SMALL = ("--set", "vocabulary=200", "--set", "embedding=20", "--set", "hidden=12", "--set", "rate=0.01")


def test_training_and_predicting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    output = run("train", "bilstm_sentiment", "--epochs", "3", *SMALL)
    assert "data: remarks, 1200 training, 200 validation, 200 test texts" in output
    error = float(output.split("test error ")[1].split(" %")[0])
    assert error < 10, output
    folder = tmp_path / "runs" / "bilstm_sentiment"
    assert {"confusion.png", "learning_curves.png", "run.json", "weights.npz"} <= {f.name for f in folder.iterdir()}
    shown = run(
        "predict", "bilstm_sentiment", "--text", "the soup is wonderful !", "--text", "this film is a waste of time"
    )
    first, second = shown.split("\n")[1::2][:2]
    assert first.strip().startswith("positive") and second.strip().startswith("negative")
    listed = run("predict", "bilstm_sentiment", "--count", "2")
    assert listed.count("labelled") == 2 and f"error {error:.2f} %" in listed


def test_an_interrupted_run_resumes_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from arignote.models.training import checkpoint

    monkeypatch.chdir(tmp_path)
    run("train", "bilstm_sentiment", "--out", "whole", "--epochs", "2", *SMALL)
    run("train", "bilstm_sentiment", "--out", "parts", "--epochs", "1", *SMALL)
    run("train", "bilstm_sentiment", "--out", "parts", "--epochs", "2", "--resume")
    whole, parts = (checkpoint.load(tmp_path / name / "run.ckpt.npz").parameters for name in ("whole", "parts"))
    for name, array in whole.items():
        np.testing.assert_array_equal(parts[name], array)


def test_images_are_no_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["predict", "logreg", "--text", "good"])
    assert result.exit_code == 1 and "--text is for models of sentences" in result.output
