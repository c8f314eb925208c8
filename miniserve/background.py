"""A server beside a notebook: uvicorn in a thread, with an event loop of its own.

    server = BackgroundServer(app, name="tutor").start()
    httpx.post(f"{server.url}/correct", json={"sentence": "He goed to school."})
    server.stop()

Running such a cell again makes a new server, and the variable forgets the old one. So a server may
have a name, and `start` first stops a running server of the same name; it is found in the
interpreter's own list of threads.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

import uvicorn

from miniserve.problems import ENGINE_FAILED
from miniserve.sockets import KEEP_ALIVE_S, listen, url_of

_TIMEOUT_S = 30.0
_GRACE_S = 5
#: The shortest time that an answer of `/readyz` is given.
_LEAST_TIMEOUT_S = 0.1


class _Server(uvicorn.Server):
    """Says when it is up, rather than being asked again and again."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()


class _ServerThread(threading.Thread):
    """Runs one server, from its first moment to its last."""

    def __init__(self, app: Any, listener: socket.socket, name: str) -> None:
        super().__init__(name=name, daemon=True)
        config = uvicorn.Config(
            self._call,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            interface="asgi3",
            timeout_graceful_shutdown=_GRACE_S,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self.server = _Server(config)
        self.error: BaseException | None = None
        self._app = app
        self._listener = listener

    async def _call(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application, and keep what its lifespan raises: uvicorn only logs it."""
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            if scope["type"] == "lifespan":
                self.error = error
            raise

    def run(self) -> None:
        try:
            # Not `server.run`: it goes through `asyncio.run`, which nest-asyncio replaces in
            # chapter 02.
            make_loop = self.server.config.get_loop_factory()
            with self._listener, asyncio.Runner(loop_factory=make_loop) as runner:
                runner.run(self.server.serve(sockets=[self._listener]))
        except BaseException as error:  # with SystemExit uvicorn says that start-up failed
            self.error = self.error or error
        finally:
            self.server.up.set()

    def stop(self) -> None:
        self.server.should_exit = True
        self.join(_TIMEOUT_S)
        if self.is_alive():
            raise RuntimeError(f"{self.name} did not stop within {_TIMEOUT_S:g} seconds.")


def _ask_no_proxy_for(host: str) -> None:
    """Have this process's HTTP clients reach a server of its own directly, where a proxy is set.

    httpx and requests send everything to `HTTP_PROXY` but what `NO_PROXY` names, and a proxy in
    the next room knows no `127.0.0.1` of ours.
    """
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [known for known in os.environ.get(name, "").split(",") if known]
        if host not in hosts:
            os.environ[name] = ",".join([*hosts, host])


class BackgroundServer:
    """An ASGI application, served from a thread of this process. Also a context manager.

    Args:
        app: the application.
        name: if given, a running server of this name is stopped when this one starts.
        host: address to listen on.
        port: 0 picks a free port.
    """

    def __init__(
        self, app: Any, *, name: str | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self._app = app
        self._name = name
        self._thread_name = f"background server {name}" if name else "background server"
        self._host = host
        self._port = port
        self._thread: _ServerThread | None = None
        self._url: str | None = None

    @property
    def url(self) -> str:
        """The base URL, such as `http://127.0.0.1:49152`.

        Raises:
            RuntimeError: the server is not running.
        """
        if self._url is None:
            raise RuntimeError("The server is not running: call start() first.")
        return self._url

    @property
    def running(self) -> bool:
        """Whether the server's thread is alive."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> BackgroundServer:
        """Begin to serve; return when connections are answered, at once if it runs already.

        Raises:
            OSError: the port is taken.
            RuntimeError: the application did not start; its own exception, if any, is the cause.
        """
        if self.running:
            return self
        if self._name:
            self._stop_namesake()
        listener = listen(self._host, self._port)
        url = url_of(listener)
        thread = _ServerThread(self._app, listener, self._thread_name)
        thread.start()
        if not (thread.server.up.wait(_TIMEOUT_S) and thread.server.started):
            thread.server.should_exit = True
            raise RuntimeError("The application did not start.") from thread.error
        thread.error = None  # it has no lifespan, and need not have one
        self._thread, self._url = thread, url
        _ask_no_proxy_for(self._host)
        return self

    def _stop_namesake(self) -> None:
        for thread in threading.enumerate():
            if thread.name == self._thread_name and hasattr(thread, "stop"):
                thread.stop()

    def wait_ready(self, timeout_s: float = 60.0) -> BackgroundServer:
        """Wait until `/readyz` says 200.

        Raises:
            RuntimeError: it never will; the message holds the reason that `/readyz` gives. Or the
                server is not running.
            TimeoutError: it did not in time; likewise.
        """
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this host
        deadline = time.monotonic() + timeout_s
        while True:
            url = f"{self.url}/readyz"
            if not self.running:
                raise RuntimeError("The server is not running any more.")
            left_s = max(deadline - time.monotonic(), _LEAST_TIMEOUT_S)
            kind = ""
            try:
                with opener.open(url, timeout=left_s):
                    return self
            except urllib.error.HTTPError as error:
                with error:
                    kind, reason = _read_problem(error)
            except (OSError, HTTPException) as error:  # no answer, or half of one
                reason = str(error)
            if kind == ENGINE_FAILED.uri:
                raise RuntimeError(reason)
            if time.monotonic() > deadline:
                raise TimeoutError(f"Not ready after {timeout_s:g} seconds: {reason}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop serving and wait for the thread's end. Idempotent.

        Requests in flight get a few seconds.

        Raises:
            RuntimeError: the server died of an exception, or did not end.
        """
        thread = self._thread
        if thread is None:
            return
        thread.stop()
        self._thread = self._url = None
        if thread.error is not None:
            raise RuntimeError("The server died.") from thread.error

    def __enter__(self) -> BackgroundServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _read_problem(answer: urllib.error.HTTPError) -> tuple[str, str]:
    """The type and the detail of a problem; what is none has no type, and its status for detail."""
    try:
        problem = json.load(answer)
        return str(problem.get("type", "")), str(problem["detail"])
    except (ValueError, AttributeError, KeyError):
        return "", str(answer)
