"""`config`: how Arignote behaves, from code, the environment, or a file.

Settings come from, in order of precedence: assignments (`config.floatX = "float32"`), the
environment variables ARIGNOTE_FLAGS and THEANO_FLAGS (`floatX=float32,device=cpu`), the files
`~/.arignoterc` and `~/.theanorc` (ini files; `[global]` and sections), and the defaults.

Many of Theano's flags have no meaning here: they steer its C compiler, its old GPU back end or
warnings about its past. They are accepted, so that old set-ups work, kept, and listed in
`config.ignored`: allow_gc, compiledir, base_compiledir, compile.*, conv.*, cuda.*, cxx, cublas.*,
ctc.*, deterministic, dnn.*, DebugMode.*, enable_initial_driver_test, experimental.*,
force_device, gcc.*, gpuarray.*, init_gpu_device, int_division, lib.*, lib_amdlibm, linker,
magma.*, metaopt.*, nocleanup, numpy.*, nvcc.*, openmp, openmp_elemwise_minsize, optdb.*,
optimizer_requiring, on_opt_error, on_shape_error,
on_unused_input, print_active_device, print_global_stats, print_test_value,
profiling.*, pthreads.*, reoptimize_unpickled_function, scan.*, sched, tensor.*, test_value*,
traceback.*, unittests.*, unpickle_function, vm.*, warn.*, warn_float64, cast_policy,
NanGuardMode.*, cycle_detection, check_input, check_preallocated_output, assert_no_cpu_op, blas.*,
lazy*, beta*, contexts, gpuelemwise.*, exception_verbosity_ok, max_recursion*, hexagon*.
"""

from __future__ import annotations

import configparser
import difflib
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class ConfigError(ValueError, AttributeError):
    """An unknown setting, or a value that a setting cannot have."""


def _choice(*allowed: str) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        text = str(value)
        if text not in allowed:
            near = difflib.get_close_matches(text, allowed, 1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(
                f"config.{name} cannot be {value!r}{hint}; choices are {', '.join(allowed)}"
            )
        return text

    return check


def _device(name: str, value: Any) -> Any:
    text = str(value)
    if not re.fullmatch(r"cpu|(cuda|gpu)\d*", text):
        raise ConfigError(f"config.{name} cannot be {value!r}; give cpu, cuda, or cuda0, cuda1, ...")
    return text.replace("gpu", "cuda")


def _mode(name: str, value: Any) -> Any:
    from arignote.frontends.tensor.modes import Mode, check_mode_name

    return value if isinstance(value, Mode) else check_mode_name(str(value))


def _flag(name: str, value: Any) -> Any:
    text = str(value).lower()
    if text not in ("true", "false", "1", "0"):
        raise ConfigError(f"config.{name} cannot be {value!r}; give True or False")
    return text in ("true", "1")


def _text(name: str, value: Any) -> Any:
    return str(value)


def _count(name: str, value: Any) -> Any:
    if not str(value).isdigit():
        raise ConfigError(f"config.{name} cannot be {value!r}; give a number")
    return int(value)


def _tags(name: str, value: Any) -> Any:
    return str(value or "")


#: name -> (default, check, what it is)
SETTINGS: dict[str, tuple[Any, Callable[[str, Any], Any], str]] = {
    "floatX": ("float64", _choice("float16", "float32", "float64"), "dtype of T.matrix() and kin"),
    "device": ("cpu", _device, "where functions run"),
    "mode": ("FAST_RUN", _mode, "how functions are compiled, where they do not say"),
    "optimizer": (
        "fast_run",
        _choice("fast_run", "fast_compile", "o4", "o3", "o2", "o1", "None"),
        "how much the default mode optimises",
    ),
    "optimizer_including": ("", _tags, "passes that modes run besides, separated by colons"),
    "optimizer_excluding": ("", _tags, "passes that modes leave out, separated by colons"),
    "profile": (False, _flag, "whether functions are profiled"),
    "profile_memory": (False, _flag, "whether profiles tell about memory"),
    "profile_optimizer": (False, _flag, "whether profiles tell about passes"),
    "profiling.destination": ("stderr", _text, "where profiles are printed: stderr, stdout, or a file"),
    "profiling.n_ops": (20, _count, "rows of the tables of ops and classes"),
    "profiling.n_apply": (20, _count, "rows of the table of applied ops"),
    "exception_verbosity": ("low", _choice("low", "high"), "how much errors tell"),
    "compute_test_value": (
        "off",
        _choice("off", "ignore", "warn", "raise", "pdb"),
        "whether expressions are evaluated as they are written, and what happens where a test value is missing",
    ),
}

_IGNORED = re.compile(
    r"(compile|conv|cuda|cublas|ctc|dnn|DebugMode|experimental|gcc|gpuarray|lib|magma|metaopt|numpy"
    r"|nvcc|optdb|profiling|pthreads|scan|tensor|traceback|unittests|vm|warn|NanGuardMode|blas"
    r"|gpuelemwise|scan_memory|hexagon|lazy|beta)(\.|__).+"
    r"|allow_gc|compiledir|base_compiledir|compiledir_format|cxx|deterministic"
    r"|enable_initial_driver_test|force_device|init_gpu_device|int_division|lib_amdlibm|linker"
    r"|nocleanup|openmp|openmp_elemwise_minsize|optimizer_(requiring|verbose)"
    r"|on_(opt|shape)_error|on_unused_input|print_active_device|print_global_stats"
    r"|print_test_value|reoptimize_unpickled_function|sched|test_value\w*"
    r"|unpickle_function|warn_float64|cast_policy|cycle_detection|check_input"
    r"|check_preallocated_output|assert_no_cpu_op|contexts|max_recursion\w*|ignore_bug_before"
    r"|warn_ignore_bug_before|cmodule\w*|allow_downcast|pickle_test_value|exception_verbosity_ok"
    r"|change_flags_context|lazy\w*|beta\w*|hexagon\w*|conv2d\w*|cuda_root"
)


class _Section:
    """Flags of Theano's under a common prefix: `config.gpuarray.preallocate`."""

    def __init__(self, owner: Config, prefix: str) -> None:
        object.__setattr__(self, "_owner", owner)
        object.__setattr__(self, "_prefix", prefix)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self._prefix}.{name}"
        return getattr(self._owner, full) if self._owner.has(full) else self._owner.ignored.get(full)

    def __setattr__(self, name: str, value: Any) -> None:
        self._owner.set(f"{self._prefix}.{name}", value, "code")


