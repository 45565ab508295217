"""Planned functions run in the memory that the plan gives them: what it lets two values share, they share here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arignote.ir.core import Func, Op
from arignote.ir.interp import Watch, run
from arignote.ir.opdef import OPS, semantic
from arignote.ir.symbols import attr_dims

Array = np.ndarray[Any, Any]


def is_planned(func: Func) -> bool:
    """Whether every result has its memory."""
    return any("mem" in op.attrs for op in func.ops)


def run_planned(
    func: Func, inputs: Sequence[Array], states: Mapping[str, Array], watch: Watch | None = None
) -> tuple[list[Array], dict[str, Array]]:
    """Run a planned function as `interp.run` does, with its values in one workspace, in outputs and in states.

    A value that the plan has overwritten before its last use makes other results than it should.
    """
    own = {name: np.array(x) for name, x in states.items()}
    results, after = run(func, inputs, own, watch, _Memory(func, own).place)
    return [np.array(x) for x in results], {name: np.array(x) for name, x in after.items()}


class _Memory:
    """The workspace, the outputs and the states of a run."""

    def __init__(self, func: Func, states: Mapping[str, Array]) -> None:
        self.ops = set(func.ops)
        self.states = states
        self.arena = np.zeros(int(func.attrs.get("arena", 0)) or 1, np.uint8)
        self.blocks: dict[str, Array] = {}

    def place(self, op: Op, operands: Sequence[Array], results: tuple[Array, ...]) -> tuple[Array, ...]:
        """The results, stored where the plan says."""
        if op not in self.ops or "mem" not in op.attrs:
            return results
        return tuple(
            self._store(op, str(mem), operands, x) for mem, x in zip(op.attrs["mem"], results, strict=False)
        )

    def _store(self, op: Op, mem: str, operands: Sequence[Array], x: Array) -> Array:
        kind, _, rest = mem.replace("+", ".", 1).partition(".")
        if kind == "view":
            return self._view(op, operands, x)
        if kind in ("host", "const"):
            return x
        target: Array
        if kind == "arena":
            target = _as(self.arena[int(rest) :], x)
        elif kind == "state":
            target = self.states[rest]
            if target.shape != x.shape:  # the variable gets another array
                return x
        else:  # out.0, slot.2: blocks of their own
            block = self.blocks.get(mem)
            if block is None or block.nbytes < x.nbytes:
                block = self.blocks[mem] = np.zeros(max(x.nbytes, 1), np.uint8)
            target = _as(block, x)
        target[...] = x
        return target

    @staticmethod
    def _view(op: Op, operands: Sequence[Array], x: Array) -> Array:
        """`x` as the part of its first operand that it is."""
        base = operands[0]
        if x.size == 0 or not base.flags.c_contiguous:
            return x
        start = 0
        if op.name == "slice":
            if any(True for a in op.attrs.values() for _ in attr_dims(a)):
                return x  # of a size that only the run knows: a copy
            numbers = np.arange(base.size).reshape(base.shape)
            start = int(OPS[op.name].eval(numbers, *operands[1:], **semantic(op.attrs)).flat[0])
        return base.reshape(-1)[start : start + x.size].reshape(x.shape)


def _as(memory: Array, x: Array) -> Array:
    """The beginning of `memory` as an array like `x`."""
    return memory[: x.nbytes].view(x.dtype).reshape(x.shape)
