"""What is opened is closed, in reverse order, however it ends; and the request's own session."""

import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from miniserve.portal import accounts
from miniserve.portal.application import build_portal
from miniserve.portal.auth import DbSession
from miniserve.portal.database import Database, DatabaseError
from miniserve.portal.vault import Vault, VaultError
from tests.fakes import FakeClient, until
from tests.portal.visitor import PASSWORD, RunningPortal, settings_in

pytestmark = pytest.mark.anyio


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is entered and left, in order."""
    noted: list[str] = []

    def note(kind: type, method: str, label: str) -> None:
        original = getattr(kind, method)

        def noting(self: Any, *args: Any) -> Any:
            result = original(self, *args)
            noted.append(label)
            return result

        monkeypatch.setattr(kind, method, noting)

    for kind in (Vault, Database):
        note(kind, "__enter__", f"open {kind.__name__}")
        note(kind, "__exit__", f"close {kind.__name__}")
    return noted


class NotingEngine(FakeClient):
    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events

    async def stop(self) -> None:
        self.events.append("close engine")
        await super().stop()


async def start(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        await until(lambda: app.state.lifecycle.client is not None)


async def test_closed_in_reverse_order(tmp_path: Path, events: list[str]) -> None:
    app = build_portal(settings_in(tmp_path), lambda _: NotingEngine(events))
    assert events == []
    await start(app)
    assert events == [
        "open Vault",
        "open Database",
        "close Database",
        "close Vault",
        "close engine",
    ]
    await start(app)  # and it can be started again
    assert len(events) == 10


async def test_closed_on_a_start_up_that_fails(tmp_path: Path, events: list[str]) -> None:
    (tmp_path / "portal.sqlite3").write_text("this is no database" * 99)
    app = build_portal(settings_in(tmp_path), lambda _: NotingEngine(events))
    with pytest.raises(DatabaseError):
        await start(app)
    assert [event for event in events if "Database" not in event][:2] == [
        "open Vault",
        "close Vault",
    ]
    with pytest.raises(VaultError, match="not open"):
        _ = app.state.portal.vault["anything"]
    assert app.state.lifecycle.client is None


async def test_a_wrong_key_fails_the_start_up(tmp_path: Path) -> None:
    await start(build_portal(settings_in(tmp_path), lambda _: FakeClient()))
    other = "A" * 43 + "="
    app = build_portal(settings_in(tmp_path, vault_keys=other), lambda _: FakeClient())
    with pytest.raises(VaultError, match="does not open"):
        await start(app)
    with pytest.raises(DatabaseError, match="not open"), app.state.portal.database.session():
        pass


async def test_sessions_outlive_a_restart(tmp_path: Path) -> None:
    app = build_portal(settings_in(tmp_path), lambda _: FakeClient())
    async with app.router.lifespan_context(app):
        with app.state.portal.database.session() as db:
            accounts.ensure_admin(db, PASSWORD)
        admin = await RunningPortal(app, FakeClient()).signed_in("admin")
    again = build_portal(settings_in(tmp_path), lambda _: FakeClient())
    async with again.router.lifespan_context(again):
        visitor = RunningPortal(again, FakeClient()).visitor()
        visitor.http.cookies = admin.http.cookies
        assert (await visitor.http.get("/admin")).status_code == 200


async def test_without_the_lifespan_nothing_is_answered(tmp_path: Path) -> None:
    app = build_portal(settings_in(tmp_path), lambda _: FakeClient())
    assert (await RunningPortal(app, FakeClient()).visitor().http.get("/")).status_code == 500


async def test_the_commit_comes_before_the_answer_and_an_error_rolls_back(
    tmp_path: Path,
) -> None:
    app = build_portal(settings_in(tmp_path), lambda _: FakeClient())

    @app.get("/make/{name}")
    def make(name: str, db: DbSession, fail: bool = False) -> dict[str, str]:
        accounts.create(db, name, PASSWORD)
        if fail:
            raise KeyError("after the change")
        return {}

    seen: list[bool] = []

    def there(name: str) -> bool:
        with sqlite3.connect(tmp_path / "portal.sqlite3") as db:
            found = db.execute("SELECT 1 FROM students WHERE name = ?", (name,)).fetchone()
        db.close()
        return found is not None

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def looking(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append(there("ana"))
            await send(message)

        await app(scope, receive, looking)

    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=watched)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            assert (await http.get("/make/ana")).status_code == 200
            assert seen == [True]
            assert (await http.get("/make/ben?fail=true")).status_code == 500
    assert not there("ben")
