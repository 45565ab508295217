"""`arignote predict`."""

import math
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from arignote.models import registry
from arignote.models.book.bilstm_sentiment import BilstmSentiment
from arignote.models.classifier import Classifier, make_classifier
from arignote.models.commands.images import ARRAYS, PICTURES, read_images
from arignote.models.commands.options import mode_option, user_errors
from arignote.models.commands.sentences import predict_sentences
from arignote.models.imagetask import load
from arignote.models.model import Model, SettingError
from arignote.models.training import CheckpointError
from arignote.models.training import checkpoint as checkpoints


@click.command()
@click.argument("name")
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    help="Weights of `arignote train` (runs/NAME/weights.npz).",
)
@click.option(
    "--data",
    metavar="PATH",
    help="A picture, an .npy array of images, or a data set as for `arignote train`, "
    "whose test images are then classified (the one it was trained on).",
)
@click.option("--text", "texts", multiple=True, help="A text, for models of sentences; may be given several times.")
@click.option(
    "--count", type=click.IntRange(0), default=10, show_default=True, help="Images or texts to list."
)
@mode_option
@user_errors
def predict(
    name: str, weights: Path | None, data: str | None, texts: tuple[str, ...], count: int, mode: str | None
) -> None:
    """Classify images or sentences with the trained model NAME: labels and probabilities."""
    kind = registry.find(name)
    path = weights or Path("runs") / name / "weights.npz"
    if issubclass(kind, BilstmSentiment):
        predict_sentences(kind, path, texts, data, count, mode)
        return
    _images_only(name)
    if texts:
        raise SettingError(f"{name} classifies images, and --text is for models of sentences")
    model, classifier, shape, trained_on = load_classifier(name, path, mode)
    labels: NDArray[Any] | None = None
    if data is not None and Path(data).suffix.lower() in (*ARRAYS, *PICTURES):
        images = read_images(Path(data), shape)
    else:
        dataset = model.prepared(load(data if data is not None else trained_on, files=model.files))
        images, labels = dataset.test
        if dataset.image_shape != shape:
            size = "x".join(map(str, shape))
            raise CheckpointError(
                path, f"is for images of {size} pixels, {dataset.name} has others", "Name another data set."
            )
        labels = labels.reshape(-1)
    predicted, probabilities = classifier.classify(images)
    per_image = len(predicted) // len(images)
    for i in range(min(count, len(predicted))):
        truth = "" if labels is None else f", labelled {labels[i]}"
        share = 100 * probabilities[i, predicted[i]]
        which = f"image {i // per_image}" + (f", label {i % per_image + 1}" if per_image > 1 else "")
        click.echo(f"{which}: {predicted[i]} ({share:.1f} %){truth}")
        # What else it could be: of interest where the first choice is not certain.
        order = np.argsort(-probabilities[i], kind="stable")
        click.echo("  " + "  ".join(f"{k}: {probabilities[i, k]:.4f}" for k in order))
    if count < len(predicted):
        click.echo(f"... {len(predicted) - count} more (--count {len(predicted)} lists all)")
    if labels is not None:
        wrong = int((predicted != labels).sum())
        click.echo(f"error {100 * wrong / len(labels):.2f} % ({wrong} of {len(labels)})")


def load_classifier(name: str, path: Path, mode: Any) -> tuple[Model, Classifier, tuple[int, ...], str]:
    """A model, trained, the shape of its images, and the data set it was trained on.

    Raises `CheckpointError` for files that are not weights of that model.
    """
    about = checkpoints.load(path, model=name).progress
    try:
        settings = [f"{key}={value}" for key, value in about["settings"].items()]
        shape = tuple(int(n) for n in about["image_shape"])
        n_in, n_classes, data = int(about["n_in"]), int(about["n_classes"]), str(about["data"])
        if len(shape) not in (2, 3) or n_in != math.prod(shape):
            raise ValueError(f"{n_in} inputs for images of {shape}")
        model = _images_only(name).with_settings(settings)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            path,
            f"does not describe a trained model ({error!r})",
            "Use the weights.npz that `arignote train` wrote, not a run's checkpoint.",
        ) from error
    classifier = make_classifier(model, n_in, n_classes, seed=0, mode=mode)
    classifier.restore(checkpoints.load(path, model=name, like=classifier.snapshot()).parameters)
    return model, classifier, shape, data


def _images_only(name: str) -> type[Model]:
    """The model of that name. Raises `SettingError` for one of another kind."""
    kind = registry.find(name)
    if not issubclass(kind, Model):
        raise SettingError(f"{name} does not classify images")
    return kind
