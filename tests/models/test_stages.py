"""The functions of models at every stage of IR: they read back, do not differ from themselves, and run passes."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from arignote.frontends.tensor import stages
from arignote.ir.canonical import structural_hash
from arignote.ir.core import Func, Module, Op, Region, State, Value
from arignote.ir.diff import diff
from arignote.ir.parse import parse_module
from arignote.ir.text import print_module
from arignote.ir.verify import verify
from arignote.models import registry
from arignote.models.programs import functions
from arignote.passes.base import parse_pipeline

PIPELINE = parse_pipeline("canonicalize,(fold,cse)*2,dce")
#: Models that are recorded within seconds.
MODELS = ["logreg", "mlp", "bilstm_sentiment", "cbow", "char_rnn"]


@functools.cache
def staged(model: str) -> dict[tuple[str, str], Func]:
    """(function, stage) -> IR."""
    makers = functions(registry.find(model).with_settings(()))
    return {(name, s): stages.func_at(make(), s) for name, make in makers.items() for s in stages.IR_STAGES}


@pytest.mark.parametrize("model", MODELS)
def test_text_round_trips(model: str) -> None:
    for key, func in staged(model).items():
        text = print_module(func)
        (again,) = parse_module(text).funcs
        assert print_module(again) == text, key
        verify(again)
        assert structural_hash(again) == structural_hash(func), key


@pytest.mark.parametrize("model", ["logreg", "mlp", "bilstm_sentiment"])
def test_a_function_does_not_differ_from_itself(model: str) -> None:
    rng = np.random.default_rng(0)
    for key, func in staged(model).items():
        assert not diff(func, func), key
        other = shuffled(func, rng)
        verify(other)
        assert not diff(func, other), key
        assert not diff(Module([other]), Module([func])), key


@pytest.mark.parametrize("model", MODELS)
def test_stages_differ(model: str) -> None:
    found = staged(model)
    assert diff(found["train", "recorded"], found["train", "grad"])
    assert diff(found["train", "optimised"], found["train", "fused"])


@pytest.mark.parametrize("model", MODELS)
def test_passes_run_on_every_stage(model: str) -> None:
    for key, func in staged(model).items():
        if key[1] == "planned":
            continue  # its memory is for its ops as they are
        out = PIPELINE.run(func, verify_each=True)
        verify(out)
        assert [r.type for r in out.results] == [r.type for r in func.results], key
        assert not diff(func, func) and not diff(out, out), key


def shuffled(func: Func, rng: np.random.Generator) -> Func:
    """The function with other names and another order of its ops, as random as their operands allow."""
    mapping: dict[Value, Value] = {v: Value(v.type, f"in{i}") for i, v in enumerate(func.inputs())}
    ops = _shuffled(func.ops, mapping, rng)
    states = [
        State(s.name, mapping[s.value], None if s.update is None else mapping[s.update]) for s in func.states
    ]
    params, results = [mapping[p] for p in func.params], [mapping[r] for r in func.results]
    return replace(func, params=params, states=states, ops=ops, results=results)


def _shuffled(ops: list[Op], mapping: dict[Value, Value], rng: np.random.Generator) -> list[Op]:
    waiting, out = list(ops), []
    while waiting:
        ready = [op for op in waiting if all(v in mapping for v in op.operands)]
        op = ready[int(rng.integers(len(ready)))]
        waiting.remove(op)
        regions = [_region(r, rng) for r in op.regions]
        names = [f"v{int(rng.integers(10**6))}" for _ in op.results]
        operands, types = [mapping[v] for v in op.operands], [r.type for r in op.results]
        new = Op(op.name, operands, op.attrs, types, regions, op.loc, names)
        out.append(new)
        mapping.update(zip(op.results, new.results, strict=True))
    return out


def _region(region: Region, rng: np.random.Generator) -> Region:
    mapping: dict[Value, Value] = {p: Value(p.type, f"q{i}") for i, p in enumerate(region.params)}
    ops = _shuffled(region.ops, mapping, rng)
    return Region([mapping[p] for p in region.params], ops, [mapping[y] for y in region.yields])
