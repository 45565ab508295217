"""`import arignote.optim`: another name for the module `arignote.frontends.optim`, as `arignote.tensor` is."""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arignote.frontends.optim import *  # noqa: F403  (what type checkers and editors see)

sys.modules[__name__] = importlib.import_module("arignote.frontends.optim")
