"""No request body is longer than is allowed, or takes for ever to come."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.types import ASGIApp, Receive, Scope, Send

from miniserve.middleware.asgi import (
    CLOSE,
    BodyTooLarge,
    Disconnected,
    header,
    read_body,
    replay,
)
from miniserve.problems import CLIENT_GONE, Problem

BODY_TOO_LARGE = Problem(
    "body-too-large", 413, "The request's body is too large", "The body is too large."
)
BODY_TIMEOUT = Problem(
    "body-timeout", 408, "The request's body did not come", "The body did not come in time."
)

#: After a refusal, so much is still read and thrown away: a client that is cut off while it sends
#: may never see the answer.
_DISCARD_BYTES = 1 << 20
_DISCARD_S = 1.0


class BodySize:
    """Reads the whole body before the application is called, at most `max_bytes` of it.

    A declared length that is too large is refused unread. What is counted is what comes: a chunked
    body declares nothing, and a declared length may be a lie.

    Args:
        max_bytes: longest body.
        timeout_s: longest time for a body to come.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, timeout_s: float) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            if int(header(scope, b"content-length") or 0) > self.max_bytes:
                raise BodyTooLarge
            async with asyncio.timeout(self.timeout_s):
                body = await read_body(receive, self.max_bytes)
        except Disconnected:
            await CLIENT_GONE.response()(scope, receive, send)
        except TimeoutError:
            await BODY_TIMEOUT.response(headers=CLOSE)(scope, receive, send)
        except BodyTooLarge:
            # With an Expect header the client waits for our word before it sends anything.
            if header(scope, b"expect") is None:
                await _discard(receive)
            detail = f"The body is longer than {self.max_bytes} bytes."
            await BODY_TOO_LARGE.response(detail, headers=CLOSE)(scope, receive, send)
        else:
            await self.app(scope, replay(body, receive), send)


async def _discard(receive: Receive) -> None:
    with contextlib.suppress(BodyTooLarge, Disconnected, TimeoutError):
        async with asyncio.timeout(_DISCARD_S):
            await read_body(receive, _DISCARD_BYTES)
