"""Commands that train, here and in PyTorch, and that keep what trained models reached."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import click

from bench import curves, follow, quality, reading, report
from bench import options as opt
from bench.twins import NoTwinError


@click.command("follow")
@click.argument("models", nargs=-1)
@click.option("--data", required=True, help="Text, as for `arignote train cbow`.")
@click.option("--questions", default=None, help="Folder of analogies and similarities (searched).")
@click.option("--epochs", default=1, show_default=True, help="Passes over the text.")
@click.option("--every", default=500, show_default=True, help="Steps from one comparison to the next.")
@opt.seed_option
@opt.out_option
def follow_command(
    models: tuple[str, ...], data: str, questions: str | None, epochs: int, every: int, seed: int, out: str | None
) -> None:
    """Train word vectors here and in PyTorch, from the same vectors on the same words: both losses at every step."""
    named = models or ("cbow", "skipgram")
    results = [
        follow.measure(name, data, questions, epochs=epochs, every=every, seed=seed, log=opt.log) for name in named
    ]
    words = {"data": data, "questions": questions, "epochs": epochs, "every": every, "seed": seed}
    command = opt.command_line("follow", named, words)
    opt.save(report.envelope("follow", results, command=command, seed=seed, versions=follow.versions()), out)
    if any(result["worst"] > follow.TOLERANCE for result in results):
        sys.exit(1)


@click.command("curves")
@click.argument("model")
@click.option("--data", default=None, help="As for `arignote train`.")
@click.option("--epochs", default=1, show_default=True, help="Passes over the data.")
@click.option("--steps", type=int, default=None, help="End after so many steps.")
@click.option("--minutes", type=float, default=math.inf, help="End after so many of training.")
@click.option("--validations", default=1, show_default=True, help="In each epoch; 0: none.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="As for `arignote train`.")
@opt.seed_option
@opt.out_option
def curves_command(
    model: str, data: str | None, epochs: int, steps: int | None, minutes: float, validations: int,
    settings: tuple[str, ...], seed: int, out: str | None,
) -> None:  # fmt: skip
    """Train MODEL here and in PyTorch from the same values on the same minibatches: curves as JSON and PNG."""
    from arignote.models.data import DataError
    from arignote.models.model import SettingError
    from arignote.models.registry import UnknownModelError

    words = {
        "data": data, "epochs": epochs, "steps": steps, "minutes": minutes if minutes < math.inf else None,
        "validations": validations, "set": settings, "seed": seed,
    }  # fmt: skip
    try:
        result = curves.measure(model, data, epochs=epochs, steps=steps, minutes=minutes, validations=validations,
                                seed=seed, log=opt.log, settings=settings)  # fmt: skip
    except (NoTwinError, DataError, SettingError, UnknownModelError) as error:
        raise click.ClickException(str(error)) from None
    command = opt.command_line("curves", [model], words)
    path = opt.save(report.envelope("curves", [result], command=command, seed=seed, versions=follow.versions()), out)
    curves.picture(result, path.with_suffix(".png"))


@click.command("quality")
@click.argument("folders", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@opt.out_option
def quality_command(folders: tuple[Path, ...], out: str | None) -> None:
    """Keep what runs of `arignote train` reached: FOLDERS are those that it wrote."""
    from arignote.models.training import CheckpointError

    for folder in folders:
        try:
            result = quality.record(folder)
        except (quality.NoRunError, CheckpointError) as error:
            raise click.ClickException(str(error)) from None
        words = result["command"].split()
        document = report.envelope("train", [result], command=words, seed=result["seed"], versions=quality.versions())
        opt.save(document, out)


@click.command("reading")
@click.argument("generator", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("classifier", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--count", default=100, show_default=True, help="Images of each class.")
@opt.seed_option
@opt.out_option
def reading_command(generator: Path, classifier: Path, count: int, seed: int, out: str | None) -> None:
    """How often a trained classifier reads what a trained generator draws of a class as that class.

    GENERATOR and CLASSIFIER are folders that `arignote train` wrote.
    """
    from arignote.models.training import CheckpointError

    try:
        result = reading.measure(generator, classifier, count=count, seed=seed)
    except (quality.NoRunError, CheckpointError) as error:
        raise click.ClickException(str(error)) from None
    opt.log(f"{result['classifier']} reads {100 * result['share']:.1f} % of what {result['model']} draws")
    command = opt.command_line("reading", [generator.name, classifier.name], {"count": count, "seed": seed})
    opt.save(report.envelope("reading", [result], command=command, seed=seed, versions=quality.versions()), out)


COMMANDS = (follow_command, curves_command, quality_command, reading_command)
