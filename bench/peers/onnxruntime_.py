"""ONNX Runtime: predictions of a model whose parameters are constants of it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench import networks
from bench.peers.base import Peer, Runner
from bench.workloads.spec import Array, Params, Workload

OPSET, IR_VERSION = 21, 10


@dataclass(frozen=True)
class Named:
    """A value of a graph; the shape of a parameter."""

    name: str
    shape: tuple[int, ...] = ()


class OnnxOps:
    """`bench.networks.Ops`, of what predictions use: each op is a node of `graph`."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, array: Array) -> Named:
        """A parameter."""
        name = f"c{len(self.constants)}"
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return Named(name, array.shape)

    def node(self, op: str, *operands: Named, **attrs: Any) -> Named:
        """The result of an op."""
        out = Named(f"v{len(self.nodes)}")
        self.nodes.append(self.onnx.helper.make_node(op, [v.name for v in operands], [out.name], **attrs))
        return out

    def reshape(self, x: Named, shape: tuple[int, ...]) -> Named:
        return self.node("Reshape", x, self.constant(np.array(shape, np.int64)))

    def dot(self, x: Named, w: Named) -> Named:
        return self.node("MatMul", x, w)

    def add(self, x: Named, b: Named) -> Named:
        return self.node("Add", x, b)

    def plus(self, x: Named, y: Named) -> Named:
        return self.node("Add", x, y)

    def conv(self, x: Named, w: Named, stride: int = 1, pad: int = 0) -> Named:
        return self.node("Conv", x, w, strides=[stride] * 2, pads=[pad] * 4)

    def maxpool(self, x: Named) -> Named:
        return self.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def norm(self, x: Named, shift: Named, scale: Named, mean: Named, variance: Named) -> Named:
        return self.node("BatchNormalization", x, scale, shift, mean, variance, epsilon=networks.EPSILON)

    def means(self, x: Named) -> Named:
        return self.node("Flatten", self.node("GlobalAveragePool", x))

    def relu(self, x: Named) -> Named:
        return self.node("Relu", x)

    def tanh(self, x: Named) -> Named:
        return self.node("Tanh", x)


class OnnxRuntimePeer(Peer):
    """A session with all optimisations of graphs, whose input and output stay bound to the same arrays."""

    name = "onnxruntime"
    package = "onnxruntime"
    remedy = "pip install onnx onnxruntime"
    trains = False

    def load(self, threads: int) -> None:
        """Import ONNX and ONNX Runtime."""
        self.onnx: Any = importlib.import_module("onnx")
        self.runtime: Any = importlib.import_module("onnxruntime")
        self.threads = threads

    def version(self) -> str:
        """ONNX Runtime's version."""
        return str(self.runtime.__version__)

    def builders(self) -> dict[str, Callable[[Workload, Params], Runner]]:
        """Predictions only."""
        return {"predict": self._predict}

    def _session(self, model: Any) -> Any:
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.execution_mode = self.runtime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = self.runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        return self.runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _predict(self, workload: Workload, params: Params) -> Runner:
        helper, f32 = self.onnx.helper, self.onnx.TensorProto.FLOAT
        ops, x, out = OnnxOps(self.onnx), params["x"], params["out"]
        weights = [ops.constant(v) for k, v in params.items() if k.startswith("p")]
        scores: Any = networks.scores("predict", workload.sizes)
        result = ops.node("Softmax", scores(ops, Named("x"), weights), axis=1)
        ends = [[helper.make_tensor_value_info(n, f32, v.shape)] for n, v in (("x", x), (result.name, out))]
        graph = helper.make_graph(ops.nodes, workload.family, *ends, ops.constants)
        opset = [helper.make_opsetid("", OPSET)]
        session = self._session(helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION))
        # What is bound lasts as long as these.
        values = {n: self.runtime.OrtValue.ortvalue_from_numpy(v) for n, v in (("x", x), (result.name, out))}
        bound = session.io_binding()
        bound.bind_ortvalue_input("x", values["x"])
        bound.bind_ortvalue_output(result.name, values[result.name])

        def step() -> float:
            session.run_with_iobinding(bound)
            return 0.0

        return Runner(step, lambda: {"out": values[result.name].numpy().copy()})
