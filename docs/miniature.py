"""A compiler for small models in one file, to be read from top to bottom.

    python docs/miniature.py        # needs apache-tvm, numpy and scikit-learn (for its handwritten digits)

It takes the way of Arignote in the shortest form that still does real work: it records expressions, infers their
shapes, derives gradients, simplifies, fuses, plans memory, and makes machine code. Every value is a matrix of 32-bit
floats; a number is a matrix of one row and one column. Each part names the module that does it properly.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tvm
import tvm.relax  # which the parser of TVM's language asks for
import tvm_ffi
from tvm.script import from_source, tirx

Shape = tuple[int, int]

# What is known of an operation: how to write it in TVM's language, how to compute it in NumPy, and, in `pull_back`,
# its derivative. Properly: a class for each op, in ir/ops/.
ELEMENTWISE: dict[str, tuple[str, Callable[..., Any]]] = {
    "add": ("({0} + {1})", np.add),
    "sub": ("({0} - {1})", np.subtract),
    "mul": ("({0} * {1})", np.multiply),
    "div": ("({0} / {1})", np.divide),
    "neg": ("(T.float32(0) - {0})", np.negative),
    "exp": ("T.exp({0})", np.exp),
    "log": ("T.log({0})", np.log),
    "hold": ("{0}", np.positive),  # its operand, through which no gradient passes
    "expand": ("{0}", np.positive),  # its operand, repeated along axes of size 1
}
REDUCTIONS: dict[str, tuple[str, str, Callable[..., Any]]] = {
    "sum": ("T.float32(0)", "{0} + {1}", np.sum),
    "max": ('T.float32("-inf")', "T.max({0}, {1})", np.max),
}


# ---------------------------------------------------------------- 1. recording (ir/core.py, frontends/tensor/)
@dataclass(eq=False)
class Node:
    """An operation and its result: a constant, a parameter of a function, a state, or computed from other nodes.

    `attr` is a constant's value, the name of a parameter or state, a reduction's axes, an expansion's shape, or whether
    a product transposes its operands.
    """

    op: str
    inputs: tuple[Node, ...]
    shape: Shape
    attr: Any = None
    data: np.ndarray[Any, Any] | None = None  # of a state: its value now

    def __add__(self, other: Operand) -> Node:
        return make("add", self, other)

    def __sub__(self, other: Operand) -> Node:
        return make("sub", self, other)

    def __mul__(self, other: Operand) -> Node:
        return make("mul", self, other)

    def __truediv__(self, other: Operand) -> Node:
        return make("div", self, other)

    def __matmul__(self, other: Operand) -> Node:
        return make("dot", self, other, attr=(False, False))

    def __neg__(self) -> Node:
        return make("neg", self)


Operand = Node | float


def constant(value: float) -> Node:
    return Node("const", (), (1, 1), float(value))


def parameter(name: str, rows: int, columns: int) -> Node:
    return Node("parameter", (), (rows, columns), name)


def state(name: str, value: np.ndarray[Any, Any]) -> Node:
    return Node("state", (), (value.shape[0], value.shape[1]), name, np.array(value, np.float32))


# ---------------------------------------------------------------- 2. types (infer, in ir/ops/; ir/verify.py)
def make(op: str, *operands: Operand, attr: Any = None) -> Node:
    """Record an operation; operands that do not fit are an error here, on the line that made it."""
    inputs = tuple(x if isinstance(x, Node) else constant(x) for x in operands)
    return Node(op, inputs, infer(op, [x.shape for x in inputs], attr), attr)


def infer(op: str, shapes: list[Shape], attr: Any) -> Shape:
    x, y = shapes[0], shapes[-1]
    if op == "transpose":
        return x[1], x[0]
    if op in REDUCTIONS:
        return 1 if 0 in attr else x[0], 1 if 1 in attr else x[1]
    if op == "dot":
        x, y = x[::-1] if attr[0] else x, y[::-1] if attr[1] else y
        if x[1] != y[0]:
            raise TypeError(f"dot: {x[0]}x{x[1]} and {y[0]}x{y[1]} do not fit")
        return x[0], y[1]
    both = [attr, *shapes] if op == "expand" else shapes
    for sizes in zip(*both, strict=True):
        if len({s for s in sizes if s != 1}) > 1:
            raise TypeError(f"{op}: shapes {' and '.join(f'{n}x{m}' for n, m in both)} do not broadcast")
    return max(n for n, _ in both), max(m for _, m in both)


# ---------------------------------------------------------------- 3. gradients (passes/grad.py; vjp, in ir/ops/)
def toposort(roots: Iterable[Node]) -> list[Node]:
    """All that `roots` need, operands first."""
    order: dict[Node, None] = {}
    stack = [(r, False) for r in reversed(list(roots))]
    while stack:
        node, ready = stack.pop()
        if ready:
            order[node] = None
        elif node not in order:
            stack += [(node, True), *((x, False) for x in reversed(node.inputs))]
    return list(order)


def grad(cost: Node, wrt: Sequence[Node]) -> list[Node]:
    """The derivatives of `cost`, as nodes: from the cost back to the operands, sums where a value is used twice."""
    known: dict[Node, Node] = {cost: constant(1)}
    for node in reversed(toposort([cost])):
        if node in known:
            for x, ct in zip(node.inputs, pull_back(node, known[node]), strict=True):
                if ct is not None:
                    stretched = [a for a in (0, 1) if x.shape[a] == 1 and ct.shape[a] != 1]
                    ct = make("sum", ct, attr=tuple(stretched)) if stretched else ct
                    known[x] = known[x] + ct if x in known else ct
    return [known.get(x, constant(0)) for x in wrt]


def pull_back(node: Node, ct: Node) -> tuple[Node | None, ...]:
    """How the cost changes with each operand, given how it changes with the result."""
    op, (x, *rest) = node.op, node.inputs or (node,)
    if op == "dot":
        ta, tb = (make("transpose", i) for i in node.inputs)
        return ct @ tb, ta @ ct
    rules: dict[str, Callable[[], tuple[Node | None, ...]]] = {
        "add": lambda: (ct, ct),
        "sub": lambda: (ct, -ct),
        "mul": lambda: (ct * rest[0], ct * x),
        "div": lambda: (ct / rest[0], -(ct * node / rest[0])),
        "neg": lambda: (-ct,),
        "exp": lambda: (ct * node,),
        "log": lambda: (ct / x,),
        "sum": lambda: (make("expand", ct, attr=x.shape),),
        "expand": lambda: (ct,),
        "transpose": lambda: (make("transpose", ct),),
        "hold": lambda: (None,),
    }
    if node.inputs and op not in rules:
        raise TypeError(f"{op} has no derivative here")
    return rules[op]() if node.inputs else ()


# ---------------------------------------------------------------- 4. optimising (passes/fold.py, algebra.py, cse.py)
def optimise(roots: Sequence[Node]) -> list[Node]:
    """The same results by fewer operations."""
    while True:
        new: dict[Node, Node] = {}
        seen: dict[Any, Node] = {}
        for node in toposort(roots):
            node_ = simplify(node, tuple(new[x] for x in node.inputs))
            leaf = node_ if node_.op in ("parameter", "state") else None
            # Common subexpressions: the same operation on the same operands is one node.
            new[node] = seen.setdefault((node_.op, node_.inputs, repr(node_.attr), leaf), node_)
        before, roots = len(toposort(roots)), [new[r] for r in roots]
        if len(toposort(roots)) == before:
            return roots


def simplify(node: Node, inputs: tuple[Node, ...]) -> Node:
    """`node` with new operands, or what is equal to it and simpler."""
    op, attr, same = node.op, node.attr, [x for x in inputs if x.shape == node.shape]
    if op in ELEMENTWISE:
        if all(x.op == "const" for x in inputs) and node.shape == (1, 1):
            return constant(ELEMENTWISE[op][1](*(np.float32(x.attr) for x in inputs)))
        if op in ("hold", "expand") and same:
            return inputs[0]
        if op != "expand":  # elementwise operations repeat their operands themselves
            plain = tuple(x.inputs[0] if x.op == "expand" else x for x in inputs)
            inputs = plain if infer(op, [x.shape for x in plain], attr) == node.shape else inputs
        neutral = {"add": 0, "sub": 0, "mul": 1, "div": 1}.get(op)
        if neutral is not None and inputs[1].op == "const" and inputs[1].attr == neutral and same[:1] == [inputs[0]]:
            return inputs[0]
        if op in ("add", "mul") and inputs[0].op == "const" and inputs[0].attr == neutral and same[-1:] == [inputs[1]]:
            return inputs[1]
    if op == "dot":  # a product reads its operands the other way round, so that nobody transposes them
        attr = tuple(t != (x.op == "transpose") for t, x in zip(attr, inputs, strict=True))
        inputs = tuple(x.inputs[0] if x.op == "transpose" else x for x in inputs)
    return node if inputs == node.inputs and attr == node.attr else Node(op, inputs, node.shape, attr)


def separate(roots: Sequence[Node]) -> list[Node]:
    """Copies of those results that are another result too, or are not computed at all."""
    copied = [not r.inputs or r in roots[:i] for i, r in enumerate(roots)]
    return [Node("hold", (r,), r.shape) if c else r for r, c in zip(roots, copied, strict=True)]


# ---------------------------------------------------------------- 5. fusing (passes/fuse.py)
def cut(roots: Sequence[Node]) -> list[Node]:
    """The nodes that are computed by a loop of their own and stored; all others are part of the loop that uses them."""
    order = toposort(roots)
    users: dict[Node, list[Node]] = {n: [u for u in order for x in u.inputs if x is n] for n in order}

    def stored(n: Node) -> bool:
        alone = n.op not in ELEMENTWISE or n in roots or len(users[n]) > 1
        return bool(n.inputs) and (alone or any(u.op in ("dot", "transpose") for u in users[n]))

    return [n for n in order if stored(n)]


def reads(kernel: Node, kernels: Iterable[Node]) -> list[Node]:
    """What the loop of `kernel` reads from memory."""
    inside = [kernel]
    for n in inside:
        inside += [x for x in n.inputs if x not in kernels and x.inputs]
    return list(dict.fromkeys(x for n in inside for x in n.inputs if x in kernels or x.op in ("parameter", "state")))


# ---------------------------------------------------------------- 6. planning memory (passes/plan.py)
@dataclass
class Plan:
    """Where the kernels write: an offset in the arena, in numbers, or the name of an argument of the function."""

    places: dict[Node, int | str]
    arena: int
    copies: list[tuple[Node, str]]  # from the arena to a state, at the end


def plan(kernels: Sequence[Node], results: Sequence[Node], updates: dict[Node, Node]) -> Plan:
    """Places are used again once the value there has had its last reader; a state is updated in place if no loop reads
    its old value later, and the one that writes it reads it at the same element only."""
    step = {n: i for i, n in enumerate(kernels)}
    last = {x: i for i, n in enumerate(kernels) for x in reads(n, kernels)}
    out = Plan({r: f"result{i}" for i, r in enumerate(results)}, 0, [])
    for old, new in updates.items():
        if new.op in ELEMENTWISE and last.get(old, 0) <= step[new]:
            out.places[new] = old.attr
        else:
            out.copies.append((new, old.attr))
            last[new] = len(kernels)
    for i, n in enumerate(kernels):
        if n not in out.places:
            taken = [(at, math.prod(k.shape)) for k, at in out.places.items() if last.get(k, -1) >= i]
            offset, size = 0, math.prod(n.shape)
            for begin, length in sorted((at, length) for at, length in taken if isinstance(at, int)):
                if offset + size <= begin:  # the first gap that is large enough
                    break
                offset = max(offset, begin + length)
            out.places[n], out.arena = offset, max(out.arena, offset + size)
    return out


# ---------------------------------------------------------------- 7. loops (codegen/kernels.py, host.py)
class Emitter:
    """Writes a function in TVM's language: a loop for each kernel, one after the other."""

    def __init__(self, kernels: Sequence[Node], plan: Plan) -> None:
        self.kernels, self.plan = kernels, plan

    def at(self, node: Node, i: str, j: str) -> str:
        """Element i, j in memory; an axis of size 1 has only element 0."""
        i, j = ("0" if node.shape[0] == 1 else i), ("0" if node.shape[1] == 1 else j)
        place = self.plan.places.get(node, node.attr)
        if isinstance(place, str):
            return f"{place}[{i}, {j}]"
        return f"arena[{place}{f' + {i} * {node.shape[1]}' if i != '0' else ''}{f' + {j}' if j != '0' else ''}]"

    def value(self, node: Node, i: str, j: str, root: bool = False) -> str:
        """Element i, j of a node: from memory, or computed here."""
        if node.op == "const":
            return f"T.float32({node.attr!r})"
        if not root and (node in self.kernels or not node.inputs):
            return self.at(node, i, j)
        if node.op == "transpose":
            return self.value(node.inputs[0], j, i)
        return ELEMENTWISE[node.op][0].format(*(self.value(x, i, j) for x in node.inputs))

    def kernel(self, n: Node) -> list[str]:
        """The loop that computes and stores `n`."""
        here, x = self.at(n, "i", "j"), n.inputs[0]
        if n.op in REDUCTIONS:
            start, combine, _ = REDUCTIONS[n.op]
            across = "range" if 1 in n.attr else "T.vectorized"
            step = f"{here} = {combine.format(here, self.value(x, 'i', 'j'))}"
            return [*loops(n.shape, f"{here} = {start}"), *loops(x.shape, step, across)]
        if n.op == "dot":
            a = self.at(x, *("ki" if n.attr[0] else "ik"))
            b = self.at(n.inputs[1], *("jk" if n.attr[1] else "kj"))
            k = x.shape[0 if n.attr[0] else 1]
            body = [f"        for j in T.vectorized({n.shape[1]}):", f"            {here} = {here} + {a} * {b}"]
            lines = [f"for i in range({n.shape[0]}):", f"    for k in range({k}):", *body]
            return [*loops(n.shape, f"{here} = T.float32(0)"), *lines]
        return loops(n.shape, f"{here} = {self.value(n, 'i', 'j', root=True)}")

    def function(self, arguments: dict[str, Shape]) -> str:
        """The text of the whole function."""
        shapes = {**arguments, "arena": (max(self.plan.arena, 1),)}
        heads = ", ".join(f'{a}: T.Buffer({s}, "float32", align=4)' for a, s in shapes.items())
        lines = [line for n in self.kernels for line in self.kernel(n)]
        for new, old in self.plan.copies:
            lines += loops(new.shape, f"{old}[i, j] = {self.at(new, 'i', 'j')}")
        head = f'@T.prim_func\ndef main({heads}):\n    T.func_attr({{"tirx.noalias": True}})\n'
        return head + "".join(f"    {line}\n" for line in lines)


