"""The names that settings of layers have in Lasagne and in Keras: `Conv2D(below, num_filters=8, filter_size=3)`."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection
from typing import Any

#: Another name -> the settings that it may stand for: that which a kind of layer has.
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "activation": ("nonlinearity",),
    "bias_initializer": ("b",),
    "coeffs": ("coefficients",),
    "dilation_rate": ("dilation",),
    "downsample_factor": ("downsample",),
    "embeddings_initializer": ("W",),
    "filter_size": ("size",),
    "flip_filters": ("flip",),
    "go_backwards": ("backwards",),
    "gradient_steps": ("truncate_gradient",),
    "input_dim": ("vocabulary",),
    "input_size": ("vocabulary",),
    "input_var": ("expression",),
    "kernel_initializer": ("W",),
    "kernel_size": ("size",),
    "merge_function": ("merge",),
    "num_filters": ("filters",),
    "num_groups": ("groups",),
    "num_units": ("units",),
    "output_dim": ("units",),
    "output_size": ("units",),
    "pad": ("border", "crop"),
    "padding": ("border", "pad"),
    "pool_size": ("size",),
    "rate": ("p",),
    "recurrent_initializer": ("U",),
    "scale_factor": ("factor",),
    "stddev": ("sigma",),
    "strides": ("stride",),
}
#: Switches that are the opposite of a setting.
OPPOSITES = {"only_return_final": "return_sequences"}


def translated(kind: type[Any], given: dict[str, Any]) -> dict[str, Any]:
    """Settings by the names that they have here.

    Raises:
        TypeError: the kind of layer has no such setting, or one is given by two names.
    """
    own = sorted((f.name for f in dataclasses.fields(kind) if f.init), key=lambda name: name == "name")
    out: dict[str, Any] = {}
    for name, value in given.items():
        setting = _setting(kind, name, own)
        if name == "use_bias" and "b" in own and "use_bias" not in own:
            if value:
                continue
            setting, value = "b", None
        elif name in OPPOSITES and setting != name:
            value = not value
        if setting in out:
            raise TypeError(f"{kind.__name__}: {setting} is given twice: {name} is another name of it")
        out[setting] = value
    return out


def _setting(kind: type[Any], name: str, own: Collection[str]) -> str:
    if name in own or (name == "use_bias" and "b" in own):
        return name
    for setting in (*OTHER_NAMES.get(name, ()), OPPOSITES.get(name, "")):
        if setting in own:
            return setting
    near = difflib.get_close_matches(name, own, 1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(own)}"
    raise TypeError(f"{kind.__name__} has no setting {name!r}; {hint}")
