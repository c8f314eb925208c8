"""One line of JSON for each request, however it ends. What the client wrote is not in it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import UTC, datetime

from starlette.types import ASGIApp, Receive, Scope, Send

from miniserve.middleware.asgi import StatusWatch, client_of, method_of, route_of
from miniserve.problems import INTERNAL, UNAVAILABLE

#: Whoever runs the server gives this logger a handler; the message is the whole line.
access_logger = logging.getLogger("miniserve.access")
error_logger = logging.getLogger("miniserve.error")


class AccessLog:
    """Writes the line, and turns an exception that nobody expected into a 500.

    Unexpected exceptions end here, not in the framework's outermost layer, so that the 500 has a
    request id, a log line and a count as every other answer has. The traceback goes to the error
    log.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        watched = StatusWatch(send)
        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:  # the server ends, and waits for this request no longer
            if watched.status is not None:
                raise
            ended = UNAVAILABLE.response(
                "The server is shutting down.", headers={"Retry-After": "1"}
            )
            await ended(scope, receive, watched)
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException:  # a library in Rust that panics raises no `Exception`
            request_id = scope.get("state", {}).get("request_id")
            error_logger.exception("request %s failed", request_id)
            if watched.status is not None:  # half an answer is out: it can only be cut off
                raise
            await INTERNAL.response()(scope, receive, watched)
        finally:
            self._write(scope, watched.status or INTERNAL.status, time.perf_counter() - start)

    def _write(self, scope: Scope, status: int, duration_s: float) -> None:
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": scope.get("state", {}).get("request_id"),
            "client": client_of(scope),
            "method": method_of(scope),
            "route": route_of(scope),
            "status": status,
            "duration_ms": round(duration_s * 1000, 2),
        }
        access_logger.log(logging.ERROR if status == 500 else logging.INFO, json.dumps(line))
