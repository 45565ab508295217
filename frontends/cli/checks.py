"""What `arignote doctor` checks. Each check returns findings, and none raises."""

import enum
import importlib
import os
import platform
import re
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from platformdirs import user_cache_dir

from arignote._version import __version__
from arignote.frontends.cli.probes import BLAS, COMPILE, CUDA, LLVM, ask

OLDEST_PYTHON = (3, 11)
INSTRUCTIONS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_tile", "asimd")
REINSTALL = "Install it again: pip install --force-reinstall arignote"


class Status(enum.StrEnum):
    """How a finding is to be taken: FAIL means that Arignote does not work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """One line of the report; `remedy` says what to do, or what else there could be."""

    name: str
    status: Status
    text: str
    remedy: str = ""


def python() -> Iterator[Finding]:
    """Python and the system."""
    new_enough = sys.version_info[:2] >= OLDEST_PYTHON
    yield Finding(
        "Python",
        Status.OK if new_enough else Status.FAIL,
        f"{platform.python_version()} ({platform.python_implementation()})",
        "" if new_enough else "Use Python {}.{} or newer.".format(*OLDEST_PYTHON),
    )
    linux = platform.system() == "Linux"
    yield Finding(
        "system",
        Status.OK if linux else Status.WARN,
        f"{platform.system()} {platform.release()}, {platform.machine()}",
        "" if linux else "Only Linux is tested.",
    )


def processor() -> Iterator[Finding]:
    """The CPU, its cores and vector instructions."""
    facts = _cpuinfo()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = facts.get("model name") or platform.processor() or platform.machine()
    yield Finding("CPU", Status.OK, f"{name}, {cores} cores for this process")
    flags = set((facts.get("flags") or facts.get("Features") or "").split())
    found = [flag for flag in INSTRUCTIONS if flag in flags]
    slow = platform.machine() in ("x86_64", "AMD64") and "avx2" not in flags
    yield Finding(
        "instructions",
        Status.WARN if slow else Status.OK,
        ", ".join(found) or "none known",
        "Without AVX2 the compiled code is correct but slow." if slow else "",
    )


def _cpuinfo() -> dict[str, str]:
    """The first processor's entries in /proc/cpuinfo."""
    facts: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
    except OSError:
        pass  # not Linux: platform tells the little there is
    return facts


def packages() -> Iterator[Finding]:
    """Arignote, and the versions of what it requires."""
    yield Finding("arignote", Status.OK, __version__)
    for requirement in requirements():
        name, optional = requirement.name, requirement.extra is not None
        remedy = f"pip install '{name}{requirement.versions}'"
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield Finding(
                name,
                Status.WARN if optional else Status.FAIL,
                "not installed" + (f" (extra {requirement.extra})" if optional else ""),
                remedy,
            )
            continue
        fits = satisfies(version, requirement.versions)
        bad = Status.WARN if optional else Status.FAIL
        yield Finding(
            name,
            Status.OK if fits else bad,
            version if fits else f"{version}, required is {requirement.versions}",
            "" if fits else remedy,
        )


@dataclass(frozen=True)
class Requirement:
    """A package that Arignote needs, at all or for an extra."""

    name: str
    versions: str
    extra: str | None


def requirements() -> list[Requirement]:
    """What the installed package declares, or the checkout's pyproject.toml."""
    try:
        declared = metadata.requires("arignote") or []
    except metadata.PackageNotFoundError:
        file = Path(__file__).resolve().parents[2] / "pyproject.toml"
        if not file.is_file():
            return []
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        declared = list(project["dependencies"])
        declared += [f"{x}; extra == 'models'" for x in project["optional-dependencies"]["models"]]
    found = []
    for line in declared:
        text, _, marker = line.partition(";")
        match = re.fullmatch(r"\s*([\w.-]+)\s*(\[[^]]*\])?\s*\(?([^()]*)\)?\s*", text)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        # Other extras are for developing Arignote.
        if match and (extra is None or extra[1] == "models"):
            found.append(Requirement(match[1], match[3].strip(), extra[1] if extra else None))
    return found


def satisfies(version: str, specifiers: str) -> bool:
    """Whether a version fits specifiers such as `>=2.0,<3` (the operators == >= <= > < !=)."""

    def key(text: str) -> tuple[int, ...]:
        # A post release comes after its release, a pre-release is taken for the release itself.
        release = re.match(r"v?(\d+(?:\.\d+)*)", text)
        post = re.search(r"\.post(\d+)", text)
        numbers = [int(n) for n in release[1].split(".")] if release else [0]
        return (*numbers, *[0] * (8 - len(numbers)), int(post[1]) + 1 if post else 0)

    tests: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    for specifier in filter(None, (part.strip() for part in specifiers.split(","))):
        match = re.fullmatch(r"(==|!=|>=|<=|>|<)\s*([\w.+!-]+)", specifier)
        if match and not tests[match[1]](key(version), key(match[2])):
            return False
    return True


