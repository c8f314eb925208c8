"""One iteration after another, without a thread: `EngineCore` and `run_loop`."""

import itertools
import math
from collections.abc import Iterator, Sequence

import pytest

from miniserve.engine_core import (
    Abort,
    AddRequest,
    Command,
    Configure,
    Delivery,
    EngineCore,
    Inbox,
    Limits,
    Stop,
    run_loop,
)
from miniserve.scheduler import ContinuousScheduler, StaticScheduler
from miniserve.trace import StepEntry
from tests.engine_fakes import EOS, FakeModel, OpenFakeCore, next_token


class TickingClock:
    """Seconds that go on by one with each look."""

    def __init__(self) -> None:
        self.now = -1.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class FailingModel:
    """A model that is confused."""

    def step(self, *_: object) -> list[int]:
        raise ArithmeticError("the model is confused")

    def free(self, slots: Sequence[int]) -> None:
        pass


class SilentModel(FailingModel):
    """A model that makes nothing."""

    def step(self, *_: object) -> list[int]:
        return []


def make_core(max_num_seqs: int = 2) -> EngineCore:
    return EngineCore(FakeModel(8), ContinuousScheduler(max_num_seqs, EOS), TickingClock())


def prompt_of_length(num_outputs: int) -> list[int]:
    """A prompt that the fake model answers with so many tokens."""
    for word in range(2, 80):
        prompt, made = [word, 3, 5], [0]
        made = []
        while EOS not in made:
            made.append(next_token(prompt + made))
        if len(made) == num_outputs:
            return prompt
    raise AssertionError(f"no prompt with {num_outputs} tokens of output")


def test_a_request_is_answered_with_its_tokens_and_the_times_of_its_stages() -> None:
    core = make_core()
    core.handle(AddRequest("a", [9, 9], max_tokens=2, arrival_time=0.0))
    first = core.step()  # schedule at 0, tokens at 1, end of the step at 2
    assert (first.outputs, first.wait_until) == ([], None)
    assert first.record is not None
    assert first.record.entries == (StepEntry("a", 0, "prefill", 2),)
    assert (first.record.start, first.record.duration) == (0.0, 2.0)
    (output,) = core.step().outputs  # schedule at 3, tokens at 4
    token = next_token([9, 9])
    assert output.token_ids == [token, next_token([9, 9, token])]
    assert (output.finish_reason, output.error) == ("length", "")
    timing = output.timing  # a start at the time 0 counts as a time, too
    assert (timing.queue_s, timing.prefill_s, timing.decode_s) == (0.0, 1.0, 3.0)
    assert core.step() == ([], None, None)
    assert core.model.cached == {}  # type: ignore[attr-defined]


def test_the_end_token_ends_a_request() -> None:
    core = make_core()
    core.handle(AddRequest("a", prompt_of_length(4), max_tokens=50, arrival_time=0.0))
    results = [core.step() for _ in range(4)]
    assert [len(result.outputs) for result in results] == [0, 0, 0, 1]
    assert results[-1].outputs[0].finish_reason == "stop"
    assert results[-1].outputs[0].token_ids[-1] == EOS


def test_an_abort_is_answered_too_and_only_once() -> None:
    core = make_core(max_num_seqs=1)
    for name in ("running", "waiting"):
        core.handle(AddRequest(name, [9, 9], max_tokens=9, arrival_time=0.0))
    core.step()
    assert core.num_running == 1
    for name in ("waiting", "running", "running", "never seen"):
        core.handle(Abort(name))
    outputs, record, _ = core.step()
    assert [(o.request_id, o.finish_reason) for o in outputs] == [
        ("waiting", "abort"),
        ("running", "abort"),
    ]
    assert outputs[0].timing.prefill_s == outputs[0].timing.decode_s == 0.0
    assert record is None
    assert core.step().outputs == []
    assert core.num_running == 0


def test_a_step_that_raises_costs_its_own_requests_only(caplog: pytest.LogCaptureFixture) -> None:
    core = make_core(max_num_seqs=2)
    boom = 90
    core.handle(AddRequest("good", [9, 9], max_tokens=9, arrival_time=0.0))
    core.handle(AddRequest("bad", [9, boom], max_tokens=9, arrival_time=0.0))
    core.handle(AddRequest("later", [9, 7], max_tokens=1, arrival_time=0.0))
    outputs, record, _ = core.step()
    assert record is None
    assert [(o.request_id, o.error) for o in outputs] == [
        ("good", "ArithmeticError"),
        ("bad", "ArithmeticError"),
    ]
    assert "the model is confused" in caplog.text
    (output,) = core.step().outputs
    assert (output.request_id, output.error) == ("later", "")
    assert output.token_ids == [next_token([9, 7])]


