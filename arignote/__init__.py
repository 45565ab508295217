"""Arignote: a mathematical expression compiler with Theano's Python API.

    import arignote as ar
    import arignote.tensor as T

    x = T.matrix("x")
    f = ar.function([x], T.tanh(x).sum())

Everything below is loaded on first use, so that `import arignote` costs next to nothing and
programs that only read or print IR never load the code generator.
"""

import importlib
import sys
from typing import TYPE_CHECKING

from arignote._version import __version__

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from arignote import ir as ir
    from arignote import layers as layers
    from arignote import optim as optim
    from arignote import passes as passes
    from arignote import sparse as sparse
    from arignote import tensor as tensor
    from arignote.frontends.tensor import In as In
    from arignote.frontends.tensor import Mode as Mode
    from arignote.frontends.tensor import OpFromGraph as OpFromGraph
    from arignote.frontends.tensor import OrderedUpdates as OrderedUpdates
    from arignote.frontends.tensor import Out as Out
    from arignote.frontends.tensor import Param as Param
    from arignote.frontends.tensor import Variable as Variable
    from arignote.frontends.tensor import _asarray as _asarray
    from arignote.frontends.tensor import change_flags as change_flags
    from arignote.frontends.tensor import clone as clone
    from arignote.frontends.tensor import config as config
    from arignote.frontends.tensor import debugprint as debugprint
    from arignote.frontends.tensor import dot as dot
    from arignote.frontends.tensor import foldl as foldl
    from arignote.frontends.tensor import foldr as foldr
    from arignote.frontends.tensor import function as function
    from arignote.frontends.tensor import grad as grad
    from arignote.frontends.tensor import map as map
    from arignote.frontends.tensor import pp as pp
    from arignote.frontends.tensor import reduce as reduce
    from arignote.frontends.tensor import scan as scan
    from arignote.frontends.tensor import scan_checkpoints as scan_checkpoints
    from arignote.frontends.tensor import shared as shared
    from arignote.frontends.tensor import unroll_scan as unroll_scan
    from arignote.frontends.tensor.pyops import Apply as Apply
    from arignote.frontends.tensor.pyops import Op as Op

_SUBMODULES = ("ir", "layers", "optim", "passes", "sparse", "tensor")
_TENSOR_NAMES = (
    "In",
    "Mode",
    "OpFromGraph",
    "OrderedUpdates",
    "Out",
    "Param",
    "Variable",
    "_asarray",
    "change_flags",
    "clone",
    "config",
    "debugprint",
    "dot",
    "foldl",
    "foldr",
    "function",
    "grad",
    "map",
    "pp",
    "reduce",
    "scan",
    "scan_checkpoints",
    "shared",
    "unroll_scan",
)

__all__ = [
    "Apply",
    "In",
    "Mode",
    "Op",
    "OpFromGraph",
    "OrderedUpdates",
    "Out",
    "Param",
    "Variable",
    "__version__",
    "change_flags",
    "clone",
    "config",
    "debugprint",
    "dot",
    "foldl",
    "foldr",
    "function",
    "grad",
    "ir",
    "layers",
    "map",
    "optim",
    "passes",
    "pp",
    "reduce",
    "scan",
    "scan_checkpoints",
    "shared",
    "sparse",
    "tensor",
    "unroll_scan",
]


class _Paths:
    """Finds the modules of `arignote._paths`: import paths of Theano's that have no file here."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        if not name.startswith(f"{__name__}.") or name.count(".") > 3:
            return None
        from arignote._paths import Finder

        return Finder.find_spec(name)


sys.meta_path.append(_Paths)


def __getattr__(name: str) -> object:
    """Load a public name on first use and keep it, so that later look-ups are ordinary ones."""
    value: object
    if name in _SUBMODULES:
        value = importlib.import_module(f"arignote.{name}")
    elif name in ("Apply", "Op"):
        value = getattr(importlib.import_module("arignote.frontends.tensor.pyops"), name)
    elif name in _TENSOR_NAMES:
        value = getattr(importlib.import_module("arignote.frontends.tensor"), name)
    elif not name.startswith("_") and importlib.import_module("arignote._paths").PATHS.get(name) is not None:
        value = importlib.import_module(f"arignote.{name}")
    else:
        raise AttributeError(f"module 'arignote' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
