"""The continuous bag of words (chapter 3)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import arignote.tensor as T
from arignote.models.wordmodel import WordModel


@dataclass(frozen=True)
class Cbow(WordModel):
    """Continuous bag of words: a word from the mean of its neighbours' vectors, full softmax

    T. Mikolov, K. Chen, G. Corrado, J. Dean, "Efficient estimation of word representations in vector space", 2013.
    """

    name: ClassVar[str] = "cbow"
    chapter: ClassVar[int] = 3
    quality: ClassVar[str] = "loss as PyTorch's from the same vectors, within 1 %"

    def example(self, W: Any, centre: Any, context: Any) -> tuple[Any, Any]:
        return T.mean(W[context], axis=1), centre

    def targets(self) -> int:
        return 1