def test_a_model_that_makes_too_few_tokens_has_failed_in_this_step_only() -> None:
    core = make_core()
    core.handle(AddRequest("a", [9, 9], max_tokens=9, arrival_time=0.0))
    working, core.model = core.model, SilentModel()
    (failed,) = core.step().outputs
    assert (failed.request_id, failed.error) == ("a", "ValueError")
    core.model = working
    core.handle(AddRequest("b", [9, 7], max_tokens=1, arrival_time=0.0))
    (output,) = core.step().outputs
    assert (output.request_id, output.error) == ("b", "")


def test_a_step_that_raises_costs_nobody_who_took_over_an_id() -> None:
    core = EngineCore(FakeModel(8), StaticScheduler(2, EOS, max_wait_s=0.0), TickingClock())
    core.handle(AddRequest("a", [9, 9], max_tokens=1, arrival_time=0.0))
    core.handle(AddRequest("b", [9, 7], max_tokens=9, arrival_time=0.0))
    while not [output for output in core.step().outputs if output.request_id == "a"]:
        pass
    core.handle(AddRequest("a", [9, 5], max_tokens=1, arrival_time=0.0))  # waits for the batch
    working, core.model = core.model, FailingModel()
    (failed,) = core.step().outputs
    assert (failed.request_id, failed.error) == ("b", "ArithmeticError")
    core.model = working
    (output,) = core.step().outputs
    assert (output.request_id, output.error) == ("a", "")


def test_a_padded_batch_gives_each_request_its_own_tokens() -> None:
    core = EngineCore(FakeModel(8), StaticScheduler(3, EOS, max_wait_s=0.0), TickingClock())
    prompts = {str(length): prompt_of_length(length) for length in (2, 5, 13)}
    for name, prompt in prompts.items():
        core.handle(AddRequest(name, prompt, max_tokens=50, arrival_time=0.0))
    ended, wasted = [], []
    while core.scheduler.requests:
        outputs, record, _ = core.step()
        assert record is not None
        ended += [(o.request_id, len(o.token_ids), o.token_ids[-1]) for o in outputs]
        wasted.append(record.num_wasted)
        assert record.num_running + record.num_wasted == record.batch == 3
    assert ended == [("2", 2, EOS), ("5", 5, EOS), ("13", 13, EOS)]
    assert wasted == [0] * 2 + [1] * 3 + [2] * 8
    core.step()
    assert core.model.cached == {}  # type: ignore[attr-defined]


def test_records_count_those_who_run_and_those_who_wait() -> None:
    core = make_core(max_num_seqs=2)
    for name in "abcde":
        core.handle(AddRequest(name, [9, 9], max_tokens=1, arrival_time=0.0))
    records = [core.step().record for _ in range(3)]
    assert [(r.num_running, r.num_waiting) for r in records if r] == [(2, 3), (2, 1), (1, 0)]
    assert [r.step for r in records if r] == [0, 1, 2]


def test_configure_changes_the_scheduler() -> None:
    core = make_core(max_num_seqs=2)
    core.handle(Configure({"max_num_seqs": 5, "max_num_batched_tokens": 7}))
    assert isinstance(core.scheduler, ContinuousScheduler)
    assert (core.scheduler.max_num_seqs, core.scheduler.max_num_batched_tokens) == (5, 7)


def test_limits_are_the_settings_of_the_scheduler_and_the_slots_of_the_model() -> None:
    limits = make_core().limits
    assert limits == Limits({"max_num_seqs": 2, "max_num_batched_tokens": 256}, 8)
    limits.check({"max_num_seqs": 8, "max_num_batched_tokens": 8})
    Limits({"max_wait_s": 0.1}, None).check({"max_wait_s": 0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_num_seq": 4}, "no setting 'max_num_seq'; it has max_num_batched_tokens, max_num_s"),
        ({"eos_token_id": 5}, "no setting"),
        ({"running": 4}, "no setting"),
        ({"_num_slots": 4}, "no setting"),
        ({"max_num_seqs": 0}, "too small"),
        ({"max_num_batched_tokens": float("nan")}, "no whole number"),
        ({"max_num_batched_tokens": 2.5}, "no whole number"),
        ({"max_num_seqs": "4"}, "'4' is no whole number"),
        ({"max_num_seqs": True}, "no whole number"),
        ({"max_wait_s": math.inf}, "no finite number"),
        ({"max_wait_s": None}, "no finite number"),
        ({"max_wait_s": -1}, "too small"),
        ({"max_num_seqs": 9}, "8 slots"),
        ({"max_num_batched_tokens": 1}, "at least max_num_seqs"),
        ({"max_num_seqs": 8, "max_num_batched_tokens": 7}, "at least max_num_seqs"),
    ],
)
def test_limits_refuse_what_the_engine_would_choke_on(
    changes: dict[str, object], message: str
) -> None:
    limits = make_core().limits
    if "max_wait_s" in changes:
        limits = EngineCore(FakeModel(8), StaticScheduler(2, EOS)).limits
    with pytest.raises(ValueError, match=message):
        limits.check(changes)


