"""Loading: a wrong version, a missing symbol or a damaged object is an error that tells what to do, never a crash."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arignote.codegen import loader
from arignote.codegen.compile import build_object, compile_func
from arignote.codegen.target import cpu_target, make_target
from arignote.ir.core import Func
from arignote.ir.parse import parse_module
from arignote.passes.fuse import Fuse
from arignote.passes.plan import Plan


def planned(text: str) -> Func:
    return Plan().run(Fuse().run(parse_module(text).funcs[0]))


DOUBLE = "func @f(%x: f32[n]) -> (f32[n]) {\n  %y = add(%x, %x) : f32[n]\n  return(%y)\n}\n"


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str | None], None]:
    real = importlib.metadata.version

    def set_version(package: str, version: str | None) -> None:
        def fake(name: str) -> str:
            if name != package:
                return real(name)
            if version is None:
                raise importlib.metadata.PackageNotFoundError(name)
            return version

        monkeypatch.setattr(importlib.metadata, "version", fake)

    return set_version


@pytest.mark.parametrize("version", ["0.1.15", "0.1.13", "0.2.0", "0.1.15.post1"])
def test_a_wrong_ffi_is_refused_with_the_remedy(pretend: Callable[[str, str | None], None], version: str) -> None:
    pretend("apache-tvm-ffi", version)
    with pytest.raises(loader.EnvironmentProblem) as e:
        compile_func(planned(DOUBLE), cpu_target(), {})
    message = str(e.value)
    assert f"apache-tvm-ffi {version} does not work" in message
    assert 'pip install "apache-tvm-ffi>=0.1.14,<0.1.15"' in message


@pytest.mark.parametrize("version", ["0.1.14", "0.1.14.post1"])
def test_the_right_ffi_is_accepted(pretend: Callable[[str, str | None], None], version: str) -> None:
    pretend("apache-tvm-ffi", version)
    loader.check_versions()


def test_a_missing_package_is_named(pretend: Callable[[str, str | None], None]) -> None:
    pretend("apache-tvm", None)
    with pytest.raises(loader.EnvironmentProblem, match="apache-tvm is not installed"):
        loader.check_versions()


def test_devices_that_nothing_runs_on_are_refused() -> None:
    with pytest.raises(loader.EnvironmentProblem, match=r"do not run on cuda yet: set config\.device to cpu"):
        compile_func(planned(DOUBLE), make_target("cuda"), {})


def test_objects_that_are_none() -> None:
    for data in (b"", b"\x7fELF", b"MZ" * 100):
        with pytest.raises(loader.EnvironmentProblem, match="not an ELF object"):
            loader.load_object(data)


def test_the_symbols_of_an_object_resolve() -> None:
    text = DOUBLE.replace("add(%x, %x)", 'print(%x) {message=""}')
    data = build_object(planned(text), cpu_target())
    names = list(loader.undefined_symbols(data))
    assert "memcpy" in names
    loader.load_object(data)


def test_a_symbol_that_nothing_provides_is_refused_before_it_can_crash() -> None:
    text = DOUBLE.replace("add(%x, %x)", 'print(%x) {message=""}')
    data = build_object(planned(text), cpu_target())
    assert data.count(b"\0memcpy\0") == 1  # in the table of names
    with pytest.raises(loader.EnvironmentProblem, match="nobody, which no loaded library provides"):
        loader.load_object(data.replace(b"\0memcpy\0", b"\0nobody\0"))


def test_a_warm_start_does_not_import_the_compiler(tmp_path: Path) -> None:
    program = (
        "import sys, numpy as np\n"
        "from arignote.codegen.compile import compile_func\n"
        "from arignote.codegen.target import cpu_target\n"
        "from arignote.ir.parse import parse_module\n"
        "from arignote.passes.fuse import Fuse\n"
        "from arignote.passes.plan import Plan\n"
        f"f = Plan().run(Fuse().run(parse_module({DOUBLE!r}).funcs[0]))\n"
        "c = compile_func(f, cpu_target(), {})\n"
        "assert c.executable(np.ones(5, 'f4'))[0].tolist() == [2.0] * 5\n"
        "print(c.cached, 'tvm' in sys.modules)\n"
    )
    env = {**os.environ, "ARIGNOTE_CACHE_DIR": str(tmp_path)}
    runs = [
        subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert runs[0].split() == ["False", "True"]
    assert runs[1].split() == ["True", "False"]


def test_two_objects_with_one_main_coexist() -> None:
    def make(op: str) -> Any:
        text = f"func @f(%x: f32[4]) -> (f32[4]) {{\n  %y = {op}(%x, %x) : f32[4]\n  return(%y)\n}}\n"
        return compile_func(planned(text), cpu_target(), {}).executable

    double, zero = make("add"), make("sub")
    x = np.arange(4, dtype=np.float32)
    assert double(x)[0].tolist() == [0, 2, 4, 6]
    assert zero(x)[0].tolist() == [0, 0, 0, 0]


def test_blas_starts_no_threads_of_its_own() -> None:
    code = (
        "import os; from arignote.codegen.loader import openblas; count = lambda: len(os.listdir('/proc/self/task'));"
        "before = count(); openblas(); print(count() - before, os.environ['OPENBLAS_NUM_THREADS'])"
    )
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "3"]


def test_a_forked_process_works_alone(tmp_path: Path) -> None:
    program = (
        "import os, signal, numpy as np, arignote as ar, arignote.tensor as T\n"
        "x = T.fmatrix()\n"
        "f = ar.function([x], T.tanh(T.dot(x, x.T) + T.exp(x).sum()))\n"
        "a = np.full((600, 600), 0.1, np.float32)\n"
        "want = f(a)  # with the threads of this process\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    signal.alarm(120)\n"
        "    new = ar.function([x], T.exp(x).sum())(a) > 0\n"
        "    os._exit(int(not (new and np.array_equal(f(a), want))))\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert np.array_equal(f(a), want)\n"
    )
    env = {**os.environ, "ARIGNOTE_CACHE_DIR": str(tmp_path), "ARIGNOTE_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=200)
