"""Put the compiler's real output into `docs/architecture.md` and `docs/lesson.md`.

    python docs/generate.py

A block begins with `<!-- dump: NAME -->`, ends with `<!-- end -->`, and is what the functions in `DOCUMENTS` say;
`tests/test_docs.py` fails when a block is out of date.
"""

import inspect
import platform
import re
from pathlib import Path

import numpy as np
import tvm

import arignote as ar
import arignote.tensor as T
from arignote.codegen.artifact import compile_cpu
from arignote.codegen.cuda import cuda_text
from arignote.codegen.host import HostEmitter
from arignote.codegen.target import Target
from arignote.frontends.explore.record import record
from arignote.frontends.tensor import Function, stages
from arignote.ir.cost import amount, summary
from arignote.ir.diff import diff
from arignote.ir.difftext import unified
from arignote.ir.text import Names
from arignote.passes.lifetimes import occupancy

FOLDER = Path(__file__).resolve().parent
BLOCK = re.compile(r"(<!-- dump: ([\w-]+) -->\n```\w*\n).*?(```\n<!-- end -->)", re.DOTALL)

# Fixed, so that the document is the same whichever machine it is made on.
CPU = Target("cpu", threads=1, vector_bytes=32)
CUDA = Target("cuda", 1, 4, arch="sm_80")
LLVM = {"kind": "llvm", "mtriple": "x86_64-unknown-linux-gnu", "mcpu": "haswell", "num-cores": 1}


def regression() -> Function:
    """A step of linear regression: a product, a reduction, a gradient and an update."""
    x = T.TensorType("float32", shape=(8, 3))("x")
    t = T.TensorType("float32", shape=(8, 2))("t")
    w = ar.shared(np.zeros((3, 2), np.float32), name="w")
    cost = T.mean(T.sqr(T.dot(x, w) - t))
    rate = np.float32(0.1)
    return ar.function([x, t], cost, updates=[(w, w - rate * ar.grad(cost, w))], name="train")


def elementwise() -> Function:
    """Three operations that become one loop."""
    x = T.TensorType("float32", shape=(1024,))("x")
    return ar.function([x], T.maximum(x, 0) * 2 + 1, name="f")


def dumps() -> dict[str, str]:
    """The blocks by name. Machine code is made on x86-64 only."""
    step, loop = regression(), elementwise()
    found = {stage: stages.dump_stage(step, stage) for stage in stages.IR_STAGES}
    found["tir-host"] = _function(_tir(step), "main")
    found["tir-kernel"] = _function(_tir(loop), "k0_map")
    found["cuda"] = cuda_text(stages.func_at(loop, "planned", "cuda"), CUDA)
    if platform.machine() == "x86_64":
        found["asm"] = _loop(_native(loop, "asm"))
    return _ended(found)


def _ended(found: dict[str, str]) -> dict[str, str]:
    return {name: text.strip("\n") + "\n" for name, text in found.items()}


# ---------------------------------------------------------------- the lesson
def network() -> Function:
    """The model of the lesson."""
    # begin
    x = T.TensorType("float32", shape=(32, 8))("x")
    t = T.TensorType("float32", shape=(32, 1))("t")
    w = ar.shared(np.zeros((8, 16), np.float32), name="w", shape=(8, 16))
    b = ar.shared(np.zeros(16, np.float32), name="b", shape=(16,))
    v = ar.shared(np.zeros((16, 1), np.float32), name="v", shape=(16, 1))

    hidden = T.maximum(T.dot(x, w) + b, 0)
    cost = T.mean(T.sqr(T.dot(hidden, v) - t))

    gw, gb, gv = ar.grad(cost, [w, b, v])
    rate = np.float32(0.1)
    updates = [(w, w - rate * gw), (b, b - rate * gb), (v, v - rate * gv)]
    train = ar.function([x, t], cost, updates=updates, name="train")
    # end
    return train


def lesson() -> dict[str, str]:
    """The blocks of the lesson by name. LLVM's text and machine code are made on x86-64 only."""
    train = network()
    found = {"program": inspect.cleandoc(inspect.getsource(network).split("# begin\n")[1].split("    # end")[0])}
    found["recorded"] = stages.dump_stage(train, "recorded", cost=True)
    at = {stage: stages.func_at(train, stage) for stage in stages.IR_STAGES}
    found["grad"] = unified(diff(at["recorded"], at["grad"]))
    found["passes"] = _passes(train)
    found["optimised"] = stages.dump_stage(train, "optimised")
    found["fused"] = unified(diff(at["optimised"], at["fused"]))
    found["placed"] = unified(diff(at["fused"], stages.func_at(train, "placed", "cuda")))
    found["planned"] = "\n".join(line for line in stages.dump_stage(train, "planned").splitlines() if "mem=" in line)
    found["memory"] = _memory(train)
    tir = _tir(train)
    calls = re.compile(r" Module\.(?!check)")
    found["tir-calls"] = "\n".join(line for line in _function(tir, "main").splitlines() if calls.search(line))
    found["tir-kernel"] = _function(tir, "k1_map")
    if platform.machine() == "x86_64":
        found["llvm"] = _llvm_loop(_native(train, "ll"))
        found["asm"] = _asm_loop(_loop(_native(train, "asm")))
    return _ended(found)


