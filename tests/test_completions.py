import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import openai
import pytest

from miniserve.app import create_app
from miniserve.background import BackgroundServer
from miniserve.client import (
    EngineFailed,
    EngineState,
    EngineStatus,
    EngineUnavailable,
    QueueFull,
    StepFailed,
)
from miniserve.completion import PromptTooLong
from miniserve.completions import CompletionRequest, completions_router
from miniserve.settings import Settings
from tests.asgi import DISCONNECT, call, chunk, scope_for
from tests.fakes import ANSWER, FakeClient, running

pytestmark = pytest.mark.anyio
PROMPT = "He goed to school.\n"
BODY = {"model": "tutor", "prompt": PROMPT, "max_tokens": 64}


@contextlib.asynccontextmanager
async def service(fake: FakeClient) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(request_timeout_s=0.5)
    app = create_app(lambda _: fake, settings, routers=[completions_router(settings)])
    async with running(app) as client:
        yield client


async def test_a_completion_has_openais_shape() -> None:
    async with service(FakeClient()) as client:
        answer = (await client.post("/v1/completions", json=BODY)).json()
    assert answer["object"] == "text_completion"
    assert answer["id"].startswith("cmpl-")
    assert answer["model"] == "tutor"
    assert answer["choices"] == [
        {"index": 0, "text": ANSWER, "logprobs": None, "finish_reason": "stop"}
    ]
    assert answer["usage"] == {"prompt_tokens": 9, "completion_tokens": 31, "total_tokens": 40}


async def test_models_lists_the_one_model() -> None:
    async with service(FakeClient()) as client:
        answer = (await client.get("/v1/models")).json()
    assert [entry["id"] for entry in answer["data"]] == ["tutor"]


async def test_models_are_not_told_while_requests_would_be_refused() -> None:
    fake = FakeClient()
    async with service(fake) as client:
        fake.state = EngineStatus(EngineState.STARTING, "It is being restarted.", retry_after_s=7)
        answer = await client.get("/v1/models")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert answer.json()["error"]["message"] == "It is being restarted."


async def test_a_refusal_while_draining_closes_its_connection() -> None:
    settings = Settings()
    app = create_app(lambda _: FakeClient(), settings, routers=[completions_router(settings)])
    async with running(app) as client:
        assert "connection" not in (await client.post("/v1/completions", json=BODY)).headers
        app.state.lifecycle.drain()
        answer = await client.post("/v1/completions", json=BODY)
    assert (answer.status_code, answer.headers["connection"]) == (503, "close")
    assert answer.json()["error"]["code"] == "unavailable"


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"model": "gpt-4"}, 404, "model"),
        ({"stream": True}, 400, "stream"),
        ({"temperature": 0.7}, 400, "temperature"),
        ({"n": 2}, 400, "n"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"max_tokens": 10**4000}, 400, "max_tokens"),
        ({"stop": ["\n"]}, 400, "stop"),
        ({"stop": "\n"}, 400, "stop"),
        ({"stop": 5}, 400, "stop"),
        ({"echo": True}, 400, "echo"),
        ({"logprobs": 0}, 400, "logprobs"),
        ({"best_of": 2}, 400, "best_of"),
        ({"suffix": "x"}, 400, "suffix"),
        ({"ignore_eos": True}, 400, "ignore_eos"),
        ({"min_tokens": 5}, 400, "min_tokens"),
        ({"repetition_penalty": 1.1}, 400, "repetition_penalty"),
        ({"stop_token_ids": [7]}, 400, "stop_token_ids"),
        ({"presence_penalty": 1}, 400, "presence_penalty"),
        ({"frequency_penalty": 1}, 400, "frequency_penalty"),
        ({"logit_bias": {"50256": -100}}, 400, "logit_bias"),
        ({"prompt": ""}, 400, "prompt"),
        ({"prompt": ["a", "b"]}, 400, "prompt"),
    ],
)
async def test_what_is_not_offered_is_said_in_openais_words(
    change: dict[str, object], status: int, param: str
) -> None:
    fake = FakeClient()
    async with service(fake) as client:
        answer = await client.post("/v1/completions", json=BODY | change)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert len(error["message"]) < 200
    assert fake.request_ids == ["warm-up"]


