"""Settings of programs' own, as Theano's `configparser` has them: `AddConfigVar` and kinds of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arignote.frontends.tensor.settings import Config, ConfigError, change_flags, config

__all__ = [
    "AddConfigVar",
    "BoolParam",
    "ConfigError",
    "ConfigParam",
    "EnumStr",
    "FloatParam",
    "IntParam",
    "StrParam",
    "TypedParam",
    "change_flags",
    "config",
]

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "none", "")


class ConfigParam:
    """What a setting may be.

    Args:
        default: its value where nobody sets it.
        filter: makes a value out of what is given, or raises ValueError.
        allow_override: whether it can be changed.
    """

    def __init__(
        self, default: Any, filter: Callable[[Any], Any] | None = None, allow_override: bool = True
    ) -> None:
        self.default, self.filter, self.allow_override = default, filter, allow_override

    def check(self, name: str, value: Any) -> Any:
        """`value` as the setting `name` keeps it.

        Raises:
            ConfigError: the setting cannot have it.
        """
        if not self.allow_override and value != self.default:
            raise ConfigError(f"config.{name} cannot be changed")
        try:
            return value if self.filter is None else self.filter(value)
        except ValueError as e:
            raise ConfigError(f"config.{name} cannot be {value!r}: {e}") from None


class TypedParam(ConfigParam):
    """A value of a type, for which `is_valid` holds."""

    def __init__(
        self, default: Any, mytype: Callable[[Any], Any], is_valid: Any = None, allow_override: bool = True
    ) -> None:
        def convert(value: Any) -> Any:
            out = mytype(value)
            if callable(is_valid) and not is_valid(out):
                raise ValueError("it is not valid")
            return out

        super().__init__(default, convert, allow_override)


def StrParam(default: Any, is_valid: Any = None, allow_override: bool = True) -> ConfigParam:
    """A text."""
    return TypedParam(default, str, is_valid, allow_override)


def IntParam(default: Any, is_valid: Any = None, allow_override: bool = True) -> ConfigParam:
    """An integer."""
    return TypedParam(default, int, is_valid, allow_override)


def FloatParam(default: Any, is_valid: Any = None, allow_override: bool = True) -> ConfigParam:
    """A number."""
    return TypedParam(default, float, is_valid, allow_override)


def BoolParam(default: Any, is_valid: Any = None, allow_override: bool = True) -> ConfigParam:
    """True or False; of a text, what it says: `1`, `true`, `yes`, `on`, or their opposites."""

    def convert(value: Any) -> bool:
        text = str(value).lower()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise ValueError("it is neither true nor false")

    return TypedParam(default, convert, is_valid, allow_override)


def EnumStr(default: str, *options: str, **kwargs: Any) -> ConfigParam:
    """One of some texts, the default among them."""
    choices = (default, *options)

    def convert(value: Any) -> str:
        text = str(value)
        if text not in choices:
            raise ValueError(f"choices are {', '.join(choices)}")
        return text

    return ConfigParam(default, convert, kwargs.get("allow_override", True))


def AddConfigVar(
    name: str, doc: str, configparam: ConfigParam, root: Config = config, in_c_key: bool = True
) -> None:
    """Add a setting: `config.name`, which environment variables and files set like any other.

    Args:
        name: may have a section in front: `section.name`.
        in_c_key: ignored: compiled code does not depend on settings of programs' own.

    Raises:
        AttributeError: there is one of that name.
        ConfigError: the environment gives it a value that it cannot have.
    """
    root.define(name, configparam.default, configparam.check, doc)
