"""What a training run shows while it runs: the book's log lines, and a bar on a terminal."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from arignote.models.training import Event, EventKind, Record

_REFRESH = 0.1  # seconds between updates of the bar: an update costs as much as a small step


class Display:
    """A reporter for `arignote.models.training.train`; a context manager around it.

    Prints one line per validation, as `line` has it. Where the output is a terminal, a bar below the lines shows how
    far the run is. Counts what the summary says afterwards.
    """

    def __init__(
        self, n_batches: int, line: Callable[[Record], str], console: Console | None = None
    ) -> None:
        self.n_batches, self.line = n_batches, line
        self.console = console or Console()
        self.progress: Progress | None = None
        self._task: TaskID | None = None
        self._shown = 0.0
        self._compiled: tuple[float, int] | None = None
        self.first = self.last = 0
        self.started = self.ended = time.perf_counter()

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.progress = Progress(
                BarColumn(),
                TextColumn("epoch {task.fields[epoch]}, loss {task.fields[loss]}"),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )
            self.progress.start()
        self.started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.ended = time.perf_counter()
        if self.progress is not None:
            self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self.last = event.iteration
        if event.kind is EventKind.STARTED:
            self.first = event.iteration
        elif event.kind is EventKind.VALIDATED and event.record is not None:
            self._line(event.record)
            if self._compiled is None:
                # The first step, validation and test compile; the speed is that of the rest.
                self._compiled = time.perf_counter(), event.iteration
        if self.progress is not None:
            self._advance(self.progress, event)

    @property
    def epochs(self) -> float:
        """Epochs trained in this session."""
        return (self.last - self.first) / self.n_batches

    @property
    def seconds(self) -> float:
        """Time of this session, validations and compilation included."""
        return self.ended - self.started

    @property
    def epochs_per_second(self) -> float | None:
        """Speed after compilation, validations included; None when there was too little to tell."""
        if self._compiled is None:
            return None
        since, iteration = self._compiled
        steps = self.last - iteration
        if steps < self.n_batches or self.ended <= since:
            return None
        return steps / self.n_batches / (self.ended - since)

    def _line(self, record: Record) -> None:
        line = self.line(record)
        if self.progress is None:
            click.echo(line)
        else:
            self.console.print(line, highlight=False)

    def _advance(self, progress: Progress, event: Event) -> None:
        now = time.perf_counter()
        if event.kind is EventKind.STEP and now - self._shown < _REFRESH:
            return
        self._shown = now
        if self._task is None:
            self._task = progress.add_task("", total=event.n_iterations, epoch=0, loss="-")
        if event.loss is not None:
            progress.update(self._task, loss=f"{event.loss:.4f}")
        progress.update(self._task, completed=event.iteration, epoch=event.epoch)
