"""What the commands that look into the compiler are pointed at: models, files of IR, functions of scripts.

    mlp                          the training function of a model
    mlp{hidden=300}:predict      another function of it, with other settings
    step.ari                     the functions of a file, or one of them: step.ari:train
    -                            the same from standard input
    script.py:train              what a script calls `train`: a compiled function, or something that makes one
    mlp@fused                    any of these at a stage of the compiler
"""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from arignote.ir.core import Func
from arignote.ir.diag import IRError
from arignote.ir.parse import parse_module
from arignote.ir.verify import verify
from arignote.models import registry
from arignote.models.data import DataError
from arignote.models.model import ModelBase, SettingError

# Those of `arignote.frontends.tensor.stages`, which is imported when it is needed.
IR_STAGES = ("recorded", "grad", "optimised", "fused", "placed", "planned")
STAGES = (*IR_STAGES, "tir", "llvm", "asm", "cuda")

_SPEC = re.compile(
    r"(?P<what>[^{}]*?)(?:\{(?P<settings>[^{}]*)\})?(?::(?P<only>[\w.]+))?"
    rf"(?:@(?P<stage>{'|'.join(STAGES)}))?"
)


class ScriptError(Exception):
    """A script that does not run, or has no function of the name."""


@dataclass(frozen=True)
class Spec:
    """One of the forms above, taken apart."""

    what: str
    settings: tuple[str, ...] = ()
    only: str | None = None
    stage: str | None = None

    @staticmethod
    def parse(text: str) -> Spec:
        """Read one; whatever is no such form is taken for a name as it is."""
        match = _SPEC.fullmatch(text)
        if match is None:
            return Spec(text)
        settings = tuple(filter(None, (s.strip() for s in (match["settings"] or "").split(","))))
        return Spec(match["what"], settings, match["only"], match["stage"])

    def filled(self, other: Spec) -> Spec:
        """This one, with what it leaves out taken from `other`: `@fused` stands for the same program."""
        if self.what:
            return self
        only = self.only or other.only
        return replace(self, what=other.what, settings=self.settings or other.settings, only=only)

    def programs(self) -> list[Any]:
        """The functions: recorded ones of the DSL, or IR.

        Raises:
            DataError, IRError: a file that cannot be read, or is no IR.
            UnknownModelError, SettingError: there is no such model, function or setting.
            ScriptError: a script that fails.
        """
        path = Path(self.what)
        if self.what == "-" or path.suffix in (".ari", ".py"):
            if self.settings:
                raise SettingError(f"{self.what} has no settings: they are for models")
            return self._of_script(path) if path.suffix == ".py" else self._of_file(path)
        model = registry.find(self.what).with_settings(self.settings)
        makers = functions(model)
        if self.only == "all":
            return [make() for make in makers.values()]
        name = self.only or next(iter(makers))
        if name not in makers:
            raise SettingError(f"{model.name} has no function {name!r}; it has {', '.join(makers)}")
        return [makers[name]()]

    def _of_file(self, path: Path) -> list[Func]:
        file = "<stdin>" if self.what == "-" else str(path)
        try:
            text = sys.stdin.read() if self.what == "-" else path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DataError(path, expected="a file", found="none", remedy="Check the path.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                path, expected="IR as text", found=f"an error ({error})", remedy="Check the file."
            ) from error
        module = parse_module(text, file)
        verify(module)
        found = list(module.funcs)
        if self.only in (None, "all"):
            return found
        chosen = [f for f in found if f.name == self.only]
        if not chosen:
            names = ", ".join(f.name for f in found) or "none"
            raise IRError(f"{file} has no function {self.only!r}; functions: {names}")
        return chosen

    def _of_script(self, path: Path) -> list[Any]:
        from arignote.frontends.tensor import Function

        scope = run_script(path)
        named = {k: v for k, v in scope.items() if isinstance(v, Function)}
        if self.only in (None, "all"):
            if not named:
                raise ScriptError(f"{path} defines no compiled function; name what makes one: {path}:NAME")
            return list(named.values()) if self.only == "all" else [next(iter(named.values()))]
        if self.only not in scope:
            listed = ", ".join(named) or "none"
            raise ScriptError(f"{path} defines nothing called {self.only!r}; compiled functions: {listed}")
        value = scope[self.only]
        if callable(value) and not isinstance(value, Function):
            value = value()
        if not isinstance(value, Function):
            raise ScriptError(f"{self.only} of {path} is {value!r}, not a compiled function")
        return [value]


def run_script(path: Path) -> dict[str, Any]:
    """What a script defines; its `if __name__ == "__main__"` does not run.

    Raises:
        ScriptError: there is none, or it fails.
    """
    before = sys.argv[:], sys.path[:]
    sys.argv, sys.path = [str(path)], [str(path.resolve().parent), *sys.path]
    try:
        return runpy.run_path(str(path), run_name="__arignote__")
    except Exception as error:
        raise ScriptError(f"{path} cannot be run: {type(error).__name__}: {error}") from error
    finally:
        sys.argv, sys.path = before


def functions(model: ModelBase) -> Mapping[str, Callable[[], Any]]:
    """What makes each function of a model, by name, the training function first; made on blank data."""
    return model.blank().functions()
