"""TVM's compiler, imported without what is not used of it: all that is needed of TVM comes from here.

`import tvm` also loads Relax, its graph compiler, and hooks for nine kinds of devices, and imports PyTorch where that
is installed: in all two to four times what TensorIR takes. What is kept out here is not kept out elsewhere: a program
that imports `tvm.relax` gets it.
"""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from arignote.codegen.loader import check_versions, ffi


@contextmanager
def _without(stand_ins: dict[str, ModuleType | None]) -> Iterator[None]:
    """Modules that are not loaded yet stay unloaded: None cannot be imported, an empty module is."""
    hidden = [name for name in stand_ins if name not in sys.modules]
    sys.modules.update({name: stand_ins[name] for name in hidden})  # type: ignore[misc]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _import() -> Any:
    check_versions()
    ffi()
    if "tvm" in sys.modules:
        return sys.modules["tvm"]
    chosen = os.environ.get("TVM_DEVICE_BACKEND_AUTOLOAD")
    os.environ["TVM_DEVICE_BACKEND_AUTOLOAD"] = "0"
    try:
        with _without({"torch": None, "tvm.relax": ModuleType("tvm.relax")}):
            import tvm
    finally:
        if chosen is None:
            del os.environ["TVM_DEVICE_BACKEND_AUTOLOAD"]
        else:
            os.environ["TVM_DEVICE_BACKEND_AUTOLOAD"] = chosen
    vars(tvm).pop("relax", None)
    return tvm


tvm = _import()

from tvm import ir as tvm_ir  # noqa: E402
from tvm import tirx  # noqa: E402
from tvm.tirx import compilation_pipeline  # noqa: E402


@functools.cache
def load_cuda() -> None:
    """Import what TVM needs to build for CUDA besides."""
    with _without({"torch": None}):
        importlib.import_module("tvm.s_tir")
        importlib.import_module("tvm.backend.loader").load("cuda")


__all__ = ["compilation_pipeline", "load_cuda", "tirx", "tvm", "tvm_ir"]
