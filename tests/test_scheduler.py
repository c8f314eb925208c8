"""The schedulers as pure policy: examples by hand, then properties that hypothesis searches."""

from __future__ import annotations

import gc
import inspect
import random
import sys
import textwrap
from collections import OrderedDict
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

import miniserve.scheduler as scheduler_module
from miniserve.scheduler import (
    ContinuousScheduler,
    Request,
    RequestStatus,
    Scheduler,
    SchedulerOutput,
    StaticScheduler,
)

EOS = 1
TOKEN = 7  # any token but EOS


def make_request(
    request_id: str, prompt: int = 3, max_tokens: int = 5, arrival_time: float = 0.0
) -> Request:
    return Request(request_id, range(100, 100 + prompt), max_tokens, arrival_time)


def ids(requests: list[Request]) -> list[str]:
    return [request.request_id for request in requests]


def step(scheduler: Scheduler, now: float = 0.0, stop: tuple[str, ...] = ()) -> SchedulerOutput:
    """One schedule and update; the requests named in `stop` make the end token."""
    output = scheduler.schedule(now)
    tokens = [EOS if request.request_id in stop else TOKEN for request in output.requests]
    scheduler.update(output, tokens, now)
    return output


class OneAtATime(Scheduler):
    """The policy that the module's docstring shows."""

    def schedule(self, now: float) -> SchedulerOutput:
        if self.waiting and not self.running:
            self.admit(now)
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())


def test_the_policy_in_the_docstring_is_the_one_tested_here() -> None:
    shown = textwrap.dedent(str(scheduler_module.__doc__).split("one method::\n")[1])
    body = textwrap.dedent(inspect.getsource(OneAtATime.schedule).split("\n", 1)[1])
    assert body.strip() in textwrap.dedent(shown.split("def schedule(self, now):\n")[1])


# --- a request ------------------------------------------------------------------------------------


def test_a_request_needs_a_prompt_and_a_token_to_make() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Request("a", [], 5, 0.0)
    with pytest.raises(ValueError, match="max_tokens is 0"):
        Request("a", [1], 0, 0.0)


def test_the_next_tokens_go_on_from_the_prompt_into_what_was_written() -> None:
    request = make_request("a", prompt=3)
    request.output_token_ids, request.num_tokens = [7, 8], 5
    assert list(request.next_token_ids(5)) == [100, 101, 102, 7, 8]  # computed anew, say
    request.num_computed_tokens = 2
    assert list(request.next_token_ids(2)) == [102, 7]


def test_the_same_id_twice_is_refused_and_changes_nothing() -> None:
    scheduler = ContinuousScheduler(2, EOS)
    first = make_request("a")
    scheduler.add_request(first)
    with pytest.raises(ValueError, match="here already"):
        scheduler.add_request(make_request("a"))
    step(scheduler)
    with pytest.raises(ValueError, match="here already"):
        scheduler.add_request(make_request("a"))
    assert scheduler.running == [first]


def test_statuses_say_whether_they_are_final() -> None:
    finished = {status.name for status in RequestStatus if status.finished}
    assert finished == {"FINISHED_STOPPED", "FINISHED_LENGTH_CAPPED", "FINISHED_ABORTED"}


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="max_num_seqs"):
        StaticScheduler(0, EOS)
    with pytest.raises(ValueError, match="max_num_batched_tokens"):
        ContinuousScheduler(16, EOS, max_num_batched_tokens=15)


def test_times_are_those_of_the_steps() -> None:
    scheduler = ContinuousScheduler(1, EOS)
    request = make_request("a", prompt=2, max_tokens=2, arrival_time=1.0)
    scheduler.add_request(request)
    first = scheduler.schedule(2.0)
    scheduler.update(first, [TOKEN], 3.0)
    second = scheduler.schedule(4.0)
    assert scheduler.update(second, [TOKEN], 5.0) == [request]
    times = (request.first_scheduled_time, request.first_token_time, request.finish_time)
    assert times == (2.0, 3.0, 5.0)


# --- continuous -----------------------------------------------------------------------------------


def test_continuous_reads_prompts_and_writes_answers_in_one_step() -> None:
    scheduler = ContinuousScheduler(4, EOS)
    scheduler.add_request(make_request("a", prompt=3))
    assert step(scheduler).num_tokens == [3]
    scheduler.add_request(make_request("b", prompt=5))
    output = step(scheduler)
    assert (ids(output.requests), output.num_tokens) == (["a", "b"], [1, 5])