class Config:
    """The settings as attributes; see the module's documentation."""

    floatX: str
    device: str
    mode: Any
    optimizer: str
    optimizer_including: str
    optimizer_excluding: str
    exception_verbosity: str
    compute_test_value: str
    ignored: dict[str, Any]
    _settings: dict[str, tuple[Any, Callable[[str, Any], Any], str]]
    _unclaimed: dict[str, str]

    def __init__(self, environ: Mapping[str, str], home: Path | None) -> None:
        values = {name: default for name, (default, _, _) in SETTINGS.items()}
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_settings", dict(SETTINGS))
        object.__setattr__(self, "_unclaimed", {})
        object.__setattr__(self, "ignored", {})
        for file in (".theanorc", ".arignoterc") if home is not None else ():
            assert home is not None
            self._read_file(home / file)
        for variable in ("THEANO_FLAGS", "ARIGNOTE_FLAGS"):
            self._read_flags(variable, environ.get(variable, ""))

    def _read_file(self, path: Path) -> None:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        try:
            text = path.read_text(encoding="utf-8")
        except OSError:
            return
        try:
            parser.read_string(text, str(path))
        except configparser.Error as e:
            raise ConfigError(f"{path}: {e}") from None
        for section in parser.sections():
            for name, value in parser.items(section):
                full = name if section == "global" else f"{section}.{name}"
                self._read(full, value, str(path), lenient=path.name == ".theanorc")

    def _read_flags(self, variable: str, text: str) -> None:
        for item in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = item.partition("=")
            if not equals:
                raise ConfigError(f"{variable}: {item!r} is not of the form name=value")
            self._read(name.strip(), value.strip(), variable, lenient=variable == "THEANO_FLAGS")

    def _read(self, name: str, value: str, source: str, lenient: bool) -> None:
        """Take a setting from outside; what is Theano's own may hold flags that nobody knows, or not yet."""
        if lenient and name not in SETTINGS and not _IGNORED.fullmatch(name):
            self._unclaimed[name] = value
            warnings.warn(f"{source}: {self._unknown(name)}", stacklevel=5)
            return
        self.set(name, value, source)

    def set(self, name: str, value: Any, source: str) -> None:
        """Change a setting; errors name `source`."""
        prefix = "" if source == "code" else f"{source}: "
        name = name.replace("__", ".")
        if name in self._settings:
            try:
                self._values[name] = self._settings[name][1](name, value)
            except ValueError as e:
                raise ConfigError(f"{prefix}{e}") from None
        elif _IGNORED.fullmatch(name):
            self.ignored[name.replace("__", ".")] = value
        else:
            raise ConfigError(prefix + self._unknown(name))

    def has(self, name: str) -> bool:
        """Whether there is a setting of that name."""
        return name in self._settings

    def define(self, name: str, default: Any, check: Callable[[str, Any], Any], doc: str) -> None:
        """Add a setting; it takes the value that the environment has for it.

        Raises:
            ConfigError: there is one of that name, or the environment has a value that it cannot have.
        """
        if name in self._settings or _IGNORED.fullmatch(name):
            raise ConfigError(f"config has a setting {name!r} already")
        self._settings[name] = (default, check, doc)
        self._values[name] = default
        if name in self._unclaimed:
            self.set(name, self._unclaimed.pop(name), "THEANO_FLAGS or a file")

    def _unknown(self, name: str) -> str:
        known = self._settings
        near = difflib.get_close_matches(name, known, 3, 0.5)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
        return f"config has no setting {name!r}; {hint}"

    def __getattr__(self, name: str) -> Any:
        values = object.__getattribute__(self, "_values")
        if name in values:
            return values[name]
        if not name.startswith("_"):
            if any(setting.startswith(f"{name}.") for setting in self._settings):
                return _Section(self, name)
            if name.replace("__", ".") in self.ignored:
                return self.ignored[name.replace("__", ".")]
            if _IGNORED.fullmatch(name):
                return ""
            if _IGNORED.fullmatch(name + ".x"):
                return _Section(self, name)
        raise ConfigError(self._unknown(name))

    def __setattr__(self, name: str, value: Any) -> None:
        self.set(name, value, "code")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._settings})

    def __repr__(self) -> str:
        return f"config({', '.join(f'{k}={getattr(self, k)!r}' for k in self._settings)})"

    @contextmanager
    def change_flags(
        self, args: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), **flags: Any
    ) -> Iterator[Config]:
        """Settings, in a dict or by name, for the duration of a `with` block, or of a call as a decorator."""
        before = dict(self._values)
        ignored = dict(self.ignored)
        try:
            for name, value in {**dict(args), **flags}.items():
                self.set(name, value, "code")
            yield self
        finally:
            self._values.update(before)
            self.ignored.clear()
            self.ignored.update(ignored)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no home directory: nothing to read
        return None


config = Config(os.environ, _home())
change_flags = config.change_flags
