"""The shape of result files, and a check of it that names what is wrong and where."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

VERSION = 1
KINDS = (
    "run", "overhead", "compile-time", "import-time", "roofline", "follow", "curves", "ops", "memory", "convolutions",
    "train", "reading",
)  # fmt: skip

Check = Callable[[Any], bool]


class SchemaError(ValueError):
    """A result file does not have the shape it must have."""


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _positive(value: Any) -> bool:
    return _number(value) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _require(value: Any, where: str, fields: Mapping[str, Check]) -> None:
    if not isinstance(value, dict):
        raise SchemaError(f"{where} must be an object")
    for name, check in fields.items():
        if name not in value:
            raise SchemaError(f"{where}.{name} is missing")
        if not check(value[name]):
            raise SchemaError(f"{where}.{name} has a bad value: {value[name]!r:.80}")


_ENVELOPE: dict[str, Check] = {
    "schema": lambda v: v == VERSION,
    "kind": lambda v: v in KINDS,
    "command": _texts,
    "commit": _or_none(_text),
    "dirty": _or_none(lambda v: isinstance(v, bool)),
    "date": _text,
    "seed": lambda v: isinstance(v, int),
    "versions": _mapping,
    "packages": _mapping,
    "overrides": _mapping,
    "load": _or_none(_positive),
    "machine": _mapping,
    "results": lambda v: isinstance(v, (list, dict)),
}
_MACHINE: dict[str, Check] = {
    "cpu": _text,
    "cores": _count,
    "memory_bytes": _or_none(_count),
    "os": _text,
    "python": _text,
    "caches_bytes": _mapping,
}
_WORKLOAD: dict[str, Check] = {
    "name": _text,
    "title": _text,
    "family": _text,
    "sizes": _mapping,
    "flops": _positive,
    "streamed_bytes": _positive,
    "resident_bytes": _positive,
    "threads": _count,
    "refused": _or_none(_text),
    "peers": _mapping,
    "missing": _mapping,
}
_TIMED: dict[str, Check] = {
    "median_s": _positive,
    "min_s": _positive,
    "inner": _count,
    "busy_cores": _positive,
    "rounds_s": lambda v: isinstance(v, list) and bool(v) and all(_positive(t) for t in v),
}
_PARTS: dict[str, Check] = dict.fromkeys(
    ("import_s", "build_s", "step_s", "first_step_s"), _positive
)
_FOLLOWED: dict[str, Check] = {
    "model": _text,
    "data": _text,
    "settings": _mapping,
    "at": lambda v: isinstance(v, list) and bool(v),
    "arignote": lambda v: isinstance(v, list) and all(_positive(x) for x in v),
    "torch": lambda v: isinstance(v, list) and all(_positive(x) for x in v),
    "worst": _positive,
    "seconds": _mapping,
    "analogies": _mapping,
    "spearman": _mapping,
}
_CURVES: dict[str, Check] = {
    "model": _text,
    "data": _text,
    "settings": _mapping,
    "parameters": _count,
    "by_loss": lambda v: isinstance(v, bool),
    "steps": _count,
    "epochs": _positive,
    "first": lambda v: isinstance(v, list) and all(_number(x) for pair in v for x in pair),
    "training": _mapping,
    "validations": lambda v: isinstance(v, list),
    "seconds": _mapping,
    "cpu_seconds": _mapping,
}
_VALIDATED: dict[str, Check] = {
    "step": _count,
    "epoch": _positive,
    "arignote": _mapping,
    "torch": _mapping,
}
_TRAINED: dict[str, Check] = {
    "model": _text,
    "data": _text,
    "command": _text,
    "settings": _mapping,
    "seed": lambda v: isinstance(v, int),
    "epochs": _count,
    "seconds": _positive,
    "records": lambda v: isinstance(v, list) and bool(v),
}
_RECORD: dict[str, Check] = {
    "epoch": lambda v: isinstance(v, int),
    "valid_loss": _number,
    "valid_error": _positive,
    "test_loss": _or_none(_number),
    "test_error": _or_none(_positive),
}
_READ: dict[str, Check] = {
    "model": _text,
    "data": _text,
    "classifier": _text,
    "real": _positive,
    "count": _count,
    "share": _positive,
    "shares": lambda v: isinstance(v, list) and bool(v) and all(_positive(x) for x in v),
}
#: Kind of results that are of training -> the fields of each, of which one, if any, is a list, and the fields of these.
TRAININGS: dict[str, tuple[dict[str, Check], str, dict[str, Check]]] = {
    "follow": (_FOLLOWED, "", {}),
    "curves": (_CURVES, "validations", _VALIDATED),
    "train": (_TRAINED, "records", _RECORD),
    "reading": (_READ, "", {}),
}
_LIMIT: dict[str, Check] = {
    "threads": _count,
    "how": _mapping,
    "sgemm_gflops": _positive,
    "fma_peak_gflops": _positive,
    "bandwidth": _mapping,
}


def _missing(missing: Mapping[str, Any], where: str) -> None:
    for name, why in missing.items():
        _require(why, f"{where}.missing.{name}", {"reason": _text, "remedy": _text})


def _workload(result: Any, where: str, timed: Callable[[Any, str], None]) -> None:
    _require(result, where, _WORKLOAD)
    _missing(result["missing"], where)
    if result["refused"] is not None and result["peers"]:
        raise SchemaError(f"{where} was refused and yet has times")
    for name, took in result["peers"].items():
        timed(took, f"{where}.peers.{name}")


def _steps(took: Any, where: str) -> None:
    _require(took, where, _TIMED)


def _firsts(took: Any, where: str) -> None:
    _require(took, where, {"cold": _mapping, "warm": _mapping})
    for kind in ("cold", "warm"):
        _require(took[kind], f"{where}.{kind}", _PARTS)


def _bytes(took: Any, where: str) -> None:
    _require(took, where, {"step_bytes": _positive, "loaded_bytes": _positive})


def _limits(limits: Any, where: str) -> None:
    for at, limit in enumerate(limits):
        _require(limit, f"{where}[{at}]", _LIMIT)
        if "DRAM" not in limit["bandwidth"]:
            raise SchemaError(f"{where}[{at}].bandwidth.DRAM is missing")


def validate(report: Any) -> None:
    """Raise ``SchemaError`` unless ``report`` is a well-formed result file."""
    _require(report, "report", _ENVELOPE)
    _require(report["machine"], "machine", _MACHINE)
    kind, results = report["kind"], report["results"]
    if kind == "import-time":
        _require(results, "results", {"modules": _mapping, "missing": _mapping})
        _missing(results["missing"], "results")
        for name, took in results["modules"].items():
            _require(took, f"results.modules.{name}", {"median_s": _positive, "min_s": _positive})
        return
    if not isinstance(results, list):
        raise SchemaError("results must be a list")
    if kind == "roofline":
        _limits(results, "results")
        return
    if kind in TRAININGS:
        fields, rows, row_fields = TRAININGS[kind]
        for at, result in enumerate(results):
            _require(result, f"results[{at}]", fields)
            for row, found in enumerate(result[rows] if rows else ()):
                _require(found, f"results[{at}].{rows}[{row}]", row_fields)
        return
    timed = {"compile-time": _firsts, "memory": _bytes}.get(kind, _steps)
    for at, result in enumerate(results):
        _workload(result, f"results[{at}]", timed)
    if kind in ("run", "ops", "convolutions"):
        _limits(report.get("limits", []), "limits")
