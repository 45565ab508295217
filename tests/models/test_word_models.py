"""Word vectors: losses and gradients against NumPy, minibatches, negative words, training, and what vectors answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from scipy.stats import spearmanr

import arignote as ar
import arignote.tensor as T
from arignote.frontends.cli.main import main
from arignote.models.book.cbow import Cbow
from arignote.models.book.skipgram import Skipgram
from arignote.models.data.questions import Section, Similarities
from arignote.models.data.text import Corpus, Vocabulary
from arignote.models.model import SettingError
from arignote.models.training import Schedule, Stop, train
from arignote.models.wordmodel import NOISE_TABLE, WordModel, WordTask, noise_table, subsampled
from arignote.models.wordvectors import UnknownWordError, WordVectors

WORDS, WIDTH, BATCH, WINDOW = 23, 7, 5, 2
TOLERANCE = {"float64": 1e-8, "float32": 1e-4}
Array = np.ndarray[Any, Any]

SMALL: dict[str, Any] = {"embedding": WIDTH, "window": WINDOW, "batch": BATCH, "min_count": 1}
MODELS: dict[str, WordModel] = {
    "cbow": Cbow(**SMALL),
    "cbow-negative": Cbow(**SMALL, negatives=3),
    "cbow-tied": Cbow(**SMALL, tied=True),
    "skipgram": Skipgram(**SMALL, negatives=3, rate=1.0, subsample=None),
    "skipgram-tied": Skipgram(**SMALL, negatives=3, tied=True),
    "skipgram-softmax": Skipgram(**SMALL, negatives=None),
}


# ---------------------------------------------------------------- the mathematics once more, in NumPy
def reference(
    model: WordModel, W: Array, U: Array, centre: Array, context: Array, noise: Array | None
) -> tuple[float, Array, Array]:
    """The loss and its gradients, one position and one predicted word after the other."""
    dW, dU, loss = np.zeros_like(W), np.zeros_like(U), 0.0
    bag = isinstance(model, Cbow)
    count = len(centre) * (1 if bag else context.shape[1])
    for n, (word, around) in enumerate(zip(centre, context, strict=True)):
        h = W[around].mean(axis=0) if bag else W[word]
        dh = np.zeros_like(h)
        wanted = [word] if bag else around
        if noise is None:
            p = np.exp(U @ h) / np.exp(U @ h).sum()
            for target in wanted:
                loss -= np.log(p[target]) / count
                d = p.copy()
                d[target] -= 1
                dU += np.outer(d, h) / count
                dh += U.T @ d / count
        else:
            for target, sign in [*((t, 1) for t in wanted), *((t, -1) for t in noise[n])]:
                score = sign * U[target] @ h
                loss += np.log1p(np.exp(-score)) / count
                d = -sign / (1 + np.exp(score)) / count
                dU[target] += d * h
                dh += d * U[target]
        for i in around if bag else [word]:
            dW[i] += dh / (len(around) if bag else 1)
    return loss, dW, dU


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", MODELS)
def test_loss_and_gradients(name: str, dtype: str) -> None:
    model = MODELS[name]
    r = np.random.default_rng(1)
    W, U = (r.normal(size=(WORDS, WIDTH)) for _ in range(2))
    U = W if model.tied else U
    centre, context = r.integers(0, WORDS, BATCH), r.integers(0, WORDS, (BATCH, 2 * WINDOW))
    context[1] = context[0]
    noise = r.integers(0, WORDS, (BATCH, model.targets() * 3)) if model.negatives else None
    loss, dW, dU = reference(model, W, U, centre, context, noise)
    params = [ar.shared(W.astype(dtype), "W")] + ([] if model.tied else [ar.shared(U.astype(dtype), "U")])
    c, a, n = T.vector("c", dtype="int64"), T.matrix("a", dtype="int64"), T.matrix("n", dtype="int64")
    cost = model.loss(params[0], params[-1], c, a, n if model.negatives else None)
    inputs, values = ([c, a, n], [centre, context, noise]) if model.negatives else ([c, a], [centre, context])
    have = ar.function(inputs, [cost, *T.grad(cost, params)])(*values)
    assert {x.dtype.name for x in have} == {dtype}
    expected: list[Any] = [loss, dW + dU] if model.tied else [loss, dW, dU]
    for x, want in zip(have, expected, strict=True):
        np.testing.assert_allclose(x, want, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] / 10)


# ---------------------------------------------------------------- minibatches of a text
def corpus(n: int = 600) -> Corpus:
    """A text in which each word suggests the next."""
    r = np.random.default_rng(0)
    text = [f"w{(3 * i + r.integers(0, 2)) % 20}" for i in range(n)]
    return Corpus("small", tuple(text), tuple(text[:100]), tuple(text[100:230]), "made-up words")


def test_minibatches_are_consecutive_words_in_their_windows() -> None:
    task = WordTask(MODELS["cbow"], corpus(), seed=3, dtype="float64")
    W, U = (task.parameters[k].get_value() for k in ("W", "U"))
    U[:] = np.random.default_rng(0).normal(size=U.shape)
    task.parameters["U"].set_value(U)
    text = np.concatenate([[0, 0], task.vocabulary.encode(task.corpus.valid), [0, 0]])
    for batch in (0, 3, 100 // BATCH - 1):
        at = batch * BATCH + np.arange(BATCH)
        centre, context = text[at + 2], text[at[:, None] + [0, 1, 3, 4]]
        want, _, _ = reference(task.model, W, U, centre, context, None)
        np.testing.assert_allclose(task.valid(batch), want, rtol=1e-10)
    text = np.concatenate([[0, 0], task.vocabulary.encode(task.corpus.train)])
    for batch in range(3):  # training is gradient descent on the same loss
        at = batch * BATCH + np.arange(BATCH)
        loss, dW, dU = reference(task.model, W, U, text[at + 2], text[at[:, None] + [0, 1, 3, 4]], None)
        np.testing.assert_allclose(task.train(batch), loss, rtol=1e-10)
        W, U = W - task.model.rate * dW, U - task.model.rate * dU
    np.testing.assert_allclose(task.parameters["W"].get_value(), W, rtol=1e-8)
    np.testing.assert_allclose(task.parameters["U"].get_value(), U, rtol=1e-8)


def test_parts_smaller_than_a_minibatch_are_refused() -> None:
    with pytest.raises(SettingError, match="batch=101, but the valid text of small has 100 words"):
        WordTask(Cbow(batch=101), corpus(), seed=0)


def test_negative_words_come_by_frequency_and_frequent_ones_are_thinned_out() -> None:
    vocabulary = Vocabulary.of(["a"] * 8000 + ["b"] * 500 + ["c"] * 3)
    table = noise_table(vocabulary)
    want = np.array([0, 0, 8000, 500, 3]) ** 0.75
    shares = np.bincount(table, minlength=5) / NOISE_TABLE
    np.testing.assert_allclose(shares, want / want.sum(), atol=2 / NOISE_TABLE)
    text = vocabulary.encode(["a"] * 8000 + ["b"] * 500 + ["c"] * 3)
    kept = np.bincount(subsampled(text, vocabulary, 0.01, seed=0), minlength=5)
    assert kept[4] == 3 and abs(kept[2] / 8000 - np.sqrt(0.01 * 8503 / 8000)) < 0.01
    assert abs(kept[3] / 500 - np.sqrt(0.01 * 8503 / 500)) < 0.06


@pytest.mark.parametrize("name", ["cbow", "cbow-tied", "skipgram"])
def test_a_text_is_learned_and_runs_go_on_exactly(name: str, tmp_path: Path) -> None:
    def task() -> WordTask:
        return WordTask(MODELS[name], corpus(), seed=0)

    whole = task()
    schedule = Schedule(n_epochs=2, n_batches=whole.n_batches, interval=60)
    history = train(whole.steps, schedule)
    assert history.stop is Stop.FINISHED
    assert history.records[-1].train_loss < 0.85 * history.records[0].train_loss
    first, second = task(), task()
    train(first.steps, Schedule(1, whole.n_batches, 60), path=tmp_path / "run")
    train(second.steps, schedule, path=tmp_path / "run", resume=True)
    for key, array in whole.snapshot().items():
        np.testing.assert_array_equal(second.snapshot()[key], array, err_msg=key)


# ---------------------------------------------------------------- what vectors answer
def vectors() -> WordVectors:
    """Countries and their capitals, in directions that add up."""
    units = np.eye(6)
    country, capital = units[4], units[5]
    rows = {"<pad>": country, "<unk>": country, "france": units[0] + country, "paris": units[0] + capital,
            "norway": units[1] + country, "oslo": units[1] + capital, "peru": units[2] + country,
            "lima": units[2] + 0.9 * capital}  # fmt: skip
    return WordVectors(tuple(rows), np.array(list(rows.values()), np.float32))


def test_neighbours_and_analogies() -> None:
    known = vectors()
    near = known.neighbours(["france", "lima"], 3)
    assert {word for word, _ in near["france"]} == {"paris", "norway", "peru"}
    np.testing.assert_allclose([cosine for _, cosine in near["france"]], 0.5, atol=1e-6)
    assert known.analogy("france", "paris", "norway", 1)[0][0] == "oslo"
    with pytest.raises(UnknownWordError, match="'<unk>' is not among the 6 words"):
        known.number("<unk>")
    questions = (("france", "paris", "peru", "lima"), ("paris", "france", "oslo", "peru"),
                 ("paris", "france", "oslo", "norway"), ("paris", "france", "rome", "italy"))  # fmt: skip
    one, none = known.answer([Section("capitals", questions), Section("empty", questions[3:])])
    assert (one.asked, one.right, one.skipped) == (3, 2, 1) and one.precision == pytest.approx(2 / 3)
    assert (none.asked, none.skipped) == (0, 1) and np.isnan(none.precision)


def test_similarities_are_rank_correlations() -> None:
    known = vectors()
    pairs = (("france", "paris", 3.0), ("france", "norway", 9.0), ("oslo", "peru", 1.0), ("oslo", "rome", 5.0),
             ("lima", "paris", 2.0))  # fmt: skip
    (found,) = known.correlate([Similarities("set", pairs)])
    assert (found.pairs, found.skipped) == (4, 1)
    v = {word: x / np.linalg.norm(x) for word, x in zip(known.words, known.vectors.astype(np.float64), strict=True)}
    scores = [(v[a] @ v[b], s) for a, b, s in pairs if "rome" not in (a, b)]
    np.testing.assert_allclose(found.rho, spearmanr(*zip(*scores, strict=True)).statistic, atol=1e-6)
    (alone,) = known.correlate([Similarities("set", pairs[:1])])
    assert np.isnan(alone.rho)


# ---------------------------------------------------------------- the commands
def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_the_commands_from_text_to_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("the old king met the young queen and the old man met a young woman " * 150)
    trained = run("train", "skipgram", "--data", "text.txt", "--epochs", "3", "--set", "embedding=8",
                  "--set", "batch=10", "--set", "rate=0.5", "--set", "subsample=none", "--out", "out")  # fmt: skip
    assert trained.exit_code == 0, trained.output
    lines = trained.output.splitlines()
    assert lines[1] == "data: text, 2025 training, 112 validation, 113 test words, 12 different ones"
    assert lines[3].startswith("epoch 0, minibatch 1/202, training loss 4.1")
    assert Path("out/learning_curves.png").read_bytes().startswith(b"\x89PNG")
    weights = ("--weights", "out/weights.npz")
    near = run("words", "neighbours", "king", "queen", "--count", "2", *weights)
    assert [line.count(",") for line in near.output.splitlines()] == [1, 1]
    assert run("words", "analogy", "old", "king", "young", *weights).output.startswith("old : king = young : ")
    Path("questions-words.txt").write_text(": family\nking queen man woman\nboy girl man woman\n")
    Path("EN-X.txt").write_text("king queen 3\nking man 4\n")
    asked = run("words", "evaluate", "--data", ".", *weights).output.splitlines()
    assert asked[0].endswith("%), 1 skipped") and asked[0].startswith("family: ") and " of 1 right" in asked[1]
    assert asked[2].startswith("X: Spearman ") and asked[2].endswith("over 2 pairs, 0 skipped")
    drawn = run("words", "picture", "--count", "10", *weights)
    assert drawn.output == "picture: out/words.png\n" and Path("out/words.png").stat().st_size > 1000
    lost = run("words", "neighbours", "dragon", *weights)
    assert lost.exit_code == 1 and "'dragon' is not among the 10 words with vectors" in lost.output
    images = run("predict", "skipgram")
    assert images.exit_code == 1 and "skipgram does not classify images" in images.output
    assert run("words", "neighbours", "king", "--weights", "none.npz").exit_code == 1
