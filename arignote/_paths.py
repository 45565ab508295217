"""The import paths of Theano's programs: modules that have no file here, and where their names are.

`arignote.gof.graph` or `arignote.tensor.basic` is a `Path`: a module whose names are looked up, when
they are asked for, in the modules that `PATHS` gives. A module that has a file is never one of these.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_T = "frontends.tensor"

#: Path -> the modules that are searched for its names, in order. All relative to `arignote`.
PATHS: dict[str, tuple[str, ...]] = {
    "compile": (f"{_T}.modes", f"{_T}.compat", f"{_T}.pyops", _T, ""),
    "compile.builders": (f"{_T}.builders",),
    "compile.debugmode": (f"{_T}.modes", f"{_T}.debugmode"),
    "compile.function": (_T,),
    "compile.function_module": (_T,),
    "compile.io": (_T,),
    "compile.mode": (f"{_T}.modes", f"{_T}.compat"),
    "compile.monitormode": (f"{_T}.modes",),
    "compile.nanguardmode": (f"{_T}.modes",),
    "compile.ops": (f"{_T}.pyops",),
    "compile.pfunc": (_T,),
    "compile.profiling": (f"{_T}.profiling",),
    "compile.sharedvalue": (_T,),
    "configdefaults": (f"{_T}.settings",),
    "configparser": (f"{_T}.configparser",),
    "gof": (f"{_T}.pyops", f"{_T}.walks"),
    "gof.fg": (f"{_T}.walks",),
    "gof.graph": (f"{_T}.pyops", f"{_T}.walks"),
    "gof.op": (f"{_T}.pyops", f"{_T}.testvalues"),
    "gof.type": (),
    "gof.utils": (f"{_T}.errors",),
    "gradient": (f"{_T}.gradient", f"{_T}.derivatives", f"{_T}.checks", f"{_T}.errors", _T),
    "graph": (f"{_T}.walks",),
    "graph.basic": (f"{_T}.pyops", f"{_T}.walks"),
    "graph.fg": (f"{_T}.walks", f"{_T}.errors"),
    "graph.op": (f"{_T}.pyops", f"{_T}.testvalues"),
    "graph.utils": (f"{_T}.testvalues", f"{_T}.errors"),
    "ifelse": (f"{_T}.branch",),
    "misc": (),
    "printing": (f"{_T}.printing",),
    "sandbox": (),
    "sandbox.neighbours": (f"{_T}.nnet.neighbours",),
    "sandbox.rng_mrg": (f"{_T}.random",),
    "sandbox.softsign": (f"{_T}.nnet",),
    "scalar": (f"{_T}.scalar_types",),
    "scalar.basic": (f"{_T}.scalar_types",),
    "scalar.basic_scipy": (f"{_T}.scalar_types",),
    "scan_module": (f"{_T}.scanning", f"{_T}.folds"),
    "scan_module.scan_utils": (f"{_T}.scanning", f"{_T}.walks", f"{_T}.cloning"),
    "scan_module.scan_views": (f"{_T}.folds",),
    "scan_utils": (f"{_T}.scanning",),
    "sparse.sandbox": (),
    "sparse.sandbox.sp2": ("frontends.sparse.basic",),
    "sparse.sharedvar": ("frontends.sparse.variable",),
    "sparse.type": ("frontends.sparse.types",),
    "tensor.basic": (_T,),
    "tensor.blas": (_T,),
    "tensor.elemwise": (_T,),
    "tensor.extra_ops": (_T,),
    "tensor.opt": (_T,),
    "tensor.raise_op": (f"{_T}.asserting",),
    "tensor.raw_random": (f"{_T}.random",),
    "tensor.shared_randomstreams": (f"{_T}.random",),
    "tensor.sharedvar": (_T,),
    "tensor.sort": (_T,),
    "tensor.subtensor": (_T,),
    "tensor.type": (_T,),
    "tensor.type_other": (_T,),
    "tensor.utils": (_T,),
    "tensor.var": (_T,),
    "tensor.xlogx": (f"{_T}.special",),
    "tests": (),
    "tests.unittest_tools": (f"{_T}.checks",),
    "updates": (f"{_T}.updates",),
    "version": (f"{_T}.compat", "_version"),
}


class Path(ModuleType):
    """A module at one of `PATHS`."""

    def __init__(self, path: str) -> None:
        super().__init__(f"arignote.{path}", f"Theano's `{path}`; the names come from elsewhere.")
        self.__path__: list[str] = []
        self._sources = PATHS[path]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for source in self._sources:
                module = importlib.import_module(f"arignote.{source}".rstrip("."))
                if name not in getattr(module, "__all__", (name,)):
                    continue  # what a module imports for itself
                try:
                    value = getattr(module, name)
                except AttributeError:
                    continue
                setattr(self, name, value)
                return value
            child = sys.modules.get(f"{self.__name__}.{name}")
            if child is not None:
                return child
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class Finder:
    """Finds and makes the modules of `PATHS`, after the ordinary finders have found no file."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a path."""
        return ModuleSpec(name, Finder) if name.removeprefix("arignote.") in PATHS else None  # type: ignore[arg-type]

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        """The module, with those below it."""
        register(spec.name.removeprefix("arignote."))
        return Path(spec.name.removeprefix("arignote."))

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Nothing is left to do: names are looked up when they are asked for."""


def register(parent: str, real: str = "") -> list[str]:
    """Enter the paths below `parent` into `sys.modules`; returns their last parts.

    All at once, because importing `arignote.tensor.var` by itself would put the module in the place
    of the function `T.var`.

    Args:
        real: the module whose files take precedence.
    """
    below = [p.removeprefix(f"{parent}.") for p in PATHS if p.startswith(f"{parent}.")]
    children = [c for c in below if not real or importlib.util.find_spec(f"{real}.{c}") is None]
    for child in children:
        name = f"arignote.{parent}.{child}"
        if name not in sys.modules:
            sys.modules[name] = Path(f"{parent}.{child}")
    return children
