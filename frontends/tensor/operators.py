"""Python's operators on variables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor import linear
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.graph import Composite

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


class Operators:
    """The operators of `TensorVariable`: each records its function."""

    #: Makes NumPy leave `array * variable` to the variable.
    __array_priority__ = 1000
    __array_ufunc__ = None

    def __neg__(self) -> TensorVariable:
        return ew.neg(self)

    def __pos__(self) -> TensorVariable:
        return as_tensor_variable(self)

    def __abs__(self) -> TensorVariable:
        return ew.abs_(self)

    def __invert__(self) -> TensorVariable:
        return ew.invert(self)

    def __add__(self, y: Any) -> TensorVariable:
        return NotImplemented if isinstance(y, Composite) else ew.add(self, y)

    def __radd__(self, y: Any) -> TensorVariable:
        return ew.add(y, self)

    def __sub__(self, y: Any) -> TensorVariable:
        return NotImplemented if isinstance(y, Composite) else ew.sub(self, y)

    def __rsub__(self, y: Any) -> TensorVariable:
        return ew.sub(y, self)

    def __mul__(self, y: Any) -> TensorVariable:
        return NotImplemented if isinstance(y, Composite) else ew.mul(self, y)

    def __rmul__(self, y: Any) -> TensorVariable:
        return ew.mul(y, self)

    def __truediv__(self, y: Any) -> TensorVariable:
        return ew.true_div(self, y)

    def __rtruediv__(self, y: Any) -> TensorVariable:
        return ew.true_div(y, self)

    def __floordiv__(self, y: Any) -> TensorVariable:
        return ew.int_div(self, y)

    def __rfloordiv__(self, y: Any) -> TensorVariable:
        return ew.int_div(y, self)

    def __mod__(self, y: Any) -> TensorVariable:
        return ew.mod(self, y)

    def __rmod__(self, y: Any) -> TensorVariable:
        return ew.mod(y, self)

    def __divmod__(self, y: Any) -> tuple[TensorVariable, TensorVariable]:
        return ew.divmod(self, y)

    def __rdivmod__(self, y: Any) -> tuple[TensorVariable, TensorVariable]:
        return ew.divmod(y, self)

    def __pow__(self, y: Any) -> TensorVariable:
        return ew.pow(self, y)

    def __rpow__(self, y: Any) -> TensorVariable:
        return ew.pow(y, self)

    def __matmul__(self, y: Any) -> TensorVariable:
        return linear.dot(self, y)

    def __rmatmul__(self, y: Any) -> TensorVariable:
        return linear.dot(y, self)

    def __and__(self, y: Any) -> TensorVariable:
        return ew.and_(self, y)

    def __rand__(self, y: Any) -> TensorVariable:
        return ew.and_(y, self)

    def __or__(self, y: Any) -> TensorVariable:
        return ew.or_(self, y)

    def __ror__(self, y: Any) -> TensorVariable:
        return ew.or_(y, self)

    def __xor__(self, y: Any) -> TensorVariable:
        return ew.xor(self, y)

    def __rxor__(self, y: Any) -> TensorVariable:
        return ew.xor(y, self)

    def __lt__(self, y: Any) -> TensorVariable:
        return ew.lt(self, y)

    def __le__(self, y: Any) -> TensorVariable:
        return ew.le(self, y)

    def __gt__(self, y: Any) -> TensorVariable:
        return ew.gt(self, y)

    def __ge__(self, y: Any) -> TensorVariable:
        return ew.ge(self, y)

    def __ceil__(self) -> TensorVariable:
        return ew.ceil(self)

    def __floor__(self) -> TensorVariable:
        return ew.floor(self)

    def __trunc__(self) -> TensorVariable:
        return ew.trunc(self)
