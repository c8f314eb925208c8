"""The heart of the engine: schedule, step, update, once for each iteration.

`EngineCore` is the only place where scheduler and model meet. It has no thread and no queue of its
own: `run_loop` drives it from an inbox of commands, in a thread (`miniserve.engine`) or a process
(`miniserve.engine_process`), and hands out what the steps made. Every `AddRequest` is answered by
exactly one `RequestOutput`, whether the request ends, is aborted, or dies with a step that fails.
The commands and what comes back are defined here too: they are all that the two sides share.
"""

from __future__ import annotations

import logging
import math
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from miniserve.completion import FinishReason, Timing
from miniserve.scheduler import (
    SHORTEST_WAIT_S,
    Request,
    RequestStatus,
    Scheduler,
    SchedulerOutput,
)
from miniserve.trace import StepRecord, entries_of

logger = logging.getLogger(__name__)

#: How long a record may wait for an output to travel with: not every step wakes the event loop.
_LONGEST_HOLD_S = 0.02

#: So often an engine that waits on purpose, for a batch to fill, gives a sign of life.
_HEARTBEAT_S = 1.0

_FINISH_REASONS: dict[RequestStatus, FinishReason] = {
    RequestStatus.FINISHED_STOPPED: "stop",
    RequestStatus.FINISHED_LENGTH_CAPPED: "length",
    RequestStatus.FINISHED_ABORTED: "abort",
}


class Model(Protocol):
    """What the engine needs of a model; `miniserve.model.llama.Llama` is one."""

    def step(
        self,
        slots: Sequence[int],
        token_ids: Sequence[int],
        num_tokens: Sequence[int],
        start_positions: Sequence[int],
        num_draft_tokens: Sequence[int] | None = None,
    ) -> Iterable[int]:
        """Compute `num_tokens[i]` tokens in slot `slots[i]`; the next token of each entry.

        If `num_draft_tokens` are given: `num_draft_tokens[i]` + 1 of each, see `Llama.step`.
        """

    def free(self, slots: Sequence[int]) -> None:
        """Forget what the slots hold."""


class AddRequest(NamedTuple):
    """Command: take in a request. `arrival_time` is on the engine's clock, in seconds."""

    request_id: str
    prompt_token_ids: Sequence[int]
    max_tokens: int
    arrival_time: float


class Abort(NamedTuple):
    """Command: end a request, wherever it is."""

    request_id: str


class Configure(NamedTuple):
    """Command: set attributes of the scheduler, such as `max_num_seqs` or `max_wait_s`."""

    changes: dict[str, Any]


class Stop(NamedTuple):
    """Command: leave the loop."""


Command = AddRequest | Abort | Configure | Stop


class RequestOutput(NamedTuple):
    """How a request ended: its tokens, or the error of the step that it died in."""

    request_id: str
    token_ids: Sequence[int]
    finish_reason: FinishReason
    timing: Timing
    error: str = ""


class StepResult(NamedTuple):
    """What came of one call of `EngineCore.step`.

    outputs: requests that ended since the last call. record: None if nothing was computed.
    wait_until: see `SchedulerOutput`.
    """

    outputs: list[RequestOutput]
    record: StepRecord | None = None
    wait_until: float | None = None


def check_number(name: str, value: Any, *, whole: bool, least: int) -> None:
    """Raise `ValueError` unless a setting's value is a number, finite, and not below `least`."""
    number = isinstance(value, int if whole else int | float)
    if not number or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name} = {value!r} is no {'whole' if whole else 'finite'} number")
    if value < least:
        raise ValueError(f"{name} = {value} is too small")


class Limits(NamedTuple):
    """What `Configure` may change: settings as the scheduler was made with; the model's slots."""

    settings: dict[str, float]
    max_num_seqs: int | None

    def check(self, changes: dict[str, Any]) -> None:
        """Raise `ValueError` if the engine could not work with all these changes together."""
        for name, value in changes.items():
            if name not in self.settings:
                known = ", ".join(sorted(self.settings))
                raise ValueError(f"the scheduler has no setting {name!r}; it has {known}")
            counts = name.startswith("max_num_")
            check_number(name, value, whole=counts, least=1 if counts else 0)
        if self.max_num_seqs is not None and changes.get("max_num_seqs", 1) > self.max_num_seqs:
            raise ValueError(f"the model has {self.max_num_seqs} slots")
        then = self.settings | changes
        if then.get("max_num_batched_tokens", math.inf) < then.get("max_num_seqs", 1):
            raise ValueError("max_num_batched_tokens must be at least max_num_seqs")


class Delivery(NamedTuple):
    """What came of some steps; `num_running` requests have a slot after the last of them."""

    outputs: list[RequestOutput]
    records: list[StepRecord]
    num_running: int


