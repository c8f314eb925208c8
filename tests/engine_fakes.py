"""A model whose answers can be worked out by hand, and engines around it.

The next token is a checksum of all tokens before it, so that a token fed twice, in the wrong order
or to the wrong slot gives another answer. Some words of a prompt make things go wrong.
"""

import itertools
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from miniserve.engine_core import EngineCore
from miniserve.scheduler import (
    ContinuousScheduler,
    Scheduler,
    SchedulerOutput,
    StaticScheduler,
)

EOS = 1
NUM_WORDS = 90
MAX_MODEL_LEN = 200
#: Words of a prompt that make the model raise, die or dawdle, and a scheduler raise.
BOOM, DIE, SLOW, BAD_POLICY = "boom", "die", "slow", "bad_policy"
_MAGIC = {word: 90 + index for index, word in enumerate((BOOM, DIE, SLOW, BAD_POLICY))}
SLOW_STEP_S = 60.0


def make_tokenizer() -> Tokenizer:
    """Words w0 … w89, divided by spaces, and the magic ones; w1 is the end token."""
    vocabulary = {f"w{index}": index for index in range(NUM_WORDS)} | _MAGIC
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


def next_token(tokens: Sequence[int]) -> int:
    """The model: a checksum, which is the end token for one sequence in twelve."""
    checksum = 7
    for token in tokens:
        checksum = (checksum * 31 + token) % 1_000_003
    return EOS if checksum % 12 == 0 else 2 + checksum % (NUM_WORDS - 2)


def expected_text(prompt: str, max_tokens: int) -> str:
    """What an engine must answer."""
    tokenizer = make_tokenizer()
    tokens: list[int] = tokenizer.encode(prompt).ids
    made: list[int] = []
    while len(made) < max_tokens and EOS not in made:
        made.append(next_token(tokens + made))
    return str(tokenizer.decode(made))


def endless_prompt(max_tokens: int) -> str:
    """A prompt whose answer is at least so long."""
    pairs = itertools.product(range(2, 90), repeat=2)
    prompts = (f"w{first} w{second}" for first, second in pairs)
    return next(p for p in prompts if len(expected_text(p, max_tokens).split()) == max_tokens)


class FakeModel:
    """`next_token` behind the interface of a model, with a cache that is checked.

    gate: cleared, it holds each step until it is set. steps: the calls, as numbers of tokens;
    guesses: those of them with guesses.
    """

    def __init__(
        self,
        max_num_seqs: int,
        step_s: float = 0.0,
        next_token: Callable[[Sequence[int]], int] = next_token,
    ) -> None:
        self.next_token = next_token
        self.max_num_seqs = max_num_seqs
        self.step_s = step_s
        self.cached: dict[int, list[int]] = {}
        self.gate = threading.Event()
        self.gate.set()
        self.steps: list[list[int]] = []
        self.guesses: list[list[int]] = []

    def step(
        self,
        slots: Sequence[int],
        token_ids: Sequence[int],
        num_tokens: Sequence[int],
        start_positions: Sequence[int],
        num_draft_tokens: Sequence[int] | None = None,
    ) -> list[int]:
        assert self.gate.wait(30)
        time.sleep(self.step_s)
        drafts = [0] * len(slots) if num_draft_tokens is None else num_draft_tokens
        assert len(set(slots)) == len(slots) == len(num_tokens) == len(start_positions)
        assert sum(num_tokens) == len(token_ids)
        self.steps.append(list(num_tokens))
        if num_draft_tokens is not None:
            self.guesses.append(list(num_tokens))
        fed = iter(token_ids)
        result = []
        for slot, count, start, draft in zip(
            slots, num_tokens, start_positions, drafts, strict=True
        ):
            assert 0 <= slot < self.max_num_seqs
            held = self.cached.setdefault(slot, [])
            assert count > draft >= 0
            assert start <= len(held), "a gap in the cache"
            held[start:] = [next(fed) for _ in range(count)]
            ends = range(len(held) - draft, len(held) + 1)
            result += [self.next_token(held[:end]) for end in ends]
        if _MAGIC[DIE] in token_ids:
            os.kill(os.getpid(), 9)
        if _MAGIC[SLOW] in token_ids:
            time.sleep(SLOW_STEP_S)
        if _MAGIC[BOOM] in token_ids:
            raise ArithmeticError("the model is confused")
        return result

    def free(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self.cached.pop(slot, None)


class OneAtATime(Scheduler):
    """A scheduler as a learner may write it: only `schedule`; and it raises at a certain word."""

    def schedule(self, now: float) -> SchedulerOutput:
        if self.waiting and not self.running:
            request = self.admit(now)
            if _MAGIC[BAD_POLICY] in request.prompt_token_ids:
                raise LookupError("no policy for this one")
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())


@dataclass(frozen=True)
class OpenFakeCore:
    """Makes a core around the fake model; can be pickled."""

    mode: str = "continuous"
    max_num_seqs: int = 2
    model_seqs: int = 8
    step_s: float = 0.0
    error: str = ""
    load_s: float = 0.0

    def __call__(self) -> EngineCore:
        time.sleep(self.load_s)
        if self.error:
            raise ValueError(self.error)
        scheduler: Scheduler
        if self.mode == "continuous":
            scheduler = ContinuousScheduler(self.max_num_seqs, EOS, max_num_batched_tokens=16)
        elif self.mode == "static":
            scheduler = StaticScheduler(self.max_num_seqs, EOS, max_wait_s=0.002)
        else:
            scheduler = OneAtATime(self.max_num_seqs, EOS)
        return EngineCore(FakeModel(self.model_seqs, self.step_s), scheduler)
