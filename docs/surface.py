"""Write `docs/surface.md`: the names of Theano that programs use, and what became of each here.

    python docs/surface.py

`surface.tsv` has the names and how many of the programs that were looked at use them. Whether a name exists
is found out by importing it; what the table cannot know, why one does not, stands below.
`tests/test_surface.py` fails when the document is out of date.
"""

from __future__ import annotations

import importlib
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import arignote as ar
import arignote.tensor as T

FOLDER = Path(__file__).resolve().parent
DOCUMENT = FOLDER / "surface.md"
NAMES = FOLDER / "surface.tsv"

DONE, OTHER, NEVER, MISSING = "done", "other name", "not planned", "missing"

#: Names that are spelt differently here: pattern -> what to write.
RENAMED = {
    r"theano\.theano(\..*)?": "`arignote` itself: a module that imports itself by accident",
    r"theano\.compat.*(OrderedDict)": "`collections.OrderedDict`, or `dict`",
    r"theano\.compat\.six.*|theano\.compat\..*": "the builtin of Python 3",
    r"theano\.gof\.cmodule\..*|theano\.gof\.compilelock.*|import theano\.gof\.compilelock": "nothing: the cache needs "
    "no lock of the user's",
    r"theano\.misc\.strutil\..*": "`str.format`",
    r"theano\.tests\.(disturb_mem|record).*": "nothing: runs are deterministic, and leave memory alone",
    r"theano\.tests\.unittest_tools\.(assert_allclose|seed_rng)": "the functions of `numpy.testing` and "
    "`numpy.random`",
}

#: Names that will not exist: pattern -> why.
REFUSED = {
    r"(import )?theano\.(sandbox\.)?gpuarray.*|theano\.config\.(gpuarray|pthreads).*|import theano\.gpuarray": "inside "
    "Theano's old GPU back end",
    r"(import )?theano\.sandbox\.cuda.*": "inside Theano's old GPU back end",
    r"import theano\.misc\.pycuda_init": "inside Theano's old GPU back end",
    r"theano\.gof\.COp.*|theano\.gof\.OpWiseCLinker": "ops written in C: the code generator makes no C",
    r"theano\.gof\.(local_optimizer|TopoOptimizer|OpSub|OpRemove|opt\.OpSub|TopoOptimizer\..*)|theano\.compile\.optdb.*"
    r"|theano\.tensor\.opt\.register_.*|theano\.gof\.opt\..*": "rewriting inside Theano's optimiser: passes are "
    "functions of the IR (CONTRIBUTING.md)",
    r"theano\.compile\.(view_op|ViewOp)": "an op whose result is the memory of its operand: the plan decides where "
    "values lie",
    r"theano\.(gof\.type\.Type|gof\.Type|gof\.Value|tensor\.hashtype|tensor\.new)": "types besides tensors: there "
    "are none",
    r"theano\.compile\.(debugmode|MonitorMode|profiling|nanguardmode).*|import theano\.compile\.nanguardmode": "runs "
    "nodes one by one; `mode='reference'` interprets the graph",
    r"theano\.scan_module\.scan_op\.Scan": "the class of an op of Theano's",
    r"theano\.tensor\.(DimShuffle|Rebroadcast|Subtensor|AdvancedSubtensor1|subtensor\.Subtensor|"
    r"advanced_set_subtensor1)|theano\.scalar\.UnaryScalarOp|theano\.tensor\.nnet\.(Softmax|sigm\..*|conv\.ConvOp.*)"
    r"|theano\.scalar\.(basic\.)?[Ii]dentity|theano\.scalar\.basic_scipy\..*|theano\.scalar\.sgn"
    r"|theano\.sandbox\.linalg\.ops\..*|theano\.scalar\.upgrade.*": "the class of an op of Theano's: ops are records "
    "of the IR",
    r"theano\.__spec__.*|theano\.printing\.(_TagGenerator|Node)|theano\.tests\.test_rop.*": "inside Theano",
    r"theano\.tests\.unittest_tools\.Infer.*": "inside Theano",
}

#: Names that do not exist yet: pattern -> what they wait for.
AWAITED = {
    r"theano\.tensor\.nnet\.blocksparse\..*": "products with some blocks of a matrix",
    r".*(scan|ifelse|fold|\.map|until).*": "loops and branches",
}


