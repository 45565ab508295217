"""`arignote train`."""

import dataclasses
import sys
from pathlib import Path

import click

from arignote.models import registry
from arignote.models.commands.folder import RunFolder, RunRecord, write
from arignote.models.commands.options import mode_option, set_option, user_errors
from arignote.models.commands.progress import Display
from arignote.models.model import ModelBase, SettingError
from arignote.models.task import Task
from arignote.models.training import CheckpointError, History, Schedule, Stop
from arignote.models.training import train as run_training

PATIENCE = 10  # validations without improvement


@click.command()
@click.argument("name")
@click.option(
    "--data",
    metavar="PATH",
    default=None,
    help="Images: digits, shapes, scenes (embedded), mnist, cifar10, camvid (searched), or a folder of such. "
    "Sentences: remarks (embedded, the default), semeval, sst, sst-fine, or a folder. "
    "Words: reference (embedded, the default), ptb, wikitext2, or a text file. "
    "Texts: tale (embedded, the default), shakespeare, or a text file. "
    "Code: Python's standard library (the default), a folder of Python files, or one file.",
)
@click.option(
    "--epochs", type=click.IntRange(1), help="Passes over the data (MNIST: 1000, digits: 100, words: 1)."
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
    """Train the model NAME and keep the best weights and pictures of how it went.

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
    task = model.task(data, seed=seed, mode=mode)
    record = RunRecord(
        model=name,
        data=task.data_name,
        data_option=data,
        settings=dataclasses.asdict(model),
        seed=seed,
        epochs=epochs or task.epochs,
        interval=interval or task.interval,
        early_stop=PATIENCE if early_stop else None,
    )
    if earlier is not None:
        _check_same_run(folder, earlier, record)
    schedule = Schedule(
        n_epochs=record.epochs,
        n_batches=task.n_batches,
        interval=record.interval,
        patience=PATIENCE * record.interval if early_stop else None,
        by_loss=task.by_loss,
    )
    _announce(model, task, record)
    if resume and not folder.checkpoint.exists():
        click.echo(f"nothing to resume in {folder.path}: starting from the beginning")
    elif not resume and folder.put_aside():
        click.echo(f"the checkpoint of an earlier run is kept as {folder.previous}")
    folder.write_record(record)
    with Display(task.n_batches, task.line) as display:
        history = run_training(
            task.steps,
            schedule,
            model=name,
            path=folder.checkpoint,
            resume=resume,
            report=display,
        )
    if history.stop is Stop.DIVERGED:
        raise click.ClickException(
            f"the loss is no longer finite after step {display.last}. "
            f"Lower the learning rate, e.g. --set rate={record.settings['rate'] / 10:g}"
        )
    _finish(folder, model, task, history, display)


def _as_options(earlier: RunRecord, kind: type[ModelBase]) -> list[str]:
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


def _announce(model: ModelBase, task: Task, record: RunRecord) -> None:
    settings = {**record.settings, "batch": task.batch, "seed": record.seed}
    click.echo(f"{model.name}: {model.summary()} (chapter {model.chapter})")
    click.echo(f"data: {task.data_name}, {task.about()}")
    click.echo(
        ", ".join(f"{key} {value}" for key, value in settings.items())
        + f"; {record.epochs} epochs of {task.n_batches} minibatches"
    )


def _finish(
    folder: RunFolder,
    model: ModelBase,
    task: Task,
    history: History,
    display: Display,
) -> None:
    """Keep and describe the results of a run that ended by itself or by Ctrl-C."""
    best = history.best
    if best is None:
        if history.interrupted:
            _interrupted(folder, model)
        raise SettingError(f"{model.name}: the run ended before its first validation")
    task.steps.restore(history.best_parameters)
    task.save(folder.weights, history)
    if history.stop is Stop.PATIENCE:
        click.echo(f"stopped early: no improvement in {PATIENCE} validations")
    click.echo(task.verdict(best))
    speed = display.epochs_per_second
    click.echo(
        f"{display.epochs:.4g} epochs in {display.seconds:.1f} s"
        + (f" ({speed:.1f} epochs/s once compiled)" if speed is not None else "")
    )
    try:
        pictures = []
        for name, paint in task.pictures(history).items():
            pictures.append(folder.path / name)
            write(pictures[-1], paint)
        click.echo("pictures: " + ", ".join(map(str, pictures)))
    except ImportError as error:
        click.echo(f"no pictures: {error}")
    click.echo(f"weights: {folder.weights}")
    if history.interrupted:
        _interrupted(folder, model)


def _interrupted(folder: RunFolder, model: ModelBase) -> None:
    default = folder.path == Path("runs") / model.name
    where = "" if default else f" --out {folder.path}"
    click.echo(f"interrupted; go on with: arignote train {model.name}{where} --resume", err=True)
    sys.exit(130)  # what shells report for programs that Ctrl-C ended
