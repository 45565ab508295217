"""What code is generated for: the processor or a CUDA device, with the facts the scheduler asks for."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from dataclasses import dataclass

from arignote.ir.diag import IRError


@functools.cache
def _cpu_identity() -> str:
    """A text that changes when the instruction set does: machine-specific code is keyed by it."""
    facts = [platform.machine()]
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            wanted = ("model name", "flags", "Features", "CPU part")
            facts += sorted({line.strip() for line in f if line.startswith(wanted)})
    except OSError:
        facts.append(platform.processor())
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


@functools.cache
def cpu_features() -> frozenset[str]:
    """Instruction set extensions as the operating system names them; empty where it does not say."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            for line in f:
                if line.startswith(("flags", "Features")):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        return frozenset()
    return frozenset()


def default_threads() -> int:
    """ARIGNOTE_NUM_THREADS, or the number of processors this process may use."""
    text = os.environ.get("ARIGNOTE_NUM_THREADS", "").strip()
    if not text:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise IRError(f"ARIGNOTE_NUM_THREADS is {text!r}: give a number of threads, 1 or more")
    return int(text)


@dataclass(frozen=True)
class Target:
    """A device to compile for.

    Attributes:
        kind: `cpu` or `cuda`.
        threads: CPU threads that kernels may use.
        vector_bytes: width of a vector register in bytes.
        arch: CUDA architecture, such as `sm_80`.
        opt_level: of LLVM, 0 (quick to compile) or 3.
        profile: whether the host function measures how long every op takes (`profile.py`).
    """

    kind: str = "cpu"
    threads: int = 1
    vector_bytes: int = 32
    arch: str = "sm_80"
    opt_level: int = 3
    profile: bool = False

    def lanes(self, dtype_bytes: int) -> int:
        """Elements of a vector; 1 on devices whose threads are scalar."""
        return max(1, self.vector_bytes // max(dtype_bytes, 1)) if self.kind == "cpu" else 1

    def key(self) -> str:
        """Identity for caches: targets with the same key run the same code."""
        machine = _cpu_identity()
        profile = "-profile" if self.profile else ""
        return f"{self.kind}-t{self.threads}-v{self.vector_bytes}-O{self.opt_level}-{self.arch}{profile}-{machine}"


def cpu_target(opt_level: int = 3) -> Target:
    """The processor of this machine."""
    wide = "avx512f" in cpu_features()
    return Target("cpu", default_threads(), 64 if wide else 32, opt_level=opt_level)


def make_target(device: str, opt_level: int = 3) -> Target:
    """`cpu`, `cuda` or `cuda0` (Theano's names) as a target.

    Raises:
        IRError: another name.
    """
    if device == "cpu":
        return cpu_target(opt_level)
    if device == "cuda" or (device.startswith("cuda") and device[4:].isdigit()):
        return Target("cuda", 1, 4, opt_level=opt_level)
    raise IRError(f"unknown device {device!r}: give cpu or cuda")
