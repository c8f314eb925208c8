"""Offline throughput: all sentences are there at once, and the engine core works them off.

No HTTP, no event loop, no other process: `EngineCore` is stepped in this thread. Prefill is
included; tokenization, which costs a few microseconds a sentence, is not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
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


class Offline(NamedTuple):
    """What came of one run."""

    requests: int
    tokens: int
    seconds: float


def work_off(core: EngineCore, prompts: Sequence[Sequence[int]], max_tokens: int) -> Offline:
    """Hand in all prompts (token ids) at once and step until each has its answer."""
    outputs = []
    start = time.perf_counter()
    for number, prompt in enumerate(prompts):
        core.handle(AddRequest(str(number), prompt, max_tokens, core.clock()))
    while core.scheduler.requests:
        outputs += core.step().outputs
    seconds = time.perf_counter() - start
    return Offline(len(outputs), sum(len(output.token_ids) for output in outputs), seconds)


def measure(size: Size) -> list[Table]:
    """Work off the standard load's sentences with each number of slots."""
    config = read_config(TUTOR_DIR / "config.json")
    tokenizer = read_tokenizer(TUTOR_DIR / "tokenizer.json", config)
    sentences = Trace.load(STANDARD_LOAD).sentences[: size.offline_requests]
    prompts = [tokenizer.encode(prompt_for(sentence)).ids for sentence in sentences]
    budget = Settings.model_fields["max_num_batched_tokens"].default
    cores = {}
    for slots in size.slots:
        make_scheduler = partial(ContinuousScheduler, slots, max_num_batched_tokens=budget)
        cores[slots] = load_core(TUTOR_DIR, slots, make_scheduler)
        work_off(cores[slots], prompts[: 2 * slots], MAX_TOKENS)  # warms up
    runs: dict[int, list[Offline]] = {slots: [] for slots in size.slots}
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
