"""Random bits as a pure function of a state: the counter-based generator Philox-4x32-10.

A state is i64[3]: the key, and the lower and the higher half of a 128-bit counter; all are bit patterns. One evaluation
of Philox, a block, gives four words of 32 bits. Element i of a result is word (i // 16) % 4 of block
16 * (i // 64) + i % 16, so that 16 blocks side by side fill 64 elements in four contiguous runs: a layout that vector
units of every width take, with no word wasted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote.ir.builder import Builder
from arignote.ir.core import Op, Value
from arignote.ir.diag import require
from arignote.ir.opdef import defop
from arignote.ir.ops.rules import Array, Samples, bind, broadcast_types, check_bound, unbind
from arignote.ir.types import DimLike, TensorType, same_dim

#: Blocks side by side, and elements that they fill.
LANES = 16
GROUP = 4 * LANES
ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)

Shape = tuple[DimLike, ...]
Positions = tuple[int, ...]


def blocks(count: Any) -> Any:
    """How far a draw of `count` elements advances the counter."""
    return (count + (GROUP - 1)) // GROUP * LANES


def philox(counter: list[Array], key: list[Array]) -> list[Array]:
    """Philox-4x32-10 on arrays of uint64 that hold 32 bits each: four words of counter, two of key, four results.

    J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        a, b = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (b >> _HALF) ^ c1 ^ k0, b & _LOW, (a >> _HALF) ^ c3 ^ k1, a & _LOW
        k0, k1 = (k0 + np.uint64(WEYL[0])) & _LOW, (k1 + np.uint64(WEYL[1])) & _LOW
    return [c0, c1, c2, c3]


def words_of(key: Array, low: Array, high: Array, part: Array, block: Array) -> list[Array]:
    """The four words, as u64, of blocks counted from the counter; all that is given is i64."""
    with np.errstate(over="ignore"):  # the counter wraps
        place = low.astype(np.uint64) + block.astype(np.uint64)
        top = (high.astype(np.uint64) >> _HALF) + part.astype(np.uint64)
        k, h = key.astype(np.uint64), high.astype(np.uint64)
        return philox([place & _LOW, place >> _HALF, h & _LOW, top & _LOW], [k & _LOW, k >> _HALF])


def scalar_words(k: Any, key: Any, low: Any, high: Any, part: Any, block: Any) -> tuple[Any, Any, Any, Any]:
    """The four words u32 of a block, in the code generator's scalars: all that is given is i64.

    All is done in u64, whose upper halves hold rubbish until a product takes the lower ones: a vector unit then needs
    neither masks nor shuffles between words of 32 bits and products of 64.
    """

    def upper(x: Any) -> Any:
        return x >> k.const(32, "u64")

    def product(x: Any, multiplier: int) -> Any:
        return k.named((x & k.const(0xFFFFFFFF, "u64")) * k.const(multiplier, "u64"))

    c0, c2 = k.named(k.cast(low, "u64") + k.cast(block, "u64")), k.cast(high, "u64")
    c1, c3 = upper(c0), upper(c2) + k.cast(part, "u64")
    k0 = k.cast(key, "u64")
    k1 = upper(k0)
    for r in range(ROUNDS):
        a, b = product(c0, MULTIPLIERS[0]), product(c2, MULTIPLIERS[1])
        c0 = k.named(upper(b) ^ c1 ^ (k0 + k.const(r * WEYL[0], "u64")))
        c2 = k.named(upper(a) ^ c3 ^ (k1 + k.const(r * WEYL[1], "u64")))
        c1, c3 = b, a
    return tuple(k.cast(c, "u32") for c in (c0, c1, c2, c3))


