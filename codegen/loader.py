"""Loading compiled objects: versions, libraries and symbols are checked first, so that a call never crashes.

An object needs TVM's small runtime, OpenBLAS and a linker in memory; the compiler (`import tvm`) is not needed.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import struct
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arignote.ir.diag import IRError

#: Distribution -> (first version that works, first that does not).
VERSIONS = {
    "apache-tvm": ("0.27.0.post1", "0.28"),
    "apache-tvm-ffi": ("0.1.14", "0.1.15"),
    "apache-tvm-ffi-orcjit": ("0.1.3", "0.2"),
}
#: Symbols that the linker in memory provides by itself.
PROVIDED = frozenset({"__dso_handle", "_GLOBAL_OFFSET_TABLE_"})


class EnvironmentProblem(IRError, RuntimeError):
    """Something that Arignote needs is missing, broken or of a version known to crash; the message has the remedy."""


def _version_key(text: str) -> tuple[int, ...]:
    parts = []
    for part in text.replace("post", "").split("."):
        digits = "".join(c for c in part if c.isdigit())
        parts.append(int(digits) if digits else 0)
    return tuple(parts)


def check_versions() -> None:
    """Refuse combinations of versions that do not work together.

    Raises:
        EnvironmentProblem: with the command that installs the right ones.
    """
    for name, (low, high) in VERSIONS.items():
        pins = ",".join([f">={low}", f"<{high}"])
        remedy = f'pip install "{name}{pins}"'
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            raise EnvironmentProblem(f"{name} is not installed. Remedy: {remedy}") from None
        if not _version_key(low) <= _version_key(have) < _version_key(high):
            raise EnvironmentProblem(
                f"{name} {have} does not work with this version of Arignote, which needs {pins}: their binary "
                f"interfaces differ, and a call would crash. Remedy: {remedy}"
            )


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise EnvironmentProblem(f"the Python package {package} is not installed. Remedy: pip install arignote")
    return Path(spec.origin).parent


def _open(path: Path, what: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    except OSError as e:
        raise EnvironmentProblem(f"{what} cannot be loaded: {e}. Remedy: reinstall the package") from None


@functools.cache
def openblas() -> ctypes.CDLL:
    """OpenBLAS with its symbols visible to compiled code, on one thread: our kernels bring the parallelism."""
    with _one_blas_thread():
        library = _open(_package_folder("scipy_openblas32") / "lib" / "libscipy_openblas.so", "OpenBLAS")
    library.scipy_openblas_set_num_threads(1)  # where someone else has loaded it before
    return library


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """OpenBLAS starts its threads when it is loaded; they would wait in loops for work, on processors that we use."""
    name = "OPENBLAS_NUM_THREADS"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


@functools.cache
def ffi() -> Any:
    """The module `tvm_ffi`, imported without PyTorch.

    Where PyTorch is installed, tvm_ffi imports it (a second) to exchange tensors with it, which we do not do. A module
    that is None cannot be imported; one that is loaded already is left alone.
    """
    os.environ.setdefault("TVM_FFI_DISABLE_TORCH_C_DLPACK", "1")
    hidden = "torch" not in sys.modules
    if hidden:
        sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("tvm_ffi")
    finally:
        if hidden:
            del sys.modules["torch"]


@functools.cache
def _session() -> Any:
    check_versions()
    from arignote.codegen.target import default_threads

    # Read once by TVM's thread pool when it starts.
    os.environ.setdefault("TVM_NUM_THREADS", str(default_threads()))
    ffi()  # also loads the library that the runtime needs

    _open(_package_folder("tvm") / "lib" / "libtvm_runtime.so", "TVM's runtime")
    openblas()
    import tvm_ffi_orcjit  # type: ignore[import-untyped]

    # The threads of the pool are not there in a forked process, which would wait for them for ever: it works alone.
    alone = ffi().get_global_func("runtime.config_threadpool")
    os.register_at_fork(after_in_child=lambda: alone(1, 1))
    return tvm_ffi_orcjit.default_session()


def undefined_symbols(data: bytes) -> Iterator[str]:
    """The symbols that an ELF object expects from outside.

    Raises:
        EnvironmentProblem: the bytes are not a 64-bit little-endian ELF object.
    """
    if data[:6] != b"\x7fELF\x02\x01" or len(data) < 64:
        raise EnvironmentProblem("compiled code is not an ELF object for this machine: clear the cache folder")
    (table,) = struct.unpack_from("<Q", data, 40)
    size, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * size) for i in range(count)]
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 2:  # SHT_SYMTAB
            continue
        names = sections[link][4]
        for at in range(offset, offset + length, entry):
            name, _, _, section = struct.unpack_from("<IBBH", data, at)
            if section == 0 and name:
                start = names + name
                yield data[start : data.index(b"\0", start)].decode()


def check_symbols(data: bytes) -> None:
    """Refuse an object with a symbol that nothing provides: called, it would crash the process."""
    process = ctypes.CDLL(None)
    missing = [s for s in undefined_symbols(data) if s not in PROVIDED and not hasattr(process, s)]
    if missing:
        raise EnvironmentProblem(
            f"compiled code needs {', '.join(missing)}, which no loaded library provides. "
            "Remedy: pip install --force-reinstall apache-tvm scipy-openblas32"
        )


def load_object(data: bytes) -> Any:
    """The callable `main` of an object.

    Raises:
        EnvironmentProblem: wrong versions, a missing library or symbol, or bytes that are no object.
    """
    session = _session()
    check_symbols(data)
    with tempfile.TemporaryDirectory(prefix="arignote-") as folder:
        path = Path(folder) / "main.o"
        path.write_bytes(data)
        module = session.load_module(str(path))
    main = module["main"]
    _keep.append(module)
    return main


_keep: list[Any] = []  # the linker frees code whose module is gone
