"""Modes: how much a function is optimised, and what runs it.

    FAST_RUN          everything, machine code (the default)
    FAST_COMPILE      what stability needs; LLVM compiles quickly
    None              nothing but what the code generator cannot do without
    reference         the reference interpreter, on the graph as it was written
    DebugMode         machine code, checked against the interpreter, and every pass numerically
    NanGuardMode      the interpreter, on the optimised graph: NaN, infinities and large numbers are errors
    MonitorMode       the interpreter, on the optimised graph: functions of yours see every op

The interpreter runs ops one by one with NumPy, which is what looking at each of them takes; compiled kernels keep most
values in registers. `mode.excluding("fusion")` and `including` choose passes by their names, or by Theano's.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arignote.frontends.tensor.profiling import ProfileStats
    from arignote.passes.base import Pass, Pipeline

#: name -> (pipeline of `arignote.passes.pipelines`, LLVM's level; None: the reference interpreter)
MODES: dict[str, tuple[str, int] | None] = {
    "FAST_RUN": ("optimize", 3),
    "FAST_COMPILE": ("fast_compile", 0),
    "None": ("none", 0),
    "reference": None,
    "DebugMode": ("optimize", 3),
    "NanGuardMode": ("optimize", 3),
    "MonitorMode": ("optimize", 3),
}

_OPTIMIZERS = {
    "fast_run": "FAST_RUN", "o4": "FAST_RUN", "o3": "FAST_RUN", "o2": "FAST_RUN",
    "o1": "FAST_COMPILE", "fast_compile": "FAST_COMPILE", "None": "None",
}  # fmt: skip

#: Theano's tags and names of rewrites -> the passes that do the same here. Names of passes stand for themselves.
TAGS: dict[str, tuple[str, ...]] = {
    "fast_run": ("canonicalize", "fold", "stabilize", "algebra", "cse", "dce", "gemm", "split", "fuse", "recompute",
        "epilogue", "inplace"),
    "fast_compile": ("stabilize", "cse", "dce", "gemm"),
    "specialize": ("algebra",), "uncanonicalize": ("algebra",), "local_remove_useless": ("canonicalize", "algebra"),
    "constant_folding": ("fold",), "local_constant_folding": ("fold",),
    "merge": ("cse",), "merge1": ("cse",), "merge1.2": ("cse",), "merge2": ("cse",), "merge3": ("cse",),
    "BlasOpt": ("gemm",), "blas_opt_inplace": ("gemm",), "c_blas": ("gemm",), "gemm_optimizer": ("gemm",),
    "local_dot_to_dot22": ("gemm",), "local_dot22_to_dot22scalar": ("gemm",),
    "fusion": ("fuse",), "elemwise_fusion": ("fuse",), "local_elemwise_fusion": ("fuse",), "composite": ("fuse",),
    "inplace_opt": ("inplace",), "inplace_elemwise_optimizer": ("inplace",), "inplace_elemwise_opt": ("inplace",),
    "local_inplace_setsubtensor": ("inplace",), "make_ger_destructive": ("inplace",),
    "crossentropy_to_crossentropy_with_softmax": ("stabilize",), "local_log_softmax": ("stabilize",),
    "local_softmax_grad": ("algebra",), "local_log1p": ("stabilize",), "local_expm1": ("stabilize",),
    "local_useless": ("canonicalize",), "local_fill_to_alloc": ("canonicalize",), "local_mul_canonizer": ("algebra",),
    "local_add_canonizer": ("algebra",), "local_neg_to_mul": ("canonicalize",),
}  # fmt: skip

#: The passes that a mode may do without. `inplace` is the part of the plan that lets values share memory.
OPTIONAL = frozenset(
    ("canonicalize", "fold", "stabilize", "algebra", "cse", "dce", "gemm", "split", "fuse", "recompute", "epilogue",
     "inplace")
)


def passes_of(tag: str) -> tuple[str, ...]:
    """The passes that a tag names; none for tags that have no counterpart, as of a GPU."""
    return (tag,) if tag in OPTIONAL else TAGS.get(tag, ())


@dataclass(frozen=True)
class Mode:
    """A mode. Theano's linkers are ignored; its optimizers choose how much is optimised.

    Attributes:
        name: one of `MODES`.
        included, excluded: passes that were asked for, or left out, besides what the name says.
        profile: where times go, if the function is profiled.
    """

    name: str = "FAST_RUN"
    included: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()
    profile: ProfileStats | None = field(default=None, compare=False, repr=False)

    def __init__(self, linker: Any = None, optimizer: Any = "default", name: str | None = None):
        if name is None:
            name = "FAST_RUN" if optimizer == "default" else _OPTIMIZERS.get(str(optimizer))
            if name is None:
                known = ", ".join(_OPTIMIZERS)
                raise ValueError(f"no optimizer is called {optimizer!r}; there are {known}")
        object.__setattr__(self, "name", check_mode_name(name))
        object.__setattr__(self, "included", frozenset())
        object.__setattr__(self, "excluded", frozenset())
        object.__setattr__(self, "profile", None)

    @property
    def reference(self) -> bool:
        """Whether the interpreter runs it as it was written."""
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

    def passes(self) -> Pipeline:
        """The pipeline, with what was included and without what was excluded."""
        from arignote.passes.pipelines import PIPELINES, selected

        if self.included - {p.name for p in PIPELINES[self.pipeline]} - {"fuse", "recompute", "epilogue", "inplace"}:
            names = {p.name for p in PIPELINES[self.pipeline]} | self.included
            return selected(PIPELINES["optimize"], lambda name: name not in OPTIONAL or name in names - self.excluded)
        return selected(PIPELINES[self.pipeline], lambda name: name not in self.excluded)

    def kernels(self) -> Pipeline:
        """The passes that make kernels."""
        from arignote.passes.base import Pipeline
        from arignote.passes.epilogue import Epilogue
        from arignote.passes.fuse import Fuse
        from arignote.passes.recompute import Recompute

        kernels: list[Pass] = [Fuse(max=1) if "fuse" in self.excluded else Fuse()]
        if self.excluded.isdisjoint(("fuse", "recompute")):
            kernels.append(Recompute())
        if self.excluded.isdisjoint(("fuse", "epilogue")):
            kernels.append(Epilogue())
        return Pipeline(kernels)

    def lowering(self) -> Pipeline:
        """The passes that make kernels and plan their memory."""
        from arignote.passes.base import Pipeline
        from arignote.passes.plan import Plan

        return Pipeline([*self.kernels(), Plan(share="inplace" not in self.excluded)])

    def including(self, *tags: str) -> Mode:
        """The same mode with passes that it would not run, by their names or Theano's tags."""
        names = {p for tag in tags for p in passes_of(tag)}
        return self._changed(self.included | names, self.excluded - names)

    def excluding(self, *tags: str) -> Mode:
        """The same mode without some passes, by their names or Theano's tags."""
        names = {p for tag in tags for p in passes_of(tag)}
        return self._changed(self.included - names, self.excluded | names)

    def profiled(self, profile: ProfileStats) -> Mode:
        """The same mode, with its times kept."""
        out = self._changed(self.included, self.excluded)
        object.__setattr__(out, "profile", profile)
        return out

    def requiring(self, *tags: str) -> Mode:
        """As `including`."""
        return self.including(*tags)

    def clone(self, link_kwargs: Any = None, optimizer: str = "", **kwargs: Any) -> Mode:
        """A copy of it."""
        return self._changed(self.included, self.excluded)

    def _changed(self, included: frozenset[str], excluded: frozenset[str]) -> Mode:
        out = object.__new__(type(self))
        for name in self.__dataclass_fields__:
            object.__setattr__(out, name, getattr(self, name))
        object.__setattr__(out, "included", included)
        object.__setattr__(out, "excluded", excluded)
        return out


