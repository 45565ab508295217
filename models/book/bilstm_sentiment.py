"""A bidirectional LSTM that classifies the sentiment of texts (chapter 5)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

import arignote as ar
from arignote.frontends import layers as L
from arignote.models.data.sentiment import SentimentData, Texts, load_sentiment
from arignote.models.model import ModelBase, SettingError

if TYPE_CHECKING:
    from arignote.models.task import Task

#: The book's: with 100 numbers for each word, 10,000,100 in the table and 10,084,967 in all.
BOOK_VOCABULARY = 100_001


@dataclass(frozen=True)
class BilstmSentiment(ModelBase):
    """Sentiment of texts: embedding 100, bidirectional LSTM 64, softmax

    Words are numbers by frequency; 0 stands for words that are not known and for the padding in front.
    """

    name: ClassVar[str] = "bilstm_sentiment"
    chapter: ClassVar[int] = 5
    quality: ClassVar[str] = "SemEval-2013: 10,084,967 parameters; validation accuracy not below PyTorch's (1 point)"

    book_epochs: ClassVar[int] = 30

    batch: int = 10
    """Texts in a minibatch."""
    rate: float = 0.001
    """Learning rate of RMSProp."""
    vocabulary: int = BOOK_VOCABULARY
    """Rows of the table of words; more than the training set has words leaves the rest unused."""
    embedding: int = 100
    """Numbers for each word."""
    hidden: int = 64
    """Units of the LSTM in each direction."""
    mask: bool = False
    """Whether the LSTM leaves out padding and unknown words; the book's does not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.vocabulary < 2:
            raise SettingError(f"{self.name}: vocabulary must be at least 2, not {self.vocabulary}")

    def network(self, n_classes: int, seed: int, mode: Any = None, dtype: str = "float32") -> L.Model:
        """A new network, compiled for training: int32[n, time] to probabilities [n, classes]."""
        with ar.change_flags(floatX=dtype), L.seeded(seed):
            network = L.Sequential([
                L.Input((None, None), dtype="int32", name="words"),
                L.Embedding(self.vocabulary, self.embedding, mask_zero=self.mask),
                L.Bidirectional(L.LSTM(self.hidden)),
                L.Dense(n_classes, "softmax"),
            ])  # fmt: skip
            network.compile(
                "rmsprop", "sparse_categorical_crossentropy", ["accuracy"], learning_rate=self.rate, mode=mode
            )
        return network

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> "Task":
        from arignote.models.sentencetask import SentenceTask

        return SentenceTask(self, load_sentiment(data), seed=seed, mode=mode)

    def blank(self, *, seed: int = 0) -> "Task":
        from arignote.models.sentencetask import SentenceTask

        texts = Texts([("word",) * 40] * self.batch, np.zeros(self.batch, np.int32))
        data = SentimentData("blank", texts, texts, texts, ("negative", "neutral", "positive"), "blank texts")
        return SentenceTask(self, data, seed=seed)
