"""CUDA: the kernels of a placed function as CUDA C++, and the host's sequence of launches and transfers.

The schedules are the plain ones: one thread per element, per row or per column, one per element of a product. Loops
and branches are the host's; conditions and sizes that kernels compute are read back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from arignote.codegen.cudaplaces import check_kernel, scatter_kernel, slice_kernel, starts_of
from arignote.codegen.emit import Emitter, pointer_var, private_function
from arignote.codegen.exprs import ZERO, Buffer, dim_expr, floordiv, floormod, i64
from arignote.codegen.iterate import element
from arignote.codegen.kernels import CUDA_THREADS, kernel_key
from arignote.codegen.loader import ffi
from arignote.codegen.places import UnsupportedError
from arignote.codegen.scalar import K
from arignote.codegen.schedules import build_kernel
from arignote.codegen.target import Target
from arignote.codegen.toolchain import load_cuda, tirx, tvm, tvm_ir
from arignote.ir.bound import bound_dims
from arignote.ir.core import Func, Op, Value
from arignote.ir.diag import Diagnostic
from arignote.ir.loops import Loop
from arignote.ir.placement import host_scalars, is_contiguous_view
from arignote.ir.text import Names
from arignote.ir.types import Dim, prod_dims

PRELUDE_END = "#define ushort unsigned short\n#endif\n"


def tvm_target(target: Target) -> Any:
    """TVM's description of the device."""
    return tvm.target.Target(
        {
            "kind": "cuda",
            "arch": target.arch,
            "max_threads_per_block": 1024,
            "max_shared_memory_per_block": 49152,
            "thread_warp_size": 32,
        },
        host={"kind": "llvm"},
    )


def threads(e: Emitter, total: Any, body: Any) -> None:
    """`body(i)` in one thread for each i below `total`."""
    block = tirx.IterVar(None, tirx.Var("block", "int64"), 1, "blockIdx.x")
    thread = tirx.IterVar(None, tirx.Var("thread", "int64"), 1, "threadIdx.x")
    index = block.var * i64(CUDA_THREADS) + thread.var
    with e.nested() as stmts:
        e.when(tirx.LT(index, total), lambda: body(index))
    inner = tirx.AttrStmt(thread, "thread_extent", i64(CUDA_THREADS), stmts[0])
    blocks = floordiv(total + i64(CUDA_THREADS - 1), i64(CUDA_THREADS))
    e.add(tirx.AttrStmt(block, "thread_extent", blocks, inner))


def product_kernel(op: Op) -> Any:
    """C = alpha * op(A) . op(B) + beta * C, one thread per element of C; batched products too."""
    e = Emitter()
    e.scratch = "local"
    a, b, *rest = op.operands
    dtype = op.result.dtype
    attrs = op.attrs if op.name == "gemm" else {}
    ta, tb = bool(attrs.get("ta")), bool(attrs.get("tb"))
    symbols = sorted({s for v in (*op.operands, op.result) for d in v.shape if isinstance(d, Dim) for s in d.symbols()})
    env = {s: tirx.Var(s, "int64") for s in symbols}
    *batch, m, n = (dim_expr(d, env) for d in op.result.shape)
    k = dim_expr(a.shape[-2 if ta else -1], env)
    values: list[Value] = [a, b, *rest, op.result]
    names = [*(f"a{i}" for i in range(len(values) - 1)), "o"]
    pointers = [pointer_var(name, v.dtype) for name, v in zip(names, values, strict=True)]
    buffers = [Buffer(name + "_b", v.dtype, dim_expr(v.type.size, env)) for name, v in zip(names, values, strict=True)]
    total = dim_expr(prod_dims(op.result.shape), env)

    def element(index: Any) -> None:
        j, rows = floormod(index, n), e.bind(floordiv(index, n), "q")
        i, at = (floormod(rows, m), floordiv(rows, m)) if batch else (rows, ZERO)
        acc = e.local("acc", dtype, 1)
        e.add(acc.store(ZERO, K.const(0, dtype)))

        def term(p: Any) -> None:
            x = buffers[0].load(at * m * k + (p * m + i if ta else i * k + p))
            y = buffers[1].load(at * k * n + (j * k + p if tb else p * n + j))
            e.add(acc.store(ZERO, acc.load(ZERO) + x * y))

        e.loop(k, term)
        out = acc.load(ZERO) * K.const(attrs.get("alpha", 1.0), dtype)
        if attrs.get("scaled"):
            out = out * buffers[len(values) - 2].load(ZERO)
        if attrs.get("acc"):
            out = out + K.const(attrs.get("beta", 1.0), dtype) * buffers[2].load(index)
        e.add(buffers[-1].store(index, out))

    threads(e, total, element)
    params = [*pointers, *env.values()]
    return private_function(params, dict(zip(pointers, buffers, strict=True)), e.stmts)


