"""Variables: what the user's expressions are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote.frontends.tensor import indexing, joining, shapes
from arignote.frontends.tensor.constants import get_scalar_constant_value
from arignote.frontends.tensor.graph import Composite, Variable, adopt, register_class, wrap
from arignote.frontends.tensor.methods import Methods
from arignote.frontends.tensor.operators import Operators
from arignote.frontends.tensor.owner import Apply
from arignote.frontends.tensor.plans import Plan
from arignote.frontends.tensor.tensortype import TensorType, type_of_value
from arignote.ir.core import Value

if TYPE_CHECKING:
    from arignote.frontends.tensor.callable import Function


class _Kind(type):
    """Of tensors: constants and shared variables have all that `TensorVariable` has, but are no instances of it for
    programs, which tell symbolic values by this, as they did in Theano."""

    symbolic: bool

    def __instancecheck__(cls, x: object) -> bool:
        return type.__instancecheck__(cls, x) and (not cls.symbolic or getattr(type(x), "symbolic", True))


class TensorVariable(Operators, Methods, Variable, metaclass=_Kind):
    """A symbolic tensor. `==` compares identity, as variables are keys; `T.eq` is elementwise."""

    symbolic = True

    def __init__(self, value: Value, plan: Plan | None = None) -> None:
        super().__init__(value)
        self.plan = plan
        self._functions: dict[Any, Function] = {}

    # ------------------------------------------------------------ what it is
    @property
    def type(self) -> TensorType:
        """The type: dtype and broadcastable dimensions."""
        return type_of_value(self.value_)

    @property
    def owner(self) -> Apply | None:
        """The op that makes it; None for inputs and constants."""
        op = self.value_.owner
        return None if op is None or op.name == "const" else Apply.of(op)

    @property
    def index(self) -> int | None:
        """Which result of `owner` it is."""
        return None if self.owner is None else self.value_.index

    @property
    def shape(self) -> TensorVariable:
        """The shape: a vector, with `x.shape[0]`, iteration and `len`."""
        return shapes.shape(self)

    @property
    def size(self) -> TensorVariable:
        """The number of elements."""
        out: Any = wrap(shapes.dim_value(self.value_.type.size))
        return out  # type: ignore[no-any-return]

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        if self.owner is not None:
            return f"{self.owner.op}.{self.value_.index}"
        return f"<{self.type}>"

    def __repr__(self) -> str:
        return str(self)

    def __bool__(self) -> bool:
        raise TypeError(
            "Variables do not support boolean operations: this is a symbolic expression, whose "
            "value is known only when a compiled function runs. Use T.switch, T.and_, T.eq"
        )

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of unsized object: this variable is a scalar")
        size = self.value_.shape[0]
        if isinstance(size, int):
            return size
        raise TypeError("the length of a symbolic tensor is not known; use x.shape[0]")

    def __iter__(self) -> Iterator[TensorVariable]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        size = self.value_.shape[0]
        if not isinstance(size, int):
            raise TypeError(
                f"iteration over {self}, whose length is not known; use scan, or x.shape[0]"
            )
        return (self[i] for i in range(size))

    # ------------------------------------------------------------ parts
    def __getitem__(self, index: Any) -> TensorVariable:
        plan = indexing.make_plan(self, index)
        out = TensorVariable(plan.read(), plan)
        adopt(out)
        return out

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "variables cannot be assigned to: use x = T.set_subtensor(x[index], value)"
        )

    # ------------------------------------------------------------ use
    def get_scalar_constant_value(self) -> Any:
        """The number that all elements are known to be."""
        return get_scalar_constant_value(self)

    def clone(self, name: str | None = None) -> TensorVariable:
        """A variable of this type with the same name and no owner; of a constant the constant itself."""
        return self.type(self.name if name is None else name)

    def eval(self, inputs_to_values: Mapping[Any, Any] | None = None) -> Any:
        """The value, given those of the inputs. Compiled once per set of inputs."""
        from arignote.frontends.tensor.compiling import function

        given = dict(inputs_to_values or {})
        for key in given:
            if not isinstance(key, (Variable, Composite)):
                raise TypeError(f"eval takes a dict of variables and values; {key!r} is a key")
        inputs = sorted(given, key=id)
        key = tuple(inputs)
        if key not in self._functions:
            self._functions[key] = function(inputs, self)
        return self._functions[key](*(given[i] for i in inputs))


class TensorConstant(TensorVariable):
    """A constant: `value` is its array."""

    symbolic = False

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """The array, which cannot be written to."""
        op = self.value_.owner
        assert op is not None
        array: np.ndarray[Any, Any] = op.attrs["value"]
        return array

    data = value

    def clone(self, name: str | None = None) -> TensorVariable:
        """The constant itself."""
        return self

    def __str__(self) -> str:
        if self.name is not None:
            return self.name
        value = self.value
        if value.ndim and value.size and bool((value == value.reshape(-1)[0]).all()):
            text = f"({value.shape} of {value.reshape(-1)[0]})"
        else:
            text = " ".join(str(value).split())
        return f"TensorConstant{{{text if len(text) <= 40 else text[:10] + '..' + text[-10:]}}}"


class ShapeVariable(TensorVariable):
    """The vector `x.shape`: its elements are dimensions, and its length is known."""

    def __init__(self, sizes: Sequence[int | Value]) -> None:
        self.sizes = tuple(sizes)
        self._stacked: Value | None = None
        Variable.__init__(self, None)  # type: ignore[arg-type]
        self.plan = None
        self._functions = {}

    @property
    def value_(self) -> Value:
        """The vector, made when it is needed as a whole."""
        if self._stacked is None:
            self._stacked = joining.stack_sizes(self.sizes or [])
        assert self._stacked is not None
        return self._stacked

    def __len__(self) -> int:
        return len(self.sizes or ())

    def __iter__(self) -> Iterator[TensorVariable]:
        return (shapes.as_variable(s) for s in self.sizes or ())

    def __getitem__(self, index: Any) -> TensorVariable:
        sizes = self.sizes or ()
        if isinstance(index, slice) and all(
            isinstance(i, (int, type(None))) for i in (index.start, index.stop, index.step)
        ):
            return ShapeVariable(sizes[index])
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            if not -len(sizes) <= index < len(sizes):
                raise IndexError(f"dimension {index} of a tensor with {len(sizes)} dimensions")
            return shapes.as_variable(sizes[int(index)])
        return super().__getitem__(index)

    def __str__(self) -> str:
        return super().__str__() if len(self) else "TensorConstant{[]}"


register_class("variable", TensorVariable)
register_class("constant", TensorConstant)
register_class("shape", ShapeVariable)
