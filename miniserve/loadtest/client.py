"""How one request is sent, stamped and recorded. It never waits for another one."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import TypeAlias

import httpx

from miniserve.latency import DROPPED, LatencyRecord
from miniserve.loadtest.connection import Answer, Connection, NoSocketLeft, Requests
from miniserve.sockets import raise_file_limit

OnRecord: TypeAlias = Callable[[LatencyRecord], object]

MAX_IN_FLIGHT = 512
"""Sockets that a run may hold open at once, well inside the usual limit of 1,024 files."""

_KEEP_IDLE_S = 3.0


def sentence_body(sentence: str) -> object:
    """Return the body of `POST /correct`."""
    return {"sentence": sentence}


@dataclass(frozen=True)
class Target:
    """What is aimed at: `body` makes the JSON body from a sentence (None: no body, as for GET).

    Raises ValueError if they do not make a URL of http or https, or a method.
    """

    url: str
    path: str = "/correct"
    method: str = "POST"
    body: Callable[[str], object] | None = sentence_body
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"a URL to load begins with http:// or https://, not {self.url!r}")
        if not self.path.startswith("/"):
            raise ValueError(f"a path begins with a slash, not {self.path!r}")
        if not re.fullmatch("[A-Za-z-]+", self.method):
            raise ValueError(f"{self.method!r} is no HTTP method")
        try:
            host = httpx.URL(self.address).host
        except httpx.InvalidURL as error:
            raise ValueError(f"{self.address!r} is no URL: {error}") from None
        if not host:
            raise ValueError(f"{self.address!r} names no host")

    @classmethod
    def of(cls, url: "str | Target") -> "Target":
        """Return a target as it is; take a bare URL for that of a miniserve server."""
        return url if isinstance(url, Target) else cls(url)

    @property
    def address(self) -> str:
        """The whole URL."""
        return self.url.rstrip("/") + self.path

    def content(self, sentence: str) -> bytes | None:
        """Return the body as it goes over the wire."""
        return None if self.body is None else json.dumps(self.body(sentence)).encode()


class LoadClient:
    """Sends requests to one target over keep-alive connections, and records each exactly once.

    Used as an asynchronous context manager. Every stamp counts from the moment of entry. A
    request has `timeout_s` from sending to its last byte. A request is *sent* when it is handed
    to a connection, so a new connection counts as service time. Entry raises this process's
    limit of open files; a request that finds no socket all the same is recorded as dropped.
    """

    def __init__(
        self,
        target: Target,
        *,
        timeout_s: float,
        max_in_flight: int = MAX_IN_FLIGHT,
        on_record: OnRecord,
        run_id: str | None = None,
    ) -> None:
        self.target = target
        self.run_id = run_id or uuid.uuid4().hex[:8]
        self.in_flight = 0
        """Requests sent and not yet ended."""
        self._timeout_s = timeout_s
        self._max_in_flight = max_in_flight
        self._on_record = on_record
        self._url = httpx.URL(target.address)
        self._requests = Requests(target.method, self._url, target.headers)
        self._idle: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.origin = time.perf_counter()
        """Zero of the records' clock, on `time.perf_counter`."""

    async def __aenter__(self) -> "LoadClient":
        raise_file_limit()
        https = self._url.scheme == "https"
        self._tls = httpx.create_ssl_context(trust_env=False) if https else None
        self._group = await asyncio.TaskGroup().__aenter__()
        self.origin = time.perf_counter()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self._group.__aexit__(kind, error, traceback)
        finally:
            while self._idle:
                self._idle.pop().close()
            await asyncio.sleep(0)  # a transport closes its socket in the loop's next turn

    def now(self) -> float:
        """Return the seconds since entry, on the clock of the records."""
        return time.perf_counter() - self.origin

    def launch(self, index: int, intended: float, content: bytes | None) -> None:
        """Send a request without waiting for it; with too many in flight, record it as dropped."""
        if len(self._tasks) >= self._max_in_flight:
            given_up = self.now()
            request_id = f"{self.run_id}-{index}"
            self._on_record(LatencyRecord(intended, given_up, None, None, 0, DROPPED, request_id))
            return
        task = self._group.create_task(self.send(index, intended, content))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` for what was launched; return whether all of it has ended."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        return not self._tasks

    async def drain(self, drain_s: float) -> None:
        """Wait up to `drain_s` for what was launched; then give up on the rest, on record."""
        await self.settle(drain_s)
        for task in self._tasks:
            task.cancel()

    async def send(self, index: int, intended: float, content: bytes | None) -> None:
        """Send one request, wait for its end and record it. Its failures are records, not errors.

        Cancelled half-way, it leaves a record with the error "unfinished".
        """
        request_id = f"{self.run_id}-{index}"
        request = self._requests.render(request_id, content)
        answer = Answer()
        error = "unfinished"
        connection: Connection | None = None
        self.in_flight += 1
        sent = self.now()
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = self._idle_connection() or await self._connect()
                await connection.exchange(request, answer)
            error = ""
        except TimeoutError:
            error = "timeout"
        except NoSocketLeft:
            error = DROPPED  # the want is this side's, and no failure of the server's
        except Exception as failure:  # whatever it is, it is counted under its own name
            error = type(failure).__name__
        finally:
            self.in_flight -= 1
            if connection is not None:
                self._idle.append(connection)
            first_byte = None if answer.first_byte is None else answer.first_byte - self.origin
            done = None if answer.done is None or error else answer.done - self.origin
            self._on_record(
                LatencyRecord(
                    intended, sent, first_byte, done, answer.status, error or None, request_id
                )
            )

    async def _connect(self) -> Connection:
        return await Connection.open(self._url, self._tls, self.target.method)

    def _idle_connection(self) -> Connection | None:
        """Return a connection that nobody uses, if there is one: the newest first.

        The others may grow old, and go before the 5 s are up for which uvicorn, if not told
        otherwise, keeps them, so that no request meets a door that is just being closed.
        """
        oldest = time.perf_counter() - _KEEP_IDLE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.idle_since >= oldest:
                return connection
            connection.close()
        return None
