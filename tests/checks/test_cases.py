import time
from typing import Any

import numpy as np
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


def test_an_error_that_cannot_say_what_it_is_is_told_too() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise LookupError

    def raises(x: int) -> None:
        raise Mute

    assert "it raised Mute" in check_cases("doubling", raises, DOUBLE).detail


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


def test_an_answer_that_cannot_be_tried_is_told_in_the_cases_words() -> None:
    def look(f: Any) -> None:
        raise cases.Unfit(f"got {f(2)}, which is no list")

    report = check_cases("doubling", lambda x: None, [Case("two", look, [4])])
    assert report.verdict is Verdict.WRONG
    assert report.detail == "case 1 of 1, two: expected [4], got None, which is no list"


def test_a_note_on_an_error_is_told() -> None:
    def noted(x: int) -> None:
        error = KeyError("x")
        error.add_note("look at y")
        raise error

    assert "it raised KeyError: 'x' (look at y)" in check_cases("doubling", noted, DOUBLE).detail


def test_what_the_check_does_with_an_answer_has_no_time_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cases, "TIME_LIMIT_S", 0.2)

    def on_a_busy_machine(got: int) -> str:
        time.sleep(0.4)
        return f"tried {got}"

    slow = [Case("two", lambda f: f(2), "tried 4", then=on_a_busy_machine)]
    assert check_cases("doubling", lambda x: 2 * x, slow).passed
    assert "got 'tried 5'" in check_cases("doubling", lambda x: 5, slow).detail
    assert check_cases("doubling", untouched, slow).verdict is Verdict.NOT_STARTED
    assert check_cases("doubling", gives_ellipsis, slow).verdict is Verdict.NOT_STARTED
    busy = check_cases("doubling", lambda x: time.sleep(0.4), slow).detail
    assert "no end after 0.2 s" in busy
    assert "(or is the machine very busy?)" in busy


@pytest.mark.parametrize("number", [1, np.int64(1), np.uint8(1)])
def test_whole_numbers(number: Any) -> None:
    assert cases.is_whole(number)
    assert cases.is_real(number)


@pytest.mark.parametrize("number", [1.0, np.float64(1), np.float32(1)])
def test_real_numbers(number: Any) -> None:
    assert cases.is_real(number)
    assert not cases.is_whole(number)


@pytest.mark.parametrize("other", [True, np.True_, "1", None, [1]])
def test_no_numbers(other: Any) -> None:
    assert not cases.is_real(other)
    assert not cases.is_whole(other)
