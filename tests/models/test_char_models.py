"""Language models: losses against NumPy, training against PyTorch, sentences of all lengths, training, drawing."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from arignote.frontends.cli.main import main
from arignote.frontends.tensor.compiler import default_backend, set_backend
from arignote.models.book.char_gru import CharGru
from arignote.models.book.char_lstm import CharLstm
from arignote.models.book.char_rnn import CharRnn
from arignote.models.data import DataError
from arignote.models.data.sentences import END, START, UNKNOWN, Alphabet, joined, load_sentences, split, tokens
from arignote.models.language import LanguageModel, LanguageTask
from arignote.models.model import SettingError
from arignote.models.training import Schedule, train

Array = np.ndarray[Any, Any]
KINDS: list[type[LanguageModel]] = [CharRnn, CharLstm, CharGru]
TRUNCATE = 10


def made(kind: type[LanguageModel], *, dtype: str = "float64", **settings: Any) -> LanguageTask:
    model = kind(**{"hidden": 9, "truncate": TRUNCATE, "rate": 0.3, **settings})
    task = LanguageTask(model, load_sentences(None, model.level, model.vocabulary), seed=3, dtype=dtype)
    rng = np.random.RandomState(8)
    for parameter in task.language.parameters.values():  # biases that are not zero, as after some training
        parameter.set_value((parameter.get_value() + rng.normal(0, 0.1, parameter.get_value().shape)).astype(dtype))
    return task


def values(task: LanguageTask) -> dict[str, Array]:
    return {name: p.get_value() for name, p in task.language.parameters.items()}


def step(lib: Any, kind: type[LanguageModel], p: Any, x: int, h: Any, c: Any) -> tuple[Any, Any]:
    """One step of a cell as the book's formulas say, in NumPy or PyTorch."""

    def gate(name: str, *peep: Any) -> Any:
        total = p[f"Wx{name}"][x] + h @ p[f"Wh{name}"] + p[f"b{name}"]
        return total + peep[0] @ p[f"Wc{name}"] if peep else total

    def sigmoid(v: Any) -> Any:
        return 1 / (1 + lib.exp(-v))

    if kind is CharRnn:
        return lib.tanh(p["Wxh"][x] + h @ p["Whh"] + p["bh"]), c
    if kind is CharLstm:
        new = sigmoid(gate("f", c)) * c + sigmoid(gate("i", c)) * lib.tanh(gate("c"))
        return sigmoid(gate("o", new)) * lib.tanh(new), new
    z, r = sigmoid(gate("z")), sigmoid(gate("r"))
    return (1 - z) * h + z * lib.tanh(p["Wxc"][x] + r * (h @ p["Whc"]) + p["bc"]), c


