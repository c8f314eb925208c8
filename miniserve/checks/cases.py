"""Run a learner's function on cases and say plainly what came of it.

A check never raises, and does not hang: the learner's code, and what looks at its answer, run in a
thread under a time limit. (It cannot strike in a loop inside C, as of `sum(itertools.count())`.) An
untouched stub is "not started yet", never "passed".
"""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

TIME_LIMIT_S = 10.0
LONGEST_SHOWN = 200
"""Characters of a wrong answer that are shown; some are whole pages."""


class Verdict(StrEnum):
    """What a check can say."""

    NOT_STARTED = "not started yet"
    WRONG = "not right yet"
    PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that the learner's object must do.

    Args:
        name: what is tried, in words that fit after "case".
        run: takes the learner's object and returns what it made; it may return an awaitable.
        expected: what should come, or a predicate on it.
        describe: `expected` in words, needed when it is a predicate.
    """

    name: str
    run: Callable[[Any], Any]
    expected: Any
    describe: str = ""

    def accepts(self, got: object) -> bool:
        """Whether `got` is what was expected."""
        if callable(self.expected):
            return bool(self.expected(got))
        return bool(got == self.expected)


@dataclass(frozen=True, slots=True)
class Report:
    """What a check says; the last expression of a cell shows it."""

    exercise: str
    verdict: Verdict
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether every case came out right."""
        return self.verdict is Verdict.PASSED

    def __repr__(self) -> str:
        mark = {Verdict.PASSED: "✔", Verdict.WRONG: "✘", Verdict.NOT_STARTED: "…"}[self.verdict]
        return f"{mark} {self.exercise}: {self.verdict}" + (
            f"\n  {self.detail}" if self.detail else ""
        )


class _NotStarted(Exception):
    """The stub is untouched."""


class _NoEnd(Exception):
    """The time limit has passed. (`TimeoutError` may come from the learner's own code.)"""


def check_cases(exercise: str, learner: Any, cases: Sequence[Case]) -> Report:
    """Try the learner's object on each case, stopping at the first that is not right.

    A stub counts as untouched when it is `...` or `None`, or if in the first case it raises
    `NotImplementedError` or returns `...`.
    """
    if learner is ... or learner is None:
        return Report(exercise, Verdict.NOT_STARTED)
    for number, case in enumerate(cases, start=1):
        try:
            right, shown = _try_with_limit(case, learner)
        except (NotImplementedError, _NotStarted):
            if number == 1:
                return Report(exercise, Verdict.NOT_STARTED)
            detail = "there is no answer to it yet"
        except _NoEnd:
            detail = (
                f"no end after {TIME_LIMIT_S:g} s; is there a loop that never stops, "
                "or a wait for something that never comes?"
            )
        except Exception as error:
            said = f": {error}" if str(error) else ""
            detail = f"it raised {type(error).__name__}{said}"
        else:
            if right:
                continue
            detail = f"expected {case.describe or repr(case.expected)}, got {shown}"
        where = f"case {number} of {len(cases)}, {case.name}"
        return Report(exercise, Verdict.WRONG, f"{where}: {detail}")
    return Report(exercise, Verdict.PASSED, f"{len(cases)} of {len(cases)} cases")


def _shown(got: object) -> str:
    """What came, at a length that can be read."""
    text = repr(got)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _try_with_limit(case: Case, learner: Any) -> tuple[bool, str]:
    """Whether a case comes out right, and what came.

    It has a bounded time in a thread of its own, where an awaitable finds a free event loop.
    """
    outcome: list[tuple[bool, str]] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            got = case.run(learner)
            if inspect.isawaitable(got):
                got = asyncio.run(_await(got))
            if got is ...:
                raise _NotStarted
            right = case.accepts(got)
            outcome.append((right, "" if right else _shown(got)))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=work, name="check", daemon=True)
    thread.start()
    thread.join(TIME_LIMIT_S)
    if thread.is_alive():
        # Ask the thread to end, so that an endless loop does not burn the learner's laptop.
        assert thread.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
        )
        raise _NoEnd
    if failure:
        if isinstance(failure[0], Exception):
            raise failure[0]
        raise RuntimeError(f"it ended with {type(failure[0]).__name__}") from failure[0]
    return outcome[0]


async def _await(awaitable: Any) -> Any:
    return await awaitable
