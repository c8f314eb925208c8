"""One connection to an HTTP/1.1 server, kept alive, with one request in flight.

Whatever work a load generator does between two stamps is charged to the server; so this is a bare
`asyncio.Protocol` around a C parser, and not a client with everything. Its errors are httpx's.
"""

import asyncio
import errno
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httptools
import httpx

_NO_FILE_LEFT = (errno.EMFILE, errno.ENFILE)


class NoSocketLeft(Exception):
    """This process, or its machine, may open no more files: nothing was sent."""


@dataclass(slots=True)
class Answer:
    """What came back so far; the stamps are `time.perf_counter`'s."""

    status: int = 0
    first_byte: float | None = None
    """When the headers were all there: the parser tells of nothing before."""
    done: float | None = None


class Requests:
    """How requests to one URL look on the wire; all but the id and the body is written once."""

    def __init__(self, method: str, url: httpx.URL, headers: Mapping[str, str]) -> None:
        lines = {"host": url.netloc.decode("ascii"), "content-type": "application/json"}
        lines.update((name.lower(), value) for name, value in headers.items())
        self._head = b"%s %s HTTP/1.1\r\n" % (method.encode("ascii"), url.raw_path) + b"".join(
            f"{name}: {value}\r\n".encode("latin-1") for name, value in lines.items()
        )

    def render(self, request_id: str, content: bytes | None) -> bytes:
        """Return one request; `content` None sends no body, and no word of its length."""
        length = "" if content is None else f"content-length: {len(content)}\r\n"
        rest = f"x-request-id: {request_id}\r\n{length}\r\n"
        return self._head + rest.encode("latin-1") + (content or b"")


class Connection(asyncio.Protocol):
    """Made by `open`. `usable` says whether one more request may be sent over it.

    Args:
        headers_only: no answer has a body, whatever its headers say, because HEAD is asked.
    """

    def __init__(self, headers_only: bool = False) -> None:
        self.usable = False
        self.idle_since = 0.0
        """On `time.perf_counter`."""
        self._headers_only = headers_only
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._answer = Answer()
        self._ended: asyncio.Future[None] | None = None
        self._framed = False  # the headers say where the body ends

    @classmethod
    async def open(cls, url: httpx.URL, tls: ssl.SSLContext | None, method: str) -> "Connection":
        """Connect.

        Raises:
            NoSocketLeft: it is this side that cannot.
            httpx.ConnectError: the server is not reached.
        """
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: cls(headers_only=method == "HEAD"),
                url.raw_host.decode("ascii"),
                url.port or (443 if tls else 80),
                ssl=tls,
            )
        except OSError as error:
            if error.errno in _NO_FILE_LEFT:
                await asyncio.sleep(0)  # who tries again at once must let those end that have one
                raise NoSocketLeft(str(error)) from error
            raise httpx.ConnectError(str(error)) from error
        return connection

    async def exchange(self, request: bytes, answer: Answer) -> None:
        """Send a request and fill in the answer, stamp by stamp.

        Cancelled, or after an error, the connection is closed.

        Raises:
            httpx.RemoteProtocolError: what came is not an HTTP answer, or not a whole one.
            httpx.ReadError: the connection broke.
        """
        assert self._transport is not None
        self.usable = False
        self._answer = answer
        self._framed = False
        self._parser = httptools.HttpResponseParser(self)
        self._ended = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            await self._ended
        finally:
            self.idle_since = time.perf_counter()
            if not self.usable:
                self.close()

    def close(self) -> None:
        """Close at once."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The event loop: it is open."""
        self._transport = cast(asyncio.Transport, transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """The event loop: a piece of an answer."""
        if self._parser is None or self._ended is None or self._ended.done():
            self.close()  # nobody has asked for anything
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._end(httpx.RemoteProtocolError(str(error)))

    def connection_lost(self, exc: Exception | None) -> None:
        """The event loop: it is closed, by whomever."""
        self.usable = False
        if self._ended is None or self._ended.done():
            return
        if exc is not None:
            self._end(httpx.ReadError(str(exc)))
        elif self._answer.first_byte is None or self._framed:
            self._end(httpx.RemoteProtocolError("the connection was closed before the answer"))
        else:
            self._complete()  # an answer of no stated length ends with its connection

    def on_header(self, name: bytes, value: bytes) -> None:
        """The parser: one header."""
        self._framed |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """The parser: that was the last header."""
        assert self._parser is not None
        status = self._parser.get_status_code()
        if status < 200:  # "go on", and the like: the answer comes after it
            return
        self._answer.status = status
        self._answer.first_byte = time.perf_counter()
        if self._headers_only:
            self._complete()

    def on_message_complete(self) -> None:
        """The parser: that was the whole answer."""
        assert self._parser is not None
        if self._answer.first_byte is not None and not self._headers_only:
            self.usable = self._parser.should_keep_alive()
            self._complete()

    def _complete(self) -> None:
        self._answer.done = time.perf_counter()
        self._end(None)

    def _end(self, error: Exception | None) -> None:
        if self._ended is None or self._ended.done():
            return
        if error is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(error)
