"""Checks of chapter 04: a continuous scheduler of the learner's own, and giving up in time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any

from miniserve.checks.cases import Case, Report, Unfit, check_cases, shown
from miniserve.completion import Completion, Timing
from miniserve.scheduler import ContinuousScheduler, Request, Scheduler, SchedulerOutput
from miniserve.stepcost import StepCost
from miniserve.trace import StepRecord
from miniserve.virtual_clock import run

_EOS = 0
_SECOND = StepCost(a=1.0, b=0.0, c=0.0)  # every step takes one second, so times can be counted

FinishTimes = dict[str, float | None]


def check_scheduler(scheduler: type[Scheduler]) -> Report:
    """The learner's `Scheduler` class on a virtual clock where each step takes one second."""

    def case(
        name: str, slots: int, requests: list[tuple[str, float, int]], expected: FinishTimes
    ) -> Case:
        told = ", ".join(f"'{who}' at {at:g} s, {output} tokens" for who, at, output in requests)
        return Case(
            f"{name} ({slots} slots, prompts of 3 tokens, a step takes 1 s; {told})",
            lambda learner: _finish_times(_made(learner, slots), requests),
            lambda got: got == expected,
            f"the end of each at {expected} s",
        )

    many = _many_requests()
    return check_cases(
        "a continuous scheduler",
        scheduler,
        [
            case("one request", 2, [("a", 0, 3)], {"a": 3.0}),
            case("two at once", 2, [("a", 0, 3), ("b", 0, 2)], {"a": 3.0, "b": 2.0}),
            Case(
                "most rows in a step, with 200 requests and 3 slots",
                lambda learner: _widest_step(_made(learner, 3), many),
                3,
            ),
            case(
                "a newcomer joins while another runs",
                2,
                [("a", 0, 4), ("b", 0.5, 1)],
                {"a": 4.0, "b": 2.0},
            ),
            case(
                "a free slot is taken in the very next step",
                2,
                [("long", 0, 4), ("short", 0, 1), ("next", 0, 2)],
                {"long": 4.0, "short": 1.0, "next": 3.0},
            ),
            case(
                "first come, first served",
                1,
                [("first", 0, 2), ("second", 0.1, 1), ("third", 0.2, 1)],
                {"first": 2.0, "second": 3.0, "third": 4.0},
            ),
            Case(
                "the freed slots that are handed on, after one of two requests has ended",
                lambda learner: _freed_slots(_made(learner, 2)),
                [0],
            ),
            Case(
                "200 requests, everybody's time",
                lambda learner: _finish_times(_made(learner, 3), many),
                lambda got: got == _finish_times(ContinuousScheduler(3, _EOS, 10_000), many),
                "the times of the package's scheduler with an unlimited budget",
            ),
        ],
    )


def _made(learner: Any, slots: int) -> Scheduler:
    """One of the learner's schedulers, which says so if `schedule` returns something else."""
    scheduler: Scheduler = learner(slots, _EOS)
    schedule: Callable[[float], Any] = scheduler.schedule

    def checked(now: float) -> SchedulerOutput:
        output = schedule(now)
        if output is ...:
            raise NotImplementedError
        if not isinstance(output, SchedulerOutput):
            raise Unfit(
                f"but `schedule` returned {shown(output)}; it must return a `SchedulerOutput`"
            )
        named, counted = len(output.requests), len(output.num_tokens)
        if named != counted:
            raise Unfit(
                f"but a step names {named} requests and {counted} numbers of tokens; "
                "count after admitting, so that the newcomers are in both"
            )
        return output

    scheduler.schedule = checked  # type: ignore[method-assign]
    return scheduler


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


def _freed_slots(scheduler: Scheduler) -> list[int]:
    """Slot 0 ends after one step; what does the second step let the model forget?"""
    for request in _requests([("short", 0, 1), ("long", 0, 5)]):
        scheduler.add_request(request)
    scheduler.update(scheduler.schedule(0.0), [7, 7], 1.0)
    return list(scheduler.schedule(1.0).freed_slots)


GiveUp = Callable[[Any, str, float], Awaitable[Completion | None]]


class _SlowEngine:
    """An engine that takes `seconds` for an answer, and counts what is left running."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.running = 0
        self.begun = asyncio.Event()
        self._idle = asyncio.Event()

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        self.running += 1
        self.begun.set()
        self._idle.clear()
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
            if not self.running:
                self._idle.set()
        return Completion(prompt.upper(), "stop", 1, 1, Timing(0.0, 0.0, self.seconds))

    async def left(self) -> int:
        """How many requests run on; one that has been cancelled gets a moment to end."""
        if self.running:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), 0.5)
        return self.running


def check_give_up(generate_or_give_up: GiveUp) -> Report:
    """An answer in time, none in time, and nothing left running."""

    def trying(seconds: float, timeout_s: float) -> Callable[[GiveUp], Awaitable[Any]]:
        async def run_it(learner: GiveUp) -> Any:
            engine = _SlowEngine(seconds)
            completion: Any = await learner(engine, "hello\n", timeout_s)
            if completion is ...:
                return completion
            if not isinstance(completion, Completion | None):
                raise Unfit(f"but you returned {shown(completion)}; return the whole `Completion`")
            return completion and completion.text, await engine.left()

        return run_it

    async def cancelled(learner: GiveUp) -> int:
        """What is left running if whoever awaits the answer goes away before it and the timeout."""
        engine = _SlowEngine(30.0)
        caller = asyncio.ensure_future(learner(engine, "hello\n", 60.0))
        # However it ends: gather keeps an exception from being raised, or reported as forgotten.
        ended: asyncio.Future[Any] = asyncio.gather(caller, return_exceptions=True)
        begun: asyncio.Future[Any] = asyncio.ensure_future(engine.begun.wait())
        await asyncio.wait({begun, ended}, return_when=asyncio.FIRST_COMPLETED)
        caller.cancel()
        await asyncio.wait({ended}, timeout=1.0)
        return await engine.left()

    return check_cases(
        "give up in time",
        generate_or_give_up,
        [
            Case(
                "an answer in time: (the Completion's text, still running)",
                trying(0.0, 5.0),
                ("HELLO\n", 0),
            ),
            Case("no answer in time: (None, still running)", trying(30.0, 0.05), (None, 0)),
            Case(
                "the caller is cancelled half-way, as if somebody closed the tab: still running",
                cancelled,
                0,
            ),
        ],
    )
