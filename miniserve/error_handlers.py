"""Where an exception becomes an HTTP answer: a problem, whatever was raised."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException

from miniserve.client import EngineFailed, EngineUnavailable, QueueFull, StepFailed
from miniserve.completion import PromptTooLong
from miniserve.problems import (
    CLIENT_GONE,
    ENGINE_FAILED,
    INTERNAL,
    INVALID,
    NO_CORRECTION,
    PROMPT_TOO_LONG,
    QUEUE_FULL,
    SCHEMA_REF,
    STEP_FAILED,
    TIMEOUT,
    UNAVAILABLE,
    Problem,
    ProblemResponse,
)
from miniserve.schemas import FieldError, ProblemDetails
from miniserve.tutor import AnswerError, SentenceError

_MAX_FIELD_ERRORS = 10


class RequestTimeout(Exception):
    """The request's time is up."""


class ClientDisconnected(Exception):
    """Nobody waits for the answer any more."""


Entry = TypeVar("Entry")

#: Of an exception and its base classes the nearest counts.
PROBLEM_OF: dict[type[Exception], Problem] = {
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


def nearest(table: Mapping[Any, Entry], error: Exception) -> Entry:
    """The entry of the error's own class, or else of the nearest of its base classes."""
    return next(table[kind] for kind in type(error).__mro__ if kind in table)


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem, in its answers and in its OpenAPI document."""
    for kind in PROBLEM_OF:
        app.add_exception_handler(kind, _on_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_exception)
    plain_openapi = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:  # made once: every refusal looks up its route here
            return app.openapi_schema
        document = plain_openapi()
        _, schemas = models_json_schema(
            [(ProblemDetails, "serialization")], ref_template=SCHEMA_REF
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(schemas["$defs"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def headers_of(status: int, request: Request, error: Exception) -> dict[str, str]:
    """What an answer says beside its body: a 503, when to try again, and if on this connection."""
    headers = {}
    if status == 503:
        headers["Retry-After"] = str(getattr(error, "retry_after_s", 1))
        if getattr(request.app.state, "lifecycle", None) and request.app.state.lifecycle.draining:
            headers["Connection"] = "close"  # soon nobody listens at its other end
    return headers


async def _on_error(request: Request, error: Exception) -> ProblemResponse:
    problem = nearest(PROBLEM_OF, error)
    headers = headers_of(problem.status, request, error)
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
