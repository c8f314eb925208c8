"""The engine's asynchronous client, and the engine in a thread.

`BatchingClient` is the event loop's side: it turns prompts into token ids, keeps one future for each
request in flight, bounds the queue, and resolves each future exactly once. `Engine` runs the loop of
`miniserve.engine_core` in a thread of this process, where a notebook can plug in a scheduler of its own and
look inside; `miniserve.engine_process` runs it in a process.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import queue
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from tokenizers import Tokenizer

from miniserve.client import (
    Completion,
    EngineClient,
    EngineState,
    EngineStatus,
    EngineUnavailable,
    PromptTooLong,
    QueueFull,
    StepFailed,
)
from miniserve.engine_core import (
    Abort,
    AddRequest,
    Command,
    Configure,
    EngineCore,
    RequestOutput,
    StepResult,
    Stop,
    run_loop,
)
from miniserve.trace import StepRecord

_STOP_TIMEOUT_S = 5.0


class BatchingClient(EngineClient):
    """The part of an engine that lives on the event loop.

    Args:
        tokenizer: turns prompts into token ids and token ids into text.
        max_model_len: the context: prompt and output together, in tokens.
        max_num_seqs: slots of the engine; with `max_waiting`, what bounds the requests in flight.
        max_waiting: how many requests may wait beyond those that fit into the slots.
        trace_size: step records kept, the latest ones.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_model_len: int,
        max_num_seqs: int,
        max_waiting: int,
        trace_size: int = 10_000,
    ) -> None:
        self._tokenizer = tokenizer
        self._max_model_len = max_model_len
        self.max_num_seqs = max_num_seqs
        self.max_waiting = max_waiting
        self.trace: deque[StepRecord] = deque(maxlen=trace_size)
        self._state = EngineState.STARTING
        self._reason = "The engine has not been started."
        self._in_flight: dict[str, asyncio.Future[RequestOutput]] = {}
        self._suffixes = itertools.count(1)
        self._finish_times: deque[float] = deque(maxlen=64)

    @abstractmethod
    def _send(self, command: Command) -> None:
        """Hand a command to the engine's loop, without waiting."""

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`."""
        if self._state is not EngineState.READY:
            raise EngineUnavailable(self._reason)
        if len(self._in_flight) >= self.max_num_seqs + self.max_waiting:
            raise QueueFull(self._retry_after_s())
        token_ids = self._tokenizer.encode(prompt).ids
        if len(token_ids) + max_tokens > self._max_model_len:
            raise PromptTooLong(
                f"The prompt has {len(token_ids)} tokens; with an answer of up to {max_tokens} "
                f"it does not fit into the context of {self._max_model_len}."
            )
        if request_id in self._in_flight:  # two clients may choose the same id
            request_id = f"{request_id}#{next(self._suffixes)}"
        future = asyncio.get_running_loop().create_future()
        self._in_flight[request_id] = future
        try:
            self._send(AddRequest(request_id, token_ids, max_tokens, time.perf_counter()))
            output = await future
        except asyncio.CancelledError:
            self._send(Abort(request_id))
            raise
        finally:
            del self._in_flight[request_id]
        if output.error:
            raise StepFailed(f"The step that held this request failed: {output.error}")
        return Completion(
            text=self._tokenizer.decode(list(output.token_ids)),
            finish_reason=output.finish_reason,
            num_prompt_tokens=len(token_ids),
            num_output_tokens=len(output.token_ids),
            timing=output.timing,
        )

    def configure(self, **changes: Any) -> None:
        """Change attributes of the running scheduler between two of its steps.

        For example `engine.configure(max_num_seqs=4)` or `engine.configure(max_wait_s=0.02)`.
        """
        self._send(Configure(changes))
        self.max_num_seqs = changes.get("max_num_seqs", self.max_num_seqs)

    def status(self) -> EngineStatus:
        """See `EngineClient.status`. A request counts as running once every slot could hold it."""
        num_running = min(len(self._in_flight), self.max_num_seqs)
        return EngineStatus(
            self._state, self._reason, num_running, len(self._in_flight) - num_running
        )

    def _set_state(self, state: EngineState, reason: str = "") -> None:
        self._state, self._reason = state, reason

    def _deliver(self, result: StepResult) -> None:
        """Take in a step on the event loop."""
        if result.record is not None:
            self.trace.append(result.record)
        for output in result.outputs:
            self._finish_times.append(time.perf_counter())
            future = self._in_flight.get(output.request_id)
            if future is not None and not future.done():
                future.set_result(output)

    def _fail_all(self, reason: str) -> None:
        """Give every request in flight its answer: the engine is gone."""
        for future in self._in_flight.values():
            if not future.done():
                future.set_exception(EngineUnavailable(reason))

    def _retry_after_s(self) -> int:
        """When a place may be free: what is in flight over the throughput of late, at least 1 s."""
        times = self._finish_times
        elapsed = time.perf_counter() - times[0] if times else 0.0
        if elapsed <= 0.0:
            return 1
        return max(1, min(60, math.ceil(len(self._in_flight) * elapsed / len(times))))


class _ThreadInbox:
    """Commands from the event loop to the engine's thread."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def put(self, command: Command) -> None:
        self._queue.put(command)

    def take(self, timeout_s: float | None) -> Iterable[Command]:
        try:
            if timeout_s == 0.0:
                yield self._queue.get_nowait()
            else:
                yield self._queue.get(timeout=timeout_s)
            while True:
                yield self._queue.get_nowait()
        except queue.Empty:
            return


class Engine(BatchingClient):
    """The engine in a thread of this process.

    Args:
        open_core: makes the model and the scheduler; called in the engine's thread by `start`, so
            that loading does not block the event loop.
    """

    def __init__(
        self,
        open_core: Callable[[], EngineCore],
        tokenizer: Tokenizer,
        *,
        max_model_len: int,
        max_num_seqs: int,
        max_waiting: int = 256,
        trace_size: int = 10_000,
    ) -> None:
        super().__init__(
            tokenizer,
            max_model_len=max_model_len,
            max_num_seqs=max_num_seqs,
            max_waiting=max_waiting,
            trace_size=trace_size,
        )
        self._open_core = open_core
        self._inbox = _ThreadInbox()
        self._thread: threading.Thread | None = None
        self.core: EngineCore | None = None

    async def start(self) -> None:
        """Start the thread and wait until it has loaded; raises what loading raised."""
        loop = asyncio.get_running_loop()
        loaded = loop.create_future()
        self._set_state(EngineState.STARTING, "The engine is loading.")
        self._thread = threading.Thread(
            target=self._run, args=(loop, loaded), name="engine", daemon=True
        )
        self._thread.start()
        try:
            self.core = await loaded
        except Exception as error:
            self._set_state(EngineState.FAILED, f"The engine could not be loaded: {error}")
            raise
        self._set_state(EngineState.READY)

    async def stop(self) -> None:
        """Leave the loop after the step that runs now; what is in flight fails."""
        if self._thread is None:
            return
        self._set_state(EngineState.STOPPED, "The engine has been stopped.")
        self._fail_all(self._reason)
        self._inbox.put(Stop())
        await asyncio.to_thread(self._thread.join, _STOP_TIMEOUT_S)
        self._thread = None

    def _send(self, command: Command) -> None:
        self._inbox.put(command)

    def _run(self, loop: asyncio.AbstractEventLoop, loaded: asyncio.Future[EngineCore]) -> None:
        def on_loop(callback: Callable[..., object], *args: object) -> None:
            try:
                loop.call_soon_threadsafe(callback, *args)
            except RuntimeError:  # the loop is closed: nobody is left to be told
                self._inbox.put(Stop())

        try:
            core = self._open_core()
        except Exception as error:
            on_loop(_set_exception, loaded, error)
            return
        on_loop(_set_result, loaded, core)
        try:
            run_loop(core, self._inbox, lambda result: on_loop(self._deliver, result))
        except Exception as error:  # a scheduler that raises ends the engine, never a client's wait
            on_loop(self._die, f"The engine has died: {type(error).__name__}: {error}")

    def _die(self, reason: str) -> None:
        self._set_state(EngineState.FAILED, reason)
        self._fail_all(reason)


def _set_result(future: asyncio.Future[EngineCore], core: EngineCore) -> None:
    if not future.done():
        future.set_result(core)


def _set_exception(future: asyncio.Future[EngineCore], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
