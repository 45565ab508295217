"""The package as users get it: the links, the names, and what importing it costs."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import arignote

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("ir", "passes", "codegen", "frontends", "models")


def run_python(code: str) -> str:
    """What a fresh interpreter prints, with the checkout on its path."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("folder", FOLDERS)
def test_links_lead_to_the_folders(folder: str) -> None:
    link = ROOT / "arignote" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder, "relative, so that a clone works anywhere"
    assert link.resolve() == ROOT / folder
    assert (link / "__init__.py").is_file()


def test_every_folder_with_modules_is_a_package() -> None:
    # setuptools does not pack a folder without __init__.py: the wheel would lack its modules.
    modules = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    assert modules
    assert {m.parent for m in modules if not (m.parent / "__init__.py").is_file()} == set()


def test_version() -> None:
    assert arignote.__version__ == "0.1.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert (
        project["tool"]["setuptools"]["dynamic"]["version"]["attr"]
        == "arignote._version.__version__"
    )


def test_typed() -> None:
    assert (ROOT / "arignote" / "py.typed").is_file()


def test_import_loads_nothing_but_the_facade() -> None:
    loaded = run_python(
        "import sys; before = set(sys.modules); import arignote;"
        "new = set(sys.modules) - before;"
        "print(sorted(n for n in new if n.partition('.')[0] not in sys.stdlib_module_names))"
    )
    assert loaded == "['arignote', 'arignote._version']"


@pytest.mark.parametrize(
    "module",
    [
        "arignote.ir",
        "arignote.passes",
        "arignote.models.data",
        "arignote.models.training",
        "arignote.layers",
        "arignote.tensor",
    ],
)
def test_what_needs_no_code_generator_does_not_import_tvm(module: str) -> None:
    loaded = run_python(
        f"import sys, {module}; print([name for name in ('tvm', 'tvm_ffi') if name in sys.modules])"
    )
    assert loaded == "[]"


@pytest.mark.parametrize("module", ["arignote.models.data", "arignote.models.training"])
def test_data_and_training_import_no_optional_package(module: str) -> None:
    loaded = run_python(
        f"import sys, {module};"
        "print([name for name in ('matplotlib', 'sklearn', 'scipy') if name in sys.modules])"
    )
    assert loaded == "[]"


def test_tensor_is_one_module_under_two_names() -> None:
    # Each order of imports on its own: the first one decides what gets loaded.
    for code in (
        "import arignote.tensor as T, arignote.frontends.tensor as F",
        "import arignote.frontends.tensor as F, arignote.tensor as T",
        "import arignote; T = arignote.tensor; import arignote.frontends.tensor as F",
        "from arignote import tensor as T; from arignote.frontends import tensor as F",
    ):
        assert run_python(f"{code}; print(T is F, T.__name__)") == "True arignote.frontends.tensor"


def test_submodules_of_tensor_exist_once() -> None:
    import arignote.frontends.tensor as real

    names = sorted(
        file.stem
        for file in Path(str(real.__file__)).parent.glob("*.py")
        if not file.stem.startswith("_")
    )
    assert names
    for name in names:
        alias = importlib.import_module(f"arignote.tensor.{name}")
        assert alias is importlib.import_module(f"arignote.frontends.tensor.{name}")
    with pytest.raises(ModuleNotFoundError, match=r"arignote\.tensor\.no_such_module"):
        importlib.import_module("arignote.tensor.no_such_module")


@pytest.mark.parametrize("name", ["function", "shared", "grad", "config"])
def test_public_names_are_those_of_tensor(name: str) -> None:
    import arignote.tensor as T

    assert name in arignote.__all__
    assert name in dir(arignote)
    assert getattr(arignote, name) is getattr(T, name)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = arignote.nothing