def _passes(function: Function) -> str:
    """A table of what is left behind every pass that changes something."""
    rows = []
    for step in record(function).steps:
        s = summary(step.func)
        cells = (step.title, s.ops, s.launches, amount(s.cost.flops), amount(s.cost.bytes))
        rows.append("{:<14}{:>4}{:>10}{:>9}{:>9}".format(*map(str, cells)))
    return "{:<14}{:>4}{:>10}{:>9}{:>9}\n".format("behind", "ops", "launches", "flop", "bytes") + "\n".join(rows)


def _memory(function: Function) -> str:
    """A chart of the workspace: a row for each value, a column for each kernel, # where the value is alive."""
    func = stages.func_at(function, "planned")
    names, space = Names(func), occupancy(func)
    kernels = [i for i, op in enumerate(func.ops) if op.attrs["mem"] not in (("host",), ("view",))]
    heads = [re.sub(r"\W", "", names[func.ops[i].results[0]]) for i in kernels]
    lines = [f"{'bytes':<12}{'value':<10}" + " ".join(f"{h:^7}" for h in heads)]
    for life in space.lives:
        alive = ["#######" if life.begin <= i <= life.end else "." * 7 for i in kernels]
        place = f"{life.offset}-{life.offset + life.size - 1}"
        lines.append(f"{place:<12}{names[life.value]:<10}" + " ".join(alive))
    lines.append(f"{'in use':<22}" + " ".join(f"{space.curve[i]:^7}" for i in kernels))
    lines.append(f"arena: {space.arena} bytes; {space.total} if no two values shared any")
    return "\n".join(line.rstrip() for line in lines)


def _llvm_loop(text: str) -> str:
    """The block of LLVM's code that compares: the loop of the kernel above, without notes for debuggers."""
    host = re.split(r"\ndefine .*@__tvm_ffi_main\(", text)[1].split("\n}", 1)[0]
    block = next(part for part in host.split("\n\n") if "fcmp ogt" in part)
    lines = [re.sub(r", ![\w.]+ ![0-9]+", "", line) for line in block.splitlines() if "#dbg_" not in line]
    return "\n".join(re.sub(r"\s+; preds.*", "", line) for line in lines)


def _asm_loop(text: str) -> str:
    """The same in assembly, up to the call of the next kernel."""
    blocks = re.split(r"\n(?=\.LBB)", text)
    block = next(block for block in blocks if "vcmpordps" in block)
    return re.sub(r"(callq.*\n)[\s\S]*", r"\1", block)


# ---------------------------------------------------------------- code of a function


def _tir(function: Function) -> str:
    return str(HostEmitter(stages.func_at(function, "planned"), CPU).build())


def _function(module: str, name: str) -> str:
    """One function of a TVM module, without the indentation of the class around it."""
    parts = re.split(r"\n(?=    @T\.prim_func)", module)
    chosen = next(part for part in parts if f"def {name}(" in part)
    return "\n".join(line.removeprefix("    ") for line in chosen.splitlines())


def _native(function: Function, kind: str) -> str:
    """`ll`: LLVM's text; `asm`: assembly."""
    module = HostEmitter(stages.func_at(function, "planned"), CPU).build()
    return str(compile_cpu(module, tvm.target.Target(LLVM)).inspect_source(kind))


def _loop(assembly: str) -> str:
    """The function that computes, without directives and labels for debuggers."""
    body = assembly.split("__tvm_ffi_main:\n", 1)[1].split(".Lfunc_end", 1)[0]
    lines = [line.expandtabs(4) for line in body.splitlines()]
    return "\n".join(line for line in lines if not re.match(r"\s*\.(loc|cfi|Ltmp|Lfunc|p2align|file)", line))


def renew(document: str, found: dict[str, str]) -> str:
    """The document with the blocks that `found` has brought up to date."""

    def block(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return match[0] if name not in found else f"{begin}{found[name]}{end}"

    return BLOCK.sub(block, document)


#: What fills the blocks of each document.
DOCUMENTS = {"architecture.md": dumps, "lesson.md": lesson}


def main() -> None:
    """Rewrite the documents where they differ."""
    for name, blocks in DOCUMENTS.items():
        before = (FOLDER / name).read_text(encoding="utf-8")
        after = renew(before, blocks())
        if after == before:
            print(f"docs/{name} is up to date")
        else:
            (FOLDER / name).write_text(after, encoding="utf-8")
            print(f"docs/{name} is renewed: read the difference before you commit it")


if __name__ == "__main__":
    main()
