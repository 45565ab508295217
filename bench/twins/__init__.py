"""Training twice: models of the book here and in PyTorch, from the same initial values on the same minibatches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Twin(Protocol):
    """A model in PyTorch, whose parameters begin as copies of a task's."""

    def train(self, epoch: int, epochs: int, minibatch: int) -> float:
        """One update, and the loss before it."""

    def validate(self) -> tuple[float, float]:
        """Loss, and error as a fraction, on the validation set."""

    def end_epoch(self, loss: float) -> None:
        """Is told the mean loss of the updates of every epoch."""


class NoTwinError(ValueError):
    """A model that is not written for PyTorch."""


def twin(task: Any) -> Twin:
    """The twin of a task. Raises `NoTwinError` where there is none."""
    from arignote.models.imagetask import ImageTask
    from arignote.models.language import LanguageTask
    from arignote.models.layered import LayerModel
    from arignote.models.sentencetask import SentenceTask
    from arignote.models.wordstream import StreamTask

    make: Callable[[Any], Twin]
    if isinstance(task, ImageTask) and isinstance(task.model, LayerModel):
        from bench.twins.images import ImageTwin as make
    elif isinstance(task, LanguageTask):
        from bench.twins.sentences import SentenceTwin as make
    elif isinstance(task, StreamTask):
        from bench.twins.streams import StreamTwin as make
    elif isinstance(task, SentenceTask):
        from bench.twins.texts import TextTwin as make
    else:
        raise NoTwinError(f"{task.model.name} is not written for PyTorch; models of layers of images, of "
                          "sentences and of running text are")  # fmt: skip
    return make(task)
