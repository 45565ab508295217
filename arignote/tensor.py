"""`import arignote.tensor as T`: another name for the module `arignote.frontends.tensor`.

Not a copy and not a second link to the folder: a module that exists twice has two sets of classes,
and `isinstance` fails between them. So this file puts the real module in its own place, and does
the same for submodules (`arignote.tensor.nnet` is `arignote.frontends.tensor.nnet`).
"""

import importlib
import importlib.abc
import importlib.util
import sys
from typing import TYPE_CHECKING

from arignote._paths import register

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from arignote.frontends.tensor import *  # noqa: F403  (what type checkers and editors see)

_ALIAS = "arignote.tensor"
_REAL = "arignote.frontends.tensor"


class _SubmoduleAliases(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """An import finder and loader that answers for `arignote.tensor.*` with the real modules."""

    def find_spec(
        self, fullname: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if not fullname.startswith(_ALIAS + "."):
            return None
        real = importlib.util.find_spec(_REAL + fullname.removeprefix(_ALIAS))
        # None lets the import system raise its ordinary ModuleNotFoundError for `fullname`.
        return real and importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: "ModuleSpec") -> None:
        """Let the import system make a throw-away module: `exec_module` replaces it."""

    def exec_module(self, module: "ModuleType") -> None:
        name = module.__name__
        sys.modules[name] = importlib.import_module(_REAL + name.removeprefix(_ALIAS))


sys.meta_path.insert(0, _SubmoduleAliases())
_module = sys.modules[_ALIAS] = importlib.import_module(_REAL)
for _name in register("tensor", _REAL):  # `T.basic` and other paths that are no files
    if not hasattr(_module, _name):
        setattr(_module, _name, sys.modules[f"{_ALIAS}.{_name}"])
