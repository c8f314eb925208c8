"""The portal put together: what is opened at start-up, and the order of the layers.

Around everything are the server's own layers (`miniserve.middleware` says why in that order), with
one more among them and two inside:

1. `RequestID`, `CountRequests`, `AccessLog`
2. `ProblemPages`: a browser is shown a page in place of a problem's JSON, whoever further in
   refused it. The 500 that `AccessLog` makes of a bug stays JSON: it comes from further out.
3. `RateLimit`, `BodySize`, `InjectionFilter`: refuse before any cookie is looked at.
4. `Sessions`: decodes the session.
5. `CSRF`: compares with the token that is in the session, so it must stand inside `Sessions`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator

from anyio import CapacityLimiter
from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware import Middleware

from miniserve.app import create_app
from miniserve.lifecycle import OpenClient
from miniserve.metrics import Metrics
from miniserve.middleware import PROBLEMS, middleware_stack
from miniserve.middleware.access_log import AccessLog
from miniserve.middleware.rate_limit import TokenBuckets
from miniserve.portal.admin import api_router
from miniserve.portal.auth import STUDENT_PROBLEMS, Refused, on_refused, require_student
from miniserve.portal.csrf import CSRF
from miniserve.portal.database import Database
from miniserve.portal.html import ProblemPages
from miniserve.portal.pages import pages_router
from miniserve.portal.sessions import Sessions
from miniserve.portal.settings import PortalSettings
from miniserve.portal.sign_in import sign_in_router
from miniserve.portal.vault import Vault

_SECRET = "session-secret"
_SIGN_IN_TRIES = 5
_CLASS = 30  # accounts that may share an address
_HASHES_AT_ONCE = 2  # of passwords; each takes 64 MiB and four threads


def make_session_secret(vault: Vault) -> None:
    """On the first run, make what cookies are signed with; raises OSError if it cannot be kept."""
    vault.get_or_make(_SECRET, lambda: secrets.token_urlsafe(32))


class Portal:
    """The process-wide handles, in `app.state.portal`: one database, one vault.

    Raises:
        VaultError: the keys are not keys.
    """

    def __init__(self, settings: PortalSettings) -> None:
        self.vault = Vault(settings.vault, settings.split_vault_keys())
        self.database = Database(settings.database)
        rate = 1 / settings.sign_in_interval_s
        self.sign_in_tries = TokenBuckets(rate, _SIGN_IN_TRIES)
        self.address_tries = TokenBuckets(_CLASS * rate, _CLASS * _SIGN_IN_TRIES)
        # Threads of their own: a whole class that signs in at once must not hold up the others.
        self.hashing = CapacityLimiter(_HASHES_AT_ONCE)

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Open the vault, then the database; close them in reverse order, however it ends.

        If the second does not open, the first is closed, and so is the engine, which was opened
        before both.
        """
        with contextlib.ExitStack() as handles:
            vault = handles.enter_context(self.vault)
            make_session_secret(vault)
            handles.enter_context(self.database)
            yield

    def session_secret(self) -> str:
        """What cookies are signed with; raises `VaultError` before start-up."""
        return self.vault[_SECRET]


def portal_stack(settings: PortalSettings, metrics: Metrics, portal: Portal) -> list[Middleware]:
    """All layers, outermost first."""
    layers = middleware_stack(settings, metrics)
    kinds: list[object] = [layer.cls for layer in layers]
    logged = 1 + kinds.index(AccessLog)
    sessions = Middleware(
        Sessions,
        secret=portal.session_secret,
        max_age_s=settings.session_max_age_s,
        secure=settings.secure_cookies,
    )
    return [
        *layers[:logged],
        Middleware(ProblemPages),
        *layers[logged:],
        sessions,
        Middleware(CSRF, max_bytes=settings.max_body_bytes),
    ]


def build_portal(settings: PortalSettings, open_client: OpenClient) -> FastAPI:
    """The whole portal. Nothing is opened before it starts.

    Raises:
        VaultError: the keys of the vault are missing or are no keys.
    """
    metrics = Metrics()
    portal = Portal(settings)
    app = create_app(
        lambda settings: metrics.around(open_client(settings)),
        settings,
        middleware=portal_stack(settings, metrics, portal),
        routers=[
            APIRouter(lifespan=portal.lifespan),
            metrics.router(),
            api_router(),
            sign_in_router(),
            pages_router(),
        ],
        extra_problems=[*PROBLEMS, *STUDENT_PROBLEMS],
        dependencies=[Depends(require_student)],
    )
    app.title = "miniserve portal"
    app.state.portal = portal
    app.add_exception_handler(Refused, on_refused)
    return app