def loops(shape: Shape, line: str, across: str = "T.vectorized") -> list[str]:
    """`line` for every element; the elements of a row at a time, where they do not depend on each other."""
    return [f"for i in range({shape[0]}):", f"    for j in {across}({shape[1]}):", f"        {line}"]


# ---------------------------------------------------------------- 8. machine code, and calling it (codegen/artifact.py)
class Function:
    """Results computed from parameters; a call also gives each state of `updates` its new value."""

    def __init__(self, parameters: list[Node], results: list[Node], updates: dict[Node, Node]) -> None:
        self.parameters = parameters
        self.roots = separate(optimise([*results, *updates.values()]))
        self.results = self.roots[: len(results)]
        self.updates = dict(zip(updates, self.roots[len(results) :], strict=True))
        self.kernels = cut(self.roots)
        self.plan = plan(self.kernels, self.results, self.updates)
        self.states = list(dict.fromkeys([*(n for n in toposort(self.roots) if n.op == "state"), *updates]))
        arguments = {n.attr: n.shape for n in (*parameters, *self.states)}
        arguments |= {f"result{i}": r.shape for i, r in enumerate(self.results)}
        self.source = Emitter(self.kernels, self.plan).function(arguments)
        module = tvm.IRModule({"main": from_source(self.source, {"T": tirx})})
        processor = tvm.get_global_func("tvm.codegen.llvm.GetHostCPUName")()
        self.library = tvm.compile(module, target=tvm.target.Target({"kind": "llvm", "mcpu": processor}))
        self.arena = np.zeros(max(self.plan.arena, 1), np.float32)

    def __call__(self, *arrays: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
        given = [np.ascontiguousarray(a, np.float32) for a in arrays]
        for p, a in zip(self.parameters, given, strict=True):
            if p.shape != a.shape:
                raise TypeError(f"an argument has the shape {a.shape}, not {p.shape}")
        results = [np.empty(r.shape, np.float32) for r in self.results]
        memory = [*given, *(s.data for s in self.states), *results, self.arena]
        self.library["main"](*(tvm_ffi.from_dlpack(a, require_alignment=4) for a in memory))  # without a copy
        return results


# ---------------------------------------------------------------- what to look at, and a model to try it on
def text(roots: Iterable[Node]) -> str:
    """One line for each node."""
    number = {n: f"%{i}" for i, n in enumerate(toposort(roots))}
    return "".join(
        f"  {v} = {n.op}({', '.join(number[x] for x in n.inputs)})"
        f"{'' if n.attr is None else f' {n.attr}'} : {n.shape[0]}x{n.shape[1]}\n"
        for n, v in number.items()
    )


def logistic_regression(batch: int, rate: float) -> tuple[Node, Node, Node, dict[Node, Node], Node]:
    """Images x, y with 1 in the column of the right class; the cost, the updates of a step, the scores of classes."""
    x, y = parameter("x", batch, 64), parameter("y", batch, 10)
    w, b = state("w", np.zeros((64, 10))), state("b", np.zeros((1, 10)))
    scores = x @ w + b
    shifted = scores - make("hold", make("max", scores, attr=(1,)))  # so that exp stays finite
    log_of_sum = make("log", make("sum", make("exp", shifted), attr=(1,)))
    cost = make("sum", y * (log_of_sum - shifted), attr=(0, 1)) / batch
    gw, gb = grad(cost, [w, b])
    return x, y, cost, {w: w - gw * rate, b: b - gb * rate}, scores


def main() -> None:
    from sklearn.datasets import load_digits

    digits, batch = load_digits(), 60
    images, labels = digits.data / 16, digits.target
    unseen = np.arange(0, 1797, 5)[:300]  # every fifth digit is kept from training
    seen = np.setdiff1d(np.arange(1797), np.arange(0, 1797, 5))[:1380]
    x, y, cost, updates, scores = logistic_regression(batch, rate=0.5)
    print(f"recorded:\n{text([cost])}\nwith gradients and updates:\n{text([cost, *updates.values()])}")

    step = Function([x, y], [cost], updates)
    print(f"optimised:\n{text(step.roots)}\nkernels, what they read, and where they write:")
    number = {n: f"%{i}" for i, n in enumerate(toposort(step.roots))}
    for n in step.kernels:
        place = step.plan.places[n]
        where = f"arena+{place}" if isinstance(place, int) else place
        print(f"  {number[n]} = {n.op}({', '.join(number[r] for r in reads(n, step.kernels))}) -> {where}")
    print(f"  arena of {step.plan.arena} numbers\n\nloops:\n{step.source}\nmachine code of the first product:")
    assembly = step.library.mod.inspect_source("asm").splitlines()
    first = next(i for i, line in enumerate(assembly) if re.search(r"\t(v?mulps|vfmadd|fmla|fmul)", line))
    print("\n".join(assembly[first - 4 : first + 12]))

    print("\ntraining:")
    predict, random = Function([x], [scores], {}), np.random.default_rng(0)
    for epoch in range(1, 31):
        rows = random.permutation(seen).reshape(-1, batch)
        costs = [step(images[i], np.eye(10)[labels[i]])[0] for i in rows]
        if epoch % 10 == 0:
            answers = np.concatenate([predict(i)[0].argmax(1) for i in images[unseen].reshape(-1, batch, 64)])
            right = np.mean(answers == labels[unseen])
            print(f"  epoch {epoch}: cost {np.mean(costs):.4f}, {right:.1%} of unseen digits right")


if __name__ == "__main__":
    main()
