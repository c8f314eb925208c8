"""`miniserve serve` as a process of its own, for a benchmark to load."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import httpx

from miniserve.settings import Mode

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0


class ServeProcess:
    """A server of one mode on a free port. A context manager: ready inside, gone after.

    Args:
        mode: the serving mode.
        settings: other settings of the server, by name.

    Raises:
        RuntimeError: the server ended, or was not ready in time; what it wrote is in the message.
    """

    def __init__(self, mode: Mode, **settings: object) -> None:
        self.mode = mode
        self.url = ""
        given = {"mode": mode.value, "port": 0, **settings}
        variables = {f"MINISERVE_{name.upper()}": str(value) for name, value in given.items()}
        self._environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ, **variables}

    def __enter__(self) -> ServeProcess:
        self._folder = tempfile.TemporaryDirectory(prefix="miniserve-bench-")
        self._errors = Path(self._folder.name) / "stderr"
        with self._errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "miniserve", "serve"],
                env=self._environment,
                stdout=subprocess.DEVNULL,  # the access log
                stderr=stderr,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := re.search(r" on (http://\S+) ", self._said()):
                self.url = found[1]
                with contextlib.suppress(httpx.HTTPError):
                    if httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200:
                        return
            time.sleep(0.05)
        raise RuntimeError(f"the server ({self.mode}) is not ready: {self._said()[-1000:]}")

    def _said(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def _end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_TIMEOUT_S)
        self._folder.cleanup()


def raise_file_limit() -> None:
    """Let this process and its children open as many sockets as the system allows at all."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
