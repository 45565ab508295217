"""The generated code of each op: TVM's loops of the functions that it calls."""

from __future__ import annotations

from dataclasses import dataclass

from arignote.codegen.host import HostEmitter
from arignote.codegen.target import Target
from arignote.ir.core import Func, Op


@dataclass(frozen=True)
class Listing:
    """The kernels of a planned function.

    Attributes:
        calls: op -> the names of the functions that it calls; ops that call a library or nothing are not in it.
        texts: name -> the function as TVM prints it.
    """

    calls: dict[Op, tuple[str, ...]]
    texts: dict[str, str]


def listing(func: Func, target: Target) -> Listing:
    """The kernels of a planned function for a CPU.

    Raises:
        UnsupportedError: the function holds something that cannot be lowered; names the op and the user's line.
    """
    emitter = HostEmitter(func, target)
    module = emitter.build()
    calls = {op: tuple(dict.fromkeys(names)) for op, names in emitter.calls.items()}
    wanted = {name for names in calls.values() for name in names}
    texts = {
        str(gv.name_hint): _dedented(str(code.script(name=str(gv.name_hint))))
        for gv, code in module.functions.items()
        if gv.name_hint in wanted
    }
    return Listing(calls, texts)


def _dedented(text: str) -> str:
    """The definition alone, without the imports above it."""
    start = text.find("@T.prim_func")
    return text[max(start, 0) :].strip("\n") + "\n"
