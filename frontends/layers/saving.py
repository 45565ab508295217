"""Models as files: the layers as JSON, the numbers as arrays, in one .npz archive. Nothing is pickled or run."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from arignote import _archive as archive
from arignote._archive import ArchiveError
from arignote.frontends.layers import init
from arignote.frontends.layers.base import KINDS, Layer
from arignote.frontends.layers.graph import unique_names
from arignote.frontends.layers.init import Array
from arignote.frontends.tensor.settings import change_flags
from arignote.frontends.tensor.sharedvar import SharedVariable

if TYPE_CHECKING:
    from arignote.frontends.layers.model import Model

VERSION = 1

_FORMAT = "arignote model"
_ABOUT = "about"  # the member that holds the JSON, as uint8[n] of UTF-8
_PARAMETERS, _STATE = "parameters/", "state/"


# ---------------------------------------------------------------- weights
def assign(variables: Mapping[str, SharedVariable], arrays: Mapping[str, Array], what: str) -> None:
    """Set all variables; none if a name or a shape differs. Raises ValueError that lists what does."""
    wrong = [f"{name} is missing" for name in variables if name not in arrays]
    wrong += [f"{name} is unknown" for name in arrays if name not in variables]
    for name, variable in variables.items():
        want = variable.container.array
        if name in arrays and (want.shape, want.dtype) != (arrays[name].shape, arrays[name].dtype):
            have = arrays[name]
            wrong.append(f"{name} is {have.dtype}{list(have.shape)}, not {want.dtype}{list(want.shape)}")
    if wrong:
        raise ValueError(f"these are not the parameters of {what}: {'; '.join(wrong)}")
    for name, variable in variables.items():
        variable.set_value(np.array(arrays[name]))


def save_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """See `Model.save_weights`."""
    archive.write(path, {_PARAMETERS + name: a for name, a in model.get_weights().items()})


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """See `Model.load_weights`."""
    members = archive.read(path)
    found = {k.removeprefix(_PARAMETERS): a for k, a in members.items() if k.startswith(_PARAMETERS)}
    try:
        model.set_weights(found)
    except ValueError as error:
        raise ArchiveError(path, f"does not fit this model: {error}", "Use the sizes that it was saved with.") from None


# ---------------------------------------------------------------- models
def save(model: Model, path: str | os.PathLike[str]) -> None:
    """See `Model.save`."""
    about: dict[str, Any] = {
        "format": _FORMAT, "version": VERSION, "floatX": model.floatX, "layers": describe(model.layers),
    }  # fmt: skip
    names = unique_names(model.layers)
    about["inputs"] = [names[one] for one in model.inputs]
    about["outputs"] = names[model.outputs[0]] if model.single else [names[one] for one in model.outputs]
    members = {_PARAMETERS + name: p.container.array for name, p in model.params().items()}
    if model.steps is not None:
        for where, value in (("loss", model.compiled["loss"]), ("metrics", model.compiled["metrics"])):
            if any(callable(one) for one in value):
                raise ValueError(f"the {where} {value} holds a function, which no file can: use save_weights")
        about["compile"] = model.compiled
        variables = model.variables()
        members |= {_STATE + n: v.container.array for n, v in variables.items() if n not in model.params()}
    archive.write(path, {_ABOUT: np.frombuffer(json.dumps(about).encode(), np.uint8), **members})


def load(path: str | os.PathLike[str], mode: Any) -> Model:
    """See `Model.load`."""
    from arignote.frontends.layers.model import Model

    members = archive.read(path)
    try:
        about = json.loads(members.pop(_ABOUT).tobytes())
        if about["format"] != _FORMAT:
            raise ValueError(about["format"])
        version = about["version"]
    except (KeyError, TypeError, ValueError) as error:
        raise ArchiveError(path, f"is no saved model ({error!r})", "Check the path.") from error
    if version != VERSION:
        raise ArchiveError(
            path, f"has version {version} of the format, this program reads version {VERSION}",
            "Use the version of Arignote that wrote it.",
        )  # fmt: skip
    try:
        with change_flags(floatX=about["floatX"]):
            layers = rebuild(about["layers"])
            outputs = about["outputs"]
            model = Model(
                [layers[name] for name in about["inputs"]],
                layers[outputs] if isinstance(outputs, str) else [layers[name] for name in outputs],
            )
            if "compile" in about:
                model.compile(**about["compile"], mode=mode)
            wanted = model.variables()
        found = {name.partition("/")[2]: array for name, array in members.items()}
        assign(wanted, found, "the model that the file describes")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArchiveError(
            path,
            f"does not describe a model ({type(error).__name__}: {error})",
            "Import the module that defines its kinds of layers, or save it again.",
        ) from error
    return model


# ---------------------------------------------------------------- layers
def describe(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Layers as JSON values, each behind what it reads. Raises ValueError for settings that are no data."""
    names = unique_names(layers)
    found: list[dict[str, Any]] = []
    for number, one in enumerate(layers):
        if KINDS.get(one.kind) is not type(one):
            raise ValueError(one.message(f"{type(one)} is not the kind of layer that is known as {one.kind}"))
        first = next((b for b in layers[:number] if b.params and b.params is one.params), None)
        entry: dict[str, Any] = {"name": names[one], "behind": [names[b] for b in one.incoming]}
        if first is not None:
            entry["again"] = names[first]
        else:
            entry |= _settings(one)
        found.append(entry)
    return found


def _settings(one: Layer) -> dict[str, Any]:
    values = {}
    for name, value in one.settings.items():
        try:
            values[name] = _encoded(value)
        except ValueError as error:
            raise ValueError(one.message(f"{name} cannot be saved: {error}; use save_weights")) from None
    return {"kind": one.kind, "settings": values}


def _encoded(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, init.Initializer) and init.BY_NAME.get(type(value).__name__) is type(value):
        fields: Any = value
        return {"initial": type(value).__name__, **dataclasses.asdict(fields)}
    if isinstance(value, Layer):
        return {"layer": _settings(value)}
    if isinstance(value, np.number):
        return value.item()
    if isinstance(value, np.ndarray):
        # Only a first value: the parameter itself is among the arrays.
        return {"zeros": list(np.shape(value))}
    if isinstance(value, (list, tuple)):
        return [_encoded(v) for v in value]
    raise ValueError(f"{value!r} is no number, text or list of these")


def rebuild(entries: Sequence[Mapping[str, Any]]) -> dict[str, Layer]:
    """The inverse of `describe`: new layers by name."""
    made: dict[str, Layer] = {}
    for entry in entries:
        below = [made[name] for name in entry["behind"]]
        if "again" in entry:
            one = made[entry["again"]](below)
            one.name = entry["name"]
        else:
            one = _made(entry)
            one.name = entry["name"]
            one = one(below) if below else one
            one.named(entry["name"])
        made[entry["name"]] = one
    return made


def _made(entry: Mapping[str, Any]) -> Layer:
    kind = KINDS[entry["kind"]]
    return kind(**{name: _decoded(value) for name, value in entry["settings"].items()})


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decoded(v) for v in value)
    if not isinstance(value, Mapping):
        return value
    if "layer" in value:
        return _made(value["layer"])
    if "zeros" in value:
        return np.zeros(value["zeros"])
    fields = dict(value)
    return init.BY_NAME[fields.pop("initial")](**fields)
