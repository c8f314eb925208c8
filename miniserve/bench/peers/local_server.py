"""A server of somebody else's on a port of this machine: started, waited for, ended."""

from __future__ import annotations

import contextlib
import http.client
import math
import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from miniserve.bench.peers.engine import environment

_STOP_TIMEOUT_S = 20.0
_NAP_S = 0.05


class LocalServer:
    """A process that answers `GET /health` with 200 once it is ready.

    Args:
        command: starts it.
        port: where it will listen.
        log: the file for what it writes.
        variables: for its environment, besides one thread for every library.

    Attributes:
        url: its address, without a path.
        process: for a test that kills it.

    Raises:
        RuntimeError: it did not become ready in time; the end of its log is in the message.
    """

    def __init__(
        self,
        command: Sequence[str],
        port: int,
        log: Path,
        *,
        variables: Mapping[str, str] | None = None,
        start_timeout_s: float = 60.0,
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                command,
                env=environment() | dict(variables or {}),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            self._wait_until_ready(start_timeout_s, log)
        except BaseException:
            self.stop()
            raise

    def cpu_s(self) -> float:
        """Processor time of the server so far, in seconds; NaN where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2]
        except OSError:
            return math.nan
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it; harmless if it has ended."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_STOP_TIMEOUT_S)

    def _wait_until_ready(self, timeout_s: float, log: Path) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            with contextlib.suppress(OSError), contextlib.closing(connection):
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            time.sleep(_NAP_S)
        said = log.read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"{self.url} is not ready: {said[-1000:]}")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
