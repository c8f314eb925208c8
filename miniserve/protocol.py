"""HTTP/1.1 as uvicorn speaks it, with a bound on the head of a request.

uvicorn waits for ever for the rest of a request line or of the headers, and keeps as much of them
as comes. Here a head that does not end in time is answered with 408, one that is too long with 431
(RFC 6585; the trailers of a chunked body count as well), and a connection on which no request is
under way is closed when it has been silent for as long as an idle one may. These answers have no
request id and no line in the log. Bodies have their bound in `middleware.body_size`.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from miniserve.problems import MEDIA_TYPE, Problem

HEAD_TIMEOUT = Problem(
    "head-timeout", 408, "The request's head did not come", "The headers did not come in time."
)
HEAD_TOO_LARGE = Problem(
    "head-too-large", 431, "The request's head is too large", "The headers are too long."
)

#: Seconds from the first byte of a request line to the end of the headers.
HEAD_TIMEOUT_S = 10.0
#: The URL, and names and values of the headers; what nginx and Apache allow is of this size.
MAX_HEAD_BYTES = 32_768

#: After a refusal, what still comes is thrown away for so long: a client that is cut off while it
#: sends may never see the answer.
_DISCARD_S = 1.0


class _HeadTooLong(Exception):
    """Stops the parser."""


class BoundedHeads(HttpToolsProtocol):
    """One connection."""

    head_timeout_s = HEAD_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None  # runs while a head is incomplete
    _head_bytes = 0  # of the URL and of whole headers
    _unread_bytes = 0  # since the parser last handed anything on: half a header, say
    _handed_on = False
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request no longer than uvicorn waits for the second."""
        super().connection_made(transport)
        self._close_if_silent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        self._end_head()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Parse; what the parser cannot hand on yet, half a header, counts as it comes."""
        if self._refused:
            return
        self._handed_on = False
        super().data_received(data)
        self._unread_bytes = 0 if self._handed_on else self._unread_bytes + len(data)
        if self._unread_bytes > MAX_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        # uvicorn has stopped its timer, and starts it only after the next answer.
        self._close_if_silent()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
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
        self._end_head()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._handed_on = True
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """The parser stopped: because of what it read, or because we said so. What a whole request
        before it is to be answered with comes first, and is the last.
        """
        if self._answering:
            self._close_after_answer()
        elif self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE)
        else:
            self._end_head()
            super().send_400_response(msg)

    def _count(self, size: int) -> None:
        self._handed_on = True
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD_BYTES:
            raise _HeadTooLong

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
        cycle = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _close_if_silent(self) -> None:
        """Close when nothing more comes, if no head is incomplete and no answer is due."""
        idle = self._head_timer is None and (self.cycle is None or self.cycle.response_complete)
        if idle and self.timeout_keep_alive_task is None and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _close_after_answer(self) -> None:
        """Read no more; what is being answered is the connection's last."""
        self._refused = True
        self._end_head()
        self.cycle.keep_alive = False

    def _refuse(self, problem: Problem) -> None:
        """Answer, and close."""
        if self._answering:
            self._close_after_answer()
            return
        self._refused = True
        in_body = self._head_timer is None
        self._end_head()
        if self.transport.is_closing():
            return
        if in_body and self.cycle is not None:  # the application waits for more of a request
            if self.cycle.response_started:
                self.transport.close()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        body = bytes(problem.response().body)
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.write_eof()
        self.loop.call_later(_DISCARD_S, self.transport.close)
