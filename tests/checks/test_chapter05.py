import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from miniserve.capacity import overloaded
from miniserve.checks import Verdict, cases, chapter05

Interval = tuple[float, float]


def stub(*_: Any) -> Any:
    raise NotImplementedError


def ellipsis(*_: Any) -> Any:
    return ...


def right_measure(intervals: list[Interval], start: float, end: float) -> tuple[float, ...]:
    window = end - start
    area = sum(max(0.0, min(d, end) - max(a, start)) for a, d in intervals)
    inside = [(a, d) for a, d in intervals if start <= a < end]
    return area / window, len(inside) / window, sum(d - a for a, d in inside) / len(inside)


def counts_everybody(intervals: list[Interval], start: float, end: float) -> tuple[float, ...]:
    window = end - start
    total = sum(d - a for a, d in intervals)
    return total / window, len(intervals) / window, total / len(intervals)


def cuts_the_stays(intervals: list[Interval], start: float, end: float) -> tuple[float, ...]:
    clipped = [(max(a, start), min(d, end)) for a, d in intervals if a < end and d > start]
    return counts_everybody(clipped, start, end)


def infers_the_number(intervals: list[Interval], start: float, end: float) -> tuple[float, ...]:
    _, rate, stay = right_measure(intervals, start, end)
    return rate * stay, rate, stay


@pytest.mark.parametrize("untouched", [stub, ellipsis, None, ...])
@pytest.mark.parametrize(
    "check", [chapter05.check_measure, chapter05.check_capacities, chapter05.check_size_queue]
)
def test_untouched(check: Callable[[Any], Any], untouched: Any) -> None:
    assert check(untouched).verdict is Verdict.NOT_STARTED


def test_measure_right() -> None:
    report = chapter05.check_measure(right_measure)  # type: ignore[arg-type]
    assert report.passed, report
    small: Any = lambda *args: tuple(map(np.float32, right_measure(*args)))  # noqa: E731
    report = chapter05.check_measure(small)
    assert report.passed, report


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (counts_everybody, "one that came before"),
        (cuts_the_stays, "one that came before"),
        (infers_the_number, "one that came before"),
        (lambda *_: 3.0, "one request"),
        (lambda *_: (0.5, 0.25), "one request"),
    ],
)
def test_measure_wrong(wrong: Any, where: str) -> None:
    report = chapter05.check_measure(wrong)
    assert report.verdict is Verdict.WRONG
    assert where in report.detail


def right_capacities(outputs: list[int], batch: int, step_s: float) -> tuple[float, float]:
    n = len(outputs)
    longest = sum(
        length * (((i + 1) / n) ** batch - (i / n) ** batch)
        for i, length in enumerate(sorted(outputs))
    )
    return batch / (longest * step_s), batch / (sum(outputs) / n * step_s)


def longest_of_all(outputs: list[int], batch: int, step_s: float) -> tuple[float, float]:
    mean = sum(outputs) / len(outputs)
    return batch / (max(outputs) * step_s), batch / (mean * step_s)


def unsorted(outputs: list[int], batch: int, step_s: float) -> tuple[float, float]:
    n = len(outputs)
    longest = sum(
        length * (((i + 1) / n) ** batch - (i / n) ** batch) for i, length in enumerate(outputs)
    )
    return batch / (longest * step_s), batch / (sum(outputs) / n * step_s)


def test_capacities_right() -> None:
    assert chapter05.check_capacities(right_capacities).passed


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (longest_of_all, "two lengths"),
        (unsorted, "two lengths"),
        (lambda outputs, batch, step_s: right_capacities(outputs, 1, step_s), "one length"),
        (lambda *args: right_capacities(*args)[::-1], "two lengths"),
        (lambda *_: 7, "one length"),
    ],
)
def test_capacities_wrong(wrong: Any, where: str) -> None:
    report = chapter05.check_capacities(wrong)
    assert report.verdict is Verdict.WRONG
    assert where in report.detail


def right_queue(slots: int, capacity: float, own_s: float, slo_s: float) -> tuple[int, int]:
    bound = max(0, math.floor(capacity * (slo_s - own_s)))
    return bound, max(1, math.ceil((slots + bound) / capacity))


def test_queue_right() -> None:
    report = chapter05.check_size_queue(right_queue)
    assert report.passed, report


def test_queue_in_numpys_whole_numbers() -> None:
    report = chapter05.check_size_queue(lambda *args: tuple(map(np.int64, right_queue(*args))))
    assert report.passed, report
    as_bool = chapter05.check_size_queue(lambda *_: (6, True))
    assert "got (6, True), not two whole numbers" in as_bool.detail


def test_queue_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial may take as long as it likes: only the learner's own function has a limit."""
    monkeypatch.setattr(cases, "TIME_LIMIT_S", 0.5)
    pauses = [0.7]

    def slowly(*args: Any, **more: Any) -> Any:
        while pauses:
            time.sleep(pauses.pop())
        return overloaded(*args, **more)

    monkeypatch.setattr("miniserve.checks.chapter05.overloaded", slowly)
    report = chapter05.check_size_queue(right_queue)
    assert report.passed, report
    assert not pauses


@pytest.mark.parametrize(
    ("wrong", "seen"),
    [
        (lambda b, mu, own, slo: (int(mu * slo), 1), "p95"),  # forgets the request itself
        (lambda b, mu, own, slo: (10_000, 1), "max_waiting=10000"),  # long enough for everybody
        (lambda b, mu, own, slo: (0, 1), "max_waiting=0"),  # refuses for no reason
        (lambda b, mu, own, slo: (right_queue(b, mu, own, slo)[0], 60), "retry_after_s=60"),
        (lambda b, mu, own, slo: (right_queue(b, mu, own, slo)[0], 0), "retry_after_s=0"),
        (lambda b, mu, own, slo: (math.floor(mu * (slo - own)), 1), "got"),  # below zero
        (lambda b, mu, own, slo: 12, "got 12"),
        (lambda b, mu, own, slo: (12.0, 1.0), "got (12.0, 1.0)"),
    ],
)
def test_queue_wrong(wrong: Any, seen: str) -> None:
    report = chapter05.check_size_queue(wrong)
    assert report.verdict is Verdict.WRONG
    assert seen in report.detail, report
