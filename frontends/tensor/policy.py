"""Which dimensions a compiled function is specialised to.

The first call specialises to its shapes: every dimension is a number. A dimension that has another
size in a later call becomes a symbol for good (automatic dynamic shapes), so a loop over batches
of a hundred lengths compiles twice. Dimensions that become symbols together and have had equal
sizes in every call share a symbol, so `x + y` of two such inputs needs no check in the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arignote.ir.types import Dim, DimLike


@dataclass(frozen=True)
class Plan:
    """A specialisation: for each symbol a size, or the symbol it shares.

    Attributes:
        dims: what `Specialize` takes; symbols that stay as they are do not appear.
        fixed: the sizes that a call must have.
        groups: symbols that must have equal sizes in a call.
    """

    dims: tuple[tuple[str, DimLike], ...]
    fixed: tuple[tuple[str, int], ...]
    groups: tuple[tuple[str, ...], ...]

    def admits(self, sizes: Mapping[str, int]) -> bool:
        """Whether a call with these sizes may run under this plan."""
        return all(sizes[s] == n for s, n in self.fixed) and all(
            sizes[g[0]] == sizes[s] for g in self.groups for s in g
        )


class ShapePolicy:
    """Decides plans from the sizes seen so far. Knows nothing of compilers.

    Args:
        symbols: the symbols of the function's inputs.
        limit: plans after which all dimensions that vary at all become symbols.
    """

    def __init__(self, symbols: tuple[str, ...], limit: int = 8) -> None:
        self.symbols = symbols
        self.limit = limit
        self.dynamic: set[str] = set()
        self._seen: dict[str, int] = {}
        self._class: dict[str, int] = dict.fromkeys(symbols, 0)
        self.plans = 0

    def copy(self) -> ShapePolicy:
        """Another policy that has seen the same."""
        other = ShapePolicy(self.symbols, self.limit)
        other.dynamic, other._seen, other.plans = set(self.dynamic), dict(self._seen), self.plans
        other._class = self._class  # which is replaced, never changed
        return other

    def plan(self, sizes: Mapping[str, int]) -> Plan:
        """The plan for a call that no earlier plan admits."""
        self.observe(sizes)
        self.plans += 1
        if self.plans > self.limit:
            self.dynamic.update(self.symbols)
        dims: list[tuple[str, DimLike]] = []
        fixed: list[tuple[str, int]] = []
        members: dict[int, list[str]] = {}
        for s in self.symbols:
            if s in self.dynamic:
                members.setdefault(self._class[s], []).append(s)
            else:
                dims.append((s, sizes[s]))
                fixed.append((s, sizes[s]))
        for group in members.values():
            dims += [(s, Dim.symbol(group[0])) for s in group[1:]]
        groups = tuple(tuple(g) for g in members.values() if len(g) > 1)
        return Plan(tuple(dims), tuple(fixed), groups)

    def observe(self, sizes: Mapping[str, int]) -> None:
        """Take note of a call: what changed, and what is still equal."""
        for s in self.symbols:
            if self._seen.setdefault(s, sizes[s]) != sizes[s]:
                self.dynamic.add(s)
        # Symbols stay in one class for as long as their sizes have agreed in every call.
        pairs = [(self._class[s], sizes[s]) for s in self.symbols]
        numbers = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}
        self._class = {
            s: numbers[pair] for s, pair in zip(self.symbols, pairs, strict=True)
        }
