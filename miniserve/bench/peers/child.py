"""An engine in a process of its own, as the benchmark sees it."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from miniserve.bench.peers.engine import (
    Answers,
    NotInstalled,
    PeerEngine,
    environment,
    variable,
)
from miniserve.bench.peers.workload import Workload

_START_TIMEOUT_S = 420.0  # vLLM compiles its graphs when it first sees a model
_RUN_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0


class PeerFailed(Exception):
    """The engine is there and does not work; the message tells what it said."""


class Run(NamedTuple):
    """One run over the whole workload; `cpu_s` is the processor time of all threads."""

    seconds: float
    cpu_s: float
    answers: Answers


class Child:
    """A process with one engine in it, started and loaded.

    Raises:
        NotInstalled: the engine is not on this machine.
        PeerFailed: it does not start.
    """

    def __init__(self, kind: type[PeerEngine], checkpoint: Path, slots: int) -> None:
        python = sys.executable if kind.python is None else variable(kind.python)
        self._folder = tempfile.TemporaryDirectory(prefix="miniserve-peers-")
        self._errors = Path(self._folder.name) / "stderr"
        with self._errors.open("wb") as stderr:
            try:
                self._process = subprocess.Popen(
                    [python, "-m", f"{__package__}.host", f"{kind.__module__}:{kind.__qualname__}"],
                    env=environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    start_new_session=True,
                )
            except OSError as error:
                self._folder.cleanup()
                raise NotInstalled(f"{python} cannot be run: {error.strerror}") from error
        try:
            folder = self._folder.name
            start = {"checkpoint": str(checkpoint.resolve()), "slots": slots, "folder": folder}
            reply = self._ask(start, _START_TIMEOUT_S)
            if reason := reply.get("missing"):
                raise NotInstalled(reason)
            self.version = str(reply["version"])
        except BaseException:
            self.stop()
            raise

    def run(self, load: Workload, requests: int | None = None) -> Run:
        """Answer the first `requests` prompts of the workload, or all."""
        message = {
            "prompts": load.prompts[:requests],
            "max_tokens": load.max_tokens,
            "eos_token_id": load.eos_token_id,
        }
        reply = self._ask(message, _RUN_TIMEOUT_S)
        end = [load.eos_token_id]
        answers = [a[:-1] if a[-1:] == end else a for a in reply["answers"]]
        return Run(float(reply["seconds"]), float(reply["cpu_s"]), answers)

    def stop(self) -> None:
        """End the process; it stops its engine first. Harmless if it has ended.

        If it does not come to an end, it is killed, and with it whatever server it has started.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(_STOP_TIMEOUT_S)
        self._process.stdout.close()
        self._folder.cleanup()

    def _ask(self, message: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # a process that has died is told below
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        reply: dict[str, Any] = json.loads(self._read_line(timeout_s))
        if error := reply.get("error"):
            raise PeerFailed(error)
        return reply

    def _read_line(self, timeout_s: float) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        deadline, line = time.monotonic() + timeout_s, b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise PeerFailed(f"no answer within {timeout_s:.0f} s")
                # What a buffer holds is not seen by select: so read around it.
                piece = os.read(stdout.fileno(), 1 << 20)
                if not piece:
                    said = self._errors.read_text(encoding="utf-8", errors="replace")
                    raise PeerFailed(f"the process has ended: {said[-500:]}")
                line += piece
        return line
