"""Sequences of different lengths as arrays: padding, masks, sorting, buckets. NumPy only."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike

from arignote.frontends.layers.init import Array

Side = Literal["front", "behind"]


def pad_sequences(
    sequences: Sequence[Any], length: int | None = None, side: Side = "front", truncate: Side = "front",
    value: float = 0, dtype: DTypeLike = "int32",
) -> tuple[Array, Array]:  # fmt: skip
    """Sequences as one array (n, length, ...), and the mask, float32 (n, length): 1 where there is data.

    Args:
        sequences: arrays or lists; beyond the first axis their shapes agree.
        length: of all; by default the longest one's.
        side: where `value` is put in.
        truncate: from where sequences that are longer lose elements.

    Raises:
        ValueError: there are no sequences, or their further sizes differ.
    """
    arrays = [np.asarray(s, dtype) for s in sequences]
    if not arrays:
        raise ValueError("there are no sequences to pad")
    for name, option in (("side", side), ("truncate", truncate)):
        if option not in ("front", "behind"):
            raise ValueError(f"{name} is 'front' or 'behind', not {option!r}")
    rests = {a.shape[1:] for a in arrays}
    if len(rests) != 1:
        raise ValueError(f"sequences have elements of different shapes: {sorted(rests)}")
    size = max(len(a) for a in arrays) if length is None else length
    out = np.full((len(arrays), size, *rests.pop()), value, dtype)
    mask = np.zeros((len(arrays), size), np.float32)
    for row, a in enumerate(arrays):
        kept = a[max(0, len(a) - size) :] if truncate == "front" else a[:size]
        where = slice(size - len(kept), size) if side == "front" else slice(0, len(kept))
        out[row, where], mask[row, where] = kept, 1
    return out, mask


def sort_by_length(sequences: Sequence[Any]) -> Array:
    """The order, int64[n], in which sequences are from short to long; equal ones stay in theirs."""
    return np.argsort([len(s) for s in sequences], kind="stable")


def buckets(
    lengths: Sequence[int], batch: int, boundaries: Sequence[int] | None = None,
    rng: np.random.RandomState | None = None,
) -> list[Array]:  # fmt: skip
    """Minibatches of sequences of similar lengths, as arrays of their numbers; each sequence is in one of them.

    Args:
        lengths: of all sequences.
        batch: sequences in a minibatch; those left over in a bucket are a smaller one.
        boundaries: rising lengths; a bucket holds those above one boundary, up to the next. None: by order of length.
        rng: shuffles sequences within buckets, and minibatches; by default both are in order.
    """
    if batch < 1:
        raise ValueError(f"batch must be at least 1, not {batch}")
    sizes = np.asarray(lengths)
    # Of equal lengths in any order, so that minibatches differ from epoch to epoch.
    start = np.arange(len(sizes)) if rng is None else rng.permutation(len(sizes))
    if boundaries is None:
        groups = [start[np.argsort(sizes[start], kind="stable")]]
    else:
        if any(a >= b for a, b in itertools.pairwise(boundaries)):
            raise ValueError(f"boundaries must rise: {list(boundaries)}")
        where = np.searchsorted(np.asarray(boundaries), sizes[start], side="left")
        groups = [start[where == k] for k in range(len(boundaries) + 1)]
    found = [group[i : i + batch] for group in groups for i in range(0, len(group), batch)]
    if rng is not None:
        rng.shuffle(found)
    return found


class Buckets:
    """Minibatches (padded sequences, targets) for `Model.fit`, padded to the longest of each minibatch only.

    Every pass over it is an epoch; with a seed each has another order.

    Args:
        sequences: lists or arrays of integers or of rows.
        targets: an array with a row for each sequence.
        batch, boundaries: as for `buckets`.
        side: where sequences are padded.
        seed: None keeps the order.
    """

    def __init__(
        self, sequences: Sequence[Any], targets: Any, batch: int, boundaries: Sequence[int] | None = None,
        side: Side = "front", seed: int | None = None, dtype: DTypeLike = "int32",
    ) -> None:  # fmt: skip
        self.sequences, self.targets = sequences, np.asarray(targets)
        if len(self.targets) != len(sequences):
            raise ValueError(f"{len(sequences)} sequences, but {len(self.targets)} targets")
        self.batch, self.boundaries, self.side, self.dtype = batch, boundaries, side, dtype
        self.lengths = [len(s) for s in sequences]
        self.rng = None if seed is None else np.random.RandomState(seed)

    def __len__(self) -> int:
        return len(buckets(self.lengths, self.batch, self.boundaries))

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for rows in buckets(self.lengths, self.batch, self.boundaries, self.rng):
            x, _ = pad_sequences([self.sequences[i] for i in rows], side=self.side, dtype=self.dtype)
            yield x, self.targets[rows]
