"""What the layers share: how to read a header, a body, and which route a request took."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from fastapi import FastAPI
from starlette.routing import compile_path
from starlette.types import Message, Receive, Scope, Send

#: For an answer after which nothing more can be read from the connection.
CLOSE = {"Connection": "close"}

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class BodyTooLarge(Exception):
    """More bytes came than may come."""


class Disconnected(Exception):
    """The client went away before its request was complete."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a header, given in lower case; None if it was not sent."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


def method_of(scope: Scope) -> str:
    """The request's method, or "OTHER": a client may make up methods too."""
    method = str(scope["method"])
    return method if method in _METHODS else "OTHER"


def client_of(scope: Scope) -> str | None:
    """The client's address; None if it has none, or a proxy repeats one that the client made up."""
    client = scope.get("client")
    try:
        return str(ipaddress.ip_address(client[0])) if client else None
    except ValueError:
        return None


def route_of(scope: Scope) -> str:
    """The template of the route, such as `/correct`, for a log line or a label.

    One of a few strings, never what the client made up: that would let it write into the log, and
    make a time series for each request.
    """
    route = scope.get("route")
    if route is not None:
        return str(route.path)
    app: FastAPI | None = scope.get("app")  # a layer has answered before the router was asked
    if app is None:
        return "unmatched"
    path = str(scope["path"])
    if path in _documentation_of(app):
        return path
    return next((t for t in app.openapi()["paths"] if _pattern(t).match(path)), "unmatched")


@lru_cache
def _pattern(template: str) -> re.Pattern[str]:
    return compile_path(template)[0]


def _documentation_of(app: FastAPI) -> set[str | None]:
    return {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url}


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Read a request's whole body.

    Raises:
        BodyTooLarge: it is longer than `max_bytes`; the rest is not read.
        Disconnected: the client went away.
    """
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise BodyTooLarge
        more = message.get("more_body", False)
    return bytes(body)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, and then what comes after it."""
    message: Message | None = {"type": "http.request", "body": body, "more_body": False}

    async def replayed() -> Message:
        nonlocal message
        if message is not None:
            first, message = message, None
            return first
        return await receive()

    return replayed


class StatusWatch:
    """A `send` that remembers the status of the response; None before it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        """Hand one message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)
