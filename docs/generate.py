"""Put the compiler's real output into `docs/architecture.md`.

    python docs/generate.py

A block begins with `<!-- dump: NAME -->`, ends with `<!-- end -->`, and is what `dumps()[NAME]`
says; `tests/test_docs.py` fails when a block is out of date.
"""

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
from arignote.frontends.tensor import Function, stages

DOCUMENT = Path(__file__).resolve().parent / "architecture.md"
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
        found["asm"] = _loop(_assembly(loop))
    return {name: text.strip("\n") + "\n" for name, text in found.items()}


def _tir(function: Function) -> str:
    return str(HostEmitter(stages.func_at(function, "planned"), CPU).build())


def _function(module: str, name: str) -> str:
    """One function of a TVM module, without the indentation of the class around it."""
    parts = re.split(r"\n(?=    @T\.prim_func)", module)
    chosen = next(part for part in parts if f"def {name}(" in part)
    return "\n".join(line.removeprefix("    ") for line in chosen.splitlines())


def _assembly(function: Function) -> str:
    module = HostEmitter(stages.func_at(function, "planned"), CPU).build()
    return str(compile_cpu(module, tvm.target.Target(LLVM)).inspect_source("asm"))


def _loop(assembly: str) -> str:
    """The function that computes, without directives and labels for debuggers."""
    body = assembly.split("main_compute_:\n", 1)[1].split(".Lfunc_end", 1)[0]
    lines = [line.expandtabs(4) for line in body.splitlines()]
    return "\n".join(
        line for line in lines if not re.match(r"\s*\.(loc|cfi|Ltmp|Lfunc|p2align|file)", line)
    )


def renew(document: str, found: dict[str, str]) -> str:
    """The document with the blocks that `found` has brought up to date."""

    def block(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        return match[0] if name not in found else f"{begin}{found[name]}{end}"

    return BLOCK.sub(block, document)


def main() -> None:
    """Rewrite the document where it differs."""
    before = DOCUMENT.read_text(encoding="utf-8")
    after = renew(before, dumps())
    if after == before:
        print("docs/architecture.md is up to date")
    else:
        DOCUMENT.write_text(after, encoding="utf-8")
        print("docs/architecture.md is renewed: read the difference before you commit it")


if __name__ == "__main__":
    main()
