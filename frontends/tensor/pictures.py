"""`pydotprint`: graphs as pictures, by Graphviz where it is installed, else by our own layout."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arignote.frontends.tensor.callable import Function, FunctionGraph
from arignote.frontends.tensor.graph import Variable
from arignote.frontends.tensor.trace import build_func
from arignote.ir.core import Func, Region, Value, every_op, toposort
from arignote.ir.graph import to_dot

#: What our own layout is drawn in.
FORMATS = ("png", "svg", "pdf", "jpg", "dot")


def pydotprint(
    fct: Any,
    outfile: str | Path | None = None,
    compact: bool = True,
    format: str | None = None,
    with_ids: bool = False,
    high_contrast: bool = True,
    cond_highlight: Any = None,
    colorCodes: Any = None,
    max_label_size: int = 70,
    scan_graphs: bool = False,
    var_with_name_simple: bool = False,
    print_output_file: bool = True,
    return_image: bool = False,
) -> Any:
    """Draw a graph into a file and say where it is.

    Inputs are blue, shared variables green, updates yellow, results red; kernels, loops and library calls have colours
    of their own. Constants are in the labels of what reads them.

    Args:
        fct: a function (its optimised graph), its graph, a variable, or a list of variables.
        outfile: the file; its ending is the format, unless `format` says another. A file in the folder for temporary
            files where it is None.
        format: "png" (the default), "svg", "pdf", "jpg" or "dot"; with Graphviz, any of its formats.
        var_with_name_simple: show what has a name by the name alone.
        scan_graphs: also draw the graphs of loops, branches and kernels, into files of their own.
        print_output_file: print the name of the file.
        return_image: return the picture's bytes (png or svg) instead of writing a file.
        compact, with_ids, high_contrast, cond_highlight, colorCodes, max_label_size: of Theano's drawing; the drawing
            is compact.

    Raises:
        ValueError: a format that cannot be written.
        RuntimeError: pictures of pixels need matplotlib or Graphviz, and neither is installed.
    """
    func = _func(fct)
    path = Path(outfile) if outfile is not None else None
    kind = format or (path.suffix[1:].lower() if path is not None and path.suffix else "png")
    dot = shutil.which("dot")
    if dot is None and kind not in FORMATS:
        raise ValueError(f"pydotprint: format {kind!r} is none of {', '.join(FORMATS)}; Graphviz would write others")
    if path is None:
        path = Path(tempfile.gettempdir()) / f"arignote.pydotprint.{func.name}.{kind}"
    elif not path.suffix:
        path = path.with_name(f"{path.name}.{kind}")
    if var_with_name_simple:
        func = _simple(func)
    if return_image:
        with tempfile.TemporaryDirectory(prefix="arignote-") as folder:
            file = Path(folder) / f"graph.{kind}"
            _write(func, file, kind, dot)
            return file.read_bytes()
    _write(func, path, kind, dot)
    written = [path]
    if scan_graphs:
        holders = [op for op in every_op(func.ops) if op.regions]
        for i, op in enumerate(holders):
            for k, region in enumerate(op.regions):
                file = path.with_name(f"{path.stem}_{op.name}_{i}{f'_{k}' if len(op.regions) > 1 else ''}{path.suffix}")
                _write(_of_region(f"{op.name} {i}", region), file, kind, dot)
                written.append(file)
    if print_output_file:
        for file in written:
            print(f"The output file is available at {file}")
    return None


def _func(fct: Any) -> Func:
    if isinstance(fct, (Function, FunctionGraph)):
        return fct.func
    if isinstance(fct, Func):
        return fct
    variables: Sequence[Any] = fct if isinstance(fct, (list, tuple)) else [fct]
    if not variables or not all(isinstance(v, Variable) for v in variables):
        raise TypeError(f"pydotprint takes functions and variables, not {fct!r}")
    values = [v.value_ for v in variables]
    ops = toposort(values)
    leaves = [v for v in dict.fromkeys([*values, *(o for op in ops for o in op.operands)]) if v.owner is None]
    from arignote.frontends.tensor.graph import wrap
    from arignote.frontends.tensor.sharedvar import SharedVariable

    inputs = [w for v in leaves if not isinstance(w := wrap(v), SharedVariable)]
    return build_func("graph", inputs, list(variables), {}, {}).func


def _simple(func: Func) -> Func:
    """Values that have a name are shown by it alone, as parameters of what uses them."""
    from arignote.passes.shrink import cut

    named = [op for op in func.ops if op.results and op.results[0].name and op.results[0] not in func.roots()]
    return cut(func, named) if named else func


def _of_region(name: str, region: Region) -> Func:
    params: list[Value] = list(region.params)
    return Func(name, params, [], list(region.ops), list(region.yields))


def _write(func: Func, path: Path, kind: str, dot: str | None) -> None:
    if kind == "dot":
        path.write_text(to_dot(func), encoding="utf-8")
        return
    if dot is not None:
        command = [dot, f"-T{kind}", "-o", str(path)]
        done = subprocess.run(command, input=to_dot(func), capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"pydotprint: Graphviz failed: {done.stderr.strip()}")
        return
    from arignote.frontends.explore import picture

    if kind == "svg":
        path.write_text(picture.svg([func]), encoding="utf-8")
        return
    try:
        picture.save(picture.draw(func), path, f"@{func.name}")
    except ImportError:
        raise RuntimeError(
            f"pydotprint: {kind} needs Graphviz (the command dot) or matplotlib: pip install 'arignote[models]'; "
            "format='svg' needs neither"
        ) from None
