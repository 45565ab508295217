"""The graph IR: types, ops, functions, their text, and the reference interpreter.

    from arignote import ir

    module = ir.parse_module(open("mlp.ari").read(), "mlp.ari")
    print(ir.structural_hash(module))

Names are loaded on first use. What has the name of a module is imported from it:
`arignote.ir.verify.verify`, `arignote.ir.canonical.canonical`.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from arignote.ir.builder import Builder as Builder
    from arignote.ir.canonical import equal as equal
    from arignote.ir.canonical import first_difference as first_difference
    from arignote.ir.canonical import structural_hash as structural_hash
    from arignote.ir.core import Func as Func
    from arignote.ir.core import Module as Module
    from arignote.ir.core import Op as Op
    from arignote.ir.core import Region as Region
    from arignote.ir.core import State as State
    from arignote.ir.core import Value as Value
    from arignote.ir.diag import Diagnostic as Diagnostic
    from arignote.ir.diag import IRError as IRError
    from arignote.ir.diag import Loc as Loc
    from arignote.ir.graph import to_dict as to_dict
    from arignote.ir.graph import to_dot as to_dot
    from arignote.ir.graph import to_networkx as to_networkx
    from arignote.ir.interp import evaluate as evaluate
    from arignote.ir.interp import run as run
    from arignote.ir.lexer import ParseError as ParseError
    from arignote.ir.opdef import OpDef as OpDef
    from arignote.ir.opdef import defop as defop
    from arignote.ir.parse import parse_module as parse_module
    from arignote.ir.text import print_module as print_module
    from arignote.ir.types import Dim as Dim
    from arignote.ir.types import TensorType as TensorType
    from arignote.ir.verify import VerificationError as VerificationError

_HOMES = {
    "Builder": "builder",
    "Diagnostic": "diag",
    "Dim": "types",
    "Func": "core",
    "IRError": "diag",
    "Loc": "diag",
    "Module": "core",
    "Op": "core",
    "OpDef": "opdef",
    "ParseError": "lexer",
    "Region": "core",
    "State": "core",
    "TensorType": "types",
    "Value": "core",
    "VerificationError": "verify",
    "defop": "opdef",
    "equal": "canonical",
    "evaluate": "interp",
    "first_difference": "canonical",
    "parse_module": "parse",
    "print_module": "text",
    "run": "interp",
    "structural_hash": "canonical",
    "to_dict": "graph",
    "to_dot": "graph",
    "to_networkx": "graph",
}

__all__ = [
    "Builder",
    "Diagnostic",
    "Dim",
    "Func",
    "IRError",
    "Loc",
    "Module",
    "Op",
    "OpDef",
    "ParseError",
    "Region",
    "State",
    "TensorType",
    "Value",
    "VerificationError",
    "defop",
    "equal",
    "evaluate",
    "first_difference",
    "parse_module",
    "print_module",
    "run",
    "structural_hash",
    "to_dict",
    "to_dot",
    "to_networkx",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'arignote.ir' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"arignote.ir.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
