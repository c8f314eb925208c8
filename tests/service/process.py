"""A server in a process of its own, as a test sees it: a URL, two output files, signals, an exit
code.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

#: Long enough for a busy machine; nothing waits for it unless something is wrong.
PATIENCE_S = 60.0


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds; fails with `what` if it does not come to that."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


class ServerProcess:
    """A running server. A context manager; what is left of it at the end is killed.

    Args:
        arguments: what to run after `python -m`; default: the server with the slow model.
        slow: variables of the slow model, without the prefix SLOW_.
        settings: settings of the server.
    """

    def __init__(
        self,
        *arguments: str,
        slow: Mapping[str, object] | None = None,
        ready: bool = True,
        **settings: object,
    ) -> None:
        self.settings = settings
        self._arguments = arguments or ("tests.service.slow_server",)
        variables = {f"MINISERVE_{name.upper()}": str(v) for name, v in settings.items()}
        variables |= {f"SLOW_{name.upper()}": str(v) for name, v in (slow or {}).items()}
        variables.setdefault("MINISERVE_PORT", "0")
        self._environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"} | variables
        self._wait_ready = ready
        self._folder = tempfile.TemporaryDirectory(prefix="miniserve-test-")
        self._stdout = Path(self._folder.name) / "stdout"
        self._stderr = Path(self._folder.name) / "stderr"
        self.url = ""

    def __enter__(self) -> "ServerProcess":
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self._arguments],
                stdout=out,
                stderr=err,
                env=self._environment,
                cwd=Path(__file__).parent.parent.parent,
                process_group=0,
            )
        try:
            eventually(lambda: self._find_url() or self.process.poll() is not None, "it listens")
            assert self.process.poll() is None, self.stderr
            self.reconnect()
            if self._wait_ready:
                self.wait_ready()
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            print(self.stderr[-5000:])
        self.http.close()
        self._kill()

    def _kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE_S)
        self._folder.cleanup()

    def _find_url(self) -> str:
        found = re.search(r"on (http://\S+) ", self.stderr)
        self.url = found[1] if found else ""
        return self.url

    @property
    def stdout(self) -> str:
        return self._stdout.read_text("utf-8")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text("utf-8")

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def reconnect(self) -> None:
        """Have an HTTP client without open connections."""
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_S)

    def wait_ready(self) -> None:
        eventually(lambda: self.http.get("/readyz").status_code == 200, "it is ready")

    def log(self, **like: object) -> list[dict[str, Any]]:
        """The access log's lines that have these values."""
        whole_lines = self.stdout.rpartition("\n")[0].splitlines()
        lines = [json.loads(line) for line in whole_lines]
        return [line for line in lines if like.items() <= line.items()]

    def log_of(self, answer: httpx.Response) -> list[dict[str, Any]]:
        """The access log's lines of an answer; they are written just after it is sent."""
        like = {"request_id": answer.headers["x-request-id"]}
        eventually(lambda: self.log(**like), "the line is written")
        return self.log(**like)

    def metrics(self) -> list[Sample]:
        """All of `/metrics` at one moment."""
        families = text_string_to_metric_families(self.http.get("/metrics").text)
        return [sample for family in families for sample in family.samples]

    def metric(self, name: str, samples: list[Sample] | None = None, **labels: str) -> float:
        """The sum of a metric's samples that have these labels, of now or of a moment before."""
        return sum(
            sample.value
            for sample in samples or self.metrics()
            if sample.name == f"miniserve:{name}" and labels.items() <= sample.labels.items()
        )

    def correct(self, sentence: str, **options: Any) -> httpx.Response:
        """Ask and wait for the answer."""
        return self.http.post("/correct", json={"sentence": sentence}, **options)

    def start_correct(self, sentence: str) -> "Future[httpx.Response]":
        """Ask, and do not wait."""
        future: Future[httpx.Response] = Future()

        def ask() -> None:
            try:
                future.set_result(self.correct(sentence))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=ask, daemon=True).start()
        return future

    def running(self) -> float:
        """Requests that the HTTP side is working on, the asking one apart."""
        return self.metric("http_requests_in_flight") - 1

    def held(self) -> float:
        """Requests that the engine holds at one moment, in a slot or waiting for one."""
        now = self.metrics()
        return sum(self.metric(f"num_requests_{state}", now) for state in ("running", "waiting"))

    @contextlib.contextmanager
    def hanging(self, sentence: str) -> Iterator[socket.socket]:
        """Ask over a bare socket and read nothing; closing the socket is going away."""
        body = json.dumps({"sentence": sentence}).encode()
        with socket.create_connection(self.address, PATIENCE_S) as connection:
            connection.sendall(
                b"POST /correct HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            yield connection

    def signal_group(self, number: signal.Signals) -> None:
        """Signal the server and its engine, as a terminal does."""
        os.killpg(self.process.pid, number)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_S)
