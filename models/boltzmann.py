"""Restricted Boltzmann machines (chapter 12): their mathematics, and training by chains of samples.

Visible and hidden units are 0 or 1; an image's pixels in [0, 1] stand for the probabilities of visible ones. A
configuration has the energy E(v, h) = -b v - c h - v W h and a probability that is proportional to exp(-E).
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import arignote as ar
import arignote.tensor as T
from arignote.frontends.tensor.random import RandomStreams
from arignote.models.data import Dataset
from arignote.models.task import Painter, VariableTask
from arignote.models.training import History, Record
from arignote.models.training.pictures import images_picture

if TYPE_CHECKING:
    from arignote.models.book.rbm import Rbm

Array = NDArray[Any]
CHAINS, ROWS = 20, 10  # of the picture of samples
APART = 1000  # Gibbs steps from one of its rows to the next


class Machine:
    """A machine with parameters: shared variables `W` [visible, hidden], `b` [visible], `c` [hidden].

    Weights begin uniform within +-4 sqrt(6 / (visible + hidden)), biases at 0.
    """

    def __init__(self, visible: int, hidden: int, *, seed: int, dtype: str = "float32") -> None:
        high = 4 * np.sqrt(6 / (visible + hidden))
        weights = np.random.RandomState(seed).uniform(-high, high, (visible, hidden))
        self.visible, self.hidden, self.dtype = visible, hidden, dtype
        self.W = ar.shared(weights.astype(dtype), name="W")
        self.b = ar.shared(np.zeros(visible, dtype), name="b")
        self.c = ar.shared(np.zeros(hidden, dtype), name="c")
        self.parameters = {"W": self.W, "b": self.b, "c": self.c}

    def up(self, v: Any) -> Any:
        """The probabilities [n, hidden] that hidden units are 1, given visible ones [n, visible]."""
        return T.nnet.sigmoid(T.dot(v, self.W) + self.c)

    def down(self, h: Any) -> Any:
        """The probabilities [n, visible] that visible units are 1, given hidden ones [n, hidden]."""
        return T.nnet.sigmoid(T.dot(h, self.W.T) + self.b)

    def draw(self, p: Any, streams: RandomStreams) -> Any:
        """Units that are 1 with the probabilities `p`."""
        return T.cast(T.lt(streams.uniform(p.shape, dtype=self.dtype), p), self.dtype)

    def free_energy(self, v: Any) -> Any:
        """F(v) = -b v - sum_j softplus(c_j + (v W)_j), [n], so that exp(-F) is proportional to the probability of v."""
        return -T.dot(v, self.b) - T.sum(T.nnet.softplus(T.dot(v, self.W) + self.c), axis=1)

    def gibbs(self, h: Any, k: Any, streams: RandomStreams) -> tuple[Any, Any, dict[Any, Any]]:
        """`k` steps of Gibbs sampling from hidden units [n, hidden]: the visible and hidden units after them, and the
        updates of the random numbers."""

        def step(h: Any) -> list[Any]:
            v = self.draw(self.down(h), streams)
            return [v, self.draw(self.up(v), streams)]

        (vs, hs), updates = ar.scan(step, outputs_info=[None, h], n_steps=k, name="gibbs")
        return vs[-1], hs[-1], updates

    def pseudo_likelihood(self, v: Any, pixels: Any) -> Any:
        """A stochastic estimate of the mean of sum_i log p(v_i | all other units), from one unit of each example.

        `pixels` int64[n] are these units. Flipping unit i changes the products v W by (1 - 2 v_i) W_i, so both free
        energies need one product.
        """
        v = T.round(v)
        turn = 1 - 2 * v[T.arange(v.shape[0]), pixels]
        inputs = T.dot(v, self.W) + self.c
        flipped = inputs + turn.dimshuffle(0, "x") * self.W[pixels]
        hidden = T.sum(T.nnet.softplus(inputs) - T.nnet.softplus(flipped), axis=1)
        return self.visible * T.mean(T.log(T.nnet.sigmoid(hidden - turn * self.b[pixels])))


class BoltzmannTask(VariableTask):
    """A restricted Boltzmann machine, and images.

    - `train(i)`: one update on minibatch `i`, and minus the pseudo-likelihood before;
    - `valid()`, `test()`: minus the pseudo-likelihood of all images of that part, the mean difference of pixels from
      those that the hidden units' probabilities give back, and the mean free energy.
    """

    by_loss = True

    def __init__(
        self, model: "Rbm", data: Dataset, *, seed: int, dtype: str = "float32", mode: Any = None
    ) -> None:
        self.model, self.data, self.data_name, self.mode = model, data, data.name, mode
        self.batch, self.n_batches = model.batch, len(data.train.x) // model.batch
        self.epochs, self.interval = 15, self.n_batches
        self.images = {part: np.asarray(getattr(data, part).x, dtype) for part in ("train", "valid", "test")}
        self.machine = Machine(self.images["train"].shape[1], model.hidden, seed=seed, dtype=dtype)
        self.parameters = self.machine.parameters
        self.chains = ar.shared(np.zeros((model.batch, model.hidden), dtype), name="chains")
        self.pixel = ar.shared(np.asarray(0), name="pixel")
        self.seed, self._random = seed, dict[str, Any]()

    @cached_property
    def train(self) -> Any:
        """One step of contrastive divergence; with persistent chains they go on from where they were."""
        machine, model = self.machine, self.model
        index, x = T.scalar("index", dtype="int64"), T.matrix("x", dtype=machine.dtype)
        streams = RandomStreams(self.seed)
        start = self.chains if model.persistent else machine.draw(machine.up(x), streams)
        v, h, updates = machine.gibbs(start, model.k, streams)
        self._random = {f"random{i}": state for i, (state, _) in enumerate(streams.updates())}
        cost = T.mean(machine.free_energy(x)) - T.mean(machine.free_energy(v))
        parameters = list(machine.parameters.values())
        gradients = T.grad(cost, parameters, consider_constant=[v])
        rate = np.dtype(machine.dtype).type(model.rate)
        updates.update((p, p - rate * g) for p, g in zip(parameters, gradients, strict=True))
        if model.persistent:
            updates[self.chains] = h
        pixels = (self.pixel + T.arange(self.batch)) % machine.visible
        updates[self.pixel] = (self.pixel + self.batch) % machine.visible
        images = ar.shared(self.images["train"], name="train_images")
        return ar.function(
            [index], -machine.pseudo_likelihood(x, pixels), updates=updates, name="train", mode=self.mode,
            givens={x: images[index * self.batch : (index + 1) * self.batch]},
        )  # fmt: skip

    @cached_property
    def valid(self) -> Any:
        return self._evaluation("valid")

    @cached_property
    def test(self) -> Any:
        return self._evaluation("test")

    @cached_property
    def sample(self) -> Any:
        """Function of (hidden units [n, hidden], steps) to the probabilities of visible ones after so many steps of
        Gibbs sampling, and the hidden units drawn last."""
        h, steps = T.matrix("h", dtype=self.machine.dtype), T.scalar("steps", dtype="int64")
        v, last, updates = self.machine.gibbs(h, steps, RandomStreams(self.seed))
        means = self.machine.down(self.machine.up(v))
        return ar.function([h, steps], [means, last], updates=updates, name="sample", mode=self.mode)

    def measured(self, part: str) -> tuple[float, float]:
        loss, error, _ = map(float, getattr(self, part)())
        return loss, error

    def variables(self) -> Mapping[str, Any]:
        _ = self.train  # makes the random streams
        return {**self.parameters, "chains": self.chains, "pixel": self.pixel, **self._random}

    def notes(self) -> Mapping[str, Any]:
        return {"image_shape": list(self.data.image_shape)}

    def gap(self) -> float:
        """How much higher the mean free energy of validation images is than that of as many training images. It grows
        when a machine learns its training images by heart (G. Hinton, "A practical guide to training restricted
        Boltzmann machines", 2010)."""
        n = len(self.images["valid"])
        x = T.matrix("x", dtype=self.machine.dtype)
        energy = ar.function([x], T.mean(self.machine.free_energy(x)), name="energy", mode=self.mode)
        return float(energy(self.images["valid"]) - energy(self.images["train"][:n]))

    def functions(self) -> Mapping[str, Callable[[], Any]]:
        return {"train": lambda: self.train, "valid": lambda: self.valid, "sample": lambda: self.sample}

    def about(self) -> str:
        train, valid, test = map(len, self.images.values())
        return f"{train} training, {valid} validation, {test} test images"

    def line(self, record: Record) -> str:
        return (
            f"epoch {record.epoch}, minibatch {record.minibatch}/{self.n_batches}, pseudo-likelihood: "
            f"training {-record.train_loss:.3f}, validation {-record.valid_loss:.3f}; "
            f"pixels given back to {record.valid_error:.4f}"
        )

    def verdict(self, best: Record) -> str:
        assert best.test_loss is not None, "the best validation is always followed by a test"
        return (
            f"best validation pseudo-likelihood {-best.valid_loss:.3f} at epoch {best.epoch}, "
            f"test {-best.test_loss:.3f}; free energy of validation images above that of training images: "
            f"{self.gap():.2f}"
        )

    def pictures(self, history: History) -> Mapping[str, Painter]:
        title = f"{self.model.name} on {self.data_name}"
        return {
            **super().pictures(history),
            "filters.png": lambda path: images_picture(
                self._as_images(self.machine.W.get_value().T), path, title=f"{title}: filters", each=True
            ),
            "samples.png": lambda path: images_picture(
                self._as_images(self.samples()), path, title=f"{title}: {APART} steps from row to row",
                columns=CHAINS, most=CHAINS * ROWS,
            ),
        }  # fmt: skip

    def samples(self, chains: int = CHAINS, rows: int = ROWS, apart: int = APART) -> Array:
        """Probabilities of pixels [rows chains, visible]: chains that begin at test images, so many steps apart."""
        x = T.matrix("x", dtype=self.machine.dtype)
        begin = ar.function([x], self.machine.up(x), name="begin", mode=self.mode)
        h, out = begin(self.images["test"][:chains]), []
        for _ in range(rows):
            means, h = self.sample(h, apart)
            out.append(means)
        return np.concatenate(out)

    # ------------------------------------------------------------ graphs
    def _as_images(self, rows: Array) -> Array:
        return rows.reshape(-1, *self.data.image_shape)

    def _evaluation(self, part: str) -> Any:
        machine, x = self.machine, ar.shared(self.images[part], name=f"{part}_images")
        pixels = T.arange(x.shape[0]) % machine.visible
        back = T.mean(abs(x - machine.down(machine.up(x))))
        outputs = [-machine.pseudo_likelihood(x, pixels), back, T.mean(machine.free_energy(x))]
        return ar.function([], outputs, name=part, mode=self.mode)
