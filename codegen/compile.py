"""From a planned function to something that can be called, through the cache."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from arignote.codegen import cache
from arignote.codegen.abi import Abi, abi_of
from arignote.codegen.executable import Container, Executable
from arignote.codegen.loader import VERSIONS, EnvironmentProblem, check_versions, ffi, load_object
from arignote.codegen.profile import Timer
from arignote.codegen.table import DATA
from arignote.codegen.target import Target
from arignote.ir.canonical import canonical_order, structural_hash
from arignote.ir.core import Func


@functools.cache
def generator() -> str:
    """The identity of this code generator: another version, or an edited file of a checkout, makes other code."""
    folder = Path(__file__).parent
    files = sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in folder.glob("*.py"))
    return hashlib.sha256(repr((files, DATA)).encode()).hexdigest()


@dataclass(frozen=True)
class Compiled:
    """An executable, whether its code came from the cache, and the key that it has there."""

    executable: Executable
    cached: bool
    key: str


def versions() -> str:
    """The versions of what compiles."""
    return ",".join(f"{name} {importlib.metadata.version(name)}" for name in VERSIONS)


def cache_key(func: Func, target: Target) -> str:
    """The identity of compiled code: the planned function without its names, the target, the versions."""
    # Constants, checks, prints and clocks are numbered in the order of the listing, which the structure leaves open.
    order = {op: i for i, op in enumerate(canonical_order(func, func.ops, func.roots()))}
    listing = ",".join(str(order[op]) for op in func.ops)
    text = f"{generator()}\n{versions()}\n{target.key()}\n{structural_hash(func)}\n{listing}"
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def build_object(func: Func, target: Target) -> bytes:
    """Compile to an object file in memory. Imports TVM's compiler."""
    ffi()  # before TVM imports it
    from arignote.codegen.artifact import compile_cpu, cpu_target, object_bytes
    from arignote.codegen.host import HostEmitter

    module = HostEmitter(func, target).build()
    return object_bytes(compile_cpu(module, cpu_target(target.threads, target.opt_level)))


def compile_func(func: Func, target: Target, containers: Mapping[str, Container]) -> Compiled:
    """Compile a planned function for this machine's processor and bind it to its shared variables.

    Raises:
        EnvironmentProblem: TVM or OpenBLAS is missing or of a wrong version; or the target is not a CPU.
        UnsupportedError: the function holds something that cannot be lowered; names the op and the user's line.
    """
    if target.kind != "cpu":
        raise EnvironmentProblem(
            f"functions do not run on {target.kind} yet: set config.device to cpu. "
            "`arignote dump NAME --stage cuda` shows the code for the device."
        )
    check_versions()
    key = cache_key(func, target)
    data, cached = cache.fetch(key, lambda: build_object(func, target))
    timer = Timer(func) if target.profile else None
    return Compiled(Executable(load_object(data), abi_of(func), containers, timer), cached, key)


def load_compiled(key: str, abi: Abi, containers: Mapping[str, Container]) -> Compiled | None:
    """What `compile_func` returned for a function with this contract, if its object is still in the cache."""
    data = cache.read(cache.object_path(key))
    return None if data is None else Compiled(Executable(load_object(data), abi, containers), True, key)
