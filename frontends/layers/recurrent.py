"""Recurrent layers: `RNN`, `GRU`, `LSTM` over loops, and `Bidirectional`.

They take (batch, time, features), and compute with time first: the products with the inputs of all steps are one
product before the loop, and a loop has one product with the state in each step, for all gates together.

A mask, (batch, time), keeps the state where it is 0, so that padding, in front or behind, changes nothing. It is the
mask of the layer below (`Embedding(mask_zero=True)`, `Masking`), or a second layer: `LSTM([data, mask], 64)`.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.layers.activations import Activation, activation
from arignote.frontends.layers.base import Layer, Param, Run, Shape, fixed, layer
from arignote.frontends.layers.init import Constant, GlorotUniform, Orthogonal
from arignote.frontends.tensor.scanning import scan
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.sharedvar import SharedVariable


@layer
class Recurrent(Layer):
    """What recurrent layers have in common: (batch, time, features) -> (batch, units).

    - `units`: size of the state;
    - `return_sequences`: the states of all steps, (batch, time, units), and not only the last one;
    - `backwards`: from the last step to the first; the states of all steps are returned in the order of the input;
    - `W` (features, gates * units), `U` (units, gates * units), `b` (gates * units), drawn gate by gate;
    - `stateful`: begin with the last states of the call before (sticky states); the batch size must be known.
      `reset_states` sets them to 0. They are updates: see `get_output(updates=)`;
    - `learn_init`: the first state is a parameter, `h0` (units), not 0;
    - `truncate_gradient`: gradients go back so many steps; -1: all;
    - `checkpoint`: gradients keep every so many states ("sqrt": the root of their number) and compute the others again.
    """

    gates: ClassVar[int]
    states: ClassVar[tuple[str, ...]] = ("h",)

    units: int
    nonlinearity: Activation = "tanh"
    return_sequences: bool = False
    backwards: bool = False
    W: Param = GlorotUniform()
    U: Param = Orthogonal()
    b: Param = Constant(0)
    stateful: bool = False
    learn_init: bool = False
    truncate_gradient: int = -1
    checkpoint: int | str | None = None

    @abstractmethod
    def step(self, projected: Any, *states: Any) -> tuple[Any, ...]:
        """The next states from x W + b, (batch, gates * units), and the states, (batch, units) each."""

    def build(self, shape: Shape, mask: Shape | None = None) -> None:
        self.positive(units=self.units)
        if len(shape) != 3:
            raise ValueError(self.message(f"it takes (batch, time, features), not {list(shape)}"))
        if mask is not None and len(mask) != 2:
            raise ValueError(self.message(f"a mask is (batch, time), not {list(mask)}"))
        self.function = activation(self.nonlinearity)
        n, features = self.units, self.known(shape, 2)
        self.W = self.add_param("W", self.W, (features, self.gates * n), blocks=self.gates)
        self.U = self.add_param("U", self.U, (n, self.gates * n), blocks=self.gates)
        self.b = self.add_param("b", self.first_bias(), (self.gates * n,), regularizable=False, blocks=self.gates)
        self.firsts: list[SharedVariable] = []
        if self.learn_init:
            self.firsts = [self.add_param(f"{state}0", Constant(0), (n,), regularizable=False) for state in self.states]
        self.kept: list[SharedVariable] = []
        if self.stateful:
            if self.learn_init:
                raise ValueError(self.message("stateful and learn_init exclude each other"))
            batch = self.known(shape, 0)
            self.kept = [fixed(np.zeros((batch, n), config.floatX), self._full(state)) for state in self.states]

    def first_bias(self) -> Any:
        """The initial biases."""
        return self.b

    def shape_for(self, shape: Shape, mask: Shape | None = None) -> Shape:
        return (shape[0], shape[1], self.units) if self.return_sequences else (shape[0], self.units)

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        if not self.return_sequences:
            return None
        return inputs[1] if len(inputs) > 1 else masks[0]

    def kept_states(self) -> dict[str, SharedVariable]:
        return dict(zip(self.states, self.kept, strict=False))

    def reset_states(self) -> None:
        """Set sticky states to 0."""
        for kept in self.kept:
            kept.zero()

    def output_for(self, x: Any, mask: Any = None, *, run: Run) -> Any:
        if mask is None and self.incoming:
            mask = run.masks.get(self.incoming[0])
        finals, outputs = self.unrolled(x, mask)
        for kept, final in zip(self.kept, finals, strict=False):
            run.update(self, kept, final)
        if not self.return_sequences:
            return finals[0]
        return (outputs[::-1] if self.backwards else outputs).dimshuffle(1, 0, 2)

    def unrolled(self, x: Any, mask: Any) -> tuple[list[Any], Any]:
        """The last states, and the first state `h` of all steps, (time, batch, units), in the order of the loop."""
        projected = T.dot(x.dimshuffle(1, 0, 2), self.W) + self.b

        def masked(projected: Any, held: Any, *states: Any) -> list[Any]:
            following = self.step(projected, *states)
            keep = T.neq(held, 0).dimshuffle(0, "x")
            return [T.switch(keep, new, old) for new, old in zip(following, states, strict=True)]

        sequences = [projected] if mask is None else [projected, mask.dimshuffle(1, 0)]
        outputs, _ = scan(
            (lambda p, *states: list(self.step(p, *states))) if mask is None else masked,
            sequences,
            self.initial(x.shape[0]),
            truncate_gradient=self.truncate_gradient,
            go_backwards=self.backwards,
            name=self.name or self.kind,
            return_list=True,
            checkpoint=self.checkpoint,  # type: ignore[arg-type]
        )
        return [rows[-1] for rows in outputs], outputs[0]

    def initial(self, batch: Any) -> list[Any]:
        """The states before the first step."""
        if self.kept:
            return list(self.kept)
        if self.firsts:
            zeros = T.zeros((batch, self.units), self.W.dtype)
            return [zeros + first.dimshuffle("x", 0) for first in self.firsts]
        return [T.zeros((batch, self.units), self.W.dtype) for _ in self.states]

    def parts(self, x: Any, first: int, last: int) -> Any:
        """The columns of gates `first` .. `last` - 1."""
        return x[:, first * self.units : last * self.units]


@layer
class RNN(Recurrent):
    """h <- nonlinearity(x W + h U + b).

    J. L. Elman, "Finding structure in time", 1990.
    """

    gates: ClassVar[int] = 1

    def step(self, projected: Any, *states: Any) -> tuple[Any, ...]:
        (h,) = states
        return (self.function(projected + T.dot(h, self.U)),)


@layer
class GRU(Recurrent):
    """z, r = sigmoid(x W + h U + b); c = tanh(x W + r (h U) + b); h <- (1 - z) h + z c; gates in the order z, r, c.

    - `reset_after=False`: the candidate is tanh(x W + (r h) U + b), which takes two products in each step.

    K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014.
    """

    gates: ClassVar[int] = 3
    gate_nonlinearity: Activation = "sigmoid"
    reset_after: bool = True

    def step(self, projected: Any, *states: Any) -> tuple[Any, ...]:
        (h,) = states
        gate = activation(self.gate_nonlinearity)
        if self.reset_after:
            recurrent = T.dot(h, self.U)
            zr = gate(self.parts(projected, 0, 2) + self.parts(recurrent, 0, 2))
            z, r = self.parts(zr, 0, 1), self.parts(zr, 1, 2)
            candidate = self.function(self.parts(projected, 2, 3) + r * self.parts(recurrent, 2, 3))
        else:
            zr = gate(self.parts(projected, 0, 2) + T.dot(h, self.parts(self.U, 0, 2)))
            z, r = self.parts(zr, 0, 1), self.parts(zr, 1, 2)
            candidate = self.function(self.parts(projected, 2, 3) + T.dot(r * h, self.parts(self.U, 2, 3)))
        return ((1 - z) * h + z * candidate,)


@layer
class LSTM(Recurrent):
    """i, f, o = sigmoid(x W + h U + b); c <- f c + i tanh(x W + h U + b); h <- o tanh(c); gates in that order, c last.

    - `forget_bias`: what the forget gate's biases start with, when `b` is an initialiser;
    - `peepholes`: the gates also see the cell, each unit its own: i and f the one before, o the one after, through
      `P` (3, units).

    S. Hochreiter, J. Schmidhuber, "Long short-term memory", 1997; F. Gers, J. Schmidhuber, F. Cummins, "Learning to
    forget", 2000; peepholes: F. Gers, N. Schraudolph, J. Schmidhuber, "Learning precise timing", 2002.
    """

    gates: ClassVar[int] = 4
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    gate_nonlinearity: Activation = "sigmoid"
    forget_bias: float = 1.0
    peepholes: bool = False

    def build(self, shape: Shape, mask: Shape | None = None) -> None:
        super().build(shape, mask)
        if self.peepholes:
            self.P = self.add_param("P", Constant(0), (3, self.units))

    def first_bias(self) -> Any:
        if not isinstance(self.b, Constant):
            return self.b
        forget = np.arange(4 * self.units) // self.units == 1
        return np.where(forget, self.forget_bias, self.b.value)

    def step(self, projected: Any, *states: Any) -> tuple[Any, ...]:
        h, c = states
        gate = activation(self.gate_nonlinearity)
        total = projected + T.dot(h, self.U)
        if not self.peepholes:
            ifo = gate(self.parts(total, 0, 3))
            i, f, o = (self.parts(ifo, n, n + 1) for n in range(3))
            cell = f * c + i * self.function(self.parts(total, 3, 4))
            return o * self.function(cell), cell
        i = gate(self.parts(total, 0, 1) + c * self.P[0])
        f = gate(self.parts(total, 1, 2) + c * self.P[1])
        cell = f * c + i * self.function(self.parts(total, 3, 4))
        o = gate(self.parts(total, 2, 3) + cell * self.P[2])
        return o * self.function(cell), cell


#: How `Bidirectional` joins both directions, by name.
DIRECTIONS = ("concat", "sum", "mean", "mul")


@layer
class Bidirectional(Layer):
    """A recurrent layer and a second one that runs backwards: (batch, time, features) -> (batch, 2 units).

    - `layer`: the one that runs forwards, not placed: `Bidirectional(LSTM(64))`. The other one has its settings, and
      parameters of its own;
    - `merge`: how outputs are joined: "concat", "sum", "mean", "mul".

    M. Schuster, K. Paliwal, "Bidirectional recurrent neural networks", 1997.
    """

    layer: Recurrent
    merge: str = "concat"

    def build(self, *shapes: Shape) -> None:
        if not isinstance(self.layer, Recurrent) or self.layer.placed or self.layer.backwards:
            raise ValueError(self.message(f"it takes a recurrent layer that is not placed, and runs forwards, not "
                                          f"{self.layer!r}"))  # fmt: skip
        if self.merge not in DIRECTIONS:
            raise ValueError(self.message(f"merge is one of {', '.join(DIRECTIONS)}, not {self.merge!r}"))
        forward = copy.copy(self.layer)
        backward = copy.copy(self.layer)
        forward.params, forward.tags, backward.params, backward.tags = {}, {}, {}, {}
        backward.backwards = True
        self.both = {"forward": forward, "backward": backward}
        for direction, one in self.both.items():
            one.name = self._full(direction)
            one.build(*shapes)
            for name, parameter in one.params.items():
                self.params[f"{direction}.{name}"] = parameter
                self.tags[f"{direction}.{name}"] = one.tags[name]

    def shape_for(self, *shapes: Shape) -> Shape:
        one = self.both["forward"].shape_for(*shapes)
        return (*one[:-1], 2 * self.layer.units) if self.merge == "concat" else one

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        return self.layer.mask_for(inputs, masks)

    def kept_states(self) -> dict[str, SharedVariable]:
        return {f"{where}.{name}": v for where, one in self.both.items() for name, v in one.kept_states().items()}

    def output_for(self, x: Any, mask: Any = None, *, run: Run) -> Any:
        if mask is None:
            mask = run.masks.get(self.incoming[0])
        given = (x,) if mask is None else (x, mask)
        a, b = (one.output_for(*given, run=run) for one in self.both.values())
        if self.merge == "concat":
            return T.concatenate([a, b], axis=a.ndim - 1)
        if self.merge == "mul":
            return a * b
        return a + b if self.merge == "sum" else (a + b) * np.asarray(0.5, a.dtype)
