"""Guesses change the number of steps, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.engine_core import Abort, AddRequest, EngineCore
from miniserve.scheduler import ContinuousScheduler, Scheduler
from miniserve.speculation import NGrams, SpeculativeScheduler
from tests.engine_fakes import EOS, FakeModel, next_token

NextToken = Callable[[Sequence[int]], int]


def count_up(tokens: Sequence[int]) -> int:
    """2, 3, … 9, 2, 3, …: each token is known from the one before."""
    return 2 + (tokens[-1] - 1) % 8


def stutter(tokens: Sequence[int]) -> int:
    """Few tokens and many repetitions, but not regular, and with ends."""
    return next_token(tokens[-2:]) % 5 + 1


def answers(
    scheduler: Scheduler, prompts: Sequence[Sequence[int]], most: int, model: FakeModel
) -> dict[str, list[int]]:
    """What each prompt gets; the second half comes when the first is under way."""
    core = EngineCore(model, scheduler, lambda: 0.0)
    half = len(prompts) // 2
    made: dict[str, list[int]] = {}
    for number, prompt in enumerate(prompts):
        if number == half:
            made |= {o.request_id: list(o.token_ids) for o in core.step().outputs}
        core.handle(AddRequest(str(number), prompt, most, 0.0))
    while scheduler.requests:
        made |= {o.request_id: list(o.token_ids) for o in core.step().outputs}
    return made


def test_ngrams_know_what_stood_there_last() -> None:
    ngrams = NGrams((2, 1))
    assert ngrams.follower([5]) is None
    ngrams.learn([5, 6, 7, 5, 8])
    assert ngrams.follower([5]) == 8
    assert ngrams.follower([9, 6]) == 7
    assert ngrams.follower([5, 6]) == 7
    ngrams.learn([1, 5, 9], start=2)
    assert ngrams.follower([1, 5]) == 9
    assert ngrams.follower([1]) is None  # only what comes from `start` on was new


def test_ngrams_forget_the_oldest() -> None:
    ngrams = NGrams((1,), most=2)
    ngrams.learn([4, 5, 6, 7])
    assert [ngrams.follower([token]) for token in (4, 5, 6)] == [None, 6, 7]


@given(
    prompts=st.lists(st.lists(st.integers(2, 9), min_size=1, max_size=12), min_size=1, max_size=9),
    slots=st.integers(1, 20),
    chunk=st.integers(0, 9),
    drafts=st.integers(0, 7),
    most=st.integers(1, 25),
    continuation=st.sampled_from([next_token, count_up, stutter]),
)
def test_the_same_answers_within_the_same_limits(
    prompts: list[list[int]],
    slots: int,
    chunk: int,
    drafts: int,
    most: int,
    continuation: NextToken,
) -> None:
    budget = slots + chunk
    plain, guessing = (FakeModel(slots, next_token=continuation) for _ in range(2))
    expected = answers(ContinuousScheduler(slots, EOS, budget), prompts, most, plain)
    scheduler = SpeculativeScheduler(slots, EOS, budget, drafts)
    assert answers(scheduler, prompts, most, guessing) == expected
    assert len(guessing.steps) <= len(plain.steps)
    assert max(map(sum, guessing.steps)) <= budget
    computed, accepted = sum(map(sum, guessing.steps)), scheduler.num_accepted
    assert computed == sum(map(sum, plain.steps)) + scheduler.num_drafted - accepted
    assert 0 <= accepted <= scheduler.num_drafted
    if drafts == 0:
        assert guessing.steps == plain.steps


def test_right_guesses_save_steps() -> None:
    """One token from the prompt's step; then one and four guesses, as long as 20 are not full."""
    model = FakeModel(16, next_token=count_up)
    scheduler = SpeculativeScheduler(16, EOS, num_speculative_tokens=4)
    (made,) = answers(scheduler, [[2, 3, 4, 5, 6, 7, 8, 9, 2]], 20, model).values()
    assert made == [3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6]
    assert model.steps == [[9], [5], [5], [5], [4]]
    assert (scheduler.num_drafted, scheduler.num_accepted) == (15, 15)


def test_a_wrong_guess_is_replaced_and_forgotten_by_the_cache() -> None:
    """The prompt says that 4 follows 3; the model says 5, once, and then never 3 again."""
    model = FakeModel(8, next_token=lambda tokens: {2: 3, 3: 5}.get(tokens[-1], 6))
    scheduler = SpeculativeScheduler(8, EOS, num_speculative_tokens=3)
    (made,) = answers(scheduler, [[2, 3, 4, 4, 2]], 6, model).values()
    assert made == [3, 5, 6, 6, 6, 6]
    # After 3 come the guesses 4, 4, 2; after 5 nothing is known, nor after the first 6.
    assert model.steps == [[5], [4], [1], [1], [2]]
    assert model.cached[0][:8] == [2, 3, 4, 4, 2, 3, 5, 6]
    assert (scheduler.num_drafted, scheduler.num_accepted) == (4, 1)


def test_what_one_request_wrote_is_guessed_for_the_next() -> None:
    chain = {2: 10, 10: 11, 11: 12, 12: 13, 13: EOS}
    model = FakeModel(16, next_token=lambda tokens: chain[tokens[-1]])
    scheduler = SpeculativeScheduler(16, EOS, num_speculative_tokens=4)
    prompt = [5, 6, 2]
    for _ in range(2):
        model.cached.clear()
        assert list(answers(scheduler, [prompt], 20, model).values()) == [[10, 11, 12, 13, EOS]]
    # The end is known, too, but never guessed: nothing could follow it.
    assert model.steps == [[3], [1], [1], [1], [1], [3], [4]]


@pytest.mark.parametrize(("writers", "drafts"), [(1, 4), (2, 3), (3, 0), (8, 0)])
def test_guesses_use_free_slots_only(writers: int, drafts: int) -> None:
    """Of 8 slots, 2 writers leave 6 free, 3 each; 3 leave 5, which is 1 each: not worth it."""
    scheduler = SpeculativeScheduler(8, EOS, num_speculative_tokens=4)
    core = EngineCore(FakeModel(8, next_token=count_up), scheduler, lambda: 0.0)
    for number in range(writers):
        core.handle(AddRequest(str(number), [2, 3, 4, 5, 6, 7, 8, 9, 2], 50, 0.0))
    core.step()
    record = core.step().record
    assert record is not None
    assert [entry.num_tokens for entry in record.entries] == [1 + drafts] * writers


def test_an_abort_while_a_step_runs_keeps_the_tokens_of_the_others() -> None:
    scheduler = SpeculativeScheduler(8, EOS, num_speculative_tokens=3)
    core = EngineCore(FakeModel(8, next_token=count_up), scheduler, lambda: 0.0)
    for name in ("stays", "goes"):
        core.handle(AddRequest(name, [2, 3, 4, 5, 6, 7, 8, 9, 2], 6, 0.0))
    core.step()
    goes = scheduler.requests["goes"]
    output = scheduler.schedule(0.0)
    core.handle(Abort("goes"))
    scheduler.update(output, [4, 5, 6, 7, 4, 5, 6, 7], 0.0)
    assert goes.output_token_ids == [3]
    assert scheduler.requests["stays"].output_token_ids == [3, 4, 5, 6, 7]


def test_a_negative_number_of_guesses() -> None:
    with pytest.raises(ValueError, match="-1"):
        SpeculativeScheduler(8, EOS, num_speculative_tokens=-1)