# --- the loop -------------------------------------------------------------------------------------


class Script(Inbox):
    """Commands that come at the n-th look; writes down how long the loop was ready to wait."""

    def __init__(self, *turns: list[Command]) -> None:
        super().__init__()
        self.turns = list(turns)
        self.waits: list[float | None] = []

    def take(self, timeout_s: float | None) -> Iterator[Command]:
        self.waits.append(timeout_s)
        yield from self.turns.pop(0) if self.turns else [Stop()]


def test_the_loop_waits_only_when_there_is_nothing_to_do() -> None:
    inbox = Script([AddRequest("a", [9], 3, 0.0)], [], [], [], [])
    run_loop(make_core(), inbox, lambda delivery: None)
    # Three steps; one look that finds nothing to do; then it sleeps.
    assert inbox.waits == [None, 0.0, 0.0, 0.0, None, None]


def test_the_loop_sleeps_until_the_scheduler_wants_to_be_asked() -> None:
    core = EngineCore(FakeModel(8), StaticScheduler(3, EOS, max_wait_s=1.5), TickingClock())
    inbox = Script([AddRequest("a", [9], 3, 0.0)], [Stop()])
    run_loop(core, inbox, lambda delivery: None)
    assert inbox.waits == [None, 1.5 - 1.0]  # asked at the time 0; looked at the clock again at 1


def test_a_scheduler_that_wants_to_be_asked_in_the_past_does_not_make_the_loop_spin() -> None:
    core = EngineCore(FakeModel(8), StaticScheduler(3, EOS, max_wait_s=0.5), TickingClock())
    inbox = Script([AddRequest("a", [9], 3, 0.0)], [Stop()])
    run_loop(core, inbox, lambda delivery: None)
    assert inbox.waits[1] is not None
    assert 0.0 < inbox.waits[1] <= 0.001


def test_an_engine_that_waits_long_on_purpose_gives_signs_of_life() -> None:
    core = EngineCore(FakeModel(8), StaticScheduler(3, EOS, max_wait_s=math.inf), TickingClock())
    inbox = Script([AddRequest("a", [9], 3, 0.0)], [], [], [Stop()])
    deliveries: list[Delivery] = []
    run_loop(core, inbox, deliveries.append)
    assert inbox.waits == [None, 1.0, 1.0, 1.0]
    assert deliveries == [Delivery([], [], 0)] * 3


def test_records_travel_with_the_next_output_or_after_20_ms() -> None:
    ticks = itertools.count()
    deliveries: list[Delivery] = []
    # A step looks at the clock three times and the loop once: so it takes 4 ms.
    core = EngineCore(FakeModel(8), ContinuousScheduler(2, EOS), lambda: next(ticks) / 1000)
    inbox = Script([AddRequest("a", prompt_of_length(13), 50, 0.0)], *[[] for _ in range(20)])
    run_loop(core, inbox, deliveries.append)
    assert [len(d.records) for d in deliveries] == [6, 6, 1]
    assert [len(d.outputs) for d in deliveries] == [0, 0, 1]
    assert [d.num_running for d in deliveries] == [1, 1, 0]


def test_no_record_is_left_behind_when_the_work_runs_out_without_an_output() -> None:
    deliveries: list[Delivery] = []

    class Moody(ContinuousScheduler):
        def schedule(self, now: float):  # type: ignore[no-untyped-def]
            return super().schedule(now) if now < 3 else make_core().scheduler.schedule(now)

    core = EngineCore(FakeModel(8), Moody(2, EOS), TickingClock())
    run_loop(core, Script([AddRequest("a", [9, 9], 50, 0.0)], [], []), deliveries.append)
    assert [len(d.records) for d in deliveries] == [1]


def test_the_loop_ends_at_stop_and_leaves_later_commands_alone() -> None:
    core = make_core()
    run_loop(core, Script([Stop(), AddRequest("a", [9], 3, 0.0)]), lambda delivery: None)
    assert core.scheduler.requests == {}
    assert core.num_steps == 0


def test_the_inbox_gives_what_is_there_and_waits_no_longer_than_told() -> None:
    inbox = Inbox()
    assert list(inbox.take(0.0)) == []
    assert list(inbox.take(0.001)) == []
    inbox.put(Stop())
    inbox.put(Abort("a"))
    assert list(inbox.take(None)) == [Stop(), Abort("a")]


def test_a_fake_core_can_be_pickled_and_opened() -> None:
    assert isinstance(OpenFakeCore(mode="static")().scheduler, StaticScheduler)
