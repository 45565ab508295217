"""The cache on disk: what is kept, what is refused, what happens when the disk or another process misbehaves."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from arignote.codegen import cache


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARIGNOTE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(folder: Path) -> Path:
    (path,) = folder.glob("*.aro")
    return path


def test_an_entry_is_built_once_and_then_read(folder: Path) -> None:
    built = []

    def build() -> bytes:
        built.append(1)
        return b"object"

    assert cache.fetch("k", build) == (b"object", False)
    assert cache.fetch("k", build) == (b"object", True)
    assert len(built) == 1
    assert cache.fetch("other", lambda: b"2") == (b"2", False)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign", "digest only"])
def test_a_damaged_entry_is_rebuilt(folder: Path, damage: str) -> None:
    cache.fetch("k", lambda: b"object" * 100)
    path = entry(folder)
    data = path.read_bytes()
    flipped = data[:-1] + bytes([data[-1] ^ 1])
    path.write_bytes(
        {
            "truncated": data[: len(data) // 2], "flipped": flipped, "empty": b"",
            "foreign": b"#!/bin/sh\n" * 20, "digest only": data[: len(cache.MAGIC) + 32],
        }[damage]
    )  # fmt: skip
    assert cache.fetch("k", lambda: b"new") == (b"new", False)
    assert cache.fetch("k", lambda: b"unused") == (b"new", True)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_costs_only_the_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.warns(cache.CacheWarning, match=r"cannot be written \(.*\).*ARIGNOTE_CACHE_DIR"):
        assert cache.fetch("k", lambda: b"object") == (b"object", False)
    assert not list(folder.glob("*.tmp")) and not list(folder.glob("*.aro"))


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ARIGNOTE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.warns(cache.CacheWarning, match="compiled code is not kept"):
        assert cache.fetch("k", lambda: b"object") == (b"object", False)


def test_an_error_while_building_is_passed_on_and_nothing_is_kept(folder: Path) -> None:
    def fail() -> bytes:
        raise ValueError("no code")

    with pytest.raises(ValueError, match="no code"):
        cache.fetch("k", fail)
    assert not list(folder.glob("*.aro"))
    assert cache.fetch("k", lambda: b"object") == (b"object", False)


def test_two_processes_build_an_entry_once(folder: Path) -> None:
    program = (
        "import sys, time; from arignote.codegen import cache\n"
        "def build():\n"
        "    print('built', flush=True); time.sleep(1.0); return b'object'\n"
        "assert cache.fetch('k', build)[0] == b'object'\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    outputs = [p.communicate(timeout=60)[0] for p in processes]
    assert [p.returncode for p in processes] == [0, 0, 0]
    assert "".join(outputs).count("built") == 1
