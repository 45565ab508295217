"""The command `arignote`: a group whose commands are imported when they are called.

`--help` and completion must answer at once, so this module knows the commands by name and summary
only. Commands about models live in `arignote.models.commands`: models may import frontends, not
the other way round.
"""

import importlib
import sys

import click

from arignote._version import __version__

#: name -> (module:attribute, summary for the listing)
COMMANDS: dict[str, tuple[str, str]] = {
    "models": ("arignote.models.commands.listing:models", "List the models."),
    "train": ("arignote.models.commands.train:train", "Train a model."),
    "predict": ("arignote.models.commands.predict:predict", "Classify images."),
    "words": ("arignote.models.commands.words:words", "Ask trained word vectors."),
    "sample": ("arignote.models.commands.sample:sample", "Draw texts or images from a trained model."),
    "dump": ("arignote.models.commands.dump:dump", "Show a model or IR file at a stage."),
    "diff": ("arignote.models.commands.diff:diff", "Show what differs between two programs."),
    "opt": ("arignote.models.commands.opt:opt", "Run passes on IR, check them, reduce what fails."),
    "explore": ("arignote.models.commands.explore:explore", "Make a page that shows a function behind every pass."),
    "profile": ("arignote.models.commands.profile:profile", "Show where the time of a function goes."),
    "run": ("arignote.frontends.cli.run:run", "Run a program written for Theano."),
    "doctor": ("arignote.frontends.cli.doctor:doctor", "Check this installation."),
    "bench": ("arignote.frontends.cli.bench:bench", "Measure against other libraries."),
}


class LazyGroup(click.Group):
    """A click group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command), cmd_name
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="arignote")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.pass_context
def main(ctx: click.Context, debug: bool) -> None:
    """Compile mathematical expressions: train the models, look into the compiler, measure."""
    ctx.obj = {"debug": debug}


if __name__ == "__main__":
    sys.exit(main(prog_name="arignote"))
