"""Models of running text (chapter 10): deep recurrent networks with variational dropout, and their training.

The text is cut into `batch` parts that are read side by side, `steps` words at a time. States go on from one piece to
the next: they lie in shared variables. Input and output layers have one matrix of word vectors in common.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote.frontends.optim import Halving
from arignote.frontends.tensor.random import RandomStreams
from arignote.models.data.text import Corpus, Vocabulary, load_corpus
from arignote.models.model import ModelBase, SettingError
from arignote.models.task import VariableTask
from arignote.models.training import Record

Array = NDArray[Any]
VALIDATIONS_PER_EPOCH = 4
BOOK_WORDS = 10_000


class Noise:
    """Variational dropout: one mask for all steps of a piece of text (Y. Gal, Z. Ghahramani, 2016).

    Masks are 0 with probability `drop`, and 1 / (1 - drop) elsewhere. Without a stream they are None: no dropout.
    """

    def __init__(self, streams: RandomStreams | None, dtype: str) -> None:
        self.streams, self.dtype = streams, dtype
        self.drawn: list[Any] = []

    def mask(self, shape: tuple[int, ...], drop: float) -> Any:
        """A mask of that shape; None where nothing is dropped."""
        if self.streams is None or drop <= 0:
            return None
        drawn = self.streams.uniform(shape, dtype=self.dtype)
        self.drawn.append(drawn)
        scale = np.dtype(self.dtype).type(1 / (1 - drop))
        return T.switch(T.ge(drawn, drop), scale, np.dtype(self.dtype).type(0))


def given(masks: Sequence[Any]) -> list[Any]:
    """The masks there are, as what a loop is given: they are drawn before it."""
    return [mask for mask in masks if mask is not None]


def masked(x: Any, mask: Any) -> Any:
    """`x` times a mask, if there is one."""
    return x if mask is None else x * mask


@dataclass(frozen=True)
class StreamModel(ModelBase):
    """A deep recurrent network of the book's size: words of the Penn Treebank, hidden 830, variational dropout.

    Settings that are probabilities (`drop_...`) are of being dropped: whole words, inputs of layers, states, outputs.
    """

    chapter: ClassVar[int] = 10
    n_states: ClassVar[int] = 1
    """Vectors that a layer hands on from step to step."""

    batch: int = 20
    steps: int = 35
    """Words of a piece of text, and steps that gradients go through."""
    hidden: int = 830
    layers: int = 5
    drop_words: float = 0.25
    drop_inputs: float = 0.75
    drop_states: float = 0.25
    drop_outputs: float = 0.75
    init: float = 0.04
    """Weights begin uniform between -init and init."""
    clip: float = 10.0
    """The largest norm of all gradients together."""
    rate: float = 0.2

    def __post_init__(self) -> None:
        for name in ("drop_words", "drop_inputs", "drop_states", "drop_outputs"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingError(f"{self.name}: {name} is at least 0 and below 1, not {getattr(self, name)}")
        for name in ("batch", "steps", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise SettingError(f"{self.name}: {name} must be at least 1, not {getattr(self, name)}")
        for name in ("init", "clip", "rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise SettingError(f"{self.name}: {name} must be positive, not {getattr(self, name)}")

    @abstractmethod
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Weights (two axes) and biases (one) of the recurrent part, by name."""

    @abstractmethod
    def run(self, p: Mapping[str, Any], x: Any, states: Sequence[Any], noise: Noise) -> tuple[Any, list[Any]]:
        """Outputs [steps, batch, hidden] and the last states, from inputs [steps, batch, hidden].

        `states` are [batch, hidden], `n_states` for each of `stack()` layers.
        """

    def stack(self) -> int:
        """Layers that have states."""
        return self.layers

    def biases(self) -> Mapping[str, float]:
        """Where biases do not begin at zero."""
        return {}

    def mask(self, noise: Noise, drop: float) -> Any:
        """A mask [batch, hidden]."""
        return noise.mask((self.batch, self.hidden), drop)

    def parameters(self, n_words: int, seed: int, dtype: str) -> dict[str, Any]:
        """Newly initialised shared variables: word vectors, output biases, and the recurrent part."""
        rng = np.random.RandomState(seed)
        shapes = {"words": (n_words, self.hidden), "by": (n_words,), **self.shapes()}

        def begin(name: str, shape: tuple[int, ...]) -> Array:
            if len(shape) == 1:
                return np.full(shape, self.biases().get(name, 0.0), dtype)
            return np.asarray(rng.uniform(-self.init, self.init, shape), dtype)

        return {name: ar.shared(begin(name, shape), name=name) for name, shape in shapes.items()}

    def count(self, n_words: int = BOOK_WORDS) -> int:
        """The number of parameters."""
        shapes = [(n_words, self.hidden), (n_words,), *self.shapes().values()]
        return int(sum(np.prod(shape) for shape in shapes))

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> "StreamTask":
        return StreamTask(self, load_corpus(data), seed=seed, mode=mode)

    def blank(self, *, seed: int = 0) -> "StreamTask":
        n = self.batch * (self.steps + 1)
        words = tuple(f"w{i % 100}" for i in range(max(n, 200)))
        return StreamTask(self, Corpus("blank", words, words, words, "made-up words"), seed=seed)


