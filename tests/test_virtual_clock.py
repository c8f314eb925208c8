"""Tiny cases by hand: a step costs 1 second, and nothing for rows or tokens unless said."""

from collections.abc import Iterator

import pytest

from miniserve.scheduler import (
    ContinuousScheduler,
    Request,
    Scheduler,
    SchedulerOutput,
    StaticScheduler,
)
from miniserve.stepcost import StepCost
from miniserve.trace import StepRecord
from miniserve.virtual_clock import run

SECOND = StepCost(a=1.0, b=0.0, c=0.0)
EOS = 0


def request(name: str, at: float, output: int, prompt: int = 3) -> Request:
    return Request(name, range(prompt), output, at)


def finish_times(
    scheduler: Scheduler, requests: list[Request], cost: StepCost = SECOND
) -> dict[str, float | None]:
    finished: list[Request] = []
    run(scheduler, requests, cost, on_finish=finished.append)
    return {r.request_id: r.finish_time for r in finished}


def test_continuous_lets_the_short_one_leave_and_the_next_one_join() -> None:
    requests = [request("long", 0, 4), request("short", 0, 1), request("next", 0.5, 2)]
    # Steps end at 1, 2, 3, 4: "next" takes the slot of "short" in the step that starts at 1.
    expected = {"short": 1.0, "next": 3.0, "long": 4.0}
    assert finish_times(ContinuousScheduler(2, EOS), requests) == expected


def test_static_makes_the_next_one_wait_for_the_longest() -> None:
    requests = [request("long", 0, 4), request("short", 0, 1), request("next", 0.5, 2)]
    # The batch of two runs from 0 to 4; "next" then waits no longer, and runs from 4 to 6.
    expected = {"short": 1.0, "long": 4.0, "next": 6.0}
    assert finish_times(StaticScheduler(2, EOS, max_wait_s=0.25), requests) == expected


def test_static_waits_until_the_oldest_has_waited_long_enough() -> None:
    times = finish_times(StaticScheduler(4, EOS, max_wait_s=0.25), [request("alone", 2.0, 1)])
    assert times == {"alone": 3.25}


def test_rows_and_tokens_cost_what_the_model_says() -> None:
    cost = StepCost(a=1.0, b=0.5, c=0.25)
    # Two prompts of 3 tokens: 1 + 2·0.5 + 6·0.25 = 3.5; then one row with one token: 1.75.
    times = finish_times(
        ContinuousScheduler(2, EOS), [request("one", 0, 1), request("two", 0, 2)], cost
    )
    assert times == {"one": 3.5, "two": 5.25}


def test_totals_and_records_agree() -> None:
    records: list[StepRecord] = []
    requests = [request("long", 0, 4), request("short", 0, 1)]
    totals = run(StaticScheduler(2, EOS, 0.0), requests, SECOND, on_step=records.append)
    assert totals.steps == len(records) == 4
    assert totals.busy_s == totals.now == 4.0
    assert totals.rows == sum(r.batch for r in records) == 8
    assert totals.num_tokens == sum(r.num_tokens for r in records)
    assert [r.num_wasted for r in records] == [0, 1, 1, 1]
    assert [r.start for r in records] == [0.0, 1.0, 2.0, 3.0]
    assert [r.num_running for r in records] == [2, 1, 1, 1]


def test_more_than_the_bound_is_shed() -> None:
    shed: list[Request] = []
    finished: list[Request] = []
    requests = [request(str(i), 0.0, 1) for i in range(5)]
    run(
        ContinuousScheduler(1, EOS),
        requests,
        SECOND,
        max_in_flight=3,
        on_finish=finished.append,
        on_shed=shed.append,
    )
    assert [r.request_id for r in finished] == ["0", "1", "2"]
    assert [r.request_id for r in shed] == ["3", "4"]


def test_arrivals_are_taken_as_the_clock_reaches_them() -> None:
    taken: list[int] = []
    ahead: list[int] = []

    def lazily() -> Iterator[Request]:
        for i in range(100):
            taken.append(i)
            yield request(str(i), 10.0 * i, 1)

    run(
        ContinuousScheduler(1, EOS),
        lazily(),
        SECOND,
        on_finish=lambda r: ahead.append(len(taken) - int(r.request_id)),
    )
    assert max(ahead) <= 2


def test_a_scheduler_that_never_runs_anything_is_told() -> None:
    class Lazy(Scheduler):
        def schedule(self, now: float) -> SchedulerOutput:
            return SchedulerOutput([], [], [])

    with pytest.raises(RuntimeError, match="computes nothing"):
        run(Lazy(1, EOS), [request("forgotten", 0, 1)], SECOND)


def test_a_scheduler_that_asks_for_ever_to_be_asked_again_is_told() -> None:
    class Later(Scheduler):
        def schedule(self, now: float) -> SchedulerOutput:
            return SchedulerOutput([], [], [], wait_until=now)

    with pytest.raises(RuntimeError, match="computes nothing"):
        run(Later(1, EOS), [request("forgotten", 0, 1)], SECOND)


def test_a_batch_may_take_long_to_fill() -> None:
    requests = [request(str(i), 0.001 * i, 1) for i in range(3000)]
    times = finish_times(StaticScheduler(3000, EOS, max_wait_s=60.0), requests)
    assert set(times.values()) == {2999 * 0.001 + 1.0}


def test_a_scheduler_that_asks_once_too_early_is_asked_a_moment_later() -> None:
    class Hesitant(ContinuousScheduler):
        asked = False

        def schedule(self, now: float) -> SchedulerOutput:
            if not self.asked and self.waiting:
                self.asked = True
                return SchedulerOutput([], [], [], wait_until=now)
            return super().schedule(now)

    assert run(Hesitant(1, EOS), [request("a", 0, 1)], SECOND).now == pytest.approx(1.0001)


def test_nothing_to_do() -> None:
    assert run(ContinuousScheduler(1, EOS), [], SECOND).steps == 0
