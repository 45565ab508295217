"""`arignote train`."""

import dataclasses
import sys
from pathlib import Path

import click

from arignote.models import registry
from arignote.models.classifier import Trainer, make_trainer
from arignote.models.commands.folder import RunFolder, RunRecord, draw, save_weights
from arignote.models.commands.options import load, mode_option, set_option, user_errors
from arignote.models.commands.progress import Display
from arignote.models.data import Dataset
from arignote.models.model import BOOK_BATCH, Model, SettingError
from arignote.models.training import CheckpointError, History, Schedule, Stop
from arignote.models.training import train as run_training

BOOK_EPOCHS, BOOK_INTERVAL = 1000, 1000
SMALL_EPOCHS = 100
EPOCHS_PER_VALIDATION = 5  # for minibatches other than the book's
PATIENCE = 10  # validations without improvement


@click.command()
@click.argument("name")
@click.option(
    "--data",
    metavar="PATH",
    default=None,
    help="digits (embedded, the default), mnist (searched), or a folder that holds MNIST.",
)
@click.option(
    "--epochs", type=click.IntRange(1), help="Passes over the data (MNIST: 1000, digits: 100)."
)
@click.option("--seed", type=click.IntRange(0), help="Of the initial weights (0).")
@click.option(
    "--validate-every",
    "interval",
    type=click.IntRange(1),
    metavar="N",
    help="Minibatches from one validation to the next (the book's 1000; digits: 5 epochs).",
)
@click.option(
    "--early-stop",
    is_flag=True,
    help=f"Stop after {PATIENCE} validations without improvement by half a percent of the error.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of results (runs/NAME).",
)
@click.option("--resume", is_flag=True, help="Go on where a run in that folder stopped.")
@set_option
@mode_option
@user_errors
def train(
    name: str,
    data: str | None,
    epochs: int | None,
    seed: int | None,
    interval: int | None,
    early_stop: bool,
    out: Path | None,
    resume: bool,
    settings: tuple[str, ...],
    mode: str | None,
) -> None:
    """Train the model NAME and keep the best weights, learning curves and a confusion matrix.

    Ctrl-C stops after the current minibatch; --resume continues exactly there, with the run's own
    data and settings.
    """
    kind = registry.find(name)
    folder = RunFolder(out or Path("runs") / name)
    folder.prepare()
    earlier = folder.read_record() if resume else None
    if earlier is not None:
        data = data if data is not None else earlier.data_option
        epochs = epochs or earlier.epochs
        seed = earlier.seed if seed is None else seed
        interval = interval or earlier.interval
        early_stop = early_stop or earlier.early_stop is not None
        settings = (*_as_options(earlier, kind), *settings)
    seed = seed or 0
    model = kind.with_settings(settings)
    dataset = load(data)
    trainer = make_trainer(model, dataset, seed=seed, mode=mode)
    n_batches = trainer.n_batches["train"]
    book = trainer.batch == BOOK_BATCH
    record = RunRecord(
        model=name,
        data=dataset.name,
        data_option=data,
        settings=dataclasses.asdict(model),
        seed=seed,
        epochs=epochs or (BOOK_EPOCHS if book else SMALL_EPOCHS),
        interval=interval or (BOOK_INTERVAL if book else EPOCHS_PER_VALIDATION * n_batches),
        early_stop=PATIENCE if early_stop else None,
    )
    if earlier is not None:
        _check_same_run(folder, earlier, record)
    schedule = Schedule(
        n_epochs=record.epochs,
        n_batches=n_batches,
        interval=record.interval,
        patience=PATIENCE * record.interval if early_stop else None,
    )
    _announce(model, dataset, trainer, record)
    if resume and not folder.checkpoint.exists():
        click.echo(f"nothing to resume in {folder.path}: starting from the beginning")
    elif not resume and folder.put_aside():
        click.echo(f"the checkpoint of an earlier run is kept as {folder.previous}")
    folder.write_record(record)
    with Display(n_batches) as display:
        history = run_training(
            trainer.steps,
            schedule,
            model=name,
            path=folder.checkpoint,
            resume=resume,
            report=display,
        )
    if history.stop is Stop.DIVERGED:
        raise click.ClickException(
            f"the loss is no longer finite after step {display.last}. "
            f"Lower the learning rate, e.g. --set rate={model.rate / 10:g}"
        )
    _finish(folder, model, trainer, dataset, history, display)


