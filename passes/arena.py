"""The workspace that a plan gives out: places, which are free again when their values die."""

from __future__ import annotations

from arignote.ir.types import DimLike

ALIGN = 64


class Arena:
    """Places `arena+128` for sizes that are known, `slot.2` for others. `size` and `slots` are what there must be.

    Without `share`, no place is given out twice.
    """

    def __init__(self, share: bool = True) -> None:
        self.share = share
        self.size = 0
        self.slots: list[DimLike] = []  # sizes in bytes of the blocks of symbolic size
        self._free: list[tuple[int, int]] = []  # (offset, size) of free runs, sorted
        self._free_slots: dict[DimLike, list[int]] = {}
        self._sizes: dict[str, int] = {}
        self._holders: dict[str, int] = {}

    def allocate(self, nbytes: DimLike, holders: int = 1) -> str:
        """A place, which is free when `holders` values have released it."""
        place = self._slot(nbytes) if not isinstance(nbytes, int) else self._run(nbytes)
        self._holders[place] = holders
        return place

    def _slot(self, nbytes: DimLike) -> str:
        free = self._free_slots.get(nbytes)
        if free:
            return f"slot.{free.pop()}"
        self.slots.append(nbytes)
        return f"slot.{len(self.slots) - 1}"

    def _run(self, nbytes: int) -> str:
        size = -(-max(nbytes, 1) // ALIGN) * ALIGN
        best = min((f for f in self._free if f[1] >= size), key=lambda f: (f[1], f[0]), default=None)
        if best is None:
            offset = self.size
            if self._free and sum(self._free[-1]) == self.size:  # grow the last free run
                offset = self._free.pop()[0]
            self.size = offset + size
        else:
            offset = best[0]
            self._free.remove(best)
            if best[1] > size:
                self._free.append((offset + size, best[1] - size))
                self._free.sort()
        place = f"arena+{offset}"
        self._sizes[place] = size
        return place

    def exclusive(self, place: str) -> bool:
        """Whether a place belongs to one value."""
        return self._holders.get(place) == 1

    def release(self, place: str) -> None:
        """A value that holds `place` has died; memory that is not of the workspace stays as it is."""
        place = place.removeprefix("later/")
        if place not in self._holders or not self.share:
            return
        self._holders[place] -= 1
        if self._holders[place]:
            return
        del self._holders[place]
        kind, number = place[:5], int(place[6:] if place.startswith("arena") else place[5:])
        if kind == "slot.":
            self._free_slots.setdefault(self.slots[number], []).append(number)
            return
        runs = sorted([*self._free, (number, self._sizes.pop(place))])
        self._free = []
        for offset, size in runs:
            if self._free and sum(self._free[-1]) == offset:
                self._free[-1] = (self._free[-1][0], self._free[-1][1] + size)
            else:
                self._free.append((offset, size))
