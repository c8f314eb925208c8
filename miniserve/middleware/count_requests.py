"""The HTTP side of the metrics."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from miniserve.metrics import Metrics
from miniserve.middleware.asgi import StatusWatch, method_of, route_of
from miniserve.problems import CLIENT_GONE, INTERNAL, UNAVAILABLE


class CountRequests:
    """Counts every HTTP request once, when it has ended."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        watched = StatusWatch(send)
        self.metrics.http_in_flight.inc()
        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:  # answered by `AccessLog`, as an error is
            watched.status = watched.status or UNAVAILABLE.status
            raise
        except Exception:
            watched.status = watched.status or INTERNAL.status
            raise
        finally:
            self.metrics.http_in_flight.dec()
            status = str(watched.status or CLIENT_GONE.status)
            labels = method_of(scope), route_of(scope), status
            self.metrics.http_requests.labels(*labels).inc()
