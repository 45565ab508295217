"""Models that continue sentences, token by token (chapter 4), their training, and drawing sentences from them.

A step of training is one sentence. A sentence's length is a symbolic size: those of all lengths run in the same
compiled functions.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote.frontends.optim import Halving
from arignote.frontends.tensor.random import RandomStreams
from arignote.frontends.tensor.scanning import until
from arignote.models.data.sentences import END, LEVELS, START, Alphabet, Sentences, joined, load_sentences
from arignote.models.model import ModelBase, SettingError
from arignote.models.task import VariableTask
from arignote.models.training import CheckpointError, Record
from arignote.models.training import checkpoint as checkpoints

Array = NDArray[Any]
VALIDATIONS_PER_EPOCH = 4


@dataclass(frozen=True)
class Cell:
    """The recurrent part of a model.

    - `parameters`: shared variables by name;
    - `step(x, *states)`: the states after token `x` (a scalar int32); the first one, [hidden], is what the output
      layer sees;
    - `n_states`: all are vectors [hidden], and zero before a sentence.
    """

    parameters: Mapping[str, Any]
    step: Callable[..., Sequence[Any]]
    n_states: int = 1


@dataclass(frozen=True)
class LanguageModel(ModelBase):
    """A recurrent network whose output at every position is a distribution of the token that follows.

    The book's training: one sentence after the other, gradient descent on the mean cross-entropy of a sentence, through
    the last `truncate` steps; the learning rate is halved when the mean loss of an epoch rises.
    """

    chapter: ClassVar[int] = 4
    quality: ClassVar[str] = "shakespeare: perplexity not above PyTorch's with the same settings (1 %) after an epoch"

    hidden: int = 500
    """Units of each state."""
    level: str = "char"
    """`char` or `word`."""
    vocabulary: int = 9000
    """The most tokens that are told apart."""
    truncate: int = 10
    """Steps, from the end of a sentence back, that gradients go through."""
    rate: float = 0.1

    @abstractmethod
    def cell(self, n_tokens: int, rng: np.random.RandomState, dtype: str) -> Cell:
        """A newly initialised cell for tokens 0 .. n_tokens - 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in LEVELS:
            raise SettingError(f"{self.name}: level is {' or '.join(LEVELS)}, not {self.level!r}")

    def task(self, data: str | None, *, seed: int, mode: Any = None) -> "LanguageTask":
        return LanguageTask(self, load_sentences(data, self.level, self.vocabulary), seed=seed, mode=mode)

    def blank(self, *, seed: int = 0) -> "LanguageTask":
        size = 68 if self.level == "char" else self.vocabulary
        alphabet = Alphabet(tuple(map(str, range(size))))
        part = (np.array([0, 3, 4, 1], np.int32),) * 4
        return LanguageTask(self, Sentences("blank", self.level, alphabet, part, part, part, "made up"), seed=seed)


