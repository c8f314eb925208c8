"""Errors as RFC 9457 problem details: the one place where an exception becomes a status.

A status says whose turn it is. 4xx: send something else (a model that is greedy gives the same
    answer to the same
sentence, so an answer that cannot be read is a 422 too). 503: the same request may succeed later,
and `Retry-After` says when. 504: the server gave up waiting. No problem ever repeats what the
client sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from miniserve.client import EngineFailed, EngineUnavailable, PromptTooLong, QueueFull, StepFailed
from miniserve.schemas import FieldError, ProblemDetails
from miniserve.tutor import AnswerError, SentenceError

MEDIA_TYPE = "application/problem+json"
_MAX_FIELD_ERRORS = 10
_SCHEMA_REF = "#/components/schemas/{model}"


class RequestTimeout(Exception):
    """The request's time is up."""


class ClientDisconnected(Exception):
    """Nobody waits for the answer any more."""


class ProblemResponse(JSONResponse):
    """JSON with the media type of a problem."""

    media_type = MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of error; `detail` is what it says unless the occurrence knows better."""

    name: str
    status: int
    title: str
    detail: str

    @property
    def uri(self) -> str:
        """The problem's type, as RFC 9457 calls it."""
        return f"urn:miniserve:{self.name}" if self.name else "about:blank"

    def details(self, detail: str = "", errors: list[FieldError] | None = None) -> ProblemDetails:
        """The body of the answer."""
        return ProblemDetails(
            type=self.uri,
            title=self.title,
            status=self.status,
            detail=detail or self.detail,
            errors=errors,
        )

    def response(
        self,
        detail: str = "",
        *,
        errors: list[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ProblemResponse:
        """The answer itself, which is also an ASGI application."""
        body = self.details(detail, errors).model_dump(exclude_none=True)
        return ProblemResponse(body, self.status, headers)


BAD_REQUEST = Problem("", 400, "Bad Request", "There was an error parsing the body")
INVALID = Problem("invalid-request", 422, "The request is not valid", "See the list of errors.")
PROMPT_TOO_LONG = Problem(
    "prompt-too-long",
    422,
    "The sentence has too many tokens",
    "The prompt has 198 tokens; with its answer it does not fit into the context of 256.",
)
NO_CORRECTION = Problem(
    "no-correction",
    422,
    "The model made no correction of this sentence",
    "The model's answer was cut off before its end.",
)
CLIENT_GONE = Problem("client-gone", 499, "The client went away", "Nobody waits for the answer.")
INTERNAL = Problem("internal", 500, "Something went wrong in here", "The error has been logged.")
UNAVAILABLE = Problem(
    "unavailable", 503, "The server takes no requests now", "The model is being loaded."
)
ENGINE_FAILED = Problem(
    "engine-failed",
    503,
    "The engine could not be loaded",
    "The engine could not be loaded. CheckpointError: tutor/model.safetensors: is missing",
)
QUEUE_FULL = Problem("queue-full", 503, "The queue is full", "The queue is full.")
STEP_FAILED = Problem(
    "step-failed", 503, "The model failed while it worked on this", "The step failed."
)
TIMEOUT = Problem(
    "timeout", 504, "The answer took too long", "There was no answer within the time allowed."
)

#: What `POST /correct` can answer with, the middleware's problems apart.
CORRECT_PROBLEMS = (
    BAD_REQUEST,
    INVALID,
    PROMPT_TOO_LONG,
    NO_CORRECTION,
    INTERNAL,
    UNAVAILABLE,
    ENGINE_FAILED,
    QUEUE_FULL,
    STEP_FAILED,
    TIMEOUT,
)

_PROBLEM_OF: dict[type[Exception], Problem] = {
    PromptTooLong: PROMPT_TOO_LONG,
    AnswerError: NO_CORRECTION,
    ClientDisconnected: CLIENT_GONE,
    EngineUnavailable: UNAVAILABLE,
    EngineFailed: ENGINE_FAILED,
    QueueFull: QUEUE_FULL,
    StepFailed: STEP_FAILED,
    RequestTimeout: TIMEOUT,
    Exception: INTERNAL,
}

_MESSAGE_OF_RULE = {
    "missing": "It is missing.",
    "json_invalid": "The body is not JSON.",
    "string_type": "It must be a string.",
    "string_unicode": "It is not valid Unicode.",
    "model_attributes_type": "The body must be a JSON object, sent as application/json.",
}


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem, in its answers and in its OpenAPI document."""
    for kind in _PROBLEM_OF:
        app.add_exception_handler(kind, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    plain_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain_openapi()
        _, schemas = models_json_schema(
            [(ProblemDetails, "serialization")], ref_template=_SCHEMA_REF
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def responses(problems: Iterable[Problem]) -> dict[int | str, dict[str, Any]]:
    """Describe problems for a route's `responses=`: one entry a status, with an example of each."""
    described: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = described.setdefault(
            problem.status,
            {
                "description": HTTPStatus(problem.status).phrase,
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": _SCHEMA_REF.format(model="ProblemDetails")},
                        "examples": {},
                    }
                },
            },
        )
        errors = None
        if problem is INVALID:
            broken = SentenceError("too_long")
            errors = [FieldError(field="sentence", rule=broken.rule, message=str(broken))]
        entry["content"][MEDIA_TYPE]["examples"][problem.name or "bad-request"] = {
            "summary": problem.title,
            "value": problem.details(errors=errors).model_dump(exclude_none=True),
        }
        if problem.status in (429, 503):
            entry["headers"] = {
                "Retry-After": {
                    "description": "Seconds to wait before trying again.",
                    "schema": {"type": "integer", "minimum": 1},
                }
            }
    return described


async def _on_error(request: Request, error: Exception) -> ProblemResponse:
    problem = next(_PROBLEM_OF[kind] for kind in type(error).__mro__ if kind in _PROBLEM_OF)
    headers = {}
    if problem.status == 503:
        headers["Retry-After"] = str(getattr(error, "retry_after_s", 1))
    return problem.response("" if problem is INTERNAL else str(error), headers=headers)


async def _on_http_exception(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    return Problem("", error.status_code, title, str(error.detail)).response(headers=error.headers)


async def _on_invalid_request(request: Request, error: Exception) -> ProblemResponse:
    assert isinstance(error, RequestValidationError)
    errors = [_field_error(item) for item in error.errors()[:_MAX_FIELD_ERRORS]]
    return INVALID.response(errors=errors)


def _field_error(item: Mapping[str, Any]) -> FieldError:
    """Say what is wrong in our own words; pydantic's may hold the input."""
    place, *path = item["loc"]
    field = ".".join(part for part in path if isinstance(part, str)) or str(place)
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, SentenceError):
        return FieldError(field=field, rule=cause.rule, message=str(cause))
    rule = item["type"]
    message = _MESSAGE_OF_RULE.get(rule, "It does not have the form that is asked for.")
    return FieldError(field=field, rule=rule, message=message)
