"""The engine's asynchronous client, and the engine in a thread.

`BatchingClient` is the event loop's side: it turns prompts into token ids, keeps one future for
each request that the engine holds, bounds the queue, and resolves each future exactly once.
`Engine` runs the loop of `miniserve.engine_core` in a thread of this process, where a notebook can
plug in a scheduler of its own and look inside; `miniserve.engine_process` runs it in a process.
The two classes are one promise (each future is resolved once), so they are read in one sitting.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Any

from tokenizers import Tokenizer

from miniserve.client import (
    STUCK_AFTER_S,
    EngineClient,
    EngineFailed,
    EngineState,
    EngineStatus,
    EngineUnavailable,
    QueueFull,
    StepFailed,
    as_exception,
    as_retry_after,
)
from miniserve.completion import Completion, PromptTooLong, check_max_tokens
from miniserve.engine_core import (
    Abort,
    AddRequest,
    Command,
    Configure,
    Delivery,
    EngineCore,
    Inbox,
    Limits,
    RequestOutput,
    Stop,
    check_number,
    run_loop,
)
from miniserve.threads import caller, settle
from miniserve.trace import StepRecord

logger = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 5.0
#: Step records kept, the latest ones.
_TRACE_SIZE = 10_000


class BatchingClient(EngineClient):
    """The part of an engine that lives on the event loop.

    Args:
        open_core: makes the model and the scheduler, where the engine runs, so that loading does
            not block the event loop.
        tokenizer: turns prompts into token ids and token ids into text.
        max_model_len: the context: prompt and output together, in tokens.
        max_num_seqs: slots of the engine; with `max_waiting`, what bounds the requests in flight.
        max_waiting: how many requests may wait beyond those that fit into the slots.

    Attributes:
        trace: the latest step records.
        listeners: called on the event loop with each step record, as it comes.
    """

    def __init__(
        self,
        open_core: Callable[[], EngineCore],
        tokenizer: Tokenizer,
        *,
        max_model_len: int,
        max_num_seqs: int,
        max_waiting: int = 256,
    ) -> None:
        self.max_num_seqs = max_num_seqs
        self.max_waiting = max_waiting
        self.trace: deque[StepRecord] = deque(maxlen=_TRACE_SIZE)
        self.listeners: list[Callable[[StepRecord], None]] = []
        self._open_core = open_core
        self._tokenizer = tokenizer
        self._max_model_len = max_model_len
        self._limits: Limits | None = None
        self._changes: dict[str, Any] = {}  # by `configure`; the next engine starts with them
        self._state = EngineState.STARTING
        self._reason = "The engine has not been started."
        self._num_running = 0
        self._moved_at = 0.0  # its last sign of life, or the first work after none
        # What the engine holds. An aborted request stays until the engine has confirmed its end.
        self._in_flight: dict[str, asyncio.Future[RequestOutput]] = {}
        self._suffixes = itertools.count(1)
        self._finish_times: deque[float] = deque(maxlen=64)  # of the present busy period

    @abstractmethod
    def _send(self, command: Command) -> None:
        """Hand a command to the engine's loop, without waiting; never raises."""

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`."""
        if self._state is not EngineState.READY:
            raise self._unavailable()
        if len(self._in_flight) >= self.max_num_seqs + self.max_waiting:
            raise QueueFull(self._retry_after_s())
        token_ids = self._tokenizer.encode(prompt).ids
        if not token_ids:
            raise ValueError("a request needs at least one prompt token")
        check_max_tokens(max_tokens)
        PromptTooLong.check(len(token_ids), max_tokens, self._max_model_len)
        asked = request_id
        while request_id in self._in_flight:  # two clients may choose the same id
            request_id = f"{asked}#{next(self._suffixes)}"
        future = asyncio.get_running_loop().create_future()
        now = time.perf_counter()
        if not self._in_flight:
            self._moved_at = now
        self._in_flight[request_id] = future
        self._send(AddRequest(request_id, token_ids, max_tokens, now))
        try:
            output = await future
        except asyncio.CancelledError:
            if self._in_flight.get(request_id) is future:  # else the id is somebody else's by now
                self._send(Abort(request_id))
            raise
        if output.error:
            raise StepFailed(f"The step that held this request failed: {output.error}.")
        return Completion(
            text=self._tokenizer.decode(list(output.token_ids)),
            finish_reason=output.finish_reason,
            num_prompt_tokens=len(token_ids),
            num_output_tokens=len(output.token_ids),
            timing=output.timing,
        )

    def configure(self, **changes: Any) -> None:
        """Change numbers of the running engine: the scheduler's, between two of its steps, or the
        client's own `max_waiting`.

        For example `engine.configure(max_num_seqs=4, max_waiting=10)`. Whoever waits already stays,
        however small the new bound is.

        Raises:
            EngineUnavailable: the engine is not running.
            ValueError: there is no such setting, or the engine could not work with the value. Then
                nothing is changed.
        """
        if self._limits is None or self._state is not EngineState.READY:
            raise self._unavailable()
        max_waiting = changes.pop("max_waiting", self.max_waiting)
        check_number("max_waiting", max_waiting, whole=True, least=0)
        self._limits.check(self._changes | changes)
        self.max_waiting = max_waiting
        self._changes.update(changes)
        if changes:
            self._send(Configure(changes))
        self.max_num_seqs = changes.get("max_num_seqs", self.max_num_seqs)

    def status(self) -> EngineStatus:
        """See `EngineClient.status`; who runs is known as of the last steps that were delivered.

        An engine that has work and shows no sign of life is reported as failed until it moves.
        """
        state, reason = self._state, self._reason
        if still_s := self._stuck_for_s():
            state, reason = EngineState.FAILED, f"The engine has not moved for {still_s:.0f} s."
        num_running = min(self._num_running, len(self._in_flight))
        num_waiting = len(self._in_flight) - num_running
        error = self._unavailable()
        dead = isinstance(error, EngineFailed)
        return EngineStatus(state, reason, num_running, num_waiting, error.retry_after_s, dead)

    def _stuck_for_s(self) -> float:
        """How long an engine that has work has been still; 0 as long as that is no reason to doubt
        it.
        """
        still_s = time.perf_counter() - self._moved_at
        works = self._state is EngineState.READY and self._in_flight
        return still_s if works and still_s > STUCK_AFTER_S else 0.0

    def _set_state(self, state: EngineState, reason: str = "") -> None:
        self._state, self._reason = state, reason

    def _unavailable(self) -> EngineUnavailable:
        return EngineUnavailable(self._reason)

    def _deliver(self, delivery: Delivery) -> None:
        """Take in what some steps made. Runs on the event loop."""
        outputs, records, self._num_running = delivery
        self._moved_at = now = time.perf_counter()
        for output in outputs:
            self._finish_times.append(now)
            future = self._in_flight.pop(output.request_id, None)
            if future is not None and not future.done():
                future.set_result(output)
        if not self._in_flight:
            self._finish_times.clear()
        self.trace.extend(records)
        for listener in self.listeners:
            for record in records:
                try:
                    listener(record)
                except Exception:  # what somebody draws is no reason for an engine to die
                    logger.exception("A listener to the trace has failed")

    def _end(self, state: EngineState, reason: str) -> None:
        """The engine is gone: so say `status` and the answer of every request in flight."""
        self._set_state(state, reason)
        for future in self._in_flight.values():
            if not future.done():
                future.set_exception(self._unavailable())
        self._in_flight.clear()
        self._finish_times.clear()

    def _retry_after_s(self) -> int:
        """When those in flight will be through, at the throughput of late."""
        times = self._finish_times
        later = len(times) - times.count(times[0]) if times else 0  # than the first batch
        if not later:
            return 1
        elapsed = time.perf_counter() - times[0]
        return as_retry_after(len(self._in_flight) * elapsed / later)


class Engine(BatchingClient):
    """The engine in a thread of this process; `core` is what `open_core` made."""

    core: EngineCore | None = None
    _thread: threading.Thread | None = None
    _inbox: Inbox

    async def start(self) -> None:
        """Start the thread and wait until it has loaded; raises what loading raised."""
        if self._thread is not None and self._thread.is_alive():
            raise RuntimeError("the engine runs already")
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[EngineCore] = loop.create_future()
        self._set_state(EngineState.STARTING, "The engine is loading.")
        self._inbox = Inbox()
        self._thread = threading.Thread(
            target=self._run, args=(self._inbox, loop, loaded), name="engine", daemon=True
        )
        self._thread.start()
        try:
            self.core = await loaded
        except asyncio.CancelledError:
            self._inbox.put(Stop())
            raise
        except Exception as error:
            if self._state is EngineState.STARTING:  # else stopped meanwhile
                self._end(EngineState.FAILED, f"The engine could not be loaded: {error}")
            raise
        if self._state is not EngineState.STARTING:  # stopped or dead by now
            raise self._unavailable()
        self._limits = self.core.limits
        if self._changes:
            self._send(Configure(dict(self._changes)))  # the thread reads it while we may add
        self._set_state(EngineState.READY)

    async def stop(self) -> None:
        """Leave the loop after the step that runs now; what is in flight fails."""
        self._end(EngineState.STOPPED, "The engine has been stopped.")
        if self._thread is not None:
            self._inbox.put(Stop())
            await asyncio.to_thread(self._thread.join, _STOP_TIMEOUT_S)

    def _send(self, command: Command) -> None:
        self._inbox.put(command)

    def _unavailable(self) -> EngineUnavailable:
        """A thread that has ended of itself is not started again, as a process is."""
        failed = self._state is EngineState.FAILED
        return EngineFailed(self._reason) if failed else super()._unavailable()

    def _run(
        self, inbox: Inbox, loop: asyncio.AbstractEventLoop, loaded: asyncio.Future[EngineCore]
    ) -> None:
        """The engine's thread."""
        on_loop = caller(loop, lambda: inbox.put(Stop()))
        try:
            core = self._open_core()
            on_loop(settle, loaded, core)
            run_loop(core, inbox, lambda delivery: on_loop(self._deliver, delivery))
        except BaseException as error:
            on_loop(self._die, loaded, error)

    def _die(self, loaded: asyncio.Future[EngineCore], error: BaseException) -> None:
        """The thread has ended: loading raised, or the scheduler did. No wait outlives it."""
        if not loaded.done():
            loaded.set_exception(as_exception(error))
        elif self._state is not EngineState.STOPPED:
            logger.error("The engine has died", exc_info=error)
            self._end(EngineState.FAILED, f"The engine has died: {type(error).__name__}: {error}")
