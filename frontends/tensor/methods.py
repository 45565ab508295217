"""What variables can do: the functions of this package that Theano has as methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import (
    complexes,
    creation,
    cumulative,
    diagonals,
    linear,
    masks,
    positions,
    rearranging,
    reduction,
    shapes,
    sorting,
)
from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.graph import emit, wrap

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


class Methods:
    """The methods of `TensorVariable`: each records its function."""

    # ------------------------------------------------------------ shape
    @property
    def T(self) -> TensorVariable:
        """The dimensions in reverse."""
        return shapes.transpose(self)

    def transpose(self, *axes: Any) -> TensorVariable:
        """The dimensions in reverse, or in the given order."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (list, tuple))):
            return shapes.transpose(self, axes[0])
        return shapes.transpose(self, axes or None)

    def dimshuffle(self, *pattern: Any) -> TensorVariable:
        """Permute, insert (`"x"`) and drop dimensions."""
        return shapes.dimshuffle(self, *pattern)

    def reshape(self, *shape: Any, ndim: int | None = None) -> TensorVariable:
        """Another shape for the same elements; one size may be -1."""
        sizes: Any = shape[0] if len(shape) == 1 else shape
        if len(shape) == 2 and ndim is None and isinstance(shape[0], (list, tuple)):
            sizes, ndim = shape
        return shapes.reshape(self, sizes, ndim)

    def flatten(self, ndim: int | None = None, outdim: int | None = None) -> TensorVariable:
        """The last dimensions merged, so that `ndim` (1) are left."""
        return shapes.flatten(self, ndim, outdim)

    def ravel(self) -> TensorVariable:
        """All dimensions merged."""
        return shapes.flatten(self)

    def swapaxes(self, axis1: int, axis2: int) -> TensorVariable:
        """Two dimensions exchanged."""
        return shapes.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> TensorVariable:
        """Without broadcastable dimensions."""
        return shapes.squeeze(self, axis)

    def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> TensorVariable:
        """Elements at `indices` along `axis`, or of the flattened tensor."""
        return positions.take(self, indices, axis, mode)

    def repeat(self, repeats: Any, axis: int | None = None) -> TensorVariable:
        """Each element several times."""
        return rearranging.repeat(self, repeats, axis)

    def compress(self, a: Any, axis: int | None = None) -> TensorVariable:
        """The elements for which the vector `a` is not 0."""
        return positions.compress(a, self, axis)

    def choose(self, choices: Any, out: Any = None, mode: str = "raise") -> TensorVariable:
        """Element by element of the choices the one with this number."""
        return positions.choose(self, choices, out, mode)

    # ------------------------------------------------------------ dtype
    def astype(self, dtype: Any) -> TensorVariable:
        """Another dtype; `"floatX"` names the configured one."""
        return ew.cast(self, dtype)

    def copy(self, name: str | None = None) -> TensorVariable:
        """A new variable with the same value."""
        out = wrap(emit("copy", as_tensor_variable(self).value_))
        if name is not None:
            out.name = name
        return out

    # ------------------------------------------------------------ functions
    def dot(self, y: Any) -> TensorVariable:
        """The matrix product."""
        return linear.dot(self, y)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> TensorVariable:
        """The elements of a diagonal."""
        return diagonals.diagonal(self, offset, axis1, axis2)

    def trace(self) -> TensorVariable:
        """The sum of the diagonal."""
        return diagonals.trace(self)

    def norm(self, L: Any, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """The norm of order `L`."""
        return linear.norm(self, L, axis, keepdims)

    def sum(
        self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
    ) -> TensorVariable:
        """The sum over `axis` (all)."""
        return reduction.sum(self, axis, dtype, keepdims, acc_dtype)

    def prod(
        self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
    ) -> TensorVariable:
        """The product over `axis` (all)."""
        return reduction.prod(self, axis, dtype, keepdims, acc_dtype)

    def mean(
        self, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
    ) -> TensorVariable:
        """The mean over `axis` (all)."""
        return reduction.mean(self, axis, dtype, False, keepdims, acc_dtype)

    def var(
        self, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
    ) -> TensorVariable:
        """The variance over `axis` (all)."""
        return reduction.var(self, axis, ddof, keepdims, corrected)

    def std(
        self, axis: Any = None, ddof: int = 0, keepdims: bool = False, corrected: bool = False
    ) -> TensorVariable:
        """The standard deviation over `axis` (all)."""
        return reduction.std(self, axis, ddof, keepdims, corrected)

    def max(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """The largest over `axis` (all)."""
        return reduction.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """The smallest over `axis` (all)."""
        return reduction.min(self, axis, keepdims)

    def argmax(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """Where the largest is."""
        return reduction.argmax(self, axis, keepdims)

    def argmin(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """Where the smallest is."""
        return reduction.argmin(self, axis, keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """Whether all elements are non-zero."""
        return reduction.all(self, axis, keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> TensorVariable:
        """Whether any element is non-zero."""
        return reduction.any(self, axis, keepdims)

    def ptp(self, axis: Any = None) -> TensorVariable:
        """max - min."""
        return reduction.ptp(self, axis)

    def nonzero(self, return_matrix: bool = False) -> Any:
        """The places of the elements that are not zero: a tuple with an int64 vector for each axis."""
        return masks.nonzero(self, return_matrix)

    def nonzero_values(self) -> TensorVariable:
        """The elements that are not zero."""
        return masks.nonzero_values(self)

    def sort(self, axis: Any = -1, kind: str = "quicksort", order: Any = None) -> TensorVariable:
        """In ascending order along `axis`."""
        return sorting.sort(self, axis, kind, order)

    def argsort(self, axis: Any = -1, kind: str = "quicksort", order: Any = None) -> TensorVariable:
        """The positions of the elements in ascending order."""
        return sorting.argsort(self, axis, kind, order)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> TensorVariable:
        """Where `v` belongs in this, which is ascending."""
        return sorting.searchsorted(self, v, side, sorter)

    def cumsum(self, axis: int | None = None) -> TensorVariable:
        """The running sum along `axis`, or of the flattened tensor."""
        return cumulative.cumsum(self, axis)

    def cumprod(self, axis: int | None = None) -> TensorVariable:
        """The running product along `axis`, or of the flattened tensor."""
        return cumulative.cumprod(self, axis)

    def clip(self, a_min: Any, a_max: Any) -> TensorVariable:
        """Not below `a_min` nor above `a_max`."""
        return ew.clip(self, a_min, a_max)

    def round(self, mode: str = "half_to_even") -> TensorVariable:
        """The nearest integer."""
        return ew.round(self, mode)

    def fill(self, value: Any) -> TensorVariable:
        """`value` in the shape of this."""
        return creation.fill(self, value)

    def zeros_like(self, dtype: Any = None) -> TensorVariable:
        """Zeros in the shape of this."""
        return creation.zeros_like(self, dtype)

    def ones_like(self, dtype: Any = None) -> TensorVariable:
        """Ones in the shape of this."""
        return creation.ones_like(self, dtype)

    # ------------------------------------------------------------ elementwise
    def exp(self) -> TensorVariable:
        """e to the power of this."""
        return ew.exp(self)

    def exp2(self) -> TensorVariable:
        """2 to the power of this."""
        return ew.exp2(self)

    def expm1(self) -> TensorVariable:
        """exp - 1."""
        return ew.expm1(self)

    def log(self) -> TensorVariable:
        """The natural logarithm."""
        return ew.log(self)

    def log2(self) -> TensorVariable:
        """The logarithm to base 2."""
        return ew.log2(self)

    def log10(self) -> TensorVariable:
        """The logarithm to base 10."""
        return ew.log10(self)

    def log1p(self) -> TensorVariable:
        """log(1 + this)."""
        return ew.log1p(self)

    def sin(self) -> TensorVariable:
        """The sine."""
        return ew.sin(self)

    def cos(self) -> TensorVariable:
        """The cosine."""
        return ew.cos(self)

    def tan(self) -> TensorVariable:
        """The tangent."""
        return ew.tan(self)

    def arcsin(self) -> TensorVariable:
        """The inverse sine."""
        return ew.arcsin(self)

    def arccos(self) -> TensorVariable:
        """The inverse cosine."""
        return ew.arccos(self)

    def arctan(self) -> TensorVariable:
        """The inverse tangent."""
        return ew.arctan(self)

    def sinh(self) -> TensorVariable:
        """The hyperbolic sine."""
        return ew.sinh(self)

    def cosh(self) -> TensorVariable:
        """The hyperbolic cosine."""
        return ew.cosh(self)

    def tanh(self) -> TensorVariable:
        """The hyperbolic tangent."""
        return ew.tanh(self)

    def arcsinh(self) -> TensorVariable:
        """The inverse hyperbolic sine."""
        return ew.arcsinh(self)

    def arccosh(self) -> TensorVariable:
        """The inverse hyperbolic cosine."""
        return ew.arccosh(self)

    def arctanh(self) -> TensorVariable:
        """The inverse hyperbolic tangent."""
        return ew.arctanh(self)

    def sqrt(self) -> TensorVariable:
        """The square root."""
        return ew.sqrt(self)

    def ceil(self) -> TensorVariable:
        """The least integer not below."""
        return ew.ceil(self)

    def floor(self) -> TensorVariable:
        """The largest integer not above."""
        return ew.floor(self)

    def trunc(self) -> TensorVariable:
        """Without the fraction."""
        return ew.trunc(self)

    def deg2rad(self) -> TensorVariable:
        """From degrees to radians."""
        return ew.deg2rad(self)

    def rad2deg(self) -> TensorVariable:
        """From radians to degrees."""
        return ew.rad2deg(self)

    @property
    def real(self) -> TensorVariable:
        """The real part."""
        return complexes.real(self)

    @property
    def imag(self) -> TensorVariable:
        """The imaginary part."""
        return complexes.imag(self)

    def conj(self) -> TensorVariable:
        """The complex conjugate."""
        return complexes.conj(self)

    def conjugate(self) -> TensorVariable:
        """The complex conjugate."""
        return complexes.conj(self)