def compiler() -> Iterator[Finding]:
    """LLVM (in TVM), OpenBLAS, and a function compiled with both."""
    llvm = ask(LLVM)
    if llvm.values is None:
        yield Finding("LLVM", Status.FAIL, f"TVM cannot be imported: {llvm.problem}", REINSTALL)
    elif llvm.values["cpu"] is None:
        yield Finding("LLVM", Status.FAIL, "this TVM was built without LLVM", REINSTALL)
    else:
        text = f"in TVM {llvm.values['tvm']}, code for {llvm.values['cpu']}"
        yield Finding("LLVM", Status.OK, text)
    blas = ask(BLAS)
    if blas.values is None:
        remedy = REINSTALL.replace("arignote", "scipy-openblas32")
        yield Finding("OpenBLAS", Status.FAIL, f"cannot be used: {blas.problem}", remedy)
    else:
        yield Finding("OpenBLAS", Status.OK, blas.values["config"])
    if llvm.values is not None and blas.values is not None:
        with tempfile.TemporaryDirectory() as folder:  # compiled anew, not loaded
            trial = ask(COMPILE, ARIGNOTE_CACHE_DIR=folder)
        if trial.values is None:
            yield Finding("compiling", Status.FAIL, f"a small function: {trial.problem}", REINSTALL)
        else:
            yield Finding("compiling", Status.OK, "a small function compiles and is right")


def cuda() -> Iterator[Finding]:
    """NVIDIA's driver and devices. Not having any is fine."""
    answer = ask(CUDA)
    how = "Functions run on the CPU for now; `arignote dump NAME --stage cuda` shows GPU code."
    if answer.values is None:
        yield Finding("CUDA", Status.WARN, f"the driver cannot be asked: {answer.problem}", how)
    elif answer.values["driver"] is None:
        yield Finding("CUDA", Status.OK, "no driver (libcuda.so.1 comes with NVIDIA's); none is needed", how)
    elif not answer.values["devices"]:
        text = f"driver for CUDA {answer.values['driver']}, no device (status "
        remedy = "Check nvidia-smi, and that CUDA_VISIBLE_DEVICES is not empty."
        yield Finding("CUDA", Status.WARN, f"{text}{answer.values['status']})", remedy)
    else:
        names = ", ".join(answer.values["devices"])
        text = f"driver for CUDA {answer.values['driver']}: {names}"
        yield Finding("CUDA", Status.OK, text, how)


def cache() -> Iterator[Finding]:
    """The folder of compiled code."""
    named = os.environ.get("ARIGNOTE_CACHE_DIR")
    folder = Path(named) if named else Path(user_cache_dir("arignote"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    except OSError as error:
        yield Finding(
            "cache",
            Status.WARN,
            f"{folder} cannot be used ({error.strerror or error}); functions compile every time",
            "Set ARIGNOTE_CACHE_DIR to a folder that can be written.",
        )
        return
    size = sum(sizes) / 2**20
    yield Finding("cache", Status.OK, f"{folder}: {len(sizes)} files, {size:.1f} MiB")


def settings() -> Iterator[Finding]:
    """Environment variables and configuration files."""
    given = [
        name
        for name in ("ARIGNOTE_FLAGS", "THEANO_FLAGS", "ARIGNOTE_NUM_THREADS", "ARIGNOTE_DATA")
        if os.environ.get(name)
    ]
    try:
        importlib.import_module("arignote.frontends.tensor.settings")
        threads = os.environ.get("ARIGNOTE_NUM_THREADS", "").strip()
        if threads and not (threads.isdigit() and int(threads) >= 1):
            raise ValueError(f"ARIGNOTE_NUM_THREADS is {threads!r}, not a number of threads")
    except ValueError as error:
        yield Finding("settings", Status.FAIL, str(error), "Correct or unset the variable or file.")
        return
    yield Finding("settings", Status.OK, ", ".join(given) or "defaults")
    if forced := os.environ.get("OPENBLAS_CORETYPE"):
        remedy = "Unset it, so that OpenBLAS takes the kernels of this processor."
        yield Finding("settings", Status.WARN, f"OPENBLAS_CORETYPE={forced}", remedy)


def data() -> Iterator[Finding]:
    """The data sets of the models."""
    try:
        # Named as text: models import frontends, and not the other way round.
        loaders = importlib.import_module("arignote.models.data")
    except ImportError as error:
        yield Finding("data", Status.FAIL, f"the loaders cannot be imported ({error})", REINSTALL)
        return
    try:
        folder = loaders.find_folder("mnist", loaders.FILES)
        yield Finding("data: mnist", Status.OK, str(folder))
    except loaders.DataError as error:
        named = bool(os.environ.get(loaders.ENVIRONMENT_VARIABLE))
        status = Status.WARN if named else Status.OK
        yield Finding("data: mnist", status, "not found; digits are used", str(error.remedy))
    try:
        metadata.version("scikit-learn")
        yield Finding("data: digits", Status.OK, "in scikit-learn")
    except metadata.PackageNotFoundError:
        remedy = "pip install 'arignote[models]'"
        yield Finding("data: digits", Status.WARN, "needs scikit-learn", remedy)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    python,
    processor,
    packages,
    compiler,
    cuda,
    cache,
    settings,
    data,
)
