"""Networks of placed layers: their outputs as expressions, their parameters, their shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arignote.frontends import tensor as T
from arignote.frontends.layers.base import Layer, Run, Shape
from arignote.frontends.layers.basic import Input
from arignote.frontends.layers.init import Array
from arignote.frontends.tensor.convert import as_tensor_variable
from arignote.frontends.tensor.graph import Variable
from arignote.frontends.tensor.settings import config
from arignote.frontends.tensor.sharedvar import SharedVariable

Layers = Layer | Sequence[Layer]


def get_all_layers(layer: Layers, treat_as_input: Sequence[Layer] = ()) -> list[Layer]:
    """All layers that these depend on, and themselves, each behind what it reads.

    Args:
        treat_as_input: the search stops at these.
    """
    found: dict[Layer, None] = {}
    # By hand, because networks are deeper than Python's stack.
    stack = [(one, False) for one in reversed(_listed(layer))]
    while stack:
        one, ready = stack.pop()
        if one in found:
            continue
        if ready or one in treat_as_input:
            found[one] = None
            continue
        stack.append((one, True))
        stack.extend((below, False) for below in reversed(one.incoming))
    return list(found)


def get_output(
    layer: Layers,
    inputs: Any = None,
    deterministic: bool = False,
    updates: dict[SharedVariable, Any] | None = None,
    masks: Mapping[Layer, Any] | None = None,
    batch_norm_use_averages: bool | None = None,
    batch_norm_update_averages: bool | None = None,
) -> Any:
    """The output of a layer (or a list, for several) as an expression.

    Args:
        inputs: what `Input` layers hold: None for their own variables, an expression where there is one such layer, or
            a dict from layers (of any kind: what they would compute is replaced) to expressions or arrays.
        deterministic: as in use, not as in training: no dropout and no noise, stored statistics of batches.
        updates: receives what layers want to be updated, such as running statistics: give it to the function.
        masks: of inputs, by layer, (batch, time); not 0 where there is data.
        batch_norm_use_averages: whether `BatchNorm` takes stored statistics; by default as `deterministic`.
        batch_norm_update_averages: whether it updates them; by default unless `deterministic`.

    Raises:
        ValueError: there are updates and no `updates`; an input with another number of dimensions.
    """
    given = {k: as_tensor_variable(m) for k, m in (masks or {}).items()}
    run = Run(deterministic, updates, given, batch_norm_use_averages, batch_norm_update_averages)
    outputs = outputs_of(layer, inputs, run)
    return outputs[layer] if isinstance(layer, Layer) else [outputs[one] for one in layer]


def outputs_of(layer: Layers, inputs: Any, run: Run) -> dict[Layer, Any]:
    """The outputs of all layers below, by layer; `run` then holds the masks."""
    outputs = _given(layer, inputs)
    for one in get_all_layers(layer, list(outputs)):
        if one in outputs:
            continue
        if isinstance(one, Input):
            outputs[one] = one.variable
            continue
        values = [outputs[below] for below in one.incoming]
        known = [run.masks.get(below) for below in one.incoming]
        mask = one.mask_for(values, known)
        if mask is not None:
            run.masks[one] = mask
        outputs[one] = one.output_for(*values, run=run)
    return outputs


def _given(layer: Layers, inputs: Any) -> dict[Layer, Any]:
    if inputs is None:
        return {}
    if not isinstance(inputs, Mapping):
        places = [one for one in get_all_layers(layer) if isinstance(one, Input)]
        if len(places) != 1:
            raise ValueError(
                f"the network has {len(places)} Input layers: give a dict from these to expressions, not {inputs!r}"
            )
        inputs = {places[0]: inputs}
    given = {}
    for one, value in inputs.items():
        variable: Any = value if isinstance(value, Variable) else as_tensor_variable(np.asarray(value))
        if one.output_shape and variable.ndim != len(one.output_shape):
            raise ValueError(
                one.message(f"it stands for a tensor of {list(one.output_shape)}, not for {variable.type}")
            )
        given[one] = variable
    return given


def get_output_shape(layer: Layers) -> Shape | list[Shape]:
    """The shape of a layer's output (or a list), None for sizes that differ from call to call."""
    return layer.output_shape if isinstance(layer, Layer) else [one.output_shape for one in layer]


