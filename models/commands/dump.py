"""`arignote dump`."""

import dataclasses
from pathlib import Path
from typing import Any

import click
import numpy as np

from arignote.ir.diag import IRError
from arignote.ir.parse import parse_module
from arignote.models import registry
from arignote.models.classifier import make_trainer
from arignote.models.commands.options import set_option, user_errors
from arignote.models.data import DataError, Dataset, Pair
from arignote.models.model import BOOK_BATCH, Model, SettingError

# Those of `arignote.frontends.tensor.stages`, which is imported when it is needed.
STAGES = (
    "recorded", "grad", "optimised", "fused", "placed", "planned", "tir", "llvm", "asm", "cuda"
)  # fmt: skip
FUNCTIONS = ("train", "valid", "test", "predict")


@click.command()
@click.argument("what", metavar="NAME|FILE.ari")
@click.option(
    "--stage",
    type=click.Choice(STAGES),
    default="optimised",
    show_default=True,
    help="How far to compile before looking.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default=None,
    help="What to compile for (cpu, but cuda at stage cuda); no such device is needed.",
)
@click.option("--only", metavar="FUNC", help="One function (of a model: train, the default).")
@click.option("--loc", is_flag=True, help="Show the program's lines that built each operation.")
@set_option
@user_errors
def dump(
    what: str, stage: str, device: str | None, only: str | None, loc: bool, settings: tuple[str, ...]
) -> None:
    """Show a model of `arignote models`, or a file of IR, at a stage of the compiler.

    A model's functions are train, valid, test and predict.
    """
    from arignote.frontends.tensor import stages  # loads the code generator

    path = Path(what)
    if path.suffix == ".ari":
        if settings:
            raise click.UsageError("--set is for models; a file of IR has no settings")
        functions = _of_file(path, only)
    else:
        functions = [_of_model(registry.find(what).with_settings(settings), only or "train")]
    device = device or ("cuda" if stage == "cuda" else "cpu")
    texts = [stages.dump_stage(f, stage, device, loc=loc) for f in functions]
    click.echo("\n".join(text.rstrip("\n") + "\n" for text in texts), nl=False)


def _of_file(path: Path, only: str | None) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DataError(path, expected="a file", found="none", remedy="Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            path, expected="IR as text", found=f"an error ({error})", remedy="Check the file."
        ) from error
    found = list(parse_module(text, str(path)).funcs)
    if only is None:
        return found
    chosen = [f for f in found if f.name == only]
    if not chosen:
        names = ", ".join(f.name for f in found) or "none"
        raise IRError(f"{path} has no function {only!r}; functions: {names}")
    return chosen


def _of_model(model: Model, only: str) -> Any:
    if only not in FUNCTIONS:
        raise SettingError(f"{model.name} has no function {only!r}; it has {', '.join(FUNCTIONS)}")
    batch = model.batch or BOOK_BATCH
    trainer = make_trainer(dataclasses.replace(model, batch=batch), blank_images(batch), seed=0)
    return trainer.classifier.predict if only == "predict" else getattr(trainer, only)


def blank_images(batch: int) -> Dataset:
    """Stand-ins, some minibatches of them: what is compiled does not depend on their values."""
    n = 4 * batch

    def part() -> Pair:
        return Pair(np.zeros((n, 784), np.float32), np.zeros(n, np.int32))

    return Dataset("blank", part(), part(), part(), 10, (28, 28), "blank images")
