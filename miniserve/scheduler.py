"""Who runs in the next step: static batching and continuous batching as pure policy.

A scheduler holds requests, hands out slots and decides how many tokens of which request the next
step computes. It never sees a tensor, a thread, a socket or a clock: `now` is an argument. So the
same object runs under the live engine, under the virtual clock, and under property tests.

The cycle, once for each step::

    output = scheduler.schedule(now)  # which requests, how many tokens each
    token_ids = model.step(...)  # somebody else's work
    finished = scheduler.update(output, token_ids, now)

Statuses and most names are those of vLLM's V1 scheduler. Both policies stand in one module, longer
than most, because the course is about the lines in which they differ.

A policy of your own needs one method::

    class OneAtATime(Scheduler):
        def schedule(self, now):
            if self.waiting and not self.running:
                self.admit(now)
            counts = [r.num_tokens - r.num_computed_tokens for r in self.running]
            return SchedulerOutput(list(self.running), counts, self.take_freed_slots())
"""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from miniserve.completion import check_max_tokens

#: Seconds that whoever drives a scheduler lets pass at least before asking it again, if there was
#: nothing to compute: a policy that says "at once" must not make it spin.
SHORTEST_WAIT_S = 1e-4


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

    num_tokens: tokens known so far, prompt and output together.
    num_computed_tokens: those whose keys and values are cached; the others are still to be fed.
    draft_token_ids: guesses at the tokens after the known ones, for the next step to verify
        (`miniserve.speculation`, chapter 06; else empty).
    slot: the place that the request has, or had until it ended.
    Times are seconds on the clock of whoever calls `schedule` and `update`.
    """

    request_id: str
    prompt_token_ids: Sequence[int]
    max_tokens: int
    arrival_time: float
    output_token_ids: list[int] = field(default_factory=list)
    num_tokens: int = field(init=False)
    num_computed_tokens: int = 0
    draft_token_ids: Sequence[int] = ()
    status: RequestStatus = RequestStatus.WAITING
    slot: int | None = None
    first_scheduled_time: float | None = None
    first_token_time: float | None = None
    finish_time: float | None = None

    def __post_init__(self) -> None:
        if not self.prompt_token_ids:
            raise ValueError("a request needs at least one prompt token")
        check_max_tokens(self.max_tokens)
        self.num_tokens = len(self.prompt_token_ids)

    def next_token_ids(self, count: int) -> Sequence[int]:
        """Return the `count` tokens after those cached: prompt, what is written, guesses."""
        start, prompt = self.num_computed_tokens, len(self.prompt_token_ids)
        end = start + count
        if end > self.num_tokens:
            known = self.next_token_ids(self.num_tokens - start)
            return [*known, *self.draft_token_ids[: end - self.num_tokens]]
        if start >= prompt:
            return self.output_token_ids[start - prompt : end - prompt]
        read = self.prompt_token_ids[start:end]
        return read if end <= prompt else [*read, *self.output_token_ids[: end - prompt]]


@dataclass(slots=True)
class SchedulerOutput:
    """What the next step computes: entry i is `num_tokens[i]` tokens of `requests[i]`.

    freed_slots: slots that no request holds any more; the model may forget them before this step.
    num_draft_tokens: how many of the last tokens of each entry are guesses; None if none are, as
        with all policies in this module.
    wait_until: only when there is nothing to compute yet: the time at which to ask again
        (None: not before a new request comes).
    """

    requests: list[Request]
    num_tokens: list[int]
    freed_slots: list[int]
    wait_until: float | None = None
    num_draft_tokens: list[int] | None = None


class Scheduler(ABC):
    """What the policies share: the queue, the slots, and the end of a request.

    Args:
        max_num_seqs: slots, at least 1: how many requests may be in a step together. May be
            changed at any time; a smaller number takes effect as running requests finish.
        eos_token_id: the token that ends a generation.
    """

    def __init__(self, max_num_seqs: int, eos_token_id: int) -> None:
        if max_num_seqs < 1:
            raise ValueError(f"max_num_seqs must be at least 1, got {max_num_seqs}")
        self.max_num_seqs = max_num_seqs
        self.eos_token_id = eos_token_id
        self.requests: dict[str, Request] = {}  # all that have not ended
        # First in, first out, and an abort in the middle, each in constant time.
        self.waiting: OrderedDict[str, Request] = OrderedDict()
        self.running: list[Request] = []  # all that have a slot, in order of admission
        self._free_slots: list[int] = []  # a heap: the lowest first, so that timelines read well
        self._num_slots = 0  # slots handed out so far, whether free or in use
        self._freed_slots: list[int] = []  # to be named in the next output

    @abstractmethod
    def schedule(self, now: float) -> SchedulerOutput:
        """Choose the next step's work; `now` in seconds. Empty when there is nothing to compute."""

    def add_request(self, request: Request) -> None:
        """Put a request at the end of the queue."""
        if request.request_id in self.requests:
            raise ValueError(f"request {request.request_id!r} is here already")
        self.requests[request.request_id] = self.waiting[request.request_id] = request

    def abort(self, request_id: str, now: float) -> Request | None:
        """End a request wherever it is; None if it is not here (any more)."""
        request = self.requests.get(request_id)
        if request is not None:
            self.waiting.pop(request_id, None)
            self._finish(request, RequestStatus.FINISHED_ABORTED, now)
            self._drop_finished()
        return request

    def update(
        self, output: SchedulerOutput, token_ids: Sequence[int], now: float
    ) -> list[Request]:
        """Take in what a step made: `token_ids[i]` follows entry i. Returns who ended with it.

        A token after an unfinished chunk of a prompt, in a row of padding, or for a request that
        was aborted while the step ran, means nothing and is left out.
        """
        finished = []
        running, eos = RequestStatus.RUNNING, self.eos_token_id
        for request, count, token in zip(
            output.requests, output.num_tokens, token_ids, strict=True
        ):
            if request.status is not running:
                continue
            request.num_computed_tokens += count
            if request.num_computed_tokens < request.num_tokens:
                continue
            made = request.output_token_ids
            if not made:
                request.first_token_time = now
            made.append(token)
            request.num_tokens += 1
            if token == eos:
                self._finish(request, RequestStatus.FINISHED_STOPPED, now)
            elif len(made) == request.max_tokens:
                self._finish(request, RequestStatus.FINISHED_LENGTH_CAPPED, now)
            else:
                continue
            finished.append(request)
        if finished:
            self._drop_finished()
        return finished

    def admit(self, now: float) -> Request:
        """Move the oldest waiting request into the lowest free slot. For `schedule` to call."""
        _, request = self.waiting.popitem(last=False)
        if not self._free_slots:
            self._free_slots.append(self._num_slots)
            self._num_slots += 1
        request.slot = heapq.heappop(self._free_slots)
        request.status = RequestStatus.RUNNING
        request.first_scheduled_time = now
        self.running.append(request)
        return request

    def take_freed_slots(self) -> list[int]:
        """The slots freed since the last call, each named once. For `schedule` to hand on."""
        freed, self._freed_slots = self._freed_slots, []
        return freed

    def _finish(self, request: Request, status: RequestStatus, now: float) -> None:
        request.status = status
        request.finish_time = now
        del self.requests[request.request_id]

    def _drop_finished(self) -> None:
        """Let finished requests leave `running`, and free their slots."""
        for request in self.running:
            if request.status.finished:
                assert request.slot is not None
                heapq.heappush(self._free_slots, request.slot)
                self._freed_slots.append(request.slot)
        self.running = [request for request in self.running if not request.status.finished]


