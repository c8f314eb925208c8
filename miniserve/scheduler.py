"""Who runs in the next step: static batching and continuous batching as pure policy.

A scheduler holds requests, hands out slots and decides how many tokens of which request the next step
computes. It never sees a tensor, a thread, a socket or a clock: `now` is an argument. So the same object
runs under the live engine, under the virtual clock of the simulator, and under property tests.

The cycle, once for each step::

    output = scheduler.schedule(now)             # which requests, how many tokens each
    token_ids = model.step(...)                  # somebody else's work
    finished = scheduler.update(output, token_ids, now)

Names and statuses are those of vLLM's V1 scheduler.
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto


class RequestStatus(Enum):
    """The life of a request; everything after `RUNNING` is final."""

    WAITING = auto()
    RUNNING = auto()
    FINISHED_STOPPED = auto()
    FINISHED_LENGTH_CAPPED = auto()
    FINISHED_ABORTED = auto()

    @property
    def finished(self) -> bool:
        """Whether the request has ended, in whatever way."""
        return self not in (RequestStatus.WAITING, RequestStatus.RUNNING)


@dataclass(slots=True, eq=False)
class Request:
    """One generation: what was asked, how far it is, and when things happened to it.

    Times are seconds on the clock of whoever calls `schedule` and `update`.
    """

    request_id: str
    prompt_token_ids: Sequence[int]
    max_tokens: int
    arrival_time: float
    output_token_ids: list[int] = field(default_factory=list)
    num_computed_tokens: int = 0
    status: RequestStatus = RequestStatus.WAITING
    slot: int | None = None
    first_scheduled_time: float | None = None
    first_token_time: float | None = None
    finish_time: float | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens known so far, prompt and output together."""
        return len(self.prompt_token_ids) + len(self.output_token_ids)

    def next_token_ids(self, count: int) -> Sequence[int]:
        """The `count` tokens that follow those whose keys and values are already cached."""
        start, prompt = self.num_computed_tokens, len(self.prompt_token_ids)
        if start < prompt:
            return self.prompt_token_ids[start : start + count]
        return self.output_token_ids[start - prompt : start - prompt + count]


@dataclass(slots=True)
class SchedulerOutput:
    """What the next step computes. Entry i is `num_tokens[i]` tokens of `requests[i]`.

    freed_slots: slots that no request holds any more; the model may forget them before this step.
    wait_until: only when there is nothing to compute yet: the time at which to ask again
        (None: not before a new request comes).
    """

    requests: list[Request]
    num_tokens: list[int]
    freed_slots: list[int]
    wait_until: float | None = None


class Scheduler(ABC):
    """What the policies share: the queue, the slots, and the end of a request.

    Args:
        max_num_seqs: slots, at least 1: how many requests may be in a step together. May be changed at any
            time; a smaller number takes effect as running requests finish.
        eos_token_id: the token that ends a generation.
    """

    def __init__(self, max_num_seqs: int, eos_token_id: int) -> None:
        if max_num_seqs < 1:
            raise ValueError(f"max_num_seqs must be at least 1, got {max_num_seqs}")
        self.max_num_seqs = max_num_seqs
        self.eos_token_id = eos_token_id
        # First in, first out, and an abort in the middle, each in constant time.
        self.waiting: OrderedDict[str, Request] = OrderedDict()
        self.running: list[Request] = []
        self._free_slots: list[
            int
        ] = []  # a heap: the lowest slot first, so that timelines read well
        self._num_slots = 0  # slots handed out so far, whether free or in use
        self._freed_slots: list[int] = []  # to be named in the next output

    @abstractmethod
    def schedule(self, now: float) -> SchedulerOutput:
        """Choose the next step's work; `now` in seconds. Empty when there is nothing to compute."""

    def add_request(self, request: Request) -> None:
        """Put a request at the end of the queue."""
        if request.max_tokens < 1 or not request.prompt_token_ids:
            raise ValueError("a request needs at least one prompt token and one token to make")
        self.waiting[request.request_id] = request

    def abort(self, request_id: str, now: float) -> Request | None:
        """End a request wherever it is; None if it is not here (any more)."""
        request = self.waiting.pop(request_id, None)
        if request is None:
            request = next((r for r in self.running if r.request_id == request_id), None)
        if request is None or request.status.finished:
            return None
        self._finish(request, RequestStatus.FINISHED_ABORTED, now)
        self._drop_finished()
        return request

    def update(
        self, output: SchedulerOutput, token_ids: Sequence[int], now: float
    ) -> list[Request]:
        """Take in what a step made: `token_ids[i]` follows entry i. Returns the requests that ended.

        A token after an unfinished chunk of a prompt, after a padding row, or for a request that was
        aborted while the step ran, means nothing and is left out.
        """
        finished = []
        eos = self.eos_token_id
        for request, count, token in zip(
            output.requests, output.num_tokens, token_ids, strict=True
        ):
            if request.status is not RequestStatus.RUNNING:
                continue
            request.num_computed_tokens += count
            made = request.output_token_ids
            if request.num_computed_tokens < len(request.prompt_token_ids) + len(made):
                continue
            if not made:
                request.first_token_time = now
            made.append(token)
            if token == eos:
                self._finish(request, RequestStatus.FINISHED_STOPPED, now)
                finished.append(request)
            elif len(made) >= request.max_tokens:
                self._finish(request, RequestStatus.FINISHED_LENGTH_CAPPED, now)
                finished.append(request)
        if finished:
            self._drop_finished()
        return finished

    def has_unfinished_requests(self) -> bool:
        """Whether any request waits or runs."""
        return bool(self.waiting) or any(not r.status.finished for r in self.running)

    def _admit(self, now: float) -> Request:
        """Move the oldest waiting request into the lowest free slot."""
        _, request = self.waiting.popitem(last=False)
        if self._free_slots:
            request.slot = heapq.heappop(self._free_slots)
        else:
            request.slot = self._num_slots
            self._num_slots += 1
        request.status = RequestStatus.RUNNING
        request.first_scheduled_time = now
        self.running.append(request)
        return request

    def _finish(self, request: Request, status: RequestStatus, now: float) -> None:
        request.status = status
        request.finish_time = now

    def _release(self, request: Request) -> None:
        """Take back the slot of a request that leaves `running`."""
        assert request.slot is not None
        heapq.heappush(self._free_slots, request.slot)
        self._freed_slots.append(request.slot)

    def _take_freed_slots(self) -> list[int]:
        freed, self._freed_slots = self._freed_slots, []
        return freed

    def _drop_finished(self) -> None:
        """Let finished requests leave `running`."""
        for request in self.running:
            if request.status.finished:
                self._release(request)
        self.running = [r for r in self.running if not r.status.finished]


