"""Every kind of error as an RFC 9457 problem: its status, its words, its place in the OpenAPI page.

A status says whose turn it is. 4xx: send something else (408 and 429: the same, but faster, or
later); that a model's answer cannot be read is one of them (422), because a greedy model gives the
same answer again. 500: a fault in here. 503: the same request may succeed later, and `Retry-After`
says when to try (if the engine has failed, somebody has to look first). 504: the server gave up
waiting. No problem ever repeats what the client sent. `miniserve.error_handlers` says which
exception is which problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from miniserve.schemas import FieldError, ProblemDetails
from miniserve.tutor import SentenceError

MEDIA_TYPE = "application/problem+json"
#: Where an OpenAPI document keeps the schemas that it refers to.
SCHEMA_REF = "#/components/schemas/{model}"


#: Names that Python had not taken over from RFC 9110 before version 3.13.
_RFC_9110 = {413: "Content Too Large", 422: "Unprocessable Content"}


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
    "The engine has failed",
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


def responses(problems: Iterable[Problem]) -> dict[int | str, dict[str, Any]]:
    """Describe problems for a route's `responses=`: one entry a status, with an example of each."""
    described: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = described.setdefault(
            problem.status,
            {
                "description": _RFC_9110.get(problem.status, HTTPStatus(problem.status).phrase),
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": SCHEMA_REF.format(model="ProblemDetails")},
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
