"""Types of the IR: dtypes, symbolic dimensions, and the tensor type `f32[n,784]`.

A dimension is a Python int, or a `Dim`: a polynomial with integer coefficients over named symbols
(`n`, `2*n+1`, `n*m`). Polynomials are closed under what shape arithmetic needs (sum, difference,
product, exact quotient), and have one canonical form, so equal dimensions compare and hash equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from arignote.ir.diag import IRError

#: IR name -> NumPy name. The order is that of promotion within a kind.
DTYPES: dict[str, str] = {
    "bool": "bool",
    "i8": "int8", "i16": "int16", "i32": "int32", "i64": "int64",
    "u8": "uint8", "u16": "uint16", "u32": "uint32", "u64": "uint64",
    "f16": "float16", "bf16": "bfloat16", "f32": "float32", "f64": "float64",
    "c64": "complex64", "c128": "complex128",
}  # fmt: skip
#: NumPy's dtype of bf16, of a kind of its own: ml_dtypes brings it, and its name.
BFLOAT16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
FROM_NUMPY: dict[str, str] = {numpy_name: name for name, numpy_name in DTYPES.items()}

Monomial = tuple[tuple[str, int], ...]  # (("m", 1), ("n", 2)) is m*n^2; () is the constant term


class Dim:
    """A symbolic dimension: a non-constant polynomial over symbols, immutable and canonical.

    Build one with `Dim.symbol("n")` and arithmetic; results that turn out constant become ints.
    """

    __slots__ = ("_hash", "terms")

    def __init__(self, terms: Iterable[tuple[Monomial, int]]) -> None:
        self.terms: tuple[tuple[Monomial, int], ...] = tuple(terms)
        self._hash = hash(self.terms)

    @staticmethod
    def symbol(name: str) -> Dim:
        """The dimension called `name` (letters, digits, `_` and `.`; starts with a letter)."""
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            raise IRError(f"{name!r} is not a name for a dimension")
        return Dim(((((name, 1),), 1),))

    @staticmethod
    def _make(terms: Mapping[Monomial, int]) -> DimLike:
        kept = {m: c for m, c in terms.items() if c}
        if not kept:
            return 0
        if set(kept) == {()}:
            return kept[()]
        # Highest degree first, then by name; the constant term last: `2*n+1`.
        return Dim(sorted(kept.items(), key=lambda t: (-sum(p for _, p in t[0]), t[0])))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: DimLike) -> DimLike:
        total = dict(self.terms)
        for monomial, coefficient in _terms(other):
            total[monomial] = total.get(monomial, 0) + coefficient
        return Dim._make(total)

    __radd__ = __add__

    def __neg__(self) -> DimLike:
        return Dim(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: DimLike) -> DimLike:
        return self + (-other)

    def __rsub__(self, other: int) -> DimLike:
        return (-self) + other

    def __mul__(self, other: DimLike) -> DimLike:
        total: dict[Monomial, int] = {}
        for m1, c1 in self.terms:
            for m2, c2 in _terms(other):
                powers = dict(m1)
                for symbol, power in m2:
                    powers[symbol] = powers.get(symbol, 0) + power
                monomial = tuple(sorted(powers.items()))
                total[monomial] = total.get(monomial, 0) + c1 * c2
        return Dim._make(total)

    __rmul__ = __mul__

    def symbols(self) -> frozenset[str]:
        """Names of the symbols that occur."""
        return frozenset(symbol for monomial, _ in self.terms for symbol, _ in monomial)

    def subs(self, env: Mapping[str, DimLike]) -> DimLike:
        """Replace symbols by dimensions or ints."""
        if not (self.symbols() & env.keys()):
            return self
        total: DimLike = 0
        for monomial, coefficient in self.terms:
            term: DimLike = coefficient
            for symbol, power in monomial:
                factor = env.get(symbol, Dim.symbol(symbol))
                for _ in range(power):
                    term = factor * term
            total = term + total
        return total

    def __str__(self) -> str:
        out = ""
        for monomial, coefficient in self.terms:
            factors = [s for s, power in monomial for _ in range(power)]
            body = "*".join(([] if abs(coefficient) == 1 and factors else [str(abs(coefficient))]) + factors)
            out += ("-" if coefficient < 0 else "+" if out else "") + body
        return out

    __repr__ = __str__


DimLike = int | Dim


def _terms(dim: DimLike) -> tuple[tuple[Monomial, int], ...]:
    return dim.terms if isinstance(dim, Dim) else (((), int(dim)),)


def subs_dim(dim: DimLike, env: Mapping[str, DimLike]) -> DimLike:
    """`dim` with its symbols replaced."""
    return dim.subs(env) if isinstance(dim, Dim) else dim


def dim_symbols(dims: Iterable[DimLike]) -> list[str]:
    """The symbols of `dims`, each once, in order of appearance."""
    return list(dict.fromkeys(s for d in dims if isinstance(d, Dim) for s in sorted(d.symbols())))


def prod_dims(dims: Iterable[DimLike]) -> DimLike:
    """The product of dimensions: the number of elements."""
    total: DimLike = 1
    for d in dims:
        total = d * total
    return total


def div_dim(numerator: DimLike, denominator: DimLike) -> DimLike | None:
    """The exact quotient, or None where it is not a polynomial with integer coefficients."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        return numerator // denominator if denominator and numerator % denominator == 0 else None
    divisor = _terms(denominator)
    if len(divisor) != 1:
        return 1 if numerator == denominator else None
    (monomial, coefficient) = divisor[0]
    if coefficient == 0:
        return None
    out: dict[Monomial, int] = {}
    for m, c in _terms(numerator):
        powers = dict(m)
        for symbol, power in monomial:
            powers[symbol] = powers.get(symbol, 0) - power
        if c % coefficient or any(p < 0 for p in powers.values()):
            return None
        out[tuple(sorted((s, p) for s, p in powers.items() if p))] = c // coefficient
    return Dim._make(out)


