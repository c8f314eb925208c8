"""Engines that are no engines; the comparison with others runs them in processes of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

from miniserve.bench.peers.engine import Answers, NotInstalled, PeerEngine, Prompts


class FakePeer(PeerEngine):
    """Answers each prompt with its own tokens, doubled; a 13 in a prompt is bad luck."""

    name = "fake"
    how = "in its head"
    python: ClassVar[str | None] = None

    def start(self, checkpoint: Path, slots: int, folder: Path) -> None:
        if checkpoint.name == "elsewhere":
            raise NotInstalled("fake is not installed")
        print("what an engine prints is no answer")
        self._limit = slots

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        print("nor is this")
        if any(13 in prompt for prompt in prompts):
            raise RuntimeError("bad luck")
        return [[*[2 * token for token in prompt][:max_tokens], eos_token_id] for prompt in prompts]

    def version(self) -> str:
        return "fake 1.0"


class Dying(FakePeer):
    """Leaves in the middle of a run."""

    name = "dying"

    def run(self, prompts: Prompts, max_tokens: int, eos_token_id: int) -> Answers:
        sys.exit("out of memory, say")
