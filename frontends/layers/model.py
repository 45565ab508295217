"""`Model` and `Sequential`: networks with everything around them: `compile fit evaluate predict summary save load`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from rich.console import Console
from rich.table import Table

from arignote.frontends import optim
from arignote.frontends.layers import saving
from arignote.frontends.layers.base import Layer, fixed
from arignote.frontends.layers.basic import Input
from arignote.frontends.layers.callbacks import Callback, History
from arignote.frontends.layers.graph import get_all_layers, named_params, unique_names
from arignote.frontends.layers.init import Array
from arignote.frontends.layers.losses import Measure, named
from arignote.frontends.layers.steps import Steps, arrays_for, means_of, minibatches, predictor
from arignote.frontends.layers.training import Data, fit
from arignote.frontends.tensor.settings import change_flags, config
from arignote.frontends.tensor.sharedvar import SharedVariable

#: Update rules by name, and the learning rate of each where none is given.
RULES: dict[str, tuple[Callable[..., Any], float]] = {
    "adadelta": (optim.adadelta, 1.0), "adagrad": (optim.adagrad, 0.01), "adam": (optim.adam, 0.001),
    "adamax": (optim.adamax, 0.002), "amsgrad": (optim.amsgrad, 0.001), "momentum": (optim.momentum, 0.01),
    "nesterov": (optim.nesterov, 0.01), "rmsprop": (optim.rmsprop, 0.001), "sgd": (optim.sgd, 0.01),
}  # fmt: skip


class Model:
    """A network from `Input` layers to its outputs.

        x = Input((None, 784))
        model = Model(x, Dense(10, "softmax")(Dense(256, "relu")(x)))
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(images, labels, epochs=5, validation=(more, their_labels))

    Layers without a name get one. Parameters stay where they are computed on; each minibatch is one call of a compiled
    function, updates included.

    Args:
        inputs: Input layers, one or several: data is given in their order.
        outputs: layers, one or several.

    Raises:
        ValueError: the outputs depend on Input layers that are not among `inputs`.
    """

    def __init__(self, inputs: Layer | Sequence[Layer], outputs: Layer | Sequence[Layer]) -> None:
        self._place(inputs, outputs)

    def _place(self, inputs: Layer | Sequence[Layer], outputs: Layer | Sequence[Layer]) -> None:
        self.single = isinstance(outputs, Layer)
        self.inputs = [inputs] if isinstance(inputs, Layer) else list(inputs)
        self.outputs = [outputs] if isinstance(outputs, Layer) else list(outputs)
        self.layers = get_all_layers(self.outputs)
        self.floatX = config.floatX
        for one in self.inputs:
            if not isinstance(one, Input):
                raise TypeError(f"inputs of a model are Input layers, not {one!r}")
        for one in self.layers:
            if isinstance(one, Input) and one not in self.inputs:
                raise ValueError(one.message("the outputs depend on it, but it is not among the model's inputs"))
        seen: list[Layer] = []
        for one, name in unique_names(self.layers).items():
            if one.name != name and any(one.params is other.params for other in seen):
                one.name = name  # a second place of one layer: its parameters have the name of the first
            elif one.name != name:
                one.named(name)
            seen.append(one)
        self.steps: Steps | None = None
        self.stop_training = False
        self._predict: Any = None

    # ------------------------------------------------------------ compilation
    def compile(
        self,
        optimizer: str = "rmsprop",
        loss: str | Measure | Sequence[str | Measure] = "squared_error",
        metrics: Sequence[str | Measure] = (),
        learning_rate: float | None = None,
        clip_norm: float | None = None,
        loss_weights: Sequence[float] | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        mode: Any = None,
        **options: Any,
    ) -> None:
        """Say how the model is trained. Code is generated when it is first needed.

        Args:
            optimizer: a rule of `arignote.optim` by name; its variables begin anew.
            loss: a name of `LOSSES`, or a function of predictions and targets; a list for several outputs, whose losses
                are added.
            metrics: names of `METRICS`, "accuracy", or functions; of each output.
            learning_rate: the rule's usual one by default.
            clip_norm: gradients are scaled down to this common norm.
            loss_weights: a factor for the loss of each output.
            l1, l2: penalties of weights, added to the loss (see `penalty`).
            mode: of compiled functions.
            options: of the rule, such as `rho=0.9`.

        Raises:
            ValueError: a name there is not; other numbers of losses than outputs.
        """
        rule, usual = named(optimizer, RULES, "optimizer")
        losses = [loss] if isinstance(loss, str) or callable(loss) else list(loss)
        if len(losses) != len(self.outputs):
            raise ValueError(f"the model has {len(self.outputs)} outputs, but {len(losses)} losses are given")
        if loss_weights is not None and len(loss_weights) != len(losses):
            raise ValueError(f"{len(loss_weights)} loss_weights for {len(losses)} losses")
        rate = fixed(np.asarray(usual if learning_rate is None else learning_rate, self.floatX), "learning_rate")
        self.compiled = {
            "optimizer": optimizer, "loss": losses, "metrics": list(metrics), "clip_norm": clip_norm,
            "loss_weights": None if loss_weights is None else list(loss_weights), "l1": l1, "l2": l2, **options,
        }  # fmt: skip
        self.steps = Steps(
            self.inputs, self.outputs, losses, metrics, rate, lambda c, p: rule(c, p, rate, **options), clip_norm,
            loss_weights, (l1, l2), mode,
        )  # fmt: skip
        self._predict = None

    def _steps(self) -> Steps:
        if self.steps is None:
            raise RuntimeError("the model does not know its loss yet: call compile first")
        return self.steps

    def get_learning_rate(self) -> float:
        """The learning rate now."""
        return float(self._steps().rate.get_value())

    def set_learning_rate(self, rate: float) -> None:
        """Change the learning rate; nothing is compiled again."""
        if not rate >= 0:
            raise ValueError(f"a learning rate is 0 or more, not {rate}")
        self._steps().rate.set_value(np.asarray(rate, self._steps().rate.dtype))

    # ------------------------------------------------------------ training and use
    def fit(
        self,
        x: Any,
        y: Any = None,
        batch: int = 32,
        epochs: int = 1,
        validation: Any = None,
        validation_split: float = 0.0,
        shuffle: bool = True,
        seed: int | None = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        callbacks: Sequence[Callback] = (),
        first_epoch: int = 0,
        verbose: bool = True,
    ) -> History:
        """Train.

        Args:
            x, y: arrays with an example in each row, lists of them for several inputs or outputs; or `x` alone: an
                iterable of minibatches (x, y) or (x, y, weights) that begins anew for each epoch, as `Buckets`.
            batch: examples in a minibatch; the last one of an epoch may be smaller.
            epochs: passes over the data, up to this number.
            validation: (x, y), (x, y, weights) or an iterable of minibatches, evaluated after each epoch.
            validation_split: this share of the examples, the last ones, is used for validation and not for training.
            shuffle: another order in each epoch; `seed` decides which.
            sample_weight: of each example; losses are weighted means.
            class_weight: a factor for the examples of each class.
            callbacks: see `arignote.frontends.layers.callbacks`.
            first_epoch: the number to begin with, when training goes on.
            verbose: show progress.

        Returns:
            The history of all epochs.

        Raises:
            DivergedError: the loss is no longer finite.
            ValueError: arrays that do not fit.
        """
        steps = self._steps()
        data = Data(steps, x, y, sample_weight, batch)
        if class_weight is not None:
            data.weigh_classes(class_weight)
        held = None if validation is None else Data.of(steps, validation, batch)
        if validation_split:
            if held is not None:
                raise ValueError("give validation or validation_split, not both")
            data, held = data.split(validation_split)
        rng = np.random.RandomState(seed) if shuffle else None
        return fit(self, steps, data, epochs, held, rng, callbacks, first_epoch, verbose)

    def train_on_batch(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """One update; loss and metrics before it."""
        steps = self._steps()
        logs, _ = steps.train(arrays_for(self.inputs, x), steps.targets_for(y), sample_weight)
        return logs

    def evaluate(self, x: Any, y: Any = None, batch: int = 32, sample_weight: Any = None) -> dict[str, float]:
        """Loss and metrics of arrays, or of an iterable of minibatches, as in use: no dropout."""
        steps = self._steps()
        return means_of(steps.test(*one) for one in Data(steps, x, y, sample_weight, batch).batches())

    @property
    def predict_function(self) -> Any:
        """The compiled function from inputs to outputs, as in use."""
        if self._predict is None:
            with change_flags(floatX=self.floatX):
                self._predict = predictor(self.inputs, self.outputs, None if self.steps is None else self.steps.mode)
        return self._predict

    def predict(self, x: Any, batch: int = 32) -> Any:
        """The outputs for arrays (a list of them for several outputs), as in use."""
        xs = arrays_for(self.inputs, x)
        parts = [self.predict_function(*one) for (one,) in minibatches(xs, batch=batch)]
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return columns[0] if self.single else columns

    def reset_states(self) -> None:
        """Set the sticky states of all layers to 0."""
        for one in self.layers:
            for state in one.kept_states().values():
                state.zero()

    # ------------------------------------------------------------ parameters and files
    def params(self, **tags: bool) -> dict[str, SharedVariable]:
        """The parameters by name (see `get_all_params` for `tags`)."""
        return named_params(self.outputs, **tags)

    def count_params(self, **tags: bool) -> int:
        """How many numbers the parameters hold."""
        return sum(int(p.container.array.size) for p in self.params(**tags).values())

    def get_weights(self) -> dict[str, Array]:
        """Copies of the parameters, by name."""
        return {name: p.get_value() for name, p in self.params().items()}

    def set_weights(self, arrays: dict[str, Array]) -> None:
        """The inverse of `get_weights`. Raises ValueError if a name or shape differs; nothing is set then."""
        saving.assign(self.params(), arrays, "the model")

    def variables(self) -> dict[str, SharedVariable]:
        """All that training changes, by name: parameters, what the optimiser keeps, states of random streams. With
        their values training goes on exactly."""
        if self.steps is None:
            return self.params()
        _ = self.steps.train_function
        return {**self.params(), **self.steps.own}

    def save_weights(self, path: str | os.PathLike[str]) -> None:
        """Write the parameters to a file. Raises `ArchiveError` when that fails."""
        saving.save_weights(self, path)

    def load_weights(self, path: str | os.PathLike[str]) -> None:
        """Read parameters of the same names and shapes. Raises `ArchiveError` for other files; nothing is set then."""
        saving.load_weights(self, path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one .npz file: layers, settings of `compile`, and `variables`. Nothing is pickled.

        Raises:
            ArchiveError: the file cannot be written.
            ValueError: a layer, loss or metric has a function of one's own, which no file holds.
        """
        saving.save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str], mode: Any = None) -> Model:
        """Read what `save` wrote; training goes on where it stopped. Only kinds of layers that are known are made.

        Raises `ArchiveError` for files that are damaged or something else.
        """
        return saving.load(path, mode)

    # ------------------------------------------------------------ looks
    def summary(self, console: Console | None = None) -> None:
        """Print the layers with their shapes and numbers of parameters."""
        names = unique_names(self.layers)
        table = Table("layer", "kind", "output", "parameters", "behind", title=f"{type(self).__name__}")
        table.columns[3].justify = "right"
        seen: set[int] = set()
        for one in self.layers:
            count = sum(int(p.container.array.size) for p in one.params.values() if id(p) not in seen)
            seen |= {id(p) for p in one.params.values()}
            shape = ", ".join("?" if n is None else str(n) for n in one.output_shape)
            behind = ", ".join(names[b] for b in one.incoming)
            table.add_row(names[one], one.kind, f"({shape})", f"{count:,}", behind)
        console = console or Console()
        console.print(table)
        total, trained = self.count_params(), self.count_params(trainable=True)
        console.print(f"{total:,} parameters, {trained:,} of them trained", highlight=False)


class Sequential(Model):
    """Layers one behind the other: `Sequential([Input((None, 784)), Dense(256, "relu"), Dense(10, "softmax")])`.

    The first one is an `Input`, or placed behind one.
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        chain = list(layers)
        if not chain or not isinstance(chain[0], Layer) or not chain[0].placed:
            raise ValueError("the first layer of Sequential is an Input, which says what shape the data has")
        top = chain[0]
        for one in chain[1:]:
            top = one(top)
        super().__init__([one for one in get_all_layers(top) if isinstance(one, Input)], top)

    def add(self, layer: Layer) -> Self:
        """One more layer behind the last; `compile` then has to be called again."""
        self._place(self.inputs, layer(self.outputs[0]))
        return self
