"""Compiled code of earlier processes, found by the function as it was recorded: no pass runs then."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from arignote.codegen.compile import load_compiled
from arignote.codegen.recipe import Recipe, keep, recall, recipe_key
from arignote.frontends.tensor.backend import Native, by_name, target_of
from arignote.frontends.tensor.modes import Mode
from arignote.frontends.tensor.policy import Plan
from arignote.frontends.tensor.sharedvar import Container
from arignote.ir.canonical import digest_text
from arignote.ir.core import Func
from arignote.ir.text import print_module


class Memory:
    """What was compiled for a recorded function.

    Names and locations count, as messages show them. Ops of Python's have no place here: their functions belong to
    this process.
    """

    def __init__(self, func: Func, containers: Sequence[Container], mode: Mode) -> None:
        self.func, self.containers, self.mode = func, containers, mode
        self._program = ""

    def find(self, plan: Plan, extra: Mapping[str, int]) -> Native | None:
        """The code for a plan and assumed sizes, bound to the shared variables; None where there is none."""
        recipe = recall(self._key(plan, extra))
        if recipe is None:
            return None
        states = by_name([name for name, _ in recipe.abi.states], self.containers)
        compiled = load_compiled(recipe.key, recipe.abi, states)
        return None if compiled is None else Native(recipe.params, recipe.results, compiled)

    def keep(self, plan: Plan, extra: Mapping[str, int], native: object) -> None:
        """Remember code that was compiled."""
        if isinstance(native, Native) and not native.compiled.executable.abi.calls:
            compiled = native.compiled
            recipe = Recipe(compiled.key, compiled.executable.abi, native.params, native.results)
            keep(self._key(plan, extra), recipe)

    def _key(self, plan: Plan, extra: Mapping[str, int]) -> str:
        if not self._program:
            text = print_module(self.func, locs=True, array=digest_text)
            self._program = hashlib.sha256(text.encode()).hexdigest()
        passes = f"{self.mode.passes()};{self.mode.lowering()}"
        return recipe_key([self._program, repr(plan), repr(sorted(extra.items())), passes, target_of(self.mode).key()])
