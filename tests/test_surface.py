"""The page about Theano's names agrees with what can be imported."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import arignote
from arignote._paths import PATHS

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def surface() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_surface", ROOT / "docs" / "surface.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_surface"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(surface: ModuleType) -> None:
    text = surface.document(list(surface.entries()))
    assert surface.DOCUMENT.read_text(encoding="utf-8") == text, "run: python docs/surface.py"


def test_every_name_has_one_state(surface: ModuleType) -> None:
    found = list(surface.entries())
    names = [line.split("\t")[0] for line in surface.NAMES.read_text(encoding="utf-8").splitlines()[1:]]
    assert [e.name for e in found] == names
    assert len(set(names)) == len(names)
    states = {surface.DONE, surface.OTHER, surface.NEVER, surface.MISSING}
    assert {e.state for e in found} <= states
    assert all(e.remark for e in found if e.state != surface.DONE)
    text = surface.document(found)
    assert all(f"`{name}`" in text for name in names)


def test_names_are_looked_up_not_believed(surface: ModuleType) -> None:
    kinds = surface.variables()
    assert surface.exists("theano.tensor.nnet.softmax", kinds)
    assert surface.exists("<Variable>.get_value", kinds)
    assert surface.exists("import theano.gof", kinds)
    assert not surface.exists("theano.tensor.no_such_name", kinds)
    assert not surface.exists("<Variable>.no_such_name", kinds)
    assert not surface.exists("import theano.no_such_module", kinds)
    assert not surface.exists("import theano.tensor.dot", kinds)


def test_patterns_are_needed(surface: ModuleType) -> None:
    names = [e.name for e in surface.entries()]
    for pattern in (*surface.RENAMED, *surface.REFUSED):
        assert any(surface.re.fullmatch(pattern, name) for name in names), pattern


@pytest.mark.parametrize("path", sorted(PATHS))
def test_old_paths_lead_to_modules_that_exist(path: str) -> None:
    module = importlib.import_module(f"arignote.{path}")
    for source in PATHS[path]:
        importlib.import_module(f"arignote.{source}".rstrip("."))
    with pytest.raises(AttributeError, match=r"has no attribute 'no_such_name'"):
        _ = module.no_such_name


def test_old_paths_share_their_names() -> None:
    import arignote.tensor as T

    basic, sharedvar, variables, printing = (
        importlib.import_module(f"arignote.{path}")
        for path in ("tensor.basic", "tensor.sharedvar", "tensor.var", "printing")
    )
    assert basic.dot is T.dot
    assert variables.TensorVariable is T.TensorVariable
    assert sharedvar.TensorSharedVariable is T.TensorSharedVariable
    assert T.var is basic.var, "a path does not take the place of a function"
    assert printing.pp is arignote.pp
    with pytest.raises(ModuleNotFoundError, match=r"no_such_module"):
        importlib.import_module("arignote.gof.no_such_module")