@dataclass(frozen=True)
class Entry:
    """A name, how many programs use it, its state, and a remark."""

    name: str
    users: int
    state: str
    remark: str = ""


def resolve(path: str) -> Any:
    """What `theano.x.y` is here.

    Raises:
        AttributeError, ImportError: it is nothing.
    """
    parts = path.split(".")[1:]
    found: Any = ar
    for i, part in enumerate(parts):
        if not isinstance(found, types.ModuleType) or hasattr(found, part):
            found = getattr(found, part)
        else:
            found = importlib.import_module(".".join(["arignote", *parts[: i + 1]]))
    return found


def variables() -> list[Any]:
    """One of each kind that `<Variable>` stands for in the list."""
    x = T.matrix("x")
    x.tag.test_value = np.zeros((1, 1))
    function = ar.function([x], x + 1)
    return [x + 1, x, x.tag, T.constant(1), ar.shared(1.0), function, function.maker]


def exists(name: str, kinds: list[Any]) -> bool:
    """Whether a name of the list works under `arignote`."""
    if name.startswith("<Variable>."):
        return any(hasattr(kind, name.removeprefix("<Variable>.")) for kind in kinds)
    if name == "from theano import *":
        return all(hasattr(ar, n) for n in ar.__all__)
    imported = name.startswith("import ")
    try:
        found = resolve(name.removeprefix("import "))
    except (AttributeError, ImportError):
        return False
    return isinstance(found, types.ModuleType) or not imported


def entries() -> Iterator[Entry]:
    """Every name of the list, most used first."""
    kinds = variables()
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, users = line.split("\t")
        for state, rules in ((OTHER, RENAMED), (None, {}), (NEVER, REFUSED), (MISSING, AWAITED)):
            if state is None:
                if exists(name, kinds):
                    yield Entry(name, int(users), DONE)
                    break
                continue
            remark = next((text for pattern, text in rules.items() if re.fullmatch(pattern, name)), None)
            if remark is not None:
                yield Entry(name, int(users), state, remark)
                break
        else:
            yield Entry(name, int(users), MISSING, "not written yet")


def share(found: list[Entry], users: int) -> tuple[int, int]:
    """(done, all) of the names that at least so many programs use."""
    chosen = [e for e in found if e.users >= users]
    return sum(e.state == DONE for e in chosen), len(chosen)


def document(found: list[Entry]) -> str:
    """The text of `surface.md`."""
    lines = [
        "# The surface of Theano",
        "",
        "Which names of Theano's interface programs use, and what became of each here. `theano` in a name is",
        "`arignote`: `theano.tensor.dot` is `arignote.tensor.dot`; `<Variable>` is a variable, its tag, a shared",
        "variable or a function. *Users* is how many of the 47 programs that were looked at use the name.",
        "`python docs/surface.py` writes this page by importing each name.",
        "",
        "| names used by | done | other name | not planned | missing | done of all |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for least, label in ((10, "10 or more"), (3, "3 or more"), (1, "any")):
        chosen = [e for e in found if e.users >= least]
        counts = [sum(e.state == s for e in chosen) for s in (DONE, OTHER, NEVER, MISSING)]
        percent = 100 * counts[0] / len(chosen)
        lines.append(f"| {label} | {' | '.join(map(str, counts))} | {percent:.1f} % |")
    for state, title, note in (
        (MISSING, "Missing", "Not written yet, and what it waits for."),
        (NEVER, "Not planned", "And why."),
        (OTHER, "By another name", "What to write instead."),
    ):
        lines += ["", f"## {title}", "", note, "", "| name | users | |", "|---|---:|---|"]
        lines += [f"| `{e.name}` | {e.users} | {e.remark} |" for e in found if e.state == state]
    lines += ["", "## Done", "", "By the number of programs that use them.", ""]
    for users in sorted({e.users for e in found}, reverse=True):
        names = ", ".join(f"`{e.name}`" for e in found if e.state == DONE and e.users == users)
        if names:
            lines.append(f"- **{users}**: {names}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Rewrite the document."""
    found = list(entries())
    DOCUMENT.write_text(document(found), encoding="utf-8")
    done, total = share(found, 3)
    print(f"docs/surface.md: {done} of {total} names that 3 or more programs use are done ({done / total:.1%})")


if __name__ == "__main__":
    main()
