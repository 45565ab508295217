"""`import arignote.sparse`: another name for the module `arignote.frontends.sparse`, as `arignote.tensor` is."""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arignote.frontends.sparse import *  # noqa: F403  (what type checkers and editors see)

_REAL = "arignote.frontends.sparse"
_module = importlib.import_module(_REAL)
for _part in ("basic", "function", "structure", "types", "variable"):  # found by this name too, each exists once
    sys.modules[f"{__name__}.{_part}"] = importlib.import_module(f"{_REAL}.{_part}")
sys.modules[__name__] = _module