def test_continuous_gives_a_freed_slot_to_the_next_in_the_very_next_step() -> None:
    scheduler = ContinuousScheduler(2, EOS)
    for name in "abc":
        scheduler.add_request(make_request(name))
    assert ids(step(scheduler, stop=("a",)).requests) == ["a", "b"]
    output = step(scheduler)
    assert ids(output.requests) == ["b", "c"]
    assert output.freed_slots == [0]
    assert [request.slot for request in output.requests] == [1, 0]


def test_a_prompt_that_does_not_fit_is_read_in_chunks_and_makes_one_token_at_its_end() -> None:
    scheduler = ContinuousScheduler(2, EOS, max_num_batched_tokens=4)
    request = make_request("a", prompt=10)
    scheduler.add_request(request)
    chunks = []
    for _ in range(3):
        output = scheduler.schedule(0.0)
        chunks.append(list(request.next_token_ids(output.num_tokens[0])))
        assert request.output_token_ids == []
        scheduler.update(output, [TOKEN], 0.0)
    assert chunks == [[100, 101, 102, 103], [104, 105, 106, 107], [108, 109]]
    assert request.output_token_ids == [TOKEN]
    assert list(request.next_token_ids(1)) == [TOKEN]


def test_a_long_prompt_does_not_stall_those_who_write() -> None:
    scheduler = ContinuousScheduler(3, EOS, max_num_batched_tokens=8)
    scheduler.add_request(make_request("short", prompt=2, max_tokens=20))
    step(scheduler)
    scheduler.add_request(make_request("long", prompt=100))
    scheduler.add_request(make_request("next", prompt=2))
    for _ in range(13):
        output = step(scheduler)
        assert (ids(output.requests), output.num_tokens) == (["short", "long"], [1, 7])
    # 13 · 7 = 91 tokens are read; the last 9 leave no room for the next in this step either.
    assert step(scheduler).num_tokens == [1, 7]
    assert step(scheduler).num_tokens == [1, 2, 2]


def test_a_lower_budget_is_kept_even_when_more_are_running() -> None:
    scheduler = ContinuousScheduler(4, EOS, max_num_batched_tokens=16)
    for name in "abcd":
        scheduler.add_request(make_request(name, max_tokens=3))
    step(scheduler)
    scheduler.max_num_batched_tokens = 2
    assert ids(step(scheduler).requests) == ["a", "b"]
    assert ids(step(scheduler, stop=("a",)).requests) == ["a", "b"]
    assert ids(step(scheduler).requests) == ["c", "d"]


# --- static ---------------------------------------------------------------------------------------


def test_static_waits_for_a_full_batch_or_for_the_oldest_to_have_waited() -> None:
    scheduler = StaticScheduler(2, EOS, max_wait_s=0.005)
    assert scheduler.schedule(0.0) == SchedulerOutput([], [], [], wait_until=None)
    scheduler.add_request(make_request("a", arrival_time=1.0))
    assert scheduler.schedule(1.001) == SchedulerOutput([], [], [], wait_until=1.005)
    assert ids(scheduler.schedule(1.005).requests) == ["a"]


def test_static_starts_a_full_batch_at_once_and_takes_the_oldest() -> None:
    scheduler = StaticScheduler(2, EOS, max_wait_s=60.0)
    for name in "abc":
        scheduler.add_request(make_request(name))
    output = scheduler.schedule(0.0)
    assert (ids(output.requests), list(scheduler.waiting)) == (["a", "b"], ["c"])


def test_static_wait_of_zero_starts_with_whoever_is_there() -> None:
    scheduler = StaticScheduler(8, EOS, max_wait_s=0.0)
    scheduler.add_request(make_request("a", arrival_time=3.0))
    assert ids(scheduler.schedule(3.0).requests) == ["a"]


def test_static_lets_nobody_join_and_pads_the_row_of_who_has_ended() -> None:
    scheduler = StaticScheduler(2, EOS, max_wait_s=0.0)
    short, long = make_request("short", prompt=4), make_request("long", prompt=6)
    scheduler.add_request(short)
    scheduler.add_request(long)
    assert step(scheduler, stop=("short",)).num_tokens == [4, 6]
    assert short.status is RequestStatus.FINISHED_STOPPED
    scheduler.add_request(make_request("late"))
    for _ in range(4):
        output = scheduler.schedule(0.0)
        assert (ids(output.requests), output.num_tokens) == (["short", "long"], [1, 1])
        # The padding is the last token again, at the same place: nothing moves.
        assert (short.num_computed_tokens, list(short.next_token_ids(1))) == (4, [EOS])
        finished = scheduler.update(output, [TOKEN, TOKEN], 0.0)
    assert ids(finished) == ["long"]
    assert short.output_token_ids == [EOS]
    output = scheduler.schedule(0.0)
    assert (ids(output.requests), sorted(output.freed_slots)) == (["late"], [0, 1])