class StreamTask(VariableTask):
    """A model of running text, and text.

    - `train(i, rate)`: one update on piece `i` of the text, and its mean cross-entropy before; goes on from the states
      that the piece before left, and piece 0 from zeros;
    - `valid(i)`, `test(i)`: the mean cross-entropy on a piece of that text;
    - `texts`: by part, words int32[n, batch]: column i is the i-th part of the text.
    Raises `SettingError` for texts that are too short.
    """

    by_loss = True

    def __init__(
        self, model: StreamModel, corpus: Corpus, *, seed: int, dtype: str = "float32", mode: Any = None
    ) -> None:
        self.model, self.corpus, self.data_name = model, corpus, corpus.name
        self.dtype, self.mode, self.batch = dtype, mode, model.batch
        self.vocabulary = Vocabulary.of(corpus.train, padding=False)
        self.parameters = model.parameters(len(self.vocabulary), seed, dtype)
        self.streams = RandomStreams(seed)
        self.halving: Halving = Halving(model.rate)
        parts = {"train": corpus.train, "valid": corpus.valid, "test": corpus.test}
        self.texts = {part: pieces(self.vocabulary.encode(words), model.batch) for part, words in parts.items()}
        self._n = {part: (len(text) - 1) // model.steps for part, text in self.texts.items()}
        for part, n in self._n.items():
            if n < 1:
                raise SettingError(
                    f"{model.name}: batch={model.batch}, steps={model.steps}, but the {part} text of {corpus.name} has "
                    f"{len(getattr(corpus, part))} words"
                )
        self.n_batches = self._n["train"]
        self.epochs, self.interval = 20, max(1, self.n_batches // VALIDATIONS_PER_EPOCH)
        zero = np.zeros((model.batch, model.hidden), dtype)
        count = model.n_states * model.stack()
        self._states = {
            part: [ar.shared(zero, name=f"{part}_state{i}") for i in range(count)] for part in self.texts
        }
        self._noise: list[Any] = []

    @cached_property
    def train(self) -> Any:
        """The training step, with its updates."""
        noise = Noise(self.streams, self.dtype)
        rate = T.scalar("rate", dtype=self.dtype)
        cost, x, y, last = self._loss("train", noise)
        self._noise = noise.drawn
        trained = list(self.parameters.values())
        gradients = ar.optim.clip_norm(T.grad(cost, trained), self.model.clip)
        return self._function("train", [rate], x, y, cost, {**ar.optim.sgd(gradients, trained, rate), **last})

    @cached_property
    def valid(self) -> Any:
        """The loss on validation text."""
        return self._evaluation("valid")

    @cached_property
    def test(self) -> Any:
        """The loss on test text."""
        return self._evaluation("test")

    def step(self, minibatch: int) -> float:
        if minibatch == 0:
            self._reset("train")
        return float(self.train(minibatch, self.halving.rate.get_value().astype(self.dtype)))

    def measured(self, part: str) -> tuple[float, float]:
        """The loss stands for the error too."""
        self._reset(part)
        function = getattr(self, part)
        loss = float(np.mean([float(function(i)) for i in range(self._n[part])]))
        return loss, loss

    def variables(self) -> Mapping[str, Any]:
        _ = self.train  # makes the random streams
        states = {str(v.name): v for v in self._states["train"]}
        return {**self.parameters, **states, **{f"noise{i}": d.rng for i, d in enumerate(self._noise)}}

    def notes(self) -> Mapping[str, Any]:
        return {"words": list(self.vocabulary.words)}

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        return {"train": lambda: self.train, "valid": lambda: self.valid}

    def about(self) -> str:
        train, valid, test = (text.size for text in self.texts.values())
        count = self.model.count(len(self.vocabulary))
        return (
            f"{train} training, {valid} validation, {test} test words, {len(self.vocabulary)} different ones; "
            f"{count:,} parameters"
        )

    def line(self, record: Record) -> str:
        words = self.batch * self.model.steps * (record.iteration + 1)
        return (
            f"epoch {record.epoch}, piece {record.minibatch}/{self.n_batches}, "
            f"training perplexity {np.exp(record.train_loss):.2f}, validation perplexity "
            f"{np.exp(record.valid_loss):.2f}, {words / max(record.seconds, 1e-9):.0f} words/s"
        )

    def verdict(self, best: Record) -> str:
        assert best.test_loss is not None, "the best validation is always followed by a test"
        return (
            f"best validation perplexity {np.exp(best.valid_loss):.2f} at epoch {best.epoch}, "
            f"test perplexity {np.exp(best.test_loss):.2f}"
        )

    # ------------------------------------------------------------ graphs
    def _reset(self, part: str) -> None:
        for state in self._states[part]:
            state.set_value(np.zeros_like(state.get_value()))

    def _loss(self, part: str, noise: Noise) -> tuple[Any, Any, Any, dict[Any, Any]]:
        model, words = self.model, self.parameters["words"]
        x, y = T.matrix("x", dtype="int32"), T.matrix("y", dtype="int32")
        inputs = words[x]
        kept = noise.mask((model.batch, len(self.vocabulary)), model.drop_words)
        if kept is not None:  # a word is dropped wherever it occurs in a piece
            inputs = inputs * kept[T.arange(model.batch), x].dimshuffle(0, 1, "x")
        states = self._states[part]
        hidden, last = model.run(self.parameters, inputs, states, noise)
        hidden = masked(hidden, model.mask(noise, model.drop_outputs))
        scores = T.dot(hidden.reshape((-1, model.hidden)), words.T) + self.parameters["by"]
        p = T.nnet.softmax(scores)
        targets = y.flatten()
        return -T.mean(T.log(p)[T.arange(targets.shape[0]), targets]), x, y, dict(zip(states, last, strict=True))

    def _evaluation(self, part: str) -> Any:
        cost, x, y, last = self._loss(part, Noise(None, self.dtype))
        return self._function(part, [], x, y, cost, last)

    def _function(self, part: str, inputs: list[Any], x: Any, y: Any, cost: Any, updates: Any) -> Any:
        text = ar.shared(self.texts[part], name=f"{part}_text")
        index, steps = T.scalar("index", dtype="int64"), self.model.steps
        givens = {x: text[index * steps : (index + 1) * steps], y: text[index * steps + 1 : (index + 1) * steps + 1]}
        return ar.function([index, *inputs], cost, updates=updates, givens=givens, name=part, mode=self.mode)


def pieces(text: Array, batch: int) -> Array:
    """A text int32[n] as int32[n // batch, batch]: column i is its i-th part."""
    n = len(text) // batch
    return np.ascontiguousarray(text[: n * batch].reshape(batch, n).T)
