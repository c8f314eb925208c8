"""A portal with an engine that answers at once, and a visitor who uses it as a browser would."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.fernet import Fernet
from fastapi import FastAPI

from miniserve.portal import accounts
from miniserve.portal.application import build_portal
from miniserve.portal.settings import PortalSettings
from tests.fakes import FakeClient, until

PASSWORD = "correct horse battery"
KEY = Fernet.generate_key().decode()
HTML = {"accept": "text/html,application/xhtml+xml"}


def settings_in(folder: Path, **changes: object) -> PortalSettings:
    """Settings of a portal whose files lie in `folder`."""
    return PortalSettings.model_validate(
        {
            "database": folder / "portal.sqlite3",
            "vault": folder / "portal.vault",
            "vault_keys": KEY,
        }
        | changes
    )


@dataclass
class Visitor:
    """An HTTP client with its own cookies."""

    http: httpx.AsyncClient

    async def token(self) -> str:
        answer = await self.http.get("/session")
        return str(answer.json()["csrf_token"])

    async def send(self, path: str, **fields: str) -> httpx.Response:
        """Send a form of our own pages."""
        return await self.http.post(
            path, data={"csrf_token": await self.token()} | fields, headers=HTML
        )

    async def sign_in(self, name: str, password: str = PASSWORD) -> httpx.Response:
        return await self.send("/sign-in", name=name, password=password)

    async def page(self, path: str) -> httpx.Response:
        return await self.http.get(path, headers=HTML)


@dataclass
class RunningPortal:
    """An app that has been started, and its fake engine."""

    app: FastAPI
    engine: FakeClient

    def visitor(self) -> Visitor:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return Visitor(httpx.AsyncClient(transport=transport, base_url="http://test"))

    async def signed_in(self, name: str) -> Visitor:
        visitor = self.visitor()
        answer = await visitor.sign_in(name)
        assert answer.status_code == 303, answer.text
        return visitor


def add_accounts(app: FastAPI) -> None:
    """An admin, and the students ana and ben; all with the same password."""
    with app.state.portal.database.session() as db:
        accounts.ensure_admin(db, PASSWORD)
        for name in ("ana", "ben"):
            accounts.create(db, name, PASSWORD, must_change_password=False)


@contextlib.asynccontextmanager
async def portal_in(folder: Path, **changes: object) -> AsyncIterator[RunningPortal]:
    """Start a portal with three accounts."""
    engine = FakeClient()
    app = build_portal(settings_in(folder, **changes), lambda _: engine)
    async with app.router.lifespan_context(app):
        await until(lambda: not app.state.lifecycle.reason)
        add_accounts(app)
        yield RunningPortal(app, engine)


def token_in(html: str) -> str:
    """The CSRF token of a page's first form."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', html)
    assert found, html
    return found[1]