def test_static_pads_with_one_token_even_who_was_aborted_before_the_prompt_was_read() -> None:
    scheduler = StaticScheduler(2, EOS, max_wait_s=0.0)
    gone = make_request("gone", prompt=9)
    scheduler.add_request(gone)
    scheduler.add_request(make_request("here", prompt=3))
    output = scheduler.schedule(0.0)
    scheduler.abort("gone", 0.0)
    scheduler.update(output, [TOKEN, TOKEN], 0.0)
    assert (gone.output_token_ids, gone.num_computed_tokens) == ([], 0)
    assert scheduler.schedule(0.0).num_tokens == [1, 1]


def test_static_batch_of_which_all_are_aborted_makes_room_at_once() -> None:
    scheduler = StaticScheduler(2, EOS, max_wait_s=0.0)
    for name in "abc":
        scheduler.add_request(make_request(name))
    step(scheduler)
    scheduler.abort("a", 0.0)
    scheduler.abort("b", 0.0)
    assert ids(step(scheduler).requests) == ["c"]


# --- abort ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler_class", [StaticScheduler, ContinuousScheduler, OneAtATime])
def test_abort_works_in_every_state(scheduler_class: type[Scheduler]) -> None:
    scheduler = scheduler_class(1, EOS)
    running, waiting = make_request("running"), make_request("waiting")
    scheduler.add_request(running)
    scheduler.add_request(waiting)
    step(scheduler)
    for request in (waiting, running):
        assert scheduler.abort(request.request_id, 4.0) is request
        assert (request.status, request.finish_time) == (RequestStatus.FINISHED_ABORTED, 4.0)
        assert scheduler.abort(request.request_id, 5.0) is None
        assert request.finish_time == 4.0
    assert scheduler.abort("never seen", 0.0) is None
    assert scheduler.schedule(0.0) == SchedulerOutput([], [], [0])
    assert not scheduler.requests
    assert not scheduler.running


def test_what_a_step_made_for_an_aborted_request_is_left_out() -> None:
    scheduler = ContinuousScheduler(2, EOS)
    gone = make_request("gone")
    scheduler.add_request(gone)
    scheduler.add_request(make_request("here"))
    output = scheduler.schedule(0.0)
    scheduler.abort("gone", 0.0)
    assert scheduler.update(output, [EOS, TOKEN], 1.0) == []
    assert (gone.output_token_ids, gone.status) == ([], RequestStatus.FINISHED_ABORTED)


# --- properties -----------------------------------------------------------------------------------