class Language:
    """A model with parameters for a number of tokens.

    - `logits(x)`: from tokens int32[n] to [n, n_tokens], with all states as a list of [n, hidden];
    - `parameters`: shared variables by name.
    """

    def __init__(self, model: LanguageModel, n_tokens: int, *, seed: int, dtype: str = "float32") -> None:
        rng = np.random.RandomState(seed)
        self.model, self.dtype = model, dtype
        self.cell = model.cell(n_tokens, rng, dtype)
        self.W = glorot("Why", rng, (model.hidden, n_tokens), dtype)
        self.b = zeros("by", n_tokens, dtype)
        self.parameters = {**self.cell.parameters, "Why": self.W, "by": self.b}

    def initial(self) -> list[Any]:
        """The states before a sentence."""
        return [T.zeros((self.model.hidden,), self.dtype) for _ in range(self.cell.n_states)]

    def states(self, x: Any) -> list[Any]:
        """The states [n, hidden] after each of the tokens int32[n]."""
        outputs, _ = ar.scan(
            self.cell.step, x, self.initial(), truncate_gradient=self.model.truncate, return_list=True, name="sentence"
        )
        return list(outputs)

    def output(self, hidden: Any) -> Any:
        """Scores of the next token, from states [..., hidden]."""
        return T.dot(hidden, self.W) + self.b

    def loss(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Mean cross-entropy of the tokens int32[n] that follow those of `x`, and the share of wrong first choices."""
        scores = self.output(self.states(x)[0])
        p = T.nnet.softmax(scores)
        wrong = T.cast(T.neq(T.argmax(scores, axis=1), y), self.dtype)
        return -T.mean(T.log(p)[T.arange(y.shape[0]), y]), T.mean(wrong)

    def sampler(self, seed: int = 0, mode: Any = None) -> Any:
        """Function of (prefix int32[n], temperature, most tokens int64) to the tokens int64[m] that follow.

        The tokens are drawn in one loop, which ends behind `<end>`. The index of the largest of score + temperature g,
        with g from Gumbel's distribution, is distributed as the softmax of score / temperature; at temperature 0 it is
        the most probable token.
        """
        prefix, most = T.vector("prefix", dtype="int32"), T.scalar("most", dtype="int64")
        temperature = T.scalar("temperature", dtype=self.dtype)
        starts = [s[-1] for s in self.states(prefix)]
        streams = RandomStreams(seed)

        def draw(*states: Any) -> Any:
            scores = self.output(states[0])
            uniform = streams.uniform(scores.shape, 1e-6, 1 - 1e-6, dtype=self.dtype)
            token = T.argmax(scores - temperature * T.log(-T.log(uniform)))
            after = self.cell.step(T.cast(token, "int32"), *states)
            return [token, *after], until(T.eq(token, 1))

        outputs, updates = ar.scan(draw, outputs_info=[None, *starts], n_steps=most, name="draw")
        return ar.function([prefix, temperature, most], outputs[0], updates=updates, name="sample", mode=mode)


class LanguageTask(VariableTask):
    """A language model, and sentences.

    - `train(x, y, rate)`: one update on a sentence, and its mean cross-entropy before;
    - `valid(x, y)`: its mean cross-entropy, and the share of tokens that are not the most probable ones.
    """

    by_loss = True
    batch = 1

    def __init__(
        self, model: LanguageModel, data: Sentences, *, seed: int, dtype: str = "float32", mode: Any = None
    ) -> None:
        self.model, self.data, self.data_name, self.mode = model, data, data.name, mode
        self.language = Language(model, len(data.alphabet), seed=seed, dtype=dtype)
        self.parameters = self.language.parameters
        self.n_batches = len(data.train)
        self.epochs, self.interval = 10, max(1, self.n_batches // VALIDATIONS_PER_EPOCH)
        self.halving: Halving = Halving(model.rate)
        self._seed = seed

    @cached_property
    def train(self) -> Any:
        x, y = self._inputs()
        rate = T.scalar("rate", dtype=self.language.dtype)
        cost, _ = self.language.loss(x, y)
        updates = ar.optim.sgd(cost, list(self.parameters.values()), rate)
        return ar.function([x, y, rate], cost, updates=updates, name="train", mode=self.mode)

    @cached_property
    def valid(self) -> Any:
        x, y = self._inputs()
        return ar.function([x, y], self.language.loss(x, y), name="valid", mode=self.mode)

    @cached_property
    def sample(self) -> Any:
        return self.language.sampler(self._seed, self.mode)

    def step(self, minibatch: int) -> float:
        sentence = self.data.train[minibatch]
        rate = self.halving.rate.get_value().astype(self.language.dtype)
        return float(self.train(sentence[:-1], sentence[1:], rate))

    def measured(self, part: str) -> tuple[float, float]:
        """Cross-entropy and share of wrong first choices, each the mean over all tokens."""
        sums, count = np.zeros(2), 0
        for sentence in getattr(self.data, part):
            n = len(sentence) - 1
            sums += n * np.array([float(v) for v in self.valid(sentence[:-1], sentence[1:])])
            count += n
        loss, error = sums / count
        return float(loss), float(error)

    def variables(self) -> Mapping[str, Any]:
        return self.parameters

    def notes(self) -> Mapping[str, Any]:
        return {"tokens": list(self.data.alphabet.tokens)}

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        return {"train": lambda: self.train, "valid": lambda: self.valid, "sample": lambda: self.sample}

    def about(self) -> str:
        train, valid, test = (len(part) for part in (self.data.train, self.data.valid, self.data.test))
        return f"{train} training, {valid} validation, {test} test sentences, {len(self.data.alphabet)} tokens"

    def line(self, record: Record) -> str:
        return (
            f"epoch {record.epoch}, sentence {record.minibatch}/{self.n_batches}, "
            f"training perplexity {np.exp(record.train_loss):.3f}, "
            f"validation perplexity {np.exp(record.valid_loss):.3f}, {self._errors} {100 * record.valid_error:.2f} %"
        )

    def verdict(self, best: Record) -> str:
        assert best.test_loss is not None, "the best validation is always followed by a test"
        assert best.test_error is not None
        return (
            f"best validation perplexity {np.exp(best.valid_loss):.3f} at epoch {best.epoch}, "
            f"test perplexity {np.exp(best.test_loss):.3f}, {self._errors} {100 * best.test_error:.2f} %"
        )

    @property
    def _errors(self) -> str:
        return "character error" if self.data.level == "char" else "word error"

    def _inputs(self) -> tuple[Any, Any]:
        return T.vector("x", dtype="int32"), T.vector("y", dtype="int32")


class Writer:
    """A trained language model that writes sentences.

    Args:
        path: the weights of `arignote train`. Raises `CheckpointError` for other files.
        seed: of what is drawn.
    """

    def __init__(self, path: Path, model: LanguageModel, *, seed: int = 0, mode: Any = None) -> None:
        saved = checkpoints.load(path, model=model.name)
        self.model = model
        self.alphabet = Alphabet(tuple(map(str, saved.progress.get("tokens", ()))))
        if self.alphabet.tokens[:2] != (START, END):
            raise CheckpointError(path, "has no tokens", "Use the weights.npz that `arignote train` wrote.")
        language = Language(model, len(self.alphabet), seed=0)
        like = {name: p.get_value() for name, p in language.parameters.items()}
        for name, array in checkpoints.load(path, model=model.name, like=like).parameters.items():
            language.parameters[name].set_value(array)
        self._sample = language.sampler(seed, mode)

    def write(self, prime: Sequence[str] = (), *, temperature: float = 1.0, most: int = 200) -> str:
        """A sentence that begins with the tokens `prime`, of at most `most` more tokens.

        Args:
            temperature: scores are divided by it before they become probabilities; 0 takes the most probable token.
        """
        prefix = self.alphabet.encode(prime)[:-1]
        drawn = self._sample(prefix, np.float32(temperature), most)
        found = [self.alphabet.tokens[int(i)] for i in drawn]
        return joined([*prime, *(found[:-1] if found[-1:] == [END] else found)], self.model.level)


def glorot(name: str, rng: np.random.RandomState, shape: tuple[int, int], dtype: str) -> Any:
    """A parameter, uniform after X. Glorot and Y. Bengio (2010)."""
    high = np.sqrt(6 / sum(shape))
    return ar.shared(rng.uniform(-high, high, shape).astype(dtype), name=name)


def zeros(name: str, size: int, dtype: str) -> Any:
    """A vector of parameters that begins at zero."""
    return ar.shared(np.zeros(size, dtype), name=name)
