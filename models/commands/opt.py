"""`arignote opt`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from arignote.frontends.cli.errors import debugging
from arignote.ir.core import Func, Module
from arignote.ir.diag import IRError
from arignote.ir.text import print_module
from arignote.ir.verify import verify
from arignote.models.commands.options import user_errors
from arignote.models.programs import Spec
from arignote.passes.base import Pass, Pipeline, find_pass, list_passes, parse_pipeline, signature
from arignote.passes.check import NumericCheck
from arignote.passes.inputs import working_inputs
from arignote.passes.pipelines import PIPELINES

SELF = "self"


@click.command()
@click.argument("what", metavar="FILE.ari|-|MODEL", required=False, default="-")
@click.option("-p", "--passes", metavar="PIPELINE", default="", help='Such as "canonicalize,(fold,cse)*3,fuse{max=8}".')
@click.option("--verify-each", is_flag=True, help="Verify after every pass, and not only at the end.")
@click.option("--check-each", is_flag=True, help="Run each function before and after every pass, on random inputs.")
@click.option("--seed", default=0, show_default=True, help="Of the random inputs.")
@click.option(
    "--print-after", is_flag=False, flag_value="all", metavar="[=PASS]", help="Show functions after a pass, or all."
)
@click.option("--time", "timing", is_flag=True, help="How long every pass takes.")
@click.option("--stats", is_flag=True, help="How every pass changes the number of operations, and costs at the end.")
@click.option(
    "--reduce", "script", is_flag=False, flag_value=SELF, metavar="[=SCRIPT]",
    help="Instead of the result, the smallest program that still fails here; or with which SCRIPT FILE still exits 0.",
)  # fmt: skip
@click.option("--loc", is_flag=True, help="Show the program's lines that built each operation.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write there, not to the output.")
@click.option("--list-passes", is_flag=True, help="List the passes with their purpose and options, and the pipelines.")
@user_errors
def opt(
    what: str,
    passes: str,
    verify_each: bool,
    check_each: bool,
    seed: int,
    print_after: str | None,
    timing: bool,
    stats: bool,
    script: str | None,
    loc: bool,
    output: Path | None,
    list_passes: bool,
) -> None:
    """Run passes on a program and print what becomes of it. What is shown on the way goes to the error output.

    \b
      arignote dump mlp --stage grad | arignote opt -p "canonicalize,cse" --verify-each --stats
      arignote opt step.ari -p optimize --check-each --reduce > small.ari
    """
    if list_passes:
        _list()
        return
    module = _read(what)
    pipeline = _pipeline(passes)
    if print_after not in (None, "all"):
        find_pass(str(print_after))
    work = _Work(pipeline, verify_each, check_each, seed, print_after, loc)
    if script is not None:
        text = print_module(_reduced(module, work, script), locs=loc)
    else:
        text = print_module(Module([work.run(f) for f in module]), locs=loc)
        if timing or stats:
            click.echo(work.table(timing, stats), err=True, nl=False)
    if output is not None:
        output.write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


def _pipeline(text: str) -> Pipeline:
    """A pipeline; the names of `PIPELINES` stand for theirs."""
    for name, known in PIPELINES.items():
        if text == name:
            return known
    return parse_pipeline(text)


def _read(what: str) -> Module:
    spec = Spec.parse(what)
    programs = replace(spec, stage=None).programs()
    if spec.what == "-" or spec.what.endswith(".ari"):
        module = Module(programs)
    else:
        from arignote.frontends.tensor import stages  # loads the code generator

        module = Module([stages.func_at(p, spec.stage or "grad") for p in programs])
    return module


def _list() -> None:
    for name, purpose in list_passes().items():
        click.echo(f"{signature(find_pass(name))}\n    {purpose}")
    click.echo("\nPipelines, by their names alone:")
    for name, pipeline in PIPELINES.items():
        click.echo(f"{name}\n    {pipeline}")


@dataclass
class _Work:
    """Runs the pipeline on functions, and keeps what it saw."""

    pipeline: Pipeline
    verify_each: bool
    check_each: bool
    seed: int
    print_after: str | None
    loc: bool
    rows: list[tuple[str, float, int, int]] = field(default_factory=list)
    totals: list[str] = field(default_factory=list)
    quiet: bool = False

    def run(self, func: Func) -> Func:
        """The function after the pipeline.

        Raises:
            IRError: a pass fails, breaks a rule, or changes what is computed; the notes name it.
        """
        from arignote.ir.cost import summary, summary_text

        check = None
        if self.check_each:
            inputs, states = working_inputs(func, self.seed)
            check = NumericCheck(inputs, states)
        try:
            out = self.pipeline.run(func, self.verify_each, check, None if self.quiet else self.after)
        except IRError:
            raise
        except Exception as error:
            if debugging():
                raise
            notes = "".join(f"\n  {note}" for note in getattr(error, "__notes__", ()))
            raise IRError(f"a pass failed with {type(error).__name__}: {error}{notes}") from error
        if not self.verify_each:
            verify(out, history=[p.name for p in self.pipeline])
        if not self.quiet:
            self.totals.append(f"@{func.name}: {summary_text(summary(out))}")
        return out

    def after(self, p: Pass, before: Func, after: Func, seconds: float) -> None:
        """Called after each pass."""
        from arignote.passes.reduce import op_count

        self.rows.append((p.name, seconds, op_count(before), op_count(after)))
        if self.print_after in ("all", p.name):
            changed = "" if after is not before else " (nothing changed)"
            click.echo(f"// ----- after {p}{changed}\n{print_module(after, locs=self.loc)}", err=True)

    def table(self, timing: bool, stats: bool) -> str:
        """Time and numbers of ops, a line per run of a pass."""
        head = ("       ms" if timing else "") + ("   ops before    after   change" if stats else "")
        lines = ["pass".ljust(16) + head]
        for name, seconds, before, after in self.rows:
            line = name.ljust(16)
            line += f"{1e3 * seconds:9.2f}" if timing else ""
            line += f"{before:13d}{after:9d}{after - before:+9d}" if stats else ""
            lines.append(line)
        if timing:
            lines.append("total".ljust(16) + f"{1e3 * sum(r[1] for r in self.rows):9.2f}")
        return "\n".join([*lines, *(self.totals if stats else ())]) + "\n"


def _reduced(module: Module, work: _Work, script: str) -> Module:
    from arignote.passes.reduce import op_count, reduce_module

    tried = 0

    def progress(func: Func, good: bool) -> None:
        nonlocal tried
        tried += 1
        if good:
            click.echo(f"@{func.name}: {op_count(func)} operations after {tried} tries", err=True)

    interesting = _fails_alike(module, work) if script == SELF else _by_script(script)
    if not interesting(module):
        raise IRError(f"{script} does not exit with 0 for the program as it is")
    return reduce_module(module, interesting, progress)


def _by_script(script: str) -> Callable[[Module], bool]:
    """Whether `script FILE` exits with 0."""
    path = Path(script)
    command = [str(path.resolve())] if path.exists() else [script]
    if path.suffix == ".py":
        command = [sys.executable, *command]

    def interesting(module: Module) -> bool:
        with tempfile.TemporaryDirectory(prefix="arignote-") as folder:
            file = Path(folder) / "candidate.ari"
            file.write_text(print_module(module), encoding="utf-8")
            try:
                done = subprocess.run([*command, str(file)], capture_output=True, check=False)
            except OSError as error:
                raise click.ClickException(f"{script} cannot be run: {error}") from None
        return done.returncode == 0

    return interesting


def _fails_alike(module: Module, work: _Work) -> Callable[[Module], bool]:
    """Whether the pipeline fails as it does on the whole program: with the same kind of error, in the same pass."""
    quiet = replace(work, quiet=True, rows=[], totals=[])

    def failure(program: Module) -> tuple[Any, ...] | None:
        for func in program:
            try:
                quiet.run(func)
            except IRError as error:
                note = next(iter(getattr(error, "__notes__", ())), "")
                if not note and error.__cause__ is not None:
                    note = next(iter(getattr(error.__cause__, "__notes__", ())), "")
                kind = type(error.__cause__ if error.__cause__ is not None else error)
                return kind, note.partition(" on @")[0]
        return None

    first = failure(module)
    if first is None:
        raise click.ClickException("nothing to reduce: the pipeline runs without an error (give --check-each?)")
    return lambda program: failure(program) == first
