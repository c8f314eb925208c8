"""llama.cpp's server, over HTTP: its engine is reached in no other way without bindings."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
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
from miniserve.bench.peers.local_server import LocalServer, free_port

_CONTEXT = 256
_ANSWER_TIMEOUT_S = 120.0
_RUN_TIMEOUT_S = 60.0


class LlamaServer(LocalServer):
    """A `llama-server`, on a free port if none is named.

    Args:
        checkpoint: a Hugging Face directory; the GGUF made from it is put into `folder`.
        slots: sequences at a time.
        options: more of its command line.

    Raises:
        NotInstalled: the program, or the Python that converts, is not there.
        RuntimeError: see `LocalServer`.
    """

    def __init__(
        self,
        checkpoint: Path,
        slots: int,
        folder: Path,
        *,
        port: int | None = None,
        options: Sequence[str] = (),
    ) -> None:
        program = shutil.which(variable("MINISERVE_LLAMA_SERVER"))
        if program is None:
            raise NotInstalled("MINISERVE_LLAMA_SERVER names no program")
        model = folder / "tutor-float32.gguf"
        if not model.exists():
            _convert(checkpoint, model)
        self.program, port = program, port or free_port()
        command = [program, "--model", str(model), "--alias", "tutor", "--port", str(port)]
        command += ["--parallel", str(slots), "--ctx-size", str(slots * _CONTEXT)]
        command += ["--threads", "1", "--threads-batch", "1", "--device", "none"]
        command += ["--cache-ram", "0", "--log-verbosity", "1", *options]
        super().__init__(command, port, folder / f"llama-server-{port}.log")


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
            timeout=_RUN_TIMEOUT_S,
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
    try:
        done = subprocess.run(
            command,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_RUN_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"no GGUF could be made: {type(error).__name__}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise NotInstalled(f"no GGUF could be made: {last}")
