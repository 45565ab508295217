"""What cannot run is reported with its remedy, never silently left out."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest

from bench import compile_time, import_time, peers, table, timing, workloads
from bench.environment import ROOT, child_environment, scrub, thread_counts
from bench.pool import Handle, Pool, WorkerError


class Absent(peers.Peer):
    """A peer whose package nobody has."""

    name = "absent"
    package = "a_package_that_is_not_there"
    remedy = "pip install a-package"

    def load(self, threads: int) -> None:
        raise AssertionError("must not be loaded")

    def version(self) -> str:
        return ""

    def builders(self) -> dict[str, object]:  # type: ignore[override]
        return {}


def test_an_absent_package_is_a_reason() -> None:
    assert Absent().available() == "the package a_package_that_is_not_there is not installed"
    assert peers.find("numpy").available() is None


@pytest.mark.parametrize("name", list(peers.REGISTRY))
def test_every_peer_names_a_remedy(name: str) -> None:
    peer = peers.find(name)
    assert peer.name == name
    assert peer.remedy.startswith("pip install ")
    available = importlib.util.find_spec(peer.package) is not None
    assert (peer.available() is None) == available


def test_a_family_without_an_implementation_is_named() -> None:
    peer = peers.find("numpy")
    peer.builders = dict  # type: ignore[method-assign]
    with pytest.raises(NotImplementedError, match="numpy has no implementation of chain"):
        peer.build(workloads.find("chain-small"), {}, 1)


def test_a_pool_keeps_why_a_peer_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seen from the parent: the worker does not know the peer, and says so as it ends."""
    monkeypatch.setitem(peers.REGISTRY, "absent", Absent)
    lines: list[str] = []
    results, versions = timing.run(
        [workloads.find("chain-small")],
        ["absent", "numpy"],
        threads=[1],
        rounds=1,
        seed=1,
        log=lines.append,
        slice_s=0.0,
    )
    assert set(versions) == {"numpy"}
    (result,) = results
    assert set(result["peers"]) == {"numpy"}
    assert result["missing"]["absent"]["remedy"] == "pip install a-package"
    assert "no peer is called 'absent'" in result["missing"]["absent"]["reason"]
    assert any("missing: absent" in line and "pip install a-package" in line for line in lines)
    text = table.steps({"results": results})
    assert "absent is missing" in text and "remedy: pip install a-package" in text


def test_numpy_is_not_missed_where_nobody_asked_for_it() -> None:
    spec = workloads.find("ntm-small")
    with Pool(["numpy"], 1) as pool:
        asked = timing.measure(pool, spec, rounds=1, seed=1, slice_s=0.0, log=print)
        unasked = timing.measure(pool, spec, rounds=1, seed=1, slice_s=0.0, log=print, unasked={"numpy"})
    assert "no implementation of ntm" in asked["missing"]["numpy"]["reason"]
    assert unasked["missing"] == {}


def test_a_peer_that_fails_on_one_workload_is_named_with_a_way_to_see_it() -> None:
    broken = replace(workloads.find("chain-small"), name="chain-of-nobody")
    with Pool(["numpy"], 1) as pool:
        result = timing.measure(pool, broken, rounds=1, seed=1, slice_s=0.0, log=lambda line: None)
    assert "no workload is called 'chain-of-nobody'" in result["missing"]["numpy"]["reason"]
    remedy = result["missing"]["numpy"]["remedy"]
    assert "python -m bench run chain-of-nobody --peers numpy" in remedy
    assert result["peers"] == {} and "the reference numpy did not run" in result["refused"]


def test_a_reference_that_is_not_asked_for_computes_but_is_not_timed() -> None:
    with Pool(["numpy"], 1) as pool:
        spec = workloads.find("chain-small")
        result = timing.measure(
            pool, spec, rounds=1, seed=1, slice_s=0.0, log=lambda line: None, unasked={"numpy"}
        )
    assert result["refused"] is None and len(result["agreement"]["losses"]["numpy"]) == result["agreement"]["steps"]
    assert result["peers"] == {}


def test_a_worker_reports_errors_and_goes_on() -> None:
    with Pool(["numpy"], 1) as pool, pool.running("numpy") as worker:
        with pytest.raises(WorkerError, match="nothing is built"):
            worker.ask("steps", count=1)
        with pytest.raises(WorkerError, match="no workload is called 'none'"):
            worker.ask("build", workload="none", seed=1)
        worker.ask("build", workload="logreg-small", seed=1)
        first, second = worker.ask("steps", count=2)["losses"]
        assert second < first
        assert worker.ask("time", inner=2, warm=1)["wall_s"] > 0
        assert worker.ask("calibrate", seconds=0.0)["inner"] == 1


def test_a_worker_that_ended_is_an_error() -> None:
    handle = Handle("numpy", 1)
    handle.process.kill()
    handle.process.wait()
    with pytest.raises(WorkerError, match="the process ended"):
        handle.ask("hello")
    handle.close()


def test_first_step_of_a_missing_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.REGISTRY, "absent", Absent)
    lines: list[str] = []
    result, _ = compile_time.measure(
        workloads.find("chain-small"), ["absent"], threads=1, repeats=1, seed=1, log=lines.append
    )
    assert set(result["peers"]) == {"numpy"}
    assert result["missing"]["absent"]["remedy"] == "pip install a-package"


def test_first_steps_are_refused_without_their_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.REGISTRY, "absent", Absent)
    spec = replace(workloads.find("chain-small"), reference="absent")
    result, _ = compile_time.measure(spec, ["numpy"], threads=1, repeats=1, seed=1, log=print)
    assert result["refused"] == "refused: the reference absent did not run" and result["peers"] == {}


def test_import_of_a_missing_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(import_time.MODULES, "absent_module", "pip install a-package")
    result = import_time.measure(["absent_module", "json"], repeats=1, log=lambda line: None)
    assert "No module named" in result["missing"]["absent_module"]["reason"]
    assert result["missing"]["absent_module"]["remedy"] == "pip install a-package"
    assert not result["modules"]["json"]["loads_tvm"]


def test_threads_of_a_worker_are_set_for_every_library() -> None:
    env = child_environment(3)
    names = ("OMP", "OPENBLAS", "MKL", "TVM", "ARIGNOTE", "NUMBA")
    assert {env[f"{name}_NUM_THREADS"] for name in names} == {"3"}
    assert "multi_thread_eigen=false" in child_environment(1)["XLA_FLAGS"]


def test_workers_keep_byte_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in child_environment(1)


def test_thread_settings() -> None:
    assert thread_counts("4") == [4]
    assert thread_counts("both")[0] == 1
    assert len(thread_counts("all")) == 1
    with pytest.raises(ValueError, match="threads must be"):
        thread_counts("many")


def test_paths_of_the_machine_are_left_out() -> None:
    text = scrub(f"error in {ROOT}/bench/x.py")
    assert text == "error in <checkout>/bench/x.py"


def test_a_peer_that_only_predicts_is_not_missing_where_others_train() -> None:
    if (reason := peers.find("onnxruntime").available()) is not None:
        pytest.skip(reason)
    with Pool(["numpy", "onnxruntime"], 1) as pool:
        spec = workloads.find("chain-small")
        result = timing.measure(pool, spec, rounds=1, seed=1, slice_s=0.0, log=lambda line: None)
    assert list(result["peers"]) == ["numpy"]
    assert result["missing"] == {}
