"""Every error is a problem, says its own status, and repeats nothing of the request."""

import json

import pytest
from fastapi import FastAPI, HTTPException
from hypothesis import given, settings
from hypothesis import strategies as st

from miniserve import error_handlers, problems
from miniserve.client import EngineFailed, EngineUnavailable, QueueFull, StepFailed
from miniserve.completion import EngineError, PromptTooLong
from miniserve.error_handlers import ClientDisconnected, RequestTimeout
from miniserve.schemas import CorrectionRequest
from miniserve.tutor import AnswerError
from tests.fakes import running

pytestmark = pytest.mark.anyio


def app_raising(error: Exception) -> FastAPI:
    app = FastAPI()
    error_handlers.install(app)

    @app.get("/readyz")
    async def readyz() -> None:
        pass

    @app.get("/fail")
    async def fail() -> None:
        raise error

    @app.post("/correct")
    async def correct(question: CorrectionRequest) -> None:
        pass

    return app


@pytest.mark.parametrize(
    ("error", "status", "name", "retry_after"),
    [
        (PromptTooLong("It is too long."), 422, "prompt-too-long", None),
        (AnswerError("It has 3 lines."), 422, "no-correction", None),
        (ClientDisconnected("It is gone."), 499, "client-gone", None),
        (EngineUnavailable("It is loading.", retry_after_s=3), 503, "unavailable", "3"),
        (EngineFailed("It will never load."), 503, "engine-failed", "60"),
        (QueueFull(retry_after_s=7), 503, "queue-full", "7"),
        (StepFailed("It failed."), 503, "step-failed", "1"),
        (RequestTimeout("It took too long."), 504, "timeout", None),
    ],
)
async def test_each_error_has_one_problem(
    error: Exception, status: int, name: str, retry_after: str | None
) -> None:
    async with running(app_raising(error), ready=False) as client:
        answer = await client.get("/fail")
    assert answer.status_code == answer.json()["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == f"urn:miniserve:{name}"
    assert answer.json()["detail"] == str(error)
    assert answer.headers.get("retry-after") == retry_after


def test_no_engine_error_is_forgotten() -> None:
    def family(kind: type[Exception]) -> set[type[Exception]]:
        return {kind}.union(*(family(child) for child in kind.__subclasses__()))

    assert family(EngineError) - {EngineError} <= set(error_handlers.PROBLEM_OF)


async def test_an_unexpected_error_says_nothing_of_itself() -> None:
    async with running(app_raising(KeyError("secret")), ready=False) as client:
        answer = await client.get("/fail")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


async def test_plain_http_errors_are_problems_too() -> None:
    error = HTTPException(403, "Not for you.", headers={"X-Why": "because"})
    async with running(app_raising(error), ready=False) as client:
        missing = await client.get("/nowhere-at-all")
        wrong_method = await client.put("/fail")
        forbidden = await client.get("/fail")
    assert missing.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
    }
    assert wrong_method.status_code == 405
    assert wrong_method.headers["allow"] == "GET"
    assert forbidden.json()["detail"] == "Not for you."
    assert forbidden.headers["x-why"] == "because"
    for answer in (missing, wrong_method, forbidden):
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "field", "rule"),
    [
        (b"", "body", "missing"),
        (b"{", "body", "json_invalid"),
        (b"[]", "body", "model_attributes_type"),
        (b"{}", "sentence", "missing"),
        (b'{"sentence": 5}', "sentence", "string_type"),
        (b'{"sentence": null}', "sentence", "string_type"),
        (b'{"sentence": ""}', "sentence", "empty"),
        (b'{"sentence": "a\\nb"}', "sentence", "line_break"),
        (b'{"sentence": "a\\u0000b"}', "sentence", "not_printable"),
        (b'{"sentence": "%s"}' % (b"x" * 201), "sentence", "too_long"),
    ],
)
async def test_validation_names_the_field_and_the_rule(
    content: bytes, field: str, rule: str
) -> None:
    async with running(app_raising(KeyError()), ready=False) as client:
        answer = await client.post(
            "/correct", content=content, headers={"content-type": "application/json"}
        )
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:miniserve:invalid-request"
    [error] = answer.json()["errors"]
    assert (error["field"], error["rule"]) == (field, rule)
    assert error["message"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


async def test_validation_never_repeats_the_input_and_stays_small() -> None:
    canary = "qZjXw"

    @given(
        st.fixed_dictionaries({}, optional={"sentence": JSON, canary: JSON}),
        st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded"]),
    )
    @settings(max_examples=60, deadline=None)
    def bodies(body: object, content_type: str) -> None:
        text = json.dumps([body, canary] if body == {} else body).replace("0", canary)
        seen.append((text, content_type))

    seen: list[tuple[str, str]] = []
    bodies()
    seen += [(f'{{"sentence": "{canary}\\n{canary}"}}', "application/json"), ("{" + canary, "a/b")]
    async with running(app_raising(KeyError()), ready=False) as client:
        for text, content_type in seen:
            answer = await client.post(
                "/correct", content=text.encode(), headers={"content-type": content_type}
            )
            assert answer.status_code in (200, 400, 422)
            assert canary not in answer.text
            assert len(answer.content) < 1000


def test_every_documented_problem_has_an_example_and_a_status() -> None:
    described = problems.responses(problems.CORRECT_PROBLEMS)
    count = 0
    for status, entry in described.items():
        for example in entry["content"]["application/problem+json"]["examples"].values():
            assert example["value"]["status"] == status
            assert example["value"]["detail"]
            count += 1
        assert ("Retry-After" in entry.get("headers", {})) == (status in (429, 503))
    assert count == len(problems.CORRECT_PROBLEMS)


def test_the_document_holds_the_problems_schema() -> None:
    document = app_raising(KeyError()).openapi()
    schema = document["components"]["schemas"]["ProblemDetails"]
    assert {"type", "title", "status", "detail"} == set(schema["required"])
    assert "FieldError" in document["components"]["schemas"]
