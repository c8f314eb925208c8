"""Cross-site request forgery: another site's page makes the browser send a form to us.

The browser adds our cookie to it, so the cookie alone proves nothing. What the other site cannot do
is read our pages: a random token that stands in our forms and in the session proves that the form
was ours.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from miniserve.middleware.asgi import Disconnected, header, read_body, replay
from miniserve.problems import CLIENT_GONE, Problem

CSRF_FAILED = Problem(
    "csrf",
    403,
    "This did not come from one of our own pages",
    "The CSRF token is missing or is not this session's. Go back, reload the page, and try again.",
)

#: Methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

FIELD = "csrf_token"
HEADER = "X-CSRF-Token"
_KEY = "csrf"


def csrf_token(session: dict[str, Any]) -> str:
    """The session's token, for a form; made if there is none."""
    return str(session.setdefault(_KEY, secrets.token_urlsafe(32)))


class CSRF:
    """Refuses a request that changes something and does not carry its session's token.

    The token comes in the header `X-CSRF-Token`, or in the field `csrf_token` of a URL-encoded
    form. What the browser itself says about where the request comes from (`Sec-Fetch-Site`) is
    believed when it says "from elsewhere".

    Must stand inside session decoding; where it does not, every request fails. Stands inside
    `BodySize`, which answers for a body that is too long.
    """

    def __init__(self, app: ASGIApp, max_bytes: int = 1 << 20) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if "session" not in scope:
            raise RuntimeError("CSRF stands outside session decoding: there is no session yet.")
        if scope["method"] in SAFE_METHODS:
            await self.app(scope, receive, send)
            return
        if header(scope, b"sec-fetch-site") not in (None, "same-origin", "none"):
            await CSRF_FAILED.response()(scope, receive, send)
            return
        try:
            body = await read_body(receive, self.max_bytes)
        except Disconnected:
            await CLIENT_GONE.response()(scope, receive, send)
            return
        expected = scope["session"].get(_KEY, "")
        sent = header(scope, HEADER.lower().encode()) or _form_field(scope, body)
        if not expected or not secrets.compare_digest(sent.encode(), expected.encode()):
            await CSRF_FAILED.response()(scope, receive, send)
            return
        await self.app(scope, replay(body, receive), send)


def _form_field(scope: Scope, body: bytes) -> str:
    content_type = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        return ""
    return parse_qs(body.decode("latin-1")).get(FIELD, [""])[0]
