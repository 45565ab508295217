"""`arignote sample`."""

from pathlib import Path

import click

from arignote.models import registry
from arignote.models.commands.options import mode_option, user_errors
from arignote.models.data.sentences import tokens
from arignote.models.language import LanguageModel, Writer
from arignote.models.model import SettingError
from arignote.models.training import CheckpointError
from arignote.models.training import checkpoint as checkpoints


@click.command()
@click.argument("name")
@click.option("--weights", type=click.Path(path_type=Path), help="Weights of `arignote train` (runs/NAME/weights.npz).")
@click.option("--count", type=click.IntRange(1), default=5, show_default=True, help="Sentences to write.")
@click.option("--prime", default="", help="What they begin with.")
@click.option(
    "--temperature", type=click.FloatRange(0), default=1.0, show_default=True, help="Below 1: more probable ones."
)
@click.option("--argmax", is_flag=True, help="Always take the most probable token, as --temperature 0.")
@click.option("--length", type=click.IntRange(1), default=200, show_default=True, help="Tokens of a sentence, at most.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is drawn.")
@mode_option
@user_errors
def sample(
    name: str,
    weights: Path | None,
    count: int,
    prime: str,
    temperature: float,
    argmax: bool,
    length: int,
    seed: int,
    mode: str | None,
) -> None:
    """Draw sentences from the trained model NAME, from its start token to its end token."""
    path = weights or Path("runs") / name / "weights.npz"
    kind = registry.find(name)
    if not issubclass(kind, LanguageModel):
        raise SettingError(f"{name} is not a model to draw texts from")
    settings = checkpoints.load(path, model=name).progress.get("settings", {})
    try:
        model = kind.with_settings([f"{key}={value}" for key, value in settings.items()])
    except SettingError as error:
        raise CheckpointError(path, f"does not describe the model ({error})", "Train again.") from error
    writer = Writer(path, model, seed=seed, mode=mode)
    for _ in range(1 if argmax or temperature == 0 else count):
        click.echo(writer.write(tokens(prime, model.level), temperature=0 if argmax else temperature, most=length))
