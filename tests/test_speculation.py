"""Guesses change the number of steps, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniserve.engine_core import Abort, AddRequest, Configure, EngineCore
from miniserve.scheduler import ContinuousScheduler, Request, Scheduler
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


def test_the_longest_ngram_wins() -> None:
    ngrams = NGrams((2, 1))
    ngrams.learn([1, 2, 3, 9, 2, 4])
    assert ngrams.follower([1, 2]) == 3
    assert ngrams.follower([2]) == 4


def test_ngrams_forget_what_was_not_seen_for_longest() -> None:
    ngrams = NGrams((1,), most=2)
    for pair in [(4, 5), (6, 7), (4, 5), (8, 9)]:
        ngrams.learn(pair)
    assert [ngrams.follower([token]) for token in (4, 6, 8)] == [5, None, 9]


@given(
    prompts=st.lists(st.lists(st.integers(2, 9), min_size=1, max_size=12), min_size=1, max_size=9),
    slots=st.integers(1, 20),
    chunk=st.integers(0, 9),
    drafts=st.integers(1, 7),
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
    assert all(sum(counts) <= slots for counts in guessing.guesses)
    computed, accepted = sum(map(sum, guessing.steps)), scheduler.num_accepted
    assert computed == sum(map(sum, plain.steps)) + scheduler.num_drafted - accepted
    assert 0 <= accepted <= scheduler.num_drafted


def test_right_guesses_save_steps() -> None:
    """One token from the prompt's step; then one and four guesses, until 20 are written."""
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


def test_what_was_aborted_teaches_nothing() -> None:
    model = FakeModel(16, next_token=lambda tokens: tokens[-1] + 8)
    scheduler = SpeculativeScheduler(16, EOS, num_speculative_tokens=4)
    core = EngineCore(model, scheduler, lambda: 0.0)
    core.handle(AddRequest("first", [5, 6, 2], 20, 0.0))
    core.step()
    core.step()
    core.handle(Abort("first"))
    model.cached.clear()
    answers(scheduler, [[5, 6, 2]], 3, model)
    assert model.steps == [[3], [1], [3], [1], [1]]


def test_earlier_answers_are_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniserve.speculation._MOST_SHARED", 10)
    scheduler = SpeculativeScheduler(8, EOS)
    answers(scheduler, [[number, 60, 61] for number in range(2, 50)], 9, FakeModel(8))
    (followers,) = scheduler._shared._followers.values()
    assert len(followers) == 10
    assert not scheduler._texts


@pytest.mark.parametrize(("writers", "drafts"), [(1, 3), (2, 3), (3, 0), (8, 0)])
def test_guesses_use_free_slots_only(writers: int, drafts: int) -> None:
    """Of 8 slots, 2 writers leave 6 free, 3 for each; 3 writers leave 5, and would need 9."""
    scheduler = SpeculativeScheduler(8, EOS, num_speculative_tokens=3)
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


def test_no_guesses_is_another_scheduler() -> None:
    with pytest.raises(ValueError, match="num_speculative_tokens is 0"):
        SpeculativeScheduler(8, EOS, num_speculative_tokens=0)


def test_who_does_not_verify_is_told_so() -> None:
    """As under the virtual clock, which makes one token an entry."""
    scheduler = SpeculativeScheduler(8, EOS)
    scheduler.add_request(Request("a", [2, 3, 2, 3], 9, 0.0))
    scheduler.update(scheduler.schedule(0.0), [2], 0.0)
    output = scheduler.schedule(0.0)
    with pytest.raises(ValueError, match="a token after each"):
        scheduler.update(output, [3], 0.0)
    assert scheduler.requests["a"].output_token_ids == [2]


def test_ids_used_again_failing_steps_and_other_settings() -> None:
    """A crowd in which everything happens; each answer is what the model says, as far as it got."""
    dice = random.Random(5)
    model = FakeModel(12, next_token=stutter)
    scheduler = SpeculativeScheduler(12, EOS, 30, 4)
    core = EngineCore(model, scheduler, lambda: 0.0)
    prompts: dict[str, list[int]] = {}
    answered = 0
    for _ in range(1500):
        name = f"r{dice.randrange(9)}"
        if name not in scheduler.requests and dice.random() < 0.4:
            prompts[name] = [dice.randrange(2, 6) for _ in range(dice.randrange(1, 9))]
            core.handle(AddRequest(name, prompts[name], dice.randrange(1, 20), 0.0))
        elif dice.random() < 0.03:
            core.handle(Abort(name))
        elif dice.random() < 0.05:
            core.handle(Configure({"max_num_seqs": dice.choice([2, 5, 12])}))
        with pytest.MonkeyPatch.context() as patch:
            if dice.random() < 0.01:
                patch.setattr(model, "step", broken)
            outputs = core.step().outputs
        for output in outputs:
            text = list(prompts[output.request_id])
            for token in output.token_ids:
                assert token == stutter(text)
                text.append(token)
            answered += output.finish_reason != "abort"
        assert set(scheduler._texts) <= set(scheduler.requests)
    assert answered > 100
    assert 0 < scheduler.num_accepted < scheduler.num_drafted


def broken(*_: object) -> list[int]:
    raise ArithmeticError("the model is confused")
