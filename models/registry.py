"""The models by name: every model defined in a module of `models/book/`."""

import difflib
import importlib
import inspect
import pkgutil

from arignote.models import book
from arignote.models.model import ModelBase


class UnknownModelError(LookupError):
    """No model has this name."""


def models() -> dict[str, type[ModelBase]]:
    """All models by name, in the order of the book's chapters."""
    found: dict[str, type[ModelBase]] = {}
    for info in pkgutil.iter_modules(book.__path__):
        module = importlib.import_module(f"{book.__name__}.{info.name}")
        for value in vars(module).values():
            if (
                isinstance(value, type)
                and issubclass(value, ModelBase)
                and not inspect.isabstract(value)
                and value.__module__ == module.__name__
            ):
                if value.name in found:
                    raise RuntimeError(f"two models are called {value.name!r}")
                found[value.name] = value
    return dict(sorted(found.items(), key=lambda item: (item[1].chapter, item[0])))


def find(name: str) -> type[ModelBase]:
    """The model of that name. Raises `UnknownModelError`, with the names there are."""
    known = models()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise UnknownModelError(f"there is no model {name!r}; {hint}")
