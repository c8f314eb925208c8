"""OpenAI's `POST /v1/completions` and `GET /v1/models`, for other people's clients and load tools.

Non-streaming and greedy; `prompt` is the tutor's prompt as it stands (a sentence and a line break).
Errors of these two routes have OpenAI's shape, because that is what its clients read; what stands
in front of them (rate limit, body size, the router's own 404 and 405) answers as everywhere else.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from miniserve import problems
from miniserve.app import admitted_client, generate_in_time
from miniserve.client import EngineClient, EngineFailed, EngineUnavailable, QueueFull
from miniserve.completion import EngineError, PromptTooLong
from miniserve.error_handlers import ClientDisconnected, RequestTimeout, headers_of, nearest
from miniserve.problems import INTERNAL, Problem
from miniserve.settings import LONGEST_ANSWER, Settings

logger = logging.getLogger(__name__)

_DEFAULT_MAX_TOKENS = 16  # OpenAI's own default

#: The codes of a 503; of an error and its base classes the nearest counts.
_CODES: dict[type[EngineError], str] = {
    QueueFull: "overloaded",
    EngineFailed: "engine_failed",
    EngineUnavailable: "unavailable",
    EngineError: "engine_error",
}


class CompletionRequest(BaseModel):
    """OpenAI's request; what would change the answer and is not done here is refused.

    So are the commonest parameters that other servers have added; any others are ignored.
    """

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "examples": [{"model": "tutor", "prompt": "He goed to school\n", "max_tokens": 64}]
        },
    )

    model: str
    prompt: str = Field(min_length=1, max_length=4096)
    # Bounded, because an error may repeat it.
    max_tokens: int | None = Field(default=_DEFAULT_MAX_TOKENS, ge=1, le=LONGEST_ANSWER)
    temperature: float | None = Field(default=None, ge=0, le=0, description="Greedy only: 0.")
    n: int | None = Field(default=None, ge=1, le=1)
    stream: bool | None = Field(default=None, description="Only false.")
    stop: Literal[""] | Annotated[list[str], Field(max_length=0)] | None = None
    echo: Literal[False] | None = None
    logprobs: None = None
    best_of: int | None = Field(default=None, ge=1, le=1)
    suffix: Literal[""] | None = None
    presence_penalty: float | None = Field(default=None, ge=0, le=0)
    frequency_penalty: float | None = Field(default=None, ge=0, le=0)
    logit_bias: dict[str, float] | None = Field(default=None, max_length=0)
    ignore_eos: Literal[False] | None = None
    min_tokens: int | None = Field(default=None, ge=0, le=0)
    repetition_penalty: float | None = Field(default=None, ge=1, le=1)
    stop_token_ids: list[int] | None = Field(default=None, max_length=0)


class Choice(BaseModel):
    """One completion."""

    index: int = 0
    text: str
    logprobs: None = None
    finish_reason: str


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class CompletionResponse(BaseModel):
    """OpenAI's text completion object."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class ModelCard(BaseModel):
    """One model that can be asked for."""

    id: str
    object: str = "model"
    created: int
    owned_by: str = "miniserve"


class ModelList(BaseModel):
    """All of them: here, one."""

    object: str = "list"
    data: list[ModelCard]


class ErrorDetails(BaseModel):
    """What OpenAI says of an error."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(BaseModel):
    """An error, as OpenAI's API writes it."""

    error: ErrorDetails


class ApiError(Exception):
    """An error in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorResponse(
            error=ErrorDetails(message=message, type=kind, param=param, code=code)
        )


class _OpenAIRoute(APIRoute):
    """A route whose errors are told in OpenAI's shape."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except ClientDisconnected:
                raise  # nobody reads the answer; for the log it is what it is on every route
            except Exception as error:
                told = _told(error)
                headers = headers_of(told.status, request, error)
                return JSONResponse(told.body.model_dump(), told.status, headers)

        return handle


def completions_router(settings: Settings, extra_problems: Iterable[Problem] = ()) -> APIRouter:
    """The two routes, for the model that the settings name.

    Args:
        extra_problems: what the middleware may answer with, for the documentation.
    """
    model = settings.model
    router = APIRouter(prefix="/v1", tags=["openai"], route_class=_OpenAIRoute)
    started = int(time.time())

    @router.get(
        "/models",
        summary="The models that can be asked for",
        # Whoever looks here whether to send requests, as `miniserve.remote` does, must not be told
        # yes when `/readyz` says no.
        dependencies=[Depends(admitted_client)],
        responses={503: _openai_error(503)},
    )
    async def models() -> ModelList:
        return ModelList(data=[ModelCard(id=model, created=started)])

    @router.post(
        "/completions",
        summary="Continue a prompt, as OpenAI's API does",
        responses={
            **problems.responses([INTERNAL, *extra_problems]),
            **{status: _openai_error(status) for status in (400, 404, 500, 503, 504)},
            # Named so that FastAPI does not add a 422 of its own, which is never answered here.
            "4XX": {"model": ErrorResponse, "description": "Another fault of the request"},
        },
    )
    async def complete(
        question: CompletionRequest,
        request: Request,
        client: Annotated[EngineClient, Depends(admitted_client)],
    ) -> CompletionResponse:
        if question.model != model:
            message = f"There is no model of this name here; there is {model!r}."
            raise ApiError(404, message, param="model", code="model_not_found")
        if question.stream:
            raise ApiError(400, "Streaming is not offered.", param="stream")
        completion = await generate_in_time(
            request,
            client,
            question.prompt,
            max_tokens=question.max_tokens or _DEFAULT_MAX_TOKENS,
            timeout_s=settings.request_timeout_s,
        )
        usage = Usage(
            prompt_tokens=completion.num_prompt_tokens,
            completion_tokens=completion.num_output_tokens,
            total_tokens=completion.num_prompt_tokens + completion.num_output_tokens,
        )
        choice = Choice(text=completion.text, finish_reason=completion.finish_reason)
        return CompletionResponse(
            id=f"cmpl-{uuid.uuid4().hex}",
            created=int(time.time()),
            model=model,
            choices=[choice],
            usage=usage,
        )

    return router


def _openai_error(status: int) -> dict[str, Any]:
    """How the documentation describes a status of these routes."""
    return {"model": ErrorResponse, "description": HTTPStatus(status).phrase}


def _told(error: Exception) -> ApiError:
    """What an error is called over there."""
    match error:
        case ApiError():
            return error
        case HTTPException():  # the body could not be parsed
            return ApiError(error.status_code, str(error.detail))
        case EngineError() | RequestTimeout():
            return _engine_error(error)
        case RequestValidationError():
            return _invalid(error)
    logger.error("A completion failed", exc_info=error)
    return ApiError(500, "The server has made an error.", kind="server_error")


def _invalid(error: RequestValidationError) -> ApiError:
    """Name the first field that is not valid."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":  # its place is an offset, not a field
        return ApiError(400, "The body is not JSON.")
    if len(first["loc"]) == 1:  # the body as a whole
        return ApiError(400, f"The body is not valid: {first['msg']}.")
    field = str(first["loc"][1])
    return ApiError(400, f"The field {field!r} is not valid: {first['msg']}.", param=field)


def _engine_error(error: EngineError | RequestTimeout) -> ApiError:
    """What an engine's error is called over there."""
    if isinstance(error, PromptTooLong):
        return ApiError(400, str(error), code="context_length_exceeded")
    if isinstance(error, RequestTimeout):
        return ApiError(504, "The answer took too long.", kind="server_error", code="timeout")
    return ApiError(503, str(error), kind="server_error", code=nearest(_CODES, error))
