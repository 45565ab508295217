"""`arignote predict` for models of sentences."""

from pathlib import Path
from typing import Any

import click

from arignote.models.book.bilstm_sentiment import BilstmSentiment
from arignote.models.data.sentiment import load_sentiment
from arignote.models.sentencetask import TrainedSentences


def predict_sentences(
    kind: type[BilstmSentiment], path: Path, texts: tuple[str, ...], data: str | None, count: int, mode: Any
) -> None:
    """Classify texts, or the test set of a data set (the one that was trained on), and print what comes out."""
    trained = TrainedSentences(kind, path, mode)
    if texts:
        for text, p in zip(texts, trained.probabilities([trained.words(text) for text in texts]), strict=True):
            click.echo(f"{text}\n  {_classes(trained, p)}")
        return
    test = load_sentiment(data if data is not None else trained.data).test
    probabilities = trained.probabilities(test.x)
    for words, label, p in list(zip(test.x, test.y, probabilities, strict=True))[:count]:
        click.echo(f"{' '.join(words)}\n  {_classes(trained, p)}, labelled {trained.classes[label]}")
    wrong = int((probabilities.argmax(axis=1) != test.y).sum())
    click.echo(f"error {100 * wrong / len(test.y):.2f} % ({wrong} of {len(test.y)})")


def _classes(trained: TrainedSentences, p: Any) -> str:
    order = sorted(range(len(p)), key=lambda k: -p[k])
    return ", ".join(f"{trained.classes[k]} {100 * p[k]:.1f} %" for k in order)
