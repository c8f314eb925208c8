"""The HTTP side of the metrics."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from miniserve.metrics import Metrics
from miniserve.middleware.asgi import StatusWatch, method_of, route_of
from miniserve.problems import INTERNAL


class CountRequests:
    """Counts every HTTP request once, when it has ended.

    It stands around `AccessLog`, which turns exceptions into answers: so both tell one status.
    """

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
        finally:
            self.metrics.http_in_flight.dec()
            status = str(watched.status or INTERNAL.status)
            labels = method_of(scope), route_of(scope), status
            self.metrics.http_requests.labels(*labels).inc()
