"""From start-up to shutdown: who opens the engine, when requests may come in, and who closes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator

from miniserve.client import (
    EngineClient,
    EngineFailed,
    EngineState,
    EngineUnavailable,
)
from miniserve.completion import Completion, EngineError, PromptTooLong
from miniserve.settings import Settings
from miniserve.tutor import EXAMPLE_SENTENCE, AnswerError, prompt_for, read_completion

#: Makes a client that is not started yet. It may read files, and holds nothing that needs closing.
OpenClient = Callable[[Settings], EngineClient]

_WARM_UP_PAUSE_S = 0.5

logger = logging.getLogger(__name__)


class Lifecycle:
    """Opens the engine in a background task, so that a server is alive before it is ready.

    Used as an asynchronous context manager by the application's lifespan. A start-up that fails
    leaves the server alive and not ready, with the reason.
    """

    def __init__(self, open_client: OpenClient, settings: Settings) -> None:
        self._open_client = open_client
        self._settings = settings
        self._reason = "The server has not been started."  # why it is not warm yet, or has failed
        self._warm = self._failed = False
        self.draining = False
        self._opening: asyncio.Task[None] | None = None
        self.client: EngineClient | None = None
        self.num_in_flight = 0

    async def __aenter__(self) -> Lifecycle:
        self._reason = "The model is being loaded."
        self._warm = self._failed = self.draining = False
        self._opening = asyncio.create_task(self._open(), name="open the engine")
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drain()
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.wait([self._opening])
        if self.client is not None:
            await self.client.stop()
            self.client = None

    async def _open(self) -> None:
        try:
            self.client = await asyncio.to_thread(self._open_client, self._settings)
            await self.client.start()
            self._reason = "The warm-up correction is running."
            completion = await self._warm_up(self.client)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a library in Rust that panics raises no `Exception`
            self._failed = True
            self._reason = f"The engine could not be loaded. {type(error).__name__}: {error}"
            logger.error(self._reason)
            return
        try:
            read_completion(completion, EXAMPLE_SENTENCE)
        except AnswerError as error:
            logger.warning("The warm-up correction ran, but it made no sense: %s", error)
        self._warm = True

    async def _warm_up(self, client: EngineClient) -> Completion:
        """Generate once, and again until it works; `reason` says what went wrong meanwhile.

        An engine that is away or busy comes back, and a proxy that has answered in its place will
        let it answer. Only a dead engine and a prompt that does not fit stay as they are.
        """
        while True:
            try:
                async with asyncio.timeout(self._settings.request_timeout_s):
                    return await client.generate(
                        prompt_for(EXAMPLE_SENTENCE),
                        max_tokens=self._settings.max_tokens,
                        request_id="warm-up",
                    )
            except (EngineFailed, PromptTooLong):
                raise
            except TimeoutError:
                self._note_retry("It took too long.")
            except EngineError as error:
                self._note_retry(str(error))  # these messages are fit for a client to read
            await asyncio.sleep(_WARM_UP_PAUSE_S)

    def _note_retry(self, why: str) -> None:
        reason = f"The warm-up correction is tried again: {why}"
        if reason != self._reason:  # one line in the log, however often it fails the same way
            logger.warning("%s", reason)
        self._reason = reason

    @property
    def reason(self) -> str:
        """Why no request may come in now; empty when one may."""
        return str(self._refusal() or "")

    def _refusal(self) -> EngineUnavailable | None:
        """What a request that comes in now is told; None when it may come in."""
        if self.draining:
            return EngineUnavailable("The server is shutting down.")
        if self._failed:
            return EngineFailed(self._reason)
        if self.client is None:
            return EngineUnavailable(self._reason)
        status = self.client.status()
        if status.state is EngineState.READY and self._warm:
            return None
        reason = status.reason or f"The engine is {status.state}."
        if not self._warm and status.state in (EngineState.READY, EngineState.STARTING):
            reason = self._reason
        if status.dead:
            return EngineFailed(reason)
        return EngineUnavailable(reason, status.retry_after_s)

    def drain(self) -> None:
        """Let no more requests in; those that are in may finish."""
        self.draining = True

    async def fail_in_flight(self) -> None:
        """Stop the engine: what is in flight fails with 503."""
        if self.client is not None:
            await self.client.stop()

    def ready_client(self) -> EngineClient:
        """The engine's client.

        Raises:
            EngineUnavailable: no request may come in now.
            EngineFailed: nor later.
        """
        if (refusal := self._refusal()) is not None:
            raise refusal
        assert self.client is not None  # or it would be refused
        return self.client

    @contextlib.contextmanager
    def admit(self) -> Iterator[EngineClient]:
        """Hold the engine for one request; raises what `ready_client` raises."""
        client = self.ready_client()
        self.num_in_flight += 1
        try:
            yield client
        finally:
            self.num_in_flight -= 1
