import asyncio
import contextlib
import functools
import json
import re
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from miniserve.background import BackgroundServer
from miniserve.breaker import CircuitBreaker
from miniserve.client import EngineState, EngineUnavailable, QueueFull, StepFailed
from miniserve.completion import PromptTooLong
from miniserve.remote import RemoteClient
from tests import recorded_engines as recorded
from tests.fakes import until
from tests.streams import serving

pytestmark = pytest.mark.anyio

MODELS = {"object": "list", "data": [{"id": "tutor"}, {"id": "other"}]}
COMPLETION = {
    "choices": [{"index": 0, "text": "He went.\nBecause.", "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}


def answered(text: str, prompt_tokens: str = "5", finish_reason: str = '"stop"') -> httpx.Response:
    """A completion whose text, count and finish reason are written in JSON as given."""
    choice = f'{{"text": {text}, "finish_reason": {finish_reason}}}'
    usage = f'{{"prompt_tokens": {prompt_tokens}}}'
    return httpx.Response(200, text=f'{{"choices": [{choice}], "usage": {usage}}}')


class Upstream:
    """An engine that answers what the test says; a callable may raise or wait."""

    def __init__(self) -> None:
        self.models: httpx.Response | Exception = httpx.Response(200, json=MODELS)
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json=COMPLETION)
        self.gate = asyncio.Event()
        self.gate.set()
        self.bodies: list[dict[str, object]] = []
        self.request_ids: list[str] = []
        self.cancelled = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            if isinstance(self.models, Exception):
                raise self.models
            return self.models
        assert request.url.path == "/v1/completions"
        self.bodies.append(json.loads(request.content))
        self.request_ids.append(request.headers["x-request-id"])
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.answer()


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
async def client(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RemoteClient]:
    monkeypatch.setattr("miniserve.remote._WATCH_EVERY_S", 0.01)
    monkeypatch.setattr("miniserve.remote._RETRY_PAUSE_S", 0.0)
    remote = RemoteClient(
        "http://engine/v1/",
        "tutor",
        max_in_flight=2,
        breaker=CircuitBreaker(threshold=3, pause_s=60),
        transport=httpx.MockTransport(upstream),
    )
    await remote.start()
    yield remote
    await remote.stop()


async def generate(client: RemoteClient, name: str = "r1") -> str:
    completion = await client.generate("He goed.\n", max_tokens=64, request_id=name)
    return completion.text


async def test_a_completion(upstream: Upstream, client: RemoteClient) -> None:
    completion = await client.generate("He goed.\n", max_tokens=64, request_id="r1")
    assert completion.text == "He went.\nBecause."
    assert completion.finish_reason == "stop"
    assert (completion.num_prompt_tokens, completion.num_output_tokens) == (5, 7)
    assert upstream.bodies == [
        {"model": "tutor", "prompt": "He goed.\n", "max_tokens": 64, "temperature": 0}
    ]
    assert upstream.request_ids == ["r1"]


async def test_a_refusal_is_logged_once(
    upstream: Upstream, client: RemoteClient, caplog: pytest.LogCaptureFixture
) -> None:
    upstream.answer = lambda: httpx.Response(400, text="temperature must be > 0")
    for _ in range(2):
        with pytest.raises(EngineUnavailable, match="status 400") as caught:
            await generate(client)
        assert caught.value.retry_after_s == 60
    assert caplog.text.count("temperature must be > 0") == 1


async def test_a_key_goes_with_every_request() -> None:
    seen = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json=MODELS)

    for key in ("s3cret", None):
        remote = RemoteClient(
            "http://engine/v1", "tutor", api_key=key, transport=httpx.MockTransport(answer)
        )
        await remote.start()
        await remote.stop()
    assert seen == ["Bearer s3cret", None]


async def test_an_engine_on_this_host_is_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    route = Route("/v1/models", lambda request: JSONResponse(MODELS))
    with BackgroundServer(Starlette(routes=[route])) as server:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nobody listens there
        for name in ("NO_PROXY", "no_proxy"):  # where the server has put this host
            monkeypatch.delenv(name, raising=False)
        remote = RemoteClient(f"{server.url}/v1", "tutor")
        async with asyncio.timeout(10):
            await remote.start()
        await remote.stop()


async def test_one_too_many_is_refused_without_asking(
    upstream: Upstream, client: RemoteClient
) -> None:
    upstream.gate.clear()
    tasks = [asyncio.create_task(generate(client, f"r{i}")) for i in range(2)]
    await until(lambda: len(upstream.bodies) == 2)
    with pytest.raises(QueueFull):
        await generate(client)
    assert client.status().num_running == 2
    upstream.gate.set()
    assert await asyncio.gather(*tasks) == ["He went.\nBecause."] * 2
    assert client.status().num_running == 0


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (httpx.Response(429, headers={"retry-after": "9"}), QueueFull),
        (httpx.Response(503), QueueFull),
        (httpx.Response(500), EngineUnavailable),
        (httpx.Response(400, text="maximum context length is 256 tokens"), PromptTooLong),
        (httpx.Response(400, text="exceeds the available context size"), PromptTooLong),
        (httpx.Response(400, text="not allowed in this context"), EngineUnavailable),
        (
            httpx.Response(422, text="`inputs` tokens + `max_new_tokens` must be <= 9"),
            PromptTooLong,
        ),
        (httpx.Response(404, json={"error": {"message": "no such model"}}), EngineUnavailable),
        (httpx.Response(401), EngineUnavailable),
        (httpx.Response(418), EngineUnavailable),
        (httpx.Response(201), StepFailed),
        (httpx.Response(200, text="<html>"), StepFailed),
        (httpx.Response(200, json={"choices": []}), StepFailed),
        (httpx.Response(200, json=[1]), StepFailed),
        (httpx.Response(200, text="[" * 100_000), StepFailed),
        (
            httpx.Response(400, content=b"x", headers={"content-type": "a/b; charset=hex"}),
            EngineUnavailable,
        ),
        (answered(r'"\ud800 half"'), StepFailed),
        (answered("null"), StepFailed),
        (answered('"a"', prompt_tokens="1e400"), StepFailed),
        (answered('"a"', prompt_tokens="-1"), StepFailed),
        (answered('"a"', prompt_tokens="1" + "0" * 400), StepFailed),
        (answered('"a"', finish_reason='"content_filter"'), StepFailed),
        (answered('"a"', finish_reason='"abort"'), StepFailed),
        (answered('"a"', finish_reason="null"), StepFailed),
        (answered('"a"', finish_reason="[]"), StepFailed),
        (httpx.Response(503, headers={"retry-after": "9" * 5000}), QueueFull),
    ],
)
async def test_what_an_engine_may_answer(
    upstream: Upstream, client: RemoteClient, response: httpx.Response, expected: type[Exception]
) -> None:
    upstream.answer = lambda: response
    with pytest.raises(expected) as caught:
        await generate(client)
    if asked := response.headers.get("retry-after"):
        assert isinstance(caught.value, QueueFull)
        assert caught.value.retry_after_s == (9 if asked == "9" else 60)
    assert len(upstream.bodies) == 1


