"""`POST /correct`: what goes in, what comes out, and what ends a generation early."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter, FastAPI
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from miniserve import problems
from miniserve.app import create_app, server_timing
from miniserve.client import QueueFull
from miniserve.completion import FinishReason, Timing
from miniserve.settings import Settings
from tests.asgi import DISCONNECT, call, chunk, scope_for
from tests.fakes import FakeClient, running, until

pytestmark = pytest.mark.anyio

BODY = {"sentence": " He goed to school. "}


async def test_a_correction_and_where_the_time_went() -> None:
    client = FakeClient()
    async with running(create_app(lambda _: client, Settings())) as http:
        answer = await http.post("/correct", json=BODY)
    assert answer.status_code == 200
    assert answer.json() == {
        "corrected": "He went to school.",
        "explanation": "The past tense of 'go' is the irregular form 'went'.",
    }
    assert answer.headers["server-timing"] == "queue;dur=1.0, prefill;dur=2.0, decode;dur=34.5"
    assert client.calls[1:] == ["He goed to school.\n"]


def test_the_description_of_the_service_is_made_once() -> None:
    app = create_app(lambda _: FakeClient(), Settings())
    assert app.openapi() is app.openapi()
    assert "ProblemDetails" in app.openapi()["components"]["schemas"]


def test_server_timing_of_an_engine_that_tells_only_the_whole() -> None:
    assert server_timing(Timing(0, 0, 0.25)) == "engine;dur=250.0"


def test_server_timing_is_in_milliseconds() -> None:
    assert (
        server_timing(Timing(0, 0.0104, 1)) == "queue;dur=0.0, prefill;dur=10.4, decode;dur=1000.0"
    )


async def test_each_request_has_an_id_of_its_own() -> None:
    client = FakeClient()
    async with running(create_app(lambda _: client, Settings())) as http:
        for _ in range(3):
            await http.post("/correct", json=BODY)
    assert len(set(client.request_ids)) == 4


@pytest.mark.parametrize(("text", "reason"), [("no line break", "stop"), ("a\nb", "length")])
async def test_an_answer_that_cannot_be_read_is_a_422(text: str, reason: FinishReason) -> None:
    client = FakeClient(text)
    client.finish_reason = reason
    async with running(create_app(lambda _: client, Settings())) as http:
        answer = await http.post("/correct", json=BODY)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:miniserve:no-correction")


async def test_a_full_queue_is_a_503_with_retry_after() -> None:
    client = FakeClient()
    client.error = QueueFull(retry_after_s=4)
    async with running(create_app(lambda _: client, Settings())) as http:
        answer = await http.post("/correct", json=BODY)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "4")


async def test_a_generation_that_takes_too_long_is_cancelled_and_a_504() -> None:
    client = FakeClient()
    client.gate.clear()
    settings = Settings(request_timeout_s=0.02)
    async with running(create_app(lambda _: client, settings)) as http:
        answer = await http.post("/correct", json=BODY)
        assert (answer.status_code, answer.json()["type"]) == (504, "urn:miniserve:timeout")
        assert client.cancelled == ["He goed to school.\n"]
        assert client.num_in_flight == 0


async def test_a_client_that_blocks_the_loop_keeps_the_deadline_itself() -> None:
    client = FakeClient()
    client.error = TimeoutError()
    async with running(create_app(lambda _: client, Settings())) as http:
        assert (await http.post("/correct", json=BODY)).status_code == 504


async def test_a_client_that_goes_away_cancels_its_generation() -> None:
    before = asyncio.all_tasks()
    engine = FakeClient()
    engine.gate.clear()
    app = create_app(lambda _: engine, Settings())
    async with running(app):
        inbox: asyncio.Queue[Message] = asyncio.Queue()
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        inbox.put_nowait({"type": "http.request", "body": json.dumps(BODY).encode()})
        scope = scope_for()
        request = asyncio.create_task(app(scope, inbox.get, send))
        await until(lambda: engine.num_in_flight == 1)
        assert app.state.lifecycle.num_in_flight == 1
        inbox.put_nowait({"type": "http.disconnect"})
        await asyncio.wait_for(request, 10)
        assert engine.cancelled == ["He goed to school.\n"]
        assert app.state.lifecycle.num_in_flight == 0
        assert sent[0]["status"] == 499
    assert asyncio.all_tasks() == before


async def test_a_client_that_is_gone_already_is_not_served() -> None:
    engine = FakeClient()
    app = create_app(lambda _: engine, Settings())
    async with running(app):
        answer = await call(app, scope_for(), [chunk(json.dumps(BODY).encode()), DISCONNECT])
        assert answer.status == 499
        assert engine.calls == ["He goed to school.\n"]  # the warm-up


async def test_a_request_that_is_cancelled_from_outside_leaves_no_task_behind() -> None:
    before = asyncio.all_tasks()
    engine = FakeClient()
    engine.gate.clear()
    app = create_app(lambda _: engine, Settings())
    async with running(app) as http:
        request = asyncio.create_task(http.post("/correct", json=BODY))
        await until(lambda: engine.num_in_flight == 1)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        assert engine.num_in_flight == 0
    assert asyncio.all_tasks() == before


class Tag:
    """Middleware that notes its name in a header; the outermost comes last."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self.app = app
        self.name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"x-tag", self.name.encode()))
            await send(message)

        await self.app(scope, receive, tagged if scope["type"] == "http" else send)