def iterate_kernel(op: Op) -> Any:
    """The loop of each element in a thread."""
    e = Emitter()
    e.scratch = "local"
    values = [*op.operands, *op.results]
    total = op.results[0].type.size
    symbols = sorted(total.symbols()) if isinstance(total, Dim) else []
    env = {s: tirx.Var(s, "int64") for s in symbols}
    pointers = [pointer_var(f"p{i}", v.dtype) for i, v in enumerate(values)]
    buffers = [Buffer(f"p{i}_b", v.dtype, dim_expr(v.type.size, env)) for i, v in enumerate(values)]
    inputs, outputs = buffers[: len(op.operands)], buffers[len(op.operands) :]
    threads(e, dim_expr(total, env), lambda at: element(e, op, inputs, outputs, at))
    return private_function([*pointers, *env.values()], dict(zip(pointers, buffers, strict=True)), e.stmts)


def cuda_text(func: Func, target: Target) -> str:
    """The host's steps as comments, then the CUDA C++ of every kernel.

    Raises:
        UnsupportedError: an op has no CUDA kernel; names it and the user's line.
    """
    steps = _Steps(target)
    steps.block(func.ops, Names(func), host_scalars(func), "  ")
    lines = [f"// @{func.name}: {len(steps.kernels)} kernels, {steps.transfers} transfers"]
    lines += ["// " + line for line in steps.lines]
    if not steps.kernels:
        return "\n".join(lines) + "\n"
    load_cuda()
    library = tirx.build(tvm.IRModule(steps.kernels), target=tvm_target(target))
    source = str(library.imports[0].inspect_source())
    return "\n".join(lines) + "\n\n" + source.partition(PRELUDE_END)[2].lstrip()