def _as_options(earlier: RunRecord, kind: type[Model]) -> list[str]:
    known = kind.settings()
    return [f"{key}={value}" for key, value in earlier.settings.items() if key in known]


def _check_same_run(folder: RunFolder, earlier: RunRecord, now: RunRecord) -> None:
    """A run goes on with what it began with; only its length may change."""
    differences = [
        f"{key}={earlier.settings.get(key)}, not {value}"
        for key, value in now.settings.items()
        if earlier.settings.get(key) != value
    ]
    for what in ("model", "data", "seed"):
        if getattr(earlier, what) != getattr(now, what):
            differences.append(f"{what} {getattr(earlier, what)}, not {getattr(now, what)}")
    if differences:
        raise CheckpointError(
            folder.checkpoint,
            "was made with " + "; ".join(differences),
            "Leave out what differs to go on, or train anew without --resume.",
        )


def _announce(model: Model, data: Dataset, trainer: Trainer, record: RunRecord) -> None:
    sizes = [len(part.x) for part in (data.train, data.valid, data.test)]
    settings = {**record.settings, "batch": trainer.batch, "seed": record.seed}
    click.echo(f"{model.name}: {model.summary()} (chapter {model.chapter})")
    click.echo(
        f"data: {data.name}, {sizes[0]} training, {sizes[1]} validation, {sizes[2]} test images"
    )
    click.echo(
        ", ".join(f"{key} {value}" for key, value in settings.items())
        + f"; {record.epochs} epochs of {trainer.n_batches['train']} minibatches"
    )


def _finish(
    folder: RunFolder,
    model: Model,
    trainer: Trainer,
    data: Dataset,
    history: History,
    display: Display,
) -> None:
    """Keep and describe the results of a run that ended by itself or by Ctrl-C."""
    best = history.best
    if best is None:
        if history.interrupted:
            _interrupted(folder, model)
        raise SettingError(f"{model.name}: the run ended before its first validation")
    trainer.classifier.restore(history.best_parameters)
    save_weights(folder.weights, model, trainer.classifier, data, history)
    if history.stop is Stop.PATIENCE:
        click.echo(f"stopped early: no improvement in {PATIENCE} validations")
    assert best.test_error is not None, "the best validation is always followed by a test"
    click.echo(
        f"best validation error {100 * best.valid_error:.2f} % at epoch {best.epoch}, "
        f"test error {100 * best.test_error:.2f} %"
    )
    speed = display.epochs_per_second
    click.echo(
        f"{display.epochs:.4g} epochs in {display.seconds:.1f} s"
        + (f" ({speed:.1f} epochs/s once compiled)" if speed is not None else "")
    )
    try:
        pictures = draw(
            folder.path, model, trainer.classifier, data, history, trainer.n_batches["train"]
        )
        click.echo("pictures: " + ", ".join(map(str, pictures)))
    except ImportError as error:
        click.echo(f"no pictures: {error}")
    click.echo(f"weights: {folder.weights}")
    if history.interrupted:
        _interrupted(folder, model)


def _interrupted(folder: RunFolder, model: Model) -> None:
    default = folder.path == Path("runs") / model.name
    where = "" if default else f" --out {folder.path}"
    click.echo(f"interrupted; go on with: arignote train {model.name}{where} --resume", err=True)
    sys.exit(130)  # what shells report for programs that Ctrl-C ended
