"""OpenVINO GenAI: its continuous-batching pipeline."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from miniserve.bench.peers.conversion import write_gguf
from miniserve.bench.peers.engine import Answers, PeerEngine, Prompts, release_of

_CONTEXT = 256
_ONE_THREAD = {"INFERENCE_NUM_THREADS": 1, "sampler_num_threads": 1}
_FLOAT32 = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}


class OpenVino(PeerEngine):
    """`ContinuousBatchingPipeline` on the checkpoint as GGUF, which it reads in float16."""

    name = "OpenVINO GenAI"
    how = "continuous batching, paged; float16 weights, float32 arithmetic and cache"
    precision: ClassVar[dict[str, str]] = _FLOAT32

    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """See `PeerEngine.start`."""
        self._genai: Any = import_module("openvino_genai")
        self._openvino: Any = import_module("openvino")
        self._numpy: Any = import_module("numpy")
        path = folder / "openvino.gguf"
        write_gguf(checkpoint, path, "float16")
        scheduler = self._genai.SchedulerConfig()
        scheduler.max_num_seqs = slots
        scheduler.max_num_batched_tokens = _CONTEXT
        scheduler.cache_size = 1  # GB
        pipeline = self._genai.ContinuousBatchingPipeline
        self._pipeline: Any = pipeline(str(path), scheduler, "CPU", _ONE_THREAD | self.precision)

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """See `PeerEngine.run`."""
        numpy = self._numpy
        ids = [self._openvino.Tensor(numpy.array([prompt], numpy.int64)) for prompt in prompts]
        settings = self._genai.GenerationConfig(
            max_new_tokens=max_tokens, do_sample=False, eos_token_id=eos_token_id
        )
        outputs = self._pipeline.generate(ids, [settings] * len(ids))
        return [list(output.m_generation_ids[0]) for output in outputs]

    def version(self) -> str:
        """See `PeerEngine.version`."""
        return release_of("openvino-genai")


class OpenVinoNatural(OpenVino):
    """The same in the precision that OpenVINO picks for the machine by itself."""

    name = "OpenVINO GenAI, its own precision"
    how = "as above in the precision it picks for the processor; cache of 8 bits"
    precision: ClassVar[dict[str, str]] = {}
