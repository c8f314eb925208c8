"""Hugging Face's transformers: `generate` over padded batches, and its continuous batching."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from miniserve.bench.peers.engine import Answers, PeerEngine, Prompts, release_of

_CONTEXT = 256
_SILENCE_S = 30.0


class _Transformers(PeerEngine):
    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """See `PeerEngine.start`."""
        self._torch: Any = import_module("torch")
        self._transformers: Any = import_module("transformers")
        self._torch.set_num_threads(1)
        load = self._transformers.AutoModelForCausalLM.from_pretrained
        self._model: Any = load(checkpoint, dtype=self._torch.float32).eval()
        self._slots = slots

    def _settings(self, max_tokens: int, eos_token_id: int) -> Any:
        pad = self._model.config.pad_token_id
        return self._transformers.GenerationConfig(
            max_new_tokens=max_tokens, do_sample=False, eos_token_id=eos_token_id, pad_token_id=pad
        )

    def version(self) -> str:
        """See `PeerEngine.version`."""
        return f"{release_of('transformers')}, {release_of('torch')}"


class TransformersStatic(_Transformers):
    """`generate`, one padded batch after another."""

    name = "transformers generate"
    how = "static batches, float32"

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """See `PeerEngine.run`."""
        settings = self._settings(max_tokens, eos_token_id)
        answers: Answers = []
        for first in range(0, len(prompts), self._slots):
            answers += self._batch(prompts[first : first + self._slots], settings)
        return answers

    def _batch(self, prompts: Prompts, settings: Any) -> list[list[int]]:
        torch, width = self._torch, max(map(len, prompts))
        pads = [width - len(prompt) for prompt in prompts]
        ids = [
            [settings.pad_token_id] * pad + list(p) for pad, p in zip(pads, prompts, strict=True)
        ]
        mask = [[0] * pad + [1] * (width - pad) for pad in pads]
        with torch.inference_mode():
            made = self._model.generate(
                input_ids=torch.tensor(ids),
                attention_mask=torch.tensor(mask),
                generation_config=settings,
            )
        rows: Sequence[list[int]] = made[:, width:].tolist()
        return [_until(row, settings.eos_token_id) for row in rows]


class TransformersContinuous(_Transformers):
    """`generate_batch`, its own continuous batching."""

    name = "transformers continuous batching"
    how = "continuous batching, paged, float32"

    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """See `PeerEngine.start`."""
        super().start(checkpoint, slots, folder)
        module: Any = import_module("transformers.generation")
        import_module("psutil")  # without it this engine waits for ever
        # A block holds a whole sequence: as many blocks as slots, and no more run at a time.
        self._batching: Any = module.ContinuousBatchingConfig(
            block_size=_CONTEXT, num_blocks=slots, max_batch_tokens=_CONTEXT
        )
        self._manager: Any = None

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """See `PeerEngine.run`. Raises TimeoutError when the manager falls silent."""
        if self._manager is None:
            # Not `generate_batch`: the second call of one with a persistent manager finds nothing.
            self._manager = self._model.init_continuous_batching(
                generation_config=self._settings(max_tokens, eos_token_id),
                continuous_batching_config=self._batching,
            )
            self._manager.start()
        for index, prompt in enumerate(prompts):
            self._manager.add_request(
                list(prompt), str(index), max_tokens, eos_token_id=eos_token_id
            )
        answers: Answers = [[] for _ in prompts]
        for _ in prompts:
            output = self._manager.get_result(timeout=_SILENCE_S)
            if output is None:
                raise TimeoutError(f"no answer for {_SILENCE_S:.0f} s")
            answers[int(output.request_id)] = list(output.generated_tokens)
        return answers

    def stop(self) -> None:
        """See `PeerEngine.stop`."""
        if self._manager is not None:
            self._manager.stop(block=True, timeout=_SILENCE_S)


def _until(row: list[int], eos_token_id: int) -> list[int]:
    """The row without what padding follows the end token."""
    return row[: row.index(eos_token_id) + 1] if eos_token_id in row else row
