"""One oracle for all modes: a sentence gets the same tokens, whatever shares its batch.

The oracle is the model alone, one sentence after the other. Against it stand static and continuous
batching, with any number of slots, any token budget (so that prompts are read in chunks), any order
of arrival, with aborts in between, and with guesses; and the client of each mode, as it is served.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from miniserve.engine_core import Abort, AddRequest, EngineCore
from miniserve.model.checkpoint import Checkpoint, load_checkpoint
from miniserve.model.llama import Llama
from miniserve.paths import DATA_DIR
from miniserve.scheduler import ContinuousScheduler, Scheduler, StaticScheduler
from miniserve.serve import open_client
from miniserve.settings import Mode, Settings
from miniserve.speculation import SpeculativeScheduler
from miniserve.tutor import MAX_TOKENS, prompt_for

SPLITS = ("everyday", "everyday_dev", "test_names", "test_sentences", "test_verb_kind")
MOST_SLOTS = 32
NUM_SAMPLED = 40


@dataclass(frozen=True)
class Oracle:
    """Sentences, their prompts' tokens, and the answers' tokens."""

    checkpoint: Checkpoint
    sentences: list[str]
    prompts: list[list[int]]
    answers: list[list[int]]


def make_oracle(checkpoint: Path, sentences: list[str]) -> Oracle:
    loaded = load_checkpoint(checkpoint)
    prompts = [loaded.tokenizer.encode(prompt_for(sentence)).ids for sentence in sentences]
    model = Llama(loaded, max_num_seqs=1)
    return Oracle(loaded, sentences, prompts, [alone(model, loaded, p) for p in prompts])


def alone(model: Llama, checkpoint: Checkpoint, prompt: list[int]) -> list[int]:
    """Greedy decoding as in a textbook."""
    made: list[int] = []
    fed, position = prompt, 0
    while len(made) < MAX_TOKENS and checkpoint.eos_token_id not in made[-1:]:
        made.append(int(model.step([0], fed, [len(fed)], [position])[0]))
        position += len(fed)
        fed = made[-1:]
    model.free([0])
    return made


def all_sentences() -> list[str]:
    lines = [
        line
        for split in SPLITS
        for line in (DATA_DIR / "verbs" / f"{split}.jsonl").read_text("utf-8").splitlines()
    ]
    return [json.loads(line)["sentence"] for line in lines]


@pytest.fixture(scope="module")
def sample(checkpoint: Path) -> Oracle:
    return make_oracle(checkpoint, random.Random(0).sample(all_sentences(), NUM_SAMPLED))


@pytest.fixture(scope="module")
def everything(checkpoint: Path) -> Oracle:
    return make_oracle(checkpoint, all_sentences())


def draw_scheduler(mode: str, eos_token_id: int, dice: random.Random) -> Scheduler:
    slots = dice.choice([1, 2, 3, 5, 8, 16, MOST_SLOTS])
    if mode == "speculative":
        slots = dice.choice([5, 8, 16, MOST_SLOTS])  # with fewer there is hardly room for guesses
    if mode == "static":
        return StaticScheduler(slots, eos_token_id, dice.choice([0.0, 0.005, 0.05]))
    budget = slots + dice.choice([0, 3, 16, 200])
    if mode == "speculative":
        return SpeculativeScheduler(slots, eos_token_id, budget, dice.choice([1, 2, 4]))
    return ContinuousScheduler(slots, eos_token_id, budget)


def check(oracle: Oracle, scheduler: Scheduler, dice: random.Random) -> None:
    """Run all sentences; they come in any order, a few at a time, and up to a tenth is aborted."""
    now = 0.0
    core = EngineCore(Llama(oracle.checkpoint, max_num_seqs=MOST_SLOTS), scheduler, lambda: now)
    coming = list(range(len(oracle.prompts)))
    dice.shuffle(coming)
    impatient = set(dice.sample(coming, len(coming) // 10))
    given_up: set[int] = set()
    made: dict[int, list[int]] = {}
    crowd = dice.choice([1, 4, 1000])
    # Guesses are for the times when slots are free.
    calm = 0.9 if isinstance(scheduler, SpeculativeScheduler) else 0.0
    while coming or scheduler.requests:
        arrivals = 0 if dice.random() < calm else dice.randint(0, crowd)
        for _ in range(min(len(coming), arrivals)):
            index = coming.pop()
            core.handle(AddRequest(str(index), oracle.prompts[index], MAX_TOKENS, now))
        if scheduler.requests and dice.random() < 0.5:
            request_id = dice.choice(list(scheduler.requests))
            if int(request_id) in impatient:
                given_up.add(int(request_id))
                core.handle(Abort(request_id))
        for output in core.step().outputs:
            assert not output.error
            made[int(output.request_id)] = list(output.token_ids)
        now += 0.002
    assert len(made) == len(oracle.prompts)
    if isinstance(scheduler, SpeculativeScheduler):
        assert 0 < scheduler.num_accepted < scheduler.num_drafted
    for index, answer in enumerate(oracle.answers):
        expected = answer[: len(made[index])] if index in given_up else answer
        assert made[index] == expected, oracle.sentences[index]


@pytest.mark.parametrize("mode", ["static", "continuous", "speculative"])
@pytest.mark.parametrize("seed", range(4))
def test_a_batch_changes_no_token(sample: Oracle, mode: str, seed: int) -> None:
    dice = random.Random(seed)
    check(sample, draw_scheduler(mode, sample.checkpoint.eos_token_id, dice), dice)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("mode", "in_process"),
    [(mode, False) for mode in Mode] + [(Mode.STATIC, True), (Mode.CONTINUOUS, True)],
)
async def test_every_mode_says_the_same(
    sample: Oracle, checkpoint: Path, mode: Mode, in_process: bool
) -> None:
    client = open_client(
        Settings(checkpoint=checkpoint, mode=mode, max_num_seqs=8, engine_process=in_process)
    )
    prompts = [prompt_for(sentence) for sentence in sample.sentences[:20]]
    await client.start()
    try:
        completions = await asyncio.gather(
            *(client.generate(p, max_tokens=MAX_TOKENS, request_id=p) for p in prompts)
        )
    finally:
        await client.stop()
    for completion, answer in zip(completions, sample.answers, strict=False):
        assert completion.text == sample.checkpoint.tokenizer.decode(answer)
        assert completion.num_output_tokens == len(answer)
        assert completion.finish_reason == ("stop" if len(answer) < MAX_TOKENS else "length")


# --- everything -----------------------------------------------------------------------------------


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mode", ["static", "continuous", "speculative"])
@pytest.mark.parametrize("seed", range(100, 103))
def test_a_batch_changes_no_token_of_any_sentence(everything: Oracle, mode: str, seed: int) -> None:
    dice = random.Random(seed)
    check(everything, draw_scheduler(mode, everything.checkpoint.eos_token_id, dice), dice)


def margins(oracle: Oracle, width: int) -> tuple[float, float]:
    """What rounding can do, and what it would have to do.

    Returns the largest difference between a logit computed alone and in a batch of `width`, and the
    smallest distance between the best two logits, over all steps of all answers.
    """
    single = Llama(oracle.checkpoint, max_num_seqs=1)
    crowd = Llama(oracle.checkpoint, max_num_seqs=width)
    noise, gap = 0.0, np.inf
    for first in range(0, len(oracle.prompts), width):
        members = range(first, min(first + width, len(oracle.prompts)))
        texts = {index: oracle.prompts[index] + oracle.answers[index][:-1] for index in members}
        starts = dict.fromkeys(members, 0)
        logits_of: dict[int, list[np.ndarray]] = {index: [] for index in members}
        while texts:
            ends = {i: max(starts[i] + 1, len(oracle.prompts[i])) for i in texts}
            fed = {i: texts[i][starts[i] : ends[i]] for i in texts}
            rows = crowd.logits(
                [i - first for i in texts],
                [token for tokens in fed.values() for token in tokens],
                [len(tokens) for tokens in fed.values()],
                [starts[i] for i in texts],
            )
            for index, row in zip(list(texts), rows, strict=True):
                logits_of[index].append(row.copy())
                starts[index] = ends[index]
                if ends[index] == len(texts[index]):
                    del texts[index]
                    crowd.free([index - first])
        for index in members:
            fed_alone, position = oracle.prompts[index], 0
            for step, token in enumerate(oracle.answers[index]):
                row = single.logits([0], fed_alone, [len(fed_alone)], [position])[0]
                position += len(fed_alone)
                fed_alone = [token]
                noise = max(noise, float(np.abs(row - logits_of[index][step]).max()))
                second, best = np.partition(row, -2)[-2:]
                gap = min(gap, float(best - second))
            single.free([0])
    return noise, gap


def test_rounding_stays_rounding(sample: Oracle) -> None:
    noise, gap = margins(sample, 16)
    assert noise < 1e-3
    assert gap > 0.0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_rounding_over_every_sentence(
    everything: Oracle, record_property: Callable[[str, object], None]
) -> None:
    noise, gap = margins(everything, 16)
    record_property("largest difference of a logit, alone and in a batch", noise)
    record_property("smallest distance between the best two logits", gap)
    print(f"largest difference of a logit: {noise:.2g}; smallest distance of two: {gap:.2g}")
    assert noise < 1e-3