@defop
class random_bits:
    """random_bits(state: i64[3], *dims: i64[]) {shape, part=0, bound=()} -> u32[shape]: uniform words of 32 bits, a
    function of the state, `part` and the position alone: equal on every device, for any number of threads.

    Parts are independent draws from one state: `part` is added to the highest word of the counter. A draw advances
    the counter (which is for the caller to do) by `blocks(size)`; the lower half wraps.
    (C1) a state i64[3]. (C2) one operand per bound dimension. (C3) part >= 0.
    """

    traits = ("index", "position")
    vjp = None

    @staticmethod
    def infer(
        state: TensorType, *dims: TensorType, shape: Shape, part: int = 0, bound: Positions = ()
    ) -> TensorType:
        good = state.dtype == "i64" and state.ndim == 1 and same_dim(state.shape[0], 3)
        require(good, f"takes a state i64[3], got {state} (C1)")
        check_bound(dims, len(bound), "dimensions (C2)")
        require(0 <= part < 2**32, f"part {part} is not a word of 32 bits (C3)")
        return TensorType("u32", shape)

    @staticmethod
    def eval(state: Array, *dims: Array, shape: Shape, part: int = 0, bound: Positions = ()) -> Array:
        sizes = bind(shape, bound, dims)
        count = int(np.prod(sizes, dtype=np.int64))
        words = words_of(state[0], state[1], state[2], np.asarray(part), np.arange(blocks(count)))
        runs = np.stack([w.reshape(-1, LANES) for w in words], axis=1).astype(np.uint32)
        return np.asarray(runs.reshape(-1)[:count].reshape(sizes))

    @staticmethod
    def lower(k: Any, idx: Any, state: Any, *dims: Any, part: int = 0, **attrs: Any) -> Any:
        (i,) = idx
        block = ((i >> k.const(6, "i64")) << k.const(4, "i64")) | (i & k.const(LANES - 1, "i64"))
        words = scalar_words(k, state(0), state(1), state(2), k.const(part, "i64"), block)
        number = k.named((i >> k.const(4, "i64")) & k.const(3, "i64"))
        out = words[3]
        for w in (2, 1, 0):
            out = k.select(k.eq(number, k.const(w, "i64")), words[w], out)
        return out

    @staticmethod
    def fold(b: Builder, op: Op) -> Value | None:
        return unbind(b, op, 1)

    @staticmethod
    def samples() -> Samples:
        state = np.array([0x1234567890ABCDEF, 5, 2])
        wraps = np.array([-1, -3, -(2**32)])
        return [
            ((state,), {"shape": (3, 50)}),
            ((state,), {"shape": ()}),
            ((state,), {"shape": (0, 3)}),
            ((wraps,), {"shape": (67,), "part": 3}),
            ((state, np.asarray(2), np.asarray(5)), {"shape": (2, 5), "bound": (0, 1), "part": 1}),
        ]


@defop
class random_word:
    """random_word(key: i64[...], low: i64[...], high: i64[...], part: i64[...], block: i64[...]) {word} -> u32[...]:
    word 0 to 3 of a block, counted from the counter (high, low): Philox for one element at a time, where a loop
    decides how many draws it takes. (C1) integers i64. (C3) shapes broadcast. (C4) the number of a word.
    """

    traits = ("elementwise",)
    vjp = None

    @staticmethod
    def infer(*operands: TensorType, word: int) -> TensorType:
        good = len(operands) == 5 and all(t.dtype == "i64" for t in operands)
        require(good, f"takes five tensors i64, got {', '.join(map(str, operands))} (C1)")
        require(word in range(4), f"a block has words 0 to 3, not {word} (C4)")
        return broadcast_types(*operands).with_dtype("u32")

    @staticmethod
    def eval(key: Array, low: Array, high: Array, part: Array, block: Array, *, word: int) -> Array:
        return np.asarray(words_of(key, low, high, part, block)[word].astype(np.uint32))

    @staticmethod
    def lower(k: Any, *operands: Any, word: int) -> Any:
        return scalar_words(k, *operands)[word]

    @staticmethod
    def samples() -> Samples:
        state = [np.asarray(v) for v in (0x1234567890ABCDEF, 5, 2)]
        wraps = [np.asarray(v) for v in (-1, -3, -(2**32))]
        block = np.arange(6).reshape(2, 3)
        return [
            ((*state, np.asarray(0), np.asarray(7)), {"word": 0}),
            ((*wraps, np.asarray(3), block), {"word": 1}),
            ((*state, np.array([0, 1, 2]), block), {"word": 2}),
            ((*state, np.asarray(1), block[:0]), {"word": 3}),
        ]
