"""The arguments of `scan`: sequences and their taps, outputs and their initial values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from arignote.frontends.tensor import elementwise as ew
from arignote.frontends.tensor.convert import as_tensor_variable, label
from arignote.frontends.tensor.shapes import as_variable, dim_of, dim_value
from arignote.ir.core import Value
from arignote.ir.types import DimLike

if TYPE_CHECKING:
    from arignote.frontends.tensor.variable import TensorVariable


def _title(name: str | None) -> str:
    return f"scan {name!r}" if name else "scan"


def _entries(x: Any) -> list[Any]:
    return [] if x is None else list(x) if isinstance(x, (list, tuple)) else [x]


def _taps(taps: Any, what: str) -> tuple[int, ...]:
    listed = taps if isinstance(taps, (list, tuple)) else [taps]
    for tap in listed:
        if isinstance(tap, bool) or not isinstance(tap, int):
            raise TypeError(f"{what}: taps are integers, not {tap!r}")
    if not listed:
        raise ValueError(f"{what}: taps is empty")
    return tuple(listed)


@dataclass
class Sequence_:  # `Sequence` is the protocol
    """A sequence; step t sees its elements t + tap, counted so that none lies before the first one."""

    variable: TensorVariable
    taps: tuple[int, ...] = (0,)

    @property
    def low(self) -> int:
        """The lowest tap, of which 0 always counts as one."""
        return min(0, *self.taps)

    @property
    def extra(self) -> int:
        """How many elements there are more than steps."""
        return max(0, *self.taps) - self.low

    def length(self) -> DimLike:
        """The number of steps that there are elements for."""
        size: DimLike = self.variable.value_.shape[0]
        return size - self.extra

    def length_value(self) -> int | Value:
        """`length`, as a number or a scalar."""
        size = dim_of(self.variable.value_, 0)
        if not self.extra:
            return size
        return size - self.extra if isinstance(size, int) else (as_variable(size) - self.extra).value_

    def rows(self, steps: DimLike, backwards: bool) -> Iterator[tuple[int, Value]]:
        """Each tap, with the elements for the steps: the first ones, or the last ones of a loop that goes backwards."""
        skipped: TensorVariable | None = None
        if backwards and self.length() != steps:
            skipped = ew.maximum(as_variable(self.length_value()) - as_variable(_size(steps)), 0)
        for tap in self.taps:
            start = tap - self.low
            if not start and self.variable.value_.shape[0] == steps:
                yield tap, self.variable.value_
            else:
                stop = as_variable(_size(steps))
                first = start if skipped is None else skipped + start
                x = self.variable[:stop] if skipped is None and not start else self.variable[first : stop + first]
                part = x.value_
                if part.owner is not None:  # for messages; a whole sequence keeps its own name
                    part.name = part.name or self.tap_name(tap)
                yield tap, part

    def meanings(self, number: int) -> list[str]:
        """What the arguments of `fn` are, for messages."""
        at = [f" at t{tap:+}" if tap else "" for tap in self.taps]
        return [f"an element of sequence {number}, {label(self.variable)}{where}" for where in at]

    def tap_name(self, tap: int) -> str | None:
        """What the element is called."""
        name = self.variable.name
        return None if name is None else f"{name}[t{tap:+}]" if tap else f"{name}[t]"


def _size(steps: DimLike) -> int | Value:
    """A number of steps as a number or a scalar."""
    return steps if isinstance(steps, int) else dim_value(steps)


@dataclass
class Output:
    """An output; `initial` and `taps` say what of its past is fed back."""

    initial: TensorVariable | None = None
    taps: tuple[int, ...] = field(default=())

    @property
    def depth(self) -> int:
        """How many earlier values are kept."""
        return -min(self.taps) if self.taps else 0

    @property
    def name(self) -> str | None:
        """What the output is called."""
        return None if self.initial is None else self.initial.name

    def meanings(self, number: int) -> list[str]:
        """What the arguments of `fn` are, for messages."""
        return [f"output {number} at t{tap}" for tap in self.taps]

    def initial_values(self) -> list[Value]:
        """The values before the first step, the latest first."""
        if self.initial is None:
            return []
        if self.taps == (-1,):
            return [self.initial.value_]
        return [self.initial[self.depth - 1 - j].value_ for j in range(self.depth)]


def sequence_infos(sequences: Any, name: str | None) -> list[Sequence_]:
    """The sequences of `scan`.

    Raises:
        TypeError, ValueError: an entry is no sequence.
    """
    out = []
    for i, entry in enumerate(_entries(sequences)):
        what = f"{_title(name)}: sequence {i}"
        taps: Any = (0,)
        if isinstance(entry, Mapping):
            unknown = sorted(set(entry) - {"input", "taps"})
            if unknown or "input" not in entry:
                raise ValueError(f"{what} is a dict with the keys {sorted(entry)}; it takes 'input' and 'taps'")
            taps = entry.get("taps")
            taps = (0,) if taps is None else _taps(taps, what)
            entry = entry["input"]
        variable = as_tensor_variable(entry)
        if not variable.ndim:
            raise TypeError(f"{what}, {label(variable)}, is a scalar: there is nothing to loop over")
        found = Sequence_(variable, taps)
        size = found.length()
        if isinstance(size, int) and size < 0:
            raise ValueError(
                f"{what}, {label(variable)}, has {variable.value_.shape[0]} elements, too few for its taps {list(taps)}"
            )
        out.append(found)
    return out


def output_infos(outputs_info: Any, name: str | None) -> list[Output]:
    """What `outputs_info` says of each output.

    Raises:
        TypeError, ValueError: an entry is no initial value.
    """
    out = []
    for i, entry in enumerate(_entries(outputs_info)):
        what = f"{_title(name)}: output {i}"
        if entry is None:
            out.append(Output())
            continue
        taps: tuple[int, ...] = (-1,)
        if isinstance(entry, Mapping):
            unknown = sorted(set(entry) - {"initial", "taps", "membuf", "inplace", "return_steps", "store_steps"})
            if unknown:
                raise ValueError(f"{what}: outputs_info has the keys {unknown}; it takes 'initial' and 'taps'")
            given = entry.get("taps")
            initial = entry.get("initial")
            if initial is None:
                if given:
                    raise ValueError(f"{what} has taps {given}, but no initial value: give 'initial'")
                out.append(Output())
                continue
            if given is not None:
                taps = _taps(given, what)
            entry = initial
        if max(taps) >= 0:
            raise ValueError(f"{what} has the tap {max(taps)}: only earlier outputs are fed back, by taps below 0")
        variable = as_tensor_variable(entry)
        found = Output(variable, taps)
        if taps != (-1,):
            _check_rows(found, what)
        out.append(found)
    return out


def _check_rows(output: Output, what: str) -> None:
    assert output.initial is not None
    size = output.initial.value_.shape[0] if output.initial.ndim else None
    if size is None or (isinstance(size, int) and size < output.depth):
        rows = "is a scalar" if size is None else f"has {size} rows"
        raise ValueError(
            f"{what} has the taps {list(output.taps)}, so its initial value needs {output.depth} rows, one for each "
            f"step back to the lowest tap; {label(output.initial)} {rows}"
        )
