"""A model that takes its time and does what the sentence says; everything around it is real.

"Say 30." makes an answer of 30 tokens, one every `SLOW_STEP_S` seconds. "boom" makes the step
raise, "die" ends the engine's process. While the file `SLOW_LOAD_HOLD_FILE` or
`SLOW_STEP_HOLD_FILE` is there, loading or the present step goes on. The answer repeats the
sentence, so that answers are not mixed up unseen.
"""

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from miniserve.engine_core import EngineCore
from miniserve.load import MakeScheduler
from miniserve.model.checkpoint import Checkpoint, load_checkpoint


class SlowModel:
    """In place of `miniserve.model.llama.Llama`, with its interface."""

    def __init__(self, checkpoint: Checkpoint, **sizes: Any) -> None:
        _hold(os.environ.get("SLOW_LOAD_HOLD_FILE"))
        self.max_num_seqs = sizes["max_num_seqs"]
        self._tokenizer: Tokenizer = checkpoint.tokenizer
        self._eos_token_id = checkpoint.eos_token_id
        self._step_s = float(os.environ.get("SLOW_STEP_S", "0"))
        self._prompts: dict[int, list[int]] = {}
        self._plans: dict[int, list[int]] = {}
        self._line_break = self._tokenizer.encode("\n").ids[-1]

    def step(
        self,
        slots: Sequence[int],
        token_ids: Sequence[int],
        num_tokens: Sequence[int],
        start_positions: Sequence[int],
        num_draft_tokens: Sequence[int] | None = None,
    ) -> Sequence[int]:
        assert num_draft_tokens is None, "its answers are counted in steps"
        time.sleep(self._step_s)
        _hold(os.environ.get("SLOW_STEP_HOLD_FILE"))
        made, place = [], 0
        for slot, count, start in zip(slots, num_tokens, start_positions, strict=True):
            fed = list(token_ids[place : place + count])
            place += count
            if start == 0:
                self._prompts[slot], self._plans[slot] = [], []
            if not self._plans[slot]:
                self._prompts[slot] += fed
                if fed[-1] == self._line_break:
                    self._plans[slot] = self._plan(self._prompts[slot])
            made.append(self._plans[slot].pop(0) if self._plans[slot] else self._eos_token_id)
        return made

    def free(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self._prompts.pop(slot, None)
            self._plans.pop(slot, None)

    def _plan(self, prompt: list[int]) -> list[int]:
        sentence = self._tokenizer.decode(prompt).strip()
        if seen := os.environ.get("SLOW_SEEN_FILE"):
            with open(seen, "a", encoding="utf-8") as file:
                file.write(sentence + "\n")
        if "boom" in sentence:
            raise RuntimeError("the model was told to fail")
        if "die" in sentence:
            os._exit(9)
        said = self._tokenizer.encode(f"{sentence}\nBecause").ids[1:]
        wanted = re.search(r"Say (\d+)", sentence)
        filler = self._tokenizer.encode(" so").ids[1:]
        while wanted and len(said) + len(filler) < int(wanted[1]):
            said += filler
        return [*said, self._eos_token_id]


def _hold(path: str | None) -> None:
    while path and Path(path).exists():
        time.sleep(0.01)


def load_slow_core(
    checkpoint: Path, max_num_seqs: int, make_scheduler: MakeScheduler
) -> EngineCore:
    """In place of `miniserve.load.load_core`."""
    loaded = load_checkpoint(checkpoint)
    model = SlowModel(loaded, max_num_seqs=max_num_seqs)
    return EngineCore(model, make_scheduler(loaded.eos_token_id))
