"""Stand-ins for what a test is not about: an engine that answers at the test's word, and an open
app.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from fastapi import FastAPI

from miniserve.client import EngineClient, EngineState, EngineStatus
from miniserve.completion import Completion, FinishReason, Timing

ANSWER = "He went to school.\nThe past tense of 'go' is the irregular form 'went'."
TIMING = Timing(queue_s=0.001, prefill_s=0.002, decode_s=0.0345)


class Panic(BaseException):
    """As pyo3 raises for a panic in Rust."""


def held_load(tutor: Any) -> tuple[threading.Event, Callable[[], Any]]:
    """An event, and an `open_tutor` that gives `tutor`, or raises it, once the event is set."""
    loading = threading.Event()

    def open_tutor() -> Any:
        loading.wait(10)
        if isinstance(tutor, Exception):
            raise tutor
        return tutor

    return loading, open_tutor


def completion(text: str = ANSWER, finish_reason: FinishReason = "stop") -> Completion:
    """What an engine gives for a prompt."""
    return Completion(text, finish_reason, 9, 31, TIMING)


async def until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until the condition holds; `TimeoutError` if it does not come to that."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 (what tests wait for has no event)
            await asyncio.sleep(0.005)


class FakeClient(EngineClient):
    """An engine client under a test's control.

    loading, gate: clear them to hold `start` or `generate` until they are set. error: what
        `generate` raises;
    start_error: what `start` raises. calls, cancelled: prompts that came in, and those given up.
    """

    def __init__(self, text: str = ANSWER) -> None:
        self.text = text
        self.finish_reason: FinishReason = "stop"
        self.error: Exception | None = None
        self.start_error: BaseException | None = None
        self.state = EngineStatus(EngineState.READY)
        self.loading = asyncio.Event()
        self.gate = asyncio.Event()
        self.loading.set()
        self.gate.set()
        self.calls: list[str] = []
        self.request_ids: list[str] = []
        self.cancelled: list[str] = []
        self.num_in_flight = 0
        self.started = self.stopped = 0

    async def start(self) -> None:
        await self.loading.wait()
        if self.start_error is not None:
            raise self.start_error
        self.started += 1

    async def stop(self) -> None:
        self.stopped += 1

    async def generate(self, prompt: str, *, max_tokens: int, request_id: str) -> Completion:
        self.calls.append(prompt)
        self.request_ids.append(request_id)
        self.num_in_flight += 1
        try:
            if request_id != "warm-up":
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(prompt)
            raise
        finally:
            self.num_in_flight -= 1
        if self.error is not None and request_id != "warm-up":
            raise self.error
        return completion(self.text, self.finish_reason)

    def status(self) -> EngineStatus:
        return self.state


@contextlib.asynccontextmanager
async def running(app: FastAPI, *, ready: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """Start an app in this process, without a socket, and yield an HTTP client for it."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        if ready:
            await until(lambda: not app.state.lifecycle.reason)
        yield client
