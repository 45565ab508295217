"""The gate: what `@defop` refuses at import, and the registry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import arignote.ir.ops  # noqa: F401  (fills the registry)
from arignote.ir.diag import IRError
from arignote.ir.opdef import OPS, REQUIRED, TRAITS, all_ops, defop, has_trait, opdef


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Whatever a test registers is taken back."""
    before = dict(OPS)
    yield
    OPS.clear()
    OPS.update(before)


def fields(**changes: Any) -> dict[str, Any]:
    """The body of a complete op."""
    body = {
        "__doc__": "probe(x: T[...]) -> T[...]: x.",
        "traits": ("elementwise",),
        "infer": lambda x: x,
        "eval": lambda x: x,
        "vjp": None,
        "lower": None,
        "samples": lambda: [],
    }
    return {k: v for k, v in {**body, **changes}.items() if v != "absent"}


def define(name: str = "probe", **changes: Any) -> Any:
    return defop(type(name, (), fields(**changes)))


def test_a_complete_record_is_registered() -> None:
    record = define()
    assert opdef("probe") is record
    assert record.traits == {"elementwise"}
    assert record.doc.startswith("probe(x")
    assert record.fold is None
    assert record.infer("type") == "type"


def test_a_class_body_is_read() -> None:
    @defop
    class probe_:
        """probe(x) -> x."""

        traits = ()
        vjp = None
        lower = "routine"

        @staticmethod
        def infer(x: Any) -> Any:
            return x

        @staticmethod
        def eval(x: Any) -> Any:
            return x + 1

        @staticmethod
        def samples() -> list[Any]:
            return []

        @staticmethod
        def fold(b: Any, op: Any) -> None:
            return None

    record = opdef("probe")  # the underscore keeps clear of a keyword
    assert record.eval(1) == 2
    assert record.lower == "routine"
    assert record.fold is not None


@pytest.mark.parametrize("field", REQUIRED)
def test_a_missing_field_is_named(field: str) -> None:
    absent: dict[str, Any] = {field: "absent"}
    with pytest.raises(TypeError, match=rf"op probe: missing {field} \(write `vjp = None`"):
        define(**absent)
    assert "probe" not in OPS


def test_all_missing_fields_are_named() -> None:
    with pytest.raises(TypeError, match="missing vjp, lower, samples"):
        define(vjp="absent", lower="absent", samples="absent")


def test_a_docstring_is_asked_for() -> None:
    with pytest.raises(TypeError, match="op probe: missing docstring"):
        define(__doc__=None)


def test_unknown_traits_are_refused() -> None:
    with pytest.raises(TypeError, match=r"unknown traits pure, shiny; known are associative"):
        define(traits=("elementwise", "shiny", "pure"))


def test_misspelt_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="unknown fields folds"):
        define(folds=None)


@pytest.mark.parametrize("field", ["infer", "eval", "samples"])
def test_functions_must_be_functions(field: str) -> None:
    nothing: dict[str, Any] = {field: None}
    with pytest.raises(TypeError, match=f"{field} must be a function"):
        define(**nothing)


def test_a_name_is_defined_once() -> None:
    with pytest.raises(TypeError, match="op exp is defined twice"):
        define("exp")


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        opdef("exp").vjp = None  # type: ignore[misc]


def test_unknown_ops_suggest_near_names() -> None:
    with pytest.raises(IRError, match=r"unknown op 'sigmoyd'; did you mean sigmoid"):
        opdef("sigmoyd")


def test_every_trait_but_documented_ones_is_used() -> None:
    used = {t for r in all_ops() for t in r.traits}
    assert used == TRAITS


def test_all_ops_come_by_name() -> None:
    names = [r.name for r in all_ops()]
    assert names == sorted(names)
    assert {"add", "and", "or", "dot", "softmax", "fused"} <= set(names)
    assert has_trait("add", "commutative") and not has_trait("sub", "commutative")
