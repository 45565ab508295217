"""The recorded graph: leaves, symbols that know where they come from, emission, and wrapping.

Everything a user writes becomes floating ops (`arignote.ir.core`). Variables are thin: all they
know is in their `Value`, so that a value that gradients or substitutions reach is as good as one
that the user holds.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from arignote.frontends.tensor.loc import user_loc
from arignote.frontends.tensor.settings import config
from arignote.ir.builder import Builder
from arignote.ir.core import Value
from arignote.ir.diag import Loc
from arignote.ir.types import DTYPES, FROM_NUMPY, Dim, DimLike, TensorType

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable

_counter = itertools.count(1)


class Axis(NamedTuple):
    """An axis of a value, as the origin of a symbol."""

    value: Value
    axis: int


class Symbol(str):
    """The name of a dimension, with what defines it: an axis of a leaf, or a scalar value.

    The reference keeps the leaf alive for as long as a shape mentions it: the graph of
    `zeros_like(w)` has no other link to `w`.
    """

    origin: Axis | Value

    @staticmethod
    def fresh(origin: Axis | Value | None = None) -> Symbol:
        """A symbol that no other graph uses."""
        symbol = Symbol(f"n{next(_counter)}")
        if origin is not None:
            symbol.origin = origin
        return symbol


class Leaf(Value):
    """A value without an op: an input or a shared variable. Knows its variable and its line."""

    __slots__ = ("loc", "variable")

    def __init__(self, dtype: str, shape: Iterable[int | None], name: str | None = None) -> None:
        dims: list[DimLike] = []
        for axis, size in enumerate(shape):
            dims.append(Dim.symbol(Symbol.fresh(Axis(self, axis))) if size is None else size)
        super().__init__(TensorType(dtype, tuple(dims)), name)
        self.loc: Loc | None = user_loc()
        self.variable: Any = None


class Scratch:
    """`variable.tag`: a place for the user's own attributes. `test_value` is computed where none is given."""

    def __init__(self, value: Value) -> None:
        self.__dict__["_value"] = value

    def __getattr__(self, name: str) -> Any:
        value: Value | None = self.__dict__.get("_value") if name == "test_value" else None
        if value is None or value.owner is None:
            raise AttributeError(f"the tag has no attribute {name!r}")
        from arignote.frontends.tensor.testvalues import lookup

        return lookup(value)

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...

    def __repr__(self) -> str:
        return f"tag({', '.join(f'{k}={v!r}' for k, v in vars(self).items() if k != '_value')})"


class Variable:
    """What all variables have: a value, its name, dtype and rank, and a `tag` for the user."""

    #: The elements, of the vector that `x.shape` is.
    sizes: Sequence[int | Value] | None = None

    def __init__(self, value: Value) -> None:
        self._value = value
        self._tag: Scratch | None = None

    @property
    def value_(self) -> Value:
        """The IR value."""
        return self._value

    @property
    def tag(self) -> Scratch:
        """Attributes of the user's own, such as `tag.test_value`."""
        if self._tag is None:
            self._tag = Scratch(self.value_)
        return self._tag

    @property
    def name(self) -> str | None:
        """The name it is printed by."""
        return self.value_.name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"a variable's name is a string, not {name!r}")
        self.value_.name = name

    @property
    def dtype(self) -> str:
        """The dtype by NumPy's name."""
        return DTYPES[self.value_.dtype]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self.value_.ndim

    @property
    def broadcastable(self) -> tuple[bool, ...]:
        """For each dimension, whether it is known to be 1."""
        return tuple(isinstance(d, int) and d == 1 for d in self.value_.shape)


class Composite:
    """What stands for several variables together: a sparse matrix (`arignote.sparse`)."""

    name: str | None
    data: TensorVariable

    def with_data(self, data: Any) -> Composite:
        """The same with other numbers."""
        raise NotImplementedError


_wrappers: weakref.WeakValueDictionary[Value, TensorVariable] = weakref.WeakValueDictionary()
_classes: dict[str, type[Any]] = {}


def register_class(kind: str, cls: type[Any]) -> None:
    """Say which class stands for a `variable`, a `constant` or a `shape`."""
    _classes[kind] = cls


def wrap(value: Value) -> TensorVariable:
    """The variable of `value`: the same object for as long as somebody holds it."""
    if isinstance(value, Leaf):  # not in the table, whose keys would keep their variables alive
        if value.variable is None:
            value.variable = _classes["variable"](value)
        found: TensorVariable = value.variable
        return found
    variable = _wrappers.get(value)
    if variable is None:
        constant = value.owner is not None and value.owner.name == "const"
        variable = _classes["constant" if constant else "variable"](value)
        _wrappers[value] = variable
    return variable


def adopt(variable: TensorVariable) -> None:
    """Let `variable`, made by hand, be the one that `wrap` gives for its value, if there is none yet."""
    _wrappers.setdefault(variable.value_, variable)


def make_shape(sizes: Sequence[int | Value]) -> TensorVariable:
    """The int64 vector of `sizes`, whose elements are known."""
    out: TensorVariable = _classes["shape"](sizes)
    return out


def emit(name: str, *operands: Value, **attrs: Any) -> Value:
    """Record an op on the user's line and return its result."""
    return emit_all(name, *operands, **attrs)[0]


def emit_all(name: str, *operands: Value, **attrs: Any) -> tuple[Value, ...]:
    """Record an op on the user's line and return all its results."""
    results = Builder(loc=user_loc()).emit(name, *operands, **attrs)
    if config.compute_test_value != "off":
        from arignote.frontends.tensor import testvalues

        testvalues.record(results)
    return results


def const(value: Any, dtype: str | None = None) -> Value:
    """Record a constant; `dtype` is an IR name."""
    return Builder(loc=user_loc()).const(value, dtype)


def constant_of(value: Value) -> np.ndarray[Any, Any] | None:
    """The array of a constant; None for other values."""
    if value.owner is not None and value.owner.name == "const":
        array: np.ndarray[Any, Any] = value.owner.attrs["value"]
        return array
    return None


def cast_value(value: Value, dtype: str) -> Value:
    """`value` in another dtype (IR name); constants are converted here and now."""
    if value.dtype == dtype:
        return value
    array = constant_of(value)
    if array is not None:
        with np.errstate(all="ignore"):
            return const(array.astype(DTYPES[dtype]))
    return emit("cast", value, dtype=dtype)


def ir_dtype(dtype: Any) -> str:
    """The IR name of a dtype: NumPy's names, `floatX`, types and dtypes of NumPy."""
    if isinstance(dtype, str) and dtype == "floatX":
        dtype = config.floatX
    try:
        name = FROM_NUMPY.get(np.dtype(dtype).name)
    except TypeError:
        name = None
    if name is None:
        raise TypeError(f"unsupported dtype {dtype!r}; supported are {', '.join(FROM_NUMPY)}")
    return name
