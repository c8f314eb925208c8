"""vLLM on a CPU, in one process."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from miniserve.bench.peers.engine import Answers, PeerEngine, Prompts, release_of

#: One process for `LLM`, one thread, little memory, and nothing sent home.
ENVIRONMENT = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}


class VllmCpu(PeerEngine):
    """The `LLM` class with compiled graphs; no prefix cache, since no two prompts share one.

    In float32: with the checkpoint's own float16 it was slower in the one run that we tried.
    """

    name = "vLLM CPU"
    how = "continuous batching, paged, compiled, float32"
    python: ClassVar[str | None] = "MINISERVE_VLLM_PYTHON"

    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """See `PeerEngine.start`."""
        os.environ.update(ENVIRONMENT)
        self._vllm: Any = import_module("vllm")
        self._engine: Any = self._vllm.LLM(
            model=str(checkpoint),
            dtype="float32",
            max_num_seqs=slots,
            max_model_len=256,
            enable_prefix_caching=False,
            disable_log_stats=True,
        )

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """See `PeerEngine.run`; the end token is the checkpoint's own."""
        settings = self._vllm.SamplingParams(temperature=0, max_tokens=max_tokens, detokenize=False)
        inputs = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        outputs = self._engine.generate(inputs, settings, use_tqdm=False)
        return [list(output.outputs[0].token_ids) for output in outputs]

    def version(self) -> str:
        """See `PeerEngine.version`."""
        return f"{release_of('vllm-cpu')}, {release_of('torch')}"
