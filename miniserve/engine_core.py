"""The heart of the engine: schedule, step, update, once for each iteration.

`EngineCore` is the only place where scheduler and model meet. It has no thread and no queue of its own:
`run_loop` drives it from an inbox of commands, in a thread (`miniserve.engine`) or in a process
(`miniserve.engine_process`), and hands out what each step made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from miniserve.client import FinishReason, Timing
from miniserve.scheduler import Request, RequestStatus, Scheduler, SchedulerOutput
from miniserve.trace import StepRecord, entries_of

Clock = Callable[[], float]


class Model(Protocol):
    """What the engine needs of a model; `miniserve.model.llama.Llama` is one."""

    def step(
        self,
        slots: Sequence[int],
        token_ids: Sequence[int],
        num_tokens: Sequence[int],
        start_positions: Sequence[int],
    ) -> Sequence[int]:
        """Compute `num_tokens[i]` tokens in slot `slots[i]`; return the next token of each entry."""

    def free(self, slots: Sequence[int]) -> None:
        """Forget what the slots hold."""


@dataclass(frozen=True, slots=True)
class AddRequest:
    """Command: take in a request. `arrival_time` is on the engine's clock, in seconds."""

    request_id: str
    prompt_token_ids: Sequence[int]
    max_tokens: int
    arrival_time: float


@dataclass(frozen=True, slots=True)
class Abort:
    """Command: end a request, wherever it is."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Configure:
    """Command: set attributes of the scheduler, such as `max_num_seqs` or `max_wait_s`."""

    changes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """Command: leave the loop."""


Command = AddRequest | Abort | Configure | Stop


@dataclass(frozen=True, slots=True)
class RequestOutput:
    """How a request ended: its tokens, or the error of the step that it died in."""

    request_id: str
    token_ids: Sequence[int]
    finish_reason: FinishReason
    timing: Timing
    error: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What came of one call of `EngineCore.step`.

    record: None if there was nothing to compute. wait_until: see `SchedulerOutput`.
    """

    outputs: list[RequestOutput] = field(default_factory=list)
    record: StepRecord | None = None
    wait_until: float | None = None


class EngineCore:
    """One scheduler, one model, and a counter of steps."""

    def __init__(
        self, model: Model, scheduler: Scheduler, clock: Clock = time.perf_counter
    ) -> None:
        self.model = model
        self.scheduler = scheduler
        self.clock = clock
        self.num_steps = 0

    def handle(self, command: Command) -> None:
        """Apply a command other than `Stop` between two steps."""
        match command:
            case AddRequest(request_id, prompt_token_ids, max_tokens, arrival_time):
                self.scheduler.add_request(
                    Request(request_id, prompt_token_ids, max_tokens, arrival_time)
                )
            case Abort(request_id):
                self.scheduler.abort(request_id, self.clock())
            case Configure(changes):
                for name, value in changes.items():
                    setattr(self.scheduler, name, value)

    def step(self) -> StepResult:
        """Run one iteration. A model that raises costs the requests of this step, and no others."""
        start = self.clock()
        scheduler = self.scheduler
        output = scheduler.schedule(start)
        if output.freed_slots:
            self.model.free(output.freed_slots)
        if not output.requests:
            return StepResult(wait_until=output.wait_until)
        entries = entries_of(output)
        num_running, num_waiting = len(scheduler.running), len(scheduler.waiting)
        try:
            token_ids = self._compute(output)
        except Exception as error:
            return StepResult(self._fail(output, error))
        end = self.clock()
        finished = scheduler.update(output, token_ids, end)
        record = StepRecord(self.num_steps, start, end - start, entries, num_running, num_waiting)
        self.num_steps += 1
        return StepResult([_output_of(request) for request in finished], record)

    def _compute(self, output: SchedulerOutput) -> Sequence[int]:
        token_ids: list[int] = []
        for request, count in zip(output.requests, output.num_tokens, strict=True):
            token_ids.extend(request.next_token_ids(count))
        return self.model.step(
            [request.slot for request in output.requests if request.slot is not None],
            token_ids,
            output.num_tokens,
            [request.num_computed_tokens for request in output.requests],
        )

    def _fail(self, output: SchedulerOutput, error: Exception) -> list[RequestOutput]:
        """Abort every request of a failed step; their slots are freed with the next schedule."""
        message = f"{type(error).__name__}: {error}"
        now = self.clock()
        failed = [self.scheduler.abort(request.request_id, now) for request in output.requests]
        return [_output_of(request, message) for request in failed if request is not None]


def _output_of(request: Request, error: str = "") -> RequestOutput:
    finish_reason: FinishReason = "abort"
    if request.status is RequestStatus.FINISHED_STOPPED:
        finish_reason = "stop"
    elif request.status is RequestStatus.FINISHED_LENGTH_CAPPED:
        finish_reason = "length"
    finished = request.finish_time or request.arrival_time
    scheduled = request.first_scheduled_time or finished
    first_token = request.first_token_time or finished
    timing = Timing(
        queue_s=scheduled - request.arrival_time,
        prefill_s=first_token - scheduled,
        decode_s=finished - first_token,
    )
    return RequestOutput(request.request_id, request.output_token_ids, finish_reason, timing, error)


class Inbox(Protocol):
    """Where `run_loop` takes its commands from."""

    def take(self, timeout_s: float | None) -> Iterable[Command]:
        """All commands that are there; if none are, wait up to `timeout_s` (None: until one comes)."""


def run_loop(core: EngineCore, inbox: Inbox, deliver: Callable[[StepResult], None]) -> None:
    """Take commands, step, deliver, until `Stop` comes.

    While there is work, commands are taken between two steps without waiting; with nothing to do the
    loop sleeps in the inbox.
    """
    timeout_s: float | None = None
    while True:
        for command in inbox.take(timeout_s):
            if isinstance(command, Stop):
                return
            core.handle(command)
        result = core.step()
        if result.record is not None or result.outputs:
            deliver(result)
            timeout_s = 0.0
        elif result.wait_until is not None:
            timeout_s = max(0.0, result.wait_until - core.clock())
        else:
            timeout_s = None
