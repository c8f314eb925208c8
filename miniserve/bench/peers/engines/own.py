"""This engine: continuous batching in NumPy."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import ClassVar

from miniserve.bench.peers.engine import Answers, PeerEngine, Prompts, release_of


class Own(PeerEngine):
    """The engine core alone, stepped until all answers are there."""

    name = "miniserve"
    how = "continuous batching, float32"
    python: ClassVar[str | None] = None

    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        """See `PeerEngine.start`."""
        from miniserve.load import load_core
        from miniserve.scheduler import ContinuousScheduler
        from miniserve.settings import Settings

        budget = Settings.model_fields["max_num_batched_tokens"].default
        make_scheduler = partial(ContinuousScheduler, slots, max_num_batched_tokens=budget)
        self._core = load_core(checkpoint, slots, make_scheduler)

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        """See `PeerEngine.run`."""
        from miniserve.engine_core import AddRequest

        core = self._core
        for number, prompt in enumerate(prompts):
            core.handle(AddRequest(str(number), list(prompt), max_tokens, core.clock()))
        answers: Answers = [[] for _ in prompts]
        while core.scheduler.requests:
            for output in core.step().outputs:
                answers[int(output.request_id)] = list(output.token_ids)
        return answers

    def version(self) -> str:
        """See `PeerEngine.version`."""
        return release_of("miniserve")
