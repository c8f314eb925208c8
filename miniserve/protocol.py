"""HTTP/1.1 as uvicorn speaks it, with bounds on what a client may hold without a request.

uvicorn waits for ever for the rest of a request line or of the headers, and keeps as much of them
as comes. Here a head that does not end in time is answered with 408, one that is too long with 431
(RFC 6585; the trailers of a chunked body count as well), one that is no HTTP/1 with 400. A
connection on which no request is under way is closed when no head has begun for as long as it may
be idle, and one whose client does not read its answers is cut off. Of requests sent before the
answers to earlier ones, a few are taken in; the others stay unread. A refusal never takes the place
of the answer to an earlier request. Refusals have no request id, and no line in the log unless the
application was reading the request's body: it is told that the client went away. Bodies have their
bound in `middleware.body_size`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from http import HTTPStatus
from typing import NoReturn

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from miniserve.problems import MEDIA_TYPE, Problem

HEAD_TIMEOUT = Problem(
    "head-timeout", 408, "The request's head did not come", "The headers did not come in time."
)
HEAD_TOO_LARGE = Problem(
    "head-too-large", 431, "The request's head is too large", "The headers are too long."
)
INVALID_HTTP = Problem(
    "invalid-http", 400, "The request is not valid HTTP/1.1", "The request cannot be parsed."
)
NO_HOST = Problem(
    "no-host", 400, "The request has no Host", "There must be one Host header, and only one."
)

#: Seconds from the first byte of a request line to the end of the headers.
HEAD_TIMEOUT_S = 10.0
#: The URL, and names and values of the headers; what nginx and Apache allow is of this size.
MAX_HEAD_BYTES = 32_768
#: From so many requests without an answer on, a connection is not parsed any further.
MAX_PIPELINED = 16
#: Seconds for a client to take what has been written of an answer.
WRITE_TIMEOUT_S = 60.0

#: After a refusal, what still comes is thrown away for so long: a client that is cut off while it
#: sends may never see the answer.
_DISCARD_S = 1.0
#: What the parser gets at a time. It cannot be stopped in between, and the system hands over
#: thousands of small requests at once.
_PIECE_BYTES = 1024


class _Stop(Exception):
    """Stops the parser."""


class _Flow(FlowControl):
    """Does not read while it is held: uvicorn resumes with every answer, and whenever a request
    asks for its body.
    """

    held = False

    def hold(self, held: bool) -> None:
        if held != self.held:
            self.held = held
            (self.pause_reading if held else self.resume_reading)()

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class BoundedConnection(HttpToolsProtocol):
    """One connection."""

    head_timeout_s = HEAD_TIMEOUT_S
    write_timeout_s = WRITE_TIMEOUT_S
    flow: _Flow
    _unparsed: bytearray
    _unanswered: deque[RequestResponseCycle]  # the first runs, the body of the last may be coming
    _head_timer: asyncio.TimerHandle | None = None  # runs while a head is incomplete
    _write_timer: asyncio.TimerHandle | None = None  # runs while the client does not read
    _head_bytes = 0  # of the URL and of whole headers
    _unread_bytes = 0  # since the parser last handed anything on: half a header, say
    _handed_on = False
    _fault = INVALID_HTTP  # of what the parser stops at
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request no longer than uvicorn waits for the second."""
        super().connection_made(transport)
        # By default 64 KiB may lie unread before `pause_writing` starts the timer: for ever, then.
        transport.set_write_buffer_limits(0)
        self.flow = _Flow(transport)
        self._unparsed = bytearray()
        self._unanswered = deque()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more. uvicorn tells it only to the newest request."""
        self._end_head()
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        self.resume_writing()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Parse. Only a new head ends the wait for one: an empty line, say, does not."""
        if not self._refused:
            self._unparsed += data
            self._parse()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is answered."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has read."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._handed_on = True
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._late)

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        """The head is there."""
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (hosts == 0 and self.parser.get_http_version() >= "1.1"):
            self._stop(NO_HOST)
        if self.parser.get_method() == b"CONNECT":  # ends the parser's work, as Upgrade does
            self._stop(INVALID_HTTP)
        paused = self.flow.read_paused
        super().on_headers_complete()
        self._end_head()
        if not self.parser.should_upgrade():
            self._unanswered.append(self.cycle)
            if not paused:  # uvicorn pauses when a request must wait, and is deaf to a client's end
                self.flow.resume_reading()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._handed_on = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        """The oldest request has its answer."""
        self._unanswered.popleft()
        super().on_response_complete()
        if self._head_timer is not None:  # this timer is enough
            self._unset_keepalive_if_required()
        if not self.transport.is_closing():
            self._parse()

    def _parse(self) -> None:
        """Parse until too many requests wait; what is left is kept, and no more is read."""
        while self._unparsed and len(self._unanswered) < MAX_PIPELINED:
            piece = bytes(self._unparsed[:_PIECE_BYTES])
            del self._unparsed[:_PIECE_BYTES]
            self._handed_on = False
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as stopped:
                self._unparsed[:0] = self._head_without_upgrade() + piece[stopped.args[0] :]
            except httptools.HttpParserError:
                self._refuse(self._fault)
            else:
                self._unread_bytes = 0 if self._handed_on else self._unread_bytes + len(piece)
                if self._unread_bytes > MAX_HEAD_BYTES:
                    self._refuse(HEAD_TOO_LARGE)
        self.flow.hold(bool(self._unparsed))

    def _should_upgrade(self) -> bool:
        """True: then uvicorn passes over a head with Upgrade, which is parsed once more without."""
        return True

    def _head_without_upgrade(self) -> bytes:
        """The head just parsed. A server may ignore Upgrade (RFC 9110, 7.8); the parser does not:
        it skips the body, which would then be taken for the next request.
        """
        version = self.parser.get_http_version().encode("ascii")
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def _count(self, size: int) -> None:
        self._handed_on = True
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop(HEAD_TOO_LARGE)

    def _stop(self, fault: Problem) -> NoReturn:
        self._fault = fault
        raise _Stop

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        if self._answering:
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._late)
        else:
            self._refuse(HEAD_TIMEOUT)

    @property
    def _answering(self) -> bool:
        """Whether a request that came whole still waits for its answer."""
        return bool(self._unanswered) and not self._unanswered[0].more_body

    def _refuse(self, problem: Problem) -> None:
        """Answer, and close. The answers to whole requests come first, and are then the last."""
        in_head = self._head_timer is not None
        self._refused = True
        self._end_head()
        self._unparsed.clear()
        if self._answering:
            if self._unanswered[-1].more_body:  # the broken one; it has not begun
                self._unanswered.pop()
                self.pipeline.popleft()
            self._unanswered[-1].keep_alive = False
        elif in_head or self.cycle is None:
            self._write(problem)
        elif self.cycle.response_started:
            self.transport.close()
        else:  # the application waits for more of the request
            self.cycle.disconnected = True
            self.cycle.waiting_for_100_continue = False
            self.cycle.message_event.set()
            self._write(problem)

    def _write(self, problem: Problem) -> None:
        if self.transport.is_closing():
            return
        body = bytes(problem.response().body)
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.write_eof()
        self.loop.call_later(_DISCARD_S, self.transport.close)
