"""`arignote words`: what trained word vectors know."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from arignote.models import registry
from arignote.models.commands.folder import write
from arignote.models.commands.options import user_errors
from arignote.models.data.questions import load_analogies, load_similarities
from arignote.models.training import CheckpointError
from arignote.models.training import checkpoint as checkpoints
from arignote.models.wordmodel import WordModel
from arignote.models.wordvectors import PICTURED, UnknownWordError, WordVectors


@click.group()
def words() -> None:
    """Ask the word vectors that `arignote train cbow` or `skipgram` made."""


def weights_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--weights`, and plain errors."""
    option = click.option(
        "--weights",
        type=click.Path(path_type=Path),
        default=Path("runs/cbow/weights.npz"),
        show_default=True,
        help="Weights of `arignote train`.",
    )
    return option(user_errors(command))


count_option = click.option("--count", type=click.IntRange(1), default=8, show_default=True, help="Words to list.")


@words.command()
@click.argument("of", metavar="WORD", nargs=-1, required=True)
@count_option
@weights_option
def neighbours(of: tuple[str, ...], count: int, weights: Path) -> None:
    """The words that are nearest to each WORD, by the cosine of the angle."""
    for word, near in _known(_load(weights).neighbours, of, count).items():
        click.echo(f"{word}: " + ", ".join(f"{other} {cosine:.3f}" for other, cosine in near))


@words.command()
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("--count", type=click.IntRange(1), default=4, show_default=True, help="Words to list.")
@weights_option
def analogy(a: str, b: str, c: str, count: int, weights: Path) -> None:
    """What is to C as B is to A."""
    near = _known(_load(weights).analogy, a, b, c, count)
    click.echo(f"{a} : {b} = {c} : " + ", ".join(f"{word} {cosine:.3f}" for word, cosine in near))


@words.command()
@click.option(
    "--data",
    metavar="PATH",
    help="Folder (or its parent) with questions-words.txt and similarity sets EN-*.txt; searched by default.",
)
@weights_option
def evaluate(data: str | None, weights: Path) -> None:
    """Answer Google's analogies, and compare similarities with people's."""
    vectors = _load(weights)
    answers = vectors.answer(load_analogies(data))
    for one in answers:
        click.echo(f"{one.name}: {one.right} of {one.asked} right{_percent(one.precision)}, {one.skipped} skipped")
    asked, right = sum(one.asked for one in answers), sum(one.right for one in answers)
    skipped = sum(one.skipped for one in answers)
    click.echo(f"analogies: {right} of {asked} right{_percent(right / asked if asked else None)}, {skipped} skipped")
    for found in vectors.correlate(load_similarities(data)):
        click.echo(f"{found.name}: Spearman {found.rho:.3f} over {found.pairs} pairs, {found.skipped} skipped")


@words.command()
@click.option("--count", type=click.IntRange(10), default=PICTURED, show_default=True, help="Words to draw.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The picture (words.png by the weights).")
@weights_option
def picture(count: int, out: Path | None, weights: Path) -> None:
    """Draw the most frequent words in the plane, by t-SNE."""
    vectors, path = _load(weights), out or weights.with_name("words.png")
    try:
        write(path, lambda place: vectors.picture(place, title=f"{count} words of {weights}", count=count))
    except ImportError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"picture: {path}")


def _load(path: Path) -> WordVectors:
    """Words and vectors of a weights file. Raises `CheckpointError` for others."""
    saved = checkpoints.load(path)
    kind = registry.models().get(saved.model)
    if kind is None or not issubclass(kind, WordModel) or "words" not in saved.progress:
        raise CheckpointError(path, "holds no word vectors", "Use the weights.npz of `arignote train cbow`.")
    listed, vectors = tuple(map(str, saved.progress["words"])), saved.parameters["W"]
    if vectors.ndim != 2 or len(listed) != len(vectors):
        raise CheckpointError(
            path, f"has {len(listed)} words for vectors of shape {list(vectors.shape)}", "Train again."
        )
    return WordVectors(listed, vectors)


def _known(ask: Callable[..., Any], *of: Any) -> Any:
    try:
        return ask(*of)
    except UnknownWordError as error:
        raise click.ClickException(str(error.args[0])) from None


def _percent(share: float | None) -> str:
    return "" if share is None or share != share else f" ({100 * share:.2f} %)"
