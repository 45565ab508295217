"""What a layer is: its sizes, its parameters, and the expression of its output.

A layer is made of settings, `Dense(64, "relu")`, and *placed* behind others, `Dense(64, "relu")(below)` or, which is
the same, `Dense(below, 64, "relu")`. Placing it makes its parameters. A placed layer is a node of a network: it
knows what it reads (`incoming`) and its `output_shape`. Placing it once more gives a second node with the same
parameters.

A new kind of layer is a class whose annotated fields are its settings:

    @layer
    class Stretch(Layer):
        initial: Param = Constant(1.0)

        def build(self, shape: Shape) -> None:
            self.scale = self.add_param("scale", self.initial, (self.known(shape, -1),))

        def output_for(self, x: Any, run: Run) -> Any:
            return x * self.scale

`Stretch(below, initial=L.Constant(2))` then works, as for the kinds there are.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, ABCMeta, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from arignote.frontends.layers.arguments import translated
from arignote.frontends.layers.init import Array, Initializer
from arignote.frontends.tensor.graph import Leaf
from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.sharedvar import Container, SharedVariable, aligned_copy
from arignote.ir.diag import Diagnostic
from arignote.ir.types import FROM_NUMPY

#: Sizes of a tensor; None where it may differ from call to call.
Shape = tuple[int | None, ...]
#: What the first value of a parameter is given by; a shared variable is the parameter itself.
Init = Initializer | SharedVariable | Array | float | Callable[[tuple[int, ...]], Any]

#: A setting that says how a parameter starts, an `Init`; once the layer is placed, the shared variable.
Param = Any


@dataclass
class Run:
    """One pass through a network, of which expressions are being made.

    - `deterministic`: no dropout and no noise, and stored statistics in place of those of the batch;
    - `use_averages`, `update_averages`: whether stored statistics of batches are used, and whether they are updated;
      None: as `deterministic` says;
    - `updates`: receives new values of shared variables that are no gradient's business, such as running statistics;
      None where the caller takes none;
    - `masks`: the mask of each layer's output that has one: (batch, time), not 0 where there is data.
    """

    deterministic: bool = False
    updates: dict[SharedVariable, Any] | None = None
    masks: dict[Layer, Any] = field(default_factory=dict)
    use_averages: bool | None = None
    update_averages: bool | None = None

    def update(self, layer: Layer, variable: SharedVariable, value: Any) -> None:
        """A new value. Raises ValueError if nobody takes it, because the layer would then not do what it says."""
        if self.updates is None:
            raise ValueError(
                layer.message(
                    f"{variable.name} changes with every call: give get_output a dict, `updates=`, and its content to "
                    "the updates of the function"
                )
            )
        self.updates[variable] = value


#: Kinds of layers by name: those that files of models may name.
KINDS: dict[str, type[Layer]] = {}

K = TypeVar("K", bound="type[Layer]")


def layer(kind: K) -> K:
    """Decorator of kinds of layers: annotated fields become settings, with the defaults that they have."""
    made: Any = dataclass(eq=False)(kind)
    KINDS.setdefault(kind.__name__, made)
    return made  # type: ignore[no-any-return]


class LayerType(ABCMeta):
    """Makes `Dense(below, 64)` mean `Dense(64)(below)`, and keeps the settings."""

    def __call__(cls, *args: Any, **settings: Any) -> Any:
        incoming = None
        if args and (_is_placed(args[0]) or (isinstance(args[0], (list, tuple)) and any(map(_is_placed, args[0])))):
            incoming, args = args[0], args[1:]
        below = [settings.pop(name) for name in ("incoming", "incomings") if name in settings]
        if below:
            if incoming is not None or len(below) > 1:
                raise TypeError(f"{cls.__name__}: the layers below are given twice")
            incoming = below[0]
        new = super().__call__(*args, **translated(cls, settings))
        new.settings = {f.name: getattr(new, f.name) for f in dataclasses.fields(new) if f.name != "name"}
        return new if incoming is None else new(incoming)


def _is_placed(x: Any) -> bool:
    return isinstance(x, Layer) and x.placed


@layer
class Layer(ABC, metaclass=LayerType):
    """A layer, as described at the top of this file.

    Attributes of placed layers:

    - `incoming`: the layers whose outputs it takes;
    - `output_shape`: of its output, None for sizes that differ;
    - `params`: its parameters by name, and `tags`: what is said about each: `trainable`, `regularizable`;
    - `settings`: what it was made with.
    """

    name: str | None = field(default=None, kw_only=True)

    if TYPE_CHECKING:  # where `Dense(below, 64)` is as good as `Dense(64)`

        def __init__(self, *incoming_and_settings: Any, **settings: Any) -> None: ...

    def __post_init__(self) -> None:
        self.incoming: list[Layer] = []
        self.output_shape: Shape = ()
        self.placed = False
        self.params: dict[str, SharedVariable] = {}
        self.tags: dict[str, frozenset[str]] = {}
        self.settings: dict[str, Any]

    # ------------------------------------------------------------ what a kind of layer defines
    def build(self, *shapes: Any) -> None:
        """Make the parameters, for inputs of these shapes. Raises ValueError for shapes that it does not take."""

    def shape_for(self, *shapes: Any) -> Shape:
        """The shape of the output, for inputs of these shapes; by default that of the first."""
        return tuple(shapes[0])

    @abstractmethod
    def output_for(self, *inputs: Any, **run: Any) -> Any:
        """The output, for these inputs and `run=`, a `Run`."""

    def mask_for(self, inputs: Sequence[Any], masks: Sequence[Any]) -> Any:
        """The mask of the output, for inputs with these masks (None: it has none); by default that of the first one
        that has one."""
        return next((m for m in masks if m is not None), None)

    def kept_states(self) -> dict[str, SharedVariable]:
        """Shared variables that are kept from one call to the next, but are no parameters."""
        return {}

    # ------------------------------------------------------------ placing
    def __call__(self, incoming: Layer | Sequence[Layer]) -> Self:
        """This layer behind others: itself the first time, then a twin with the same parameters.

        Raises:
            ValueError: the shapes do not fit; `incoming` is not placed itself.
        """
        below = [incoming] if isinstance(incoming, Layer) else list(incoming)
        for layer in below:
            if not isinstance(layer, Layer):
                raise TypeError(self.message(f"it is placed behind layers, not {layer!r}"))
            if not layer.placed:
                raise ValueError(self.message(f"it is placed behind {layer.title}, which is not placed itself"))
        shapes = [layer.output_shape for layer in below]
        node = copy.copy(self) if self.placed else self
        if self.placed:
            built = [layer.output_shape for layer in self.incoming]
            if [s[1:] for s in built] != [s[1:] for s in shapes] and self.params:
                raise ValueError(self.message(f"its parameters are for inputs of {built}, not {shapes}"))
        else:
            node.build(*shapes)
        node.incoming, node.output_shape, node.placed = below, node.shape_for(*shapes), True
        return node

    # ------------------------------------------------------------ parameters
    def add_param(
        self, name: str, initial: Init, shape: Sequence[int], trainable: bool = True, regularizable: bool = True,
        blocks: int = 1, **tags: bool,
    ) -> SharedVariable:  # fmt: skip
        """A parameter of this layer, of dtype `config.floatX`; layers compute in it from then on.

        Args:
            initial: an initialiser, a function of the shape, an array or a number; or a shared variable, which is then
                the parameter (two layers may share one).
            shape: its shape.
            blocks: the last axis consists of that many equal parts, each drawn by itself.
            tags: more that is said about it, for `get_all_params(net, tag=True)`.

        Raises:
            ValueError: an array or variable of another shape.
        """
        shape = tuple(int(n) for n in shape)
        if isinstance(initial, SharedVariable):
            parameter = initial
            found = parameter.container.array.shape
        else:
            value = _value(initial, shape, blocks)
            found = value.shape
            parameter = fixed(value.astype(config.floatX), self._full(name))
        if found != shape:
            raise ValueError(self.message(f"the parameter {name} has the shape {list(shape)}, not {list(found)}"))
        self.params[name] = parameter
        tags |= {"trainable": trainable, "regularizable": regularizable}
        self.tags[name] = frozenset(tag for tag, holds in tags.items() if holds)
        return parameter

    def get_params(self, **tags: bool) -> list[SharedVariable]:
        """Its own parameters, those that have the tags (`trainable=True`), or do not (`False`)."""
        return [
            p for name, p in self.params.items()
            if all((tag in self.tags[name]) == wanted for tag, wanted in tags.items())
        ]  # fmt: skip

    def named(self, name: str) -> None:
        """Give the layer a name, and with it its parameters."""
        self.name = name
        for short, parameter in self.params.items():
            parameter.name = self._full(short)

    def _full(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name else name

    # ------------------------------------------------------------ texts
    @property
    def kind(self) -> str:
        """The name of its class."""
        return type(self).__name__

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"{self.kind} {self.name!r}" if self.name else self.kind

    def message(self, text: str) -> str:
        """A message about this layer, with the line of the user's program."""
        return str(Diagnostic(f"{self.title}: {text}", loc=user_loc()))

    def known(self, shape: Shape, axis: int) -> int:
        """The size along an axis. Raises ValueError where it is not known, or there is no such axis."""
        if not -len(shape) <= axis < len(shape):
            raise ValueError(self.message(f"its input has {len(shape)} dimensions, {list(shape)}: there is no {axis}"))
        size = shape[axis]
        if size is None:
            raise ValueError(self.message(f"the size of its input along axis {axis} must be known: {list(shape)}"))
        return size

    def positive(self, **numbers: int) -> None:
        """Raises ValueError for settings that are no whole numbers above 0."""
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(self.message(f"{name} must be a whole number above 0, not {value!r}"))


def fixed(value: Array, name: str) -> SharedVariable:
    """A shared variable whose shape never changes, so that expressions know it."""
    leaf = Leaf(FROM_NUMPY[value.dtype.name], value.shape, name)
    return SharedVariable(leaf, Container(aligned_copy(value), name), strict=False, downcast=None)


def _value(initial: Init, shape: tuple[int, ...], blocks: int) -> Array:
    if isinstance(initial, Initializer):
        return initial.blocks((*shape[:-1], shape[-1] // blocks), blocks) if blocks > 1 else initial.sample(shape)
    if callable(initial):
        return np.asarray(initial(shape))
    if isinstance(initial, (int, float)):
        return np.full(shape, float(initial))
    return np.asarray(initial)
