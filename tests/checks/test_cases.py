import time
from typing import Any

import pytest

from miniserve.checks import Case, Verdict, cases, check_cases

DOUBLE = [
    Case("two", lambda f: f(2), 4),
    Case("three", lambda f: f(3), lambda got: got > 5, "more than 5"),
]


def untouched(x: int) -> Any:
    raise NotImplementedError


def gives_ellipsis(x: int) -> Any:
    return ...


async def double_later(x: int) -> int:
    return 2 * x


@pytest.mark.parametrize("stub", [untouched, gives_ellipsis, None, ...])
def test_untouched_stub_is_not_started(stub: Any) -> None:
    report = check_cases("doubling", stub, DOUBLE)
    assert report.verdict is Verdict.NOT_STARTED
    assert not report.passed
    assert "not started yet" in repr(report)


@pytest.mark.parametrize("right", [lambda x: 2 * x, double_later])
def test_right_answer_passes(right: Any) -> None:
    report = check_cases("doubling", right, DOUBLE)
    assert report.passed
    assert "2 of 2 cases" in repr(report)


def test_wrong_answer_says_which_case_and_what_came() -> None:
    report = check_cases("doubling", lambda x: 4, DOUBLE)
    assert report.verdict is Verdict.WRONG
    assert "case 2 of 2, three" in report.detail
    assert "expected more than 5, got 4" in report.detail


def test_an_error_is_told_not_raised() -> None:
    report = check_cases("doubling", lambda x: 1 // 0, DOUBLE)
    assert report.verdict is Verdict.WRONG
    assert "ZeroDivisionError" in report.detail


def test_a_timeout_of_the_learners_own_is_told_as_such() -> None:
    def impatient(x: int) -> None:
        raise TimeoutError

    report = check_cases("doubling", impatient, DOUBLE)
    assert "it raised TimeoutError" in report.detail


def test_a_long_answer_is_shown_in_part() -> None:
    report = check_cases("doubling", lambda x: "no" * 1000, DOUBLE)
    assert report.verdict is Verdict.WRONG
    assert "expected 4, got 'nono" in report.detail
    assert len(report.detail) < 300


class Silent:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise ArithmeticError("no words")


class Sticky:
    """An object that never says whether it is equal."""

    def __eq__(self, other: object) -> bool:
        while True:
            time.sleep(0.001)

    __hash__ = None  # type: ignore[assignment]


def test_an_answer_that_misbehaves_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "TIME_LIMIT_S", 0.2)
    assert "no words" in check_cases("doubling", lambda x: Silent(), DOUBLE).detail
    assert "no end after" in check_cases("doubling", lambda x: Sticky(), DOUBLE).detail


def test_an_endless_loop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "TIME_LIMIT_S", 0.2)
    running = []

    def endless(x: int) -> None:
        while True:
            running.append(x)
            time.sleep(0.001)

    report = check_cases("doubling", endless, DOUBLE)
    assert "no end after" in report.detail
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        seen = len(running)
        time.sleep(0.05)
        if len(running) == seen:
            return
    pytest.fail("the learner's loop still runs")


def test_an_answer_that_is_missing_later_is_not_an_untouched_stub() -> None:
    def half(n: int) -> int:
        if n == 1:
            return 1
        raise NotImplementedError

    cases = [Case("n = 1", lambda f: f(1), 1), Case("n = 2", lambda f: f(2), 4)]
    report = check_cases("squares", half, cases)
    assert report.verdict is Verdict.WRONG
    assert report.detail == "case 2 of 2, n = 2: there is no answer to it yet"
