"""The machine, the checkout, and the variables that set a process's threads."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"
SEED = 20240  # unless another one is given
# Processes that wanted a core in the minute before this one: other work that disturbs a run.
LOAD = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None

_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "TVM_NUM_THREADS",
    "ARIGNOTE_NUM_THREADS",
    "NPROC",  # the size of XLA's thread pools
)

_PACKAGES = (
    "numpy",
    "torch",
    "jax",
    "jaxlib",
    "onnxruntime",
    "pytensor",
    "numba",
    "scipy",
    "apache-tvm",
    "scipy-openblas32",
)
# Variables with which libraries are told to take the kernels of another processor. They are
# recorded with every result, since they decide who is fastest, and ``--native`` drops them.
OVERRIDES = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_VERBOSE",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "BLIS_ARCH_TYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    "NUMBA_CPU_NAME",
    "NUMBA_CPU_FEATURES",
)


def overrides() -> dict[str, str]:
    """Those of these variables that are set here, and so in every measured process."""
    return {name: os.environ[name] for name in OVERRIDES if name in os.environ}


def drop_overrides() -> None:
    """Let every library choose its kernels for this processor."""
    for name in OVERRIDES:
        os.environ.pop(name, None)


def cores() -> int:
    """How many cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_counts(setting: str) -> list[int]:
    """The thread counts that ``1``, ``all``, ``both`` or a number stand for."""
    if setting == "both":
        return sorted({1, cores()})
    if setting == "all":
        return [cores()]
    if not setting.isdigit() or int(setting) < 1:
        raise ValueError(f"threads must be 1, all, both or a positive number, not {setting!r}")
    return [int(setting)]


def child_environment(threads: int) -> dict[str, str]:
    """The environment of a process in which every library uses ``threads`` threads.

    Byte code is kept, as it is for the peers, which are installed: imports of a checkout would compile it each time.
    """
    env = dict(os.environ)
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    env.update(dict.fromkeys(_COUNTS, str(threads)))
    env["JAX_PLATFORMS"] = "cpu"
    if threads == 1:
        flag = "--xla_cpu_multi_thread_eigen=false"
        env["XLA_FLAGS"] = f"{env.get('XLA_FLAGS', '')} {flag}".strip()
    path = env.get("PYTHONPATH")
    env["PYTHONPATH"] = str(ROOT) if not path else os.pathsep.join((str(ROOT), path))
    return env


def empty_caches(folder: Path) -> dict[str, str]:
    """Variables that move the cache of every compiler measured here into ``folder``."""
    flags = [f for f in os.environ.get("PYTENSOR_FLAGS", "").split(",") if f]
    flags = [f for f in flags if not f.startswith(("base_compiledir=", "compiledir="))]
    return {
        "ARIGNOTE_CACHE_DIR": str(folder / "arignote"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
        "TRITON_CACHE_DIR": str(folder / "triton"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTENSOR_FLAGS": ",".join([*flags, f"base_compiledir={folder / 'pytensor'}"]),
        "NUMBA_CACHE_DIR": str(folder / "numba"),
    }


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def checkout() -> dict[str, Any]:
    """The commit, and whether anything but benchmark results differs from it."""
    changed = _git("status", "--porcelain", "--", ".", ":!bench/results")
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if changed is None else bool(changed),
    }


def _field(text: str, key: str) -> str | None:
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _bytes(size: str) -> int:
    """``32768K`` as a number of bytes."""
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    return int(size[:-1]) * units[size[-1]] if size[-1:] in units else int(size)


def caches() -> dict[str, int]:
    """Sizes in bytes of this core's data caches; typical ones where the system does not tell."""
    found = {"L1": 32 << 10, "L2": 1 << 20, "L3": 16 << 20}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level = _read(f"{folder}/type").strip(), _read(f"{folder}/level").strip()
        size = _read(f"{folder}/size").strip()
        if kind in ("Data", "Unified") and size:
            found[f"L{level}"] = _bytes(size)
    return found


@cache
def machine() -> dict[str, Any]:
    """What identifies the machine in a result file."""
    info = _read("/proc/cpuinfo")
    flags = set((_field(info, "flags") or "").split())
    memory = _field(_read("/proc/meminfo"), "MemTotal")
    family, model = _field(info, "cpu family"), _field(info, "model")
    name = _field(info, "model name") or platform.processor() or platform.machine()
    return {
        "cpu": f"{name} (family {family}, model {model})" if family else name,
        "simd": [f for f in ("avx", "avx2", "fma", "avx512f", "avx512_bf16") if f in flags],
        "cores": cores(),
        "caches_bytes": caches(),
        "memory_bytes": int(memory.split()[0]) * 1024 if memory else None,
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def packages() -> dict[str, str]:
    """Versions of the installed packages that results depend on."""
    found: dict[str, str] = {}
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def scrub(text: str, extra: Sequence[str] = ()) -> str:
    """``text`` without the paths of this machine."""
    places = {
        str(ROOT): "<checkout>",
        sys.prefix: "<python>",
        sys.base_prefix: "<python>",
        tempfile.gettempdir(): "<tmp>",
        str(Path.home()): "~",
    }
    places.update(dict.fromkeys(extra, "<path>"))
    for place in sorted(places, key=len, reverse=True):
        if len(place) > 1:
            text = text.replace(place, places[place])
    return text