@dataclass(frozen=True)
class DebugMode(Mode):
    """Machine code that is checked in every call.

    - Each pass, fusion and the plan of memory included, is run before and after on the arguments of the call that it
      compiles for: `BadOptimization` names the first pass that changes a value, the op, and your line.
    - Results and updates are compared with the interpreter's: `BadThunkOutput`.
    - Arguments must stay as they are, and results must not be parts of them: `BadDestroyMap`, `BadViewMap`.
    - With `check_strides`, the code is called again with arguments in another order of memory and at odd addresses.
    - With `check_isfinite`, a result or update that is not finite is an `InvalidValueError`, which names the op.

    Args:
        tolerance: multiplies the differences that rounding is allowed to make.
    """

    check_isfinite: bool = True
    check_strides: bool = True
    tolerance: float = 1.0

    def __init__(
        self,
        optimizer: Any = "default",
        stability_patience: Any = None,
        check_c_code: Any = None,
        check_py_code: Any = None,
        check_isfinite: bool | None = None,
        check_preallocated_output: Any = None,
        require_matching_strides: Any = None,
        linker: Any = None,
        check_strides: bool = True,
        tolerance: float = 1.0,
    ) -> None:
        Mode.__init__(self, name="DebugMode")
        object.__setattr__(self, "check_isfinite", True if check_isfinite is None else bool(check_isfinite))
        object.__setattr__(self, "check_strides", check_strides)
        object.__setattr__(self, "tolerance", tolerance)


