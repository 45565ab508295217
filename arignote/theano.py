"""`import arignote.theano`: from here on, `import theano` and what lies below it mean Arignote.

For old programs, which stay as they are. `arignote run script.py` does this and runs the script.
A Theano that is installed as well is hidden from later imports; one that is loaded is an error.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

_OLD, _NEW = "theano", "arignote"


class _Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Answers for `theano` and `theano.*` with the modules of Arignote."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _OLD and not fullname.startswith(f"{_OLD}."):
            return None
        new = _NEW + fullname.removeprefix(_OLD)
        try:
            known = new in sys.modules or importlib.util.find_spec(new) is not None
        except ModuleNotFoundError:
            known = False
        if not known:
            raise ModuleNotFoundError(
                f"No module named {fullname!r} in Arignote, which stands for Theano here; docs/surface.md lists what "
                "it has", name=fullname,
            )  # fmt: skip
        return importlib.util.spec_from_loader(fullname, self)

    def create_module(self, spec: ModuleSpec) -> None:
        """Let the import system make a throw-away module: `exec_module` replaces it."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        new = _NEW + name.removeprefix(_OLD)
        sys.modules[name] = importlib.import_module(new)
        # Modules that share their name with a function (`T.var`) must not be imported one by one: the import system
        # would put them in the place of the function.
        for known, value in list(sys.modules.items()):
            if known.startswith(f"{new}."):
                sys.modules.setdefault(_OLD + known.removeprefix(_NEW), value)


_loaded = sys.modules.get(_OLD)
if _loaded is not None and _loaded is not sys.modules[_NEW]:
    raise ImportError("Theano itself is loaded already: import arignote.theano before it, or leave one of them out")
sys.meta_path.insert(0, _Alias())
