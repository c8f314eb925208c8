"""Servers as processes of their own, for a benchmark to load: `miniserve serve`, or another one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from miniserve.bench.peers.engine import ONE_THREAD
from miniserve.settings import Mode, Settings

#: More than any load here can have in flight: its generator drops nothing.
DROPS_NOTHING = 8192
#: More than it can have waiting: a server started with it refuses nobody.
MAX_WAITING = 4096

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0
_NAP_S = 0.01


class ServerProcess:
    """A server that says its own address on standard error, as uvicorn does.

    A context manager: ready inside, gone after.

    Args:
        command: starts the server.
        environment: variables besides those of this process, of which `MINISERVE_…` are left out.
        ready: the path that answers 200 when requests may come.

    Attributes:
        url: where it listens, without a path.
        pid: of the process.
        ready_after_s: seconds from its start until it was ready.

    Raises:
        RuntimeError: the server ended, or was not ready in time; what it wrote is in the message.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, ready: str = "/readyz"
    ) -> None:
        self.url = ""
        self.pid = 0
        self.ready_after_s = 0.0
        self._command = command
        # What somebody has exported for a server of theirs must not change what is measured.
        own = {name: text for name, text in os.environ.items() if not name.startswith("MINISERVE_")}
        self._environment = {**own, **ONE_THREAD, **environment}
        self._ready = ready

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="miniserve-bench-")
        self._errors = Path(self._folder.name) / "stderr"
        began = time.monotonic()
        with self._errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=subprocess.DEVNULL,  # the access log
                stderr=stderr,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        self.ready_after_s = time.monotonic() - began
        self.pid = self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if found := re.search(r" on (http://\S+) ", self._said()):
                self.url = found[1]
                if _status(self.url, self._ready) == 200:
                    return
            time.sleep(_NAP_S)
        raise RuntimeError(f"{self._command} is not ready: {self._said()[-1000:]}")

    def _said(self) -> str:
        return self._errors.read_text(encoding="utf-8", errors="replace")

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_STOP_TIMEOUT_S)
        self._folder.cleanup()


class ServeProcess(ServerProcess):
    """`miniserve serve` in one mode, on a free port.

    Args:
        mode: the serving mode.
        settings: other settings of the server, by name.

    Attributes:
        program: what the interpreter runs: the module, and its arguments.
    """

    program: tuple[str, ...] = ("miniserve", "serve")

    def __init__(self, mode: Mode, **settings: object) -> None:
        self.mode = mode
        given = {"mode": mode.value, "port": 0, **settings}
        variables = {f"MINISERVE_{name.upper()}": str(value) for name, value in given.items()}
        super().__init__([sys.executable, "-m", *self.program], variables)


def settings_of(mode: Mode, **given: Any) -> Settings:
    """What a `ServeProcess` would have: the environment of the shell is not asked."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(**(defaults | {"mode": mode} | given))


def _status(url: str, path: str) -> int:
    """The status of a GET; 0 if there is no answer."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()
