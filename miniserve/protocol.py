"""HTTP/1.1 as uvicorn speaks it, with a bound on the head of a request.

uvicorn waits for ever for the rest of a request line or of the headers, and keeps as much of them
as comes. Here a head that does not end in time is answered with 408, one that is too long with 431
(RFC 6585), and a connection that never says anything is closed. Bodies have their bound in
`middleware.body_size`.
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
#: Request line and headers together; what nginx and Apache allow is of this size.
MAX_HEAD_BYTES = 32_768


class BoundedHeads(HttpToolsProtocol):
    """One connection."""

    head_timeout_s = HEAD_TIMEOUT_S
    _head_timer: asyncio.TimerHandle | None = None  # runs while a head is incomplete
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request no longer than uvicorn waits for the second."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing comes any more."""
        self._end_head()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether that was a piece of a head and not the end of it."""
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_timer = self.loop.call_later(self.head_timeout_s, self._late)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._end_head()
        super().on_headers_complete()

    def _end_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer, self._head_bytes = None, 0

    def _late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._refuse(HEAD_TIMEOUT)
        else:  # the answer to the request before is still to be written
            self._head_timer = self.loop.call_later(self.head_timeout_s, self._late)

    def _refuse(self, problem: Problem) -> None:
        """Answer and close; after an answer that is half written, only close."""
        self._end_head()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = problem.response().body
            head = (
                f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\n"
                f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
                "connection: close\r\n\r\n"
            )
            self.transport.write(head.encode("ascii") + bytes(body))
        self.transport.close()
