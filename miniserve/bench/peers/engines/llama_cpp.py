"""llama.cpp's server, over HTTP: its engine is reached in no other way without bindings."""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from miniserve.bench.peers.engine import (
    Answers,
    NotInstalled,
    PeerEngine,
    Prompts,
    environment,
    variable,
)

_CONTEXT = 256
_START_TIMEOUT_S = 60.0
_ANSWER_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 10.0


class LlamaServer:
    """A `llama-server` on a free port; `url` is its address.

    Args:
        checkpoint: a Hugging Face directory; the GGUF made from it is put into `folder`.
        slots: sequences at a time.

    Raises:
        NotInstalled: the program, or the Python that converts, is not there.
        RuntimeError: it did not become ready; what it wrote is in the message.
    """

    def __init__(
        self, checkpoint: Path, slots: int, folder: Path, options: Sequence[str] = ()
    ) -> None:
        program = shutil.which(variable("MINISERVE_LLAMA_SERVER"))
        if program is None:
            raise NotInstalled("MINISERVE_LLAMA_SERVER names no program")
        model = folder / "tutor-float32.gguf"
        if not model.exists():
            _convert(checkpoint, model)
        self.program = program
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = folder / f"llama-server-{self.port}.log"
        command = [program, "--model", str(model), "--alias", "tutor", "--port", str(self.port)]
        command += ["--parallel", str(slots), "--ctx-size", str(slots * _CONTEXT)]
        command += ["--threads", "1", "--threads-batch", "1", "--device", "none"]
        command += ["--cache-ram", "0", "--log-verbosity", "1", *options]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def cpu_s(self) -> float:
        """Processor time of the server so far; NaN where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rpartition(")")[2]
        except OSError:
            return math.nan
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End the server."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_STOP_TIMEOUT_S)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
            with contextlib.suppress(OSError), contextlib.closing(connection):
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.05)
        said = self._log.read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"llama-server is not ready: {said[-1000:]}")


class LlamaCpp(PeerEngine):
    """As many connections as slots, each with one request in flight until none is left."""

    name = "llama.cpp server"
    how = "continuous batching, over HTTP with as many requests in flight as slots, float32"
    python: ClassVar[str | None] = None

    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """See `PeerEngine.start`."""
        self._server = LlamaServer(checkpoint, slots, folder)
        self._slots = slots

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """See `PeerEngine.run`; the end token is the checkpoint's own."""
        answers: Answers = [[] for _ in prompts]
        left = iter(range(len(prompts)))  # next() on it is atomic: threads share it

        def user(_: int) -> None:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self._server.port, timeout=_ANSWER_TIMEOUT_S
            )
            with contextlib.closing(connection):
                for index in left:
                    answers[index] = _ask(connection, list(prompts[index]), max_tokens)

        with ThreadPoolExecutor(self._slots) as users:
            list(users.map(user, range(self._slots)))
        return answers

    def version(self) -> str:
        """See `PeerEngine.version`."""
        said = subprocess.run(
            [self._server.program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_TIMEOUT_S,
        )
        lines = (said.stdout + said.stderr).splitlines()
        said_of_it = next((line for line in lines if line.startswith("version: ")), "")
        return said_of_it.replace("version:", "llama.cpp") or "llama.cpp"

    def cpu_s(self) -> float:
        """See `PeerEngine.cpu_s`: the server's, not the client's."""
        return self._server.cpu_s()

    def stop(self) -> None:
        """See `PeerEngine.stop`."""
        self._server.stop()


def _ask(connection: http.client.HTTPConnection, prompt: list[int], max_tokens: int) -> list[int]:
    """One request to the server's own route, which takes and gives token ids."""
    body = {
        "prompt": prompt,
        "n_predict": max_tokens,
        "temperature": 0,
        "return_tokens": True,
        "cache_prompt": False,
    }
    connection.request("POST", "/completion", json.dumps(body))
    response = connection.getresponse()
    content: Any = json.loads(response.read())
    if response.status != 200:
        raise RuntimeError(f"llama-server answered {response.status}: {content}")
    return list(content["tokens"])


def _convert(checkpoint: Path, target: Path) -> None:
    """Make the GGUF file, in the Python that has the `gguf` package."""
    python = variable("MINISERVE_PEERS_PYTHON")
    module = "miniserve.bench.peers.conversion"
    command = [python, "-m", module, str(checkpoint), str(target)]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        raise NotInstalled(f"no GGUF could be made: {done.stderr.strip().splitlines()[-1]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
