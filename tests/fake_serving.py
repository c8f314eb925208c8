"""A server whose engine sleeps in place of computing: real HTTP, real schedulers, known timing.

A step takes `step_s` seconds whatever is in it, so the theory is simple: with batch size B and
answers of `mean_tokens` tokens the capacity is B / (mean_tokens · step_s). Nothing here burns a
processor, so a test's directions hold on a busy machine.
"""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI, Response

from miniserve.background import BackgroundServer
from miniserve.scheduler import ContinuousScheduler, Request, Scheduler, StaticScheduler
from miniserve.trace import StepRecord, entries_of

EOS = 0

SENTENCES = [
    "She goed home.",
    "They was tired.",
    "He have went to the market with his two brothers.",
    "Yesterday we eat three pancakes.",
    "The window was broke.",
    "I can sings.",
]


class FakeServing:
    """An app, its engine and a server beside the test. A context manager."""

    def __init__(
        self,
        mode: str = "continuous",
        *,
        max_num_seqs: int = 4,
        step_s: float = 0.003,
        mean_tokens: int = 10,
        max_waiting: int = 256,
    ) -> None:
        self.scheduler: Scheduler = (
            StaticScheduler(max_num_seqs, EOS)
            if mode == "static"
            else ContinuousScheduler(max_num_seqs, EOS)
        )
        self.step_s = step_s
        self.mean_tokens = mean_tokens
        self.max_waiting = max_waiting
        self.changes: list[dict[str, Any]] = []
        self.refusal: Exception | None = None
        self.trace: list[StepRecord] = []
        self._done: dict[str, asyncio.Future[None]] = {}
        self._server = BackgroundServer(self.app())

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> "FakeServing":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> "FakeServing":
        self._server.start()
        return self

    def stop(self) -> None:
        self._server.stop()

    def configure(self, **changes: Any) -> None:
        """What `engine.configure` is to a real server: any thread may set plain numbers."""
        if self.refusal is not None:
            raise self.refusal
        self.changes.append(changes)
        self.max_waiting = changes.pop("max_waiting", self.max_waiting)
        for name, value in changes.items():
            setattr(self.scheduler, name, value)

    def status(self) -> Any:
        return SimpleNamespace(
            num_waiting=len(self.scheduler.waiting), num_running=len(self.scheduler.running)
        )

    def app(self) -> FastAPI:
        @contextlib.asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            self._wake = asyncio.Event()
            engine = asyncio.create_task(self._run())
            yield
            engine.cancel()

        app = FastAPI(lifespan=lifespan)

        @app.get("/healthz")
        async def healthz() -> dict[str, str]:
            return {"status": "ok"}

        @app.post("/correct")
        async def correct(question: dict[str, str], response: Response) -> dict[str, str]:
            sentence = question["sentence"]
            if len(self.scheduler.waiting) >= self.max_waiting:
                response.status_code = 503
                response.headers["Retry-After"] = "1"
                return {"title": "Queue full", "detail": "The queue is full."}
            request = await self._generate(sentence)
            queue, prefill, decode = _parts(request)
            response.headers["Server-Timing"] = (
                f"queue;dur={queue * 1e3:.1f}, prefill;dur={prefill * 1e3:.1f}, "
                f"decode;dur={decode * 1e3:.1f}"
            )
            return {
                "corrected": sentence.replace("goed", "went").replace("They was", "They were"),
                "explanation": "The past tense of 'go' is the irregular form 'went'.",
            }

        return app

    async def _generate(self, sentence: str) -> Request:
        spread = zlib.crc32(sentence.encode()) % 11 - 5
        request_id = f"{len(self._done)}-{time.perf_counter_ns()}"
        length = max(2, self.mean_tokens * (5 + spread) // 5)
        request = Request(request_id, [1, 2, 3], length, time.perf_counter())
        self._done[request_id] = asyncio.get_running_loop().create_future()
        self.scheduler.add_request(request)
        self._wake.set()
        await self._done[request_id]
        return request

    async def _run(self) -> None:
        steps = 0
        while True:
            start = time.perf_counter()
            output = self.scheduler.schedule(start)
            if not output.requests:
                wait = None if output.wait_until is None else max(0.0, output.wait_until - start)
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()
                continue
            entries = entries_of(output)
            counts = len(self.scheduler.running), len(self.scheduler.waiting)
            await asyncio.sleep(self.step_s)
            end = time.perf_counter()
            self.trace.append(StepRecord(steps, start, end - start, entries, *counts))
            steps += 1
            for request in self.scheduler.update(output, [1] * len(output.requests), end):
                self._done[request.request_id].set_result(None)


def _parts(request: Request) -> tuple[float, float, float]:
    scheduled, first, end = (
        request.first_scheduled_time or 0.0,
        request.first_token_time or 0.0,
        request.finish_time or 0.0,
    )
    return scheduled - request.arrival_time, first - scheduled, end - first
