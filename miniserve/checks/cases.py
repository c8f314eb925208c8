"""Run a learner's function on cases and say plainly what came of it.

A check never raises, and does not hang: the learner's code, and what looks at its answer, run in a
thread under a time limit. (It cannot strike in a loop inside C, as of `sum(itertools.count())`.)
Only what a case does `then`, with an answer that has been looked at, is the check's own and takes
its time. An untouched stub is "not started yet", never "passed".
"""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import numbers
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")

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
        then: what the check itself makes of what `run` returned. It is trusted, and has no time
            limit: on a busy machine a long trial must not be laid at the learner's door.
    """

    name: str
    run: Callable[[Any], Any]
    expected: Any
    describe: str = ""
    then: Callable[[Any], Any] | None = None

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


class Unfit(Exception):
    """Raised by a case for an answer that it cannot even look at.

    Its words follow "expected …, ", so they begin with "got" or "but".
    """


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
            right, words = _try(case, learner)
        except (NotImplementedError, _NotStarted):
            if number == 1:
                return Report(exercise, Verdict.NOT_STARTED)
            detail = "there is no answer to it yet"
        except _NoEnd:
            detail = (
                f"no end after {TIME_LIMIT_S:g} s; is there a loop that never stops, "
                "or a wait for something that never comes (or is the machine very busy?)"
            )
        except Unfit as unfit:
            detail = f"expected {case.describe or repr(case.expected)}, {unfit}"
        except Exception as error:
            words_of_it = _words_of(error)
            said = f": {words_of_it}" if words_of_it else ""
            notes = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
            detail = f"it raised {type(error).__name__}{said}{notes}"
        else:
            if right:
                continue
            detail = f"expected {case.describe or repr(case.expected)}, got {words}"
        where = f"case {number} of {len(cases)}, {case.name}"
        return Report(exercise, Verdict.WRONG, f"{where}: {detail}")
    return Report(exercise, Verdict.PASSED, f"{len(cases)} of {len(cases)} cases")


def shown(got: object) -> str:
    """What came, at a length that can be read."""
    text = repr(got)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def is_real(got: object) -> bool:
    """Whether this is a number, be it Python's or NumPy's; `True` is none."""
    return isinstance(got, numbers.Real) and not isinstance(got, bool)


def is_whole(got: object) -> bool:
    """Whether this is a whole number by its type, be it Python's or NumPy's; `True` is none."""
    return isinstance(got, numbers.Integral) and not isinstance(got, bool)


def _try(case: Case, learner: Any) -> tuple[bool, str]:
    """Whether a case comes out right, and what came."""

    def answer() -> Any:
        got = case.run(learner)
        if inspect.isawaitable(got):
            got = asyncio.run(_await(got))
        if got is ...:
            raise _NotStarted
        return got

    def judge(got: Any) -> tuple[bool, str]:
        right = case.accepts(got)
        return right, "" if right else shown(got)

    if case.then is None:
        return _with_limit(lambda: judge(answer()))
    return judge(case.then(_with_limit(answer)))


def _words_of(error: Exception) -> str:
    """What an exception says. The class may be the learner's own, and so may `__str__`."""
    try:
        return _with_limit(lambda: str(error))
    except Exception:
        return ""


def _with_limit(do: Callable[[], T]) -> T:
    """Do it in a bounded time, in a thread of its own, in which no event loop runs yet."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(do())
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
