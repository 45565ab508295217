"""`In` and `Out`: inputs with defaults and names, and what may be borrowed."""

from __future__ import annotations

from typing import Any

from arignote.frontends.tensor.graph import Composite, Variable


class In:
    """An input of a function.

    Args:
        variable: the variable.
        name: what the argument is called; the variable's name by default.
        value: its default.
        update: its new default: what this expression is at the end of each call, from old values.
        mutable: whether the function may overwrite the argument (it never does).
        borrow: whether the function may keep the argument (it never does).
        allow_downcast: conversion of the argument, as `allow_input_downcast` of `function`.
        strict: take only arrays of exactly the type.
        implicit: it cannot be given at a call, only by `f[variable] = value` and its update.
        shared: ignored.
    """

    def __init__(
        self,
        variable: Any,
        name: str | None = None,
        value: Any = None,
        update: Any = None,
        mutable: bool | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        autoname: bool = True,
        implicit: bool | None = None,
        borrow: bool | None = None,
        shared: bool = False,
    ) -> None:
        if not isinstance(variable, (Variable, Composite)):
            raise TypeError(f"In takes a variable, not {variable!r}")
        if update is not None and not isinstance(update, Variable):
            raise TypeError(f"In: an update is a variable, not {update!r}")
        if implicit and value is None:
            raise TypeError(f"In: the implicit input {variable} needs a value")
        self.variable: Any = variable
        self.name = name if name is not None else variable.name if autoname else None
        self.value = value
        self.update = update
        self.implicit = bool(implicit)
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.mutable = bool(mutable)
        self.borrow = bool(borrow)

    def __repr__(self) -> str:
        default = "" if self.value is None else f" = {self.value!r}"
        return f"In({self.variable}{default})"


def Param(
    variable: Any,
    default: Any = None,
    name: str | None = None,
    mutable: bool = False,
    strict: bool = False,
    allow_downcast: bool | None = None,
    implicit: bool | None = None,
    borrow: bool | None = None,
) -> In:
    """`In`, as old programs write it."""
    return In(
        variable, name, default,
        mutable=mutable, strict=strict, allow_downcast=allow_downcast, implicit=implicit, borrow=borrow,
    )  # fmt: skip


class Out:
    """An output of a function. `borrow` allows aliasing of internal memory, which never happens."""

    def __init__(self, variable: Any, borrow: bool = False) -> None:
        if not isinstance(variable, (Variable, Composite)):
            raise TypeError(f"Out takes a variable, not {variable!r}")
        self.variable: Any = variable
        self.borrow = borrow

    def __repr__(self) -> str:
        return f"Out({self.variable},{self.borrow})"
