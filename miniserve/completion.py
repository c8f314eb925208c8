"""What one generation gives, or why it gives nothing: the words that every floor above shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

FinishReason = Literal["stop", "length", "abort"]


class Timing(NamedTuple):
    """Where a request's time went inside the engine, in seconds.

    queue: from arrival to the first step that held the request; prefill: to its first token;
    decode: to its last token. An engine that tells only the whole has it in decode, and zeros.
    """

    queue_s: float
    prefill_s: float
    decode_s: float

    @property
    def in_parts(self) -> bool:
        """Whether queue and prefill are known: no prompt is read in no time."""
        return self.prefill_s > 0


@dataclass(frozen=True, slots=True)
class Completion:
    """The text that an engine made from one prompt."""

    text: str
    finish_reason: FinishReason
    num_prompt_tokens: int
    num_output_tokens: int
    timing: Timing


def check_max_tokens(max_tokens: int) -> None:
    """Raise `ValueError` unless at least one token is asked for."""
    if max_tokens < 1:
        raise ValueError(f"max_tokens is {max_tokens}; it must be at least 1")


class EngineError(Exception):
    """A generation did not succeed; the message is fit for a client to read."""


class PromptTooLong(EngineError):
    """The prompt and `max_tokens` together do not fit into the model's context."""

    @classmethod
    def check(cls, num_prompt_tokens: int, max_tokens: int, max_model_len: int) -> None:
        """Raise unless a prompt and its answer fit into a context of `max_model_len` tokens."""
        if num_prompt_tokens + max_tokens > max_model_len:
            raise cls(
                f"The prompt has {num_prompt_tokens} tokens; with an answer of up to {max_tokens} "
                f"it does not fit into the context of {max_model_len}."
            )
