"""From a tvm IRModule of raw-pointer kernels and a host ``main`` to a CPU object file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from arignote.codegen.toolchain import compilation_pipeline, tirx, tvm

PIPELINE = "arignote"


def _passes() -> list[Any]:
    """TVM's default list without its simplifiers, CSE and schedule-level passes.

    Our code is emitted in final form.  The left-out passes cost most of the compile time, grow
    exponentially on bound scalars, and drop the annotation that keeps small local buffers on the
    stack of private functions.
    """
    t = tirx.transform
    return [
        t.FlattenBuffer(), t.BF16ComputeLegalize(), t.VectorizeLoop(True), t.UnrollLoop(),
        t.FP8ComputeLegalize(), t.VerifyMemory(), t.AnnotateEntryFunc(), t.SplitHostDevice(),
        t.MakePackedAPI(), t.FP8StorageLegalize(), t.BF16StorageLegalize(),
    ]  # fmt: skip


def _pipeline() -> tuple[Any, Any, Any]:
    return (
        tvm.ir.transform.Sequential(_passes()),
        compilation_pipeline.finalize_host_passes,
        compilation_pipeline.finalize_device_passes,
    )


compilation_pipeline.register_tir_pipeline(PIPELINE, _pipeline)


def cpu_target(threads: int, opt_level: int = 3) -> Any:
    """LLVM for the CPU that this process runs on.

    Without type-based alias analysis: TVM gives each declared buffer a type of its own, but our
    kernels declare buffers on memory that they share.  LLVM, once it has inlined two of them, would
    exchange the stores of one with the loads of the other.
    """
    cpu = tvm.get_global_func("tvm.codegen.llvm.GetHostCPUName")()
    options = ["-enable-tbaa:bool=0"]
    kind = {"kind": "llvm", "mcpu": cpu, "num-cores": threads, "opt-level": opt_level}
    return tvm.target.Target({**kind, "cl-opt": options})


def compile_cpu(module: Any, target: Any) -> Any:
    """Build the IRModule; ``result["main"]`` is callable in this process."""
    return tirx.build(module, target=target, pipeline=PIPELINE)


def object_bytes(library: Any) -> bytes:
    """The relocatable ELF object of a built module."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "main.o"
        library.write_to_file(str(path), "o")
        return path.read_bytes()
