"""The model on the event loop: the mode `sync`, which is how it is done without thinking.

`generate` is an `async def` with no `await` in it. While it computes, the event loop does nothing
else: no other request, no probe, no timeout, no news of a client that went away. The chapters
measure what that costs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from miniserve.client import (
    EngineClient,
    EngineState,
    EngineStatus,
    EngineUnavailable,
    StepFailed,
)
from miniserve.completion import Completion, EngineError, check_max_tokens
from miniserve.threads import in_daemon
from miniserve.tutor import Tutor

logger = logging.getLogger(__name__)


class BlockingClient(EngineClient):
    """One generation at a time, on the event loop's own thread.

    Args:
        open_tutor: loads the model; `start` calls it in a thread, so that probes are answered
            meanwhile.
        timeout_s: the caller's timeout cannot strike while the loop is blocked, so the deadline is
            looked at between two tokens instead.
    """

    def __init__(self, open_tutor: Callable[[], Tutor], *, timeout_s: float = 30.0) -> None:
        self._open_tutor = open_tutor
        self._timeout_s = timeout_s
        self._tutor: Tutor | None = None
        self._status = EngineStatus(EngineState.STARTING, "The model has not been loaded.")

    async def start(self) -> None:
        """Load the model; raises what loading raised."""
        self._status = EngineStatus(EngineState.STARTING, "The model is being loaded.")
        try:
            tutor = await in_daemon(self._open_tutor, "load the model")
        except Exception as error:
            if self._status.state is EngineState.STARTING:  # else stopped meanwhile
                self._status = EngineStatus(EngineState.FAILED, f"The model did not load: {error}")
            raise
        if self._status.state is not EngineState.STARTING:  # stopped meanwhile
            raise EngineUnavailable(self._status.reason)
        self._tutor = tutor
        self._status = EngineStatus(EngineState.READY)

    async def stop(self) -> None:
        """Let go of the model. Nothing can be in flight: whoever calls this has the event loop."""
        self._tutor = None
        self._status = EngineStatus(EngineState.STOPPED, "The model has been let go.")

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        """See `EngineClient.generate`; raises `TimeoutError` at the deadline."""
        if self._tutor is None:
            raise EngineUnavailable(self._status.reason)
        check_max_tokens(max_tokens)
        deadline = time.monotonic() + self._timeout_s
        try:
            completion = self._tutor.generate(
                prompt, max_tokens, stop=lambda: time.monotonic() >= deadline
            )
        except EngineError:
            raise
        except Exception as error:
            logger.exception("The model failed")
            raise StepFailed(f"The model failed: {type(error).__name__}.") from error
        if completion.finish_reason == "abort":
            raise TimeoutError
        return completion

    def status(self) -> EngineStatus:
        """See `EngineClient.status`. Nothing is ever seen waiting: the queue is the socket's."""
        return self._status