class EngineCore:
    """One scheduler, one model, and a counter of steps; `clock` gives seconds."""

    def __init__(
        self, model: Model, scheduler: Scheduler, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.model = model
        self.scheduler = scheduler
        self.clock = clock
        self.num_steps = 0
        self._aborted: list[RequestOutput] = []

    @property
    def num_running(self) -> int:
        """Requests that have a slot and have not ended."""
        return len(self.scheduler.requests) - len(self.scheduler.waiting)

    @property
    def limits(self) -> Limits:
        """What may be changed while the engine runs: numbers of the scheduler named `max_…`.

        Others are no settings: the end token, say, or what a policy counts.
        """
        settings = {
            name: value
            for name, value in vars(self.scheduler).items()
            if name.startswith("max_") and isinstance(value, int | float)
        }
        return Limits(settings, getattr(self.model, "max_num_seqs", None))

    def handle(self, command: Command) -> None:
        """Apply a command other than `Stop` between two steps."""
        match command:
            case AddRequest(request_id, prompt_token_ids, max_tokens, arrival_time):
                self.scheduler.add_request(
                    Request(request_id, prompt_token_ids, max_tokens, arrival_time)
                )
            case Abort(request_id):
                request = self.scheduler.abort(request_id, self.clock())
                if request is not None:
                    self._aborted.append(_output_of(request))
            case Configure(changes):
                for name, value in changes.items():
                    setattr(self.scheduler, name, value)

    def step(self) -> StepResult:
        """Run one iteration. A model that raises costs the requests of this step, and no others."""
        start = self.clock()
        scheduler = self.scheduler
        outputs, self._aborted = self._aborted, []
        output = scheduler.schedule(start)
        if output.freed_slots:
            self.model.free(output.freed_slots)
        if not output.requests:
            return StepResult(outputs, wait_until=output.wait_until)
        entries = entries_of(output)
        num_running, num_waiting = self.num_running, len(scheduler.waiting)
        try:
            token_ids = self._compute(output)
        except Exception as error:
            logger.exception("A step of %d requests failed", len(output.requests))
            return StepResult(outputs + self._fail(output, error))
        finished = scheduler.update(output, token_ids, self.clock())
        duration = self.clock() - start
        record = StepRecord(self.num_steps, start, duration, entries, num_running, num_waiting)
        self.num_steps += 1
        return StepResult(outputs + [_output_of(request) for request in finished], record)

    def _compute(self, output: SchedulerOutput) -> list[int]:
        token_ids: list[int] = []
        for request, count in zip(output.requests, output.num_tokens, strict=True):
            token_ids.extend(request.next_token_ids(count))
        next_ids = self.model.step(
            [request.slot for request in output.requests if request.slot is not None],
            token_ids,
            output.num_tokens,
            [request.num_computed_tokens for request in output.requests],
            output.num_draft_tokens,
        )
        made = [int(token) for token in next_ids]
        expected = len(output.requests) + sum(output.num_draft_tokens or ())
        if len(made) != expected:
            raise ValueError(f"{len(made)} tokens instead of {expected}")
        return made

    def _fail(self, output: SchedulerOutput, error: Exception) -> list[RequestOutput]:
        """Abort every request of a failed step; their slots are freed with the next schedule."""
        message = type(error).__name__  # its words may hold another request's; they are logged
        now = self.clock()
        # Of a static batch some may have ended before, and their ids may be others' by now.
        alive = [request for request in output.requests if not request.status.finished]
        failed = [self.scheduler.abort(request.request_id, now) for request in alive]
        return [_output_of(request, message) for request in failed if request is not None]


def _output_of(request: Request, error: str = "") -> RequestOutput:
    """Describe a request that has ended; a stage that it never reached took no time."""
    assert request.finish_time is not None
    end = request.finish_time
    scheduled = end if request.first_scheduled_time is None else request.first_scheduled_time
    first_token = end if request.first_token_time is None else request.first_token_time
    return RequestOutput(
        request.request_id,
        request.output_token_ids,
        _FINISH_REASONS[request.status],
        Timing(scheduled - request.arrival_time, first_token - scheduled, end - first_token),
        error,
    )


class Inbox:
    """Commands on their way to the engine's loop; `put` may be called from any thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def put(self, command: Command) -> None:
        """Add a command, without waiting."""
        self._queue.put(command)

    def take(self, timeout_s: float | None) -> Iterator[Command]:
        """All commands that are there; if none are, wait up to `timeout_s` (None: until one)."""
        try:
            yield self._queue.get(timeout_s != 0.0, timeout_s)
            while True:
                yield self._queue.get_nowait()
        except queue.Empty:
            return


def run_loop(core: EngineCore, inbox: Inbox, deliver: Callable[[Delivery], None]) -> None:
    """Take commands, step, deliver, until `Stop` comes.

    While there is work, commands are taken between two steps without waiting; with nothing to do
    the loop sleeps in the inbox. The end of a request is delivered at once; records wait for one.
    """
    timeout_s: float | None = None
    records: list[StepRecord] = []
    delivered_at = -math.inf
    while True:
        for command in inbox.take(timeout_s):
            if isinstance(command, Stop):
                return
            core.handle(command)
        outputs, record, wait_until = core.step()
        if record is not None:
            records.append(record)
        now = core.clock()
        if record is not None or outputs:
            due = bool(outputs) or now - records[0].start >= _LONGEST_HOLD_S
            timeout_s = 0.0
        elif wait_until is None:
            due, timeout_s = bool(records), None
        else:
            due = bool(records) or now - delivered_at >= _HEARTBEAT_S
            timeout_s = min(max(SHORTEST_WAIT_S, wait_until - now), _HEARTBEAT_S)
        if due:
            deliver(Delivery(outputs, records, core.num_running))
            records, delivered_at = [], now