async def test_middleware_is_outermost_first() -> None:
    middleware = [Middleware(Tag, "outer"), Middleware(Tag, "inner")]
    app = create_app(lambda _: FakeClient(), Settings(), middleware=middleware)
    async with running(app) as http:
        assert (await http.get("/healthz")).headers.get_list("x-tag") == ["inner", "outer"]


async def test_a_slash_too_many_is_not_redirected_to_whatever_host_is_claimed() -> None:
    async with running(create_app(lambda _: FakeClient(), Settings())) as http:
        answer = await http.post("/correct/", json=BODY, headers={"host": "elsewhere.example"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def resource(name: str, events: list[str], *, fails: bool = False) -> APIRouter:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        events.append(f"open {name}")
        if fails:
            await until(lambda: not app.state.lifecycle.reason)
            raise OSError(f"{name} is broken")
        try:
            yield
        finally:
            events.append(f"close {name}")

    return APIRouter(lifespan=lifespan)


class NotingClient(FakeClient):
    """Notes when it is stopped."""

    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events

    async def stop(self) -> None:
        self.events.append("close engine")


async def test_what_is_opened_is_closed_in_reverse_order() -> None:
    events: list[str] = []
    app = create_app(
        lambda _: NotingClient(events),
        Settings(),
        routers=[resource("a", events), resource("b", events)],
    )
    async with running(app):
        assert events == ["open a", "open b"]
    assert events[2:] == ["close b", "close a", "close engine"]


async def test_a_start_up_that_fails_half_way_closes_what_was_opened() -> None:
    before = asyncio.all_tasks()
    events: list[str] = []
    app = create_app(
        lambda _: NotingClient(events),
        Settings(),
        routers=[resource("a", events), resource("b", events, fails=True)],
    )
    with pytest.raises(OSError, match="b is broken"):
        async with app.router.lifespan_context(app):
            pass
    assert events == ["open a", "open b", "close a", "close engine"]
    assert asyncio.all_tasks() == before


def test_the_document_has_examples_and_every_error() -> None:
    extra = problems.Problem("too-large", 413, "Too large", "The body is too large.")
    document = create_app(lambda _: FakeClient(), Settings(), extra_problems=[extra]).openapi()
    operation = document["paths"]["/correct"]["post"]
    assert set(operation["responses"]) == {"200", "400", "413", "422", "500", "503", "504"}
    for status, response in operation["responses"].items():
        media_type = "application/json" if status == "200" else "application/problem+json"
        assert set(response["content"]) == {media_type}
    schemas = document["components"]["schemas"]
    assert schemas["CorrectionRequest"]["examples"]
    assert schemas["CorrectionResponse"]["examples"]
    assert set(document["paths"]) == {"/correct", "/healthz", "/readyz"}
