"""Minibatches prepared ahead of the training step, by threads: NumPy lets several run at a time.

The order is the stored one or a permutation that seed and epoch decide; the random state of a
minibatch depends on seed, epoch and its number, never on the number of threads or on how fast they
are. So the same seed gives the same minibatches, and a run that was interrupted goes on with those
it would have had.
"""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arignote.models.data.augment import Transformation
from arignote.models.data.dataset import Pair, Stream


class PipelineError(RuntimeError):
    """A minibatch could not be prepared; the cause is the error of what makes or transforms it."""


class Minibatches(ABC):
    """Minibatches for any epoch, prepared by `threads` threads; at most `ahead` of them wait."""

    def __init__(self, batch: int, examples: int, *, seed: int, threads: int, ahead: int) -> None:
        if not 0 < batch <= examples:
            raise ValueError(f"a minibatch has 1 .. {examples} examples, not {batch}")
        if threads < 1 or ahead < 1:
            raise ValueError(f"a pipeline needs a thread and a place, not threads={threads}, ahead={ahead}")
        self.batch, self.n_batches = batch, examples // batch
        self.seed, self.threads, self.ahead = seed, threads, ahead

    def epoch(self, number: int, start: int = 0) -> Generator[Pair, None, None]:
        """The minibatches of epoch `number` from the `start`th on, in order.

        Closing the iterator, Ctrl-C and errors stop the threads; nothing is left running. Raises
        `PipelineError` where a minibatch failed, when its turn has come.
        """
        order = self._order(number)
        stop = threading.Event()
        waiting: deque[Future[Pair]] = deque()
        executor = ThreadPoolExecutor(self.threads, thread_name_prefix="minibatch")
        try:
            following = start
            while following < self.n_batches or waiting:
                while following < self.n_batches and len(waiting) < self.ahead:
                    waiting.append(executor.submit(self._prepared, number, following, order, stop))
                    following += 1
                yield waiting.popleft().result()
        finally:
            stop.set()
            executor.shutdown(wait=True, cancel_futures=True)

    def minibatch(self, epoch: int, index: int) -> Pair:
        """Minibatch `index` of an epoch, prepared here and now."""
        return self._prepared(epoch, index, self._order(epoch), threading.Event())

    def _order(self, epoch: int) -> NDArray[np.intp] | None:
        """What the minibatches of an epoch have in common."""
        return None

    @abstractmethod
    def _prepared(self, epoch: int, index: int, order: Any, stop: threading.Event) -> Pair: ...

    def _random(self, epoch: int, index: int) -> np.random.RandomState:
        return np.random.RandomState([self.seed, epoch, index])


class Drawing(Minibatches):
    """Minibatches of new examples in each epoch."""

    def __init__(self, stream: Stream, batch: int, *, seed: int = 0, threads: int = 1, ahead: int = 4) -> None:
        super().__init__(batch, stream.epoch, seed=seed, threads=threads, ahead=ahead)
        self.stream = stream

    def _prepared(self, epoch: int, index: int, order: Any, stop: threading.Event) -> Pair:
        try:
            return self.stream.draw(self.batch, self._random(epoch, index))
        except Exception as error:
            raise PipelineError(f"minibatch {index} of epoch {epoch} (seed {self.seed}): {error}") from error


class Pipeline(Minibatches):
    """Minibatches of one part of a data set, for any epoch.

    - `pair`: the examples; `image_shape`: (c, h, w) or (h, w) of a row;
    - `batch`: examples in a minibatch; those that do not fill one are left out of that epoch;
    - `transform`: applied to images float32[batch, c, h, w], or None;
    - `shuffle`: another order in each epoch;
    - `threads`, `ahead`: how many prepare minibatches, and how many minibatches may wait.
    """

    def __init__(
        self,
        pair: Pair,
        image_shape: tuple[int, ...],
        batch: int,
        *,
        transform: Transformation | None = None,
        shuffle: bool = True,
        seed: int = 0,
        threads: int = 1,
        ahead: int = 4,
    ) -> None:
        super().__init__(batch, len(pair.x), seed=seed, threads=threads, ahead=ahead)
        self.pair, self.transform, self.shuffle = pair, transform, shuffle
        self.shape = image_shape if len(image_shape) == 3 else (1, *image_shape)

    def _order(self, epoch: int) -> NDArray[np.intp]:
        if not self.shuffle:
            return np.arange(len(self.pair.x))
        return np.random.RandomState([self.seed, epoch]).permutation(len(self.pair.x))

    def _prepared(self, epoch: int, index: int, order: NDArray[Any], stop: threading.Event) -> Pair:
        rows = order[index * self.batch : (index + 1) * self.batch]
        x, y = self.pair.x[rows], self.pair.y[rows]
        if self.transform is None or stop.is_set():
            return Pair(x, y)
        random = self._random(epoch, index)
        try:
            images = self.transform(x.reshape(-1, *self.shape), random)
        except Exception as error:
            raise PipelineError(
                f"minibatch {index} of epoch {epoch} (seed {self.seed}): {self.transform} failed: {error}"
            ) from error
        if images.shape != (len(x), *self.shape):
            raise PipelineError(
                f"{self.transform} made {list(images.shape)} of images {[len(x), *self.shape]}; "
                "a transformation keeps the shape"
            )
        return Pair(np.ascontiguousarray(images.reshape(x.shape), np.float32), y)


class Feed:
    """A pipeline as the training loop asks for it: minibatch `index`, of one epoch after another.

    Asked in order, minibatches have been prepared ahead; asked for any other, as after resuming,
    the feed goes on from there.
    """

    def __init__(self, pipeline: Minibatches) -> None:
        self.pipeline = pipeline
        self._position: tuple[int, int] | None = None
        self._minibatches = _nothing()

    def __call__(self, epoch: int, index: int) -> Pair:
        """That minibatch of that epoch."""
        if self._position != (epoch, index):
            self.close()
            self._minibatches = self.pipeline.epoch(epoch, index)
        self._position = None  # an error or Ctrl-C below ends the iterator
        minibatch = next(self._minibatches)
        self._position = epoch, index + 1
        return minibatch

    def close(self) -> None:
        """Stop preparing."""
        self._minibatches.close()
        self._minibatches, self._position = _nothing(), None


def _nothing() -> Generator[Pair, None, None]:
    yield from ()
