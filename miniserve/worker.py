"""One worker beside the event loop: the mode `async`.

The model runs in a thread of its own, one request after another. The event loop stays free: it
answers probes, keeps timeouts, and sees clients go away. Requests are still served one at a time;
what is mended is the loop.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from miniserve.client import (
    STUCK_AFTER_S,
    EngineClient,
    EngineState,
    EngineStatus,
    EngineUnavailable,
    QueueFull,
    StepFailed,
    as_retry_after,
)
from miniserve.completion import Completion, EngineError, check_max_tokens
from miniserve.threads import caller, settle
from miniserve.tutor import Tutor

logger = logging.getLogger(__name__)

_STOP_TIMEOUT_S = 5.0


@dataclass(slots=True, eq=False)
class _Job:
    """One request on its way through the worker; the future belongs to the event loop."""

    prompt: str
    max_tokens: int
    future: asyncio.Future[Completion]
    arrival_time: float = field(default_factory=time.perf_counter)
    begun: bool = False
    given_up: bool = False


class WorkerClient(EngineClient):
    """One worker thread and a bounded queue in front of it.

    Args:
        open_tutor: loads the model; called in the worker's thread.
        max_waiting: how many requests may wait beyond the one that runs.
    """

    def __init__(self, open_tutor: Callable[[], Tutor], *, max_waiting: int = 256) -> None:
        self._open_tutor = open_tutor
        self.max_waiting = max_waiting
        self._state = EngineState.STARTING
        self._reason = "The worker has not been started."
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._in_flight: set[_Job] = set()
        self._moved_at = 0.0  # when it last made a token, or got the first work after none
        self._service_times: deque[float] = deque(maxlen=16)
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Start the worker and wait until it has loaded the model; raises what loading raised."""
        if self._thread is not None and self._thread.is_alive():
            raise RuntimeError("the worker runs already")
        loop = asyncio.get_running_loop()
        loaded: asyncio.Future[None] = loop.create_future()
        self._state, self._reason = EngineState.STARTING, "The model is being loaded."
        self._jobs = queue.SimpleQueue()  # the one before may hold the end of an earlier worker
        self._thread = threading.Thread(
            target=self._run, args=(self._jobs, loop, loaded), name="worker", daemon=True
        )
        self._thread.start()
        try:
            await loaded
        except asyncio.CancelledError:
            self._jobs.put(None)
            raise
        except Exception as error:
            if self._state is EngineState.STARTING:  # else stopped meanwhile
                self._state, self._reason = EngineState.FAILED, f"The model did not load: {error}"
            raise
        if self._state is not EngineState.STARTING:  # stopped meanwhile
            raise EngineUnavailable(self._reason)
        self._state, self._reason = EngineState.READY, ""

    async def stop(self) -> None:
        """End the worker before its next token; what is in flight fails. Idempotent."""
        self._state, self._reason = EngineState.STOPPED, "The worker has been stopped."
        for job in self._in_flight:
            job.given_up = True
            settle(job.future, EngineUnavailable(self._reason))
        self._in_flight.clear()
        if self._thread is None:
            return
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join, _STOP_TIMEOUT_S)

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`; if cancelled while it runs, it counts until it has ended."""
        if self._state is not EngineState.READY:
            raise EngineUnavailable(self._reason)
        if len(self._in_flight) >= 1 + self.max_waiting:
            raise QueueFull(self._retry_after_s())
        check_max_tokens(max_tokens)
        job = _Job(prompt, max_tokens, asyncio.get_running_loop().create_future())
        if not self._in_flight:
            self._moved_at = job.arrival_time
        self._in_flight.add(job)
        self._jobs.put(job)
        try:
            completion = await job.future
        except asyncio.CancelledError:
            job.given_up = True
            if not job.begun:
                self._in_flight.discard(job)
            raise
        self._service_times.append(completion.timing.prefill_s + completion.timing.decode_s)
        return completion

    def status(self) -> EngineStatus:
        """See `EngineClient.status`; a worker that has work and makes no token has failed."""
        state, reason, num = self._state, self._reason, len(self._in_flight)
        still_s = time.perf_counter() - self._moved_at
        if state is EngineState.READY and num and still_s > STUCK_AFTER_S:
            state, reason = EngineState.FAILED, f"The worker has not moved for {still_s:.0f} s."
        return EngineStatus(state, reason, min(1, num), max(0, num - 1))

    def _retry_after_s(self) -> int:
        """When the queue will be empty, at the worker's pace of late."""
        pace = sum(self._service_times) / max(1, len(self._service_times))
        return as_retry_after(pace * len(self._in_flight))

    def _run(
        self,
        jobs: queue.SimpleQueue[_Job | None],
        loop: asyncio.AbstractEventLoop,
        loaded: asyncio.Future[None],
    ) -> None:
        """The worker's life: load, then one job after another until the end."""
        on_loop = caller(loop, lambda: jobs.put(None))
        try:
            tutor = self._open_tutor()
        except BaseException as error:
            on_loop(settle, loaded, error)
            return
        on_loop(settle, loaded, None)
        while (job := jobs.get()) is not None:
            on_loop(self._done, job, self._work(tutor, job))

    def _work(self, tutor: Tutor, job: _Job) -> Completion | EngineError | None:
        """Generate for one job; looks before each token whether anybody still wants the answer."""

        def stop() -> bool:
            self._moved_at = time.perf_counter()
            return job.given_up

        job.begun = True
        if stop():
            return None
        queue_s = self._moved_at - job.arrival_time
        try:
            completion = tutor.generate(job.prompt, job.max_tokens, stop)
            return replace(completion, timing=completion.timing._replace(queue_s=queue_s))
        except EngineError as error:
            return error
        except BaseException as error:
            logger.error("The model failed", exc_info=error)
            return StepFailed(f"The model failed: {type(error).__name__}.")

    def _done(self, job: _Job, result: Completion | EngineError | None) -> None:
        """The worker has passed a job. Runs on the event loop."""
        self._in_flight.discard(job)
        if result is not None:
            settle(job.future, result)
