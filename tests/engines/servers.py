"""The engines as servers, on this machine."""

from __future__ import annotations

from pathlib import Path

from miniserve.bench.peers.engine import variable
from miniserve.bench.peers.engines.vllm_cpu import ENVIRONMENT
from miniserve.bench.peers.local_server import LocalServer, free_port


class VllmServer(LocalServer):
    """vLLM's own API server. Nothing is compiled: that takes minutes and is not what is tested.

    Raises:
        NotInstalled: MINISERVE_VLLM_PYTHON is not set.
        RuntimeError: see `LocalServer`.
    """

    def __init__(self, checkpoint: Path, slots: int, folder: Path) -> None:
        port = free_port()
        command = [variable("MINISERVE_VLLM_PYTHON"), "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", str(checkpoint), "--served-model-name", "tutor"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
        command += ["--max-num-seqs", str(slots), "--max-model-len", "256", "--enforce-eager"]
        super().__init__(
            command, port, folder / "vllm.log", variables=ENVIRONMENT, start_timeout_s=400.0
        )