class StaticScheduler(Scheduler):
    """Collect a batch, then run it until its longest member ends.

    A batch starts when `max_num_seqs` requests wait, or when the oldest has waited `max_wait_s`
    seconds. Nobody joins it later, and a member that ends early keeps its row: the step computes
    padding for it, as a `generate` call over a padded batch does. That waste, and the wait for the
    longest member, are what continuous batching takes away.
    """

    def __init__(self, max_num_seqs: int, eos_token_id: int, max_wait_s: float = 0.005) -> None:
        super().__init__(max_num_seqs, eos_token_id)
        self.max_wait_s = max_wait_s

    def schedule(self, now: float) -> SchedulerOutput:
        """Go on with the batch, or start the next one if it is full or has waited long enough."""
        if self.waiting and not self.running:
            oldest = next(iter(self.waiting.values()))
            deadline = oldest.arrival_time + self.max_wait_s
            if len(self.waiting) < self.max_num_seqs and now < deadline:
                return SchedulerOutput([], [], self.take_freed_slots(), wait_until=deadline)
            while self.waiting and len(self.running) < self.max_num_seqs:
                self.admit(now)
        # A row takes its whole prompt first, then one token a step; one of padding once it ended.
        running = RequestStatus.RUNNING
        counts = [
            r.num_tokens - r.num_computed_tokens if r.status is running else 1 for r in self.running
        ]
        return SchedulerOutput(list(self.running), counts, self.take_freed_slots())

    def _drop_finished(self) -> None:
        """The batch leaves as a whole, when its last member has ended."""
        if all(request.status.finished for request in self.running):
            super()._drop_finished()


class ContinuousScheduler(Scheduler):
    """Iteration-level scheduling (Orca, 2022) under one token budget (Sarathi-Serve, 2024).

    Every step, running requests come first, then waiting ones in order of arrival, while slots and
    budget last. A request that is reading its prompt and one that is writing its answer are not
    told apart: each gets the tokens that are known and not yet computed. A prompt that does not
    fit into what is left of the budget is read in chunks.

    Args:
        max_num_batched_tokens: the budget of one step, in tokens; at least `max_num_seqs`, so that
            no slot stays empty for want of budget.
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
        batch: list[Request] = []
        counts: list[int] = []
        for request in self.running:
            # Only the newest can be in the middle of its prompt, so it alone can want more than 1
            # token.
            if not budget:
                break  # it was lowered while requests ran
            count = min(request.num_tokens - request.num_computed_tokens, budget)
            batch.append(request)
            counts.append(count)
            budget -= count
        while budget and self.waiting and len(self.running) < self.max_num_seqs:
            request = self.admit(now)
            count = min(request.num_tokens, budget)
            batch.append(request)
            counts.append(count)
            budget -= count
        return SchedulerOutput(batch, counts, self.take_freed_slots())