def scale_dim(dim: DimLike, numerator: int, denominator: int) -> DimLike:
    """`dim * numerator / denominator`, each coefficient rounded up: for counts of operations."""
    return Dim._make({m: -(-c * numerator // denominator) for m, c in _terms(dim)})


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of a value: a dtype (IR name), a shape, and the device it is placed on, if any.

    Prints as `f32[n,784]`, or `f32[n,784]@cuda` once placed on a device other than the host.
    """

    dtype: str
    shape: tuple[DimLike, ...]
    device: str | None = None

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise IRError(f"unknown dtype {self.dtype!r}; known are {', '.join(DTYPES)}")

    def __str__(self) -> str:
        device = f"@{self.device}" if self.device else ""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]{device}"

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """The NumPy dtype."""
        return np.dtype(DTYPES[self.dtype])

    @property
    def static(self) -> bool:
        """Whether every dimension is a number."""
        return all(isinstance(d, int) for d in self.shape)

    @property
    def size(self) -> DimLike:
        """Number of elements."""
        return prod_dims(self.shape)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self.numpy_dtype.itemsize

    def subs(self, env: Mapping[str, DimLike]) -> TensorType:
        """This type with symbols replaced."""
        if self.static:
            return self
        return TensorType(self.dtype, tuple(subs_dim(d, env) for d in self.shape), self.device)

    def with_shape(self, shape: Iterable[DimLike]) -> TensorType:
        """Same dtype and device, another shape."""
        return TensorType(self.dtype, tuple(shape), self.device)

    def with_dtype(self, dtype: str) -> TensorType:
        """Same shape and device, another dtype."""
        return TensorType(dtype, self.shape, self.device)


def type_of(array: np.ndarray) -> TensorType:
    """The type of a NumPy array."""
    name = FROM_NUMPY.get(array.dtype.name)
    if name is None:
        raise IRError(f"arrays of dtype {array.dtype} have no IR type; known are {', '.join(FROM_NUMPY)}")
    return TensorType(name, array.shape)


def is_float(dtype: str) -> bool:
    """f16, bf16, f32, f64."""
    return dtype[0] == "f" or dtype == "bf16"


def may_be_nan(dtype: np.dtype[Any]) -> bool:
    """Whether a dtype of NumPy's is a float or complex."""
    return dtype.kind in "fc" or dtype == BFLOAT16


def is_complex(dtype: str) -> bool:
    """c64, c128."""
    return dtype[0] == "c"


def is_integer(dtype: str) -> bool:
    """Signed and unsigned integers, not bool."""
    return dtype[0] in "iu"


def is_differentiable(dtype: str) -> bool:
    """Whether gradients flow through values of this dtype."""
    return is_float(dtype) or is_complex(dtype)


def promote(*dtypes: str) -> str:
    """The dtype of a result that mixes `dtypes`: NumPy's promotion of arrays (Theano's upcast).

    bf16 goes with other dtypes as f16 does; the two together become f32.
    """
    if "bf16" in dtypes:
        others = [d for d in dtypes if d != "bf16"]
        wide = promote("f16", *others)
        return "bf16" if wide == "f16" and "f16" not in others else promote("f32", *others) if wide == "f16" else wide
    return FROM_NUMPY[np.result_type(*(np.dtype(DTYPES[d]) for d in dtypes)).name]


def broadcast_shapes(shapes: Iterable[tuple[DimLike, ...]]) -> tuple[DimLike, ...]:
    """The common shape under NumPy's rule: aligned right, a literal 1 stretches.

    Where two different symbols meet, or a symbol and a number, they must turn out equal at the call (the number
    is kept, else the first symbol); only a dimension that *is* 1 in the type broadcasts, as in Theano.
    """
    out: list[DimLike] = []
    all_shapes = list(shapes)
    for shape in all_shapes:
        lead: list[DimLike] = [1] * (len(shape) - len(out))
        out = lead + out
        for axis in range(1, len(shape) + 1):
            have, new = out[-axis], shape[-axis]
            if have == new or (isinstance(new, int) and new == 1):
                continue
            if isinstance(have, int) and have == 1:
                out[-axis] = new
            elif isinstance(have, int) and isinstance(new, int):
                printed = " and ".join("(" + ",".join(map(str, s)) + ")" for s in all_shapes)
                raise IRError(f"shapes {printed} do not broadcast: {have} against {new} on axis -{axis}")
            else:
                _meet(have, new)
                out[-axis] = better_dim(have, new)
    return tuple(out)


def same_dim(a: DimLike, b: DimLike) -> bool:
    """False only where both are known and differ: what is symbolic is checked at the call."""
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    if a != b:
        _meet(a, b)
    return True


_met: ContextVar[list[tuple[DimLike, DimLike]] | None] = ContextVar("met", default=None)


def _meet(a: DimLike, b: DimLike) -> None:
    met = _met.get()
    if met is not None:
        met.append((a, b))


@contextmanager
def meetings() -> Iterator[list[tuple[DimLike, DimLike]]]:
    """Collects what inference takes for equal in the meantime, though one of the two is symbolic."""
    met: list[tuple[DimLike, DimLike]] = []
    token = _met.set(met)
    try:
        yield met
    finally:
        _met.reset(token)


def better_dim(a: DimLike, b: DimLike) -> DimLike:
    """Of two dimensions that must be equal, the one that says more."""
    return b if isinstance(b, int) else a
