"""Session decoding: Starlette's signed cookie, with the secret that is in the vault."""

from __future__ import annotations

from collections.abc import Callable

from starlette.middleware.sessions import SessionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "miniserve_session"


class Sessions:
    """Reads the cookie into `scope["session"]`, and writes it back if it has changed.

    The cookie is signed, not sealed: its owner can read it, and cannot change it. It is HttpOnly
    and SameSite=Lax.

    Args:
        secret: asked for each request, because the vault is not open before start-up.
        max_age_s: an older cookie counts as none.
        secure: send the cookie over HTTPS only.
    """

    def __init__(
        self, app: ASGIApp, secret: Callable[[], str], *, max_age_s: int, secure: bool
    ) -> None:
        self.app = app
        self.secret = secret
        self.max_age_s = max_age_s
        self.secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        layer = SessionMiddleware(
            self.app,
            secret_key=self.secret(),
            session_cookie=COOKIE,
            max_age=self.max_age_s,
            same_site="lax",
            https_only=self.secure,
        )
        await layer(scope, receive, send)