@pytest.mark.parametrize(
    ("models", "body", "finish_reason", "num_output_tokens"),
    [
        (recorded.LLAMA_MODELS, recorded.LLAMA_COMPLETION, "stop", 21),
        (recorded.LLAMA_MODELS, recorded.LLAMA_CUT_OFF, "length", 3),
        (recorded.VLLM_MODELS, recorded.VLLM_COMPLETION, "stop", 21),
    ],
)
async def test_what_real_engines_answered(
    upstream: Upstream,
    client: RemoteClient,
    models: dict[str, object],
    body: dict[str, object],
    finish_reason: str,
    num_output_tokens: int,
) -> None:
    upstream.models = httpx.ConnectError("not there yet")
    await until(lambda: client.status().state is EngineState.FAILED)
    upstream.models = httpx.Response(200, json=models)
    await until(lambda: client.status().state is EngineState.READY)
    upstream.answer = lambda: httpx.Response(200, json=body)
    completion = await client.generate("He goed to school.\n", max_tokens=64, request_id="r1")
    assert recorded.ANSWER.startswith(completion.text)
    assert completion.finish_reason == finish_reason
    assert completion.num_prompt_tokens == 8
    assert completion.num_output_tokens == num_output_tokens


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (recorded.LLAMA_TOO_LONG, PromptTooLong),
        (recorded.VLLM_TOO_LONG, PromptTooLong),
        (recorded.LLAMA_LOADING, QueueFull),
        (recorded.VLLM_DEAD, EngineUnavailable),
        (recorded.VLLM_UNKNOWN_MODEL, EngineUnavailable),
        (recorded.LLAMA_BAD_BODY, EngineUnavailable),
    ],
)
async def test_what_real_engines_said_of_errors(
    upstream: Upstream,
    client: RemoteClient,
    answer: tuple[int, dict[str, object]],
    expected: type[Exception],
) -> None:
    upstream.answer = lambda: recorded.response(answer)
    with pytest.raises(expected):
        await generate(client)