@pytest.mark.parametrize("kind", KINDS)
def test_losses_are_those_of_numpy(kind: type[LanguageModel]) -> None:
    task = made(kind)
    p, total, wrong, count = values(task), 0.0, 0, 0
    for sentence in task.data.valid:
        h, c = np.zeros(9), np.zeros(9)
        for x, y in itertools.pairwise(sentence):
            h, c = step(np, kind, p, x, h, c)
            scores = h @ p["Why"] + p["by"]
            total += np.log(np.exp(scores).sum()) - scores[y]
            wrong, count = wrong + (scores.argmax() != y), count + 1
    np.testing.assert_allclose(task.measured("valid"), (total / count, wrong / count), rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_that_of_pytorch(kind: type[LanguageModel]) -> None:
    """Losses of the first sentences from the same parameters, and the parameters afterwards. Gradients go through the
    last steps only, so the states of the others are constants to them."""
    torch = pytest.importorskip("torch")
    task = made(kind)
    p = {name: torch.tensor(v, requires_grad=True) for name, v in values(task).items()}
    ours, theirs = [], []
    for sentence in task.data.train[:4]:
        h, c, states = torch.zeros(9, dtype=torch.float64), torch.zeros(9, dtype=torch.float64), []
        n = len(sentence) - 1
        assert n > TRUNCATE
        for t, x in enumerate(sentence[:-1]):
            h, c = step(torch, kind, p, int(x), h, c)
            if t < n - TRUNCATE:
                h, c = h.detach(), c.detach()
            states.append(h)
        scores = torch.stack(states) @ p["Why"] + p["by"]
        loss = torch.nn.functional.cross_entropy(scores, torch.tensor(sentence[1:]).long())
        theirs.append(loss.item())
        with torch.no_grad():
            for q, g in zip(p.values(), torch.autograd.grad(loss, list(p.values())), strict=True):
                q -= 0.3 * g
        ours.append(float(task.train(sentence[:-1], sentence[1:], 0.3)))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    for name, value in values(task).items():
        np.testing.assert_allclose(value, p[name].detach().numpy(), rtol=1e-8, atol=1e-10, err_msg=name)


def test_sentences_of_many_lengths_compile_at_most_three_times() -> None:
    """One version for the first length, one for any length, and one for lengths under `truncate`."""
    compiled: list[Any] = []

    def counting(*args: Any) -> Any:
        compiled.append(args)
        return default_backend(*args)

    before = set_backend(counting)
    try:
        task = made(CharRnn, dtype="float32")
        losses = [float(task.steps.train(i)) for i in range(task.n_batches)]
    finally:
        set_backend(before)
    assert len({len(sentence) for sentence in task.data.train}) > 25
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert len(compiled) <= 3


def test_training_learns_halves_and_resumes(tmp_path: Path) -> None:
    def run(epochs: int, resume: bool) -> LanguageTask:
        task = made(CharRnn, dtype="float32", rate=4.0, level="word")
        schedule = Schedule(epochs, task.n_batches, interval=30, by_loss=True)
        history = train(task.steps, schedule, path=tmp_path / f"{resume}.npz", resume=resume)
        assert min(r.valid_loss for r in history.records) == history.best.valid_loss  # type: ignore[union-attr]
        return task

    whole = run(5, False)
    run(2, True)
    parts = run(5, True)
    assert whole.halving.rate.get_value() < 4.0, "the loss of an epoch rose"
    for name, value in whole.snapshot().items():
        np.testing.assert_array_equal(parts.snapshot()[name], value)


def test_drawing_follows_the_distribution() -> None:
    task = made(CharGru)
    prefix = task.data.alphabet.encode("The")[:-1]
    p, h = values(task), np.zeros(9)
    for x in prefix:
        h, _ = step(np, CharGru, p, x, h, h)
    best = int((h @ p["Why"] + p["by"]).argmax())
    assert task.sample(prefix, 0.0, 1).tolist() == [best]
    scores = (h @ p["Why"] + p["by"]) / 0.7
    expected = np.exp(scores) / np.exp(scores).sum()
    counts = np.bincount([int(task.sample(prefix, 0.7, 1)[0]) for _ in range(4000)], minlength=len(expected))
    assert ((counts - 4000 * expected) ** 2 / (4000 * expected)).sum() < 90, "chi-squared of 41 degrees of freedom"


def test_drawing_ends_behind_the_end() -> None:
    task = made(CharRnn)
    task.language.b.set_value(np.where(np.arange(len(task.data.alphabet)) == 1, 50.0, 0.0))
    assert task.sample(task.data.alphabet.encode("")[:-1], 1.0, 30).tolist() == [1]


def test_the_command_trains_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--epochs", "3", "--set", "hidden=24", "--set", "level=word"]
    result = CliRunner().invoke(main, ["train", "char_rnn", *options])
    assert result.exit_code == 0, result.output
    assert "data: tale, 65 training, 3 validation, 5 test sentences, 159 tokens" in result.output
    assert "validation perplexity" in result.output and "word error" in result.output
    written = CliRunner().invoke(main, ["sample", "char_rnn", "--prime", "The keeper", "--length", "5", "--count", "3"])
    assert written.exit_code == 0, written.output
    lines = written.output.splitlines()
    assert len(lines) == 3 and all(line.startswith("the keeper") for line in lines)
    again = CliRunner().invoke(main, ["sample", "char_rnn", "--prime", "The keeper", "--length", "5", "--count", "3"])
    assert again.output == written.output
    most = CliRunner().invoke(main, ["sample", "char_rnn", "--argmax"])
    assert len(most.output.splitlines()) == 1
    other = CliRunner().invoke(main, ["sample", "logreg", "--weights", "runs/char_rnn/weights.npz"])
    assert other.exit_code == 1 and "not a model to draw texts from" in other.output


def test_sentences_and_tokens() -> None:
    text = 'He came. (Late.) Who?\nAll\nslept.\n\nNo end here'
    assert split(text) == ["He came.", "(Late.)", "Who?", "All\nslept.", "No end here"]
    assert tokens("It's Ann's ship.", "word") == ["it's", "ann's", "ship", "."]
    assert joined(["it's", "late", ",", "ann", "."], "word") == "it's late, ann."
    alphabet = Alphabet.of(["abca", "ab"], 5)
    assert alphabet.tokens == (START, END, UNKNOWN, "a", "b")
    assert alphabet.encode("abc").tolist() == [0, 3, 4, 2, 1]


def test_bad_data_and_settings(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("One. Two.")
    with pytest.raises(DataError, match="at least 40 sentences, found 2"):
        load_sentences(tmp_path / "short.txt")
    with pytest.raises(DataError, match="tinyshakespeare"):
        load_sentences(tmp_path)
    with pytest.raises(SettingError, match="level is char or word, not 'byte'"):
        CharRnn(level="byte")
