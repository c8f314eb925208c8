"""A server beside a notebook: up, down, again, and nothing left over."""

import asyncio
import contextlib
import gc
import os
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped]
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from miniserve.app import create_app
from miniserve.background import BackgroundServer, _ServerThread
from miniserve.settings import Settings
from tests.fakes import FakeClient


def fake_app() -> FastAPI:
    return create_app(lambda _: FakeClient(), Settings())


def leftovers() -> tuple[set[str], int]:
    """Names of threads, and how many sockets this process holds."""
    gc.collect()
    threads = {thread.name for thread in threading.enumerate()}
    return threads, len(psutil.Process().net_connections())


def test_it_serves_stops_and_serves_again_without_leaks() -> None:
    before = leftovers()
    server = BackgroundServer(fake_app())
    for _ in range(3):
        server.start().wait_ready()
        assert server.running
        url = server.url
        with httpx.Client(base_url=url) as http:
            answer = http.post("/correct", json={"sentence": "He goed to school."})
        assert answer.json()["corrected"] == "He went to school."
        server.stop()
        server.stop()
        assert not server.running
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{url}/healthz")
    assert leftovers() == before
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url


def test_running_the_cell_again_replaces_the_server_of_that_name() -> None:
    before = leftovers()
    first = BackgroundServer(fake_app(), name="tutor").start()
    other = BackgroundServer(fake_app(), name="other").start()
    second = BackgroundServer(fake_app(), name="tutor").start()
    assert (first.running, other.running, second.running) == (False, True, True)
    first.stop()
    assert httpx.get(f"{second.url}/healthz").status_code == 200
    second.stop()
    other.stop()
    assert leftovers() == before


def test_a_server_without_a_name_stops_no_other() -> None:
    app = answering(200, b"")

    def serve() -> str:
        return BackgroundServer(app).start().url

    before = leftovers()
    urls = [serve() for _ in range(3)]  # CPython gives the id of a forgotten object again
    try:
        for url in urls:
            assert httpx.get(url).status_code == 200
    finally:
        for thread in threading.enumerate():
            if isinstance(thread, _ServerThread):
                thread.stop()
    assert leftovers() == before


def test_it_stops_while_a_client_keeps_its_connection() -> None:
    before = leftovers()
    with httpx.Client() as http:
        with BackgroundServer(fake_app()) as server:
            assert http.get(f"{server.url}/healthz").status_code == 200
        assert not server.running
    assert leftovers() == before


def test_two_starts_are_one() -> None:
    with BackgroundServer(fake_app()) as server:
        url = server.url
        assert server.start() is server
        assert server.url == url


@pytest.mark.parametrize(("host", "begin"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_its_url_can_be_asked(host: str, begin: str) -> None:
    try:
        server = BackgroundServer(fake_app(), host=host).start()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        assert server.url.startswith(f"http://{begin}:")
        assert httpx.get(f"{server.url}/healthz").status_code == 200


def test_small_answers_do_not_wait_for_nagle() -> None:
    seen: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with BackgroundServer(app) as server:
        assert server._thread is not None
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"204" in client.recv(1000)
            for connection in list(server._thread.server.server_state.connections):
                peer: Any = connection.transport.get_extra_info("socket")
                seen.append(peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    assert seen == [1]


def test_the_applications_own_exception_is_shown() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise ZeroDivisionError("the lifespan is broken")
        yield

    before = leftovers()
    with pytest.raises(RuntimeError, match="did not start") as caught:
        BackgroundServer(FastAPI(lifespan=lifespan)).start()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert leftovers() == before


def test_an_application_without_a_lifespan_is_served() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with BackgroundServer(app) as server:
        assert httpx.get(server.url).status_code == 204


def test_a_taken_port_is_an_error_in_the_cell() -> None:
    with BackgroundServer(fake_app()) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match=r"in use"):
            BackgroundServer(fake_app(), port=port).start()


def test_a_start_up_that_fails_is_told_with_its_reason() -> None:
    def broken(settings: Settings) -> FakeClient:
        raise OSError("config.json is missing")

    with (
        BackgroundServer(create_app(broken, Settings())) as server,
        pytest.raises(RuntimeError, match=r"config\.json is missing"),
    ):
        server.wait_ready()


def test_waiting_for_readiness_ends() -> None:
    def slow(settings: Settings) -> FakeClient:
        client = FakeClient()
        client.loading.clear()
        return client

    with (
        BackgroundServer(create_app(slow, Settings())) as server,
        pytest.raises(TimeoutError, match="being loaded"),
    ):
        server.wait_ready(timeout_s=0.1)


def test_waiting_for_readiness_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with BackgroundServer(fake_app()) as server:
        server.wait_ready(timeout_s=5)


def test_a_cell_reaches_it_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    server = BackgroundServer(fake_app()).start()
    try:
        assert httpx.get(server.url + "/healthz").status_code == 200
        assert os.environ["NO_PROXY"] == "example.org,127.0.0.1"
    finally:
        server.stop()
        monkeypatch.delenv("no_proxy", raising=False)


def test_a_server_that_was_replaced_is_never_ready() -> None:
    first = BackgroundServer(fake_app(), name="tutor").start()
    with (
        BackgroundServer(fake_app(), name="tutor"),
        pytest.raises(RuntimeError, match="not running"),
    ):
        first.wait_ready()
    first.stop()


def answering(status: int, body: bytes) -> Any:
    """An application that gives the same answer to everything."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": body})

    return app


@pytest.mark.parametrize("body", [b"", b"Not found", b"[]", b"{}", b"\xff"])
def test_an_answer_that_is_no_problem_is_waited_out(body: bytes) -> None:
    with (
        BackgroundServer(answering(404, body)) as server,
        pytest.raises(TimeoutError, match="404"),
    ):
        server.wait_ready(timeout_s=0.1)


def test_a_late_answer_takes_from_the_time_of_the_next_one() -> None:
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.append(scope["path"])
            await asyncio.sleep(0.8)
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    with BackgroundServer(app) as server, pytest.raises(TimeoutError, match="timed out"):
        server.wait_ready(timeout_s=1.0)
    assert len(asked) == 2