class Lifecycle(RuleBasedStateMachine):
    """Requests come, run, end and are aborted in any order; a model of the KV cache looks on."""

    scheduler: Scheduler

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.names = iter(range(1_000_000))
        self.added: list[Request] = []
        self.ended: list[Request] = []  # as told by update and abort
        self.queue: list[Request] = []  # in order of arrival, not yet seen in a step
        self.held: dict[int, tuple[Request, int]] = {}  # slot → who has it, tokens cached

    @rule(prompt=st.integers(1, 12), max_tokens=st.integers(1, 6))
    def add(self, prompt: int, max_tokens: int) -> None:
        request = make_request(str(next(self.names)), prompt, max_tokens, self.now)
        self.scheduler.add_request(request)
        self.added.append(request)
        self.queue.append(request)

    @rule(seconds=st.floats(0.0, 0.02))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.added)
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        self.abort_one(data.draw(st.sampled_from(self.added)))

    @rule(max_num_seqs=st.integers(1, 6))
    def change_the_number_of_slots(self, max_num_seqs: int) -> None:
        self.scheduler.max_num_seqs = max_num_seqs

    @rule(seed=st.integers(0, 2**16), aborts=st.booleans())
    def run_a_step(self, seed: int, aborts: bool) -> None:
        before = list(self.scheduler.running)
        output = self.scheduler.schedule(self.now)
        self.check_admission(before)
        self.check_output(output)
        self.check_cache(output)
        dice = random.Random(seed)
        if aborts and output.requests:  # while the model computes
            self.abort_one(dice.choice(output.requests))
        tokens = [dice.choice([EOS, TOKEN, TOKEN, TOKEN]) for _ in output.requests]
        self.now += 0.001
        self.ended += self.scheduler.update(output, tokens, self.now)

    def abort_one(self, request: Request) -> None:
        was_finished = request.status.finished
        result = self.scheduler.abort(request.request_id, self.now)
        assert result is (None if was_finished else request)
        if result is not None:
            self.ended.append(result)
        if request in self.queue:
            self.queue.remove(request)

    def check_admission(self, before: list[Request]) -> None:
        """First come, first admitted; and never into more slots than there are."""
        admitted = [r for r in self.scheduler.running if r not in before]
        assert admitted == self.queue[: len(admitted)]
        self.queue = self.queue[len(admitted) :]
        assert list(self.scheduler.waiting.values()) == self.queue
        assert not admitted or len(self.scheduler.running) <= self.scheduler.max_num_seqs
        assert all(request.first_scheduled_time == self.now for request in admitted)

    def check_output(self, output: SchedulerOutput) -> None:
        """Every entry has work; there is none only if there is nothing to do."""
        for request, count in zip(output.requests, output.num_tokens, strict=True):
            assert request in self.scheduler.running
            known = [*request.prompt_token_ids, *request.output_token_ids]
            start = request.num_computed_tokens
            assert 1 <= count <= len(known) - start
            assert list(request.next_token_ids(count)) == known[start : start + count]
        if not output.requests:
            assert not self.scheduler.running
            if output.wait_until is None:
                assert not self.queue
            else:
                assert self.queue
                assert output.wait_until > self.now

    def check_cache(self, output: SchedulerOutput) -> None:
        """A slot is one request's until it is named as freed, and it is named once."""
        for slot in output.freed_slots:
            request, _ = self.held.pop(slot)  # a slot named twice raises here
            assert request.status.finished
            assert request not in output.requests
        for request, count in zip(output.requests, output.num_tokens, strict=True):
            assert request.slot is not None
            holder, cached = self.held.get(request.slot, (request, 0))
            assert holder is request
            assert request.num_computed_tokens <= cached
            self.held[request.slot] = (request, request.num_computed_tokens + count)

    @invariant()
    def every_request_is_in_one_place(self) -> None:
        unfinished = [r for r in self.added if not r.status.finished]
        assert list(self.scheduler.requests.values()) == unfinished
        assert len({id(r) for r in self.ended}) == len(self.ended)
        assert len(self.ended) + len(unfinished) == len(self.added)
        slots = [r.slot for r in self.scheduler.running]
        assert len(set(slots)) == len(slots)
        assert all(r.status is RequestStatus.RUNNING for r in unfinished if r not in self.queue)

    def teardown(self) -> None:
        """Nobody starves: left alone, every request ends, within as many steps as it has tokens."""
        if not hasattr(self, "scheduler"):
            return
        left = sum(len(r.prompt_token_ids) + r.max_tokens for r in self.scheduler.requests.values())
        for _ in range(left):
            self.now += 0.02  # longer than any wait for a batch
            self.run_a_step(seed=0, aborts=False)
        assert len(self.ended) == len(self.added)
        assert all(r.status.finished for r in self.added)
        for request in self.added:
            assert len(request.output_token_ids) <= request.max_tokens
            assert EOS not in request.output_token_ids[:-1]
        self.check_cache(self.scheduler.schedule(self.now))
        assert not self.held


class ContinuousLifecycle(Lifecycle):
    @initialize(max_num_seqs=st.integers(1, 6), more=st.integers(0, 10))
    def start(self, max_num_seqs: int, more: int) -> None:
        self.budget = max_num_seqs + more
        self.scheduler = ContinuousScheduler(max_num_seqs, EOS, self.budget)

    @rule(budget=st.integers(1, 20))
    def change_the_budget(self, budget: int) -> None:
        assert isinstance(self.scheduler, ContinuousScheduler)
        self.scheduler.max_num_batched_tokens = self.budget = budget

    def check_output(self, output: SchedulerOutput) -> None:
        super().check_output(output)
        assert sum(output.num_tokens) <= self.budget
        assert output.wait_until is None
        # Work-conserving: budget and slots are left over only if nobody waits for them.
        if sum(output.num_tokens) < self.budget and self.queue:
            assert len(self.scheduler.running) >= self.scheduler.max_num_seqs
        unread = [r for r in self.scheduler.running if r.num_computed_tokens + 1 < r.num_tokens]
        read_whole = dict(zip(ids(output.requests), output.num_tokens, strict=True))
        cut = [
            r
            for r in unread
            if read_whole.get(r.request_id, 0) < r.num_tokens - r.num_computed_tokens
        ]
        assert cut in ([], self.scheduler.running[-1:])


