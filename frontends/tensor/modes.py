"""Modes: how much a function is optimised, and what runs it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

#: name -> (pipeline of `arignote.passes.pipelines`, LLVM's level; None: the reference interpreter)
MODES: dict[str, tuple[str, int] | None] = {
    "FAST_RUN": ("optimize", 3),
    "FAST_COMPILE": ("fast_compile", 0),
    "None": ("none", 0),
    "reference": None,
}

_OPTIMIZERS = {
    "fast_run": "FAST_RUN", "o4": "FAST_RUN", "o3": "FAST_RUN", "o2": "FAST_RUN",
    "o1": "FAST_COMPILE", "fast_compile": "FAST_COMPILE", "None": "None",
}  # fmt: skip


@dataclass(frozen=True)
class Mode:
    """A mode. Theano's linkers are ignored; its optimizers choose how much is optimised.

    Attributes:
        name: `FAST_RUN`, `FAST_COMPILE`, `None`, or `reference`, which interprets the recorded
            graph with NumPy: slow, for finding mistakes.
    """

    name: str = "FAST_RUN"

    def __init__(self, linker: Any = None, optimizer: Any = "default", name: str | None = None):
        if name is None:
            name = "FAST_RUN" if optimizer == "default" else _OPTIMIZERS.get(str(optimizer))
            if name is None:
                known = ", ".join(_OPTIMIZERS)
                raise ValueError(f"no optimizer is called {optimizer!r}; there are {known}")
        object.__setattr__(self, "name", check_mode_name(name))

    @property
    def reference(self) -> bool:
        """Whether the interpreter runs it."""
        return MODES[self.name] is None

    @property
    def pipeline(self) -> str:
        """The pipeline that optimises it."""
        entry = MODES[self.name]
        return "none" if entry is None else entry[0]

    @property
    def opt_level(self) -> int:
        """LLVM's optimisation level."""
        entry = MODES[self.name]
        return 0 if entry is None else entry[1]

    def including(self, *tags: str) -> Mode:
        """The same mode: Theano's tags choose rewrites that have no counterpart."""
        return self

    excluding = including


def check_mode_name(name: str) -> str:
    """`name` if there is such a mode.

    Raises:
        ValueError: there is none; the message lists the modes.
    """
    if name == "Mode":  # Theano's old default
        return "FAST_RUN"
    if name not in MODES:
        near = difflib.get_close_matches(name, MODES, 1, 0.5)
        hint = f"did you mean {near[0]!r}? Modes are" if near else "modes are"
        raise ValueError(f"no mode is called {name!r}; {hint} {', '.join(MODES)}")
    return name


def find_mode(mode: Any = None) -> Mode:
    """The mode that `mode` names; None asks the configuration."""
    from arignote.frontends.tensor.settings import config

    if mode is None:
        mode = config.mode
        if mode == "FAST_RUN":
            mode = _OPTIMIZERS[config.optimizer]
    if isinstance(mode, Mode):
        return mode
    if not isinstance(mode, str):
        raise TypeError(f"mode must be a Mode or one of {', '.join(MODES)}, not {mode!r}")
    return Mode(name=check_mode_name(mode))
