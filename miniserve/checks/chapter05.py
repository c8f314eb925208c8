"""Checks of chapter 05: L, λ and W by hand, two capacities, and a queue that keeps its promise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from miniserve.capacity import Slo, overloaded, own_time, queue_bound, retry_after
from miniserve.checks.cases import Case, Report, Unfit, check_cases, is_real, is_whole, shown
from miniserve.queueing import Lengths, littles_law
from miniserve.settings import Mode
from miniserve.simulator import Policy
from miniserve.stepcost import StepCost

Interval = tuple[float, float]
Measure = Callable[[list[Interval], float, float], tuple[float, float, float]]
Capacities = Callable[[list[int], int, float], tuple[float, float]]
SizeQueue = Callable[[int, float, float, float], tuple[int, int]]

_COST = StepCost(a=0.004, b=0.0002, c=0.0001)
#: A large model: what its slots hold alone takes seconds, which Retry-After must not forget.
_SLOW = StepCost(a=0.08, b=0.004, c=0.002)


def check_measure(measure: Measure) -> Report:
    """L, λ and W of a window, from intervals that may stick out of it at both ends."""

    def case(name: str, intervals: list[Interval], start: float, end: float) -> Case:
        little = littles_law(intervals, start, end)
        expected = (little.L, little.rate, little.W)
        return Case(
            f"{name} ({intervals}, window {start:g} to {end:g})",
            lambda learner: learner(list(intervals), start, end),
            lambda got: _close(got, expected),
            "L, rate, W = ({:.4g}, {:.4g}, {:.4g})".format(*expected),
        )

    return check_cases(
        "L, λ and W",
        measure,
        [
            case("one request", [(1.0, 3.0)], 0.0, 4.0),
            case("three at once", [(0.0, 2.0), (0.5, 2.5), (1.0, 1.5)], 0.0, 5.0),
            case("one that came before the window", [(-2.0, 1.0), (2.0, 3.0)], 0.0, 4.0),
            case("one that leaves after the window", [(1.0, 2.0), (3.0, 9.0)], 0.0, 4.0),
            case("one that has nothing to do with it", [(1.0, 2.0), (7.0, 8.0)], 0.0, 4.0),
            case("one that comes just as the window ends", [(1.0, 2.0), (4.0, 5.0)], 0.0, 4.0),
            case("longer than the window", [(-5.0, 50.0), (1.0, 2.0)], 0.0, 10.0),
        ],
    )


def check_capacities(capacities: Capacities) -> Report:
    """Static and continuous capacity from a list of answer lengths."""

    def case(name: str, outputs: list[int], batch: int, step_s: float) -> Case:
        lengths = Lengths.of((1, n) for n in outputs)
        static = batch / (lengths.expected_max(batch) * step_s)
        continuous = batch / (lengths.mean_output * step_s)
        return Case(
            f"{name} ({outputs}, batch {batch}, {step_s:g} s a step)",
            lambda learner: learner(list(outputs), batch, step_s),
            lambda got: _close(got, (static, continuous)),
            f"static {static:.4g}/s, continuous {continuous:.4g}/s",
        )

    varied = [18, 25, 25, 31, 31, 40, 56, 70]
    return check_cases(
        "two capacities",
        capacities,
        [
            case("answers of one length", [20] * 5, 8, 0.01),
            case("two lengths, in no order", [30, 10], 2, 0.01),
            case("no batch at all", varied, 1, 0.004),
            case("varied answers", varied, 4, 0.004),
            case("varied answers", varied, 16, 0.002),
        ],
    )


@dataclass(frozen=True)
class QueueOutcome:
    """What a queue bound led to, in an overloaded server on the virtual clock."""

    max_waiting: int
    retry_after_s: int
    p95_ms: float
    refused: float

    def __repr__(self) -> str:
        return (
            f"max_waiting={self.max_waiting}, retry_after_s={self.retry_after_s}: "
            f"p95 {self.p95_ms:.0f} ms, {self.refused:.0%} refused"
        )


def check_size_queue(size_queue: SizeQueue) -> Report:
    """Queue bound and Retry-After, tried out with 1.5 times the load that can be served."""
    lengths = Lengths.uniform(13, 15, 56)
    return check_cases(
        "a queue that keeps its promise",
        size_queue,
        [
            _queue_case(lengths, slots=4, slo_s=0.6),
            _queue_case(lengths, slots=4, slo_s=2.0),
            _queue_case(lengths, slots=16, slo_s=1.0),
            _queue_case(lengths, slots=8, slo_s=40.0),
            _queue_case(lengths, slots=16, slo_s=0.1),
            _queue_case(lengths, slots=16, slo_s=20.0, cost=_SLOW),
        ],
    )


def _queue_case(lengths: Lengths, slots: int, slo_s: float, cost: StepCost = _COST) -> Case:
    policy = Policy(Mode.CONTINUOUS, slots)
    capacity = policy.capacity(lengths, cost)
    own_s = own_time(policy, lengths, cost, 0.95)
    right = queue_bound(policy, lengths, cost, Slo(slo_s))
    seconds = retry_after(replace(policy, max_waiting=right), lengths, cost)

    def run(learner: SizeQueue) -> Any:
        answer: Any = learner(slots, capacity, own_s, slo_s)
        if answer is ...:
            return ...
        if not _is_pair_of_whole_numbers(answer) or answer[0] < 0:
            raise Unfit(f"got {shown(answer)}, not two whole numbers from 0 on")
        return tuple(map(int, answer))

    def try_out(answer: tuple[int, int]) -> QueueOutcome:
        bound, retry_after_s = answer
        # More than is right by far would only take long to try out.
        tried = replace(policy, max_waiting=min(bound, 2 * right + 50))
        result = overloaded(tried, lengths, cost, n=min(6000, 1500 + 20 * right))
        p95_ms = result.samples.quantile(0.95) * 1e3
        return QueueOutcome(bound, retry_after_s, p95_ms, result.shed_share)

    def accepts(got: QueueOutcome) -> bool:
        # One off is a matter of rounding. What the run showed is for the learner to read.
        return (
            abs(got.max_waiting - right) <= max(1, right // 50)
            and abs(got.retry_after_s - seconds) <= (seconds > 1)
            and got.retry_after_s >= 1
        )

    described = f"about {right} waiting and Retry-After {seconds}"
    if right:
        described += f", which keeps the p95 near {slo_s * 1e3:g} ms"
    name = f"{slots} slots, {capacity:.1f} requests/s, own time {own_s:.3f} s, SLO {slo_s:g} s"
    return Case(name, run, accepts, described, then=try_out)


def _is_pair_of_whole_numbers(answer: Any) -> bool:
    return isinstance(answer, tuple | list) and len(answer) == 2 and all(map(is_whole, answer))


def _close(got: Any, expected: Sequence[float]) -> bool:
    return (
        isinstance(got, tuple | list)
        and len(got) == len(expected)
        and all(map(is_real, got))
        and all(math.isclose(g, e, rel_tol=1e-6) for g, e in zip(got, expected, strict=True))
    )