class StaticLifecycle(Lifecycle):
    @initialize(max_num_seqs=st.integers(1, 6), max_wait_s=st.sampled_from([0.0, 0.005, 0.01]))
    def start(self, max_num_seqs: int, max_wait_s: float) -> None:
        self.scheduler = StaticScheduler(max_num_seqs, EOS, max_wait_s)
        self.batch: list[Request] = []

    def check_output(self, output: SchedulerOutput) -> None:
        super().check_output(output)
        if self.batch and not all(r.status.finished for r in self.batch):
            assert output.requests == self.batch  # nobody joins, and nobody leaves early
        elif output.requests:
            oldest = output.requests[0]
            full = len(output.requests) == self.scheduler.max_num_seqs
            assert full or self.now >= oldest.arrival_time + self.scheduler.max_wait_s  # type: ignore[attr-defined]
        self.batch = output.requests


class OneAtATimeLifecycle(Lifecycle):
    """The base class keeps its promises under a policy that it has never seen."""

    @initialize()
    def start(self) -> None:
        self.scheduler = OneAtATime(1, EOS)


for machine in (ContinuousLifecycle, StaticLifecycle, OneAtATimeLifecycle):
    machine.TestCase.settings = settings(
        max_examples=150, stateful_step_count=40, deadline=None, derandomize=True
    )
TestContinuousLifecycle = ContinuousLifecycle.TestCase
TestStaticLifecycle = StaticLifecycle.TestCase
TestOneAtATimeLifecycle = OneAtATimeLifecycle.TestCase


# --- cost -----------------------------------------------------------------------------------------


class CountingQueue(OrderedDict[str, Request]):
    """An OrderedDict that counts the items it hands out in a walk."""

    visited = 0

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            self.visited += 1
            yield key

    def keys(self) -> Any:
        return list(self)

    def values(self) -> Any:
        return (self[key] for key in self)

    def items(self) -> Any:
        return ((key, self[key]) for key in self)


def cost_of(action: Callable[[], object], queue: CountingQueue) -> int:
    """Lines of Python executed by `action`, plus items of the queue that it looked at."""
    lines = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return trace

    visited = queue.visited
    old = sys.gettrace()
    gc.disable()  # the finalisers of what other tests left behind would be counted too
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(old)
        gc.enable()
    return lines + queue.visited - visited


def costs(make: Callable[[], Scheduler], num_waiting: int) -> dict[str, int]:
    """What each call costs with `num_waiting` requests in the queue."""
    scheduler = make()
    queue = CountingQueue()
    scheduler.waiting = queue
    for index in range(num_waiting):
        scheduler.add_request(make_request(str(index)))
    output = scheduler.schedule(1.0)
    finish = [EOS] + [TOKEN] * (len(output.requests) - 1)
    middle = str(num_waiting - 3)
    return {
        "update": cost_of(lambda: scheduler.update(output, finish, 1.0), queue),
        "schedule": cost_of(lambda: scheduler.schedule(1.0), queue),
        "abort waiting": cost_of(lambda: scheduler.abort(middle, 1.0), queue),
        "abort running": cost_of(lambda: scheduler.abort("1", 1.0), queue),
        "add": cost_of(lambda: scheduler.add_request(make_request("new")), queue),
    }


@pytest.mark.parametrize("scheduler_class", [ContinuousScheduler, StaticScheduler])
def test_a_step_costs_the_same_with_10_and_with_100_000_waiting(
    scheduler_class: type[Scheduler],
) -> None:
    def make() -> Scheduler:
        return scheduler_class(4, EOS)

    assert costs(make, 100_000) == costs(make, 10)


def test_the_cost_test_notices_a_walk_over_the_queue() -> None:
    class ShortestFirst(ContinuousScheduler):
        def schedule(self, now: float) -> SchedulerOutput:
            if self.waiting:
                shortest = min(self.waiting.values(), key=lambda r: len(r.prompt_token_ids))
                self.waiting.move_to_end(shortest.request_id, last=False)
            return super().schedule(now)

    def make() -> Scheduler:
        return ShortestFirst(4, EOS)

    assert costs(make, 1000)["schedule"] > costs(make, 10)["schedule"] + 900
