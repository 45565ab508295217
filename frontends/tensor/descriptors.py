"""Short descriptions of variables: `min_informative_str` for people, `var_descriptor` for comparisons."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from arignote.frontends.tensor.graph import Variable, constant_of, wrap
from arignote.frontends.tensor.names import op_label
from arignote.frontends.tensor.trees import _letters
from arignote.ir.core import Value


def min_informative_str(
    obj: Any, indent_level: int = 0, _prev_obs: dict[Any, str] | None = None, _tag_generator: Any = None
) -> str:
    """A variable as an indented outline: each node with a letter, those seen before by their letter alone.

    What has a name is not looked into: the name tells enough.

        A. Elemwise{add,no_inplace}
         B. Elemwise{mul,no_inplace}
          C. x
          D. y
         <B>
    """
    known: dict[Any, str] = {} if _prev_obs is None else _prev_obs
    lines: list[str] = []
    stack: list[tuple[Any, int]] = [(obj.value_ if isinstance(obj, Variable) else obj, indent_level)]
    while stack:
        value, depth = stack.pop()
        if value in known:
            lines.append(" " * depth + f"<{known[value]}>")
            continue
        known[value] = _letters(len(known))
        lines.append(" " * depth + f"{known[value]}. {_label(value)}")
        if isinstance(value, Value) and value.name is None and value.owner is not None and constant_of(value) is None:
            stack += [(v, depth + 1) for v in reversed(value.owner.operands)]
    return "\n".join(lines)


def _label(value: Any) -> str:
    if not isinstance(value, Value):
        return str(value)
    if value.name is not None:
        return value.name
    if value.owner is None or constant_of(value) is not None:
        return str(wrap(value))
    return op_label(value.owner) + (f".{value.index}" if len(value.owner.results) > 1 else "")


def var_descriptor(obj: Any, _prev_obs: dict[Any, str] | None = None, _tag_generator: Any = None) -> str:
    """A text that is equal for equal computations, whatever intermediate variables are called.

    Arrays go in by a digest of their bytes. Only names of inputs count: `A=Elemwise{add,no_inplace}(B=x,C=y)`.
    """
    known: dict[Any, str] = {} if _prev_obs is None else _prev_obs

    def describe(value: Any) -> str:
        key = value if isinstance(value, Value) else id(value)
        if key in known:
            return f"<{known[key]}>"
        known[key] = _letters(len(known))
        tag = known[key]
        if isinstance(value, Value):
            array = constant_of(value)
            if array is not None:
                return f"{tag}={_digest(array)}"
            if value.owner is not None:
                attrs = {k: v for k, v in sorted(value.owner.attrs.items())}
                label = op_label(value.owner) + (f"{attrs}" if attrs else "")
                index = f".{value.index}" if len(value.owner.results) > 1 else ""
                return f"{tag}={label}{index}({','.join(describe(v) for v in value.owner.operands)})"
            return f"{tag}={value.name if value.name is not None else wrap(value)}"
        if isinstance(value, np.ndarray):
            return f"{tag}={_digest(value)}"
        return f"{tag}={value}"

    return describe(obj.value_ if isinstance(obj, Variable) else obj)


def _digest(array: np.ndarray[Any, Any]) -> str:
    data = np.ascontiguousarray(array)
    digest = hashlib.sha256(data.tobytes()).hexdigest()[:32]
    return f"<ndarray:{data.dtype},{list(data.shape)},{digest}>"
