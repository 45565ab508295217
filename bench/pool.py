"""The parent's side: one persistent process per peer, stopped while another one is measured."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from bench import peers
from bench.environment import ROOT, child_environment, scrub

PATIENCE = 900.0


class WorkerError(RuntimeError):
    """A worker answered with an error, fell silent or ended."""


class Handle:
    """A worker process that may be suspended and resumed."""

    def __init__(self, peer: str, threads: int, python: str = sys.executable) -> None:
        self.peer = peer
        self.version: str | None = None
        self._buffer = b""
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.process = subprocess.Popen(
            [python, "-m", "bench.worker", "--peer", peer, "--threads", str(threads)],
            cwd=ROOT,
            env=child_environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    def ask(self, do: str, timeout: float = PATIENCE, **fields: Any) -> dict[str, Any]:
        """Send one request and wait for its reply."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise WorkerError(self._last_words(do)) from None
        reply: dict[str, Any] = json.loads(self._line(do, timeout))
        if "error" in reply:
            raise WorkerError(scrub(str(reply["error"])))
        return reply

    def _line(self, do: str, timeout: float) -> bytes:
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(timeout):
                    self.process.kill()
                    raise WorkerError(f"no answer to {do} within {timeout:.0f} s")
                chunk = os.read(self.process.stdout.fileno(), 1 << 16)
                if not chunk:
                    raise WorkerError(self._last_words(do))
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _last_words(self, do: str) -> str:
        code = self.process.wait(timeout=30)
        self._log.seek(0)
        tail = self._log.read().decode(errors="replace").strip().splitlines()[-3:]
        return scrub(f"the process ended with status {code} during {do}: {' | '.join(tail)}")

    def suspend(self) -> None:
        """Stop the process, so that idle threads that spin cost the measured peer nothing."""
        if hasattr(signal, "SIGSTOP") and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let the process run again."""
        if hasattr(signal, "SIGCONT") and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGCONT)

    def close(self) -> None:
        """End the process."""
        self.resume()
        if self.process.stdin is not None and not self.process.stdin.closed:
            with suppress(OSError):
                self.process.stdin.close()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()


class Pool:
    """The workers of one run; those that cannot take part are kept in ``missing``."""

    def __init__(self, names: Sequence[str], threads: int, python: str | None = None) -> None:
        self.threads = threads
        self.handles: dict[str, Handle] = {}
        self.missing: dict[str, dict[str, str]] = {}
        for name in names:
            remedy = peers.find(name).remedy
            handle = Handle(name, threads, python or sys.executable)
            try:
                reply = handle.ask("hello", timeout=300)
            except WorkerError as error:
                reply = {"missing": str(error), "remedy": remedy}
            if "missing" in reply:
                handle.close()
                self.missing[name] = {
                    "reason": scrub(str(reply["missing"])),
                    "remedy": str(reply["remedy"]),
                }
                continue
            handle.version = str(reply["version"])
            handle.suspend()
            self.handles[name] = handle

    @property
    def versions(self) -> dict[str, str]:
        """Version of every peer that loaded."""
        return {name: h.version for name, h in self.handles.items() if h.version is not None}

    @contextmanager
    def running(self, name: str) -> Iterator[Handle]:
        """The worker called ``name``, the only one that is not stopped inside the block."""
        handle = self.handles[name]
        handle.resume()
        try:
            yield handle
        finally:
            handle.suspend()

    def close(self) -> None:
        """End every worker."""
        for handle in self.handles.values():
            handle.close()
        self.handles.clear()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
