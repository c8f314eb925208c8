"""One record for each engine step: what ran in which slot, when, and for how long.

The timeline and the step-cost fit are both drawn from these records; nothing is measured twice. A
virtual-clock run leaves the same records, so every figure works on both.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from miniserve.scheduler import RequestStatus, SchedulerOutput

EntryKind = Literal["prefill", "decode", "padding"]


class StepEntry(NamedTuple):
    """One slot's share of a step: `num_tokens` tokens of one request."""

    request_id: str
    slot: int
    kind: EntryKind
    num_tokens: int


class StepRecord(NamedTuple):
    """One engine step; `start` in seconds on the engine's clock, `duration` in seconds.

    num_running and num_waiting count the requests that had a slot in the step and those that had
    none; rows of padding are not counted.
    """

    step: int
    start: float
    duration: float
    entries: tuple[StepEntry, ...]
    num_running: int
    num_waiting: int

    @property
    def batch(self) -> int:
        """Rows in the step, padding included."""
        return len(self.entries)

    @property
    def num_tokens(self) -> int:
        """Tokens computed in the step, padding included."""
        return sum(entry.num_tokens for entry in self.entries)

    @property
    def num_wasted(self) -> int:
        """Rows of padding: computed for nobody."""
        return sum(entry.kind == "padding" for entry in self.entries)


def pause_between(step: StepRecord, following: StepRecord) -> float | None:
    """Seconds from the end of a step to the next, if that one goes on with an answer; else None.

    What the engine's loop does then (taking in commands, handing out answers) is part of what the
    requests wait for. Before a step that only reads prompts it may have been idle.
    """
    goes_on = any(entry.kind == "decode" for entry in following.entries)
    if following.step != step.step + 1 or not goes_on:
        return None
    return following.start - (step.start + step.duration)


def entries_of(output: SchedulerOutput) -> tuple[StepEntry, ...]:
    """Describe a schedule as trace entries; to be called before `Scheduler.update` changes it."""
    running = RequestStatus.RUNNING
    entries = []
    for request, count in zip(output.requests, output.num_tokens, strict=True):
        assert request.slot is not None, f"request {request.request_id!r} has not been admitted"
        kind: EntryKind = "decode"
        if request.status is not running:
            kind = "padding"
        elif request.num_computed_tokens < len(request.prompt_token_ids):
            kind = "prefill"
        entries.append(StepEntry(request.request_id, request.slot, kind, count))
    return tuple(entries)
