"""CTranslate2: static batches, sorted by the length of the prompts."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

from miniserve.bench.peers.conversion import vocabulary, write_ctranslate2
from miniserve.bench.peers.engine import Answers, PeerEngine, Prompts, release_of


class CTranslate2(PeerEngine):
    """`Generator.generate_batch` with batches of `slots`."""

    name = "CTranslate2"
    how = "static batches, float32"

    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """See `PeerEngine.start`."""
        library: Any = import_module("ctranslate2")
        path = folder / "ctranslate2"
        write_ctranslate2(checkpoint, path)
        self._generator: Any = library.Generator(
            str(path), compute_type="float32", inter_threads=1, intra_threads=1
        )
        text = (checkpoint / "tokenizer.json").read_text(encoding="utf-8")
        self._names, self._slots = vocabulary(json.loads(text)), slots

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """See `PeerEngine.run`."""
        results = self._generator.generate_batch(
            [[self._names[token] for token in prompt] for prompt in prompts],
            max_batch_size=self._slots,
            max_length=max_tokens,
            include_prompt_in_result=False,
            end_token=[eos_token_id],
        )
        return [list(result.sequences_ids[0]) for result in results]

    def version(self) -> str:
        """See `PeerEngine.version`."""
        return release_of("ctranslate2")
