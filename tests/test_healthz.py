"""Alive and ready are two questions."""

import pytest

from miniserve.app import create_app
from miniserve.client import EngineState, EngineStatus
from miniserve.settings import Settings
from tests.fakes import FakeClient, running, until

pytestmark = pytest.mark.anyio


async def test_liveness_comes_before_readiness() -> None:
    client = FakeClient()
    client.loading.clear()
    app = create_app(lambda _: client, Settings())
    async with running(app, ready=False) as http:
        assert (await http.get("/healthz")).json() == {"status": "ok"}
        early = await http.get("/readyz")
        assert early.status_code == 503
        assert "being loaded" in early.json()["detail"]
        assert int(early.headers["retry-after"]) >= 1
        refused = await http.post("/correct", json={"sentence": "He goed to school."})
        assert refused.status_code == 503
        assert not client.calls
        client.loading.set()
        await until(lambda: not app.state.lifecycle.reason)
        ready = await http.get("/readyz")
        assert ready.json() == {"status": "ready", "num_running": 0, "num_waiting": 0}


async def test_a_failed_load_is_alive_and_not_ready() -> None:
    client = FakeClient()
    client.start_error = OSError("model.safetensors is cut short")
    app = create_app(lambda _: client, Settings())
    async with running(app, ready=False) as http:
        await until(lambda: "could not be loaded" in app.state.lifecycle.reason)
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:miniserve:engine-failed"
        assert "model.safetensors is cut short" in answer.json()["detail"]
        assert (await http.get("/healthz")).status_code == 200


async def test_readiness_follows_the_engine() -> None:
    client = FakeClient()
    async with running(create_app(lambda _: client, Settings())) as http:
        client.state = EngineStatus(EngineState.READY, num_running=3, num_waiting=2)
        assert (await http.get("/readyz")).json()["num_waiting"] == 2
        client.state = EngineStatus(EngineState.FAILED, "The engine has died.")
        dead = await http.get("/readyz")
        assert (dead.status_code, dead.json()["detail"]) == (503, "The engine has died.")
        assert (await http.get("/healthz")).status_code == 200


async def test_monitors_may_ask_for_the_head_alone() -> None:
    client = FakeClient()
    async with running(create_app(lambda _: client, Settings())) as http:
        assert (await http.head("/healthz")).status_code == 200
        assert (await http.head("/readyz")).status_code == 200
        client.state = EngineStatus(EngineState.FAILED, "The engine has died.")
        assert (await http.head("/readyz")).status_code == 503
