"""Functions as graphs: networkx, JSON, Graphviz."""

from __future__ import annotations

import json
import re
from typing import Any

import networkx as nx
from hypothesis import HealthCheck, given, settings

from arignote.ir import to_dict, to_dot, to_networkx
from arignote.ir.core import Func, every_op
from arignote.ir.parse import parse_module
from tests.ir.strategies import stateful_programs

TEXT = """
func @train(%x: f32[8], %y: f32[8]) state(@w: f32[8]) -> (f32[8]) {
  %fused, %more = fused(%x, @w) {axes=[], kind="map"} : f32[8], f32[8] {
    (%a: f32[8], %w: f32[8]):
    %add = add(%a, %w) : f32[8]
    %mul = mul(%add, %add) : f32[8]
    yield(%add, %mul)
  }
  %z = sub(%more, %y) : f32[8]  // model.py:31
  update(@w, %z)
  return(%fused)
}
"""


def train() -> Func:
    return parse_module(TEXT).funcs[0]


def test_networkx() -> None:
    graph = to_networkx(train())
    assert set(graph) == {
        "%x", "%y", "@w", "%fused", "%fused/%a", "%fused/%w", "%fused/%add", "%fused/%mul", "%fused/yield", "%z",
        "update(@w)", "return",
    }  # fmt: skip
    assert nx.is_directed_acyclic_graph(graph)
    assert nx.ancestors(graph, "update(@w)") == {"%z", "%y", "%fused", "%x", "@w"}
    assert graph.edges["%fused", "%z", 0]["value"] == "%fused:1"
    assert graph.number_of_edges("%fused/%add", "%fused/%mul") == 2
    z = graph.nodes["%z"]
    assert (z["op"], z["type"], z["loc"], z["parent"], z["flops"]) == ("sub", "f32[8]", "model.py:31", None, 8)
    assert graph.nodes["%fused/%add"]["parent"] == "%fused"
    assert graph.nodes["%fused"]["attrs"] == {"axes": "[]", "kind": '"map"'}


def test_json() -> None:
    data = json.loads(json.dumps(to_dict(train())))
    assert [op["op"] for op in data["ops"]] == ["fused", "sub"]
    fused, sub = data["ops"]
    assert fused["results"] == [{"name": "%fused", "type": "f32[8]"}, {"name": "%more", "type": "f32[8]"}]
    assert [op["op"] for op in fused["regions"][0]["ops"]] == ["add", "mul"]
    assert fused["regions"][0]["yields"] == ["%add", "%mul"]
    assert (sub["flops"], sub["read"], sub["loc"]) == (8, 64, {"file": "model.py", "line": 31})
    assert data["states"] == [{"name": "@w", "type": "f32[8]", "update": "%z"}]
    assert "flops" not in to_dict(train(), costs=False)["ops"][0]


def test_dot() -> None:
    text = to_dot(train())
    assert '"%fused" -> "%z" [label="f32[8]"];' in text
    assert 'subgraph "cluster %fused 0"' in text
    assert text.count("{") == text.count("}")
    assert len(re.findall(r"^ *\"[^\"]+\" \[label", text, re.MULTILINE)) == 12


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(case=stateful_programs(max_ops=10, regions=True))
def test_every_op_and_operand_is_there(case: tuple[Func, Any, Any]) -> None:
    func = case[0]
    graph = to_networkx(func)
    found = list(every_op(func.ops))
    assert sum(1 for _, kind in graph.nodes(data="kind") if kind == "op") == len(found)
    into_ops = sum(1 for _, target in graph.edges() if graph.nodes[target]["kind"] == "op")
    assert into_ops == sum(len(op.operands) for op in found)
    assert nx.is_directed_acyclic_graph(graph)
    json.dumps(to_dict(func))
