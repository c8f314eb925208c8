"""The web application: `POST /correct`, the same for every engine that is put behind it."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.params import Depends as DependsParam
from starlette.middleware import Middleware

from miniserve import error_handlers, problems
from miniserve.client import EngineClient
from miniserve.completion import Completion, Timing
from miniserve.error_handlers import ClientDisconnected, RequestTimeout
from miniserve.healthz import health_router
from miniserve.lifecycle import Lifecycle, OpenClient
from miniserve.problems import Problem
from miniserve.schemas import CorrectionRequest, CorrectionResponse
from miniserve.settings import Settings
from miniserve.tutor import Correction, prompt_for, read_completion


def create_app(
    open_client: OpenClient,
    settings: Settings | None = None,
    *,
    middleware: Iterable[Middleware] = (),
    routers: Iterable[APIRouter] = (),
    extra_problems: Iterable[Problem] = (),
    dependencies: Sequence[DependsParam] = (),
) -> FastAPI:
    """Build the application. Nothing is opened before it starts.

    Args:
        open_client: makes the engine's client. What it raises, and what the client's `start`
            raises, is the reason that `/readyz` gives.
        settings: default: what the environment says.
        middleware: outermost first.
        routers: more routes. Their lifespans are entered after the engine's, in order, and left in
            reverse order.
        extra_problems: what the middleware may answer `POST /correct` with, for its documentation.
        dependencies: what must hold before `POST /correct` is answered, such as who asks.
    """
    settings = settings or Settings()
    lifecycle = Lifecycle(open_client, settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with lifecycle:
            yield

    app = FastAPI(
        title="miniserve",
        version=version("miniserve"),
        summary="A grammar tutor behind an inference server small enough to read.",
        lifespan=lifespan,
        middleware=list(middleware),
        # A redirect from /correct/ to /correct would name whatever host the request claims.
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.lifecycle = lifecycle
    error_handlers.install(app)
    # Routes are tried in order: the one that is asked for most comes first.
    app.include_router(_tutor_router(extra_problems), dependencies=list(dependencies))
    app.include_router(health_router(lifecycle))
    for router in routers:
        app.include_router(router)
    return app


async def admitted_client(request: Request) -> AsyncIterator[EngineClient]:
    """Hold the engine for one request (a dependency); 503 while the server is not ready."""
    with request.app.state.lifecycle.admit() as client:
        yield client


def _tutor_router(extra_problems: Iterable[Problem]) -> APIRouter:
    router = APIRouter(tags=["tutor"])

    @router.post(
        "/correct",
        summary="Correct the verb of a sentence",
        responses={
            200: {"headers": _SERVER_TIMING_HEADER},
            **problems.responses([*problems.CORRECT_PROBLEMS, *extra_problems]),
        },
    )
    async def correct(
        question: CorrectionRequest,
        request: Request,
        response: Response,
        client: Annotated[EngineClient, Depends(admitted_client)],
    ) -> CorrectionResponse:
        """Send one short English sentence; get it back with its verb put right, and the reason."""
        correction, timing = await correct_in_time(request, client, question.sentence)
        response.headers["Server-Timing"] = server_timing(timing)
        return CorrectionResponse(
            corrected=correction.corrected, explanation=correction.explanation
        )

    return router


_SERVER_TIMING_HEADER = {
    "Server-Timing": {
        "description": "Where the time went, in milliseconds.",
        "schema": {"type": "string"},
        "example": "queue;dur=0.4, prefill;dur=1.1, decode;dur=22.9",
    }
}


def server_timing(timing: Timing) -> str:
    """Write a timing as the `Server-Timing` header, in milliseconds."""
    parts = {"queue": timing.queue_s, "prefill": timing.prefill_s, "decode": timing.decode_s}
    if not timing.in_parts:
        parts = {"engine": timing.decode_s}
    return ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in parts.items())


async def correct_in_time(
    request: Request, client: EngineClient, sentence: str
) -> tuple[Correction, Timing]:
    """Correct a checked sentence within the bounds that the settings of its application name.

    Raises:
        AnswerError: the model's text is no correction of the sentence.
        RequestTimeout, ClientDisconnected, EngineError: see `generate_in_time`.
    """
    settings: Settings = request.app.state.settings
    completion = await generate_in_time(
        request,
        client,
        prompt_for(sentence),
        max_tokens=settings.max_tokens,
        timeout_s=settings.request_timeout_s,
    )
    return read_completion(completion, sentence), completion.timing


async def generate_in_time(
    request: Request, client: EngineClient, prompt: str, *, max_tokens: int, timeout_s: float
) -> Completion:
    """Answer a prompt under its request's id, for `timeout_s` seconds and while the client waits.

    Raises:
        RequestTimeout: the time is up.
        ClientDisconnected: the client went away.
        EngineError: see `EngineClient.generate`.
    """
    request_id = getattr(request.state, "request_id", None) or uuid.uuid4().hex
    generation = client.generate(prompt, max_tokens=max_tokens, request_id=request_id)
    try:
        async with asyncio.timeout(timeout_s):
            return await unless_disconnected(request, generation)
    except TimeoutError as error:
        raise RequestTimeout(f"There was no answer within {timeout_s:g} seconds.") from error


async def unless_disconnected(
    request: Request, generation: Coroutine[Any, Any, Completion]
) -> Completion:
    """Await a generation, and cancel it if the client goes away first.

    Raises:
        ClientDisconnected: the client went away.
    """
    watching = asyncio.create_task(_disconnected(request), name="watch for a disconnect")
    tasks: list[asyncio.Task[Any]] = [watching]
    try:
        # A client that left while it waited for a busy loop is gone already; the loop needs a few
        # turns to read that from the socket.
        for _ in range(3):
            await asyncio.sleep(0)
        if not watching.done():
            working = asyncio.create_task(generation, name="generate")
            tasks.append(working)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return await working
        raise ClientDisconnected("The client went away.")
    finally:
        if len(tasks) == 1:
            generation.close()  # it was not begun
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
