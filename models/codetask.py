"""Source code and its model: batches (T x B) with masks, sorted by length, and training with two heads."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote.frontends.layers import buckets, pad_sequences
from arignote.models.data.sentences import Alphabet
from arignote.models.data.statements import Code, Statement
from arignote.models.task import VariableTask
from arignote.models.training import Record

if TYPE_CHECKING:
    from arignote.models.book.code_rnn import CodeRnn

Array = NDArray[Any]
VALIDATIONS_PER_EPOCH = 4


class CodeTask(VariableTask):
    """A recurrent network, and statements.

    - `train(x, y, mask, wrong, clean, judged)`: one update on a minibatch, and its loss before;
    - `valid(...)`: sums over a minibatch: of the next tokens' cross-entropy and their number, and of judged statements
      told wrongly and their number.

    Minibatches are tokens x int32[T, B] and those after them y int32[T, B], mask float[T, B], wrong int32[T, B] (1 from
    a type error on), clean float[B] (1 where there is none) and judged float[B]. The loss is the mean cross-entropy of
    the next tokens of clean statements plus that of the class of each token of judged ones.
    """

    def __init__(self, model: "CodeRnn", data: Code, *, seed: int, dtype: str = "float32", mode: Any = None) -> None:
        self.model, self.data, self.data_name = model, data, data.name
        self.dtype, self.mode, self.batch = dtype, mode, model.batch
        self.alphabet = Alphabet.of((s.tokens for s in data.train), model.vocabulary)
        self.parameters = model.parameters(len(self.alphabet), seed, dtype)
        self.minibatches = {part: self._minibatches(getattr(data, part), seed) for part in ("train", "valid", "test")}
        self.n_batches = len(self.minibatches["train"])
        self.epochs, self.interval = 5, max(1, self.n_batches // VALIDATIONS_PER_EPOCH)
        self._optimiser: dict[str, Any] = {}

    @cached_property
    def train(self) -> Any:
        """The training step, with its updates."""
        inputs = self._inputs()
        next_loss, class_loss, _ = self._heads(*inputs)
        cost = next_loss[0] / T.maximum(next_loss[1], 1) + class_loss[0] / T.maximum(class_loss[1], 1)
        updates = ar.optim.adam(cost, list(self.parameters.values()), self.model.rate)
        own = set(self.parameters.values())
        self._optimiser = {f"adam{i}": v for i, v in enumerate(v for v in updates if v not in own)}
        return ar.function(inputs, cost, updates=updates, name="train", mode=self.mode)

    @cached_property
    def valid(self) -> Any:
        inputs = self._inputs()
        (loss, tokens), _, (wrong, judged) = self._heads(*inputs)
        return ar.function(inputs, [loss, tokens, wrong, judged], name="valid", mode=self.mode)

    def step(self, minibatch: int) -> float:
        return float(self.train(*self.minibatches["train"][minibatch]))

    def measured(self, part: str) -> tuple[float, float]:
        """The mean cross-entropy of the next tokens of clean statements, and the share of judged statements of which
        it is told wrongly whether there is a type error in them."""
        sums = sum(np.array([float(v) for v in self.valid(*b)]) for b in self.minibatches[part])
        loss, tokens, wrong, judged = np.asarray(sums)
        return float(loss / tokens), float(wrong / judged)

    def variables(self) -> Mapping[str, Any]:
        _ = self.train  # makes the optimiser
        return {**self.parameters, **self._optimiser}

    def notes(self) -> Mapping[str, Any]:
        return {"tokens": list(self.alphabet.tokens)}

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        return {"train": lambda: self.train, "valid": lambda: self.valid}

    def about(self) -> str:
        parts = [getattr(self.data, part) for part in self.minibatches]
        train, valid, test = (f"{len(part)} ({sum(s.judged for s in part)})" for part in parts)
        return (
            f"{train} training, {valid} validation, {test} test statements (where a type error could be put in), "
            f"{len(self.alphabet)} tokens"
        )

    def line(self, record: Record) -> str:
        return (
            f"epoch {record.epoch}, minibatch {record.minibatch}/{self.n_batches}, training loss "
            f"{record.train_loss:.3f}, next tokens' perplexity {np.exp(record.valid_loss):.2f}, "
            f"type errors told right {100 - 100 * record.valid_error:.1f} %"
        )

    def verdict(self, best: Record) -> str:
        assert best.test_error is not None, "the best validation is always followed by a test"
        assert best.test_loss is not None
        return (
            f"type errors told right: validation {100 - 100 * best.valid_error:.1f} % at epoch {best.epoch}, test "
            f"{100 - 100 * best.test_error:.1f} % (chance 50 %); test perplexity {np.exp(best.test_loss):.2f}"
        )

    # ------------------------------------------------------------ data
    def _minibatches(self, statements: Sequence[Statement], seed: int) -> list[tuple[Array, ...]]:
        """Statements of similar lengths together, in random order; those that are missing in the last one are empty."""
        encoded = [self.alphabet.encode(s.tokens) for s in statements]
        rows = buckets([len(e) for e in encoded], self.batch, rng=np.random.RandomState(seed))
        return [self._minibatch([encoded[i] for i in r], [statements[i] for i in r]) for r in rows]

    def _minibatch(self, encoded: list[Array], statements: list[Statement]) -> tuple[Array, ...]:
        x, mask = pad_sequences(encoded, side="behind")
        wrong = np.zeros(x.shape, np.int32)
        for row, s in zip(wrong, statements, strict=True):
            row[len(row) if s.error is None else s.error + 1 :] = 1  # behind the start token
        missing = [(0, self.batch - len(encoded))]

        def turned(a: Array, dtype: str) -> Array:
            return np.ascontiguousarray(np.pad(a, [*missing, (0, 0)]).T, dtype)

        clean = np.array([s.error is None for s in statements], self.dtype)
        judged = np.array([s.judged for s in statements], self.dtype)
        flags = np.pad(clean, missing), np.pad(judged, missing)
        tokens = turned(x[:, :-1], "int32"), turned(x[:, 1:], "int32")
        return *tokens, turned(mask[:, 1:], self.dtype), turned(wrong[:, :-1], "int32"), *flags

    # ------------------------------------------------------------ graphs
    def _inputs(self) -> list[Any]:
        def made(name: str, dtype: str, shape: tuple[int | None, ...]) -> Any:
            return T.TensorType(dtype, shape=shape)(name)

        n = self.batch
        return [
            made("x", "int32", (None, n)), made("y", "int32", (None, n)), made("mask", self.dtype, (None, n)),
            made("wrong", "int32", (None, n)), made("clean", self.dtype, (n,)), made("judged", self.dtype, (n,)),
        ]  # fmt: skip

    def _heads(self, x: Any, y: Any, mask: Any, wrong: Any, clean: Any, judged: Any) -> Any:
        """(cross-entropy of next tokens, their number), (of classes, number), (statements told wrongly, number)."""
        p = self.parameters
        hot = T.cast(T.eq(x.dimshuffle(0, 1, "x"), T.arange(len(self.alphabet))), self.dtype)
        states = self.model.run(p, hot, mask)
        rows = states.reshape((-1, self.model.hidden))

        def loss(W: Any, b: Any, wanted: Any, weights: Any) -> tuple[Any, Any]:
            logs = T.log(T.nnet.softmax(T.dot(rows, W) + b))
            targets = wanted.flatten()
            picked = logs[T.arange(targets.shape[0]), targets].reshape(wanted.shape)
            return -T.sum(picked * weights), T.sum(weights)

        guess = T.argmax(T.dot(states[-1], p["Wc"]) + p["bc"], axis=1)
        missed = T.sum(judged * T.neq(guess, wrong[-1]))
        return (
            loss(p["Wy"], p["by"], y, mask * clean),
            loss(p["Wc"], p["bc"], wrong, mask * judged),
            (missed, T.sum(judged)),
        )