@dataclass(frozen=True)
class NanGuardMode(Mode):
    """The interpreter on the optimised graph; a value that is NaN, infinite, or beyond 1e10 is an error.

    The error (an AssertionError, as Theano's) names the op, the line that built it and statistics of its operands;
    shared variables keep their values.
    """

    nan_is_error: bool = True
    inf_is_error: bool = True
    big_is_error: bool = True

    def __init__(
        self,
        nan_is_error: bool | None = None,
        inf_is_error: bool | None = None,
        big_is_error: bool | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        Mode.__init__(self, name="NanGuardMode")
        given = {"nan_is_error": nan_is_error, "inf_is_error": inf_is_error, "big_is_error": big_is_error}
        for name, value in given.items():
            object.__setattr__(self, name, True if value is None else bool(value))


@dataclass(frozen=True)
class MonitorMode(Mode):
    """The interpreter on the optimised graph, with functions that see every op.

    `pre_func(i, node, fn)` and `post_func(i, node, fn)` run before and after each op: its number, the op as `Apply`,
    and an object whose `inputs` and `outputs` hold the arrays, each in a list of its own.
    """

    pre_func: Callable[..., Any] | None = field(default=None, compare=False)
    post_func: Callable[..., Any] | None = field(default=None, compare=False)

    def __init__(
        self,
        pre_func: Callable[..., Any] | None = None,
        post_func: Callable[..., Any] | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        Mode.__init__(self, name="MonitorMode")
        object.__setattr__(self, "pre_func", pre_func)
        object.__setattr__(self, "post_func", post_func)


_CLASSES: dict[str, type[Mode]] = {"DebugMode": DebugMode, "NanGuardMode": NanGuardMode, "MonitorMode": MonitorMode}


def check_mode_name(name: str) -> str:
    """`name` if there is such a mode.

    Raises:
        ValueError: there is none; the message lists the modes.
    """
    if name in ("Mode", "FAST_RUN_NOGC"):  # Theano's old defaults
        return "FAST_RUN"
    if name in ("DEBUG_MODE",):
        return "DebugMode"
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
    name = check_mode_name(mode)
    found = _CLASSES[name]() if name in _CLASSES else Mode(name=name)
    more, less = (filter(None, text.split(":")) for text in (config.optimizer_including, config.optimizer_excluding))
    return found.including(*more).excluding(*less)


def get_mode(name: Any = None) -> Mode:
    """Theano's name of `find_mode`."""
    return find_mode(name)


def get_default_mode() -> Mode:
    """The mode of functions that name none."""
    return find_mode(None)
