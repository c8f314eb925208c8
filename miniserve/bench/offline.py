"""Offline throughput: all sentences are there at once, and the engine core works them off.

No HTTP, no event loop, no other process: `EngineCore` is stepped in this thread. Prefill is
included; tokenization, which costs a few microseconds a sentence, is not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from miniserve.bench.size import Size
from miniserve.bench.tables import Cell, Spread, Table
from miniserve.engine_core import AddRequest, EngineCore
from miniserve.load import load_core
from miniserve.loadtest import Trace
from miniserve.model.checkpoint import read_tokenizer
from miniserve.model.config import read_config
from miniserve.paths import STANDARD_LOAD, TUTOR_DIR
from miniserve.scheduler import ContinuousScheduler
from miniserve.settings import Settings
from miniserve.tutor import MAX_TOKENS, prompt_for


class Served(NamedTuple):
    """What came of one run: the answers' tokens, in the order of the prompts; all steps."""

    answers: list[Sequence[int]]
    steps: int
    seconds: float

    @property
    def requests(self) -> int:
        """How many were answered."""
        return len(self.answers)

    @property
    def tokens(self) -> int:
        """Tokens of all answers together."""
        return sum(map(len, self.answers))


def standard_prompts(count: int) -> list[list[int]]:
    """The first `count` sentences of the standard load as prompts (token ids)."""
    config = read_config(TUTOR_DIR / "config.json")
    tokenizer = read_tokenizer(TUTOR_DIR / "tokenizer.json", config)
    sentences = Trace.load(STANDARD_LOAD).sentences[:count]
    return [tokenizer.encode(prompt_for(sentence)).ids for sentence in sentences]


def serve_users(
    core: EngineCore, prompts: Sequence[Sequence[int]], users: int, max_tokens: int
) -> Served:
    """Let `users` send the prompts (token ids), each the next one when the last is answered."""
    coming = enumerate(prompts)
    made: dict[int, Sequence[int]] = {}
    steps, start = core.num_steps, time.perf_counter()

    def send(most: int) -> None:
        for number, prompt in islice(coming, most):
            core.handle(AddRequest(str(number), prompt, max_tokens, core.clock()))

    send(users)
    while core.scheduler.requests:
        outputs = core.step().outputs
        made |= {int(output.request_id): output.token_ids for output in outputs}
        send(len(outputs))
    seconds = time.perf_counter() - start
    return Served([made[number] for number in sorted(made)], core.num_steps - steps, seconds)


def work_off(core: EngineCore, prompts: Sequence[Sequence[int]], max_tokens: int) -> Served:
    """Hand in all prompts (token ids) at once and step until each has its answer."""
    return serve_users(core, prompts, len(prompts), max_tokens)


def measure(size: Size) -> list[Table]:
    """Work off the standard load's sentences with each number of slots."""
    prompts = standard_prompts(size.offline_requests)
    budget = Settings.model_fields["max_num_batched_tokens"].default
    cores = {}
    for slots in size.slots:
        make_scheduler = partial(ContinuousScheduler, slots, max_num_batched_tokens=budget)
        cores[slots] = load_core(TUTOR_DIR, slots, make_scheduler)
        work_off(cores[slots], prompts[: 2 * slots], MAX_TOKENS)  # warms up
    runs: dict[int, list[Served]] = {slots: [] for slots in size.slots}
    for _ in range(size.offline_repeats):
        for slots, core in cores.items():
            runs[slots].append(work_off(core, prompts, MAX_TOKENS))
    rows: list[dict[str, Cell]] = [
        {
            "slots": slots,
            "corrections_per_s": Spread.of(run.requests / run.seconds for run in done),
            "tokens_per_s": Spread.of(run.tokens / run.seconds for run in done),
        }
        for slots, done in runs.items()
    ]
    one = next(iter(runs.values()))[0]
    about = (
        f"{one.requests} sentences of the standard load at once, {one.tokens} tokens written; the "
        f"engine core alone, prefill included; median (lowest–highest) of {size.offline_repeats}."
    )
    return [Table("Offline throughput", about, rows)]
