"""Models by name, and hyper-parameters from text."""

import dataclasses

import pytest

from arignote.models import registry
from arignote.models.book.logreg import LogReg
from arignote.models.book.mlp import Mlp
from arignote.models.model import SettingError


def test_models_are_found_in_the_order_of_chapters() -> None:
    found = registry.models()
    assert found["logreg"] is LogReg
    assert found["mlp"] is Mlp
    assert [model.chapter for model in found.values()] == sorted(
        model.chapter for model in found.values()
    )


def test_every_model_describes_itself() -> None:
    for name, model in registry.models().items():
        assert model.name == name
        assert 1 <= model.chapter <= 13
        assert model.quality
        assert len(model.summary()) > 10
        assert model() == model(**model.settings()), "defaults must be valid"


def test_the_book_sizes_are_the_defaults() -> None:
    assert dataclasses.asdict(Mlp()) == {"batch": None, "rate": 0.01, "hidden": 500}
    assert dataclasses.asdict(LogReg()) == {"batch": None, "rate": 0.13}


def test_unknown_names_say_what_there_is() -> None:
    with pytest.raises(registry.UnknownModelError, match="no model 'mpl'; did you mean 'mlp'"):
        registry.find("mpl")
    with pytest.raises(registry.UnknownModelError, match=r"there are .*logreg, .*mlp, .*cbow"):
        registry.find("transformer")


def test_settings_from_text() -> None:
    assert Mlp.with_settings([]) == Mlp()
    assert Mlp.with_settings(["hidden=300", "rate=1e-2", "batch=20"]) == Mlp(20, 0.01, 300)
    assert Mlp.with_settings(["batch=20", "batch=None"]) == Mlp()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("depth=3", r"mlp has no setting 'depth=3'; it has batch=None, rate=0\.01, hidden=500"),
        ("hidden", r"mlp has no setting 'hidden'"),
        ("hidden=many", r"mlp: hidden is of type int, which 'many' is not"),
        ("hidden=2.5", r"hidden is of type int"),
        ("batch=2.5", r"batch is of type int or none"),
        ("hidden=0", r"hidden must be at least 1, not 0"),
        ("rate=-1", r"rate must be positive, not -1\.0"),
        ("rate=nan", r"rate must be positive, not nan"),
        ("rate=inf", r"rate must be positive, not inf"),
    ],
)
def test_wrong_settings(setting: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Mlp.with_settings([setting])
