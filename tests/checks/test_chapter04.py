import asyncio
from typing import Any

import pytest

from miniserve.checks import Verdict, chapter04
from miniserve.completion import Completion
from miniserve.scheduler import (
    ContinuousScheduler,
    Scheduler,
    SchedulerOutput,
    StaticScheduler,
)


class Untouched(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        raise NotImplementedError


class Right(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        while self.waiting and len(self.running) < self.max_num_seqs:
            self.admit(now)
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())


class OneAtATime(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        if self.waiting and not self.running:
            self.admit(now)
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())


class NoLimit(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        while self.waiting:
            self.admit(now)
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())


class OneNewcomerAStep(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        if self.waiting and len(self.running) < self.max_num_seqs:
            self.admit(now)
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())


class KeepsFreedSlots(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        while self.waiting and len(self.running) < self.max_num_seqs:
            self.admit(now)
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        return SchedulerOutput(list(self.running), counts, [])


class Nothing(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        return SchedulerOutput([], [], [])


class ReturnsNone(Scheduler):
    def schedule(self, now: float) -> Any:
        Right.schedule(self, now)  # type: ignore[arg-type]


class OnlyDots(Scheduler):
    def schedule(self, now: float) -> Any: ...


class ReturnsDots(Scheduler):
    def schedule(self, now: float) -> Any:
        return ...


class ReturnsARequest(Scheduler):
    def schedule(self, now: float) -> Any:
        return "a pair of lists"


@pytest.mark.parametrize("right", [Right, ContinuousScheduler])
def test_right_schedulers_pass(right: Any) -> None:
    report = chapter04.check_scheduler(right)
    assert report.passed, report


def test_untouched_scheduler() -> None:
    assert chapter04.check_scheduler(Untouched).verdict is Verdict.NOT_STARTED
    assert chapter04.check_scheduler(ReturnsDots).verdict is Verdict.NOT_STARTED


class CountsBeforeAdmitting(Scheduler):
    def schedule(self, now: float) -> SchedulerOutput:
        counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
        while self.waiting and len(self.running) < self.max_num_seqs:
            self.admit(now)
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())


def test_a_scheduler_that_counts_before_it_admits() -> None:
    report = chapter04.check_scheduler(CountsBeforeAdmitting)
    assert report.verdict is Verdict.WRONG
    assert "names 1 requests and 0 numbers of tokens; count after admitting" in report.detail


@pytest.mark.parametrize(
    ("wrong", "returned"),
    [(ReturnsNone, "None"), (OnlyDots, "None"), (ReturnsARequest, "'a pair of lists'")],
)
def test_a_scheduler_without_an_output(wrong: Any, returned: str) -> None:
    report = chapter04.check_scheduler(wrong)
    assert report.verdict is Verdict.WRONG
    assert f"`schedule` returned {returned}; it must return a `SchedulerOutput`" in report.detail


@pytest.mark.parametrize(
    "wrong",
    [OneAtATime, NoLimit, OneNewcomerAStep, KeepsFreedSlots, Nothing, StaticScheduler],
)
def test_wrong_schedulers(wrong: Any) -> None:
    assert chapter04.check_scheduler(wrong).verdict is Verdict.WRONG


async def right_give_up(engine: Any, prompt: str, timeout_s: float) -> Completion | None:
    try:
        async with asyncio.timeout(timeout_s):
            completion: Completion = await engine.generate(prompt, max_tokens=9, request_id="x")
            return completion
    except TimeoutError:
        return None


async def shielded(engine: Any, prompt: str, timeout_s: float) -> Completion | None:
    work = asyncio.ensure_future(engine.generate(prompt, max_tokens=9, request_id="x"))
    try:
        return await asyncio.wait_for(asyncio.shield(work), timeout_s)
    except TimeoutError:
        return None


async def waits_for(engine: Any, prompt: str, timeout_s: float) -> Completion | None:
    try:
        work = engine.generate(prompt, max_tokens=9, request_id="x")
        return await asyncio.wait_for(work, timeout_s)
    except TimeoutError:
        return None


def with_a_task(*, cleans_up: bool) -> Any:
    async def waits(engine: Any, prompt: str, timeout_s: float) -> Completion | None:
        work = asyncio.create_task(engine.generate(prompt, max_tokens=9, request_id="x"))
        try:
            done, _ = await asyncio.wait({work}, timeout=timeout_s)
        except asyncio.CancelledError:
            if cleans_up:
                work.cancel()
            raise
        if done:
            completion: Completion = work.result()
            return completion
        work.cancel()
        return None

    return waits


async def raises(engine: Any, prompt: str, timeout_s: float) -> Completion | None:
    async with asyncio.timeout(timeout_s):
        completion: Completion = await engine.generate(prompt, max_tokens=9, request_id="x")
        return completion


async def untouched_give_up(engine: Any, prompt: str, timeout_s: float) -> Any:
    raise NotImplementedError


async def only_the_text(engine: Any, prompt: str, timeout_s: float) -> Any:
    completion = await right_give_up(engine, prompt, timeout_s)
    return completion and completion.text


def test_give_up() -> None:
    report = chapter04.check_give_up(only_the_text)
    assert "you returned 'HELLO\\n'; return the whole `Completion`" in report.detail
    assert chapter04.check_give_up(right_give_up).passed
    assert chapter04.check_give_up(waits_for).passed
    assert chapter04.check_give_up(with_a_task(cleans_up=True)).passed
    assert chapter04.check_give_up(untouched_give_up).verdict is Verdict.NOT_STARTED
    left_running = chapter04.check_give_up(shielded)
    assert left_running.verdict is Verdict.WRONG
    assert "got (None, 1)" in left_running.detail
    assert chapter04.check_give_up(raises).verdict is Verdict.WRONG


def test_give_up_when_the_caller_is_cancelled() -> None:
    report = chapter04.check_give_up(with_a_task(cleans_up=False))
    assert report.verdict is Verdict.WRONG
    assert "case 3 of 3, the caller is cancelled half-way" in report.detail
    assert "still running: expected 0, got 1" in report.detail
