"""The cache of compiled artefacts on disk: object files, one per entry, safe under many processes.

An entry is one file: a magic line, the SHA-256 of what follows, the object. It is written to a temporary file and
renamed, under a lock per entry, so that two processes that compile one model at a time compile it once. An entry that
does not match its digest is rebuilt, never loaded. Where the folder cannot be written, compilation goes on without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_dir

MAGIC = b"arignote object 1\n"
LOCK_SECONDS = 300.0


class CacheWarning(UserWarning):
    """The cache of compiled code could not be used; results are not affected."""


def cache_folder() -> Path:
    """ARIGNOTE_CACHE_DIR, or the user's cache folder."""
    named = os.environ.get("ARIGNOTE_CACHE_DIR")
    return Path(named) if named else Path(user_cache_dir("arignote"))


def seal(data: bytes) -> bytes:
    """An entry's bytes."""
    return MAGIC + hashlib.sha256(data).digest() + data


def unseal(entry: bytes) -> bytes | None:
    """The object in an entry; None where the entry is damaged."""
    digest, data = entry[len(MAGIC) : len(MAGIC) + 32], entry[len(MAGIC) + 32 :]
    if not entry.startswith(MAGIC) or hashlib.sha256(data).digest() != digest:
        return None
    return data


def read(path: Path) -> bytes | None:
    """The object of an entry, or None where there is none that can be trusted."""
    try:
        return unseal(path.read_bytes())
    except OSError:
        return None


def write(path: Path, data: bytes) -> None:
    """Write an entry in one step: readers see the old one or the new one.

    Raises:
        OSError: the disk is full or read-only; nothing is left behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as f:
            f.write(seal(data))
            f.flush()
            os.fsync(f.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(str(path) + ".lock", timeout=LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        # Whoever holds the lock is stuck: compiling twice is harmless, waiting for ever is not.
        warnings.warn(f"waited {LOCK_SECONDS:.0f} s for {path.name}.lock; compiling without it", CacheWarning, 2)
        yield
        return
    try:
        yield
    finally:
        lock.release()


def object_path(key: str) -> Path:
    """Where the object for `key` is kept."""
    return cache_folder() / f"{key}.aro"


def fetch(key: str, build: Callable[[], bytes]) -> tuple[bytes, bool]:
    """The object for `key`, from the cache or from `build`; and whether it was in the cache."""
    path = object_path(key)
    data = read(path)
    if data is not None:
        return data, True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path):
            data = read(path)
            if data is not None:
                return data, True
            data = build()
            write(path, data)
            return data, False
    except OSError as e:
        warnings.warn(
            f"compiled code is not kept: {path.parent} cannot be written ({e.strerror or e}). "
            "Set ARIGNOTE_CACHE_DIR to a folder that can, to start faster the next time.",
            CacheWarning,
            stacklevel=2,
        )
        return data if data is not None else build(), False
