"""Small names that old programs import from odd places."""

from __future__ import annotations

from typing import Any

import numpy as np

from arignote._version import __version__ as version
from arignote.frontends.tensor.graph import ir_dtype
from arignote.frontends.tensor.modes import Mode, find_mode
from arignote.ir.types import DTYPES

__all__ = ["_allclose", "_asarray", "get_default_mode", "get_mode", "version"]


def _asarray(a: Any, dtype: Any, order: Any = None) -> np.ndarray[Any, Any]:
    """`numpy.asarray`, where the dtype may be `"floatX"`."""
    return np.asarray(a, DTYPES[ir_dtype(dtype)], order)


def _allclose(a: Any, b: Any, rtol: float | None = None, atol: float | None = None) -> bool:
    """`numpy.allclose` of arrays, with Theano's tolerances: looser where one of the two is of a narrow dtype."""
    a, b = np.asarray(a), np.asarray(b)
    least = {np.dtype("float16"): (5e-3, 1e-3), np.dtype("float32"): (1e-5, 1e-5)}
    default = max((least[x.dtype] for x in (a, b) if x.dtype in least), default=(1e-5, 1e-8))
    return bool(np.allclose(a, b, default[0] if rtol is None else rtol, default[1] if atol is None else atol))


def get_mode(orig_string: Any = None) -> Mode:
    """The mode of that name; of a mode itself; None asks the configuration."""
    return find_mode(orig_string)


def get_default_mode() -> Mode:
    """The mode of functions that do not say."""
    return find_mode()
