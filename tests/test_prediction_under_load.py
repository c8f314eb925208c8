"""Costs are fitted to what a server noted, and give other runs of it back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from miniserve import virtual_clock
from miniserve.latency import LatencyRecord, latencies
from miniserve.loadtest import LoadResult
from miniserve.queueing import Lengths
from miniserve.scheduler import Request
from miniserve.settings import Mode
from miniserve.simulator import Policy, poisson_requests
from miniserve.simulator.calibration import (
    Blocks,
    Generation,
    GenerationCost,
    Recording,
    Run,
    SteppedCost,
    seconds_outside,
)
from miniserve.simulator.prediction import Prediction
from miniserve.simulator.under_load import latencies_under_load, one_by_one, step_by_step
from miniserve.stepcost import Cost, StepCost
from miniserve.trace import StepEntry, StepRecord

COST = StepCost(a=0.0005, b=0.00005, c=0.00004)
LENGTHS = Lengths({(p, n): 1 for p in (9, 14, 25) for n in range(15, 57)})
ORIGIN = 1000.0  # of the client's clock, on the server's


# ---- drawing -----------------------------------------------------------------------------------


def test_neighbours_are_drawn_together() -> None:
    values = [float(i) for i in range(100)]
    blocks = Blocks(values, seed=3, length=7)
    drawn = [blocks.draw() for _ in range(7 * 200)]
    starts = drawn[::7]
    for number, start in enumerate(starts):
        block = drawn[7 * number : 7 * number + 7]
        assert block == [(start + i) % 100 for i in range(7)]
    assert len(set(starts)) > 50
    again, other = Blocks(values, 3, 7), Blocks(values, 4, 7)
    assert [again.draw() for _ in range(50)] == drawn[:50]
    assert [other.draw() for _ in range(50)] != drawn[:50]


def test_from_nothing_nothing_is_drawn() -> None:
    with pytest.raises(ValueError, match="nothing to draw from"):
        Blocks([], 0, 1)


# ---- what work costs ---------------------------------------------------------------------------


def stepped(durations: Sequence[float], pause: float = 0.0) -> Run:
    """Steps of changing shape, one after the other, that take COST times `durations`."""
    steps, now = [], 0.0
    for number, factor in enumerate(durations):
        batch, prompt = 1 + number % 5, 7 * (number % 3)
        rows = [StepEntry(str(i), i, "decode", 1) for i in range(batch)]
        rows += [StepEntry("new", 9, "prefill", prompt)] if prompt else []
        took = factor * COST.seconds(len(rows), batch + prompt)
        steps.append(StepRecord(number, now, took, tuple(rows), len(rows), 0))
        now += took + pause
    return Run(LoadResult([], {"warmup_s": 0.0}, ORIGIN), Recording([], steps))


def test_steps_by_the_book_cost_what_they_cost() -> None:
    cost = SteppedCost.of([stepped([1.0] * 60), stepped([1.0] * 60)], seed=0)
    for batch, tokens in [(1, 1), (3, 17), (16, 90)]:
        assert cost.seconds(batch, tokens) == pytest.approx(COST.seconds(batch, tokens))


def test_what_held_steps_up_is_drawn_again() -> None:
    held_up = [3.0 if number % 7 == 0 else 1.0 for number in range(700)]
    pause = 0.0002
    run = stepped(held_up, pause)
    cost = SteppedCost.of([run], seed=0)
    steps = run.server.steps
    drawn = [cost.seconds(step.batch, step.num_tokens) for step in steps * 20]
    took = steps[-1].start + steps[-1].duration - steps[0].start
    assert sum(drawn) / 20 == pytest.approx(took, rel=0.03)
    one = [cost.seconds(1, 1) / COST.seconds(1, 1) for _ in range(2000)]
    assert np.mean(np.array(one) > 2.5) == pytest.approx(1 / 7, abs=0.03)


def test_a_pause_before_new_requests_is_nobodys_time() -> None:
    """The engine sleeps; then a step only begins with a request, and others follow at once."""
    run = stepped([1.0] * 60)
    began, took = 9.0, COST.seconds(1, 8)
    begins = StepRecord(60, began, took, (StepEntry("new", 0, "prefill", 8),), 1, 0)
    later = [
        step._replace(step=step.step + 61, start=step.start + began + took)
        for step in run.server.steps
    ]
    both = Run(run.client, Recording([], [*run.server.steps, begins, *later]))
    assert SteppedCost.of([both], 0).seconds(4, 9) == pytest.approx(COST.seconds(4, 9))


def test_no_step_is_cheaper_than_any_that_was_seen() -> None:
    cost = SteppedCost(StepCost(-0.01, 0.001, 0.0), 0.002, Blocks([1.5], 0, 1))
    assert cost.seconds(1, 1) == pytest.approx(0.003)
    assert cost.seconds(20, 20) == pytest.approx(0.015)


def generated(
    pairs: Sequence[tuple[int, int]], sent: Sequence[float], starts: Sequence[float]
) -> Run:
    """Generations of 1 ms a token written and 0.1 ms a token read, each answered 2 ms later."""
    made, records = [], []
    for number, ((prompt, output), at, start) in enumerate(zip(pairs, sent, starts, strict=True)):
        took, name = 0.001 * output + 0.0001 * (prompt - 1), str(number)
        made.append(Generation(name, ORIGIN + at, prompt, output, start - at, 0.0, took))
        records.append(LatencyRecord(at, at, None, start + took + 0.002, 200, None, name))
    return Run(LoadResult(records, {"warmup_s": 0.0}, ORIGIN), Recording(made, []))


def test_generations_by_the_book_cost_what_they_cost() -> None:
    pairs = [(10, 20), (20, 15), (12, 50), (40, 30)]
    moments = [float(i) for i in range(4)]
    cost = GenerationCost.of([generated(pairs, moments, moments)], seed=0)
    assert cost.seconds(11, 33) == pytest.approx(0.033 + 0.0010)


def test_who_waited_waited_for_the_pause_too() -> None:
    pairs = [(11, 20), (11, 20), (11, 20)]  # 21 ms each; the second comes during the first
    cost = GenerationCost.of([generated(pairs, [0.0, 0.01, 1.0], [0.0, 0.031, 1.0])], seed=0)
    drawn = {round(cost.seconds(11, 20), 6) for _ in range(100)}
    assert drawn == {0.031, 0.021}


def test_prompts_too_much_alike_cost_nothing() -> None:
    run = generated([(10, 20), (11, 19)], [0.0, 1.0], [0.0, 1.0])
    slow = [
        one._replace(decode_s=took)
        for one, took in zip(run.server.generations, (0.02, 0.018), strict=True)
    ]
    cost = GenerationCost.of([Run(run.client, Recording(slow, []))], seed=0)
    assert cost.read == 0.0
    assert cost.written == pytest.approx(0.038 / 39)
    with pytest.raises(ValueError, match="needs generations"):
        GenerationCost.of([Run(run.client, Recording([], []))], seed=0)


def test_time_outside_is_what_the_generation_does_not_explain() -> None:
    run = generated([(10, 20)] * 3, [0.0, 0.01, 1.0], [0.0, 0.031, 1.0])
    assert seconds_outside([run], alone=False) == pytest.approx([0.002] * 3)
    assert seconds_outside([run], alone=True) == pytest.approx([0.002] * 2)  # not of the second


# ---- a server that works requests off ----------------------------------------------------------


def test_one_by_one_each_leaves_when_it_is_done() -> None:
    arrivals, services = [0.0, 1.0, 2.0, 10.0], [3.0, 1.0, 2.0, 1.0]
    assert one_by_one(arrivals, services, together=False) == [3.0, 4.0, 6.0, 11.0]


def test_on_the_event_loop_a_group_leaves_together() -> None:
    arrivals = [0.0, 1.0, 2.0, 3.5, 4.0, 20.0]
    services = [3.0, 1.0, 2.0, 1.0, 1.0, 1.0]
    left = one_by_one(arrivals, services, together=True)
    # The first is alone; two came meanwhile, and while these ran, two more.
    assert left == [3.0, 6.0, 6.0, 8.0, 8.0, 21.0]
    assert one_by_one([], [], together=True) == []


def test_one_by_one_is_what_one_slot_does() -> None:
    policy = Policy(Mode.ASYNC)
    rate = 0.9 * policy.capacity(LENGTHS, COST)
    asked = list(poisson_requests(rate, LENGTHS, 500, seed=1))
    arrivals = [request.arrival_time for request in asked]
    pairs = [(len(request.prompt_token_ids), request.max_tokens) for request in asked]
    services = [
        COST.seconds(1, prompt) + (output - 1) * COST.seconds(1, 1) for prompt, output in pairs
    ]
    done = step_by_step(arrivals, pairs, COST, policy)
    assert one_by_one(arrivals, services, together=False) == pytest.approx(done)


# ---- a whole run -------------------------------------------------------------------------------


def run_of(policy: Policy, cost: Cost, share: float, seed: int, outside_s: float = 0.004) -> Run:
    """A run as a live server of these costs would leave it, on the virtual clock."""
    rate = share * policy.capacity(LENGTHS, COST)
    asked = list(poisson_requests(rate, LENGTHS, 400, seed))
    steps: list[StepRecord] = []
    done: list[Request] = []
    virtual_clock.run(policy.scheduler(), asked, cost, on_finish=done.append, on_step=steps.append)
    left = [request.finish_time for request in asked]
    if policy.mode is Mode.SYNC:
        began = [request.first_scheduled_time for request in asked]
        left = together(asked, began, left)
    made, records = [], []
    for request, gone in zip(asked, left, strict=True):
        assert request.first_scheduled_time is not None
        assert request.finish_time is not None
        assert gone is not None
        start, sent = request.first_scheduled_time, request.arrival_time
        # A blocked event loop has not heard of a request before it begins with it.
        arrival = start if policy.mode is Mode.SYNC else sent
        made.append(
            Generation(
                request.request_id,
                ORIGIN + arrival,
                len(request.prompt_token_ids),
                request.max_tokens,
                start - arrival,
                0.0,
                request.finish_time - start,
            )
        )
        intended, answered = sent - 0.001, gone + outside_s
        records.append(LatencyRecord(intended, sent, None, answered, 200, None, request.request_id))
    kept = steps if policy.mode in (Mode.STATIC, Mode.CONTINUOUS) else []
    moved = [step._replace(start=ORIGIN + step.start) for step in kept]
    return Run(LoadResult(records, {"warmup_s": 0.0}, ORIGIN), Recording(made, moved))


def together(
    asked: Sequence[Request], began: Sequence[float | None], left: Sequence[float | None]
) -> list[float | None]:
    """Let those that came before their group began leave with the last of them."""
    gone = list(left)
    first = 0
    while first < len(asked):
        start = began[first]
        assert start is not None
        end = first + 1
        while end < len(asked) and asked[end].arrival_time <= start:
            end += 1
        gone[first:end] = [left[end - 1]] * (end - first)
        first = end
    return gone


@pytest.mark.parametrize("mode", list(Mode))
def test_a_run_is_predicted_from_another_one(mode: Mode) -> None:
    policy = Policy(mode, 4)
    known, live = run_of(policy, COST, 0.65, seed=1), run_of(policy, COST, 0.8, seed=2)
    predicted = latencies_under_load([known], live, policy, seed=0)
    assert predicted == pytest.approx(latencies(live.client.records).tolist())


@pytest.mark.parametrize("mode", [Mode.STATIC, Mode.CONTINUOUS])
def test_an_uneven_run_is_predicted_in_its_percentiles(mode: Mode) -> None:
    class Uneven:
        """Now and then a core is taken away for some steps."""

        def __init__(self, seed: int) -> None:
            rng = np.random.default_rng(seed)
            self.factors = itertools.chain.from_iterable(
                itertools.repeat(2.5 if rng.random() < 0.15 else 1.0, 8) for _ in range(10**6)
            )

        def seconds(self, batch: int, num_tokens: int) -> float:
            return COST.seconds(batch, num_tokens) * next(self.factors)

    policy = Policy(mode, 4)
    known = run_of(policy, Uneven(1), 0.4, seed=1)
    live = run_of(policy, Uneven(2), 0.55, seed=2)
    drawn = [x for seed in range(5) for x in latencies_under_load([known], live, policy, 2 * seed)]
    said = Prediction.of(policy, latencies(live.client.records), drawn)
    assert said.requests == 400
    assert abs(said.error_p50) < 0.1
    assert abs(said.error_p95) < 0.15
    even = latencies_under_load([run_of(policy, COST, 0.4, seed=1)], live, policy, 0)
    assert Prediction.of(policy, latencies(live.client.records), even).error_p95 < -0.15


def test_an_answer_that_could_not_be_read_has_cost_as_much() -> None:
    policy = Policy(Mode.ASYNC)
    known, live = run_of(policy, COST, 0.65, seed=1), run_of(policy, COST, 0.8, seed=2)
    every = latencies_under_load([known], live, policy, seed=0)
    records = live.client.records
    for i in range(0, len(records), 2):
        one = records[i]
        records[i] = LatencyRecord(
            one.intended, one.sent, None, one.done, 422, None, one.request_id
        )
    assert latencies_under_load([known], live, policy, seed=0) == pytest.approx(every[1::2])
