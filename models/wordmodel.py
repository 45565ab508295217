"""Models that learn vectors of words from running text (chapter 3), and their training.

The text lies in a shared variable of word numbers, with padding at both ends. A function takes the number of a
minibatch: consecutive positions of the text, whose words and windows it looks up itself.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote.frontends.tensor.random import RandomStreams
from arignote.models.data.text import PAD, Corpus, Vocabulary, load_corpus
from arignote.models.model import ModelBase, SettingError
from arignote.models.task import Task, VariableTask
from arignote.models.training import Record
from arignote.models.wordvectors import WordVectors

Array = NDArray[Any]

#: Entries of the table that negative words are drawn from: word2vec's way to draw from any distribution.
NOISE_TABLE = 1_000_000
#: Negative words are drawn with their frequency to this power (T. Mikolov and others, 2013).
NOISE_POWER = 0.75
VALIDATIONS = 4  # in an epoch
BLANK_WORDS = 10_000


@dataclass(frozen=True)
class WordModel(ModelBase):
    """Vectors of words, from what surrounds them in a text."""

    embedding: int = 128
    """Numbers in a vector."""
    window: int = 2
    """Words of the context on each side."""
    batch: int = 64
    """Positions of the text in a minibatch."""
    rate: float = 3.0
    """Learning rate of gradient descent."""
    min_count: int = 5
    """Words that are less frequent are unknown ones."""
    subsample: float | None = None
    """Frequent words are left out: those of frequency f with probability 1 - sqrt(subsample / f)."""
    negatives: int | None = None
    """Random words to tell each word from; None: all words, by a full softmax."""
    tied: bool = False
    """Whether input and output vectors are the same."""

    @abstractmethod
    def example(self, W: Any, centre: Any, context: Any) -> tuple[Any, Any]:
        """What is predicted from what: a vector for each position, [batch, embedding], and the words whose output
        vectors it should meet, [batch] or [batch, n].

        `W` are the input vectors [words, embedding]; `centre` [batch] and `context` [batch, 2 window] are words.
        """

    @abstractmethod
    def targets(self) -> int:
        """Words that are predicted at each position."""

    def loss(self, W: Any, U: Any, centre: Any, context: Any, noise: Any = None) -> Any:
        """The mean loss of a predicted word, a scalar.

        Of a full softmax its negative log-likelihood; with `noise`, words [batch, targets negatives], the
        cross-entropies of telling it from them (T. Mikolov and others, "Distributed representations of words and
        phrases and their compositionality", 2013).

        Args:
            U: output vectors, [words, embedding].
        """
        vectors, words = self.example(W, centre, context)
        rows = T.arange(words.shape[0])
        if noise is None:
            p = T.nnet.softmax(T.dot(vectors, U.T))
            return -T.mean(T.log(p)[rows if words.ndim == 1 else rows.dimshuffle(0, "x"), words])
        words = words.dimshuffle(0, "x") if words.ndim == 1 else words

        def scores(of: Any) -> Any:
            return T.sum(vectors.dimshuffle(0, "x", 1) * U[of], axis=2)

        total = T.sum(T.nnet.softplus(-scores(words))) + T.sum(T.nnet.softplus(scores(noise)))
        return total / T.cast(words.size, total.dtype)

    def vectors(self, n_words: int, seed: int, dtype: str) -> dict[str, Any]:
        """Newly initialised parameters by name: `W`, uniform within +-0.5 / embedding^0.5, and `U`, zeros, both
        [words, embedding]; tied ones are `W` alone.

        Larger ones would hide what is learned: a step changes few rows, and those by little.
        """
        # RandomState and not a Generator: its streams are guaranteed never to change.
        high = 0.5 / np.sqrt(self.embedding)
        random = np.random.RandomState(seed).uniform(-high, high, (n_words, self.embedding))
        variables = {"W": ar.shared(random.astype(dtype), "W")}
        if not self.tied:
            variables["U"] = ar.shared(np.zeros((n_words, self.embedding), dtype), "U")
        return variables

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> Task:
        return WordTask(self, load_corpus(data), seed=seed, mode=mode)

    def blank(self, *, seed: int = 0) -> Task:
        words = tuple(f"w{i}" for i in range(BLANK_WORDS - 2))
        text = words * self.min_count
        return WordTask(self, Corpus("blank", text, words, words, "made-up words"), seed=seed)


class WordTask(VariableTask):
    """A model of word vectors, and text.

    - `train(i)`: one update on minibatch `i`, and the mean loss before it;
    - `valid(i)`, `test(i)`: the mean loss on minibatch `i` of that text;
    - `texts`: the numbers of the words of each part.

    Raises `SettingError` for minibatches that are larger than a text.
    """

    by_loss = True

    def __init__(
        self, model: WordModel, corpus: Corpus, *, seed: int, dtype: str = "float32", mode: Any = None
    ) -> None:
        self.model, self.corpus, self.data_name = model, corpus, corpus.name
        self.seed, self.dtype, self.mode = seed, dtype, mode
        self.vocabulary = Vocabulary.of(corpus.train, model.min_count)
        self.parameters = model.vectors(len(self.vocabulary), seed, dtype)
        parts = {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}
        self.texts = {part: self.vocabulary.encode(words) for part, words in parts.items()}
        if model.subsample is not None:
            self.texts["train"] = subsampled(self.texts["train"], self.vocabulary, model.subsample, seed)
        for part, text in self.texts.items():
            if len(text) < model.batch:
                raise SettingError(
                    f"{model.name}: batch={model.batch}, but the {part} text of {corpus.name} has {len(text)} words"
                )
        self.batch, self.n_batches = model.batch, len(self.texts["train"]) // model.batch
        self.epochs, self.interval = 1, max(1, self.n_batches // VALIDATIONS)

    @cached_property
    def train(self) -> Any:
        """The training step, with its updates."""
        centre, context = self._inputs()
        noise = None if self._draw is None else ar.shared(noise_table(self.vocabulary), "noise_table")[self._draw]
        cost = self.model.loss(*self._vectors(), centre, context, noise)
        return self._function("train", centre, context, cost, ar.optim.sgd(cost, self._trained(), self.model.rate))

    @cached_property
    def valid(self) -> Any:
        """The loss on validation text."""
        return self._evaluation("valid")

    @cached_property
    def test(self) -> Any:
        """The loss on test text."""
        return self._evaluation("test")

    def measured(self, part: str) -> tuple[float, float]:
        """The loss stands for the error too."""
        function = getattr(self, part)
        loss = float(np.mean([float(function(i)) for i in range(len(self.texts[part]) // self.batch)]))
        return loss, loss

    def variables(self) -> Mapping[str, Any]:
        return self.parameters if self._draw is None else {**self.parameters, "noise": self._draw.rng}

    def weights(self) -> Mapping[str, Array]:
        """With the state of random words."""
        return self.snapshot()

    def notes(self) -> Mapping[str, Any]:
        return {"words": list(self.vocabulary.words)}

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        return {"train": lambda: self.train, "valid": lambda: self.valid, "test": lambda: self.test}

    def about(self) -> str:
        train, valid, test = (len(text) for text in self.texts.values())
        return f"{train} training, {valid} validation, {test} test words, {len(self.vocabulary)} different ones"

    def line(self, record: Record) -> str:
        return (
            f"epoch {record.epoch}, minibatch {record.minibatch}/{self.n_batches}, "
            f"training loss {record.train_loss:.4f}, validation loss {record.valid_loss:.4f}"
        )

    def verdict(self, best: Record) -> str:
        return f"best validation loss {best.valid_loss:.4f} at epoch {best.epoch}, test loss {best.test_loss:.4f}"

    @property
    def words(self) -> WordVectors:
        """The words with their input vectors."""
        return WordVectors(self.vocabulary.words, self.parameters["W"].get_value())

    # ------------------------------------------------------------ graphs
    @cached_property
    def _draw(self) -> Any:
        """Places in the table of negative words, drawn anew by each training step; None without."""
        if self.model.negatives is None:
            return None
        return self.draw(self.model.negatives)

    def draw(self, negatives: int) -> Any:
        """Places in the table of negative words, [batch, targets negatives]; equal seeds make equal draws."""
        size = (self.batch, self.model.targets() * negatives)
        return RandomStreams(self.seed).random_integers(size, 0, NOISE_TABLE - 1)

    def _trained(self) -> list[Any]:
        return list(self.parameters.values())

    def _vectors(self) -> tuple[Any, Any]:
        return self.parameters["W"], self.parameters["W" if self.model.tied else "U"]

    def _inputs(self) -> tuple[Any, Any]:
        return T.vector("centre", dtype="int32"), T.matrix("context", dtype="int32")

    def _evaluation(self, part: str) -> Any:
        centre, context = self._inputs()
        noise = None
        if self.model.negatives is not None:  # the same words each time, so that losses compare
            table = noise_table(self.vocabulary)
            size = (self.batch, self.model.targets() * self.model.negatives)
            noise = T.constant(np.random.RandomState(self.seed).choice(table, size))
        return self._function(part, centre, context, self.model.loss(*self._vectors(), centre, context, noise))

    def _function(self, part: str, centre: Any, context: Any, cost: Any, updates: Any = None) -> Any:
        window = self.model.window
        text = ar.shared(np.pad(self.texts[part], window, constant_values=self.vocabulary.numbers[PAD]), part)
        index = T.scalar("index", dtype="int64")
        positions = T.arange(self.batch) + index * self.batch
        around = np.array([i for i in range(2 * window + 1) if i != window])
        givens = {centre: text[positions + window], context: text[positions.dimshuffle(0, "x") + around]}
        return ar.function([index], cost, updates=updates, givens=givens, name=part, mode=self.mode)


def subsampled(text: Array, vocabulary: Vocabulary, threshold: float, seed: int) -> Array:
    """`text` without most of its frequent words: one of frequency f is kept with probability sqrt(threshold / f).

    T. Mikolov and others, "Distributed representations of words and phrases and their compositionality", 2013.
    """
    counts = np.maximum(np.asarray(vocabulary.counts, np.float64), 1)
    kept = np.sqrt(threshold * counts.sum() / counts)
    return np.asarray(text[np.random.RandomState(seed).uniform(size=len(text)) < kept[text]])


def noise_table(vocabulary: Vocabulary) -> NDArray[np.int32]:
    """Words int32[NOISE_TABLE], each as often as its frequency to the power of `NOISE_POWER` demands."""
    shares = np.asarray(vocabulary.counts, np.float64) ** NOISE_POWER
    ends = np.cumsum(shares) / shares.sum()
    return np.searchsorted(ends, (np.arange(NOISE_TABLE) + 0.5) / NOISE_TABLE).astype(np.int32)
