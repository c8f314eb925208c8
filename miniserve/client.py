"""What every engine looks like from the HTTP side: a prompt in, a text out.

`EngineClient` is the seam between the web application and whatever generates: the model on the
event loop, a worker thread, a batching engine in a thread or a process, or somebody else's server.
The errors below are what may go wrong with a valid request; `miniserve.error_handlers` turns each
into an HTTP answer.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum

from miniserve.completion import Completion, EngineError

_LONGEST_RETRY_S = 60

#: Without a sign of life for so long, an engine or a worker that has work is stuck.
STUCK_AFTER_S = 15.0


class EngineState(StrEnum):
    """The life of an engine as `/readyz` tells it."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """A snapshot of an engine.

    reason: why it is not ready; empty when it is. retry_after_s: when it may be, if it is not.
    dead: it has died, and nobody starts it again: waiting does not help.
    """

    state: EngineState
    reason: str = ""
    num_running: int = 0
    num_waiting: int = 0
    retry_after_s: int = 1
    dead: bool = False


class QueueFull(EngineError):
    """The queue bound is reached; nothing was computed for this request."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__("The queue is full.")
        self.retry_after_s = retry_after_s


class EngineUnavailable(EngineError):
    """The engine is not loaded yet, is away, or is being stopped; try again later."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EngineFailed(EngineUnavailable):
    """The engine could not be loaded, or has died: waiting does not help, somebody has to look."""

    def __init__(self, message: str) -> None:
        super().__init__(message, _LONGEST_RETRY_S)


class StepFailed(EngineError):
    """The model raised in the step that this request was part of; other requests go on."""


def as_retry_after(seconds: float) -> int:
    """A wait as `Retry-After` tells it: whole seconds, from 1 to 60."""
    return math.ceil(max(1.0, min(_LONGEST_RETRY_S, seconds)))


def as_exception(error: BaseException) -> Exception:
    """The error itself, or one that a future takes: a panic in a library's Rust is no Exception."""
    return error if isinstance(error, Exception) else SystemError(repr(error))


class EngineClient(ABC):
    """Anything that can answer a prompt."""

    @abstractmethod
    async def start(self) -> None:
        """Load what is needed; return when `generate` may be called, raise what went wrong."""

    @abstractmethod
    async def stop(self) -> None:
        """Release everything; what is in flight fails with `EngineUnavailable`. Idempotent."""

    @abstractmethod
    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """Generate greedily until the end token or `max_tokens`; what ends otherwise is an error.

        Cancelling the await aborts the request and frees its place.

        Raises:
            EngineError: `miniserve.completion.PromptTooLong` or one of the subclasses above.
            ValueError: `max_tokens` is less than 1.
            TimeoutError: only from a client that blocks the event loop, where the caller's own
                timeout cannot strike (`miniserve.inline`).
        """

    @abstractmethod
    def status(self) -> EngineStatus:
        """Tell how the engine is, at once and without waiting for it."""


class ClientAround(EngineClient):
    """A client around another one: what it does not do itself, that one does."""

    def __init__(self, client: EngineClient) -> None:
        self._client = client

    async def start(self) -> None:
        """See `EngineClient.start`."""
        await self._client.start()

    async def stop(self) -> None:
        """See `EngineClient.stop`."""
        await self._client.stop()

    def status(self) -> EngineStatus:
        """See `EngineClient.status`."""
        return self._client.status()

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`."""
        return await self._client.generate(prompt, max_tokens=max_tokens, request_id=request_id)
