"""`import arignote.layers`: another name for the module `arignote.frontends.layers`, as `arignote.tensor` is."""

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arignote.frontends.layers import *  # noqa: F403  (what type checkers and editors see)

sys.modules[__name__] = importlib.import_module("arignote.frontends.layers")