@pytest.mark.parametrize(
    ("error", "status", "code", "retry_after"),
    [
        (PromptTooLong("too long"), 400, "context_length_exceeded", None),
        (QueueFull(7), 503, "overloaded", "7"),
        (EngineUnavailable("gone", 3), 503, "unavailable", "3"),
        (EngineFailed("It will never load."), 503, "engine_failed", "60"),
        (StepFailed("broken"), 503, "engine_error", "1"),
    ],
)
async def test_errors_of_the_engine(
    error: Exception, status: int, code: str, retry_after: str | None
) -> None:
    fake = FakeClient()
    fake.error = error
    async with service(fake) as client:
        answer = await client.post("/v1/completions", json=BODY)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.headers.get("retry-after") == retry_after


async def test_a_timeout_is_a_504_and_aborts() -> None:
    fake = FakeClient()
    fake.gate.clear()
    async with service(fake) as client:
        answer = await client.post("/v1/completions", json=BODY)
    assert answer.status_code == 504
    assert answer.json()["error"]["code"] == "timeout"
    assert fake.cancelled == [PROMPT]


async def test_a_client_that_leaves_is_no_error_of_the_server(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeClient()
    settings = Settings()
    app = create_app(lambda _: fake, settings, routers=[completions_router(settings)])
    async with running(app):
        fake.gate.clear()
        body = chunk(json.dumps(BODY).encode())
        answer = await call(app, scope_for("/v1/completions"), [body, DISCONNECT])
    assert answer.status == 499
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("body", [b"\xff{", b'{"model": "tutor", "prompt": }', b"[1]", b'"He go"'])
async def test_a_body_that_is_no_json_object(body: bytes) -> None:
    async with service(FakeClient()) as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/v1/completions", content=body, headers=headers)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert "body" in error["message"]
    assert error["param"] is None


async def test_what_nobody_expected_is_a_500_in_openais_shape(
    caplog: pytest.LogCaptureFixture,
) -> None:
    fake = FakeClient()
    async with service(fake) as client:
        fake.error = KeyError("a bug")
        answer = await client.post("/v1/completions", json=BODY)
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "a bug" in caplog.text
    assert "a bug" not in answer.text


@pytest.mark.parametrize("name", sorted(CompletionRequest.model_fields.keys() - BODY.keys()))
async def test_null_stands_for_the_default(name: str) -> None:
    async with service(FakeClient()) as client:
        answer = await client.post("/v1/completions", json=BODY | {name: None, "max_tokens": None})
    assert answer.status_code == 200


async def test_what_changes_nothing_is_taken() -> None:
    neutral = {"stop": [], "echo": False, "best_of": 1, "suffix": "", "logit_bias": {}, "n": 1}
    others = {"presence_penalty": 0, "frequency_penalty": 0.0, "user": "x", "seed": 1}
    async with service(FakeClient()) as client:
        for body in (BODY | neutral | others, BODY | {"stop": ""}):
            assert (await client.post("/v1/completions", json=body)).status_code == 200


async def test_the_document_knows_no_422() -> None:
    async with service(FakeClient()) as client:
        document = (await client.get("/openapi.json")).json()
    statuses = document["paths"]["/v1/completions"]["post"]["responses"].keys()
    assert "400" in statuses
    assert "422" not in statuses


@pytest.fixture
def url() -> Iterator[str]:
    settings = Settings()
    app = create_app(lambda _: FakeClient(), settings, routers=[completions_router(settings)])
    with BackgroundServer(app) as server:
        server.wait_ready()
        yield f"{server.url}/v1"


async def test_the_real_openai_client_understands_it(url: str) -> None:
    def ask() -> tuple[str, str, int]:
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
            listed = [entry.id for entry in client.models.list()]
            made = client.completions.create(
                model=listed[0], prompt=PROMPT, max_tokens=64, temperature=0
            )
            with pytest.raises(openai.NotFoundError):
                client.completions.create(model="gpt-4", prompt=PROMPT)
        assert made.usage is not None
        return made.choices[0].text, made.choices[0].finish_reason, made.usage.total_tokens

    assert await asyncio.to_thread(ask) == (ANSWER, "stop", 40)