async def test_an_engine_that_loads_is_not_ready_yet(
    upstream: Upstream, client: RemoteClient
) -> None:
    upstream.models = recorded.response(recorded.LLAMA_LOADING)
    await until(lambda: client.status().state is EngineState.FAILED)
    assert client.status().reason == "The engine cannot be asked: status 503."


async def test_a_busy_engine_is_not_a_dead_one(
    upstream: Upstream, client: RemoteClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    assert await generate(client)
    upstream.models = httpx.ReadTimeout("no thread was free to answer")
    original = client._look

    async def look() -> None:
        nonlocal looks
        await original()
        looks += 1

    monkeypatch.setattr(client, "_look", look)
    await until(lambda: looks >= 3)
    assert client.status().state is EngineState.READY
    monkeypatch.setattr("miniserve.remote._HEARD_FOR_S", -1.0)  # that answer is long ago
    await until(lambda: client.status().state is EngineState.FAILED)
    assert "ReadTimeout" in client.status().reason


@pytest.mark.parametrize(("keep_alive_s", "connections"), [(60.0, 1), (0.0, 3)])
async def test_idle_connections_are_given_up_before_the_engine_closes_them(
    monkeypatch: pytest.MonkeyPatch, keep_alive_s: float, connections: int
) -> None:
    monkeypatch.setattr("miniserve.remote._KEEP_ALIVE_S", keep_alive_s)
    monkeypatch.setattr("miniserve.remote._WATCH_EVERY_S", 60.0)
    used = 0  # connections that carried a request; who else may knock at the port does not count

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal used
        first = True
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                used, first = used + first, False
                length = re.search(r"content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                body = json.dumps(MODELS if head.startswith("get") else COMPLETION)
                writer.write(
                    f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
                )
                await writer.drain()

    async with serving(handle) as url:
        client = RemoteClient(f"{url}/v1", "tutor")
        await client.start()
        for _ in range(2):
            assert await generate(client)
        await client.stop()
    assert used == connections


async def test_no_connection_is_tried_twice_and_a_broken_one_is_not(
    upstream: Upstream, client: RemoteClient
) -> None:
    outcomes: list[Exception] = [httpx.ConnectError("refused")]

    def refuse_once() -> httpx.Response:
        if outcomes:
            raise outcomes.pop()
        return httpx.Response(200, json=COMPLETION)

    upstream.answer = refuse_once
    assert await generate(client) == "He went.\nBecause."
    assert len(upstream.bodies) == 2
    outcomes.append(httpx.ReadError("cut off: tokens may have been made"))
    with pytest.raises(EngineUnavailable):
        await generate(client)
    assert len(upstream.bodies) == 3


async def test_a_cancelled_await_is_cancelled_upstream(
    upstream: Upstream, client: RemoteClient
) -> None:
    upstream.gate.clear()
    task = asyncio.create_task(generate(client))
    await until(lambda: upstream.bodies)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: upstream.cancelled == 1)
    assert client.status().num_running == 0


async def test_stop_answers_whoever_waits(upstream: Upstream, client: RemoteClient) -> None:
    upstream.gate.clear()
    task = asyncio.create_task(generate(client))
    await until(lambda: upstream.bodies)
    await client.stop()
    with pytest.raises(EngineUnavailable, match="stopped"):
        await task
    with pytest.raises(EngineUnavailable, match="stopped"):
        await generate(client)


async def test_status_follows_the_engine(upstream: Upstream, client: RemoteClient) -> None:
    assert client.status().state is EngineState.READY
    upstream.models = httpx.ConnectError("gone")
    await until(lambda: client.status().state is EngineState.FAILED)
    assert "ConnectError" in client.status().reason
    upstream.models = httpx.Response(200, json={"data": [{"id": "other"}]})
    await until(lambda: "no model 'tutor', but: other" in client.status().reason)
    upstream.models = httpx.Response(200, json=MODELS)
    await until(lambda: client.status().state is EngineState.READY)


@pytest.mark.parametrize(
    ("nonsense", "name"),
    [
        ("[" * 100_000, "RecursionError"),
        (r'{"data": [{"id": "\ud800"}]}', "UnicodeEncodeError"),
        ('{"data": [[]]}', "TypeError"),
    ],
)
async def test_nonsense_does_not_end_the_watch(
    upstream: Upstream,
    client: RemoteClient,
    caplog: pytest.LogCaptureFixture,
    nonsense: str,
    name: str,
) -> None:
    upstream.models = httpx.Response(200, text=nonsense)
    await until(lambda: client.status().state is EngineState.FAILED)
    assert client.status().reason == f"The engine cannot be asked: {name}."
    assert caplog.messages.count(client.status().reason) == 1
    upstream.models = httpx.Response(200, json=MODELS)
    await until(lambda: client.status().state is EngineState.READY)


@pytest.fixture
def late(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> RemoteClient:
    """A client, not started, of an engine that is not there yet."""
    monkeypatch.setattr("miniserve.remote._WATCH_EVERY_S", 0.01)
    upstream.models = httpx.ConnectError("not there yet")
    return RemoteClient("http://engine/v1", "tutor", transport=httpx.MockTransport(upstream))


async def test_a_look_that_drips_in_is_given_up(
    client: RemoteClient, monkeypatch: pytest.MonkeyPatch, upstream: Upstream
) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            await asyncio.sleep(0.01)
            yield b" "

    monkeypatch.setattr("miniserve.remote._CONNECT_TIMEOUT_S", 0.05)
    upstream.models = httpx.Response(200, content=drip())
    await until(lambda: "TimeoutError" in client.status().reason)
    assert client.status().state is EngineState.FAILED


async def test_of_many_models_a_few_are_named(upstream: Upstream, client: RemoteClient) -> None:
    upstream.models = httpx.Response(200, json={"data": [{"id": f"m{i}"} for i in range(300)]})
    await until(lambda: client.status().state is EngineState.FAILED)
    assert client.status().reason.endswith("but: m0, m1, m2, m3, m4 and 295 more.")


async def test_start_waits_for_an_engine_that_comes_later(
    upstream: Upstream, late: RemoteClient
) -> None:
    starting = asyncio.create_task(late.start())
    await until(lambda: late.status().state is EngineState.FAILED)
    assert not starting.done()
    upstream.models = httpx.Response(200, json=MODELS)
    await asyncio.wait_for(starting, timeout=10)
    assert late.status().state is EngineState.READY
    await late.stop()


async def test_stopped_while_it_starts_it_watches_nobody(late: RemoteClient) -> None:
    starting = asyncio.create_task(late.start())
    await until(lambda: late.status().state is EngineState.FAILED)
    await late.stop()
    with pytest.raises(EngineUnavailable, match="stopped"):
        await asyncio.wait_for(starting, 10)
    assert "watch the engine" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_the_breaker_leaves_a_failing_engine_alone(
    upstream: Upstream, client: RemoteClient
) -> None:
    upstream.answer = lambda: httpx.Response(500)
    for _ in range(3):
        with pytest.raises(EngineUnavailable):
            await generate(client)
    with pytest.raises(EngineUnavailable, match="left alone") as caught:
        await generate(client)
    assert 1 <= caught.value.retry_after_s <= 60
    assert len(upstream.bodies) == 3


async def test_an_engine_that_fails_every_request_is_not_ready(
    upstream: Upstream, client: RemoteClient
) -> None:
    upstream.answer = lambda: httpx.Response(500)
    for _ in range(3):
        assert client.status().state is EngineState.READY
        with pytest.raises(EngineUnavailable):
            await generate(client)
    status = client.status()
    assert status.state is EngineState.FAILED
    assert "left alone" in status.reason
    assert status.retry_after_s == 60


async def test_a_503_does_not_speak_for_an_engine(upstream: Upstream, client: RemoteClient) -> None:
    for status in (500, 503, 500, 503, 500):
        upstream.answer = functools.partial(httpx.Response, status)
        with pytest.raises((EngineUnavailable, QueueFull)):
            await generate(client)
    with pytest.raises(EngineUnavailable, match="left alone"):
        await generate(client)


async def test_an_engine_that_hangs_counts_as_failing(upstream: Upstream) -> None:
    upstream.gate.clear()
    client = RemoteClient(
        "http://engine/v1",
        "tutor",
        timeout_s=0.02,
        breaker=CircuitBreaker(threshold=2, pause_s=60),
        transport=httpx.MockTransport(upstream),
    )
    await client.start()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await generate(client)
    with pytest.raises(EngineUnavailable, match="left alone"):
        await generate(client)
    await client.stop()


async def test_breaker_lets_one_call_through_after_the_pause() -> None:
    now = 0.0
    breaker = CircuitBreaker(threshold=2, pause_s=10, clock=lambda: now)
    breaker.failed()
    breaker.check()
    breaker.failed()
    with pytest.raises(EngineUnavailable) as caught:
        breaker.check()
    assert caught.value.retry_after_s == 10
    now = 10.0
    breaker.check()
    with pytest.raises(EngineUnavailable):
        breaker.check()
    breaker.failed()
    now = 19.0
    with pytest.raises(EngineUnavailable):
        breaker.check()
    now = 20.0
    breaker.check()
    breaker.succeeded()
    breaker.check()
    breaker.failed()
    breaker.check()