def get_all_params(layer: Layers, **tags: bool) -> list[SharedVariable]:
    """The parameters of all layers below, each once, in order.

    Args:
        tags: `trainable=True` for those that have the tag, `False` for those that do not; the same with
            `regularizable` and what layers say besides, `add_param(..., tag=True)`.

    Raises:
        ValueError: no layer knows the tag.
    """
    return list(named_params(layer, **tags).values())


def named_params(layer: Layers, **tags: bool) -> dict[str, SharedVariable]:
    """`get_all_params` by name: the layer's, a dot, the parameter's; layers without a name are called by kind and
    number."""
    found: dict[str, SharedVariable] = {}
    layers = get_all_layers(layer)
    known = {"trainable", "regularizable"}.union(*(kept for one in layers for kept in one.tags.values()))
    for tag in tags:
        if tag not in known:
            raise ValueError(f"parameters have the tags {', '.join(sorted(known))}, not {tag}")
    names = unique_names(layers)
    for one in layers:
        for name, parameter in one.params.items():
            if any(parameter is p for p in found.values()):
                continue
            if all((tag in one.tags[name]) == wanted for tag, wanted in tags.items()):
                found[f"{names[one]}.{name}"] = parameter
    return found


def unique_names(layers: Sequence[Layer]) -> dict[Layer, str]:
    """Their names, where they have one that is not taken; else their kind in small letters with a number."""
    names: dict[Layer, str] = {}
    taken: set[str] = set()
    for one in layers:
        if one.name and one.name not in taken:
            names[one] = one.name
            taken.add(one.name)
    for one in layers:
        if one in names:
            continue
        stem, number = (one.name or one.kind.lower()), 1
        while (name := stem if number == 1 else f"{stem}_{number}") in taken:
            number += 1
        names[one] = name
        taken.add(name)
    return {one: names[one] for one in layers}


def count_params(layer: Layers, **tags: bool) -> int:
    """How many numbers the parameters hold."""
    return sum(int(p.container.array.size) for p in get_all_params(layer, **tags))


def get_all_param_values(layer: Layers, **tags: bool) -> list[Array]:
    """Copies of the values of `get_all_params`."""
    return [p.get_value() for p in get_all_params(layer, **tags)]


def set_all_param_values(layer: Layers, values: Sequence[Any], **tags: bool) -> None:
    """Set the values of `get_all_params`. Raises ValueError if their number or a shape differs; nothing is set then."""
    found = named_params(layer, **tags)
    if len(found) != len(values):
        raise ValueError(f"the network has {len(found)} parameters, not {len(values)}")
    for (name, parameter), value in zip(found.items(), values, strict=True):
        shape = parameter.container.array.shape
        if np.shape(value) != shape:
            raise ValueError(f"the parameter {name} has the shape {list(shape)}, not {list(np.shape(value))}")
    for parameter, value in zip(found.values(), values, strict=True):
        parameter.set_value(np.asarray(value, parameter.dtype))


def penalty(layer: Layers, l1: float = 0.0, l2: float = 0.0) -> Any:
    """l1 times the sum of absolute values plus l2 times the sum of squares, of all parameters tagged `regularizable`:
    weights, and not biases."""
    total: Any = T.constant(np.asarray(0, config.floatX))
    for parameter in get_all_params(layer, trainable=True, regularizable=True):
        for factor, term in ((l1, T.abs_(parameter)), (l2, T.sqr(parameter))):
            if factor:
                total = total + np.asarray(factor, parameter.dtype) * T.sum(term)
    return total


def _listed(layer: Layers) -> list[Layer]:
    return [layer] if isinstance(layer, Layer) else list(layer)
