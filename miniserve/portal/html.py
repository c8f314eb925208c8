"""HTML from templates, what its forms send, and problems as pages for whoever asks for HTML."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated, Any

import jinja2
from fastapi import Form, Request
from fastapi.responses import HTMLResponse
from pydantic import AfterValidator
from pydantic_core import PydanticKnownError
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from miniserve.middleware.asgi import header
from miniserve.portal.accounts import MIN_PASSWORD_LENGTH, Student
from miniserve.portal.auth import NOT_SIGNED_IN, ONE_TIME_PASSWORD
from miniserve.portal.csrf import csrf_token
from miniserve.problems import MEDIA_TYPE
from miniserve.tutor import MAX_SENTENCE_LENGTH

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("miniserve.portal"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals.update(
    max_sentence_length=MAX_SENTENCE_LENGTH, min_password_length=MIN_PASSWORD_LENGTH
)

#: No script runs, nobody frames the page, forms go nowhere else, and no copy is kept.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

#: Where a browser is sent in place of a problem.
_WAYS_OUT = {NOT_SIGNED_IN.uri: "/sign-in", ONE_TIME_PASSWORD.uri: "/password"}


def _unicode(text: str) -> str:
    """Refuse what cannot be encoded again: some charsets of a form can write half a character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticKnownError("string_unicode") from None
    return text


#: A field of a form. What stands in it can be hashed, stored and shown.
FormField = Annotated[str, AfterValidator(_unicode), Form()]


def page(
    request: Request, template: str, student: Student | None, *, status: int = 200, **context: Any
) -> HTMLResponse:
    """A page. Every form on it carries the session's CSRF token."""
    html = _TEMPLATES.get_template(template).render(
        student=student, csrf_token=csrf_token(request.session), **context
    )
    return HTMLResponse(html, status, _HEADERS)


class ProblemPages:
    """Shows a problem as a page if the client is a browser (its `Accept` names text/html)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or "text/html" not in (header(scope, b"accept") or ""):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = bytearray()

        async def as_page(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_problem(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    await _send_page(start, json.loads(body), send)

        await self.app(scope, receive, as_page)


def _is_problem(start: Message) -> bool:
    content_type = dict(start.get("headers", [])).get(b"content-type", b"")
    return bool(content_type.startswith(MEDIA_TYPE.encode()))


async def _send_page(start: Message, problem: dict[str, Any], send: Send) -> None:
    headers = MutableHeaders(raw=list(start["headers"]))
    html = b""
    if problem["type"] in _WAYS_OUT:
        start["status"] = HTTPStatus.SEE_OTHER.value
        headers["Location"] = _WAYS_OUT[problem["type"]]
    else:
        html = _TEMPLATES.get_template("problem.html").render(problem=problem).encode()
    headers.update(_HEADERS | {"Content-Type": "text/html; charset=utf-8"})
    headers["Content-Length"] = str(len(html))
    await send({**start, "headers": headers.raw})
    await send({"type": "http.response.body", "body": html})