class StaticScheduler(Scheduler):
    """Collect a batch, then run it until its longest member ends.

    A batch starts when `max_num_seqs` requests wait, or when the oldest has waited `max_wait_s` seconds. Nobody
    joins it later, and a member that ends early keeps its row: the step computes padding for it, as a
    `generate` call over a padded batch does. That waste, and the wait for the longest member, are what
    continuous batching takes away.
    """

    def __init__(self, max_num_seqs: int, eos_token_id: int, max_wait_s: float = 0.005) -> None:
        super().__init__(max_num_seqs, eos_token_id)
        self.max_wait_s = max_wait_s

    def schedule(self, now: float) -> SchedulerOutput:
        """Go on with the batch, or start the next one if it is full or has waited long enough."""
        if not self.running:
            if not self.waiting:
                return SchedulerOutput([], [], self._take_freed_slots())
            oldest = next(iter(self.waiting.values()))
            deadline = oldest.arrival_time + self.max_wait_s
            if len(self.waiting) < self.max_num_seqs and now < deadline:
                return SchedulerOutput([], [], self._take_freed_slots(), wait_until=deadline)
            while self.waiting and len(self.running) < self.max_num_seqs:
                self._admit(now)
        batch = list(self.running)
        # A finished row takes one token of padding; a row at the start takes its whole prompt.
        counts = [1 if r.status.finished else r.num_tokens - r.num_computed_tokens for r in batch]
        return SchedulerOutput(batch, counts, self._take_freed_slots())

    def _drop_finished(self) -> None:
        """The batch leaves as a whole, when its last member has ended."""
        if all(r.status.finished for r in self.running):
            super()._drop_finished()


class ContinuousScheduler(Scheduler):
    """Iteration-level scheduling (Orca, OSDI 2022) under one token budget (Sarathi-Serve, OSDI 2024).

    Every step, running requests come first, then waiting ones in order of arrival, while slots and budget last. A
    request that is reading its prompt and one that is writing its answer are not told apart: each gets
    the tokens that are known and not yet computed. A prompt that does not fit into what is left of
    the budget is read in chunks.

    Args:
        max_num_batched_tokens: the budget of one step, in tokens; at least `max_num_seqs`, so that no
            running request ever goes without its token.
    """

    def __init__(
        self, max_num_seqs: int, eos_token_id: int, max_num_batched_tokens: int = 256
    ) -> None:
        super().__init__(max_num_seqs, eos_token_id)
        if max_num_batched_tokens < max_num_seqs:
            raise ValueError(
                f"max_num_batched_tokens ({max_num_batched_tokens}) must be at least "
                f"max_num_seqs ({max_num_seqs})"
            )
        self.max_num_batched_tokens = max_num_batched_tokens

    def schedule(self, now: float) -> SchedulerOutput:
        """Give each running request its next tokens, then admit waiting ones."""
        budget = self.max_num_batched_tokens
        batch = list(self.running)
        counts = []
        for index, request in enumerate(batch):
            # Each request after this one is owed at least one token.
            reserved = len(batch) - index - 1
            count = min(request.num_tokens - request.num_computed_tokens, budget - reserved)
            counts.append(count)
            budget -= count
        while budget > 0 and self.waiting and len(self.running) < self.max_num_seqs:
            request = self._admit(now)
            count = min(len(request.prompt_token_ids), budget)
            batch.append(request)
            counts.append(count)
            budget -= count
        return SchedulerOutput(batch, counts, self._take_freed_slots())