class _Steps:
    """What the host does, line by line, and the kernels that it launches."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.kernels: dict[Any, Any] = {}
        self.names: dict[Any, str] = {}  # kernel -> its name: equal ones are one
        self.fused: dict[str, Any] = {}  # the kernels of fused ops, by what they depend on
        self.lines: list[str] = []
        self.transfers = 0
        self.sizes: set[Any] = set()  # dimensions that the host has read back

    def block(self, ops: Iterable[Op], names: Names, host: set[Value], indent: str) -> None:
        """The ops of a function or of a loop's body; `host` are scalars that the host knows."""
        for op in ops:
            for size, v in bound_dims(op):
                if v not in host and size not in self.sizes:
                    self.sizes.add(size)
                    self.read(v, names, host, f"{indent}{size} is {{}}")
            if op.name == "scan":
                self.loop(op, names, host, indent)
            elif op.name == "dim":
                host = {*host, op.result}  # which the host knows once it has the tensor
            elif op.name == "ifelse":
                self.branch(op, names, host, indent)
            elif op.name == "transfer":
                v = op.operands[0]
                way = "host -> device" if op.attrs["to"] == "cuda" else "device -> host"
                self.lines.append(f"{indent}transfer {way}: {names[v]} {v.type}, {_bytes(v)} bytes")
                self.transfers += 1
            elif op.name == "assert":
                for condition in op.operands[1:]:
                    self.read(condition, names, host, f"{indent}refuse the call unless {{}}")
            elif is_contiguous_view(op):
                if op.name == "slice" and not all(v in host for v in starts_of(op).values()):
                    self.launch(op, names, host, indent)
            elif op.name != "const" and not all(r in host for r in op.results):
                self.launch(op, names, host, indent)

    def loop(self, op: Op, names: Names, host: set[Value], indent: str) -> None:
        """A loop of the host around the launches of its body."""
        loop = Loop.read(op)
        rows = ", ".join(names[x] for x, _ in loop.seqs) or "nothing"
        way = ", last first" if loop.reverse else ""
        writes = ", ".join(f"{names[r]}: {r.type}" for r in op.results)
        most = "" if loop.stop is None else "at most "
        self.lines.append(f"{indent}loop of {most}{loop.steps} steps over the rows of {rows}{way} -> {writes}")
        known = host | {p for v, p in loop.invariants if v in host}
        known |= set() if loop.index is None else {loop.index}
        inner = Names(op.regions[0])
        self.block(loop.ops, inner, known, indent + "  ")
        if loop.stop is not None:
            self.read(loop.stop, inner, known, f"{indent}  leave the loop if {{}}")

    def branch(self, op: Op, names: Names, host: set[Value], indent: str) -> None:
        """One of two blocks of launches."""
        given = ", ".join(names[v] for v in op.operands[1:])
        writes = ", ".join(f"{names[r]}: {r.type}" for r in op.results)
        self.read(op.operands[0], names, host, f"{indent}if {{}}, with {given or 'nothing'} -> {writes}")
        for number, region in enumerate(op.regions):
            if number:
                self.lines.append(f"{indent}otherwise")
            known = host | {p for p, v in zip(region.params, op.operands[1:], strict=True) if v in host}
            self.block(region.ops, Names(region), known, indent + "  ")

    def read(self, v: Value, names: Names, host: set[Value], line: str) -> None:
        """A line about a condition or a size, which the host reads back from the device if it has to."""
        name = names[v]
        if v not in host:
            indent = line[: len(line) - len(line.lstrip())]
            self.lines.append(f"{indent}transfer device -> host: {name} {v.type}, {_bytes(v)} bytes")
            self.transfers += 1
        self.lines.append(line.format(name))

    def launch(self, op: Op, names: Names, host: set[Value], indent: str) -> None:
        """One kernel."""
        if op.name == "fused" and op.attrs["kind"] == "conv":
            raise UnsupportedError(Diagnostic(f"{op.regions[0].ops[0].name} has no CUDA kernel", loc=op.loc))
        if op.name == "fused":
            by_value = frozenset(i for i, v in enumerate(op.operands) if v in host)
            same = kernel_key(op, by_value, {})
            if same not in self.fused:
                self.fused[same] = build_kernel(op, self.target, by_value, {}).func
            kernel = self.fused[same]
        elif op.name in ("dot", "gemm", "batched_dot"):
            kernel = product_kernel(op)
        elif op.name == "iterate":
            kernel = iterate_kernel(op)
        elif op.name == "check_index":
            kernel = check_kernel(op, host, threads)
        elif op.name == "slice":
            kernel = slice_kernel(op, host, threads)
        elif op.name == "scatter":
            kernel = scatter_kernel(op, host, threads)
            x, out = op.operands[0], op.result
            self.lines.append(f"{indent}copy on the device: {names[x]} -> {names[out]}, {_bytes(out)} bytes")
        else:
            raise UnsupportedError(Diagnostic(f"{op.name} has no CUDA kernel", loc=op.loc))
        key = ffi().StructuralKey(kernel)
        if key not in self.names:
            name = self.names[key] = f"k{len(self.kernels)}_{op.attrs['kind'] if op.name == 'fused' else op.name}"
            self.kernels[tvm_ir.GlobalVar(name)] = kernel.with_attrs({"global_symbol": name})
        name = self.names[key]
        reads = ", ".join(names[v] for v in op.operands)
        writes = ", ".join(f"{names[r]}: {r.type}" for r in op.results)
        self.lines.append(f"{indent}launch {name}({reads}) -> {writes}")


def _bytes(v: Value) -> str:
    return str(v.type.size * v.type.itemsize)
