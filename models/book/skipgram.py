"""The skip-gram model with negative sampling (chapter 3)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from arignote.models.wordmodel import WordModel


@dataclass(frozen=True)
class Skipgram(WordModel):
    """Skip-gram: a word's neighbours from its vector, five negative samples, frequent words thinned out

    T. Mikolov, I. Sutskever, K. Chen, G. Corrado, J. Dean, "Distributed representations of words and phrases and
    their compositionality", 2013.
    """

    name: ClassVar[str] = "skipgram"
    chapter: ClassVar[int] = 3
    quality: ClassVar[str] = "loss as PyTorch's from the same vectors, within 1 %"

    rate: float = 10.0
    negatives: int | None = 5
    subsample: float | None = 1e-3

    def example(self, W: Any, centre: Any, context: Any) -> tuple[Any, Any]:
        return W[centre], context

    def targets(self) -> int:
        return 2 * self.window
