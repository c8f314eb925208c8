"""Checks of chapter 04: a continuous scheduler of the learner's own, and giving up in time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from miniserve.checks.cases import Case, Report, check_cases
from miniserve.client import Completion, Timing
from miniserve.scheduler import ContinuousScheduler, Request, Scheduler
from miniserve.stepcost import StepCost
from miniserve.trace import StepRecord
from miniserve.virtual_clock import run

_EOS = 0
_SECOND = StepCost(a=1.0, b=0.0, c=0.0)  # every step takes one second, so times can be counted

FinishTimes = dict[str, float | None]


def check_scheduler(scheduler: type[Scheduler]) -> Report:
    """The learner's `Scheduler` class on a virtual clock where each step takes one second."""

    def finish_times(
        max_num_seqs: int, *requests: tuple[str, float, int]
    ) -> Callable[[type[Scheduler]], FinishTimes]:
        return lambda learner: _finish_times(learner(max_num_seqs, _EOS), list(requests))

    many = _many_requests()
    return check_cases(
        "a continuous scheduler",
        scheduler,
        [
            Case("one request of 3 tokens", finish_times(2, ("a", 0, 3)), {"a": 3.0}),
            Case(
                "two requests in two slots",
                finish_times(2, ("a", 0, 3), ("b", 0, 2)),
                {"a": 3.0, "b": 2.0},
            ),
            Case(
                "a newcomer joins while another runs",
                finish_times(2, ("a", 0, 4), ("b", 0.5, 1)),
                {"a": 4.0, "b": 2.0},
            ),
            Case(
                "a free slot is taken in the very next step",
                finish_times(2, ("long", 0, 4), ("short", 0, 1), ("next", 0, 2)),
                {"long": 4.0, "short": 1.0, "next": 3.0},
            ),
            Case(
                "first come, first served",
                finish_times(1, ("first", 0, 2), ("second", 0.1, 1), ("third", 0.2, 1)),
                {"first": 2.0, "second": 3.0, "third": 4.0},
            ),
            Case(
                "200 requests, at most 3 rows in a step",
                lambda learner: _widest_step(learner(3, _EOS), many),
                3,
            ),
            Case(
                "200 requests, everybody's time",
                lambda learner: _finish_times(learner(3, _EOS), many),
                lambda got: got == _finish_times(ContinuousScheduler(3, _EOS, 10_000), many),
                "the times of the package's scheduler with an unlimited budget",
            ),
        ],
    )


def _many_requests() -> list[tuple[str, float, int]]:
    rng = random.Random(0)
    times = sorted(rng.uniform(0, 400) for _ in range(200))
    return [(f"r{i}", at, rng.randint(1, 12)) for i, at in enumerate(times)]


def _requests(wanted: list[tuple[str, float, int]]) -> list[Request]:
    return [Request(name, range(3), output, at) for name, at, output in wanted]


def _finish_times(scheduler: Scheduler, wanted: list[tuple[str, float, int]]) -> FinishTimes:
    times: FinishTimes = {}

    def keep(request: Request) -> None:
        times[request.request_id] = request.finish_time

    run(scheduler, _requests(wanted), _SECOND, on_finish=keep)
    return times


def _widest_step(scheduler: Scheduler, wanted: list[tuple[str, float, int]]) -> int:
    records: list[StepRecord] = []
    run(scheduler, _requests(wanted), _SECOND, on_step=records.append)
    return max(record.batch for record in records)


GiveUp = Callable[[Any, str, float], Awaitable[Completion | None]]


class _SlowEngine:
    """An engine that takes `seconds` for an answer, and counts what is left running."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.running = 0

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        self.running += 1
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        return Completion(prompt.upper(), "stop", 1, 1, Timing(0.0, 0.0, self.seconds))


def check_give_up(generate_or_give_up: GiveUp) -> Report:
    """An answer in time, none in time, and nothing left running."""

    def trying(seconds: float, timeout_s: float) -> Callable[[GiveUp], Awaitable[Any]]:
        async def run_it(learner: GiveUp) -> Any:
            engine = _SlowEngine(seconds)
            completion: Any = await learner(engine, "hello\n", timeout_s)
            await asyncio.sleep(0)
            return completion if completion is ... else (_text(completion), engine.running)

        return run_it

    return check_cases(
        "give up in time",
        generate_or_give_up,
        [
            Case("an answer in time: (its text, still running)", trying(0.0, 5.0), ("HELLO\n", 0)),
            Case("no answer in time: (None, still running)", trying(30.0, 0.05), (None, 0)),
        ],
    )


def _text(completion: Any) -> Any:
    return completion.text if isinstance(completion, Completion) else completion
